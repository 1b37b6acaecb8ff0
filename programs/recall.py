"""Associative recall: a prompt of key, label pairs, then a key again."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry

KEYS, LABELS = ("whale", "dog", "frog", "shark", "cat", "crow"), ("0", "1")
ALPHABET = (*KEYS, *LABELS)


def make() -> hw.Program:
    """At a key: the label that followed its latest earlier occurrence as a key; ⊥ at labels and new keys.

    Keys stand at odd positions, labels at even ones, whatever their words are. `role` is ⊥ at labels, and ⊥ matches
    nothing, so it keeps labels out of queries and keys alike. It depends on the position alone: the embedding holds it.
    """

    @hw.program(name="recall", alphabet=ALPHABET)
    def recall(token: hw.Value, position: hw.Value) -> hw.Value:
        role = hw.table(_is_key, position)
        return hw.match(query=(token, role), key=(hw.previous(token), hw.previous(role))).latest().fetch(token)

    return recall


def _is_key(position: int) -> bool | None:
    return True if position % 2 else None


def reference(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """A dictionary from key to label, filled pair by pair."""
    label_of: dict[Symbol, Symbol] = {}
    out: list[Symbol | None] = []
    for start in range(0, len(tokens), 2):
        key, *label = tokens[start : start + 2]
        out.append(label_of.get(key))
        if label:
            label_of[key] = label[0]
            out.append(None)
    return out


def sample(rng: random.Random, length: int) -> list[Symbol]:
    """Pairs of animal and label, then an animal that has been seen; an even length is cut by one."""
    pairs = [(rng.choice(KEYS), rng.choice(LABELS)) for _ in range((length - 1) // 2)]
    question = rng.choice(pairs)[0] if pairs else rng.choice(KEYS)
    return [*(word for pair in pairs for word in pair), question]


def layers(length: int) -> int:
    """Attention layers: the label learns its key, then the key finds the label."""
    return 2


ENTRY = Entry(
    name="recall",
    summary="Associative recall: the label last given to this key in a prompt of key, label pairs.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="2",
    alphabet=ALPHABET,
)
