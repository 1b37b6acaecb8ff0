"""Conditions on a query and a key, and how heads can hold them: as terms, each a conjunction of comparisons.

A term is one head. A condition is held in two ways:

- `cover`: a list of terms, a key being selected where at least one of them matches: what picks and `any` need;
- `count`: integer multiples of terms that add up to 1 where a key is selected and to 0 elsewhere: what totals need.
  There `not c` is 1 - c, `c and d` the product, `c or d` the sum less the product.

Products of terms that exclude each other are left out of both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from ..errors import DomainError, caller
from .terms import EVERYWHERE, Term

Count = dict[Term, int]
MOST_TERMS = 1 << 14  # of a condition while it is multiplied out; many cancel


class Condition(ABC):
    """Something that holds or not between a position i, by its queries, and a position t, by its keys.

    What it takes is worked out once: a condition may be part of many others.
    """

    @abstractmethod
    def _cover(self) -> list[Term]: ...

    @abstractmethod
    def _complement(self) -> Condition: ...

    def _count(self) -> Count:
        return summed((term, 1) for term in self.cover())  # right where the terms exclude each other

    @cached_property
    def depth(self) -> int:
        """How many conditions stand inside one another."""
        return 1 + max((getattr(self, part).depth for part in ("a", "b") if hasattr(self, part)), default=0)

    @cached_property
    def _covered(self) -> list[Term]:
        return self._cover()

    @cached_property
    def _counted(self) -> Count:
        return self._count()

    @cached_property
    def _elsewhere(self) -> Condition:
        return self._complement()

    def cover(self) -> list[Term]:
        """Terms whose union it is."""
        return self._covered

    def count(self) -> Count:
        """Multiples of terms that add up to it."""
        return self._counted

    def complement(self) -> Condition:
        """Holds exactly where this one does not."""
        return self._elsewhere


def summed(parts: Iterable[tuple[Term, int]]) -> Count:
    """Multiples of terms, added up; what cancels is left out."""
    total: Count = {}
    for term, k in parts:
        total[term] = total.get(term, 0) + k
    return {term: k for term, k in total.items() if k}


@dataclass(frozen=True)
class Not(Condition):
    """The complement of terms: covered by what holds elsewhere, counted as what is left of 1."""

    inner: Terms

    def _cover(self) -> list[Term]:
        assert self.inner.elsewhere is not None, "the complement of a complement is the condition itself"
        return self.inner.elsewhere().cover()

    def _complement(self) -> Condition:
        return self.inner

    def _count(self) -> Count:
        return summed([(EVERYWHERE, 1), *((term, -k) for term, k in self.inner.count().items())])


@dataclass(frozen=True)
class Both(Condition):
    """Two conditions at once."""

    a: Condition
    b: Condition

    def _cover(self) -> list[Term]:
        a, b = self.a.cover(), self.b.cover()
        _require_few(len(a) * len(b))
        both = (x & y for x in a for y in b)
        return [term for term in both if term.possible]

    def _complement(self) -> Condition:
        return Either(self.a.complement(), self.b.complement())

    def _count(self) -> Count:
        a, b = self.a.count(), self.b.count()
        _require_few(len(a) * len(b))
        both = ((x & y, j * k) for x, j in a.items() for y, k in b.items())
        return summed((term, k) for term, k in both if term.possible)


@dataclass(frozen=True)
class Either(Condition):
    """One condition, or the other, or both."""

    a: Condition
    b: Condition

    def _cover(self) -> list[Term]:
        return list(dict.fromkeys([*self.a.cover(), *self.b.cover()]))

    def _complement(self) -> Condition:
        return Both(self.a.complement(), self.b.complement())

    def _count(self) -> Count:
        less = ((term, -k) for term, k in Both(self.a, self.b).count().items())
        return summed([*self.a.count().items(), *self.b.count().items(), *less])


@dataclass(frozen=True)
class Terms(Condition):
    """Terms that exclude each other, and the condition that holds elsewhere, made when it is needed."""

    terms: tuple[Term, ...]
    elsewhere: Callable[[], Condition] | None = None

    def _cover(self) -> list[Term]:
        return list(self.terms)

    def _complement(self) -> Condition:
        return Not(self)


@dataclass(frozen=True)
class Counted(Terms):
    """Terms that exclude each other, of which fewer add up to the same: `sums`, with their multiples."""

    sums: tuple[tuple[Term, int], ...] = ()

    def _count(self) -> Count:
        return summed(self.sums)


@dataclass(frozen=True)
class Nowhere(Condition):
    """Holds between no two positions."""

    def _cover(self) -> list[Term]:
        return []

    def _complement(self) -> Condition:
        return Terms((EVERYWHERE,), lambda: self)


NOWHERE = Nowhere()
ALL = Terms((EVERYWHERE,), lambda: NOWHERE)


def _require_few(terms: int) -> None:
    """Refuse a product of more terms than could be of use."""
    if terms > MOST_TERMS:
        fact = f"the selector multiplies out to {terms:,} terms, more than {MOST_TERMS:,}"
        raise DomainError(fact, caller(), "combine fewer selectors, or compute a value and compare that")


def any_of(*conditions: Condition) -> Condition:
    """The union of conditions."""
    found: Condition = NOWHERE
    for condition in conditions:
        if condition is not NOWHERE:
            found = condition if found is NOWHERE else Either(found, condition)
    return found
