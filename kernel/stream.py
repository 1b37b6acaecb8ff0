"""Codes, and the residual stream between blocks: each dimension is exactly zero, or holds one dimension of the code of a term.

A value v in the form (kind, off, top, parts, radix) is z = v - off where 1 <= z <= top, else it is coded like ⊥: as zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .numbers import LARGEST, NONE, Ints, Rejected, exact
from .terms import ONE, Cases, Terms, run

KINDS = ("digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log")


@dataclass(frozen=True, slots=True)
class Form:
    """How values are written: kind, shift, greatest shifted value, and digits (of floor the step, of log the bits behind the point)."""

    kind: str
    off: int
    top: int
    parts: int = 1
    radix: int = 0

    def check(self, what: str) -> Form:
        """The form, if there is one: with codes of whole numbers below 2**53, and logarithms that float64 rounds right."""
        numbers = (self.off, self.top, self.parts, self.radix)
        good = self.kind in KINDS and all(type(x) is int for x in numbers) and abs(self.off) <= LARGEST and 1 <= self.top <= LARGEST
        good = good and 1 <= self.parts <= {"floor": LARGEST, "log": 24}.get(self.kind, 53)
        good = good and (self.radix == 0 or (self.kind == "digits" and self.parts == 2 and 2 <= self.radix <= self.top))
        if not good or (self.kind == "norm" and self.top ** (2 / self.parts) * self.parts > LARGEST / 8):
            raise Rejected(f"{what} is in a form that is none: {self}")
        return self

    @property
    def width(self) -> int:
        """Dimensions it takes."""
        return {"digits": self.parts, "signs": self.top.bit_length(), "onehot": self.top, "log": 2}.get(self.kind, 1)

    def codes(self, values: Ints, dim: int) -> Ints:
        """Dimension `dim` of the codes of values, ⊥ (NONE) as zero. Same shape."""
        z = np.where(values == NONE, 0, values - self.off)
        z = np.where((z >= 1) & (z <= self.top), z, 0)
        match self.kind:
            case "digits":
                return z // self.base**dim % self.base
            case "norm":
                return sum(((z // self.base**d % self.base) ** 2 for d in range(self.parts)), start=np.zeros_like(z))
            case "flag":
                return (z > 0).astype(np.int64)
            case "floor":
                return z // self.parts
            case "fill":
                return np.where(z > 0, self.top, 0)
            case "signs":
                return np.where(z > 0, 2 * (z >> dim & 1) - 1, 0)
            case "onehot":
                return (z == dim + 1).astype(np.int64)
            case _:
                v = np.where(z > 0, np.maximum(z + self.off, 0), 0)
                return np.rint(np.log(np.maximum(v, 1)) * 2**self.parts).astype(np.int64) if dim == 0 else np.minimum(v, 1)

    @property
    def base(self) -> int:
        """The base of digits: `radix`, or the least in which `top` has at most `parts` of them."""
        b = self.radix or max(2, int(self.top ** (1 / self.parts)) - 1)
        while not self.radix and b**self.parts <= self.top:
            b += 1
        return b


def coded(form: Form, dim: int, values: Ints) -> Ints:
    """The same, by a table where values repeat."""
    flat = values.reshape(-1)
    given = flat[flat != NONE] if len(flat) > 64 else flat[:0]
    lo, hi = (int(given.min()), int(given.max())) if len(given) else (0, 0)
    if not len(given) or hi - lo + 2 >= len(flat):
        return form.codes(values, dim)
    table = form.codes(np.append(np.arange(lo, hi + 1), NONE), dim)
    return table[np.where(values == NONE, hi + 1, values) - lo]


@dataclass(frozen=True, slots=True)
class Cell:
    """Dimension `dim` of the code of a term."""

    term: int
    form: Form
    dim: int


@dataclass(slots=True)
class Stream:
    """What every dimension holds now; None is exactly zero. BOS is the zero vector, and stays so."""

    terms: Terms
    cells: list[Cell | None]
    known: dict[Cell, tuple[int, int]] = field(default_factory=dict)  # the ends of cells met before

    def held(self, rows: Ints) -> list[tuple[int, Cell]]:
        """The dimensions that are read with a nonzero weight, and their cells. Shape: rows (d_model, ...)."""
        used = np.flatnonzero(rows.reshape(len(rows), -1).any(axis=1))
        return [(int(d), cell) for d in used if (cell := self.cells[d]) is not None]

    def ends(self, cell: Cell) -> tuple[int, int]:
        """The least and greatest number a cell can hold."""
        if cell not in self.known:
            codes = coded(cell.form, cell.dim, self.terms.domain(cell.term))
            self.known[cell] = int(codes.min()), int(codes.max())
        return self.known[cell]

    def combine(self, rows: Ints, held: Sequence[tuple[int, Cell]], cases: Cases, what: str) -> Ints:
        """Σ stream_d · rows[d] over some dimensions, in every case. Shapes: rows (d_model, e) -> (cases, e)."""
        steps, numbers, met = self.terms.plan([cell.term for _, cell in held], cases.over, what)
        grids = cases.grids()
        values = run(steps, {i: grids[v] for i, v in enumerate(met)}, len(cases.shape))
        total = np.zeros((rows.shape[1], *(1,) * len(cases.shape)), np.int64)
        for number, (d, cell) in sorted(zip(numbers, held, strict=True), key=lambda some: values[some[0]].size):
            total = total + rows[d].reshape(-1, *(1,) * len(cases.shape)) * coded(cell.form, cell.dim, values[number])
        return cases.flat(total).T

    def magnitude(self, rows: Ints) -> int:
        """A bound over e that no partial sum of Σ_d stream_d · rows[d, e] exceeds. Shape: rows (d_model, e).

        It is the sum of the absolute values; of two numbers, which have no partial sums but the result, the largest of the three.
        """
        size = pair = low = high = np.zeros(rows.shape[1])
        terms = np.zeros(rows.shape[1], np.int64)
        for d, cell in self.held(rows):
            row, (lo, hi) = rows[d].astype(np.float64), self.ends(cell)
            most = max(abs(lo), abs(hi)) * np.abs(row)
            size, pair, terms = size + most, np.maximum(pair, most), terms + (row != 0)
            low, high = low + np.minimum(lo * row, hi * row), high + np.maximum(lo * row, hi * row)
        pair = np.maximum(pair, np.maximum(np.abs(low), np.abs(high)))
        return int(np.where(terms <= 2, pair, size).max(initial=0))

    def require(self, dtype: str) -> None:
        """Every number that can be there may enter a product as it is."""
        for d, cell in enumerate(self.cells):
            if cell is not None:
                exact(max(map(abs, self.ends(cell))), 0, dtype, f"dimension {d}", enters=True)

    def place(self, dim: int, cell: Cell) -> None:
        """Say what a dimension holds from now on. Rejects overwriting."""
        if not 0 <= dim < len(self.cells) or self.cells[dim] is not None:
            raise Rejected(f"dimension {dim} is claimed for term {cell.term}, and is not free")
        self.cells[dim] = cell

    # --- rule SUM ----------------------------------------------------------------------------------------

    def with_sums(self, rows: Ints, sums: Iterable[int]) -> tuple[Stream, Ints]:
        """The stream and the weights on it, (d_model, e), with dimensions more for sums that the program computes.

        Columns whose weights on the cells of the summed values are w_j = λ·c_j read the sum instead:
        Σ w_j (x_j - off_j) = λ·(sum - constant) - Σ w_j off_j, each x_j being never ⊥ and held as one number x_j - off_j.
        """
        cells, terms = list(self.cells), self.terms
        constant = len(cells)  # a dimension that holds 1
        cells.append(Cell(ONE, Form("digits", 0, 1), 0))
        weights = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.int64)])
        for number in sums:
            span = terms.ranges[number]
            parts, added = linear(terms, number, {terms.find(c.term) for c in self.cells if c is not None})
            parts = {rep: c for rep, c in parts.items() if c}
            dims = {d: parts[rep] for d, c in enumerate(cells) if c and (rep := terms.find(c.term)) in parts and self._whole(c)}
            if not parts or {terms.find(cells[d].term) for d in dims} != set(parts) or span.none:  # pyright: ignore[reportOptionalMemberAccess]
                raise Rejected(f"term {number} is no sum of what the stream holds as whole numbers")
            used = [d for d in dims if weights[d].any()]
            factors = np.array(list(parts.values()), np.int64)
            groups = [[d for d in dims if terms.find(cells[d].term) == rep] for rep in parts]  # pyright: ignore[reportOptionalMemberAccess]
            read = np.stack([weights[some].sum(axis=0) for some in groups])  # (values, e)
            alone = np.stack([np.count_nonzero(weights[some], axis=0) <= 1 for some in groups]).all(axis=0)
            lam = read[0] // factors[0]
            through = alone & (read == lam * factors[:, None]).all(axis=0) & (lam != 0)
            offsets = np.array([cells[d].form.off for d in used], np.int64)  # pyright: ignore[reportOptionalMemberAccess]
            lam, taken = np.where(through, lam, 0), np.where(through, weights[used], 0)
            reach = np.abs(offsets).astype(float) @ np.abs(taken).astype(float)
            reach += np.abs(lam).astype(float) * (abs(span.lo) + abs(span.hi) + abs(added) + 2)
            if (reach >= 2.0**55).any() or len(cells) > len(self.cells) + 60:
                raise Rejected(f"the weights on term {number} leave 62 bits")
            weights[used] -= taken
            weights[constant] += lam * (span.lo - 1 - added) - offsets @ taken  # the new cell holds sum - lo + 1
            weights = np.concatenate([weights, lam[None, :]])
            cells.append(Cell(number, Form("digits", span.lo - 1, span.hi - span.lo + 1), 0))
        return replace(self, cells=cells), weights

    def _whole(self, cell: Cell) -> bool:
        """Whether a cell holds its term, never ⊥, as value - off."""
        span, form = self.terms.ranges[cell.term], cell.form
        one = form.kind == "digits" and form.parts == 1 and not form.radix
        return one and not span.none and form.off < span.lo and span.hi <= form.off + form.top


def linear(terms: Terms, number: int, stop: Collection[int] = ()) -> tuple[dict[int, int], int]:
    """A term as a sum of multiples of terms (representatives) and a constant: sums of sums multiplied out, but for those in `stop`."""
    found: dict[int, int] = {}
    pending, constant = {number: 1}, 0
    while pending:  # later terms first: what they sum is earlier, so each is met once, with all its factors
        here = max(pending)
        factor, term, rep = pending.pop(here), terms.list[here], terms.find(here)
        if term.op == "affine" and (rep not in stop or here == number):
            constant += factor * term.fields[1]
            for c, a in zip(term.fields[0], term.args, strict=True):
                pending[a] = pending.get(a, 0) + factor * c
        elif term.op == "const" and term.fields[0] is not None:
            constant += factor * term.fields[0]
        else:
            found[rep] = found.get(rep, 0) + factor
    return found, constant
