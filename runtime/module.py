"""The model: one plain transformer, without normalisation, biases or custom kernels.

Names follow the field: W_E, W_pos, W_Q, W_K, W_V, W_O, W_in, W_out, W_U. Position 0 is BOS, added inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from ..compiler.errors import InputError
from .hooks import ATTENTION, MLP, Hook, HookPoint, Names, Points, hook_points, hooked
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
    """softmax(q kᵀ + mask) v per head, with score scale 1; neighbouring heads of one mask share a kernel call.

    Where `open` is set, or somebody looks at scores or patterns, the weights are computed in the open instead. So they are on a GPU:
    torch's fused kernel there multiplies float32 as three products of TF32, which have no more than 22 of its 24 bits, whatever
    the switches say.
    """

    def __init__(self, d_model: int, shape: AttentionShape) -> None:
        super().__init__()
        n_heads = len(shape.masks)
        self.masks = shape.masks
        self.open = False
        self.W_Q = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_K = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_V = nn.Parameter(torch.zeros(n_heads, d_model, shape.d_head))
        self.W_O = nn.Parameter(torch.zeros(n_heads, shape.d_head, d_model))
        self.hook_resid_pre, self.attn, self.hook_attn_out, self.hook_resid_post = HookPoint(), Points(ATTENTION), HookPoint(), HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        point = self.attn.point
        named = (("hook_q", self.W_Q), ("hook_k", self.W_K), ("hook_v", self.W_V))
        q, k, v = (point(name)(_heads(x, w)).transpose(1, 2) for name, w in named)  # (B, nh, n, hs)
        if self.open or x.is_cuda or point("hook_pattern").watched or point("hook_attn_scores").watched:
            scores = point("hook_attn_scores")((q @ k.mT).masked_fill(~self.visible(x), -torch.inf))  # (B, nh, n, n)
            z = point("hook_pattern")(scores.softmax(-1)) @ v
        else:
            z = self._fused(q, k, v)
        z = point("hook_z")(z.transpose(1, 2))  # (B, n, nh, hs)
        if self.open or point("hook_result").watched:
            return point("hook_result")(torch.einsum("bihe,hed->bihd", z, self.W_O)).sum(2)
        return z.flatten(2) @ self.W_O.flatten(0, 1)

    def _fused(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention by torch's kernels. Shapes: (B, nh, n, hs) each."""
        runs: list[tuple[Mask, int]] = [(mask, len(list(same))) for mask, same in itertools.groupby(self.masks)]
        if len(runs) == 1:
            return attend(self.masks[0], q, k, v)
        sizes = [size for _, size in runs]
        parts = zip(runs, q.split(sizes, 1), k.split(sizes, 1), v.split(sizes, 1), strict=True)
        return torch.cat([attend(run[0], *qkv) for run, *qkv in parts], dim=1)  # (B, nh, n, hs)

    def visible(self, x: Tensor) -> Tensor:
        """Which positions each head's mask shows to which. Shapes: (B, n, d_model) -> (n_heads, n, n); BOS sees itself alone."""
        n = x.shape[1]
        i, t = torch.arange(n, device=x.device)[:, None], torch.arange(n, device=x.device)[None, :]
        visible = {"causal": t <= i, "strict": (t < i) | ((i == 0) & (t == 0)), "full": (i > 0) | (t == 0)}
        return torch.stack([visible[m] for m in self.masks])

    def pattern(self, x: Tensor) -> Tensor:
        """Attention weights, computed in the open. Shapes: (B, n, d_model) -> (B, n_heads, n, n); row 0 is BOS."""
        q, k = (_heads(x, w).transpose(1, 2) for w in (self.W_Q, self.W_K))  # (B, nh, n, hs)
        return (q @ k.mT).masked_fill(~self.visible(x), -torch.inf).softmax(-1)


def _heads(x: Tensor, w: Tensor) -> Tensor:
    """One product for all heads. Shapes: (B, n, d_model), (nh, d_model, hs) -> (B, n, nh, hs)."""
    return (x @ w.transpose(0, 1).flatten(1)).unflatten(2, (w.shape[0], -1))


def attend(mask: Mask, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
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
        self.hook_resid_pre, self.mlp, self.hook_mlp_out, self.hook_resid_post = HookPoint(), Points(MLP), HookPoint(), HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        pre = self.mlp.point("hook_pre")(x @ self.W_in)  # (B, n, d_mlp)
        return self.mlp.point("hook_post")(relu(pre)) @ self.W_out


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
        self.hook_embed, self.hook_pos_embed = HookPoint(), HookPoint()
        for name, point in hook_points(self).items():
            point.name = name

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids 0..V-1 to the residual stream, BOS in front. Shapes: (B, n) -> (B, n + 1, d_model).

        Raises InputError for other ids, and for more than N of them.
        """
        if not torch.compiler.is_compiling():  # a graph that is being traced has no numbers to look at
            self.require_known(ids)
        rows = torch.nn.functional.pad(ids + 1, (1, 0))  # row 0 is BOS
        return self.hook_embed(self.W_E[rows]) + self.hook_pos_embed(self.W_pos[: rows.shape[1]].expand(rows.shape[0], -1, -1))

    def require_known(self, ids: Tensor) -> None:
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
                x = _step(block, x)
            yield x

    def hidden(self, ids: Tensor) -> Tensor:
        """The residual stream after the last block, BOS cut off. Shapes: (B, n) -> (B, n, d_model)."""
        with full_precision(ids.device.type):
            x = self.embed(ids)
            for block in self.blocks:
                x = _step(block, x)
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

    @property
    def watched(self) -> bool:
        """Whether a hook sees anything that passes, so that nothing may be left out."""
        return any(part._forward_hooks or part._forward_pre_hooks for part in self.modules())

    def hook_points(self) -> dict[str, HookPoint]:
        """Every hook point by its name: hook_embed, blocks.0.attn.hook_pattern, blocks.1.mlp.hook_post, blocks.1.hook_resid_post, …"""
        return hook_points(self)

    def open_attention(self, on: bool = True) -> None:
        """Compute attention in the open from now on, so that all hook points are passed; or by the fused kernel again, the default."""
        for block in self.blocks:
            if isinstance(block, Attention):
                block.open = on

    def run_with_hooks(self, ids: Tensor, fwd_hooks: Sequence[tuple[Names, Hook]] = ()) -> Tensor:
        """Logits while hooks see, and may replace, what passes at hook points: `(name, hook)` with `hook(activation, hook=point)`.

        A name may be a list of names, or a function that picks them. Shapes: (B, n) -> (B, n, Σ classes); activations have
        BOS at position 0. Raises InputError for a name that is no hook point.
        """
        with hooked(self, fwd_hooks):
            return self(ids)

    def run_with_cache(self, ids: Tensor, names_filter: Names = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits, and by name what passed at each hook point, or at those that `names_filter` picks. Raises InputError as above."""
        kept: dict[str, Tensor] = {}

        def keep(activation: Tensor, hook: HookPoint) -> None:
            kept[hook.name] = activation

        with hooked(self, [(names_filter, keep)]):
            return self(ids), kept


def _step(block: nn.Module, x: Tensor) -> Tensor:
    """The stream after a block: what was there, and what the block adds. Shapes: (B, n, d_model) -> the same."""
    own = cast("Attention | Mlp", block)
    x = own.hook_resid_pre(x)
    out = own.hook_attn_out if isinstance(own, Attention) else own.hook_mlp_out
    return own.hook_resid_post(x + out(block(x)))
