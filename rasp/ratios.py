"""Means as fractions of two numbers: scaled, compared with constants, and functions of them by thresholds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..compiler.errors import DomainError
from ..compiler.language import Value
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, AtLeast, Const, Equal, Extreme
from .column import Coded, Ratio, constant, key_of
from .exact import settled

MOST_FRACTIONS = 1 << 20  # that a function is asked about
MOST_PIECES = 32  # of a function of a mean: a comparison each


def scaled(column: Ratio, factor: Fraction, shift: Fraction) -> Ratio:
    """factor · mean + shift. A factor 0 keeps where it is ⊥."""
    if not factor:
        nothing = value_of(column.builder, Affine("int", (0,), 0), [column.numerator.index], None)
        return Ratio(nothing, column.denominator, Fraction(1), shift, (Fraction(0), Fraction(0)))
    return replace(column, unit=column.unit * factor, shift=column.shift * factor + shift)


def compared(column: Ratio, sign: str, factor: Fraction, shift: Fraction) -> Coded:
    """factor · mean + shift, compared with 0: ⊥ where the mean is."""
    unit, c = column.unit * factor, column.shift * factor + shift
    if not unit:
        meant = {"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0, "==": c == 0, "!=": c != 0}[sign]
        return _gated(column, constant(column.builder, meant))
    if unit < 0:
        unit, c, sign = -unit, -c, {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
    # unit·n/d + c >= 0 as n·q >= -c/unit·q·d, in whole numbers
    bound = -c / unit
    left = _multiple(column.numerator, bound.denominator)
    right = _multiple(column.denominator, bound.numerator)
    if sign in ("==", "!="):
        same = value_of(column.builder, Equal(), [left.index, right.index], None)
        return _gated(column, Coded(same if sign == "==" else ~same, [False, True]))
    threshold = {">=": 0, ">": 1, "<": 0, "<=": 1}[sign]
    least = value_of(column.builder, AtLeast(threshold), [left.index, right.index], None)
    return _gated(column, Coded(least if sign in (">", ">=") else ~least, [False, True]))


def _multiple(value: Value, factor: int) -> Value:
    if factor == 1 and value.domain.kind == "int":
        return value
    if not factor:  # whether it is ⊥ is asked elsewhere
        return Value(value.builder, value.builder.add(Const("int", 0), (), "0"))
    return value_of(value.builder, Affine("int", (factor,), 0), [value.index], None)


def _gated(column: Ratio, truth: Coded) -> Coded:
    """A truth about a mean, ⊥ where the mean is: where the denominator is 0."""
    if column.denominator.domain.lo >= 1:
        return truth
    from .column import chosen

    zero = column.builder.add(Const("int", 1), (), "1")
    some = value_of(column.builder, AtLeast(0), [column.denominator.index, zero], None)
    return chosen(some, truth, constant(column.builder, None))


def by_thresholds(column: Ratio, ask: Callable[[Any], Any]) -> Coded:
    """Any function of a mean that is constant on few intervals: how many thresholds are passed says on which."""
    fractions = all_fractions(column)
    pieces: list[tuple[Fraction, Fraction, Any]] = []  # least, greatest, what the function says from one to the other
    for x in fractions:
        said = ask(settled(x))
        if pieces and key_of(pieces[-1][2]) == key_of(said):
            pieces[-1] = (pieces[-1][0], x, said)
        else:
            pieces.append((x, x, said))
        if len(pieces) > MOST_PIECES:
            break
    if len(pieces) > MOST_PIECES:
        from .column import mapped
        from .functions import listed

        return mapped(listed(column), ask)
    passed: list[Value] = []
    for (_, below, _), (above, _, _) in itertools.pairwise(pieces):
        passed.append(_beyond(column, below, above))
    if not passed:
        return _gated(column, constant(column.builder, pieces[0][2] if pieces else None))
    found = value_of(column.builder, Affine("int", (1,) * len(passed), 0), [p.index for p in passed], None)
    if len(passed) > 1:
        most = column.builder.add(Const("int", len(passed)), (), str(len(passed)))
        found = value_of(column.builder, Extreme(False), [found.index, most], None)
    if len(passed) == 1:
        return _gated(column, Coded(passed[0], [said for *_, said in pieces]))
    return _gated(column, Coded(found, [said for *_, said in pieces]))


def _beyond(column: Ratio, below: Fraction, above: Fraction) -> Value:
    """Whether a mean is beyond two neighbours' gap: compared with the simplest fraction in it."""
    at = simplest((below - column.shift) / column.unit, (above - column.shift) / column.unit)
    bound = at * column.unit + column.shift
    strict = bound == below
    truth = compared_plain(column, ">" if strict else ">=", at)
    return truth


def compared_plain(column: Ratio, sign: str, bound: Fraction) -> Value:
    """numerator / denominator compared with a number, whatever it says where the denominator is 0."""
    left, right = _multiple(column.numerator, bound.denominator), _multiple(column.denominator, bound.numerator)
    up = column.unit > 0
    if up:
        return value_of(column.builder, AtLeast(1 if sign == ">" else 0), [left.index, right.index], None)
    return value_of(column.builder, AtLeast(1 if sign == ">" else 0), [right.index, left.index], None)


def simplest(a: Fraction, b: Fraction) -> Fraction:
    """The fraction of the least denominator between two numbers, both included."""
    lo, hi = min(a, b), max(a, b)
    if lo <= 0 <= hi:
        return Fraction(0)
    if hi < 0:
        return -simplest(-hi, -lo)
    whole = -(-lo.numerator // lo.denominator)  # the least integer that is not below
    if whole <= hi:
        return Fraction(whole)
    floor = lo.numerator // lo.denominator
    return floor + 1 / simplest(1 / (hi - floor), 1 / (lo - floor))


def all_fractions(column: Ratio) -> list[Fraction]:
    """Every value of a mean, ascending."""
    n, d = column.numerator.domain, column.denominator.domain
    if n.size * d.size > 8 * MOST_FRACTIONS:
        raise DomainError(
            f"a function of a mean would be asked about {n.size * d.size:,} fractions, more than {8 * MOST_FRACTIONS:,}",
            hint="compare the mean with a number, such as x < 0.5, or use sums",
        )
    lo, hi = column.span or (Fraction(min(0, n.lo)), Fraction(max(0, n.hi)))
    found = {
        Fraction(p, q)
        for q in range(max(1, d.lo), d.hi + 1)
        for p in range(max(n.lo, -(-lo.numerator * q // lo.denominator)), min(n.hi, hi.numerator * q // hi.denominator) + 1)
    }
    return sorted(column.unit * x + column.shift for x in found)


def fractions_of(column: Ratio) -> dict[tuple[int, int], Any]:
    """What each numerator and denominator mean, None where the denominator is 0."""
    n, d = column.numerator.domain, column.denominator.domain
    return {
        (p, q): settled(column.unit * Fraction(p, q) + column.shift) if q else None
        for p in range(n.lo, n.hi + 1)
        for q in range(d.lo, d.hi + 1)
    }
