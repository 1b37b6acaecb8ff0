"""List ranking by one block: how many links from here to the end of the list, by pointer doubling."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least


def make(places: int = 16) -> hw.Program:
    """Each token is the place of the next in its list, 0 at the end; the result is the number of links from here to the end.

    Lists may share their tails. A link to a place where there is no token counts, and ends the list. Where the links lead into a cycle
    there is no end, and the result is ⊥. A round replaces every pointer by the pointer there and adds up the links passed,
    so T rounds count up to 2**T links: one more than log2 N rounds tell a list from a cycle. Raises InputError for places below 1.
    """
    at_least("list_ranking", "places", places, 1)

    @hw.program(name=f"list_ranking(places={places})", causal=False, alphabet=tuple(range(places + 1)))
    def list_ranking(token: hw.Value, position: hw.Value) -> hw.Value:
        most = position.domain.hi

        def double(jump: hw.Value, links: hw.Value) -> tuple[hw.Value, hw.Value]:
            return jump.at(jump), hw.minimum(links + links.at(jump).or_else(0), most + 1)

        _, links = hw.loop(int.bit_length, double, hw.where(token > 0, token + 0, None), hw.where(token > 0, 1, 0))
        return hw.where(links <= most, links, None)

    return list_ranking


def reference(tokens: Sequence[Symbol], places: int = 16) -> list[Symbol | None]:
    """Every list walked to its end."""
    following = {i: int(str(s)) for i, s in enumerate(tokens, 1)}
    ranks: list[Symbol | None] = []
    for i in following:
        links, at = 0, i
        while following.get(at) and links <= len(following):
            at, links = following[at], links + 1
        ranks.append(links if links <= len(following) else None)
    return ranks


def sample(rng: random.Random, length: int, places: int = 16) -> list[Symbol]:
    """One list in random order; sometimes a link goes elsewhere, which makes a shorter list, a shared tail or a cycle."""
    n = min(length, places)
    order = rng.sample(range(1, n + 1), n)
    following = [0] * n
    for i, j in itertools.pairwise(order):
        following[i - 1] = rng.randint(0, places) if rng.random() < 0.1 else j
    return [*following]


def layers(length: int, places: int = 16) -> int:
    """One layer a round: the bits of N."""
    return length.bit_length()


ENTRY = Entry(
    name="list_ranking",
    summary="How many links from here to the end of its list, by pointer doubling in one block.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="floor(log2 N) + 1, one block",
    alphabet=tuple(range(17)),
    alphabet_fixed=True,
    parameters={"places": 16},
)
