"""A KV cache: a dense model that reads token by token, each of which costs as many products as the text is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..runtime.classes import classes
from ..runtime.module import Attention
from ..runtime.precision import full_precision

if TYPE_CHECKING:
    from ..runtime.model import Model

FIRST = 256  # positions that a new cache has room for


@dataclass
class Layer:
    """Keys and values of an attention layer, BOS first. Shapes: (n_heads, cap, d_head)."""

    k: Tensor
    v: Tensor


class Cache:
    """A dense model that keeps the keys and values of every layer. `said` has the classes of each position's outputs."""

    def __init__(self, model: Model) -> None:
        self.model, self.ids, self.said = model, list[int](), list[list[int]]()
        self.layers = [
            Layer(*(torch.zeros(len(b.masks), FIRST, w.shape[2]).to(w) for w in (b.W_K, b.W_V))) if isinstance(b, Attention) else None
            for b in model.module.blocks
        ]
        self._stream(0, 0)  # BOS: in the natural style it is not the zero vector

    def fork(self) -> Cache:
        """A copy."""
        other = Cache.__new__(Cache)
        other.model, other.ids, other.said = self.model, list(self.ids), list(self.said)
        other.layers = [None if layer is None else Layer(layer.k.clone(), layer.v.clone()) for layer in self.layers]
        return other

    def feed(self, ids: Sequence[int]) -> None:
        """Read tokens, one at a time."""
        module = self.model.module
        module.require_known(torch.tensor([*self.ids, *ids]))
        for token in ids:
            logits = module.split(self._stream(token + 1, len(self.ids) + 1))
            self.ids.append(int(token))
            self.said.append([int(classes(form, part[None])[0]) for form, part in zip(self.model.output_forms, logits, strict=True)])

    @torch.no_grad()
    def _stream(self, row: int, i: int) -> Tensor:
        """The logits at position i, whose token has this row of W_E; the keys and values there are kept. Shape: (classes,)."""
        module = self.model.module
        with full_precision(module.W_E.device.type):
            x = module.W_E[row] + module.W_pos[i]  # (d_model,)
            for block, layer in zip(module.blocks, self.layers, strict=True):
                x = x + (block(x) if layer is None else _attend(block, layer, x, i))  # pyright: ignore[reportArgumentType]
            return x @ module.W_U


def _attend(block: Attention, layer: Layer, x: Tensor, i: int) -> Tensor:
    """What an attention layer adds at position i; BOS sees itself alone. Shapes: (d_model,) -> (d_model,)."""
    if i >= layer.k.shape[1]:
        layer.k, layer.v = (torch.cat([t, torch.zeros_like(t)], dim=1) for t in (layer.k, layer.v))
    q = torch.einsum("d,hde->he", x, block.W_Q)
    layer.k[:, i], layer.v[:, i] = torch.einsum("d,hde->he", x, block.W_K), torch.einsum("d,hde->he", x, block.W_V)
    scores = torch.einsum("he,hte->ht", q, layer.k[:, : i + 1])
    for h, mask in enumerate(block.masks):
        if mask == "strict" and i > 0:
            scores[h, i] = -torch.inf
    z = torch.einsum("ht,hte->he", scores.softmax(-1), layer.v[:, : i + 1])
    return z.flatten() @ block.W_O.flatten(0, 1)
