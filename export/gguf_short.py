"""Short weights in llama.cpp: what it rounds where a matrix is stored in float16, and the layout that bears it.

On CPUs a matrix of float16 is multiplied with float16 numbers: what it reads is rounded first, to nearest, and the products are added up in
float32 (x86-64; some builds do not round at all, which is within the same bounds). With G = 2**-11 a number x becomes one within

    G·|x| + 2**-24                                                                                    (1)

of it, which the margin checker knows as `grain`: of the stream behind each norm, of what heads average, of hidden units. Biases and norms
stay float32, and embeddings are read as they are stored. Float16 ends at 65,504, so with T >= Σ |x| over the stream, hidden units up to
A and values up to V, all as the margins are shown under this very noise,

    T, V, S·A  <=  65,504·(1 - 2**-9)                                                                 (2)

where gelu(S·a)/S stands for relu(a): S is the greatest power of two for which that holds with a quarter to spare, and for which S·W_in and
W_out/S are float16 numbers. Units are smooth below 10/S alone, by 0.18/S (`gguf_natural.py`).

LayerNorm's mean m falls out by dimensions that are zero, as in `gpt2_natural.py`, but what is rounded is x - m there: by as much as (1)
has for |m| with each weight that reads, and again with what is zero. So the stream stands there twice, as x and as -x, which nobody reads,
and its mean is rounding alone: float16 holds -w wherever it holds w. A block adds Σ z·w to a dimension and Σ z·(-w) to its partner, each
within (k + 2)·u·Σ |z·w| for k terms, and each sum of two rounds by u. With n dimensions in all

    |m|  <=  4u·2T + (2u/n)·Σ over blocks of ((k + 2)·z·Σ |w| + 2T)                                   (3)

z being A for W_out, and for W_O T·max |W_V|. So all that is read is off by 2·(G·|m| + 2**-24) besides what `gpt2_natural.py` has of it.
"""

from __future__ import annotations

import math

import numpy as np

from ..compiler.errors import CheckpointError, ExactnessError
from ..margin.context import Shown
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape
from .gpt2_natural import PARTS, left, width_of
from .half import GREATEST, LEAST
from .native import Frame, Native, Reals
from .scales import lowest
from .stock import stored
from .target import Built

GRAIN, LIMIT, SPARE = 2.0**-11, GREATEST * (1 - 2.0**-9), 1.25
HINT = "leave out the dtype, which writes it in float32"


def layout(shape: Shape, sharp: int, stored: str) -> Frame:
    """The native stream, each of its dimensions again with the other sign, and some that are zero."""
    d = shape.d_model
    return Frame((0,) * d, width_of(shape, 2 * d + PARTS), tuple(range(d)), sharp=sharp, stored=stored)


def sharpest(model: Model, hidden: float) -> int:
    """The greatest power of two for S where pre-activations reach `hidden`. Raises ExactnessError where there is none."""
    native, blocks = Native.of(model), model.module.shape.blocks
    mlps = [i for i, block in enumerate(blocks) if isinstance(block, MlpShape)]
    into = max((float(np.abs([*w, w.sum(axis=0)]).max(initial=0)) for w in (native.block(i, "W_in") for i in mlps)), default=0.0)
    finest = min((float(lowest(native.block(i, "W_out")).min(initial=np.inf)) for i in mlps), default=np.inf)
    most = min(LIMIT / max(SPARE * hidden, into, 1.0), finest / LEAST)
    if most < 1:
        raise ExactnessError(f"{model.name}: hidden units reach {hidden:,.3g}, and float16 ends at {GREATEST:,.0f}", hint=HINT)
    return math.floor(math.log2(most))


def read(model: Model, frame: Frame, together: float, u: float) -> float:
    """What the mean may leave in what is read of a stream of Σ |x| up to `together`."""
    native, drift = Native.of(model), 0.0
    for i, block in enumerate(model.module.shape.blocks):
        if isinstance(block, AttentionShape):
            size = together * float(np.abs(native.block(i, "W_V")).max(initial=0))
            drift += _gross(np.concatenate(list(native.block(i, "W_O"))), size) + 2 * together
        else:
            drift += _gross(native.block(i, "W_out"), LIMIT / 2.0**frame.sharp) + 2 * together
    mean = 8 * u * together + 2 * u * drift / frame.width
    return (left(model, u) + 2 * GRAIN) * mean + 2 * 2.0**-24


def shortened(built: Built) -> dict[str, np.ndarray]:
    """The tensors as they are stored: matrices in the format of fewer bits where there is one that holds every entry, all else in float32.

    Raises CheckpointError where the layout is not one for short matrices.
    """
    made = stored(built)
    if built.stored != built.frame.stored:
        raise CheckpointError(f"the stream is not laid out for weights in {built.stored}", hint="export the model again")
    if built.stored:
        with np.errstate(over="ignore"):  # what is infinite is not held
            short = {name: tensor.astype(np.float16) for name, tensor in made.items() if tensor.ndim > 1}
        made |= {name: tensor for name, tensor in short.items() if np.array_equal(tensor.astype(np.float32), made[name])}
    return made


def _gross(out: Reals, size: float) -> float:
    """(k + 2)·z·Σ |w|. Shapes: (k, d_model)."""
    terms = int(np.count_nonzero(out, axis=0).max(initial=0))
    return (terms + 2) * size * float(np.abs(out).sum())


def require_range(model: Model, frame: Frame, found: Shown) -> None:
    """All that is rounded to float16 is in its range, (2). Raises ExactnessError."""
    sharp = 2.0**frame.sharp
    for what, most in (
        ("the stream", found.together),
        ("a value", found.reach[2]),
        (f"{sharp:,.0f} times a hidden unit", sharp * found.hidden),
    ):
        if most > LIMIT:
            raise ExactnessError(f"{model.name}: {what} may reach {most:,.0f}, and float16 ends at {GREATEST:,.0f}", hint=HINT)
