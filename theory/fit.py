"""Exact fits: integer data as a rational combination of given functions, or nothing at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .functions import exact, sp

PRIME = 2**31 - 1
LARGEST_DENOMINATOR = 64
Point = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """An expression that equals the data at every point; `unseen` counts the points it was not made from."""

    expression: sp.Expr
    points: int
    unseen: int


def fit(points: Sequence[Point], values: Sequence[int], basis: Sequence[sp.Expr]) -> Fit | None:
    """The combination of `basis` that equals `values` at every point, or None where there is none.

    It is solved for on the points that are greatest in no coordinate and must then predict the others exactly. Where
    those points do not determine it, it is solved for on all of them (`unseen` is then 0), and refused unless every
    symbol in it takes at least twice as many values as it holds functions of that symbol. The first in `basis` are
    preferred.
    """
    columns = _columns(points, basis)
    tops = {name: max(p[name] for p in points) for name in points[0] if len({p[name] for p in points}) > 1}
    inner = [i for i, p in enumerate(points) if not any(p[name] == top for name, top in tops.items())]
    found = _fit(columns, values, basis, inner)
    if found is not None:
        return found
    found = _fit(columns, values, basis, range(len(points)))
    if found is None:
        return None
    enough = all(2 * functions <= len({p[name] for p in points}) for name, functions in _freedom(found.expression).items())
    return found if enough else None


def _fit(columns: Sequence[list[int]], values: Sequence[int], basis: Sequence[sp.Expr], seen: Sequence[int]) -> Fit | None:
    weights = _solve([[c[i] for i in seen] for c in columns], [values[i] for i in seen])
    if weights is None or 2 * sum(map(bool, weights)) > len(seen):
        return None
    for i, value in enumerate(values):
        if sum(w * c[i] for w, c in zip(weights, columns, strict=True) if w) != value:
            return None
    terms = [sp.Rational(w.numerator, w.denominator) * f for w, f in zip(weights, basis, strict=True) if w]
    return Fit(
        sp.collect(sp.Add(*terms), [sp.Symbol(n, integer=True, nonnegative=True) for n in ("N", "|Σ|")]),
        len(values),
        len(values) - len(seen),
    )


def _freedom(expression: sp.Expr) -> dict[str, int]:
    """How many functions of each symbol the terms of an expression hold, the constant counted."""
    parts: dict[str, set[sp.Expr]] = {}
    for term in sp.Add.make_args(sp.expand(expression)):
        for name in (str(s) for s in expression.free_symbols):
            own = [f for f in sp.Mul.make_args(term) if name in map(str, f.free_symbols)]
            parts.setdefault(name, {sp.Integer(1)}).add(sp.Mul(*own))
    return {name: len(functions) for name, functions in parts.items()}


def _columns(points: Sequence[Point], basis: Sequence[sp.Expr]) -> list[list[int]]:
    """Every function at every point, computed once for each choice of the symbols it has."""
    columns: list[list[int]] = []
    for function in basis:
        names = sorted(str(s) for s in function.free_symbols)
        known: dict[tuple[int, ...], int] = {}
        column: list[int] = []
        for point in points:
            at = tuple(point[name] for name in names)
            if at not in known:
                known[at] = exact(function, **dict(zip(names, at, strict=True)))
            column.append(known[at])
        columns.append(column)
    return columns


def _solve(columns: Sequence[list[int]], values: Sequence[int]) -> list[Fraction] | None:
    """A candidate solution, free unknowns 0, by elimination modulo a prime; the caller checks it in exact arithmetic.

    A rational solution is one modulo the prime too, unless the prime divides a denominator or a pivot: at worst a fit
    is missed, and none is made up.
    """
    system = np.array([*columns, values], dtype=object).T % PRIME
    m = system.astype(np.int64)  # (equations, unknowns + 1); entries < 2**31, so products fit int64
    pivots: list[int] = []
    for column in range(len(columns)):
        row = len(pivots)
        found = np.flatnonzero(m[row:, column])
        if not len(found):
            continue
        m[[row, row + found[0]]] = m[[row + found[0], row]]
        m[row] = m[row] * pow(int(m[row, column]), -1, PRIME) % PRIME
        others = m[:, column].copy()
        others[row] = 0
        m = (m - others[:, None] * m[row] % PRIME) % PRIME
        pivots.append(column)
    if m[len(pivots) :, -1].any():
        return None
    weights = [Fraction(0)] * len(columns)
    for row, column in enumerate(pivots):
        weights[column] = _rational(int(m[row, -1]))
    return weights


def _rational(residue: int) -> Fraction:
    """The fraction of least denominator that has this residue and a numerator of at most 24 bits."""
    for denominator in range(1, LARGEST_DENOMINATOR + 1):
        numerator = (residue * denominator + PRIME // 2) % PRIME - PRIME // 2
        if abs(numerator) < 1 << 24:
            return Fraction(numerator, denominator)
    return Fraction(residue)
