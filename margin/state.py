"""What a stream holds: for each dimension a number for every case of one variable, and how far from it the model may be.

`com` bounds what is off in the same way wherever the case is the same: it comes from the weights. `ind` bounds the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .terms import Ints

Reals: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Noise:
    """What is allowed for: `weights` relative to each, `stream` absolute after each block, `unit` of the arithmetic, `exp` relative."""

    weights: float = 0.0
    stream: float = 0.0
    unit: float = 2.0**-24
    exp: float = 2.0**-16


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
        """How far the model may be, the common factor included."""
        return self.com + self.ind + self.scale * (np.abs(self.x) + self.com + self.ind)


ZERO = Cell(None, np.zeros(1), np.zeros(1), np.zeros(1))


@dataclass(slots=True)
class State:
    """All dimensions at tokens, and at BOS the numbers and their errors. Shapes: bos, off (d_model,)."""

    cells: list[Cell]
    bos: Reals
    off: Reals

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

    def gathered(self, dims: Sequence[int], rows: dict[int | None, Ints], count: int, apart: bool = False) -> tuple[Reals, Reals]:
        """Numbers and errors in joint cases, without the common factor where it is kept `apart`. Shapes: (count, dims) each."""
        x, e = np.zeros((count, len(dims))), np.zeros((count, len(dims)))
        for column, d in enumerate(dims):
            cell = self.cells[d]
            at = rows[cell.variable] if cell.variable is not None else np.zeros(count, np.int64)
            x[:, column], e[:, column] = cell.x[at], (cell.com + cell.ind if apart else cell.error())[at]
        return x, e


@dataclass(frozen=True, slots=True)
class Projection:
    """What a matrix makes of the dimensions of one variable. Shapes: (cases, width) each."""

    x: Reals
    com: Reals
    ind: Reals


def rounding(matrix: Reals, unit: float) -> Reals:
    """What rounding may add to each column's sum, relative to Σ |x·w|, in any order: sums round where two terms are not zero."""
    return (np.count_nonzero(matrix, axis=0) + 2) * unit


def project(state: State, dims: Sequence[int], matrix: Reals, whole: Reals, noise: Noise) -> Projection:
    """x·W with its errors: those of x, those of W, and those of rounding.

    Shapes: matrix (dims, width), of the rows that one variable decides, of `whole`.
    """
    x, com, ind = state.stack(dims)
    size, sizes = np.abs(matrix), np.abs(x) + com + ind
    gamma = rounding(whole, noise.unit)
    return Projection(x @ matrix, com @ size + noise.weights * (sizes @ size), ind @ size + gamma * (sizes @ size))
