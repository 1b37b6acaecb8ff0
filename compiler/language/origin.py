"""Where a program comes from, so that it can be pickled: a function of a module, or the call of one that made it.

A pickle holds names, never code: whoever reads it imports the module. Checkpoints have nothing to do with this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from ..errors import ProgramError

if TYPE_CHECKING:
    from .program import Program

P = TypeVar("P", bound="Program")


def made(make: Callable[..., P], given: Mapping[str, object]) -> P:
    """The program that a function of a module makes for these parameters; it remembers them."""
    return replace(make(**given), origin=(make, tuple(given.items())))


def reduced(program: Program) -> tuple[Callable[..., object], tuple[object, ...]]:
    """What pickle writes of a program. Raises ProgramError for a function made inside another, which has no name to be found by."""
    if program.origin is not None:
        make, given = program.origin
        return _again, (make, given)
    module, name = program.function.__module__, program.function.__qualname__
    if _named(module, name) is program:
        return _named, (module, name)
    hint = "pickle what makes it, or save the model: model.save(directory)"
    raise ProgramError(f"program {program.name} is no variable of its module, and cannot be pickled", hint=hint)


def _again(make: Callable[..., P], given: tuple[tuple[str, object], ...]) -> P:
    return made(make, dict(given))


def _named(module: str, name: str) -> object:
    found: object = sys.modules.get(module) or import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
