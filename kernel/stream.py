"""Codes, and the residual stream between blocks: each dimension is exactly zero, or holds one dimension of the code of a term.

A value v in the form (kind, off, top, parts, radix) is z = v - off where 1 <= z <= top, else it is coded like ⊥: as zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .numbers import LARGEST, NONE, Ints, Reals, Rejected, exact, raised
from .rewrite import linear
from .terms import ONE, Cases, Terms

KINDS = ("digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log")
BLOCK = 1 << 16  # cases that are compared at a time


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

    @property
    def logits(self) -> int:
        """Logits of an output in this form: one for ⊥ (class 0) and one for each value, or the logarithm itself."""
        return 1 if self.kind == "log" else self.top + 1

    @property
    def base(self) -> int:
        """The base of digits: `radix`, or the least in which `top` has at most `parts` of them."""
        b = self.radix or max(2, int(self.top ** (1 / self.parts)) - 1)
        while not self.radix and b**self.parts <= self.top:
            b += 1
        return b

    def codes(self, values: Ints, dim: int) -> Ints:
        """Dimension `dim` of the codes of values, ⊥ (NONE) as zero. Same shape."""
        values = np.atleast_1d(values)
        z = np.where((values > self.off) & (values <= self.off + self.top), values - self.off, 0)
        match self.kind:
            case "digits" if self.whole():
                return z
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

    def whole(self) -> bool:
        """Whether the code is the number z itself."""
        return (self.kind, self.parts, self.radix) == ("digits", 1, 0)


class Cell(NamedTuple):
    """Dimension `dim` of the code of a term, and the least and greatest number that it can be."""

    term: int
    form: Form
    dim: int
    least: int
    most: int


def claims(terms: Terms, rows: Sequence[Sequence[Any]], d_model: int, dtype: str) -> dict[int, Cell]:
    """What dimensions are said to hold: rows of term, form, the code's dimension and the stream's; none twice. All may enter products."""
    found: dict[int, Cell] = {}
    for term, form, dim, place in rows:
        form = Form(*form).check(f"term {term}")
        if not (0 <= term < len(terms.list) and 0 <= dim < form.width and 0 <= place < d_model) or terms.list[term].op == "lookup":
            raise Rejected(f"term {term} claims dimensions that are none of its form or of the stream")
        codes = form.codes(terms.domain(term), dim)
        found[place] = Cell(term, form, dim, int(codes.min()), int(codes.max()))
        exact(max(abs(found[place].least), abs(found[place].most)), 0, dtype, f"dimension {place}", enters=True)
    if len(found) != len(rows):
        raise Rejected("a dimension is claimed twice")
    return found


@dataclass(frozen=True, slots=True)
class Stream:
    """What every dimension holds now; None is exactly zero. BOS is the zero vector, and stays so."""

    terms: Terms
    cells: tuple[Cell | None, ...]

    def live(self) -> npt.NDArray[np.bool_]:
        """Which dimensions may be other than zero. Shape: (d_model,)."""
        return np.array([c is not None for c in self.cells])

    def held(self, rows: Ints) -> list[tuple[int, Cell]]:
        """The dimensions that are read with a nonzero weight, and their cells. Shape: rows (d_model, ...)."""
        used = np.flatnonzero(rows.any(axis=1))
        return [(int(d), some) for d in used if (some := self.cells[d]) is not None]

    def read(self, rows: Ints, cases: Cases, what: str) -> Reals:
        """Σ stream_d · rows[d], in every case: whole numbers below 2**53. Shapes: rows (d_model, e) -> (e, cases)."""
        held, alike, width = self.held(rows), dict[tuple[int, ...], list[tuple[int, Ints]]](), rows.shape[1]
        if self.sizes(rows).max(initial=0) >= LARGEST:
            raise Rejected(f"{what} computes with numbers beyond 2**53")
        values = self.terms.grids([some.term for _, some in held], cases, what)
        for (d, some), grid in zip(held, values, strict=True):  # what depends on the same variables is multiplied together, then spread
            code = some.form.codes(grid, some.dim)
            alike.setdefault((1,) * (len(cases.shape) - code.ndim) + code.shape, []).append((d, code))
        found = np.zeros((width, *(1 for _ in cases.shape)))
        for shape, part in alike.items():
            table = np.stack([code.reshape(-1) for _, code in part]).astype(float)  # (dims, cases of these variables)
            found = found + (rows[[d for d, _ in part]].T.astype(float) @ table).reshape(width, *shape)
        return np.broadcast_to(found, (width, *cases.shape)).reshape(width, cases.count)

    def sizes(self, rows: Ints) -> Reals:
        """For each e a bound that no partial sum of Σ_d stream_d · rows[d, e] exceeds. Shapes: rows (d_model, e) -> (e,).

        It is the sum of the absolute values; of two numbers, which have no partial sums but the result, the largest of the three.
        """
        held = self.held(rows)
        part = rows[[d for d, _ in held]].astype(float)  # (held, e)
        ends = np.array([(some.least, some.most) for _, some in held], float).reshape(-1, 2, 1) * part[:, None]  # (held, 2, e)
        low, high, most = ends.min(axis=1), ends.max(axis=1), np.abs(ends).max(axis=1, initial=0)
        pair = np.maximum(most.max(axis=0, initial=0), np.maximum(-low.sum(axis=0), high.sum(axis=0)))
        return np.where((part != 0).sum(axis=0) <= 2, pair, most.sum(axis=0))

    def with_sums(self, rows: Ints, sums: Iterable[tuple[int, Sequence[int]]]) -> tuple[Stream, Ints]:
        """Rule SUM: the stream and the weights on it, (d_model, e), with dimensions more for sums that the program computes.

        For a sum s = Σ c_j x_j + k of values never ⊥, each in a dimension as the number x_j - off_j, and any λ,
        Σ w_j (x_j - off_j) = Σ (w_j - λ c_j) (x_j - off_j) + λ (s - k - Σ c_j off_j). λ is taken such that the first sum vanishes, or 0.
        """
        terms, cells, constant = self.terms, [*self.cells, Cell(ONE, Form("digits", 0, 1), 0, 1, 1)], len(self.cells)
        weights = np.concatenate([rows, np.zeros((1, rows.shape[1]), np.int64)])
        for number, dims in sums:
            parts = [c for d in dims if (c := self.cells[d]) is not None]
            reps, spans = [terms.find(c.term) for c in parts], [terms.ranges[c.term] for c in parts]
            (found, added), (low, high, none, _) = linear(terms, number, reps), terms.ranges[number]
            factors = [found.pop(rep, 0) for rep in reps]
            whole = all(not s.none and c.form.whole() and c.least == s.lo - c.form.off >= 1 for s, c in zip(spans, parts, strict=True))
            if none or not whole or len(parts) != len(dims) or not all(factors) or any(found.values()):
                raise Rejected(f"term {number} is no sum of what dimensions {dims} hold as whole numbers")
            at, column = list(dims), np.array(factors)[:, None]
            lam = weights[at[0]] // factors[0]
            lam = np.where((weights[at] == lam * column).all(axis=0), lam, 0)
            base = low - 1 - added - sum(f * c.form.off for f, c in zip(factors, parts, strict=True))  # the new dimension holds s - lo + 1
            if (int(np.abs(lam).max(initial=0)) + 1) * (abs(base) + abs(high) + abs(low)) >= 2**55:
                raise Rejected(f"the weights on term {number} leave 62 bits")
            weights[at] -= lam * column
            weights[constant] += lam * base
            weights = np.concatenate([weights, lam[None, :]])
            cells.append(Cell(number, Form("digits", low - 1, high - low + 1), 0, 1, high - low + 1))
        return replace(self, cells=tuple(cells)), weights


def shown(
    stream: Stream,
    rows: Ints,
    shift: int,
    term: int,
    wanted: Callable[[Ints], Ints],
    script: Mapping[str, Any],
    what: str,
    no: str,
    cut: bool = False,
) -> None:
    """In every case of some variables, weights on the stream give what is wanted of a term's value, in units of 2**-shift.

    A script says which terms are the variables, "over", and which sums are read instead of what they sum, "sums".
    """
    wide, rows = stream.with_sums(rows, script["sums"])
    for cases in wide.terms.cases(script["over"], what, cut, BLOCK):
        (value,) = wide.terms.values([term], cases, what)
        wrong = (wide.read(rows, cases, what) != raised(wanted(value), shift, what).reshape(rows.shape[1], cases.count)).any(axis=0)
        if wrong.any():
            raise Rejected(f"{what}: {no}", example(cases, wrong))


def example(cases: Cases, wrong: np.ndarray) -> str:
    """The first case in which something fails, as `12=3,14=none`."""
    at, found = int(np.flatnonzero(wrong)[0]), {v: cases.flat(grid) for v, grid in cases.values.items()}
    return ",".join(f"{v}={'none' if x[at] == NONE else x[at]}" for v, x in found.items())
