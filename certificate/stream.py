"""The residual stream between blocks: each dimension is zero, or holds one dimension of a known code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..compiler.forms import Form
from .exact import Ints, Refused, add_up
from .values import MAX_CASES, Cases, Meanings, Var, coded, run, weighted


@dataclass(frozen=True, slots=True)
class Cell:
    """Dimension `dim` of the code of a variable (or of a node, `var` being its variable)."""

    var: Var
    form: Form
    dim: int
    name: str


@dataclass(slots=True)
class Stream:
    """What every dimension holds now; `cells[d]` None means exactly zero. BOS is zero throughout.

    `most` is how many cases may be enumerated, and what depends on one of `sources` alone counts as that (see `unify`).
    """

    meanings: Meanings
    cells: list[Cell | None]
    most: int = MAX_CASES
    sources: tuple[Var, ...] = ("token", "position")

    def placed(self) -> set[Var]:
        """The variables that can be read."""
        return {c.var for c in self.cells if c is not None}

    def support(self, node: int, read: set[Var], what: str) -> set[Var]:
        """The variables that determine a node: among those that are read, if they do, else among all that are there."""
        try:
            return self.meanings.support(node, read, what)
        except Refused:
            return self.meanings.support(node, self.placed(), what)

    def column(self, dim: int, cases: Cases) -> Ints:
        """What dimension `dim` holds in every case."""
        cell = self.cells[dim]
        if cell is None:
            return np.zeros(cases.count, np.int64)
        return coded(cell.form, cell.dim, self.meanings.evaluate(cell.var, cases))

    def cases(self, variables: Iterable[Var], what: str, cut: int = 0) -> Cases:
        """All combinations of variables, of those computed from others of them the others only. Raises TooMany."""
        return self.meanings.cases(list(set(self.unify(set(variables) - {"one"}).values())), what, cut, self.most)

    def unify(self, variables: set[Var]) -> dict[Var, Var]:
        """What each variable is computed from, where that is another of them; itself otherwise.

        Variables that depend on the position alone count as the position where several of them meet; so for tokens, where
        `sources` has them. One that depends on a single other one (a prefix of its bits, say) counts as that one.
        """
        names: dict[Var, Var] = {v: v for v in variables}
        for source in self.sources:
            members: list[Var] = [v for v in variables if v == source or self.meanings.source(v) == source]
            if len(members) > 1:
                names.update((v, source) for v in members)
        for v in sorted(v for v in variables if isinstance(v, int) and names[v] == v):  # arguments come first
            origin = self.meanings.origin(v, variables - {v})
            if origin is not None:
                names[v] = names[origin]
        return names

    def reads(self, rows: Ints) -> set[Var]:
        """The variables behind the dimensions with a nonzero weight. Shape: rows (d_model, ...)."""
        used = np.flatnonzero(rows.reshape(len(rows), -1).any(axis=1))
        return {cell.var for d in used if (cell := self.cells[d]) is not None}

    def combine(self, rows: Ints, cases: Cases, only: set[Var] | None = None) -> Ints:
        """Σ_d stream_d · rows[d] in every case, over the dimensions of `only` these variables. Shapes: rows (d_model, e) -> (cases, e)."""
        held = [(d, cell) for d in np.flatnonzero(rows.any(axis=1)) if (cell := self.cells[d]) and (only is None or cell.var in only)]
        steps, numbers, met = self.meanings.steps([cell.var for _, cell in held], cases.variables)
        values = run(steps, cases.grids(met), cases.rank)
        read = [(values[number], cell.form, cell.dim) for number, (_, cell) in zip(numbers, held, strict=True)]
        return cases.flat(weighted(read, rows[[d for d, _ in held]], cases.rank)).T

    def magnitude(self, rows: Ints) -> int:
        """A bound over e that no partial sum of Σ_d stream_d · rows[d, e] exceeds. Shape: rows (d_model, e).

        It is the sum of the absolute values; of two terms alone, whose only partial sums are themselves and the result,
        the largest of the three.
        """
        total, pair = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        low, high, terms = np.zeros(rows.shape[1]), np.zeros(rows.shape[1]), np.zeros(rows.shape[1], np.int64)
        for d, cell in enumerate(self.cells):
            if cell is not None and rows[d].any():
                row, ends = rows[d].astype(np.float64), self.meanings.ends(cell.var, cell.form, cell.dim)
                size = max(map(abs, ends)) * np.abs(row)
                total, pair, terms = total + size, np.maximum(pair, size), terms + (row != 0)
                low, high = low + np.minimum(ends[0] * row, ends[1] * row), high + np.maximum(ends[0] * row, ends[1] * row)
        pair = np.maximum(pair, np.maximum(np.abs(low), np.abs(high)))
        return int(np.where(terms <= 2, pair, total).max(initial=0))

    def require(self, dtype: str) -> None:
        """Every number that can be there may enter a product as it is."""
        for cell in self.cells:
            if cell is not None:
                add_up(self.meanings.largest(cell.var, cell.form, cell.dim), 0, dtype, f"value {cell.name}", enters=True)

    def place(self, dim: int, cell: Cell) -> None:
        """Say what a dimension holds from now on. Refuses to overwrite."""
        if self.cells[dim] is not None:
            raise Refused(f"dimension {dim} is claimed for {cell.name} while it holds {self.cells[dim]}")
        self.cells[dim] = cell
