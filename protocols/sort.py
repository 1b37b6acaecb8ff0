"""Sorting by rank and route: a stable counting sort, digit by digit of the key."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value, maximum, minimum, where
from ..mpc import Protocol, all_reduce, protocol, shuffle
from .entry import Case, ProtocolEntry, at_least, levels, numbers
from .prefix_sum import prefixes


def make(keys: int = 8, digit: int = 8, memory: int = 2) -> Protocol:
    """Machine i gets the i-th least key, and the machine it came from; equal keys stay in order.

    Keys are 0..keys-1, sorted by digits in base `digit`, the lowest first. A digit takes an all-reduce, which says how many
    digits are smaller; prefix sums, which say how many equal ones come before; and a shuffle to the place that makes:
    2·ceil(log_s N) + ceil(log_{s+1} N) + 1 rounds. A message holds digit - 1 counts.
    """
    at_least("sort", "keys", keys, 2)
    at_least("sort", "digit", digit, 2)
    at_least("sort", "memory", memory, 2)

    @protocol(memory=memory, words={"key": range(keys)}, name="sort")
    def sort(me: Value, machines: int, key: Value) -> tuple[Value, Value]:
        origin = me
        for weight in _weights(keys, digit):
            now = key // weight % digit if weight * digit < keys else key // weight
            place = _place(me, now, min(digit, -(-keys // weight)), machines, memory)
            inbox = shuffle(to=place, payload=(key, origin), inbox=1)
            ((key, origin),) = inbox.messages
        return key, origin

    return sort


def _weights(keys: int, digit: int) -> list[int]:
    """1, digit, digit², …: one for each digit of the greatest key."""
    weights = [1]
    while weights[-1] * digit < keys:
        weights.append(weights[-1] * digit)
    return weights


def _place(me: Value, digit: Value, values: int, machines: int, memory: int) -> Value:
    """1 + how many machines hold a smaller digit, or the same and come earlier."""
    words = tuple(where(digit <= v, 1, 0) for v in range(values - 1))
    if not words:
        return me
    everywhere = all_reduce(words)
    before = prefixes(words, lambda a, b: a.or_else(0) + b, machines, memory)
    # Of digit v: as many as all below v everywhere, and the v's up to here: those up to v less those up to v - 1.
    places = [everywhere[v - 1] + before[v] - before[v - 1] if v else before[0] for v in range(values - 1)]
    places.append(everywhere[-1] + me - before[-1])
    place = sum((where(digit == v, place, 0) for v, place in enumerate(places[1:], 1)), where(digit == 0, places[0], 0))
    return maximum(minimum(place, machines), 1)  # as it is, and now known to be


def oracle(machines: Sequence[Symbol], keys: int = 8, digit: int = 8, memory: int = 2) -> list[tuple[Symbol | None, ...]]:
    """sorted(), which is stable."""
    return list(sorted(((key, i) for i, key in enumerate(numbers(machines), 1)), key=lambda pair: pair[0]))


def cases(rng: random.Random, length: int, keys: int = 8, **parameters: object) -> list[Case]:
    """One machine, all of them and fewer; keys equal, few, in order already or the other way round."""
    return sorting_cases(rng, length, keys)


def sorting_cases(rng: random.Random, length: int, keys: int) -> list[Case]:
    """Inputs of a sorting protocol whose keys are 0..keys-1."""
    top = keys - 1
    ramp = [i * keys // length for i in range(length)]
    return [
        Case("one machine", [top]),
        Case("random keys", rng.choices(range(keys), k=length)),
        Case("fewer machines", rng.choices(range(keys), k=rng.randint(1, length))),
        Case("all the least", [0] * length),
        Case("all the greatest", [top] * length),
        Case("two keys by turns", [top if i % 2 else 0 for i in range(length)]),
        Case("in order", ramp),
        Case("the other way round", ramp[::-1]),
        Case("the least last", [top] * (length - 1) + [0]),
    ]


def layers(length: int, keys: int = 8, digit: int = 8, memory: int = 2) -> int:
    """For each digit the rounds of the prefix sums, which the all-reduce shares, and the shuffle."""
    return len(_weights(keys, digit)) * (1 + levels(length, memory + 1))


ENTRY = ProtocolEntry(
    name="sort",
    summary="All keys in order, one a machine, and where each came from: counts, prefix sums and a shuffle for every digit.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="digits·(ceil(log_{s+1} N) + 1)",
    family="mpc-sort",
    parameters={"keys": 8, "digit": 8, "memory": 2},
)
