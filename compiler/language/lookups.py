"""What attention finds: hits, and reading a fixed number of places back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from ..calls import public, readable
from ..domain import plain
from ..errors import DomainError, Location, caller
from ..graph import Builder
from ..ops import Const, Fetch, Pick, Position
from .functions import choose, maximum
from .symbolic import Symbolic
from .value import Value, lift, require_value, value_of


@readable
@dataclass(frozen=True, eq=False, repr=False)
class Hit(Symbolic):
    """The position that a pick chose, or none: the winner among the lookups' own choices.

    `only`, where given, is the condition under which there is a hit at all.
    """

    builder: Builder
    lookups: tuple[int, ...]
    pick: Pick | Literal["nearest"]
    rank: int | None = None
    only: Value | None = None
    called: ClassVar[str] = "a hit"
    instead: ClassVar[str] = "read it: hit.position, hit.found or hit.fetch(x)"
    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("latest", "earliest", "unique"), "a hit is one position already: read it by .fetch(x), .position or .found"),
        **dict.fromkeys(("any", "exists"), "use .found"),
        **{name: f"that is of all positions that match: hw.match(x, y).{name}" for name in ("count", "sum", "mean", "counts", "mode")},
    }

    @property
    def position(self) -> Value:
        """The chosen position, ⊥ if there is none."""
        line = caller()
        return self._read(Value(self.builder, self.builder.add(Position(), [], "position")), line)

    @property
    def found(self) -> Value:
        """Whether a position was chosen."""
        line = caller()
        one = Value(self.builder, self.builder.add(Const("int", 1), [], "one"))
        some = [value_of(self.builder, Fetch(), [lookup, one.index], line).exists for lookup in self.lookups]
        found = some[0]
        for other in some[1:]:
            found = found | other
        return found if self.only is None else found & self.only.or_else(False)

    def fetch(self, value: Value, default: object = None) -> Value:
        """Read a value at the chosen position; `default` where there is none (⊥ unless given)."""
        line = caller()
        require_value("fetch()", value, self.builder, line)
        got = self._read(value, line)
        return got if default is None else got.or_else(default)

    def where(self, condition: Value) -> Hit:
        """The same hit, but none where the condition is not true."""
        return Hit(self.builder, self.lookups, self.pick, self.rank, condition if self.only is None else self.only & condition)

    def _read(self, value: Value, line: Location | None) -> Value:
        got = self._each(value.index, line)
        out = got[0]
        if len(got) > 1:
            for other, better in zip(got[1:], self._contest(line), strict=True):
                out = choose(better, other, out, "fetch()", line)
        return out if self.only is None else choose(self.only, out, None, "fetch()", line)

    def _each(self, value: int, line: Location | None) -> list[Value]:
        return [value_of(self.builder, Fetch(), [lookup, value], line) for lookup in self.lookups]

    def _nearness(self, place: Value, here: Value, line: Location | None) -> Value:
        """Greater where a place is nearer to this position, and of two as far the earlier one's."""
        distance = maximum(here - place, place - here)
        first, second = (lift(v, here, "nearest()", line) for v in (2, 1))
        return distance * -2 + 2 * self.builder.sizes.length + choose(here >= place, first, second, "nearest()", line)

    def _contest(self, line: Location | None) -> list[Value]:
        """Lookup by lookup: whether it beats all before it. By what ranks, then by position."""
        here = self.builder.add(Position(), [], "position")
        n = self.builder.sizes.length
        places = self._each(here, line)
        if self.pick == "earliest":
            places = [n + 1 - p for p in places]
        elif self.pick == "nearest":
            places = [self._nearness(p, Value(self.builder, here), line) for p in places]
        scores = places
        if self.rank is not None:
            domain = self.builder.nodes[self.rank].domain
            ranks = [r - (domain.lo - 1) if self.pick == "largest" else (domain.hi + 1) - r for r in self._each(self.rank, line)]
            scores = [r * (n + 1) + p for r, p in zip(ranks, places, strict=True)]
        best = scores[0].or_else(0)
        wins: list[Value] = []
        for score in scores[1:]:
            new = score.or_else(0)
            wins.append(new > best)
            best = maximum(best, new)
        return wins


@public
def previous(value: Value, by: int = 1) -> Value:
    """The value `by` positions earlier: `out[i] = value[i - by]`, ⊥ where there is no such position.

    A negative `by` reads ahead (bidirectional programs only see it). Lowers to one positional attention head.
    """
    line = caller()
    require_value("previous()", value, None, line)
    by = cast("int", plain(by))
    if not isinstance(by, int) or isinstance(by, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"previous() steps by {by!r}, not by an integer", line, "give an integer, or use value.at(position)")
    n = value.builder.sizes.length
    if abs(by) >= n and (by > 0 or not value.builder.sizes.causal):
        return lift(None, value, "previous()", line)  # N places off there is no position
    here = Value(value.builder, value.builder.add(Position(), [], "position"))
    return value.at(here - max(-n, by)) if by else value
