"""What exports rely on: programs without strict masks mean the same, and the bounds on a LayerNorm's rounding hold."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import headwork as hw
from headwork import programs
from headwork.compiler.pipeline import lower
from headwork.compiler.rewrite import without_strict
from headwork.export import gpt2
from headwork.export.native import Frame, magnitudes, relower
from headwork.export.rounding import accuracy
from headwork.runtime.interpreter import interpret_roots

from . import generate


@pytest.mark.parametrize("k", range(1, 18))
def test_without_strict_masks_khop_needs_the_layers_of_the_previous_token_form(k: int) -> None:
    """ceil(log2 k) + 2: one more than with strict masks where k is no power of two (arXiv 2402.09268 and its lecture)."""
    lowered = relower(hw.compile(programs.khop.make(k), length=40), gpt2.ARITHMETIC["float64"], "auto")
    assert lowered.cost.attention_layers == math.ceil(math.log2(k)) + 2
    assert {m for block in lowered.module.blocks for m in getattr(block, "masks", ())} == {"causal"}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 500), max_size=40), st.integers(0, 2**32))
def test_without_strict_preserves_every_program(numbers: list[int], seed: int) -> None:
    graph = generate.program(numbers, causal=True, most=3).build(6, 3)
    causal = without_strict(graph)
    assert not any(getattr(node.op, "mask", "") == "strict" for node in causal.nodes)
    rng = random.Random(seed)
    for _ in range(8):
        row = [rng.randrange(3) for _ in range(rng.randint(1, 6))]
        assert interpret_roots(causal, row) == interpret_roots(graph, row)


def welford(x: np.ndarray, divide: bool) -> np.float32:
    """A running mean in float32, one element after another, dividing or multiplying by a rounded inverse."""
    mean = np.float32(0)
    for k, value in enumerate(x, 1):
        step = value - mean
        mean += step / np.float32(k) if divide else step * (np.float32(1) / np.float32(k))
    return mean


@pytest.mark.parametrize("width", [8, 16, 24, 64, 200])
def test_no_way_to_sum_a_mean_is_off_by_more_than_the_bound(width: int) -> None:
    """Inequality (1) of rounding.py, on rows of zero sum: running means, NumPy's pairwise sum, and torch's LayerNorm."""
    rng = np.random.default_rng(width)
    norm = torch.nn.LayerNorm(width, eps=gpt2.EPSILON)
    torch.nn.init.constant_(norm.weight, gpt2.GAIN)
    largest = 0.0
    for _ in range(100):
        x = np.zeros(width, np.float32)
        used = int(rng.integers(1, width))
        x[:used] = rng.integers(-1024, 1025, used) / 1024
        x[-1] -= x.sum(dtype=np.float64)
        bound = 4 * 2.0**-24 * float(np.abs(x).sum())
        with torch.no_grad():
            normed = norm(torch.tensor(x)).numpy()
        for mean in (welford(x, True), welford(x, False), welford(x[::-1], True), x.mean(), np.abs(normed - x).max()):
            assert abs(mean) <= bound
            largest = max(largest, abs(float(mean)))
    assert largest > 0  # the means do round: the bound is about something


def test_the_bound_grows_with_what_can_go_wrong() -> None:
    """Longer programs and longer contexts never have smaller bounds, and past some length float32 is refused."""
    bounds = [
        accuracy(low, Frame.of(magnitudes(low), 16, True), magnitudes(low), 4096, 2.0**55).score
        for low in (relower(hw.compile(programs.get("previous"), length=n), gpt2.ARITHMETIC["float64"], "scalar") for n in (8, 32, 128))
    ]
    assert all(a < b for a, b in pairwise(bounds))
    long = hw.compile(programs.get("previous"), length=2000)
    with pytest.raises(hw.ExactnessError, match="is not exact in float32"):
        gpt2.build(long, "scalar", "float32")


def test_weights_that_need_more_bits_are_refused() -> None:
    """2**24 + 1 is the first integer that float32 does not have."""
    model = hw.compile(programs.get("previous"), length=8)
    built = gpt2.build(model, "auto", "float32")
    gpt2.fit(built.tensors, "float32", "previous")
    wide = {**built.tensors, "transformer.wpe.weight": np.array([2.0**24, 2.0**24 + 1])}
    gpt2.fit(wide, "float64", "previous")
    with pytest.raises(hw.ExactnessError, match=r"previous: an entry of transformer.wpe.weight needs more than 24 bits"):
        gpt2.fit(wide, "float32", "previous")


def test_lowering_for_a_target_leaves_the_native_model_alone() -> None:
    """Strict masks stay where headwork's own module runs the program."""
    graph = programs.khop.make(3).build(16, 4)
    assert {node.op.mask for node in lower(graph).optimised.nodes if hasattr(node.op, "mask")} >= {"strict"}
