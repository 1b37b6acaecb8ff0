"""Attribution graphs: which component at which position makes an answer on one text, in the JSON that circuit-tracer's viewer opens.

Nodes are components at positions where they add something; links go from what a component reads to it. Attention patterns are taken
as they are, and so is which hidden units are on: then everything is linear, and a link's weight is exact, by path:

| into | weight of a link | sum over a node's links |
| --- | --- | --- |
| logits | what the source adds to the logit | the logit |
| an MLP, a head by v | its share in what the node adds to the stream, along that | 1 |
| a head by q | its share in the mean lead, over all that is visible, of the scores of what is attended to | 1 |
| a head by k | the same, of the key's part against its mean over all that is visible | 1 |

Only what carries a value is followed, as `hw.circuit` has it. The format is that of the attribution graphs of Anthropic, circuit-tracer
and Neuronpedia: metadata, qParams, nodes, links. A link that goes by several paths has their sum as its weight, and `paths` apart.
Pinned is the way that the values took: the nodes behind all links but those of queries and keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..runtime.model import Model, require_model
from ..runtime.module import Attention
from ..runtime.place import write
from .circuit import Circuit, circuit, layers_of
from .names import shown
from .paths import Runner, unit_owners
from .trace import Trace, trace
from .wiring import Component, Path

Array: TypeAlias = npt.NDArray[np.float64]
Spot: TypeAlias = tuple[str, int]  # a component, and a position, BOS being 0
Weights: TypeAlias = dict[tuple[Spot, Path], float]
FAINT = 2.0**-30  # of a node's greatest weight: what is less is left out
LEAST = 2.0**-20  # what a node adds at least; values are integers or directions of length 1, and less is float32's rounding
SCHEMA = 1


@dataclass(frozen=True, eq=False, repr=False)
class AttributionGraph(Tabled):
    """What made the answer at one position of a text. `content` is the JSON: metadata, qParams, nodes and links."""

    program: str
    tokens: tuple[Symbol, ...]
    position: int
    content: dict[str, object]

    def __repr__(self) -> str:
        return f"<AttributionGraph of {self.program} at position {self.position}: {len(self.nodes)} nodes, {len(self.links)} links>"

    @property
    def nodes(self) -> list[dict[str, object]]:
        """The nodes as the file has them."""
        return self.content["nodes"]  # pyright: ignore[reportReturnType]

    @property
    def links(self) -> list[dict[str, object]]:
        """The links as the file has them."""
        return self.content["links"]  # pyright: ignore[reportReturnType]

    def as_dict(self) -> dict[str, object]:
        """The graph as JSON-ready values."""
        return self.content

    def text(self) -> str:
        """The graph as JSON."""
        return json.dumps(self.content, ensure_ascii=False, indent=1) + "\n"

    def write(self, path: str | FilePath) -> FilePath:
        """Write a new .json file, for a viewer. Raises InputError for another suffix, or where it cannot."""
        path = FilePath(path)
        if path.suffix != ".json":
            raise InputError(f"{path.name} says no form", hint="an attribution graph is a .json file")
        try:
            write(path, self.text().encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
        return path.absolute()

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """A node a row: what it is, and the links into it, the heaviest first."""
        into: dict[object, list[tuple[float, str]]] = {}
        for link in self.links:
            into.setdefault(link["target"], []).append((float(str(link["weight"])), str(link["source"])))
        rows = [
            (
                str(node["node_id"]),
                "; ".join(
                    filter(
                        None, (str(node["clerp"]), ", ".join(f"{source} {w:.3g}" for w, source in _heaviest(into.get(node["node_id"], []))))
                    )
                ),
            )
            for node in self.nodes
        ]
        return f"{self.program} at position {self.position} of {' '.join(map(str, self.tokens))}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


def _heaviest(links: list[tuple[float, str]]) -> list[tuple[float, str]]:
    return sorted(links, key=lambda link: -abs(link[0]))[:6]


@public
def attribution_graph(model: Model, tokens: Sequence[Symbol], position: int | None = None) -> AttributionGraph:
    """What made the answer at a position of a text, by default the last: see `lab/tracer.py` for nodes, links and their weights.

    Raises InputError for what is no text of the model's, and for a position that it does not have.
    """
    require_model("attribution_graph()", model)
    found = trace(model, tokens)
    if not isinstance(found, Trace):
        raise InputError("attribution_graph() was given several texts", hint="give one")
    at = len(found.tokens) if position is None else position
    if isinstance(at, bool) or not 1 <= at <= len(found.tokens):
        raise InputError(f"there is no position {at}", hint=f"positions are 1 to {len(found.tokens)}")
    return _Drawing(found, at).graph()


REMAINDER = 2.0**12  # what is so much less than the parts it is the difference of: float32 has no more than 12 bits of it


class _Drawing:
    """One text through one model, and the links that are found going back from its logits."""

    def __init__(self, found: Trace, at: int) -> None:
        self.trace, self.model, self.at = found, found.model, at
        self.read: Circuit = circuit(found.model)
        self.wiring = self.read.wiring
        ids = torch.tensor([self.model.encode(found.tokens)], device=self.model.module.W_E.device)
        clean = Runner(self.wiring).clean(ids)
        self.parts: dict[str, Array] = {
            name: part[0].detach().double().cpu().numpy() for name, part in clean.parts.items()
        }  # (n + 1, d_model)
        self.stream: list[Array] = [x[0].detach().double().cpu().numpy() for x in clean.stream]
        self.tensors: dict[str, Array] = {n: t.detach().cpu().double().numpy() for n, t in self.model.module.state_dict().items()}
        self.owners = {name: own.numpy() for name, own in unit_owners(self.wiring).items()}
        self.components = {c.name: c for c in self.wiring.components}
        self.number = {c.name: i for i, c in enumerate(self.wiring.components)}
        self.layers = layers_of(self.model)

    def graph(self) -> AttributionGraph:
        links: dict[tuple[str, str], dict[Path, float]] = {}
        seen: dict[Spot, None] = {}
        ends = list(self._logits())
        waiting: list[Spot] = []
        for node, weights in ends:
            waiting += self._link(str(node["node_id"]), weights, links)
        while waiting:
            spot = waiting.pop()
            if spot not in seen:
                seen[spot] = None
                waiting += self._link(self._id(spot), self._into(spot), links)
        order = sorted(seen, key=lambda s: (self.components[s[0]].block, self.number[s[0]], s[1]))
        prompt = [str(t) for t in self.trace.tokens]
        slug = re.sub(r"[^a-z0-9]+", "-", f"{self.model.name} {' '.join(prompt)} at {self.at}".lower()).strip("-")[:80]
        metadata: dict[str, object] = {
            "slug": slug,
            "scan": f"headwork {self.model.name}",
            "transcoder_list": [],
            "prompt_tokens": list(self.trace.labels),
            "prompt": " ".join(prompt),
            "schema_version": SCHEMA,
            "info": {"description": "Exact: patterns and active units as they are.", "generator": {"name": "headwork"}},
        }
        said = [
            {"source": source, "target": target, "weight": sum(paths.values()), "paths": paths} for (source, target), paths in links.items()
        ]
        first = str(ends[0][0]["node_id"])
        params = {
            "pinnedIds": _way([str(n["node_id"]) for n, _ in ends], links),
            "supernodes": [],
            "linkType": "both",
            "clickedId": first,
            "sg_pos": "",
        }
        content = {"metadata": metadata, "qParams": params, "nodes": [*map(self._node, order), *(n for n, _ in ends)], "links": said}
        return AttributionGraph(self.model.name, self.trace.tokens, self.at, content)

    def _link(self, target: str, weights: Weights, links: dict[tuple[str, str], dict[Path, float]]) -> list[Spot]:
        """Note the links into a node, but those that are rounding; the nodes they come from."""
        faint = FAINT * max(map(abs, weights.values()), default=0.0)
        kept: Weights = {key: w for key, w in weights.items() if abs(w) > faint and self._adds(key[0])}
        for (spot, path), weight in kept.items():
            links.setdefault((self._id(spot), target), {})[path] = weight
        return list(dict.fromkeys(spot for spot, _ in kept))

    def _adds(self, spot: Spot) -> bool:
        """Whether a component adds something at a position."""
        return float(np.abs(self.parts[spot[0]][spot[1]]).max()) >= LEAST

    def _logits(self) -> Iterator[tuple[dict[str, object], Weights]]:
        """For each output the node of the class that is said, and the links into it."""
        logits, start = self.trace.logits[self.at - 1].astype(np.float64), 0
        layer = max(self.layers, default=-1) + 2
        for root, form in zip(self.model.optimised.roots, self.model.output_forms, strict=True):
            own = logits[start : start + form.classes]
            best = int(own.argmax())
            column = self.tensors["W_U"][:, start + best]
            start += form.classes
            weights: Weights = {}
            for source, path, dims in self._reads("unembed"):
                weights[(source, self.at), path] = float(self.parts[source][self.at, dims] @ column[dims])
            value = None if best == 0 or form.kind == "log" else best + form.off
            text = "its logarithm" if form.kind == "log" else _text(shown(self.model, self.model.optimised.nodes[root].domain, value))
            chance = float(np.exp(own[best] - own.max()) / np.exp(own - own.max()).sum())
            number = start - form.classes + best
            yield (
                {
                    "node_id": f"{layer}_{number}_{self.at}",
                    "feature": number,
                    "layer": str(layer),
                    "ctx_idx": self.at,
                    "feature_type": "logit",
                    "token_prob": chance,
                    "is_target_logit": True,
                    "run_idx": 0,
                    "reverse_ctx_idx": 0,
                    "jsNodeId": f"L_{number}-{self.at}",
                    "clerp": f'Output "{text}" (p={chance:.3f})',
                    "influence": None,
                    "activation": float(own[best]),
                },
                weights,
            )

    def _reads(self, target: str, *paths: Path) -> Iterator[tuple[str, Path, list[int]]]:
        """The sources of what a component reads, by path, with the dimensions in which each value lies."""
        found: dict[tuple[str, Path], set[int]] = {}
        for read in self.wiring.reads:
            if read.component == target and (not paths or read.path in paths):
                for source in self.wiring.sources(read.probe):
                    found.setdefault((source, read.path), set()).update(read.dims)
        return ((source, path, sorted(dims)) for (source, path), dims in found.items())

    def _into(self, spot: Spot) -> Weights:
        """The links into a component at a position."""
        c, i = self.components[spot[0]], spot[1]
        if c.kind == "head":
            return self._head(c, i)
        return self._units(c, i) if c.kind == "mlp" else {}

    def _units(self, c: Component, i: int) -> Weights:
        """Hidden units that are on, as the linear map that they are."""
        w_in = self.tensors[f"blocks.{c.block}.W_in"]
        on = self.stream[c.block][i] @ w_in > 0
        through = w_in @ (on[:, None] * self.owners[c.name] * self.tensors[f"blocks.{c.block}.W_out"]) @ self._along(c.name, i)
        weights: Weights = {}
        for source, path, dims in self._reads(c.name):
            weights[(source, i), path] = float(self.parts[source][i, dims] @ through[dims])
        left = self.model.style == "natural" and sum(map(abs, weights.values())) > REMAINDER
        return {} if left else weights  # of soft attention a remainder may pass, which is no value

    def _along(self, name: str, i: int) -> Array:
        """What measures a share of what a component adds: the sum over all of it is 1. Shape (d_model,)."""
        added = self.parts[name][i]
        return added / (added @ added)

    def _head(self, c: Component, i: int) -> Weights:
        block = self.model.module.blocks[c.block]
        assert isinstance(block, Attention) and c.head is not None
        w_q, w_k, w_v, w_o = (self.tensors[f"blocks.{c.block}.{name}"][c.head] for name in ("W_Q", "W_K", "W_V", "W_O"))
        x, pattern = self.stream[c.block], self.trace.head(c.block, c.head).pattern[i].astype(np.float64)
        visible = block.visible(torch.zeros(1, *x.shape))[c.head, i].numpy()
        lead = np.where(visible, pattern - visible / visible.sum(), 0)  # what is attended to, less the mean of what is visible
        key, query = lead @ x @ w_k, x[i] @ w_q
        total, through = float(query @ key), w_v @ w_o @ self._along(c.name, i)
        weights: Weights = {}
        for source, path, dims in self._reads(c.name, "v"):
            for t in np.flatnonzero(pattern):
                weights[(source, int(t)), path] = float(pattern[t] * (self.parts[source][t, dims] @ through[dims]))
        if total:
            for source, path, dims in self._reads(c.name, "q", "k"):
                part = self.parts[source][:, dims]
                if path == "q":
                    weights[(source, i), path] = float(part[i] @ w_q[dims] @ key) / total
                else:
                    for t in np.flatnonzero(lead):
                        weights[(source, int(t)), path] = float(lead[t] * (part[t] @ w_k[dims] @ query)) / total
        return weights

    def _id(self, spot: Spot) -> str:
        return f"{self._layer(spot[0])}_{self._feature(*spot)}_{spot[1]}"

    def _feature(self, name: str, i: int) -> int:
        """A node's number in its layer: of a token its row of W_E, of a position the one after the last row."""
        kind = self.components[name].kind
        rows = {"token": self._token(i), "position": len(self.tensors["W_E"])}
        return rows.get(kind, self.number[name])

    def _layer(self, name: str) -> str:
        block = self.components[name].block
        return "E" if block < 0 else str(self.layers[block])

    def _token(self, i: int) -> int:
        """The row of W_E: 0 is BOS."""
        return self.model.encode(self.trace.tokens)[i - 1] + 1 if i else 0

    def _node(self, spot: Spot) -> dict[str, object]:
        name, i = spot
        c = self.components[name]
        kinds = {"token": "embedding", "position": "position", "head": "attention head"}
        number = self._feature(name, i)
        return {
            "node_id": self._id(spot),
            "feature": number,
            "layer": self._layer(name),
            "ctx_idx": i,
            "feature_type": kinds.get(c.kind, "mlp"),
            "token_prob": 0.0,
            "is_target_logit": False,
            "run_idx": 0,
            "reverse_ctx_idx": 0,
            "jsNodeId": f"{self._layer(name)}_{number}-0",
            "clerp": self._said(c, i),
            "influence": None,
            "activation": float(np.sqrt((self.parts[name][i] ** 2).sum())),
        }

    def _said(self, c: Component, i: int) -> str:
        """What a component does here, and the values that it writes."""
        if c.kind == "token":
            return f'Emb: "{self.trace.labels[i]}"'
        if c.kind == "position":
            return f"position {i}"
        node = self.read.node(c.name)
        head = ""
        if c.kind == "head" and c.head is not None:
            pattern = self.trace.head(c.block, c.head).pattern[i]
            to = np.flatnonzero(pattern > 1e-3)
            head = f"{node.label} [to {', '.join(self.trace.labels[t] + f' at {t}' for t in to[:4])}{', …' * (len(to) > 4)}]"
        values = [f"{v} = {_text(self.trace.values[v][i - 1])}" for v in node.values if v in self.trace.values and i]
        return "; ".join(filter(None, (*values, head, c.name)))


def _way(ends: Sequence[str], links: dict[tuple[str, str], dict[Path, float]]) -> list[str]:
    """The nodes by which values came to the ends: back through all links but those of queries and keys."""
    found = dict.fromkeys(ends)
    waiting = list(ends)
    while waiting:
        target = waiting.pop()
        for (source, end), paths in links.items():
            if end == target and paths.keys() - {"q", "k"} and source not in found:
                found[source] = None
                waiting.append(source)
    return list(found)


def _text(value: Symbol | None) -> str:
    return "⊥" if value is None else str(value)
