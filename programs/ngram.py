"""In-context n-grams: after the same n - 1 tokens as here, what followed most often so far."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

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
        length = position.domain.hi
        if n - 1 > length:
            raise InputError(f"program ngram looks at {n - 1} tokens, and the length is {length}", hint=f"give n of at most {length + 1}")
        back = [hw.previous(token, by) for by in range(n)]
        same = hw.match(tuple(back[:-1]), tuple(back[1:])) if n > 1 else hw.visible(token)
        return same.mode(token) if give == "token" else same.mode_count(token)

    return ngram


def reference_ngram(tokens: Sequence[Symbol], n: int = 3, give: str = "token", order: Sequence[Symbol] = ALPHABET) -> list[Symbol | None]:
    """A table from context to the counts of what followed, filled token by token; `order` says which of equals comes first."""
    followers: dict[tuple[Symbol, ...], Counter[Symbol]] = {}
    out: list[Symbol | None] = []
    for i in range(len(tokens)):
        if i >= n - 1:
            followers.setdefault(tuple(tokens[i - n + 1 : i]), Counter())[tokens[i]] += 1
        counts = followers.get(tuple(tokens[i - n + 2 : i + 1]) if i >= n - 2 else (), Counter())
        most = max(counts.values(), default=0)
        best = next((symbol for symbol in order if most and counts[symbol] == most), None)
        out.append(best if give == "token" else most)
    return out


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
