"""Which block of equal letters a place is in, by counts alone: the languages that separate depths of C-RASP (arXiv 2506.16055)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

LETTERS = ("a", "b")


def make(k: int = 4) -> hw.Program:
    """In a text of a's and b's: the number of the block this place is in, a's in odd and b's in even ones, at most k.

    Only counts are used, no positions and no lookups, as in C-RASP. A letter says whether its block is odd or even. It is in block j or a
    later one if a letter of block j - 1 or a later one stands before it, and for an a that is j = 3 as soon as there is a b: so
    k - 2 counts, one after another. Beyond block k the number stays the greatest that its letter can have.
    Raises InputError for `k < 2`.
    """
    at_least("alternations", "k", k, 2)

    @hw.program(name=f"alternations(k={k})", alphabet=LETTERS)
    def alternations(token: hw.Value) -> hw.Value:
        odd = token == "a"
        block = hw.where(odd, 1, 2)
        reached: hw.Value | None = None  # whether this place is in block j - 1 or a later one of its letter
        for j in range(3, k + 1):
            before = token == ("b" if j % 2 else "a")
            one = hw.where(before if reached is None else before & reached, True, None)
            reached = (hw.match(True, one).count() >= 1) & (odd if j % 2 else ~odd)
            block = hw.where(reached, j, block)
        return block

    return alternations


def reference(tokens: Sequence[Symbol], k: int = 4) -> list[Symbol | None]:
    """itertools.groupby, counting blocks from 1 for an a and from 2 for a b."""
    out: list[Symbol | None] = []
    block = 0
    for letter, run in itertools.groupby(tokens):
        block += 1 if block or letter == "a" else 2
        out += [min(block, k if (k - block) % 2 == 0 else k - 1)] * len(list(run))
    return out


def sample(rng: random.Random, length: int, k: int = 4) -> list[Symbol]:
    """Blocks of random lengths, about k of them."""
    letter, tokens = rng.randrange(2), list[Symbol]()
    while len(tokens) < length:
        tokens += [LETTERS[letter]] * rng.randint(1, max(1, 2 * length // (k + 1)))
        letter = 1 - letter
    return tokens[:length]


ENTRY = Entry(
    name="alternations",
    summary="Which block of equal letters a place is in, by nested counts alone.",
    make=make,
    reference=reference,
    sample=sample,
    layers=lambda length, k=4: k - 2,
    layers_formula="k - 2",
    alphabet=LETTERS,
    alphabet_fixed=True,
    parameters={"k": 4},
)
