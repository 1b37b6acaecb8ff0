"""The rule for an MLP: every dimension it touches ends as a claimed code, as zero, or as it was, in every case.

What a block leaves in a dimension is the old content and the hidden units that write there. Terms that share no variable
add independently, so the variables fall into parts. The part that determines the claimed value is compared with its
meaning, case by case, in integers; every other part must be constant (a cleared cell is constantly zero). The block's
output is a sum of units, exact by the rule of rounding; adding it to the stream is one more rounding, exact where the
result is a number of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import networkx as nx
import numpy as np

from .exact import Ints, Reals, Refused, Scaled, add_up, raised
from .stream import Cell, Stream
from .sums import either_way
from .values import Cases, Meanings, Var

MAX_WORK = 1 << 29
CHUNK = 1 << 22


def prove_mlp(stream: Stream, w_in: Scaled, w_out: Scaled, claims: Sequence[tuple[Cell, int]], dtype: str, block: int) -> tuple[int, int]:
    """Show what an MLP block does to the stream, and update the stream; `claims` are (cell, dimension).

    Returns the number of cases looked at and the largest sum in steps. Raises Refused.
    """
    what = f"block {block} (MLP)"
    layer = _Layer(stream, w_in, w_out, dtype, what)
    layer.require_units()
    after = list(stream.cells)
    claimed: dict[tuple[Var, tuple[int, ...]], list[tuple[Cell, int]]] = {}
    for cell, dim in claims:
        claimed.setdefault((cell.var, layer.writers(dim)), []).append((cell, dim))
    done: set[int] = set()
    for (var, units), cells in claimed.items():
        nodes = [var] if isinstance(var, int) else []
        either_way(partial(layer.compare, var, units, cells), stream, w_in.ints, nodes)
        for cell, dim in cells:
            after[dim] = cell
            done.add(dim)
    for dim in sorted(set(map(int, np.flatnonzero(w_out.ints.any(axis=0)))) - done):
        name = f"{what}, dimension {dim}"
        old = stream.cells[dim]
        cases, got = layer.result(layer.writers(dim), [dim], {old.var} if old else set(), name)
        if not got.any():
            after[dim] = None
        elif (wrong := got[:, 0] != raised(stream.column(dim, cases), layer.shift, name)).any():
            raise Refused(f"{name} is neither cleared nor kept nor a value", hint=_case(cases, wrong))
    stream.cells = after
    return layer.cases, layer.steps


@dataclass(slots=True)
class _Layer:
    """One block's matrices over a known stream, counting the cases and the largest sum seen."""

    stream: Stream
    w_in: Scaled
    w_out: Scaled
    dtype: str
    what: str
    cases: int = 0
    steps: int = 0

    def require_units(self) -> None:
        """Every hidden unit is an exact sum, and may enter the next product."""
        most = self.stream.magnitude(self.w_in.ints)
        self.steps = add_up(most, self.w_in.shift, self.dtype, f"{self.what}: a hidden unit")
        add_up(most, self.w_in.shift, self.dtype, f"{self.what}: a hidden unit", enters=True)

    def compare(self, var: Var, units: Sequence[int], cells: Sequence[tuple[Cell, int]], stream: Stream, rows: Ints) -> None:
        """Show that units on a stream, by the weights `rows`, leave a value's code in its cells."""
        layer = replace(self, stream=stream, w_in=Scaled(rows, self.w_in.shift))
        name, dims = f"{self.what}, value {cells[0][0].name}", [dim for _, dim in cells]
        support: set[Var] = {var}
        if isinstance(var, int):
            support = stream.support(var, stream.reads(rows[:, list(units)]), name)
        cases, got = layer.result(units, dims, support, name)
        values = stream.meanings.evaluate(var, cases) if isinstance(var, int) else cases.columns[var]
        for column, (cell, dim) in enumerate(cells):
            wrong = got[:, column] != raised(Meanings.codes(cell.form, values)[:, cell.dim], self.shift, name)
            if wrong.any():
                raise Refused(f"{name}: dimension {dim} is not the code of the value", hint=_case(cases, wrong))
        self.cases, self.steps = layer.cases, layer.steps

    @property
    def shift(self) -> int:
        """Results are in units of 2**-shift."""
        return self.w_in.shift + self.w_out.shift

    def writers(self, dim: int) -> tuple[int, ...]:
        """The hidden units that write a dimension."""
        return tuple(int(u) for u in np.flatnonzero(self.w_out.ints[:, dim]))

    def result(self, units: Sequence[int], dims: list[int], support: set[Var], what: str) -> tuple[Cases, Ints]:
        """The dimensions after the block, over all cases of the part that holds `support`. Shape: (cases, dims)."""
        main: tuple[str, Var] = ("main", 0)
        reads: dict[tuple[str, Var], set[Var]] = {main: support}
        reads |= {("unit", u): self.stream.reads(self.w_in.ints[:, [u]]) for u in units}
        reads |= {("old", d): {cell.var} if (cell := self.stream.cells[d]) else set() for d in dims}
        names = self.stream.unify(set[Var]().union(*reads.values()) - {"one"})
        links: nx.Graph[tuple[str, Var]] = nx.Graph()
        links.add_nodes_from(reads)
        links.add_edges_from((term, ("var", names[v])) for term, variables in reads.items() for v in variables - {"one"})
        total: Ints = np.zeros((1, len(dims)), np.int64)
        largest: Reals = np.zeros((1, len(dims)))
        found: tuple[Cases, Ints, Reals] | None = None
        for group in nx.connected_components(links):
            part: dict[str, list[Var]] = {kind: [v for k, v in group if k == kind] for kind in ("var", "unit", "old")}
            cases, got, size = self._part(part["var"], [int(u) for u in part["unit"]], dims, {int(d) for d in part["old"]}, what)
            if main in group:
                found = cases, got, size
            elif (got != got[0]).any():
                raise Refused(f"{what}: something else shows through", hint=_case(cases, (got != got[0]).any(axis=1)))
            else:
                total, largest = total + got[0], largest + size.max(axis=0)
        assert found is not None
        cases, got, size = found
        self.cases += cases.count
        after = total + got
        for most in (largest + size, np.abs(after)):  # what the block adds, and the stream after that one addition
            self.steps = max(self.steps, add_up(int(most.max(initial=0)), self.shift, self.dtype, what))
        return cases, after

    def _part(self, variables: list[Var], units: list[int], dims: list[int], old: set[int], what: str) -> tuple[Cases, Ints, Reals]:
        """What some units and old contents add up to, and the units' sum of absolute values, for every case of their variables."""
        cases = self.stream.meanings.cases(sorted(variables, key=str), what)
        if cases.count * max(1, len(units)) > MAX_WORK:
            raise Refused(f"{what} has {cases.count:,} cases of {len(units):,} units, too many to enumerate")
        zero = np.zeros(cases.count, np.int64)
        total = np.stack([raised(self.stream.column(d, cases), self.shift, what) if d in old else zero for d in dims], axis=1)
        largest = np.zeros(total.shape)  # int64 may overflow below; this then is beyond 2**53, and refused
        step = max(1, CHUNK // max(1, cases.count))
        for start in range(0, len(units), step):
            some = units[start : start + step]
            hidden = np.maximum(self.stream.combine(self.w_in.ints[:, some], cases), 0)  # (cases, units)
            out = self.w_out.ints[some][:, dims]
            total = total + hidden @ out
            largest = largest + hidden.astype(np.float64) @ np.abs(out).astype(np.float64)
        return cases, total, largest


def _case(cases: Cases, wrong: np.ndarray) -> str:
    row = int(np.flatnonzero(wrong)[0])
    return "for example where " + ", ".join(f"{v} = {cases.columns[v][row]}" for v in cases.variables)
