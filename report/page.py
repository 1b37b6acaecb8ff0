"""`model.report(tokens)`: one page that needs nothing but itself, in which the model's own weights run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import cast

from safetensors.torch import save as tensor_bytes

from ..certificate.certify import Certificate, certify as certify_model
from ..certificate.loops import LoopCertificate
from ..certificate.margins import HeadMargin, MarginCertificate
from ..certificate.refused import Refused
from ..compiler.codes.numerics import dtype_named
from ..compiler.domain import Symbol
from ..compiler.errors import ExactnessError, InputError
from ..compiler.shown import cell
from ..runtime.model import Model, require_model, require_own_dtype
from ..runtime.place import put
from ..runtime.serial import Json
from ..runtime.tokens import encode, in_order
from ..theory.bounds import bounds as bounds_of
from ..theory.report import HEADINGS
from .payload import described

SCRIPTS = ("forward", "dom", "input", "values", "attention", "stream", "circuit", "matrices", "program", "page")
MOST = 64 << 20  # bytes of a page: more than that no browser opens with pleasure


@dataclass(frozen=True, repr=False)
class Page:
    """A model as one HTML page. `html` is all of it; nothing is fetched, and what comes from the program or its symbols is only text."""

    name: str
    html: str

    def save(self, path: str | Path) -> Path:
        """Write the page; the file appears whole or not at all. Raises InputError where it cannot be written."""
        target = Path(path)
        if target.is_dir() or not target.parent.is_dir():
            fact = f"{target} is a directory" if target.is_dir() else f"{target.parent} is not a directory"
            raise InputError(fact, hint="name a file, for example report.html, in a directory that is there")
        put(target, self.html.encode())
        return target

    def __repr__(self) -> str:
        return f"<Page of {self.name}: {len(self.html.encode()):,} bytes>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which can reach neither the notebook nor the network."""
        return f"<iframe sandbox='allow-scripts' style='width: 100%; height: 720px; border: 0' srcdoc='{cell(self.html)}'></iframe>"


def report(model: Model, tokens: Sequence[Symbol] = (), *, certify: bool = True) -> Page:
    """A model as one page that computes: type a text and see its values, its attention and its stream, by the weights themselves.

    The page begins with `tokens`. With `certify` it holds the certificate, or why there is none. Raises InputError for unknown symbols,
    too many tokens, a module that was brought to another dtype, and for a model too large for a page.
    """
    require_model("report()", model)
    require_own_dtype(model)
    model = model.unrolled()
    content = described(model, encode(model.graph.sizes, in_order(tokens)))
    content["limit"] = dtype_named(model.dtype).limit
    content["cost"] = _table(*model.cost.table())
    held = bounds_of(model)
    content["bounds"] = {
        "title": held.headline(),
        "headings": list(HEADINGS) if held.rows else [],
        "rows": [list(row.texts()) for row in held.rows],
    }
    content["certificate"] = _certified(model, content) if certify else None
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.module.state_dict().items()}
    packed = base64.b64encode(gzip.compress(tensor_bytes(tensors), 9, mtime=0)).decode()
    page = filled(model.name, content, packed)
    if len(page) > MOST:
        fact = f"the page of {model.name} would take {len(page) / 2**20:,.0f} MB, more than {MOST >> 20}"
        raise InputError(fact, hint="compile for a shorter length or a smaller alphabet")
    return Page(model.name, page)


def filled(name: str, content: dict[str, Json], weights: str) -> str:
    """The template with its style, scripts and data; its policy allows this style and this script, and no connection."""
    from .. import __version__

    folder = files(__name__.rpartition(".")[0]) / "template"
    read = {file: (folder / file).read_text(encoding="utf-8") for file in ("page.html", "page.css", *(f"{s}.js" for s in SCRIPTS))}
    script = "(() => {\n" + "\n".join(read[f"{s}.js"] for s in SCRIPTS) + "})();\n"
    return Template(read["page.html"]).substitute(
        title=_ascii(html.escape(f"{name}: headwork")),
        version=html.escape(__version__),
        style=read["page.css"],
        style_hash=_hash(read["page.css"]),
        script=script,
        script_hash=_hash(script),
        model=embedded(content),
        weights=weights,
    )


def embedded(content: Json) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element, and all of it is ASCII."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _table(title: str, rows: Sequence[tuple[str, str]]) -> dict[str, Json]:
    return {"title": title, "rows": [list(row) for row in rows]}


def _certified(model: Model, content: dict[str, Json]) -> dict[str, Json]:
    """The certificate as a table, and what it says of each head told to the head; or the refusal."""
    try:
        found = certify_model(model)
    except (Refused, ExactnessError) as refusal:
        return {"ok": False, **_table(f"not certified: {model.name} in {model.dtype}", [("reason", str(refusal))])}
    _tell(found, cast("list[dict[str, Json]]", content["heads"]))
    return {"ok": True, **_table(*found.table())}


def _tell(found: Certificate | MarginCertificate | LoopCertificate, heads: list[dict[str, Json]]) -> None:
    said: dict[tuple[int, int], str] = {}
    for h in found.heads:
        if isinstance(h, HeadMargin):
            said[h.block, h.head] = f"rivals are {h.lead:.3g} nats behind (proved)"
        elif h.error:
            said[h.block, h.head] = f"sums are within {h.error:.3g} of their integer, 1/2 is allowed"
        else:
            said[h.block, h.head] = f"winners lead by {h.gap:g} nats, sums reach {h.steps:,} steps (proved)"
    for head in heads:
        head["proved"] = said.get((cast(int, head["block"]), cast(int, head["head"])), "")
