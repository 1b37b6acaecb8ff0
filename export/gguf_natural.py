"""A natural model in llama.cpp: GPT-2's checkpoint of its weights (`gpt2_natural.py`), and what llama.cpp rounds besides.

GELU, on CPUs from a table of float16 between -10 and 10, stands for ReLU. With S a power of two, 2**20 for weights in float32, gelu(S·a)/S
is a or 0 where |S·a| >= 10; else x·Φ(x) is within 0.17 of relu(x), and rounding x and the result to float16 takes 2·10·2**-12 more at most:

    |gelu(S·a)/S - relu(a)|  <=  0.18/S  where |a| < 10/S, and 0 elsewhere                            (1)

which the margin checker knows as `smooth` and `near`. The cache keeps keys and values in float16, queries are rounded to match, and so are
the weights of attention and its partial sums: 2**-11 of each, which it knows as `half`. Such numbers must be below 65,504:

    |q|·root(d_head), |k|, (N + 1)·|v|  <=  65,504·(1 - 2**-9)                                         (2)

as partial sums of N + 1 values weigh up to N + 1 before they are divided by it. Where the margins do not bear that, the file is for a
float32 cache without flash attention, where none of it is rounded. Weights in float16 are `gguf_short.py`'s.
"""

from __future__ import annotations

from functools import lru_cache

from ..compiler.errors import ExactnessError, InputError
from ..margin.context import Shown
from ..margin.state import Noise
from ..runtime.model import Model
from . import gguf_short, gpt2_natural
from .gguf_short import GRAIN, LIMIT
from .half import GREATEST
from .native import Frame, pairs
from .soft import causal, kept

NAME, SHARP, SMOOTH, EDGE = "llama.cpp", 20, 0.18, 10.0
HINT = 'dtype "float32" writes it for llama.cpp\'s -ctk f32 -ctv f32 -fa off'


def lowered(model: Model, code: str, dtype: str) -> Model:
    """The model that is written, its weights as they are stored. Raises as `causal` does, and InputError for what llama.cpp has not."""
    if "float64" in (dtype, model.dtype):
        raise InputError("llama.cpp computes in float32, and was asked for float64", hint="leave out dtype, or export it to gpt2")
    if dtype == "bfloat16":
        fact = "llama.cpp rounds what it multiplies with weights of bfloat16 to eight bits, 2^-9 of each number"
        raise InputError(f"{fact}, four times what float16 takes", hint='dtype "float16" stores as many bits, and rounds less')
    return causal(model, NAME, code, dtype)


def frame_of(model: Model, dtype: str) -> Frame:
    """The layout of a lowered model in a dtype. Raises ExactnessError where a margin is lost."""
    if dtype != "float16":
        return gpt2_natural.frame_of(model.module.shape)
    plain, _ = kept(model, NAME, lambda *_: Noise(grain=GRAIN))
    return gguf_short.layout(model.module.shape, gguf_short.sharpest(model, plain.hidden), dtype)


def wanted(model: Model, frame: Frame) -> Frame:
    """The layout that a frame must be."""
    shape = model.module.shape
    return gguf_short.layout(shape, frame.sharp, frame.stored) if frame.stored else gpt2_natural.frame_of(shape)


def sharp(frame: Frame) -> float:
    """What hidden units are multiplied by."""
    return 2.0 ** (frame.sharp if frame.stored else SHARP)


def claim(model: Model, frame: Frame) -> str:
    """What holds in llama.cpp's arithmetic, of its default cache where that is shown. Raises ExactnessError where a margin is lost."""
    found, granted = shown(model, frame, half=False)
    soft = f"but for {granted.read:.1e} of rounding, and GELU is ReLU but for {granted.smooth:.1e} in a hidden unit near 0"
    leads = f"the margins bear: the right class leads by at least {found.margin:.3g} all the same."
    said = f"The weights are headwork's own. LayerNorm's mean falls out of all that is read {soft}, which {leads}"
    if frame.stored:
        said = (
            f"The weights are headwork's own in {frame.stored}. What llama.cpp multiplies with them it rounds to {frame.stored} too, by "
            f"{granted.grain:.1e} of itself, and adds up in float32 (x86-64). The stream stands there twice, with both signs, so that "
            f"LayerNorm's mean is 0 {soft}. That {leads}"
        )
    if refused := unfit(model, frame):
        return (
            f"{said} Run it with a float32 cache and no flash attention (-ctk f32 -ctv f32 -fa off): llama.cpp rounds to float16 else, and "
            f"{refused}."
        )
    made, _ = shown(model, frame, half=True)
    return f"{said} With llama.cpp's default cache, which keeps 11 bits of queries, keys and values, it leads by {made.margin:.3g}."


def shown(model: Model, frame: Frame, half: bool) -> tuple[Shown, Noise]:
    """What the margin checker shows under llama.cpp's noise. Raises ExactnessError where a margin is lost."""
    s, short = sharp(frame), bool(frame.stored)

    def noise(together: float, u: float) -> Noise:
        read = gguf_short.read(model, frame, together, u) if short else gpt2_natural.noise(model, together, u).read
        return Noise(read=read, half=GRAIN * half, grain=GRAIN * short, smooth=SMOOTH / s, near=EDGE / s)

    found, granted = kept(model, NAME, noise)
    gpt2_natural.require_flat(model, found)
    if short:
        gguf_short.require_range(model, frame, found)
    return found, granted


def unfit(model: Model, frame: Frame) -> str:
    """Why llama.cpp's default cache is not shown to do; empty where it is."""
    return _unfit(_Same(model), frame)


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
def _unfit(same: _Same, frame: Frame) -> str:
    model = same.model
    try:
        found, _ = shown(model, frame, half=True)
    except ExactnessError as error:
        return error.fact
    root = max((gpt2_natural.sizes(model.module.shape)[0] ** 0.5, 1.0))
    queries, keys, values = found.reach
    for what, most in (("a query", queries * root), ("a key", keys), ("a sum of values", values * (model.length + 1))):
        if most > LIMIT:
            return f"{what} may reach {most:,.0f}, and float16 holds numbers up to {GREATEST:,.0f}"
    return ""


def cache(model: Model, frame: Frame) -> str:
    """The cache that a file is for."""
    return "float32" if unfit(model, frame) else "float16"


def require(model: Model, frame: Frame, dtype: str) -> None:
    """The cache that is asked for does. Raises ExactnessError."""
    if dtype == "auto" and (refused := unfit(model, frame)):
        raise ExactnessError(refused, hint=HINT)


def blocks(model: Model) -> int:
    """How many blocks the checkpoint has."""
    return len(pairs(model.module.shape))
