"""Triangles of a graph: the machine of every edge sees both ends' neighbours, and an all-reduce adds up."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, table, where
from ..mpc import Protocol, all_reduce, protocol, scatter
from ..programs.entry import always
from . import matrix
from .entry import Case, ProtocolEntry


def make() -> Protocol:
    """Every machine gets the number of triangles of a graph, given as an adjacency matrix of which the part above the diagonal counts.

    Machine (i, j) is sent row i and row j (`matrix.py` says which machine that is) and counts the k > j that both have an
    edge to. Memory ceil(sqrt N) = n, so 2 rounds, and those of an all-reduce, 2·ceil(log_n n²) = 4 from n = 2.
    """

    @protocol(memory=matrix.side, words={"edge": [False, True]}, name="triangle_count")
    def triangle_count(machines: int, me: Value, edge: Value) -> Value:
        n = matrix.side(machines)
        upper = range(1, n + 1)
        # Row i goes to all of row i, and to all of column i: (k, i) for every k. Messages k are entries k, for those are in order.
        own = scatter([lambda m, k=k: matrix.cell(matrix.entry(m)[0], k) for k in upper], [edge] * n).messages
        other = scatter([lambda m, k=k: matrix.cell(k, matrix.entry(m)[0]) for k in upper], [edge] * n).messages
        # Triangles are counted where i < j < k; where i >= j no k is beyond n.
        last = table(lambda m: max(matrix.entry(m)) if matrix.entry(m)[0] < matrix.entry(m)[1] else n, me)
        both = [table(lambda a, b: int(a and b), a, b).or_else(0) for a, b in zip(own, other, strict=False)]
        count = sum((where(last < k, there, 0) for k, there in enumerate(both[1:], 2)), where(last < 1, both[0], 0))
        return minimum(all_reduce(where(edge, count, 0)), math.comb(n, 3))  # as it is, and now known to be

    return triangle_count


def oracle(machines: Sequence[Symbol]) -> list[Symbol | None]:
    """networkx.triangles: at every vertex, so three times each."""
    rows = matrix.read([int(symbol is True) for symbol in machines])
    graph: nx.Graph[int] = nx.Graph()
    graph.add_edges_from((i, j) for i, row in enumerate(rows) for j, there in enumerate(row) if there and i < j)
    at_vertices = nx.triangles(graph)
    assert isinstance(at_vertices, dict)
    return [sum(at_vertices.values()) // 3] * len(machines)


def cases(rng: random.Random, length: int) -> list[Case]:
    """Graphs with names and random ones."""
    return [Case(title, [bool(edge) for edge in edges]) for title, edges in matrix.graphs(rng, length)]


ENTRY = ProtocolEntry(
    name="triangle_count",
    summary="How many triangles a graph has, an entry of its adjacency matrix a machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=always(2),
    layers_formula="2",
)
