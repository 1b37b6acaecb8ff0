"""From a query, a key and a relation to a condition on positions: an equality, an order, or a table by the cheapest way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

import numpy as np

from ..domain import Domain, plain
from ..errors import DomainError, Location
from ..ops import Relation
from .comparisons import RELATION_WIDTH, Nodes
from .conditions import Both, Condition
from .tabled import table_condition
from .value import Value, as_number, lift, numeric, require_value, same_kind, spaces

RELATIONS = ("==", "!=", "<", "<=", ">", ">=")
MOST_ASKED = 1 << 21  # pairs that a relation's function is asked about


def condition_of(pairs: list[tuple[Value, Value]], relation: object, line: Location | None) -> Condition:
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
    """A function as a relation: what it says of every pair of values."""
    nodes, size = Nodes(q.builder), q.domain.size * k.domain.size
    if size > MOST_ASKED:
        sizes = f"{q.domain.size} x {k.domain.size}"
        raise DomainError(
            f"select() would call its relation {size:,} times ({sizes}), more than {MOST_ASKED:,}", line, "use == or an order"
        )
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
    return table_condition(q, k, np.array(held, np.bool_).reshape(q.domain.size, k.domain.size), line)


def pair_of(what: str, query: object, key: object, line: Location | None, relation: object) -> tuple[Value, Value]:
    """One query and one key, either of which may be a literal; of one kind unless the relation is a function."""
    if isinstance(query, tuple) or isinstance(key, tuple):
        raise DomainError(f"{what} compares tuples by {relation!r}", line, "tuples compare with ==; combine selectors with & and |")
    like = query if isinstance(query, Value) else key if isinstance(key, Value) else None
    if like is None:
        raise DomainError(f"{what} was given no value of the program", line, "at least one of query and key must be a value")
    a, b = lift(query, like, what, line), lift(key, like, what, line)
    require_value(what, b, a.builder, line)
    return (a, b) if callable(relation) else same_kind(what, a, b, line)


def pairs_of(what: str, query: object, key: object, line: Location | None) -> list[tuple[Value, Value]]:
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
