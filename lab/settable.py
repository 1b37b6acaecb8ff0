"""Which values can be set in the stream so that the model computes what its meaning computes with the same values set.

The statement. Let a set of values be set, at some positions, each to a value of its domain there. Every component computes the
values that it writes from the values that it reads, and was shown right for all that their domains allow; so if every reader of
a set value reads it where it was set, each value after it is the interpreter's under the same change. That is so by induction
over the blocks, and fails only for:

- values without a place of their own, which readers compute from others (`position + 1`), and values some of whose readers do;
- `position`, and values of the position alone that keys or ranks are made of: heads tell places apart by them, and are shown right
  only because they differ;
- values read inside the embedding: what else the embedding holds of them is set along.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..compiler.errors import InputError
from ..compiler.graph import Graph, reachable
from ..compiler.ops import Const, Fetch, Lookup, Position, Token, Total
from .names import node_of
from .wiring import Wiring


def settable(wiring: Wiring) -> dict[int, str]:
    """For each node of the optimised graph why it cannot be set; empty for those that can."""
    model = wiring.model
    graph = model.optimised
    read_past, needed = _read_past(wiring)
    placed: dict[int, bool] = {}  # whether a node has a place that its readers in any form start from
    for probe in model.probes:
        node = node_of(graph, probe.value)
        if node is not None and not probe.name.startswith("filling of "):
            own = model.style == "natural" or (probe.form.kind == "digits" and probe.form.parts == 1)
            placed[node] = placed.get(node, False) or own or isinstance(graph.nodes[node].op, (Fetch, Token))
    lookups = {n for c in wiring.components if c.kind == "head" and c.head is not None for n in wiring.lookups(c.block, c.head)}
    apart = _tells_places_apart(graph)
    found: dict[int, str] = {}
    for index, node in enumerate(graph.nodes):
        if isinstance(node.op, Lookup):
            found[index] = "" if index in lookups else "no head computes it"
        elif isinstance(node.op, Position) or index in apart:
            found[index] = "heads tell places apart by it"
        elif index not in placed:
            found[index] = "it has no place of its own in the stream"
        elif not placed[index]:
            found[index] = "it is a view of other values"
        elif index in read_past:
            found[index] = f"{graph.nodes[read_past[index]].name} computes it anew from what it is made of"
        else:
            found[index] = "" if index in needed else "nothing reads it"
    return found


def require_settable(wiring: Wiring, nodes: Iterable[int]) -> None:
    """Raises InputError for a node that cannot be set."""
    why, graph = settable(wiring), wiring.model.optimised
    for node in nodes:
        if why[node]:
            can = ", ".join(graph.nodes[n].name for n, reason in why.items() if not reason)
            raise InputError(f"{graph.nodes[node].name} cannot be set in the model: {why[node]}", hint=f"{can or 'nothing'} can be set")


def _read_past(wiring: Wiring) -> tuple[dict[int, int], set[int]]:
    """Nodes that some value's writer computes anew, with that value; and all nodes that are read or written at all."""
    model = wiring.model
    graph = model.optimised
    past: dict[int, int] = {}
    needed: set[int] = set()
    reads: dict[int | None, set[int]] = {}  # what is read to write a probe
    scores: dict[str, set[int]] = {}  # what a head compares
    through: dict[int | str, set[int]] = {}  # the places without a name that are read to write a place, or that a head compares
    for read in wiring.reads:
        key = read.component if read.into is None else read.into
        if not wiring.named(read.probe):
            through.setdefault(key, set()).add(read.probe)
            continue
        node = node_of(graph, model.probes[read.probe].value)
        if node is None:
            continue
        needed.add(node)
        if read.into is not None:
            reads.setdefault(read.into, set()).add(node)
        elif read.path in ("q", "k"):
            scores.setdefault(read.component, set()).add(node)
    for p in range(len(model.probes), len(wiring.places)):  # what is read through a place without a name is read by its readers
        writers = wiring.writers[p]
        held = reads.get(p, set()).union(*(scores.get(w, set()) for w in writers))
        for q in through.get(p, set()).union(*(through.get(w, set()) for w in writers)):
            held |= reads.get(q, set())
        reads[p] = held
    for key, places in through.items():
        into = reads if isinstance(key, int) else scores
        if key not in range(len(model.probes), len(wiring.places)):
            into.setdefault(key, set()).update(*(reads.get(q, set()) for q in places))  # pyright: ignore[reportArgumentType]
    for p, probe in enumerate(model.probes):
        node = node_of(graph, probe.value)
        if node is None or probe.block == 0 or probe.name.startswith("filling of "):
            continue
        held = reads.get(p, set()).union(*(scores.get(w, set()) for w in wiring.writers[p]))
        made_of = list(graph.nodes[node].args)
        if probe.form.kind == "flag" and isinstance(graph.nodes[node].op, Fetch) and not graph.nodes[made_of[1]].domain.none:
            made_of.pop()  # whether something was found, whatever it is
        for skipped in _skipped(graph, [node] if node in held else made_of, held):
            past.setdefault(skipped, node)
    said = {
        n
        for r in wiring.reads
        if r.path == "logits" and wiring.named(r.probe) and (n := node_of(graph, model.probes[r.probe].value)) is not None
    }
    for root in graph.roots:
        for skipped in _skipped(graph, [root], said):
            past.setdefault(skipped, root)
    return past, needed


def _skipped(graph: Graph, start: list[int], held: set[int]) -> set[int]:
    """The nodes between a value and what is read to compute it, themselves not read. Lookups are heads, which compute them."""
    found: set[int] = set()
    stack = list(start)
    while stack:
        node = stack.pop()
        if node in held or node in found:
            continue
        if not isinstance(graph.nodes[node].op, Lookup):
            found.add(node)
        stack.extend(graph.nodes[node].args)
    return found


def _tells_places_apart(graph: Graph) -> set[int]:
    """The values of the position alone that keys or ranks are, or are made of."""
    alone: list[bool] = []
    for node in graph.nodes:
        local = not (node.op.attends or isinstance(node.op, (Lookup, Token)))
        alone.append(local and all(alone[a] for a in node.args))
    compared: set[int] = set()
    for node in graph.nodes:
        if isinstance(node.op, (Lookup, Total)):
            keys = node.args[node.op.parts : 2 * node.op.parts]
            ranks = node.args[2 * node.op.parts :] if isinstance(node.op, Lookup) else ()
            compared.update((*keys, *ranks))
    made = reachable(graph.nodes, [n for n in compared if alone[n]])
    return {n for n in made if not isinstance(graph.nodes[n].op, Const)}
