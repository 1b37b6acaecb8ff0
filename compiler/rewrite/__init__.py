"""The optimiser: general rewrites on graphs, each with a statement of what it preserves."""

from __future__ import annotations

from collections.abc import Callable

from ..graph import Graph
from .associate import associate
from .fold import fold
from .push import push, shift
from .strict import without_strict

PASSES: tuple[Callable[[Graph], Graph], ...] = (fold, push, shift, associate)
_ROUNDS = 8


def optimise(graph: Graph) -> Graph:
    """Run the passes until nothing changes. Values are preserved and depth never grows (checked after each pass)."""
    for _ in range(_ROUNDS):
        before = graph
        for rewrite in PASSES:
            after = rewrite(graph)
            assert after.depth <= graph.depth, f"{rewrite.__name__} deepened {graph.name}"
            graph = after
        if graph.nodes == before.nodes:
            break
    return graph


__all__ = ["PASSES", "associate", "fold", "optimise", "push", "shift", "without_strict"]
