"""The reference interpreter: a program's meaning in plain Python, sharing no code with the lowering.

Lookups use one dictionary from key to position, so a sequence of n tokens takes time linear in n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ..compiler.graph import Graph, Node
from ..compiler.ops import Const, Fetch, Local, Lookup, Position, Token

Column: TypeAlias = list[int | None]


def interpret_graph(graph: Graph, ids: Sequence[int]) -> list[Column]:
    """The value of every node at every position. Shapes: n token ids -> nodes x n; None is ⊥, positions count from 1."""
    columns: list[Column] = []
    for node in graph.nodes:
        columns.append(node_values(node, [columns[a] for a in node.args], ids))
    return columns


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
        case Lookup(parts=parts):
            return _choose(node.op, args[:parts], args[parts:], n)
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


def _choose(op: Lookup, queries: Sequence[Column], keys: Sequence[Column], n: int) -> Column:
    """For every position, the visible one whose key equals the query: the last or the first such."""
    seen: dict[tuple[int | None, ...], int] = {}

    def insert(t: int) -> None:
        key = tuple(column[t - 1] for column in keys)
        if None not in key and (op.pick != "earliest" or key not in seen):
            seen[key] = t

    def find(i: int) -> int | None:
        return seen.get(tuple(column[i - 1] for column in queries))  # a query with ⊥ equals no key: none was inserted

    chosen: Column = []
    if op.mask == "full":
        for t in range(1, n + 1):
            insert(t)
        return [find(i) for i in range(1, n + 1)]
    for i in range(1, n + 1):
        if op.mask == "strict":
            chosen.append(find(i))
            insert(i)
        else:
            insert(i)
            chosen.append(find(i))
    return chosen
