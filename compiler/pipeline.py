"""The compiler on one screen: each arrow is one pass, each stage a frozen value that prints and runs.

program → graph → optimised graph → plan → schedule → layout → weights
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .codes.numerics import Dtype, dtype_named
from .emit import Weights, emit
from .graph import Graph
from .place.layout import Layout, layout
from .place.schedule import Schedule
from .place.shortest import shortest
from .plan.planner import plan
from .plan.stage import Plan
from .rewrite import optimise, without_strict

STAGES = ("graph", "optimised", "plan", "schedule", "layout", "weights")


@dataclass(frozen=True, repr=False)
class Compiled:
    """Every stage of one compilation."""

    graph: Graph
    optimised: Graph
    plan: Plan
    schedule: Schedule
    layout: Layout

    @cached_property
    def weights(self) -> Weights:
        """The matrices, written when they are first asked for: at great lengths nobody keeps a second W_pos that is not looked at."""
        return emit(self.layout)

    def __repr__(self) -> str:
        return f"<Compiled {self.graph.name}: {', '.join(STAGES)}>"

    def stage(self, name: str) -> str:
        """A stage as text; `name` is one of STAGES."""
        return str({s: getattr(self, s) for s in STAGES}[name])


def lower(
    graph: Graph,
    dtype: str | Dtype = "float32",
    code: str = "auto",
    heads: int | None = None,
    reuse: bool = True,
    logs: int | None = None,
) -> Compiled:
    """Lower a program's graph to weights.

    `dtype` is the arithmetic the weights must be exact in, by name or with the bits a target leaves of it, `code` pins the
    lookups' code, `heads` is the budget per layer, and without `reuse` no value takes the place of another. With `logs` the
    outputs are counts, and their logits are logarithms with that many bits behind the point. A graph whose sizes say
    `strict=False` is lowered to causal masks. Raises ExactnessError where the program cannot be exact, InputError
    for an unknown dtype or code.
    """
    optimised = optimise(without_strict(graph) if not graph.sizes.strict else graph)
    arithmetic = dtype_named(dtype) if isinstance(dtype, str) else dtype
    planned = plan(optimised, arithmetic, code, limited=heads is not None, logs=logs)
    scheduled = shortest(planned, heads)
    placed = layout(scheduled, reuse)
    return Compiled(graph, optimised, scheduled.plan, scheduled, placed)
