"""The induction head: what followed the latest earlier occurrence of this token."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry

ALPHABET = tuple("abcd")


def make() -> hw.Program:
    """… a b … a -> b: layer 1 copies the previous token, layer 2 matches it with the current one and reads there."""

    @hw.program(name="induction", alphabet=ALPHABET)
    def induction(token: hw.Value) -> hw.Value:
        return hw.match(query=token, key=hw.previous(token)).latest().fetch(token)

    return induction


def reference(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """One pass that remembers, for every token, what followed it last."""
    followed: dict[Symbol, Symbol] = {}
    out: list[Symbol | None] = []
    for i, token in enumerate(tokens):
        if i:
            followed[tokens[i - 1]] = token
        out.append(followed.get(token))
    return out


def sample(rng: random.Random, length: int) -> list[Symbol]:
    """A random segment, repeated until the prompt is full."""
    segment = [rng.choice(ALPHABET) for _ in range(rng.randint(1, max(1, length // 2)))]
    return [segment[i % len(segment)] for i in range(length)]


def layers(length: int) -> int:
    """Attention layers; one layer would need a width in proportion to the length (arXiv 2408.14332)."""
    return 2


ENTRY = Entry(
    name="induction",
    summary="The token that followed the latest earlier occurrence of this one.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="2",
    alphabet=ALPHABET,
)
