"""Linear expressions over residual-stream cells: what one row of W_Q, W_K, W_V, W_in or W_U will say.

A cell is (feature, dimension of that feature). Cell ONE is 1 at every token and 0 at BOS, so that a
constant c is c·ONE and every expression is 0 at BOS, whose residual stream is the zero vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Cell: TypeAlias = tuple[int, int]
ONE_FEATURE = 0


@dataclass(frozen=True, slots=True)
class Lin:
    """A sum of integer multiples of cells, kept sorted so that equal expressions compare equal."""

    terms: tuple[tuple[Cell, int], ...] = ()

    @classmethod
    def of(cls, terms: Iterable[tuple[Cell, int]]) -> Lin:
        """Collect terms: equal cells add up and zero coefficients vanish."""
        total: dict[Cell, int] = {}
        for cell, coefficient in terms:
            total[cell] = total.get(cell, 0) + coefficient
        return cls(tuple(sorted((c, k) for c, k in total.items() if k)))

    @classmethod
    def cell(cls, feature: int, dim: int = 0) -> Lin:
        """One cell."""
        return cls((((feature, dim), 1),))

    def __add__(self, other: Lin) -> Lin:
        return Lin.of((*self.terms, *other.terms))

    def __sub__(self, other: Lin) -> Lin:
        return self + other * -1

    def __mul__(self, factor: int) -> Lin:
        return Lin.of((cell, k * factor) for cell, k in self.terms)

    __rmul__ = __mul__

    def features(self) -> set[int]:
        """The features this expression reads."""
        return {feature for (feature, _), _ in self.terms}

    def range(self, interval: Callable[[Cell], tuple[int, int]]) -> tuple[int, int]:
        """The least and greatest value, given each cell's interval (cells taken as independent)."""
        lo = hi = 0
        for cell, k in self.terms:
            a, b = interval(cell)
            lo, hi = lo + min(k * a, k * b), hi + max(k * a, k * b)
        return lo, hi

    def magnitude(self, interval: Callable[[Cell], tuple[int, int]]) -> int:
        """A bound that no partial sum, in any order, exceeds: Σ |coefficient|·max|cell|.

        Two terms have no partial sums but themselves and the result, so there it is the largest of the three.
        """
        if len(self.terms) == 2:
            sizes = [abs(k) * max(abs(a) for a in interval(cell)) for cell, k in self.terms]
            return max(*sizes, *map(abs, self.range(interval)))
        return self.size(interval)

    def size(self, interval: Callable[[Cell], tuple[int, int]]) -> int:
        """Σ |coefficient|·max|cell|: what the expression contributes where it is part of a longer sum."""
        return sum(abs(k) * max(abs(a) for a in interval(cell)) for cell, k in self.terms)

    @property
    def step(self) -> int:
        """The greatest power of two that divides every coefficient; 1 if there is none."""
        every = math.gcd(*(k for _, k in self.terms)) or 1
        return every & -every


ONE = Lin.cell(ONE_FEATURE)
ZERO = Lin()


def below(lin: Lin, thresholds: Iterable[int]) -> list[Lin]:
    """lin - t·ONE for many t. ONE is the least cell, so it stands first and the rest is shared."""
    own = lin.terms[:1] if lin.terms[:1] and lin.terms[0][0] == (ONE_FEATURE, 0) else ()
    k, rest = sum(c for _, c in own), lin.terms[len(own) :]
    return [Lin((((ONE_FEATURE, 0), k - t), *rest)) if k != t else Lin(rest) for t in thresholds]


def reaches(lins: Iterable[Lin], interval: Callable[[Cell], tuple[int, int]]) -> list[tuple[int, int]]:
    """Each expression's magnitude and greatest value. Those that differ by a constant alone are followed through their cells once."""
    known: dict[tuple[tuple[Cell, int], ...], tuple[Lin, int, int, int]] = {}
    found: list[tuple[int, int]] = []
    for lin in lins:
        own = bool(lin.terms) and lin.terms[0][0] == (ONE_FEATURE, 0)
        k, rest = (lin.terms[0][1], lin.terms[1:]) if own else (0, lin.terms)
        if rest not in known:
            known[rest] = (part := Lin(rest), part.size(interval), *part.range(interval))
        part, size, lo, hi = known[rest]
        lo, hi = lo + min(0, k), hi + max(0, k)
        if not own:
            found.append((part.magnitude(interval), hi))
        else:
            found.append((max(abs(k), size, abs(lo), abs(hi)) if len(rest) == 1 else abs(k) + size, hi))
    return found


@dataclass(frozen=True, slots=True)
class Unit:
    """One hidden ReLU unit: `relu(pre)` added with weight `out[d]` to dimension d of the feature it builds.

    `peak` is a proven bound on relu(pre) where the gadget knows a better one than interval arithmetic. Of a feature's units with
    `alone` at most one fires at a time.
    """

    pre: Lin
    out: tuple[int, ...]
    peak: int | None = None
    alone: bool = False


def activations(units: Sequence[Unit], value: Callable[[Lin], NDArray[np.int64]], rows: int, width: int) -> NDArray[np.int64]:
    """What hidden units add up to in each row of a table, `value` giving an expression's value in each. Shape (rows, width).

    Of units that read the same x with constants k, those with x > -k are active: Σ w·max(0, x + k) is x·Σ w + Σ w·k over
    them, one sum up to each threshold. A staircase of a thousand steps over a million rows takes one search, not 10^9 products.
    """
    alike: dict[Lin, list[tuple[int, tuple[int, ...]]]] = {}
    for unit in units:
        k = dict(unit.pre.terms).get((ONE_FEATURE, 0), 0)
        alike.setdefault(unit.pre - ONE * k, []).append((-k, unit.out))
    table = np.zeros((rows, width), np.int64)
    for lin, steps in alike.items():
        x = value(lin)
        at, out = np.array([k for k, _ in steps], np.int64), np.array([w for _, w in steps], np.int64)  # (units,), (units, width)
        order = np.argsort(at)
        at, out = at[order], out[order]
        zero = np.zeros((1, width), np.int64)
        slope, less = (np.concatenate([zero, np.cumsum(a, axis=0)]) for a in (out, out * at[:, None]))  # (units + 1, width)
        active = np.searchsorted(at, x)  # how many thresholds lie below x. Shape (rows,)
        table += slope[active] * x[:, None] - less[active]
    return table
