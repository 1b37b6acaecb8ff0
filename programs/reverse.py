"""The prompt, last token first."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always

ALPHABET = tuple("drawe")


def make() -> hw.Program:
    """Layer 1 counts the n tokens of the prompt, layer 2 reads the token at n + 1 - position."""

    @hw.program(name="reverse", causal=False, alphabet=ALPHABET)
    def reverse(token: hw.Value, position: hw.Value) -> hw.Value:
        opposite = hw.visible(token).count() + 1 - position
        return hw.match(query=opposite, key=position).latest().fetch(token)

    return reverse


def reference(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A slice."""
    return list(tokens[::-1])


def sample(rng: random.Random, length: int) -> list[Symbol]:
    """Random letters, fewer than there is room for: the answer depends on where the prompt ends."""
    return [rng.choice(ALPHABET) for _ in range(rng.randint(1, length))]


ENTRY = Entry(
    name="reverse",
    summary="The prompt, last token first.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(2),
    layers_formula="2",
    alphabet=ALPHABET,
)
