"""Hidden units of the natural style: gates, staircases, and the rounding of what a head brought.

All work on numbers that are near integers, and all bend at quarters: a number that is off by less than 1/4 is on a flat. Flats
are not quite flat: they keep a slope of 1/4 where the answer is 1, so that errors shrink to a quarter and gradients exist. With
a slope c over the flat and s below it, a step from 0 at x - 3/4 to 1 at x needs s/2 + c/4 = 1: c = 1/4 gives s = 15/8, and where
it ends, s'/2 = 1 + c/4 gives 17/8. All are multiples of 1/8 that five bits hold. A sum of numbers of up to R multiplies what
its operands are off by R; there the slope is the greatest power of two of at most 1/(2·R), so that errors shrink all the same.

    gate       15/8·relu(x - (k - 3/4)) - 13/8·relu(x - (k - 1/4))            1 at x = k, 0 at x <= k - 1; for x <= k
    level j    the same, - 19/8·relu(x - (j + 1/4)) + 17/8·relu(x - (j + 3/4))   1 at x = j, 0 at every other integer
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .stage import BOS, ONE, Lin, Unit, added

SLOPE = 1 / 4  # of the roof of a gate, and of a staircase whose operands are small
QUIET = 127 / 4  # what silences BOS: the greatest quarter that a column of int8 holds
RISE, ROOF = 2 - SLOPE / 2, SLOPE * 3 / 2 - 2


def gate(inputs: Sequence[Lin], out: Sequence[tuple[int, float]]) -> list[Unit]:
    """Units that add `out` where all of k inputs, each 0 or 1, are 1."""
    x, k = added((lin, 1.0) for lin in inputs), len(inputs)
    return [
        Unit(added([(x, 1.0), ({ONE: 1.0}, 0.75 - k)]), tuple((d, w * RISE) for d, w in out)),
        Unit(added([(x, 1.0), ({ONE: 1.0}, 0.25 - k)]), tuple((d, w * ROOF) for d, w in out)),
    ]


def levels(x: Lin, unit: Lin, dims: Sequence[int], silence: Lin, slope: float = SLOPE) -> list[Unit]:
    """Units by which dimension j of `dims` is 1 where x = j + 1, for x = 0, 1, …; all 0 for x <= 0.

    `unit` is what x counts in: 1, or a share. `silence` is taken off where nothing may fire.
    """
    units: list[Unit] = []
    rise, end = 2 - slope / 2, 2 + slope / 2
    for n in range(len(dims) + 1):
        low = [(dims[n], rise)] if n < len(dims) else []
        low_end = [(dims[n], slope - rise)] if n < len(dims) else []
        high = [(dims[n - 1], -slope - end)] if n else []
        high_end = [(dims[n - 1], end)] if n else []
        for bend, out in ((n + 0.25, low + high), (n + 0.75, low_end + high_end)):
            units.append(Unit(added([(x, 1.0), (unit, -bend), (silence, -1.0)]), tuple(out)))
    return units


def counted(share: int, rest: int, blocks: int, block: float, lo: int, dims: Sequence[int]) -> list[Unit]:
    """Units that read a number v >= lo - 1 off shares: dimension j of `dims` is 109/64 times the rest where v = lo + j, else 0.

    They compare `share`, v times the rest, with bends that are quarters: a·`blocks` + b·`rest`, a whole, and b at most half a block.
    At BOS `rest` is 1 and `share` is 0, and nothing may fire. 127/4 is taken off there, which is enough where bends are above 1 - 127/4;
    with lower levels (`passed`) it is added, as all four bends of theirs are passed. So a column's numbers are quarters up to its greatest,
    127 of them, which a column of int8 with a scale of its own holds as they are. What they write are 103, 91, 127 and 115 of 1/32: the
    slope over a flat is 12/32, a flat's end comes to 109/64·rest + 3/32, and steps are

        103/32·3/4 - 91/32·1/4 = 109/64        103/32 - 91/32 - 127/32 + 115/32 = 0
    """
    units: list[Unit] = []
    for n, dim in enumerate(dims):
        silence = -QUIET if passed(lo + n) else QUIET
        for bend, weight in ((n + 0.25, 103), (n + 0.75, -91), (n + 1.25, -127), (n + 1.75, 115)):
            whole = lo - 1 + bend
            a = round(whole / block)
            pre = [({share: 1.0}, 1.0), ({blocks: 1.0}, -a), ({rest: 1.0}, a * block - whole), ({BOS: 1.0}, -silence)]
            units.append(Unit(added(pre), ((dim, weight / 32),)))
    return units


def passed(level: int) -> bool:
    """Whether BOS passes all bends of a level, rather than none."""
    return level - 1 + 0.25 < 1 - QUIET


def gentle(size: float) -> float:
    """The slope of a staircase over a sum whose operands are at most `size` together: at most 1/4, and slope·size <= 1/2."""
    return min(SLOPE, 2.0 ** math.floor(-math.log2(2 * max(1.0, size))))


def rounding(dims: Sequence[int], silent: Lin | None = None) -> tuple[Unit, ...]:
    """Units that round the cells of a value near one-hot in place: x becomes gate(x), by adding gate(x) - relu(x) + relu(-x).

    Its bends are at 1/8 + s/8 and 1/8 + 5/8·s, s being the sum of the value's own cells: at 1/4 and 3/4 where there is a value.
    What is off in s is alike wherever the value is; what is off in the direction that is 1 everywhere differs from token to
    token, and counts 1/8·(15/8 - 13/8) = 1/32 here. At ⊥ both bends are at 1/8: cells that are off less stay silent. What is
    `silent` is taken off both, where a cell becomes 0 whatever it was.
    """
    own, off = dict.fromkeys(dims, 1.0), (silent or {}, -1.0)
    return tuple(
        unit
        for dim in dims
        for unit in (
            Unit({dim: 1.0}, ((dim, -1.0),)),
            Unit({dim: -1.0}, ((dim, 1.0),)),
            Unit(added([({dim: 1.0, ONE: -0.125}, 1.0), (own, -0.125), off]), ((dim, RISE),)),
            Unit(added([({dim: 1.0, ONE: -0.125}, 1.0), (own, -0.625), off]), ((dim, ROOF),)),
        )
    )


def sum_rounding(dims: Sequence[int], slope: float) -> tuple[Unit, ...]:
    """Units that round cells near 0 and 1 in place: x becomes slope·x + (1 - slope)·flat(x).

    flat(x) = 2·relu(x - 1/4) - 2·relu(x - 3/4) is 0 up to 1/4 and 1 from 3/4 on.
    """
    return tuple(
        unit
        for dim in dims
        for unit in (
            Unit({dim: 1.0}, ((dim, slope - 1),)),
            Unit({dim: -1.0}, ((dim, 1.0),)),
            Unit({dim: 1.0, ONE: -0.25}, ((dim, 2 * (1 - slope)),)),
            Unit({dim: 1.0, ONE: -0.75}, ((dim, -2 * (1 - slope)),)),
        )
    )


def share_rounding(dims: Sequence[int], slope: float, passed: bool = False) -> tuple[Unit, ...]:
    """Units that round cells that are 0, or between 109/128 and 109/64, in place: x becomes slope·x + (1 - 5/4·slope)·flat(x).

    flat(x) = 4·relu(x - 1/4) - 4·relu(x - 1/2) is 0 up to 1/4 and 1 from 1/2 on, so what is 7/8 to 7/4 or so ends within slope/2 of 1.
    Where BOS has `passed` bends the cells are 0 there as four large numbers cancel, off by what these are; the bends are for BOS too then.
    """
    top = 4 * (1 - 1.25 * slope)
    at = (ONE, BOS) if passed else (ONE,)
    return tuple(
        unit
        for dim in dims
        for unit in (
            Unit({dim: 1.0}, ((dim, slope - 1),)),
            Unit({dim: -1.0}, ((dim, 1.0),)),
            Unit({dim: 1.0, **dict.fromkeys(at, -0.25)}, ((dim, top),)),
            Unit({dim: 1.0, **dict.fromkeys(at, -0.5)}, ((dim, -top),)),
        )
    )


def merged(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Units that read the same are one."""
    found: dict[tuple[tuple[int, float], ...], dict[int, float]] = {}
    for unit in units:
        out = found.setdefault(tuple(unit.pre.items()), {})
        for dim, weight in unit.out:
            out[dim] = out.get(dim, 0.0) + weight
    return tuple(Unit(dict(pre), tuple((d, w) for d, w in out.items() if w)) for pre, out in found.items() if pre and any(out.values()))
