"""The circuit of an export in its target's terms: which head, which hidden units and which dimensions of the stream do what.

A lowered model is mapped to a target block by block, so what `hw.circuit` says of it holds of the checkpoint under other numbers.
The labels stand in `headwork.json` under "circuit", to be read by anyone, and on the card. Hook points have TransformerLens's names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ..compiler.calls import close
from ..compiler.domain import Symbol
from ..compiler.errors import ExactnessError, InputError
from ..compiler.shown import Tabled
from ..lab.circuit import Circuit, circuit, value_name
from ..lab.names import NO_VALUE, named_values, node_of, shown
from ..lab.wiring import FILLING, Component
from ..runtime.model import Model, Probe
from ..runtime.module import AttentionShape, Shape
from ..runtime.serial import Json
from .native import Frame, pairs

Dims: TypeAlias = Callable[[Shape, AttentionShape], list[int]]


def first_dims(shape: Shape, part: AttentionShape) -> list[int]:
    """The dimensions of a head that hold queries and keys: the first ones."""
    return list(range(part.d_head))


@dataclass(frozen=True, slots=True)
class Terms:
    """How a target names things: `layer` is the name of layer {} in its own modules, `ahead` how many layers come before the first.

    Where it is not `paired`, a block is a layer of its own. `compared` are the dimensions in which a head's query meets its key,
    and totals lie `emptied` of what fills them.
    """

    layer: str
    ahead: int = 0
    paired: bool = True
    compared: Dims = first_dims
    emptied: bool = False


@dataclass(frozen=True, slots=True)
class ReadLabel:
    """A value that a component reads, by path q, k, v or mlp, in dimensions of the target's stream."""

    path: str
    value: str
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeadLabel:
    """A head of the target: its layer and number there, the native head that it is, and what it does.

    `writes` are names of values, `compared` the dimensions of the head in which queries meet keys, `moved` those of its values.
    """

    layer: int
    head: int
    native: str
    does: str
    reads: tuple[ReadLabel, ...]
    writes: tuple[str, ...]
    compared: tuple[int, ...]
    moved: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnitsLabel:
    """Hidden units of a layer's MLP that write values, or clear what is dead (then they write none)."""

    layer: int
    native: str
    units: tuple[int, ...]
    reads: tuple[ReadLabel, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValueLabel:
    """Where a value lies in the target's stream: dimensions, from hook point `born` to the one after which it is gone, `last`.

    A number in the stream times `scale`, plus `plus`, is the native one, which is a code of `form`.
    """

    value: str
    place: str
    form: str
    dims: tuple[int, ...]
    born: str
    last: str
    scale: tuple[float, ...]
    plus: float


@dataclass(frozen=True, eq=False, repr=False)
class Labels(Tabled):
    """What does what in an export. `model` is the lowered model that its files say."""

    target: str
    layer: str
    heads: tuple[HeadLabel, ...]
    units: tuple[UnitsLabel, ...]
    values: tuple[ValueLabel, ...]
    model: Model

    def __repr__(self) -> str:
        return f"<Labels of {self.model.name} as {self.target}: {len(self.heads)} heads, {len(self.values)} places of values>"

    def head(self, layer: int, head: int = 0) -> HeadLabel:
        """The label of a head of the target. Raises InputError for a head that does nothing."""
        for label in self.heads:
            if (label.layer, label.head) == (layer, head):
                return label
        known = ", ".join(f"{label.layer}.{label.head}" for label in self.heads)
        raise InputError(f"head {head} of layer {layer} does nothing: it is padding", hint=f"heads are {known}")

    def value(self, name: str) -> ValueLabel:
        """Where a value lies, in the form that tells it best. Raises InputError for a name that has no place."""
        return self._told(name)[0]

    def decode(self, name: str, stream: npt.NDArray[np.floating]) -> list[Symbol | None]:
        """A value as the stream holds it at its hook point: None is ⊥, NaN what is no value's code.

        Shapes: (n + 1, width) of the target, <bos> first -> n. Raises InputError for a name that has no place, and other shapes.
        """
        label, probe = self._told(name)
        if stream.ndim != 2 or stream.shape[1] <= max(label.dims):
            raise InputError(f"a stream of shape {stream.shape} was given", hint="give (positions, width) of one text, <bos> first")
        x = np.asarray(stream, np.float64)[1:, list(label.dims)] * np.array(label.scale)
        z = probe.form.decode((np.rint(x) if label.plus else x) + label.plus)
        domain = named_values(self.model)[name].domain
        return [NO_VALUE if c < 0 else shown(self.model, domain, None if c == 0 else int(c) + probe.form.off) for c in z]

    def _told(self, name: str) -> tuple[ValueLabel, Probe]:
        named = named_values(self.model)
        if name not in named:
            meant = close(name, named)
            raise InputError(f"there is no value {name!r}", hint=f"did you mean {meant}?" if meant else f"values are {', '.join(named)}")
        probe = named[name].places[0]
        return next((v, probe) for v in self.values if (v.place, v.dims) == (probe.name, probe.dims) and v.value == name)

    def as_dict(self) -> dict[str, object]:
        """The labels as JSON-ready values, as they stand in `headwork.json`."""
        return cast("dict[str, object]", as_json(self))

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """A head, a group of units, a value a row."""
        rows = [(f"{self.layer.format(h.layer)} head {h.head}", _said(h.does, h.reads, h.writes)) for h in self.heads]
        rows += [(f"{self.layer.format(u.layer)} mlp", _said(_units(u), u.reads, u.writes)) for u in self.units]
        rows += [(v.place, f"{_spans(v.dims)} of the stream from {v.born} to {v.last}, {v.form}") for v in self.values]
        return f"circuit of {self.model.name} as {self.target}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


def _said(does: str, reads: Sequence[ReadLabel], writes: Sequence[str]) -> str:
    read = dict.fromkeys(f"{r.path}: {r.value}" for r in reads)
    parts = (does, f"reads {', '.join(read)}" if read else "", f"writes {', '.join(writes)}" if writes else "")
    return "; ".join(filter(None, parts))


def _units(label: UnitsLabel) -> str:
    return f"units {_spans(label.units)}" + ("" if label.writes else " clear what is dead")


def _spans(numbers: Sequence[int]) -> str:
    """3..5, 9 for 3, 4, 5, 9."""
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in spans)


def as_json(labels: Labels) -> Json:
    """What stands in `headwork.json`."""
    found: dict[str, Json] = {"layer": labels.layer}
    for name in ("heads", "units", "values"):
        found[name] = [cast("Json", _listed(asdict(label))) for label in getattr(labels, name)]
    return found


def _listed(value: object) -> object:
    """Tuples as lists, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def labels_of(target: str, terms: Terms, model: Model, frame: Frame) -> Labels:
    """The labels of a lowered model in a target's terms."""
    read = circuit(model)
    at = _layers(model, terms)
    heads = tuple(head for c in read.wiring.components if c.kind == "head" and (head := _head(read, c, terms, at)).does)
    groups = (c for c in read.wiring.components if c.kind in ("mlp", "clear"))
    units = (UnitsLabel(at[c.block], c.name, c.units, _reads(read, c), _writes(read, c)) for c in groups)
    order = sorted(range(len(model.probes)), key=lambda p: (model.probes[p].block, model.probes[p].dims, model.probes[p].name))
    values = (_value(read, p, terms, frame, at) for p in order)
    return Labels(target, terms.layer, heads, tuple(sorted(units, key=lambda u: (u.layer, u.native))), tuple(filter(None, values)), model)


def require_same_circuit(target: str, terms: Terms, model: Model, lowered: Model) -> None:
    """Refuse a lowering whose heads are not the model's own, layer by layer, or a target that adds layers. Raises ExactnessError."""
    if terms.ahead:
        fact = f"{target} computes positions in {terms.ahead} layer of its own, so its circuit is not that of {model.name}"
        raise ExactnessError(fact, hint="export it to gpt2, hooked or onnx")
    own, theirs = _does(model), _does(lowered)
    for number, (here, there) in enumerate(zip_longest(own, theirs, fillvalue=()), 1):
        if here != there:
            fact = f"attention layer {number} of {model.name} has {_listing(here)}, and in {target} {_listing(there)}"
            raise ExactnessError(fact, hint="onnx keeps every head; leave out same_circuit to take what the target makes of it")


def _does(model: Model) -> list[tuple[str, ...]]:
    """What each head of each attention layer matches; those that fill an architecture, which match nothing, left out."""
    wiring = circuit(model).wiring
    blocks = [(b, part) for b, part in enumerate(model.module.shape.blocks) if isinstance(part, AttentionShape)]
    found = [tuple(filter(None, (wiring.label(b, h) for h in range(len(part.masks))))) for b, part in blocks]
    return [heads for heads in found if heads]


def _listing(heads: Sequence[str]) -> str:
    return f"{len(heads)} head{'s' * (len(heads) != 1)}" + (f" ({'; '.join(heads)})" if heads else "")


def _layers(model: Model, terms: Terms) -> list[int]:
    """The target's layer of each block."""
    found = [0] * len(model.module.shape.blocks)
    for layer, pair in enumerate(pairs(model.module.shape)):
        for part in pair:
            if part:
                found[part[0]] = terms.ahead + (layer if terms.paired else part[0])
    return found


def _head(read: Circuit, c: Component, terms: Terms, at: list[int]) -> HeadLabel:
    shape = read.model.module.shape
    part = shape.blocks[c.block]
    assert isinstance(part, AttentionShape) and c.head is not None
    compared, moved = tuple(terms.compared(shape, part)), tuple(range(part.d_head))
    return HeadLabel(at[c.block], c.head, c.name, read.wiring.label(c.block, c.head), _reads(read, c), _writes(read, c), compared, moved)


def _reads(read: Circuit, c: Component) -> tuple[ReadLabel, ...]:
    found: dict[ReadLabel, None] = {}
    for r in read.wiring.reads:
        if r.component == c.name:
            found[ReadLabel(r.path, value_name(read.wiring, r.probe), r.dims)] = None
    return tuple(sorted(found, key=lambda r: (r.path, r.dims, r.value)))


def _writes(read: Circuit, c: Component) -> tuple[str, ...]:
    return tuple(sorted({value_name(read.wiring, p) for p in c.writes}))


def _value(read: Circuit, p: int, terms: Terms, frame: Frame, at: list[int]) -> ValueLabel | None:
    """A place, under the target's numbers; None for what fills a total's cell where the target does without."""
    model, probe = read.model, read.model.probes[p]
    filled = next((q for q in model.probes if q.form.kind == "fill" and q.dims == probe.dims and q.block == probe.block - 1), None)
    if probe.name.startswith(FILLING) and terms.emptied:
        return None
    plus = float(filled.form.top) if filled is not None and terms.emptied else 0.0
    held = [b for b, state in enumerate(read.wiring.states) if b >= probe.block and any(state[d] == p for d in probe.dims)]
    scale = tuple(float(2.0 ** frame.shift[d]) for d in probe.dims)
    last = max(held, default=probe.block)
    points = _point(model, probe.block, terms, at), _point(model, last, terms, at)
    name = value_name(read.wiring, p) if node_of(model.optimised, probe.value) is not None else probe.name
    return ValueLabel(name, probe.name, str(probe.form), probe.dims, *points, scale, plus)


def _point(model: Model, block: int, terms: Terms, at: list[int]) -> str:
    """The hook point of the stream after a block, 0 being the embedding."""
    if block == 0:
        return f"blocks.{terms.ahead - 1}.hook_resid_post" if terms.ahead else "blocks.0.hook_resid_pre"
    followed = block < len(at) and at[block] == at[block - 1]  # by the MLP of the same layer
    return f"blocks.{at[block - 1]}.{'hook_resid_mid' if followed else 'hook_resid_post'}"
