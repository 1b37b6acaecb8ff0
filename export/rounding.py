"""What a LayerNorm's rounding can do to a compiled program: a bound carried through all layers, and where it refuses.

The stream's mean is zero and its variance vanishes beside epsilon, so LayerNorm is the identity up to the rounding of the
mean. With u = 2**-t for t mantissa bits,

    |computed mean - mean|  <=  4u·Σ|x_d|                                                             (1)

A sum in any order, divided by n, rounds by less than u·Σ|x_d|. A running mean joins parts a and b of k elements together by
m_a + (k_b/k)(m_b - m_a); that rounds by at most u·S_k/k + 3u·(S_b + S_a·k_b/k_a)/k, S being sums of absolute values, and
enters the mean of all n with weight k/n. Element by element (Welford) this adds up to u·Σ|x_d|·(1 + (6 + 3·ln n)/n), below
3.6u·Σ|x_d| at the least width, 4, and 2.6u·Σ|x_d| from 8 on. torch keeps 8 or 16 such means side by side, in chunks of 16
that it joins in pairs, so no element is in more than 40 joins or n; joins of a smaller part a with a larger b are those of a
tail shorter than a vector and of the last chunks, which add at most 1/2 and, where n > 256, 3 times u·Σ|x_d| while the rest
is then below 1/2. All stay below (1).

A sum of k products rounds by at most k·u/(1 - k·u)·Σ|w·x| in any order. With these two facts an error per dimension is
carried through every layer. A ReLU passes a share of an error between 0 and 1, so of an MLP's products w_in·w_out either
the positive or the negative ones add up. Heads: exact scores differ by a multiple of the grid, so the
winner still gets all of the softmax if

    grid - 2·|score error|  >=  104 + 1/16 (float32) or 746 + 1/16 (float64)                         (2)

where exp(-104) or exp(-746) is 0, and 1/16 covers the rounding of the difference,

and the right class stays the greatest if for every pair of classes

    lead  >  |error of the difference of the two logits|                                               (3)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compiler.errors import ExactnessError
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from .native import Frame, Native, Reals

UNDERFLOW = {"float32": 104 + 1 / 16, "float64": 746 + 1 / 16}
BITS = {"float32": 24, "float64": 53}


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far the target's arithmetic can be from the exact program, over all inputs: every entry is a proven bound."""

    mean: float
    stream: float
    score: float
    lead: int
    logit: float

    def __str__(self) -> str:
        return (
            f"LayerNorm's mean is off by at most {self.mean:.1e}, the stream by {self.stream:.1e}, a score by {self.score:.3g} nats of a "
            f"lead of {self.lead}, a logit by {self.logit:.1e} of a lead of 1"
        )


def accuracy(model: Model, frame: Frame, tops: Reals, grid: int, variance: float) -> Accuracy:
    """The bound for a model in a frame with a balance dimension, `tops` bounding the native stream after each block.

    Raises ExactnessError with the inequality where (2), (3) or the variance bound fails. Shapes: tops (blocks + 1, d_model).
    """
    u, underflow = 2.0 ** -BITS[model.dtype], UNDERFLOW[model.dtype]
    native = Native.of(model)
    scaled = tops / frame.scale
    wide = np.zeros((len(tops), frame.width))
    wide[:, : scaled.shape[1]] = scaled
    wide[:, scaled.shape[1]] = scaled.sum(axis=1)
    top = wide[0]
    error = np.zeros(frame.width)  # of the embedding: one table or the other is zero, except in the balance dimension
    error[scaled.shape[1]] = u * top[scaled.shape[1]]
    mean = worst_score = 0.0

    def noise() -> Reals:
        """What LayerNorm adds to the error, by dimension."""
        nonlocal mean
        sure = top + error
        off = error.sum() / frame.width + 4 * u * sure.sum()
        mean = max(mean, off)
        spread = float(((sure + off) ** 2).sum() / frame.width)
        if spread >= variance:
            raise ExactnessError(f"{model.name}: the stream's variance may reach {spread:.3g}, not below {variance:g}", hint=_HINT)
        return off + u * (sure + off)

    for i, block in enumerate(model.module.shape.blocks):
        fresh = noise()
        e = error + fresh
        if isinstance(block, AttentionShape):
            change = np.zeros(frame.width)
            for h in range(len(block.masks)):
                q, k, v = (_product(frame.reads(native.block(i, name)[h]), top, e, u) for name in ("W_Q", "W_K", "W_V"))
                (q_top, q_error), (k_top, k_error) = q, k
                sizes = (q_top + q_error) * (k_top + k_error)
                score = float((q_error * k_top + q_top * k_error + q_error * k_error).sum() + _gamma(len(sizes), u) * sizes.sum())
                worst_score = max(worst_score, score)
                if grid - 2 * score < underflow:
                    raise ExactnessError(
                        f"{model.name}: a score of head {h} in block {i + 1} may be off by {score:.3g}: "
                        f"{grid} - 2·{score:.3g} < {underflow:g}",
                        hint=_HINT,
                    )
                change += _product(frame.writes(native.block(i, "W_O")[h]), *v, u)[1]
            error = error + change
        else:
            w_in, w_out = frame.reads(native.block(i, "W_in")), frame.writes(native.block(i, "W_out"))
            up, down = (np.maximum(w_in, 0) @ np.maximum(s * w_out, 0) + np.maximum(-w_in, 0) @ np.maximum(-s * w_out, 0) for s in (1, -1))
            here = np.eye(frame.width)
            pre_top, pre_rounding = _product(w_in, top, np.zeros_like(e), u)
            pre_rounding += _gamma(float(frame.width), u) * (e @ np.abs(w_in))
            rounding = _product(w_out, pre_top + e @ np.abs(w_in), pre_rounding, u)[1]
            error = error @ np.maximum(here + up, np.abs(here - down)) + fresh @ np.maximum(up, down) + rounding
        error = error + u * (wide[i + 1] + error)
        top = wide[i + 1]
    return Accuracy(mean, float(error.max()), worst_score, grid, _logits(model, frame, native, top, error + noise(), u))


_HINT = "shorten the length, or export to llama or onnx, which have no mean to round"


def _gamma(terms: float | Reals, u: float) -> float | Reals:
    return terms * u / (1 - terms * u)


def _product(matrix: Reals, top: Reals, error: Reals, u: float) -> tuple[Reals, Reals]:
    """Bounds of x·matrix and of its error. Shapes: (n, k), (n,), (n,) -> (k,), (k,)."""
    size = np.abs(matrix)
    return top @ size, error @ size + _gamma((matrix != 0).sum(axis=0).astype(float), u) * ((top + error) @ size)


def _logits(model: Model, frame: Frame, native: Native, top: Reals, error: Reals, u: float) -> float:
    """The greatest error of a difference of two logits, as a share of their lead."""
    unembed, form = frame.reads(native.tensors["W_U"]), model.output_form
    codes = form.encode(np.arange(form.top + 1)).astype(np.float64)  # (classes, digits)
    rounding = _gamma(float((unembed != 0).sum(axis=0).max(initial=0)), u) * ((top + error) @ np.abs(unembed))  # (classes,)
    worst = 0.0
    for right in range(form.top + 1):
        lead = ((codes - codes[right]) ** 2).sum(axis=1)
        off = error @ np.abs(unembed - unembed[:, right : right + 1]) + rounding + rounding[right]
        share = np.delete(off / np.maximum(lead, 1), right)
        worst = max(worst, float(share.max(initial=0)))
        if worst >= 1:
            raise ExactnessError(f"{model.name}: a logit may be off by {worst:.3g} of its lead, not below 1", hint=_HINT)
    return worst
