"""Skip-trigrams: a fixed table `far … near -> next`, all that a one-layer attention model can hold (Elhage et al. 2021)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry
from .newest import newest

Trigrams = Sequence[Sequence[str]]

TABLE = (("keep", "in", "mind"), ("keep", "at", "bay"), ("stay", "at", "home"), ("lock", "and", "key"), ("left", "and", "right"))
FILLERS = ("it", "the", "door")


def make(table: Trigrams = TABLE) -> hw.Program:
    """At a `near` word: the `next` of the latest earlier `far` that the table pairs with it; ⊥ if there is none.

    `table` lists (far, near, next). A near with m fars needs m heads: head r looks for its r-th far. Raises
    InputError for an empty table, an entry that is not three words, or two entries for one (far, near).
    """
    by_near = _group(table)
    heads = max(len(rows) for rows in by_near.values())

    @hw.program(name="skip_trigram", alphabet=_words(table))
    def skip_trigram(token: hw.Value) -> hw.Value:
        found: list[tuple[hw.Value, hw.Value]] = []
        for r in range(heads):
            ranked = {near: rows[r] for near, rows in by_near.items() if r < len(rows)}
            far = hw.table({near: word for near, (word, _) in ranked.items()}.get, token)
            follow = hw.table({near: word for near, (_, word) in ranked.items()}.get, token)
            found.append((hw.match(query=far, key=token, before=True).latest().position, follow))
        return newest(found)

    return skip_trigram


def _group(table: Trigrams) -> dict[str, list[tuple[str, str]]]:
    """For every near word its (far, next), in the order of the table."""
    by_near: dict[str, list[tuple[str, str]]] = {}
    for row in table:
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 3 or not all(isinstance(w, str) for w in row):
            raise InputError(f"program skip_trigram was given the entry {row!r}", hint="an entry is three words: [far, near, next]")
        far, near, follow = row
        rows = by_near.setdefault(near, [])
        if far in (other for other, _ in rows):
            raise InputError(f"program skip_trigram was given {far} … {near} twice", hint="give one next word for each far and near")
        rows.append((far, follow))
    if not by_near:
        raise InputError("program skip_trigram was given an empty table", hint="give at least one entry [far, near, next]")
    return by_near


def _words(table: Trigrams) -> tuple[str, ...]:
    return tuple(dict.fromkeys([word for row in table for word in row] + list(FILLERS)))


def reference(tokens: Sequence[Symbol], table: Trigrams = TABLE) -> list[Symbol | None]:
    """Where every word stood last; of the entries whose near is here, the one whose far stood latest."""
    last: dict[Symbol, int] = {}
    out: list[Symbol | None] = []
    for i, token in enumerate(tokens):
        hits = [(last[far], follow) for far, near, follow in table if near == token and far in last]
        out.append(max(hits)[1] if hits else None)
        last[token] = i
    return out


def sample(rng: random.Random, length: int, table: Trigrams = TABLE) -> list[Symbol]:
    """Phrases of the table with other words in the gap; the last phrase is whole if it fits."""
    words: list[Symbol] = []
    while len(words) < length:
        far, near, follow = rng.choice(table)
        gap = [rng.choice(_words(table)) for _ in range(rng.randint(0, 3))]
        words += [far, *gap, near, follow]
    return words[max(0, len(words) - length) :]


def layers(length: int, table: Trigrams = TABLE) -> int:
    """Attention layers: all heads side by side in one."""
    return 1


ENTRY = Entry(
    name="skip_trigram",
    summary="A table of skip-trigrams: the next word for a word here and the latest earlier word paired with it.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="1",
    alphabet=_words(TABLE),
    alphabet_fixed=True,
    parameters={"table": TABLE},
)
