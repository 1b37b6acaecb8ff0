"""Programs: functions of the inputs, to be built into graphs for given sizes."""

from __future__ import annotations

import contextlib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import CodeType
from typing import TypeAlias, cast, overload

from ..calls import public, readable, short
from ..codes.numerics import dtype_named
from ..domain import MOST, Alphabet, Sizes, Symbol, plain
from ..errors import DomainError, InputError, Location, ProgramError, caller
from ..graph import Builder, Graph
from ..ops import Position, Token
from ..plan.heads import output_forms
from ..shown import Tabled
from .aggregate import Mean
from .identity import refuse_none_tests
from .lookups import Hit
from .origin import reduced
from .selector import Selector
from .value import Value, alike, densely, lift

Origin: TypeAlias = tuple[Callable[..., "Program"], tuple[tuple[str, object], ...]]
Returned: TypeAlias = Value | Mean | Sequence[Value | Mean]


@readable
@dataclass(frozen=True, repr=False)
class Program(Tabled):
    """A function from the inputs `token` and (optionally) `position` to one value or a tuple of values, to be built for given sizes.

    `alphabet` is what it is meant for, used where the caller names none. `origin` is the call that made it, if it is known.
    """

    function: Callable[..., object]
    name: str
    causal: bool = True
    alphabet: int | tuple[Symbol, ...] | None = None
    inputs: tuple[str, ...] = field(default=("token",))
    origin: Origin | None = field(default=None, compare=False, kw_only=True)

    @property
    def names_symbols(self) -> bool:
        """Whether it has symbols of its own."""
        return self.alphabet is not None

    def build(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Graph:
        """The program's graph, as written, for a context length, an alphabet and an arithmetic.

        Raises ProgramError or DomainError with the user's line; InputError for impossible sizes.
        """
        builder = self.begun(length, alphabet, dtype)
        outputs, single, fractions = self.built_in(builder)
        return builder.finish(outputs, single, fractions=fractions)

    def begun(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Builder:
        """An empty builder of these sizes. Raises InputError for impossible ones."""
        spec = self.alphabet if alphabet is None else alphabet
        if spec is None:
            raise InputError(f"program {self.name} was given no alphabet", hint="pass alphabet=, a size or a list of symbols")
        return Builder(self.name, Sizes(context_length(length), Alphabet.of(spec), self.causal, dtype_named(dtype).mantissa))

    def built_in(self, builder: Builder) -> tuple[list[int], bool, list[int]]:
        """The program's nodes in a builder: its outputs, whether they are one value, and the places of numerators. Raises as `build`."""
        given = {"token": Token(), "position": Position()}
        arguments = {name: Value(builder, builder.add(given[name], [], name)) for name in self.inputs}
        found, single = returned(f"program {self.name}", self.function, self.function(**arguments), builder)
        outputs: list[Value] = []
        fractions: list[int] = []
        for x in found:
            fractions += [len(outputs)] if isinstance(x, Mean) else []
            outputs += [x.numerator, x.denominator] if isinstance(x, Mean) else [densely(x)]
        for value in outputs:
            classes = next(output_forms(value.domain)).classes
            if classes > MOST:
                fact = f"program {self.name} returns {value.domain}: a class for each is {classes:,}, more than {MOST:,}"
                raise DomainError(fact, place(self.function), "return smaller numbers, or comparisons with them")
        return [value.index for value in outputs], single, fractions

    def __call__(self, *args: object, **kwargs: object) -> Value | Mean | tuple[Value | Mean, ...]:
        """The program inside another: its values for these inputs, as if its lines stood there. `position` is this position if not given.

        Raises ProgramError outside a program, where an input is no value, and where one of the two is causal and the other is not.
        """
        line = caller()
        given = dict(zip(self.inputs, args, strict=False)) | kwargs
        values = [value for value in given.values() if isinstance(value, Value)]
        if not values:
            hint = f"hw.interpret({self.name}, tokens) runs it, hw.compile({self.name}, length=N) makes a model of it"
            raise ProgramError(f"program {self.name} was called with no value of a program", line, hint)
        builder = values[0].builder
        if builder.sizes.causal != self.causal:
            ways = {True: "causal", False: "bidirectional"}
            fact = f"{ways[builder.sizes.causal]} program {builder.name} calls {self.name}, which is {ways[self.causal]}"
            hint = f"give both the same causal=, or call {self.name}.bidirectional()" if self.causal else "give both the same causal="
            raise ProgramError(fact, line, hint)
        given.setdefault("position", Value(builder, builder.add(Position(), [], "position")))
        unknown = [name for name in given if name not in (*self.inputs, "position")] or list(map(short, args[len(self.inputs) :]))
        missing = [name for name in self.inputs if name not in given]
        for problem, names in (("was not given", missing), ("does not take", unknown)):
            if names:
                raise ProgramError(f"program {self.name} {problem} {', '.join(names)}", line, f"it takes {', '.join(self.inputs)}")
        inputs = {name: lift(given[name], values[0], f"{self.name}()", line) for name in self.inputs}
        try:
            result = self.function(**inputs)
        except RecursionError:
            raise ProgramError(f"program {self.name} calls itself without end", line, "write the repetition as a loop") from None
        found, single = returned(f"program {self.name}", self.function, result, builder)
        return found[0] if single else tuple(found)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {', '.join(self.inputs)}, {'causal' if self.causal else 'bidirectional'}>"

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """What it takes, and how it is written."""
        symbols = (
            "any"
            if self.alphabet is None
            else f"{self.alphabet:,}"
            if isinstance(self.alphabet, int)
            else " ".join(map(str, self.alphabet))
        )
        sees = "what came before and itself" if self.causal else "every position"
        rows = [("inputs", ", ".join(self.inputs)), ("a position sees", sees), ("symbols", symbols)]
        with contextlib.suppress(OSError, TypeError):  # what was typed at a prompt, or is no function, has no text
            rows.append(("source", textwrap.dedent(inspect.getsource(self.function)).rstrip()))
        return f"{type(self).__name__.lower()} {self.name}", rows

    def bidirectional(self) -> Program:
        """The same source with every position visible to every other."""
        return replace(self, causal=False, origin=(Program.bidirectional, (("self", self),)))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """What a pickle holds: the name to find it by, or the call that makes it."""
        return reduced(self)


def returned(what: str, function: object, result: object, builder: Builder) -> tuple[list[Value | Mean], bool]:
    """The values a function returned, literals as constants; and whether it returned one, not a tuple. Raises ProgramError for others."""
    single, line = not isinstance(result, (tuple, list)), place(function, last=True)
    whole = [result] if single else list(cast("Sequence[object]", result))
    if not whole:
        raise ProgramError(f"{what} returned no value", line, "return a value, or a tuple of values")
    found: list[Value | Mean] = []
    for x in map(plain, whole):
        if isinstance(x, (bool, int, str, float, Fraction)) or (
            x is not None and not isinstance(x, Value) and builder.sizes.alphabet.id(x) is not None
        ):
            x = lift(x, alike(builder, x), f"{what}: the returned value", line)
        if not isinstance(x, (Value, Mean)):
            hints: dict[type, str] = {Hit: "a Hit is not a value: return hit.position, hit.found or hit.fetch(x)"}
            hints[Selector] = "a Selector is not a value: return .count(), or what a pick gives, such as .latest().fetch(x)"
            hints[type(None)] = "end it with `return` and a value" if single else "give every place a value"
            hint = hints.get(type(x), "call it, with ()" if callable(x) else "return a value, or a tuple of values")
            raise ProgramError(f"{what} returned {x!r}{'' if single else ' in a tuple'}", line, hint)
        if (x.numerator if isinstance(x, Mean) else x).builder is not builder:
            raise ProgramError(f"{what} mixes values of two programs", line, "return a value built here")
        found.append(x)
    return found, single


@overload
def program(function: Callable[..., Returned], /) -> Program: ...
@overload
def program(
    *, name: str | None = None, causal: bool = True, alphabet: int | Sequence[Symbol] | None = None
) -> Callable[[Callable[..., Returned]], Program]: ...


@public
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
            raise ProgramError(f"program {given} asks for an input {unknown!r}", place(f), "inputs are token and position")
        return Program(f, name or distinguished(given, f), causal, symbols_given(alphabet), inputs)

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
            raise ProgramError(f"{what} {name} has the parameter {p}, not one to be given by name", place(function), "name each input")
    inputs = tuple(p.name for p in parameters if p.default is p.empty)
    refuse_none_tests(function, inputs)
    return name, inputs


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


def require_program(what: str, program: object) -> Program:
    """A program, or what says of itself which program it is, as RASP's operations do. Refuses anything else."""
    own = getattr(type(program), "__headwork_program__", None)
    program = own(program) if own is not None else program
    if not isinstance(program, Program):
        hint = "write @hw.program above the function" if callable(program) else "give what @hw.program makes of a function"
        raise ProgramError(f"{what} was given {program!r}, which is not a program", hint=hint)
    return program


def distinguished(name: str, function: Callable[..., object]) -> str:
    """A function's name with the numbers and words that it was made with, so that those of one maker differ: `hop(k=3)`."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None) or ()
    made: dict[str, object] = {}
    for variable, cell in zip(getattr(code, "co_freevars", ()), cells, strict=True):
        with contextlib.suppress(ValueError):  # a variable that has no value yet
            made[variable] = cell.cell_contents
    made |= {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}
    shown = [f"{variable}={plain(x)!r}" for variable, x in made.items() if isinstance(plain(x), (bool, int, str)) and len(repr(x)) <= 20]
    return f"{name}({', '.join(shown)})" if shown else name


def place(function: object, last: bool = False) -> Location | None:
    """Where a function was written, if it says so: its first line, or its last."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    return Location(code.co_filename, _last_line(code) if last else code.co_firstlineno)


def _last_line(code: CodeType) -> int:
    """The last line that a function, or one inside it, has code for."""
    lines = [line for *_, line in code.co_lines() if line is not None]
    return max([code.co_firstlineno, *lines, *(_last_line(inner) for inner in code.co_consts if isinstance(inner, CodeType))])
