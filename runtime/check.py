"""Checking a model: every value it writes against the interpreter, on exhaustive, adversarial and random inputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from ..compiler.calls import public
from ..compiler.codes.forms import Form, Ints
from ..compiler.domain import Domain, Symbol
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from . import cases
from .classes import classes
from .interpreter import Column, interpret_graph, interpret_roots
from .model import Model, Probe, require_model, require_own_dtype
from .module import Attention
from .tokens import decode_value, encode

PATTERN_LENGTH = 256  # attention weights are looked at, in the open, up to this length
BATCH_POSITIONS = 1 << 15
AUDITS = 4  # queries of each head that the sparse engine also scores in full


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where a model differs from the interpreter. `block` 0 is the embedding; None the unembedding."""

    value: str
    block: int | None
    position: int
    wanted: str
    got: str
    tokens: list[str]

    def __str__(self) -> str:
        where = "the unembedding" if self.block is None else "the embedding" if self.block == 0 else f"block {self.block}"
        shown = " ".join(self.tokens[:40]) + (" …" if len(self.tokens) > 40 else "")
        return f"{self.value} after {where}, position {self.position}: wanted {self.wanted}, got {self.got}\n  input: {shown}"


@dataclass
class Report(Tabled):
    """What a check saw. `ok` means every value on every input was right: bit for bit, or in the natural style within 1/2 of its code.

    `broken` counts, for each value and output that was wrong somewhere, its wrong positions: of a model that was changed it says
    what the change broke. A value is named as its place is, `token²` or `jump@at`; outputs as `the output`.
    """

    program: str
    dtype: str
    sequences: int = 0
    positions: int = 0
    values: int = 0
    mismatches: int = 0
    inexact: int = 0
    exhaustive: int = 0
    largest_leak: float = 0.0
    largest_deviation: float = 0.0
    smallest_margin: float = float("inf")
    first: Divergence | None = None
    lengths: list[int] = field(default_factory=list[int])
    broken: dict[str, int] = field(default_factory=dict[str, int])
    style: str = "compact"

    def __repr__(self) -> str:
        return f"<Report of {self.program} in {self.dtype}: {self.verdict}, {self.sequences:,} sequences, {self.values:,} values>"

    @property
    def verdict(self) -> str:
        """In a word: exact (right in the natural style), WRONG, or NOT EXACT where values are right and some cell is off its code."""
        right = "exact" if self.style == "compact" else "right"
        return right if self.ok else "WRONG" if self.mismatches else "NOT EXACT"

    @property
    def ok(self) -> bool:
        """No value differs, in the compact style no cell is off its code by any amount, and something was compared."""
        return self.mismatches == 0 and (self.inexact == 0 or self.style == "natural") and self.positions > 0

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready values."""
        fields = asdict(self)
        if self.style == "compact":
            del fields["style"]
        return {"ok": self.ok, **fields}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The verdict, and what was seen."""
        lengths = ", ".join(map(str, self.lengths[:12])) + (", …" if len(self.lengths) > 12 else "")
        every = f"; every sequence up to length {self.exhaustive}" if self.exhaustive else ""
        return f"{self.verdict}: {self.program} in {self.dtype}", (
            ("inputs", f"{self.sequences:,} sequences, {self.positions:,} positions, lengths {lengths}{every}"),
            ("compared", f"{self.values:,} values: {self.mismatches:,} wrong, {self.inexact:,} off their code"),
            ("attention", f"largest leak {self.largest_leak:g}"),
            ("decoding", f"largest deviation {self.largest_deviation:g}, smallest logit margin {self.smallest_margin:g}"),
            *([("broken", ", ".join(f"{name} at {n:,}" for name, n in self.broken.items()))] if self.broken else []),
            *([("first divergence", str(self.first))] if self.first else []),
        )

    def __str__(self) -> str:
        title, rows = self.table()
        lines = [title, *(f"  {name:<10} {said}" for name, said in rows if name != "first divergence")]
        return "\n".join(lines) + (f"\nfirst divergence: {self.first}" if self.first else "")


@public
def check(
    model: Model,
    *,
    samples: int = 64,
    lengths: Sequence[int] | None = None,
    seed: int = 0,
    exhaustive: int | None = None,
    inputs: Sequence[Sequence[Symbol]] = (),
    progress: Callable[[int, int], None] | None = None,
    engine: str = "dense",
) -> Report:
    """Compare every value the model writes, its outputs and its guard with the interpreter.

    Inputs: all sequences up to length `exhaustive` (chosen small if None, none if 0), then `samples` sequences of the
    given `lengths` (1, 2, 3, N/2, N - 1, N if None): random, few symbols, all equal, alternating, no match, one match
    at the far end, near misses, repeated blocks; then `inputs`. Values are read from their places in the residual
    stream after the block that writes them. `engine` says which one computes the stream, "dense" or "sparse"; of attention the
    sparse one has no weights to look at, but scores some queries of each head in full. Raises InputError for impossible lengths
    or too many sequences.
    """
    require_model("check()", model)
    require_own_dtype(model)
    rows, every = chosen(model, samples, lengths, seed, exhaustive, inputs)
    report = Report(model.name, model.dtype, exhaustive=every, lengths=sorted({len(r) for r in rows}), style=model.style)
    done = 0
    for batch in _batches(rows):
        _check_batch(model, batch, report, engine)
        done += len(batch)
        if progress:
            progress(done, len(rows))
    return report


def chosen(
    model: Model,
    samples: int,
    lengths: Sequence[int] | None,
    seed: int,
    exhaustive: int | None,
    inputs: Sequence[Sequence[Symbol]] = (),
) -> tuple[list[list[int]], int]:
    """The sequences of token ids that `check` tries, and the length up to which they are all there. Raises InputError as it does."""
    vocabulary, limit = len(model.alphabet), model.length
    asked: object = cases.default_lengths(limit) if lengths is None else lengths
    picked = sorted({n for n in asked if isinstance(n, int) and 1 <= n <= limit}) if isinstance(asked, Sequence) else []
    if not isinstance(samples, int) or samples < 0 or not picked or set(picked) != set(cast("Sequence[int]", asked)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"cannot check {samples!r} samples of lengths {asked!r}", hint=f"lengths are 1..{limit}, samples at least 0")
    if exhaustive is not None and not (isinstance(exhaustive, int) and 0 <= exhaustive <= limit):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"exhaustive length {exhaustive} is not in 0..{limit}", hint="compile for a greater length")
    every = cases.auto_exhaustive(vocabulary, limit) if exhaustive is None else exhaustive
    count = cases.exhaustive_count(vocabulary, every)
    if count > cases.MAX_EXHAUSTIVE:
        raise InputError(f"{count:,} sequences of length up to {every}", hint=f"at most {cases.MAX_EXHAUSTIVE:,}; choose a smaller length")
    rows = [
        *cases.exhaustive(vocabulary, every),
        *cases.sampled(vocabulary, picked, samples, random.Random(seed)),
        *(row for row in (encode(model.graph.sizes, tokens) for tokens in inputs) if row),
    ]
    if not rows:
        raise InputError("there is nothing to check", hint="ask for samples, for exhaustive lengths, or give inputs")
    return rows, every


def _batches(rows: list[list[int]]) -> Iterator[list[list[int]]]:
    """Rows of one length together, a bounded number of positions at a time."""
    by_length: dict[int, list[list[int]]] = {}
    for row in rows:
        by_length.setdefault(len(row), []).append(row)
    for length, same in sorted(by_length.items()):
        step = max(1, BATCH_POSITIONS // length)
        for start in range(0, len(same), step):
            yield same[start : start + step]


@torch.no_grad()
def _check_batch(model: Model, rows: list[list[int]], report: Report, engine: str) -> None:
    ids = torch.tensor(rows, dtype=torch.long, device=model.module.W_E.device)
    wanted = [interpret_roots(model.graph, row) for row in rows]
    inner = [interpret_graph(model.optimised, row) for row in rows]
    report.sequences += len(rows)
    report.positions += ids.numel()
    x = None
    previous = None
    for block, x in enumerate(model.module.stream(ids) if engine == "dense" else model.sparse_stream(ids, engine, AUDITS)):
        layer = model.module.blocks[block - 1] if block else None
        if engine == "dense" and isinstance(layer, Attention) and ids.shape[1] <= PATTERN_LENGTH and previous is not None:
            leak = 1 - layer.pattern(previous).amax(-1)[:, :, 1:].min().item()
            report.largest_leak = max(report.largest_leak, leak)
        stream = x.double().cpu().numpy()  # (B, n + 1, d_model)
        if model.style == "compact" and stream[:, 0].any():  # in the natural style BOS has a direction of its own
            _note(report, model, rows, "BOS", block, np.argwhere(stream[:, 0].any(-1))[0][0], 0, "all zero", "not zero")
        for probe in (p for p in model.probes if p.block == block):
            _check_probe(model, probe, stream[:, 1:, list(probe.dims)], rows, inner, report)
        previous = x
    assert x is not None
    for block, logits in enumerate(model.module.split(model.module.unembed(x[:, 1:]))):
        _check_output(model, block, logits, rows, [columns[block] for columns in wanted], report)


def expected(model: Model, probe: Probe, row: list[int], values: list[Column]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The codes a probe should hold, and which positions are specified.

    Shapes: n token ids -> codes (n, width), specified (n,). A value outside the probe's form is unspecified: such a
    form is only used where the value is proved unread.
    """
    n, form = len(row), probe.form
    match probe.value:
        case "one":
            column: Column = [1] * n
        case "token":
            column = list(row)
        case "position":
            column = list(range(1, n + 1))
        case int() as node:
            column = values[node]
    z = np.array([0 if v is None else v - form.off for v in column], np.int64)
    return form.encode(z), z <= form.top


def _check_probe(model: Model, probe: Probe, cells: np.ndarray, rows: list[list[int]], inner: list[list[Column]], report: Report) -> None:
    pairs = [expected(model, probe, row, values) for row, values in zip(rows, inner, strict=True)]
    codes, specified = (np.stack(column) for column in zip(*pairs, strict=True))
    deviation = np.where(specified, np.abs(cells - codes).max(axis=-1), 0.0)  # (B, n)
    deviation = np.where(np.isnan(deviation), np.inf, deviation)
    report.values += int(specified.sum())
    report.inexact += int((deviation > 0).sum())
    report.largest_deviation = max(report.largest_deviation, float(deviation.max()))
    wrong = deviation >= 0.5  # codes differ by at least 1 in some cell, so below 1/2 the nearest code is the right one
    _count(report, probe.name, wrong)
    if wrong.any():
        b, i = np.argwhere(wrong)[0]
        got = _text(cells[b, i], probe.form)
        _first(report, model, rows[b], f"{probe.name} ({probe.form})", probe.block, i + 1, _text(codes[b, i], probe.form), got)


def _check_output(model: Model, block: int, logits: torch.Tensor, rows: list[list[int]], wanted: list[Column], report: Report) -> None:
    form = model.output_forms[block]
    found, off = classes(form, logits).cpu().numpy(), form.off  # (B, n)
    right = np.array([[0 if v is None else v - off for v in column] for column in wanted])
    report.values += right.size
    wrong = found != right
    _count(report, model.graph.titles()[block], wrong)
    if form.kind == "log":
        own = np.concatenate([[0], form.logits()])
        deviation = np.abs(logits[..., 0].double().cpu().numpy() - own[np.clip(right, 0, form.top)])
        deviation = np.where(np.isnan(deviation), np.inf, deviation)
        report.inexact += int((deviation > 0).sum())
        report.largest_deviation = max(report.largest_deviation, float(deviation.max()))
    elif logits.shape[-1] > 1:
        top = logits.double().topk(2, dim=-1).values
        report.smallest_margin = min(report.smallest_margin, float((top[..., 0] - top[..., 1]).min()))
    if wrong.any():
        b, i = np.argwhere(wrong)[0]
        domain = model.graph.nodes[model.graph.roots[block]].domain
        values = [int(c) + off if c else None for c in (right[b, i], found[b, i])]
        want, got = (_symbol(decode_value(model.graph.sizes, domain, v) if _inside(model, domain, v) else f"class {v}") for v in values)
        _first(report, model, rows[b], model.graph.titles()[block], None, i + 1, want, got)


def _count(report: Report, value: str, wrong: npt.NDArray[np.bool_]) -> None:
    """Count the positions at which a value is wrong. Shape (B, n)."""
    number = int(wrong.sum())
    report.mismatches += number
    if number:
        report.broken[value] = report.broken.get(value, 0) + number


def _inside(model: Model, domain: Domain, value: int | None) -> bool:
    ends = {"token": len(model.alphabet), "label": len(model.graph.sizes.labels)}
    return value is None or domain.kind not in ends or 0 <= value < ends[domain.kind]


def _symbol(value: object) -> str:
    return "⊥" if value is None else str(value)


def _text(cells: np.ndarray, form: Form) -> str:
    numbers = ", ".join(f"{c:g}" for c in cells)
    if form.kind == "digits" and form.parts == 1:
        return "⊥" if cells[0] == 0 else f"{cells[0] + form.off:g}"
    return f"[{numbers}]"


def _note(report: Report, model: Model, rows: list[list[int]], value: str, block: int, b: int, i: int, want: str, got: str) -> None:
    report.mismatches += 1
    report.broken[value] = report.broken.get(value, 0) + 1
    _first(report, model, rows[b], value, block, i, want, got)


def _first(report: Report, model: Model, row: list[int], value: str, block: int | None, position: int, want: str, got: str) -> None:
    order = float("inf") if block is None else block
    known = report.first
    if known is None or order < (float("inf") if known.block is None else known.block):
        symbols = [str(model.alphabet.symbols[i]) for i in row]
        report.first = Divergence(value, block, int(position), want, got, symbols)
