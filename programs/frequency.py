"""What is said most so far, and what share of the tokens a word has."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

ALPHABET = ("yes", "no", "maybe")


def make_most_frequent() -> hw.Program:
    """The most frequent token so far, the first in the order of the alphabet of equals: one head with a cell a symbol."""

    @hw.program(name="most_frequent", alphabet=ALPHABET)
    def most_frequent(token: hw.Value) -> hw.Value:
        return hw.visible(token).mode(token)

    return most_frequent


def reference_most_frequent(tokens: Sequence[Symbol], order: Sequence[Symbol] = ALPHABET) -> list[Symbol | None]:
    """The greatest of the counts so far, again at every token; `order` says which of equals comes first."""
    counts: Counter[Symbol] = Counter()
    out: list[Symbol | None] = []
    for token in tokens:
        counts[token] += 1
        most = max(counts.values())
        out.append(next(symbol for symbol in order if counts[symbol] == most))
    return out


def make_majority() -> hw.Program:
    """The token that makes up more than half of the tokens so far; ⊥ where none does."""

    @hw.program(name="majority", alphabet=ALPHABET)
    def majority(token: hw.Value, position: hw.Value) -> hw.Value:
        seen = hw.visible(token)
        return hw.where(seen.mode_count(token) * 2 > position, seen.mode(token), None)

    return majority


def reference_majority(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A vote that pairs off unlike tokens (Boyer and Moore 1981): only its survivor can have the majority; then count it."""
    out: list[Symbol | None] = []
    survivor, lead = None, 0
    for i, token in enumerate(tokens, start=1):
        if lead == 0:
            survivor = token
        lead += 1 if token == survivor else -1
        out.append(survivor if 2 * list(tokens[:i]).count(survivor) > i else None)
    return out


def make_fraction_of_previous(word: str = "yes", parts: int = 10) -> hw.Program:
    """The share of the tokens so far, this one included, that are `word`: how many whole `parts`-ths of 1 it makes.

    The share is the exact fraction count / position, compared with 1/parts, 2/parts, … in integers; with `parts` of at
    least the length the answer tells the count. Raises InputError for `parts < 1`.
    """
    at_least("fraction_of_previous", "parts", parts, 1)

    @hw.program(name="fraction_of_previous", alphabet=tuple(dict.fromkeys([*ALPHABET, word])))
    def fraction_of_previous(token: hw.Value, position: hw.Value) -> hw.Value:
        count = hw.match(word, token).count()
        reached = [hw.where(count * parts >= position * p, 1, 0) for p in range(1, parts + 1)]
        return sum(reached[1:], start=reached[0])

    return fraction_of_previous


def reference_fraction_of_previous(tokens: Sequence[Symbol], word: str = "yes", parts: int = 10) -> list[Symbol | None]:
    """The fraction, times `parts`, rounded down."""
    share = (Fraction(list(tokens[:i]).count(word), i) for i in range(1, len(tokens) + 1))
    return [int(fraction * parts) for fraction in share]


def sample(rng: random.Random, length: int, word: str = "yes", parts: int = 10) -> list[Symbol]:
    """Votes, one of which is said more often than the others."""
    words = list(dict.fromkeys([word, *ALPHABET]))
    rng.shuffle(words)
    return list(rng.choices(words, weights=[3, *[1] * (len(words) - 1)], k=length))


MOST_FREQUENT = Entry(
    name="most_frequent",
    summary="The most frequent token so far.",
    make=make_most_frequent,
    reference=reference_most_frequent,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=ALPHABET,
)

MAJORITY = Entry(
    name="majority",
    summary="The token that more than half of the tokens so far are.",
    make=make_majority,
    reference=reference_majority,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=ALPHABET,
)

FRACTION_OF_PREVIOUS = Entry(
    name="fraction_of_previous",
    summary="The share of the tokens so far that are a given word, in whole tenths (or other parts).",
    make=make_fraction_of_previous,
    reference=reference_fraction_of_previous,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=ALPHABET,
    alphabet_fixed=True,
    parameters={"word": "yes", "parts": 10},
)
