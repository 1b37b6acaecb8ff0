"""Whether a graph is bipartite, in 3·floor(log2 nodes) + 1 attention layers: components, with a parity on every pointer."""

from __future__ import annotations

import itertools
import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, where
from ..mpc import Protocol, all_reduce, machine, protocol, shuffle
from . import graphs, merging
from .entry import Case, ProtocolEntry

Walks = tuple[Value, Value, Value]  # whether they are odd: from the node to its parent, from the edge's nodes to its ends


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
        trees = merging.Trees(me, me, (machine(u), machine(v)))
        odd: Walks | None = None
        for _ in range(merging.phases(nodes, machines)):
            free = merging.free(trees)
            offer, flips = _offers(trees.ends, odd)
            hooks, lower = free & offer.exists, (offer < me).or_else(False)
            start, parent = where(hooks, offer, trees.parent), where(hooks, minimum(offer, me), trees.parent)
            walk, jump = flips & free, flips & free & lower
            if odd is not None:
                walk, jump = where(hooks, walk, odd[0]), where(hooks, jump, odd[0])
            trees, found = merging.first_step(trees, free, start, parent, jump)
            odd = _added((walk, *odd[1:]) if odd else (walk, None, None), found)
            trees, found = merging.second_step(trees, odd[0])
            odd = _added(odd, found)
        if odd is None:  # one node
            return me.exists
        conflict = (odd[1] == odd[2]) & (trees.ends[0] == trees.ends[1])
        return ~all_reduce(conflict.or_else(False), "any")

    return bipartite


def _offers(ends: tuple[Value, Value], odd: Walks | None) -> tuple[Value, Value]:
    """The least root that an edge leads to from here, ⊥ for none, and whether an odd walk does. One shuffle."""
    a, b = ends
    leaves = a != b
    if odd is None:  # every walk is one edge
        least = shuffle(to=[a, b], payload=[where(leaves, b, None), where(leaves, a, None)], inbox="any").min
        return least, least.exists
    by_odd, by_even = leaves & (odd[1] == odd[2]), leaves & (odd[1] != odd[2])
    payload = [(where(by_odd, end, None), where(by_even, end, None)) for end in (b, a)]
    at_odd, at_even = shuffle(to=[a, b], payload=payload, inbox="any").min
    least = minimum(at_odd.or_else(at_even), at_even.or_else(at_odd))
    return least, (at_odd == least).or_else(False)


def _added(walks: tuple[Value | None, Value | None, Value | None], found: list[tuple[Value, ...]]) -> Walks:
    """Walks, None for none, and the walks found at their ends: odd where one of the two is."""
    further = [word.or_else(False) for (word,) in found]
    here, at_a, at_b = (more if walk is None else walk != more for walk, more in zip(walks, further, strict=True))
    return here, at_a, at_b


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
    """Three a phase, and one to tell; a graph of one node needs none."""
    phases = merging.phases(nodes, length)
    return 3 * phases + 1 if phases else 0


ENTRY = ProtocolEntry(
    name="bipartite",
    summary="Whether a graph given as edges has no odd cycle, at every machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="3·floor(log2 nodes) + 1, 0 for one node",
    parameters={"nodes": 8, "memory": 3},
)
