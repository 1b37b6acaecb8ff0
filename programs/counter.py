"""A counter: binary numbers written one after another, lowest bit first, each one more than the last."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

ALPHABET = ("0", "1")


def make(width: int = 4) -> hw.Program:
    """The next bit of a tape of numbers of `width` bits; ⊥ until the first number is whole.

    Generated text counts up. Adding one turns a bit over exactly if a carry comes in, and a carry goes on exactly from a
    bit that turned from 1 to 0, which can be seen on the tape: the bit `width` back was 1 and this one is 0.
    Raises InputError for a width below 1.
    """
    at_least("counter", "width", width, 1)

    @hw.program(name=f"counter(width={width})", alphabet=ALPHABET)
    def counter(token: hw.Value, position: hw.Value) -> hw.Value:
        lowest = hw.table(lambda p: p % width == 0, position)  # what comes next is a lowest bit
        carry = hw.where(lowest, True, (hw.previous(token, width) == "1") & (token == "0"))
        return hw.table(lambda bit, turns: str(int(bit) ^ turns), hw.previous(token, width - 1), carry)

    return counter


def reference(tokens: Sequence[Symbol], width: int = 4) -> list[Symbol | None]:
    """The bit `width` before the next one, turned over by a carry."""
    out: list[Symbol | None] = []
    for n in range(1, len(tokens) + 1):
        if n < width:
            out.append(None)
            continue
        carry = n % width == 0 or (tokens[n - 1 - width], tokens[n - 1]) == ("1", "0")
        out.append({"0": "1", "1": "0"}[str(tokens[n - width])] if carry else tokens[n - width])
    return out


def sample(rng: random.Random, length: int, width: int = 4) -> list[Symbol]:
    """A count from a random number, cut at the end."""
    start = rng.randrange(2**width)
    numbers = range(start, start + length // width + 1)
    bits: list[Symbol] = [str(number >> bit & 1) for number in numbers for bit in range(width)]
    return bits[:length]


ENTRY = Entry(
    name="counter",
    summary="A binary counter on its own text: the next bit of numbers that grow by one.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(1),  # two earlier bits, read side by side
    layers_formula="1",
    alphabet=ALPHABET,
    alphabet_fixed=True,
    parameters={"width": 4},
)
