"""In-context classification: a prompt of examples with labels, and each example gets the label of the nearest before it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry
from .memory import differences, in_range, patterns

LABELS = ("cat", "dog")


def make(bits: int = 4) -> hw.Program:
    """`0000 cat 1111 dog 0111`: at an example, the label of the earlier labelled one that differs in the fewest bits.

    Examples are strings of bits, labels the words that follow them; the latest of equally near ones counts; ⊥ elsewhere.
    Layer 1: a label learns its example's bits. Layer 2: an example finds the label whose bits are nearest.
    Raises InputError for `bits` outside 1..10.
    """
    in_range("nearest", bits)
    examples = patterns("01", bits)

    @hw.program(name=f"nearest(bits={bits})", alphabet=(*examples, *LABELS))
    def nearest(token: hw.Value) -> hw.Value:
        features = [hw.table(lambda word, j=j: word in examples and word[j] == "1", token) for j in range(bits)]
        example = hw.table(lambda word: True if word in examples else None, token)
        labelled = hw.where(example.exists, None, hw.previous(example))
        known = [hw.previous(feature).or_else(False) for feature in features]
        return hw.match(query=example, key=labelled).closest(query=tuple(features), key=tuple(known)).fetch(token)

    return nearest


def reference(tokens: Sequence[Symbol], bits: int = 4) -> list[Symbol | None]:
    """A list of labelled examples, searched from its end."""
    known: list[tuple[Symbol, Symbol]] = []
    out: list[Symbol | None] = []
    for i, word in enumerate(tokens):
        if word in LABELS:
            if i and tokens[i - 1] not in LABELS:
                known.append((tokens[i - 1], word))
            out.append(None)
        else:
            found = min(reversed(known), key=lambda pair: differences(pair[0], word), default=None)
            out.append(None if found is None else found[1])
    return out


def sample(rng: random.Random, length: int, bits: int = 4) -> list[Symbol]:
    """Examples labelled by a random threshold on the number of ones, then one without a label."""
    least = rng.randint(1, bits)
    words: list[Symbol] = []
    while len(words) < length:
        example = rng.choice(patterns("01", bits))
        words += [example, LABELS[example.count("1") >= least]]
    return words[:length] if length % 2 else words[1:length] or words[:1]


def layers(length: int, bits: int = 4) -> int:
    """Attention layers: the label learns its example, the example finds the label."""
    return 2


ENTRY = Entry(
    name="nearest",
    summary="The label of the nearest earlier example, by Hamming distance: an in-context classifier.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="2",
    alphabet=(*patterns("01", 4), *LABELS),
    alphabet_fixed=True,
    parameters={"bits": 4},
)
