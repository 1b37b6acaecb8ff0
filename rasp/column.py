"""Columns: what a sequence operation is while it is translated: a value of headwork's language, and what its numbers stand for.

- `Coded`: a value v stands for `points[v - lo]`, anything Python has. A Map composes with the points and costs nothing by itself.
- `Ratio`: unit · numerator / denominator + shift, exact: a mean. ⊥ where the denominator is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias, cast, overload

from ..compiler.domain import Symbol
from ..compiler.errors import DomainError
from ..compiler.graph import Builder
from ..compiler.language import Value
from ..compiler.language.products import within
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, AtLeast, Const, Equal, Table, Token, Where
from .exact import fraction, is_number, settled

ABSENT = object()  # the point of a code that no input gives
MOST_POINTS = 1 << 21
COMMON = 1 << 24  # of a common denominator: beyond it float32 has not every integer


class Line(Sequence[Any]):
    """The numbers unit·v + shift for v = lo..hi, as points, without a list of them."""

    def __init__(self, lo: int, hi: int, unit: Fraction = Fraction(1), shift: Fraction = Fraction(0)) -> None:
        self.lo, self.size, self.unit, self.shift = lo, max(0, hi - lo + 1), unit, shift

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, i: int) -> Any: ...
    @overload
    def __getitem__(self, i: slice) -> list[Any]: ...
    def __getitem__(self, i: int | slice) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(self.size))]
        i += self.size if i < 0 else 0
        if not 0 <= i < self.size:
            raise IndexError(i)
        return settled(self.unit * (self.lo + i) + self.shift)

    def __iter__(self) -> Iterator[Any]:
        if self.unit == 1 and self.shift.denominator == 1:
            return iter(range(self.lo + int(self.shift), self.lo + int(self.shift) + self.size))
        return (self[i] for i in range(self.size))


@dataclass(frozen=True, eq=False)
class Coded:
    """A value, and what each number of its domain stands for; None among the points is ⊥."""

    value: Value
    points: Sequence[Any]

    @property
    def builder(self) -> Builder:
        """The program it belongs to."""
        return self.value.builder

    @cached_property
    def distinct(self) -> list[Any]:
        """The different points, ⊥ left out: numbers ascending, else in the order of the codes. 1 and True differ."""
        if isinstance(self.points, Line) and self.points.unit:
            found = list(self.points)
            return found if self.points.unit > 0 else found[::-1]
        seen = {key_of(p): p for p in reversed(self.points) if p is not None and p is not ABSENT}
        ordered = list(reversed(seen.values()))
        return sorted(ordered, key=fraction) if all(map(is_number, ordered)) else ordered

    @cached_property
    def none(self) -> bool:
        """Whether it may be ⊥."""
        return self.value.domain.none or (not isinstance(self.points, Line) and any(p is None for p in self.points))

    @cached_property
    def numeric(self) -> bool:
        """Whether every point is a number."""
        return isinstance(self.points, Line) or all(map(is_number, self.distinct))

    @cached_property
    def truths(self) -> bool:
        """Whether every point is a truth."""
        return not isinstance(self.points, Line) and all(isinstance(p, bool) for p in self.distinct)


@dataclass(frozen=True, eq=False)
class Ratio:
    """unit · numerator / denominator + shift; ⊥ where the denominator is 0 or either is ⊥.

    `span` holds the ends that numerator / denominator lies between, where they are known. Of a mean, `count` is the node that counts
    what it is of: the denominator, but for 0 of which there is nothing to sum.
    """

    numerator: Value
    denominator: Value
    unit: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)
    span: tuple[Fraction, Fraction] | None = None
    count: int | None = None

    @property
    def builder(self) -> Builder:
        """The program it belongs to."""
        return self.numerator.builder


Column: TypeAlias = Coded | Ratio


def key_of(p: object) -> tuple[bool, object]:
    """What tells points apart: equal ones are one, but for 1 and True. Raises DomainError for what has no hash."""
    try:
        hash(p)
    except TypeError:
        raise DomainError(f"{p!r} is no value of a program", hint="values are hashable: numbers, strings, truths, tuples of them") from None
    return isinstance(p, bool), p


def constant(builder: Builder, point: object) -> Coded:
    """A column of one point."""
    kind = None if point is None else 0
    value = Value(builder, builder.add(Const("int", kind), (), str(point)))
    return Coded(value, [] if point is None else [point])


def line(value: Value, unit: Fraction = Fraction(1), shift: Fraction = Fraction(0)) -> Coded:
    """A number as a column: unit·v + shift."""
    return Coded(value, Line(value.domain.lo, value.domain.hi, unit, shift))


def tokens_of(builder: Builder) -> Coded:
    """The tokens, each standing for its symbol."""
    return Coded(Value(builder, builder.add(Token(), (), "token")), builder.sizes.alphabet.symbols)


def mapped(column: Coded, f: Callable[[Any], Any]) -> Coded:
    """Another meaning of the same codes: a function of the points."""
    found = [p if p is None or p is ABSENT else f(p) for p in column.points]
    steps = _as_line(column.value.domain.lo, found)
    return Coded(column.value, found if steps is None else steps)


def _as_line(lo: int, points: Sequence[Any]) -> Line | None:
    """Points as a line where they are whole numbers, or numbers that are exact, in even steps."""
    if len(points) < 2 or not all(isinstance(p, (int, Fraction)) and not isinstance(p, bool) for p in (points[0], points[-1])):
        return None
    unit = Fraction(points[1] - points[0]) if isinstance(points[1], (int, Fraction)) else Fraction(0)
    first = Fraction(points[0])
    for i, p in enumerate(points):
        if isinstance(p, bool) or not isinstance(p, (int, Fraction)) or p != first + unit * i:
            return None
    return Line(lo, lo + len(points) - 1, unit, first - unit * lo) if unit else None


def as_number(column: Coded, what: str, stepwise: bool = True) -> tuple[Value, Fraction, Fraction]:
    """A value v, a unit and a shift such that each point is unit·v + shift. Raises DomainError where a common denominator is too great.

    Few steps are comparisons where `stepwise`, else a table as any other.
    """
    if isinstance(column.points, Line):
        return plain(column.value), column.points.unit, column.points.shift
    numbers = [fraction(p) for p in column.distinct]
    unit = Fraction(1, math.lcm(*(x.denominator for x in numbers))) if numbers else Fraction(1)
    entries = [None if p is None or p is ABSENT else int(fraction(p) / unit) for p in column.points]
    if any(e is not None and abs(e) > COMMON for e in entries) or unit.denominator > COMMON:
        fact = f"{what} calculates with numbers whose common denominator is {unit.denominator:,}"
        raise DomainError(fact, hint="use numbers with a smaller common denominator, or compare them instead of adding")
    if column.truths and column.value.domain.kind == "bool" and list(column.points) == [False, True]:
        return numbered(column.value), unit, Fraction(0)
    steps = _as_line(column.value.domain.lo, entries)
    if steps is not None:
        return plain(column.value), steps.unit * unit, steps.shift * unit
    return tabled(column.value, entries, stepwise=stepwise), unit, Fraction(0)


def plain(value: Value) -> Value:
    """A number as such, whatever else it is: the number of a symbol is no symbol."""
    if value.domain.kind in ("int", "position"):
        return value
    return value_of(value.builder, Affine("int", (1,), 0), [value.index], None)


def numbered(truth: Value) -> Value:
    """A truth as 0 or 1."""
    builder = truth.builder
    one, zero = (builder.add(Const("int", v), (), str(v)) for v in (1, 0))
    return value_of(builder, Where(), [truth.index, one, zero], None)


def tabled(value: Value, entries: Sequence[int | None], kind: str = "int", stepwise: bool = True) -> Value:
    """A table of one value: what each number of its domain becomes. Few steps are comparisons with thresholds."""
    d = value.domain
    if kind == "bool" and None not in entries:
        found = _truth_by_comparison(value, [bool(e) for e in entries])
        if found is not None:
            return found
    if stepwise and kind == "int" and None not in entries and (len(entries) > 8 or d.kind == "int"):
        found = _by_steps(value, [int(e) for e in entries if e is not None])
        if found is not None:
            return found
    if not entries:
        return Value(value.builder, value.builder.add(Const("int", None), (), "⊥"))
    op = Table(kind, (d.lo,), (d.size,), tuple(entries), "map")  # pyright: ignore[reportArgumentType]
    return value_of(value.builder, op, [value.index], None)


MOST_STEPS = 4  # of a staircase by comparisons, each a truth of its own


def _by_steps(value: Value, entries: Sequence[int]) -> Value | None:
    """A staircase of few steps, as its first height and what each comparison adds."""
    lo, builder = value.domain.lo, value.builder
    at = [i for i in range(1, len(entries)) if entries[i] != entries[i - 1]]
    if not 1 <= len(at) <= MOST_STEPS or len(entries) <= 3 * len(at) or value.domain.kind in ("bool", "token"):
        return None
    steps = [value_of(builder, AtLeast(lo + i), [value.index, builder.add(Const("int", 0), (), "0")], None) for i in at]
    rises = tuple(entries[i] - entries[i - 1] for i in at)
    total = value_of(builder, Affine("int", rises, entries[0]), [s.index for s in steps], None)
    return within(total, min(entries), max(entries), None)


def _truth_by_comparison(value: Value, held: Sequence[bool]) -> Value | None:
    """A truth of a number by one comparison: everywhere, from a value on, at one value, or the opposite."""
    lo, builder = value.domain.lo, value.builder
    zero = builder.add(Const("int", 0), (), "0")
    if value.domain.kind == "bool":
        return {(False, True): value, (True, False): ~value}.get((held[0], held[-1])) if len(held) == 2 else None
    changes = [i for i in range(1, len(held)) if held[i] != held[i - 1]]
    if value.domain.kind in ("token", "label") or len(held) < 3:
        return None
    if len(changes) == 1:
        from_here = value_of(builder, AtLeast(lo + changes[0]), [value.index, zero], None)
        return from_here if held[-1] else ~from_here
    if len(changes) == 2 and changes[1] - changes[0] == 1:
        at = value_of(builder, Equal(), [value.index, builder.add(Const("int", lo + changes[0]), (), str(lo + changes[0]))], None)
        return at if held[changes[0]] else ~at
    return None


def narrowed(column: Coded) -> Coded:
    """The same column with as few codes as points: itself where that is so already."""
    plainly = column.value.domain.kind == "bool" and list(column.points) == [False, True]
    if column.truths and column.distinct and not plainly:
        return _as_truth(column)
    if len(column.distinct) + (1 if column.none and not column.value.domain.none else 0) >= len(column.points) or not column.distinct:
        return column
    if column.truths:
        return _as_truth(column)
    if len(column.distinct) == 1 and not column.none:
        return constant(column.builder, column.distinct[0])
    number = {key_of(p): i for i, p in enumerate(column.distinct)}
    entries = [None if p is None else 0 if p is ABSENT else number[key_of(p)] for p in column.points]
    value = tabled(column.value, entries)
    lo, hi = value.domain.lo, value.domain.hi
    return Coded(value, [column.distinct[v] if 0 <= v < len(number) else ABSENT for v in range(lo, hi + 1)])


def _as_truth(column: Coded) -> Coded:
    """A column of truths as a boolean."""
    fill = column.distinct[0]
    if len(column.distinct) == 1 and not column.none:
        return Coded(Value(column.builder, column.builder.add(Const("bool", int(fill)), (), str(fill))), [False, True])
    entries = [None if p is None else int(fill if p is ABSENT else p) for p in column.points]
    return Coded(tabled(column.value, entries, "bool"), [False, True])


def shown(column: Coded) -> Value:
    """A column as the value that a program returns: symbols, numbers and truths as such, anything else as labels."""
    builder, d = column.builder, column.value.domain
    points = list(column.points) if not isinstance(column.points, Line) else None
    if points is None:
        steps = cast("Line", column.points)
        if steps.unit.denominator == steps.shift.denominator == 1:
            if (steps.unit, steps.shift) == (1, 0):
                return plain(column.value)
            return value_of(builder, Affine("int", (int(steps.unit),), int(steps.shift)), [column.value.index], None)
        points = [steps[i] for i in range(len(steps))]
    if not column.distinct:
        return Value(builder, builder.add(Const("int", None), (), "⊥"))
    symbols = builder.sizes.alphabet
    if d.kind == "token" and points == list(symbols.symbols):
        return column.value
    if column.truths:
        return _as_truth(column).value
    ids = [None if p is None or p is ABSENT else symbols.id(p) for p in column.distinct]
    if all(isinstance(p, int) and not isinstance(p, bool) for p in column.distinct) and not (d.kind == "token" and None not in ids):
        value, unit, shift = as_number(column, "the output")
        return value if (unit, shift) == (1, 0) else value_of(builder, Affine("int", (int(unit),), int(shift)), [value.index], None)
    usual = column.distinct[0]
    kept = [usual if p is ABSENT else p for p in points] if None not in points else [None if p is ABSENT else p for p in points]
    if None not in ids:
        return _table(column.value, "token", [None if p is None else symbols.id(p) for p in kept])
    return _table(column.value, "label", [None if p is None else builder.label(cast("Symbol", p)) for p in kept])


def _table(value: Value, kind: str, entries: Sequence[int | None]) -> Value:
    d = value.domain
    op = Table(kind, (d.lo,), (d.size,), tuple(entries), "shown")  # pyright: ignore[reportArgumentType]
    return value_of(value.builder, op, [value.index], None)


def fetched(column: Column, lookup: Callable[[Value], Value]) -> Column:
    """A column read somewhere else: `lookup` reads a value there, ⊥ where there is nothing to read."""
    if isinstance(column, Ratio):
        return replace(column, numerator=lookup(column.numerator), denominator=lookup(column.denominator))
    return fetched_as(column, lookup(column.value))


def fetched_as(column: Coded, value: Value) -> Coded:
    """What was read of a column, with the points of the column."""
    d = value.domain
    if isinstance(column.points, Line):
        return Coded(value, Line(d.lo, d.hi, column.points.unit, column.points.shift))
    first = column.value.domain.lo
    return Coded(value, [column.points[v - first] if 0 <= v - first < len(column.points) else ABSENT for v in range(d.lo, d.hi + 1)])


def aligned(a: Value, one: Line, b: Value, other: Line) -> tuple[Value, Value, Fraction, Fraction]:
    """Two numbers in one unit and from one zero: the values, the unit and the shift."""
    unit, shift = one.unit, one.shift
    if (unit, shift) == (other.unit, other.shift):
        return a, b, unit, shift
    parts = [one.unit, other.unit, other.shift - shift]
    over = math.lcm(*(p.denominator for p in parts))
    unit = Fraction(math.gcd(*(int(p * over) for p in parts)), over)
    x, y = (
        value_of(v.builder, Affine("int", (int(s.unit / unit),), int((s.shift - shift) / unit)), [v.index], None)
        for v, s in ((a, one), (b, other))
    )
    return x, y, unit, shift


def chosen(condition: Value, a: Coded, b: Coded) -> Coded:
    """a where the condition is true, b where it is false: over the points of both."""
    a, b = narrowed(a), narrowed(b)
    if isinstance(a.points, Line) and isinstance(b.points, Line):
        x, y, unit, shift = aligned(a.value, a.points, b.value, b.points)
        return line(value_of(a.builder, Where(), [condition.index, x.index, y.index], None), unit, shift)
    points: dict[tuple[bool, object], Any] = {key_of(p): p for p in (*a.distinct, *b.distinct)}
    number = {key: i for i, key in enumerate(points)}
    sides: list[int] = []
    for side in (a, b):
        entries = [None if p is None or p is ABSENT else number[key_of(p)] for p in side.points]
        if not entries or all(e is None for e in entries):
            sides.append(side.builder.add(Const("int", None), (), "⊥"))
        elif all(e is None or e == v for v, e in enumerate(entries, side.value.domain.lo)) and side.value.domain.kind == "int":
            sides.append(side.value.index)
        else:
            usual = next(e for e in entries if e is not None)
            filled = [usual if p is ABSENT else e for p, e in zip(side.points, entries, strict=True)]
            sides.append(tabled(side.value, filled).index)
    value = value_of(a.builder, Where(), [condition.index, *sides], None)
    listed = list(points.values())
    return Coded(value, [listed[v] if 0 <= v < len(listed) else ABSENT for v in range(value.domain.lo, value.domain.hi + 1)])
