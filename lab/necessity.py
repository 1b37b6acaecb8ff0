"""Which edges of a circuit are necessary, under which ablation: proved irrelevant, shown necessary by a witness, or undecided.

An edge is ablated where its target reads it, and nowhere else: in the target's own copy of the stream, by the one path, the
source's part of the dimensions read is replaced, by zero, by its mean over inputs, or by what it is on another input. The edge
is necessary if on some input (for resampling, some pair of inputs of one length) an answer changes at some position: the right
class no longer leads alone. So the truth depends on the ablation: a part that is the same on every input is necessary under zero
ablation and irrelevant under the other two.

Proofs. Over finite inputs the question is finite: where there are few enough sequences of length N (and pairs, for resampling),
all are run. A causal model's answers on shorter sequences are those on the first positions of longer ones; of others every length
is run. At any length, a source that only says what depends on the position is irrelevant under mean and resampling, and a target
that reads none of the dimensions is irrelevant under all three.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..runtime import cases
from ..runtime.classes import classes
from ..runtime.model import Model, require_model, require_own_dtype
from .circuit import Circuit, circuit
from .paths import Clean, Cut, Runner
from .wiring import Path

Ablation: TypeAlias = Literal["zero", "mean", "resample"]
By: TypeAlias = Literal["value", "path", "component"]
Verdict: TypeAlias = Literal["necessary", "irrelevant", "undecided"]
ROWS = 1024  # that are run at a time
TIE = 1e-6  # a class leads if it is ahead by more than this part of the greatest logit


@dataclass(frozen=True, slots=True)
class Link:
    """A source's part of dimensions that a target reads by a path."""

    source: str
    target: str
    path: Path
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """An input on which an answer changes, at a position from 1; for resampling, the other input too."""

    tokens: tuple[Symbol, ...]
    position: int
    other: tuple[Symbol, ...] | None = None


@dataclass(frozen=True, slots=True)
class EdgeVerdict:
    """What is known of an edge under one ablation. `path` and `value` are empty where edges were taken together.

    `positions` are those at which ablating the edge alone changes an answer, on the inputs that were run; None if not asked.
    """

    source: str
    target: str
    path: str
    value: str
    ablation: Ablation
    verdict: Verdict
    why: str
    witness: Witness | None = None
    positions: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Necessity(Tabled):
    """The verdict on every edge of a circuit under one ablation."""

    program: str
    ablation: Ablation
    edges: tuple[EdgeVerdict, ...]

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.of(v))} {v}" for v in get_args(Verdict))
        return f"<Necessity of {self.program} under {self.ablation} ablation: {counts}>"

    def of(self, verdict: Verdict) -> list[EdgeVerdict]:
        """The edges with a verdict."""
        return [edge for edge in self.edges if edge.verdict == verdict]

    def as_dict(self) -> dict[str, object]:
        """The verdicts as JSON-ready values."""
        return {"program": self.program, "ablation": self.ablation, "edges": [asdict(edge) for edge in self.edges]}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """An edge a row."""

        def said(edge: EdgeVerdict) -> str:
            text = f"{edge.verdict}: {edge.why}"
            return text if edge.positions is None else f"{text}; positions {' '.join(map(str, edge.positions)) or 'none'}"

        def name(edge: EdgeVerdict) -> str:
            return f"{edge.source} -> {edge.target}" + (f" {edge.path}" if edge.path else "") + (f": {edge.value}" if edge.value else "")

        return f"{self.program} under {self.ablation} ablation", [(name(edge), said(edge)) for edge in self.edges]

    def __str__(self) -> str:
        title, rows = self.table()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


@public
def necessity(
    model: Model,
    ablation: Ablation = "resample",
    *,
    by: By = "path",
    positions: bool = False,
    inputs: int = 1024,
    pairs: int = 1 << 16,
    seed: int = 0,
) -> Necessity:
    """Decide for every edge of a model's circuit whether it is necessary under an ablation: see `lab/necessity.py`.

    Edges are taken by "value", by "path" (q, k and v apart), or by "component". All sequences are run where there are at most
    `inputs` of the greatest length and, for resampling, all pairs where there are at most `pairs`; else `inputs` of them are, and
    an edge without a witness stays undecided unless a rule decides it. With `positions` each is ablated at single positions too.
    Raises InputError for an unknown ablation or granularity, and for limits below 2.
    """
    require_model("necessity()", model)
    require_own_dtype(model)
    for what, given, known in (("ablation", ablation, get_args(Ablation)), ("granularity", by, get_args(By))):
        if given not in known:
            raise InputError(f"there is no {what} {given!r}", hint=f"use {', '.join(known)}")
    if min(inputs, pairs) < 2:
        raise InputError(f"{min(inputs, pairs)} inputs or pairs are too few", hint="give at least 2")
    read = circuit(model)
    search = Search(read, ablation, inputs, pairs, seed)
    groups: dict[tuple[str, str, str, str], list[Link]] = {}
    for e in read.edges:
        key = (e.source, e.target, "" if by == "component" else e.path, e.value if by == "value" else "")
        link = Link(e.source, e.target, e.path, e.dims)
        if link not in groups.setdefault(key, []):
            groups[key].append(link)
    found: list[EdgeVerdict] = []
    for (source, target, path, value), links in groups.items():
        verdict, why, witness = search.decide(links)
        at = search.positions(links) if positions else None
        found.append(EdgeVerdict(source, target, path, value, ablation, verdict, why, witness, at))
    return Necessity(model.name, ablation, tuple(found))


class Search:
    """The inputs that are run, clean, once; links are then cut on them."""

    def __init__(self, read: Circuit, ablation: Ablation, inputs: int, pairs: int, seed: int) -> None:
        self.read, self.model, self.ablation, self.pairs = read, read.model, ablation, pairs
        self.runner = Runner(read.wiring)
        self.random = random.Random(seed)
        vocabulary, length, causal = len(self.model.alphabet), self.model.length, self.model.graph.sizes.causal
        lengths = [length] if causal else list(range(1, length + 1))
        self.every = vocabulary**length <= inputs
        self.batches: list[tuple[Tensor, Clean]] = []
        if self.every:
            rows = [list(cases.exhaustive(vocabulary, n))[-(vocabulary**n) :] for n in lengths]
        else:
            n = min(length, 16)
            rows = [list(cases.sampled(vocabulary, [n], inputs, self.random))[:inputs]]
        for same in rows:
            ids = torch.tensor(same, dtype=torch.long, device=self.model.module.W_E.device)
            self.batches.append((ids, self.runner.clean(ids)))
        self.tiles: dict[tuple[int, int], tuple[Clean, Clean]] = {}
        self.same = _says_the_same(read)

    def decide(self, links: Sequence[Link]) -> tuple[Verdict, str, Witness | None]:
        """The verdict on links ablated together, why, and the witness where there is one."""
        if not links:
            return "irrelevant", "the target reads none of the source's dimensions", None
        if self.ablation != "zero" and all(link.source in self.same for link in links):
            return "irrelevant", "the source says the same on every input", None
        tried, complete = 0, self.every
        for ids, clean in self.batches:
            for others in self._others(ids, clean, links):
                if others is None:  # not all pairs were run
                    complete = False
                    continue
                bad = self._changed(self._tiled(clean, others), links, others, None)
                tried += len(bad)
                if bad.any():
                    b, i = (int(x) for x in bad.nonzero()[0])
                    other = None if others.index is None else self._symbols(ids[others.index[b]])
                    return "necessary", "an answer changes", Witness(self._symbols(ids[b % len(ids)]), i + 1, other)
        what = "pairs of inputs" if self.ablation == "resample" else "inputs"
        if complete:
            lengths = f"length {self.model.length}" if len(self.batches) == 1 else f"length 1..{self.model.length}"
            return "irrelevant", f"no answer changes on any of all {what} of {lengths}", None
        return "undecided", f"no answer changes on {tried:,} {what} of length {self.batches[0][0].shape[1]}", None

    def positions(self, links: Sequence[Link]) -> tuple[int, ...]:
        """The positions at which ablating the links there alone changes an answer on the inputs run."""
        found: set[int] = set()
        for ids, clean in self.batches:
            for position in set(range(1, ids.shape[1] + 1)) - found:
                for others in self._others(ids, clean, links):
                    if others is not None and self._changed(self._tiled(clean, others), links, others, position).any():
                        found.add(position)
                        break
        return tuple(sorted(found))

    def _symbols(self, row: Tensor) -> tuple[Symbol, ...]:
        return tuple(self.model.alphabet.symbols[int(i)] for i in row)

    def _others(self, ids: Tensor, clean: Clean, links: Sequence[Link]):
        """What takes the place of the sources' parts: once for zero and mean, for resampling other inputs, several at a time."""
        sources = {link.source for link in links}
        if self.ablation == "zero":
            yield Others({s: torch.zeros_like(clean.parts[s]) for s in sources}, None)
            return
        if self.ablation == "mean":
            yield Others({s: clean.parts[s].mean(0, keepdim=True).expand_as(clean.parts[s]) for s in sources}, None)
            return
        dims = sorted({d for link in links for d in link.dims})
        flat = torch.cat([clean.parts[s][:, :, dims].flatten(1) for s in sorted(sources)], dim=1)  # (B, …)
        _, inverse = torch.unique(flat, dim=0, return_inverse=True)
        first = torch.zeros(int(inverse.max()) + 1, dtype=torch.long, device=ids.device)
        first[inverse.flip(0)] = torch.arange(len(ids) - 1, -1, -1, device=ids.device)  # an input for each different part
        order = first[torch.randperm(len(first), generator=torch.Generator().manual_seed(self.random.randrange(1 << 30)))]
        most = max(1, self.pairs // len(ids))
        few = order[:most]
        for group in (few[:1], *few[1:].split(max(1, ROWS // len(ids)))):  # most edges that are necessary show it at once
            if len(group):
                index = group.repeat_interleave(len(ids))
                yield Others({s: clean.parts[s][index] for s in sources}, index)
        if len(order) > most:
            yield None

    def _tiled(self, clean: Clean, others: Others) -> Clean:
        """The clean run once for each other input that is tried on all of it at a time."""
        size = clean.logits.shape[0]
        times = 1 if others.index is None else len(others.index) // size
        if times == 1:
            return clean
        if (size, times) not in self.tiles or self.tiles[size, times][0] is not clean:
            stream = tuple(x.repeat(times, 1, 1) for x in clean.stream)
            parts = {name: part.repeat(times, 1, 1) for name, part in clean.parts.items()}
            self.tiles[size, times] = clean, Clean(stream, parts, clean.logits.repeat(times, 1, 1))
        return self.tiles[size, times][1]

    def _changed(self, clean: Clean, links: Sequence[Link], others: Others, position: int | None) -> Tensor:
        """Where an answer changes. Shape (B, n)."""
        cuts: dict[str, list[Cut]] = {}
        for link in links:
            dims = list(link.dims)
            add = (others.parts[link.source] - clean.parts[link.source])[:, :, dims]
            if position is not None:
                only = torch.zeros_like(add)
                only[:, position] = add[:, position]
                add = only
            cuts.setdefault(link.target, []).append(Cut(link.path, link.dims, add))
        logits = self.runner.cut(clean, cuts)
        changed = torch.zeros(logits.shape[:2], dtype=torch.bool, device=logits.device)
        pairs = zip(self.model.module.split(clean.logits), self.model.module.split(logits), self.model.output_forms, strict=True)
        for before, after, form in pairs:
            said = classes(form, before)  # (B, n)
            if form.kind == "log":
                changed |= classes(form, after) != said
            elif after.shape[-1] > 1:
                right = after.gather(-1, said[..., None])[..., 0]
                rest = after.scatter(-1, said[..., None], -torch.inf).amax(-1)
                changed |= ~(right - rest > TIE * after.abs().amax(-1))  # NaN counts as a change
        return changed


@dataclass(frozen=True, slots=True)
class Others:
    """What takes the place of each source's part, (B, n + 1, d_model), and which inputs it is from."""

    parts: dict[str, Tensor]
    index: Tensor | None


def _says_the_same(read: Circuit) -> set[str]:
    """The components that say the same on every input of a length: what they read depends on the position alone."""
    same = {"pos_embed"}
    for node in read.nodes:
        sources = [e.source for e in read.edges if e.target == node.name]
        if node.kind in ("head", "mlp", "clear") and sources and all(s in same for s in sources):
            same.add(node.name)
    return same
