"""What is true of a model's mechanism, as circuit.json holds it: the graph, and each edge that tools can name with its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Literal, TypeAlias, cast, get_args

import torch

from ..lab.circuit import circuit, layers_of
from ..lab.disguise import Key
from ..lab.names import node_of
from ..lab.necessity import Ablation, Verdict
from ..lab.tools import Place, Tool, ToolEdge, ToolEdges, node_name, tool_edges
from ..lab.wiring import FILLING
from ..runtime.files import config_json, program_json
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from ..runtime.serial import Json

INPUTS, PAIRS = 128, 1 << 13  # sequences, and pairs of them, that are all run where there are no more
SEARCHED = 1 << 11  # pairs that are run where there are more: what they do not decide, more of them seldom do
Named: TypeAlias = dict[str, Verdict]
Ends: TypeAlias = Literal["input", "logits"]


def truth(model: Model, ablation: Ablation, key: Key | None = None) -> dict[str, Json]:
    """The circuit of a model and the verdict on every edge, under its names; with a key those of the model that it disguises."""
    every = len(model.alphabet) ** model.length <= INPUTS
    edges = tool_edges(model, ablation, inputs=INPUTS, pairs=PAIRS if every else SEARCHED)
    shown = edges if key is None else disguised(model, edges, key)
    return {
        "ablation": ablation,
        "layers": shown.layers,
        "heads": shown.heads,
        "nodes": nodes(shown),
        "edges": [_edge(edge) for edge in shown.edges],
        "places": cast(Json, places(model, key)),
        "graph": cast(Json, circuit(model).as_dict()),
    }


def same_model(one: Model, other: Model) -> bool:
    """Whether two models are equal in weights and in what these mean, so that what is true of one is true of the other."""
    if config_json(one) != config_json(other) or program_json(one) != program_json(other):
        return False
    ours, theirs = one.module.state_dict(), other.module.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def _edge(edge: ToolEdge) -> Json:
    witness = cast("Json", asdict(edge.witness)) if edge.witness else None
    names: dict[str, Json] = {tool: edge.name(tool) for tool in get_args(Tool)}
    return {**names, "verdict": edge.verdict, "why": edge.why, "witness": witness}


def nodes(edges: ToolEdges) -> dict[str, Json]:
    """The verdict on each node, by EAP's name: necessary if an edge of it is, irrelevant if all are. Of the input and the logits none."""
    seen: dict[str, set[Verdict]] = {}
    for edge in edges.edges:
        for place in (edge.source, edge.target):
            if place[0] not in get_args(Ends):
                seen.setdefault(node_name(place, "eap"), set()).add(edge.verdict)
    order: tuple[Verdict, ...] = ("necessary", "undecided", "irrelevant")
    return {name: next(v for v in order if v in said) for name, said in seen.items()}


def places(model: Model, key: Key | None) -> list[dict[str, Json]]:
    """Where each value lies in the stream: after which block (0: the embedding), in which dimensions."""
    found: list[dict[str, Json]] = []
    new = range(model.module.shape.d_model) if key is None else key.stream.kept()
    for probe in model.probes:
        node = node_of(model.optimised, probe.value)
        if node is not None and not probe.name.startswith(FILLING):
            name = model.optimised.nodes[node].name
            found.append({"value": name, "form": probe.name, "block": probe.block, "dims": [new[d] for d in probe.dims]})
    return found


def disguised(model: Model, edges: ToolEdges, key: Key) -> ToolEdges:
    """The edges of the disguised model: heads have other numbers, and those that were added matter to nobody."""
    layers, new = layers_of(model), dict[Place, Place]()
    added: list[Place] = []
    for b, block in enumerate(model.module.shape.blocks):
        if isinstance(block, AttentionShape):
            for h, old in enumerate(key.heads[b].of):
                place: Place = ("head", layers[b], h)
                if old < 0:
                    added.append(place)
                else:
                    new["head", layers[b], old] = place
    moved = [replace(e, source=new.get(e.source, e.source), target=new.get(e.target, e.target)) for e in edges.edges]
    others = list(dict.fromkeys(p for e in moved for p in (e.source, e.target)))
    split = any(e.path for e in edges.edges)
    why = "it belongs to a head that was added, and what that writes is read by nobody"
    for place in added:
        for other in dict.fromkeys([*others, *added]):
            for source, target in ((place, other), (other, place)):
                if _rank(source) < _rank(target):
                    for path in ("q", "k", "v") if target[0] == "head" and split else ("",):
                        moved.append(ToolEdge(source, target, path, "irrelevant", why, None))
    unique = {e.name("eap"): e for e in moved}
    heads = max((p[2] + 1 for e in moved for p in (e.source, e.target) if p[0] == "head"), default=0)
    return replace(edges, edges=tuple(unique.values()), heads=heads, d_model=len(key.stream.of))


def _rank(place: Place) -> tuple[int, int]:
    """Where a node stands in the order of the stream."""
    kind, layer, _ = place
    return {"input": (-1, 0), "head": (layer, 0), "mlp": (layer, 1), "logits": (1 << 30, 0)}[kind]


def verdicts(content: Mapping[str, Json], what: Literal["edges", "nodes"], tool: Tool = "eap") -> Named:
    """The verdicts in a circuit file, by a tool's names for edges, or for nodes."""
    if what == "nodes":
        return cast("Named", dict(cast("Mapping[str, Json]", content["nodes"])))
    return {cast(str, edge[tool]): cast(Verdict, edge["verdict"]) for edge in cast("list[dict[str, Json]]", content["edges"])}
