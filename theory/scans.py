"""Whether a program is a scan of a monoid: its graph holds what `hw.scan` writes, and what follows is local."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..compiler.errors import HeadworkError, InputError
from ..compiler.graph import Builder, Graph, Node
from ..compiler.language.scan import scan
from ..compiler.language.value import Value
from ..compiler.ops import Table
from ..programs.automaton import MOST_MAPS, Map
from ..runtime.interpreter import interpret_graph
from .semigroup import unsolvable

MOST_HEADS = 8  # a layer of a scan, that are tried


def scanned(graph: Graph) -> dict[str, int] | None:
    """The parameters of the family of scans, None where the graph is not seen to be one; `unsolvable` where it can be counted.

    A join of a scan is a table of two values of the step's domain. A scan of a step by such a table is written anew, and has to be a node
    of the graph, beyond which no other place is read. Where no join is of all values, as in short texts, nothing is seen.
    """
    if len(graph.roots) > 1 or not graph.sizes.causal:
        return None
    interned, depths = dict[object, int](), graph.depths()
    mine = {key: i for i, key in enumerate(_keys(graph.nodes, interned))}
    joins = {node.op for node in graph.nodes if isinstance(node.op, Table) and len(node.args) == 2}
    for step, node in enumerate(graph.nodes):
        lo, size = node.domain.lo, node.domain.hi - node.domain.lo + 1
        if depths[step] or node.domain.none or not 1 < size <= MOST_MAPS:
            continue
        for join in joins:
            if join.shape != (size, size) or join.starts != (lo, lo):
                continue
            for heads in range(1, MOST_HEADS + 1):
                key = _written(graph, step, join, heads, interned)
                whole = None if key is None else mine.get(key)
                if whole is not None and depths[whole] == depths[graph.output] and _local(graph, whole):
                    return _groups(graph, step, join, size)
    return None


def _written(graph: Graph, step: int, table: Table, heads: int, interned: dict[object, int]) -> int | None:
    """The key of a scan of the step by this table, so many heads a layer; None where the table is not associative."""
    builder = Builder(graph.name, replace(graph.sizes, labels=()))
    try:
        for node in graph.nodes[: step + 1]:
            builder.add(node.op, node.args, node.name)
        whole = builder.finish(scan(table.meaning, Value(builder, step), heads).index)
    except HeadworkError:
        return None
    return _keys(whole.nodes, interned)[whole.output]


def _keys(nodes: Sequence[Node], interned: dict[object, int]) -> list[int]:
    """A number for each node that two share only where they are the same operations on the same values, whatever tables are called."""
    keys: list[int] = []
    for node in nodes:
        op = replace(node.op, title="") if isinstance(node.op, Table) else node.op
        keys.append(interned.setdefault((op, tuple(keys[a] for a in node.args)), len(interned)))
    return keys


def _local(graph: Graph, whole: int) -> bool:
    """Whether the output reads other places through this node only."""
    todo, seen = [graph.output], {whole}
    while todo:
        if (i := todo.pop()) not in seen:
            seen.add(i)
            if graph.nodes[i].op.attends:
                return False
            todo += graph.nodes[i].args
    return True


def _groups(graph: Graph, step: int, table: Table, size: int) -> dict[str, int]:
    """The groups of what the symbols generate, which acts on itself and a start."""
    try:
        used = {interpret_graph(graph, [x])[step][0] for x in range(len(graph.sizes.alphabet))}
        lo = table.starts[0]
        joined = [entry - lo for entry in table.entries if entry is not None]
        maps: list[Map] = [(*(joined[e * size + g - lo] for e in range(size)), g - lo) for g in used if g is not None]
        return {"unsolvable": unsolvable(maps)}
    except InputError:
        return {}
