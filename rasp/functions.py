"""Map and SequenceMap: a Python function of one or two columns, by the cheapest of the ways that it is found to be.

Two columns of few points are tried out: every pair is asked. What is found is, in this order, a function of one side, a sum, a greater
or lesser of the two, a product, a function of the difference or of the sum, or a table of both. Where there are too many pairs, or a mean
is among them, the function is called with symbols (`traced.py`) and compared with what it says on samples.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ..compiler.errors import DomainError
from ..compiler.language import Value, maximum, minimum
from ..compiler.language.functions import MAX_TABLE
from ..compiler.language.products import product
from ..compiler.language.value import logic, value_of
from ..compiler.ops import Affine, Table
from .column import ABSENT, MOST_POINTS, Coded, Column, Line, Ratio, as_number, constant, key_of, line, mapped, narrowed, plain
from .evaluator import called
from .exact import fraction, is_number, settled
from .ratios import by_thresholds, compared, fractions_of, scaled
from .traced import Compared, Linear, Product, Quotient, Traced, agrees, traced

MOST_PAIRS = 1 << 18  # that are asked one by one
SAMPLES = 400


def map_of(f: Callable[[Any], Any], column: Column) -> Column:
    """A function at each position; ⊥ stays ⊥."""

    def ask(p: Any) -> Any:
        return called(f, p)

    if isinstance(column, Ratio):
        found = _traced(f, [column])
        whole = _of_ratio(found, column) if found is not None else None
        return whole if whole is not None else by_thresholds(column, ask)
    if len(column.points) > MOST_POINTS:
        found = _traced(f, [column])
        whole = _of_numbers(found, [column]) if found is not None else None
        if whole is None:
            raise DomainError(
                f"Map asks its function about {len(column.points):,} values, more than {MOST_POINTS:,}",
                hint="write it as arithmetic or comparisons, such as lambda x: 2 * x > 5",
            )
        return whole
    return mapped(column, ask)


def map_of_two(f: Callable[[Any, Any], Any], a: Column, b: Column) -> Column:
    """A function of two values at each position; ⊥ where one is ⊥."""

    def ask(p: Any, q: Any) -> Any:
        return called(f, p, q)

    if any(isinstance(side, Coded) and not side.distinct for side in (a, b)):
        return constant(a.builder, None)
    if isinstance(a, Coded) and isinstance(b, Coded):
        few = len(a.points) <= MOST_POINTS and len(b.points) <= MOST_POINTS
        if few and len(a.distinct) * len(b.distinct) <= MOST_PAIRS:
            return _tried(ask, a, b)
        found = _traced(f, [a, b])
        whole = _of_numbers(found, [a, b]) if found is not None else None
        if whole is None:
            fact = f"SequenceMap asks its function about {len(a.points):,} x {len(b.points):,} pairs, more than {MOST_PAIRS:,}"
            raise DomainError(fact, hint="write it as arithmetic or a comparison, such as lambda x, y: x - y < 3")
        return whole
    found = _traced(f, [a, b])
    whole = _with_ratio(found, a, b) if found is not None else None
    if whole is not None:
        return whole
    return _tried(ask, *(_listed(c) for c in (a, b)))


# --- trying out every pair -------------------------------------------------------------------------------


def _tried(ask: Callable[[Any, Any], Any], a: Coded, b: Coded) -> Coded:
    xs, ys = a.distinct, b.distinct
    if not xs or not ys:
        return constant(a.builder, None)
    rows = [[ask(x, y) for y in ys] for x in xs]
    if not b.none and all(_alike(row) for row in rows):
        return _by_point(a, {key_of(x): row[0] for x, row in zip(xs, rows, strict=True)})
    if not a.none and all(_alike([row[j] for row in rows]) for j in range(len(ys))):
        return _by_point(b, {key_of(y): rows[0][j] for j, y in enumerate(ys)})
    if a.truths and b.truths and len(xs) == len(ys) == 2:
        found = _logic(rows, a, b)
        if found is not None:
            return found
    if a.numeric and b.numeric and not (a.truths and b.truths):
        found = _arithmetic(rows, a, b)
        if found is not None:
            return found
    return _table(rows, a, b)


def _alike(row: Sequence[Any]) -> bool:
    first = key_of(row[0])
    return all(key_of(p) == first for p in row)


def _by_point(column: Coded, meaning: dict[tuple[bool, object], Any]) -> Coded:
    return mapped(column, lambda p: meaning[key_of(p)])


def _logic(rows: list[list[Any]], a: Coded, b: Coded) -> Coded | None:
    """Both or either, of two truths."""
    results = [p for row in rows for p in row]
    if not all(isinstance(p, bool) for p in results) or sum(results) not in (1, 3):
        return None
    odd = results.index(sum(results) == 1)  # the pair that differs from the other three
    sides = []
    for column, wanted in ((a, bool(odd // 2)), (b, bool(odd % 2))):
        truth = narrowed(column).value
        sides.append(truth if wanted else ~truth)
    both = logic("&", sides[0], sides[1], largest=False)
    return Coded(both if sum(results) == 1 else ~both, [False, True])


def _arithmetic(rows: list[list[Any]], a: Coded, b: Coded) -> Coded | None:
    xs, ys = [fraction(x) for x in a.distinct], [fraction(y) for y in b.distinct]
    if len(set(xs)) < len(xs) or len(set(ys)) < len(ys):  # 1 and True are one number
        return None
    flat = [p for row in rows for p in row]
    numbers = all(is_number(p) and not isinstance(p, bool) for p in flat)
    if numbers and len(xs) > 1 and len(ys) > 1:
        exact = [[fraction(p) for p in row] for row in rows]
        dx, dy = (exact[1][0] - exact[0][0]) / (xs[1] - xs[0]), (exact[0][1] - exact[0][0]) / (ys[1] - ys[0])
        c = exact[0][0] - dx * xs[0] - dy * ys[0]
        pairs = [(x, y, r) for x, row in zip(xs, exact, strict=True) for y, r in zip(ys, row, strict=True)]
        if all(_close(r, dx * x + dy * y + c) for x, y, r in pairs):
            return sum_of([(a, dx), (b, dy)], c)
        if all(r == max(x, y) for x, y, r in pairs) or all(r == min(x, y) for x, y, r in pairs):
            (u, unit, shift), (v, *same) = as_number(a, "SequenceMap"), as_number(b, "SequenceMap")
            if [unit, shift] == same and unit > 0:
                most = all(r == max(x, y) for x, y, r in pairs)
                return line((maximum if most else minimum)(plain(u), plain(v)), unit, shift)
        if all(_close(r, x * y) for x, y, r in pairs) and len(flat) > 16:
            return _product(a, b)
    for sign in (-1, 1):
        meaning: dict[Fraction, Any] = {}
        if all(
            key_of(meaning.setdefault(x + sign * y, r)) == key_of(r)
            for x, row in zip(xs, rows, strict=True)
            for y, r in zip(ys, row, strict=True)
        ):
            if len(meaning) >= len(flat):
                continue  # no two pairs have the same: nothing is gained
            total = sum_of([(a, Fraction(1)), (b, Fraction(sign))], Fraction(0))
            if len(total.points) > MOST_POINTS:
                return None
            points = [meaning.get(fraction(p), ABSENT) for p in total.points]
            return narrowed(Coded(total.value, points))
    return None


def _close(a: Fraction, b: Fraction) -> bool:
    """Whether two numbers are the same, or differ by how floats are rounded."""
    return a == b or (a.denominator > 10**6 and abs(a - b) <= abs(b) * Fraction(1, 1 << 50))


def sum_of(terms: Sequence[tuple[Coded, Fraction]], constant_: Fraction) -> Coded:
    """The sum of columns times factors, and a constant."""
    values: list[Value] = []
    units: list[Fraction] = []
    for column, factor in terms:
        value, unit, shift = as_number(column, "a sum")
        constant_ += factor * shift
        if unit * factor or column.none:
            values.append(value)
            units.append(unit * factor)
    if not values:
        return constant(terms[0][0].builder, settled(constant_))
    unit = greatest_common(units) or Fraction(1)
    total = value_of(values[0].builder, Affine("int", tuple(int(u / unit) for u in units), 0), [v.index for v in values], None)
    return line(total, unit, constant_)


def greatest_common(units: Sequence[Fraction]) -> Fraction:
    """The greatest fraction of which all are multiples."""
    over = math.lcm(*(u.denominator for u in units))
    return Fraction(math.gcd(*(int(u * over) for u in units)), over)


def _product(a: Coded, b: Coded) -> Coded:
    """x·y of (unit·v + shift): the shifts are whole units, so that they go into the numbers."""
    (u, p, s), (v, q, t) = as_number(a, "a product"), as_number(b, "a product")
    p, q = greatest_common([p, s]) if s else p, greatest_common([q, t]) if t else q
    x, y = (_whole(c, unit) for c, unit in ((a, p), (b, q)))
    del u, v
    return line(product(x, y, None), p * q)


def _whole(column: Coded, unit: Fraction) -> Value:
    """A column's numbers in multiples of a unit."""
    value, own, shift = as_number(column, "a product")
    if (own, shift) == (unit, 0):
        return plain(value)
    return value_of(value.builder, Affine("int", (int(own / unit),), int(shift / unit)), [value.index], None)


def _table(rows: list[list[Any]], a: Coded, b: Coded) -> Coded:
    """Any function of two columns: a hidden unit for each pair."""
    rank = [{key_of(x): i for i, x in enumerate(side.distinct)} for side in (a, b)]
    a, b = narrowed(a), narrowed(b)
    if len(a.points) * len(b.points) > MAX_TABLE:
        fact = f"SequenceMap needs a table of {len(a.points):,} x {len(b.points):,} entries, more than {MAX_TABLE:,}"
        raise DomainError(fact, hint="write it as arithmetic or a comparison, or of values with fewer possibilities")
    number: dict[tuple[bool, object], int] = {}
    entries: list[int | None] = []
    for x, y in itertools.product(a.points, b.points):
        if x is None or y is None:
            entries.append(None)
            continue
        at = rank[0].get(key_of(x)), rank[1].get(key_of(y))
        if at[0] is None or at[1] is None:  # a code that no input gives
            entries.append(-1)
            continue
        p = rows[at[0]][at[1]]
        entries.append(None if p is None else number.setdefault(key_of(p), len(number)))
    usual = next((e for e in entries if e is not None and e >= 0), None)
    entries = [usual if e == -1 else e for e in entries]
    kind, meaning = "int", [p for _, p in number]
    if meaning and all(isinstance(p, bool) for p in meaning):
        kind, entries, meaning = "bool", [None if e is None else int(bool(meaning[e])) for e in entries], [False, True]
    d, e = a.value.domain, b.value.domain
    op = Table(kind, (d.lo, e.lo), (d.size, e.size), tuple(entries), "map")  # pyright: ignore[reportArgumentType]
    value = value_of(a.builder, op, [a.value.index, b.value.index], None)
    return Coded(value, [meaning[v] if 0 <= v < len(meaning) else ABSENT for v in range(value.domain.lo, value.domain.hi + 1)])


# --- by symbols ------------------------------------------------------------------------------------------


def _traced(f: Callable[..., Any], columns: Sequence[Column]) -> Traced | None:
    """What a function is, if it agrees with what it says on samples."""
    if not all(isinstance(c, Ratio) or c.numeric for c in columns):
        return None
    if any(isinstance(c, Coded) and c.truths and not isinstance(c.points, Line) for c in columns):
        return None
    found = traced(f, len(columns))
    if found is None:
        return None
    rng = random.Random(0)
    asked = [_samples(c, rng) for c in columns]
    for _ in range(SAMPLES):
        point = tuple(rng.choice(side) for side in asked)
        if not agrees(found, called(f, *point), point):
            return None
    return found


def _samples(column: Column, rng: random.Random) -> list[Any]:
    if isinstance(column, Ratio):
        n, d = column.numerator.domain, column.denominator.domain
        pairs = [(rng.randint(n.lo, n.hi), rng.randint(max(1, d.lo), max(1, d.hi))) for _ in range(SAMPLES)]
        return [settled(column.unit * Fraction(p, q) + column.shift) for p, q in [*pairs, (0, 1)]]
    ends = [column.points[0], column.points[-1]]
    return [p for p in [*ends, *(rng.choice(column.points) for _ in range(SAMPLES))] if p is not ABSENT and p is not None] or [0]


def _of_numbers(found: Traced, columns: Sequence[Coded]) -> Column | None:
    """A traced function of numbers."""
    match found:
        case Linear():
            return sum_of([(columns[v], c) for v, c in found.factors.items()] or [(columns[0], Fraction(0))], found.constant)
        case Compared(sign=sign, sum=total):
            left = sum_of([(columns[v], c) for v, c in total.factors.items()] or [(columns[0], Fraction(0))], total.constant)
            return mapped(left, lambda p: _sign(sign, p)) if len(left.points) <= MOST_POINTS else None
        case Product(a=a, b=b):
            sides = [_of_numbers(side, columns) for side in (a, b)]
            return _product(sides[0], sides[1]) if isinstance(sides[0], Coded) and isinstance(sides[1], Coded) else None
        case Quotient(a=a, b=b):
            over, under = (_of_numbers(side, columns) for side in (a, b))
            return _quotient(over, under) if isinstance(over, Coded) and isinstance(under, Coded) else None


def _sign(sign: str, p: Any) -> bool:
    return {"<": p < 0, "<=": p <= 0, ">": p > 0, ">=": p >= 0, "==": p == 0, "!=": p != 0}[sign]


def _quotient(a: Coded, b: Coded) -> Ratio | None:
    """x / y of numbers where y is not negative: a fraction, ⊥ where y is 0."""
    (u, p, s), (v, q, t) = as_number(a, "a quotient"), as_number(b, "a quotient")
    p, q = greatest_common([p, s]) if s else p, greatest_common([q, t]) if t else q
    del u, v
    x, y = _whole(a, p), _whole(b, q)
    if y.domain.lo < 0:
        return None
    return Ratio(x, y, p / q, span=None)


def _of_ratio(found: Traced, column: Ratio) -> Column | None:
    """A traced function of one mean."""
    match found:
        case Linear(factors=factors, constant=c):
            factor = factors.get(0, Fraction(0))
            return scaled(column, factor, c)
        case Compared(sign=sign, sum=total) if total.factors:
            return compared(column, sign, total.factors[0], total.constant)
        case _:
            return None


def _with_ratio(found: Traced, a: Column, b: Column) -> Column | None:
    """A traced function of two columns one of which is a mean."""
    match found:
        case Linear(factors=factors, constant=c):
            total = _ratio_sum([(side, factors[v]) for v, side in enumerate((a, b)) if v in factors])
            return None if total is None else scaled(total, Fraction(1), c)
        case Compared(sign=sign, sum=total):
            left = _ratio_sum([(side, total.factors[v]) for v, side in enumerate((a, b)) if v in total.factors])
            return None if left is None else compared(left, sign, Fraction(1), total.constant)
        case _:
            return None


def _ratio_sum(terms: Sequence[tuple[Column, Fraction]]) -> Ratio | None:
    """A sum of means and numbers as one fraction."""
    whole: Ratio | None = None
    for column, factor in terms:
        if isinstance(column, Ratio):
            part = scaled(column, factor, Fraction(0))
        else:
            value, unit, shift = as_number(column, "a sum")
            one = Value(value.builder, value_of(value.builder, Affine("int", (0,), 1), [value.index], None).index)
            d = value.domain
            part = Ratio(plain(value), one, unit * factor, shift * factor, (Fraction(d.lo), Fraction(d.hi)))
        if whole is None:
            whole = part
            continue
        if whole.denominator.index == part.denominator.index:
            x, y, under = whole.numerator, part.numerator, whole.denominator
        else:
            x = product(whole.numerator, part.denominator, None)
            y = product(part.numerator, whole.denominator, None)
            under = product(whole.denominator, part.denominator, None)
        unit = greatest_common([whole.unit, part.unit])
        factors = (int(whole.unit / unit), int(part.unit / unit))
        total = value_of(x.builder, Affine("int", factors, 0), [x.index, y.index], None)
        spans = (whole.span, part.span)
        span = None if None in spans else _added([(f, s) for f, s in zip(factors, spans, strict=True) if s is not None])
        whole = Ratio(total, under, unit, whole.shift + part.shift, span)
    return whole


def _added(terms: Sequence[tuple[int, tuple[Fraction, Fraction]]]) -> tuple[Fraction, Fraction]:
    """The ends of a sum of factors times what lies between ends."""
    ends = [sorted((f * lo, f * hi)) for f, (lo, hi) in terms]
    return sum((e[0] for e in ends), Fraction(0)), sum((e[1] for e in ends), Fraction(0))


def _listed(column: Column) -> Coded:
    """A mean as a column of points: a table of numerator and denominator."""
    if isinstance(column, Coded):
        return column
    n, d = column.numerator.domain, column.denominator.domain
    if n.size * d.size > MAX_TABLE:
        fact = f"a function of a mean needs a table of {n.size:,} x {d.size:,} entries, more than {MAX_TABLE:,}"
        raise DomainError(fact, hint="compare the mean with a number first, or use sums and comparisons only")
    meanings = fractions_of(column)
    points = sorted({p for p in meanings.values() if p is not None}, key=fraction)
    number = {p: i for i, p in enumerate(points)}
    entries = tuple(None if (m := meanings[x, y]) is None else number[m] for x in range(n.lo, n.hi + 1) for y in range(d.lo, d.hi + 1))
    op = Table("int", (n.lo, d.lo), (n.size, d.size), entries, "mean")
    value = value_of(column.builder, op, [column.numerator.index, column.denominator.index], None)
    return Coded(value, points)


listed = _listed
