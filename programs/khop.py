"""k-hop induction: follow the induction head's pointer k times, then read the token there (arXiv 2402.09268)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, at_least

ALPHABET = tuple("abcd")
PLAIN = 64  # hops that are written one by one


def make(k: int = 2) -> hw.Program:
    """hop_k, written as the plain loop of k reads; the optimiser finds the doubling. Raises InputError for `k < 0`.

    More than 64 hops are written by doubling, so that a million take no longer to compile: the optimised program is the same.
    `jump` is the position after the latest earlier occurrence of this token: find(i) of the paper, ⊥ for its 0.
    """
    at_least("khop", "k", k, 0)

    @hw.program(name=f"khop(k={k})", alphabet=ALPHABET)
    def khop(token: hw.Value) -> hw.Value:
        jump = hw.match(query=token, key=token, before=True).latest().position + 1
        out, rest = token, k
        while rest > PLAIN:  # hop^rest = (hop^2)^(rest // 2) after hop^(rest % 2)
            out = out.at(jump) if rest % 2 else out
            jump, rest = jump.at(jump), rest // 2
        for _ in range(rest):
            out = out.at(jump)
        return out

    return khop


def reference(tokens: Sequence[Symbol], k: int = 2) -> list[Symbol | None]:
    """Time linear in the length for any k: the pointers form a forest, and the k-th ancestor is on the stored path.

    Positions count from 1 and 0 is the root. A node that points to itself is its own ancestor for ever, and so is
    the root. Every other pointer goes strictly back, so k steps are `min(k, depth)` steps.
    """
    find = [0]
    last: dict[Symbol, int] = {}
    for i, token in enumerate(tokens, start=1):
        find.append(last[token] + 1 if token in last else 0)
        last[token] = i
    children: list[list[int]] = [[] for _ in find]
    roots: list[int] = []
    for i, parent in enumerate(find):
        (roots if parent == i else children[parent]).append(i)
    ancestor = [0] * len(find)
    path: list[int] = []
    todo = [(root, 0) for root in roots]
    while todo:
        i, depth = todo.pop()
        del path[depth:]
        path.append(i)
        ancestor[i] = path[max(0, depth - k)]
        todo.extend((child, depth + 1) for child in children[i])
    return [tokens[p - 1] if p else None for p in ancestor[1:]]


def sample(rng: random.Random, length: int, k: int = 2) -> list[Symbol]:
    """Random letters, no two neighbours equal, from so few letters that chains of k hops fit into the prompt."""
    letters = ALPHABET[: min(len(ALPHABET), max(2, length // (k + 1)))]
    tokens: list[str] = []
    while len(tokens) < length:
        tokens.append(rng.choice([x for x in letters if x not in tokens[-1:]]))
    return list(tokens)


def layers(length: int, k: int = 2) -> int:
    """Attention layers, as in arXiv 2402.09268, Theorem 4.2; the identity needs none."""
    return k.bit_length() + 1 if k else 0


ENTRY = Entry(
    name="khop",
    summary="k-hop induction: the induction head's pointer followed k times.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="floor(log2 k) + 2 for k >= 1, 0 for k = 0",
    alphabet=ALPHABET,
    parameters={"k": 2},
)
