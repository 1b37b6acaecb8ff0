"""Conditions on a query and a key, and how heads can hold them: as terms, each a conjunction of comparisons.

A term is one head. A condition is held in two ways:

- `cover`: a list of terms, a key being selected where at least one of them matches: what picks and `any` need;
- `count`: integer multiples of terms that add up to 1 where a key is selected and to 0 elsewhere: what totals need.
  There `not c` is 1 - c, `c and d` the product, `c or d` the sum less the product.

Order on B-bit numbers: q < k exactly if for one bit b the higher bits agree, q has a 0 at b and k has a 1. That is B terms,
each an equality of prefixes, instead of a table of V² entries (theory of ranks: one head a bit).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ..graph import Builder
from ..ops import Affine, Clip, Const, Divide, Equal, Exists, Extreme, Mask, Position, Relation, Where

Count = dict["Term", int]
RELATION_WIDTH = 5  # dimensions a prefix head takes, about: two codes with their squares, and its cell


@dataclass(frozen=True, slots=True)
class Compare:
    """A query and a key node that must be equal, or between which a relation must hold."""

    query: int
    key: int
    relation: Relation = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A conjunction of comparisons, and t < i if `before`: what one head can match. Without any it holds everywhere."""

    compared: frozenset[Compare] = frozenset()
    before: bool = False

    def __and__(self, other: Term) -> Term:
        return Term(self.compared | other.compared, self.before or other.before)

    def spelled(self, builder: Builder) -> tuple[Mask, list[Compare]]:
        """The head's mask and its comparisons in a fixed order; a term that compares nothing compares 1 with 1."""
        one = builder.add(Const("int", 1), (), "one")
        mask: Mask = "strict" if self.before else "causal" if builder.sizes.causal else "full"
        return mask, sorted(self.compared, key=lambda c: (c.query, c.key, c.relation)) or [Compare(one, one)]


EVERYWHERE = Term()


class Condition(ABC):
    """Something that holds or not between a position i, by its queries, and a position t, by its keys."""

    @abstractmethod
    def cover(self) -> list[Term]:
        """Terms whose union it is."""

    @abstractmethod
    def complement(self) -> Condition:
        """Holds exactly where this one does not."""

    def count(self) -> Count:
        """Multiples of terms that add up to it; right as it stands where the terms of `cover` exclude each other."""
        total: Count = {}
        for term in self.cover():
            total[term] = total.get(term, 0) + 1
        return total


@dataclass(frozen=True)
class Not(Condition):
    """The complement of terms: covered by what holds elsewhere, counted as what is left of 1."""

    inner: Terms

    def cover(self) -> list[Term]:
        assert self.inner.elsewhere is not None, "the complement of a complement is the condition itself"
        return self.inner.elsewhere().cover()

    def complement(self) -> Condition:
        return self.inner

    def count(self) -> Count:
        total: Count = {EVERYWHERE: 1}
        for term, k in self.inner.count().items():
            total[term] = total.get(term, 0) - k
        return {term: k for term, k in total.items() if k}


@dataclass(frozen=True)
class Both(Condition):
    """Two conditions at once."""

    a: Condition
    b: Condition

    def cover(self) -> list[Term]:
        return [x & y for x in self.a.cover() for y in self.b.cover()]

    def complement(self) -> Condition:
        return Either(self.a.complement(), self.b.complement())

    def count(self) -> Count:
        total: Count = {}
        for x, j in self.a.count().items():
            for y, k in self.b.count().items():
                total[x & y] = total.get(x & y, 0) + j * k
        return {term: k for term, k in total.items() if k}


@dataclass(frozen=True)
class Either(Condition):
    """One condition, or the other, or both."""

    a: Condition
    b: Condition

    def cover(self) -> list[Term]:
        return list(dict.fromkeys([*self.a.cover(), *self.b.cover()]))

    def complement(self) -> Condition:
        return Both(self.a.complement(), self.b.complement())

    def count(self) -> Count:
        total = dict(self.a.count())
        for sign, part in ((1, self.b.count()), (-1, Both(self.a, self.b).count())):
            for term, k in part.items():
                total[term] = total.get(term, 0) + sign * k
        return {term: k for term, k in total.items() if k}


@dataclass(frozen=True)
class Terms(Condition):
    """Terms that exclude each other, and the condition that holds elsewhere, made when it is needed."""

    terms: tuple[Term, ...]
    elsewhere: Callable[[], Condition] | None = None

    def cover(self) -> list[Term]:
        return list(self.terms)

    def complement(self) -> Condition:
        return Not(self)


@dataclass(frozen=True)
class Nowhere(Condition):
    """Holds between no two positions."""

    def cover(self) -> list[Term]:
        return []

    def complement(self) -> Condition:
        return Terms((EVERYWHERE,), lambda: self)


NOWHERE = Nowhere()


@dataclass(frozen=True)
class Nodes:
    """The nodes that conditions are made of, added to a program as they are needed."""

    builder: Builder

    def constant(self, value: int) -> int:
        """An integer constant."""
        return self.builder.add(Const("int", value), (), str(value))

    def here(self) -> int:
        """This position."""
        return self.builder.add(Position(), (), "position")

    # --- comparisons -----------------------------------------------------------------------------------

    def same(self, query: int, key: int) -> Condition:
        """Query and key are equal; ⊥ equals nothing, not even ⊥."""
        one = Term(frozenset([Compare(query, key)]))
        return Terms((one,), lambda: any_of(self.different(query, key), self.absent(query, key)))

    def different(self, query: int, key: int) -> Condition:
        """Query and key differ, and neither is ⊥."""
        x, y, bits, _ = self._from_zero(query, key)
        terms = [self._prefix(x, y, b, None) for b in range(bits)]
        equal = Terms((Term(frozenset([Compare(query, key)])),))
        return Terms(tuple(t for t in terms if t is not None), lambda: any_of(equal, self.absent(query, key)))

    def order(self, query: int, key: int, less: bool, equal: bool = False) -> Condition:
        """query < key if `less`, else query > key; or equal to it, if `equal`. Neither is ⊥."""

        def elsewhere() -> Condition:
            return any_of(Terms(self._ordered(query, key, not less, not equal)), self.absent(query, key))

        return Terms(self._ordered(query, key, less, equal), elsewhere)

    def _ordered(self, query: int, key: int, less: bool, equal: bool) -> tuple[Term, ...]:
        """One term a bit; `q <= k` is `q < k + 1`."""
        if equal:
            key = self.builder.add(Affine("int", (1,), 1 if less else -1), (key,), "shifted")
        x, y, bits, _ = self._from_zero(query, key)
        terms = [self._prefix(x, y, b, less) for b in range(bits)]
        return tuple(t for t in terms if t is not None)

    def related(self, query: int, key: int, relation: Relation) -> Condition:
        """A relation given as a table; ⊥ stands in no relation."""
        flipped = (*relation[:4], *(1 - held for held in relation[4:]))
        other = Terms((Term(frozenset([Compare(query, key, flipped)])),))
        return Terms((Term(frozenset([Compare(query, key, relation)])),), lambda: any_of(other, self.absent(query, key)))

    def absent(self, query: int, key: int) -> Condition:
        """Query or key is ⊥."""
        found: Condition = NOWHERE
        for side, node in (("query", query), ("key", key)):
            if self.builder.nodes[node].domain.none:
                there = self.builder.add(Exists(), (node,), "exists")
                yes, no = (self.builder.add(Const("bool", v), (), str(bool(v))) for v in (1, 0))
                ends = [((there, v) if side == "query" else (v, there)) for v in (no, yes)]
                gone, back = (Term(frozenset([Compare(*end)])) for end in ends)
                found = any_of(found, Terms((gone,), lambda back=back: Terms((back,))))
        return found

    def earlier(self) -> Condition:
        """t < i."""

        def elsewhere() -> Condition:
            here = self.here()
            return self.same(here, here) if self.builder.sizes.causal else self.order(here, here, less=True, equal=True)

        return Terms((Term(before=True),), elsewhere)

    def within(self, width: int) -> Condition:
        """i - width < t <= i: the last `width` positions, this one included. By one term a place back, or one a bit."""
        here, n, causal = self.here(), self.builder.sizes.length, self.builder.sizes.causal
        start = self.builder.add(Affine("int", (1,), -width), (here,), f"position-{width}")
        start = self.builder.add(Extreme(True), (start, self.constant(0)), "start")
        if width > n.bit_length():
            recent = self.order(start, here, less=True)
            return recent if causal else Both(recent, self.order(here, here, less=False, equal=True))
        back = [here]
        for j in range(1, width):
            place = self.builder.add(Affine("position", (1,), -j), (here,), f"position-{j}")
            back.append(self.builder.add(Clip(1, n), (place,), "clip"))

        def elsewhere() -> Condition:
            old = self.order(start, here, less=False, equal=True)
            return old if causal else any_of(old, self.order(here, here, less=True))

        return Terms(tuple(Term(frozenset([Compare(p, here)])) for p in back), elsewhere)

    # --- prefixes of bits ------------------------------------------------------------------------------

    def bits(self, query: int, key: int) -> int:
        """The number of terms an order between two nodes takes."""
        return self._from_zero(query, key)[2]

    def _from_zero(self, query: int, key: int) -> tuple[int, int, int, int]:
        """Both shifted by the least value, so that neither is negative; the bits of the greatest; the shift."""
        a, b = self.builder.nodes[query].domain, self.builder.nodes[key].domain
        lo, hi = min(a.lo, b.lo), max(a.hi, b.hi)
        if a.kind == "bool":
            lo, hi = 0, 1
        x, y = (self._shift(node, -lo) for node in (query, key))
        return x, y, max(0, hi - lo).bit_length(), lo

    def _shift(self, node: int, by: int) -> int:
        domain = self.builder.nodes[node].domain
        if domain.kind == "bool":
            one, zero = self.constant(1), self.constant(0)
            return self.builder.add(Where(), (node, one, zero), "number")
        return node if by == 0 and domain.kind == "int" else self.builder.add(Affine("int", (1,), by), (node,), "shifted")

    def _prefix(self, x: int, y: int, bit: int, less: bool | None) -> Term | None:
        """Bits above `bit` agree; at it x has 0 and y has 1 (less), the other way round, or they differ (None)."""
        if less is None:
            flipped = self._flip(y, bit)
            return self._term(self._quotient(x, 1 << bit), flipped)
        return self._term(self._half(x, bit, odd=not less), self._half(y, bit, odd=less))

    def _term(self, x: int, y: int) -> Term | None:
        a, b = self.builder.nodes[x].domain, self.builder.nodes[y].domain
        return Term(frozenset([Compare(x, y)])) if a.size and b.size and a.lo <= b.hi and b.lo <= a.hi else None

    def _quotient(self, x: int, divisor: int) -> int:
        return x if divisor == 1 else self.builder.add(Divide(divisor), (x,), f"prefix/{divisor}")

    def _last_bit(self, x: int, bit: int) -> tuple[int, int]:
        """The prefix that ends with a bit, and that bit."""
        low, high = self._quotient(x, 1 << bit), self._quotient(x, 2 << bit)
        return low, self.builder.add(Affine("int", (1, -2), 0), (low, high), f"bit{bit}")

    def _half(self, x: int, bit: int, odd: bool) -> int:
        """The prefix above a bit, where the bit is 1 (odd) or 0; ⊥ elsewhere."""
        _, last = self._last_bit(x, bit)
        held = self.builder.add(Equal(), (last, self.constant(int(odd))), f"bit{bit}={int(odd)}")
        high = self._quotient(x, 2 << bit)
        return self.builder.add(Where(), (held, high, self.builder.add(Const("int", None), (), "⊥")), f"above{bit}")

    def _flip(self, x: int, bit: int) -> int:
        """The prefix with its last bit flipped: low + 1 - 2·last = 1 - low + 4·high."""
        low, high = self._quotient(x, 1 << bit), self._quotient(x, 2 << bit)
        return self.builder.add(Affine("int", (-1, 4), 1), (low, high), f"flipped{bit}")


def any_of(*conditions: Condition) -> Condition:
    """The union of conditions."""
    found: Condition = NOWHERE
    for condition in conditions:
        if condition is not NOWHERE:
            found = condition if found is NOWHERE else Either(found, condition)
    return found
