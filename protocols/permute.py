"""Permute: every machine sends its value to a machine of its choice."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value
from ..mpc import Protocol, protocol, shuffle
from ..programs.entry import always
from .entry import Case, ProtocolEntry, at_least, pairs


def make(values: int = 4) -> Protocol:
    """Machine i holds a destination, 0 for none, and a value; it gets the value that was sent to it, ⊥ if none was.

    One round and memory 1: a CapacityError when it runs, where two machines send to the same.
    """
    at_least("permute", "values", values, 1)

    @protocol(memory=1, words=lambda n: {"destination": range(n + 1), "value": range(values)}, name="permute")
    def permute(destination: Value, value: Value) -> Value:
        return shuffle(to=destination, payload=value).messages[0]

    return permute


def oracle(machines: Sequence[Symbol], values: int = 4) -> list[Symbol | None]:
    """A dictionary of who was sent what."""
    sent = dict(pairs(machines))
    return [sent.get(i) for i in range(1, len(machines) + 1)]


def cases(rng: random.Random, length: int, values: int = 4) -> list[Case]:
    """Permutations, random and known by name; machines that send nothing, or beyond the last; nobody sends."""

    def sent(title: str, destinations: list[int]) -> Case:
        return Case(title, [(d, rng.randrange(values)) for d in destinations])

    some = rng.randint(1, length)
    places = list(range(1, length + 1))
    return [
        sent("one machine, to itself", [1]),
        sent("a random permutation", rng.sample(places, length)),
        sent("a permutation of fewer machines", rng.sample(range(1, some + 1), some)),
        sent("every machine to itself", places),
        sent("reversed", places[::-1]),
        sent("one on", [*places[1:], 1]),
        sent("swapped in twos", [min(length, i + 1 if i % 2 else i - 1) if i < length or i % 2 == 0 else i for i in places]),
        sent("half of them send", [d if rng.random() < 0.5 else 0 for d in rng.sample(places, length)]),
        sent("nobody sends", [0] * length),
        sent("beyond the last machine", [length, *[0] * (some - 1)]),
    ]


ENTRY = ProtocolEntry(
    name="permute",
    summary="Every machine's value at the machine it names.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=always(1),
    layers_formula="1",
    parameters={"values": 4},
)
