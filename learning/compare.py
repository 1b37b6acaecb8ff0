"""A learned model beside a compiled one: which head does what, what each says, and which values can be read off the learned stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..compiler.calls import public
from ..compiler.codes.forms import offset
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..lab.names import named_values
from ..lab.trace import rows_of
from ..runtime.interpreter import interpret_graph
from ..runtime.model import Model, require_model
from ..runtime.module import Attention, Transformer
from ..runtime.outputs import read
from .patterns import Pattern, Place, alike, matched, patterns_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENOUGH = 300  # positions from which a value is read off the learned stream


@dataclass(frozen=True, slots=True)
class Pair:
    """A compiled head and the learned head that is most like it, None where none is left. Places are (attention layer from 1, head)."""

    compiled: Place
    label: str
    learned: Place | None
    overlap: float


@dataclass(frozen=True, slots=True)
class Reading:
    """How well a named value is read off the learned stream by a linear map: in the best block, on texts the map has not seen.

    `block` 0 is the embedding; `guess` is how often the most common value alone is right.
    """

    value: str
    block: int
    right: float
    guess: float


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Tabled):
    """A learned model beside a compiled one on the same texts.

    `agreement` is the share of positions at which both say the same. `overlaps` has a row a learned and a column a compiled head;
    `pairs` match them one to one. `learned` and `compiled` are what each says of the first text, `values` how well the compiled
    model's named values are read off the learned stream, empty where the texts are too few.
    """

    program: str
    tokens: tuple[Symbol, ...]
    learned: list[Symbol | None]
    compiled: list[Symbol | None]
    agreement: float
    pairs: tuple[Pair, ...]
    overlaps: npt.NDArray[np.float64]
    values: tuple[Reading, ...]
    patterns: tuple[dict[Place, Pattern], dict[Place, Pattern]]

    def __repr__(self) -> str:
        return f"<Comparison with {self.program}: {self.agreement:.2%} alike, {len(self.pairs)} heads>"

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """What both say, and how alike their heads are."""
        rows = [("tokens", _words(self.tokens)), ("compiled", _words(self.compiled)), ("learned", _words(self.learned))]
        rows.append(("agreement", f"{self.agreement:.2%} of positions"))
        for pair in self.pairs:
            other = "no learned head is like it" if pair.learned is None else f"layer {pair.learned[0]}, head {pair.learned[1]}"
            rows.append((f"layer {pair.compiled[0]}, head {pair.compiled[1]} ({pair.label})", f"{other}, overlap {pair.overlap:.2f}"))
        for v in self.values:
            where = f"after block {v.block}" if v.block else "in the embedding"
            rows.append((f"value {v.value}", f"read {where}, right at {v.right:.1%} of positions, {v.guess:.1%} by guessing"))
        return f"learned beside compiled: {self.program}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        return "\n".join([title, *(f"  {name}: {said}" for name, said in rows)])

    def plot(self, path: str | Path | None = None) -> Figure:
        """Each compiled head above the learned head most like it, on the first text. Written to `path` as PDF, SVG or PNG if given.

        Raises InputError without matplotlib or for another suffix.
        """
        from ..lab.figures import Panel, attention_figure, compiled_panel

        learned, compiled = self.patterns
        above = [
            compiled_panel(f"compiled {p.compiled[0]}.{p.compiled[1]}: {_short(p.label)}", p.label, compiled[p.compiled][0])
            for p in self.pairs
        ]
        below = [
            Panel(f"learned {p.learned[0]}.{p.learned[1]}: overlap {p.overlap:.2f}", learned[p.learned][0]) if p.learned else None
            for p in self.pairs
        ]
        return attention_figure([above, below], ["BOS", *map(str, self.tokens)], path)


@public
def compare(trained: nn.Module, compiled: Model, tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]]) -> Comparison:
    """Put a trained module beside a compiled model on one text or on many of one length; the first is shown.

    The module takes token ids (B, n) and gives logits (B, n, classes) in the compiled model's classes, as what `hw.fresh` makes does;
    of other kinds it needs `patterns(ids)`. From about 300 positions on, each named value of the compiled model is sought in the stream
    of the trained one by linear maps, fitted on two thirds of the texts and tried on the rest. Raises InputError for texts that differ
    in length, and for a module that does not fit.
    """
    require_model("compare()", compiled)
    rows, _ = rows_of(compiled, tokens)
    if len({len(row) for row in rows}) > 1:
        raise InputError("the texts differ in length", hint="give texts of one length, as hw.data does")
    ids = torch.tensor(rows)
    with torch.no_grad():
        logits = trained(ids)
    wanted = (*ids.shape, sum(compiled.module.shape.classes))
    if tuple(logits.shape) != wanted:
        raise InputError(f"the module's logits have shape {tuple(logits.shape)}, not {wanted}", hint="its classes are the compiled model's")
    said = _values(compiled, logits)
    right = compiled.values(rows)
    same = [
        a == b
        for one, other in zip(said, right, strict=True)
        for a, b in zip(zip(*one, strict=True), zip(*other, strict=True), strict=True)
    ]
    learned, own = patterns_of(trained, ids), patterns_of(compiled.module, ids)
    overlaps = alike(list(learned.values()), list(own.values()))
    count = len(compiled.graph.outputs)
    return Comparison(
        compiled.name,
        tuple(compiled.alphabet.symbols[i] for i in rows[0]),
        read(compiled.graph, said[0][:count]),
        read(compiled.graph, right[0][:count]),
        float(np.mean(same)),
        _pairs(compiled, list(learned), list(own), overlaps),
        overlaps,
        _readings(trained, compiled, rows) if isinstance(trained, Transformer) else (),
        (learned, own),
    )


def _short(label: str) -> str:
    """The name of what a head looks up."""
    return label.split(":")[0]


def _words(row: Sequence[Symbol | None]) -> str:
    return " ".join("⊥" if value is None else str(value) for value in row)


def _values(model: Model, logits: torch.Tensor) -> list[list[list[int | None]]]:
    """What logits say in the compiled model's classes, by text, output and position; a token that is no symbol counts as ⊥."""
    parts = [(form.off, part.argmax(-1).tolist()) for form, part in zip(model.output_forms, model.module.split(logits), strict=True)]
    return [[[c + off if c else None for c in column[b]] for off, column in parts] for b in range(len(logits))]


def _pairs(model: Model, learned: list[Place], own: list[Place], overlaps: npt.NDArray[np.float64]) -> tuple[Pair, ...]:
    from ..lab.circuit import circuit

    wiring = circuit(model).wiring
    blocks = [b for b, block in enumerate(model.module.blocks) if isinstance(block, Attention)]
    match = matched(overlaps)
    pairs: list[Pair] = []
    for c, place in enumerate(own):
        label = wiring.label(blocks[place[0] - 1], place[1])
        found = match.get(c)
        pairs.append(Pair(place, label, None if found is None else learned[found], 0.0 if found is None else float(overlaps[found, c])))
    return tuple(pairs)


@torch.no_grad()
def _readings(trained: Transformer, model: Model, rows: list[list[int]]) -> tuple[Reading, ...]:
    """Each named value that varies, in the block of the trained stream from which a linear map reads it best."""
    fitted = 2 * len(rows) // 3
    if fitted == 0 or (len(rows) - fitted) * len(rows[0]) < ENOUGH // 3:
        return ()
    states = [x[:, 1:].double().numpy() for x in trained.stream(torch.tensor(rows))]
    columns = [interpret_graph(model.optimised, row) for row in rows]
    found: list[Reading] = []
    for named in named_values(model).values():
        low = offset(named.domain)  # as scalar codes count
        values = np.array([[0 if v is None else v - low for v in c[named.node]] for c in columns])  # (B, n), 0 is ⊥
        if len(np.unique(values)) < 2:
            continue
        scores = [_read(x, values, fitted) for x in states]
        guess = float((values[fitted:] == np.bincount(values[:fitted].ravel()).argmax()).mean())
        best = int(np.argmax(scores))
        found.append(Reading(named.name, best, scores[best], guess))
    return tuple(found)


def _read(x: npt.NDArray[np.float64], values: npt.NDArray[np.int64], fitted: int) -> float:
    """How often a linear map from the stream is right on texts from `fitted` on, by least squares with a little ridge.

    Two maps are tried, to one number for each value, the greatest of which says it, and to the value itself, rounded: so it may lie in
    directions of its own, as learned ones do, or along one. Shapes: x (B, n, d), values (B, n).
    """
    scale = np.maximum(np.sqrt((x[:fitted] ** 2).mean((0, 1))), 1e-12)
    flat = np.concatenate([x / scale, np.ones((*x.shape[:2], 1))], axis=-1)  # (B, n, d + 1)
    a, told = flat[:fitted].reshape(-1, flat.shape[-1]), values[:fitted].ravel()
    kinds = np.unique(told)
    targets = np.concatenate([told[:, None] == kinds, told[:, None]], axis=1).astype(float)
    w = np.linalg.solve(a.T @ a + 1e-6 * len(a) * np.eye(a.shape[1]), a.T @ targets)
    said = flat[fitted:] @ w
    by_class, by_number = kinds[said[..., :-1].argmax(-1)], np.rint(said[..., -1])
    return float(max((by_class == values[fitted:]).mean(), (by_number == values[fitted:]).mean()))
