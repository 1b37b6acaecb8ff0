"""Identities that need no attention: reading here, reading at a known place, operations that change nothing."""

from __future__ import annotations

from ..graph import Builder, Graph, Node
from ..ops import Affine, Clip, Const, Exists, Fetch, OrElse, Position
from .maps import at_query, copy, of_position, rebuild, substitute


def fold(graph: Graph) -> Graph:
    """Apply, bottom up: `x.at(position) = x`; `f(position).at(g(position)) = f(g(position))` where g never points
    ahead; `clip`, `or_else` and `exists` on values that cannot be cut or ⊥; sums of sums. Preserves every value.
    """
    return rebuild(graph, _fold)


def _fold(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    first = builder.nodes[args[0]] if args else None
    match node.op:
        case Fetch():
            query = at_query(builder, args[0])
            if query is not None:
                if isinstance(builder.nodes[query].op, Position):
                    return args[1]
                if _static_read(builder, query, args[1]):
                    n = builder.sizes.length
                    inside = _fold(builder, Node(Clip(1, n), (query,), node.domain, "clip", node.line), (query,))
                    return substitute(builder, args[1], inside)
        case Clip(lo=lo, hi=hi) if first and first.domain.lo >= lo and first.domain.hi <= hi:
            return args[0]
        case OrElse() if first and not first.domain.none:
            return args[0]
        case Exists() if first and not first.domain.none:
            return builder.add(Const("bool", 1), (), "true")
        case Affine(kind=kind, coefficients=(c,), constant=k) if first:
            if (c, k) == (1, 0) and first.domain.kind == kind:
                return args[0]
            inner = first.op
            if isinstance(inner, Affine) and (kind != "bool" or inner.kind == "bool"):
                merged = Affine(kind, tuple(c * i for i in inner.coefficients), c * inner.constant + k)
                return _fold(builder, Node(merged, first.args, node.domain, node.name, node.line), first.args)
        case _:
            pass
    return copy(builder, node, args)


def _static_read(builder: Builder, query: int, value: int) -> bool:
    """Whether reading `value` at `query` is known when compiling: both depend on the position alone, pointing back."""
    if isinstance(builder.nodes[value].op, Const) or not (of_position(builder, query) and of_position(builder, value)):
        return False
    lag = builder.nodes[query].domain.lag
    return lag is not None and lag <= 0 and _reads_position(builder, value)


def _reads_position(builder: Builder, index: int) -> bool:
    node = builder.nodes[index]
    return isinstance(node.op, Position) or any(_reads_position(builder, a) for a in node.args)
