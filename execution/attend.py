"""One head over a whole text: the winners of all queries, or the sums of what they match. Row 0 is BOS."""

from __future__ import annotations

from .jit import jit
from .lookup import pick, total
from .table import WIDTH, WORK, Index, Ints, Reals, add, put

CAUSAL, STRICT, FULL = range(3)


@jit
def picks(t: Index, mask: int, q: Reals, k: Ints, r: Reals, s: Reals, gap: float, budget: float, code: Ints, winner: Ints) -> int:
    """The winners of all positions 1..n of one head. Returns 0, the position where it became too much, or -i for none at i.

    `code` is room for two rows.
    """
    n = len(q)
    if mask == FULL:
        for i in range(1, n):
            put(t, i, k, i, r[i])
    for i in range(1, n):
        if mask == CAUSAL:
            put(t, i, k, i, r[i])
        elif mask == STRICT and i > 1:
            put(t, i - 1, k, i - 1, r[i - 1])
        winner[i] = pick(t, q, i, s[i], gap, code)
        if winner[i] < 0:
            return -i
        if t.stat[WORK] > budget:
            return i
    return 0


@jit
def totals(
    t: Index, mask: int, q: Reals, k: Ints, r: Reals, s: Reals, v: Reals, gap: float, depth: float, budget: float, code: Ints, found: Reals
) -> int:
    """The totals of all positions 1..n of one head. Returns and takes as `picks`; `found` has the sums."""
    n, width = len(q), t.flag[WIDTH]
    last = 0  # the keys that are in the index
    for i in range(1, n):
        until = n - 1 if mask == FULL else i if mask == CAUSAL else i - 1
        while last < until:
            last += 1
            for d in range(width):
                code[1, d] = k[last, d]
            if not add(t, code, 1, r[last], v, last):
                return -i
        if not total(t, q, i, s[i], gap, depth, code, found, i):
            return -i
        if t.stat[WORK] > budget:
            return i
    return 0
