"""Broadcast: machine 1's word at every machine, by a tree of fan-out s."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value
from ..mpc import Protocol, gather, protocol
from .entry import Case, ProtocolEntry, at_least, levels


def make(values: int = 8, memory: int = 2) -> Protocol:
    """Every machine reads from its parent in the tree, ceil(log_s N) times: reads of reads, which the compiler halves.

    Machines counted from 0, the children of j are s·j, …, s·j + s - 1. After r rounds the first s**r machines know the word,
    and so s**r of them serve s others each. `hw.broadcast` says the same in one line.
    """
    at_least("broadcast", "values", values, 1)
    at_least("broadcast", "memory", memory, 2)

    @protocol(memory=memory, words={"word": range(values)}, name="broadcast")
    def broadcast(machines: int, word: Value) -> Value:
        for _ in range(levels(machines, memory)):
            word = gather(lambda i: (i - 1) // memory + 1, word)
        return word

    return broadcast


def oracle(machines: Sequence[Symbol], values: int = 8, memory: int = 2) -> list[Symbol | None]:
    """The first word, repeated."""
    return [machines[0]] * len(machines)


def cases(rng: random.Random, length: int, values: int = 8, memory: int = 2) -> list[Case]:
    """One machine, all of them and fewer, and a word that nobody else holds."""
    top = values - 1
    return [
        Case("one machine", [top]),
        Case("random words", rng.choices(range(values), k=length)),
        Case("fewer machines", rng.choices(range(values), k=rng.randint(1, length))),
        Case("a word of the first alone", [top] + [0] * (length - 1)),
        Case("all others the same", [0] + [top] * (length - 1)),
    ]


ENTRY = ProtocolEntry(
    name="broadcast",
    summary="The word of machine 1 at every machine, by a tree.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=lambda length, values=8, memory=2: levels(length, memory).bit_length(),
    layers_formula="floor(log2 ceil(log_s N)) + 1",
    family="mpc-broadcast",
    parameters={"values": 8, "memory": 2},
)
