"""The previous-token head: the token a fixed number of places back."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

ALPHABET = tuple("abcd")


def make(by: int = 1) -> hw.Program:
    """The token `by` places back; ⊥ at the first `by` positions. Raises InputError for `by < 1`."""
    at_least("previous", "by", by, 1)

    @hw.program(name=f"previous(by={by})", alphabet=ALPHABET)
    def previous(token: hw.Value) -> hw.Value:
        return hw.previous(token, by)

    return previous


def reference(tokens: Sequence[Symbol], by: int = 1) -> list[Symbol | None]:
    """The tokens moved `by` places to the right."""
    return [tokens[i - by] if i >= by else None for i in range(len(tokens))]


def sample(rng: random.Random, length: int, by: int = 1) -> list[Symbol]:
    """Random letters."""
    return [rng.choice(ALPHABET) for _ in range(length)]


def layers(length: int, by: int = 1) -> int:
    """Attention layers: one positional lookup, whatever the distance; none where no position is that far back."""
    return int(by < length)


ENTRY = Entry(
    name="previous",
    summary="The token a fixed number of places back.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="1, 0 for by >= N",
    alphabet=ALPHABET,
    parameters={"by": 1},
)
