"""k-hop induction by one block: the binary digits of k are read round by round, while the pointer is squared (arXiv 2402.09268)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least
from .khop import ALPHABET, reference as hop_k, sample as chains


def make(k: int = 4) -> hw.Program:
    """hop_k as one layer that finds the pointer and one block that is applied once for each binary digit of k.

    A round reads at `jump` both the pointer, which is squared, and what has been found, which is taken where the lowest digit of
    `left` is 1: powers of one map commute. The depth is that of the theorem, floor(log2 k) + 2, and the weights are the same for
    every number of rounds: T of them give k mod 2**T hops. Raises InputError for `k < 1`.
    """
    at_least("looped_khop", "k", k, 1)

    @hw.program(name=f"looped_khop(k={k})", alphabet=ALPHABET)
    def looped_khop(token: hw.Value) -> hw.Value:
        def double(jump: hw.Value, found: hw.Value, left: hw.Value) -> tuple[hw.Value, hw.Value, hw.Value]:
            return jump.at(jump), hw.where(left % 2 == 1, found.at(jump), found), left // 2

        jump = hw.match(query=token, key=token, before=True).latest().position + 1
        _, found, _ = hw.loop(k.bit_length(), double, jump, token, k)
        return found

    return looped_khop


def reference(tokens: Sequence[Symbol], k: int = 4) -> list[Symbol | None]:
    """As k-hop: the k-th ancestor in the pointers' forest."""
    return hop_k(tokens, k)


def sample(rng: random.Random, length: int, k: int = 4) -> list[Symbol]:
    """Letters with chains of k hops."""
    return chains(rng, length, k)


def layers(length: int, k: int = 4) -> int:
    """The pointer, and one layer for each binary digit of k."""
    return 1 + k.bit_length()


ENTRY = Entry(
    name="looped_khop",
    summary="k-hop induction by one block, applied once for each binary digit of k.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="floor(log2 k) + 2, one block",
    alphabet=ALPHABET,
    parameters={"k": 4},
)
