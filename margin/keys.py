"""Keys beside each other: how the scores of two of them under one query may differ.

With k and k' the keys of two tokens, x and x' their cells: q·(k - k') is off by what q is off times |k - k'|, by the noise of W_K times
|x - x'|·|q|, and by what each key's cells are off; where the cases are the same, by what is not alike there. All of that is less than what
each score may be off, and much less where a query is 0 in what two keys differ in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .state import UP, Noise, Projection, Reals, State
from .terms import Ints

Bools = NDArray[np.bool_]
PAIRS = 512  # cases of keys that are compared two by two
WORK = 1 << 28  # products above which all queries of a component are taken for one


@dataclass(slots=True)
class Component:
    """Variables of queries and of keys that meet. Scores, and BOS's, and what they may be off.

    `own` is what the scores of two tokens of one case may differ, halved. Shapes: s, off, own, match (queries, keys); rest_lo and
    rest_hi (queries,).
    """

    queries: list[int]
    keys: list[int]
    rows: dict[int, Ints]
    columns: dict[int, Ints]
    s: Reals
    off: Reals
    own: Reals
    match: Bools
    rest_lo: Reals
    rest_hi: Reals

    def bounds(self) -> tuple[Reals, Reals, Reals]:
        """By query: the least score of a match (inf without one), the greatest of a match, the greatest of anything else."""
        least = np.where(self.match, self.s - self.off, np.inf).min(axis=1)
        most = np.where(self.match, self.s + self.off, -np.inf).max(axis=1)
        rival = np.where(self.match, -np.inf, self.s + self.off).max(axis=1)
        return least, most, rival


@dataclass(slots=True)
class Keys:
    """The keys of a head under the queries of one of its components.

    `reach` bounds |q| and `off` what q is off, row by row; variables of queries that are elsewhere add their greatest.
    Shapes: (queries, d_head).
    """

    state: State
    w_k: Reals
    sides: dict[int | None, Projection]
    noise: Noise
    part: Component
    reach: Reals
    off: Reals
    read: dict[int, tuple[list[int], Bools]] = field(default_factory=dict[int, tuple[list[int], Bools]])
    known: dict[tuple[str, int, bytes], Reals] = field(default_factory=dict[tuple[str, int, bytes], Reals])

    def size(self, v: int) -> int:
        """How many cases a variable of the keys has."""
        return int(self.part.columns[v].max()) + 1

    def apart(self, v: int, row: int) -> Reals:
        """What the scores of two cases of a variable may be off against each other, but for `own`. Shape (cases, cases)."""
        dims, k, reach, off = self._read(v, row)
        if not dims:
            return np.zeros((self.size(v), self.size(v)))
        key = "apart", v, reach.tobytes() + off.tobytes()
        if key not in self.known:
            x, each, weight = self._cells(dims, reach)
            found = _distances(k, off) + self.noise.weights * _distances(x, weight)
            self.known[key] = (found + np.where(np.eye(len(x), dtype=bool), 0, each[:, None] + each)) * UP
        return self.known[key]

    def far(self, v: int, row: int) -> Reals:
        """The same as a sum of a part for each case. Shape (cases,)."""
        dims, k, reach, off = self._read(v, row)
        if not dims:
            return np.zeros(self.size(v))
        key = "far", v, reach.tobytes() + off.tobytes()
        if key not in self.known:
            x, each, weight = self._cells(dims, reach)
            self.known[key] = (np.abs(k) @ off + self.noise.weights * (np.abs(x) @ weight) + each) * UP
        return self.known[key]

    def farthest(self, v: int, row: int) -> float:
        """What two cases of a variable that match may be off against each other at most."""
        cases = np.unique(self.part.columns[v][self.part.match[row]])
        if self.size(v) <= PAIRS:
            return float(self.apart(v, row)[cases][:, cases].max())
        return 2 * float(self.far(v, row)[cases].max())

    def _read(self, v: int, row: int) -> tuple[list[int], Reals, Reals, Reals]:
        """Of a variable's keys: the dimensions that they read, what is in them, and the query there; 0 where no key has anything."""
        if v not in self.sides:
            return [], np.zeros((0, 0)), np.zeros(0), np.zeros(0)
        if v not in self.read:
            dims = [int(d) for d in np.flatnonzero(np.abs(self.w_k).max(axis=1)) if self.state.cells[d].variable == v]
            self.read[v] = dims, np.abs(self.w_k[dims]).max(axis=0, initial=0) > 0
        dims, used = self.read[v]
        return dims, self.sides[v].x, np.where(used, self.reach[row], 0), np.where(used, self.off[row], 0)

    def _cells(self, dims: list[int], reach: Reals) -> tuple[Reals, Reals, Reals]:
        x, com, _ = self.state.stack(dims)
        weight = np.abs(self.w_k[dims]) @ reach
        return x, (1 + self.noise.weights) * (com @ weight), weight


def keys_of(
    state: State, w_k: Reals, queries: dict[int | None, Projection], sides: dict[int | None, Projection], part: Component, noise: Noise
) -> Keys:
    """The keys under a component's queries. Where there are too many, each query may be as large as all."""
    count, width = len(part.s), w_k.shape[1]
    x, own, far = np.zeros((count, width)), np.zeros((count, width)), np.zeros(width)
    for v, p in queries.items():
        if v is None or v in part.rows:
            at = part.rows[v] if v is not None else np.zeros(count, np.int64)
            x, own = x + p.x[at], own + (p.com + p.ind)[at]
        else:
            far, own = far + np.abs(p.x).max(axis=0), own + (p.com + p.ind).max(axis=0)
    reach, off = (np.abs(x) + far + own) * UP, own * UP
    found = Keys(state, w_k, sides, noise, part, reach, off)
    if count * width * sum(n * n for n in map(found.size, part.keys) if n <= PAIRS) > WORK:
        found.reach, found.off = (np.broadcast_to(a.max(axis=0), a.shape) for a in (reach, off))
    return found


def _distances(x: Reals, weight: Reals) -> Reals:
    """Σ weight·|x - x'|. Shapes: (cases, dims), (dims,) -> (cases, cases)."""
    found = np.zeros((len(x), len(x)))
    for column, w in zip(x.T, weight, strict=True):
        if w and column.any():
            found += w * np.abs(column[:, None] - column)
    return found
