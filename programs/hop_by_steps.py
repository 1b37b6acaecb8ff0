"""k-hop by chain of thought: two layers and k + 1 generated tokens instead of floor(log2 k) + 2 layers and one."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

LETTERS = ("a", "b", "c", "d")


def make(k: int = 2, places: int = 64) -> hw.Program:
    """After letters: k numbers, each the place the last one's pointer leads to, then the letter at the last; ⊥ at a dead end.

    The pointer of a place is one past the latest earlier occurrence of its letter, as in khop. The generated numbers are the
    workspace: a step reads the place it was left. Numbers go to `places`. Raises InputError for k or places below 1.
    Source: chain of thought gives sequential steps (arXiv 2310.07923); the trade against depth is that of 2402.09268 §5.
    """
    at_least("hop_by_steps", "k", k, 1)
    at_least("hop_by_steps", "places", places, 1)
    number = {str(p): p for p in range(1, places + 1)}

    @hw.program(name=f"hop_by_steps(k={k})", alphabet=_words(places))
    def hop(token: hw.Value, position: hw.Value) -> hw.Value:
        is_letter = hw.table(lambda s: True if s in LETTERS else None, token)
        written = position - hw.match(query=True, key=is_letter).latest().position  # numbers since the last letter
        after = hw.table(lambda p: str(p + 1) if p < places else None, position)  # the name of the next place
        jump = hw.match(query=token, key=token, before=True).latest().fetch(after)
        there = hw.match(query=hw.table(number.get, token), key=position).latest()
        step = hw.where(written == 0, jump, there.fetch(jump))
        return hw.where(written == k, there.fetch(token), step)

    return hop


def _words(places: int) -> tuple[str, ...]:
    return (*LETTERS, *map(str, range(1, places + 1)))


def reference(tokens: Sequence[Symbol], k: int = 2, places: int = 64) -> list[Symbol | None]:
    """A walk along the tape with a dictionary of last occurrences, places counted from 1."""
    out: list[Symbol | None] = []
    last: dict[Symbol, int] = {}
    find: list[int | None] = [None]
    letter: int | None = None
    for i, token in enumerate(tokens, 1):
        find.append(last[token] + 1 if token in last else None)
        last[token] = i
        letter = i if token in LETTERS else letter
        place = int(str(token)) if token not in LETTERS and int(str(token)) <= i else None
        if letter is None:
            out.append(None)
        elif i - letter == k:
            out.append(None if place is None else tokens[place - 1])
        else:
            to = find[i] if i == letter else None if place is None else find[place]
            out.append(None if to is None or to > places else str(to))
    return out


def sample(rng: random.Random, length: int, k: int = 2, places: int = 64) -> list[Symbol]:
    """Random letters, then what follows them; cut at the end."""
    tape: list[Symbol] = [rng.choice(LETTERS) for _ in range(max(1, min(places, length - k - 1)))]
    while len(tape) < length and (said := reference(tape, k, places)[-1]) is not None:
        tape.append(said)
        if said in LETTERS:
            break
    return tape[:length]


ENTRY = Entry(
    name="hop_by_steps",
    summary="k-hop by chain of thought: each generated number is a pointer followed, then the letter found.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(2),  # whatever k: the pointers, then the one at the place the tape names
    layers_formula="2",
    alphabet=_words(64),
    alphabet_fixed=True,
    parameters={"k": 2, "places": 64},
)
