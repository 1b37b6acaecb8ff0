"""Associative recall where key and label share a place: one layer instead of two (arXiv 2503.22076)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always
from .recall import KEYS, LABELS

PAIRS = tuple(f"{key}={label}" for key in KEYS for label in LABELS)


def make() -> hw.Program:
    """`dog=1 cat=0 dog`: at a key, the label of its latest pair; ⊥ at pairs, at labels and at keys without one.

    The place holds both, so that the query finds it at once; in `recall` a label has to learn its key first.
    """

    @hw.program(name="recall_pairs", alphabet=(*PAIRS, *KEYS, *LABELS))
    def recall_pairs(token: hw.Value) -> hw.Value:
        asked = hw.table(lambda word: word if word in KEYS else None, token)
        told = hw.table(lambda word: word.split("=")[0] if "=" in word else None, token)
        label = hw.table(lambda word: word.split("=")[1] if "=" in word else None, token)
        return hw.match(query=asked, key=told).latest().fetch(label)

    return recall_pairs


def reference(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A dictionary."""
    known: dict[str, str] = {}
    out: list[Symbol | None] = []
    for token in map(str, tokens):
        key, pair, label = token.partition("=")
        if pair:
            known[key] = label
        out.append(None if pair else known.get(key))
    return out


def sample(rng: random.Random, length: int) -> list[Symbol]:
    """Pairs, and among them keys that have mostly been seen."""
    return [rng.choice(PAIRS) if rng.random() < 0.7 else rng.choice(KEYS) for _ in range(length)]


ENTRY = Entry(
    name="recall_pairs",
    summary="Associative recall from key=label pairs that stand at one place each.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=(*PAIRS, *KEYS, *LABELS),
    alphabet_fixed=True,
)
