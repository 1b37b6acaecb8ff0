"""RASP's operations as headwork's programs."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.errors import ProgramError
from ..compiler.language import Mean, Program, Value
from ..compiler.language.program import symbols_given
from .sops import SOp
from .translate import Translation


def program(sop: SOp, *, causal: bool = False, alphabet: int | Sequence[Symbol] | None = None, name: str | None = None) -> Program:
    """An operation as a program, to be compiled, checked, certified and exported as any other.

    Every position sees every other, as in RASP, unless `causal`. Raises ProgramError for what is no operation.
    """
    if not isinstance(sop, SOp):
        hint = "a selector is no program: take its SelectorWidth, or Aggregate with it"
        raise ProgramError(f"rasp.program() was given {sop!r}, which is no sequence operation", hint=hint)

    def translated(token: Value) -> Value | Mean:
        return Translation(token.builder).value(sop)

    return Program(translated, name or sop.name, causal, symbols_given(alphabet), ("token",))
