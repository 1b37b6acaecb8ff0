"""Selectors as conditions of headwork's language: equalities and orders of numbers as such, everything else by its table."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..compiler.errors import DomainError, HeadworkError
from ..compiler.language import Value
from ..compiler.language.comparisons import Nodes
from ..compiler.language.conditions import ALL, NOWHERE, Both, Condition, Either
from ..compiler.language.relations import condition_of
from ..compiler.language.tabled import table_condition
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, Const, OrElse
from .arithmetic import greatest_common, sum_of
from .column import ABSENT, Coded, Line, as_number, key_of, narrowed, tabled
from .evaluator import holds
from .exact import fraction
from .functions import MOST_PAIRS
from .selectors import Comparison, Predicate
from .traced import Compared, traced

MOST_ASKED = 1 << 21  # pairs that a predicate is asked about
SIGNS = {  # of a query and a key, in this order: RASP's is key before query
    Comparison.EQ: "==",
    Comparison.NEQ: "!=",
    Comparison.LT: ">",
    Comparison.LEQ: ">=",
    Comparison.GT: "<",
    Comparison.GEQ: "<=",
}


@dataclass(frozen=True)
class Chosen:
    """A selector: its condition, and whether no query selects more than one key."""

    condition: Condition
    one: bool = False

    def __and__(self, other: Chosen) -> Chosen:
        return Chosen(Both(self.condition, other.condition), self.one or other.one)

    def __or__(self, other: Chosen) -> Chosen:
        return Chosen(Either(self.condition, other.condition))

    def __invert__(self) -> Chosen:
        return Chosen(self.condition.complement())


def selected(keys: Coded, queries: Coded, predicate: Predicate, distinct: bool) -> Chosen:
    """The keys for which a predicate holds. `distinct` says that no two positions have the same key."""
    nodes = Nodes(keys.builder)
    if predicate is Comparison.FALSE:
        return Chosen(NOWHERE)
    if predicate is Comparison.TRUE:
        q, k = existing(queries), existing(keys)
        return Chosen(nodes.absent(q.index, k.index).complement() if q.domain.none or k.domain.none else ALL)
    if not keys.distinct or not queries.distinct:
        return Chosen(NOWHERE) if isinstance(predicate, Comparison) else _by_table(keys, queries, predicate, distinct)
    if isinstance(predicate, Comparison) and keys.numeric and queries.numeric and _as_numbers(keys, queries):
        return Chosen(_compared(*_common(queries, keys), SIGNS[predicate]), distinct and predicate is Comparison.EQ)
    same = predicate is Comparison.EQ and not keys.none and _identical(keys) and _identical(queries)
    if same and keys.value.domain.kind == queries.value.domain.kind and _same_points(keys, queries):
        return Chosen(nodes.same(queries.value.index, keys.value.index), distinct)
    if len(keys.points) * len(queries.points) > MOST_ASKED or len(keys.distinct) * len(queries.distinct) > MOST_PAIRS * 8:
        return _by_symbols(keys, queries, predicate, distinct)
    return _by_table(keys, queries, predicate, distinct)


def existing(column: Coded) -> Value:
    """A value that is ⊥ where the column is."""
    if all(p is not None for p in column.points) if not isinstance(column.points, Line) else True:
        return column.value
    return tabled(column.value, [None if p is None else 1 for p in column.points])


def _identical(column: Coded) -> bool:
    """Whether different codes stand for different points."""
    return len(column.distinct) == len(column.points)


def _same_points(a: Coded, b: Coded) -> bool:
    """Whether equal codes and equal points go together, of one and of the other."""
    points = {v: key_of(p)[1] for v, p in enumerate(a.points, a.value.domain.lo)}
    codes = {p: v for v, p in points.items()}
    others = [(v, key_of(p)[1]) for v, p in enumerate(b.points, b.value.domain.lo)]
    return all(codes.get(p, v) == v and points.get(v, p) == p for v, p in others)


def _as_numbers(keys: Coded, queries: Coded) -> bool:
    """Whether comparing the numbers themselves is no dearer than comparing what a table of both says."""
    if isinstance(keys.points, Line) and isinstance(queries.points, Line):
        return True
    if keys.truths and queries.truths:
        return False
    return all(isinstance(p, int) for c in (keys, queries) if not isinstance(c.points, Line) for p in c.distinct)


def _common(queries: Coded, keys: Coded) -> tuple[Value, Value]:
    """Two numbers that compare as the query and the key do, in one unit; the key as it is, where that can be."""
    (q, p, s), (k, r, t) = as_number(queries, "a comparison"), as_number(keys, "a comparison")
    if p < 0 and r < 0:  # both the other way round: compare the negatives
        q, k = (value_of(v.builder, Affine("int", (-1,), 0), [v.index], None) for v in (q, k))
        p, r = -p, -r
    unit = _unit(p, r, s - t)
    return _affine(q, p / unit, (s - t) / unit), _affine(k, r / unit, Fraction(0))


def _unit(*numbers: Fraction) -> Fraction:
    return greatest_common([x for x in numbers if x]) if any(numbers) else Fraction(1)


def _compared(q: Value, k: Value, sign: str) -> Condition:
    """A comparison of numbers. Sums a·x + b·y in which a step of x outweighs all that y can be are compared by x, then by y."""
    of_query, of_key = _parts(q), _parts(k)
    if sign in ("<", "<=", ">", ">=") and of_query is not None and of_key is not None and of_query[2:] == of_key[2:]:
        (x, y, a, b, _), (u, v, *_) = of_query, of_key
        spans = [value.domain for value in (y, v)]
        if abs(a) > abs(b) * (max(d.hi for d in spans) - min(d.lo for d in spans)):
            strict = sign.removesuffix("=")
            first = condition_of([(x, u)], strict if a > 0 else _turned(strict), None)
            then = condition_of([(y, v)], sign if b > 0 else _turned(sign), None)
            return Either(first, Both(condition_of([(x, u)], "==", None), then))
    return condition_of([(q, k)], sign, None)


def _turned(sign: str) -> str:
    return {"<": ">", ">": "<", "<=": ">=", ">=": "<="}[sign]


def _parts(value: Value) -> tuple[Value, Value, int, int, int] | None:
    """A sum a·x + b·y + c of two numbers, the greater factor first."""
    node = value.builder.nodes[value.index]
    if not isinstance(node.op, Affine) or len(node.op.coefficients) != 2 or 0 in node.op.coefficients:
        return None
    terms = sorted(zip(node.op.coefficients, node.args, strict=True), key=lambda term: -abs(term[0]))
    (a, x), (b, y) = terms
    return Value(value.builder, x), Value(value.builder, y), a, b, node.op.constant


def _affine(value: Value, factor: Fraction, shift: Fraction) -> Value:
    if (factor, shift) == (1, 0) and value.domain.kind != "token":
        return value
    kind = "position" if factor == 1 and value.domain.kind == "position" else "int"
    return value_of(value.builder, Affine(kind, (int(factor),), int(shift)), [value.index], None)


def _by_table(keys: Coded, queries: Coded, predicate: Predicate, distinct: bool) -> Chosen:
    """What a predicate says of every pair, ⊥ included where it may be."""
    narrow = [narrowed(c) if len(c.distinct) * 2 <= len(c.points) else c for c in (queries, keys)]
    sides = [_with_absent(c, predicate, query=i == 0, others=narrow[1 - i]) for i, c in enumerate(narrow)]
    q, k = sides
    if len(q.points) * len(k.points) > MOST_ASKED:
        raise DomainError(f"a Select asks its predicate about {len(q.points):,} x {len(k.points):,} pairs, more than {MOST_ASKED:,}")
    held = np.array([[_held(predicate, key, query) for key in k.points] for query in q.points], np.bool_)
    held = held.reshape(len(q.points), len(k.points))
    condition = table_condition(q.value, k.value, held, None) if held.size else NOWHERE
    return Chosen(condition, distinct and bool((_by_point(held, k) <= 1).all()))


def _by_point(held: np.ndarray[Any, Any], keys: Coded) -> np.ndarray[Any, Any]:
    """How many different points each query selects."""
    number = {key: i for i, key in enumerate(dict.fromkeys(key_of(p) for p in keys.points))}
    columns = np.array([number[key_of(p)] for p in keys.points])
    found = np.zeros((len(held), len(number)), np.bool_)
    for j, c in enumerate(columns):
        found[:, c] |= held[:, j]
    return found.sum(axis=1)


def _held(predicate: Predicate, key: Any, query: Any) -> bool:
    if key is ABSENT or query is ABSENT:
        return False
    try:
        return holds(predicate, key, query)
    except HeadworkError:
        raise
    except Exception as error:
        fact = f"a Select asked its predicate about key {key!r} and query {query!r}, and it raised {type(error).__name__}: {error}"
        raise DomainError(fact, hint="it is asked about every pair that may come; return False for those it does not order") from error


def _with_absent(column: Coded, predicate: Predicate, query: bool, others: Coded) -> Coded:
    """The column with a code for ⊥ in the place of it, where the predicate may hold for ⊥."""
    if not column.value.domain.none or isinstance(predicate, Comparison):
        return column
    other = [*others.distinct, None]
    if not any(holds(predicate, *((p, None) if query else (None, p))) for p in other):
        return column
    d = column.value.domain
    if d.kind not in ("int", "position"):
        column = Coded(tabled(column.value, list(range(d.lo, d.hi + 1))), column.points)
        d = column.value.domain
    code = column.builder.add(Const("int", d.hi + 1), (), "absent")
    value = value_of(column.builder, OrElse(), [column.value.index, code], None)
    return Coded(value, [*column.points, None])


def _by_symbols(keys: Coded, queries: Coded, predicate: Predicate, distinct: bool) -> Chosen:
    """A comparison of numbers, found by calling the predicate with symbols."""
    found = traced(predicate, 2) if keys.numeric and queries.numeric else None
    if not isinstance(found, Compared) or set(found.sum.factors) != {0, 1}:
        fact = f"a Select asks its predicate about {len(keys.points):,} x {len(queries.points):,} pairs, more than {MOST_ASKED:,}"
        raise DomainError(fact, hint="write it as a comparison of numbers, such as lambda k, q: k == q + 1")
    by_key, by_query = found.sum.factors[0], found.sum.factors[1]
    rng = np.random.default_rng(0)
    for i, j in zip(rng.integers(len(keys.points), size=400), rng.integers(len(queries.points), size=400), strict=True):
        key, query = keys.points[int(i)], queries.points[int(j)]
        total = found.sum.of(fraction(key), fraction(query))
        if holds(predicate, key, query) != _compare(found.sign, total):
            raise DomainError("a Select's predicate is another for numbers than for symbols", hint="write it as a comparison")
    # by_key·k + by_query·q + c compared with 0 is q' compared with k', both multiplied so that the key has factor 1 or -1
    left = sum_of([(queries, -by_query / by_key)], -found.sum.constant / by_key)
    sign = found.sign if by_key > 0 else {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(found.sign, found.sign)
    comparison = next(c for c in Comparison if c.value == sign)  # k compared with q'
    return Chosen(_compared(*_common(left, keys), SIGNS[comparison]), distinct and comparison is Comparison.EQ)


def _compare(sign: str, total: Fraction) -> bool:
    return {"<": total < 0, "<=": total <= 0, ">": total > 0, ">=": total >= 0, "==": total == 0, "!=": total != 0}[sign]
