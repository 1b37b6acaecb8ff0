"""What every target hands over: a program lowered for it, and the files' content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeAlias, TypeVar

import numpy as np

from ..certificate.certify import Certificate
from ..certificate.margins import MarginCertificate
from ..runtime.model import Model
from ..runtime.serial import Json
from .check import Checked
from .expected import Expected
from .labels import Terms
from .native import Frame, Native, Reals
from .totals import one
from .words import Words

Certified: TypeAlias = Certificate | MarginCertificate
P = ParamSpec("P")
R = TypeVar("R")
OfModel: TypeAlias = Callable[Concatenate[Model, P], R]

# The right word leads by HEAD nats at least, so that sampling, the default of some pipelines, gives it too: exp(-128) is 0.
HEAD = 128.0

# A number that float32 holds and bfloat16 does not: what is 2**128 - 2**119 or more is infinite there. It multiplies a hidden unit
# that is 0, so it changes nothing, and loaded in too few bits a checkpoint says NaN instead of wrong words, as 0 times infinity is.
TRAP = 2.0**128 - 2.0**104


@dataclass(frozen=True, slots=True)
class Built:
    """A program for a target: the model it was lowered to, config.json, the tensors, what holds in its arithmetic, and notes.

    `stored` names a format of fewer bits than the model's, in which those tensors are stored that it holds exactly.
    """

    model: Model
    code: str
    words: Words
    frame: Frame
    config: dict[str, Json]
    tensors: dict[str, Reals]
    blocks: int
    claim: str
    notes: tuple[str, ...]
    stored: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """The files of a kind of checkpoint: written, read back, and run by `module`, which `extra` installs."""

    files: frozenset[str]
    tensors: str
    module: str
    extra: str
    how: str
    write: Callable[[Path, Built], None]
    read: Callable[[Path], dict[str, Reals]]
    settings: Callable[[Path], dict[str, Json]]
    check: Callable[[Path, Expected, Sequence[Sequence[int]]], Checked]


@dataclass(frozen=True, slots=True)
class Target:
    """An architecture: `build` lowers a program for it in a code and a dtype, `tensors` maps the lowered model to its
    weights, which have `shapes`, and `native` maps these back; the last two read no tensor of the model.
    `proof` says what holds in its arithmetic of a model that has a certificate, by the model, its mapping
    and the certificate alone; it raises ExactnessError where an inequality fails. A target
    that `holds_any` takes the weights of a model as they are, whatever they are, and one that `holds_natural` those of a natural one.
    `terms` are its names for what a circuit has."""

    name: str
    loads: str
    storage: Storage
    build: Callable[[Model, str, str], Built]
    config: Callable[[Model, Words, Frame], dict[str, Json]]
    tensors: Callable[[Model, Words, Frame], dict[str, Reals]]
    shapes: Callable[[Model, Words, Frame], dict[str, tuple[int, ...]]]
    native: Callable[[Model, Words, Frame, dict[str, Reals]], dict[str, Reals]]
    proof: Callable[[Model, Words, Frame, Certified], str]
    terms: Terms
    holds_any: bool = False
    holds_natural: bool = False


def by_style(compact: OfModel[P, R], natural: OfModel[P, R]) -> OfModel[P, R]:
    """The one for a model's own style."""

    def chosen(model: Model, *args: P.args, **named: P.kwargs) -> R:
        return (natural if model.style == "natural" else compact)(model, *args, **named)

    return chosen


def unit(model: Model) -> float:
    """What a native logit of 1 is in nats: HEAD, or 2**-k where logits are logarithms of k bits. A natural output leads by 1/2."""
    form = model.output_forms[0]
    if form.kind == "log":
        return 2.0**-form.parts
    return 2 * HEAD if model.style == "natural" else HEAD


def head(model: Model, words: Words) -> Reals:
    """W_U by word, in nats: a class's column, and what words get that are never the output. Shape (d_model, vocabulary).

    Logarithms lie 256 nats and more above the 0 of what was not counted; between them lies ⊥, which is left where nothing was.
    """
    columns, ones = np.zeros((model.module.shape.d_model, len(words.words))), one(model)
    if words.drawn:
        columns[ones, 0] = HEAD / unit(model)
    else:
        columns[ones] = -1  # the right class has a logit of at least 0
    columns[:, list(words.classes)] = Native.of(model).tensors["W_U"]
    return columns * unit(model)
