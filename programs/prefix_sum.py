"""Running sums: of numbers, modulo a bound or up to it, and of ones modulo 2."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least, one_of

DIGITS, BITS = tuple("0123456789"), ("0", "1")


def make_prefix_sum(bound: int = 10, past: str = "wrap") -> hw.Program:
    """The sum of the numbers so far: modulo `bound` where past="wrap", at most `bound` where past="stay".

    Symbols that are no numbers 0, 1, 2, … add nothing. Raises InputError for `bound < 2` or another `past`.
    """
    at_least("prefix_sum", "bound", bound, 2)
    one_of("prefix_sum", "past", past, ("wrap", "stay"))

    @hw.program(name=f"prefix_sum(bound={bound})" if past == "wrap" else "prefix_sum", alphabet=DIGITS)
    def prefix_sum(token: hw.Value) -> hw.Value:
        total = hw.visible(token).sum(hw.table(_number, token))
        return total % bound if past == "wrap" else hw.minimum(total, bound)

    return prefix_sum


def _number(symbol: object) -> int:
    if isinstance(symbol, str):
        return int(symbol) if symbol.isdecimal() else 0
    return max(0, symbol) if isinstance(symbol, int) and not isinstance(symbol, bool) else 0


def reference_prefix_sum(tokens: Sequence[Symbol], bound: int = 10, past: str = "wrap") -> list[Symbol | None]:
    """itertools.accumulate, with the bound applied at every step, as a counter of that size would."""
    numbers = [int(str(token)) if str(token).isdecimal() else 0 for token in tokens]
    steps: dict[str, Callable[[int, int], int]] = {"wrap": lambda a, b: (a + b) % bound, "stay": lambda a, b: min(a + b, bound)}
    _, *sums = itertools.accumulate(numbers, steps[past], initial=0)
    return list(sums)


def sample_prefix_sum(rng: random.Random, length: int, bound: int = 10, past: str = "wrap") -> list[Symbol]:
    """Random digits, mostly small ones."""
    return list(rng.choices(DIGITS, weights=range(10, 0, -1), k=length))


def make_parity(word: str = "1") -> hw.Program:
    """Whether `word` was said an odd number of times so far: one count, modulo 2."""

    @hw.program(name="parity", alphabet=tuple(dict.fromkeys([*BITS, word])))
    def parity(token: hw.Value) -> hw.Value:
        return hw.match(word, token).count() % 2 == 1

    return parity


def reference_parity(tokens: Sequence[Symbol], word: str = "1") -> list[Symbol | None]:
    """A switch that each `word` flips."""
    out: list[Symbol | None] = []
    odd = False
    for token in tokens:
        odd ^= token == word
        out.append(odd)
    return out


def sample_parity(rng: random.Random, length: int, word: str = "1") -> list[Symbol]:
    """Random bits, or the word among them."""
    return list(rng.choices(("0", word), k=length))


PREFIX_SUM = Entry(
    name="prefix_sum",
    summary="The sum of the numbers so far, modulo a bound or saturating at it.",
    make=make_prefix_sum,
    reference=reference_prefix_sum,
    sample=sample_prefix_sum,
    layers=always(1),
    layers_formula="1",
    alphabet=DIGITS,
    parameters={"bound": 10, "past": "wrap"},
)

PARITY = Entry(
    name="parity",
    summary="Whether a word was said an odd number of times so far.",
    make=make_parity,
    reference=reference_parity,
    sample=sample_parity,
    layers=always(1),
    layers_formula="1",
    alphabet=BITS,
    alphabet_fixed=True,
    parameters={"word": "1"},
)
