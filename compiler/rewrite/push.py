"""Local computation moves to where a value is read from, and lookups move to the earlier of two equal forms."""

from __future__ import annotations

from ..graph import Builder, Node
from ..ops import Affine, Const, Fetch, Local, Position
from .maps import Rewrite, copy, fetch, here, of_position, shifted, substitute


def _push(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    """`f(x.fetch(h), y.fetch(h)) = f(x, y).fetch(h)` for strict f (constants may join in).

    Preserves every value: where h finds nothing both sides are ⊥, because f is strict. It turns `found + 1` into
    the reading of `position + 1`, which the embedding knows, and lets chains of reads meet without a step between.
    """

    if isinstance(node.op, Local) and node.op.strict:
        reads = [builder.nodes[a] for a in args]
        lookups = {r.args[0] for r in reads if isinstance(r.op, Fetch)}
        if len(lookups) == 1 and all(isinstance(r.op, (Fetch, Const)) for r in reads):
            values = tuple(r.args[1] if isinstance(r.op, Fetch) else a for r, a in zip(reads, args, strict=True))
            inner = builder.add(node.op, values, node.name.split(".")[0], node.line)
            return fetch(builder, lookups.pop(), inner, node.name.split(".")[0])
    return copy(builder, node, args)


def _shift(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    """`match(q, previous(k)).position = match(q, k, before=True).position + 1`, and so for any function of the position.

    Preserves every value and saves the layer that copied the previous value.
    """

    if isinstance(node.op, Fetch) and of_position(builder, args[1]) and not isinstance(builder.nodes[args[1]].op, Const):
        early = shifted(builder, args[0])
        if early is not None:
            after = builder.add(Affine("position", (1,), 1), (here(builder),), "next")
            value = after if isinstance(builder.nodes[args[1]].op, Position) else substitute(builder, args[1], after)
            return fetch(builder, early, value, node.name.split(".")[0])
    return copy(builder, node, args)


push, shift = Rewrite("push", lambda graph: _push), Rewrite("shift", lambda graph: _shift)
