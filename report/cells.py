"""How long each value stays in its cells, what each head does, and the circuit: the lab's reading of the tensors, as the page has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..lab.circuit import Circuit
from ..runtime.model import HeadRecord, Probe
from ..runtime.module import AttentionShape
from ..runtime.serial import Json

SUM = "a sum"  # the code of a record about a cell that heads add to, not about a head


@dataclass(frozen=True, slots=True)
class Stay:
    """A probe and the last block that reads its cells: B + 1, one more than there are blocks, is the unembedding.

    `gone` is the block after which the cells hold something else, None where they keep the value to the end.
    """

    probe: Probe
    until: int
    gone: int | None


def stays(circuit: Circuit) -> list[Stay]:
    """Every probe with the block that reads it last; its own block where none does."""
    probes = circuit.model.probes
    found: list[Stay] = []
    for probe, life in zip(probes, circuit.lifetimes, strict=True):
        later = [p.block for p in probes if p.block > probe.block and set(p.dims) & set(probe.dims)]
        found.append(Stay(probe, max(life.read, probe.block), min(later, default=None)))
    return found


def head_records(circuit: Circuit) -> Mapping[tuple[int, int], HeadRecord]:
    """What is recorded of each head, by block (from 1) and number in the tensors."""
    model, wiring = circuit.model, circuit.wiring
    found: dict[tuple[int, int], HeadRecord] = {}
    for b, block in enumerate(model.module.shape.blocks):
        masks = block.masks if isinstance(block, AttentionShape) else ()
        left = [r for r in model.records if r.block == b + 1 and r.code != SUM]
        for head, mask in enumerate(masks):
            names = [model.optimised.nodes[n].name for n in wiring.lookups(b, head)]  # of all totals where heads add to one cell
            record = next((r for r in left if r.name in names and _mask(r) == mask), None)
            if record is not None:
                left.remove(record)
                found[b + 1, head] = record
        for head, mask in enumerate(masks):  # heads that write no value of the program, but what an MLP makes one of: in their order
            record = next((r for r in left if _mask(r) == mask), None)
            if record is not None and (b + 1, head) not in found:
                left.remove(record)
                found[b + 1, head] = record
    return found


def _mask(record: HeadRecord) -> str:
    """The mask as a record names it: `strict latest: …`, `total full: …`."""
    return next((word for word in record.does.replace(":", " ").split() if word in ("causal", "strict", "full")), "")


def drawn(circuit: Circuit) -> dict[str, Json]:
    """The circuit for drawing: parts by block (0 the embeddings, B + 1 the unembedding), and one edge for all that a path carries."""
    parts: list[Json] = [
        {"name": n.name, "kind": n.kind, "block": n.block + 1, "head": n.head, "label": n.label, "values": list(n.values)}
        for n in circuit.nodes
    ]
    carried: dict[tuple[str, str, str, bool], list[Json]] = {}
    for e in circuit.edges:
        places = carried.setdefault((e.source, e.target, e.path, e.clears), [])
        if e.place not in places:
            places.append(e.place)
    edges: list[Json] = [
        {"source": source, "target": target, "path": path, "clears": clears, "places": places}
        for (source, target, path, clears), places in carried.items()
    ]
    return {"parts": parts, "edges": edges}
