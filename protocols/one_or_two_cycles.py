"""One cycle or two: how many cycles the successors of a permutation make, the problem on which depth bounds rest."""

from __future__ import annotations

import random

import networkx as nx

from ..compiler.domain import Symbol
from ..compiler.language import Value, minimum, where
from ..mpc import Protocol, all_reduce, machine, protocol, request
from .entry import Case, ProtocolEntry


def make(memory: int = 2) -> Protocol:
    """Machine i holds its successor; every machine is told the number of cycles.

    It counts the machines that are the least of all that can be reached from them. Of a permutation those are one a cycle;
    successors that are no permutation are counted in the same way, and one that no machine is leads nowhere.

    After j steps `least` is the least of a machine and its next 2**j - 1 successors. Source: arXiv 2402.09268, section 3.3.
    """

    @protocol(memory=memory, words=lambda n: {"successor": range(1, n + 1)}, name="one_or_two_cycles")
    def one_or_two_cycles(me: Value, machines: int, successor: Value) -> Value:
        jump, least = machine(successor), me
        for _ in range((machines - 1).bit_length()):
            jump, other = request(jump, (jump, least))
            least = minimum(least, other.or_else(least))
        return all_reduce(where(least == me, 1, 0), "sum")

    return one_or_two_cycles


def oracle(machines: list[Symbol], memory: int = 2) -> list[Symbol | None]:
    """Every machine's descendants, by networkx; at a permutation these are the cycles."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(1, len(machines) + 1))
    graph.add_edges_from((i, int(str(s))) for i, s in enumerate(machines, 1) if int(str(s)) in graph)
    leaders = sum(all(i < j for j in nx.descendants(graph, i)) for i in graph)
    return [leaders] * len(machines)


def cycles(lengths: list[int], order: list[int]) -> list[int]:
    """Successors that run through consecutive parts of an order, one cycle a part."""
    successor = [0] * len(order)
    start = 0
    for length in lengths:
        part = order[start : start + length]
        for i, j in zip(part, [*part[1:], part[0]], strict=True):
            successor[i - 1] = j
        start += length
    return successor


def cases(rng: random.Random, length: int, memory: int = 2) -> list[Case]:
    """One cycle and two of the same and of unequal lengths, in order and scattered; fixed points; no permutation."""
    line, mixed = [*range(1, length + 1)], rng.sample(range(1, length + 1), length)
    half = length // 2
    two = [half, length - half] if half else [length]
    unequal = [1, length - 1] if length > 1 else [1]
    return [
        Case("one machine", [1]),
        Case("one cycle in order", [*cycles([length], line)]),
        Case("one cycle backwards", [*cycles([length], line[::-1])]),
        Case("one cycle, scattered", [*cycles([length], mixed)]),
        Case("two cycles in order", [*cycles(two, line)]),
        Case("two cycles, scattered", [*cycles(two, mixed)]),
        Case("a fixed point and a cycle", [*cycles(unequal, mixed)]),
        Case("every machine its own successor", [*line]),
        Case("a random permutation", [*mixed]),
        Case("no permutation", [rng.randint(1, length) for _ in range(length)]),
    ]


def layers(length: int, memory: int = 2) -> int:
    """A layer a step, and one to count."""
    return (length - 1).bit_length() + 1


ENTRY = ProtocolEntry(
    name="one_or_two_cycles",
    summary="The number of cycles that the successors make, at every machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=layers,
    layers_formula="ceil(log2 N) + 1",
    family="mpc-cycle",
    parameters={"memory": 2},
)
