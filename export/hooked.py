"""TransformerLens (`HookedTransformer`): a configuration and tensors under its key names, for versions 2 and 3; version 4 reads them too.

Nothing is rewritten that need not be: no norm, ReLU, learned positions, attention and MLP in pairs; what a pair lacks is zero, and
a model without MLPs has none. So the arithmetic is headwork's own. Three things differ.

Scores. Version 4 has no unscaled attention, so `attn_scale` is 2 and W_Q twice the native one: a power of two changes no rounding.
Masks. There is one for the whole model, causal or none. A strict mask is written as a causal one over previous keys, by lowering the
program again. A bidirectional model goes without a mask: natively <bos> sees itself alone, and here its query is given a dimension
in which only its own key is not zero. Its queries are zero else (`asking` follows what <bos> may hold through the blocks), so all its
other scores are 0 and its own is LEAD nats: exp(-LEAD) is 0 in either dtype, and it attends to itself alone as it did. Every other
query is 0 in that dimension.
Words. Ids are words, <bos> first, as in every checkpoint here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
from safetensors.numpy import save_file

from ..compiler.codes.numerics import dtype_named
from ..compiler.errors import CheckpointError, ExactnessError, InputError
from ..compiler.pipeline import lower
from ..runtime.files import write_json
from ..runtime.model import Model, model_of
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.sample import is_distribution
from ..runtime.serial import Json
from .changed import changed, require_own_weights
from .check import Checked, compare
from .expected import Expected
from .labels import Terms
from .native import Frame, Native, Reals, most_bits, pairs, relower
from .soft import without_strict
from .stock import CONFIG, TENSORS, read, settings, stored
from .target import Built, Certified, Storage, Target, head, unit
from .words import Words

if TYPE_CHECKING:
    from torch import Tensor

SCALE, LEAD = 2.0, 1024.0
SLACK = 2.0**-8  # of a sum's size: what it rounds in float32 is far below this for fewer than 2**16 terms
NOWHERE = "export it to onnx, which has every mask"
BUFFERS = (".mask", ".IGNORE")  # what HookedTransformer's own state holds besides its weights


def build(model: Model, code: str, dtype: str) -> Built:
    """The model itself, or its program lowered again without strict masks.

    Raises InputError for a code or dtype of its own where the weights stay as they are, and for weights that lowering would drop;
    ExactnessError for masks that HookedTransformer does not have.
    """
    if model.dtype not in ("float32", "float64") or dtype not in ("auto", model.dtype):
        fact = f"hooked computes in the model's own dtype, {model.dtype}, and was asked for {dtype}"
        raise InputError(fact, hint="compile the program for float32 or float64")
    notes: tuple[str, ...] = ()
    strict = "strict" in _masks(model.module.shape)
    if code != "auto" and not strict:
        raise InputError(f"hooked holds the compiled weights as they are, and was asked for code {code}", hint="compile the program so")
    if strict:
        model = _without_strict(model, code)
    elif is_distribution(model.graph):
        notes = (f"The program was lowered again{', compactly' * (model.style == 'natural')}, for logarithms of its counts.",)
        model = most_bits(model, model.dtype, lambda logs: model_of(lower(model.graph, model.dtype, logs=logs)))
    require_masks(model)
    words, frame = Words.of(model), _frame(model.module.shape)
    blocks = len(pairs(model.module.shape))
    return Built(model, code, words, frame, config(model, words, frame), tensors(model, words, frame), blocks, claim(model), notes)


def _without_strict(model: Model, code: str) -> Model:
    """The program lowered again, in its own style. Raises InputError where weights of another kind would be dropped."""
    if not model.graph.sizes.causal:
        both = "heads that see all positions and heads that see only earlier ones"
        raise ExactnessError(f"{model.name} has {both}, and HookedTransformer has one mask for the whole model", hint=NOWHERE)
    if model.style == "natural":
        return without_strict(model, "hooked", code)
    require_own_weights(model, "hooked", changed(model))
    return most_bits(model, model.dtype, lambda logs: relower(model, dtype_named(model.dtype), code, logs=logs))


def _masks(shape: Shape) -> set[str]:
    return {mask for block in shape.blocks if isinstance(block, AttentionShape) for mask in block.masks}


def require_masks(model: Model) -> None:
    """Refuse masks that HookedTransformer does not have, and a <bos> that no mask keeps to itself. Raises ExactnessError."""
    masks = _masks(model.module.shape)
    if masks - {"causal"} and masks != {"full"}:
        fact = f"the heads of {model.name} have {' and '.join(sorted(masks))} masks, and HookedTransformer has one for all: causal, or none"
        raise ExactnessError(fact, hint=NOWHERE)
    if "full" in masks and (what := asking(model)):
        fact = f"{model.name} is bidirectional and {what} has a query at <bos>: without a mask it would not attend to itself alone"
        raise ExactnessError(fact, hint=NOWHERE)


def asking(model: Model) -> str:
    """The first head whose query at <bos> may not be zero; empty where there is none.

    <bos> attends to itself alone, so what it holds is one vector. `live` are the dimensions in which that may not be zero: a hidden unit
    is off where its pre-activation is below zero by more than sums can round.
    """
    found = Native.of(model)
    x = found.tensors["W_E"][0] + found.tensors["W_pos"][0]
    live = (found.tensors["W_E"][0] != 0) | (found.tensors["W_pos"][0] != 0)
    for i, block in enumerate(model.module.shape.blocks):
        if isinstance(block, AttentionShape):
            w_q, w_v, w_o = (found.block(i, name) for name in ("W_Q", "W_V", "W_O"))
            if len(heads := np.flatnonzero(w_q[:, live].any(axis=(1, 2)))):
                return f"head {heads[0]} of block {i + 1}"
            moved = w_v[:, live].any(axis=1)  # (heads, d_head)
            x, live = x + np.einsum("d,hde,hef->f", x, w_v, w_o), live | (w_o != 0)[moved].any(axis=0)
        else:
            w_in, w_out = found.block(i, "W_in"), found.block(i, "W_out")
            pre, size = x @ w_in, np.abs(x) @ np.abs(w_in)
            on = w_in[live].any(axis=0) & (pre > -SLACK * size)
            x, live = x + np.maximum(pre, 0) @ w_out, live | (w_out[on] != 0).any(axis=0)
    return ""


def claim(model: Model) -> str:
    """What holds in TransformerLens's arithmetic. Raises ExactnessError where a mask is not its own."""
    require_masks(model)
    said = "The weights are headwork's own, those of queries twice as great and scores halved again, and so is the arithmetic"
    if "full" in _masks(model.module.shape):
        said += f"; there is no mask, and <bos>, whose own queries are zero, leads by {LEAD:,.0f} nats for itself"
    return said + "."


def _sizes(shape: Shape) -> tuple[int, int, int]:
    """Heads, d_head and hidden units of every block; no hidden units where the model has none."""
    attention = [b for b in shape.blocks if isinstance(b, AttentionShape)]
    d_head = max((b.d_head for b in attention), default=1) + ("full" in _masks(shape))
    return (
        max((len(b.masks) for b in attention), default=1),
        d_head,
        max((b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), default=0),
    )


def _frame(shape: Shape) -> Frame:
    """The native stream, and where there is no mask one dimension more, which is 1 at <bos>."""
    return Frame((0,) * shape.d_model, shape.d_model + ("full" in _masks(shape)))


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """Fields of HookedTransformerConfig, and of version 4's TransformerBridgeConfig."""
    shape = model.module.shape
    heads, d_head, d_mlp = _sizes(shape)
    mlp: dict[str, Json] = {"d_mlp": d_mlp, "act_fn": "relu"} if d_mlp else {}
    return {
        "model_name": f"headwork {model.name}",
        "n_layers": len(pairs(shape)),
        "n_ctx": model.length + 1,
        "d_model": frame.width,
        "n_heads": heads,
        "d_head": d_head,
        "attn_only": not d_mlp,
        **mlp,
        "d_vocab": len(words.words),
        "d_vocab_out": len(words.words),
        "normalization_type": None,
        "positional_embedding_type": "standard",
        "attention_dir": "bidirectional" if "full" in _masks(shape) else "causal",
        "use_attn_scale": True,
        "attn_scale": SCALE,
        "init_weights": False,
        "default_prepend_bos": True,
    }


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor by the name it has in HookedTransformer; biases are zero."""
    found, shape = Native.of(model), model.module.shape
    heads, d_head, d_mlp = _sizes(shape)
    d, width, full = shape.d_model, frame.width, "full" in _masks(shape)
    token = np.zeros((len(words.words), width))
    token[1 : words.symbols + 1, :d], token[words.bos, :d] = found.tensors["W_E"][1:], found.tensors["W_E"][0]
    if full:
        token[words.bos, d] = 1
    made: dict[str, Reals] = {
        "embed.W_E": token,
        "pos_embed.W_pos": frame.writes(found.tensors["W_pos"]),
        "unembed.W_U": frame.reads(head(model, words)),
        "unembed.b_U": np.zeros(len(words.words)),
    }
    for layer, (attention, mlp) in enumerate(pairs(shape)):
        q, k, v = np.zeros((3, heads, width, d_head))
        o = np.zeros((heads, d_head, width))
        if attention:
            index, part = attention
            for h in range(len(part.masks)):
                for made_of, name in ((q, "W_Q"), (k, "W_K"), (v, "W_V")):
                    made_of[h, :, : part.d_head] = frame.reads(found.block(index, name)[h])
                o[h, : part.d_head] = frame.writes(found.block(index, "W_O")[h])
                if full:
                    q[h, d, -1], k[h, d, -1] = LEAD, 1
        prefix = f"blocks.{layer}.attn"
        made |= {f"{prefix}.W_Q": SCALE * q, f"{prefix}.W_K": k, f"{prefix}.W_V": v, f"{prefix}.W_O": o}
        made |= {f"{prefix}.b_{name}": np.zeros((heads, d_head)) for name in "QKV"}
        made[f"{prefix}.b_O"] = np.zeros(width)
        if d_mlp:
            w_in, w_out = np.zeros((width, d_mlp)), np.zeros((d_mlp, width))
            if mlp:
                index, hidden = mlp
                w_in[:, : hidden.d_mlp] = frame.reads(found.block(index, "W_in"))
                w_out[: hidden.d_mlp] = frame.writes(found.block(index, "W_out"))
            prefix = f"blocks.{layer}.mlp"
            made |= {
                f"{prefix}.W_in": w_in,
                f"{prefix}.b_in": np.zeros(d_mlp),
                f"{prefix}.W_out": w_out,
                f"{prefix}.b_out": np.zeros(width),
            }
    return made


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor. Raises CheckpointError for other masks than the target's, and where the stream is not the model's own."""
    shape = model.module.shape
    masks = _masks(shape)
    if masks - {"causal"} and masks != {"full"}:
        fact = f"a head of {model.name} is {', '.join(sorted(masks - {'causal'}))}, and the target has one mask for all"
        raise CheckpointError(fact, hint="export the model again")
    if frame != _frame(shape):
        raise CheckpointError(f"the stream is not the model's own of {_frame(shape).width} dimensions", hint="export the model again")
    heads, d_head, d_mlp = _sizes(shape)
    width, vocabulary = frame.width, len(words.words)
    made: dict[str, tuple[int, ...]] = {"embed.W_E": (vocabulary, width), "pos_embed.W_pos": (model.length + 1, width)}
    made |= {"unembed.W_U": (width, vocabulary), "unembed.b_U": (vocabulary,)}
    for layer in range(len(pairs(shape))):
        prefix = f"blocks.{layer}"
        made |= {f"{prefix}.attn.W_{n}": (heads, width, d_head) for n in "QKV"} | {f"{prefix}.attn.b_{n}": (heads, d_head) for n in "QKV"}
        made |= {f"{prefix}.attn.W_O": (heads, d_head, width), f"{prefix}.attn.b_O": (width,)}
        if d_mlp:
            made |= {f"{prefix}.mlp.W_in": (width, d_mlp), f"{prefix}.mlp.b_in": (d_mlp,)}
            made |= {f"{prefix}.mlp.W_out": (d_mlp, width), f"{prefix}.mlp.b_out": (width,)}
    return made


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors: `tensors` undone."""
    shape, d = model.module.shape, model.module.shape.d_model
    made = {
        "W_E": found["embed.W_E"][[words.bos, *range(1, words.symbols + 1)], :d],
        "W_pos": frame.unwritten(found["pos_embed.W_pos"]),
        "W_U": frame.unread(found["unembed.W_U"])[:, list(words.classes)] / unit(model),
    }
    for layer, (attention, mlp) in enumerate(pairs(shape)):
        if attention:
            index, part = attention
            n, e = len(part.masks), part.d_head
            for name, scale in (("W_Q", SCALE), ("W_K", 1.0), ("W_V", 1.0)):
                made[f"blocks.{index}.{name}"] = found[f"blocks.{layer}.attn.{name}"][:n, :d, :e] / scale
            made[f"blocks.{index}.W_O"] = found[f"blocks.{layer}.attn.W_O"][:n, :e, :d]
        if mlp:
            index, hidden = mlp
            made[f"blocks.{index}.W_in"] = found[f"blocks.{layer}.mlp.W_in"][:d, : hidden.d_mlp]
            made[f"blocks.{index}.W_out"] = found[f"blocks.{layer}.mlp.W_out"][: hidden.d_mlp, :d]
    return made


def write(work: Path, built: Built) -> None:
    """Write configuration, tokenizer and tensors."""
    write_json(work / CONFIG, built.config)
    write_json(work / "tokenizer.json", built.words.tokenizer())
    write_json(work / "tokenizer_config.json", built.words.tokenizer_config(built.model.length))
    save_file(stored(built), work / TENSORS, metadata={"format": "pt"})
    (work / TENSORS).chmod(0o644)


class Lens(Protocol):
    """What is used of a model of TransformerLens."""

    def __call__(self, ids: Tensor) -> Tensor: ...

    def load_state_dict(self, weights: dict[str, Tensor], strict: bool = True) -> tuple[list[str], list[str]]: ...


def load(directory: Path) -> tuple[Lens, str]:
    """The files as TransformerLens opens them, and its version: a HookedTransformer before version 4, a TransformerBridge since.

    Raises CheckpointError where a weight is missing or not known.
    """
    from importlib.metadata import version

    import transformer_lens  # pyright: ignore[reportMissingImports]
    from safetensors.torch import load_file

    weights, said = load_file(directory / TENSORS), settings(directory)
    real = weights["embed.W_E"].dtype
    number = version("transformer-lens")
    if int(number.split(".")[0]) < 4:
        made = transformer_lens.HookedTransformer(transformer_lens.HookedTransformerConfig(**said, dtype=real, device="cpu"))
    else:
        from transformer_lens.model_bridge import TransformerBridge  # pyright: ignore[reportMissingImports]
        from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint  # pyright: ignore[reportMissingImports]

        made = TransformerBridge.boot_native(said, dtype=real, device="cpu")
        weights = convert_tl_checkpoint(weights, made.cfg)
    missing, unknown = cast("Lens", made).load_state_dict(weights, strict=False)
    odd = [name for name in missing if not name.endswith(BUFFERS)] + list(unknown)
    if odd:
        raise CheckpointError(f"{directory}: TransformerLens has no place or no weight for {odd[0]}", hint="export the model again")
    return cast("Lens", made), number


def check(directory: Path, expected: Expected, tried: Sequence[Sequence[int]]) -> Checked:
    """Run the files in TransformerLens and compare every position of every sequence tried with the interpreter."""
    model, version = load(directory)
    report = Checked(f"TransformerLens {version}", expected.scale)
    with torch.no_grad():
        compare(model, expected, tried, report)
    return report


def proof(model: Model, words: Words, frame: Frame, certificate: Certified) -> str:
    """What holds of a certified model in TransformerLens's arithmetic."""
    return claim(model)


LOAD = """import json, torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
weights = load_file("DIR/model.safetensors")
model = HookedTransformer(HookedTransformerConfig(**json.load(open("DIR/config.json")), dtype=weights["embed.W_E"].dtype))
model.load_state_dict(weights, strict=False)  # what is not there are its own masks"""

FILES = frozenset({CONFIG, TENSORS, "tokenizer.json", "tokenizer_config.json"})
HOOKED = Storage(FILES, TENSORS, "transformer_lens", "lens", LOAD, write, read, settings, check)
TARGET = Target(
    "hooked",
    "HookedTransformer",
    HOOKED,
    build,
    config,
    tensors,
    shapes,
    native,
    proof,
    Terms("blocks.{}"),
    holds_any=True,
)
