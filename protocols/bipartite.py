"""Whether a graph is bipartite, in 3·floor(log2 nodes) + 1 attention layers: components, with a parity on every pointer."""

from __future__ import annotations

import itertools
import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, where
from ..mpc import Protocol, all_reduce, machine, protocol, request, shuffle
from . import graphs, merging
from .entry import Case, ProtocolEntry


def make(nodes: int = 8, memory: int = 3) -> Protocol:
    """Machine i holds an edge (u, v), u < v, or none; every machine is told whether the whole graph has no odd cycle.

    Nodes and edges are those of `connected_components`, and so are the trees (`merging.py`). Each pointer carries whether it
    stands for an odd walk: so do offers, an odd and an even one for each root. In a bipartite graph all walks between two nodes
    have one parity, so the ends of an edge end up different; in any other, no colouring makes all ends different, so one is found.
    Raises CapacityError for a memory below 3, InputError for no nodes.
    """
    graphs.at_least_one("bipartite", nodes)

    @protocol(memory=memory, alphabet=graphs.alphabet(nodes), name=f"bipartite(nodes={nodes})")
    def bipartite(me: Value, machines: int, u: Value, v: Value) -> Value:
        same = me != me
        odd = (same, same, same)  # whether the pointers to the parent and from the two ends stand for odd walks
        trees = merging.Trees(me, me, (machine(u), machine(v)))
        for _ in range(merging.phases(nodes, machines)):
            a, b = trees.ends
            free = merging.free(trees)
            by_odd, by_even = (a != b) & (odd[1] == odd[2]), (a != b) & (odd[1] != odd[2])
            payload = [(where(by_odd, end, None), where(by_even, end, None)) for end in (b, a)]
            offered, even = shuffle(to=[a, b], payload=payload, inbox="any").min
            target = where(free, minimum(offered.or_else(even), even.or_else(offered)), None)
            hooks, flips = target.exists, (offered == target).or_else(False)
            start, walk = where(hooks, target, trees.parent), where(hooks, flips, odd[0])
            parent, odd_parent = where(hooks, minimum(target, me), trees.parent), where(hooks, flips & (target < me), odd[0])
            trees, found = merging.first_step(trees, free, start, parent, odd_parent)
            odd = _added((walk, *odd[1:]), found)
            trees, found = merging.second_step(trees, odd[0])
            odd = _added(odd, found)
        conflict = (odd[1] == odd[2]) & (trees.ends[0] == trees.ends[1])
        return ~all_reduce(conflict.or_else(False), "any")

    return bipartite


def _added(walks: tuple[Value, ...], found: list[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Walks followed by further ones: odd where one of the two is; even where there is no further one."""
    return tuple(walk != further.or_else(False) for walk, (further,) in zip(walks, found, strict=True))


def oracle(machines: list[Symbol], nodes: int = 8, memory: int = 3) -> list[Symbol | None]:
    """By networkx."""
    return [nx.is_bipartite(graphs.graph_of(machines, nodes))] * len(machines)


def cases(rng: random.Random, length: int, nodes: int = 8, memory: int = 3) -> list[Case]:
    """The families of graphs, and cycles and bipartite graphs with and without one edge that spoils them."""
    left, right = [*range(1, nodes // 2 + 1)], [*range(nodes // 2 + 1, nodes + 1)]
    crossed = graphs.renamed(rng.sample([(u, v) for u in left for v in right], min(length - 1, len(left) * len(right))), rng, nodes)
    drawn = [
        ("odd cycle, scattered", graphs.renamed(graphs.cycle(nodes - 1 + nodes % 2), rng, nodes)),
        ("even cycle, scattered", graphs.renamed(graphs.cycle(nodes - nodes % 2), rng, nodes)),
        ("between two halves", crossed),
    ]
    found = [Case(title, graphs.placed(edges, length, rng)) for title, edges in drawn if len(edges) <= length]
    free = sorted(set(itertools.combinations(range(1, nodes + 1), 2)) - {(min(e), max(e)) for e in crossed})
    spoilt = [Case("between two halves, and one edge more", graphs.placed([*crossed, rng.choice(free)], length, rng))] if free else []
    return [*graphs.families(rng, nodes, length), *found, *spoilt]


def layers(length: int, nodes: int = 8, memory: int = 3) -> int:
    """Three a phase, and one to tell."""
    return 3 * merging.phases(nodes, length) + 1


ENTRY = ProtocolEntry(
    name="bipartite",
    summary="Whether a graph given as edges has no odd cycle, at every machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="3·floor(log2 nodes) + 1",
    parameters={"nodes": 8, "memory": 3},
)
