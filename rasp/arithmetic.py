"""Arithmetic on columns: sums, products, quotients, choices, of numbers and of means, and what was traced of a function as these.

A mean stays numerator over denominator as long as it can: sums over one denominator, products and quotients by cross-multiplying,
a mean times what it is divided by is the sum that it is made of. What has no such form is left to tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..compiler.language import Value
from ..compiler.language.products import product
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, AtLeast, Exists, Extreme, Table, Where
from .column import ABSENT, MOST_POINTS, Coded, Column, Line, Ratio, aligned, as_number, chosen, constant, line, mapped, narrowed, plain
from .evaluator import called
from .exact import fraction, settled
from .placed import written_down
from .ratios import by_thresholds, compared, scaled
from .traced import Branch, Compared, Linear, Plain, Product, Quotient, Rounded, Traced

FEW_TERMS = 2


def column_of(found: Traced, columns: Sequence[Column]) -> Column | None:
    """What was traced, of these columns; ⊥ where one of them is. None where no arithmetic says it."""
    whole = _column_of(found, columns)
    if whole is None:
        return None
    used = _used(found)
    for v, column in enumerate(columns):
        if v not in used and may_be_none(column):
            whole = picked(_there(column), whole, constant(column.builder, None))
    return whole


def may_be_none(column: Column) -> bool:
    """Whether a column may be ⊥."""
    if isinstance(column, Coded):
        return column.none
    return column.denominator.domain.lo < 1 or column.denominator.domain.none or column.numerator.domain.none


def _used(found: Traced) -> set[int]:
    """The variables that make it ⊥ wherever they are."""
    match found:
        case Linear(factors=factors):
            return set(factors)
        case Compared(sum=total):
            return set(total.factors)
        case Product(a=a, b=b) | Quotient(a=a, b=b):
            return {*a.factors, *b.factors}
        case Rounded(of=inner):
            return _used(inner)
        case Plain():
            return set()
        case Branch(condition=condition, yes=yes, no=no):
            return _used(condition) | (_used(yes) & _used(no))


def _there(column: Column) -> Value:
    """True where a column has a value, ⊥ or False elsewhere."""
    builder = column.builder
    if isinstance(column, Ratio):
        both = value_of(builder, Affine("int", (0, 1), 0), [column.numerator.index, column.denominator.index], None)
        return value_of(builder, AtLeast(1), [both.index, constant(builder, 0).value.index], None)
    value = column.value
    if not isinstance(column.points, Line) and any(p is None for p in column.points):
        d = value.domain
        entries = tuple(None if p is None else 1 for p in column.points)
        value = value_of(builder, Table("int", (d.lo,), (d.size,), entries, "there"), [value.index], None)
    return value_of(builder, Exists(), [value.index], None)


def _column_of(found: Traced, columns: Sequence[Column]) -> Column | None:
    match found:
        case Linear():
            return _linear(found, columns)
        case Compared(sign=sign, sum=total):
            left = _linear(total, columns)
            if isinstance(left, Ratio):
                return compared(left, sign, Fraction(1), Fraction(0))
            return mapped(left, lambda p: _holds(sign, p)) if len(left.points) <= MOST_POINTS else None
        case Product(a=a, b=b):
            return times(_linear(a, columns), _linear(b, columns))
        case Quotient(a=a, b=b):
            return _whole_or_nothing(over(_linear(a, columns), _linear(b, columns)))
        case Rounded(by=by, of=inner):
            column = _column_of(inner, columns)
            return None if column is None else _rounded(by, column)
        case Plain(value=value):
            return constant(columns[0].builder, value)
        case Branch(condition=condition, yes=yes, no=no):
            most = _extreme(condition, yes, no, columns)
            if most is not None:
                return most
            truth, a, b = (_column_of(part, columns) for part in (condition, yes, no))
            if not isinstance(truth, Coded) or not truth.distinct or a is None or b is None:
                return None
            return picked(narrowed(truth).value, a, b)


def _extreme(condition: Compared, yes: Traced, no: Traced, columns: Sequence[Column]) -> Column | None:
    """The greater or the less of two numbers, where a choice is that."""
    if not (isinstance(yes, Linear) and isinstance(no, Linear)) or condition.sign in ("==", "!="):
        return None
    for least in (1, -1):  # asked whether yes - no, or no - yes, is positive
        apart = (yes - no) * Fraction(least)
        if isinstance(apart, Linear) and apart.factors == condition.sum.factors and apart.constant == condition.sum.constant:
            a, b = _linear(yes, columns), _linear(no, columns)
            if not (isinstance(a, Coded) and isinstance(b, Coded) and isinstance(a.points, Line) and isinstance(b.points, Line)):
                return None
            x, y, unit, shift = aligned(plain(a.value), a.points, plain(b.value), b.points)
            most = ((condition.sign in (">", ">=")) == (least > 0)) == (unit > 0)
            return line(value_of(x.builder, Extreme(most), [x.index, y.index], None), unit, shift)
    return None


def _holds(sign: str, p: Any) -> bool:
    return {"<": p < 0, "<=": p <= 0, ">": p > 0, ">=": p >= 0, "==": p == 0, "!=": p != 0}[sign]


def _rounded(by: Any, column: Column) -> Column | None:
    from .functions import map_of

    if by is abs and isinstance(column, Ratio):
        n = whole_numerator(column)
        return Ratio(_size(n.numerator), n.denominator, abs(n.unit))
    if isinstance(column, Ratio):
        return by_thresholds(column, lambda p: called(by, p))
    return map_of(by, column)


def _size(value: Value) -> Value:
    """|x|, as the greater of x and -x."""
    value = plain(value)
    if value.domain.lo >= 0:
        return value
    negative = value_of(value.builder, Affine("int", (-1,), 0), [value.index], None)
    return value_of(value.builder, Extreme(True), [value.index, negative.index], None)


# --- sums ------------------------------------------------------------------------------------------------


def _linear(found: Linear, columns: Sequence[Column]) -> Column:
    """A sum of columns times factors, and a constant."""
    terms = [(columns[v], c) for v, c in found.factors.items()] or [(columns[0], Fraction(0))]
    if len(terms) == 1 and isinstance(terms[0][0], Ratio):
        return scaled(terms[0][0], terms[0][1], found.constant)
    numbers = [(c, factor) for c, factor in terms if isinstance(c, Coded)]
    if len(numbers) == len(terms):
        return sum_of(numbers, found.constant)
    return scaled(_ratio_sum(terms), Fraction(1), found.constant)


def sum_of(terms: Sequence[tuple[Coded, Fraction]], constant_: Fraction) -> Coded:
    """The sum of columns of numbers times factors, and a constant. Of many, what are functions of one value are added up beforehand."""
    many = len(terms) > FEW_TERMS
    values: list[Value] = []
    units: list[Fraction] = []
    for column, factor in _by_value(terms) if many else terms:
        if len(column.distinct) == 1 and not column.none:
            constant_ += factor * fraction(column.distinct[0])
            continue
        value, unit, shift = as_number(column, "a sum", stepwise=not many)
        constant_ += factor * shift
        if unit * factor or column.none:
            values.append(value)
            units.append(unit * factor)
    if not values:
        return constant(terms[0][0].builder, settled(constant_))
    unit = greatest_common(units) or Fraction(1)
    if units == [unit]:
        return line(values[0], unit, constant_)
    values = [written_down(v) for v in values]
    total = value_of(values[0].builder, Affine("int", tuple(int(u / unit) for u in units), 0), [v.index for v in values], None)
    return line(total, unit, constant_)


def _by_value(terms: Sequence[tuple[Coded, Fraction]]) -> list[tuple[Coded, Fraction]]:
    """Terms of a sum, those of one value as one: a table of it, or a multiple of it where it is one throughout."""
    together: dict[int, list[tuple[Coded, Fraction]]] = {}
    for column, factor in terms:
        together.setdefault(column.value.index, []).append((column, factor))
    found: list[tuple[Coded, Fraction]] = []
    for some in together.values():
        if len(some) == 1:
            found += some
            continue
        rows = zip(*(column.points for column, _ in some), strict=True)
        points = [_added_up(row, [factor for _, factor in some]) for row in rows]
        found.append((mapped(Coded(some[0][0].value, points), lambda p: p), Fraction(1)))
    return found


def _added_up(points: Sequence[Any], factors: Sequence[Fraction]) -> Any:
    """A sum of points times factors; ⊥ where one is, ABSENT where one is that."""
    if any(p is None or p is ABSENT for p in points):
        return None if None in points else ABSENT
    return settled(sum((f * fraction(p) for f, p in zip(factors, points, strict=True)), Fraction(0)))


def greatest_common(units: Sequence[Fraction]) -> Fraction:
    """The greatest fraction of which all are multiples."""
    over_ = math.lcm(*(u.denominator for u in units))
    return Fraction(math.gcd(*(int(u * over_) for u in units)), over_)


def as_ratio(column: Column) -> Ratio:
    """A number as a fraction over 1."""
    if isinstance(column, Ratio):
        return column
    value, unit, shift = as_number(column, "a fraction")
    one = value_of(value.builder, Affine("int", (0,), 1), [value.index], None)
    d = value.domain
    return Ratio(plain(value), one, unit, shift, (Fraction(d.lo), Fraction(d.hi)))


def whole_numerator(column: Ratio) -> Ratio:
    """The same fraction without a shift: the numerator has it, times the denominator."""
    if not column.shift:
        return column
    unit = greatest_common([column.unit, column.shift])
    factors = int(column.unit / unit), int(column.shift / unit)
    top = value_of(column.builder, Affine("int", factors, 0), [column.numerator.index, column.denominator.index], None)
    return Ratio(top, column.denominator, unit, Fraction(0), None, column.count)


def _ratio_sum(terms: Sequence[tuple[Column, Fraction]]) -> Ratio:
    """A sum of means and numbers as one fraction."""
    whole: Ratio | None = None
    for column, factor in terms:
        part = scaled(as_ratio(column), factor, Fraction(0))
        if whole is None:
            whole = part
            continue
        count = None
        if whole.denominator.index == part.denominator.index:
            x, y, under, count = whole.numerator, part.numerator, whole.denominator, whole.count
        elif _is_one(part.denominator):
            x, y = whole.numerator, product(part.numerator, whole.denominator, None)
            under, count = whole.denominator, whole.count
        elif _is_one(whole.denominator):
            x, y = product(whole.numerator, part.denominator, None), part.numerator
            under, count = part.denominator, part.count
        else:
            x = product(whole.numerator, part.denominator, None)
            y = product(part.numerator, whole.denominator, None)
            under = product(whole.denominator, part.denominator, None)
        unit = greatest_common([whole.unit, part.unit])
        factors = (int(whole.unit / unit), int(part.unit / unit))
        total = value_of(x.builder, Affine("int", factors, 0), [x.index, y.index], None)
        spans = (whole.span, part.span)
        span = None if None in spans else _added([(f, s) for f, s in zip(factors, spans, strict=True) if s is not None])
        whole = Ratio(total, under, unit, whole.shift + part.shift, span, count)
    assert whole is not None
    return whole


def _is_one(value: Value) -> bool:
    """Whether a denominator is 1 wherever it is anything."""
    return value.domain.lo == value.domain.hi == 1


def _added(terms: Sequence[tuple[int, tuple[Fraction, Fraction]]]) -> tuple[Fraction, Fraction]:
    """The ends of a sum of factors times what lies between ends."""
    ends = [sorted((f * lo, f * hi)) for f, (lo, hi) in terms]
    return sum((e[0] for e in ends), Fraction(0)), sum((e[1] for e in ends), Fraction(0))


# --- products, quotients, choices ------------------------------------------------------------------------


def times(a: Column, b: Column) -> Column:
    """x·y. A mean times the number that it is divided by is the sum that it is made of."""
    if isinstance(a, Coded) and isinstance(b, Coded):
        return product_of(a, b)
    for mean, other in ((a, b), (b, a)):
        if isinstance(mean, Ratio) and isinstance(other, Coded):
            found = _undivided(mean, other)
            if found is not None:
                return found
    x, y = (whole_numerator(as_ratio(c)) for c in (a, b))
    under = x.denominator if _is_one(y.denominator) else y.denominator if _is_one(x.denominator) else None
    if under is None:
        under = product(x.denominator, y.denominator, None)
    return Ratio(product(x.numerator, y.numerator, None), under, x.unit * y.unit)


def _undivided(mean: Ratio, number: Coded) -> Column | None:
    """(unit·n/d + shift)·(p·d) = p·unit·n + p·shift·d."""
    value, p, t = as_number(number, "a product")
    if t or value.index not in (mean.denominator.index, mean.count):
        return None
    total = sum_of([(line(mean.numerator), p * mean.unit), (line(value), p * mean.shift)], Fraction(0))
    if mean.denominator.domain.lo >= 1:
        return total
    some = value_of(value.builder, AtLeast(1), [mean.denominator.index, constant(value.builder, 0).value.index], None)
    return chosen(some, total, constant(value.builder, None))


def product_of(a: Coded, b: Coded) -> Coded:
    """x·y of (unit·v + shift): the shifts are whole units, so that they go into the numbers."""
    (_, p, s), (_, q, t) = as_number(a, "a product"), as_number(b, "a product")
    p, q = greatest_common([p, s]) if s else p, greatest_common([q, t]) if t else q
    x, y = (_whole(c, unit) for c, unit in ((a, p), (b, q)))
    return line(product(x, y, None), p * q)


def _whole(column: Coded, unit: Fraction) -> Value:
    """A column's numbers in multiples of a unit."""
    value, own, shift = as_number(column, "a product")
    if (own, shift) == (unit, 0):
        return plain(value)
    return value_of(value.builder, Affine("int", (int(own / unit),), int(shift / unit)), [value.index], None)


def over(a: Column, b: Column) -> Column | None:
    """x / y where y is not negative, ⊥ where y is 0; None where y may be negative."""
    x, y = (whole_numerator(as_ratio(c)) for c in (a, b))
    if y.numerator.domain.lo < 0 or y.unit < 0:
        return None
    unit, under = x.unit / y.unit, plain(y.numerator)
    if x.denominator.index == y.denominator.index:
        found = Ratio(plain(x.numerator), under, unit)
    else:
        top = plain(x.numerator) if _is_one(y.denominator) else product(x.numerator, y.denominator, None)
        found = Ratio(top, under if _is_one(x.denominator) else product(x.denominator, under, None), unit)
    # a mean of nothing has a sum of 0, so that its quotient has a denominator of 0; other fractions over 0 are asked
    bare = [c for c in (a, b) if isinstance(c, Ratio) and c.count is None and c.denominator.domain.lo < 1]
    for c in bare:
        found = picked(_there(c), found, constant(c.builder, None))
    return found


def _whole_or_nothing(found: Column | None) -> Column | None:
    """A fraction over 0 or 1 is a number, or ⊥."""
    if not isinstance(found, Ratio) or not 0 <= found.denominator.domain.lo <= found.denominator.domain.hi == 1:
        return found
    number = line(plain(found.numerator), found.unit, found.shift)
    return number if found.denominator.domain.lo == 1 else picked(_there(found), number, constant(found.builder, None))


def picked(condition: Value, a: Column, b: Column) -> Column:
    """a where the condition is true, b where it is false; of means and numbers, a fraction chosen by its parts."""
    if isinstance(a, Coded) and isinstance(b, Coded):
        return chosen(condition, a, b)
    numbers = [c for c in (a, b) if isinstance(c, Ratio) or c.distinct]  # the other is ⊥ throughout
    if not all(isinstance(c, Ratio) or (c.numeric and not c.none) for c in numbers):
        from .functions import listed

        return chosen(condition, listed(a), listed(b))
    sides = [whole_numerator(as_ratio(c)) for c in numbers]
    unit = greatest_common([side.unit for side in sides])
    tops: list[Value] = []
    unders: list[Value] = []
    for c in (a, b):
        if not any(c is some for some in numbers):  # ⊥: nothing over nothing
            nothing = constant(condition.builder, 0).value
            tops.append(nothing)
            unders.append(nothing)
            continue
        side = whole_numerator(as_ratio(c))
        factor = int(side.unit / unit)
        tops.append(plain(side.numerator) if factor == 1 else _whole(line(side.numerator), Fraction(1, factor)))
        unders.append(side.denominator)
    numerator, denominator = (
        value_of(condition.builder, Where(), [condition.index, yes.index, no.index], None) if yes.index != no.index else yes
        for yes, no in (tops, unders)
    )
    return replace(sides[0], numerator=numerator, denominator=denominator, unit=unit, shift=Fraction(0), span=None, count=None)
