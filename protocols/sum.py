"""Sums of all machines: by a tree of fan-in s up to machine 1, and by an all-reduce at every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value, where
from ..mpc import Protocol, all_reduce as reduced, protocol, scatter
from ..mpc.ops import How
from ..programs.entry import always
from .entry import Case, ProtocolEntry, at_least, levels, numbers, one_of

HOW: dict[str, How] = {"sum": "sum", "min": "min", "max": "max"}


def make_sum(values: int = 4, memory: int = 2) -> Protocol:
    """Machine 1 gets the sum of all words, the others ⊥: ceil(log_s N) rounds, in each of which s sums become one.

    Machines counted from 0, machine i sends its sum to i // s; who is sent nothing has the sum 0.
    """
    at_least("sum", "values", values, 1)
    at_least("sum", "memory", memory, 2)

    @protocol(memory=memory, words={"word": range(values)}, name="sum")
    def total(me: Value, machines: int, word: Value) -> Value:
        for _ in range(levels(machines, memory)):
            word = scatter(lambda i: (i - 1) // memory + 1, word).sum
        return where(me == 1, word, None)

    return total


def oracle_sum(machines: Sequence[Symbol], values: int = 4, memory: int = 2) -> list[Symbol | None]:
    """sum(), at the first machine."""
    return [sum(numbers(machines)), *[None] * (len(machines) - 1)]


def make_all_reduce(values: int = 4, how: str = "sum", memory: int = 2) -> Protocol:
    """Every machine gets the sum, the least or the greatest of all words. Raises InputError for another `how`."""
    at_least("all_reduce", "values", values, 1)
    at_least("all_reduce", "memory", memory, 2)
    one_of("all_reduce", "how", how, HOW)

    @protocol(memory=memory, words={"word": range(values)}, name="all_reduce")
    def all_reduce(word: Value) -> Value:
        return reduced(word, HOW[how])

    return all_reduce


def oracle_all_reduce(machines: Sequence[Symbol], values: int = 4, how: str = "sum", memory: int = 2) -> list[Symbol | None]:
    """sum(), min() or max(), at every machine."""
    return [{"sum": sum, "min": min, "max": max}[how](numbers(machines))] * len(machines)


def cases(rng: random.Random, length: int, values: int = 4, **parameters: object) -> list[Case]:
    """One machine, all of them and fewer, the greatest sum, the least, and one word that is not zero."""
    top = values - 1
    return [
        Case("one machine", [top]),
        Case("random words", rng.choices(range(values), k=length)),
        Case("fewer machines", rng.choices(range(values), k=rng.randint(1, length))),
        Case("the greatest sum", [top] * length),
        Case("all zero", [0] * length),
        Case("the last machine alone", [0] * (length - 1) + [top]),
    ]


SUM = ProtocolEntry(
    name="sum",
    summary="The sum of all words at machine 1, by a tree.",
    make=make_sum,
    oracle=oracle_sum,
    cases=cases,
    layers=lambda length, values=4, memory=2: levels(length, memory),
    layers_formula="ceil(log_s N)",
    family="mpc-sum",
    parameters={"values": 4, "memory": 2},
)

ALL_REDUCE = ProtocolEntry(
    name="all_reduce",
    summary="The sum, the least or the greatest of all words, at every machine.",
    make=make_all_reduce,
    oracle=oracle_all_reduce,
    cases=cases,
    layers=always(1),
    layers_formula="1",
    family="mpc-allreduce",
    parameters={"values": 4, "how": "sum", "memory": 2},
)
