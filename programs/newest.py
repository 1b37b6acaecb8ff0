"""A choice that several programs make: of values that were found at different positions, the one found last."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler import language as hw


def newest(found: Sequence[tuple[hw.Value, hw.Value]]) -> hw.Value:
    """The value whose position is greatest, from pairs (position, value); ⊥ if every position is ⊥.

    A tournament: n pairs take ceil(log2 n) rounds of comparisons, all at this position, so no attention layer.
    """
    row = [(position.or_else(0), value) for position, value in found]
    while len(row) > 1:
        winners = [_later(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = winners + row[2 * len(winners) :]
    when, value = row[0]
    return hw.where(when > 0, value, None)


def _later(a: tuple[hw.Value, hw.Value], b: tuple[hw.Value, hw.Value]) -> tuple[hw.Value, hw.Value]:
    return hw.maximum(a[0], b[0]), hw.where(a[0] > b[0], a[1], b[1])
