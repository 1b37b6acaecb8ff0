"""Matrix times vector, y = A x: every entry's machine fetches its coordinate, and the products of a row are added up."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler.domain import Symbol
from ..compiler.language import Value, table
from ..mpc import Protocol, gather, protocol, scatter
from ..programs.entry import always
from . import matrix
from .entry import Case, ProtocolEntry, at_least, pairs


def make(values: int = 3) -> Protocol:
    """Machine i gets the i-th coordinate of A x, 0 if there is no i-th. Two rounds, memory ceil(sqrt N).

    Entries and coordinates are 0..values-1. Every machine holds an entry of A (`matrix.py` says which) and a word that is
    the i-th coordinate of x at machine i, and that nobody reads elsewhere.
    """
    at_least("matrix_vector", "values", values, 1)

    @protocol(memory=matrix.side, words={"entry": range(values), "coordinate": range(values)}, name="matrix_vector")
    def matrix_vector(entry: Value, coordinate: Value) -> Value:
        factor = gather(lambda machine: matrix.entry(machine)[1], coordinate)
        product = table(lambda a, x: a * x, entry, factor)
        return scatter(lambda machine: matrix.entry(machine)[0], product).sum

    return matrix_vector


def oracle(machines: Sequence[Symbol], values: int = 3) -> list[Symbol | None]:
    """Row by row."""
    words = pairs(machines)
    rows = matrix.read([a for a, _ in words])
    found = [sum(a * x for a, (_, x) in zip(row, words, strict=False)) for row in rows]
    return [*found, *[0] * (len(words) - len(found))]


def cases(rng: random.Random, length: int, values: int = 3) -> list[Case]:
    """Random matrices and vectors, the greatest, the least, and a diagonal one; rows cut short."""
    top = values - 1

    def words(count: int) -> list[Symbol]:
        return [(rng.randrange(values), rng.randrange(values)) for _ in range(count)]

    diagonal = [min(top, int(i == j)) for i, j in map(matrix.entry, range(1, length + 1))]
    return [
        Case("one machine", [(top, top)]),
        Case("random words", words(length)),
        Case("fewer machines", words(rng.randint(1, length))),
        Case("all the greatest", [(top, top)] * length),
        Case("all zero", [(0, 0)] * length),
        Case("the identity", [(a, rng.randrange(values)) for a in diagonal]),
        Case("one coordinate", [(rng.randrange(values), min(top, int(i == 0))) for i in range(length)]),
    ]


ENTRY = ProtocolEntry(
    name="matrix_vector",
    summary="A matrix times a vector, an entry a machine.",
    make=make,
    oracle=oracle,
    cases=cases,
    layers=always(2),
    layers_formula="2",
    parameters={"values": 3},
)
