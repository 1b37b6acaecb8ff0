"""The mechanism of a model as a graph: who passes which named value to whom, read off its tensors.

Nodes are the token embedding, the position embedding, each head, the units of each MLP that write one value, and the
unembedding. An edge says that the target reads a value that the source wrote, and by which path: q, k or v of a head, an MLP's
input, or the logits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..runtime.model import Model, require_model
from ..runtime.module import AttentionShape
from ..runtime.place import write
from .names import node_of
from .wiring import FILLING, Component, Kind, Path, Wiring, wiring_of

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

    from .matrices import Labelled

Form: TypeAlias = Literal["json", "graphml", "dot"]
SUFFIXES: dict[str, Form] = {".json": "json", ".graphml": "graphml", ".dot": "dot", ".gv": "dot"}


@dataclass(frozen=True, slots=True)
class CircuitNode:
    """A component. `block` counts from 0 as in `module.blocks` (-1: embeddings, number of blocks: unembedding).

    `layer` is the transformer layer that the block belongs to where attention and MLP are paired, as in exports and in
    TransformerLens; `values` the names of the values it writes, and `dims` where; `label` says what it does.
    """

    name: str
    kind: Kind
    block: int
    layer: int
    head: int | None
    label: str
    values: tuple[str, ...]
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CircuitEdge:
    """`target` reads, by `path`, a value that `source` wrote, from dimensions `dims`.

    `value` is its name, `place` that of the form in which it lies there (`token²` of `token`), `into` the value that the target
    makes of it, empty for the scores of a head and for logits. `clears` says that the target only takes it off the stream.
    """

    source: str
    target: str
    path: Path
    value: str
    place: str
    into: str
    dims: tuple[int, ...]
    clears: bool = False


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A value's place: the dimensions, the block after which it is there (0: embedding), and the last that reads it (-1: none).

    `read` counts like `born`: the k-th block is k, the unembedding the number of blocks and one.
    """

    value: str
    place: str
    form: str
    dims: tuple[int, ...]
    born: int
    read: int


@dataclass(frozen=True, eq=False, repr=False)
class Circuit(Tabled):
    """A model's mechanism. `graph` is it in networkx; `write` puts it in a file as JSON, GraphML or Graphviz."""

    program: str
    nodes: tuple[CircuitNode, ...]
    edges: tuple[CircuitEdge, ...]
    lifetimes: tuple[Lifetime, ...]
    wiring: Wiring = field(repr=False)

    def __repr__(self) -> str:
        return f"<Circuit {self.program}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

    @property
    def model(self) -> Model:
        """The model it was read from."""
        return self.wiring.model

    @property
    def graph(self) -> nx.MultiDiGraph[str]:
        """The circuit in networkx: nodes and edges with the fields of CircuitNode and CircuitEdge as attributes."""
        import networkx as nx

        made: nx.MultiDiGraph[str] = nx.MultiDiGraph(program=self.program)
        for node in self.nodes:
            made.add_node(node.name, **{k: v for k, v in asdict(node).items() if k != "name"})
        for edge in self.edges:
            made.add_edge(edge.source, edge.target, **{k: v for k, v in asdict(edge).items() if k not in ("source", "target")})
        return made

    def node(self, name: str) -> CircuitNode:
        """The node of that name. Raises InputError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError(f"there is no node {name!r}", hint=f"nodes are {', '.join(n.name for n in self.nodes)}")

    def qk(self, block: int, head: int = 0) -> Labelled:
        """W_Q·W_Kᵀ of a head in the basis of values: what its query reads against what its key reads; see `lab/matrices.py`."""
        from .matrices import qk

        return qk(self.wiring, block, head)

    def ov(self, block: int, head: int = 0) -> Labelled:
        """W_V·W_O of a head in the basis of values: what it reads where it attends, and where it puts it."""
        from .matrices import ov

        return ov(self.wiring, block, head)

    def as_dict(self) -> dict[str, object]:
        """The circuit as JSON-ready values."""
        return {
            "program": self.program,
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [asdict(edge) for edge in self.edges],
            "lifetimes": [asdict(life) for life in self.lifetimes],
        }

    def text(self, form: Form) -> str:
        """The circuit as JSON, GraphML or Graphviz's dot. Raises InputError for another form."""
        match form:
            case "json":
                return json.dumps(self.as_dict(), ensure_ascii=False, indent=1) + "\n"
            case "graphml":
                return self._graphml()
            case "dot":
                return self._dot()
        raise InputError(f"there is no form {form!r}", hint="forms are json, graphml, dot")

    def write(self, path: str | FilePath, form: Form | None = None) -> FilePath:
        """Write a new file in the form that its suffix says: .json, .graphml, .dot. Raises InputError for another, or where it cannot."""
        path = FilePath(path)
        if form is None and path.suffix not in SUFFIXES:
            raise InputError(f"{path.name} says no form", hint=f"end it in {', '.join(SUFFIXES)}, or give form=")
        try:
            write(path, self.text(form or SUFFIXES[path.suffix]).encode())
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
        return path.absolute()

    def plot(self, path: str | FilePath | None = None) -> Figure:
        """The circuit as a figure of matplotlib, blocks from the bottom up; written to `path` as PDF, SVG or PNG if one is given.

        Raises InputError without matplotlib, for another suffix, and where it cannot be written.
        """
        from .figures import plot_circuit

        return plot_circuit(self, path)

    def _graphml(self) -> str:
        import networkx as nx

        made: nx.MultiDiGraph[str] = nx.MultiDiGraph(program=self.program)
        for name, fields in self.graph.nodes(data=True):
            made.add_node(name, **_flat(fields))
        for source, target, fields in self.graph.edges(data=True):
            made.add_edge(source, target, **_flat(fields))
        return "\n".join(nx.generate_graphml(made)) + "\n"

    def _dot(self) -> str:
        lines = [f"digraph {_quoted(self.program)} {{", "  rankdir=BT;", '  node [shape=box, fontname="sans-serif"];']
        for node in self.nodes:
            text = "\n".join(filter(None, (node.name, node.label, ", ".join(node.values))))
            lines.append(f"  {_quoted(node.name)} [label={_quoted(text)}];")
        for edge in self.edges:
            style = ", style=dotted" if edge.clears else ""
            lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(f'{edge.path}: {edge.place}')}{style}];")
        return "\n".join([*lines, "}"]) + "\n"

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """A node a row: what it does, what it writes, and what it reads from whom."""
        rows: list[tuple[str, str]] = []
        for node in self.nodes:
            incoming: dict[str, None] = {}
            for e in self.edges:
                if e.target == node.name:
                    incoming[f"{e.path}: {e.value}"] = None
            parts = (
                node.label,
                f"reads {', '.join(incoming)}" if incoming else "",
                f"writes {', '.join(node.values)}" if node.values else "",
            )
            rows.append((node.name, "; ".join(filter(None, parts))))
        return f"circuit of {self.program}: {len(self.nodes)} nodes, {len(self.edges)} edges", rows

    def __str__(self) -> str:
        title, rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


def _flat(fields: dict[str, object]) -> dict[str, object]:
    """Attributes as GraphML holds them: lists as text, and nothing for what is not there."""
    return {k: " ".join(map(str, v)) if isinstance(v, (tuple, list)) else v for k, v in fields.items() if v is not None}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@public
def circuit(model: Model) -> Circuit:
    """The mechanism of a compiled, loaded or read-back model, from its tensors and the places of its values.

    The places are the model's own; where its weights were changed since, the circuit is what the changed weights read there.
    """
    require_model("circuit()", model)
    wiring = wiring_of(model)
    layers = layers_of(model)
    nodes = tuple(_node(wiring, component, layers) for component in wiring.components)
    edges: dict[CircuitEdge, None] = {}
    components = {c.name: c for c in wiring.components}
    order = {c.name: i for i, c in enumerate(wiring.components)}
    for read in sorted(wiring.reads, key=lambda r: order[r.component]):
        probe = wiring.places[read.probe]
        into = "" if read.into is None else wiring.places[read.into].name
        clears = components[read.component].kind == "clear"
        for source in wiring.sources(read.probe):
            edge = CircuitEdge(source, read.component, read.path, value_name(wiring, read.probe), probe.name, into, read.dims, clears)
            edges[edge] = None
    return Circuit(model.name, nodes, tuple(edges), _lifetimes(wiring), wiring)


def value_name(wiring: Wiring, place: int) -> str:
    """The name of the value that a place holds in some form; of a place without a name the component that writes it."""
    model, found = wiring.model, wiring.places[place]
    node = None if not wiring.named(place) or found.name.startswith(FILLING) else node_of(model.optimised, found.value)
    return found.name if node is None else model.optimised.nodes[node].name


def layers_of(model: Model) -> list[int]:
    """The transformer layer of each block: an attention block begins one, and the MLP block after it belongs to it. Shape (blocks,)."""
    layers: list[int] = []
    has_mlp = True
    for shape in model.module.shape.blocks:
        attention = isinstance(shape, AttentionShape)
        begins = attention or has_mlp
        layers.append((layers[-1] if layers else -1) + begins)
        has_mlp = not attention
    return layers


def _node(wiring: Wiring, c: Component, layers: list[int]) -> CircuitNode:
    layer = -1 if c.block < 0 else max(layers, default=-1) + 1 if c.block == len(layers) else layers[c.block]
    values = dict.fromkeys(value_name(wiring, p) for p in c.writes)
    dims = sorted({d for p in c.writes for d in wiring.places[p].dims})
    label = {"token": "embedding of the token", "position": "embedding of the position", "unembed": "logits"}.get(c.kind, "")
    if c.kind == "head" and c.head is not None:
        label = wiring.label(c.block, c.head)
    elif c.kind in ("mlp", "clear"):
        label = f"{len(c.units)} unit{'s' * (len(c.units) != 1)}" + (" that clear what is dead" if c.kind == "clear" else "")
    return CircuitNode(c.name, c.kind, c.block, layer, c.head, label, tuple(values), tuple(dims))


def _lifetimes(wiring: Wiring) -> tuple[Lifetime, ...]:
    model = wiring.model
    blocks = {c.name: c.block + 1 for c in wiring.components if c.kind != "clear"}
    last = [-1] * len(wiring.places)
    for read in wiring.reads:
        last[read.probe] = max(last[read.probe], blocks.get(read.component, -1))
    for p, probe in enumerate(wiring.places):  # a filling is there for the heads that add to it
        if probe.name.startswith(FILLING):
            last[p] = probe.block + 1
    return tuple(
        Lifetime(value_name(wiring, p), probe.name, str(probe.form), probe.dims, probe.block, last[p])
        for p, probe in enumerate(model.probes)
    )
