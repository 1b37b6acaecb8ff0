"""What the library says about each of its programs, and the checks that all parameters go through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..compiler.domain import Symbol
from ..compiler.language import Program
from ..compiler.language.origin import made
from .registry import bounded, called, chosen, in_order, settled


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
        return made(self.make, self.settle(parameters))

    def __call__(self, *values: object, **parameters: object) -> Program:
        """The program for these parameters, as `program`; without names they are taken in order."""
        return self.program(**in_order(f"program {self.name}", self.parameters, values, parameters))

    def __repr__(self) -> str:
        return f"<{called(self.name, self.parameters)}: {self.summary}>"


def always(count: int) -> Callable[..., int]:
    """The number of layers of a program that takes the same number whatever its length and parameters are."""

    def layers(length: int, **parameters: object) -> int:
        return count

    return layers


def one_of(program: str, parameter: str, value: str, choices: Iterable[str]) -> None:
    """Check a parameter that is one of a few words. Raises InputError naming them."""
    chosen(f"program {program}", parameter, value, choices)


def at_least(program: str, parameter: str, value: int, least: int) -> None:
    """Check an integer parameter. Raises InputError where it is smaller than `least`, or so great that no program would be done."""
    bounded(f"program {program}", parameter, value, least)
