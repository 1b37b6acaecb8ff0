"""Scheduling: every feature to the earliest legal sublayer, under a budget of heads per attention layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from ..codes.linear import ONE_FEATURE
from ..errors import InputError
from ..plan.stage import PLACED, Compute, Plan, heads_of


@dataclass(frozen=True, slots=True)
class HeadUse:
    """One head of one attention layer, and the features it writes there."""

    head: int
    writes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attention:
    """An attention layer."""

    heads: tuple[HeadUse, ...]

    @property
    def writes(self) -> tuple[int, ...]:
        """The features written, head by head; what several heads add up to, once."""
        return tuple(dict.fromkeys(f for use in self.heads for f in use.writes))


@dataclass(frozen=True, slots=True)
class Mlp:
    """A one-hidden-layer ReLU block, and the features it writes."""

    writes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The sublayers in order. Every attention layer is followed by at least one (possibly empty) Mlp slot."""

    plan: Plan
    sublayers: tuple[Attention | Mlp, ...]

    def mlps(self) -> int:
        """How many MLPs compute anything."""
        return sum(isinstance(s, Mlp) and bool(s.writes) for s in self.sublayers)

    def born(self) -> dict[int, int]:
        """The sublayer after which each feature is in the stream: 0 is the embedding, s the s-th sublayer."""
        born = {f: 0 for f, feature in enumerate(self.plan.features) if isinstance(feature.recipe, PLACED)}
        for s, sublayer in enumerate(self.sublayers, 1):
            born.update((f, s) for f in sublayer.writes)
        return born

    def last_read(self) -> dict[int, int]:
        """The last sublayer that reads each feature; the unembedding counts as one after the last."""
        born = self.born()
        read = {f: 0 for f in born}
        for f in born:
            for needed in self.plan.inputs(f):
                read[needed] = max(read[needed], born[f])
        for f in {ONE_FEATURE}.union(*(lin.features() for output in self.plan.outputs for lin in output.cells)):
            read[f] = len(self.sublayers) + 1  # W_U subtracts |code|²·one
        return read

    def __str__(self) -> str:
        plan = self.plan
        lines = [f"schedule of {plan.graph.name}: {sum(isinstance(s, Attention) for s in self.sublayers)} attention layers"]
        layer = 0
        for s, sublayer in enumerate(self.sublayers, 1):
            if isinstance(sublayer, Attention):
                layer += 1
                for use in sublayer.heads:
                    names = ", ".join(plan.features[f].name for f in use.writes)
                    lines.append(f"{s:3}  attention {layer}  {plan.heads[use.head].name}: {names}")
            elif sublayer.writes:
                lines.append(f"{s:3}  mlp          {', '.join(plan.features[f].name for f in sublayer.writes)}")
        return "\n".join(lines)


def schedule(plan: Plan, heads: int | None = None) -> Schedule:
    """List scheduling: a layer takes the ready heads with the longest way still to go, at most `heads` of them.

    Raises InputError if the budget is not a positive integer.
    """
    if heads is not None and (isinstance(heads, bool) or not isinstance(heads, int) or heads < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the head budget is {heads!r}", hint="give an integer of at least 1, or none for no limit")
    needs = [plan.inputs(f) for f in range(len(plan.features))]
    rank = _ranks(plan, needs)
    done = {f for f, feature in enumerate(plan.features) if isinstance(feature.recipe, PLACED)}
    waiting = set(range(len(plan.features))) - done
    sublayers: list[Attention | Mlp] = []

    def compute() -> None:
        while ready := sorted(f for f in waiting if isinstance(plan.features[f].recipe, Compute) and needs[f] <= done):
            sublayers.append(Mlp(tuple(ready)))
            done.update(ready)
            waiting.difference_update(ready)

    compute()
    while waiting:
        ready: dict[int, list[int]] = {}
        for f in sorted(waiting):
            if needs[f] <= done:
                for head in heads_of(plan.features[f].recipe):
                    ready.setdefault(head, []).append(f)
        order = sorted(ready, key=lambda h: (-max(rank[f] for f in ready[h]), h))
        uses = [HeadUse(h, tuple(ready[h])) for h in sorted(order[:heads])]
        assert uses, "a feature waits for something that never comes"
        sublayers.append(Attention(tuple(uses)))
        done.update(sublayers[-1].writes)
        waiting.difference_update(sublayers[-1].writes)
        before = len(sublayers)
        compute()
        if len(sublayers) == before:
            sublayers.append(Mlp(()))
    return Schedule(plan, tuple(sublayers))


def _ranks(plan: Plan, needs: list[set[int]]) -> Mapping[int, int]:
    """Attention layers on the longest path from each feature to the output."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(needs)))
    graph.add_edges_from((needed, f) for f, inputs in enumerate(needs) for needed in inputs)
    rank: dict[int, int] = {}
    for f in reversed(list(nx.topological_sort(graph))):
        after = max((rank[g] for g in graph.successors(f)), default=0)
        rank[f] = after + bool(heads_of(plan.features[f].recipe))
    return rank
