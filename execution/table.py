"""The index of a head: classes of equal keys, and in each the best key so far, or the sum of what its keys hold.

A score is q·k = Σ q_d k_d + r(t) + s(i): d over what varies on both sides, r from the parts of the key that meet constants of the
query, s the other way round. Keys of one class have the same k_d, so the best of them is the one of the greatest r: a class keeps it,
its position, and the second greatest r. A query scores

- all classes, while they are few (SCAN): the winner's lead over everything is then computed, not inferred;
- one class, found by hashing, where they are many. With q_d = λ_d b_d, for any λ_d > 0,

      q·k = -½ Σ λ_d (b_d - k_d)² + R(i) + R(t),   R(i) = ½ Σ λ_d b_d² + s(i),   R(t) = ½ Σ λ_d k_d² + r(t),

  so keys of other classes score at most R(i) + max R - δ, where δ is the least ½ Σ λ_d (b_d - k_d)² of different whole numbers. The
  lead that follows is a lower bound, from the tensors alone. Where it is less than G, the query scores all classes after all.

G is where exp rounds to zero: what leads by it has weight 1. A total's matches score -D exactly, all other keys at most -G.
λ_d is q_d / k_d of a query and its match; it is learned while all classes are scored, and a wrong one only makes the bound useless.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import inlined, jit

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
SCAN = 24  # classes that are scored one by one before hashing pays
TRIES = 16  # queries beyond that may go on looking for λ
NEVER = -1e300

# Numbers of Index.stat: greatest and second greatest R of keys; least Σ λ k² of keys not zero; least λ; classes scored one by one.
TOP, NEXT, NORM, LEAST, WORK = range(5)
# Numbers of Index.flag: classes; 1 once λ is settled, -1 for never; queries scored in full since there are many classes; whether there is
# a zero key; whether all others' entries are ±1; their parity of Σ k² (2 mixed, -1 none yet); whether all λ are equal; E.
COUNT, SETTLED, TRIED, ZERO, SIGNS, PARITY, EVEN, WIDTH = range(8)


class Index(NamedTuple):
    """The index of one head, or with an axis in front those of H heads, for up to `cap` classes."""

    rows: Ints  # (cap, E + 1): what the keys of a class are; of a total r comes last
    slots: Small  # (size,): hash slots with class + 1
    best: Reals  # (cap, 3): greatest r, second greatest r, and the position of the greatest
    sums: Reals  # (cap, V); cap is 1 where nothing is added up
    lam: Reals  # (E + 1,): λ, 0 for not known
    stat: Reals  # (5,)
    flag: Ints  # (8,)


def indexes(widths: Ints, cap: int, values: int = 0) -> Index:
    """Empty indexes of heads that compare so many dimensions; `values` is how many numbers are added up."""
    heads, wide = len(widths), int(widths.max(initial=0)) + 1
    size = 1 << max(4, int(2 * cap - 1).bit_length())
    stat, flag = np.zeros((heads, 5)), np.zeros((heads, 8), np.int64)
    stat[:, [TOP, NEXT]], stat[:, NORM] = NEVER, -NEVER
    flag[:, SIGNS], flag[:, PARITY], flag[:, WIDTH] = 1, -1, widths
    return Index(
        np.zeros((heads, cap, wide), np.int64),
        np.zeros((heads, size), np.int32),
        np.zeros((heads, cap, 3)),
        np.zeros((heads, cap if values else 1, max(1, values))),
        np.zeros((heads, wide)),
        stat,
        flag,
    )


def head_of(t: Index, h: int) -> Index:
    """The index of one head of several."""
    return Index._make(array[h] for array in t)


def room(t: Index) -> Ints:
    """Room for the rows that a loop works on."""
    return np.zeros((2, t.lam.shape[-1]), np.int64)


# The loops take an index array by array: numba hands over arrays faster than tuples of them.


@inlined
def slot(rows: Ints, slots: Small, of: Ints, i: int, width: int) -> int:
    """The slot that holds the class of a row, or the free one where it would be."""
    mask = len(slots) - 1
    code = 0
    for d in range(width):
        code = (code * 1000003 + of[i, d]) & 0xFFFFFFFFFF
    if width > 1:
        code = code ^ (code >> 19)
    at = code & mask
    while slots[at] > 0:
        c = slots[at] - 1
        same = True
        for d in range(width):
            if rows[c, d] != of[i, d]:
                same = False
                break
        if same:
            break
        at = (at + 1) & mask
    return at


@inlined
def measured(rows: Ints, lam: Reals, stat: Reals, width: int, c: int) -> float:
    """½ Σ λ k² of a class."""
    norm = 0.0
    for d in range(width):
        norm += lam[d] * rows[c, d] * rows[c, d]
    if norm > 0.0 and norm < stat[NORM]:
        stat[NORM] = norm
    return 0.5 * norm


@inlined
def ranked(stat: Reals, big: float) -> None:
    """Take account of a key's R."""
    if big > stat[TOP]:
        stat[NEXT] = stat[TOP]
        stat[TOP] = big
    elif big < stat[TOP] and big > stat[NEXT]:
        stat[NEXT] = big


@inlined
def grown(rows: Ints, slots: Small, best: Reals, flag: Ints, of: Ints, i: int, width: int) -> int:
    """The class of a key's row, a new one if need be. Keeps what is known of all keys."""
    at = slot(rows, slots, of, i, width)
    if slots[at] == 0:
        c = flag[COUNT]
        squares = 0
        signs = True
        for d in range(flag[WIDTH]):
            squares += of[i, d] * of[i, d]
            if of[i, d] != 1 and of[i, d] != -1:
                signs = False
        for d in range(width):
            rows[c, d] = of[i, d]
        best[c, 0] = NEVER
        best[c, 1] = NEVER
        slots[at] = c + 1
        flag[COUNT] = c + 1
        if squares == 0:
            flag[ZERO] = 1
        else:
            if not signs:
                flag[SIGNS] = 0
            if flag[PARITY] == -1:
                flag[PARITY] = squares & 1
            elif flag[PARITY] != squares & 1:
                flag[PARITY] = 2
    return slots[at] - 1


@inlined
def put(rows: Ints, slots: Small, best: Reals, lam: Reals, stat: Reals, flag: Ints, place: int, of: Ints, i: int, r: float) -> None:
    """A key of a head that picks."""
    c = grown(rows, slots, best, flag, of, i, flag[WIDTH])
    if r > best[c, 0]:
        best[c, 1] = best[c, 0]
        best[c, 0] = r
        best[c, 2] = place
    elif r > best[c, 1]:
        best[c, 1] = r
    if flag[SETTLED] == 1:
        ranked(stat, measured(rows, lam, stat, flag[WIDTH], c) + r)


@inlined
def add(
    rows: Ints,
    slots: Small,
    best: Reals,
    sums: Reals,
    lam: Reals,
    stat: Reals,
    flag: Ints,
    of: Ints,
    i: int,
    r: float,
    values: Reals,
    j: int,
) -> bool:
    """A key of a head that adds up, with room for r at the row's end; False where r is not whole."""
    width = flag[WIDTH]
    of[i, width] = int(r)
    whole = of[i, width] == r
    if whole:
        c = grown(rows, slots, best, flag, of, i, width + 1)
        best[c, 0] = r
        for e in range(values.shape[1]):
            sums[c, e] += values[j, e]
        if flag[SETTLED] == 1:
            ranked(stat, measured(rows, lam, stat, width, c) + r)
    return whole


@jit
def settle(rows: Ints, best: Reals, lam: Reals, stat: Reals, flag: Ints, c: int, query: Reals, i: int) -> None:
    """Learn λ_d = q_d / k_d from a query and its match, class c (-1 for none); two different ones mean that there is no λ.

    Once there are many classes and λ is known, or nothing more is learned: fill in what is missing, and go over the classes.
    """
    width = flag[WIDTH]
    if c >= 0:
        for d in range(width):
            k = rows[c, d]
            if k != 0:
                found = query[i, d] / k
                if found <= 0.0 or (lam[d] != 0.0 and lam[d] != found):
                    flag[SETTLED] = -1
                lam[d] = found
    if flag[COUNT] <= SCAN or flag[SETTLED] != 0:
        return
    flag[TRIED] += 1
    known, most = 0, 0.0
    for d in range(width):
        if lam[d] > 0.0:
            known += 1
            most = max(most, lam[d])
    if known == 0 or (known < width and flag[TRIED] < TRIES):
        return
    least = most
    for d in range(width):
        if lam[d] == 0.0:
            lam[d] = most
        least = min(least, lam[d])
    stat[LEAST] = least
    flag[EVEN] = 1 if least == most else 0
    flag[SETTLED] = 1
    for a in range(flag[COUNT]):
        ranked(stat, measured(rows, lam, stat, width, a) + best[a, 0])


@inlined
def apart(lam: Reals, stat: Reals, flag: Ints, query: Reals, i: int, code: Ints) -> float:
    """The query's code b = q / λ, and δ: the least ½ Σ λ (b - k)² over keys of other codes; -1 where b is not whole."""
    squares, norm, signs, whole = 0, 0.0, True, True
    for d in range(flag[WIDTH]):
        b = int(query[i, d] / lam[d])
        if b * lam[d] != query[i, d]:
            whole = False
        code[0, d] = b
        squares += b * b
        norm += query[i, d] * b
        if b != 1 and b != -1:
            signs = False
    delta = 0.5 * stat[LEAST]
    if signs and flag[SIGNS] == 1:
        delta = 2.0 * stat[LEAST]  # some entry differs by 2
    elif flag[EVEN] == 1 and flag[PARITY] == squares & 1:
        delta = stat[LEAST]  # Σ (b - k)² is even
    if squares == 0:
        delta = 0.5 * stat[NORM]
    elif flag[ZERO] == 1:
        delta = min(delta, 0.5 * norm)
    if not whole:
        delta = -1.0
    return delta


@jit
def scanned(rows: Ints, best: Reals, lam: Reals, stat: Reals, flag: Ints, query: Reals, i: int, s: float, gap: float) -> int:
    """The position whose weight is 1, by scoring every class; -1 where nothing leads by the gap."""
    top, second, winner, its = 0.0, NEVER, 0, -1
    for c in range(flag[COUNT]):
        score = s + best[c, 0]
        for d in range(flag[WIDTH]):
            score += query[i, d] * rows[c, d]
        if score > top:
            second = max(top, score - best[c, 0] + best[c, 1])
            top, winner, its = score, int(best[c, 2]), c
        else:
            second = max(second, score)
    stat[WORK] += flag[COUNT]
    if top - second < gap:
        return -1
    if flag[SETTLED] == 0:
        settle(rows, best, lam, stat, flag, its, query, i)
    return winner


@inlined
def pick(
    rows: Ints, slots: Small, best: Reals, lam: Reals, stat: Reals, flag: Ints, query: Reals, i: int, s: float, gap: float, code: Ints
) -> int:
    """The position whose weight is 1 (0 is BOS); -1 where nothing leads by the gap. `code` is room for a row."""
    width, winner = flag[WIDTH], -1
    if flag[SETTLED] == 1:
        delta = apart(lam, stat, flag, query, i, code)
        if delta > 0.0:
            square = 0.0  # Σ λ b²
            for d in range(width):
                square += query[i, d] * code[0, d]
            rest = 0.5 * square + s + stat[TOP] - delta  # the most that keys of other codes score
            at = slots[slot(rows, slots, code, 0, width)] - 1
            if at < 0:
                if rest <= -gap:
                    winner = 0
            else:
                r = best[at, 0]
                score = square + s + r
                if score >= gap and r - best[at, 1] >= gap and score - rest >= gap:
                    winner = int(best[at, 2])
                elif score <= -gap and rest <= -gap:
                    winner = 0
    if winner < 0:
        winner = scanned(rows, best, lam, stat, flag, query, i, s, gap)
    return winner


@jit
def added(
    rows: Ints,
    best: Reals,
    sums: Reals,
    lam: Reals,
    stat: Reals,
    flag: Ints,
    query: Reals,
    i: int,
    s: float,
    gap: float,
    depth: float,
    found: Reals,
    j: int,
) -> bool:
    """What the matching keys hold, by scoring every class."""
    for e in range(found.shape[1]):
        found[j, e] = 0.0
    matched = -1
    for c in range(flag[COUNT]):
        score = s + best[c, 0]
        for d in range(flag[WIDTH]):
            score += query[i, d] * rows[c, d]
        if score == -depth:
            matched = c
            for e in range(found.shape[1]):
                found[j, e] += sums[c, e]
        elif score > -gap:
            return False
    stat[WORK] += flag[COUNT]
    if flag[SETTLED] == 0:
        settle(rows, best, lam, stat, flag, matched, query, i)
    return True


@inlined
def total(
    rows: Ints,
    slots: Small,
    best: Reals,
    sums: Reals,
    lam: Reals,
    stat: Reals,
    flag: Ints,
    query: Reals,
    i: int,
    s: float,
    gap: float,
    depth: float,
    code: Ints,
    found: Reals,
    j: int,
) -> bool:
    """What the matching keys hold, added up into `found`; False where a key neither matches nor is far off."""
    width, done = flag[WIDTH], False
    if flag[SETTLED] == 1:
        delta = apart(lam, stat, flag, query, i, code)
        if delta > 0.0:
            square = 0.0
            for d in range(width):
                square += query[i, d] * code[0, d]
            bound = 0.5 * square + s
            top = bound + stat[TOP]
            if top - delta <= -gap and bound + stat[NEXT] <= -gap and (top == -depth or top <= -gap):
                code[0, width] = int(-depth - square - s)
                at = slots[slot(rows, slots, code, 0, width + 1)] - 1
                held = at >= 0 and square + s + best[at, 0] == -depth
                for e in range(found.shape[1]):
                    found[j, e] = sums[at, e] if held else 0.0
                done = True
    if not done:
        done = added(rows, best, sums, lam, stat, flag, query, i, s, gap, depth, found, j)
    return done


CAUSAL, STRICT, FULL = range(3)


@jit
def picks(
    rows: Ints,
    slots: Small,
    best: Reals,
    sums: Reals,
    lam: Reals,
    stat: Reals,
    flag: Ints,
    mask: int,
    q: Reals,
    k: Ints,
    r: Reals,
    s: Reals,
    gap: float,
    budget: float,
    code: Ints,
    winner: Ints,
) -> int:
    """The winners of all positions 1..n of one head. Returns 0, the position where it became too much, or -i for none at i.

    Row 0 is BOS; `code` is room for two rows.
    """
    n = len(q)
    if mask == FULL:
        for i in range(1, n):
            put(rows, slots, best, lam, stat, flag, i, k, i, r[i])
    for i in range(1, n):
        if mask == CAUSAL:
            put(rows, slots, best, lam, stat, flag, i, k, i, r[i])
        elif mask == STRICT and i > 1:
            put(rows, slots, best, lam, stat, flag, i - 1, k, i - 1, r[i - 1])
        winner[i] = pick(rows, slots, best, lam, stat, flag, q, i, s[i], gap, code)
        if winner[i] < 0:
            return -i
        if stat[WORK] > budget:
            return i
    return 0


@jit
def totals(
    rows: Ints,
    slots: Small,
    best: Reals,
    sums: Reals,
    lam: Reals,
    stat: Reals,
    flag: Ints,
    mask: int,
    q: Reals,
    k: Ints,
    r: Reals,
    s: Reals,
    v: Reals,
    gap: float,
    depth: float,
    budget: float,
    code: Ints,
    found: Reals,
) -> int:
    """The totals of all positions 1..n of one head. Returns 0, the position where it became too much, or -i for none at i.

    Row 0 is BOS; `code` is room for two rows.
    """
    n, width = len(q), flag[WIDTH]
    last = 0  # the keys that are in the index
    for i in range(1, n):
        until = n - 1 if mask == FULL else i if mask == CAUSAL else i - 1
        while last < until:
            last += 1
            for d in range(width):
                code[1, d] = k[last, d]
            if not add(rows, slots, best, sums, lam, stat, flag, code, 1, r[last], v, last):
                return -i
        if not total(rows, slots, best, sums, lam, stat, flag, q, i, s[i], gap, depth, code, found, i):
            return -i
        if stat[WORK] > budget:
            return i
    return 0
