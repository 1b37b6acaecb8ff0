"""A circuit's edges under the names of discovery tools, with the verdict on each: the ground truth that their scores are held against.

Tools see layers of attention and MLP, one node for all that enters the first layer, and edges from every node to every later one.
An edge from A to B, by one path where q, k and v are apart, is all of A's output as B reads it; so it is ablated in all
dimensions, those that were used before for another value too.

| tool | node | edge |
| --- | --- | --- |
| eap | `input`, `a0.h1`, `m0`, `logits` | `a0.h1->a1.h0<q>`, `input->m0` |
| auto-circuit | `Resid Start`, `A0.1`, `MLP 0`, `Resid End` | `A0.1->A1.0.Q`, `Resid Start->MLP 0` |
| transformer-lens | `hook_embed`, `blocks.0.attn.hook_result[1]`, `blocks.0.hook_mlp_out` | `… -> blocks.1.hook_q_input[0]` |
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..runtime.model import Model, require_model, require_own_dtype
from .circuit import Circuit, circuit, layers_of
from .necessity import Ablation, Link, Search, Verdict, Witness
from .paths import unit_owners
from .wiring import Component, Path

Tool: TypeAlias = Literal["eap", "auto-circuit", "transformer-lens"]
Tensors: TypeAlias = "Mapping[str, npt.NDArray[np.floating]]"
Place: TypeAlias = tuple[Literal["input", "head", "mlp", "logits"], int, int]  # kind, layer, head


@dataclass(frozen=True, slots=True)
class ToolEdge:
    """An edge between nodes of a tool: `path` is q, k or v into a head where they are apart, else empty."""

    source: Place
    target: Place
    path: str
    verdict: Verdict
    why: str
    witness: Witness | None

    def name(self, tool: Tool) -> str:
        """The edge as the tool writes it."""
        match tool:
            case "eap":
                return f"{node_name(self.source, tool)}->{node_name(self.target, tool)}" + (f"<{self.path}>" if self.path else "")
            case "auto-circuit":
                return f"{node_name(self.source, tool)}->{node_name(self.target, tool)}" + (f".{self.path.upper()}" if self.path else "")
            case "transformer-lens":
                return f"{node_name(self.source, tool)} -> {reader_name(self.target, self.path)}"


@dataclass(frozen=True, eq=False, repr=False)
class ToolEdges(Tabled):
    """Every edge that a tool can name in a model, with its verdict under one ablation."""

    program: str
    ablation: Ablation
    layers: int
    heads: int
    d_model: int
    edges: tuple[ToolEdge, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{sum(e.verdict == v for e in self.edges)} {v}" for v in get_args(Verdict))
        return f"<ToolEdges of {self.program} under {self.ablation} ablation: {counts}>"

    def names(self, tool: Tool) -> dict[str, Verdict]:
        """The verdict of every edge by the tool's name for it. Raises InputError for an unknown tool."""
        if tool not in get_args(Tool):
            raise InputError(f"there is no tool {tool!r}", hint=f"tools are {', '.join(get_args(Tool))}")
        return {edge.name(tool): edge.verdict for edge in self.edges}

    def true(self, tool: Tool) -> list[str]:
        """The names of the necessary edges."""
        return [name for name, verdict in self.names(tool).items() if verdict == "necessary"]

    def eap_json(self) -> str:
        """The graph as EAP and EAP-IG keep theirs: configuration, nodes, and edges with a score of 1 where they are necessary, else 0."""
        edges = {e.name("eap"): {"score": float(e.verdict == "necessary"), "in_graph": e.verdict == "necessary"} for e in self.edges}
        used = {node_name(p, "eap") for e in self.edges if e.verdict == "necessary" for p in (e.source, e.target)}
        nodes = {node_name(p, "eap"): {"in_graph": node_name(p, "eap") in used} for e in self.edges for p in (e.source, e.target)}
        cfg = {"n_layers": self.layers, "n_heads": self.heads, "parallel_attn_mlp": False, "d_model": self.d_model}
        return json.dumps({"cfg": cfg, "nodes": nodes, "edges": edges}, indent=1) + "\n"

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """An edge a row, under EAP's name."""
        return f"{self.program} under {self.ablation} ablation", [(e.name("eap"), f"{e.verdict}: {e.why}") for e in self.edges]

    def __str__(self) -> str:
        title, rows = self.table()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


def node_name(place: Place, tool: Tool) -> str:
    """A node as a tool writes it; of TransformerLens the hook point that holds its output."""
    kind, layer, head = place
    names: dict[Tool, dict[str, str]] = {
        "eap": {"input": "input", "head": f"a{layer}.h{head}", "mlp": f"m{layer}", "logits": "logits"},
        "auto-circuit": {"input": "Resid Start", "head": f"A{layer}.{head}", "mlp": f"MLP {layer}", "logits": "Resid End"},
        "transformer-lens": {
            "input": "blocks.0.hook_resid_pre",
            "head": f"blocks.{layer}.attn.hook_result[{head}]",
            "mlp": f"blocks.{layer}.hook_mlp_out",
            "logits": "hook_resid_final",
        },
    }
    return names[tool][kind]


def reader_name(place: Place, path: str) -> str:
    """The hook point of TransformerLens at which a node's input can be patched for itself."""
    kind, layer, head = place
    match kind:
        case "head":
            return f"blocks.{layer}.hook_{path}_input[{head}]" if path else f"blocks.{layer}.hook_attn_in[{head}]"
        case "mlp":
            return f"blocks.{layer}.hook_mlp_in"
        case _:
            return "blocks.last.hook_resid_post"


@public
def tool_edges(
    model: Model, ablation: Ablation = "resample", *, split: bool = True, inputs: int = 1024, pairs: int = 1 << 16, seed: int = 0
) -> ToolEdges:
    """Decide every edge that discovery tools can name in a model: see `lab/tools.py` for the names, `necessity` for the verdicts.

    `split` takes q, k and v of a head apart. An export keeps heads in their order and pairs blocks to layers as here, so the
    names hold in an export of `model.module` itself; a target that lowers the program again is read back first.
    """
    require_model("tool_edges()", model)
    require_own_dtype(model)
    read = circuit(model)
    search = Search(read, ablation, inputs, pairs, seed)
    layers = layers_of(model)
    edges: list[ToolEdge] = []
    for (source, target, path), links in _edges(read, split).items():
        verdict, why, witness = search.decide(links)
        edges.append(ToolEdge(source, target, path, verdict, why, witness))
    heads = max((c.head + 1 for c in read.wiring.components if c.head is not None), default=0)
    return ToolEdges(model.name, ablation, max(layers, default=-1) + 1, heads, model.module.shape.d_model, tuple(edges))


def tool_links(read: Circuit, split: bool = True) -> dict[str, list[Link]]:
    """What each edge that tools can name passes, by EAP's name for it: what of which components is read by which, in which dimensions."""
    found = _edges(read, split).items()
    return {ToolEdge(source, target, path, "undecided", "", None).name("eap"): links for (source, target, path), links in found}


def _edges(read: Circuit, split: bool) -> dict[tuple[Place, Place, str], list[Link]]:
    """Every edge between nodes of a tool, and what it passes."""
    nodes = _nodes(read)
    places = sorted(nodes, key=lambda p: (_block(nodes[p]), p))
    tensors = {n: t.detach().cpu().numpy() for n, t in read.model.module.state_dict().items()}
    owners = unit_owners(read.wiring)
    writes = {place: _written(read, nodes[place], tensors, owners) for place in places}
    reads: dict[tuple[str, Path], set[int]] = {
        (c.name, path): _read(c, path, tensors, owners)
        for place in places
        for c in nodes[place]
        for paths in (_paths(place, split) if place[0] != "input" else [])
        for path in paths
    }
    found: dict[tuple[Place, Place, str], list[Link]] = {}
    for target in places:
        for source in places if target[0] != "input" else ():
            if _block(nodes[source]) < _block(nodes[target]):
                for paths in _paths(target, split):
                    links = _links(nodes[source], nodes[target], paths, writes[source], reads)
                    found[source, target, paths[0] if target[0] == "head" and split else ""] = links
    return found


def _nodes(read: Circuit) -> dict[Place, list[Component]]:
    """The components that are one node to a tool."""
    layers = {node.name: node.layer for node in read.nodes}
    found: dict[Place, list[Component]] = {}
    for c in read.wiring.components:
        place: Place
        if c.kind == "head" and c.head is not None:
            place = ("head", layers[c.name], c.head)
        elif c.kind in ("mlp", "clear"):
            place = ("mlp", layers[c.name], 0)
        else:
            place = ("logits" if c.kind == "unembed" else "input", layers[c.name], 0)
        found.setdefault(place, []).append(c)
    return found


def _block(components: list[Component]) -> int:
    return components[0].block


def _paths(target: Place, split: bool) -> list[tuple[Path, ...]]:
    if target[0] == "head":
        return [("q",), ("k",), ("v",)] if split else [("q", "k", "v")]
    return [("mlp",)] if target[0] == "mlp" else [("logits",)]


def _written(read: Circuit, components: list[Component], tensors: Tensors, owners: Mapping[str, Tensor]) -> dict[str, set[int]]:
    """The dimensions that each component of a node adds to."""
    found: dict[str, set[int]] = {}
    for c in components:
        match c.kind:
            case "token" | "position":
                matrix = tensors["W_E" if c.kind == "token" else "W_pos"]
            case "head":
                matrix = tensors[f"blocks.{c.block}.W_O"][c.head]
            case "unembed":
                matrix = np.zeros((1, read.model.module.shape.d_model))
            case "mlp" | "clear":
                matrix = tensors[f"blocks.{c.block}.W_out"] * owners[c.name].numpy()
        found[c.name] = {int(d) for d in np.flatnonzero(matrix.any(axis=0))}
    return found


def _read(c: Component, path: Path, tensors: Tensors, owners: Mapping[str, Tensor]) -> set[int]:
    """The dimensions that a component's matrices read by a path, whatever lives there."""
    if path == "logits":
        matrix = tensors["W_U"]
    elif path == "mlp":
        matrix = tensors[f"blocks.{c.block}.W_in"][:, owners[c.name].any(dim=1).numpy()]
    else:
        matrix = tensors[f"blocks.{c.block}.W_{path.upper()}"][c.head]
    return {int(d) for d in np.flatnonzero(matrix.any(axis=1))}


def _links(
    sources: list[Component],
    targets: list[Component],
    paths: tuple[Path, ...],
    writes: Mapping[str, set[int]],
    reads: Mapping[tuple[str, Path], set[int]],
) -> list[Link]:
    links: list[Link] = []
    for target in targets:
        for path in paths:
            for source in sources:
                dims = sorted(reads[target.name, path] & writes[source.name])
                if dims:
                    links.append(Link(source.name, target.name, path, tuple(dims)))
    return links
