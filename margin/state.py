"""What a stream holds: for each dimension a number for every case of one variable, and how far from it the model may be.

A cell holds x of its case: the model's number is within com + ind of it, and at two tokens of one case within 2·ind of each other.
What comes of the weights is the same there, so it is in `com`.

**The checker's own arithmetic** is float64 to nearest. Two facts make its bounds bounds.

1. A sum of m products, in any order, fused or not, is off by at most (m + 1)·2^-53·Σ |x·w|. Wherever the model's rounding is charged, the
   unit is the model's and OWN = 2^-50 more: that is the checker's own sum, and seven roundings for each product for what is done to
   it afterwards: a difference, a half, a maximum.
2. An error is computed from numbers that are not negative by sums and products alone. Each operation takes at most a relative 2^-53
   off, and a sum of n numbers at most n·2^-53. With at most 2^22 on any way, that is less than 2^-31; UP times it is not too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .terms import Ints

Reals: TypeAlias = NDArray[np.float64]
OWN = 2.0**-50
UP = 1 + 2.0**-30
LEAST = 2.0**-24  # above half of float16's least step


@dataclass(frozen=True, slots=True)
class Noise:
    """What is allowed for: `weights` relative to each, `stream` absolute after each block, `unit` of the arithmetic, `exp` relative.

    `read` is absolute in what each block and the unembedding read, as where a norm stands between the stream and them. `half` is relative
    in queries, keys, values and each partial sum of what a head averages, as where they are kept in float16; then LEAST is absolute.
    `grain` is relative in all that is multiplied by a matrix, the stream, what heads average and hidden units, as where it is rounded to
    float16 first; then LEAST is absolute. `smooth` is absolute in a hidden unit whose pre-activation is less than `near` from 0, as where
    a smooth function stands for relu.
    """

    weights: float = 0.0
    stream: float = 0.0
    unit: float = 2.0**-24
    exp: float = 2.0**-16
    read: float = 0.0
    half: float = 0.0
    grain: float = 0.0
    smooth: float = 0.0
    near: float = 0.0

    def misread(self, size: Reals, count: Reals | float = 1.0) -> Reals:
        """How far a matrix may read numbers of at most this size from what they are; `count` of them where they stand for a sum."""
        off = count * self.read
        return (off + (self.grain * (size + off) + count * LEAST if self.grain else 0.0)) * UP + np.zeros_like(size)

    def kept(self, size: Reals) -> Reals:
        """How far numbers of at most this size may be off as they are kept."""
        return (self.half * size + LEAST) * UP if self.half else np.zeros_like(size)


@dataclass(frozen=True, slots=True)
class Cell:
    """One dimension at tokens. Shapes: (cases,) each; no variable and one case where it is constant.

    All cells with a `scale` are multiplied by one more factor at each token, the same for those of one head, that is off 1 by at most this.
    """

    variable: int | None
    x: Reals
    com: Reals
    ind: Reals
    scale: float = 0.0
    head: int = 0

    def error(self) -> Reals:
        """How far the model may be, the common factor included: (x + e)·(1 + f) is within e + |f|·(|x| + e) of x."""
        return (self.com + self.ind + self.scale * (np.abs(self.x) + self.com + self.ind)) * UP


ZERO = Cell(None, np.zeros(1), np.zeros(1), np.zeros(1))


@dataclass(slots=True)
class State:
    """All dimensions at tokens, and at BOS the numbers and their errors. Shapes: bos, off (d_model,)."""

    cells: list[Cell]
    bos: Reals
    off: Reals

    def blurred(self, size: float) -> State:
        """The same with every number off by `size` more."""
        if not size:
            return self
        cells = [replace(c, ind=(c.ind + size * (1 + 2 * c.scale)) * UP) for c in self.cells]
        return State(cells, self.bos, (self.off + size) * UP)

    def seen(self, noise: Noise) -> State:
        """The same as matrices read it. What stays in the stream is not what they read, and the two may differ by all of that."""
        if not (noise.read or noise.grain):
            return self
        cells = [replace(c, ind=(c.ind + noise.misread(np.abs(c.x) + c.error()) * (1 + 2 * c.scale)) * UP) for c in self.cells]
        return State(cells, self.bos, (self.off + noise.misread(np.abs(self.bos) + self.off)) * UP)

    def together(self) -> float:
        """A bound on Σ |x| over all dimensions, at any token and at BOS."""
        tokens = sum(
            float(sum((np.abs(self.cells[d].x) + self.cells[d].error() for d in dims), np.zeros(1)).max())
            for dims in self.variables(range(len(self.cells))).values()
        )
        return max(tokens, float((np.abs(self.bos) + self.off).sum())) * UP

    def reach(self, matrix: Reals) -> float:
        """The greatest |x·W| at any token and at BOS, before noise of W. Shape (d_model, width)."""
        size = np.abs(matrix)
        tokens = np.zeros(size.shape[1])
        for dims in self.variables([int(d) for d in np.flatnonzero(size.max(axis=1, initial=0))]).values():
            x, com, ind = self.stack(dims)
            tokens = tokens + ((np.abs(x) + com + ind) @ size[dims]).max(axis=0)
        return float(max(tokens.max(initial=0), ((np.abs(self.bos) + self.off) @ size).max(initial=0))) * UP

    def variables(self, dims: Sequence[int]) -> dict[int | None, list[int]]:
        """Dimensions by variable."""
        found: dict[int | None, list[int]] = {}
        for d in dims:
            found.setdefault(self.cells[d].variable, []).append(d)
        return found

    def stack(self, dims: Sequence[int]) -> tuple[Reals, Reals, Reals]:
        """Dimensions of one variable side by side. Shapes: (cases, dims) each."""
        columns = [self.cells[d] for d in dims]
        x, com = np.stack([c.x for c in columns], axis=1), np.stack([c.com for c in columns], axis=1)
        return x, com, np.stack([c.error() - c.com for c in columns], axis=1)

    def scaled(self, dims: Sequence[int]) -> float:
        """By how much one factor may scale these dimensions alike; 0 where they do not have one, or not the same."""
        cells = [self.cells[d] for d in dims if self.cells[d].x.any()]
        alike = {(c.head, c.scale) for c in cells}
        return next(iter(alike))[1] if len(alike) == 1 else 0.0

    def gathered(self, dims: Sequence[int], rows: dict[int | None, Ints], count: int, scale: float = 0.0) -> tuple[Reals, Reals]:
        """Numbers and errors in joint cases, without the common factor where all have one of at most `scale`. Shapes: (count, dims) each.

        What is e off 0 without that factor f is e/f off with it, and 1/f <= 1 + 2·scale, as scale <= 1/2.
        """
        x, e = np.zeros((count, len(dims))), np.zeros((count, len(dims)))
        for column, d in enumerate(dims):
            cell = self.cells[d]
            at = rows[cell.variable] if cell.variable is not None else np.zeros(count, np.int64)
            off = cell.error()
            if scale:
                off = cell.com + cell.ind if cell.x.any() else off * (1 + 2 * scale)
            x[:, column], e[:, column] = cell.x[at], off[at]
        return x, e


@dataclass(frozen=True, slots=True)
class Projection:
    """What a matrix makes of the dimensions of one variable, as cells are. Shapes: (cases, width) each."""

    x: Reals
    com: Reals
    ind: Reals


def rounding(matrix: Reals, unit: float) -> Reals:
    """What rounding may add to each column's sum, relative to Σ |x·w|, in any order: sums round where two terms are not zero."""
    return (np.count_nonzero(matrix, axis=0) + 2) * (unit + OWN)


def project(state: State, dims: Sequence[int], matrix: Reals, whole: Reals, noise: Noise) -> Projection:
    """x·W with its errors: those of x, those of W, and those of rounding.

    Two tokens of one case differ by what their cells do, times at most (1 + ε)·|W|, and by rounding; all else is alike. A sum that is kept
    in few bits is off by a part of itself, which is at most that part of each variable's share.
    Shapes: matrix (dims, width), of the rows that one variable decides, of `whole`.
    """
    x, com, ind = state.stack(dims)
    size, sizes = np.abs(matrix), np.abs(x) + com + ind
    gamma, eps = rounding(whole, noise.unit), noise.weights
    made, made_com = x @ matrix, com @ size + eps * ((np.abs(x) + com) @ size)
    made_ind = (1 + eps) * (ind @ size) + gamma * (sizes @ size) * (1 + eps)
    return Projection(made, made_com * UP, (made_ind + noise.kept(np.abs(made) + made_com + made_ind)) * UP)
