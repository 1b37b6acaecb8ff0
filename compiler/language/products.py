"""Products, quotients and remainders of two computed numbers, each by the cheapest of the ways to write it.

- a table of both, a hidden unit for each pair;
- x·y = floor((x + y)²/4) - floor((x - y)²/4): two tables of one number, of |x| + |y| - 1 entries each (x + y and x - y have the same
  parity, so the two roundings are of the same quarter);
- x // y, of numbers that are not negative, as how many multiples k·y are at most x: a comparison for each k.
"""

from __future__ import annotations

from collections.abc import Callable

from ..domain import Domain
from ..errors import DomainError, Location
from ..graph import Builder
from ..ops import Affine, AtLeast, Clip, Const, Extreme, Table
from .functions import MAX_TABLE
from .value import Value, value_of

MOST_MULTIPLES = 64  # comparisons of a quotient: each takes a dimension


def product(x: Value, y: Value, line: Location | None) -> Value:
    """x·y at each position."""
    a, b = x.domain, y.domain
    if x.index == y.index:
        return value_of(x.builder, _one(a, lambda v: v * v, "square"), [x.index], line)
    as_table, as_squares = _pairs(a, b), 4 * (a.size + b.size - 1)
    if as_table <= min(as_squares, MAX_TABLE):
        return value_of(x.builder, _both(a, b, lambda u, v: u * v, "product"), [x.index, y.index], line)
    x.builder.note(f"a product by two tables of squares, {as_squares:,} units (instead of {as_table:,})", line)
    total = value_of(x.builder, Affine("int", (1, 1), 0), [x.index, y.index], line)
    apart = value_of(x.builder, Affine("int", (1, -1), 0), [x.index, y.index], line)
    sides = [_alone(s, line) for s in (total, apart)]
    quarters = [value_of(x.builder, _one(s.domain, lambda v: v * v // 4, "square/4"), [s.index], line) for s in sides]
    found = value_of(x.builder, Affine("int", (1, -1), 0), [q.index for q in quarters], line)
    corners = [u * v for u in (a.lo, a.hi) for v in (b.lo, b.hi)]
    return within(found, min(corners), max(corners), line)


def quotient(x: Value, y: Value, line: Location | None) -> Value:
    """x // y, rounded down; ⊥ where y is 0."""
    a, b = x.domain, y.domain
    most = a.hi // max(1, b.lo) if a.lo >= 0 and b.lo >= 0 else MOST_MULTIPLES + 1
    if _pairs(a, b) <= min(MAX_TABLE, 3 * most if most <= MOST_MULTIPLES else MAX_TABLE):
        return value_of(x.builder, _both(a, b, lambda u, v: u // v if v else None, "quotient"), [x.index, y.index], line)
    if most > MOST_MULTIPLES:
        fact = f"// divides {a} by {b}: a table of both has {a.size * b.size:,} entries, more than {MAX_TABLE:,}"
        raise DomainError(fact, line, f"divide by a constant, or make the quotient at most {MOST_MULTIPLES}")
    x.builder.note(f"a quotient by {most} comparisons (instead of {_pairs(a, b):,} units)", line)
    by = y if b.lo > 0 else value_of(x.builder, Clip(1, max(1, b.hi)), [y.index], line)
    found: list[int] = []
    for k in range(1, most + 1):
        multiple = value_of(x.builder, Affine("int", (k,), 0), [by.index], line)
        found.append(value_of(x.builder, AtLeast(0), [x.index, multiple.index], line).index)
    if not found:
        return value_of(x.builder, Affine("int", (0, 0), 0), [x.index, by.index], line)
    return value_of(x.builder, Affine("int", (1,) * len(found), 0), found, line)


def remainder(x: Value, y: Value, line: Location | None) -> Value:
    """x % y, of the sign of y; ⊥ where y is 0."""
    a, b = x.domain, y.domain
    most = a.hi // max(1, b.lo) if a.lo >= 0 and b.lo >= 0 else MOST_MULTIPLES + 1
    if _pairs(a, b) <= MAX_TABLE and (most > MOST_MULTIPLES or _pairs(a, b) <= 3 * most + 4 * (b.size + most)):
        return value_of(x.builder, _both(a, b, lambda u, v: u % v if v else None, "remainder"), [x.index, y.index], line)
    whole = product(quotient(x, y, line), y, line)
    rest = value_of(x.builder, Affine("int", (1, -1), 0), [x.index, whole.index], line)
    return within(rest, 0, max(0, b.hi - 1), line)


def within(x: Value, lo: int, hi: int, line: Location | None) -> Value:
    """A number known to lie in lo..hi, with that as its domain: min(max(x, lo), hi) changes nothing."""
    builder: Builder = x.builder
    if x.domain.lo < lo:
        x = value_of(builder, Extreme(True), [x.index, builder.add(Const("int", lo), (), str(lo))], line)
    if x.domain.hi > hi:
        x = value_of(builder, Extreme(False), [x.index, builder.add(Const("int", hi), (), str(hi))], line)
    return x


def _alone(x: Value, line: Location | None) -> Value:
    """A sum in a place of its own, so that a table of it is about one number, to the certificate too: max(x, least) is x."""
    least = x.builder.add(Const("int", x.domain.lo), (), str(x.domain.lo))
    return value_of(x.builder, Extreme(True), [x.index, least], line)


def _pairs(a: Domain, b: Domain) -> int:
    """Units of a table of both: one an entry, and those that square the two."""
    return a.size * b.size + a.size + b.size


def _one(a: Domain, f: Callable[[int], int], title: str) -> Table:
    return Table("int", (a.lo,), (a.size,), tuple(f(v) for v in range(a.lo, a.hi + 1)), title)


def _both(a: Domain, b: Domain, f: Callable[[int, int], int | None], title: str) -> Table:
    entries = tuple(f(u, v) for u in range(a.lo, a.hi + 1) for v in range(b.lo, b.hi + 1))
    return Table("int", (a.lo, b.lo), (a.size, b.size), entries, title)
