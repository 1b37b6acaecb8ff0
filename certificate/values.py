"""Meanings as tables: what a node is worth for every combination of the variables it depends on."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal, TypeAlias

import numpy as np

from ..compiler.forms import Form
from ..compiler.graph import Graph
from ..compiler.ops import Affine, AtLeast, Clip, Const, Divide, Equal, Exists, Extreme, Local, OrElse, Position, Table, Token, Where
from .exact import NONE, Ints, Refused, TooMany
from .ranges import Range, ranges

Var: TypeAlias = int | Literal["one", "token", "position"]
Step: TypeAlias = tuple[Local | Const | int, tuple[int, ...]]  # an operation on earlier steps, or the number of a variable
MAX_CASES = 1 << 24
FEW = 64  # values that are coded one by one
MAX_AXES = 48  # arrays have no more than 64 dimensions


@dataclass(frozen=True, slots=True)
class Cases:
    """Every combination of some variables' values: the product of `axes`, the last one's values changing first."""

    variables: tuple[Var, ...]
    axes: tuple[Ints, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(map(len, self.axes))

    def grids(self, met: Sequence[Var]) -> dict[int, Ints]:
        """The values of variables by their number in `met`, each along the dimension of its axis, to be broadcast."""
        shapes = {v: [-1 if v == other else 1 for other in self.variables] for v in met}
        return {number: self.axes[self.variables.index(v)].reshape(shapes[v]) for number, v in enumerate(met)}

    @property
    def rank(self) -> int:
        """The dimensions of arrays over the cases; one where there are no variables."""
        return max(1, len(self.axes))

    def flat(self, grid: Ints) -> Ints:
        """The cases in a row. Shapes: (..., axes or 1) -> (..., cases)."""
        first = grid.shape[: grid.ndim - self.rank]
        return np.broadcast_to(grid, (*first, *(tuple(map(len, self.axes)) or (1,)))).reshape(*first, self.count)

    def column(self, var: Var) -> Ints:
        """A variable's value in every case."""
        return self.flat(self.grids([var])[0])


class Meanings:
    """The optimised graph as the checker sees it: ranges, domains of variables, and node values on cases."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ranges: list[Range] = ranges(graph)
        self._domains: dict[Var, Ints] = {}
        self._ends: dict[tuple[Var, Form], list[tuple[int, int]]] = {}
        self._sources: dict[int, Var | None] = {}

    def var(self, value: int | str) -> Var:
        """The variable a probe's value stands for."""
        if isinstance(value, int):
            op = self.graph.nodes[value].op
            return "token" if isinstance(op, Token) else "position" if isinstance(op, Position) else value
        return "one" if value == "one" else "token" if value == "token" else "position"

    def span(self, var: Var) -> Range:
        """What a variable can be."""
        match var:
            case "one":
                return Range(1, 1, False)
            case "token":
                return Range(0, len(self.graph.sizes.alphabet) - 1, False)
            case "position":
                return Range(1, self.graph.sizes.length, False)
            case _:
                return replace(self.ranges[var], lag=None)

    def domain(self, var: Var, cut: int = 0) -> Ints:
        """Every value of a variable; `cut` leaves out the last positions (a strict head never reads position N)."""
        if var not in self._domains:
            self._domains[var] = self.span(var).values()
        values = self._domains[var]
        return values[: len(values) - cut] if var == "position" else values

    def cases(self, variables: Sequence[Var], what: str, cut: int = 0, most: int = MAX_CASES) -> Cases:
        """All combinations of the variables. Raises TooMany if there are more than `most`."""
        order = tuple(sorted(set(variables) - {"one"}, key=str))
        found = Cases(order, tuple(self.domain(v, cut) for v in order))
        require_few(found.count, len(order), most, what)
        return found

    def never(self, node: int) -> bool:
        """Whether a node is ⊥ whatever it is computed from."""
        return self.ranges[node].lo > self.ranges[node].hi

    def node(self, var: Var) -> int:
        """The node a variable stands for."""
        assert isinstance(var, int), f"{var} has no node"
        return var

    def source(self, var: Var) -> Var | None:
        """`token` or `position` if the variable depends on that alone, through local operations; else None."""
        if not isinstance(var, int):
            return var if var != "one" else None
        if var not in self._sources:
            try:
                found = self.support(var, set(), "")
            except Refused:
                found = set()
            self._sources[var] = found.pop() if len(found) == 1 else None
        return self._sources[var]

    def origin(self, var: int, others: set[Var]) -> Var | None:
        """The one of other variables that alone determines a computed value, or None."""
        node = self.graph.nodes[var]
        if not isinstance(node.op, Local):
            return None
        found: set[Var] = set()
        try:
            for a in node.args:
                found |= self.support(a, others, "")
        except Refused:
            return None
        return found.pop() if len(found) == 1 and found <= others else None

    def support(self, node: int, placed: set[Var], what: str) -> set[Var]:
        """The variables that determine a node at one position: values in the stream, the token, the position.

        Refuses a value that only another position could supply.
        """
        found: set[Var] = set()
        seen, stack = {node}, [node]
        while stack:
            index = stack.pop()
            var, op = self.var(index), self.graph.nodes[index].op
            if var in ("token", "position") or var in placed:
                found.add(var)
            elif self.never(index):
                continue
            elif isinstance(op, Local):
                stack += (new := set(self.graph.nodes[index].args) - seen)
                seen |= new
            elif not isinstance(op, Const):
                raise Refused(f"{what} needs {self.graph.nodes[index].name}, which is not in the residual stream")
        return found

    def steps(self, wanted: Sequence[Var], variables: Collection[Var]) -> tuple[tuple[Step, ...], list[int], list[Var]]:
        """How values are computed from variables, step by step and nameless.

        Returns the steps, which of them each wanted value is, and the variables in the order in which they are met.
        """
        found: dict[Var, int] = {}
        steps: dict[Step, int] = {}
        met: list[Var] = []

        def visit(var: Var) -> int:
            if var not in found:
                step: Step
                if var in variables:
                    step = len(met), ()
                    met.append(var)
                elif var == "one":
                    step = Const("int", 1), ()
                elif self.never(self.node(var)):
                    step = Const("int", None), ()
                else:
                    op, args = self.graph.nodes[self.node(var)].op, self.graph.nodes[self.node(var)].args
                    assert isinstance(op, (Const, Local))
                    step = op, tuple(visit(self.var(a)) for a in args)
                found[var] = steps.setdefault(step, len(steps))
            return found[var]

        numbers = [visit(self.var(var)) for var in wanted]
        return tuple(steps), numbers, met

    def evaluate(self, var: Var, cases: Cases) -> Ints:
        """A value in every case, ⊥ as NONE."""
        steps, (number,), met = self.steps([var], cases.variables)
        return cases.flat(run(steps, cases.grids(met), cases.rank)[number])

    def ends(self, var: Var, form: Form, dim: int) -> tuple[int, int]:
        """The least and greatest number that dimension `dim` of a variable's code can hold."""
        if (var, form) not in self._ends:
            codes = self.codes(form, self.domain(var))
            self._ends[var, form] = list(zip(codes.min(axis=0, initial=0).tolist(), codes.max(axis=0, initial=0).tolist(), strict=True))
        return self._ends[var, form][dim]

    def largest(self, var: Var, form: Form, dim: int) -> int:
        """The largest absolute number that dimension `dim` of a variable's code can hold."""
        return max(map(abs, self.ends(var, form, dim)))

    @staticmethod
    def codes(form: Form, values: Ints) -> Ints:
        """Codes of values, ⊥ as zeros. Shapes: (n,) -> (n, width)."""
        return form.encode(np.where(values == NONE, 0, values - form.off))


def require_few(count: int, variables: int, most: int, what: str) -> None:
    """Require that no more than `most` combinations are to be enumerated."""
    if count > most or variables > MAX_AXES:
        raise TooMany(f"{what} depends on {variables} values with {count:,} combinations, more than {most:,}")


def run(steps: Sequence[Step], grids: Mapping[int, Ints], rank: int) -> dict[int, Ints]:
    """What the steps are worth that the given variables determine: arrays of `rank` dimensions that broadcast, ⊥ as NONE."""
    found: dict[int, Ints] = {}
    for number, (op, args) in enumerate(steps):
        if isinstance(op, int):
            if op in grids:
                found[number] = grids[op]
        elif isinstance(op, Const):
            found[number] = np.full((1,) * rank, NONE if op.value is None else op.value, np.int64)
        elif all(a in found for a in args):
            found[number] = meaning(op, [found[a] for a in args])
    return found


def weighted(values: Iterable[tuple[Ints, Form, int]], rows: Ints, rank: int) -> Ints:
    """Σ_d rows[d] · code_d of dimensions (values, form, dim). Shapes: values that broadcast, rows (d, e) -> (e, axes or 1)."""
    parts: dict[tuple[int, ...], Ints] = {}  # what values over the same axes contribute
    for (grid, form, dim), row in zip(values, rows, strict=True):
        part = row.reshape(-1, *(1,) * rank) * coded(form, dim, grid)
        parts[grid.shape] = parts[grid.shape] + part if grid.shape in parts else part
    return reduce(np.add, sorted(parts.values(), key=np.size), np.zeros((rows.shape[1], *(1,) * rank), np.int64))


def coded(form: Form, dim: int, values: Ints) -> Ints:
    """Dimension `dim` of the codes of values, by a table where values repeat. Same shape."""
    flat = values.reshape(-1)
    given = flat[flat != NONE] if len(flat) > FEW else flat[:0]
    lo, hi = (int(given.min()), int(given.max())) if len(given) else (0, 0)
    if not len(given) or hi - lo + 2 >= len(flat):
        return Meanings.codes(form, flat)[:, dim].reshape(values.shape)
    table = Meanings.codes(form, np.append(np.arange(lo, hi + 1), NONE))[:, dim]
    return table[np.where(values == NONE, hi + 1, values) - lo]


def meaning(op: Local, args: Sequence[Ints]) -> Ints:
    """A local operation on arrays of values that broadcast, ⊥ as NONE: the operations' definitions once more, for whole arrays."""
    missing = [a == NONE for a in args]
    given = [np.where(gap, 0, a) if gap.any() else a for gap, a in zip(missing, args, strict=True)]
    absent = reduce(np.logical_or, missing)
    match op:
        case Affine(coefficients=coefficients, constant=constant):
            found = constant + sum((c * a for c, a in zip(coefficients, given, strict=True)), start=np.zeros(1, np.int64))
        case Extreme(largest=largest):
            found = np.maximum(*args) if largest else np.minimum(*args)
        case AtLeast(threshold=threshold):
            found = (given[0] - given[1] >= threshold).astype(np.int64)
        case Equal():
            found = (args[0] == args[1]).astype(np.int64)
        case Clip(lo=lo, hi=hi):
            found = np.where((args[0] >= lo) & (args[0] <= hi), args[0], NONE)
        case Divide(divisor=divisor):
            found = given[0] // divisor
        case Exists():
            return (~absent).astype(np.int64)
        case OrElse():
            return np.where(missing[0], args[1], args[0])
        case Where():
            return np.where(missing[0], NONE, np.where(args[0] == 1, args[1], args[2]))
        case Table(starts=starts, shape=shape, entries=entries):
            index, inside = np.zeros(1, np.int64), ~absent
            for a, start, size in zip(given, starts, shape, strict=True):
                offset = a - start
                inside = inside & (offset >= 0) & (offset < size)
                index = index * size + offset
            values = np.array([NONE if e is None else e for e in entries], np.int64)
            found = np.where(inside, values[np.where(inside, index, 0)], NONE)
        case _:
            raise Refused(f"no rule for the operation {op.name}")
    return np.where(absent, NONE, found) if absent.any() else found
