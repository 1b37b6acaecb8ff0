"""Terms: what one head can match, a conjunction of comparisons; and which terms can never match.

What is known of a term where it matches are facts: a quantity of the query and the key, and an interval that it lies in. For the
comparisons of one query q with one key k the quantities are

- `equal`: 1 where q = k, else 0;
- `order`: 0 where q = k, and -(b + 1) where q < k, b + 1 where q > k, b being the highest bit in which they differ;
- `bit`: that b;
- `there`, of one side: 1 where it has a value, 0 where it is ⊥;
- `held`, of a table: 1 where it holds, else 0;

and `back` is i - t, of the positions themselves. Two terms that place one quantity in intervals apart exclude each other: no key
is selected by both, so a product of the two is nothing, and a union is counted by adding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ..graph import Builder
from ..ops import Const, Mask, Relation

Quantity: TypeAlias = tuple[object, ...]
FAR = 1 << 62  # beyond every bit and every position


@dataclass(frozen=True, slots=True)
class Compare:
    """A query and a key node that must be equal, or between which a relation must hold."""

    query: int
    key: int
    relation: Relation = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """Where a term matches, a quantity lies in lo..hi."""

    of: Quantity
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Term:
    """A conjunction of comparisons, and t < i if `before`: what one head can match. Without any it holds everywhere."""

    compared: frozenset[Compare] = frozenset()
    before: bool = False
    facts: frozenset[Fact] = field(default=frozenset(), compare=False)

    def __and__(self, other: Term) -> Term:
        return Term(self.compared | other.compared, self.before or other.before, self.facts | other.facts)

    @property
    def possible(self) -> bool:
        """Whether no two facts contradict each other."""
        inside: dict[Quantity, tuple[int, int]] = {}
        for fact in self.facts:
            lo, hi = inside.get(fact.of, (-FAR, FAR))
            inside[fact.of] = lo, hi = max(lo, fact.lo), min(hi, fact.hi)
            if lo > hi:
                return False
        return True

    def spelled(self, builder: Builder) -> tuple[Mask, list[Compare]]:
        """The head's mask and its comparisons in a fixed order; a term that compares nothing compares 1 with 1."""
        one = builder.add(Const("int", 1), (), "one")
        mask: Mask = "strict" if self.before else "causal" if builder.sizes.causal else "full"
        return mask, sorted(self.compared, key=lambda c: (c.query, c.key, c.relation)) or [Compare(one, one)]


EVERYWHERE = Term()
EARLIER = Term(before=True, facts=frozenset([Fact(("back",), 1, FAR)]))
