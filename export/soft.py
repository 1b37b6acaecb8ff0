"""Natural models in a target: their weights as they are, and the proof that the target's arithmetic keeps their margins.

A target computes what headwork's module computes, but for what it rounds besides. That is a noise which the margin checker knows:
a unit of rounding UNITS times as great, `read` in what each block reads of the stream, `stream` in what each block adds to it. The first
holds a factor of a few (1 + u) for each number that is read, as (m + 2)·UNITS·u exceeds (m + 2)·u by more than that.

A checkpoint may be stored in fewer bits where the model with its weights rounded to them is shown right. It is computed with in float32.
A tensor that has an entry which the format does not hold, such as a norm's gain in float16, is stored in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..certificate.certify import certify
from ..certificate.margins import UNITS as OF_DTYPE, shown
from ..certificate.refused import Refused
from ..certificate.robustness import stored
from ..compiler.errors import ExactnessError, InputError
from ..margin.context import Shown
from ..margin.state import Noise
from ..runtime.model import Model, natural_of
from ..runtime.module import AttentionShape
from ..runtime.sample import is_distribution
from .changed import changed

HALF = ("bfloat16", "float16")
UNITS = 8  # of rounding, for each of headwork's own
TRIES = 6
OWN = "shorten the length, or export it to hooked or onnx, whose arithmetic is headwork's own"
ELSEWHERE = "export it to onnx, which has every mask"


def causal(model: Model, target: str, code: str, dtype: str) -> Model:
    """A natural model for a causal target: itself, or its program lowered naturally again without strict masks.

    Raises ExactnessError for a bidirectional one, InputError for a distribution, for a code or dtype of its own, and for weights that
    would be dropped.
    """
    if is_distribution(model.graph):
        fact = f"the counts of {model.name} become logarithms in a checkpoint, which the compact style alone writes"
        raise InputError(fact, hint="compile it in the compact style")
    if dtype not in ("auto", model.dtype, *(HALF if model.dtype == "float32" else ())):
        raise InputError(f"{model.name} is natural and in {model.dtype}, and was asked for {dtype}", hint="compile it for that dtype")
    masks = {mask for block in model.module.shape.blocks if isinstance(block, AttentionShape) for mask in block.masks}
    if "full" in masks:
        raise ExactnessError(f"{model.name} is bidirectional, and the attention of {target} is causal", hint="export it to hooked or onnx")
    if "strict" in masks:
        model = without_strict(model, target, code)
    elif code != "auto":
        raise InputError(f"a natural model keeps its weights, and was asked for code {code}", hint="compile it with that code")
    return rounded(model, dtype) if dtype in HALF else model


def rounded(model: Model, dtype: str) -> Model:
    """The model with its weights as a format stores them. Raises ExactnessError where it is not shown right."""
    made = stored(model, dtype)
    hint = "leave out the dtype; hw.robustness says which formats a model survives in"
    for name, tensor in made.module.state_dict().items():
        if not tensor.isfinite().all():
            raise ExactnessError(f"{model.name}: {name} has an entry that is greater than {dtype} holds", hint=hint)
    try:
        certify(made, witness=False)
    except Refused as refused:
        fact = refused.fact.removeprefix("not shown: ")
        raise ExactnessError(f"{model.name} is not shown right with its weights in {dtype}: {fact}", hint=hint) from None
    return made


def without_strict(model: Model, target: str, code: str) -> Model:
    """A natural model's program lowered again, naturally, for causal masks. Raises InputError where other weights would be dropped."""
    if code != "auto" or (what := changed(model)):
        what = f"code {code} is asked for" if code != "auto" else what
        fact = f"{model.name} has strict masks, so an export to {target} lowers the program again, and {what}"
        raise InputError(fact, hint=ELSEWHERE)
    graph = replace(model.graph, sizes=replace(model.graph.sizes, strict=False))
    return natural_of(graph, model.dtype, "auto", None, model.sharpness)


def kept(model: Model, target: str, noise: Callable[[float, float], Noise]) -> tuple[Shown, Noise]:
    """What is shown of a model under a target's noise, which is found by a bound on Σ |x| over the stream and by the unit of rounding.

    That bound is assumed, and shown under the noise that it gives: so it holds before each block, by induction. Raises
    ExactnessError where a margin is lost.
    """
    bound, unit = 64.0, OF_DTYPE[model.dtype]
    for _ in range(TRIES):
        found = noise(bound, unit)
        try:
            made = shown(model, replace(found, unit=UNITS * unit))
        except Refused as refused:
            fact = refused.fact.removeprefix("not shown: ")
            half = f"{found.half:.1e} of what heads compare and add up" if found.half else ""
            grain = f"{found.grain:.1e} of all that is multiplied by a matrix" if found.grain else ""
            plain = f"{most:.1e}" if (most := max(found.read, found.stream, found.smooth)) or not (half or grain) else ""
            off = ", and by ".join(said for said in (plain, half, grain) if said)
            fact = f"{model.name}: the arithmetic of {target} is off by {off}, and {fact}"
            raise ExactnessError(fact, hint=OWN) from None
        if made.together <= bound:
            return made, found
        bound = 1.25 * made.together
    raise ExactnessError(f"{model.name}: no bound of its stream is found in the arithmetic of {target}", hint=OWN)
