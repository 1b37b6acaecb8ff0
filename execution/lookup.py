"""What a query finds in an index: the one position whose weight is 1, or the sum of what its matches hold.

A query scores

- all classes, while they are few (SCAN): the winner's lead over everything is then computed, not inferred;
- one class, found by hashing, where they are many. With q_d = λ_d b_d, for any λ_d > 0,

      q·k = -½ Σ λ_d (b_d - k_d)² + R(i) + R(t),   R(i) = ½ Σ λ_d b_d² + s(i),   R(t) = ½ Σ λ_d k_d² + r(t),

  so keys of other classes score at most R(i) + max R - δ, where δ is the least ½ Σ λ_d (b_d - k_d)² of different whole numbers. The
  lead that follows is a lower bound, from the tensors alone. Where it is less than G, the query scores all classes after all.

G is where exp rounds to zero: what leads by it has weight 1. A total's matches score -D exactly, all other keys at most -G.
λ_d is q_d / k_d of a query and its match; it is learned while all classes are scored, and a wrong one only makes the bound useless.
"""

from __future__ import annotations

from .jit import inlined, jit
from .table import (
    COUNT,
    EVEN,
    LEAST,
    NEVER,
    NEXT,
    NORM,
    PARITY,
    SETTLED,
    SIGNS,
    TOP,
    TRIED,
    WIDTH,
    WORK,
    ZERO,
    Index,
    Ints,
    Reals,
    ranked,
    slot,
)  # fmt: skip

SCAN = 24  # classes that are scored one by one before hashing pays
TRIES = 16  # queries beyond that may go on looking for λ


@jit
def settle(t: Index, c: int, query: Reals, i: int) -> None:
    """Learn λ_d = q_d / k_d from a query and its match, class c (-1 for none); two different ones mean that there is no λ.

    Once there are many classes and λ is known, or nothing more is learned: fill in what is missing, and go over the classes.
    """
    width = t.flag[WIDTH]
    if c >= 0:
        for d in range(width):
            k = t.rows[c, d]
            if k != 0:
                found = query[i, d] / k
                if found <= 0.0 or (t.lam[d] != 0.0 and t.lam[d] != found):
                    t.flag[SETTLED] = -1
                t.lam[d] = found
    if t.flag[COUNT] <= SCAN or t.flag[SETTLED] != 0:
        return
    t.flag[TRIED] += 1
    known, most = 0, 0.0
    for d in range(width):
        if t.lam[d] > 0.0:
            known += 1
            most = max(most, t.lam[d])
    if known == 0 or (known < width and t.flag[TRIED] < TRIES):
        return
    least = most
    for d in range(width):
        if t.lam[d] == 0.0:
            t.lam[d] = most
        least = min(least, t.lam[d])
    t.stat[LEAST] = least
    t.flag[EVEN] = 1 if least == most else 0
    t.flag[SETTLED] = 1
    for a in range(t.flag[COUNT]):
        ranked(t, a, t.best[a, 0])


@inlined
def apart(t: Index, query: Reals, i: int, code: Ints) -> float:
    """The query's code b = q / λ, and δ: the least ½ Σ λ (b - k)² over keys of other codes; -1 where b is not whole."""
    squares, norm, signs, whole = 0, 0.0, True, True
    for d in range(t.flag[WIDTH]):
        b = int(query[i, d] / t.lam[d])
        if b * t.lam[d] != query[i, d]:
            whole = False
        code[0, d] = b
        squares += b * b
        norm += query[i, d] * b
        if b != 1 and b != -1:
            signs = False
    delta = 0.5 * t.stat[LEAST]
    if signs and t.flag[SIGNS] == 1:
        delta = 2.0 * t.stat[LEAST]  # some entry differs by 2
    elif t.flag[EVEN] == 1 and t.flag[PARITY] == squares & 1:
        delta = t.stat[LEAST]  # Σ (b - k)² is even
    if squares == 0:
        delta = 0.5 * t.stat[NORM]
    elif t.flag[ZERO] == 1:
        delta = min(delta, 0.5 * norm)
    if not whole:
        delta = -1.0
    return delta


@inlined
def length(t: Index, query: Reals, i: int, code: Ints) -> float:
    """Σ λ b² of a query whose code is b."""
    square = 0.0
    for d in range(t.flag[WIDTH]):
        square += query[i, d] * code[0, d]
    return square


@inlined
def score(t: Index, c: int, query: Reals, i: int, s: float) -> float:
    """The greatest score of a class's keys."""
    found = s + t.best[c, 0]
    for d in range(t.flag[WIDTH]):
        found += query[i, d] * t.rows[c, d]
    return found


@jit
def scanned(t: Index, query: Reals, i: int, s: float, gap: float) -> int:
    """The position whose weight is 1, by scoring every class; -1 where nothing leads by the gap."""
    top, second, winner, its = 0.0, NEVER, 0, -1
    for c in range(t.flag[COUNT]):
        here = score(t, c, query, i, s)
        if here > top:
            second = max(top, here - t.best[c, 0] + t.best[c, 1])
            top, winner, its = here, int(t.best[c, 2]), c
        else:
            second = max(second, here)
    t.stat[WORK] += t.flag[COUNT]
    if top - second < gap:
        return -1
    if t.flag[SETTLED] == 0:
        settle(t, its, query, i)
    return winner


@inlined
def pick(t: Index, query: Reals, i: int, s: float, gap: float, code: Ints) -> int:
    """The position whose weight is 1 (0 is BOS); -1 where nothing leads by the gap. `code` is room for a row."""
    winner = -1
    if t.flag[SETTLED] == 1:
        delta = apart(t, query, i, code)
        if delta > 0.0:
            square = length(t, query, i, code)
            rest = 0.5 * square + s + t.stat[TOP] - delta  # the most that keys of other codes score
            at = t.slots[slot(t, code, 0, t.flag[WIDTH])] - 1
            if at < 0:
                if rest <= -gap:
                    winner = 0
            else:
                r = t.best[at, 0]
                here = square + s + r
                if here >= gap and r - t.best[at, 1] >= gap and here - rest >= gap:
                    winner = int(t.best[at, 2])
                elif here <= -gap and rest <= -gap:
                    winner = 0
    if winner < 0:
        winner = scanned(t, query, i, s, gap)
    return winner


@jit
def added(t: Index, query: Reals, i: int, s: float, gap: float, depth: float, found: Reals, j: int) -> bool:
    """What the matching keys hold, by scoring every class."""
    for e in range(t.sums.shape[1]):
        found[j, e] = 0.0
    matched = -1
    for c in range(t.flag[COUNT]):
        here = score(t, c, query, i, s)
        if here == -depth:
            matched = c
            for e in range(t.sums.shape[1]):
                found[j, e] += t.sums[c, e]
        elif here > -gap:
            return False
    t.stat[WORK] += t.flag[COUNT]
    if t.flag[SETTLED] == 0:
        settle(t, matched, query, i)
    return True


@inlined
def total(t: Index, query: Reals, i: int, s: float, gap: float, depth: float, code: Ints, found: Reals, j: int) -> bool:
    """What the matching keys hold, added up into `found`; False where a key neither matches nor is far off."""
    width, done = t.flag[WIDTH], False
    if t.flag[SETTLED] == 1:
        delta = apart(t, query, i, code)
        if delta > 0.0:
            square = length(t, query, i, code)
            bound = 0.5 * square + s
            top = bound + t.stat[TOP]
            if top - delta <= -gap and bound + t.stat[NEXT] <= -gap and (top == -depth or top <= -gap):
                code[0, width] = int(-depth - square - s)
                at = t.slots[slot(t, code, 0, width + 1)] - 1
                held = at >= 0 and square + s + t.best[at, 0] == -depth
                for e in range(t.sums.shape[1]):
                    found[j, e] = t.sums[at, e] if held else 0.0
                done = True
    if not done:
        done = added(t, query, i, s, gap, depth, found, j)
    return done
