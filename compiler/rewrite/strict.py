"""Lookups that leave out their own position, for architectures whose only mask is the causal one."""

from __future__ import annotations

from dataclasses import replace

from ..graph import Builder, Graph, Node
from ..ops import Affine, Clip, Const, Fetch, Lookup, OrElse, Total
from .maps import Rewrite, Rule, at, copy, here, of_position, reads_position, substitute


def without_strict(graph: Graph) -> Graph:
    """The same program for causal masks alone."""
    return unstrict(replace(graph, sizes=replace(graph.sizes, strict=False)))


def _unstrict(graph: Graph) -> Rule:
    """`match(q, k, before=True).fetch(x) = match(q, previous(k)).fetch(previous(x))`, with the same pick; totals likewise.

    Preserves every value: s < i and k[s] = q[i] holds exactly if t = s + 1 has t <= i and previous(k)[t] = q[i]; the
    order of places is kept, so the same one is picked, and previous(x)[t] = x[s]. What depends on the position alone
    is moved when compiling; anything else costs one layer, which all strict lookups of one depth share. previous(k)
    is ⊥ at the first place, so that is never picked, and what is read or ranked there does not matter.
    """

    def rule(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
        if isinstance(node.op, Lookup) and node.op.mask == "strict":
            op, parts = node.op, node.op.parts
            keys = (_previous(builder, k) for k in args[parts : 2 * parts])
            rest = args[2 * parts :]
            ranks = (*rest[: op.graded], *(_never_none(builder, a) for a in rest[op.graded :]))  # graded: queries, then keys
            return builder.add(replace(op, mask="causal"), (*args[:parts], *keys, *ranks), node.name, node.line)
        if isinstance(node.op, Total) and node.op.mask == "strict":
            parts = node.op.parts
            moved = (_previous(builder, a) for a in args[parts:])
            return builder.add(replace(node.op, mask="causal"), (*args[:parts], *moved), node.name, node.line)
        if isinstance(node.op, Fetch):
            lookup = graph.nodes[node.args[0]].op
            if isinstance(lookup, Lookup) and lookup.mask == "strict":
                return builder.add(Fetch(), (args[0], _moved(builder, args[1])), node.name, node.line)
        return copy(builder, node, args)

    return rule


def _moved(builder: Builder, index: int) -> int:
    """The value one place back; at the first place, which nobody reads, it may be anything."""
    if of_position(builder, index) and reads_position(builder, index):
        return substitute(builder, index, builder.add(Affine("position", (1,), -1), (here(builder),), "back"))
    return _previous(builder, index)


def _previous(builder: Builder, index: int) -> int:
    """The value one place back, ⊥ at the first place."""
    back = builder.add(Affine("position", (1,), -1), (here(builder),), "back")
    inside = builder.add(Clip(1, builder.sizes.length), (back,), "clip")
    return at(builder, index, inside)


def _never_none(builder: Builder, index: int) -> int:
    """The value one place back, its least one at the first place: what ranks must be a number."""
    domain = builder.nodes[index].domain
    least = builder.add(Const(domain.kind, domain.lo), (), "least")
    return builder.add(OrElse(), (_previous(builder, index), least), "or_else")


unstrict = Rewrite("strict", _unstrict)
