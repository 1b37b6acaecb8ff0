"""A native model in TransformerLens 4, as it is: every mask, no norm, no rewriting.

TransformerLens 4 wraps a torch module by an adapter that says where its parts are. Blocks are paired to layers as its tools expect
them, attention then MLP; what a pair lacks is zero. The adapter is found through the entry point `transformer_lens.architectures`
under the name HeadworkTransformer, and stands in `lab/adapter.py`, which needs TransformerLens.

Ids are rows of W_E: 0 is BOS, which comes first, and i + 1 the symbol with token id i. Logits are the model's classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..runtime.files import load
from ..runtime.model import Model
from ..runtime.module import Attention, AttentionShape, Mask, Mlp, MlpShape, Shape, Transformer

ARCHITECTURE = "HeadworkTransformer"
Tapped = Callable[[Tensor], Tensor]


def _linear(weight: Tensor) -> nn.Linear:
    """A linear layer without bias to speak of. Shapes: (inputs, outputs)."""
    made = nn.Linear(weight.shape[0], weight.shape[1], dtype=weight.dtype, device=weight.device)
    made.weight, made.bias = nn.Parameter(weight.T.contiguous()), nn.Parameter(torch.zeros_like(made.bias))
    return made


class PairedAttention(nn.Module):
    """Heads with a mask each, in the open. TransformerLens puts its `hook_pattern` into the forward pass as `pattern_fn`."""

    accepts_pattern_fn = True

    def __init__(self, block: Attention | None, like: Tensor, heads: int, d_head: int) -> None:
        super().__init__()
        d = like.shape[1]
        q, k, v = like.new_zeros(3, d, heads, d_head)
        o = like.new_zeros(heads, d_head, d)
        if block is not None:
            n, _, e = block.W_Q.shape
            for made, weight in ((q, block.W_Q), (k, block.W_K), (v, block.W_V)):
                made[:, :n, :e] = weight.detach().transpose(0, 1)
            o[:n, :e] = block.W_O.detach()
        masks: list[Mask] = list(block.masks) if block is not None else []
        while len(masks) < heads:
            masks.append("causal")  # of a head that is zero
        self.masks = tuple(masks)
        self.q, self.k, self.v, self.o = _linear(q.flatten(1)), _linear(k.flatten(1)), _linear(v.flatten(1)), _linear(o.flatten(0, 1))

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, pattern_fn: Tapped | None = None, **_: object
    ) -> tuple[Tensor, Tensor]:
        """What the heads add, and their patterns. Shapes: (B, n, d_model) -> (B, n, d_model), (B, heads, n, n)."""
        if attention_mask is not None and attention_mask.dim() == 2 and not attention_mask.all():
            raise InputError("padded texts were given", hint="give texts of one length at a time, BOS first")
        q, k, v = (p(hidden_states).unflatten(2, (len(self.masks), -1)).transpose(1, 2) for p in (self.q, self.k, self.v))
        pattern = (q @ k.mT).masked_fill(~self._visible(hidden_states), -torch.inf).softmax(-1)  # (B, nh, n, n)
        pattern = pattern if pattern_fn is None else pattern_fn(pattern)
        return self.o((pattern @ v).transpose(1, 2).flatten(2)), pattern

    def _visible(self, x: Tensor) -> Tensor:
        """As the native attention's: the same rule, by its own code. Shape (heads, n, n)."""
        return Attention.visible(cast("Attention", self), x)


class PairedMlp(nn.Module):
    """Hidden units with ReLU."""

    def __init__(self, block: Mlp | None, like: Tensor, d_mlp: int) -> None:
        super().__init__()
        d = like.shape[1]
        w_in, w_out = like.new_zeros(d, d_mlp), like.new_zeros(d_mlp, d)
        if block is not None:
            m = block.W_in.shape[1]
            w_in[:, :m], w_out[:m] = block.W_in.detach(), block.W_out.detach()
        self.fc_in, self.fc_out = _linear(w_in), _linear(w_out)

    def forward(self, hidden_states: Tensor, **_: object) -> Tensor:
        """Shapes: (B, n, d_model) -> the same."""
        return self.fc_out(self.fc_in(hidden_states).relu())


class PairedLayer(nn.Module):
    """Attention, then MLP; the norms that TransformerLens looks for change nothing."""

    def __init__(self, attention: PairedAttention, mlp: PairedMlp | None) -> None:
        super().__init__()
        self.ln1, self.attn = nn.Identity(), attention
        if mlp is not None:
            self.ln2, self.mlp = nn.Identity(), mlp

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **_: object) -> tuple[Tensor]:
        """The stream after the layer. Shapes: (B, n, d_model) -> the same."""
        x = hidden_states + self.attn(self.ln1(hidden_states), attention_mask=attention_mask)[0]
        return (x + self.mlp(self.ln2(x)) if hasattr(self, "mlp") else x,)


class Paired(nn.Module):
    """The native model, layer by layer; its parts are called as TransformerLens's own native models call theirs."""

    def __init__(self, native: Transformer) -> None:
        super().__init__()
        sizes = sizes_of(native.shape)
        self.tok_embed = nn.Embedding.from_pretrained(native.W_E.detach().clone(), freeze=False)
        self.pos = nn.Embedding.from_pretrained(native.W_pos.detach().clone(), freeze=False)
        like = native.W_E.detach()
        self.layers = nn.ModuleList(
            PairedLayer(PairedAttention(attention, like, *sizes[:2]), PairedMlp(mlp, like, sizes[2]) if sizes[2] else None)
            for attention, mlp in layers_of(native)
        )
        self.ln_out, self.head = nn.Identity(), nn.Linear(native.W_U.shape[0], native.W_U.shape[1], bias=False)
        self.head.weight = nn.Parameter(native.W_U.detach().T.contiguous())

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: object) -> Tensor:
        """Logits at every position. Shapes: ids (B, n + 1), BOS (0) first -> (B, n + 1, Σ classes)."""
        if input_ids.shape[1] > self.pos.num_embeddings:
            raise InputError(f"{input_ids.shape[1]:,} ids were given, and there are {self.pos.num_embeddings:,} positions with BOS's")
        x = self.tok_embed(input_ids) + self.pos(torch.arange(input_ids.shape[1], device=input_ids.device))
        for layer in self.layers:
            (x,) = layer(x, attention_mask=attention_mask)
        return self.head(self.ln_out(x))


def layers_of(native: Transformer) -> list[tuple[Attention | None, Mlp | None]]:
    """Blocks in pairs, attention then MLP."""
    found: list[tuple[Attention | None, Mlp | None]] = []
    for block in native.blocks:
        if isinstance(block, Attention):
            found.append((block, None))
        elif isinstance(block, Mlp):
            if found and found[-1][1] is None:
                found[-1] = (found[-1][0], block)
            else:
                found.append((None, block))
    return found or [(None, None)]


def sizes_of(shape: Shape) -> tuple[int, int, int]:
    """Heads, d_head and hidden units of every layer."""
    attention = [b for b in shape.blocks if isinstance(b, AttentionShape)]
    heads, d_head = max((len(b.masks) for b in attention), default=1), max((b.d_head for b in attention), default=1)
    return heads, d_head, max((b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), default=0)


@public
def to_transformer_lens(model: Model | str | Path) -> Any:
    """A native model, or a checkpoint of one by its path, as a TransformerBridge of TransformerLens 4.

    Nothing is lowered again: masks are the heads' own, causal, strict or none, and there is no norm. Ids are token ids plus 1,
    with BOS, 0, in front: (B, n + 1) -> logits (B, n + 1, Σ classes). Layers pair attention and MLP, as `hw.circuit` counts them.
    Raises InputError where TransformerLens 4 is not installed, and for what is no model; CheckpointError for a damaged checkpoint.
    """
    if isinstance(model, (str, Path)):
        model = load(Path(model))
    if not isinstance(model, Model):
        raise InputError(f"to_transformer_lens() was given {model!r}", hint="give a model, or the directory of a checkpoint")
    try:
        from transformer_lens.config import TransformerBridgeConfig  # pyright: ignore[reportMissingImports]
        from transformer_lens.factories.architecture_adapter_factory import (  # pyright: ignore[reportMissingImports]
            ArchitectureAdapterFactory,
        )
        from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module  # pyright: ignore[reportMissingImports]

        from .adapter import adapter

        known = adapter()
    except ImportError as error:
        raise InputError(f"TransformerLens 4 is not here: {error}", hint="pip install 'headwork[lens]'") from error
    shape = model.module.shape
    heads, d_head, d_mlp = sizes_of(shape)
    config = TransformerBridgeConfig(
        d_model=shape.d_model,
        d_head=d_head,
        n_heads=heads,
        n_layers=len(layers_of(model.module)),
        n_ctx=shape.length + 1,
        d_mlp=d_mlp or None,
        attn_only=not d_mlp,
        d_vocab=shape.alphabet + 1,
        d_vocab_out=sum(shape.classes),
        act_fn="relu",
        normalization_type=None,
        positional_embedding_type="standard",
        use_attn_scale=False,
        default_prepend_bos=False,
        architecture=ARCHITECTURE,
    )
    ArchitectureAdapterFactory.register_adapter(ARCHITECTURE, known)  # where the entry point is not installed
    return build_bridge_from_module(Paired(model.module), ARCHITECTURE, tl_config=config, model_name=model.name)
