"""A plan packed into a few arrays, which is what the loop that runs token by token reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .attend import CAUSAL, STRICT
from .plan import Head, Plan, Units

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
    lines: Reals  # (…, 2): slope, and what is added at the last bend, by number of active units and dimension, in the order of the groups
    places: Ints  # (G,): where a group's lines start
    outputs: Ints  # (outputs, 4): first sum, digits, base, top
    memos: Ints  # (blocks,): the memo of a block, -1 for none
    spans: Ints  # (S, 3): for each memo the first of `touched`, how many dimensions the block reads, and how many it writes, which follow
    touched: Ints  # dimensions
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
                lines.append(np.stack([some.reshape(-1) for some in part.lines()], axis=1))
        blocks.append(len(parts))
    for book in plan.books:
        if book.cells is None:
            return None
        outputs.append([forms(book.cells), book.form.parts, book.form.base, book.form.top])

    def ints(some: Sequence[object], *shape: int) -> Ints:
        return np.array(some, np.int64).reshape(*shape) if shape else np.array(some, np.int64)

    memos, spans, touched = memorable(plan)
    tables = [t if t.dtype.itemsize == 8 else t.astype(np.float32) for t in (plan.W_E, plan.W_pos)]
    return Machine(
        ints(starts), ints(dims), np.array(weights), ints(blocks), ints(parts, -1, 2), ints(heads, -1, 9), np.array(depths), ints(planes),
        ints(goes), np.array(factors), ints(counts), ints(units, -1, 5), np.array(bends), ints(lands),
        np.concatenate(lines) if lines else np.zeros((0, 2)), ints(places), ints(outputs, -1, 4),
        ints(memos), ints(spans, -1, 3), ints(touched), tables[0], tables[1],
    )  # fmt: skip


def memorable(plan: Plan) -> tuple[list[int], list[list[int]], list[int]]:
    """MLPs that take longer than to look up what they did to a row: `memos`, `spans` and `touched` of `Machine`."""
    memos, spans, touched = list[int](), list[list[int]](), list[int]()
    for block in plan.blocks:
        units = [part for part in block if isinstance(part, Units)]
        reads = np.flatnonzero(np.any([u.read != 0 for u in units], axis=0)) if units else ()
        lands = np.flatnonzero(np.any([u.out.any(axis=0) for u in units], axis=0)) if units else ()
        work = sum(int(np.count_nonzero(u.read)) + 5 for u in units)
        long = work > 4 * (len(reads) + len(lands)) + 20
        memos.append(len(spans) if long else -1)
        if long:
            spans.append([len(touched), len(reads), len(lands)])
            touched += [int(d) for d in (*reads, *lands)]
    return memos, spans, touched
