"""The minimum spanning forest by Borůvka's algorithm, in 5·floor(log2 nodes) - 2 attention layers: a machine an edge."""

from __future__ import annotations

import itertools
import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.language import Value, where
from ..mpc import Protocol, machine, protocol, request, shuffle
from . import graphs, merging
from .entry import Case, ProtocolEntry

NO_EDGE = (None, None, None)


def make(nodes: int = 8, weights: int = 4, memory: int = 3) -> Protocol:
    """Machine i holds an edge (u, v, weight), u < v and weight 1..weights, or none; it is told whether the forest has its edge.

    Of equal weights the edge of the lesser machine counts as the lighter one, so the forest is unique. ⊥ where there is no edge.
    Nodes are those of `connected_components`, and so are the trees (`merging.py`); a free root is hooked by the lightest edge that
    leaves its tree, which by the cut property is one of the forest's. Weight and machine are sent as one number.

    Layers: one to see which nodes exist, then for each of the floor(log2 nodes) phases a shuffle of edges, a request for the chosen one,
    one to see whether the other root chose it too, and the two steps; the last phase ends with the choice.
    Raises CapacityError for a memory below 3, InputError for no nodes or weights.
    """
    graphs.at_least_one("minimum_spanning_forest", nodes)
    if weights < 1:
        raise InputError(f"protocol minimum_spanning_forest was given weights={weights}", hint="give at least one weight")
    name = f"minimum_spanning_forest(nodes={nodes}, weights={weights})"

    @protocol(memory=memory, alphabet=alphabet(nodes, weights), name=name)
    def minimum_spanning_forest(me: Value, machines: int, u: Value, v: Value, weight: Value) -> Value:
        key = weight * machines + me
        a, b = request([u, v], me)
        trees = merging.Trees(me, me, (a, b))
        taken = ~me.exists  # false everywhere
        last = merging.phases(nodes, machines) - 1
        for phase in range(last + 1):
            a, b = trees.ends
            free = merging.free(trees)
            leaving = where(a != b, key, None)
            least = shuffle(to=[a, b], payload=[leaving, leaving], inbox="any").min
            edge = machine(where(free, (least - 1) % machines + 1, None))
            (x, y, _), (_, _, by_a), (_, _, by_b) = request([edge, a, b], (a, b, edge))
            taken = taken | (by_a == me).or_else(False) | (by_b == me).or_else(False)
            if phase == last:
                break
            target = where(x == me, y, x)
            both = (request(target, edge) == edge).or_else(False)
            hooks = where(both & (me < target), None, target)
            parent = hooks.or_else(trees.parent)
            trees, _ = merging.first_step(trees, free, parent, parent)
            trees, _ = merging.second_step(trees)
        return where(a.exists & b.exists, taken, None)

    return minimum_spanning_forest


def alphabet(nodes: int, weights: int) -> list[Symbol]:
    """No edge, or an edge (u, v, weight) with u < v."""
    pairs = itertools.combinations(range(1, nodes + 1), 2)
    return [NO_EDGE, *((u, v, w) for u, v in pairs for w in range(1, weights + 1))]


def oracle(machines: list[Symbol], nodes: int = 8, weights: int = 4, memory: int = 3) -> list[Symbol | None]:
    """By networkx, on weights made distinct by the machine's number; of parallel edges the lightest is kept."""
    graph: nx.Graph[int] = nx.Graph()
    held = graphs.edges_of(machines)
    for i, (u, v) in sorted(held, key=lambda row: _key(machines, row[0]), reverse=True):
        graph.add_edge(u, v, weight=_key(machines, i), machine=i)
    forest = {data["machine"] for _, _, data in nx.minimum_spanning_edges(graph)}
    edges = {i for i, _ in held}
    return [i in forest if i in edges else None for i in range(1, len(machines) + 1)]


def _key(machines: list[Symbol], i: int) -> int:
    symbol = machines[i - 1]
    assert isinstance(symbol, tuple)
    return int(str(symbol[2])) * (len(machines) + 1) + i


def cases(rng: random.Random, length: int, nodes: int = 8, weights: int = 4, memory: int = 3) -> list[Case]:
    """The families of graphs with equal, random and falling weights in turn, and an edge held twice."""
    draws = (("equal", lambda i: 1), ("random", lambda i: rng.randint(1, weights)), ("falling", lambda i: 1 + -i % weights))
    found: list[Case] = []
    for (title, draw), case in zip(itertools.cycle(draws), graphs.families(rng, nodes, length)):
        held = [(*s, draw(i)) if isinstance(s, tuple) and s != graphs.NO_EDGE else NO_EDGE for i, s in enumerate(case.machines)]
        found.append(Case(f"{case.title}, {title} weights", [*held]))
    if nodes > 1 and length > 1:
        found.append(Case("one edge twice", [(1, 2, weights), (1, 2, 1)]))
    return found


def layers(length: int, nodes: int = 8, weights: int = 4, memory: int = 3) -> int:
    """One, and five a phase but for the last, which takes two."""
    phases = merging.phases(nodes, length)
    return 5 * phases - 2 if phases else 1


ENTRY = ProtocolEntry(
    name="minimum_spanning_forest",
    summary="Whether the minimum spanning forest has this machine's edge.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="5·floor(log2 nodes) - 2, 1 for one node",
    parameters={"nodes": 8, "weights": 4, "memory": 3},
)
