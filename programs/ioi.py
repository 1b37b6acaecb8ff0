"""Indirect object identification: of the names in the prompt, the one that was said only once."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry
from .newest import newest

NAMES = ("Mary", "John", "Tom", "Anna")
PLACES, THINGS = ("store", "park", "school"), ("drink", "book", "ring")
FRAME = ("When", "and", "went", "to", "the", *PLACES, ",", "gave", "a", *THINGS)


def make(names: Sequence[str] = NAMES) -> hw.Program:
    """The name that stands exactly once in the text so far, the latest such; ⊥ if there is none.

    Two heads a name, its latest and its earliest place, all in one layer; they agree where the name is unique.
    Raises InputError unless `names` are distinct strings, at least one.
    """
    if not names or isinstance(names, str) or not all(isinstance(n, str) for n in names) or len(set(names)) < len(names):
        raise InputError(f"program ioi was given names={names!r}", hint='give distinct names, such as ["Mary", "John"]')

    @hw.program(name="ioi", alphabet=_words(names))
    def ioi(token: hw.Value) -> hw.Value:
        hits = [hw.match(query=name, key=token).unique() for name in names]
        return newest([(hit.position, hit.fetch(token)) for hit in hits])

    return ioi


def _words(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*names, *FRAME]))


def reference(tokens: Sequence[Symbol], names: Sequence[str] = NAMES) -> list[Symbol | None]:
    """Where every name was said so far, and of the names with one such place the last."""
    said: dict[Symbol, list[int]] = {name: [] for name in names}
    out: list[Symbol | None] = []
    for i, token in enumerate(tokens):
        if token in said:
            said[token].append(i)
        once = [name for name in names if len(said[name]) == 1]
        out.append(max(once, key=lambda name: said[name]) if once else None)
    return out


def sample(rng: random.Random, length: int, names: Sequence[str] = NAMES) -> list[Symbol]:
    """`When Mary and John went to the store , John gave a drink to`, with names, place and thing drawn; cut at the end."""
    if len(names) < 2:
        return list(rng.choices(_words(names), k=length))
    first, second = rng.sample(list(names), 2)
    giver = rng.choice((first, second))
    text = f"When {first} and {second} went to the {rng.choice(PLACES)} , {giver} gave a {rng.choice(THINGS)} to"
    return list(text.split()[:length])


def layers(length: int, names: Sequence[str] = NAMES) -> int:
    """Attention layers: counting to one takes two heads a name, side by side."""
    return 1


ENTRY = Entry(
    name="ioi",
    summary="Indirect object identification: the name that stands exactly once in the text so far.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="1",
    alphabet=_words(NAMES),
    alphabet_fixed=True,
    parameters={"names": NAMES},
)
