"""What a session remembers, and the loop that reads and says token by token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .attend import CAUSAL, STRICT
from .jit import inlined, jit
from .lookup import pick, total
from .machine import UNITS, Machine
from .memo import Memo, awake, keep, recalled
from .table import Index, Small, add, indexes, put, rehash

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class State(NamedTuple):
    """What a session remembers: an index a head, what each position holds for the heads that pick, and the text with its answers."""

    rows: Ints
    slots: Small
    best: Reals
    sums: Reals  # a plane for each head that adds up
    lam: Reals
    stat: Reals
    flag: Ints
    held: Reals  # (H, cap, most that a head reads)
    text: Ints  # (cap,): ids, position 0 is BOS
    said: Ints  # (cap, outputs): classes


def fresh(m: Machine, cap: int) -> State:
    """An empty state for texts shorter than `cap`."""
    adds = m.depths > 0
    values = int(m.heads[adds, 5].max(initial=0))
    index = indexes(m.heads[:, 1], cap)._replace(sums=np.zeros((max(1, int(adds.sum())), cap if values else 1, values)))
    held = np.zeros((len(m.heads), cap, max(1, int(m.heads[:, 5].max(initial=0)))))
    return State(*index, held, np.zeros(cap, np.int64), np.zeros((cap, len(m.outputs)), np.int64))


def larger(m: Machine, s: State, n: int, cap: int) -> State:
    """The same state with room for more, n positions being in use."""
    new = fresh(m, cap)
    for old, array in zip(s, new, strict=True):
        if old is s.slots:
            continue
        if array.shape == old.shape:
            array[...] = old
        elif old is s.text or old is s.said:
            array[: len(old)] = old
        else:
            array[:, : old.shape[1]] = old
    for h in range(len(m.heads)):
        index = Index(new.rows[h], new.slots[h], new.best[h], new.sums[0], new.lam[h], new.stat[h], new.flag[h])
        rehash(index, int(m.heads[h, 1] + (m.depths[h] > 0)))
    return new


@inlined
def indexed(s: State, h: int, plane: int) -> Index:
    """The index of a head."""
    return Index(s.rows[h], s.slots[h], s.best[h], s.sums[plane], s.lam[h], s.stat[h], s.flag[h])


class Room(NamedTuple):
    """What the loop works on: the stream, what a block adds, a head's query, key, code, and what it adds up."""

    x: Reals
    change: Reals
    q: Reals
    k: Ints
    code: Ints
    values: Reals
    found: Reals


def working(m: Machine) -> Room:
    """Room for a machine's loop."""
    d, wide, most = m.E.shape[1], int(m.heads[:, 1].max(initial=0)) + 1, max(1, int(m.heads[:, 5].max(initial=0)))
    return Room(
        np.zeros(d),
        np.zeros(d),
        np.zeros((1, wide)),
        np.zeros((1, wide), np.int64),
        np.zeros((2, wide), np.int64),
        np.zeros((1, most)),
        np.zeros((1, most)),
    )


@inlined
def summed(m: Machine, f: int, x: Reals) -> float:
    """Sum f of the stream."""
    found = 0.0
    for o in range(m.starts[f], m.starts[f + 1]):
        found += m.weights[o] * x[m.dims[o]]
    return found


@inlined
def bent(m: Machine, g: int, x: Reals, change: Reals) -> None:
    """What a group of hidden units adds."""
    read = summed(m, m.units[g, 0], x)
    low, high = 0, m.units[g, 2]  # how many bends lie below
    while low < high:
        middle = (low + high) // 2
        if m.bends[m.units[g, 1] + middle] < read:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return
    at, beyond = m.places[g] + low * m.units[g, 4], read - m.bends[m.units[g, 1] + low - 1]
    for j in range(m.units[g, 4]):
        change[m.lands[m.units[g, 3] + j]] += m.lines[at + j, 0] * beyond + m.lines[at + j, 1]


@inlined
def attended(m: Machine, s: State, w: Room, h: int, i: int, gap: float) -> bool:
    """What a head adds at position i, its key being put into the index; False where nothing leads as it should."""
    row = m.heads[h]
    for e in range(row[1]):
        w.q[0, e] = summed(m, row[2] + e, w.x)
        key = summed(m, row[3] + e, w.x)
        w.k[0, e] = int(key)
        if w.k[0, e] != key:
            return False
    r, rest = summed(m, row[6], w.x), summed(m, row[7], w.x)
    t = indexed(s, h, m.planes[h])
    if m.depths[h] == 0.0:
        for j in range(row[5]):
            s.held[h, i, j] = summed(m, row[4] + j, w.x)
        if row[0] == CAUSAL:
            put(t, i, w.k, 0, r)
        winner = pick(t, w.q, 0, rest, gap, w.code)
        if row[0] == STRICT:
            put(t, i, w.k, 0, r)
        if winner > 0:
            for j in range(m.counts[h]):
                w.change[m.goes[row[8] + j]] += s.held[h, winner, j]
        return winner >= 0
    for j in range(t.sums.shape[1]):
        w.values[0, j] = summed(m, row[4] + j, w.x) if j < row[5] else 0.0
    good = row[0] == STRICT or add(t, w.k, 0, r, w.values, 0)
    good = good and total(t, w.q, 0, rest, gap, float(m.depths[h]), w.code, w.found, 0)
    good = good and (row[0] == CAUSAL or add(t, w.k, 0, r, w.values, 0))
    for j in range(m.counts[h]):
        o = row[8] + 2 * j
        w.change[m.goes[o + 1]] += m.factors[o] * w.found[0, m.goes[o]]
    return good


@inlined
def classified(m: Machine, o: int, x: Reals) -> int:
    """The class of an output, -1 where the stream holds no code of it."""
    z, base, power = 0.0, m.outputs[o, 2], 1.0
    for digit in range(m.outputs[o, 1]):
        number = summed(m, m.outputs[o, 0] + digit, x)
        if number != np.floor(number) or number < 0.0 or (m.outputs[o, 1] > 1 and number >= base):
            return -1
        z += number * power
        power *= base
    return -1 if z > m.outputs[o, 3] else int(z)


@jit
def advance(m: Machine, s: State, w: Room, memo: Memo, gap: float, start: int, known: int, stop: int, off: int) -> int:
    """Read positions start .. known, then say and read until `stop`. Returns the last position read; its negative where a head failed.

    Answers go to `s.said`; what is said is the class plus `off`, and it ends at class 0.
    """
    x, change = w.x, w.change
    i = start
    while i <= stop:
        if i > known:
            if s.said[i - 1, 0] == 0:
                break
            s.text[i] = s.said[i - 1, 0] + off
        for d in range(len(x)):
            x[d] = m.E[s.text[i] + 1, d] + m.pos[i, d]
        for b in range(len(m.blocks) - 1):
            for d in range(len(x)):
                change[d] = 0.0
            n, at = m.memos[b], 0
            use = n >= 0 and awake(memo, n)
            if use:
                at = recalled(memo, m, n, x, change)
            if not use or at < 0:
                for p in range(m.blocks[b], m.blocks[b + 1]):
                    if m.parts[p, 0] == UNITS:
                        bent(m, m.parts[p, 1], x, change)
                    elif not attended(m, s, w, m.parts[p, 1], i, gap):
                        return -i
                if use:
                    keep(memo, m, n, -1 - at, x, change)
            for d in range(len(x)):
                x[d] += change[d]
        for o in range(len(m.outputs)):
            s.said[i, o] = classified(m, o, x)
            if s.said[i, o] < 0:
                return -i
        i += 1
    return i - 1
