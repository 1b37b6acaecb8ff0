"""What the library says about each of its protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..compiler.domain import Symbol
from ..compiler.language.origin import made
from ..mpc.protocol import Protocol
from ..programs.registry import bounded, called, chosen, in_order, settled

Result = list[Symbol | None] | list[tuple[Symbol | None, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An input of a protocol, one symbol a machine, and what it shows: a path, a star, many senders to one machine, and the like."""

    title: str
    machines: Sequence[Symbol]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ProtocolEntry:
    """A protocol of the library, its parameters with their defaults, and what is known about it without compiling it.

    `make` and the other functions take the parameters by keyword. `oracle(machines)` is the result by other means, plain
    Python or networkx, one value a machine as `run` returns it. `cases(rng, length)` are inputs for at most `length`
    machines, the degenerate and the adversarial among them. `layers(length)` is the stated number of attention layers for
    N = length machines, `layers_formula` the same as text. `family` is the theory's name for what it computes.
    """

    name: str
    summary: str
    make: Callable[..., Protocol]
    oracle: Callable[..., Result]
    cases: Callable[..., list[Case]]
    layers: Callable[..., int]
    layers_formula: str
    family: str = "mpc"
    parameters: Mapping[str, int | str] = field(default_factory=dict[str, int | str])

    def settle(self, given: Mapping[str, object]) -> dict[str, object]:
        """The parameters given, checked for name and kind, over the defaults. Raises InputError naming what is accepted."""
        return settled(f"protocol {self.name}", self.parameters, given)

    def protocol(self, **parameters: object) -> Protocol:
        """The protocol for these parameters. Raises InputError for unknown, ill-typed or impossible ones."""
        return made(self.make, self.settle(parameters))

    def __call__(self, *values: object, **parameters: object) -> Protocol:
        """The protocol for these parameters, as `protocol`; without names they are taken in order."""
        return self.protocol(**in_order(f"protocol {self.name}", self.parameters, values, parameters))

    def __repr__(self) -> str:
        return f"<{called(self.name, self.parameters)}: {self.summary}>"


def levels(length: int, base: int) -> int:
    """ceil(log_base length), at least 1: the depth of a tree over so many machines."""
    depth, reached = 1, base
    while reached < length:
        depth, reached = depth + 1, reached * base
    return depth


def at_least(protocol: str, parameter: str, value: int, least: int) -> None:
    """Check an integer parameter. Raises InputError where it is smaller than `least`, or so great that no protocol would be done."""
    bounded(f"protocol {protocol}", parameter, value, least)


def one_of(protocol: str, parameter: str, value: str, choices: Iterable[str]) -> None:
    """Check a parameter that is one of a few words. Raises InputError naming them."""
    chosen(f"protocol {protocol}", parameter, value, choices)


def numbers(machines: Sequence[Symbol]) -> list[int]:
    """The input words of machines that hold one number each."""
    return [int(str(symbol)) for symbol in machines]


def pairs(machines: Sequence[Symbol]) -> list[tuple[int, int]]:
    """The input words of machines that hold two numbers each."""
    return [(a, b) for symbol in machines if isinstance(symbol, tuple) for a, b in [symbol]]
