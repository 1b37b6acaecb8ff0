"""Values that depend on the position alone, position by position: what bounds their sums, which no selector can exceed."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..compiler.graph import Builder
from ..compiler.language import Value
from ..compiler.language.conditions import Condition
from ..compiler.language.products import within
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, Const, Extreme, Local, Position

MOST_CASES = 1 << 20  # of a sum's parts together: beyond, parts are written down, for a certificate that goes through them


def by_position(builder: Builder, index: int) -> list[int | None] | None:
    """A node's value at positions 1, 2, …; None where it depends on anything else."""
    known: dict[int, list[int | None] | None] = {}
    for i, node in enumerate(builder.nodes[: index + 1]):
        rows = [known[a] for a in node.args]
        some = [row for row in rows if row is not None]
        match node.op:
            case Position():
                known[i] = list(range(1, builder.sizes.length + 1))
            case Const(value=value):
                known[i] = [value] * builder.sizes.length
            case Local(strict=strict) as op if len(some) == len(rows):
                known[i] = [None if strict and None in at else op.meaning(*at) for at in zip(*some, strict=True)]
            case _:
                known[i] = None
    return known[index]


def bounded(total: Callable[[], Value], value: Value, condition: Condition) -> Value:
    """A sum of a value over positions: no more than the sum of all that is positive, no less than that of what is negative.

    The first position, where nothing else counts and every query selects it, is the sum: RASP's way to count by a share.
    """
    builder = value.builder
    rows = by_position(builder, value.index)
    if rows is None:
        return total()
    numbers = [x for x in rows if x is not None]
    if rows[0] is not None and not any(numbers[1:]) and first_is_seen(builder, condition):
        return Value(builder, builder.add(Const("int", rows[0]), (), str(rows[0])))
    return within(total(), sum(min(0, x) for x in numbers), sum(max(0, x) for x in numbers), None)


def first_is_seen(builder: Builder, condition: Condition) -> bool:
    """Whether it is plain that every query selects the first position: a term asks for it, or for nothing."""

    def meets(query: int, key: int) -> bool:
        keys, queries = by_position(builder, key), by_position(builder, query)
        return keys is not None and queries is not None and keys[0] is not None and set(queries) == {keys[0]}

    return any(not t.before and all(not c.relation and meets(c.query, c.key) for c in t.compared) for t in condition.cover())


def written_down(value: Value) -> Value:
    """A sum of several computed values in a place of its own where its parts have many cases: max(x, least) is x."""
    builder = value.builder
    if not isinstance(builder.nodes[value.index].op, Affine):
        return value
    sizes = [builder.nodes[leaf].domain.size for leaf in _leaves(builder, value.index)]
    if len(sizes) < 2 or math.prod(sizes) ** 2 <= MOST_CASES:
        return value
    least = builder.add(Const("int", value.domain.lo), (), str(value.domain.lo))
    return value_of(builder, Extreme(True), [value.index, least], None)


def _leaves(builder: Builder, index: int) -> set[int]:
    node = builder.nodes[index]
    if not isinstance(node.op, Affine):
        return {index}
    return set[int]().union(*(_leaves(builder, a) for a in node.args))
