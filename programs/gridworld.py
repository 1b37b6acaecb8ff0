"""A walk between two walls, without running it step by step: the sum of the steps, and where it last was at its neighbours."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

START = 2  # neither half: no such sum since the start
STEPS = {"left": -1, "stay": 0, "right": 1}


def make(places: int = 4, heads: int = 0) -> hw.Program:
    """The place, 0 to `places` - 1, of a walk that starts at 0 and stays where a wall is in its way.

    Let P be the sum of the steps so far and S = places. The walk is at e or beyond exactly if, of the places in the text where the sum was
    P - e or P - e + S, the latest had P - e: then the lower wall was met since the upper one (docs/theory.md has the proof). Sums modulo S
    find both, sums modulo 2·S tell them apart, and the start is a sum of 0. So two layers: the sum, and S - 1 lookups side by side.
    With fewer `heads` (0: S - 1) the place is searched for, in 1 + min L: (heads + 1)^L >= S layers.
    Raises InputError for `places < 2` and `heads < 0`.
    """
    at_least("gridworld", "places", places, 2)
    at_least("gridworld", "heads", heads, 0)
    wide = min(heads or places - 1, places - 1)

    @hw.program(name=f"gridworld(places={places}, heads={heads})", alphabet=tuple(STEPS))
    def gridworld(token: hw.Value) -> hw.Value:
        total = hw.visible(token).sum(hw.table(lambda word: STEPS[word], token)) % (2 * places)
        level, half = total % places, total // places

        def beyond(least: hw.Value, start: int) -> hw.Value:
            """Whether the place is e = least + start or beyond."""
            sought = hw.table(lambda p, x: (p - x - start) % places, level, least)
            then = hw.match(query=sought, key=level).latest().fetch(half, default=START)
            return hw.table(
                lambda now, t, x: x + start < places and _below((now - x - start) % (2 * places), t, places), total, then, least
            )

        least, count = hw.table(lambda word: 0, token), places  # the place is one of `count` from `least` on
        while count > 1:
            part = -(-count // (wide + 1))
            passed = [beyond(least, start) for start in range(part, count, part)]
            least = hw.table(lambda x, *here, part=part: min(x + part * sum(here), places - 1), least, *passed)
            count = part
        return least

    return gridworld


def _below(wanted: int, then: int, places: int) -> bool:
    """Whether the latest sum of that residue is the one wanted: by its half of 0..2·places - 1, and at the start by being 0."""
    return wanted == 0 if then == START else then == wanted // places


def reference(tokens: Sequence[Symbol], places: int = 4, heads: int = 0) -> list[Symbol | None]:
    """The walk itself."""
    walk = itertools.accumulate(tokens, lambda x, step: min(max(x + STEPS[str(step)], 0), places - 1), initial=0)
    out: list[Symbol | None] = [*walk]
    return out[1:]


def sample(rng: random.Random, length: int, places: int = 4, heads: int = 0) -> list[Symbol]:
    """Steps that go one way for a while, so that both walls are met."""
    tokens: list[Symbol] = []
    while len(tokens) < length:
        tokens += rng.choices(
            ("left", "stay", "right"), weights=rng.choice([(3, 1, 1), (1, 1, 3), (1, 1, 1)]), k=rng.randint(1, 3 * places)
        )
    return tokens[:length]


def layers(length: int, places: int = 4, heads: int = 0) -> int:
    """The sum, and one round of lookups for each time the places left are divided by heads + 1."""
    count, rounds, wide = places, 0, min(heads or places - 1, places - 1)
    while count > 1:
        count, rounds = -(-count // (wide + 1)), rounds + 1
    return 1 + rounds


ENTRY = Entry(
    name="gridworld",
    summary="Where a walk between two walls is, from the sum of its steps and a few lookups.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="1 + min L: (heads + 1)^L >= places",
    alphabet=tuple(STEPS),
    alphabet_fixed=True,
    parameters={"places": 4, "heads": 0},
)
