"""Token by token: a plan packed into a few arrays, and the loop that runs it with one index a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import inlined, jit
from .plan import Head, Plan, Units
from .table import CAUSAL, COUNT, STRICT, add, indexes, pick, put, slot, total

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HEAD, UNITS = 0, 1


class Machine(NamedTuple):
    """A plan as numbers. A sum is a run of (dimension, weight): sum f has those from starts[f] to starts[f + 1]."""

    starts: Ints
    dims: Ints
    weights: Reals
    blocks: Ints  # (blocks + 1,): where each block's parts start
    parts: Ints  # (parts, 2): HEAD or UNITS, and which
    heads: Ints  # (H, 9): mask, E, first sum of q, of k, of what is read, how many are read; r; s; first of `goes`
    depths: Reals  # (H,): D of a head that adds up, 0 of one that picks
    planes: Ints  # (H,): where a head that adds up has its sums
    goes: Ints  # for each head where what it reads goes; of a total (channel, dimension) for each factor
    factors: Reals  # beside `goes`
    counts: Ints  # (H,): how many of `goes`
    units: Ints  # (G, 5): their sum, first of `bends`, how many, first of `lands`, how many
    bends: Reals  # -bias in rising order
    lands: Ints  # dimensions
    lines: Reals  # (…, 2): slope and rest for each number of active units and each dimension, in the order of the groups
    places: Ints  # (G,): where a group's lines start
    outputs: Ints  # (outputs, 4): first sum, digits, base, top
    E: npt.NDArray[np.floating]
    pos: npt.NDArray[np.floating]


def packed(plan: Plan) -> Machine | None:
    """The plan as numbers; None where an output is no code book."""
    starts, dims, weights = [0], list[int](), list[float]()

    def form(column: Reals) -> int:
        for d in np.flatnonzero(column):
            dims.append(int(d))
            weights.append(float(column[d]))
        starts.append(len(dims))
        return len(starts) - 2

    def forms(columns: Reals) -> int:
        first = len(starts) - 1
        for column in columns.T:
            form(column)
        return first

    blocks, parts, heads, units = [0], list[tuple[int, int]](), list[list[int]](), list[list[int]]()
    goes, factors, counts, depths, planes = list[int](), list[float](), list[int](), list[float](), list[int]()
    bends, lands, lines, places, outputs = list[float](), list[int](), list[Reals](), list[int](), list[list[int]]()
    adding = 0
    for block in plan.blocks:
        for part in block:
            if isinstance(part, Head):
                parts.append((HEAD, len(heads)))
                adds = part.shown.kind == "total"
                to = np.flatnonzero(part.effect.any(axis=0))
                read = part.channels if adds else part.effect[:, to]
                mask = {"causal": CAUSAL, "strict": STRICT}[part.mask]
                row = [
                    mask,
                    part.q.shape[1],
                    forms(part.q),
                    forms(part.k),
                    forms(read),
                    read.shape[1],
                    form(part.r),
                    form(part.s),
                    len(goes),
                ]
                heads.append(row)
                if adds:
                    some = np.argwhere(part.adds)
                    goes += [int(n) for pair in some for n in pair]
                    factors += [float(part.adds[c, d]) for c, d in some for _ in range(2)]
                else:
                    goes += [int(d) for d in to]
                    factors += [1.0] * len(to)
                counts.append(len(some) if adds else len(to))
                depths.append(part.shown.depth if adds else 0.0)
                planes.append(adding if adds else 0)
                adding += adds
            else:
                assert isinstance(part, Units)
                parts.append((UNITS, len(units)))
                to = np.flatnonzero(part.out.any(axis=0))
                units.append([form(part.read), len(bends), len(part.bias), len(lands), len(to)])
                places.append(sum(map(len, lines)))
                bends += [float(-b) for b in part.bias]
                lands += [int(d) for d in to]
                out = part.out[:, to]
                slope, rest = (np.concatenate([np.zeros((1, len(to))), a.cumsum(axis=0)]) for a in (out, out * part.bias[:, None]))
                lines.append(np.stack([slope.reshape(-1), rest.reshape(-1)], axis=1))
        blocks.append(len(parts))
    for book in plan.books:
        if book.cells is None:
            return None
        outputs.append([forms(book.cells), book.form.parts, book.form.base, book.form.top])

    def ints(some: Sequence[object], *shape: int) -> Ints:
        return np.array(some, np.int64).reshape(*shape) if shape else np.array(some, np.int64)

    tables = [t if t.dtype.itemsize == 8 else t.astype(np.float32) for t in (plan.W_E, plan.W_pos)]
    return Machine(
        ints(starts), ints(dims), np.array(weights), ints(blocks), ints(parts, -1, 2), ints(heads, -1, 9), np.array(depths), ints(planes),
        ints(goes), np.array(factors), ints(counts), ints(units, -1, 5), np.array(bends), ints(lands),
        np.concatenate(lines) if lines else np.zeros((0, 2)), ints(places), ints(outputs, -1, 4), tables[0], tables[1],
    )  # fmt: skip


class State(NamedTuple):
    """What a session remembers: an index a head, what each position holds for the heads that pick, and the text with its answers."""

    rows: Ints
    slots: npt.NDArray[np.int32]
    best: Reals
    sums: Reals
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
    index = indexes(m.heads[:, 1], cap)
    sums = np.zeros((int(adds.sum()), cap, values)) if values else np.zeros((1, 1, 1))
    held = np.zeros((len(m.heads), cap, max(1, int(m.heads[:, 5].max(initial=0)))))
    return State(*index[:3], sums, *index[4:], held, np.zeros(cap, np.int64), np.zeros((cap, len(m.outputs)), np.int64))


def larger(m: Machine, s: State, n: int, cap: int) -> State:
    """The same state with room for more, n positions being in use."""
    new = fresh(m, cap)
    for old, array in zip(s, new, strict=True):
        if old is s.slots:
            continue
        if old.ndim > 1 and array.shape != old.shape and old.shape[0] == array.shape[0] and array is not new.said:
            array[:, : old.shape[1]] = old
        elif array.shape == old.shape:
            array[...] = old
        else:
            array[: len(old)] = old
    for h in range(len(m.heads)):
        rehash(new.rows[h], new.slots[h], int(new.flag[h, COUNT]), int(m.heads[h, 1] + (m.depths[h] > 0)))
    return new


@jit
def rehash(rows: Ints, slots: npt.NDArray[np.int32], count: int, width: int) -> None:
    """Hash all classes again."""
    for c in range(count):
        slots[slot(rows, slots, rows, c, width)] = c + 1


@inlined
def summed(starts: Ints, dims: Ints, weights: Reals, f: int, x: Reals) -> float:
    """Sum f of the stream."""
    found = 0.0
    for o in range(starts[f], starts[f + 1]):
        found += weights[o] * x[dims[o]]
    return found


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


@jit
def advance(
    starts: Ints, dims: Ints, weights: Reals, blocks: Ints, parts: Ints, heads: Ints, depths: Reals, planes: Ints, goes: Ints,
    factors: Reals, counts: Ints, units: Ints, bends: Reals, lands: Ints, lines: Reals, places: Ints, outputs: Ints,
    table: npt.NDArray[np.floating], pos: npt.NDArray[np.floating],
    rows: Ints, slots: npt.NDArray[np.int32], best: Reals, sums: Reals, lam: Reals, stat: Reals, flag: Ints, held: Reals,
    text: Ints, said: Ints,
    x: Reals, change: Reals, q: Reals, k: Ints, code: Ints, values: Reals, found: Reals,
    gap: float, start: int, known: int, stop: int, off: int,
) -> int:  # fmt: skip
    """Read positions start .. known, then say and read until `stop`. Returns the last position read; its negative where a head failed.

    Answers go to `said`; what is said is the class plus `off`, and it ends at class 0.
    """
    i = start
    while i <= stop:
        if i > known:
            if said[i - 1, 0] == 0:
                break
            text[i] = said[i - 1, 0] + off
        for d in range(len(x)):
            x[d] = table[text[i] + 1, d] + pos[i, d]
        for b in range(len(blocks) - 1):
            for d in range(len(x)):
                change[d] = 0.0
            for p in range(blocks[b], blocks[b + 1]):
                h = parts[p, 1]
                if parts[p, 0] == UNITS:
                    read = summed(starts, dims, weights, units[h, 0], x)
                    low, high = 0, units[h, 2]  # how many bends lie below
                    while low < high:
                        middle = (low + high) // 2
                        if bends[units[h, 1] + middle] < read:
                            low = middle + 1
                        else:
                            high = middle
                    at = places[h] + low * units[h, 4]
                    for j in range(units[h, 4]):
                        change[lands[units[h, 3] + j]] += lines[at + j, 0] * read + lines[at + j, 1]
                    continue
                width = heads[h, 1]
                for e in range(width):
                    q[0, e] = summed(starts, dims, weights, heads[h, 2] + e, x)
                    key = summed(starts, dims, weights, heads[h, 3] + e, x)
                    k[0, e] = int(key)
                    if k[0, e] != key:
                        return -i
                r = summed(starts, dims, weights, heads[h, 6], x)
                s = summed(starts, dims, weights, heads[h, 7], x)
                if depths[h] == 0.0:
                    for j in range(heads[h, 5]):
                        held[h, i, j] = summed(starts, dims, weights, heads[h, 4] + j, x)
                    if heads[h, 0] == CAUSAL:
                        put(rows[h], slots[h], best[h], lam[h], stat[h], flag[h], i, k, 0, r)
                    winner = pick(rows[h], slots[h], best[h], lam[h], stat[h], flag[h], q, 0, s, gap, code)
                    if heads[h, 0] == STRICT:
                        put(rows[h], slots[h], best[h], lam[h], stat[h], flag[h], i, k, 0, r)
                    if winner < 0:
                        return -i
                    if winner > 0:
                        for j in range(counts[h]):
                            change[goes[heads[h, 8] + j]] += held[h, winner, j]
                else:
                    plane = planes[h]
                    for j in range(heads[h, 5]):
                        values[0, j] = summed(starts, dims, weights, heads[h, 4] + j, x)
                    for j in range(heads[h, 5], values.shape[1]):
                        values[0, j] = 0.0
                    good = True
                    if heads[h, 0] == CAUSAL:
                        good = add(
                            rows[h], slots[h], best[h], sums[plane], lam[h], stat[h], flag[h], k, 0, r, values[:, : sums.shape[2]], 0
                        )
                    good = good and total(
                        rows[h],
                        slots[h],
                        best[h],
                        sums[plane],
                        lam[h],
                        stat[h],
                        flag[h],
                        q,
                        0,
                        s,
                        gap,
                        float(depths[h]),
                        code,
                        found[:, : sums.shape[2]],
                        0,
                    )
                    if heads[h, 0] == STRICT:
                        good = good and add(
                            rows[h], slots[h], best[h], sums[plane], lam[h], stat[h], flag[h], k, 0, r, values[:, : sums.shape[2]], 0
                        )
                    if not good:
                        return -i
                    for j in range(counts[h]):
                        o = heads[h, 8] + 2 * j
                        change[goes[o + 1]] += factors[o] * found[0, goes[o]]
            for d in range(len(x)):
                x[d] += change[d]
        for o in range(len(outputs)):
            z, base, power = 0.0, outputs[o, 2], 1.0
            for digit in range(outputs[o, 1]):
                number = summed(starts, dims, weights, outputs[o, 0] + digit, x)
                if number != np.floor(number) or number < 0.0 or (outputs[o, 1] > 1 and number >= base):
                    return -i
                z += number * power
                power *= base
            if z > outputs[o, 3]:
                return -i
            said[i, o] = int(z)
        i += 1
    return i - 1
