"""Associative memories: the exact chance of a lost sign, the definition of the step, and the bound of one attention step."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from headwork.lecture import associative as am


@pytest.mark.parametrize("patterns,neurons", [(1, 4), (2, 2), (2, 3), (3, 3), (2, 4), (4, 2)])
def test_the_binomial_is_the_share_over_all_networks(patterns: int, neurons: int) -> None:
    assert am.flip(patterns, neurons) == am.lost_in_all(patterns, neurons)


def test_by_hand() -> None:
    """Two patterns of 2 signs: W = off-diagonal sum; the sign is lost where the patterns' products differ, a tie counting as lost."""
    assert am.flip(2, 2) == Fraction(1, 2)
    assert am.flip(1, 5) == 0


@pytest.mark.parametrize("flips", [0, 1, 4])
def test_the_step_is_the_definition(flips: int) -> None:
    for seed in range(10):
        stored = am.random_patterns(4, 12, seed)
        for cue in am.cues(stored, flips, seed):
            assert int((cue != stored).sum(1).min()) <= flips
            assert am.build(stored)(cue[None])[0].tolist() == am.oracle(stored.int().tolist(), cue.int().tolist())


@pytest.mark.parametrize("beta", [0.1, 0.5, 2.0])
def test_one_attention_step_stays_within_its_bound(beta: float) -> None:
    for seed in range(20):
        stored = am.random_patterns(20, 16, seed)
        noisy = am.cues(stored, 2, seed)
        after = am.build(stored, beta)(noisy).detach()
        for i in range(len(stored)):
            limit = am.step_bound(stored, noisy[i], i, beta)
            assert float((after[i] - stored[i]).norm()) <= limit + 1e-12
            if limit < math.sqrt(16):
                assert torch.equal(torch.sign(after[i]), stored[i].double())


def test_the_bound_rows() -> None:
    rows = am.bound(8, 3, 64)
    assert [r.id for r in rows] == ["HOPFIELD", "MODERN-1STEP"] and rows[1].verdict.startswith("beats")  # 1 + e^3/2 = 11.04
    assert am.bound(12, 3, 64)[1].verdict.startswith("exceeds")
