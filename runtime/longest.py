"""The longest sequence for which a program stays exact in a model's codes and dtype: its inequalities, solved for N."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..compiler.codes.numerics import dtype_named
from ..compiler.errors import ExactnessError, InputError
from ..compiler.graph import Builder, Graph, Guard
from ..compiler.ops import Clip, Divide, Lookup, Table, Total
from ..compiler.plan.heads import candidates, output_forms
from ..compiler.plan.planner import plan
from ..compiler.rewrite import optimise

if TYPE_CHECKING:
    from .model import Model

SEARCHED = 1 << 31  # lengths beyond are reported as this one
SEARCHED_ONEHOT = 1 << 14  # a one-hot position is as wide as the sequence is long
PLANNED = 1 << 17  # up to here the sums inside MLPs are evaluated too


@dataclass(frozen=True, slots=True)
class Longest:
    """The greatest N, the inequality that fails at N + 1 ("" if N is only where the search ends), each head's own limit."""

    length: int
    because: str
    heads: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return (
            f"exact to length {self.length:,}; at {self.length + 1:,}: {self.because}" if self.because else f"exact beyond {self.length:,}"
        )


def longest(model: Model) -> Longest:
    """The greatest length at which this program, in the codes this model's heads have, is exact in its dtype.

    Every head's inequality (`Σ max|q|·max|k| <= 2^t`, a formula in N, see compiler/plan/heads.py) and the output's grow with
    N, so each is solved by bisection on its formula; nothing is compiled. The sums inside MLPs are evaluated at the
    result. Raises InputError for a program whose tables, constants, digits or totals were made for this length.
    """
    dtype = dtype_named(model.dtype)
    codes = {r.name: _option(r.code) for r in model.records}
    end = SEARCHED_ONEHOT if "onehot" in codes.values() else SEARCHED

    def failing(length: int, only: str = "") -> str:
        graph = optimise(at_length(model.graph, length))
        for index, node in enumerate(graph.nodes):
            if isinstance(node.op, Lookup) and node.name in codes and only in ("", node.name):
                try:
                    next(candidates(graph, index, codes[node.name], dtype)).exact.require(dtype)
                except ExactnessError as error:
                    return error.fact
        for root in () if only else graph.roots:
            squares = [sum(hi * hi for _, hi in form.intervals()) for form in output_forms(graph.nodes[root].domain)]
            if 3 * min(squares) > dtype.limit:
                what = "the output" if len(graph.roots) == 1 else f"the output {graph.nodes[root].name}"
                return f"no form of {what} is exact: 3·Σ digit² > {dtype.limit:,}"
        return ""

    heads = tuple((name, _greatest(lambda n, name=name: not failing(n, name), model.length, end)) for name in codes)
    length = _greatest(lambda n: not failing(n), model.length, end)
    because = failing(length + 1) if length < end else ""
    if length <= PLANNED and (why := _refusal(model, length, codes)):
        length = _greatest(lambda n: not _refusal(model, n, codes), model.length, length)
        because = _refusal(model, length + 1, codes) or why
    return Longest(length, because, heads)


def at_length(graph: Graph, length: int) -> Graph:
    """A program as written, for another length: cutting to 1..N becomes cutting to 1..length."""
    old = graph.sizes.length
    builder = Builder(graph.name, replace(graph.sizes, length=length))
    made: list[int] = []
    for node in graph.nodes:
        if isinstance(node.op, (Total, Divide)) or (isinstance(node.op, Lookup) and (node.op.ranked or any(node.op.relations))):
            raise InputError(f"{node.name} was made for length {old:,}", node.line, "its heads, digits and bounds change with the length")
        op = replace(node.op, hi=length) if isinstance(node.op, Clip) and node.op.hi == old else node.op
        made.append(builder.add(op, [made[a] for a in node.args], node.name, node.line))
        spans = [builder.nodes[made[a]].domain for a in node.args]
        if isinstance(op, Table) and any(d.lo < s or d.hi >= s + size for d, s, size in zip(spans, op.starts, op.shape, strict=True)):
            raise InputError(f"{node.name} is a table made for length {old:,}", node.line, "its arguments grow with the length")
    guard = Guard(made[graph.guard.node]) if graph.guard else None
    return builder.finish([made[o] for o in graph.outputs], graph.single, guard, graph.fractions)


def _option(code: str) -> str:
    """A head's code as the option that pins it: `digits(2, base 9)` is `digits:2`."""
    kind, _, rest = code.partition("(")
    return {"signs": "binary", "digits": f"digits:{rest.split(',')[0]}"}.get(kind, kind)


def _greatest(holds: Callable[[int], bool], known: int, end: int) -> int:
    """The greatest n up to `end` that satisfies what holds at `known` and, once it fails, fails for good."""
    low, high = known, 2 * known
    while high < end and holds(high):
        low, high = high, 2 * high
    if high >= end and holds(end):
        return end
    high = min(high, end)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _refusal(model: Model, length: int, codes: dict[str, str]) -> str:
    """Why the planner refuses a length, "" if it does not: heads, MLP sums and the output. Lookups share one pinned code."""
    pinned = set(codes.values())
    try:
        plan(optimise(at_length(model.graph, length)), dtype_named(model.dtype), pinned.pop() if len(pinned) == 1 else "auto")
    except ExactnessError as error:
        return error.fact
    return ""
