"""Running a model with single edges changed: what one component takes from another is replaced, and only there.

A target reads the stream; an edge from a source changes, in the target's own copy of it, the source's part of the dimensions read,
for one path alone. Everything before the target is as it was, so a run begins at the target's block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from torch import Tensor

from ..runtime.module import Attention, Mlp
from ..runtime.precision import full_precision
from .wiring import Component, Path, Wiring

Cuts: TypeAlias = "Mapping[str, Sequence[Cut]]"


@dataclass(frozen=True, slots=True)
class Cut:
    """A replaced input of a target: what is added to dimensions of its own copy of the stream. Shapes: dims (w,), add (B, n + 1, w)."""

    path: Path
    dims: tuple[int, ...]
    add: Tensor


@dataclass(frozen=True, slots=True)
class Clean:
    """A run without changes: the stream before each block and at the end, and each component's part of it.

    Shapes: stream blocks + 1 of (B, n + 1, d_model), parts (B, n + 1, d_model), logits (B, n, classes).
    """

    stream: tuple[Tensor, ...]
    parts: dict[str, Tensor]
    logits: Tensor


class Runner:
    """Runs batches of token ids of one length, clean or from a block on with cuts."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring, self.model = wiring, wiring.model
        self.by_block: dict[int, list[Component]] = {}
        for c in wiring.components:
            self.by_block.setdefault(c.block, []).append(c)
        self.masks: dict[tuple[int, int], Tensor] = {}
        self.out: dict[str, Tensor] = {}  # each component's part of W_out, (d_mlp, d_model)
        for name, mine in unit_owners(wiring).items():
            whole = cast(Mlp, self.model.module.blocks[wiring.component(name).block]).W_out.detach()
            self.out[name] = whole * mine.to(whole)

    @torch.no_grad()
    def clean(self, ids: Tensor) -> Clean:
        """Shapes: (B, n) -> stream, parts and logits."""
        module = self.model.module
        with full_precision(ids.device.type):
            rows = torch.nn.functional.pad(ids + 1, (1, 0))
            token, position = module.W_E[rows], module.W_pos[: rows.shape[1]].expand(rows.shape[0], -1, -1)
            parts = {"embed": token, "pos_embed": position}
            x = token + position
            stream = [x]
            for b, _ in enumerate(module.blocks):
                x = x + self._block(b, x, {}, parts)
                stream.append(x)
            return Clean(tuple(stream), parts, x[:, 1:] @ module.W_U)

    def cut(self, clean: Clean, cuts: Cuts, grad: bool = False) -> Tensor:
        """Logits where the targets' inputs are cut; with `grad` they can be derived by what the cuts add. Shape (B, n, classes)."""
        module = self.model.module
        first = min(self.wiring.component(name).block for name in cuts)
        with full_precision(clean.stream[0].device.type), torch.set_grad_enabled(grad):
            x, last = clean.stream[first], max(self.wiring.component(name).block for name in cuts)
            for b in range(first, min(last + 1, len(module.blocks))):
                x = x + self._block(b, x, cuts, None)
            moved: Tensor | None = None  # the inputs that are run on: where nothing is changed by now, nothing will be
            if not grad and last < len(module.blocks):
                moved = (x != clean.stream[last + 1]).flatten(1).any(1).nonzero()[:, 0]
                if not len(moved):
                    return clean.logits
                x = x[moved]
            for b in range(last + 1, len(module.blocks)):
                x = x + self._block(b, x, {}, None)
            logits = _changed(x, cuts.get("unembed", ()), "logits")[:, 1:] @ module.W_U
            return logits if moved is None else clean.logits.index_copy(0, moved, logits)

    def _block(self, b: int, x: Tensor, cuts: Cuts, parts: dict[str, Tensor] | None) -> Tensor:
        block = cast("Attention | Mlp", self.model.module.blocks[b])
        return self._heads(b, block, x, cuts, parts) if isinstance(block, Attention) else self._mlp(b, block, x, cuts, parts)

    def _heads(self, b: int, block: Attention, x: Tensor, cuts: Cuts, parts: dict[str, Tensor] | None) -> Tensor:
        named: tuple[tuple[Path, Tensor], ...] = (("q", block.W_Q), ("k", block.W_K), ("v", block.W_V))
        qkv = {path: x[:, None] @ w for path, w in named}  # (B, nh, n, hs) each
        for c in self.by_block.get(b, ()):
            for path, w in named:
                found = qkv[path]
                if any(cut.path == path for cut in cuts.get(c.name, ())):
                    new = _changed(x, cuts[c.name], path) @ w[c.head]
                    found = torch.cat([found[:, : c.head], new[:, None], found[:, (c.head or 0) + 1 :]], dim=1)
                    qkv[path] = found
        q, k, v = qkv["q"], qkv["k"], qkv["v"]
        key = (b, x.shape[1])
        if key not in self.masks:
            self.masks[key] = ~block.visible(x)
        pattern = (q @ k.mT).masked_fill(self.masks[key], -torch.inf).softmax(-1)  # (B, nh, n, n)
        result = (pattern @ v) @ block.W_O  # (B, nh, n, d_model)
        if parts is not None:
            parts.update((c.name, result[:, c.head]) for c in self.by_block.get(b, ()) if c.head is not None)
        return result.sum(1)

    def _mlp(self, b: int, block: Mlp, x: Tensor, cuts: Cuts, parts: dict[str, Tensor] | None) -> Tensor:
        hidden = torch.relu(x @ block.W_in)  # (B, n, d_mlp)
        total = torch.zeros_like(x)
        for c in self.by_block.get(b, ()):
            own = torch.relu(_changed(x, cuts[c.name], "mlp") @ block.W_in) if c.name in cuts else hidden
            part = own @ self.out[c.name]
            if parts is not None:
                parts[c.name] = part
            total = total + part
        return total


def _changed(x: Tensor, cuts: Sequence[Cut], path: Path) -> Tensor:
    """A target's own copy of the stream."""
    mine = [cut for cut in cuts if cut.path == path]
    if not mine:
        return x
    for cut in mine:
        x = x.index_add(2, torch.tensor(cut.dims, device=x.device), cut.add)
    return x


def unit_owners(wiring: Wiring) -> dict[str, Tensor]:
    """For each component of an MLP which entries of W_out are its: to which dimensions which of its units write. Shape (d_mlp, d_model).

    A unit that only takes off what is dead in a dimension belongs there to the component that clears, or, where the unit does
    something else besides and there is none, to the one that writes the dimension next. Every entry belongs to one component.
    """
    model = wiring.model
    owners: dict[str, Tensor] = {}
    for b, block in enumerate(model.module.blocks):
        if not isinstance(block, Mlp):
            continue
        free = torch.ones(block.W_out.shape, dtype=torch.bool)
        here = [c for c in wiring.components if c.block == b]
        for c in here:
            if c.kind == "mlp":
                mine = torch.zeros_like(free)
                dims = sorted({d for p in c.writes for d in wiring.places[p].dims})
                for u in c.units:
                    mine[u, dims] = True
                owners[c.name] = mine & free
                free &= ~mine
        rest = next((c for c in here if c.kind == "clear"), here[-1] if here else None)
        if rest is not None:
            owners[rest.name] = owners.get(rest.name, torch.zeros_like(free)) | free
    return owners
