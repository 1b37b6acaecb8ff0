"""Any finite function, written out: one hidden unit per entry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..codes.forms import Form, Ints
from ..codes.linear import ONE, Lin, Unit
from ..domain import Domain, Kind, Sizes
from .base import Gadgets, Local, Operand


@dataclass(frozen=True)
class Table(Local):
    """`entries` in row-major order over the argument ranges, which start at `starts` and have `shape` values.

    None entries are ⊥. A table over `none` arguments is strict: ⊥ in any argument gives ⊥.
    """

    kind: Kind
    starts: tuple[int, ...]
    shape: tuple[int, ...]
    entries: tuple[int | None, ...]
    title: str = "f"
    name: ClassVar[str] = "table"

    def arity(self) -> int:
        return max(1, len(self.shape))

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        if not len(args) == len(self.shape) == len(self.starts) or min(self.shape) < 0 or math.prod(self.shape) != len(self.entries):
            return "shape, starts and entries do not belong together"
        bounds = {"token": (0, len(sizes.alphabet) - 1), "bool": (0, 1), "label": (0, len(sizes.labels) - 1)}.get(self.kind)
        if bounds and any(e is not None and not bounds[0] <= e <= bounds[1] for e in self.entries):
            return f"an entry is not {self.kind}"
        return ""

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        values = [e for e in self.entries if e is not None]
        none = len(values) < len(self.entries) or any(a.none for a in args)
        if self.kind == "bool":
            return Domain("bool", 0, 1, none)
        if not values:
            return Domain(self.kind, 1, 0, True)  # no value at all
        return Domain(self.kind, min(values), max(values), none)

    def meaning(self, *values: int | None) -> int | None:
        index = 0
        for v, start, size in zip(values, self.starts, self.shape, strict=True):
            if v is None or not 0 <= v - start < size:
                return None
            index = index * size + v - start
        return self.entries[index]

    def label(self) -> str:
        return f"table {self.title}{list(self.shape)}"

    def gather(self, columns: Sequence[Ints], out: Form) -> Ints:
        """The codes of the result for columns of argument values, all of them within the argument ranges."""
        codes = np.array([0 if e is None else e - out.off for e in self.entries], np.int64)
        index = np.zeros(len(columns[0]), np.int64)
        inside = np.ones(len(columns[0]), bool)
        for column, start, size in zip(columns, self.starts, self.shape, strict=True):
            inside &= (column >= start) & (column < start + size)
            index = index * size + column - start
        return np.where(inside, codes[np.where(inside, index, 0)], 0) if len(codes) else np.zeros_like(index)

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # Entry j fires on its own input only: relu(1 - Σ (z_i - j_i)²) is 1 there and 0 at every other integer point.
        # The squares z_i² are read from the stream, so the argument of relu is linear in what is there.
        squares = [(cell, -k) for arg in args for cell, k in arg.square().terms]
        units: list[Unit] = []
        for index, entry in zip(itertools.product(*(range(n) for n in self.shape)), self.entries, strict=True):
            if entry is None:
                continue
            codes = [i + start - a.form.off for i, start, a in zip(index, self.starts, args, strict=True)]
            if any(not 1 <= z <= a.form.top for z, a in zip(codes, args, strict=True)):
                continue  # outside what the argument can be
            products = [(cell, 2 * z * k) for z, arg in zip(codes, args, strict=True) for cell, k in arg.z.terms]
            constant = [(cell, k * (1 - sum(z * z for z in codes))) for cell, k in ONE.terms]
            units.append(Unit(Lin.of((*constant, *squares, *products)), (entry - out.off,), peak=1, alone=True))
        return units
