"""Identities that need no attention: reading here, reading at a known place, operations that change nothing."""

from __future__ import annotations

from ..graph import Builder, Node
from ..ops import Affine, AtLeast, Clip, Const, Equal, Exists, Extreme, Fetch, OrElse
from .maps import Rewrite, at_query, clip, copy, read_known


def _fold(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    """Apply, bottom up: `x.at(position) = x`; `f(position).at(g(position)) = f(g(position))` where g never points
    ahead; `clip`, `or_else` and `exists` on values that cannot be cut or ⊥; comparisons of a value with itself; sums of sums,
    and of one value twice. Preserves every value.
    """
    first = builder.nodes[args[0]] if args else None
    match node.op:
        case Fetch():
            query = at_query(builder, args[0])
            if query is not None:
                known = read_known(builder, args[1], query)
                if known is not None:
                    return known
        case Clip(lo=lo, hi=hi):
            return clip(builder, args[0], lo, hi)
        case OrElse() if first and not first.domain.none:
            return args[0]
        case Exists() if first and not first.domain.none:
            return builder.add(Const("bool", 1), (), "true")
        case Extreme() if args[0] == args[1]:
            return args[0]
        case AtLeast() | Equal() if args[0] == args[1] and first and not first.domain.none:
            said = isinstance(node.op, Equal) or node.op.threshold <= 0
            return builder.add(Const("bool", int(said)), (), str(said).lower(), node.line)
        case Affine(kind=kind, coefficients=(c,), constant=k) if first:
            if (c, k) == (1, 0) and first.domain.kind == kind:
                return args[0]
            inner = first.op
            if isinstance(inner, Affine) and (kind != "bool" or inner.kind == "bool"):
                merged = Affine(kind, tuple(c * i for i in inner.coefficients), c * inner.constant + k)
                return _fold(builder, Node(merged, first.args, node.domain, node.name, node.line), first.args)
        case Affine(kind=kind, coefficients=cs, constant=k) if len(set(args)) < len(args):
            factors = {a: sum(c for c, b in zip(cs, args, strict=True) if b == a) for a in args}
            factors = {a: c for a, c in factors.items() if c or builder.nodes[a].domain.none}
            if not factors:
                return builder.add(Const(kind, k), (), str(k), node.line)
            merged = Affine(kind, tuple(factors.values()), k)
            return _fold(builder, Node(merged, tuple(factors), node.domain, node.name, node.line), tuple(factors))
        case _:
            pass
    return copy(builder, node, args)


fold = Rewrite("fold", lambda graph: _fold)
