"""A selector: the positions a query selects; combine it, pick one of them, or make something of them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..calls import readable
from ..errors import DomainError, Location, caller
from ..graph import Builder
from ..ops import Const, Lookup, Pick
from .aggregate import Mean, added_up, as_count, counted_by_value, most_frequent
from .comparisons import Nodes
from .conditions import Both, Condition, Either
from .functions import choose
from .lookups import Hit
from .relations import condition_of, pairs_of
from .symbolic import Symbolic
from .terms import Compare, Term
from .value import Value, boolean, lift, number, require_value

MAX_HEADS = 128
MAX_DEPTH = 200  # conditions inside one another, which are taken apart by recursion


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
        return self._combined(Both(self.condition, self._other("&", other)))

    def __or__(self, other: Selector) -> Selector:
        return self._combined(Either(self.condition, self._other("|", other)))

    def __invert__(self) -> Selector:
        """The visible positions that are not selected, those where a value is ⊥ included."""
        return Selector(self.builder, self.condition.complement())

    def _combined(self, condition: Condition) -> Selector:
        if condition.depth > MAX_DEPTH:
            hint = "combine fewer selectors, or compute a value and compare that"
            raise DomainError(f"a selector is combined of more than {MAX_DEPTH} selectors, one by one", caller(), hint)
        return Selector(self.builder, condition)

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
        pairs = pairs_of("closest()", query, key, line)
        chosen = self
        for q, k in pairs:
            if q.domain.none:
                chosen = Selector(
                    self.builder, Both(chosen.condition, condition_of([(q.exists, lift(True, q.exists, "", line))], "==", line))
                )
            chosen = chosen._where(k.exists, True) if k.domain.none else chosen
        terms = chosen.condition.cover()
        if len(terms) > 1:
            raise DomainError(
                f"closest() picks from a selector of {len(terms)} heads", line, "use a selector of equalities, such as match()"
            )
        sides = [[value.or_else(value.domain.lo) if value.domain.none else value for value in side] for side in zip(*pairs, strict=True)]
        return chosen._pick("closest", graded=[value.index for side in sides for value in side])

    def nearest(self) -> Hit:
        """The selected position nearest to this one, the earlier of two as near. In a causal program it is the latest."""
        if self.builder.sizes.causal:
            return self._pick("latest")
        line, later = caller(), Nodes(self.builder).later()
        behind = Selector(self.builder, Both(self.condition, later.complement()))._pick("latest")
        ahead = Selector(self.builder, Both(self.condition, later))._pick("earliest")
        self._terms([*self.condition.cover()] * 2, line)
        return Hit(self.builder, (*behind.lookups, *ahead.lookups), "nearest")

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
