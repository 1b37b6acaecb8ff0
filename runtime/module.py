"""The model: one plain transformer, without normalisation, biases or custom kernels.

Names follow the field: W_E, W_pos, W_Q, W_K, W_V, W_O, W_in, W_out, W_U. Position 0 is BOS, added inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from ..compiler.errors import InputError
from .precision import full_precision

Mask = Literal["causal", "strict", "full"]


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """Sizes of one attention layer, and each head's mask."""

    d_head: int
    masks: tuple[Mask, ...]

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the layer's tensors."""
        return ("W_Q", "W_K", "W_V", "W_O")


@dataclass(frozen=True, slots=True)
class MlpShape:
    """Size of one ReLU block."""

    d_mlp: int

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the block's tensors."""
        return ("W_in", "W_out")


@dataclass(frozen=True, slots=True)
class Shape:
    """All sizes of a model: V symbols, context length N, `classes` of the unembedding for each output (class 0 is ⊥)."""

    alphabet: int
    length: int
    d_model: int
    classes: tuple[int, ...]
    blocks: tuple[AttentionShape | MlpShape, ...]

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        d = self.d_model
        shapes: dict[str, tuple[int, ...]] = {"W_E": (self.alphabet + 1, d), "W_pos": (self.length + 1, d), "W_U": (d, sum(self.classes))}
        for i, block in enumerate(self.blocks):
            if isinstance(block, AttentionShape):
                h, e = len(block.masks), block.d_head
                shapes |= {f"blocks.{i}.{name}": (h, d, e) for name in ("W_Q", "W_K", "W_V")}
                shapes[f"blocks.{i}.W_O"] = (h, e, d)
            else:
                shapes |= {f"blocks.{i}.W_in": (d, block.d_mlp), f"blocks.{i}.W_out": (block.d_mlp, d)}
        return shapes


class Attention(nn.Module):
    """softmax(q kᵀ + mask) v per head, with score scale 1; neighbouring heads of one mask share a kernel call."""

    def __init__(self, d_model: int, shape: AttentionShape) -> None:
        super().__init__()
        n_heads = len(shape.masks)
        self.masks = shape.masks
        self.W_Q = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_K = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_V = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_O = nn.Parameter(torch.zeros(n_heads, shape.d_head, d_model))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (_heads(x, w) for w in (self.W_Q, self.W_K, self.W_V))  # (B, nh, n, hs)
        runs: list[tuple[Mask, int]] = [(mask, len(list(same))) for mask, same in itertools.groupby(self.masks)]
        if len(runs) == 1:
            z = _attend(self.masks[0], q, k, v)
        else:
            sizes = [size for _, size in runs]
            parts = zip(runs, q.split(sizes, 1), k.split(sizes, 1), v.split(sizes, 1), strict=True)
            z = torch.cat([_attend(run[0], *qkv) for run, *qkv in parts], dim=1)  # (B, nh, n, hs)
        return z.transpose(1, 2).flatten(2) @ self.W_O.flatten(0, 1)

    def pattern(self, x: Tensor) -> Tensor:
        """Attention weights, computed in the open. Shapes: (B, n, d_model) -> (B, n_heads, n, n); row 0 is BOS."""
        q, k = (_heads(x, w) for w in (self.W_Q, self.W_K))  # (B, nh, n, hs)
        n = x.shape[1]
        i, t = torch.arange(n, device=x.device)[:, None], torch.arange(n, device=x.device)[None, :]
        visible = {"causal": t <= i, "strict": (t < i) | ((i == 0) & (t == 0)), "full": (i > 0) | (t == 0)}
        mask = torch.stack([visible[m] for m in self.masks])  # (nh, n, n)
        return (q @ k.mT).masked_fill(~mask, -torch.inf).softmax(-1)


def _heads(x: Tensor, w: Tensor) -> Tensor:
    """One product for all heads. Shapes: (B, n, d_model), (nh, d_model, hs) -> (B, nh, n, hs)."""
    return (x @ w.transpose(0, 1).flatten(1)).unflatten(2, (w.shape[0], -1)).transpose(1, 2)


def _attend(mask: Mask, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of heads that share a mask; BOS always sees itself alone. Shapes: (B, nh, n, hs) each."""
    match mask:
        case "causal":
            return scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
        case "strict":  # position i sees t < i: causal attention over keys and values one place earlier
            if q.shape[2] == 1:
                return v
            seen = scaled_dot_product_attention(q[:, :, 1:], k[:, :, :-1], v[:, :, :-1], is_causal=True, scale=1.0)
        case "full":
            seen = scaled_dot_product_attention(q[:, :, 1:], k, v, scale=1.0)
    return torch.cat([v[:, :, :1], seen], dim=2)


class Mlp(nn.Module):
    """relu(x W_in) W_out."""

    def __init__(self, d_model: int, shape: MlpShape) -> None:
        super().__init__()
        self.W_in = nn.Parameter(torch.zeros(d_model, shape.d_mlp))
        self.W_out = nn.Parameter(torch.zeros(shape.d_mlp, d_model))

    def forward(self, x: Tensor) -> Tensor:
        return relu(x @ self.W_in) @ self.W_out


class Transformer(nn.Module):
    """x = W_E[token] + W_pos[position]; x += block(x) for each block; logits = x W_U."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d = shape.d_model
        self.W_E = nn.Parameter(torch.zeros(shape.alphabet + 1, d))
        self.W_pos = nn.Parameter(torch.zeros(shape.length + 1, d))
        self.W_U = nn.Parameter(torch.zeros(d, sum(shape.classes)))
        self.blocks = nn.ModuleList(Attention(d, b) if isinstance(b, AttentionShape) else Mlp(d, b) for b in shape.blocks)

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids 0..V-1 to the residual stream, BOS in front. Shapes: (B, n) -> (B, n + 1, d_model).

        Raises InputError for other ids, and for more than N of them.
        """
        if not torch.compiler.is_compiling():  # a graph that is being traced has no numbers to look at
            self._require_known(ids)
        rows = torch.nn.functional.pad(ids + 1, (1, 0))  # row 0 is BOS
        return self.W_E[rows] + self.W_pos[: rows.shape[1]]

    def _require_known(self, ids: Tensor) -> None:
        """Refuse what the weights have no row for: other ids than 0..V-1, and more than N of them. Raises InputError."""
        symbols, length = self.W_E.shape[0] - 1, self.W_pos.shape[0] - 1
        if ids.shape[-1] > length:
            raise InputError(
                f"the sequence has {ids.shape[-1]:,} tokens, more than the length {length:,}", hint="compile for a greater length"
            )
        if ids.numel():
            least, most = (int(end) for end in torch.aminmax(ids))
            if least < 0 or most >= symbols:
                odd = least if least < 0 else most
                raise InputError(f"token id {odd} is not in 0..{symbols - 1}", hint="ids count the alphabet from 0; BOS is added inside")

    def stream(self, ids: Tensor) -> Iterator[Tensor]:
        """The residual stream after the embedding and after each block. Shapes: (B, n) -> (B, n + 1, d_model) each."""
        x = self.embed(ids)
        yield x
        for block in self.blocks:
            with full_precision(ids.device.type):  # around each step, not around the yield: the caller's setting is the caller's
                x = x + block(x)
            yield x

    def hidden(self, ids: Tensor) -> Tensor:
        """The residual stream after the last block, BOS cut off. Shapes: (B, n) -> (B, n, d_model)."""
        with full_precision(ids.device.type):
            x = self.embed(ids)
            for block in self.blocks:
                x = x + block(x)
            return x[:, 1:]

    def unembed(self, x: Tensor) -> Tensor:
        """Logits over ⊥ (class 0) and the values of each output, side by side. Shapes: (..., d_model) -> (..., Σ classes)."""
        with full_precision(x.device.type):
            return x @ self.W_U

    def split(self, logits: Tensor) -> tuple[Tensor, ...]:
        """The logits of each output, the guard's last. Shapes: (..., Σ classes) -> (..., classes) each."""
        return logits.split(self.shape.classes, -1)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits in nats, before any softmax. Shapes: token ids (B, n) -> (B, n, Σ classes), n <= length."""
        return self.unembed(self.hidden(ids))
