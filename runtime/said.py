"""What a head is said to do, in the words of the program; what a file says of its heads is held against it."""

from __future__ import annotations

from ..compiler.graph import Graph
from ..compiler.ops import Lookup, Total


def matches(graph: Graph, index: int, anything: bool = False) -> str:
    """What a lookup or a total matches: `strict latest: token = token`; with `anything` it takes all matches alike."""
    node = graph.nodes[index]
    assert isinstance(node.op, (Lookup, Total))
    names, parts = [graph.nodes[a].name for a in node.args], node.op.parts
    pairs = ", ".join(f"{q} = {k}" for q, k in zip(names[:parts], names[parts : 2 * parts], strict=True))
    label = node.op.label().removeprefix("lookup ")
    if anything and isinstance(node.op, Lookup):
        label = label.replace(node.op.pick, "any", 1)
    return f"{label}: {pairs}"


def heads_said(graph: Graph) -> dict[str, set[str]]:
    """For each lookup and total, by its name, what a head of it may be said to match."""
    found: dict[str, set[str]] = {}
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, (Lookup, Total)):
            found.setdefault(node.name, set()).update(matches(graph, index, anything) for anything in (False, True))
    return found
