"""A relation given as a table of 0 and 1, as what it is: a mask, pointers, an equality of classes, an order of ranks, or a table.

Rows are queries, columns are keys. In the order in which they are tried:

- nothing, or all that has values;
- of two positions, a function of how far back the key is: masks, a window, or a pointer for each of a few places;
- y = x + c of two numbers: an equality; any two rows equal or with nothing in common: an equality of classes; the opposite of these;
- each row a part of the next: an order, of the numbers themselves or of ranks, one head a bit or one of a table;
- anything else: one head of a table, one dimension a key; of low rank, two for each of the rank (`compiler/rewrite/factor.py`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DomainError, Location
from ..ops import Affine, Position, Table
from .comparisons import RELATION_WIDTH, Nodes
from .conditions import ALL, NOWHERE, Both, Condition, Terms
from .functions import MAX_TABLE
from .value import Value, value_of

Held = npt.NDArray[np.bool_]
MOST_PLACES = 8  # pointers for a relation of positions: a head each


def table_condition(q: Value, k: Value, held: Held, line: Location | None) -> Condition:
    """The positions whose key stands in a relation to the query. Shape of `held`: values of the query x values of the key.

    ⊥ stands in no relation. Raises DomainError for a table of more than 65,536 entries that is nothing simpler.
    """
    nodes = Nodes(q.builder)
    if not held.any():
        return NOWHERE
    there = nodes.absent(q.index, k.index).complement()
    if held.all():
        return there if q.domain.none or k.domain.none else ALL
    found = _by_place(nodes, q, k, held) or _by_equality(nodes, q, k, held, line)
    alike = len(np.unique(held, axis=0)) + len(np.unique(held, axis=1).T)  # queries that select alike are one, and so are such keys
    if found is None and alike > RELATION_WIDTH * max(held.shape).bit_length():  # else one head of a table is narrower
        found = _by_difference(nodes, q, k, held, there, line) or _by_order(nodes, q, k, held, line)
    return found or _by_table(nodes, q, k, held, line)


def _by_place(nodes: Nodes, q: Value, k: Value, held: Held) -> Condition | None:
    """A relation of the two positions that depends on how far back the key is."""
    if not (isinstance(q.builder.nodes[q.index].op, Position) and q.index == k.index):
        return None
    n, causal = len(held), q.builder.sizes.causal
    back = np.subtract.outer(np.arange(n), np.arange(n))  # i - t
    seen = back >= 0 if causal else np.ones_like(held)
    first = -(n - 1) if not causal else 0
    there = np.zeros(n - first, np.bool_)
    for d in range(first, n):
        along = np.diagonal(held, -d)
        if along.any() != along.all():
            return None
        there[d - first] = along.all()
    if not (held & seen).any():
        return NOWHERE
    places = np.flatnonzero(there) + first
    changes = np.flatnonzero(np.diff(there.astype(np.int8)))
    if len(changes) <= 1 and there.any() and not there.all():
        least, less = (int(places.min()), False) if there[-1] else (int(places.max()) + 1, True)
        found = nodes.nearer(least) if less else nodes.farther(least)
        if found is not None:
            return found
        if less and first == 0:
            return nodes.within(least)
    if there.all():
        return ALL
    if len(places) > MOST_PLACES:
        return None
    terms = [nodes.back(q.index, int(d)) for d in places]

    def elsewhere() -> Condition:
        return _by_order(nodes, q, k, ~held, None) or _by_table(nodes, q, k, ~held, None)

    return Terms(tuple(terms), elsewhere)


def _by_equality(nodes: Nodes, q: Value, k: Value, held: Held, line: Location | None) -> Condition | None:
    """The query plus a number is the key, or both are of one class."""
    rows, columns = np.nonzero(held)
    apart = columns - rows + k.domain.lo - q.domain.lo
    numbers = {q.domain.kind, k.domain.kind} <= {"int", "position"} or (q.domain.kind == k.domain.kind and not apart.any())
    if numbers and (apart == apart[0]).all() and len(rows) == _fitting(q, k, int(apart[0])):
        return nodes.same(_moved(q, int(apart[0])).index, k.index)
    classes, which = np.unique(held, axis=0, return_inverse=True)
    which = which.reshape(-1)
    if not (classes.sum(axis=0) <= 1).all():
        return None
    number = np.cumsum(classes.any(axis=1))  # of the classes that are not empty, from 1
    of_query = [int(number[c]) if classes[c].any() else None for c in which]
    of_key = [int(number[np.flatnonzero(column)[0]]) if column.any() else None for column in classes.T]
    ends = [
        value_of(v.builder, Table("int", (v.domain.lo,), (v.domain.size,), tuple(entries), "class"), [v.index], line)
        for v, entries in ((q, of_query), (k, of_key))
    ]
    q.builder.note("a relation by 1 head that compares classes", line)
    return nodes.same(ends[0].index, ends[1].index)


def _fitting(q: Value, k: Value, apart: int) -> int:
    """How many queries have a key so far from them."""
    return max(0, min(q.domain.hi + apart, k.domain.hi) - max(q.domain.lo + apart, k.domain.lo) + 1)


def _moved(q: Value, by: int) -> Value:
    if not by:
        return q
    kind = "position" if q.domain.kind == "position" else "int"
    return value_of(q.builder, Affine(kind, (1,), by), [q.index], None)


def _by_difference(nodes: Nodes, q: Value, k: Value, held: Held, there: Condition, line: Location | None) -> Condition | None:
    """The opposite of an equality, among those that have values."""
    if held.mean() < 0.5:
        return None
    same = _by_equality(nodes, q, k, ~held, line)
    if same is None:
        return None
    return Both(same.complement(), there) if q.domain.none or k.domain.none else same.complement()


def _by_order(nodes: Nodes, q: Value, k: Value, held: Held, line: Location | None) -> Condition | None:
    """Each row part of the next, by size: the key's rank is at most the query's."""
    from .relations import condition_of

    sizes = held.sum(axis=1)
    order = np.argsort(sizes, kind="stable")
    ranked = held[order]
    if (ranked[:-1] & ~ranked[1:]).any():
        return None
    a, b = np.arange(q.domain.lo, q.domain.hi + 1)[:, None], np.arange(k.domain.lo, k.domain.hi + 1)[None, :]
    for sign, less in (("<=", True), (">=", False)):  # q + c <= k, q + c >= k
        ends = (b - a)[held]
        c = int(ends.min() if less else ends.max())
        numbers = {q.domain.kind, k.domain.kind} <= {"int", "position"}
        if numbers and ((a + c <= b if less else a + c >= b) == held).all():
            return condition_of([(_moved(q, c), k)], sign, line)
    distinct = np.unique(sizes)
    rank = {int(size): r for r, size in enumerate(distinct)}
    of_query = [rank[int(size)] for size in sizes]
    first = [int(np.flatnonzero(column)[0]) if column.any() else -1 for column in ranked.T]
    of_key = [rank[int(sizes[order[t]])] if t >= 0 else None for t in first]
    ends_of = [
        value_of(v.builder, Table("int", (v.domain.lo,), (v.domain.size,), tuple(entries), "rank"), [v.index], line)
        for v, entries in ((q, of_query), (k, of_key))
    ]
    return condition_of([(ends_of[0], ends_of[1])], ">=", line)


def _by_table(nodes: Nodes, q: Value, k: Value, held: Held, line: Location | None) -> Condition:
    rows, of_row = np.unique(held, axis=0, return_inverse=True)
    both, of_column = np.unique(rows, axis=1, return_inverse=True)
    if 2 * sum(both.shape) <= sum(held.shape):  # queries that select alike, and keys that are selected alike, are one each
        alike = [
            value_of(
                v.builder,
                Table("int", (v.domain.lo,), (v.domain.size,), tuple(int(c) for c in which.reshape(-1)), "class"),
                [v.index],
                line,
            )
            for v, which in ((q, of_row), (k, of_column))
        ]
        return _by_table(nodes, alike[0], alike[1], both, line)
    if held.size > MAX_TABLE:
        sizes = f"{held.shape[0]:,} x {held.shape[1]:,}"
        raise DomainError(f"a relation of {sizes} values is no equality and no order, and as a table too large", line, "use == or an order")
    q.builder.note(f"a relation by 1 head of a table, {sum(held.shape):,} dimensions", line)
    return nodes.related(q.index, k.index, (q.domain.lo, q.domain.size, k.domain.lo, k.domain.size, *(int(h) for h in held.flat)))
