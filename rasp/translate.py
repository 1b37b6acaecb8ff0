"""From an expression to a value of headwork's language: each operation once, by what it is.

A Map is another reading of the same codes; an Aggregate of one key is a fetch, of several numbers a mean; widths are counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..compiler.domain import Domain
from ..compiler.errors import DomainError
from ..compiler.graph import Builder
from ..compiler.language import Mean, Selector as Positions, Value, match, maximum
from ..compiler.language.aggregate import added_up
from ..compiler.language.conditions import ALL, Condition
from ..compiler.language.functions import choose
from ..compiler.language.products import product, within
from ..compiler.language.terms import Compare, Term
from ..compiler.language.value import lift, value_of
from ..compiler.ops import Affine, AtLeast, Clip, Const, Divide, Equal, Extreme, Position, Table, Total as Totals, Where
from .arithmetic import column_of, greatest_common, may_be_none, sum_of, whole_numerator
from .closest import Closest, Total, read_nearest
from .column import (
    Coded,
    Column,
    Line,
    Ratio,
    as_number,
    chosen,
    constant,
    fetched,
    fetched_as,
    line,
    mapped,
    narrowed,
    plain,
    shown,
    tokens_of,
)
from .distinct import is_distinct
from .exact import fraction, is_number
from .expr import RASPExpr
from .functions import followed, listed, map_of, map_of_two
from .fused import flattened, parts_of, passes_tuples
from .greatest import Greatest, place_of_greatest
from .placed import bounded
from .selecting import Chosen, existing, selected
from .selectors import Aggregate, Comparison, ConstantSelector, Select, Selector, SelectorAnd, SelectorNot, SelectorOr, SelectorWidth
from .sops import Choice, ConstantSOp, Full, IndicesType, LengthType, Map, SequenceMap, SOp, TokensType


class Translation:
    """The columns of a program's operations, made as they are asked for, each once."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._columns: dict[int, Column] = {}
        self._chosen: dict[int, Chosen] = {}
        self._kept: list[RASPExpr] = []  # so that no other expression gets the number of one that was

    def value(self, sop: SOp) -> Value | Mean:
        """An operation as what a program returns."""
        column = self.column(sop)
        if isinstance(column, Ratio):
            unit, shift = column.unit, column.shift
            over = unit.denominator * shift.denominator
            factors = int(unit * over), int(shift * over)
            d = column.denominator
            top = value_of(self.builder, Affine("int", factors, 0), [column.numerator.index, d.index], None)
            plain = factors == (1, 0) and column.numerator.domain.kind == "int"
            bottom = value_of(self.builder, Affine("int", (over,), 0), [d.index], None) if over != 1 else d
            return Mean(column.numerator if plain else top, bottom)
        whole = isinstance(column.points, Line) and column.points.unit.denominator == column.points.shift.denominator == 1
        if isinstance(column.points, Line) and not whole:
            value, unit, shift = as_number(column, "the output")
            one = value_of(self.builder, Affine("int", (0,), 1), [value.index], None)
            return self._mean(value, one, unit, shift)
        return shown(column)

    def _mean(self, value: Value, one: Value, unit: Fraction, shift: Fraction) -> Mean:
        over = unit.denominator * shift.denominator
        top = value_of(self.builder, Affine("int", (int(unit * over),), int(shift * over)), [value.index], None)
        return Mean(top, value_of(self.builder, Affine("int", (over,), 0), [one.index], None))

    def column(self, sop: SOp) -> Column:
        """An operation's column."""
        if id(sop) not in self._columns:
            self._kept.append(sop)
            self._columns[id(sop)] = self._made(sop)
        return self._columns[id(sop)]

    def coded(self, sop: SOp) -> Coded:
        """An operation's column as codes with points, a mean by a table."""
        return listed(self.column(sop))

    def _made(self, sop: SOp) -> Column:
        match sop:
            case TokensType():
                return tokens_of(self.builder)
            case IndicesType():
                return line(Value(self.builder, self.builder.add(Position(), (), "position")), shift=Fraction(-1))
            case LengthType():
                if self.builder.sizes.causal:
                    fact = "rasp.length is the length of the whole sequence, which a causal program does not see"
                    raise DomainError(fact, hint="make it bidirectional, or count what was seen so far: a SelectorWidth")
                return line(Positions(self.builder, ALL).count())
            case Full(fill=fill):
                return constant(self.builder, fill)
            case Map() | SequenceMap() if (whole := self._as_one(sop)) is not None:
                return whole
            case Map(f=f, inner=inner):
                return map_of(f, self.column(inner))
            case SequenceMap(f=f, fst=fst, snd=snd):
                if fst is snd:
                    return map_of(lambda x: f(x, x), self.column(fst))
                return map_of_two(f, self.column(fst), self.column(snd))
            case Choice(condition=condition, fst=fst, snd=snd):
                truth = narrowed(listed(map_of(bool, self.column(condition))))
                if not truth.distinct:
                    return constant(self.builder, None)
                return chosen(truth.value, self.coded(fst), self.coded(snd))
            case SelectorWidth(selector=selector):
                return line(counted(Positions(self.builder, self.chosen(selector).condition)))
            case Aggregate(selector=selector, sop=inner, default=default):
                return aggregated(self.chosen(selector), self.column(inner), default, self.builder)
            case Closest():
                return self._closest(sop)
            case Total(selector=selector, sop=inner):
                return self._total(self.chosen(selector).condition, self.coded(inner))
            case Greatest():
                return self._greatest(sop)
            case ConstantSOp(value=value):
                return self._given(value)
            case _:
                raise DomainError(f"{type(sop).__name__} is no expression with a meaning")

    def _closest(self, sop: Closest) -> Coded:
        """A read of the nearest key that matches."""
        keys, queries, column = self.coded(sop.keys), self.coded(sop.queries), self.coded(sop.sop)
        chosen = selected(keys, queries, sop.predicate, is_distinct(sop.keys, self.column, self.builder.sizes.causal))
        own = narrowed(listed(map_of_two(lambda key, query: bool(sop.predicate(key, query)), keys, queries)))
        mine = own.value if own.distinct and own.distinct != [False] else None

        def count(condition: Condition) -> Value:
            return counted(Positions(self.builder, condition))

        return fetched_as(column, read_nearest(chosen.condition, chosen.one, mine, count, column.value))

    def _total(self, condition: Condition, column: Coded) -> Coded:
        """The sum of numbers over what is selected; ⊥ adds nothing."""
        value, unit, shift = as_number(column, "a sum")
        positions = Positions(self.builder, condition)
        kept = positions & _where(existing(column)) if column.none else positions
        total = line(summed(kept, value), unit)
        return sum_of([(total, Fraction(1)), (line(counted(kept)), shift)], Fraction(0)) if shift else total

    def _greatest(self, sop: Greatest) -> Coded:
        """The label of the greatest of several numbers, all in one unit."""
        sums = [sum_of([(self.coded(part), Fraction(1)) for part in parts], Fraction(0)) for parts in sop.sums]
        if len(sums) == 1:
            return mapped(sums[0], lambda _: sop.labels[0])
        parts = [as_number(whole, "a comparison") for whole in sums]
        unit = greatest_common([*(p for _, p, _ in parts), *(s - parts[0][2] for *_, s in parts if s != parts[0][2])])
        values = [
            value_of(self.builder, Affine("int", (int(p / unit),), int((s - parts[0][2]) / unit)), [v.index], None) for v, p, s in parts
        ]
        place = place_of_greatest(values)
        return Coded(place, [sop.labels[i] for i in range(place.domain.lo, place.domain.hi + 1)])

    def _as_one(self, sop: SOp) -> Column | None:
        """A map of tuples as arithmetic of what these are made of, where it is that."""
        if not passes_tuples(sop, self.column):
            return None
        function, leaves = flattened(sop)
        columns = [self.column(leaf) for leaf in leaves]
        found = followed(function, columns)
        return None if found is None else column_of(found, columns)

    def _given(self, values: Sequence[Any]) -> Coded:
        """A constant sequence: a table of the position; ⊥ beyond its end."""
        n = self.builder.sizes.length
        points = [*values[:n], *[None] * (n - len(values))]
        return Coded(Value(self.builder, self.builder.add(Position(), (), "position")), points)

    def chosen(self, selector: Selector) -> Chosen:
        """A selector's condition."""
        if id(selector) not in self._chosen:
            self._kept.append(selector)
            self._chosen[id(selector)] = self._selected(selector)
        return self._chosen[id(selector)]

    def _selected(self, selector: Selector) -> Chosen:
        match selector:
            case Select(keys=keys, queries=queries, predicate=predicate):
                distinct = is_distinct(keys, self.column, self.builder.sizes.causal)
                k, q = (parts_of(side, self.column) for side in (keys, queries)) if predicate is Comparison.EQ else (None, None)
                if k and q and len(k) == len(q):  # tuples are equal where their parts are
                    whole = self.chosen(Select(k[0], q[0], Comparison.EQ))
                    for key, query in zip(k[1:], q[1:], strict=True):
                        whole &= self.chosen(Select(key, query, Comparison.EQ))
                    return Chosen(whole.condition, whole.one or distinct)
                return selected(self.coded(keys), self.coded(queries), predicate, distinct)
            case SelectorAnd(fst=fst, snd=snd):
                return self.chosen(fst) & self.chosen(snd)
            case SelectorOr(fst=fst, snd=snd):
                return self.chosen(fst) | self.chosen(snd)
            case SelectorNot(inner=inner):
                return ~self.chosen(inner)
            case ConstantSelector(value=rows):
                n = self.builder.sizes.length
                here = line(Value(self.builder, self.builder.add(Position(), (), "position")), shift=Fraction(-1))
                size = min(n, len(rows))
                return selected(here, here, lambda k, q: q < size and k < len(rows[q]) and bool(rows[q][k]), True)
            case _:
                raise DomainError(f"{type(selector).__name__} is no selector with a meaning")


def aggregated(selector: Chosen, column: Column, default: Any, builder: Builder) -> Column:
    """The value of the one key selected, or the mean of several numbers; `default` where none is selected."""
    positions = Positions(builder, selector.condition)
    numbers = isinstance(column, Ratio) or column.numeric
    if isinstance(column, Coded) and not column.distinct:
        return _or_default(constant(builder, None), positions.any(), default)
    if not selector.one and numbers:
        return _mean(positions, column, default, builder)
    if not selector.one and isinstance(column, Coded) and (some := [p for p in column.distinct if is_number(p)]):
        word = next(p for p in column.distinct if not is_number(p))
        fact = f"an Aggregate may select several of values that are numbers and others, {some[0]!r} and {word!r}: a mean, or none"
        raise DomainError(fact, hint="make all of them numbers or none, or select one key with a default of their kind")
    hit = positions.latest() if selector.one else positions.unique()
    found = fetched(column, hit.fetch)
    if default is None:
        return found
    return _or_default(found, hit.found if selector.one else positions.any(), default)


def _or_default(found: Column, some: Value, default: Any) -> Column:
    """The column, or a constant where nothing is selected."""
    if default is None:
        return found
    if isinstance(found, Coded):
        return chosen(some, found, constant(found.builder, default))
    if not is_number(default):
        raise DomainError(f"an Aggregate of means has the default {default!r}, which is no number", hint="give a number, or None")
    at = (fraction(default) - found.shift) / found.unit
    top, bottom = (lift(v, found.numerator, "default", None) for v in (at.numerator, at.denominator))
    n, d = found.numerator.or_else(0), found.denominator.or_else(0)
    span = None if found.span is None else (min(found.span[0], at), max(found.span[1], at))
    numerator, denominator = choose(some, n, top, "default", None), choose(some, d, bottom, "default", None)
    return Ratio(numerator, denominator, found.unit, found.shift, span)


def _mean(positions: Positions, column: Column, default: Any, builder: Builder) -> Column:
    """The mean of the numbers selected; ⊥ is left out of it."""
    under: Value | None = None
    if isinstance(column, Ratio) and not may_be_none(column) and is_uniform(builder, column.denominator.index):
        whole = whole_numerator(column)  # all means are over one number: their mean is over this, times how many they are
        under, column = whole.denominator, line(plain(whole.numerator), whole.unit)
    column = listed(column)
    none = column.none
    value, unit, shift = as_number(column, "a mean")
    kept = positions & _where(existing(column)) if none else positions
    total, number = bounded(lambda: summed(kept, value), value, kept.condition), counted(kept)
    count = number
    if not none and positions._never_empty():  # pyright: ignore[reportPrivateUsage]
        count, default = within(number, 1, builder.sizes.length, None), None
    lo, hi = value.domain.lo, value.domain.hi
    ends = (Fraction(min(0, lo)), Fraction(max(0, hi)))
    if under is not None:
        ratio = Ratio(total, product(under, count, None), unit, shift)
    else:
        ratio = Ratio(total, count, unit, shift, ends, number.index)
    if default is None:
        return ratio
    if not is_number(default):
        fact = f"an Aggregate of numbers over a selector of several keys has the default {default!r}, which is no number"
        raise DomainError(fact, hint="give a number, or None")
    if fraction(default) == shift and not none and under is None:  # the sum of nothing is 0 already
        return Ratio(total, maximum(count, 1), unit, shift, ratio.span, number.index)
    return _or_default(ratio, positions.any() if none else number > 0, default)


def is_uniform(builder: Builder, index: int) -> bool:
    """Whether a node has the same value at every position: a constant, a total of what all queries alike select, and functions of these."""
    node = builder.nodes[index]
    match node.op:
        case Const():
            return True
        case Totals(mask=mask, parts=parts):
            return mask == "full" and all(is_uniform(builder, q) for q in node.args[:parts])
        case Affine() | AtLeast() | Equal() | Extreme() | Divide() | Table() | Where() | Clip():
            return all(is_uniform(builder, a) for a in node.args)
        case _:
            return False


def counted(positions: Positions) -> Value:
    """How many positions are selected; where that is how far the sequence goes up to here, the position says it."""
    builder = positions.builder
    one = Value(builder, builder.add(Const("int", 1), (), "one"))
    known, rest = _known(positions, one)
    if not rest:
        return within(known, 0, builder.sizes.length, None)
    if known.domain == Domain("int", 0, 0):
        return positions.count()
    found = added_up(builder, rest, one, None)
    total = value_of(builder, Affine("int", (1, 1), 0), [found.index, known.index], None)
    return within(total, 0, builder.sizes.length, None)


def summed(positions: Positions, value: Value) -> Value:
    """The sum of a value over the positions selected; ⊥ adds nothing."""
    builder = positions.builder
    known, rest = _known(positions, value)
    if not rest:
        return known
    total = added_up(builder, rest, value, None)
    if known.domain == Domain("int", 0, 0):
        return total
    return value_of(builder, Affine("int", (1, 1), 0), [total.index, known.index], None)


def _known(positions: Positions, value: Value) -> tuple[Value, list[tuple[int, Term]]]:
    """What a selector's terms add without attention, and the terms that are left: of this position alone it is the value itself,
    and of the constant 1 what came before is counted by the position.
    """
    builder = positions.builder
    here = builder.add(Position(), (), "position")
    node = builder.nodes[value.index].op
    one = isinstance(node, Const) and node.value == 1
    own = value.or_else(0) if value.domain.none else value
    parts: list[tuple[int, int, int]] = []  # coefficient, node, constant
    rest: list[tuple[int, Term]] = []
    for term, k in positions.condition.count().items():
        if not term.before and term.compared == frozenset([Compare(here, here)]):
            parts.append((k, own.index, 0))
        elif one and not term.compared and (term.before or builder.sizes.causal):
            parts.append((k, here, -k if term.before else 0))
        else:
            rest.append((k, term))
    if not parts:
        return Value(builder, builder.add(Const("int", 0), (), "0")), rest
    op = Affine("int", tuple(k for k, _, _ in parts), sum(c for *_, c in parts))
    return value_of(builder, op, [node for _, node, _ in parts], None), rest


def _where(there: Value) -> Positions:
    """The positions where a value is."""
    return match(True, there.exists)
