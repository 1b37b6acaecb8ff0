"""Matrices on machines: entry (i, j) at the same machine whatever the matrix's size, one machine an entry.

 1  2  5 10      Shell m, the entries whose greater index is m, is held by machines (m-1)² + 1 .. m²: column m from
 3  4  6 11      the top to above the diagonal, then row m from the left. So m² machines hold an m by m matrix, and
 7  8  9 12      machines in between leave entries out, which are zero. N machines have room for side(N) = ceil(sqrt N)
13 14 15 16      rows and columns.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def side(machines: int) -> int:
    """Rows, and columns, of which these machines hold at least one entry."""
    return math.isqrt(machines - 1) + 1


def cell(i: int, j: int) -> int:
    """The machine that holds entry (i, j), counted from 1."""
    return (j - 1) ** 2 + i if i < j else (i - 1) ** 2 + i - 1 + j


def entry(machine: int) -> tuple[int, int]:
    """The entry that a machine holds."""
    m = side(machine)
    place = machine - (m - 1) ** 2
    return (place, m) if place < m else (m, place - m + 1)


def read(words: Sequence[int]) -> list[list[int]]:
    """The square matrix that machines hold, entries left out being 0: shells cut from the words one after the other."""
    rows: list[list[int]] = []
    rest = list(words)
    while rest:
        m = len(rows) + 1
        shell, rest = rest[: 2 * m - 1], rest[2 * m - 1 :]
        shell += [0] * (2 * m - 1 - len(shell))
        rows = [[*row, last] for row, last in zip(rows, shell[: m - 1], strict=True)] + [shell[m - 1 :]]
    return rows


def write(rows: Sequence[Sequence[int]]) -> list[int]:
    """The words of the machines that hold a square matrix."""
    return [rows[i - 1][j - 1] for i, j in map(entry, range(1, len(rows) ** 2 + 1))]


def graphs(rng: random.Random, length: int) -> list[tuple[str, list[int]]]:
    """Adjacency matrices of graphs with names, and random ones, some of them cut short, for at most `length` machines."""
    n = math.isqrt(length)

    def of(edge: object) -> list[int]:
        assert callable(edge)
        return write([[int(bool(edge(i, j))) for j in range(n)] for i in range(n)])

    order = rng.sample(range(n), n)
    return [
        ("one machine", [1]),
        ("no edges", of(lambda i, j: False)),
        ("all edges", of(lambda i, j: True)),
        ("a path", of(lambda i, j: j == i + 1)),
        ("a path in disorder", of(lambda i, j: order[j] == order[i] + 1)),
        ("a cycle, both ways", of(lambda i, j: (i - j) % n in (1, n - 1))),
        ("a star", of(lambda i, j: (i == 0) != (j == 0))),
        ("halves", of(lambda i, j: i % 2 == j % 2)),
        ("few edges", of(lambda i, j: rng.random() < 1.5 / n)),
        ("many edges", of(lambda i, j: rng.random() < 0.5)),
        ("cut short", [rng.randrange(2) for _ in range(rng.randint(1, length))]),
        ("as many as there are", [int(rng.random() < 0.3) for _ in range(length)]),
    ]
