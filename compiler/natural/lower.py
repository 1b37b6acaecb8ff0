"""The natural compiler on one screen: program → graph → optimised graph, long sums spelled → plan → schedule → weights."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph
from ..rewrite import optimise, without_strict
from .digits import spelled
from .emit import Matrices
from .place import Schedule, schedule
from .planner import plan
from .stage import Plan

STAGES = ("graph", "optimised", "plan", "schedule", "weights")


@dataclass(frozen=True, repr=False)
class Natural:
    """Every stage of one natural compilation."""

    graph: Graph
    optimised: Graph
    plan: Plan
    schedule: Schedule
    weights: Matrices

    def __repr__(self) -> str:
        return f"<Natural {self.graph.name}: {', '.join(STAGES)}>"

    def stage(self, name: str) -> str:
        """A stage as text; `name` is one of STAGES."""
        return str({s: getattr(self, s) for s in STAGES}[name])


def lower(graph: Graph, code: str = "auto", heads: int | None = None, sharpness: float | None = None) -> Natural:
    """Lower a program's graph to natural weights. Raises ExactnessError where a value has too many directions."""
    sums = spelled(optimise(without_strict(graph) if not graph.sizes.strict else graph))
    planned = plan(sums, sharpness, code)
    scheduled = schedule(planned, heads)
    return Natural(graph, sums.graph, planned, scheduled, Matrices(scheduled))
