"""What the page is told of a model: its sizes, its values and where they are, its heads, its graphs. Weights are apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..compiler.codes.forms import Form
from ..compiler.codes.numerics import dtype_named
from ..compiler.domain import Alphabet, Domain
from ..compiler.graph import Graph, describe
from ..compiler.ops import Local, Position, Token
from ..lab.circuit import Circuit, circuit as circuit_of
from ..lab.settable import settable
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from ..runtime.serial import Json
from .cells import Stay, drawn, head_records, stays
from .source import source_of

OF_TOKEN = "it is a function of the token alone; set the token"
OF_POSITION = "it is a function of the position alone"
SAME = "it is the same for every text"


def described(model: Model, ids: Sequence[int]) -> dict[str, Json]:
    """A model and a text, as JSON-ready values."""
    shape, sizes = model.module.shape, model.graph.sizes
    blocks: list[Json] = [
        {"kind": "attention", "masks": list(b.masks)} if isinstance(b, AttentionShape) else {"kind": "mlp"} for b in shape.blocks
    ]
    source, circuit = source_of(model), circuit_of(model)
    return {
        "name": model.name,
        "dtype": model.dtype,
        "style": model.style,
        "length": shape.length,
        "d_model": shape.d_model,
        "causal": sizes.causal,
        "grid": dtype_named(model.dtype).grid,
        "tally": dtype_named(model.dtype).tally,
        "parameters": model.cost.parameters,
        "alphabet": list(spelled(sizes.alphabet)),
        "blocks": blocks,
        "outputs": _outputs(model),
        "single": model.graph.single,
        "values": _values(circuit),
        "heads": _heads(circuit),
        "circuit": drawn(circuit),
        "source": {"file": Path(source.file).name, "first": source.first, "lines": list(source.lines)} if source else None,
        "graphs": {"optimised": _graph(model.optimised), "written": _graph(model.graph)},
        "text": list(ids),
    }


def spelled(alphabet: Alphabet) -> tuple[str, ...]:
    """How each symbol is typed and shown: as text, or as Python writes it where two would be the same text; no two are the same."""
    texts = [str(symbol) for symbol in alphabet.symbols]
    common = Counter(texts)
    texts = [repr(symbol) if common[text] > 1 else text for symbol, text in zip(alphabet.symbols, texts, strict=True)]
    common = Counter(texts)
    return tuple(f"{text}#{i}" if common[text] > 1 else text for i, text in enumerate(texts))


def _outputs(model: Model) -> list[Json]:
    found: list[Json] = []
    for title, root, form in zip(model.graph.titles(), model.graph.roots, model.output_forms, strict=True):
        logs: list[Json] = [float(x) for x in form.logits()] if form.kind == "log" else []
        domain = _domain(model.graph.nodes[root].domain)
        found.append({"title": title.removeprefix("the "), "domain": domain, "form": _form(form), "logs": logs or None})
    return found


def _form(form: Form) -> Json:
    text = str(form)
    base = form.base if form.kind in ("digits", "norm") else 0
    return {
        "kind": form.kind,
        "off": form.off,
        "top": form.top,
        "parts": form.parts,
        "base": base,
        "width": form.width,
        "classes": form.classes,
        "text": text,
    }


def _domain(domain: Domain) -> Json:
    return {"kind": domain.kind, "lo": domain.lo, "hi": domain.hi, "none": domain.none, "lag": domain.lag, "text": str(domain)}


def _values(circuit: Circuit) -> list[Json]:
    """The values of the program that the stream holds, each with the probes that hold it, in the order they come to be."""
    model = circuit.model
    groups: dict[int | str, list[Stay]] = {}
    for stay in stays(circuit):
        groups.setdefault(stay.probe.value if stay.probe.form.kind != "fill" else stay.probe.name, []).append(stay)
    found: list[Json] = []
    why = settable(circuit.wiring)
    for value, group in sorted(groups.items(), key=lambda item: min(s.probe.block for s in item[1])):
        probes: list[Json] = [
            {
                "name": s.probe.name,
                "form": _form(s.probe.form),
                "dims": list(s.probe.dims),
                "block": s.probe.block,
                "until": s.until,
                "gone": s.gone,
            }
            for s in group
        ]
        node = model.optimised.nodes[value] if isinstance(value, int) else None
        domain = node.domain if node else _origin(model, str(value))
        found.append(
            {
                "name": node.name if node else str(value),
                "node": value if isinstance(value, int) else None,
                "says": describe(node) if node else "",
                "domain": _domain(domain),
                "fixed": _fixed(model.optimised, value, why),
                "probes": probes,
            }
        )
    return found


def _origin(model: Model, value: str) -> Domain:
    sizes = model.graph.sizes
    match value:
        case "token":
            return Domain("token", 0, len(sizes.alphabet) - 1)
        case "position":
            return Domain("position", 1, sizes.length)
        case _:
            return Domain("int", 1, 1)


def _fixed(graph: Graph, value: int | str, why: Mapping[int, str]) -> str:
    """Why a value cannot be set by writing its cells; empty where everything that reads it reads those cells.

    `why` are the lab's reasons. What depends on the token or on the position alone is folded into the embedding with all that is
    computed of it, which is not set along here: the token is.
    """
    if value == "token":
        return ""
    if not isinstance(value, int):
        return OF_POSITION if value == "position" else SAME
    return why[value] or {"token": OF_TOKEN, "position": OF_POSITION, "one": SAME}.get(_sources(graph)[value], "")


def _sources(graph: Graph) -> list[str]:
    """What each node depends on: "token" or "position" alone, "one" for neither, "mixed" for more."""
    found: list[str] = []
    for node in graph.nodes:
        if isinstance(node.op, (Token, Position)):
            found.append("token" if isinstance(node.op, Token) else "position")
            continue
        below = {found[a] for a in node.args} - {"one"}
        local = isinstance(node.op, Local) or not node.args
        found.append(("one" if not below else below.pop() if len(below) == 1 else "mixed") if local else "mixed")
    return found


def _heads(circuit: Circuit) -> list[Json]:
    """Every head, by block and number, with what is recorded of it."""
    records = head_records(circuit)
    found: list[Json] = []
    for number, block in enumerate(circuit.model.module.shape.blocks, 1):
        for head in range(len(block.masks) if isinstance(block, AttentionShape) else 0):
            record = records.get((number, head))
            told: dict[str, Json] = (
                {"name": record.name, "does": record.does, "code": record.code, "inequality": record.inequality, "steps": record.steps}
                if record
                else {"name": f"head {head}", "does": "", "code": "", "inequality": "", "steps": 0}
            )
            found.append({"block": number, "head": head, **told})
    return found


def _graph(graph: Graph) -> Json:
    nodes: list[Json] = [
        {
            "name": node.name,
            "text": describe(node),
            "domain": str(node.domain),
            "args": list(node.args),
            "line": node.line.line if node.line else None,
            "file": Path(node.line.file).name if node.line else None,
        }
        for node in graph.nodes
    ]
    return {"nodes": nodes, "outputs": list(graph.outputs), "guard": graph.guard.node if graph.guard else None}
