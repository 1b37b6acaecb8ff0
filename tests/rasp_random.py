"""Random RASP programs, typed: numbers, words, truths and means, selectors nested in each other, defaults, ⊥, aggregates of aggregates."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from headwork import rasp

Build = Callable[["Draw", int], Any]
ORDERS = [rasp.Comparison.LT, rasp.Comparison.LEQ, rasp.Comparison.GT, rasp.Comparison.GEQ]
SAME = [rasp.Comparison.EQ, rasp.Comparison.NEQ]
ALWAYS = [rasp.Comparison.TRUE, rasp.Comparison.FALSE]


class Draw:
    """Draws expressions with one generator of random numbers; `words` are the alphabet's."""

    def __init__(self, seed: int, words: str) -> None:
        self.rng, self.words = random.Random(seed), words

    def one(self, *choices: Any) -> Any:
        """One of several."""
        return self.rng.choice(choices)

    def program(self, depth: int) -> Any:
        """An operation of any type."""
        return self.one(self.number, self.word, self.truth, self.mean)(depth)

    def number(self, depth: int) -> Any:
        """Integers, or ⊥."""
        if depth <= 0:
            return self.one(rasp.indices, rasp.Full(self.rng.randint(-1, 2)), self.coded(rasp.tokens))
        d, c = depth - 1, self.rng.randint(1, 3)
        return self.one(
            lambda: rasp.Map(
                self.one(lambda x: x + c, lambda x: c - x, lambda x: x % (c + 1), lambda x: abs(x - c), lambda x: x // 2), self.small(d)
            ),
            lambda: rasp.Map(lambda x: x if x != c else None, self.small(d)),
            lambda: rasp.SequenceMap(
                self.one(
                    lambda x, y: x + y,
                    lambda x, y: x - y,
                    max,
                    min,
                    lambda x, y: x * y,
                    lambda x, y: x // y,
                    lambda x, y: abs(x - y),
                    lambda x, y: x % 3 + y % 2,
                ),
                self.small(d),
                self.small(d),
            ),
            lambda: rasp.SelectorWidth(self.selector(d)),
            lambda: rasp.Aggregate(self.pointer(d), self.small(d), default=self.one(None, 0, 2)),
            lambda: self.coded(self.word(d)),
            lambda: rasp.Map(int, self.truth(d)),
            lambda: rasp.length - rasp.indices - c,
        )()

    def small(self, depth: int) -> Any:
        """Integers near 0, so that products stay small."""
        x = self.number(depth)
        return rasp.Map(lambda v: v % 5, x) if self.rng.random() < 0.4 else x

    def coded(self, word: Any) -> Any:
        """A number for each word."""
        number = {w: self.rng.randint(-1, 3) for w in (*self.words, "u", "v")}
        return rasp.Map(lambda w: number[w], word)

    def word(self, depth: int) -> Any:
        """Words, or ⊥."""
        if depth <= 0:
            return self.one(rasp.tokens, rasp.tokens, rasp.Full(self.words[0]))
        d = depth - 1
        return self.one(
            lambda: rasp.Map(lambda x: "u" if x % 2 else "v", self.small(d)),
            lambda: rasp.Aggregate(self.pointer(d), self.word(d), default=self.one(None, "u")),
            lambda: rasp.Aggregate(self.selector(d), self.word(d)),
            lambda: rasp.SequenceMap(lambda w, t: w if t else "v", self.word(d), self.truth(d)),
            lambda: rasp.Map(lambda w: None if w == self.words[0] else w, self.word(d)),
        )()

    def truth(self, depth: int) -> Any:
        """Truths, or ⊥."""
        d, c = depth - 1, self.rng.randint(0, 2)
        if depth <= 0:
            return self.one(rasp.tokens == self.words[-1], rasp.indices >= c)
        return self.one(
            lambda: self.one(lambda x: x < c, lambda x: x == c, lambda x: x >= c, lambda x: x != c)(self.number(d)),
            lambda: rasp.SequenceMap(
                self.one(lambda x, y: x < y, lambda x, y: x == y, lambda x, y: x >= y + 1), self.small(d), self.small(d)
            ),
            lambda: self.word(d) == self.one(*self.words, "u"),
            lambda: ~self.truth(d),
            lambda: self.one(lambda a, b: a & b, lambda a, b: a | b)(self.truth(d), self.truth(d)),
            lambda: rasp.Map(
                self.one(lambda x: x > 0.5, lambda x: x == 1 / 3, lambda x: x <= 0, lambda x: 0.3 < x < 0.8, lambda x: not x), self.mean(d)
            ),
            lambda: rasp.SequenceMap(lambda x, y: x < y, self.mean(d), self.mean(d)),
        )()

    def mean(self, depth: int) -> Any:
        """Means of numbers, truths or means, and sums of them."""
        d = max(0, depth - 1)
        values = self.one(self.small, self.truth)(d)
        plain = rasp.Aggregate(self.selector(d), values, default=self.one(None, None, 0, 1, -2))
        if depth <= 1:
            return plain
        return self.one(
            lambda: plain,
            lambda: plain * 2 - 1,
            lambda: rasp.LinearSequenceMap(plain, rasp.Aggregate(plain.selector, self.truth(d)), 1, -1),
            lambda: plain + self.number(0),
            lambda: rasp.Aggregate(self.selector(0), rasp.Aggregate(self.selector(0), self.truth(0))),
        )()

    def pointer(self, depth: int) -> Any:
        """A selector of one key at most."""
        fixed = (rasp.length - rasp.indices - 1, rasp.indices - 1, rasp.indices + 1)
        place = self.one(*fixed, rasp.Map(lambda x: x % 4, self.number(depth)))
        found = rasp.Select(rasp.indices, place, rasp.Comparison.EQ)
        return found & self.selector(depth - 1) if depth > 0 and self.rng.random() < 0.3 else found

    def selector(self, depth: int) -> Any:
        """Any selector."""
        c = self.rng.randint(0, 2)
        if depth > 0 and self.rng.random() < 0.4:
            d = depth - 1
            a = self.selector(d)
            return self.one(
                lambda: rasp.selector_not(a, simplify=self.one(True, False)), lambda: a & self.selector(d), lambda: a | self.selector(d)
            )()
        shapes = self.one(self.words_compared, self.numbers_compared, self.places)
        return shapes(max(0, depth - 1), c)

    def words_compared(self, depth: int, c: int) -> Any:
        """Words that are the same or not; or a word that is asked for."""
        keys, queries = self.word(depth), self.word(depth)
        wanted = self.one(*self.words)
        return rasp.Select(keys, queries, self.one(*SAME, *ALWAYS, lambda k, q: k == wanted, lambda k, q: q == wanted or k == q))

    def numbers_compared(self, depth: int, c: int) -> Any:
        """Numbers in a relation."""
        keys, queries = self.small(depth), self.small(depth)
        relations = (
            lambda k, q: k == q + c,
            lambda k, q: k <= q + c,
            lambda k, q: abs(k - q) <= c,
            lambda k, q: k % 2 == q % 2,
            lambda k, q: k > c,
        )
        return rasp.Select(keys, queries, self.one(*SAME, *ORDERS, *relations))

    def places(self, depth: int, c: int) -> Any:
        """Positions in a relation."""
        relations = (
            lambda k, q: q == k + c,
            lambda k, q: q - c < k <= q,
            lambda k, q: k != q,
            lambda k, q: k >= q + c,
            lambda k, q: (k + q) % 3 == c,
        )
        return rasp.Select(rasp.indices, rasp.indices, self.one(*ORDERS, *SAME, *relations))
