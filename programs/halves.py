"""Two strings side by side: whether they are equal, and whether the sets they mark are disjoint (arXiv 2406.09347)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

BITS = ("0", "1")


def _make(name: str, size: int, wrong: Callable[[hw.Value, hw.Value], hw.Value], alphabet: tuple[str, ...]) -> hw.Program:
    """Layer 1 reads the other string at the same place; layer 2 counts the places that are wrong."""
    at_least(name, "size", size, 1)

    @hw.program(name=f"{name}(size={size})", alphabet=alphabet)
    def halves(token: hw.Value, position: hw.Value) -> hw.Value:
        second = (position > size) & (position <= 2 * size)
        other = hw.previous(token, by=size)
        fault = hw.where(second, wrong(token, other), None)
        return hw.where(second, ~hw.match(True, fault).any(), None)

    return halves


def make_equal(size: int = 8) -> hw.Program:
    """In the second half of 2·size bits: whether the second string so far is the first one; at its end, whether they are equal.

    Two layers of one head and of width O(log N); one layer, and a recurrent network, need size Ω(N) (arXiv 2406.09347).
    Raises InputError for size below 1.
    """
    return _make("equal", size, lambda mine, other: mine != other, BITS)


def make_disjoint(size: int = 8) -> hw.Program:
    """In the second half of 2·size bits: whether no element so far is in both sets, bit i of each string saying that i is in it.

    Two layers as `equal`. Raises InputError for size below 1.
    """
    return _make("disjoint", size, lambda mine, other: (mine == "1") & (other == "1"), BITS)


def _pairs(tokens: Sequence[Symbol], size: int) -> list[Symbol | None]:
    return [None] * min(size, len(tokens))


def reference_equal(tokens: Sequence[Symbol], size: int = 8) -> list[Symbol | None]:
    """Prefixes compared as lists."""
    seen = range(size, min(len(tokens), 2 * size))
    said: list[Symbol | None] = [list(tokens[size : i + 1]) == list(tokens[: i + 1 - size]) for i in seen]
    return [*_pairs(tokens, size), *said, *[None] * max(0, len(tokens) - 2 * size)]


def reference_disjoint(tokens: Sequence[Symbol], size: int = 8) -> list[Symbol | None]:
    """Sets of Python."""
    first = {i for i in range(size) if i < len(tokens) and tokens[i] == "1"}
    said: list[Symbol | None] = []
    for end in range(size, min(len(tokens), 2 * size)):
        said.append(first.isdisjoint(i - size for i in range(size, end + 1) if tokens[i] == "1"))
    return [*_pairs(tokens, size), *said, *[None] * max(0, len(tokens) - 2 * size)]


def sample_equal(rng: random.Random, length: int, size: int = 8) -> list[Symbol]:
    """A string twice, half of the time with one bit changed."""
    word: list[Symbol] = [*rng.choices(BITS, k=size)]
    again = list(word)
    if rng.random() < 0.5:
        at = rng.randrange(size)
        again[at] = BITS[again[at] == "0"]
    return [*word, *again][:length]


def sample_disjoint(rng: random.Random, length: int, size: int = 8) -> list[Symbol]:
    """Two random sets, mostly disjoint."""
    word: list[Symbol] = [*rng.choices(BITS, k=size)]
    other: list[Symbol] = ["0" if a == "1" and rng.random() < 0.9 else rng.choice(BITS) for a in word]
    return [*word, *other][:length]


def layers(length: int, size: int = 8) -> int:
    """The other string, then the count; where there is no second string, the count alone."""
    return 2 if length > size else 1


EQUAL = Entry(
    name="equal",
    summary="Whether the second half of a text is the first half again.",
    make=make_equal,
    reference=reference_equal,
    sample=sample_equal,
    layers=layers,
    layers_formula="2",
    alphabet=BITS,
    alphabet_fixed=True,
    parameters={"size": 8},
)

DISJOINT = Entry(
    name="disjoint",
    summary="Whether two sets, given bit by bit one after the other, have no element in common.",
    make=make_disjoint,
    reference=reference_disjoint,
    sample=sample_disjoint,
    layers=layers,
    layers_formula="2",
    alphabet=BITS,
    alphabet_fixed=True,
    parameters={"size": 8},
)
