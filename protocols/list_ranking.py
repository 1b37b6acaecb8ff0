"""List ranking: every machine's distance from the end of its list, by pointer doubling."""

from __future__ import annotations

import itertools
import random

from ..compiler.domain import Symbol
from ..compiler.language import Value, where
from ..mpc import Protocol, machine, protocol, request
from .entry import Case, ProtocolEntry


def make(memory: int = 2) -> Protocol:
    """Machine i holds its successor in the list, 0 at the end; it is told the links from it to the end.

    Lists may share their tails. A link to a machine that is not there counts, and ends the list. Where the successors lead
    into a cycle there is no end, and the rank is ⊥.

    After j steps `jump` is the successor 2**j times, ⊥ past the end, and `links` are those up to there. A list has fewer
    than N links (N to a machine that is not there takes N + 1 machines), so after ceil(log2 N) steps all are counted;
    2**ceil(log2 N) links, at least N of them, are a cycle's.
    """

    @protocol(memory=memory, words=lambda n: {"successor": range(n + 1)}, name="list_ranking")
    def list_ranking(machines: int, successor: Value) -> Value:
        jump, links = machine(successor), where(successor > 0, 1, 0)
        for _ in range((machines - 1).bit_length()):
            jump, more = request(jump, (jump, links))
            links = links + more.or_else(0)
        return where(links < machines, links, None)

    return list_ranking


def oracle(machines: list[Symbol], memory: int = 2) -> list[Symbol | None]:
    """Every list walked to its end, machine by machine."""
    successor = {i: int(str(s)) for i, s in enumerate(machines, 1)}
    ranks: list[Symbol | None] = []
    for i in successor:
        links, at = 0, i
        while successor.get(at) and links <= len(successor):
            at, links = successor[at], links + 1
        ranks.append(links if links <= len(successor) else None)
    return ranks


def cases(rng: random.Random, length: int, memory: int = 2) -> list[Case]:
    """One list in three orders, many lists, lists that share a tail, and cycles."""
    order = rng.sample(range(1, length + 1), length)
    shuffled = [0] * length
    for i, j in itertools.pairwise(order):
        shuffled[i - 1] = j
    half = length // 2
    return [
        Case("one machine", [0]),
        Case("one machine, its own successor", [1]),
        Case("one list in order", [*range(2, length + 1), 0]),
        Case("one list backwards", [*range(length)]),
        Case("one list in random order", [*shuffled]),
        Case("no links", [0 for _ in range(length)]),
        Case("all before the last machine", [*(length if i < length else 0 for i in range(1, length + 1))]),
        Case("one cycle", [*range(2, length + 1), 1]),
        Case(
            "a list into a cycle, and a list",
            [*(max(1, half // 2) if i == half else i + 1 if i < length else 0 for i in range(1, length + 1))],
        ),
        Case("successors that no machine is", [*(min(length, i + half) for i in range(1, max(1, half) + 1))]),
        Case("random", [rng.randint(0, length) for _ in range(length)]),
    ]


def layers(length: int, memory: int = 2) -> int:
    """One layer a step."""
    return (length - 1).bit_length()


ENTRY = ProtocolEntry(
    name="list_ranking",
    summary="Every machine's distance from the end of its list.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="ceil(log2 N)",
    parameters={"memory": 2},
)
