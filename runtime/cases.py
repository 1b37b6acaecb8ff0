"""Test sequences: the inputs on which constructions of this kind have been seen to fail, and random ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

MAX_EXHAUSTIVE = 200_000
AUTO_EXHAUSTIVE = 600


def exhaustive(alphabet: int, length: int) -> Iterator[list[int]]:
    """Every sequence of token ids of length 1..length."""
    for n in range(1, length + 1):
        for row in itertools.product(range(alphabet), repeat=n):
            yield list(row)


def exhaustive_count(alphabet: int, length: int) -> int:
    """How many sequences `exhaustive` yields."""
    return sum(alphabet**n for n in range(1, length + 1))


def auto_exhaustive(alphabet: int, limit: int) -> int:
    """The greatest length (at most `limit`) whose sequences number at most AUTO_EXHAUSTIVE."""
    length = 0
    while length < limit and exhaustive_count(alphabet, length + 1) <= AUTO_EXHAUSTIVE:
        length += 1
    return length


def default_lengths(limit: int) -> list[int]:
    """Lengths worth trying for a model of context length `limit`."""
    return sorted({n for n in (1, 2, 3, limit // 2, limit - 1, limit) if 1 <= n <= limit})


def sampled(alphabet: int, lengths: list[int], samples: int, rng: random.Random) -> Iterator[list[int]]:
    """`samples` sequences of token ids: the shapes below in turn, over the lengths in turn."""
    shapes = (_uniform, _few_symbols, _all_equal, _alternating, _no_match, _far_end, _near_miss, _repeated_block)
    order = itertools.cycle(itertools.product(shapes, lengths))
    for shape, length in itertools.islice(order, samples):
        yield shape(alphabet, length, rng)


def _uniform(alphabet: int, n: int, rng: random.Random) -> list[int]:
    return [rng.randrange(alphabet) for _ in range(n)]


def _few_symbols(alphabet: int, n: int, rng: random.Random) -> list[int]:
    few = rng.sample(range(alphabet), min(alphabet, 3))
    return [rng.choice(few) for _ in range(n)]


def _all_equal(alphabet: int, n: int, rng: random.Random) -> list[int]:
    return [rng.randrange(alphabet)] * n


def _alternating(alphabet: int, n: int, rng: random.Random) -> list[int]:
    pair = (rng.randrange(alphabet), rng.randrange(alphabet))
    return [pair[i % 2] for i in range(n)]


def _no_match(alphabet: int, n: int, rng: random.Random) -> list[int]:
    """All symbols different, as far as the alphabet goes; then the same order again."""
    order = rng.sample(range(alphabet), alphabet)
    return [order[i % alphabet] for i in range(n)]


def _far_end(alphabet: int, n: int, rng: random.Random) -> list[int]:
    """One match, from the last position to the first."""
    x = rng.randrange(alphabet)
    rest = [v for v in range(alphabet) if v != x] or [x]
    middle = [rng.choice(rest) for _ in range(max(0, n - 2))]
    return [x, *middle, x][:n]


def _near_miss(alphabet: int, n: int, rng: random.Random) -> list[int]:
    """Symbols whose codes differ in one bit, or by one."""
    x = rng.randrange(alphabet)
    near = {x, *(x ^ (1 << b) for b in range(alphabet.bit_length())), x + 1, x - 1}
    few = sorted(v for v in near if 0 <= v < alphabet)
    return [rng.choice(few) for _ in range(n)]


def _repeated_block(alphabet: int, n: int, rng: random.Random) -> list[int]:
    """A block said again and again: what induction heads are for."""
    block = [rng.randrange(alphabet) for _ in range(rng.randint(1, max(1, n // 2)))]
    return [block[i % len(block)] for i in range(n)]
