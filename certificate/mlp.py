"""The rule for an MLP: every dimension it touches ends as a claimed code, as zero, or as it was, in every case.

What a block leaves in a dimension is the old content and the hidden units that write there. Terms that share no variable
add independently, so the variables fall into parts. The part that determines the claimed value is compared with its
meaning, case by case, in integers; every other part must be constant (a cleared cell is constantly zero). The block's
output is a sum of units, exact by the rule of rounding; adding it to the stream is one more rounding, exact where the
result is a number of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from .exact import Ints, Scaled, add_up
from .question import Answer, Question, answer
from .stream import Cell, Stream
from .sums import either_way
from .values import Var


def prove_mlp(
    stream: Stream,
    w_in: Scaled,
    w_out: Scaled,
    claims: Sequence[tuple[Cell, int]],
    dtype: str,
    block: int,
    answers: dict[Question, Answer],
) -> tuple[int, int]:
    """Show what an MLP block does to the stream, and update the stream; `claims` are (cell, dimension), `answers` of earlier blocks.

    Returns the number of cases looked at and the largest sum in steps. Raises Refused.
    """
    what = f"block {block} (MLP)"
    layer = _Layer(stream, w_in, w_out, dtype, what, answers)
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
        if layer.ask(layer.writers(dim), [dim], {old.var} if old else set(), name, None, stream, w_in.ints).cleared:
            after[dim] = None
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
    answers: dict[Question, Answer]
    cases: int = 0
    steps: int = 0

    def require_units(self) -> None:
        """Every hidden unit is an exact sum, and may enter the next product."""
        most = self.stream.magnitude(self.w_in.ints)
        self.steps = add_up(most, self.w_in.shift, self.dtype, f"{self.what}: a hidden unit")
        add_up(most, self.w_in.shift, self.dtype, f"{self.what}: a hidden unit", enters=True)

    def compare(self, var: Var, units: Sequence[int], cells: Sequence[tuple[Cell, int]], stream: Stream, rows: Ints) -> None:
        """Show that units on a stream, by the weights `rows`, leave a value's code in its cells."""
        name = f"{self.what}, value {cells[0][0].name}"
        support: set[Var] = {var}
        if isinstance(var, int):
            support = stream.support(var, stream.reads(rows[:, list(units)]), name)
        self.ask(units, [dim for _, dim in cells], support, name, (var, [cell for cell, _ in cells]), stream, rows)

    def writers(self, dim: int) -> tuple[int, ...]:
        """The hidden units that write a dimension."""
        return tuple(int(u) for u in np.flatnonzero(self.w_out.ints[:, dim]))

    def ask(
        self,
        units: Sequence[int],
        dims: Sequence[int],
        support: set[Var],
        what: str,
        claim: tuple[Var, Sequence[Cell]] | None,
        stream: Stream,
        rows: Ints,
    ) -> Answer:
        """What units leave in some dimensions, asked as a question without names. `support` are the variables of what is claimed."""
        rows, out = rows[:, list(units)], self.w_out.ints[list(units)][:, list(dims)]
        held = [(d, c) for d in sorted({*np.flatnonzero(rows.any(axis=1)).tolist(), *dims}) if (c := stream.cells[d]) is not None]
        read: set[Var] = {cell.var for _, cell in held}
        variables = set(stream.unify((read | support) - {"one"}).values())
        wanted: list[Var] = [] if claim is None else [claim[0]]
        steps, numbers, met = stream.meanings.steps([*wanted, *(cell.var for _, cell in held)], variables)
        # Cells, units and variables in an order that does not depend on where they are, so that questions alike are equal.
        cells = [(n, c.form, c.dim, d) for n, (d, c) in zip(numbers[len(wanted) :], held, strict=True)]
        cells.sort(key=lambda cell: (cell[0], str(cell[1]), *cell[2:]))
        weights = rows[[d for *_, d in cells]]
        order = np.lexsort(np.concatenate([out.T, weights])) if len(units) else []
        place = {d: number for number, (*_, d) in enumerate(cells)}
        question = Question(
            tuple(stream.meanings.span(v) for v in met),
            steps,
            tuple(cell[:3] for cell in cells),
            len(units),
            weights[:, order].tobytes(),
            out[order].tobytes(),
            tuple(place.get(d) for d in dims),
            numbers[0] if claim else None,
            tuple((cell.form, cell.dim) for cell in claim[1]) if claim else (),
            self.w_in.shift + self.w_out.shift,
            self.dtype,
        )
        found = self.answers.get(question)
        if found is None:
            found = self.answers[question] = answer(question, stream.most, met, dims, what)
        self.cases, self.steps = self.cases + found.cases, max(self.steps, found.steps)
        return found
