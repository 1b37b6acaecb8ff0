"""Binary covering arrays: few orders of the machines under which each of s machines comes first once.

Row h orders numbers t by t XOR h. Of a set S of at most s numbers the bits at which x in S and each other member first
differ are at most s - 1 columns. A row that shows the complement of x there makes x XOR h the greatest of S: at the first
bit where it differs from any other member it holds a 1. An array of strength s - 1 has such a row for every S and x.

| strength | 10 columns (N = 1,024) | 16 columns | how                                                                    |
|----------|------------------------|------------|------------------------------------------------------------------------|
| 1        | 2                      | 2          | a row and its complement                                               |
| 2        | 6                      | 8          | least possible: Kleitman and Spencer (1973), Katona (1973)             |
| 3        | 12                     | 21         | to 11 columns the squares modulo 11, shifted, and a row of ones; greedy |
| 4        | 39                     | 52         | greedy: smaller ones are known                                         |
"""

from __future__ import annotations

import itertools
import math
import random
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def rows(strength: int, columns: int) -> tuple[int, ...]:
    """Bit masks of `columns` bits that show every pattern of `strength` bits on every `strength` columns; the first is 0.

    Never returned without the exhaustive check of `covers`.
    """
    assert strength >= 1 and columns >= 0
    strength = min(strength, columns)
    full = (1 << columns) - 1
    if strength == columns:
        found = list(range(1 << columns))
    elif strength == 1:
        found = [0, full]
    elif strength == 2:
        found = _subsets(columns)
    else:
        found = _greedy(strength, columns)
        if strength == 3 and columns <= 11:
            found = min(found, _squares(columns), key=len)
    found = sorted({row ^ found[0] for row in found})  # complementing a column changes nothing
    assert covers(found, strength, columns)
    return tuple(found)


def covers(rows: list[int] | tuple[int, ...], strength: int, columns: int) -> bool:
    """Whether every pattern occurs on every `strength` columns, by looking at all of them."""
    for chosen in itertools.combinations(range(columns), strength):
        if len({tuple(row >> c & 1 for c in chosen) for row in rows}) < 2**strength:
            return False
    return True


def _subsets(columns: int) -> list[int]:
    """A row of zeros; below it the columns are different sets of ceil(R/2) of the other R - 1 rows, which meet pairwise."""
    count = 1
    while math.comb(count - 1, -(-count // 2)) < columns:
        count += 1
    sets = list(itertools.islice(itertools.combinations(range(1, count), -(-count // 2)), columns))
    return [sum(1 << c for c, held in enumerate(sets) if row in held) for row in range(count)]


def _squares(columns: int) -> list[int]:
    """The squares modulo 11 as a row of 11 bits, its shifts, and a row of ones; the first columns of that."""
    squares = {x * x % 11 for x in range(1, 11)}
    shifts = [sum(1 << c for c in range(11) if (c + shift) % 11 in squares) for shift in range(11)]
    return [row & ((1 << columns) - 1) for row in [*shifts, 2**11 - 1]]


def _greedy(strength: int, columns: int) -> list[int]:
    """Rows that each show as many missing patterns as a few climbs find, less those that the others make needless."""
    rng = random.Random(1000 * strength + columns)
    chosen = np.array(list(itertools.combinations(range(columns), strength)))
    weights, at = 1 << np.arange(strength), np.arange(len(chosen))
    missing = np.ones((len(chosen), 2**strength), bool)
    found: list[np.ndarray] = []
    while missing.any():
        best, most = np.zeros(columns, np.int64), -1
        for _ in range(12):
            row = np.array([rng.randrange(2) for _ in range(columns)])
            gain = _gain(row, chosen, weights, missing, at)
            climbing = True
            while climbing:
                climbing = False
                for c in rng.sample(range(columns), columns):
                    row[c] ^= 1
                    if (other := _gain(row, chosen, weights, missing, at)) > gain:
                        gain, climbing = other, True
                    else:
                        row[c] ^= 1
            if gain > most:
                best, most = row.copy(), gain
        if not most:  # a climb that ends on nothing new: show the first missing pattern
            first, pattern = np.argwhere(missing)[0]
            best[chosen[first]] = pattern >> np.arange(strength) & 1
        missing[at, best[chosen] @ weights] = False
        found.append(best)
    return _needed([int(row @ (1 << np.arange(columns))) for row in found], strength, columns)


def _gain(row: np.ndarray, chosen: np.ndarray, weights: np.ndarray, missing: np.ndarray, at: np.ndarray) -> int:
    return int(missing[at, row[chosen] @ weights].sum())


def _needed(found: list[int], strength: int, columns: int) -> list[int]:
    """The rows without those that may go, the earlier ones tried last."""
    kept = list(found)
    for row in reversed(found):
        rest = [r for r in kept if r != row]
        if covers(rest, strength, columns):
            kept = rest
    return kept
