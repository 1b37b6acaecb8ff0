"""What exports rely on: programs without strict masks mean the same, and the bounds on a LayerNorm's rounding hold."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork import programs
from headwork.compiler.codes.linear import ONE, Lin
from headwork.compiler.codes.numerics import dtype_named
from headwork.compiler.pipeline import lower
from headwork.compiler.plan.heads import apart
from headwork.compiler.plan.tally import fill
from headwork.compiler.rewrite import without_strict
from headwork.export import gpt2
from headwork.export.native import Native, relower
from headwork.export.rounding import biased, rounding
from headwork.export.scales import frame_of
from headwork.export.totals import Sums, emptied, refilled
from headwork.runtime.interpreter import interpret_roots
from headwork.tests import generate


@pytest.mark.parametrize("k", range(1, 18))
def test_without_strict_masks_khop_needs_the_layers_of_the_previous_token_form(k: int) -> None:
    """ceil(log2 k) + 2: one more than with strict masks where k is no power of two (arXiv 2402.09268 and its lecture)."""
    lowered = relower(hw.compile(programs.khop.make(k), length=40), dtype_named("float64"), "auto")
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
    norm = torch.nn.LayerNorm(width, eps=gpt2.EPSILON["float32"])
    torch.nn.init.constant_(norm.weight, gpt2.EPSILON["float32"] ** 0.5)
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


@pytest.mark.parametrize("width", [16, 32, 64, 208])
def test_the_bias_of_a_norm_rounds_the_error_of_its_mean_away(width: int) -> None:
    """Inequality (2): bias + x is what torch gives, for any way to sum the mean; without the bias it is not x."""
    rng, wrong = np.random.default_rng(width), 0
    for _ in range(100):
        x = np.zeros(width, np.float32)
        used = int(rng.integers(1, width))
        x[:used] = rng.integers(-64, 65, used) * 2.0 ** rng.integers(-3, 4)
        x[-1] -= x.sum(dtype=np.float64)
        mean = 4 * 2.0**-24 * float(np.abs(x).sum())
        step = 2.0 ** (math.floor(math.log2(2 * (mean + 4 * 2.0**-24 * (np.abs(x).max() + mean)) + 1e-30)) + 1)
        bias = np.float32(2**23 * step + 2.0 ** math.ceil(math.log2(np.abs(x).max() + step)))
        norm = torch.nn.LayerNorm(width, eps=gpt2.EPSILON["float32"])
        torch.nn.init.constant_(norm.weight, gpt2.EPSILON["float32"] ** 0.5)
        torch.nn.init.constant_(norm.bias, float(bias))
        means = (welford(x, True), welford(x[::-1], False), x.mean())
        with torch.no_grad():
            seen = [norm(torch.tensor(x)).numpy(), *((x - m) + bias for m in means)]
        assert all((y == np.float64(bias) + x).all() for y in seen)
        wrong += any((x - m != x).any() for m in means)
    assert wrong > 0


def test_a_total_is_read_off_its_cell_without_its_error() -> None:
    """A cell that holds y, closer than 1/2 to the total, beside the errors of the mean: what LayerNorm gives is filling + total."""
    base, rng = fill(-1024, dtype_named("float32")), random.Random(6)
    norm = torch.nn.LayerNorm(16, eps=gpt2.EPSILON["float32"])
    torch.nn.init.constant_(norm.weight, gpt2.EPSILON["float32"] ** 0.5)
    torch.nn.init.constant_(norm.bias, float(base))
    for total in (-1024, -1, 0, 1, 1023, *(rng.randint(-1024, 1024) for _ in range(50))):
        for error in (-0.45, -0.2, 0.2, 0.45):
            row = torch.tensor([total + error, -(total + error), *(rng.randint(-64, 64) for _ in range(12))])
            row = torch.cat([row, -row[2:].sum()[None], torch.zeros(1)])
            with torch.no_grad():
                assert norm(row)[0] == base + total


def test_emptying_the_cells_of_totals_changes_no_answer_and_is_undone() -> None:
    """The native matrices for empty cells, with exact sums in float64: the program's own answers, filled or not."""
    entry = programs.entry("shuffle_dyck")
    lowered = relower(hw.compile(programs.get("shuffle_dyck"), length=12, alphabet=entry.alphabet), dtype_named("float64"), "auto", False)
    native = Native.of(lowered).tensors
    moved = emptied(lowered, native)
    assert any((moved[name] != native[name]).any() for name in native)
    back = refilled(lowered, moved)
    assert all((back[name] == native[name]).all() for name in native)
    ids = torch.tensor([[lowered.alphabet.id(s) for s in entry.sample(random.Random(1), 12)]])
    wanted = lowered.module(ids)
    lowered.module.load_state_dict({name: torch.tensor(tensor) for name, tensor in moved.items()})
    assert (lowered.module(ids).round() == wanted.round()).all()


def score(query: Sequence[Lin], key: Sequence[Lin], values: Sequence[dict[int, int]]) -> int:
    """Σ q·k, with the cells' values on the query's side and on the key's."""
    q, k = ([sum(c * at[f] for (f, _), c in lin.terms) for lin in part] for at, part in zip(values, (query, key), strict=True))
    return sum(a * b for a, b in zip(q, k, strict=True))


def test_constants_taken_apart_leave_the_same_scores() -> None:
    """Random sums against a constant: each read is then a sum with weights ±1, and the score is what it was, term by term."""
    rng = random.Random(8)
    for _ in range(50):
        cells = [Lin.cell(rng.randint(1, 4)) * rng.randint(-9, 9) for _ in range(6)]
        query, key = (cells[0], cells[1], ONE * rng.choice((-2, 1, 4))), (cells[2], ONE, cells[3] + cells[4] + ONE * rng.randint(-9, 9))
        apart_q, apart_k = apart(query, key)
        values = [{f: 1 if f == 0 else rng.randint(-9, 9) for f in range(5)} for _ in range(2)]
        assert score(apart_q, apart_k, values) == score(query, key, values)
        for q, k in zip(apart_q[1:], apart_k[1:], strict=True):
            assert {1} == {abs(c) for _, c in (k if q.features() == {0} else q).terms}


def test_the_step_grows_with_what_can_go_wrong() -> None:
    """Longer contexts never have finer steps, and past some length float32 is refused."""
    means: list[float] = []
    for n in (8, 64, 512):
        low = relower(hw.compile(programs.get("previous"), length=n), dtype_named("float64"), "scalar", reuse=False)
        blocks = emptied(low, Native.of(low).tensors)
        sums = Sums.planned(low)
        means.append(rounding(low, biased(low, frame_of(low, blocks, sums, 16), blocks, sums), blocks, sums).mean)
    assert all(a < b for a, b in pairwise(means))
    long = hw.compile(programs.get("previous"), length=2500)
    with pytest.raises(hw.ExactnessError, match="is not exact in float32"):
        gpt2.build(long, "scalar", "float32")


@pytest.mark.parametrize("name", ["largest", "smallest", "closest", "latest"])
def test_picks_of_earlier_places_mean_the_same_without_strict_masks(name: str) -> None:
    """What ranks is read one place back as well: certified, and every short input run."""
    picks = {
        "largest": lambda token: hw.visible(token, before=True).largest(by=token).position,
        "smallest": lambda token: hw.match(token, token, before=True).smallest(by=hw.table(lambda x: (2 * x) % 3, token)).position,
        "closest": lambda token: hw.visible(token, before=True).closest((token == 0, token == 1), (token == 0, token == 2)).fetch(token),
        "latest": lambda token: hw.match(token, token, before=True).latest().fetch(token),
    }
    lowered = relower(hw.compile(hw.program(name=name)(picks[name]), length=5, alphabet=3), dtype_named("float32"), "auto")
    assert {m for block in lowered.module.blocks for m in getattr(block, "masks", ())} == {"causal"}
    assert hw.check(lowered, exhaustive=5, samples=0).ok
    assert hw.certify(lowered)


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
