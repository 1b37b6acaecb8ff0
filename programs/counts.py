"""Counts over the whole prompt: how long it is, how often each token occurs, how many tokens are rare."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

ALPHABET = ("a", "rose", "is", "red", "and", "so", "am", "I")


def make_length() -> hw.Program:
    """The number of tokens in the prompt, at every position: one count of all that is visible."""

    @hw.program(name="length", causal=False, alphabet=ALPHABET)
    def length(token: hw.Value) -> hw.Value:
        return hw.visible(token).count()

    return length


def reference_length(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """len()."""
    return [len(tokens)] * len(tokens)


def make_histogram() -> hw.Program:
    """How often the token here occurs in the prompt: one head that adds up 1 over equal tokens."""

    @hw.program(name="histogram", causal=False, alphabet=ALPHABET)
    def histogram(token: hw.Value) -> hw.Value:
        return hw.match(token, token).count()

    return histogram


def reference_histogram(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A dictionary of counts, read for every token."""
    counts = Counter(tokens)
    return [counts[token] for token in tokens]


def make_count_less_frequent(most: int = 2) -> hw.Program:
    """How many tokens of the prompt are of a symbol that occurs at most `most` times. Raises InputError for `most < 1`.

    Layer 1 is the histogram, layer 2 counts where it is small.
    """
    at_least("count_less_frequent", "most", most, 1)

    @hw.program(name=f"count_less_frequent(most={most})", causal=False, alphabet=ALPHABET)
    def count_less_frequent(token: hw.Value) -> hw.Value:
        rare = hw.match(token, token).count() <= most
        return hw.match(True, rare).count()

    return count_less_frequent


def reference_count_less_frequent(tokens: Sequence[Symbol], most: int = 2) -> list[Symbol | None]:
    """The counts that are small, added up."""
    return [sum(count for count in Counter(tokens).values() if count <= most)] * len(tokens)


def sample(rng: random.Random, length: int, most: int = 2) -> list[Symbol]:
    """Words of which some are said often and some seldom."""
    return list(rng.choices(ALPHABET, weights=[2**i for i in range(len(ALPHABET))], k=length))


LENGTH = Entry(
    name="length",
    summary="The number of tokens in the prompt.",
    make=make_length,
    reference=reference_length,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=ALPHABET,
)

HISTOGRAM = Entry(
    name="histogram",
    summary="How often this token occurs in the prompt.",
    make=make_histogram,
    reference=reference_histogram,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=ALPHABET,
)

COUNT_LESS_FREQUENT = Entry(
    name="count_less_frequent",
    summary="How many tokens of the prompt are of symbols that occur at most a given number of times.",
    make=make_count_less_frequent,
    reference=reference_count_less_frequent,
    sample=sample,
    layers=always(2),
    layers_formula="2",
    alphabet=ALPHABET,
    parameters={"most": 2},
)
