"""Graphs as the inputs of protocols: an edge a machine, and the families that the cases are drawn from."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Case

Edge: TypeAlias = tuple[int, int]
NO_EDGE = (None, None)


def at_least_one(protocol: str, nodes: int) -> None:
    """Check the number of nodes. Raises InputError where there are none, or more than tables over pairs can hold."""
    if not 1 <= nodes <= 362:
        raise InputError(
            f"protocol {protocol} was given nodes={nodes}", hint="give nodes from 1 to 362: edges are looked up in tables of 65,536"
        )


def alphabet(nodes: int) -> list[Symbol]:
    """What a machine may hold: no edge, or an edge (u, v) with u < v of 1..nodes."""
    return [NO_EDGE, *itertools.combinations(range(1, nodes + 1), 2)]


def edges_of(machines: Sequence[Symbol]) -> list[tuple[int, Edge]]:
    """The machines that hold an edge between two nodes that have a machine, with that edge."""
    held = [(i, tuple(s)) for i, s in enumerate(machines, 1) if isinstance(s, tuple)]
    return [(i, (u, v)) for i, (u, v, *_) in held if isinstance(u, int) and isinstance(v, int) and max(u, v) <= len(machines)]


def graph_of(machines: Sequence[Symbol], nodes: int) -> nx.Graph[int]:
    """The graph that machines hold: those of the nodes 1..nodes that have a machine, and the edges between them."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(1, min(nodes, len(machines)) + 1))
    graph.add_edges_from(edge for _, edge in edges_of(machines))
    return graph


def placed(edges: Iterable[Edge], machines: int, rng: random.Random | None = None) -> list[Symbol]:
    """Edges, u < v, one a machine; in random order and on random machines if `rng` is given, no edge on the others."""
    rows: list[Symbol] = [(min(e), max(e)) for e in edges]
    rows += [NO_EDGE] * (machines - len(rows))
    if rng is not None:
        rng.shuffle(rows)
    return rows


def renamed(edges: Iterable[Edge], rng: random.Random, nodes: int) -> list[Edge]:
    """The same graph with its nodes' numbers shuffled."""
    names = rng.sample(range(1, nodes + 1), nodes)
    return [(names[u - 1], names[v - 1]) for u, v in edges]


def path(nodes: int) -> list[Edge]:
    """1 - 2 - … - nodes."""
    return [(i, i + 1) for i in range(1, nodes)]


def cycle(nodes: int, first: int = 1) -> list[Edge]:
    """A cycle through `nodes` consecutive numbers; below three nodes, a path."""
    last = first + nodes - 1
    return [(i, i + 1) for i in range(first, last)] + ([(first, last)] if nodes > 2 else [])


def star(nodes: int, centre: int) -> list[Edge]:
    """Every other node to one: many messages to one machine."""
    return [(i, centre) for i in range(1, nodes + 1) if i != centre]


def grid(nodes: int) -> list[Edge]:
    """Rows of floor(sqrt(nodes)) nodes, the last one shorter."""
    width = max(1, int(nodes**0.5))
    across = [(i, i + 1) for i in range(1, nodes) if i % width]
    return across + [(i, i + width) for i in range(1, nodes - width + 1)]


def families(rng: random.Random, nodes: int, machines: int) -> list[Case]:
    """Graphs on `nodes` nodes with at most `machines` edges, from none at all to complete, in order, scattered and clustered."""
    every: list[Edge] = [(u, v) for u, v in itertools.combinations(range(1, nodes + 1), 2)]
    half = nodes // 2
    clustered = [(u, v) for u, v in every if (u <= half) == (v <= half)]
    drawn: list[tuple[str, list[Edge]]] = [
        ("no edges", []),
        ("path in order", path(nodes)),
        ("path backwards, every machine a link", [(nodes - u, nodes + 1 - u) for u in range(1, nodes)]),
        ("path, scattered", renamed(path(nodes), rng, nodes)),
        ("zigzag path", [(i, j) for i, j in itertools.pairwise(x for k in range(half) for x in (k + 1, nodes - k))]),
        ("star around the least node", star(nodes, 1)),
        ("star around the greatest node", star(nodes, nodes)),
        ("cycle, scattered", renamed(cycle(nodes), rng, nodes)),
        ("two cycles, scattered", renamed(cycle(half) + cycle(nodes - half, half + 1), rng, nodes)),
        ("grid", grid(nodes)),
        ("complete graph", every),
        ("two dense halves", clustered),
        ("pairs", [(2 * i - 1, 2 * i) for i in range(1, half + 1)]),
        ("one edge", every[-1:]),
        ("random, sparse", rng.sample(every, min(len(every), nodes * 2 // 3))),
        ("random, dense", rng.sample(every, min(len(every), 2 * nodes))),
    ]
    found = [Case("one machine", [NO_EDGE])]
    for title, edges in drawn:
        if len(edges) <= machines:
            scattered = "scattered" in title or "random" in title
            found.append(Case(title, placed(edges, machines, rng if scattered else None)))
    found.append(Case("fewer machines than nodes", placed(path(nodes), machines)[: max(1, min(half, machines))]))
    return found
