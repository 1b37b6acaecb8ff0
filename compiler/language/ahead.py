"""How far ahead of this position a pointer is at least: what a causal program cannot see."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node
from ..ops import Affine, Clip, Extreme, Position, Where

FAR = 64  # steps of arithmetic that are followed


def ahead(nodes: Sequence[Node], index: int, steps: int = FAR) -> int | None:
    """The least of pointer - position wherever the pointer is not ⊥; None where nothing is known.

    Of a sum it is what its one pointer has, and the least that the rest adds.
    """
    node = nodes[index]
    if isinstance(node.op, Position):
        return 0
    if not steps:
        return None
    if isinstance(node.op, Clip):
        return ahead(nodes, node.args[0], steps - 1)
    if isinstance(node.op, Affine) and node.op.kind == "position":
        terms = list(zip(node.op.coefficients, node.args, strict=True))
        pointers = [a for c, a in terms if c == 1 and nodes[a].domain.kind == "position"]
        if len(pointers) != 1 or any(nodes[a].domain.kind == "position" for c, a in terms if c != 1):
            return None
        here = ahead(nodes, pointers[0], steps - 1)
        rest = sum(min(c * nodes[a].domain.lo, c * nodes[a].domain.hi) for c, a in terms if a != pointers[0])
        return None if here is None else here + rest + node.op.constant
    if isinstance(node.op, (Extreme, Where)):
        ends = [ahead(nodes, a, steps // 2 - 1) if steps > 1 else None for a in node.args[-2:]]
        known = [end for end in ends if end is not None]
        if isinstance(node.op, Extreme) and node.op.largest:
            return max(known, default=None)
        return min(known) if len(known) == 2 else None
    return None
