"""What the library says about each of its programs, and the checks that all parameters go through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.language import Program

_KINDS: tuple[tuple[type, str], ...] = ((int, "an integer"), (str, "a string"), (tuple, "a list"))

MOST = 1 << 20  # of what a parameter counts


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Entry:
    """A program of the library, its parameters with their defaults, and what is known about it without compiling it.

    `make`, `reference`, `sample` and `layers` take the parameters by keyword. `reference(tokens)` is the program in
    plain Python on the user's symbols, None for ⊥. `sample(rng, length)` draws at most `length` tokens on which the
    program has something to say. `layers(length)` is the stated number of attention layers for a context of N = length,
    `layers_formula` the same as text. `alphabet_fixed` says that the program is about its own words and makes no sense
    over others.
    """

    name: str
    summary: str
    make: Callable[..., Program]
    reference: Callable[..., list[Symbol | None]]
    sample: Callable[..., list[Symbol]]
    layers: Callable[..., int]
    layers_formula: str
    alphabet: int | tuple[Symbol, ...]
    alphabet_fixed: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])

    def settle(self, given: Mapping[str, object]) -> dict[str, object]:
        """The parameters given, checked for name and kind, over the defaults. Raises InputError naming what is accepted."""
        return settled(f"program {self.name}", self.parameters, given)

    def program(self, **parameters: object) -> Program:
        """The program for these parameters. Raises InputError for unknown, ill-typed or impossible ones."""
        return self.make(**self.settle(parameters))

    def __call__(self, *values: object, **parameters: object) -> Program:
        """The program for these parameters, as `program`; without names they are taken in order."""
        return self.program(**in_order(f"program {self.name}", self.parameters, values, parameters))

    def __repr__(self) -> str:
        return f"<{called(self.name, self.parameters)}: {self.summary}>"


def in_order(what: str, defaults: Mapping[str, object], values: Sequence[object], given: Mapping[str, object]) -> dict[str, object]:
    """Parameters by name, those that were given without one in their order. Raises InputError for too many, or one given twice."""
    named = dict(zip(defaults, values, strict=False))
    if len(values) > len(defaults) or named.keys() & given.keys():
        taken = ", ".join(defaults) or "no parameters"
        raise InputError(
            f"{what} was given {len(values)} values without a name and {', '.join(given) or 'none'} by name", hint=f"it takes {taken}"
        )
    return named | dict(given)


def called(name: str, parameters: Mapping[str, object]) -> str:
    """A name with its parameters and their defaults, long ones left out: `khop(k=2)`."""
    shown = [f"{k}={v!r}" if len(repr(v)) <= 20 else f"{k}=…" for k, v in parameters.items()]
    return f"{name}({', '.join(shown)})"


def settled(what: str, defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Parameters over their defaults, checked for name and kind. Raises InputError naming what is accepted."""
    takes = ", ".join(f"{k}={v!r}" for k, v in defaults.items())
    name = what.split()[-1]
    accepted = f"{name} takes {takes}" if takes else f"{name} takes no parameters"
    found = dict(defaults)
    for parameter, value in given.items():
        if parameter not in found:
            raise InputError(f"{what} has no parameter {parameter!r}", hint=accepted)
        value = tuple(value) if isinstance(value, list) else value
        expected, kind = next(k for k in _KINDS if isinstance(found[parameter], k[0]))
        if not isinstance(value, expected) or isinstance(value, bool):
            raise InputError(f"{what} was given {parameter}={value!r}, which is not {kind}", hint=accepted)
        found[parameter] = value
    return found


def always(count: int) -> Callable[..., int]:
    """The number of layers of a program that takes the same number whatever its length and parameters are."""

    def layers(length: int, **parameters: object) -> int:
        return count

    return layers


def one_of(program: str, parameter: str, value: str, choices: Sequence[str]) -> None:
    """Check a parameter that is one of a few words. Raises InputError naming them."""
    if value not in choices:
        raise InputError(f"program {program} was given {parameter}={value!r}", hint=f"give {parameter} as {' or '.join(choices)}")


def at_least(program: str, parameter: str, value: int, least: int) -> None:
    """Check an integer parameter. Raises InputError where it is smaller than `least`, or so great that no program would be done."""
    if not least <= value <= MOST:
        raise InputError(f"program {program} was given {parameter}={value}", hint=f"give {parameter} of at least {least}, at most {MOST:,}")
