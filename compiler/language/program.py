"""Programs: functions of the inputs, to be built into graphs for given sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast, overload

from ..domain import MOST, Alphabet, Sizes, Symbol, plain
from ..errors import DomainError, InputError, Location, ProgramError
from ..graph import Builder, Graph
from ..heads import output_forms
from ..numerics import dtype_named
from ..ops import Position, Token
from .aggregate import Mean
from .lookups import Hit
from .select import Selector
from .value import Value

Returned: TypeAlias = Value | Sequence[Value]


@dataclass(frozen=True, slots=True)
class Program:
    """A function from the inputs `token` and (optionally) `position` to one value or a tuple of values, to be built for given sizes.

    `alphabet` and `length` are the sizes it is meant for, used where the caller names none.
    """

    function: Callable[..., object]
    name: str
    causal: bool = True
    alphabet: int | tuple[Symbol, ...] | None = None
    inputs: tuple[str, ...] = field(default=("token",))

    @property
    def names_symbols(self) -> bool:
        """Whether it has symbols of its own."""
        return self.alphabet is not None

    def build(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Graph:
        """The program's graph, as written, for a context length, an alphabet and an arithmetic.

        Raises ProgramError or DomainError with the user's line; InputError for impossible sizes.
        """
        spec = self.alphabet if alphabet is None else alphabet
        if spec is None:
            raise InputError(f"program {self.name} was given no alphabet", hint="pass alphabet=, a size or a list of symbols")
        builder = Builder(self.name, Sizes(context_length(length), Alphabet.of(spec), self.causal, dtype_named(dtype).mantissa))
        given = {"token": Token(), "position": Position()}
        arguments = {name: Value(builder, builder.add(given[name], [], name)) for name in self.inputs}
        result = self.function(**arguments)
        single = not isinstance(result, (tuple, list))
        found = [result] if single else list(cast("Sequence[object]", result))
        if not found:
            raise ProgramError(f"program {self.name} returned no value", _place(self.function), "return a value, or a tuple of values")
        outputs = [self._returned(value, result, builder).index for value in found]
        return builder.finish(outputs, single)

    def _returned(self, value: object, result: object, builder: Builder) -> Value:
        """A returned value, or one of a returned tuple, `result` being the whole. Raises ProgramError where it is none."""
        if not isinstance(value, Value):
            hints: dict[type, str] = {Hit: "a Hit is not a value: return hit.position, hit.found or hit.fetch(x)"}
            hints[Selector] = "a Selector is not a value: return .count(), or what a pick gives, such as .latest().fetch(x)"
            hints[Mean] = "a Mean is a pair of values: return mean.numerator, mean.denominator, or compare it"
            hint = hints.get(type(value), "call it, with ()" if callable(value) else "return a value, or a tuple of values")
            inside = "" if value is result else " in a tuple"
            raise ProgramError(f"program {self.name} returned {value!r}{inside}", _place(self.function), hint)
        if value.builder is not builder:
            raise ProgramError(f"program {self.name} mixes values of two programs", _place(self.function), "return a value built here")
        classes = next(output_forms(value.domain)).classes
        if classes > MOST:
            fact = f"program {self.name} returns {value.domain}: a class for each is {classes:,}, more than {MOST:,}"
            raise DomainError(fact, _place(self.function), "return smaller numbers, or comparisons with them")
        return value

    def bidirectional(self) -> Program:
        """The same source with every position visible to every other."""
        return replace(self, causal=False)


@overload
def program(function: Callable[..., Returned], /) -> Program: ...
@overload
def program(
    *, name: str | None = None, causal: bool = True, alphabet: int | Sequence[Symbol] | None = None
) -> Callable[[Callable[..., Returned]], Program]: ...


def program(
    function: Callable[..., Returned] | None = None,
    /,
    *,
    name: str | None = None,
    causal: bool = True,
    alphabet: int | Sequence[Symbol] | None = None,
) -> Program | Callable[[Callable[..., Returned]], Program]:
    """Turn a function of `token` (and `position`) into a program; usable bare or with options.

    It returns a value, or a tuple or list of values, which are then the results at every position, as a tuple.
    Parameters with a default are the function's own business.
    Raises ProgramError if the function asks for an input other than `token` and `position`.
    """

    def make(f: Callable[..., Returned]) -> Program:
        given, inputs = inputs_of("program", f)
        for unknown in [i for i in inputs if i not in ("token", "position")]:
            raise ProgramError(f"program {given} asks for an input {unknown!r}", _place(f), "inputs are token and position")
        return Program(f, name or given, causal, symbols_given(alphabet), inputs)

    if not isinstance(causal, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ProgramError(f"causal={causal!r} is neither True nor False", hint="causal=False lets every position see every other")
    return make if function is None else make(function)


def inputs_of(what: str, function: object) -> tuple[str, tuple[str, ...]]:
    """A function's name, and its parameters without a default, which it is given by name. Raises ProgramError where it has none to give."""
    if not callable(function):
        raise ProgramError(f"a {what} is made of a function, not of {function!r}", hint=f"write @hw.{what} above a function")
    name = getattr(function, "__name__", what)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some that are written in C do not say
        raise ProgramError(f"{what} {name} does not say what it takes", hint="wrap it in a function of your own") from None
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY):
            raise ProgramError(f"{what} {name} has the parameter {p}, not one to be given by name", _place(function), "name each input")
    return name, tuple(p.name for p in parameters if p.default is p.empty)


def symbols_given(alphabet: int | Iterable[Symbol] | None) -> int | tuple[Symbol, ...] | None:
    """An alphabet as a program keeps it. Raises InputError where its symbols have no order."""
    if isinstance(alphabet, (set, frozenset)):
        raise InputError(f"the alphabet is {alphabet!r}, which has no order", hint="give a list, for example sorted(...)")
    return tuple(alphabet) if isinstance(alphabet, Iterable) else cast("int | None", plain(alphabet))


def context_length(length: object) -> int:
    """A length as given. Raises InputError where it is none."""
    n = plain(length)
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise InputError(f"the length is {length!r}", hint=f"give an integer of at least 1, and at most {MOST:,}")
    return n


def require_program(what: str, program: object) -> None:
    """Refuse what is not a program, where one is needed."""
    if not isinstance(program, Program):
        hint = "write @hw.program above the function" if callable(program) else "give what @hw.program makes of a function"
        raise ProgramError(f"{what} was given {program!r}, which is not a program", hint=hint)


def _place(function: object) -> Location | None:
    """Where a function was written, if it says so."""
    code = getattr(function, "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code else None
