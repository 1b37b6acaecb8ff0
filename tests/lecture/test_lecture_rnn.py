"""Recurrent memory: the least number of states by brute force and by trees written out, and the networks against the plain reference."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest
import torch

from headwork.lecture import rnn_memory
from headwork.theory.functions import least_states


def rooted_trees(vertices: tuple[int, ...]) -> Iterator[tuple[int, dict[int, int]]]:
    """Every root and parent map without a cycle, by trying all maps."""
    for root in vertices:
        others = [v for v in vertices if v != root]
        for parents in itertools.product(vertices, repeat=len(others)):
            parent = dict(zip(others, parents, strict=True))
            if all(reaches(v, root, parent) for v in others):
                yield root, parent


def reaches(v: int, root: int, parent: dict[int, int]) -> bool:
    seen: set[int] = set()
    while v != root:
        if v in seen:
            return False
        seen.add(v)
        v = parent[v]
    return True


def trees_left_behind(t: int, symbols: int) -> int:
    """Trees with at most t - (vertices - 1) leaves, each listed."""
    count = 0
    for size in range(1, symbols + 1):
        for vertices in itertools.combinations(range(symbols), size):
            for root, parent in rooted_trees(vertices):
                leaves = sum(v not in parent.values() for v in vertices) if size > 1 else 1
                assert size == 1 or root in parent.values()
                count += leaves + size - 1 <= t
    return count


@pytest.mark.parametrize("symbols", [1, 2, 3, 4])
@pytest.mark.parametrize("t", range(1, 8))
def test_the_formula_counts_trees(t: int, symbols: int) -> None:
    assert least_states(t, symbols) == trees_left_behind(t, symbols)


@pytest.mark.parametrize("symbols,length", [(1, 4), (2, 5), (3, 5), (4, 4)])
def test_no_fewer_states_will_do_and_so_many_are_enough(symbols: int, length: int) -> None:
    assert max(rnn_memory.classes(symbols, length)) == least_states(length - 1, symbols)


def test_states_that_hold_every_tree() -> None:
    """1 + Σ C(σ, s) s^(s - 1), Cayley's formula, and the start."""
    assert [rnn_memory.cost(s, "least")["states"] for s in (1, 2, 3, 4)] == [2, 5, 19, 1 + 4 + 6 * 2 + 4 * 9 + 64]


@pytest.mark.parametrize("form", ["table", "least"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_short_sequence(form: str, dtype: torch.dtype) -> None:
    model = rnn_memory.build(3, form)
    if form == "table":
        model = model.to(dtype)
    for n in range(1, 7):
        rows = [list(w) for w in itertools.product(range(3), repeat=n)]
        assert model(torch.tensor(rows)).tolist() == [rnn_memory.oracle(row) for row in rows]


@pytest.mark.parametrize("symbols", [1, 2, 7, 8, 31])
def test_long_sequences(symbols: int) -> None:
    rng = random.Random(symbols)
    rows = [[rng.randrange(symbols) for _ in range(80)] for _ in range(10)]
    assert rnn_memory.build(symbols)(torch.tensor(rows)).tolist() == [rnn_memory.oracle(row) for row in rows]


def test_a_changed_weight_is_noticed() -> None:
    model = rnn_memory.build(3)
    with torch.no_grad():
        model.H[0, 0] = 0
    rows = [list(w) for w in itertools.product(range(3), repeat=5)]
    assert model(torch.tensor(rows)).tolist() != [rnn_memory.oracle(row) for row in rows]


def test_the_bound_rows() -> None:
    found = {row.id: row for row in rnn_memory.bound(64, 64)}
    assert found["RNN-TREES"].bound == (least_states(63, 64) - 1).bit_length() == 328
    assert found["RNN-TREES"].verdict == "exceeds by 127"
    assert rnn_memory.bound(64, 64, state=300)[0].verdict == "violates by 28"
    assert found["RNN-INDEX"].bound == 31
