"""Match3: whether this number and two others of the text add up to zero modulo M, the task that one narrow layer cannot do."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

MODULUS = 5


def make(modulus: int = MODULUS) -> hw.Program:
    """Whether there are places j and k so far, which may be the same, with x[i] + x[j] + x[k] = 0 modulo `modulus`.

    One layer with a head for each residue says which of them occur; which sums two of them have, and whether this number's opposite is
    one, is local. So the width pays for the third place; the lower bound for one layer (arXiv 2306.02896) is of a modulus that grows
    with the length. Raises InputError for a modulus below 2.
    """
    at_least("match3", "modulus", modulus, 2)

    @hw.program(name=f"match3(modulus={modulus})", alphabet=_numbers(modulus))
    def match3(token: hw.Value) -> hw.Value:
        number = hw.table(lambda s: int(s), token)
        occurs = [hw.match(query=True, key=number == r).latest().found for r in range(modulus)]
        found: list[hw.Value] = []
        for total in range(modulus):
            pairs = {tuple(sorted((r, (total - r) % modulus))) for r in range(modulus)}
            has = functools.reduce(lambda a, b: a | b, (occurs[a] & occurs[b] for a, b in sorted(pairs)))
            found.append(has & (number == -total % modulus))
        return functools.reduce(lambda a, b: a | b, found)

    return match3


def _numbers(modulus: int) -> tuple[str, ...]:
    return tuple(map(str, range(modulus)))


def reference(tokens: Sequence[Symbol], modulus: int = MODULUS) -> list[Symbol | None]:
    """Every pair of residues that occur so far."""
    seen: set[int] = set()
    out: list[Symbol | None] = []
    for token in tokens:
        x = int(str(token))
        seen.add(x)
        out.append(any((x + a + b) % modulus == 0 for a in seen for b in seen))
    return out


def sample(rng: random.Random, length: int, modulus: int = MODULUS) -> list[Symbol]:
    """Random numbers, of few different ones, so that not everything matches."""
    few = rng.sample(_numbers(modulus), rng.randint(1, min(3, modulus)))
    return list(rng.choices(few, k=length))


ENTRY = Entry(
    name="match3",
    summary="Whether this number and two others so far add up to zero modulo a small number: one layer, a head for each residue.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(1),
    layers_formula="1",
    alphabet=_numbers(MODULUS),
    alphabet_fixed=True,
    parameters={"modulus": MODULUS},
)
