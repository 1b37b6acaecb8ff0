"""Composition of two relations: the mother of John is Helen, Helen is a doctor, so John 's mother is a doctor."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry

PEOPLE = ("John", "Helen", "Jane", "Mary", "Tom", "Anna", "Paul", "Eve")
RELATIONS, PROFESSIONS = ("mother", "father", "sister"), ("doctor", "teacher", "baker", "pilot", "judge")
ALPHABET = (*PEOPLE, *RELATIONS, *PROFESSIONS, "the", "of", "is", "a", ".", "what", "profession", "'s", "?")


def make() -> hw.Program:
    """At the end of `what is the profession of John 's mother`: the profession of the mother of John; else ⊥.

    Facts read `the mother of John is Helen` and `Helen is a doctor`, in any order; the latest that fits counts. Any
    word after `'s` is taken for a relation, so relations, people and professions are open lists.
    """

    @hw.program(name="compose", alphabet=ALPHABET)
    def compose(token: hw.Value) -> hw.Value:
        one, two, three, four = (hw.previous(token, by) for by in range(1, 5))
        relative = hw.match(query=(token, "of", two, "is"), key=(four, three, two, one)).latest().fetch(token)
        profession = hw.match(query=(relative, "is", "a"), key=(three, two, one)).latest().fetch(token)
        return hw.where(one == "'s", profession, None)

    return compose


def reference(tokens: Sequence[Symbol]) -> list[Symbol | None]:
    """Write down both kinds of facts as they end; answer every `person 's relation` from what is written."""
    relative: dict[tuple[Symbol, Symbol], Symbol] = {}
    profession: dict[Symbol, Symbol] = {}
    out: list[Symbol | None] = []
    for i, word in enumerate(tokens):
        w4, w3, w2, w1 = [None] * max(0, 4 - i) + list(tokens[max(0, i - 4) : i])
        if i >= 4 and (w3, w1) == ("of", "is"):
            relative[w4, w2] = word
        if i >= 3 and (w2, w1) == ("is", "a"):
            profession[w3] = word
        out.append(profession.get(relative.get((word, w2))) if i >= 2 and w1 == "'s" else None)
    return out


def sample(rng: random.Random, length: int) -> list[Symbol]:
    """The two facts that answer the question, other facts as far as they fit, all in random order; then the question."""
    person, relative = rng.sample(PEOPLE, 2)
    relation = rng.choice(RELATIONS)
    facts = [f"the {relation} of {person} is {relative} .", f"{relative} is a {rng.choice(PROFESSIONS)} ."]
    question = f"what is the profession of {person} 's {relation}".split()
    room = length - len(question) - len(" ".join(facts).split())
    while room >= 7:  # the longer kind of fact has 7 words, the shorter 5
        x, y = rng.sample(PEOPLE, 2)
        facts.append(rng.choice([f"the {rng.choice(RELATIONS)} of {x} is {y} .", f"{x} is a {rng.choice(PROFESSIONS)} ."]))
        room -= len(facts[-1].split())
    rng.shuffle(facts)
    words: list[Symbol] = [*" ".join(facts).split(), *question]
    return words[max(0, len(words) - length) :]


def layers(length: int) -> int:
    """Attention layers: the words before, the first fact, the second fact."""
    return 3


ENTRY = Entry(
    name="compose",
    summary="Two facts composed: the profession of a person's relative, both told in the prompt.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="3",
    alphabet=ALPHABET,
    alphabet_fixed=True,
)
