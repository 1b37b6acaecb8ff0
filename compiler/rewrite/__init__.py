"""The optimiser: general rewrites on graphs, each with a statement of what it preserves."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from .associate import associate
from .factor import factored
from .fold import fold
from .maps import Rewritten
from .push import push, shift
from .strict import unstrict, without_strict

PASSES = (fold, push, shift, associate)
_ROUNDS = 8


def optimise(graph: Graph) -> Graph:
    """Run the passes until nothing changes, then add the factors of relations. Values are preserved and depth never grows (checked)."""
    for done in history(graph):
        graph = done.graph
    return factored(graph)


def history(graph: Graph) -> Iterator[Rewritten]:
    """What each pass made of the graph that the one before left, from which a proof of the result is written."""
    for _ in range(_ROUNDS):
        before = graph
        for rewrite in PASSES:
            done = rewrite.run(graph)
            assert done.graph.depth <= graph.depth, f"{rewrite.name} deepened {graph.name}"
            yield done
            graph = done.graph
        if graph.nodes == before.nodes:
            break


__all__ = ["PASSES", "associate", "factored", "fold", "history", "optimise", "push", "shift", "unstrict", "without_strict"]
