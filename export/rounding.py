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

and by induction so is everything in the stream but y and the balance dimension, which nobody reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..compiler.errors import ExactnessError
from ..compiler.numerics import DTYPES
from ..compiler.plan import Tally
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from .native import BITS, Frame, Reals
from .totals import Cell, cells

HINT = "shorten the length, or export to llama or onnx, which have no mean to round"


@dataclass(frozen=True, slots=True)
class Rounding:
    """What the norms of a model do: the greatest |m|, the step s, the bias of each norm, and what it leaves to totals.

    Shapes: bias and top (blocks + 1, width), `bias[i]` in front of block i, the last in front of the unembedding; `top` bounds
    the stream there; unit (width,) is the step of each dimension.
    """

    mean: float
    step: float
    bias: Reals
    top: Reals
    unit: Reals


def spans(model: Model, found: tuple[Cell, ...]) -> tuple[Reals, Reals]:
    """The least and the greatest number each dimension can hold after each block, 0 the embedding. Shapes (blocks + 1, d_model).

    Cells of totals are empty until a head has added to them.
    """
    low = np.zeros((len(model.module.shape.blocks) + 1, model.module.shape.d_model))
    high = low.copy()
    for probe in sorted(model.probes, key=lambda p: p.block):  # a later value takes the place of an earlier one
        for dim, (lo, hi) in zip(probe.dims, probe.form.intervals(), strict=True):
            low[probe.block :, dim], high[probe.block :, dim] = lo, hi
    for cell in found:
        low[cell.block :, cell.dim] = high[cell.block :, cell.dim] = 0
        low[cell.block + 1 :, cell.dim], high[cell.block + 1 :, cell.dim] = cell.least - 1, cell.most + 1  # y is closer than 1
    return low, high


def rounding(model: Model, frame: Frame, native: dict[str, Reals]) -> Rounding:
    """The step and the biases for a model in a frame with a balance dimension, `native` being its tensors without fillings.

    Raises ExactnessError where a step of the stream is finer than s.
    """
    found = cells(model)
    low, high = spans(model, found)
    t, blocks, d = BITS[model.dtype], len(low) - 1, low.shape[1]
    u, unit = 2.0**-t, np.ones(frame.width)
    unit[:d] = 1 / frame.scale
    top = np.zeros((blocks + 1, frame.width))
    top[:, :d] = np.maximum(-low, high) / frame.scale
    most = np.abs(top).sum(axis=1)  # of all but the balance dimension
    drift, means = 2 * u * float(most[0]), list[float]()
    for i in range(blocks + 1):
        top[i, d] = most[i] + drift
        means.append(4 * u * float(top[i].sum()) + drift / frame.width)
        if i < blocks:
            drift += _drift(model, frame, native, found, i, low[i], high[i]) + 2 * u * (float(most[i] + most[i + 1]) + drift)
    noise = max(m + 4 * u * (float(tops[:d].max(initial=0)) + m) for m, tops in zip(means, top, strict=True))
    step = 2.0 ** (np.floor(np.log2(2 * noise)) + 1)
    if step > unit.min():
        raise ExactnessError(f"{model.name}: LayerNorm's mean may be off by {max(means):.3g}, the stream's step is {unit.min():g}", hint=HINT)
    plain = top[:, :d].copy()
    plain[:, [c.dim for c in found]] = 0
    bias = np.full((blocks + 1, frame.width), 2.0 ** (t - 1) * step + 2.0 ** np.ceil(np.log2(float(plain.max()) + step)))
    for cell in found:
        bias[cell.block + 1 :, cell.dim] = cell.fill * unit[cell.dim]
    return Rounding(max(means), step, bias, top, unit)


def _drift(model: Model, frame: Frame, native: dict[str, Reals], found: tuple[Cell, ...], i: int, low: Reals, high: Reals) -> float:
    """How far a block can take the sum of all dimensions from zero: its products with the balance dimension round apart.

    Sums of integers whose absolute values stay below 2**t of their step do not round.
    """
    t = BITS[model.dtype]
    if isinstance(model.module.shape.blocks[i], AttentionShape):
        w = native[f"blocks.{i}.W_O"].reshape(-1, len(low))
        size = np.concatenate([np.maximum(-low, high) @ np.abs(v) for v in native[f"blocks.{i}.W_V"]])
    else:
        w, w_in = native[f"blocks.{i}.W_out"], native[f"blocks.{i}.W_in"]
        size = np.maximum(0, high @ np.maximum(w_in, 0) - low @ np.maximum(-w_in, 0))  # (m,): a hidden unit's greatest
    adding = w[:, [c.dim for c in found if c.block == i]].any(axis=1)
    size[adding] *= 1.01 * model.length * math.exp(-DTYPES[model.dtype].tally)  # weights are about exp(-D) there
    wide = frame.writes(w)
    total = float(size @ np.abs(wide).sum(axis=1))
    if not adding.any() and total <= 2.0**t * lowest(wide[size > 0]).min(initial=np.inf):
        return 0.0
    terms = int((size > 0).sum()) + 2
    return terms * 2.0**-t / (1 - terms * 2.0**-t) * total


def lowest(x: Reals) -> Reals:
    """The greatest power of two that divides each number, infinite for 0."""
    fraction, exponent = np.frexp(x)
    whole = np.ldexp(fraction, 53).astype(np.int64)
    return np.where(x == 0, np.inf, np.ldexp((whole & -whole).astype(np.float64), exponent - 53))


def exact(model: Model, made: Rounding, reads: Iterable[tuple[str, int, Reals, Reals]]) -> float:
    """Inequality (3) for every matrix that reads a norm: its name, the block it belongs to, its weights and its bias.

    Returns the greatest side of it, as a share of 2**t. Raises ExactnessError where it fails. Shapes: (width, k), (k,).
    """
    limit, worst = 2.0 ** BITS[model.dtype], 0.0
    for name, i, weight, bias in reads:
        size = made.bias[i] + made.top[i]  # (width,)
        for sign in (1, -1):
            total = size @ np.maximum(sign * weight, 0) + np.maximum(sign * bias, 0)  # (k,)
            steps = total / np.minimum(lowest(weight) * made.unit[:, None], lowest(bias)).min(axis=0)
            worst = max(worst, float(steps.max(initial=0)))
            if worst > limit:
                fact = f"{model.name}: {name} reads sums of {worst:,.0f} steps through LayerNorm's bias, more than 2**{BITS[model.dtype]}"
                raise ExactnessError(fact, hint=HINT)
    return worst / limit


def totals(model: Model, made: Rounding) -> float:
    """The greatest error of a total as its cell is read, in its steps, of which less than 1/2 is allowed; 0 without totals.

    Raises ExactnessError where it is more. The model must be one just lowered: a total's own error stands in its plan.
    """
    assert model.compiled is not None
    plan, u, worst = model.compiled.plan, 2.0 ** -BITS[model.dtype], 0.0
    for place in model.compiled.layout.places:
        feature = plan.features[place.feature]
        if isinstance(feature.recipe, Tally):
            unit, top = made.unit[place.dims[0]], made.top[:, place.dims[0]].max()
            own, read = feature.recipe.exact.steps * u / 2, (made.mean + 4 * u * (top + made.mean)) / unit
            worst = max(worst, own + read)
            if worst >= 0.5:
                fact = f"{model.name}: {feature.name} may be off by {own:.3g}, and by {read:.2g} as it is read, together 1/2 or more"
                raise ExactnessError(fact, hint=HINT)
    return worst
