"""What GPT-2's own files look like, whatever style of model is in them: the configuration, the shapes, a layer's heads."""

from __future__ import annotations

import numpy as np

from ..runtime.model import Model
from ..runtime.module import AttentionShape
from ..runtime.serial import Json
from .native import Frame, Reals, pairs
from .rounding import EPSILON
from .words import Words


def config_of(model: Model, words: Words, frame: Frame, heads: int, inner: int) -> dict[str, Json]:
    """config.json of a model with so many heads in each block, and hidden units."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": len(words.words),
        "n_positions": model.length + 1,
        "n_embd": frame.width,
        "n_layer": len(pairs(model.module.shape)),
        "n_head": heads,
        "n_inner": inner,
        "activation_function": "relu",
        "layer_norm_epsilon": EPSILON[model.dtype],
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": False,
        "use_cache": True,
    }


def shapes_of(model: Model, words: Words, frame: Frame, inner: int) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor; Conv1D weights are (inputs, outputs)."""
    n, blocks = frame.width, range(len(pairs(model.module.shape)))
    made: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (len(words.words), n), "transformer.wpe.weight": (model.length + 1, n)}
    parts = {"attn.c_attn": (n, 3 * n), "attn.c_proj": (n, n), "mlp.c_fc": (n, inner), "mlp.c_proj": (inner, n)}
    for b in blocks:
        for name, (above, below) in parts.items():
            made |= {f"transformer.h.{b}.{name}.weight": (above, below), f"transformer.h.{b}.{name}.bias": (below,)}
    for name in (*(f"transformer.h.{b}.{name}" for b in blocks for name in ("ln_1", "ln_2")), "transformer.ln_f"):
        made |= {f"{name}.weight": (n,), f"{name}.bias": (n,)}
    return {**made, "lm_head.weight": (len(words.words), n)}


def heads_of(frame: Frame, found: dict[str, Reals], prefix: str, index: int, part: AttentionShape, d_head: int) -> dict[str, Reals]:
    """The native tensors of attention block `index`, from those of GPT-2's block `prefix`."""
    fused = found[f"{prefix}.attn.c_attn.weight"].reshape(frame.width, 3, -1, d_head)
    out = found[f"{prefix}.attn.c_proj.weight"].reshape(-1, d_head, frame.width)
    made: dict[str, Reals] = {}
    for c, name in enumerate(("W_Q", "W_K", "W_V")):
        scale = d_head**0.5 if name == "W_Q" else 1.0
        made[f"blocks.{index}.{name}"] = np.stack([frame.unread(fused[:, c, h, : part.d_head]) / scale for h in range(len(part.masks))])
    made[f"blocks.{index}.W_O"] = np.stack([frame.unwritten(out[h, : part.d_head]) for h in range(len(part.masks))])
    return made
