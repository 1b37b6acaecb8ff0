"""Attention in the language: previous, match, and the picks of a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ..errors import DomainError, caller
from ..graph import Builder
from ..ops import Const, Fetch, Lookup, Pick, Position
from .functions import choose
from .value import Value, lift, require_value, same_kind, value_of


@dataclass(frozen=True, slots=True)
class Match:
    """Positions whose key equals this position's query; pick one with latest(), earliest() or unique()."""

    builder: Builder
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    before: bool

    def latest(self) -> Hit:
        """The last matching position."""
        return self._pick("latest")

    def earliest(self) -> Hit:
        """The first matching position."""
        return self._pick("earliest")

    def unique(self) -> Hit:
        """The matching position if there is exactly one; ⊥ if there is none or more than one.

        Two heads of one layer: the latest and the earliest match, which agree exactly when the match is unique.
        """
        line = caller()
        last, first = self._pick("latest"), self._pick("earliest")
        only = last.position == first.position
        position = choose(only, last.position, None, "unique()", line)
        return Hit(self.builder, last.lookup, only, position)

    def _pick(self, pick: Pick) -> Hit:
        mask = "strict" if self.before else "causal" if self.builder.sizes.causal else "full"
        op = Lookup(mask, pick, len(self.queries))
        return Hit(self.builder, self.builder.add(op, [*self.queries, *self.keys], "match", caller()), None, None)


@dataclass(frozen=True, slots=True)
class Hit:
    """The one position a pick chose, or none."""

    builder: Builder
    lookup: int
    only: Value | None
    where: Value | None

    @property
    def position(self) -> Value:
        """The chosen position, ⊥ if there is none."""
        if self.where is not None:
            return self.where
        here = self.builder.add(Position(), [], "position")
        return value_of(self.builder, Fetch(), [self.lookup, here], caller())

    @property
    def found(self) -> Value:
        """Whether a position was chosen."""
        if self.only is not None:
            return self.only.or_else(False)
        one = self.builder.add(Const("int", 1), [], "one")
        return value_of(self.builder, Fetch(), [self.lookup, one], caller()).exists

    def fetch(self, value: Value, default: object = None) -> Value:
        """Read a value at the chosen position; `default` where there is none (⊥ unless given)."""
        line = caller()
        require_value("fetch()", value, self.builder, line)
        got = value_of(self.builder, Fetch(), [self.lookup, value.index], line)
        if self.only is not None:
            got = choose(self.only, got, None, "fetch()", line)
        return got if default is None else got.or_else(default)


def match(query: object, key: object, before: bool = False) -> Match:
    """Positions t whose key equals the query here, component by component where tuples are given; ⊥ equals nothing.

    `before=True` keeps t < i; otherwise t <= i in a causal program and every t in a bidirectional one.
    Literals may stand for constant values. Raises DomainError where query and key are not comparable.
    """
    line = caller()
    queries, keys = _tuple(query), _tuple(key)
    values = [v for v in (*queries, *keys) if isinstance(v, Value)]
    if not queries and not keys:
        raise DomainError("match() compares nothing", line, "give at least one query and key")
    if len(queries) != len(keys):
        raise DomainError(f"match() compares {len(queries)} query values with {len(keys)} key values", line, "give as many of both")
    if not values:
        raise DomainError("match() was given no value of the program", line, "at least one of query and key must be a value")
    for value in values:
        require_value("match()", value, values[0].builder, line)
    pairs: list[tuple[int, int]] = []
    for q, k in zip(queries, keys, strict=True):
        like = q if isinstance(q, Value) else k if isinstance(k, Value) else values[0]
        a, b = lift(q, like, "match()", line), lift(k, like, "match()", line)
        kinds = {a.domain.kind, b.domain.kind}
        if kinds == {"token", "position"}:
            raise DomainError(f"match() compares {a.domain} with {b.domain}", line, "to read the token at a position, use token.at(here)")
        same_kind("match()", a, b, line)
        pairs.append((a.index, b.index))
    return Match(values[0].builder, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), bool(before))


def _tuple(x: object) -> tuple[object, ...]:
    return cast("tuple[object, ...]", x) if isinstance(x, tuple) else (x,)


def previous(value: Value, by: int = 1) -> Value:
    """The value `by` positions earlier: `out[i] = value[i - by]`, ⊥ where there is no such position.

    A negative `by` reads ahead (bidirectional programs only see it). Lowers to one positional attention head.
    """
    line = caller()
    require_value("previous()", value, None, line)
    if not isinstance(by, int) or isinstance(by, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"previous() steps by {by!r}, not by an integer", line, "give an integer, or use value.at(position)")
    here = Value(value.builder, value.builder.add(Position(), [], "position"))
    return value.at(here - by) if by else value
