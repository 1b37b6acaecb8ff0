"""A natural model in llama.cpp: GPT-2's checkpoint of its weights (`gpt2_natural.py`), and what llama.cpp rounds besides.

GELU, on CPUs from a table of float16 between -10 and 10, stands for ReLU. With S = 2**20, gelu(S·a)/S is a or 0 where |S·a| >= 10; else
x·Φ(x) is within 0.17 of relu(x), and rounding x and the result to float16 takes 2·10·2**-12 more at most:

    |gelu(S·a)/S - relu(a)|  <=  0.18/S                                                               (1)

a noise of 0.18/S·Σ |w_out| after each MLP. The cache keeps keys and values in float16, queries are rounded to match, and so are the weights
of attention and its partial sums: 2**-11 of each, which the margin checker knows as `half`. Such numbers must be below 65,504:

    |q|·root(d_head), |k|, (N + 1)·|v|  <=  65,504·(1 - 2**-9)                                         (2)

as partial sums of N + 1 values weigh up to N + 1 before they are divided by it. Where the margins do not bear that, the file is for a
float32 cache without flash attention, where none of it is rounded.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..compiler.errors import ExactnessError, InputError
from ..margin.context import Shown
from ..margin.state import Noise
from ..runtime.model import Model
from ..runtime.module import MlpShape
from . import gpt2_natural
from .half import GREATEST
from .native import Native, pairs
from .soft import HALF, causal, kept

NAME, SHARP, SMOOTH, GRAIN = "llama.cpp", 2.0**20, 0.18, 2.0**-11
HINT = 'dtype "float32" writes it for llama.cpp\'s -ctk f32 -ctv f32 -fa off'


def lowered(model: Model, code: str, dtype: str) -> Model:
    """The model that is written. Raises as `causal` does, and InputError for weights in fewer bits."""
    if dtype in HALF or "float64" in (dtype, model.dtype):
        fact = f"llama.cpp rounds what it multiplies with weights of {dtype}, and there is no margin rule for that"
        fact = fact if dtype in HALF else "llama.cpp computes in float32, and was asked for float64"
        raise InputError(fact, hint="leave out dtype, or export it to gpt2")
    return causal(model, NAME, code, "auto")


def claim(model: Model) -> str:
    """What holds in llama.cpp's arithmetic, of its default cache where that is shown. Raises ExactnessError where a margin is lost."""
    found, granted = shown(model, half=False)
    said = (
        f"The weights are headwork's own. LayerNorm's mean falls out of all that is read but for {granted.read:.1e} of rounding, and GELU "
        f"is ReLU but for {granted.stream:.1e} in the stream, which the margins bear: the right class leads by at least {found.margin:.3g} "
        "all the same."
    )
    if refused := unfit(model):
        return (
            f"{said} Run it with a float32 cache and no flash attention (-ctk f32 -ctv f32 -fa off): llama.cpp rounds to float16 else, and "
            f"{refused}."
        )
    made, _ = shown(model, half=True)
    return f"{said} With llama.cpp's default cache, which keeps 11 bits of queries, keys and values, it leads by {made.margin:.3g}."


def shown(model: Model, half: bool) -> tuple[Shown, Noise]:
    """What the margin checker shows under llama.cpp's noise. Raises ExactnessError where a margin is lost."""
    mlps = [i for i, block in enumerate(model.module.shape.blocks) if isinstance(block, MlpShape)]
    size = max((float(np.abs(Native.of(model).block(i, "W_out")).sum(axis=0).max(initial=0)) for i in mlps), default=0.0)

    def noise(together: float, u: float) -> Noise:
        return Noise(read=gpt2_natural.noise(model, together, u).read, stream=SMOOTH / SHARP * size, half=GRAIN if half else 0.0)

    found, granted = kept(model, NAME, noise)
    gpt2_natural.require_flat(model, found)
    return found, granted


def unfit(model: Model) -> str:
    """Why llama.cpp's default cache is not shown to do; empty where it is."""
    return _unfit(_Same(model))


class _Same:
    """A model by its tensors, so that what is shown of one is shown once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.bits = tuple((name, tensor.detach().cpu().numpy().tobytes()) for name, tensor in model.module.state_dict().items())
        self.names = model.name, model.dtype, str(model.optimised)

    def __hash__(self) -> int:
        return hash((self.bits, self.names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and (self.bits, self.names) == (other.bits, other.names)


@lru_cache(maxsize=2)
def _unfit(same: _Same) -> str:
    model = same.model
    try:
        found, _ = shown(model, half=True)
    except ExactnessError as error:
        return error.fact
    root = max((gpt2_natural.sizes(model.module.shape)[1] ** 0.5, 1.0))
    queries, keys, values = found.reach
    for what, most in (("a query", queries * root), ("a key", keys), ("a sum of values", values * (model.length + 1))):
        if most > GREATEST * (1 - 2.0**-9):
            return f"{what} may reach {most:,.0f}, and float16 holds numbers up to {GREATEST:,.0f}"
    return ""


def cache(model: Model) -> str:
    """The cache that a file is for."""
    return "float32" if unfit(model) else "float16"


def require(model: Model, dtype: str) -> None:
    """The cache that is asked for does. Raises ExactnessError."""
    if dtype == "auto" and (refused := unfit(model)):
        raise ExactnessError(refused, hint=HINT)


def blocks(model: Model) -> int:
    """How many blocks the checkpoint has."""
    return len(pairs(model.module.shape))
