"""What MLPs added to the rows they met: hidden units see one position alone, so to equal rows they add the same.

A row is looked up by all numbers that a block reads, compared one by one, and what is kept are the sums that it computed. So a memo never
changes an answer. Where rows hardly ever return, the block is computed and its memo rests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import inlined
from .machine import Machine

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROWS = 1 << 14  # that a memo has room for; a power of two
PROBES = 8  # places that a row is looked for in; where all are taken the first is given up
TRIAL, REST = 4096, 1 << 16  # rows between two looks at how often they return, and how long a memo rests where fewer than a quarter do
ASKED, FOUND, RESTS = range(3)


class Memo(NamedTuple):
    """Memos of S blocks."""

    read: Reals  # (S, ROWS, most that a block reads): rows
    adds: Reals  # (S, ROWS, most that a block writes): what was added
    taken: npt.NDArray[np.int8]  # (S, ROWS)
    tally: Ints  # (S, 3): rows looked for, and found, since the last look; rows to go until the memo is used again


def blank(m: Machine) -> Memo:
    """Empty memos."""
    s, reads, lands = len(m.spans), int(m.spans[:, 1].max(initial=0)), int(m.spans[:, 2].max(initial=0))
    return Memo(np.zeros((s, ROWS, reads)), np.zeros((s, ROWS, lands)), np.zeros((s, ROWS), np.int8), np.zeros((s, 3), np.int64))


@inlined
def awake(memo: Memo, n: int) -> bool:
    """Whether memo n is in use now."""
    tally = memo.tally
    if tally[n, RESTS] > 0:
        tally[n, RESTS] -= 1
        return False
    if tally[n, ASKED] == TRIAL:
        if 4 * tally[n, FOUND] < TRIAL:
            tally[n, RESTS] = REST
        tally[n, ASKED] = 0
        tally[n, FOUND] = 0
    return True


@inlined
def recalled(memo: Memo, m: Machine, n: int, x: Reals, change: Reals) -> int:
    """Where memo n has a row, what was added to it being in `change`; or -1 - the place that is kept for it."""
    first, reads, lands = m.spans[n, 0], m.spans[n, 1], m.spans[n, 2]
    code = 0
    for j in range(reads):
        code = (code * 1000003 + int(x[m.touched[first + j]] * 64.0)) & 0xFFFFFFFFFF
    home = (code ^ (code >> 19)) & (ROWS - 1)
    memo.tally[n, ASKED] += 1
    at = home
    for _ in range(PROBES):
        if memo.taken[n, at] == 0:
            break
        same = True
        for j in range(reads):
            if memo.read[n, at, j] != x[m.touched[first + j]]:
                same = False
                break
        if same:
            memo.tally[n, FOUND] += 1
            for j in range(lands):
                change[m.touched[first + reads + j]] = memo.adds[n, at, j]
            return at
        at = (at + 1) & (ROWS - 1)
    if memo.taken[n, at] == 1:
        at = home
    return -1 - at


@inlined
def keep(memo: Memo, m: Machine, n: int, at: int, x: Reals, change: Reals) -> None:
    """A row and what was added to it."""
    first, reads = m.spans[n, 0], m.spans[n, 1]
    for j in range(reads):
        memo.read[n, at, j] = x[m.touched[first + j]]
    for j in range(m.spans[n, 2]):
        memo.adds[n, at, j] = change[m.touched[first + reads + j]]
    memo.taken[n, at] = 1
