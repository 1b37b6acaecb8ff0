"""Connected components of any graph in 3·floor(log2 nodes) + 2 attention layers: a machine an edge, and a machine a node."""

from __future__ import annotations

import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, where
from ..mpc import Protocol, machine, protocol, request, shuffle
from . import graphs, merging
from .entry import Case, ProtocolEntry


def make(nodes: int = 8, memory: int = 3) -> Protocol:
    """Machine i holds an edge (u, v), u < v, or none, and is told the least node of node i's component; ⊥ above `nodes`.

    A node exists where a machine of its number does; edges to others are none. Every free root is hooked to the least root
    that its edges lead to (`merging.py`). At the end the root learns the least of its nodes and passes it on.

    Layers: for each of the floor(log2 nodes) phases a shuffle and two requests, then a shuffle and a request. Hooking the
    stars of Borůvka's algorithm and jumping until all are stars again would take log2(nodes)·(log2(nodes) + 3)/2, 44 for
    256 nodes where this takes 26; Shiloach and Vishkin (1982) have O(log n) phases too, but of five such steps and more of them.
    Rounds: a phase takes 2·ceil(log_s N) + 4 (the first without the shuffle of what moved), the end ceil(log_s N) + 2.
    Raises CapacityError for a memory below 3 (a machine steps for its node and two ends at once), InputError for no nodes.
    """
    graphs.at_least_one("connected_components", nodes)

    @protocol(memory=memory, alphabet=graphs.alphabet(nodes), name=f"connected_components(nodes={nodes})")
    def connected_components(me: Value, machines: int, u: Value, v: Value) -> Value:
        trees = merging.Trees(me, me, (machine(u), machine(v)))
        for _ in range(merging.phases(nodes, machines)):
            a, b = trees.ends
            free = merging.free(trees)
            leaves = a != b
            offers = shuffle(to=[a, b], payload=[where(leaves, b, None), where(leaves, a, None)], inbox="any")
            target = where(free, offers.min, None)
            start = where(target.exists, target, trees.parent)
            parent = where(target.exists, minimum(target, me), trees.parent)
            trees, _ = merging.first_step(trees, free, start, parent)
            trees, _ = merging.second_step(trees)
        if not merging.phases(nodes, machines):  # one node
            return where(me <= nodes, me, None)
        least = shuffle(to=trees.parent, payload=me, inbox="any").min
        return where(me <= nodes, request(trees.parent, least), None)

    return connected_components


def oracle(machines: list[Symbol], nodes: int = 8, memory: int = 3) -> list[Symbol | None]:
    """The components, by networkx."""
    least: dict[int, int] = {}
    for component in nx.connected_components(graphs.graph_of(machines, nodes)):
        least.update(dict.fromkeys(component, min(component)))
    return [least.get(i) for i in range(1, len(machines) + 1)]


def cases(rng: random.Random, length: int, nodes: int = 8, memory: int = 3) -> list[Case]:
    """The families of graphs."""
    return graphs.families(rng, nodes, length)


def layers(length: int, nodes: int = 8, memory: int = 3) -> int:
    """Three a phase, and two for the least node; a graph of one node needs none."""
    phases = merging.phases(nodes, length)
    return 3 * phases + 2 if phases else 0


ENTRY = ProtocolEntry(
    name="connected_components",
    summary="The least node of every node's component, in any graph given as edges.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    family="mpc-connectivity",
    layers_formula="3·floor(log2 nodes) + 2, 0 for one node",
    parameters={"nodes": 8, "memory": 3},
)
