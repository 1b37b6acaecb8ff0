"""Ways to attend on k-hop against the plain reference, and how many features linear attention needs."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from headwork.lecture import linear_features, subquadratic as sub

EXACT: list[tuple[sub.Way, int]] = [("full", 0), ("window", 99), ("strided", 1), ("linear", 8), ("hashed", 0), ("hashed", 2)]


@pytest.mark.parametrize("way,size", EXACT)
@pytest.mark.parametrize("k", [1, 3])
def test_every_short_sequence(way: sub.Way, size: int, k: int) -> None:
    model = sub.build(k, 3, 4, way, size)
    for word in itertools.product(range(3), repeat=4):
        assert model(torch.tensor(word)).tolist() == sub.oracle(word, k), word


@pytest.mark.parametrize("way,size", [("full", 0), ("linear", 61), ("hashed", 0), ("hashed", 3)])
def test_long_sequences(way: sub.Way, size: int) -> None:
    rng = random.Random(0)
    for k in (1, 4, 7):
        row = [rng.randrange(9) for _ in range(60)]
        assert sub.build(k, 9, 60, way, size)(torch.tensor(row)).tolist() == sub.oracle(row, k)


@pytest.mark.parametrize("way,size", [("window", 8), ("strided", 8), ("linear", 30)])
def test_what_is_not_exact_is_seen_to_be_wrong(way: sub.Way, size: int) -> None:
    rng = random.Random(0)
    row = [rng.randrange(16) for _ in range(60)]
    assert sub.build(2, 16, 60, way, size)(torch.tensor(row)).tolist() != sub.oracle(row, 2)


@pytest.mark.parametrize("m,r", [(2, 1), (3, 2), (4, 3), (4, 2)])
def test_too_few_features_are_always_defeated(m: int, r: int) -> None:
    rng = np.random.default_rng(m)
    for _ in range(200):
        phi, psi = (rng.integers(-20, 21, size=(m, r)) for _ in range(2))
        found = linear_features.witness(phi, psi, m)
        assert found is not None
        query, keys, values = found
        assert len(set(keys)) <= m and query in keys and values[keys.index(query)] == 1
        assert linear_features.answer(phi, psi, query, keys, values) <= 0


@pytest.mark.parametrize("symbols,m", [(3, 2), (4, 3), (5, 3), (4, 4)])
def test_features_that_are_found_answer_every_prompt(symbols: int, m: int) -> None:
    found = linear_features.features(symbols, m, m)
    assert found is not None and found[0].shape == (symbols, m)
    for size in range(1, m + 1):
        for keys in itertools.permutations(range(symbols), size):
            for values in itertools.product((1, -1), repeat=size):
                assert linear_features.answer(*found, keys[0], keys, values) * values[0] > 0


def test_the_multiplications_of_full_attention_are_those_torch_counts() -> None:
    model = sub.build(3, 8, 40)
    with FlopCounterMode(display=False) as counter:
        model(torch.arange(40) % 8)
    assert counter.get_total_flops() == 2 * sub.cost(3, 8, 40)["multiplications"]


def test_the_bound_rows() -> None:
    assert [row.verdict for row in sub.bound(4, 4, 64, 65)][:3] == ["meets"] * 3
    assert sub.bound(4, 4, 64, 60)[0].verdict == "violates by 5"
