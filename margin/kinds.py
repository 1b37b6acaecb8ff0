"""What the units read that write a dimension, with as few cells and as few cases as say all of it."""

from __future__ import annotations

import math

import numpy as np

from .state import UP, Cell, Reals, State
from .terms import Ints

APART = 1 << 10  # joint cases above which a sum is looked at once for each of its values


def gated(state: State, w_in: Reals, w_out: Reals, dims: list[int], kinds: Kinds) -> bool:
    """Whether dimensions read few kinds of cells each, as gates do, so that all joint cases of them can be looked at; three are tried."""
    for d in dict.fromkeys((dims[0], dims[len(dims) // 2], dims[-1])):
        cells, _, _, _, _ = reading(state, w_in, w_out, d)
        if math.prod(int(kind.max(initial=0)) + 1 for kind in kinds.few(cells)[1].values()) > APART:
            return False
    return True


def reading(state: State, w_in: Reals, w_out: Reals, d: int) -> tuple[list[Cell], Reals, Reals, Ints, Reals]:
    """What units read that write a dimension: cells, it the first; a row of weights for each; what they write; how many terms each has;
    and of how many dimensions each cell is.

    Cells of one variable that all units read alike are one, their sum: they add to every pre-activation by one weight, and its noise is at
    most that of theirs, as none of them is negative. Shapes: (cells, units), (units,), (units,), (cells,).
    """
    units = np.flatnonzero(w_out[:, d]) if w_out.size else np.array([], int)
    w = w_in[:, units]
    dims = [d, *(int(r) for r in np.flatnonzero(np.abs(w).max(axis=1, initial=0)) if r != d)]
    alike: dict[tuple[object, ...], list[int]] = {}
    for r in dims:
        cell = state.cells[r]
        alone = r == d or cell.scale > 0 or cell.x.min() < 0
        alike.setdefault((r,) if alone else (cell.variable, w[r].tobytes()), []).append(r)
    cells: list[Cell] = []
    for some in alike.values():
        first = state.cells[some[0]]
        if len(some) > 1:
            x, com, ind = (np.sum([getattr(state.cells[r], part) for r in some], axis=0) for part in ("x", "com", "ind"))
            first = Cell(first.variable, x, com * UP, ind * UP)
        cells.append(first)
    many = np.array([len(some) for some in alike.values()], float)
    return cells, w[[some[0] for some in alike.values()]], w_out[units, d], np.count_nonzero(w[dims], axis=0), many


class Kinds:
    """Cases that hold the same in some cells, found once for each set of cells."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[list[Cell], Ints, Ints]] = {}

    def few(self, cells: list[Cell]) -> tuple[list[Cell], dict[int, Ints]]:
        """Cells by kind of case, and each variable's kind by case. Cases of one kind hold the same; what is off is the most of them.

        Where one variable decides all, each case is a kind.
        """
        made, kinds = list(cells), dict[int, Ints]()
        variables = [v for v in dict.fromkeys(c.variable for c in cells) if v is not None]
        if len(variables) == 1:
            return made, {variables[0]: np.arange(max(len(c.x) for c in cells))}
        for v in variables:
            at = [i for i, c in enumerate(cells) if c.variable == v]
            first, kinds[v] = self._of([cells[i] for i in at])
            for i in at:
                c = cells[i]
                com, ind = np.zeros(len(first)), np.zeros(len(first))
                np.maximum.at(com, kinds[v], c.com)
                np.maximum.at(ind, kinds[v], c.ind)
                made[i] = Cell(v, c.x[first], com, ind, c.scale, c.head)
        return made, kinds

    def _of(self, cells: list[Cell]) -> tuple[Ints, Ints]:
        """The first case of each kind, and the kind of each case."""
        told = [c for c in cells if (c.x != c.x[0]).any()]
        if not told:
            return np.zeros(1, np.int64), np.zeros(len(cells[0].x), np.int64)
        key = tuple(map(id, told))
        if key not in self._known:
            _, first, kind = np.unique(np.stack([c.x for c in told], axis=1), axis=0, return_index=True, return_inverse=True)
            self._known[key] = told, first, kind.ravel()  # the cells stay, so that no other gets their number
        return self._known[key][1:]
