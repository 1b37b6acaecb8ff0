"""GPT-2 (`GPT2LMHeadModel`): the stock configuration and tensors that compute a compiled program.

LayerNorm. One dimension balances the others, so the mean is 0, and layer_norm_epsilon = 2**80 with gain 2**40. Beside it a
variance vanishes: v + 2**80 = 2**80 where v is at most half a unit in the last place, 2**(80 - t - 1) with t mantissa bits. So
1/std is 2**-40. In float64 it is 2**260 and 2**130, which float32 does not hold: read in float32, the checkpoint says NaN.
What is left is the rounding of the mean, and the norm's own bias rounds that away: see `rounding.py`. The biases of the
projections that read take the norm's bias off again, for the unembedding a dimension that is always zero does.
Totals. Their cells are empty instead of filled, and the norm's bias is the filling: see `totals.py`.
Scores. GPT-2 multiplies them by 1/sqrt(d_head), torch's plain attention both sides by the root of that: d_head is a power of 16
and W_Q takes the inverse.
Also stock: activation_function="relu", an untied head, learned positions. Position 0 is <bos>, which is the zero vector.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ..certificate.certify import Certificate
from ..compiler.codes.numerics import dtype_named
from ..compiler.errors import CheckpointError, ExactnessError
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.serial import Json
from . import gpt2_natural
from .gpt2_layout import config_of, heads_of, shapes_of
from .labels import Terms
from .native import BITS, Frame, Native, Reals, most_bits, pairs, relower, require_causal
from .rounding import EPSILON, biased, exact, rounding, totals
from .scales import frame_of
from .stock import STOCK
from .target import TRAP, Built, Certified, Target, by_style, head, unit
from .totals import Sums, emptied, norm_biases, one, refilled
from .words import Words

KEPT_BACK = (3, 5, 7, 9, 11)  # bits of a sum that LayerNorm's bias may take: with fewer, narrower codes are tried
WIDEST = 256  # one-hot codes of positions take heads as wide as the sequence is long: float64 is tried first


def build(model: Model, code: str, dtype: str) -> Built:
    """A model's program for GPT-2 in the first arithmetic and with the fewest bits kept back in which it is exact.

    `code` pins the lookups' code, `dtype` the arithmetic; "auto" tries float32, then float64. Raises ExactnessError with the
    first inequality that fails in the last of them.
    """
    refusals: dict[str, ExactnessError] = {}
    dtypes = ("float32", "float64") if dtype == "auto" else (dtype,)
    for kind in dtypes:
        try:
            built = most_bits(model, kind, partial(_built, model, code, kind))
        except ExactnessError as error:
            refusals[kind] = error
            continue
        more = [f"Not shown in {dtypes[0]}: {refusals[dtypes[0]].fact}."] if refusals else []
        return replace(built, notes=(*built.notes, *more))
    raise refusals[dtypes[-1]]


def _built(model: Model, code: str, kind: str, logs: int | None) -> Built:
    """The checkpoint in one arithmetic, with the fewest bits kept back. Raises the ExactnessError of the first try."""
    refused: ExactnessError | None = None
    for kept_back in KEPT_BACK:
        try:
            lowered = relower(model, replace(dtype_named(kind), kept_back=kept_back), code, reuse=False, logs=logs)
            if code == "auto" and (wide := _sizes(lowered.module.shape)[0]) > WIDEST:
                raise ExactnessError(f"{lowered.name}: heads of {wide:,} dimensions would be needed", hint="pin a code to insist")
            words = Words.of(lowered)
            blocks, sums = emptied(lowered, Native.of(lowered).tensors), Sums.planned(lowered)
            frame = biased(lowered, frame_of(lowered, blocks, sums, _sizes(lowered.module.shape)[0]), blocks, sums)
            made = tensors(lowered, words, frame)
            said = holds(lowered, frame, made, sums)
        except ExactnessError as error:
            refused = refused or error
            continue
        return Built(lowered, code, words, frame, config(lowered, words, frame), made, _blocks(lowered), said, ())
    assert refused is not None
    raise refused


def proof(model: Model, words: Words, frame: Frame, certificate: Certified) -> str:
    """What holds of a checkpoint in GPT-2's arithmetic, by its numbers and a certificate of its model. Raises ExactnessError."""
    if model.style == "natural":
        return gpt2_natural.claim(model)
    assert isinstance(certificate, Certificate)
    return holds(model, frame, tensors(model, words, frame), Sums.certified(certificate))


def holds(model: Model, frame: Frame, made: dict[str, Reals], sums: Sums) -> str:
    """The inequalities of `rounding.py` for the tensors of a checkpoint, in words. Raises ExactnessError where one fails."""
    norms = rounding(model, frame, emptied(model, Native.of(model).tensors), sums)
    spread, variance = float((norms.top**2).sum(axis=1).max()) / frame.width, EPSILON[model.dtype] * 2.0 ** -(BITS[model.dtype] + 1)
    if spread >= variance:
        raise ExactnessError(
            f"{model.name}: the stream's variance may reach {spread:.3g}, not below {variance:g}", hint="shorten the length"
        )
    reads: list[tuple[str, int, Reals, Reals]] = []
    for b, (attention, mlp) in enumerate(pairs(model.module.shape)):
        for part, name in ((attention, "attn.c_attn"), (mlp, "mlp.c_fc")):
            if part:
                prefix = f"transformer.h.{b}.{name}"
                reads.append((f"{name} of block {b + 1}", part[0], made[f"{prefix}.weight"], made[f"{prefix}.bias"]))
    last = made["lm_head.weight"].T
    reads.append(("the unembedding", len(model.module.shape.blocks), last, np.zeros(last.shape[1])))
    share, off = exact(model, norms, reads), totals(model, norms, sums)
    fit(made, model.dtype, model.name)
    said = (
        f"In GPT-2's arithmetic, in {model.dtype}, every number that is read is headwork's own: LayerNorm's mean is off by at most "
        f"{norms.mean:.1e}, its bias rounds to steps of {norms.step:.1e}, and sums use {share:.2g} of 2^{BITS[model.dtype]} steps"
    )
    return said + (f"; totals are within {off:.3g} of their integer, 1/2 is allowed." if off else ".")


def fit(made: dict[str, Reals], kind: str, program: str) -> None:
    """Refuse weights that need more bits: a balance entry is the sum of a whole row."""
    for name, tensor in made.items():
        if (tensor.astype(kind) != tensor).any():
            raise ExactnessError(f"{program}: an entry of {name} needs more than {BITS[kind]} bits", hint="shorten the length")


def _sizes(shape: Shape) -> tuple[int, int]:
    """d_head, a power of 16, and the hidden units of every block, one of them for the trap."""
    d_head = 16
    while d_head < max((b.d_head for b in shape.blocks if isinstance(b, AttentionShape)), default=1):
        d_head *= 16
    return d_head, 1 + max((b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), default=0)


def _blocks(model: Model) -> int:
    return len(pairs(model.module.shape))


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """config.json."""
    d_head, inner = _sizes(model.module.shape)
    return config_of(model, words, frame, frame.width // d_head, inner)


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor of the checkpoint by its stock name; Conv1D weights are (inputs, outputs)."""
    found, shape = Native.of(model).tensors, model.module.shape
    blocks = emptied(model, found)
    norms, ones = norm_biases(model, frame), one(model)
    d_head, inner = _sizes(shape)
    n, heads, zero = frame.width, frame.width // d_head, shape.d_model + frame.balances
    token = np.zeros((len(words.words), shape.d_model))
    token[1 : words.symbols + 1] = found["W_E"][1:]
    made: dict[str, Reals] = {}

    def norm(name: str, index: int | None) -> None:
        """Name the norm in front of a native block."""
        made[f"{name}.weight"] = np.full(n, EPSILON[model.dtype] ** 0.5)
        made[f"{name}.bias"] = np.zeros(n) if index is None else norms[index]

    def projection(name: str, weight: Reals, index: int | None = None, constant: Reals | float = 0.0) -> None:
        """Name a matrix, with the bias that takes off what the norm in front of a native block adds. Shape: (inputs, outputs)."""
        made[f"{name}.weight"] = weight
        made[f"{name}.bias"] = np.zeros(weight.shape[1]) + constant - (0.0 if index is None else norms[index] @ weight)

    def written(matrix: Reals) -> Reals:
        """A matrix that writes, the balance dimensions rounded to the dtype: nobody reads them."""
        wide = frame.writes(matrix)
        wide[:, shape.d_model : zero] = wide[:, shape.d_model : zero].astype(model.dtype)
        return wide

    made["transformer.wte.weight"], made["transformer.wpe.weight"] = written(token), written(blocks["W_pos"])
    for b, (attention, mlp) in enumerate(pairs(shape)):
        fused, out = np.zeros((n, 3, heads, d_head)), np.zeros((heads, d_head, n))
        w_in, w_out, below = np.zeros((n, inner)), np.zeros((inner, n)), np.zeros(inner)
        if attention:
            index, part = attention
            for h in range(len(part.masks)):
                for c, name in enumerate(("W_Q", "W_K", "W_V")):
                    scale = d_head**0.5 if name == "W_Q" else 1.0
                    fused[:, c, h, : part.d_head] = frame.reads(blocks[f"blocks.{index}.{name}"][h]) * scale
                out[h, : part.d_head] = written(blocks[f"blocks.{index}.W_O"][h])
        if mlp:
            index, hidden = mlp
            reads = blocks[f"blocks.{index}.W_in"].copy()
            below[: hidden.d_mlp] = np.minimum(reads[ones], 0)  # <bos> has no one: its units stay below 0 all the same
            reads[ones] = np.maximum(reads[ones], 0)
            w_in[:, : hidden.d_mlp] = frame.reads(reads)
            w_out[: hidden.d_mlp] = written(blocks[f"blocks.{index}.W_out"])
        w_out[-1, zero] = TRAP if b == 0 else 0
        prefix = f"transformer.h.{b}"
        norm(f"{prefix}.ln_1", attention and attention[0])
        projection(f"{prefix}.attn.c_attn", fused.reshape(n, 3 * n), attention and attention[0])
        projection(f"{prefix}.attn.c_proj", out.reshape(n, n))
        norm(f"{prefix}.ln_2", mlp and mlp[0])
        projection(f"{prefix}.mlp.c_fc", w_in, mlp and mlp[0], below)
        projection(f"{prefix}.mlp.c_proj", w_out)
    norm("transformer.ln_f", len(shape.blocks))
    last = frame.reads(head(model, words))
    last[zero] = -last.sum(axis=0)  # the same bias everywhere: the output is never read off a total's cell
    made["lm_head.weight"] = last.T
    return made


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor."""
    require_causal(model)
    shape, n = model.module.shape, frame.width
    d_head, inner = _sizes(shape)
    if shape.d_model + frame.balances >= n or n % d_head:
        fact = f"a width of {n} has no place for {shape.d_model + frame.balances + 1} dimensions in heads of {d_head}"
        raise CheckpointError(fact, hint="export the model again")
    if any(len(block.masks) > n // d_head for block in shape.blocks if isinstance(block, AttentionShape)):
        raise CheckpointError(f"a width of {n} has no place for all heads of {d_head}", hint="export the model again")
    return shapes_of(model, words, frame, inner)


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors that GPT-2 tensors of this model's layout hold: `tensors` undone. Shapes are the caller's to check."""
    shape = model.module.shape
    (d_head, _), norms, ones = _sizes(shape), norm_biases(model, frame), one(model)
    made = {
        "W_E": frame.unwritten(found["transformer.wte.weight"])[: words.symbols + 1],
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
            w_in = found[f"{prefix}.mlp.c_fc.weight"][:, : hidden.d_mlp]
            below = found[f"{prefix}.mlp.c_fc.bias"][: hidden.d_mlp] + norms[index] @ w_in
            made[f"blocks.{index}.W_in"] = frame.unread(w_in)
            made[f"blocks.{index}.W_in"][ones] += below
            made[f"blocks.{index}.W_out"] = frame.unwritten(found[f"{prefix}.mlp.c_proj.weight"])[: hidden.d_mlp]
    return refilled(model, made)


TERMS = Terms("transformer.h.{}", emptied=True)
TARGET = Target(
    "gpt2",
    "GPT2LMHeadModel",
    STOCK,
    by_style(build, gpt2_natural.build),
    by_style(config, gpt2_natural.config),
    by_style(tensors, gpt2_natural.tensors),
    by_style(shapes, gpt2_natural.shapes),
    by_style(native, gpt2_natural.native),
    proof,
    TERMS,
    holds_natural=True,
)
