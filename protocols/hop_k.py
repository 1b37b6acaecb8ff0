"""hop_k as a protocol: pointers followed k times by doubling, to hold beside the program `khop`."""

from __future__ import annotations

import random

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.language import Value
from ..mpc import Protocol, machine, protocol, request
from .entry import Case, ProtocolEntry


def make(k: int = 3, symbols: int = 4, memory: int = 2) -> Protocol:
    """Machine i holds find(i), the place after the last earlier one of its symbol (0 for none), and its symbol 1..symbols.

    It is told the symbol at find(i) taken k times, ⊥ where that is 0. To find a place by its content is no step of the model,
    so the pointers are given; the program `khop` finds them in one more layer, by a head that matches symbols.
    Powers of one map commute, so each request serves doubling and, where k has the bit, the answer (arXiv 2402.09268, Theorem 4.2).
    Raises InputError for k < 1 or no symbols.
    """
    for parameter, value in (("k", k), ("symbols", symbols)):
        if value < 1:
            raise InputError(f"protocol hop_k was given {parameter}={value}", hint="give at least 1")

    @protocol(memory=memory, words=lambda n: {"find": range(n + 1), "symbol": range(1, symbols + 1)}, name=f"hop_k(k={k})")
    def hop_k(find: Value, symbol: Value) -> Value:
        jump, answer = machine(find), symbol
        for bit in range(k.bit_length()):
            jump, fetched = request(jump, (jump, answer))
            answer = fetched if k >> bit & 1 else answer
        return answer

    return hop_k


def find(text: list[int]) -> list[Symbol]:
    """A text as the machines hold it: the place after the last earlier one of each symbol, and the symbol."""
    last: dict[int, int] = {}
    held: list[Symbol] = []
    for i, symbol in enumerate(text, 1):
        held.append((last[symbol] + 1 if symbol in last else 0, symbol))
        last[symbol] = i
    return held


def oracle(machines: list[Symbol], k: int = 3, symbols: int = 4, memory: int = 2) -> list[Symbol | None]:
    """The pointers followed k times, one after the other."""
    held = {i: symbol for i, symbol in enumerate(machines, 1) if isinstance(symbol, tuple)}
    found: list[Symbol | None] = []
    for i in held:
        for _ in range(k):
            i = held[i][0] if i in held else 0
        found.append(held[i][1] if i in held else None)
    return found


def cases(rng: random.Random, length: int, k: int = 3, symbols: int = 4, memory: int = 2) -> list[Case]:
    """Texts in which hops are long, short, and go nowhere; and pointers that no text has."""
    return [
        Case("one place", find([1])),
        Case("two symbols in turn", find([1 + i % min(2, symbols) for i in range(length)])),
        Case("all symbols in turn", find([1 + i % symbols for i in range(length)])),
        Case("one symbol", find([1] * length)),
        Case("random text", find([rng.randint(1, symbols) for _ in range(length)])),
        Case("random pointers", [(rng.randint(0, length), rng.randint(1, symbols)) for _ in range(length)]),
        Case("pointers that no machine is", [(length, 1)] * max(1, length // 2)),
    ]


def layers(length: int, k: int = 3, symbols: int = 4, memory: int = 2) -> int:
    """One less than the program `khop`, which has to find the pointers."""
    return k.bit_length()


ENTRY = ProtocolEntry(
    name="hop_k",
    summary="The symbol k hops away, the hops given as pointers.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="floor(log2 k) + 1",
    parameters={"k": 3, "symbols": 4, "memory": 2},
)
