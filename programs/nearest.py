"""In-context classification: a prompt of examples with labels, and each example gets the label of the nearest before it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least
from .memory import differences, in_range, patterns

LABELS = ("cat", "dog")


def make(bits: int = 4, k: int = 1) -> hw.Program:
    """`0000 cat 1111 dog 0111`: at an example, the label that most of the k nearest earlier labelled ones have.

    Examples are strings of bits, labels the words that follow them; nearness is the number of bits that differ. All that are
    as near as the k-th vote too; of equal votes, and for k = 1, the latest of the nearest decides; ⊥ elsewhere.
    Layer 1: a label learns its example's bits. Layer 2: an example finds the nearest, and counts the labels at each distance.
    Raises InputError for `bits` outside 1..10 (1..7 for k > 1, which compares examples by a table) and for `k < 1`.
    """
    in_range("nearest", bits, 10 if k == 1 else 7)
    at_least("nearest", "k", k, 1)
    examples = patterns("01", bits)

    @hw.program(name=f"nearest(bits={bits}, k={k})", alphabet=(*examples, *LABELS))
    def nearest(token: hw.Value) -> hw.Value:
        features = [hw.table(lambda word, j=j: word in examples and word[j] == "1", token) for j in range(bits)]
        example = hw.table(lambda word: True if word in examples else None, token)
        labelled = hw.where(example.exists, None, hw.previous(example))
        known = [hw.previous(feature).or_else(False) for feature in features]
        first = hw.match(query=example, key=labelled).closest(query=tuple(features), key=tuple(known)).fetch(token)
        if k == 1:
            return first
        learned = hw.where(labelled.exists, hw.previous(token), None)
        nearer = hw.table(lambda word: 0, token)
        votes = [nearer for _ in LABELS]
        for distance in range(bits + 1):
            there = hw.select(token, learned, lambda a, b, d=distance: a in examples and b in examples and differences(a, b) == d)
            counts = [(there & hw.match(label, token)).count() for label in LABELS]
            votes = [vote + hw.where(nearer < k, count, 0) for vote, count in zip(votes, counts, strict=True)]
            nearer = nearer + counts[0] + counts[1]
        cats, dogs = votes
        return hw.where(cats > dogs, LABELS[0], hw.where(dogs > cats, LABELS[1], first))

    return nearest


def reference(tokens: Sequence[Symbol], bits: int = 4, k: int = 1) -> list[Symbol | None]:
    """A list of labelled examples; those no farther than the k-th nearest vote."""
    known: list[tuple[Symbol, Symbol]] = []
    out: list[Symbol | None] = []
    for i, word in enumerate(tokens):
        if word in LABELS:
            if i and tokens[i - 1] not in LABELS:
                known.append((tokens[i - 1], word))
            out.append(None)
            continue
        far = [differences(example, word) for example, _ in known]
        radius = sorted(far)[min(k, len(far)) - 1] if far else 0
        votes = [label for (_, label), d in zip(known, far, strict=True) if d <= radius]
        cats, dogs = (votes.count(label) for label in LABELS)
        latest = min(reversed(known), key=lambda pair: differences(pair[0], word), default=(None, None))[1]
        out.append(latest if k == 1 or cats == dogs else LABELS[cats < dogs])
    return out


def sample(rng: random.Random, length: int, bits: int = 4, k: int = 1) -> list[Symbol]:
    """Examples labelled by a random threshold on the number of ones, then one without a label."""
    least = rng.randint(1, bits)
    words: list[Symbol] = []
    while len(words) < length:
        example = rng.choice(patterns("01", bits))
        words += [example, LABELS[example.count("1") >= least]]
    return words[:length] if length % 2 else words[1:length] or words[:1]


ENTRY = Entry(
    name="nearest",
    summary="The label of the k nearest earlier examples, by Hamming distance: an in-context classifier.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(2),  # the label learns its example, the example finds the labels
    layers_formula="2",
    alphabet=(*patterns("01", 4), *LABELS),
    alphabet_fixed=True,
    parameters={"bits": 4, "k": 1},
)
