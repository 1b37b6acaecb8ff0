"""Programs: functions of the inputs, to be built into graphs for given sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from ..domain import Alphabet, Sizes, Symbol
from ..errors import InputError, Location, ProgramError
from ..graph import Builder, Graph
from ..numerics import dtype_named
from ..ops import Position, Token
from .lookups import Hit
from .select import Selector
from .value import Value


@dataclass(frozen=True, slots=True)
class Program:
    """A function from the inputs `token` and (optionally) `position` to one value, to be built for given sizes.

    `alphabet` and `length` are the sizes it is meant for, used where the caller names none.
    """

    function: Callable[..., object]
    name: str
    causal: bool = True
    alphabet: int | tuple[Symbol, ...] | None = None
    inputs: tuple[str, ...] = field(default=("token",))

    def build(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Graph:
        """The program's graph, as written, for a context length, an alphabet and an arithmetic.

        Raises ProgramError or DomainError with the user's line; InputError for impossible sizes.
        """
        spec = self.alphabet if alphabet is None else alphabet
        if spec is None:
            raise InputError(f"program {self.name} was given no alphabet", hint="pass alphabet=, a size or a list of symbols")
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"the length is {length!r}", hint="give an integer of at least 1")
        builder = Builder(self.name, Sizes(length, Alphabet.of(spec), self.causal, dtype_named(dtype).mantissa))
        given = {"token": Token(), "position": Position()}
        arguments = {name: Value(builder, builder.add(given[name], [], name)) for name in self.inputs}
        result = self.function(**arguments)
        if not isinstance(result, Value):
            hints: dict[type, str] = {Hit: "a Hit is not a value: return hit.position, hit.found or hit.fetch(x)"}
            hints[Selector] = "a Selector is not a value: return .count(), or what a pick gives, such as .latest().fetch(x)"
            hint = hints.get(type(result), "return a value")
            raise ProgramError(f"program {self.name} returned {result!r}", _place(self.function), hint)
        if result.builder is not builder:
            raise ProgramError(f"program {self.name} mixes values of two programs", _place(self.function), "return a value built here")
        return builder.finish(result.index)

    def bidirectional(self) -> Program:
        """The same source with every position visible to every other."""
        return replace(self, causal=False)


@overload
def program(function: Callable[..., Value], /) -> Program: ...
@overload
def program(
    *, name: str | None = None, causal: bool = True, alphabet: int | Sequence[Symbol] | None = None
) -> Callable[[Callable[..., Value]], Program]: ...


def program(
    function: Callable[..., Value] | None = None,
    /,
    *,
    name: str | None = None,
    causal: bool = True,
    alphabet: int | Sequence[Symbol] | None = None,
) -> Program | Callable[[Callable[..., Value]], Program]:
    """Turn a function of `token` (and `position`) into a program; usable bare or with options.

    Parameters with a default are the function's own business.
    Raises ProgramError if the function asks for an input other than `token` and `position`.
    """

    def make(f: Callable[..., Value]) -> Program:
        given = getattr(f, "__name__", "program")
        inputs = tuple(p.name for p in inspect.signature(f).parameters.values() if p.default is p.empty)
        for unknown in [i for i in inputs if i not in ("token", "position")]:
            raise ProgramError(f"program {given} asks for an input {unknown!r}", _place(f), "inputs are token and position")
        spec = alphabet if alphabet is None or isinstance(alphabet, int) else tuple(alphabet)
        return Program(f, name or given, causal, spec, inputs)

    return make if function is None else make(function)


def _place(function: Callable[..., object]) -> Location | None:
    """Where a function was written, if it says so."""
    code = getattr(function, "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code else None
