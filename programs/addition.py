"""Addition of two binary numbers that stand in the prompt, all digits at once."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .automaton import scan_layers
from .entry import Entry, at_least

ALPHABET = ("0", "1", "+")
KEEP, CARRY = 1, 2  # what two digits of one place do to the carry: 0 + 0 clears it, 0 + 1 keeps it, 1 + 1 sets it


def make(heads: int = 1) -> hw.Program:
    """`0 1 1 + 1 1 0`, lowest digit first, is 6 + 3: the digits of the sum, lowest first, over the whole prompt.

    Layer 1 finds the plus, layer 2 brings the digits of one place together, and those of the place before. What places do
    to the carry composes associatively (Ladner and Fischer 1980), so a scan of `heads` heads a layer gives every carry.
    A prompt of n tokens has room for the n - 1 digits in it and the last carry. ⊥ without a plus; a second plus is a digit 0.
    Raises InputError for `heads < 1`.
    """
    at_least("addition", "heads", heads, 1)

    @hw.program(name=f"addition(heads={heads})", causal=False, alphabet=ALPHABET)
    def addition(token: hw.Value, position: hw.Value) -> hw.Value:
        bit = hw.where(token == "1", 1, 0)
        plus = hw.match("+", token).earliest().position
        first = hw.where(position < plus, bit, 0)
        first_before = hw.where(position - 1 < plus, hw.previous(bit).or_else(0), 0)
        second = hw.match(plus + position, position).latest().fetch(bit).or_else(0)
        second_before = hw.where(position > 1, hw.match(plus + position - 1, position).latest().fetch(bit).or_else(0), 0)
        carry = hw.scan(lambda low, high: low if high == KEEP else high, first_before + second_before, heads=heads) == CARRY
        total = first + second + hw.where(carry, 1, 0)
        return hw.where(total % 2 == 1, "1", "0")

    return addition


def reference(tokens: Sequence[Symbol], heads: int = 1) -> list[Symbol | None]:
    """Python's own integers."""
    if "+" not in tokens:
        return [None] * len(tokens)
    plus = list(tokens).index("+")
    numbers = (tokens[:plus], tokens[plus + 1 :])
    total = sum(sum(2**i for i, digit in enumerate(number) if digit == "1") for number in numbers)
    return ["1" if total >> i & 1 else "0" for i in range(len(tokens))]


def sample(rng: random.Random, length: int, heads: int = 1) -> list[Symbol]:
    """Two random numbers; often with long runs of ones, in which a carry goes far."""
    ones = rng.choice((1, 1, 8))
    digits: list[Symbol] = [*rng.choices(("0", "1"), weights=[1, ones], k=length)]
    digits[rng.randrange(length)] = "+"
    return digits


def layers(length: int, heads: int = 1) -> int:
    """Attention layers: the plus, the digits, and the levels of the scan."""
    return 2 + scan_layers(length, heads)


ENTRY = Entry(
    name="addition",
    summary="The sum of two binary numbers in the prompt, lowest digit first, all digits at once.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="2 + min L: (heads + 1)^L >= N",
    alphabet=ALPHABET,
    alphabet_fixed=True,
    parameters={"heads": 1},
)
