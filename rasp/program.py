"""RASP's operations as headwork's programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..compiler.domain import Symbol
from ..compiler.errors import DomainError, ProgramError
from ..compiler.language import Mean, Program, Value
from ..compiler.language.program import symbols_given
from .sops import SOp
from .theirs import is_theirs, ours
from .translate import Translation
from .written import written


@dataclass(frozen=True, eq=False)
class Translated:
    """What a program of an operation does: translates it, for whatever sizes it is built."""

    sop: SOp

    def __call__(self, token: Value) -> Value | Mean:
        try:
            return Translation(token.builder).value(self.sop)
        except RecursionError:
            fact = f"{self.sop.name}: its operations stand too deep in one another"
            raise DomainError(fact, hint="some hundred are possible; make of a long chain of maps one function") from None

    @property
    def __name__(self) -> str:
        return self.sop.name

    def text(self) -> str:
        """The program as it is shown."""
        return written(self.sop)


def program(sop: object, *, causal: bool = False, alphabet: int | Iterable[Symbol] | None = None, name: str | None = None) -> Program:
    """An operation as a program, to be compiled, checked, certified and exported as any other. Takes Tracr's own objects too.

    Every position sees every other, as in RASP, unless `causal`. Raises ProgramError for what is no operation.
    """
    mine = ours(sop) if is_theirs(sop) else sop
    if not isinstance(mine, SOp):
        hint = "a selector is no program: take its SelectorWidth, or Aggregate with it"
        raise ProgramError(f"rasp.program() was given {sop!r}, which is no sequence operation", hint=hint)
    return Program(Translated(mine), name or mine.name, causal, symbols_given(alphabet), ("token",))
