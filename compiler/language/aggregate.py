"""Aggregates of a selector, out of totals: sums by digits and blocks, means, and the most frequent value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from ..errors import DomainError, Location, caller
from ..graph import Builder
from ..ops import Affine, Const, Divide, Equal, Exists, Extreme, Position, Total, Where
from ..plan.tally import block, largest_value
from .functions import choose, maximum, minimum
from .symbolic import Symbolic
from .terms import Compare, Term
from .value import Value, value_of

MAX_MODE = 256  # values that are counted one by one: each takes a cell


def added_up(builder: Builder, terms: Sequence[tuple[int, Term]], value: Value, line: Location | None) -> Value:
    """The sum of a value over the keys that a signed sum of terms selects.

    A head adds up at most M = block(mantissa) matches of values of at most m: longer contexts are cut into blocks of M
    positions, larger values into digits base m + 1 (the least value is taken off first and counted apart).
    """
    most = min(builder.sizes.length, block(builder.sizes.mantissa))
    pieces = _pieces(builder, value, largest_value(most, builder.sizes.mantissa))
    parts: list[int] = []
    factors: list[int] = []
    for coefficient, term in terms:
        for split in _blocks(builder, term, most):
            for factor, piece in pieces:
                parts.append(_total(builder, split, piece, line))
                factors.append(coefficient * factor)
    if not parts:
        parts, factors = [builder.add(Const("int", 0), (), "0")], [1]
    if factors == [1]:
        return Value(builder, parts[0])
    return value_of(builder, Affine("int", tuple(factors), 0), parts, line)


def as_count(total: Value) -> Value:
    """A sum that counts positions, known to lie in 0..N, with that as its domain: its terms do not know that they belong together."""
    n = total.builder.sizes.length
    total = minimum(total, n) if total.domain.hi > n else total
    return maximum(total, 0) if total.domain.lo < 0 else total


def _total(builder: Builder, term: Term, value: int, line: Location | None) -> int:
    mask, compared = term.spelled(builder)
    relations = tuple(c.relation for c in compared)
    op = Total(mask, len(compared), relations if any(relations) else ())
    return builder.add(op, [*(c.query for c in compared), *(c.key for c in compared), value], "total", line)


def _blocks(builder: Builder, term: Term, most: int) -> list[Term]:
    """A term cut into blocks of at most `most` positions: (position - 1) // most = 0, 1, …"""
    n = builder.sizes.length
    if n <= most:
        return [term]
    here = builder.add(Position(), (), "position")
    before = builder.add(Affine("int", (1,), -1), (here,), "position-1")
    which = builder.add(Divide(most), (before,), "block")
    number = [builder.add(Const("int", b), (), str(b)) for b in range(-(-n // most))]
    return [term & Term(frozenset([Compare(b, which)])) for b in number]


def _pieces(builder: Builder, value: Value, largest: int) -> list[tuple[int, int]]:
    """A value as a sum of factors times values of at most `largest`."""
    domain = value.domain
    if domain.kind == "bool" or max(abs(domain.lo), abs(domain.hi)) <= largest:
        return [(1, value.index)]
    base, rest = largest + 1, value.index
    pieces: list[tuple[int, int]] = []
    if domain.lo < 0:
        rest = builder.add(Affine("int", (1,), -domain.lo), (rest,), "shifted")
        pieces.append((domain.lo, _present(builder, value)))
    top, factor = domain.hi - min(0, domain.lo), 1
    while top:
        high = builder.add(Divide(base), (rest,), f"prefix/{base}")
        digit = builder.add(Affine("int", (1, -base), 0), (rest, high), "digit")
        pieces.append((factor, _within(builder, digit, min(top, largest))))
        rest, top, factor = high, top // base, factor * base
    return pieces


def _within(builder: Builder, digit: int, largest: int) -> int:
    """A digit, known to lie in 0..largest, with that as its domain: min(max(d, 0), largest) changes nothing."""
    low, high = (builder.add(Const("int", v), (), str(v)) for v in (0, largest))
    return builder.add(Extreme(False), (builder.add(Extreme(True), (digit, low), "digit"), high), "digit")


def _present(builder: Builder, value: Value) -> int:
    """1 where a value is not ⊥."""
    if not value.domain.none:
        return builder.add(Const("int", 1), (), "one")
    there = builder.add(Exists(), (value.index,), "exists")
    one, zero = (builder.add(Const("int", v), (), str(v)) for v in (1, 0))
    return builder.add(Where(), (there, one, zero), "present")


@dataclass(frozen=True, eq=False, repr=False)
class Mean(Symbolic):
    """An exact fraction at every position: numerator / denominator; ⊥ where the denominator is 0.

    Return it, and it is given as a `Fraction`. Compare it with an integer, a Fraction p/q or another mean: numerator·q against
    denominator·p, in integers.
    """

    numerator: Value
    denominator: Value
    called: ClassVar[str] = "a mean"
    instead: ClassVar[str] = "return it, or compare it with a number or another mean; .numerator and .denominator are values"
    __hash__ = Symbolic.__hash__

    def __eq__(self, other: object) -> Value:  # pyright: ignore[reportIncompatibleMethodOverride]
        a, b, there = self._sides("==", other)
        return choose(there, a == b, None, "==", caller())

    def __ne__(self, other: object) -> Value:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ~(self == other)

    def __ge__(self, other: object) -> Value:
        a, b, there = self._sides(">=", other)
        return choose(there, a >= b, None, ">=", caller())

    def __gt__(self, other: object) -> Value:
        a, b, there = self._sides(">", other)
        return choose(there, a > b, None, ">", caller())

    def __le__(self, other: object) -> Value:
        a, b, there = self._sides("<=", other)
        return choose(there, a <= b, None, "<=", caller())

    def __lt__(self, other: object) -> Value:
        a, b, there = self._sides("<", other)
        return choose(there, a < b, None, "<", caller())

    def _sides(self, what: str, other: object) -> tuple[Value, Value, Value]:
        """Two numbers that compare as the two sides do, and where both sides have a value."""
        if isinstance(other, Mean):
            if other.denominator.index == self.denominator.index:
                return self.numerator, other.numerator, self.denominator > 0
            there = (self.denominator > 0) & (other.denominator > 0)
            return self.numerator * other.denominator, other.numerator * self.denominator, there
        if isinstance(other, Value) and other.domain.kind != "label":
            return self.numerator, self.denominator * other, self.denominator > 0
        if isinstance(other, bool) or not isinstance(other, (int, Fraction)):
            raise DomainError(f"{what} compares a mean with {other!r}", caller(), "give an integer, a fractions.Fraction or another mean")
        exact = Fraction(other)
        return self.numerator * exact.denominator, self.denominator * exact.numerator, self.denominator > 0


def counted_by_value(
    what: str, builder: Builder, terms: Sequence[tuple[int, Term]], value: Value, line: Location | None
) -> list[tuple[Value, Value]]:
    """How often each value of a domain occurs, with the value: one head, a cell for each."""
    domain = value.domain
    if domain.size > MAX_MODE:
        fact = f"{what} of {domain} would count {domain.size:,} values, more than {MAX_MODE}"
        raise DomainError(fact, line, "use a value of fewer possibilities")
    row: list[tuple[Value, Value]] = []
    for v in range(domain.lo, domain.hi + 1):
        constant = builder.add(Const(domain.kind, v), (), str(v))
        is_v = Value(builder, builder.add(Equal(), (value.index, constant), f"is {v}"))
        total = added_up(builder, terms, is_v, line)
        row.append((as_count(total) if len(terms) > 1 else total, Value(builder, constant)))
    return row


def most_frequent(
    builder: Builder, terms: Sequence[tuple[int, Term]], value: Value, never_empty: bool, line: Location | None
) -> tuple[Value, Value]:
    """The most frequent value and its count: those of each value, and a tournament of ceil(log2 V) rounds.

    Where no selection is empty, there always is one.
    """
    row = counted_by_value("mode()", builder, terms, value, line)
    if not row:
        return Value(builder, value.index), Value(builder, builder.add(Const("int", 0), (), "0"))
    while len(row) > 1:
        winners = [_better(a, b, line) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = winners + row[2 * len(winners) :]
    count, which = row[0]
    return which if never_empty else choose(count > 0, which, None, "mode()", line), count


def _better(a: tuple[Value, Value], b: tuple[Value, Value], line: Location | None) -> tuple[Value, Value]:
    """The pair (count, value) of the greater count, the first of equals."""
    return maximum(a[0], b[0]), choose(b[0] > a[0], b[1], a[1], "mode()", line)
