"""Why a LayerNorm changes nothing that is read: its bias rounds its own error away.

The stream's mean is zero and its variance vanishes beside epsilon, so LayerNorm is x - m, where m is what the computed mean
is off. With u = 2**-t for t mantissa bits, n numbers x_d and d = |Σ x_d|, which is not 0 only by rounding,

    |m|  <=  4u·Σ|x_d| + d/n                                                                          (1)

A sum in any order, divided by n, rounds by less than u·Σ|x_d|. A running mean joins parts a and b of k elements together by
m_a + (k_b/k)(m_b - m_a); that rounds by at most u·S_k/k + 3u·(S_b + S_a·k_b/k_a)/k, S being sums of absolute values, and
enters the mean of all n with weight k/n. Element by element (Welford) this adds up to u·Σ|x_d|·(1 + (6 + 3·ln n)/n), below
3.6u·Σ|x_d| at the least width, 4, and 2.6u·Σ|x_d| from 8 on. torch keeps 8 or 16 such means side by side, in chunks of 16
that it joins in pairs, so no element is in more than 40 joins or n; joins of a smaller part a with a larger b are those of a
tail shorter than a vector and of the last chunks, which add at most 1/2 and, where n > 256, 3 times u·Σ|x_d| while the rest
is then below 1/2. All stay below (1).

Then LayerNorm adds its bias. The stream's numbers are multiples of a step s, and with the bias B all B + x_d lie between
2**(t-1)·s and 2**t·s, where numbers have a spacing of s. So what is read is B + x_d exactly if

    |m| + 4u·(|x_d| + |m|)  <  s/2                                                                    (2)

four roundings being allowed on the way. A total's cell holds y, and its bias F makes the spacing the step of the total: F + S
is read, S the exact total, if |y - S| + |m| + 4u·(|S| + |m|) is below half of that step.

Queries, keys, values and hidden units are sums of products w·(B + x_d) and of the projection's bias -Σ w·B. All are multiples
of one power of two g, and every partial sum lies between the sum of the negative ones and that of the positive ones. So they
are headwork's own numbers, exactly and in any order, if

    Σ of the positive, and Σ of the negative ones  <=  2**t·g                                         (3)

and by induction so is everything in the stream but y and the balance dimensions, which nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..compiler.errors import ExactnessError
from ..runtime.model import Model
from .native import BITS, Frame, Reals
from .scales import lowest, off, stream
from .totals import Sums, cells, norm_biases

EPSILON = {"float32": 2.0**80, "float64": 2.0**260}  # of a norm whose variance is to vanish
HINT = "shorten the length, or export to llama or onnx, which have no mean to round"


@dataclass(frozen=True, slots=True)
class Rounding:
    """What the norms of a model do: the greatest |m|, the step s, and the bias of each norm.

    Shapes: bias and top (blocks + 1, width), `bias[i]` in front of block i, the last in front of the unembedding, `top` bounds
    the stream there; unit (width,) is the step of each dimension.
    """

    mean: float
    step: float
    bias: Reals
    top: Reals
    unit: Reals


def rounding(model: Model, frame: Frame, native: dict[str, Reals], sums: Sums) -> Rounding:
    """What the norms of a model do in a frame with its bias; `native` are the model's tensors without fillings.

    Raises ExactnessError where (2) does not hold, where a step of the stream is finer than s, or where B + x_d may leave B's binade.
    """
    mean, top, unit, plain = _spread(model, frame, native, sums)
    t, d = BITS[model.dtype], len(frame.shift)
    step = 2.0 ** (np.floor(np.log2(max(frame.bias, 1))) - t + 1)
    if not step > _needed(mean, top[:, :d], t) or step > unit.min():
        fact = f"LayerNorm's mean may be off by {mean:.3g}, its bias rounds to {step:g} and the stream's step is {unit.min():g}"
        raise ExactnessError(f"{model.name}: {fact}", hint=HINT)
    if not 2.0 ** (t - 1) * step <= frame.bias - plain - step <= frame.bias + plain + step <= 2.0**t * step:
        raise ExactnessError(f"{model.name}: numbers up to {plain:g} leave the binade of LayerNorm's bias {frame.bias:,}", hint=HINT)
    return Rounding(mean, step, norm_biases(model, frame), top, unit)


def biased(model: Model, frame: Frame, native: dict[str, Reals], sums: Sums) -> Frame:
    """The frame with the bias that has the least step for which (2) holds."""
    mean, top, _, plain = _spread(model, frame, native, sums)
    t = BITS[model.dtype]
    step = 2.0 ** (np.floor(np.log2(_needed(mean, top[:, : len(frame.shift)], t))) + 1)
    return replace(frame, bias=int(2.0 ** (t - 1) * step + 2.0 ** np.ceil(np.log2(plain + step))))


def _needed(mean: float, top: Reals, t: int) -> float:
    """What s must be greater than, by (2)."""
    return 2 * (mean + 4 * 2.0**-t * (float(top.max(initial=0)) + mean))


def _spread(model: Model, frame: Frame, native: dict[str, Reals], sums: Sums) -> tuple[float, Reals, Reals, float]:
    """By (1) the greatest |m|, then bounds of the stream, the step of each dimension, and the greatest number but for totals."""
    found, t, d = stream(model, native, sums), BITS[model.dtype], len(frame.shift)
    unit = np.full(frame.width, np.inf)  # other dimensions are zero, or not read
    unit[:d] = 1 / frame.scale
    groups = [[dim for dim, b in enumerate(frame.balance) if b == balance] for balance in range(frame.balances)]
    drift = sum(off(model, found, unit, group) for group in groups)
    top = np.zeros((len(found.top), frame.width))
    top[:, :d] = found.top * unit[:d]
    for b, group in enumerate(groups):
        top[:, d + b] = top[:, group].sum(axis=1) + drift
    plain = top[:, :d].copy()
    plain[:, [cell.dim for cell in found.totals]] = 0
    return float(4 * 2.0**-t * top.sum(axis=1).max() + drift / frame.width), top, unit, float(plain.max())


def exact(model: Model, made: Rounding, reads: Iterable[tuple[str, int, Reals, Reals]]) -> float:
    """Inequality (3) for every matrix that reads a norm: its name, the block it belongs to, its weights and its bias.

    Returns the greatest side of it, as a share of 2**t. Raises ExactnessError where it fails. Shapes: (width, k), (k,).
    """
    limit, worst = 2.0 ** BITS[model.dtype], 0.0
    for name, i, weight, bias in reads:
        size = made.bias[i] + made.top[i]  # (width,)
        for sign in (1, -1):
            total = size @ np.maximum(sign * weight, 0) + np.maximum(sign * bias, 0)  # (k,)
            steps = total / np.minimum(lowest(weight) * np.minimum(made.unit, lowest(made.bias[i]))[:, None], lowest(bias)).min(axis=0)
            worst = max(worst, float(steps.max(initial=0)))
            if worst > limit:
                fact = f"{model.name}: {name} reads sums of {worst:,.0f} steps through LayerNorm's bias, more than 2**{BITS[model.dtype]}"
                raise ExactnessError(fact, hint=HINT)
    return worst / limit


def totals(model: Model, made: Rounding, sums: Sums) -> float:
    """The greatest error of a total as its cell is read, in its steps, of which less than 1/2 is allowed; 0 without totals.

    Raises ExactnessError where it is more.
    """
    u, worst = 2.0 ** -BITS[model.dtype], 0.0
    for cell in cells(model):
        unit, top = made.unit[cell.dim], made.top[:, cell.dim].max()
        own, read = sums.error[cell.block, cell.dim], (made.mean + 4 * u * (top + made.mean)) / unit
        worst = max(worst, own + read)
        if worst >= 0.5:
            name = next(p.name for p in model.probes if (p.block, p.dims[0]) == (cell.block + 1, cell.dim))
            fact = f"{model.name}: {name} may be off by {own:.3g}, and by {read:.2g} as it is read, together 1/2 or more"
            raise ExactnessError(fact, hint=HINT)
    return worst
