"""What a function of numbers computes, found by calling it with symbols: sums, comparisons, products, quotients, and choices among them.

A lambda such as `lambda x, y: x - 2 * y + 1` says by itself what it is, for as many numbers as there are. Where it asks for the truth of a
comparison, it is called again with the other answer: `x / y if y else 0` is a choice of two. A function that does anything else with a
symbol is not followed; whoever uses this compares the outcome with the function itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import NoneType
from typing import Any, Literal, TypeAlias

from .exact import fraction, is_number, settled

Sign: TypeAlias = Literal["<", "<=", ">", ">=", "==", "!="]


MOST_PATHS = 16  # through a function, by the truths it asks for


class Untraceable(Exception):
    """The function does something else than arithmetic."""


class Path:
    """One way through a function: what its comparisons are taken to be, in the order in which it asks."""

    now: Path | None = None

    def __init__(self, answers: tuple[bool, ...]) -> None:
        self.answers, self.asked = answers, list[Compared]()

    def truth(self, condition: Compared) -> bool:
        """The next answer; True where none is given."""
        self.asked.append(condition)
        return self.answers[len(self.asked) - 1] if len(self.asked) <= len(self.answers) else True


class _Number:
    """What sums, products and quotients have in common: a truth, a size, and what they are rounded to."""

    def __abs__(self) -> Rounded:
        return Rounded(abs, self)  # type: ignore[arg-type]

    def __round__(self, digits: int | None = None) -> Rounded:
        return Rounded(lambda x: round(x, digits), self)  # type: ignore[arg-type]

    def __floor__(self) -> Rounded:
        return Rounded(math.floor, self)  # type: ignore[arg-type]

    def __ceil__(self) -> Rounded:
        return Rounded(math.ceil, self)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        raise Untraceable


@dataclass(frozen=True, eq=False)
class Linear(_Number):
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

    def __pow__(self, power: object) -> Linear | Product:
        if power == 2:
            return self * self
        if power == 1:
            return self
        raise Untraceable

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
        return bool(self != 0)

    def __hash__(self) -> int:
        raise Untraceable


@dataclass(frozen=True, eq=False)
class Compared:
    """A sum compared with 0."""

    sign: Sign
    sum: Linear

    def holds(self, numbers: tuple[object, ...]) -> bool:
        """Whether it holds for the numbers of the variables."""
        s = self.sum.of(*numbers)
        return {"<": s < 0, "<=": s <= 0, ">": s > 0, ">=": s >= 0, "==": s == 0, "!=": s != 0}[self.sign]

    def __bool__(self) -> bool:
        if not self.sum.factors:
            return self.holds(())
        if Path.now is None:
            raise Untraceable
        return Path.now.truth(self)


@dataclass(frozen=True, eq=False)
class Product(_Number):
    """A product of two sums."""

    a: Linear
    b: Linear


@dataclass(frozen=True, eq=False)
class Quotient(_Number):
    """A sum over a sum."""

    a: Linear
    b: Linear


@dataclass(frozen=True, eq=False)
class Rounded(_Number):
    """A function of one number: what it is rounded to, or its size."""

    by: Callable[[Any], Any]
    of: Linear | Product | Quotient | Rounded

    def _then(self, f: Callable[[Any], Any], other: object) -> Rounded:
        if not is_number(other):
            raise Untraceable
        return Rounded(lambda x: f(self.by(x)), self.of)

    def __add__(self, other: Any) -> Rounded:
        return self._then(lambda x: x + other, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Rounded:
        return self._then(lambda x: x - other, other)

    def __rsub__(self, other: Any) -> Rounded:
        return self._then(lambda x: other - x, other)

    def __mul__(self, other: Any) -> Rounded:
        return self._then(lambda x: x * other, other)

    __rmul__ = __mul__


@dataclass(frozen=True, eq=False)
class Plain:
    """A value that no variable changes: a word, a number, a truth, or None."""

    value: object


@dataclass(frozen=True, eq=False)
class Branch:
    """One of two, by a comparison."""

    condition: Compared
    yes: Traced
    no: Traced


Traced: TypeAlias = Linear | Compared | Product | Quotient | Rounded | Plain | Branch


def _linear(x: object) -> Linear:
    if isinstance(x, Linear):
        return x
    if is_number(x):
        return Linear({}, fraction(x))
    raise Untraceable


def traced(f: Callable[..., object], variables: int) -> Traced | None:
    """What a function of so many numbers computes; None where it is not followed."""
    symbols = [Linear({v: Fraction(1)}, Fraction(0)) for v in range(variables)]
    paths = 0

    def explored(answers: tuple[bool, ...]) -> Traced:
        nonlocal paths
        paths += 1
        if paths > MOST_PATHS:
            raise Untraceable
        before, Path.now = Path.now, (path := Path(answers))
        try:
            found: object = f(*symbols)
        except ZeroDivisionError:
            found = None
        finally:
            Path.now = before
        if not isinstance(found, (_Number, Compared, str, int, float, Fraction, NoneType)):
            raise Untraceable
        whole = found if isinstance(found, (Linear, Compared, Product, Quotient, Rounded)) else Plain(settled(found))
        for i in range(len(path.asked) - 1, len(answers) - 1, -1):  # the last question first
            whole = Branch(path.asked[i], whole, explored((*answers, *[True] * (i - len(answers)), False)))
        return whole

    try:
        return explored(())
    except Exception:  # whatever a function of the user's raises when it is given a symbol
        return None


def value_of(found: Traced, numbers: tuple[object, ...]) -> object:
    """What was traced, for the numbers of the variables; None where it divides by zero."""
    match found:
        case Linear():
            return found.of(*numbers)
        case Compared():
            return found.holds(numbers)
        case Product(a=a, b=b):
            return a.of(*numbers) * b.of(*numbers)
        case Quotient(a=a, b=b):
            under = b.of(*numbers)
            return a.of(*numbers) / under if under else None
        case Rounded(by=by, of=inner):
            x = value_of(inner, numbers)
            return None if x is None else by(settled(x))
        case Plain(value=value):
            return value
        case Branch(condition=condition, yes=yes, no=no):
            return value_of(yes if condition.holds(numbers) else no, numbers)


def agrees(found: Traced, result: object, numbers: tuple[object, ...]) -> bool:
    """Whether what was traced has, for these numbers, the value that the function returned."""
    value = value_of(found, numbers)
    if isinstance(value, bool) or isinstance(result, bool) or not is_number(value) or not is_number(result):
        return value == result and isinstance(value, bool) == isinstance(result, bool)
    a, b = fraction(result), fraction(value)
    return a == b or abs(float(a) - float(b)) <= 1e-9 * abs(float(b))
