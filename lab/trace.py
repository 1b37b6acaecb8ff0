"""What a model computed on one input, in NumPy: attention, stream, logits, and every named value beside the interpreter's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.shown import Tabled, html_table
from ..runtime.hooks import Hook, HookPoint, Names
from ..runtime.interpreter import Column, interpret_graph
from ..runtime.model import Model, require_model, require_own_dtype
from ..runtime.module import Attention
from ..runtime.tokens import encode, in_order
from .names import Named, decoded, named_values, outputs, require_named, said, shown_column
from .wiring import Wiring, wiring_of

Array: TypeAlias = npt.NDArray[np.floating]
BATCH_POSITIONS = 1 << 14


@dataclass(frozen=True, eq=False)
class HeadTrace:
    """One head on one input. `block` counts from 0, as in `module.blocks`; row and column 0 are BOS.

    Shapes: q, k, v, z (n + 1, d_head), pattern (n + 1, n + 1), result (n + 1, d_model), which is what the head adds to the stream.
    """

    name: str
    label: str
    block: int
    head: int
    q: Array
    k: Array
    v: Array
    pattern: Array
    z: Array
    result: Array

    @property
    def reads(self) -> list[int]:
        """The position that each position attends to most, 0 for BOS. Shape (n,)."""
        return [int(t) for t in self.pattern[1:].argmax(axis=1)]


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Tabled):
    """One input through a model. `trace["jump@at"]` is a named value at each position, in the user's symbols; None is ⊥.

    `labels` are the tokens with `<bos>` in front, as rows and columns of patterns have them. `stream` is the residual stream
    after the embedding and after each block, (blocks + 1, n + 1, d_model); `logits` (n, classes); `output` what they say.
    `values` and `interpreted` hold every named value by name, as the stream has it and as the interpreter says;
    `activations` what passed at each hook point, by its name.
    """

    model: Model
    tokens: tuple[Symbol, ...]
    labels: tuple[str, ...]
    stream: Array
    logits: Array
    heads: tuple[HeadTrace, ...]
    activations: dict[str, Array] = field(repr=False)
    values: dict[str, list[Symbol | None]]
    interpreted: dict[str, list[Symbol | None]]
    output: list[Symbol | None]
    expected: list[Symbol | None]

    def __repr__(self) -> str:
        return f"<Trace {self.model.name}: {len(self.tokens)} tokens, {len(self.heads)} heads, {len(self.values)} values>"

    def __getitem__(self, name: str) -> list[Symbol | None]:
        if name not in self.values:
            require_named(named_values(self.model), name, self.model.optimised)
        return self.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def head(self, block: int, head: int = 0) -> HeadTrace:
        """A head by its block, counted from 0 as in `module.blocks`, and its number there. Raises InputError where there is none."""
        for found in self.heads:
            if (found.block, found.head) == (block, head):
                return found
        raise InputError(f"there is no head {head} in block {block}", hint=f"heads are {', '.join(h.name for h in self.heads)}")

    def wrong(self) -> dict[str, list[int]]:
        """The positions, from 1, at which each value differs from the interpreter's; only values that do. `output` is the output."""
        pairs = {name: (column, self.interpreted[name]) for name, column in self.values.items()}
        pairs["output"] = (self.output, self.expected)
        found = {name: [i for i, (a, b) in enumerate(zip(*pair, strict=True), 1) if a != b] for name, pair in pairs.items()}
        return {name: positions for name, positions in found.items() if positions}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """Tokens and values, one a row, and at which positions they differ from the interpreter's."""
        wrong = self.wrong()

        def row(name: str, column: Sequence[Symbol | None]) -> tuple[str, str]:
            text = " ".join(map(said_value, column))
            return name, f"{text}  (not the interpreter's at {', '.join(map(str, wrong[name]))})" if name in wrong else text

        rows = [row("tokens", self.tokens), *(row(name, column) for name, column in self.values.items()), row("output", self.output)]
        return f"{self.model.name}: {len(self.tokens)} tokens", rows

    def _repr_html_(self) -> str:
        """Values by tokens; what differs from the interpreter's has the interpreter's value behind it."""

        def cells(column: Sequence[Symbol | None], wanted: Sequence[Symbol | None]) -> list[str]:
            return [said_value(a) if a == b else f"{said_value(a)} (not {said_value(b)})" for a, b in zip(column, wanted, strict=True)]

        rows = [[name, *cells(column, self.interpreted[name])] for name, column in self.values.items()]
        rows.append(["output", *cells(self.output, self.expected)])
        return html_table(f"{self.model.name}: {len(self.tokens)} tokens", rows, ["", *self.labels[1:]])

    def __str__(self) -> str:
        title, rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


def said_value(value: Symbol | None) -> str:
    """A value as text, on one line."""
    text = "⊥" if value is None else str(value)
    return text if text.isprintable() else repr(text)


@public
def trace(model: Model, tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]]) -> Trace | list[Trace]:
    """Run a model and keep everything: see `Trace`. One sequence gives a Trace, a batch of sequences a list of them.

    The module must be in the model's own dtype; it may be changed in any other way. Raises InputError for unknown symbols, for
    sequences too long, and for an empty one.
    """
    require_model("trace()", model)
    rows, single = rows_of(model, tokens)
    found = traced(model, rows)
    return found[0] if single else found


def rows_of(model: Model, tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]]) -> tuple[list[list[int]], bool]:
    """Token ids of each sequence, and whether one sequence was given rather than a batch. Raises InputError for one without tokens."""
    items = in_order(tokens)
    single = not (items and all(model.is_row(item) for item in items))
    rows = [encode(model.graph.sizes, row) for row in ([items] if single else items)]  # pyright: ignore[reportArgumentType]
    if not rows or not all(rows):
        raise InputError("a sequence has no tokens", hint="give at least one token")
    return rows, single


def traced(
    model: Model,
    rows: Sequence[Sequence[int]],
    hooks: Sequence[tuple[Names, Hook]] = (),
    columns: Sequence[list[Column]] | None = None,
) -> list[Trace]:
    """Traces of rows of token ids, all of one length where there are hooks; `columns` are what the interpreter says of each.

    Hooks run in the order given, before what passes is kept.
    """
    require_own_dtype(model)
    wiring, named = wiring_of(model), named_values(model)
    by_length: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(index)
    assert not hooks or len(by_length) == 1
    found: dict[int, Trace] = {}
    for length, members in by_length.items():
        step = len(members) if hooks else max(1, BATCH_POSITIONS // length)  # what a hook writes has the whole batch's shape
        for start in range(0, len(members), step):
            part = members[start : start + step]
            logits, kept = run(model, [rows[i] for i in part], hooks)
            for b, i in enumerate(part):
                values = interpret_graph(model.optimised, rows[i]) if columns is None else columns[i]
                one = {name: array[b] for name, array in kept.items()}
                found[i] = _trace(model, wiring, named, rows[i], logits[b], one, values)
    return [found[i] for i in range(len(rows))]


@torch.no_grad()
def run(model: Model, rows: Sequence[Sequence[int]], hooks: Sequence[tuple[Names, Hook]] = ()) -> tuple[Array, dict[str, Array]]:
    """Logits and what passes at every hook point, attention in the open. Shapes: B rows of n ids -> (B, n, classes), (B, …) each."""
    module = model.module
    kept: dict[str, Array] = {}

    def keep(activation: torch.Tensor, hook: HookPoint) -> None:
        kept[hook.name] = activation.detach().cpu().numpy()

    ids = torch.tensor(rows, dtype=torch.long, device=module.W_E.device)
    logits = module.run_with_hooks(ids, [*hooks, (None, keep)])
    return logits.detach().cpu().numpy(), kept


def _trace(
    model: Model, wiring: Wiring, named: dict[str, Named], row: Sequence[int], logits: Array, kept: dict[str, Array], columns: list[Column]
) -> Trace:
    tokens = tuple(model.alphabet.symbols[i] for i in row)
    states: list[Array] = [kept["hook_embed"] + kept["hook_pos_embed"]]
    heads: list[HeadTrace] = []
    for b, block in enumerate(model.module.blocks):
        states.append(kept[f"blocks.{b}.hook_resid_post"])
        if isinstance(block, Attention):
            inside = {name: kept[f"blocks.{b}.attn.hook_{name}"] for name in ("q", "k", "v", "pattern", "z", "result")}
            for h in range(len(block.masks)):
                name, pattern = f"blocks.{b}.head.{h}", inside["pattern"][h]
                q, k, v, z, result = (inside[part][:, h] for part in ("q", "k", "v", "z", "result"))
                heads.append(HeadTrace(name, wiring.label(b, h), b, h, q, k, v, pattern, z, result))
    stream: Array = np.stack(states)
    return Trace(
        model,
        tokens,
        ("<bos>", *map(str, tokens)),
        stream,
        logits,
        tuple(heads),
        kept,
        {name: decoded(model, value, list(stream)) for name, value in named.items()},
        {name: shown_column(model, value, columns[value.node]) for name, value in named.items()},
        outputs(model, said(model, logits)),
        outputs(model, [columns[root] for root in model.optimised.roots]),
    )
