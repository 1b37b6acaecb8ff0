"""The index of a head: classes of equal keys, and in each the best key so far, or the sum of what its keys hold.

A score is q·k = Σ q_d k_d + r(t) + s(i): d over what varies on both sides, r from the parts of the key that meet constants of the
query, s the other way round. Keys of one class have the same k_d, so the best of them is the one of the greatest r: a class keeps it,
its position, and the second greatest r. `lookup.py` says how a query finds its class.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import inlined, jit

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
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
        np.zeros((heads, cap if values else 1, values)),
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


# The loops below are compiled as parts of those in `attend.py` and `machine.py`; there an index is taken apart, and nothing is copied.


@inlined
def slot(t: Index, of: Ints, i: int, width: int) -> int:
    """The slot that holds the class of a row, or the free one where it would be."""
    mask = len(t.slots) - 1
    code = 0
    for d in range(width):
        code = (code * 1000003 + of[i, d]) & 0xFFFFFFFFFF
    if width > 1:
        code = code ^ (code >> 19)
    at = code & mask
    while t.slots[at] > 0:
        c = t.slots[at] - 1
        same = True
        for d in range(width):
            if t.rows[c, d] != of[i, d]:
                same = False
                break
        if same:
            break
        at = (at + 1) & mask
    return at


@inlined
def ranked(t: Index, c: int, r: float) -> None:
    """Take account of a key's R = ½ Σ λ k² + r; c is its class."""
    norm = 0.0
    for d in range(t.flag[WIDTH]):
        norm += t.lam[d] * t.rows[c, d] * t.rows[c, d]
    if norm > 0.0 and norm < t.stat[NORM]:
        t.stat[NORM] = norm
    big = 0.5 * norm + r
    if big > t.stat[TOP]:
        t.stat[NEXT] = t.stat[TOP]
        t.stat[TOP] = big
    elif big < t.stat[TOP] and big > t.stat[NEXT]:
        t.stat[NEXT] = big


@inlined
def grown(t: Index, of: Ints, i: int, width: int) -> int:
    """The class of a key's row, a new one if need be. Keeps what is known of all keys."""
    at = slot(t, of, i, width)
    if t.slots[at] == 0:
        c = t.flag[COUNT]
        squares = 0
        signs = True
        for d in range(t.flag[WIDTH]):
            squares += of[i, d] * of[i, d]
            if of[i, d] != 1 and of[i, d] != -1:
                signs = False
        for d in range(width):
            t.rows[c, d] = of[i, d]
        t.best[c, 0] = NEVER
        t.best[c, 1] = NEVER
        t.slots[at] = c + 1
        t.flag[COUNT] = c + 1
        if squares == 0:
            t.flag[ZERO] = 1
        else:
            if not signs:
                t.flag[SIGNS] = 0
            if t.flag[PARITY] == -1:
                t.flag[PARITY] = squares & 1
            elif t.flag[PARITY] != squares & 1:
                t.flag[PARITY] = 2
    return t.slots[at] - 1


@inlined
def put(t: Index, place: int, of: Ints, i: int, r: float) -> None:
    """A key of a head that picks, row i of `of`."""
    c = grown(t, of, i, t.flag[WIDTH])
    if r > t.best[c, 0]:
        t.best[c, 1] = t.best[c, 0]
        t.best[c, 0] = r
        t.best[c, 2] = place
    elif r > t.best[c, 1]:
        t.best[c, 1] = r
    if t.flag[SETTLED] == 1:
        ranked(t, c, r)


@inlined
def add(t: Index, of: Ints, i: int, r: float, values: Reals, j: int) -> bool:
    """A key of a head that adds up, with room for r at the row's end; False where r is not whole."""
    width = t.flag[WIDTH]
    of[i, width] = int(r)
    whole = of[i, width] == r
    if whole:
        c = grown(t, of, i, width + 1)
        t.best[c, 0] = r
        for e in range(t.sums.shape[1]):
            t.sums[c, e] += values[j, e]
        if t.flag[SETTLED] == 1:
            ranked(t, c, r)
    return whole


@jit
def rehash(t: Index, width: int) -> None:
    """Hash all classes again, into slots that are empty."""
    for c in range(t.flag[COUNT]):
        t.slots[slot(t, t.rows, c, width)] = c + 1
