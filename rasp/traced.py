"""What a function of numbers computes, found by calling it with symbols: sums, comparisons of sums, products and quotients.

A lambda such as `lambda x, y: x - 2 * y + 1` says by itself what it is, for as many numbers as there are. A function that asks for a
symbol's truth, or does anything else with it, is not followed; whoever uses this compares the outcome with the function itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from .exact import fraction, is_number

Sign: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]


class Untraceable(Exception):
    """The function does something else than arithmetic."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A sum of variables, by number, with factors, and a constant."""

    factors: Mapping[int, Fraction]
    constant: Fraction

    def of(self, *numbers: object) -> Fraction:
        """Its value for the numbers of the variables."""
        return self.constant + sum((c * fraction(numbers[v]) for v, c in self.factors.items()), Fraction(0))

    def __add__(self, other: object) -> Linear:
        b = _linear(other)
        factors = {v: self.factors.get(v, Fraction(0)) + b.factors.get(v, Fraction(0)) for v in {**self.factors, **b.factors}}
        return Linear({v: c for v, c in factors.items() if c}, self.constant + b.constant)

    __radd__ = __add__

    def __neg__(self) -> Linear:
        return Linear({v: -c for v, c in self.factors.items()}, -self.constant)

    def __pos__(self) -> Linear:
        return self

    def __sub__(self, other: object) -> Linear:
        return self + -_linear(other)

    def __rsub__(self, other: object) -> Linear:
        return _linear(other) + -self

    def __mul__(self, other: object) -> Linear | Product:  # type: ignore[override]
        b = _linear(other)
        if self.factors and b.factors:
            return Product(self, b)  # type: ignore[return-value]
        a, by = (self, b.constant) if self.factors else (b, self.constant)
        return Linear({v: c * by for v, c in a.factors.items() if c * by}, a.constant * by)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Linear | Quotient:
        b = _linear(other)
        if b.factors:
            return Quotient(self, b)
        if not b.constant:
            raise Untraceable
        return self * (1 / b.constant)  # type: ignore[return-value]

    def __rtruediv__(self, other: object) -> Linear | Quotient:
        return _linear(other) / self

    def __lt__(self, other: object) -> Compared:
        return Compared("<", self - other)

    def __le__(self, other: object) -> Compared:
        return Compared("<=", self - other)

    def __gt__(self, other: object) -> Compared:
        return Compared(">", self - other)

    def __ge__(self, other: object) -> Compared:
        return Compared(">=", self - other)

    def __eq__(self, other: object) -> Compared:  # type: ignore[override]
        return Compared("==", self - other)

    def __ne__(self, other: object) -> Compared:  # type: ignore[override]
        return Compared("!=", self - other)

    def __bool__(self) -> bool:
        raise Untraceable

    def __hash__(self) -> int:
        raise Untraceable


@dataclass(frozen=True, eq=False)
class Compared:
    """A sum compared with 0."""

    sign: Sign
    sum: Linear

    def __bool__(self) -> bool:
        raise Untraceable


@dataclass(frozen=True, eq=False)
class Product:
    """A product of two sums."""

    a: Linear
    b: Linear

    def __bool__(self) -> bool:
        raise Untraceable


@dataclass(frozen=True, eq=False)
class Quotient:
    """A sum over a sum."""

    a: Linear
    b: Linear

    def __bool__(self) -> bool:
        raise Untraceable


Traced: TypeAlias = Linear | Compared | Product | Quotient


def _linear(x: object) -> Linear:
    if isinstance(x, Linear):
        return x
    if is_number(x):
        return Linear({}, fraction(x))
    raise Untraceable


def traced(f: Callable[..., object], variables: int) -> Traced | None:
    """What a function of so many numbers computes; None where it is not followed."""
    try:
        found = f(*(Linear({v: Fraction(1)}, Fraction(0)) for v in range(variables)))
    except Exception:  # whatever a function of the user's raises when it is given a symbol
        return None
    if isinstance(found, (Linear, Compared, Product, Quotient)):
        return found
    return None


def agrees(found: Traced, result: object, numbers: tuple[object, ...]) -> bool:
    """Whether what was traced has, for these numbers, the value that the function returned."""
    match found:
        case Linear():
            value: object = found.of(*numbers)
        case Compared(sign=sign, sum=total):
            s = total.of(*numbers)
            value = {"<": s < 0, "<=": s <= 0, ">": s > 0, ">=": s >= 0, "==": s == 0, "!=": s != 0}[sign]
        case Product(a=a, b=b):
            value = a.of(*numbers) * b.of(*numbers)
        case Quotient(a=a, b=b):
            if not b.of(*numbers):
                return result is None
            value = a.of(*numbers) / b.of(*numbers)
    if isinstance(value, bool) or isinstance(result, bool):
        return value == result and isinstance(value, bool) == isinstance(result, bool)
    return is_number(result) and (fraction(result) == value or abs(float(fraction(result)) - float(value)) <= 1e-9 * abs(float(value)))  # type: ignore
