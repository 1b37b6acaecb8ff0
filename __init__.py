"""headwork: an explicit-weight transformer compiler. Programs in, exact weights out; nothing is trained."""

from typing import TYPE_CHECKING

from . import programs
from .compiler.domain import Alphabet, Domain
from .compiler.errors import CheckpointError, DomainError, ExactnessError, HeadworkError, InputError, ProgramError
from .compiler.language import Hit, Match, Program, Value, match, maximum, minimum, previous, program, table, where
from .runtime.interpret import interpret

if TYPE_CHECKING:
    from .runtime.check import Report, check
    from .runtime.cost import Cost
    from .runtime.files import load
    from .runtime.model import Model, compile
    from .runtime.stages import diagnose

_LATE = {
    "Cost": "cost",
    "Model": "model",
    "Report": "check",
    "check": "check",
    "compile": "model",
    "diagnose": "stages",
    "load": "files",
}


def __getattr__(name: str) -> object:
    """What needs torch is imported when first used, so that the command line starts at once."""
    if name not in _LATE:
        raise AttributeError(f"module 'headwork' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".runtime.{_LATE[name]}", __name__), name)


__all__ = [
    "Alphabet",
    "CheckpointError",
    "Cost",
    "Domain",
    "DomainError",
    "ExactnessError",
    "HeadworkError",
    "Hit",
    "InputError",
    "Match",
    "Model",
    "Program",
    "ProgramError",
    "Report",
    "Value",
    "check",
    "compile",
    "diagnose",
    "interpret",
    "load",
    "match",
    "maximum",
    "minimum",
    "previous",
    "program",
    "programs",
    "table",
    "where",
]
