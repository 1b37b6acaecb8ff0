"""Map and SequenceMap: a Python function of one or two columns, by the cheapest of the ways that it is found to be.

Two columns of few points are tried out: every pair is asked. What is found is, in this order, a function of one side, a sum, a greater
or lesser of the two, a product, a function of the difference or of the sum, a quotient, or a table of both, or of classes that are alike.
Where there are too many pairs, or a mean is among them, the function is called with symbols (`traced.py`) and compared with what it says
on samples; a function that tells few intervals of a mean apart is one of these.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ..compiler.errors import DomainError, HeadworkError
from ..compiler.language import maximum, minimum
from ..compiler.language.functions import MAX_TABLE
from ..compiler.language.value import logic, value_of
from ..compiler.ops import Table
from .arithmetic import column_of, product_of, sum_of
from .column import ABSENT, MOST_POINTS, Coded, Column, Ratio, as_number, constant, key_of, line, mapped, narrowed, plain
from .evaluator import called
from .exact import fraction, is_number, settled
from .ratios import MOST_PIECES, all_fractions, by_thresholds, fractions_of
from .traced import Branch, Plain, Quotient, Rounded, Traced, agrees, traced

FEW = 64  # pairs of a quotient that are tabled
MOST_PAIRS = 1 << 18  # that are asked one by one
SAMPLES = 400


def map_of(f: Callable[[Any], Any], column: Column) -> Column:
    """A function at each position; ⊥ stays ⊥."""

    def ask(p: Any) -> Any:
        return _asked("Map", f, p)

    if isinstance(column, Ratio):
        found = followed(f, [column])
        whole = None if found is None or isinstance(found, (Branch, Rounded, Plain)) else column_of(found, [column])
        if whole is not None:
            return whole
        if isinstance(found, Rounded) and isinstance(found.of, Quotient) and isinstance(inner := column_of(found.of, [column]), Coded):
            return map_of(found.by, inner)  # one over a share, which is how often
        many = column.numerator.domain.size * column.denominator.domain.size > MAX_TABLE
        if found is not None and (many or (isinstance(found, Rounded) and found.by is abs)):
            whole = column_of(found, [column])
        return whole if whole is not None else by_thresholds(column, ask)
    if len(column.points) > MOST_POINTS:
        found = followed(f, [column])
        whole = column_of(found, [column]) if found is not None else None
        if whole is None:
            raise DomainError(
                f"Map asks its function about {len(column.points):,} values, more than {MOST_POINTS:,}",
                hint="write it as arithmetic or comparisons, such as lambda x: 2 * x > 5",
            )
        return whole
    return mapped(column, ask)


def _asked(what: str, f: Callable[..., Any], *xs: Any) -> Any:
    """What a function says. Raises DomainError, with the values, where it raises anything but an arithmetic error, which is ⊥."""
    try:
        return called(f, *xs)
    except HeadworkError:
        raise
    except Exception as error:
        fact = f"{what} called its function with ({', '.join(map(repr, xs))}) and it raised {type(error).__name__}: {error}"
        raise DomainError(fact, hint="it is asked about every value that may come; return None where it has no answer") from error


def map_of_two(f: Callable[[Any, Any], Any], a: Column, b: Column) -> Column:
    """A function of two values at each position; ⊥ where one is ⊥."""

    def ask(p: Any, q: Any) -> Any:
        return _asked("SequenceMap", f, p, q)

    if any(isinstance(side, Coded) and not side.distinct for side in (a, b)):
        return constant(a.builder, None)
    if isinstance(a, Coded) and isinstance(b, Coded):
        few = len(a.points) <= MOST_POINTS and len(b.points) <= MOST_POINTS
        if few and len(a.distinct) * len(b.distinct) <= MOST_PAIRS:
            return _tried(ask, a, b)
        found = followed(f, [a, b])
        whole = column_of(found, [a, b]) if found is not None else None
        if whole is None:
            fact = f"SequenceMap asks its function about {len(a.points):,} x {len(b.points):,} pairs, more than {MOST_PAIRS:,}"
            raise DomainError(fact, hint="write it as arithmetic or a comparison, such as lambda x, y: x - y < 3")
        return whole
    found = followed(f, [a, b])
    if found is None or isinstance(found, Branch):
        pieces = _by_pieces(ask, a, b)
        if pieces is not None:
            return pieces
    whole = column_of(found, [a, b]) if found is not None else None
    return whole if whole is not None else _tried(ask, listed(a), listed(b))


def _by_pieces(ask: Callable[[Any, Any], Any], a: Column, b: Column) -> Column | None:
    """A function that tells few intervals of a mean apart: of which interval it is in."""
    sides = (a, b)
    if any(isinstance(c, Ratio) and c.numerator.domain.size * c.denominator.domain.size > MAX_TABLE for c in sides):
        return None
    xs, ys = ([settled(x) for x in all_fractions(c)] if isinstance(c, Ratio) else c.distinct for c in sides)
    if not xs or not ys or len(xs) * len(ys) > MOST_PAIRS:
        return None
    rows = [[ask(x, y) for y in ys] for x in xs]
    kept: list[tuple[Coded, dict[Any, int]]] = []
    for column, points, seen in ((a, xs, rows), (b, ys, list(zip(*rows, strict=True)))):
        if isinstance(column, Coded):
            kept.append((column, {key_of(x): i for i, x in enumerate(points)}))
            continue
        keys = [[key_of(p) for p in row] for row in seen]
        starts = [i for i in range(len(points)) if i == 0 or keys[i] != keys[i - 1]]
        if len(starts) > MOST_PIECES:
            return None
        number = {x: bisect.bisect_right(starts, i) - 1 for i, x in enumerate(points)}
        kept.append((by_thresholds(column, number.__getitem__), {key_of(n): i for n, i in enumerate(starts)}))
    (u, of_u), (v, of_v) = kept
    return _tried(lambda x, y: rows[of_u[key_of(x)]][of_v[key_of(y)]], u, v)


# --- trying out every pair -------------------------------------------------------------------------------


def _tried(ask: Callable[[Any, Any], Any], a: Coded, b: Coded) -> Column:
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
        found = _arithmetic(rows, a, b) or (_quotient(ask, rows, a, b) if len(xs) * len(ys) > FEW else None)
        if found is not None:
            return found
    return _by_classes(rows, a, b) or _table(rows, a, b)


def _quotient(ask: Callable[[Any, Any], Any], rows: list[list[Any]], a: Coded, b: Coded) -> Column | None:
    """One number over another, as a fraction."""
    found = traced(ask, 2)
    if not isinstance(found, Quotient):
        return None
    if not all(agrees(found, p, (x, y)) for x, row in zip(a.distinct, rows, strict=True) for y, p in zip(b.distinct, row, strict=True)):
        return None
    return column_of(found, [a, b])


def _by_classes(rows: list[list[Any]], a: Coded, b: Coded) -> Column | None:
    """A table of classes, where many points of a side are alike to the function."""
    by_row = [tuple(key_of(p) for p in row) for row in rows]
    sides = [(a, by_row), (b, list(zip(*by_row, strict=True)))]
    classes = [dict.fromkeys(keys) for _, keys in sides]
    apart = sum(len(column.points) for (column, keys), some in zip(sides, classes, strict=True) if len(some) < len(keys))
    if 2 * (len(classes[0]) * len(classes[1]) + apart) > len(a.points) * len(b.points):
        return None
    narrow: list[Coded] = []
    firsts: list[list[int]] = []
    for (column, keys), some in zip(sides, classes, strict=True):
        number = {key: i for i, key in enumerate(some)}
        narrow.append(narrowed(_by_point(column, {key_of(p): number[key] for p, key in zip(column.distinct, keys, strict=True)})))
        firsts.append([keys.index(key) for key in some])
    return _table([[rows[i][j] for j in firsts[1]] for i in firsts[0]], narrow[0], narrow[1])


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
            return product_of(a, b)
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


def followed(f: Callable[..., Any], columns: Sequence[Column]) -> Traced | None:
    """What a function of numbers is, if it agrees with what it says on samples."""
    if not all(isinstance(c, Ratio) or c.numeric for c in columns):
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


def listed(column: Column) -> Coded:
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
