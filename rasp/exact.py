"""Exact numbers: what a mean is, and what a float is taken for where it is added to others.

A float stands for the simplest fraction that rounds to it: 0.1 for 1/10 and 0.3333333333333333 for 1/3. So a mean of floats is the
mean of the numbers that were meant, and comparing a mean with a float compares with the number that was meant.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

SIMPLE = 10**6  # denominators of fractions that are tried before the float's own decimal digits


def is_number(x: object) -> bool:
    """Whether a value of a program is a number: an int, a truth, a float that is finite, or a fraction."""
    return isinstance(x, (int, Fraction)) or (isinstance(x, float) and x - x == 0)


def fraction(x: object) -> Fraction:
    """A number as the fraction it stands for."""
    if not isinstance(x, float):
        return Fraction(cast("int | Fraction", x))
    simple = Fraction(x).limit_denominator(SIMPLE)
    return simple if float(simple) == x else Fraction(repr(x))


class Exact(Fraction):
    """A fraction that calculates with floats as with the fractions they stand for."""

    __slots__ = ()
    __hash__ = Fraction.__hash__

    def __float__(self) -> float:
        return self.numerator / self.denominator


def settled(x: object) -> object:
    """A number as functions of a program are given it: an int where it is whole, else exact; anything else as it is."""
    if isinstance(x, Fraction):
        return x.numerator if x.denominator == 1 else x if isinstance(x, Exact) else Exact(x)
    return x


def _calculating(op: Callable[[Any, Any], Any], swapped: bool) -> Callable[[Exact, object], object]:
    def method(self: Exact, other: object) -> object:
        if not is_number(other):
            return NotImplemented
        a, b = Fraction(self), fraction(other)
        found = op(b, a) if swapped else op(a, b)
        return Exact(found) if isinstance(found, Fraction) else found

    return method


def _alone(op: Callable[[Any], Any]) -> Callable[[Exact], object]:
    return lambda self: Exact(op(Fraction(self)))


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Exact, f"__{_name}__", _calculating(getattr(operator, _name), swapped=False))
    setattr(Exact, f"__r{_name}__", _calculating(getattr(operator, _name), swapped=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Exact, f"__{_name}__", _calculating(getattr(operator, _name), swapped=False))
for _name in ("neg", "abs", "pos"):
    setattr(Exact, f"__{_name}__", _alone(getattr(operator, _name)))
