"""Relations of low rank: tables of the query and of the key whose products, summed, say whether the relation holds.

A table R of 0 and 1 takes one dimension a query and one a key, one-hot. Where s·R = U·V / d + t for s = 1 or 2, t = 0 or 1, and whole
numbers in U (queries x rank) and V (rank x keys), the head's score can read U and V instead: 2·rank dimensions. With D the distance,

    s·d·D = s·d·(1 - R) = (s - t)·d - Σ_j U_j(q)·V_j(k)

which is 0 where R holds and s·d where it does not, exactly. Of rank 1 with t = 1, s = 2 are products of signs: an XOR of what is known of
the query with what is known of the key. U·V = d·(s·R - t) is checked in whole numbers. Source: rank factorisation, by a skeleton.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..codes.forms import Ints
from ..graph import Graph, Node
from ..ops import Local, Lookup, Position, Relation, Table, Token, Total, relation_of

MOST_RANK = 32  # more is not looked for
LARGEST = 1 << 10  # of an entry of U and V: scores are sums of their products
PRIME = 2_147_483_629
UNITS = 2  # hidden units of a dimension of one-hot code, about
WORTH = 2  # times cheaper: one-hot codes are shared with other relations of the same value, and are read more easily


@dataclass(frozen=True)
class Factors:
    """s·R·d = U·V + t·d. Shapes: `queries` (rank, values of the query), `keys` (rank, values of the key)."""

    queries: tuple[tuple[int, ...], ...]
    keys: tuple[tuple[int, ...], ...]
    scale: int
    shift: int
    over: int

    @property
    def steps(self) -> int:
        """The most that the products add up to, in absolute value."""
        return sum(max(map(abs, u)) * max(map(abs, v)) for u, v in zip(self.queries, self.keys, strict=True))


@dataclass(frozen=True, slots=True)
class Factored:
    """Factors as nodes of a graph: one of the query and one of the key for each of the rank."""

    queries: tuple[int, ...]
    keys: tuple[int, ...]
    factors: Factors


@lru_cache(maxsize=256)
def factors(relation: Relation, absent: bool) -> Factors | None:
    """The factors of least rank that are found, None where they are no fewer than one-hot. With `absent` a side may be ⊥: t is 0."""
    rows, columns = relation[1], relation[3]
    table = np.array(relation[4:], np.int64).reshape(rows, columns)
    found: list[Factors] = []
    for scale, shift in ((1, 0),) if absent else ((1, 0), (1, 1), (2, 1)):
        pivots = _pivots(scale * table - shift)
        if 0 < len(pivots) <= MOST_RANK and 2 * len(pivots) < rows + columns:
            for turned in (False, True):
                made = _solved(scale * table - shift, pivots, turned)
                if made is not None:
                    u, v, over = made
                    found.append(Factors(_rows(u.T), _rows(v), scale, shift, over))
    return min(found, key=lambda f: (len(f.queries), f.steps), default=None)


def _rows(table: Ints) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(x) for x in row) for row in table)


def _pivots(table: Ints) -> list[tuple[int, int]]:
    """Rows and columns of a submatrix of full rank that is as large as the rank, by elimination modulo a prime.

    Stops one past the most that is of use. The rank modulo a prime is at most the rank; that it is enough is checked afterwards.
    """
    left, found = table % PRIME, list[tuple[int, int]]()
    while left.any() and len(found) <= MOST_RANK:
        i, j = (int(x) for x in np.argwhere(left)[0])
        inverse = pow(int(left[i, j]), -1, PRIME)
        row = left[i] * inverse % PRIME
        left = (left - left[:, j : j + 1] * row % PRIME) % PRIME
        found.append((i, j))
    return found


def _solved(table: Ints, pivots: Sequence[tuple[int, int]], turned: bool) -> tuple[Ints, Ints, int] | None:
    """Whole numbers U, V and d with U·V = d·table. V is rows of the table, or if `turned` U is columns of it."""
    rows, columns = sorted(i for i, _ in pivots), sorted(j for _, j in pivots)
    inverse = _inverse(table[np.ix_(rows, columns)])
    if inverse is None:
        return None
    over = math.lcm(*(x.denominator for row in inverse for x in row))
    whole = np.array([[int(x * over) for x in row] for row in inverse], np.int64)
    u, v = (table[:, columns], whole @ table[rows]) if turned else (table[:, columns] @ whole, table[rows])
    common = math.gcd(over, *(int(x) for x in (v if turned else u).flat))
    u, v, over = (u, v // common, over // common) if turned else (u // common, v, over // common)
    if max(int(np.abs(u).max()), int(np.abs(v).max()), over) > LARGEST or (u @ v != over * table).any():
        return None
    return u, v, over


def _inverse(square: Ints) -> list[list[Fraction]] | None:
    n = len(square)
    rows = [[Fraction(int(x)) for x in row] + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(square)]
    for j in range(n):
        i = next((i for i in range(j, n) if rows[i][j]), None)
        if i is None:
            return None
        rows[j], rows[i] = rows[i], rows[j]
        rows[j] = [x / rows[j][j] for x in rows[j]]
        for i in range(n):
            if i != j and (by := rows[i][j]):
                rows[i] = [x - by * y for x, y in zip(rows[i], rows[j], strict=True)]
    return [row[n:] for row in rows]


def factored(graph: Graph) -> Graph:
    """The graph with nodes for the factors of every relation that is cheaper so. Preserves every value: nothing refers to them."""
    nodes = list(graph.nodes)
    known = {(node.op, node.args): i for i, node in enumerate(nodes)}
    for index, part in _relations(graph):
        for op, args in _tables(graph, index, part):
            if (op, args) not in known:
                known[op, args] = len(nodes)
                domain = op.domain([nodes[a].domain for a in args], graph.sizes)
                nodes.append(Node(op, args, domain, f"factor.{len(nodes)}", graph.nodes[index].line))
    return replace(graph, nodes=tuple(nodes)) if len(nodes) > len(graph.nodes) else graph


def factored_part(graph: Graph, index: int, part: int) -> Factored | None:
    """A part of a lookup or total as factors, where the graph has nodes for them."""
    tables = _tables(graph, index, part)
    if not tables:
        return None
    known = {(node.op, node.args): i for i, node in enumerate(graph.nodes)}
    found = [known.get(table) for table in tables]
    made = [x for x in found if x is not None]
    some = _chosen(graph, index, part)
    assert some is not None
    return Factored(tuple(made[::2]), tuple(made[1::2]), some) if len(made) == len(found) else None


def _relations(graph: Graph) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for i, node in enumerate(graph.nodes):
        if isinstance(node.op, (Lookup, Total)):
            found += [(i, p) for p in range(node.op.parts) if relation_of(node.op.relations, p)]
    return found


def _ends(graph: Graph, index: int, part: int) -> tuple[int, int, Relation]:
    node = graph.nodes[index]
    assert isinstance(node.op, (Lookup, Total))
    return node.args[part], node.args[node.op.parts + part], relation_of(node.op.relations, part)


def _tables(graph: Graph, index: int, part: int) -> list[tuple[Table, tuple[int, ...]]]:
    """The factors as operations: of the query, then of the key, in turn."""
    some = _chosen(graph, index, part)
    if some is None:
        return []
    query, key, relation = _ends(graph, index, part)
    found: list[tuple[Table, tuple[int, ...]]] = []
    for u, v in zip(some.queries, some.keys, strict=True):
        found.append((Table("int", (relation[0],), (relation[1],), u, "factor"), (query,)))
        found.append((Table("int", (relation[2],), (relation[3],), v, "factor"), (key,)))
    return found


def _chosen(graph: Graph, index: int, part: int) -> Factors | None:
    """The factors of a relation, if they are half as dear as one-hot codes: in dimensions, and in hidden units of what is computed."""
    query, key, relation = _ends(graph, index, part)
    if not relation or relation[1] < graph.nodes[query].domain.size or relation[3] < graph.nodes[key].domain.size:
        return None  # a value outside the table would be ⊥ in the factors
    some = factors(relation, graph.nodes[query].domain.none or graph.nodes[key].domain.none)
    if some is None:
        return None
    cost = [0, 0]
    for node, size, tables in ((query, relation[1], some.queries), (key, relation[3], some.keys)):
        made = not _given(graph, node)
        cost[0] += size * (1 + UNITS * made)
        cost[1] += sum(1 + made * _bends(table) for table in tables)
    return some if WORTH * cost[1] <= cost[0] else None


def _given(graph: Graph, index: int) -> bool:
    """Whether a value depends on the token alone, or on the position alone: then its codes are columns of an embedding."""
    sources, seen, waiting = set[str](), set[int](), [index]
    while waiting:
        node = graph.nodes[waiting.pop()]
        if isinstance(node.op, (Token, Position)):
            sources.add(node.op.name)
        elif not isinstance(node.op, Local) and node.args:
            return False
        fresh = [a for a in node.args if a not in seen]
        seen.update(fresh)
        waiting += fresh
    return len(sources) <= 1


def _bends(table: Sequence[int]) -> int:
    """How many hidden units a function of one number takes: one where its slope changes."""
    array: npt.NDArray[np.int64] = np.diff(np.array([0, *table]), n=2) if len(table) > 1 else np.array([1])
    return 1 + int(np.count_nonzero(array))
