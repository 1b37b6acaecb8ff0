"""Cut and patch: named values set, heads ablated, dimensions overwritten, in the model and, where it has one, in its meaning."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.ops import Lookup
from ..compiler.shown import Tabled
from ..runtime.check import expected
from ..runtime.fixed import Fixed, Setting, fixed_values
from ..runtime.hooks import Hook, HookPoint
from ..runtime.interpreter import Column, interpret_graph
from ..runtime.model import Model, require_model
from ..runtime.module import Attention
from ..runtime.tokens import encode
from .names import node_of
from .settable import require_settable
from .trace import Array, Trace, rows_of, run, said_value, traced
from .wiring import FILLING, Component, Wiring, wiring_of

Ablation: TypeAlias = Literal["zero", "mean", "resample"]
ABLATIONS = ("zero", "mean", "resample")
Hooks: TypeAlias = "list[tuple[str, Hook]]"


@dataclass(frozen=True, eq=False, repr=False)
class Intervention(Tabled):
    """What a change did: `before` and `after`, traces of one input without and with it.

    Where only named values were set, `after.interpreted` is the interpreter's under the same change, and `agrees` says that every
    value and the output are equal to it. Heads and dimensions have no meaning of their own, so there `agrees` is None, and
    `after.interpreted` is the unchanged program's.
    """

    before: Trace
    after: Trace
    meant: bool

    def __repr__(self) -> str:
        return f"<Intervention on {self.after.model.name}: changed {', '.join(self.changed) or 'nothing'}>"

    @property
    def agrees(self) -> bool | None:
        """Whether the model under the change computes what its meaning computes under it; None where the change has no meaning."""
        return not self.after.wrong() if self.meant else None

    @property
    def output(self) -> list[Symbol | None]:
        """What the changed model says."""
        return self.after.output

    @property
    def changed(self) -> dict[str, list[int]]:
        """The positions, from 1, at which each value differs from what it was; `output` is the output."""
        pairs = {name: (column, self.after.values[name]) for name, column in self.before.values.items()}
        pairs["output"] = (self.before.output, self.after.output)
        found = {name: [i for i, (a, b) in enumerate(zip(*pair, strict=True), 1) if a != b] for name, pair in pairs.items()}
        return {name: positions for name, positions in found.items() if positions}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """Each value that changed, before and after."""

        def text(column: Sequence[Symbol | None]) -> str:
            return " ".join(map(said_value, column))

        rows = [("tokens", text(self.before.tokens))]
        for name in self.changed:
            old = self.before.output if name == "output" else self.before[name]
            new = self.after.output if name == "output" else self.after[name]
            rows += [(name, text(old)), ("  now", text(new))]
        said = {True: "as the interpreter says", False: "NOT what the interpreter says", None: "no meaning to compare with"}[self.agrees]
        return f"{self.after.model.name}, changed: {said}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        width = max(len(name) for name, _ in rows)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


@public
def intervene(
    model: Model,
    tokens: Sequence[Symbol],
    set: Mapping[str, Setting] | None = None,
    *,
    swap: Mapping[str, Sequence[Symbol]] | None = None,
    heads: Mapping[str, Ablation | Sequence[Symbol]] | None = None,
    dims: Mapping[tuple[int, int], float | Sequence[float]] | None = None,
    samples: int = 64,
    seed: int = 0,
) -> Intervention:
    """Run a model with something changed inside, beside its meaning with the same change.

    `set` sets named values as `interpret` does; a lookup's name sets the position that its heads attend to. `swap` sets a named
    value to what it is on another input of the same length (an interchange). `heads` ablates heads by name,
    `blocks.0.head.0`: "zero", "mean" (of what the head adds, by position, over `samples` random inputs), "resample" (what it adds
    on one random input), or another input, whose output is patched in. `dims` overwrites dimensions of the stream:
    `(block, dimension)`, where block 0 is the embedding and b the b-th block, with a number or one for each position.

    Raises InputError for names that are none, values outside their domain, inputs of another length, and for values that cannot
    be set so that the model computes what its meaning does: see `lab/settable.py`.
    """
    require_model("intervene()", model)
    rows, single = rows_of(model, tokens)
    if not single:
        raise InputError("intervene() was given a batch", hint="give one sequence")
    row = rows[0]
    wiring = wiring_of(model)
    fixed = fixed_values(model.optimised, len(row), set or {})
    for name, other in (swap or {}).items():
        fixed.update(_swapped(model, name, row, other))
    hooks, columns = value_hooks(wiring, row, fixed)
    for name, how in (heads or {}).items():
        hooks.append(_ablation(wiring, name, row, how, samples, seed))
    hooks += [_overwritten(model, block, dim, number, len(row)) for (block, dim), number in (dims or {}).items()]
    meant = not heads and not dims
    before = traced(model, [row])[0]
    after = traced(model, [row], hooks, [columns] if meant else None)[0]
    return Intervention(before, after, meant)


def _swapped(model: Model, name: str, row: Sequence[int], other: Sequence[Symbol]) -> Fixed:
    """A named value as it is on another input."""
    ids = encode(model.graph.sizes, other)
    if len(ids) != len(row):
        raise InputError(f"{name} is swapped with an input of {len(ids)} tokens, not {len(row)}", hint="inputs must have one length")
    index = next(iter(fixed_values(model.optimised, len(row), {name: {}})))
    return {index: dict(enumerate(interpret_graph(model.optimised, ids)[index], 1))}


def value_hooks(wiring: Wiring, row: Sequence[int], fixed: Fixed) -> tuple[Hooks, list[Column]]:
    """Hooks that set values in the stream and lookups in patterns, and the interpreter's values under the same change.

    What else the embedding holds is set to what it is under the change. Raises InputError for values that cannot be set.
    """
    model, graph = wiring.model, wiring.model.optimised
    columns = interpret_graph(graph, row, fixed)
    if not fixed:
        return [], columns
    require_settable(wiring, fixed)
    plain = interpret_graph(graph, row)
    hooks: Hooks = []
    for p, probe in enumerate(model.probes):
        node = node_of(graph, probe.value)
        if node is None or probe.name.startswith(FILLING):
            continue
        places = (
            [*fixed.get(node, {})] if probe.block else [i for i in range(1, len(row) + 1) if columns[node][i - 1] != plain[node][i - 1]]
        )
        codes, specified = expected(model, probe, _tokens(model, row, columns), columns)
        chosen = [i for i in places if specified[i - 1]]
        if chosen:
            hooks.append(_written(model, p, chosen, codes[[i - 1 for i in chosen]].astype(np.float64)))
    for node, values in fixed.items():
        if isinstance(graph.nodes[node].op, Lookup):
            for c in wiring.components:
                if c.kind == "head" and c.head is not None and node in wiring.lookups(c.block, c.head):
                    hooks.append(_pointed(wiring, c, values, len(row)))
    return hooks, columns


def _tokens(model: Model, row: Sequence[int], columns: list[Column]) -> list[int]:
    """The token at each position, as it was set."""
    node = node_of(model.optimised, "token")
    return [i if node is None or (v := columns[node][place]) is None else v for place, i in enumerate(row)]


def _written(model: Model, p: int, places: list[int], codes: Array) -> tuple[str, Hook]:
    """A hook that writes codes of a probe at positions, right after it is written."""
    probe, module = model.probes[p], model.module
    numbers = torch.from_numpy(codes).to(module.W_E)  # (places, width)
    if probe.block == 0:  # the token's part is what the position's leaves
        numbers = numbers - module.W_pos.detach()[places][:, list(probe.dims)]

    def write(x: torch.Tensor, *, hook: HookPoint) -> torch.Tensor:
        x = x.clone()
        x[:, torch.tensor(places)[:, None], torch.tensor(probe.dims)[None, :]] = numbers
        return x

    return ("hook_embed" if probe.block == 0 else f"blocks.{probe.block - 1}.hook_resid_post"), write


def _pointed(wiring: Wiring, head: Component, values: Mapping[int, int | None], n: int) -> tuple[str, Hook]:
    """A hook that makes rows of a head's pattern point to positions, BOS for ⊥."""
    block = wiring.model.module.blocks[head.block]
    assert isinstance(block, Attention) and head.head is not None
    mask, h = block.masks[head.head], head.head
    for i, t in values.items():
        seen = t is None or (t <= n if mask == "full" else t <= i if mask == "causal" else t < i)
        if not seen:
            name = wiring.label(head.block, h).split(":")[0]
            raise InputError(f"{name} is set to {t} at position {i}, which does not see it", hint=f"its mask is {mask}, of {n} tokens")

    def point(pattern: torch.Tensor, *, hook: HookPoint) -> torch.Tensor:
        pattern = pattern.clone()
        for i, t in values.items():
            pattern[:, h, i] = 0
            pattern[:, h, i, 0 if t is None else t] = 1
        return pattern

    return f"blocks.{head.block}.attn.hook_pattern", point


def _ablation(wiring: Wiring, name: str, row: Sequence[int], how: Ablation | Sequence[Symbol], samples: int, seed: int) -> tuple[str, Hook]:
    """A hook that replaces what a head adds to the stream."""
    model = wiring.model
    head = next((c for c in wiring.components if c.kind == "head" and c.name == name), None)
    if head is None:
        names = ", ".join(c.name for c in wiring.components if c.kind == "head")
        raise InputError(f"there is no head {name!r}", hint=f"heads are {names}" if names else "the model has no heads")
    if isinstance(how, str) and how not in ABLATIONS:
        raise InputError(f"head {name} cannot be ablated by {how!r}", hint=f"use {', '.join(ABLATIONS)}, or another input")
    assert head.head is not None
    h = head.head
    new = torch.from_numpy(replacement(model, head.block, len(row), how, samples, seed)[:, h]).to(model.module.W_E)  # (n + 1, d_model)

    def ablate(result: torch.Tensor, *, hook: HookPoint) -> torch.Tensor:
        result = result.clone()
        result[:, :, h] = new
        return result

    return f"blocks.{head.block}.attn.hook_result", ablate


def replacement(model: Model, block: int, n: int, how: Ablation | Sequence[Symbol], samples: int, seed: int) -> Array:
    """What takes the place of what the heads of a block add, for inputs of n tokens. Shape (n + 1, n_heads, d_model)."""
    name = f"blocks.{block}.attn.hook_result"
    if how == "zero":
        return np.zeros((n + 1, len(model.module.shape.blocks[block].masks), model.module.shape.d_model))  # pyright: ignore[reportAttributeAccessIssue]
    if how in ("mean", "resample"):
        rng = random.Random(seed)
        rows = [[rng.randrange(len(model.alphabet)) for _ in range(n)] for _ in range(samples if how == "mean" else 1)]
        if not rows:
            raise InputError(f"a mean over {samples} inputs", hint="give samples of at least 1")
    else:
        rows = [encode(model.graph.sizes, how)]
        if len(rows[0]) != n:
            raise InputError(f"a head is patched from an input of {len(rows[0])} tokens, not {n}", hint="inputs must have one length")
    return run(model, rows)[1][name].mean(axis=0)


def _overwritten(model: Model, block: int, dim: int, number: float | Sequence[float], n: int) -> tuple[str, Hook]:
    """A hook that overwrites a dimension of the stream after a block, 0 for the embedding, at every position but BOS."""
    blocks, d_model = len(model.module.blocks), model.module.shape.d_model
    if not (0 <= block <= blocks and 0 <= dim < d_model):
        raise InputError(f"there is no dimension {dim} after block {block}", hint=f"blocks are 0..{blocks}, dimensions 0..{d_model - 1}")
    numbers = np.asarray(number, np.float64)
    if numbers.shape not in ((), (n,)):
        raise InputError(f"dimension {dim} is overwritten with {numbers.size} numbers at {n} positions", hint="give one, or one a position")
    new = torch.from_numpy(np.broadcast_to(numbers, (n,)).copy()).to(model.module.W_E)
    if block == 0:
        new = new - model.module.W_pos.detach()[1 : n + 1, dim]

    def overwrite(x: torch.Tensor, *, hook: HookPoint) -> torch.Tensor:
        x = x.clone()
        x[:, 1:, dim] = new
        return x

    return ("hook_embed" if block == 0 else f"blocks.{block - 1}.hook_resid_post"), overwrite
