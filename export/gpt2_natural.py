"""GPT-2 with the weights of a natural model: its heads, its hidden units and its directions as they are.

LayerNorm. Its variance vanishes beside epsilon, as in `gpt2.py`, so it reads x - m, m the mean that it computes, one number for all
dimensions of a position. A dimension that is always zero reads -m. So each matrix that reads has there minus the sum of its
column, and m falls out:

    Σ w_d·(x_d - m)  +  (-Σ w_d)·(0 - m)  =  Σ w_d·x_d

whatever m is. There are three such dimensions, each with eight bits of the sum, so that short weights stay short (`soft.py`). Nothing
balances the stream and no dimension is rewritten. What is left is rounding. Four roundings on the way are within the unit that `soft.py`
grants, and besides them every term has |m| more: with |m| <= M and n terms a sum of them is off by at most

    (2·(n + 4) + 8)·u·M·Σ |w_d|                                                                       (1)

as if each dimension were off by that factor: the `read` noise under which the margins are shown. |m| is at most (1/n + 4u)·Σ |x_d|.
Scores, activation, head and words are those of `gpt2.py`; d_head is a power of four, which W_Q takes the root of.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ..compiler.errors import CheckpointError, ExactnessError
from ..margin.context import Shown
from ..margin.state import Noise
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.serial import Json
from .gpt2_layout import config_of, heads_of, shapes_of
from .native import Frame, Native, Reals, pairs, require_causal
from .rounding import EPSILON
from .soft import HALF, causal, kept
from .target import TRAP, Built, head, unit
from .words import Words

NAME, PARTS = "GPT-2", 3


def build(model: Model, code: str, dtype: str) -> Built:
    """The model itself, or its program lowered naturally without strict masks. Raises as `causal` does."""
    model = causal(model, NAME, code, dtype)
    stored = dtype if dtype in HALF else ""
    words, frame = Words.of(model), frame_of(model.module.shape)
    made = config(model, words, frame), tensors(model, words, frame)
    return Built(model, code, words, frame, *made, len(pairs(model.module.shape)), "The weights are headwork's own.", (), stored)


def sizes(shape: Shape) -> tuple[int, int]:
    """d_head, a power of four, and the hidden units of every block, one of them for the trap."""
    d_head = 4
    while d_head < max((b.d_head for b in shape.blocks if isinstance(b, AttentionShape)), default=1):
        d_head *= 4
    return d_head, 1 + max((b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), default=0)


def width_of(shape: Shape, least: int) -> int:
    """The width of a stream of at least so many dimensions: as many heads as there are, d_head each."""
    d_head, _ = sizes(shape)
    return d_head * max(-(-least // d_head), *(len(b.masks) for b in shape.blocks if isinstance(b, AttentionShape)), 1)


def frame_of(shape: Shape) -> Frame:
    """The native stream, and behind it the dimensions that are always zero."""
    return Frame((0,) * shape.d_model, width_of(shape, shape.d_model + PARTS))


def noise(model: Model, together: float, u: float) -> Noise:
    """What the mean may leave in what is read of a stream of Σ |x| up to `together`."""
    return Noise(read=left(model, u) * (1 / frame_of(model.module.shape).width + 4 * u) * together)


def left(model: Model, u: float) -> float:
    """What is left of a mean, (1), as a part of it."""
    return (2 * (model.module.shape.d_model + PARTS + 4) + 8) * u


def claim(model: Model) -> str:
    """What holds in GPT-2's arithmetic. Raises ExactnessError where a margin is lost."""
    found, granted = kept(model, NAME, partial(noise, model))
    require_flat(model, found)
    return (
        f"The weights are headwork's own. LayerNorm's mean falls out of all that is read, by a dimension that is always zero, but for "
        f"{granted.read:.1e} of rounding, which the margins bear: the right class leads by at least {found.margin:.3g} all the same."
    )


def require_flat(model: Model, found: Shown) -> None:
    """The variance vanishes beside epsilon. Raises ExactnessError where it may not."""
    if found.together**2 >= EPSILON[model.dtype] * 2.0**-60:
        raise ExactnessError(f"{model.name}: the stream's variance may be seen beside epsilon", hint="shorten the length")


def _leading(x: Reals) -> Reals:
    """Each number's first eight bits, by truncation."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.trunc(mantissa * 256), exponent - 8)


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """config.json."""
    d_head, inner = sizes(model.module.shape)
    return config_of(model, words, frame, frame.width // d_head, inner)


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor of the checkpoint by its stock name; Conv1D weights are (inputs, outputs), and biases are zero."""
    found, shape = Native.of(model), model.module.shape
    d_head, inner = sizes(shape)
    d, n = shape.d_model, frame.width
    heads = n // d_head
    made: dict[str, Reals] = {}

    def reads(matrix: Reals) -> Reals:
        """A matrix that reads the stream, the mean taken off. Shapes: (d_model, k) -> (width, k)."""
        wide, zero = frame.reads(matrix), d + frame.balances
        rest = -matrix.sum(axis=0).astype(model.dtype).astype(np.float64)
        for part in range(PARTS):
            wide[zero + part] = _leading(rest) if part < PARTS - 1 else rest
            rest = rest - wide[zero + part]
        return wide

    def norm(name: str) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = np.full(n, EPSILON[model.dtype] ** 0.5), np.zeros(n)

    def projection(name: str, weight: Reals) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = weight, np.zeros(weight.shape[1])

    token = np.zeros((len(words.words), d))
    token[1 : words.symbols + 1], token[words.bos] = found.tensors["W_E"][1:], found.tensors["W_E"][0]
    made["transformer.wte.weight"], made["transformer.wpe.weight"] = frame.writes(token), frame.writes(found.tensors["W_pos"])
    for b, (attention, mlp) in enumerate(pairs(shape)):
        fused, out = np.zeros((n, 3, heads, d_head)), np.zeros((heads, d_head, n))
        w_in, w_out = np.zeros((n, inner)), np.zeros((inner, n))
        if attention:
            index, part = attention
            for h in range(len(part.masks)):
                for c, name in enumerate(("W_Q", "W_K", "W_V")):
                    fused[:, c, h, : part.d_head] = reads(found.block(index, name)[h]) * (d_head**0.5 if name == "W_Q" else 1.0)
                out[h, : part.d_head] = frame.writes(found.block(index, "W_O")[h])
        if mlp:
            index, hidden = mlp
            w_in[:, : hidden.d_mlp] = reads(found.block(index, "W_in"))
            w_out[: hidden.d_mlp] = frame.writes(found.block(index, "W_out"))
        w_out[-1, d] = TRAP if b == 0 else 0
        prefix = f"transformer.h.{b}"
        norm(f"{prefix}.ln_1")
        projection(f"{prefix}.attn.c_attn", fused.reshape(n, 3 * n))
        projection(f"{prefix}.attn.c_proj", out.reshape(n, n))
        norm(f"{prefix}.ln_2")
        projection(f"{prefix}.mlp.c_fc", w_in)
        projection(f"{prefix}.mlp.c_proj", w_out)
    norm("transformer.ln_f")
    made["lm_head.weight"] = reads(head(model, words)).T
    return made


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor. Raises CheckpointError for masks that GPT-2 does not have, and where the stream is not the model's own."""
    return shapes_in(model, words, frame, frame_of(model.module.shape))


def shapes_in(model: Model, words: Words, frame: Frame, wanted: Frame) -> dict[str, tuple[int, ...]]:
    """The same in a layout that is wanted."""
    require_causal(model)
    if frame != wanted:
        raise CheckpointError(f"the stream is not laid out as {wanted.width} dimensions of its own", hint="export the model again")
    return shapes_of(model, words, frame, sizes(model.module.shape)[1])


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors that GPT-2 tensors of this model's layout hold: `tensors` undone."""
    shape = model.module.shape
    d_head, _ = sizes(shape)
    made = {
        "W_E": frame.unwritten(found["transformer.wte.weight"])[[words.bos, *range(1, words.symbols + 1)]],
        "W_pos": frame.unwritten(found["transformer.wpe.weight"]),
        "W_U": frame.unread(found["lm_head.weight"].T)[:, list(words.classes)] / unit(model),
    }
    for b, (attention, mlp) in enumerate(pairs(shape)):
        prefix = f"transformer.h.{b}"
        if attention:
            index, part = attention
            made |= heads_of(frame, found, prefix, index, part, d_head)
        if mlp:
            index, hidden = mlp
            made[f"blocks.{index}.W_in"] = frame.unread(found[f"{prefix}.mlp.c_fc.weight"])[:, : hidden.d_mlp]
            made[f"blocks.{index}.W_out"] = frame.unwritten(found[f"{prefix}.mlp.c_proj.weight"])[: hidden.d_mlp]
    return made
