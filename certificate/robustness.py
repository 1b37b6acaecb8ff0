"""How much noise a model bears: the radius that is proved, the radius that is measured, and the formats its weights survive in."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import torch

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..margin.state import Noise
from ..runtime.interpreter import interpret_roots
from .certify import certify
from .margins import UNITS, shown
from .refused import Refused

if TYPE_CHECKING:
    from ..runtime.model import Model

FORMATS = ("bfloat16", "float16", "tf32", "int8 per channel", "int8 per tensor")
MAX_SAMPLES = 100_000
STEPS = 7  # of each bisection: the radius is found to a factor of 2**(1/4) or so
LEAST, MOST = -40.0, 0.0  # powers of two between which it lies
PROVED = -24.0  # the least that is proved: what is less is less than float32's own rounding


@dataclass(frozen=True, repr=False)
class Robustness(Tabled):
    """What a model bears. Radii are relative to each weight (`weights`), or in steps of a value after each block (`stream`).

    `proved` hold for every input and every perturbation within them, `measured` is the greatest standard deviation of Gaussian noise at
    which no sampled answer was wrong; 0 where nothing is. `lost` says where the margin goes just above the proved radius.
    `formats` has for each format "proved", or "measured" where all sampled answers are right but no proof is found, or what is wrong.
    """

    program: str
    style: str
    proved_weights: float
    proved_stream: float
    measured_weights: float
    lost: str
    formats: dict[str, str]
    samples: int

    @property
    def ratio(self) -> float:
        """The measured radius over the proved one."""
        return self.measured_weights / self.proved_weights if self.proved_weights else float("inf")

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        return asdict(self)

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The radii, and each format."""
        ratio = f", {self.ratio:.3g} times the proved one" if self.proved_weights else ""
        return f"robustness of {self.program}, {self.style}", [
            ("proved", f"{self.proved_weights:.2g} of each weight; {self.proved_stream:.2g} of a step after each block"),
            ("measured", f"{self.measured_weights:.2g} of each weight, Gaussian, {self.samples} draws{ratio}"),
            ("lost at", self.lost),
            *self.formats.items(),
        ]

    def __str__(self) -> str:
        title, rows = self.table()
        return "\n".join([title, *(f"  {name:<17} {said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<Robustness of {self.program}, {self.style}: {self.proved_weights:.2g} proved, {self.measured_weights:.2g} measured>"


@public
def robustness(model: Model, *, samples: int = 20, seed: int = 0, texts: Sequence[Sequence[int]] | None = None) -> Robustness:
    """The noise that a model bears, proved and measured.

    Proved: the margin checker's intervals, widened until a margin is lost, by bisection. A compact model is bit-exact and has no
    margin rule: its proved radius is 0. Measured: `samples` draws of Gaussian noise at each of some sizes, on texts drawn with `seed`
    (or `texts`, token ids). Formats: the weights are stored, read back and shown right as they are, by `certify` or the margin
    checker. Raises InputError for what is not a model, or fewer samples than one.
    """
    from ..runtime.model import require_model

    require_model("robustness()", model)
    model = model.unrolled()
    if isinstance(samples, bool) or not 1 <= samples <= MAX_SAMPLES:
        raise InputError(f"{samples!r} samples are too few or too many", hint=f"give 1 to {MAX_SAMPLES:,}")
    rows = [list(row) for row in texts] if texts is not None else texts_of(model, seed)
    weights, lost = proved_radius(model)
    stream = 0.0
    if model.style == "natural":
        stream, _ = _bisected(lambda e: _margin(model, Noise(stream=e, unit=UNITS[model.dtype])))
    measured = measured_radius(model, samples, seed, rows)
    formats = formats_of(model, rows)
    return Robustness(model.name, model.style, weights, stream, measured, lost, formats, samples)


def proved_radius(model: Model) -> tuple[float, str]:
    """The relative noise of every weight that is shown harmless, and where the margin is lost above it; 0 for the compact style."""
    if model.style != "natural":
        return 0.0, "the compact style is shown bit by bit, and no noise is"
    return _bisected(lambda e: _margin(model, Noise(weights=e, unit=UNITS[model.dtype])), PROVED)


def measured_radius(model: Model, samples: int, seed: int, rows: Sequence[Sequence[int]] | None = None) -> float:
    """The greatest size of Gaussian noise, relative to each weight, at which no draw answers wrong.

    A tenth of the draws finds where it is at most. All are drawn there, and a step of the bisection below for as long as one is wrong.
    """
    rows = rows if rows is not None else texts_of(model, seed)
    found, _ = _bisected(lambda e: _answers(model, rows, e, max(1, samples // 10), seed))
    while found > 2.0**LEAST and _answers(model, rows, found, samples, seed):
        found *= 2.0 ** ((LEAST - MOST) / 2 ** (STEPS + 1))
    return found if found > 2.0**LEAST else 0.0


def formats_of(model: Model, rows: Sequence[Sequence[int]] | None = None) -> dict[str, str]:
    """Of each format whether the weights survive it, as `Robustness.formats` says; `rows` are texts to look for errors on."""
    tried = texts_of(model, 0) if rows is None else rows
    return {name: _stored(model, name, tried) for name in FORMATS}


def texts_of(model: Model, seed: int) -> list[list[int]]:
    """Three texts to try, as long as they may be: of all symbols, and of three."""
    rng = random.Random(seed)
    size = len(model.alphabet)
    few = [rng.sample(range(size), min(size, 3)) for _ in range(2)]
    return [[rng.choice(pool) for _ in range(model.length)] for pool in (range(size), *few)]


def _bisected(fails: Callable[[float], str], least: float = LEAST) -> tuple[float, str]:
    """The greatest size, a power of two to a fraction, at which nothing fails, and what fails above it; 0 where even the least does."""
    low, high = least, MOST
    if said := fails(2.0**low):
        return 0.0, said
    if not (said := fails(2.0**high)):
        return 2.0**high, "nothing tried"
    for _ in range(STEPS + 1):
        middle = (low + high) / 2
        if again := fails(2.0**middle):
            high, said = middle, again
        else:
            low = middle
    return 2.0**low, said


def _margin(model: Model, noise: Noise) -> str:
    try:
        shown(model, noise)
    except Refused as refused:
        return refused.fact.removeprefix("not shown: ")
    return ""


def _wrong(model: Model, rows: Sequence[Sequence[int]], wanted: Sequence[Sequence[Sequence[int | None]]]) -> str:
    """What is wrong on some texts, empty if nothing."""
    for row, columns, found in zip(rows, wanted, model.values(rows), strict=True):
        if found != [list(c) for c in columns]:
            return f"wrong on {' '.join(str(model.alphabet.symbols[i]) for i in row[:12])}{' …' if len(row) > 12 else ''}"
    return ""


def _wanted(model: Model, rows: Sequence[Sequence[int]]) -> list[list[list[int | None]]]:
    return [[list(column) for column in interpret_roots(model.graph, row)] for row in rows]


def _answers(model: Model, rows: Sequence[Sequence[int]], size: float, samples: int, seed: int) -> str:
    draw = torch.Generator().manual_seed(seed)
    wanted = _wanted(model, rows)
    for _ in range(samples):
        noisy = changed(model, lambda t: t * (1 + size * torch.randn(t.shape, generator=draw, dtype=t.dtype)))
        if wrong := _wrong(noisy, rows, wanted):
            return wrong
    return ""


def changed(model: Model, how: Callable[[torch.Tensor], torch.Tensor]) -> Model:
    """The model with every weight changed by a function of its tensor; the model itself is left alone."""
    from ..runtime.model import assemble

    tensors = {name: how(tensor.detach().clone()) for name, tensor in model.module.state_dict().items()}
    return replace(model, module=assemble(model.module.shape, tensors))


def stored(model: Model, name: str) -> Model:
    """The model with its weights as a format stores them, read back. Raises InputError for an unknown format.

    Per channel, each column of a matrix (and each row of a table) has a scale of its own, the greatest entry's 127th; zero is zero.
    """
    match name:
        case "bfloat16" | "float16":
            kind = torch.bfloat16 if name == "bfloat16" else torch.float16
            return changed(model, lambda t: t.to(kind).to(t.dtype))
        case "tf32":
            return changed(model, _tf32)
        case "int8 per tensor":
            return changed(model, lambda t: _int8(t, t.abs().max()))
        case "int8 per channel":
            return changed(model, lambda t: _int8(t, t.abs().amax(dim=-2, keepdim=True)))
        case _:
            raise InputError(f"there is no format {name!r}", hint=f"formats are {', '.join(FORMATS)}")


def _int8(t: torch.Tensor, top: torch.Tensor) -> torch.Tensor:
    scale = torch.where(top > 0, top / 127, torch.ones_like(top))
    return (t / scale).round().clamp(-127, 127) * scale


def _tf32(t: torch.Tensor) -> torch.Tensor:
    """Eleven significant bits, to nearest."""
    mantissa, exponent = torch.frexp(t)
    return torch.ldexp((mantissa * 2**11).round(), exponent - 11)


def _stored(model: Model, name: str, rows: Sequence[Sequence[int]]) -> str:
    """Whether a format is proved, measured only, or wrong."""
    try:
        kept = stored(model, name)
        for tensor in kept.module.state_dict().values():
            if not tensor.isfinite().all():
                return "wrong: a weight overflows"
        certify(kept, witness=False)
        return "proved"
    except Refused as refused:
        fact = refused.fact.removeprefix("not shown: ").splitlines()[0]
    if wrong := _wrong(kept, rows, _wanted(model, rows)):
        return wrong
    return f"measured only: {fact}"
