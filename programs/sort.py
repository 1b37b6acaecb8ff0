"""Sorting: a token's rank is a count of what comes before it, and position r reads the token of rank r."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, always

ALPHABET = tuple("the quick brown fox jumps over a lazy dog".split())
KEYS, VALUES = tuple("12345678"), ("ant", "bee", "cat", "dog")


def order_of(program: str, token: hw.Value) -> hw.Value:
    """Symbols by number in their own order: numbers by size, words by their letters. Raises InputError where they have none."""
    symbols = token.builder.sizes.alphabet.symbols
    try:
        place = {symbol: number for number, symbol in enumerate(sorted(symbols))}  # pyright: ignore[reportArgumentType, reportCallIssue]
    except TypeError as error:
        raise InputError(f"program {program} cannot order its symbols: {error}", hint="use only numbers, or only words") from None
    return hw.table(place.get, token)


def rank(key: hw.Value, among: hw.Selector, ahead: str = ">") -> hw.Value:
    """1 + how many positions have a smaller key, or an equal one further left: the place here after a stable sort; one layer.

    Positions that `among` does not select are left out. `ahead` is the relation of this key to those that come first; "<"
    sorts largest first. An order of B-bit keys takes B heads, equality before here one more.
    """
    return (hw.select(key, key, ahead) & among).count() + (hw.match(key, key, before=True) & among).count() + 1


def make_sort() -> hw.Program:
    """The prompt in order, equal symbols as they came. Raises InputError for an alphabet that has no order."""

    @hw.program(name="sort", causal=False, alphabet=ALPHABET)
    def sort(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.match(query=position, key=rank(order_of("sort", token), hw.visible(token))).latest().fetch(token)

    return sort


def reference_sort(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """sorted()."""
    return list(sorted(tokens))  # pyright: ignore[reportArgumentType, reportCallIssue]


def sample_sort(rng: random.Random, length: int) -> list[Symbol]:
    """Random words."""
    return list(rng.choices(ALPHABET, k=rng.randint(1, length)))


def make_sort_by() -> hw.Program:
    """A prompt of key, value, key, value, …: its pairs in the order of their keys, equal keys as they came.

    Keys stand at odd positions. Layer 1 ranks each key among the keys and fetches its value from the next position;
    layer 2 reads, at both places of pair r, from the key of rank r. ⊥ stands for the value of a key that has none.
    Raises InputError for an alphabet that has no order.
    """

    @hw.program(name="sort_by", causal=False, alphabet=(*KEYS, *VALUES))
    def sort_by(token: hw.Value, position: hw.Value) -> hw.Value:
        is_key = hw.table(lambda p: p % 2 == 1, position)
        place = rank(order_of("sort_by", token), among=hw.match(True, is_key))
        pair = hw.match(query=(position + 1) // 2, key=hw.where(is_key, place, None)).latest()
        return hw.where(is_key, pair.fetch(token), pair.fetch(hw.previous(token, by=-1)))

    return sort_by


def reference_sort_by(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """The pairs, sorted by key; cut to the length of the prompt where the last key has no value."""
    pairs = [(tokens[i], tokens[i + 1] if i + 1 < len(tokens) else None) for i in range(0, len(tokens), 2)]
    pairs.sort(key=lambda pair: pair[0])  # pyright: ignore[reportArgumentType, reportCallIssue]
    return [symbol for pair in pairs for symbol in pair][: len(tokens)]


def sample_sort_by(rng: random.Random, length: int) -> list[Symbol]:
    """Pairs of a digit and an animal; one digit alone where there is no room for a pair."""
    return [rng.choice(KEYS if i % 2 == 0 else VALUES) for i in range(length - length % 2 or 1)]


def make_sort_by_frequency() -> hw.Program:
    """The prompt with its most frequent symbols first, symbols of equal frequency as they came.

    Layer 1 counts each token, layer 2 ranks by the count, layer 3 reads.
    """

    @hw.program(name="sort_by_frequency", causal=False, alphabet=ALPHABET)
    def sort_by_frequency(token: hw.Value, position: hw.Value) -> hw.Value:
        count = hw.match(token, token).count()
        return hw.match(query=position, key=rank(count, hw.visible(token), ahead="<")).latest().fetch(token)

    return sort_by_frequency


def reference_sort_by_frequency(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """sorted() by the counts, which is stable."""
    counts = Counter(tokens)
    return list(sorted(tokens, key=lambda token: -counts[token]))


def sample_sort_by_frequency(rng: random.Random, length: int) -> list[Symbol]:
    """Few different words, so that they repeat."""
    few = rng.sample(ALPHABET, rng.randint(1, 4))
    return list(rng.choices(few, k=rng.randint(1, length)))


SORT = Entry(
    name="sort",
    summary="The prompt in the order of its symbols.",
    make=make_sort,
    reference=reference_sort,
    sample=sample_sort,
    layers=always(2),
    layers_formula="2",
    alphabet=ALPHABET,
)

SORT_BY = Entry(
    name="sort_by",
    summary="A prompt of key, value pairs in the order of its keys, equal keys as they came.",
    make=make_sort_by,
    reference=reference_sort_by,
    sample=sample_sort_by,
    layers=always(2),
    layers_formula="2",
    alphabet=(*KEYS, *VALUES),
)

SORT_BY_FREQUENCY = Entry(
    name="sort_by_frequency",
    summary="The prompt with its most frequent symbols first.",
    make=make_sort_by_frequency,
    reference=reference_sort_by_frequency,
    sample=sample_sort_by_frequency,
    layers=always(3),
    layers_formula="3",
    alphabet=ALPHABET,
)
