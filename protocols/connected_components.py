"""Connected components of any graph in 3·floor(log2 nodes) + 2 attention layers: a machine an edge, and a machine a node."""

from __future__ import annotations

import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, where
from ..mpc import Protocol, machine, protocol, request, shuffle
from . import graphs
from .entry import Case, ProtocolEntry


def make(nodes: int = 8, memory: int = 3) -> Protocol:
    """Machine i holds an edge (u, v), u < v, or none, and is told the least node of the component of node i; ⊥ above `nodes`."""

    @protocol(memory=memory, alphabet=graphs.alphabet(nodes), name=f"connected_components(nodes={nodes})")
    def connected_components(me: Value, machines: int, u: Value, v: Value) -> Value:
        a, b = machine(u), machine(v)
        parent, root, waits, retired = me, me == me, me != me, me != me
        for _ in range(min(nodes, machines).bit_length() - 1):
            leaves = a != b
            offers = shuffle(to=[a, b], payload=[where(leaves, b, None), where(leaves, a, None)], inbox="any")
            free = root & ~waits
            target = where(free, offers.min, None)
            hooks = target.exists
            start = where(hooks, target, parent)
            parent = where(hooks, minimum(target, me), parent)
            (up, settled), (a, _), (b, _) = request([start, a, b], (parent, free))
            parent = up.or_else(me)
            retired = retired | (~root & settled)
            top, a, b = request([parent, a, b], parent)
            moved = (top != parent) & ~retired
            parent, root = top, top == me
            waits = shuffle(to=top, payload=moved, inbox="any").any
        least = shuffle(to=parent, payload=me, inbox="any").min
        return where(me <= nodes, request(parent, least), None)

    return connected_components


def oracle(machines: list[Symbol], nodes: int = 8, memory: int = 3) -> list[Symbol | None]:
    """The components, by networkx."""
    least: dict[int, int] = {}
    for component in nx.connected_components(graphs.graph_of(machines, nodes)):
        least.update(dict.fromkeys(component, min(component)))
    return [least.get(i) for i in range(1, len(machines) + 1)]
