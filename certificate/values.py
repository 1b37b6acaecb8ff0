"""Meanings as tables: what a node is worth for every combination of the variables it depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..compiler.forms import Form
from ..compiler.graph import Graph
from ..compiler.ops import Affine, AtLeast, Clip, Const, Divide, Equal, Exists, Extreme, Local, OrElse, Position, Table, Token, Where
from .exact import NONE, Ints, Refused
from .ranges import Range, ranges

Var: TypeAlias = int | Literal["one", "token", "position"]
MAX_CASES = 1 << 24


@dataclass(frozen=True, slots=True)
class Cases:
    """Every combination of some variables: `columns[v]` is v's value in each case.

    `axes` are the variables' values, of which the cases are the product, the last variable's changing first.
    """

    variables: tuple[Var, ...]
    columns: dict[Var, Ints]
    count: int
    axes: tuple[Ints, ...] = ()

    def spread(self, var: Var, rows: Ints) -> Ints:
        """Rows that belong to the values of a variable, for broadcasting over the axes. Shapes: (n, e) -> (1, …, n, …, 1, e)."""
        axis = self.variables.index(var)
        return rows.reshape(*(len(rows) if a == axis else 1 for a in range(len(self.axes))), rows.shape[1])


class Meanings:
    """The optimised graph as the checker sees it: ranges, domains of variables, and node values on cases."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ranges: list[Range] = ranges(graph)
        self._domains: dict[tuple[Var, int], Ints] = {}
        self._spans: dict[tuple[Var, Form], Ints] = {}
        self._sources: dict[int, Var | None] = {}

    def var(self, value: int | str) -> Var:
        """The variable a probe's value stands for."""
        if isinstance(value, int):
            op = self.graph.nodes[value].op
            return "token" if isinstance(op, Token) else "position" if isinstance(op, Position) else value
        return "one" if value == "one" else "token" if value == "token" else "position"

    def domain(self, var: Var, cut: int = 0) -> Ints:
        """Every value of a variable; `cut` leaves out the last positions (a strict head never reads position N)."""
        key = (var, cut if var == "position" else 0)
        if key not in self._domains:
            if var == "one":
                values = np.ones(1, np.int64)
            elif var == "token":
                values = np.arange(len(self.graph.sizes.alphabet), dtype=np.int64)
            elif var == "position":
                values = np.arange(1, self.graph.sizes.length + 1 - cut, dtype=np.int64)
            else:
                values = self.ranges[var].values()
            self._domains[key] = values
        return self._domains[key]

    def cases(self, variables: Sequence[Var], what: str, cut: int = 0) -> Cases:
        """All combinations of the variables. Refuses more than MAX_CASES of them."""
        order = tuple(sorted(set(variables) - {"one"}, key=str))
        sizes = [len(self.domain(v, cut)) for v in order]
        count = math.prod(sizes)
        if count > MAX_CASES:
            raise Refused(f"{what} depends on {len(order)} values with {count:,} combinations, more than {MAX_CASES:,}")
        grid = np.unravel_index(np.arange(count), sizes) if order else ()
        columns: dict[Var, Ints] = {v: self.domain(v, cut)[index] for v, index in zip(order, grid, strict=True)}
        columns["one"] = np.ones(count, np.int64)
        return Cases(order, columns, count, tuple(self.domain(v, cut) for v in order))

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

    def evaluate(self, node: int, cases: Cases, known: dict[int, Ints] | None = None) -> Ints:
        """A node's value in every case, ⊥ as NONE; `known` are values computed on the way, each once."""
        known = {} if known is None else known
        if (var := self.var(node)) in cases.columns:
            return cases.columns[var]
        if node not in known:
            op, args = self.graph.nodes[node].op, self.graph.nodes[node].args
            if self.never(node):
                known[node] = np.full(cases.count, NONE, np.int64)
            elif isinstance(op, Const):
                known[node] = np.full(cases.count, NONE if op.value is None else op.value, np.int64)
            else:
                assert isinstance(op, Local)
                known[node] = meaning(op, [self.evaluate(a, cases, known) for a in args])
        return known[node]

    def span(self, var: Var, form: Form, dim: int) -> tuple[int, int]:
        """The least and greatest number that dimension `dim` of a variable's code can hold."""
        if (var, form) not in self._spans:
            codes = self.codes(form, self.domain(var))
            self._spans[var, form] = np.stack([codes.min(axis=0, initial=0), codes.max(axis=0, initial=0)], axis=1)
        lo, hi = self._spans[var, form][dim]
        return int(lo), int(hi)

    def largest(self, var: Var, form: Form, dim: int) -> int:
        """The largest absolute number that dimension `dim` of a variable's code can hold."""
        return max(map(abs, self.span(var, form, dim)))

    @staticmethod
    def codes(form: Form, values: Ints) -> Ints:
        """Codes of values, ⊥ as zeros. Shapes: (n,) -> (n, width)."""
        return form.encode(np.where(values == NONE, 0, values - form.off))


def meaning(op: Local, args: Sequence[Ints]) -> Ints:
    """A local operation on columns of values, ⊥ as NONE: the operations' definitions once more, for whole columns."""
    absent = np.zeros(len(args[0]), bool)
    for a in args:
        absent |= a == NONE
    match op:
        case Affine(coefficients=coefficients, constant=constant):
            found = constant + sum(c * np.where(absent, 0, a) for c, a in zip(coefficients, args, strict=True))
        case Extreme(largest=largest):
            found = np.maximum(*args) if largest else np.minimum(*args)
        case AtLeast(threshold=threshold):
            found = (np.where(absent, 0, args[0]) - np.where(absent, 0, args[1]) >= threshold).astype(np.int64)
        case Equal():
            found = (args[0] == args[1]).astype(np.int64)
        case Clip(lo=lo, hi=hi):
            found = np.where((args[0] >= lo) & (args[0] <= hi), args[0], NONE)
        case Divide(divisor=divisor):
            found = np.where(absent, 0, args[0]) // divisor
        case Exists():
            return (~absent).astype(np.int64)
        case OrElse():
            return np.where(args[0] == NONE, args[1], args[0])
        case Where():
            return np.where(args[0] == NONE, NONE, np.where(args[0] == 1, args[1], args[2]))
        case Table(starts=starts, shape=shape, entries=entries):
            index, inside = np.zeros(len(absent), np.int64), ~absent
            for a, start, size in zip(args, starts, shape, strict=True):
                offset = np.where(absent, 0, a) - start
                inside &= (offset >= 0) & (offset < size)
                index = index * size + offset
            values = np.array([NONE if e is None else e for e in entries], np.int64)
            found = np.where(inside, values[np.where(inside, index, 0)], NONE)
        case _:
            raise Refused(f"no rule for the operation {op.name}")
    return np.where(absent, NONE, found)
