"""List ranking: every machine's distance from the end of its list, by pointer doubling."""

from __future__ import annotations

from ..compiler.domain import Symbol
from ..compiler.language import Value, where
from ..mpc import Protocol, protocol, request


def make(memory: int = 2) -> Protocol:
    """Machine i holds its successor in the list, itself at the end.

    After j steps `jump` is the successor 2**j times and `rank` the steps taken. ceil(log2 N) steps reach every end, for the
    longest list has N - 1 links.
    """

    @protocol(memory=memory, words=lambda n: {"successor": range(1, n + 1)}, name="list_ranking")
    def list_ranking(me: Value, machines: int, successor: Value) -> Value:
        jump, rank = successor, where(successor == me, 0, 1)
        for _ in range((machines - 1).bit_length()):
            further, more = request(jump, (jump, rank))
            jump, rank = further.or_else(jump), rank + more.or_else(0)
        return rank

    return list_ranking


def oracle(machines: list[Symbol], memory: int = 2) -> list[Symbol | None]:
    """Every list walked to its end."""
    successor = {i: int(str(s)) for i, s in enumerate(machines, 1)}
    ranks: list[Symbol | None] = []
    for i in successor:
        steps = 0
        while successor[i] != i and successor[i] in successor:
            i, steps = successor[i], steps + 1
        ranks.append(steps)
    return ranks
