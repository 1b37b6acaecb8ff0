"""In-context n-grams: after the same n - 1 tokens as here, what followed most often so far, or how often each symbol did."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, at_least, one_of

ALPHABET = tuple("a rose is red and so am I".split())


def make_ngram(n: int = 3, give: str = "token") -> hw.Program:
    """The token that most often followed the n - 1 tokens that end here; ⊥ where they have not been followed yet.

    Of equally frequent ones the first in the order of the alphabet. give="count" tells how often it followed. Layer 1
    reads the n - 1 tokens before each position, layer 2 counts the followers by symbol, all in one head.
    Raises InputError for `n < 1` or another `give`, and, when built, for a window of n - 1 tokens longer than the context.
    """
    at_least("ngram", "n", n, 1)
    one_of("ngram", "give", give, ("token", "count"))
    return _program(f"ngram(n={n})" if give == "token" else "ngram", n, give)


def make_bigram(give: str = "token") -> hw.Program:
    """ngram with n = 2: what most often followed the token here, or how often. Raises InputError for another `give`."""
    one_of("bigram", "give", give, ("token", "count"))
    return _program("bigram", 2, give)


def _program(name: str, n: int, give: str) -> hw.Program:
    @hw.program(name=name, alphabet=ALPHABET)
    def ngram(token: hw.Value, position: hw.Value) -> hw.Value:
        same = _behind_equals(token, position, n)
        return same.mode(token) if give == "token" else same.mode_count(token)

    return ngram


def make_ngram_counts(n: int = 2) -> hw.Program:
    """How often each symbol followed the n - 1 tokens here so far, in the order of the alphabet: a distribution to draw from.

    All counts are of one head, a cell for each symbol. Raises InputError as ngram does.
    """
    at_least("ngram_counts", "n", n, 1)

    @hw.program(name=f"ngram_counts(n={n})", alphabet=ALPHABET)
    def ngram_counts(token: hw.Value, position: hw.Value) -> tuple[hw.Value, ...]:
        return _behind_equals(token, position, n).counts(token)

    return ngram_counts


def _behind_equals(token: hw.Value, position: hw.Value, n: int) -> hw.Selector:
    """The positions behind n - 1 tokens that are the n - 1 tokens which end here."""
    length = position.domain.hi
    if n - 1 > length:
        raise InputError(f"program ngram looks at {n - 1} tokens, and the length is {length}", hint=f"give n of at most {length + 1}")
    back = [hw.previous(token, by) for by in range(n)]
    return hw.match(tuple(back[:-1]), tuple(back[1:])) if n > 1 else hw.visible(token)


def reference_ngram(tokens: Sequence[Symbol], n: int = 3, give: str = "token", order: Sequence[Symbol] = ALPHABET) -> list[Symbol | None]:
    """The greatest of the counts so far; `order` says which of equals comes first."""
    out: list[Symbol | None] = []
    for counts in _followers(tokens, n):
        most = max(counts.values(), default=0)
        best = next((symbol for symbol in order if most and counts[symbol] == most), None)
        out.append(best if give == "token" else most)
    return out


def reference_ngram_counts(tokens: Sequence[Symbol], n: int = 2, order: Sequence[Symbol] = ALPHABET) -> list[Symbol | None]:
    """The counts so far, in that order."""
    return [tuple(counts[symbol] for symbol in order) for counts in _followers(tokens, n)]


def _followers(tokens: Sequence[Symbol], n: int) -> Iterator[Counter[Symbol]]:
    """A table from context to the counts of what followed, filled token by token, read for the context that ends there."""
    followers: dict[tuple[Symbol, ...], Counter[Symbol]] = {}
    for i in range(len(tokens)):
        if i >= n - 1:
            followers.setdefault(tuple(tokens[i - n + 1 : i]), Counter())[tokens[i]] += 1
        yield followers.get(tuple(tokens[i - n + 2 : i + 1]) if i >= n - 2 else (), Counter())


def reference_bigram(tokens: Sequence[Symbol], give: str = "token", order: Sequence[Symbol] = ALPHABET) -> list[Symbol | None]:
    """The same with n = 2."""
    return reference_ngram(tokens, 2, give, order)


def sample(rng: random.Random, length: int, n: int = 3, give: str = "token") -> list[Symbol]:
    """A text in which each word is followed by one of two others."""
    after = {word: rng.sample(ALPHABET, 2) for word in ALPHABET}
    text = [rng.choice(ALPHABET)]
    while len(text) < length:
        text.append(rng.choices(after[text[-1]], weights=[3, 1])[0])
    return list(text)


def layers(length: int, n: int = 3, give: str = "token") -> int:
    """Attention layers: what stood before, then the count; a unigram needs the count alone."""
    return 2 if n > 1 else 1


BIGRAM = Entry(
    name="bigram",
    summary="In-context bigram: the token that most often followed this one so far, or how often.",
    make=make_bigram,
    reference=reference_bigram,
    sample=sample,
    layers=layers,
    layers_formula="2",
    alphabet=ALPHABET,
    parameters={"give": "token"},
)

NGRAM = Entry(
    name="ngram",
    summary="In-context n-gram: the token that most often followed the n - 1 tokens here so far, or how often.",
    make=make_ngram,
    reference=reference_ngram,
    sample=sample,
    layers=layers,
    layers_formula="2, 1 for n = 1",
    alphabet=ALPHABET,
    parameters={"n": 3, "give": "token"},
)

NGRAM_COUNTS = Entry(
    name="ngram_counts",
    summary="How often each symbol followed the n - 1 tokens here so far: a distribution to draw from.",
    make=make_ngram_counts,
    reference=reference_ngram_counts,
    sample=sample,
    layers=layers,
    layers_formula="2, 1 for n = 1",
    alphabet=ALPHABET,
    parameters={"n": 2},
)
