"""Comparisons of a query with a key, as terms: equality, order, tables, places back; what stands for each where it does not hold.

Order on B-bit numbers: q < k exactly if for one bit b the higher bits agree, q has a 0 at b and k has a 1. That is B terms,
each an equality of prefixes, instead of a table of V² entries (theory of ranks: one head a bit). Order of the positions
themselves is how far back the key is: t < i is a mask, and what is seen at all is no condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..graph import Builder
from ..ops import Affine, Clip, Const, Divide, Equal, Exists, Extreme, Position, Relation, Where
from .conditions import ALL, NOWHERE, Both, Condition, Counted, Terms, any_of
from .terms import EARLIER, EVERYWHERE, FAR, Compare, Fact, Term

RELATION_WIDTH = 5  # dimensions a prefix head takes, about: two codes with their squares, and its cell


@dataclass(frozen=True)
class Nodes:
    """The nodes that conditions are made of, added to a program as they are needed.

    With `tight`, bits that a number is too small to have are not computed: a head compares them with 0, or there is none.
    """

    builder: Builder
    tight: bool = False

    def constant(self, value: int) -> int:
        """An integer constant."""
        return self.builder.add(Const("int", value), (), str(value))

    def here(self) -> int:
        """This position."""
        return self.builder.add(Position(), (), "position")

    # --- comparisons -----------------------------------------------------------------------------------

    def same(self, query: int, key: int) -> Condition:
        """Query and key are equal; ⊥ equals nothing, not even ⊥."""
        one = Term(frozenset([Compare(query, key)]), facts=self._facts(query, key, equal=(1, 1), order=(0, 0)))
        return Terms((one,), lambda: any_of(self.different(query, key), self.absent(query, key)))

    def different(self, query: int, key: int) -> Condition:
        """Query and key differ, and neither is ⊥."""
        x, y, bits, _ = self._from_zero(query, key)
        terms = [self._prefix(x, y, b, None) for b in range(bits)]
        known = [self._facts(query, key, equal=(0, 0), bit=(b, b)) for b in range(bits)]
        found = tuple(replace(t, facts=facts) for t, facts in zip(terms, known, strict=True) if t is not None)
        place = self._places_apart(query, key)
        if place == 0:  # i and t themselves
            here = self.same(query, key).cover()[0]
            if self.builder.sizes.causal:
                return self.earlier()
            return Counted(found, lambda: self.same(query, key), ((EVERYWHERE, 1), (here, -1)))
        return Terms(found, lambda: any_of(self.same(query, key), self.absent(query, key)))

    def order(self, query: int, key: int, less: bool, equal: bool = False) -> Condition:
        """query < key if `less`, else query > key; or equal to it, if `equal`. Neither is ⊥."""
        by_place = self.placed(query, key, less, equal)
        if by_place is not None:
            return by_place

        def elsewhere() -> Condition:
            return any_of(Terms(self._ordered(query, key, not less, not equal)), self.absent(query, key))

        terms, sums = self._ordered(query, key, less, equal), self._counted_by_places(query, key, less, equal)
        return Terms(terms, elsewhere) if sums is None else Counted(terms, elsewhere, sums)

    def _ordered(self, query: int, key: int, less: bool, equal: bool) -> tuple[Term, ...]:
        """One term a bit; `q <= k` is `q < k + 1`."""
        ends = ((-FAR, -1), (-FAR, 0)) if less else ((1, FAR), (0, FAR))
        known = self._facts(query, key, order=ends[equal], **({} if equal else {"equal": (0, 0)}))
        if equal:
            key = self.builder.add(Affine("int", (1,), 1 if less else -1), (key,), "shifted")
        x, y, bits, _ = self._from_zero(query, key)
        found: list[Term] = []
        for b in range(bits):
            term, at = self._prefix(x, y, b, less), -(b + 1) if less else b + 1
            if term is not None:
                found.append(replace(term, facts=known | self._facts(query, key, order=(at, at), bit=(b, b))))
        return tuple(found)

    # --- positions: how far back --------------------------------------------------------------------------

    def placed(self, query: int, key: int, less: bool, equal: bool) -> Condition | None:
        """An order of positions that masks and a few places hold; None where it is another."""
        place = self._places_apart(query, key)
        if place is None:
            return None
        back = place + (equal == less)  # i + a < t + b is i - t < b - a = place, and so with the others
        return self.nearer(back) if less else self.farther(back)

    def _counted_by_places(self, query: int, key: int, less: bool, equal: bool) -> tuple[tuple[Term, int], ...] | None:
        """What an order of positions a few places apart adds up from: all that is earlier, and the places between, one head each."""
        place = self._places_apart(query, key)
        if place is None:
            return None
        back = place + (equal == less)  # i - t >= back, or less
        between = range(1, back) if back > 0 else range(back, 1)
        if len(between) + 1 + less >= self.bits(query, key):
            return None
        here, sign = self.here(), -1 if back > 0 else 1
        far = [(EARLIER, 1), *((self.back(here, d), sign) for d in between)]
        return ((EVERYWHERE, 1), *((term, -k) for term, k in far)) if less else tuple(far)

    def back(self, here: int, places: int) -> Term:
        """The one position so many places back."""
        place = here
        if places:
            moved = self.builder.add(Affine("position", (1,), -places), (here,), f"position-{places}")
            place = self.builder.add(Clip(1, self.builder.sizes.length), (moved,), "clip")
        return Term(frozenset([Compare(place, here)]), facts=frozenset([Fact(("back",), places, places)]))

    def _places_apart(self, query: int, key: int) -> int | None:
        """b - a where the query is i + a and the key t + b, of the positions i and t themselves."""
        ends: list[int] = []
        for node in (key, query):
            moved = 0
            while isinstance(op := self.builder.nodes[node].op, Affine) and op.coefficients == (1,):
                moved, (node,) = moved + op.constant, self.builder.nodes[node].args
            if not isinstance(op, Position):
                return None
            ends.append(moved)
        return ends[0] - ends[1]

    def farther(self, back: int) -> Condition | None:
        """i - t >= back, where masks hold it: t < i, or all that is seen; None where they do not."""
        here = self.here()
        if back == 1:
            return self.earlier()
        if self.builder.sizes.causal:
            return ALL if back <= 0 else None
        if back != 0:
            return None
        # Picked by bits too: of two heads that are masks, the certificate does not follow every choice between what they find.
        (same,) = self.same(here, here).cover()
        return Counted(self._ordered(here, here, less=False, equal=True), lambda: self._later(0), ((EARLIER, 1), (same, 1)))

    def nearer(self, back: int) -> Condition | None:
        """i - t < back, where masks and a few places hold it; None where they do not."""
        here = self.here()
        if self.builder.sizes.causal:
            if back <= 0:
                return NOWHERE
            if back > self.builder.sizes.length:
                return ALL
            return self.same(here, here) if back == 1 else self.within(back)
        return self._later(back) if back in (0, 1) else None

    def _later(self, back: int) -> Condition:
        """i - t < back for 0 and 1, of a program that sees all: picked by bits, counted as what is not earlier."""
        here = self.here()
        equal = [(term, -1) for term in self.same(here, here).cover()] if back == 0 else []
        terms = self._ordered(here, here, less=True, equal=back == 1)
        return Counted(terms, lambda: self.farther(back) or NOWHERE, ((EVERYWHERE, 1), (EARLIER, -1), *equal))

    def related(self, query: int, key: int, relation: Relation) -> Condition:
        """A relation given as a table; ⊥ stands in no relation."""
        flipped = (*relation[:4], *(1 - held for held in relation[4:]))
        known = [self._facts(query, key) | {Fact((query, key, "held", relation), held, held)} for held in (1, 0)]
        tables = [frozenset([Compare(query, key, table)]) for table in (relation, flipped)]
        there, gone = (Term(table, facts=facts) for table, facts in zip(tables, known, strict=True))
        return Terms((there,), lambda: any_of(Terms((gone,)), self.absent(query, key)))

    def absent(self, query: int, key: int) -> Condition:
        """Query or key is ⊥."""
        found: Condition = NOWHERE
        for side, node in (("query", query), ("key", key)):
            if self.builder.nodes[node].domain.none:
                there = self.builder.add(Exists(), (node,), "exists")
                yes, no = (self.builder.add(Const("bool", v), (), str(bool(v))) for v in (1, 0))
                ends = [((there, v) if side == "query" else (v, there)) for v in (no, yes)]
                known = [frozenset([Fact((node, side, "there"), v, v)]) for v in (0, 1)]
                gone, back = (Term(frozenset([Compare(*end)]), facts=facts) for end, facts in zip(ends, known, strict=True))
                found = any_of(found, Terms((gone,), lambda back=back: Terms((back,))))
        return found

    def earlier(self) -> Condition:
        """t < i."""

        return Terms((EARLIER,), lambda: self.order(self.here(), self.here(), less=True, equal=True))

    def later(self) -> Condition:
        """t > i, of a program that sees all."""
        return self._later(0)

    def within(self, width: int) -> Condition:
        """i - width < t <= i: the last `width` positions, this one included. By one term a place back, or one a bit."""
        here, n, causal = self.here(), self.builder.sizes.length, self.builder.sizes.causal
        start = self.builder.add(Affine("int", (1,), -width), (here,), f"position-{width}")
        start = self.builder.add(Extreme(True), (start, self.constant(0)), "start")
        if width > n.bit_length():
            recent = replace(self, tight=True).order(start, here, less=True)
            return recent if causal else Both(recent, self.order(here, here, less=False, equal=True))
        back = [here]
        for j in range(1, width):
            place = self.builder.add(Affine("position", (1,), -j), (here,), f"position-{j}")
            back.append(self.builder.add(Clip(1, n), (place,), "clip"))

        def elsewhere() -> Condition:
            old = self.order(start, here, less=False, equal=True)
            return old if causal else any_of(old, self.order(here, here, less=True))

        known = [frozenset([Fact(("back",), j, j)]) for j in range(width)]
        return Terms(tuple(Term(frozenset([Compare(p, here)]), facts=f) for p, f in zip(back, known, strict=True)), elsewhere)

    def _facts(self, query: int, key: int, **inside: tuple[int, int]) -> frozenset[Fact]:
        """What is known where a comparison of a query with a key holds: both have values, and quantities lie in intervals."""
        facts = [Fact((node, side, "there"), 1, 1) for side, node in (("query", query), ("key", key))]
        place = self._places_apart(query, key)
        if place is not None and "order" in inside:  # query - key = (i - t) - place has the sign of the order
            lo, hi = inside["order"]
            least = -FAR if lo < 0 else place + (lo > 0)
            facts.append(Fact(("back",), least, FAR if hi > 0 else place - (hi < 0)))
        return frozenset([*facts, *(Fact((query, key, name), *ends) for name, ends in inside.items())])

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
        a, b = self._half(x, bit, odd=not less), self._half(y, bit, odd=less)
        return None if a is None or b is None else self._term(a, b)

    def _term(self, x: int, y: int) -> Term | None:
        a, b = self.builder.nodes[x].domain, self.builder.nodes[y].domain
        return Term(frozenset([Compare(x, y)])) if a.size and b.size and a.lo <= b.hi and b.lo <= a.hi else None

    def _quotient(self, x: int, divisor: int) -> int:
        return x if divisor == 1 else self.builder.add(Divide(divisor), (x,), f"prefix/{divisor}")

    def _last_bit(self, x: int, bit: int) -> tuple[int, int]:
        """The prefix that ends with a bit, and that bit."""
        low, high = self._quotient(x, 1 << bit), self._quotient(x, 2 << bit)
        return low, self.builder.add(Affine("int", (1, -2), 0), (low, high), f"bit{bit}")

    def _half(self, x: int, bit: int, odd: bool) -> int | None:
        """The prefix above a bit, where the bit is 1 (odd) or 0; ⊥ elsewhere. Of what is too small to have that bit: 0, or nowhere."""
        domain = self.builder.nodes[x].domain
        if self.tight and not domain.none and 0 <= domain.lo <= domain.hi < 1 << bit:
            return None if odd else self.constant(0)
        _, last = self._last_bit(x, bit)
        held = self.builder.add(Equal(), (last, self.constant(int(odd))), f"bit{bit}={int(odd)}")
        high = self._quotient(x, 2 << bit)
        return self.builder.add(Where(), (held, high, self.builder.add(Const("int", None), (), "⊥")), f"above{bit}")

    def _flip(self, x: int, bit: int) -> int:
        """The prefix with its last bit flipped: low + 1 - 2·last = 1 - low + 4·high."""
        low, high = self._quotient(x, 1 << bit), self._quotient(x, 2 << bit)
        return self.builder.add(Affine("int", (-1, 4), 1), (low, high), f"flipped{bit}")
