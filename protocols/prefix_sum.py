"""Prefixes: every machine's word combined with those of all machines before it, in any monoid."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.language import Value, table
from ..mpc import Protocol, protocol, scatter
from .entry import Case, ProtocolEntry, at_least, levels, numbers, one_of

LARGEST = 64  # elements of a monoid: its operation is a table of their pairs


@dataclass(frozen=True, slots=True)
class Monoid:
    """Elements 0..size-1 and an associative operation on them, the earlier element first."""

    size: int
    operation: Callable[[int, int], int]


def monoid(name: str, size: int) -> Monoid:
    """sum: integers modulo `size`; max: 0..size-1; maps: functions of `size` points to themselves, the earlier applied first.

    A map is numbered by its images as the digits of a number in base `size`, the first point's image the highest.
    """
    if name == "maps":
        images = list(itertools.product(range(size), repeat=size))
        number = {image: i for i, image in enumerate(images)}
        return Monoid(len(images), lambda a, b: number[tuple(images[b][point] for point in images[a])])
    return Monoid(size, max) if name == "max" else Monoid(size, lambda a, b: (a + b) % size)


def prefixes(word: tuple[Value, ...], combine: Callable[[Value, Value], Value], machines: int, memory: int) -> tuple[Value, ...]:
    """Words combined with those of all machines before: ceil(log_{s+1} N) rounds, each of s messages to machines further on.

    After r rounds a machine knows the last (s+1)**r words up to its own; s others that far apart tell it what came before.
    `combine(earlier, later)` is given ⊥ as the earlier one where there is none. A tree, up and down, takes 2·ceil(log_s N).
    """
    reach = 1
    while reach < machines:
        ahead = [lambda i, by=t * reach: i + by for t in range(1, memory + 1)]
        for earlier in reversed(scatter(ahead, [word] * memory).messages):
            word = tuple(combine(a, b) for a, b in zip(earlier, word, strict=True))
        reach *= memory + 1
    return word


def make(operation: str = "sum", size: int = 5, memory: int = 2) -> Protocol:
    """Machine i gets w_1 · w_2 · … · w_i. Raises InputError for an operation that is not known, or of too many elements."""
    one_of("prefix_sum", "operation", operation, ("sum", "max", "maps"))
    at_least("prefix_sum", "size", size, 1)
    at_least("prefix_sum", "memory", memory, 1)
    most = 3 if operation == "maps" else LARGEST
    if size > most:
        raise InputError(f"protocol prefix_sum was given size={size}", hint=f"give size of at most {most} for {operation}")
    of = monoid(operation, size)

    def combine(earlier: Value, later: Value) -> Value:
        return table(of.operation, earlier, later).or_else(later)

    @protocol(memory=memory, words={"word": range(of.size)}, name="prefix_sum")
    def prefix_sum(machines: int, word: Value) -> Value:
        return prefixes((word,), combine, machines, memory)[0]

    return prefix_sum


def oracle(machines: Sequence[Symbol], operation: str = "sum", size: int = 5, memory: int = 2) -> list[Symbol | None]:
    """Prefix by prefix: sum() % size, max(), or every point sent through the maps one after the other."""
    words = numbers(machines)
    found: list[Symbol | None] = []
    for i in range(1, len(words) + 1):
        if operation == "maps":
            points = range(size)
            for word in words[:i]:
                points = [word // size ** (size - 1 - p) % size for p in points]
            found.append(sum(p * size ** (size - 1 - k) for k, p in enumerate(points)))
        else:
            found.append(max(words[:i]) if operation == "max" else sum(words[:i]) % size)
    return found


def cases(rng: random.Random, length: int, operation: str = "sum", size: int = 5, memory: int = 2) -> list[Case]:
    """One machine, all of them and fewer, all ones, and single words at both ends."""
    count = monoid(operation, size).size
    top = count - 1
    return [
        Case("one machine", [top]),
        Case("random words", rng.choices(range(count), k=length)),
        Case("fewer machines", rng.choices(range(count), k=rng.randint(1, length))),
        Case("all ones", [min(1, top)] * length),
        Case("all the greatest", [top] * length),
        Case("the first alone", [top] + [0] * (length - 1)),
        Case("the last alone", [0] * (length - 1) + [top]),
    ]


ENTRY = ProtocolEntry(
    name="prefix_sum",
    summary="Every word combined with all before it: modulo a number, the greatest, or maps composed.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=lambda length, operation="sum", size=5, memory=2: 0 if length == 1 else levels(length, memory + 1),
    layers_formula="ceil(log_{s+1} N)",
    family="mpc-prefix",
    parameters={"operation": "sum", "size": 5, "memory": 2},
)
