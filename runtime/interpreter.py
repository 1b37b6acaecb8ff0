"""The reference interpreter: a program's meaning in plain Python, sharing no code with the lowering.

Lookups and totals by equality use one dictionary by key, so a sequence of n tokens takes time linear in n; where a part is
a relation, every different key seen is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from ..compiler.graph import Graph, Node
from ..compiler.ops import Const, Fetch, Local, Lookup, Mask, Position, Token, Total, related, relation_of

Column: TypeAlias = list[int | None]
Key: TypeAlias = tuple[int | None, ...]


def interpret_graph(graph: Graph, ids: Sequence[int], fixed: Mapping[int, Mapping[int, int | None]] | None = None) -> list[Column]:
    """The value of every node at every position. Shapes: n token ids -> nodes x n; None is ⊥, positions count from 1.

    `fixed` sets values from outside: by node, at positions; what is computed from them is computed from what they were set to.
    """
    columns: list[Column] = []
    for index, node in enumerate(graph.nodes):
        columns.append(node_values(node, [columns[a] for a in node.args], ids))
        for position, value in (fixed or {}).get(index, {}).items():
            columns[index][position - 1] = value
    return columns


def interpret_roots(graph: Graph, ids: Sequence[int]) -> list[Column]:
    """The values of the outputs, the guard's last."""
    columns = interpret_graph(graph, ids)
    return [columns[root] for root in graph.roots]


def node_values(node: Node, args: Sequence[Column], ids: Sequence[int]) -> Column:
    """One node's values, given its arguments' values. A lookup's values are the positions it chose."""
    n = len(ids)
    match node.op:
        case Token():
            return list(ids)
        case Position():
            return list(range(1, n + 1))
        case Const(value=value):
            return [value] * n
        case Lookup() as op:
            return _closest(op, args, n) if op.pick == "closest" else _choose(op, args, n)
        case Total() as op:
            return _add_up(op, args, n)
        case Fetch():
            where, values = args
            return [None if t is None else values[t - 1] for t in where]
        case Local() as op:
            rows = zip(*args, strict=True)
            if op.strict:
                return [None if any(v is None for v in row) else op.meaning(*row) for row in rows]
            return [op.meaning(*row) for row in rows]
        case _:
            raise AssertionError(f"no meaning for {node.op}")


def _choose(op: Lookup, args: Sequence[Column], n: int) -> Column:
    """For every position, the visible one that matches the query: the last, the first, or the one ranked first."""
    queries, keys = args[: op.parts], args[op.parts : 2 * op.parts]
    ranks = args[-1] if op.ranked else None
    sign = -1 if op.pick == "smallest" else 1
    best: dict[Key, int] = {}

    def better(t: int, old: int | None) -> bool:
        if old is None or op.pick == "earliest":
            return old is None or t < old
        if ranks is None:
            return t > old
        new_rank, old_rank = ranks[t - 1], ranks[old - 1]
        assert new_rank is not None and old_rank is not None
        return (sign * new_rank, t) > (sign * old_rank, old)

    def insert(t: int) -> None:
        key = tuple(column[t - 1] for column in keys)
        if None not in key and better(t, best.get(key)):
            best[key] = t

    def find(i: int) -> int | None:
        chosen: int | None = None
        for key in matching(op, [column[i - 1] for column in queries], best):
            if better(best[key], chosen):
                chosen = best[key]
        return chosen

    return _sweep(op.mask, n, insert, find)


def _closest(op: Lookup, args: Sequence[Column], n: int) -> Column:
    """For every position, of the visible ones that match the one that differs in the fewest graded comparisons, the latest of equals."""
    queries, keys = args[: op.parts], args[op.parts : 2 * op.parts]
    asked, held = args[2 * op.parts : 2 * op.parts + op.graded], args[2 * op.parts + op.graded :]
    seen: dict[Key, dict[Key, int]] = {}  # the latest position of each graded key, by what must match

    def insert(t: int) -> None:
        key = tuple(column[t - 1] for column in keys)
        if None not in key:
            seen.setdefault(key, {})[tuple(column[t - 1] for column in held)] = t

    def find(i: int) -> int | None:
        here = [column[i - 1] for column in asked]
        found = [
            (sum(a != b for a, b in zip(here, graded, strict=True)), -t)
            for key in matching(op, [column[i - 1] for column in queries], seen)
            for graded, t in seen[key].items()
        ]
        return -min(found)[1] if found else None

    return _sweep(op.mask, n, insert, find)


def _add_up(op: Total, args: Sequence[Column], n: int) -> Column:
    """For every position, the sum of the value over the visible ones that match the query; ⊥ adds nothing."""
    queries, keys, values = args[: op.parts], args[op.parts : 2 * op.parts], args[-1]
    sums: dict[Key, int] = {}

    def insert(t: int) -> None:
        key = tuple(column[t - 1] for column in keys)
        if None not in key:
            sums[key] = sums.get(key, 0) + (values[t - 1] or 0)

    return _sweep(op.mask, n, insert, lambda i: sum(sums[key] for key in matching(op, [column[i - 1] for column in queries], sums)))


def matching(op: Lookup | Total, query: Sequence[int | None], seen: Mapping[Key, object]) -> Iterator[Key]:
    """The keys seen so far that match a query: by one look if all parts are equalities, else one by one."""
    if None in query:
        return
    if not any(op.relations):
        if tuple(query) in seen:
            yield tuple(query)
        return
    for key in seen:
        if all(holds(op, part, q, k) for part, (q, k) in enumerate(zip(query, key, strict=True))):
            yield key


def holds(op: Lookup | Total, part: int, query: int | None, key: int | None) -> bool:
    """Whether a part matches: by its relation, or by equality where it has none; ⊥ matches nothing."""
    if query is None or key is None:
        return False
    relation = relation_of(op.relations, part)
    return related(relation, query, key) if relation else query == key


def _sweep(mask: Mask, n: int, insert: Callable[[int], None], find: Callable[[int], int | None]) -> Column:
    """What `find` says at every position once every visible position has been inserted."""
    if mask == "full":
        for t in range(1, n + 1):
            insert(t)
        return [find(i) for i in range(1, n + 1)]
    found: Column = []
    for i in range(1, n + 1):
        if mask == "causal":
            insert(i)
        found.append(find(i))
        if mask == "strict":
            insert(i)
    return found
