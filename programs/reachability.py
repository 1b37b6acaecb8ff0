"""Reachability by one block: which edges of a directed graph can be walked from its first vertex, one step further in each round."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

LETTERS = "abcdefghijklmnop"


def make(vertices: int = 5) -> hw.Program:
    """Whether a walk from the vertex `a` along the edges in the text, in any order, can take this edge: `b>c` leads from b to c.

    A round lets an edge join where one that can be walked ends at its tail; so T rounds find the walks of at most T + 1 edges, and
    with V vertices V - 1 rounds find all. Raises InputError for vertices below 2 or above 16.
    """
    at_least("reachability", "vertices", vertices, 2)
    names = LETTERS[: min(vertices, len(LETTERS))]

    @hw.program(name=f"reachability(vertices={len(names)})", causal=False, alphabet=_edges(vertices))
    def reachability(token: hw.Value) -> hw.Value:
        tail, head = (hw.table(lambda edge, place=place: names.index(edge[place]), token) for place in (0, 2))

        def further(walked: hw.Value) -> hw.Value:
            return walked | hw.match(query=(tail, True), key=(head, walked)).latest().found

        return hw.loop(len(names) - 1, further, tail == 0)

    return reachability


def _edges(vertices: int) -> tuple[str, ...]:
    return tuple(f"{u}>{v}" for u, v in itertools.product(LETTERS[:vertices], repeat=2))


def reference(tokens: Sequence[Symbol], vertices: int = 5) -> list[Symbol | None]:
    """A search from `a`."""
    edges = [str(token) for token in tokens]
    seen, todo = {"a"}, ["a"]
    while todo:
        here = todo.pop()
        new = {edge[2] for edge in edges if edge[0] == here} - seen
        seen |= new
        todo += sorted(new)
    return [edge[0] in seen for edge in edges]


def sample(rng: random.Random, length: int, vertices: int = 5) -> list[Symbol]:
    """A path through some of the vertices, and random edges, shuffled."""
    names = LETTERS[: min(vertices, len(LETTERS))]
    path = ["a", *rng.sample(names[1:], rng.randint(1, len(names) - 1))]
    edges = [f"{u}>{v}" for u, v in itertools.pairwise(path)]
    edges = [*edges, *(f"{rng.choice(names[1:])}>{rng.choice(names)}" for _ in range(length // 3))][:length]
    rng.shuffle(edges)
    return [*edges]


def layers(length: int, vertices: int = 5) -> int:
    """One layer a round."""
    return min(vertices, len(LETTERS)) - 1


ENTRY = Entry(
    name="reachability",
    summary="Which edges can be walked from the first vertex of a directed graph, one step further in each round of one block.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="vertices - 1, one block",
    alphabet=_edges(5),
    alphabet_fixed=True,
    parameters={"vertices": 5},
)
