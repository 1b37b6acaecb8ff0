"""The compiler on one screen: each arrow is one pass, each stage a frozen value that prints and runs.

program → graph → optimised graph → plan → schedule → layout → weights
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph
from .layout import Layout, layout
from .numerics import dtype_named
from .plan import Plan
from .planner import plan
from .rewrite import optimise
from .schedule import Schedule, schedule
from .weights import Weights, emit

STAGES = ("graph", "optimised", "plan", "schedule", "layout", "weights")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Every stage of one compilation."""

    graph: Graph
    optimised: Graph
    plan: Plan
    schedule: Schedule
    layout: Layout
    weights: Weights

    def stage(self, name: str) -> str:
        """A stage as text; `name` is one of STAGES."""
        return str({s: getattr(self, s) for s in STAGES}[name])


def lower(graph: Graph, dtype: str = "float32", code: str = "auto", heads: int | None = None) -> Compiled:
    """Lower a program's graph to weights.

    `dtype` is the arithmetic the weights must be exact in, `code` pins the lookups' code, `heads` is the budget per
    layer. Raises ExactnessError where the program cannot be exact, InputError for an unknown dtype or code.
    """
    optimised = optimise(graph)
    planned = plan(optimised, dtype_named(dtype), code, limited=heads is not None)
    scheduled = schedule(planned, heads)
    placed = layout(scheduled)
    return Compiled(graph, optimised, planned, scheduled, placed, emit(placed))
