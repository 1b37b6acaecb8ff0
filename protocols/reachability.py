"""Reachability: which vertices of a directed graph are reached from which, by squaring its adjacency matrix."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, table, where
from ..mpc import Protocol, gather, protocol, scatter
from . import matrix
from .entry import Case, ProtocolEntry


def make() -> Protocol:
    """Machine (i, j) gets whether a path leads from i to j, of any length, 0 too (`matrix.py` says which machine that is).

    A vertex takes part if its row and column are held whole, to be known in the first round; ⊥ at the machines of another.
    Then in ceil(log2 n) squarings, n = floor(sqrt N), machine (i, j) is sent row i and column j, one round each, and sees
    whether for some k both have a path. Memory 2n: with less, machines (i, j, k) for every k would be needed, n³ in all.
    """

    @protocol(memory=lambda length: 2 * matrix.side(length), words={"edge": [False, True]}, name="reachability")
    def reachability(machines: int, me: Value, edge: Value) -> Value:
        n = math.isqrt(machines)
        whole = gather(lambda m: max(matrix.entry(m)) ** 2, me).exists
        path = (edge | table(lambda m: matrix.entry(m)[0] == matrix.entry(m)[1], me)) & whole
        for _ in range((n - 1).bit_length()):
            path = _squared(path, n)
        return where(whole, path, None)

    return reachability


def _squared(path: Value, n: int) -> Value:
    """Whether there are paths from i to some k and from k to j; the k-th message is from (i, k), or (k, j): they are in order."""
    ks = range(1, n + 1)

    def cell(m: int, i: int, j: int) -> int | None:
        return matrix.cell(i, j) if m <= n * n else None

    row = scatter([lambda m, k=k: cell(m, matrix.entry(m)[0], k) for k in ks], [path] * n).messages
    column = scatter([lambda m, k=k: cell(m, k, matrix.entry(m)[1]) for k in ks], [path] * n).messages
    ways = [table(lambda a, b: int(a and b), a, b).or_else(0) for a, b in zip(row, column, strict=True)]
    return sum(ways[1:], ways[0]) > 0


def oracle(machines: Sequence[Symbol]) -> list[Symbol | None]:
    """networkx.descendants, and the vertex itself."""
    n = math.isqrt(len(machines))
    rows = matrix.read([int(symbol is True) for symbol in machines])
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(1, n + 1))
    graph.add_edges_from((i, j) for i in range(1, n + 1) for j in range(1, n + 1) if rows[i - 1][j - 1])
    reached = {i: nx.descendants(graph, i) | {i} for i in graph}
    found: list[Symbol | None] = [j in reached[i] for i, j in map(matrix.entry, range(1, n * n + 1))]
    return found + [None] * (len(machines) - n * n)


def cases(rng: random.Random, length: int) -> list[Case]:
    """Graphs with names and random ones."""
    return [Case(title, [bool(edge) for edge in edges]) for title, edges in matrix.graphs(rng, length)]


def layers(length: int) -> int:
    """One for what is whole, and one a squaring."""
    return 1 + (math.isqrt(length) - 1).bit_length()


ENTRY = ProtocolEntry(
    name="reachability",
    summary="Which vertices of a directed graph are reached from which, an entry of the matrix a machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="ceil(log2 n) + 1, n = floor(sqrt N)",
)
