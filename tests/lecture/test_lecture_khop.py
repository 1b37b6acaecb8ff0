"""The recurrent stack on k-hop against the plain reference, and the rows it is held against."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

from headwork.lecture import khop_sequential as seq


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_every_short_sequence(k: int) -> None:
    rows = [list(w) for w in itertools.product(range(3), repeat=7)]
    assert seq.build(k, 3)(torch.tensor(rows)).tolist() == [seq.oracle(row, k) for row in rows]


@pytest.mark.parametrize("symbols", [2, 7, 8, 20])
def test_long_sequences(symbols: int) -> None:
    rng = random.Random(symbols)
    rows = [[rng.randrange(symbols) for _ in range(100)] for _ in range(5)]
    for k in (1, 4, 9):
        assert seq.build(k, symbols)(torch.tensor(rows)).tolist() == [seq.oracle(row, k) for row in rows]


def test_a_layer_less_is_another_function() -> None:
    rows = [list(w) for w in itertools.product(range(3), repeat=6)]
    assert seq.build(2, 3)(torch.tensor(rows)).tolist() != [seq.oracle(row, 3) for row in rows]


def test_the_cost_and_the_rows() -> None:
    spent = seq.cost(3, 16)
    assert spent["layers"] == 3 and spent["state"] == 17 * 5 and spent["all"] == 3 * 17 * 5
    stack = seq.build(3, 16)
    assert spent["parameters"] == sum(p.numel() for p in stack.parameters())
    verdicts = {row.id: row.verdict for row in seq.bound(2, 16, 256, layers=1, state=170)}
    assert verdicts["RNN-STACK"] == "beats by 1" and verdicts["SEQ-KHOP"].startswith("ratio 42.5")
    assert seq.bound(4)[-1].verdict.startswith("vacuous")
