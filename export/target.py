"""What every target hands over: a program lowered for it, and the files' content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..runtime.model import Model
from ..runtime.serial import Json
from .native import Frame, Reals
from .words import Words


@dataclass(frozen=True, slots=True)
class Built:
    """A program for a target: the model it was lowered to, config.json, the tensors, and what holds in its arithmetic."""

    model: Model
    code: str
    words: Words
    frame: Frame
    config: dict[str, Json]
    tensors: dict[str, Reals]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """An architecture: `build` lowers a program for it in a code and a dtype, `tensors` maps the lowered model to stock
    weights, and `native` maps these back."""

    name: str
    loads: str
    build: Callable[[Model, str, str], Built]
    config: Callable[[Model, Words, Frame], dict[str, Json]]
    tensors: Callable[[Model, Words, Frame], dict[str, Reals]]
    native: Callable[[Model, Words, Frame, dict[str, Reals]], dict[str, Reals]]
