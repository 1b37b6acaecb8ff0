"""Associative memory: patterns of +1 and -1 are stored by saying them, and a noisy one recalls the nearest."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry

MOST_BITS = 10


def make(bits: int = 6) -> hw.Program:
    """The earlier pattern that differs from the one here in the fewest places, the latest of equals; ⊥ at the first.

    A token is a whole pattern such as +-++-+. One step of attention, as in a modern Hopfield network (Ramsauer et al. 2021):
    the overlap of pattern and cue, at an inverse temperature so high that one pattern has all of the weight.
    Raises InputError for `bits` outside 1..10.
    """
    in_range("associative_memory", bits)

    @hw.program(name=f"associative_memory(bits={bits})", alphabet=patterns("+-", bits))
    def associative_memory(token: hw.Value) -> hw.Value:
        signs = tuple(hw.table(lambda pattern, j=j: pattern[j] == "+", token) for j in range(bits))
        return hw.visible(token, before=True).closest(query=signs, key=signs).fetch(token)

    return associative_memory


def in_range(program: str, bits: int, most: int = MOST_BITS) -> None:
    """Check the number of bits of a pattern. Raises InputError outside 1..most."""
    if not 1 <= bits <= most:
        raise InputError(f"program {program} was given bits={bits}", hint=f"give bits of 1 to {most}")


def patterns(characters: str, bits: int) -> tuple[str, ...]:
    """Every string of so many of the two characters."""
    return tuple("".join(p) for p in itertools.product(characters, repeat=bits))


def differences(a: Symbol, b: Symbol) -> int:
    """In how many places two strings differ."""
    return sum(x != y for x, y in zip(str(a), str(b), strict=True))


def reference(tokens: Sequence[Symbol], bits: int = 6) -> list[Symbol | None]:
    """The minimum over all that was said, latest first."""
    return [min(reversed(tokens[:i]), key=lambda p: differences(p, tokens[i])) if i else None for i in range(len(tokens))]


def sample(rng: random.Random, length: int, bits: int = 6) -> list[Symbol]:
    """A few patterns, then the same with some signs turned."""
    stored = [rng.choice(patterns("+-", bits)) for _ in range(max(1, min(length, 8) // 2))]
    cues = [rng.choice(stored) for _ in range(length - len(stored))]
    turn = {"+": "-", "-": "+"}
    return [*stored, *("".join(turn[c] if rng.random() < 0.15 else c for c in cue) for cue in cues)]


def layers(length: int, bits: int = 6) -> int:
    """Attention layers: one step retrieves."""
    return 1


ENTRY = Entry(
    name="associative_memory",
    summary="The stored pattern of +1 and -1 that is nearest to a noisy cue.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="1",
    alphabet=patterns("+-", 6),
    alphabet_fixed=True,
    parameters={"bits": 6},
)
