"""Sorting in three rounds by machines that hold 2·sqrt(N) words: every pair of blocks compared by a machine of its own."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value, table, where
from ..mpc import Protocol, protocol, scatter, shuffle
from ..programs.entry import always
from .entry import Case, ProtocolEntry, at_least, numbers
from .sort import sorting_cases


def make(keys: int = 4) -> Protocol:
    """Machine i gets the i-th least key; equal keys stay in order. Three rounds, whatever N is.

    Machines stand in blocks of b = ceil(sqrt N), number (g, r) the r-th of block g. Blocks g < h are compared by (g, h), and
    g with itself by (g, 1): machines that exist where block h does, for all blocks but the last are whole. Round 1 sends
    every key to the b machines that compare its block; there it is counted how many keys come before it. Round 2 brings
    the counts back, and their sum is the key's place; round 3 sends it there. Sample sort would save nothing: with this
    memory regular sampling takes as many rounds, and splitters alone do not bound what a machine receives.
    """
    at_least("sort_by_blocks", "keys", keys, 1)

    @protocol(memory=lambda n: 2 * _side(n), words={"key": range(keys)}, name="sort_by_blocks")
    def sort_by_blocks(machines: int, me: Value, key: Value) -> Value:
        side = _side(machines)
        others = range(1, side + 1)
        inbox = scatter([lambda i, h=h: _host(i, h, side) for h in others], [key] * side)
        # Messages are ordered by sender: of block g, which is whole if h follows it, then of block h.
        held = [message.or_else(keys) for message in inbox.messages]
        held += [table(lambda i: keys, me)] * (2 * side - len(held))
        alone = table(lambda i: (i - 1) % side == 0, me)
        counts = _ranks(held[:side], held[side:], alone)
        home = [lambda i, r=r: _member(i, r, side) for r in range(2 * side)]
        place = scatter(home, counts).sum + 1
        return shuffle(to=place, payload=key, inbox=1).messages[0]

    return sort_by_blocks


def _side(machines: int) -> int:
    """b: machines of a block, and no fewer than there are blocks."""
    return math.isqrt(machines - 1) + 1


def _host(i: int, h: int, side: int) -> int:
    """The machine that compares the block of machine i with block h."""
    g = (i - 1) // side + 1
    first, second = min(g, h), max(g, h)
    return (first - 1) * side + (second if first != second else 1)


def _member(i: int, r: int, side: int) -> int | None:
    """Whose key machine i holds as number r: of its own block, then of the block it compares that with."""
    g, h = (i - 1) // side + 1, (i - 1) % side + 1
    if r < side:
        return (g - 1) * side + r + 1 if h == 1 or h > g else None
    return (h - 1) * side + r - side + 1 if h > g else None


def _ranks(first: Sequence[Value], second: Sequence[Value], alone: Value) -> list[Value]:
    """How many keys of the other block come before each; where a block is alone, of the block itself."""
    across = [[where(b < a, 1, 0) for b in second] for a in first]
    inside = {(r, q): where(b < a, 1, 0) for r, a in enumerate(first) for q, b in enumerate(first[r + 1 :], r + 1)}
    counts: list[Value] = []
    for r, row in enumerate(across):
        own = [inside[r, q] for q in range(r + 1, len(first))] + [1 - inside[q, r] for q in range(r)]
        counts.append(where(alone, sum(own), sum(row)))
    return counts + [sum((1 - row[q] for row in across[1:]), 1 - across[0][q]) for q in range(len(second))]


def oracle(machines: Sequence[Symbol], keys: int = 4) -> list[Symbol | None]:
    """sorted()."""
    return list(sorted(numbers(machines)))


def cases(rng: random.Random, length: int, keys: int = 4) -> list[Case]:
    """One machine, all of them and fewer; keys equal, few, in order already or the other way round."""
    return sorting_cases(rng, length, keys)


ENTRY = ProtocolEntry(
    name="sort_by_blocks",
    summary="All keys in order in three rounds, by machines of 2·sqrt(N) words.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=always(3),
    layers_formula="3",
    family="mpc-sort",
    parameters={"keys": 4},
)
