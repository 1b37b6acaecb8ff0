"""Which block of equal letters a place is in, by counts alone: the languages that separate depths of C-RASP (arXiv 2506.16055)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, at_least

LETTERS = ("a", "b")


def make(k: int = 4, exact: int = 0) -> hw.Program:
    """In a text of a's and b's: the number of the block this place is in, a's in odd and b's in even ones, at most k.

    Only counts are used, no positions and no lookups, as in C-RASP. A letter says whether its block is odd or even. It is in block j or a
    later one if a letter of block j - 1 or a later one stands before it, and for an a that is j = 3 as soon as there is a b: so
    k - 2 counts, one after another. Beyond block k the number stays the greatest that its letter can have.
    With `exact=1`: whether the text so far is k blocks, no more and no fewer, the first of a's. Two counts more tell block k from
    block k + 2; an a stands first if some a has no b before it.
    Raises InputError for `k < 2`, `k < 1` with `exact=1`, and an `exact` that is neither 0 nor 1.
    """
    if exact not in (0, 1):
        raise InputError(f"program alternations was given exact={exact}", hint="0 for the number of the block, 1 for whether there are k")
    at_least("alternations", "k", k, 1 if exact else 2)

    @hw.program(name=f"alternations(k={k}{', exact=1' * exact})", alphabet=LETTERS)
    def alternations(token: hw.Value) -> hw.Value:
        if not exact:
            return block(token, k)
        reached = block(token, k + 2) == k
        return reached & seen((token == "a") & ~seen(token == "b")) if k > 1 else reached

    return alternations


def block(token: hw.Value, k: int) -> hw.Value:
    """The number of the block that a place is in, at most k: k - 2 counts, each of what the one before it decides."""
    odd = token == "a"
    number = hw.where(odd, 1, 2)
    reached: hw.Value | None = None  # whether this place is in block j - 1 or a later one of its letter
    for j in range(3, k + 1):
        before = token == ("b" if j % 2 else "a")
        reached = seen(before if reached is None else before & reached) & (odd if j % 2 else ~odd)
        number = hw.where(reached, j, number)
    return number


def seen(holds: hw.Value) -> hw.Value:
    """Whether something holds at this place or before it: one count."""
    return hw.match(True, hw.where(holds, True, None)).count() >= 1


def reference(tokens: Sequence[Symbol], k: int = 4, exact: int = 0) -> list[Symbol | None]:
    """itertools.groupby, counting blocks from 1 for an a and from 2 for a b."""
    out: list[Symbol | None] = []
    number = 0
    for letter, run in itertools.groupby(tokens):
        number += 1 if number or letter == "a" else 2
        answer = (number == k and tokens[0] == "a") if exact else min(number, k if (k - number) % 2 == 0 else k - 1)
        out += [answer] * len(list(run))
    return out


def sample(rng: random.Random, length: int, k: int = 4, exact: int = 0) -> list[Symbol]:
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
    layers=lambda length, k=4, exact=0: k if exact else k - 2,
    layers_formula="k - 2, or k with exact=1",
    alphabet=LETTERS,
    alphabet_fixed=True,
    parameters={"k": 4, "exact": 0},
)
