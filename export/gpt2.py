"""GPT-2 (`GPT2LMHeadModel`): the stock configuration and tensors that compute a compiled program.

LayerNorm. One dimension balances the others, so the mean is 0, and layer_norm_epsilon = 2**80 with gain 2**40. Beside it a
variance vanishes: v + 2**80 = 2**80 where v is at most half a unit in the last place, 2**(80 - t) with t mantissa bits. So
1/std is exactly 2**-40 and the layer is the identity up to the rounding of the mean, which `rounding.py` bounds.
Scores. GPT-2 multiplies them by 1/sqrt(d_head): d_head is a power of four and W_Q takes the inverse.
Also stock: activation_function="relu", an untied head, learned positions. Position 0 is <bos>, which is the zero vector.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..compiler.errors import ExactnessError
from ..compiler.numerics import Dtype
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.serial import Json
from .native import Frame, Native, Reals, magnitudes, pairs, relower
from .rounding import BITS, accuracy
from .stock import STOCK
from .target import HEAD, Built, Target, head
from .words import Words

EPSILON, GAIN = 2.0**80, 2.0**40
# A grid of 2**12 leaves nearly half a step of a score for errors; bits are kept back because sums are off the grid.
ARITHMETIC = {"float32": Dtype("float32", 18, 4096, 3.4e38), "float64": Dtype("float64", 40, 4096, 1.7e308)}
CODES = ("auto", "digits:2", "digits:3", "digits:4", "binary")
MOST = (0, 3, 6)  # the stream's greatest entry is 2**most: wide values lose less to a mean's rounding, narrow ones more


def build(model: Model, code: str, dtype: str) -> Built:
    """A model's program for GPT-2 in the first arithmetic, code and scale whose bound holds.

    `code` and `dtype` pin them; "auto" tries float32, then float64. Raises ExactnessError with the first inequality that
    fails in the last of them.
    """
    refusals: dict[str, ExactnessError] = {}
    dtypes = tuple(ARITHMETIC) if dtype == "auto" else (dtype,)
    for kind, choice, most in itertools.product(dtypes, CODES if code == "auto" else (code,), MOST):
        try:
            lowered = relower(model, ARITHMETIC[kind], choice)
            tops = magnitudes(lowered)
            heads, d_head, _ = _sizes(lowered.module.shape)
            frame = Frame.of(tops, heads * d_head, balance=True, most=most)
            bound = accuracy(lowered, frame, tops, ARITHMETIC[kind].grid, EPSILON * 2.0 ** -(BITS[kind] + 1))
            words = Words.of(lowered)
            made = tensors(lowered, words, frame)
            fit(made, kind, lowered.name)
        except ExactnessError as error:
            refusals.setdefault(kind, error)
            continue
        notes = [f"The same holds in GPT-2's arithmetic, in {kind}: {bound}."]
        if kind != dtypes[0]:
            notes.append(f"Not shown in {dtypes[0]}: {refusals[dtypes[0]].fact}.")
        return Built(lowered, choice, words, frame, config(lowered, words, frame), made, _blocks(lowered), tuple(notes))
    raise refusals[dtypes[-1]]


def fit(made: dict[str, Reals], kind: str, program: str) -> None:
    """Refuse weights that need more bits: a balance entry is the sum of a whole row."""
    for name, tensor in made.items():
        if (tensor.astype(kind) != tensor).any():
            raise ExactnessError(f"{program}: an entry of {name} needs more than {BITS[kind]} bits", hint="shorten the length")


def _sizes(shape: Shape) -> tuple[int, int, int]:
    """Heads, d_head and the hidden units of every block: d_head a power of four, heads·d_head > d_model."""
    attention = [b for b in shape.blocks if isinstance(b, AttentionShape)]
    d_head = 4
    while d_head < max((b.d_head for b in attention), default=1):
        d_head *= 4
    heads = max([-(-(shape.d_model + 1) // d_head), *(len(b.masks) for b in attention)])
    return heads, d_head, max((b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), default=1)


def _blocks(model: Model) -> int:
    return len(pairs(model.module.shape))


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """config.json."""
    heads, _, inner = _sizes(model.module.shape)
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": len(words.words),
        "n_positions": model.length + 1,
        "n_embd": frame.width,
        "n_layer": _blocks(model),
        "n_head": heads,
        "n_inner": inner,
        "activation_function": "relu",
        "layer_norm_epsilon": EPSILON,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "tie_word_embeddings": False,
        "use_cache": True,
    }


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor of the checkpoint by its stock name; Conv1D weights are (inputs, outputs)."""
    native, shape = Native.of(model), model.module.shape
    heads, d_head, inner = _sizes(shape)
    n = frame.width
    token = np.zeros((len(words.words), shape.d_model))
    token[1 : words.symbols + 1] = native.tensors["W_E"][1:]
    made = {
        "transformer.wte.weight": frame.writes(token),
        "transformer.wpe.weight": frame.writes(native.tensors["W_pos"]),
        "transformer.ln_f.weight": np.full(n, GAIN),
        "transformer.ln_f.bias": np.zeros(n),
        "lm_head.weight": frame.reads(head(model, words)).T,
    }
    for b, (attention, mlp) in enumerate(pairs(shape)):
        fused, out = np.zeros((n, 3, heads, d_head)), np.zeros((heads, d_head, n))
        w_in, w_out = np.zeros((n, inner)), np.zeros((inner, n))
        if attention:
            index, part = attention
            for h in range(len(part.masks)):
                for c, name in enumerate(("W_Q", "W_K", "W_V")):
                    scale = d_head**0.5 if name == "W_Q" else 1.0
                    fused[:, c, h, : part.d_head] = frame.reads(native.block(index, name)[h]) * scale
                out[h, : part.d_head] = frame.writes(native.block(index, "W_O")[h])
        if mlp:
            index, hidden = mlp
            w_in[:, : hidden.d_mlp] = frame.reads(native.block(index, "W_in"))
            w_out[: hidden.d_mlp] = frame.writes(native.block(index, "W_out"))
        named = {"attn.c_attn": fused.reshape(n, 3 * n), "attn.c_proj": out.reshape(n, n), "mlp.c_fc": w_in, "mlp.c_proj": w_out}
        for name, weight in named.items():
            made |= {f"transformer.h.{b}.{name}.weight": weight, f"transformer.h.{b}.{name}.bias": np.zeros(weight.shape[1])}
        for norm in ("ln_1", "ln_2"):
            made |= {f"transformer.h.{b}.{norm}.weight": np.full(n, GAIN), f"transformer.h.{b}.{norm}.bias": np.zeros(n)}
    return made


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors that GPT-2 tensors of this model's layout hold: `tensors` undone. Shapes are the caller's to check."""
    shape = model.module.shape
    heads, d_head, _ = _sizes(shape)
    n = frame.width
    w_e = frame.unwritten(found["transformer.wte.weight"])[: words.symbols + 1]
    made = {
        "W_E": w_e,
        "W_pos": frame.unwritten(found["transformer.wpe.weight"]),
        "W_U": frame.unread(found["lm_head.weight"].T)[:, list(words.classes)] / HEAD,
    }
    for b, (attention, mlp) in enumerate(pairs(shape)):
        prefix = f"transformer.h.{b}"
        if attention:
            index, part = attention
            fused = found[f"{prefix}.attn.c_attn.weight"].reshape(n, 3, heads, d_head)
            out = found[f"{prefix}.attn.c_proj.weight"].reshape(heads, d_head, n)
            for c, name in enumerate(("W_Q", "W_K", "W_V")):
                scale = d_head**0.5 if name == "W_Q" else 1.0
                rows = [frame.unread(fused[:, c, h, : part.d_head]) / scale for h in range(len(part.masks))]
                made[f"blocks.{index}.{name}"] = np.stack(rows)
            made[f"blocks.{index}.W_O"] = np.stack([frame.unwritten(out[h, : part.d_head]) for h in range(len(part.masks))])
        if mlp:
            index, hidden = mlp
            made[f"blocks.{index}.W_in"] = frame.unread(found[f"{prefix}.mlp.c_fc.weight"])[:, : hidden.d_mlp]
            made[f"blocks.{index}.W_out"] = frame.unwritten(found[f"{prefix}.mlp.c_proj.weight"])[: hidden.d_mlp]
    return made


TARGET = Target("gpt2", "GPT2LMHeadModel", STOCK, build, config, tensors, native)
