"""Selectors: which positions a query selects, what to pick among them, and what to make of them all."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from ..calls import public, readable
from ..domain import Domain, plain
from ..errors import DomainError, Location, caller
from ..graph import Builder
from ..ops import Const, Lookup, Pick, Position, Relation, Table
from .aggregate import Mean, added_up, as_count, counted_by_value, most_frequent
from .comparisons import RELATION_WIDTH, Nodes
from .conditions import ALL, NOWHERE, Both, Condition, Either
from .functions import MAX_TABLE, choose
from .lookups import Hit
from .symbolic import Symbolic
from .terms import Compare, Term
from .value import Value, as_number, boolean, lift, number, numeric, require_value, same_kind, spaces, value_of

MAX_HEADS = 128
RELATIONS = ("==", "!=", "<", "<=", ">", ">=")
ORDERS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
}


@readable
@dataclass(frozen=True, eq=False, repr=False)
class Selector(Symbolic):
    """The positions t that this position's query selects. Combine selectors with & | ~; pick one, or aggregate them all."""

    builder: Builder
    condition: Condition
    called: ClassVar[str] = "a selector"
    instead: ClassVar[str] = "combine selectors with & | ~; .any(), .count() and .latest().position are values"
    elsewhere: ClassVar[Mapping[str, str]] = {
        "fetch": "pick a position first: .latest().fetch(x), .earliest().fetch(x) or .unique().fetch(x)",
        "position": "pick a position first: .latest().position",
        "found": "use .any()",
        "where": "combine it with another selector: & hw.match(True, condition)",
    }

    # --- combining -------------------------------------------------------------------------------------

    def __and__(self, other: Selector) -> Selector:
        return Selector(self.builder, Both(self.condition, self._other("&", other)))

    def __or__(self, other: Selector) -> Selector:
        return Selector(self.builder, Either(self.condition, self._other("|", other)))

    def __invert__(self) -> Selector:
        """The visible positions that are not selected, those where a value is ⊥ included."""
        return Selector(self.builder, self.condition.complement())

    def _other(self, what: str, other: object) -> Condition:
        if not isinstance(other, Selector):
            raise DomainError(f"{what} combines a selector with {other!r}", caller(), "give another selector")
        if other.builder is not self.builder:
            raise DomainError(f"{what} mixes selectors of two programs", caller(), "build both inside one program function")
        return other.condition

    # --- picking one -----------------------------------------------------------------------------------

    def latest(self) -> Hit:
        """The last selected position."""
        return self._pick("latest")

    def earliest(self) -> Hit:
        """The first selected position."""
        return self._pick("earliest")

    def largest(self, by: Value) -> Hit:
        """The selected position with the largest `by`, the latest of equals; positions where it is ⊥ are left out."""
        return self._ranked("largest", by)

    def smallest(self, by: Value) -> Hit:
        """The selected position with the smallest `by`, the latest of equals; positions where it is ⊥ are left out."""
        return self._ranked("smallest", by)

    def closest(self, query: object, key: object) -> Hit:
        """The selected position where the fewest of the compared values differ (Hamming distance), the latest of equals.

        `query` and `key` are values or tuples of as many values; positions where one is ⊥ have no hit, and are none.
        Takes one head: each pair of values adds a dimension for booleans, as many as it has values for others.
        Raises DomainError where they are not comparable, or the selector takes several heads.
        """
        line = caller()
        pairs = _pairs("closest()", query, key, line)
        chosen = self
        for q, k in pairs:
            if q.domain.none:
                chosen = Selector(
                    self.builder, Both(chosen.condition, _condition([(q.exists, lift(True, q.exists, "", line))], "==", line))
                )
            chosen = chosen._where(k.exists, True) if k.domain.none else chosen
        terms = chosen.condition.cover()
        if len(terms) > 1:
            raise DomainError(
                f"closest() picks from a selector of {len(terms)} heads", line, "use a selector of equalities, such as match()"
            )
        sides = [[value.or_else(value.domain.lo) if value.domain.none else value for value in side] for side in zip(*pairs, strict=True)]
        return chosen._pick("closest", graded=[value.index for side in sides for value in side])

    def unique(self) -> Hit:
        """The selected position if there is exactly one; ⊥ if there is none or more than one.

        Two picks of one layer: the latest and the earliest, which agree exactly when there is only one.
        """
        last, first = self._pick("latest"), self._pick("earliest")
        return last.where(last.position == first.position)

    def _ranked(self, pick: Pick, by: Value) -> Hit:
        line = caller()
        require_value(f"{pick}()", by, self.builder, line)
        by = number(f"{pick}()", by, line)
        chosen, rank = self, by
        if by.domain.none:
            chosen, rank = self._where(by.exists, True), by.or_else(by.domain.lo)
        return chosen._pick(pick, rank.index)

    def _pick(self, pick: Pick, rank: int | None = None, graded: Sequence[int] = ()) -> Hit:
        line = caller()
        terms = self._terms(self.condition.cover(), line)
        lookups: list[int] = []
        for term in terms:
            mask, compared = term.spelled(self.builder)
            relations = tuple(c.relation for c in compared)
            op = Lookup(mask, pick, len(compared), relations if any(relations) else (), len(graded) // 2)
            args = [*(c.query for c in compared), *(c.key for c in compared), *([] if rank is None else [rank]), *graded]
            lookups.append(self.builder.add(op, args, "match", line))
        return Hit(self.builder, tuple(lookups), pick, rank)

    # --- all of them -----------------------------------------------------------------------------------

    def count(self) -> Value:
        """How many positions are selected."""
        line = caller()
        one = Value(self.builder, self.builder.add(Const("int", 1), [], "one"))
        return as_count(added_up(self.builder, self._counted(line), one, line))

    def any(self, value: Value | None = None) -> Value:
        """Whether a position is selected; with a boolean value, whether it is true at one of them."""
        chosen = self if value is None else self._where(value, True)
        return chosen._pick("latest").found if len(chosen.condition.cover()) <= len(chosen.condition.count()) else chosen.count() > 0

    def all(self, value: Value | None = None) -> Value:
        """Whether every visible position is selected; with a boolean value, whether it is nowhere false among the selected.

        ⊥ where nothing is selected.
        """
        line = caller()
        exception = ~self if value is None else self._where(value, False)
        return choose(self.any(), ~exception.any(), None, "all()", line)

    def sum(self, value: Value) -> Value:
        """The sum of a value over the selected positions; ⊥ adds nothing; ⊥ where nothing is selected."""
        line = caller()
        total = self._sum("sum()", value, line)
        return total if self._never_empty() else choose(self.count() > 0, total, None, "sum()", line)  # the count shares the head

    def mean(self, value: Value) -> Mean:
        """The mean of a value over the selected positions, exact: a numerator and a denominator. Positions where it is ⊥ do not count."""
        line = caller()
        total = self._sum("mean()", value, line)
        chosen = self._where(value.exists, True) if value.domain.none else self
        return Mean(total, chosen.count())

    def min(self, value: Value) -> Value:
        """The smallest value among the selected; ⊥ where there is none."""
        return self._ranked("smallest", value).fetch(value)

    def max(self, value: Value) -> Value:
        """The largest value among the selected; ⊥ where there is none."""
        return self._ranked("largest", value).fetch(value)

    def counts(self, value: Value) -> tuple[Value, ...]:
        """How often each value occurs among the selected, in the order of its domain: symbols in the order of the alphabet.

        All counts are of one head, a cell for each. Raises DomainError for more than 256 values.
        """
        line = caller()
        require_value("counts()", value, self.builder, line)
        return tuple(count for count, _ in counted_by_value("counts()", self.builder, self._counted(line), value, line))

    def mode(self, value: Value) -> Value:
        """The most frequent value among the selected, the first in the order of its domain of equals; ⊥ where there is none."""
        return self._mode(value)[0]

    def mode_count(self, value: Value) -> Value:
        """How often the most frequent value occurs among the selected."""
        return self._mode(value)[1]

    # --- terms -----------------------------------------------------------------------------------------

    def _where(self, value: Value, wanted: bool) -> Selector:
        line = caller()
        require_value("any() or all()", value, self.builder, line)
        boolean("any() or all()", value, line)
        truth = self.builder.add(Const("bool", int(wanted)), (), str(wanted))
        return Selector(self.builder, Both(self.condition, Nodes(self.builder).same(truth, value.index)))

    def _sum(self, what: str, value: Value, line: Location | None) -> Value:
        require_value(what, value, self.builder, line)
        if value.domain.kind != "bool":
            value = number(what, value, line)
        return added_up(self.builder, self._counted(line), value, line)

    def _mode(self, value: Value) -> tuple[Value, Value]:
        line = caller()
        require_value("mode()", value, self.builder, line)
        return most_frequent(self.builder, self._counted(line), value, self._never_empty() and not value.domain.none, line)

    def _never_empty(self) -> bool:
        """Whether it is plain that every position selects itself: a term compares values with themselves, none of them ⊥."""
        nodes = self.builder.nodes
        return any(
            not term.before and all(c.query == c.key and not c.relation and not nodes[c.key].domain.none for c in term.compared)
            for term in self.condition.cover()
        )

    def _counted(self, line: Location | None) -> list[tuple[int, Term]]:
        count = self.condition.count()
        self._terms(list(count), line)
        return [(k, term) for term, k in count.items()]

    def _terms(self, terms: list[Term], line: Location | None) -> list[Term]:
        if len(terms) > MAX_HEADS:
            hint = "combine fewer selectors, or compute a value and compare that"
            raise DomainError(f"the selector takes {len(terms):,} heads, more than {MAX_HEADS}", line, hint)
        one, two = (self.builder.add(Const("int", v), (), str(v)) for v in (1, 2))
        return terms or [Term(frozenset([Compare(one, two)]))]  # a head that finds nothing


@public
def select(
    query: object,
    key: object,
    relation: str | Callable[[object, object], object] = "==",
    before: bool = False,
    within: int | None = None,
) -> Selector:
    """The positions t with `query relation key`: the query is this position's value, the key is t's.

    `relation` is ==, !=, <, <=, >, >=, or any function of a query and a key that returns a boolean; it is called once for
    every pair of values (tokens as symbols). ⊥ stands in no relation. Tuples compare component by component with ==.
    `before=True` keeps t < i, `within=w` keeps i - w < t <= i; otherwise t <= i in a causal program and every t in a
    bidirectional one. Order on B-bit values takes B heads, or one of the domain's width where that is less.
    Raises DomainError where query and key are not comparable, or the relation is none.
    """
    line = caller()
    same = isinstance(relation, str) and relation == "=="
    pairs = _pairs("select()", query, key, line) if same else [_pair("select()", query, key, line, relation)]
    return _limited(pairs[0][0].builder, _condition(pairs, relation, line), before, within, line)


@public
def match(query: object, key: object, before: bool = False, within: int | None = None) -> Selector:
    """Positions t whose key equals the query here, component by component where tuples are given; ⊥ equals nothing.

    `before=True` keeps t < i, `within=w` the last w positions; otherwise t <= i in a causal program and every t in a
    bidirectional one. Literals may stand for constant values. Raises DomainError where query and key are not comparable.
    """
    line = caller()
    pairs = _pairs("match()", query, key, line)
    return _limited(pairs[0][0].builder, _condition(pairs, "==", line), before, within, line)


@public
def visible(like: Value, before: bool = False, within: int | None = None) -> Selector:
    """Every position that can be seen from here, of the program that a value belongs to."""
    line = caller()
    require_value("visible()", like, None, line)
    one = like.builder.add(Const("int", 1), (), "one")
    return _limited(like.builder, Nodes(like.builder).same(one, one), before, within, line)


def _limited(builder: Builder, condition: Condition, before: bool, within: int | None, line: Location | None) -> Selector:
    nodes = Nodes(builder)
    if not isinstance(before, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"before={before!r} is neither True nor False", line, "within=w keeps the last w positions")
    if before:
        condition = Both(condition, nodes.earlier())
    if within is not None:
        within = cast("int", plain(within))
        if not isinstance(within, int) or isinstance(within, bool) or within < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError(f"within={within!r} is no number of positions", line, "give an integer of at least 1")
        n = builder.sizes.length
        within = min(within, n)  # which keeps all
        ways = [f"a head for each of {within:,} places", f"a head for each of {n.bit_length()} bits of the position"]
        by_bits = within > n.bit_length()
        builder.note(f"within={within} by {ways[by_bits]} (instead of {ways[not by_bits]})", line)
        condition = Both(condition, nodes.within(within))
    return Selector(builder, condition)


def _condition(pairs: list[tuple[Value, Value]], relation: object, line: Location | None) -> Condition:
    nodes = Nodes(pairs[0][0].builder)
    if callable(relation):
        return _predicate(*pairs[0], cast("Callable[[object, object], object]", relation), line)
    if relation not in RELATIONS:
        raise DomainError(
            f"select() knows no relation {relation!r}", line, f"use one of {' '.join(RELATIONS)}, or a function of two values"
        )
    if relation == "==":
        found: Condition = nodes.same(pairs[0][0].index, pairs[0][1].index)
        for q, k in pairs[1:]:
            found = Both(found, nodes.same(q.index, k.index))
        return found
    ((q, k),) = pairs
    if relation == "!=":
        return nodes.different(q.index, k.index)
    if not (numeric(q) and numeric(k)):
        raise DomainError(f"{relation} orders {q.domain}, which has no order", line, "use hw.table(f, x) to give symbols a number")
    q, k = as_number(q, line), as_number(k, line)
    less, equal = relation in ("<", "<="), relation in ("<=", ">=")
    by_place = nodes.placed(q.index, k.index, less, equal)
    if by_place is not None:
        return by_place
    width = q.domain.size + (0 if q.index == k.index else k.domain.size)
    bits = nodes.bits(q.index, k.index)
    ways = [f"1 head of a table, {width:,} dimensions", f"{bits} heads, one a bit, about {RELATION_WIDTH * bits} dimensions"]
    as_table = width <= RELATION_WIDTH * bits
    q.builder.note(f"{relation} by {ways[not as_table]} (instead of {ways[as_table]})", line)
    if as_table:
        a, b = (range(d.lo, d.hi + 1) for d in (q.domain, k.domain))
        held = [int((x < y if less else x > y) or (equal and x == y)) for x in a for y in b]
        return nodes.related(q.index, k.index, _relation(q.domain, k.domain, held))
    return nodes.order(q.index, k.index, less, equal)


def _relation(q: Domain, k: Domain, held: list[int]) -> Relation:
    return q.lo, q.size, k.lo, k.size, *held


def _predicate(q: Value, k: Value, f: Callable[[object, object], object], line: Location | None) -> Condition:
    """A function as a relation; as an equality of classes where any two of its rows are equal or have nothing in common."""
    nodes, size = Nodes(q.builder), q.domain.size * k.domain.size
    if size > MAX_TABLE:
        sizes = f"{q.domain.size} x {k.domain.size}"
        raise DomainError(f"select() would call its relation {size:,} times ({sizes}), more than {MAX_TABLE:,}", line, "use == or an order")
    held: list[int] = []
    for point in itertools.product(spaces(q), spaces(k)):
        try:
            result = plain(f(*point))
        except Exception as error:
            called = ", ".join(map(repr, point))
            fact = f"select() called its relation with ({called}) and it raised {type(error).__name__}: {error}"
            raise DomainError(fact, line, "return True or False for every pair") from error
        if not isinstance(result, (bool, int)) or result not in (0, 1):
            raise DomainError(f"select()'s relation returned {result!r}", line, "return True or False")
        held.append(int(result))
    if not size:
        return nodes.same(q.index, k.index)
    if not any(held):
        return NOWHERE
    if all(held) and not q.domain.none and not k.domain.none:
        return ALL
    for sign, holds in ORDERS.items():
        if isinstance(q.builder.nodes[q.index].op, Position) and q.index == k.index and _on_what_is_seen(holds, held, q):
            return _condition([(q, k)], sign, line)
    rows = [tuple(held[r * k.domain.size : (r + 1) * k.domain.size]) for r in range(q.domain.size)]
    classes = list(dict.fromkeys(row for row in rows if any(row)))
    equality = bool(classes) and all(sum(column) <= 1 for column in zip(*classes, strict=True))
    ways = ["1 head that compares classes", f"1 head of a table, {q.domain.size + k.domain.size:,} dimensions"]
    q.builder.note(f"a relation by {ways[0] + f' (instead of {ways[1]})' if equality else ways[1]}", line)
    if equality:
        of_key = [next((c for c, row in enumerate(classes, 1) if row[j]), None) for j in range(k.domain.size)]
        of_query = [classes.index(row) + 1 if any(row) else None for row in rows]
        ends = [
            value_of(v.builder, Table("int", (v.domain.lo,), (v.domain.size,), tuple(entries), "class"), [v.index], line)
            for v, entries in ((q, of_query), (k, of_key))
        ]
        return nodes.same(ends[0].index, ends[1].index)
    return nodes.related(q.index, k.index, _relation(q.domain, k.domain, held))


def _on_what_is_seen(holds: Callable[[int, int], bool], held: list[int], position: Value) -> bool:
    """Whether a table over two positions is that order wherever the key is seen."""
    inside = range(position.domain.lo, position.domain.hi + 1)
    seen = (t <= i or not position.builder.sizes.causal for i, t in itertools.product(inside, inside))
    pairs = zip(itertools.product(inside, inside), held, seen, strict=True)
    return all(holds(i, t) == bool(value) for (i, t), value, there in pairs if there)


def _pair(what: str, query: object, key: object, line: Location | None, relation: object) -> tuple[Value, Value]:
    """One query and one key, either of which may be a literal; of one kind unless the relation is a function."""
    if isinstance(query, tuple) or isinstance(key, tuple):
        raise DomainError(f"{what} compares tuples by {relation!r}", line, "tuples compare with ==; combine selectors with & and |")
    like = query if isinstance(query, Value) else key if isinstance(key, Value) else None
    if like is None:
        raise DomainError(f"{what} was given no value of the program", line, "at least one of query and key must be a value")
    a, b = lift(query, like, what, line), lift(key, like, what, line)
    require_value(what, b, a.builder, line)
    return (a, b) if callable(relation) else same_kind(what, a, b, line)


def _pairs(what: str, query: object, key: object, line: Location | None) -> list[tuple[Value, Value]]:
    queries, keys = _tuple(query), _tuple(key)
    values = [v for v in (*queries, *keys) if isinstance(v, Value)]
    if not queries and not keys:
        raise DomainError(f"{what} compares nothing", line, "give at least one query and key")
    if len(queries) != len(keys):
        raise DomainError(f"{what} compares {len(queries)} query values with {len(keys)} key values", line, "give as many of both")
    if not values:
        raise DomainError(f"{what} was given no value of the program", line, "at least one of query and key must be a value")
    for value in values:
        require_value(what, value, values[0].builder, line)
    pairs: list[tuple[Value, Value]] = []
    for q, k in zip(queries, keys, strict=True):
        like = q if isinstance(q, Value) else k if isinstance(k, Value) else values[0]
        a, b = lift(q, like, what, line), lift(k, like, what, line)
        if {a.domain.kind, b.domain.kind} == {"token", "position"}:
            raise DomainError(f"{what} compares {a.domain} with {b.domain}", line, _token_or_place(a, b))
        pairs.append(same_kind(what, a, b, line))
    return pairs


def _token_or_place(query: Value, key: Value) -> str:
    """What to write where a token is compared with a position."""
    token = query if query.domain.kind == "token" else key
    if numeric(token):
        sides = ("token + 0, position", "token.at(position)") if token is query else ("position, token + 0", "token.at(position)")
        return f"to compare the numbers, write match({sides[0]}); to read the token at a position, {sides[1]}"
    return (
        "symbols are no numbers of positions: to read the token at a position, write token.at(position); to find a symbol, match(x, token)"
    )


def _tuple(x: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", x) if isinstance(x, tuple) else (x,)
