"""Sorting by a network: bitonic merging, one comparison with one other machine a round, any keys."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value, maximum, minimum, table, where
from ..mpc import Protocol, gather, protocol
from .entry import Case, ProtocolEntry, at_least, numbers
from .sort import sorting_cases


def make(keys: int = 64) -> Protocol:
    """Machine i gets the i-th least key. b(b+1)/2 rounds for b = ceil(log2 N), one message a round, memory 1.

    Round by round two machines compare: the lower keeps the lesser key, the higher the greater. Runs of 2**k are merged by
    a round between mirror images, then rounds at distances 2**(k-2), …, 1. All comparisons point the same way, so a machine
    that does not exist is one with an infinite key: the other keeps its own. Source: Batcher 1968.
    """
    at_least("sorting_network", "keys", keys, 1)

    @protocol(memory=1, words={"key": range(keys)}, name="sorting_network")
    def sorting_network(me: Value, machines: int, key: Value) -> Value:
        for flipped in _rounds(machines):
            other = gather(lambda i, flipped=flipped: ((i - 1) ^ flipped) + 1, key).or_else(key)
            lower = table(lambda i, flipped=flipped: i - 1 < (i - 1) ^ flipped, me)
            key = where(lower, minimum(key, other), maximum(key, other))
        return key

    return sorting_network


def _rounds(machines: int) -> list[int]:
    """For every round the bits of a machine's number, counted from 0, that its partner's differs in."""
    bits = (machines - 1).bit_length()
    return [flipped for k in range(1, bits + 1) for flipped in [(1 << k) - 1, *(1 << j for j in reversed(range(k - 1)))]]


def oracle(machines: Sequence[Symbol], keys: int = 64) -> list[Symbol | None]:
    """sorted()."""
    return list(sorted(numbers(machines)))


def cases(rng: random.Random, length: int, keys: int = 64) -> list[Case]:
    """One machine, all of them and fewer; keys equal, few, in order already or the other way round."""
    return sorting_cases(rng, length, keys)


def layers(length: int, keys: int = 64) -> int:
    """One a round."""
    bits = (length - 1).bit_length()
    return bits * (bits + 1) // 2


ENTRY = ProtocolEntry(
    name="sorting_network",
    summary="All keys in order, one a machine, by a network of comparisons.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="b(b + 1)/2, b = ceil(log2 N)",
    family="mpc-sort",
    parameters={"keys": 64},
)
