"""Exactness: codes, scores and gaps measured against the claims beside them, and refusal where they fail."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.compiler.codes.forms import Form
from headwork.compiler.codes.numerics import DTYPES
from headwork.compiler.place.layout import layout
from headwork.compiler.place.schedule import schedule
from headwork.compiler.plan.planner import plan
from headwork.compiler.rewrite import optimise
from headwork.runtime.module import Attention

FORMS = [
    Form("digits", 0, 40, 1),
    Form("digits", -1, 40, 2),
    Form("digits", 3, 40, 3),
    Form("digits", 0, 1, 1),
    Form("signs", 0, 40),
    Form("signs", -1, 1),
    Form("onehot", 0, 9),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_codes_differ_and_none_is_zero(form: Form) -> None:
    codes = [form.code(v) for v in range(form.off + 1, form.off + form.top + 1)]
    assert form.code(None) == (0,) * form.width
    assert len({*codes, form.code(None)}) == form.top + 1
    for code in codes:
        assert all(lo <= c <= hi for c, (lo, hi) in zip(code, form.intervals(), strict=True))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_distance_gap_is_what_heads_rely_on(form: Form) -> None:
    """D = 0 for equal codes and >= g for different ones, ⊥ included on either side (but not both, for digits)."""
    codes = np.array([form.code(None), *(form.code(v) for v in range(form.off + 1, form.off + form.top + 1))])
    if form.kind == "digits":
        distance, gap = ((codes[:, None] - codes[None]) ** 2).sum(-1), 1
    else:
        self_score = form.width if form.kind == "signs" else 1
        distance, gap = self_score - codes @ codes.T, min(2, form.width) if form.kind == "signs" else 1
    for a, b in itertools.product(range(len(codes)), repeat=2):
        if a == b and a:
            assert distance[a, b] == 0
        elif a != b:
            assert distance[a, b] >= gap


def test_norms_and_flags() -> None:
    form = Form("digits", 0, 40, 3)
    for v in range(1, 41):
        assert form.also("norm").code(v) == (sum(d * d for d in form.code(v)),)
        assert form.also("flag").code(v) == (1,)
    assert form.also("flag").code(None) == (0,)


@pytest.mark.parametrize("code", ["auto", "scalar", "digits:2", "digits:4", "binary", "onehot"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["khop", "induction", "recall", "previous"])
def test_scores_lie_on_the_grid_and_winners_lead_by_a_step(name: str, code: str, dtype: str) -> None:
    """Read from the emitted tensors: every score is a multiple of the grid, and the winner is alone by at least one."""
    model = hw.compile(hw.programs.get(name), length=20, alphabet=5 if name != "recall" else None, dtype=dtype, code=code)
    grid = DTYPES[dtype].grid
    rng = random.Random(1)
    rows = torch.tensor([[rng.randrange(len(model.alphabet)) for _ in range(20)] for _ in range(20)])
    stream = list(model.module.stream(rows))
    layers = [(block, x) for block, x in zip(model.module.blocks, stream, strict=False) if isinstance(block, Attention)]
    assert layers
    for block, x in layers:
        q, k = (torch.einsum("bnd,hde->bhne", x, w).double() for w in (block.W_Q, block.W_K))
        steps = (q @ k.mT) / grid
        assert torch.equal(steps, steps.round())
        pattern = block.pattern(x)
        hidden = pattern == 0
        best = steps.masked_fill(hidden, -torch.inf).topk(2, dim=-1).values[:, :, 1:]
        assert (best[..., 1] == -torch.inf).all()  # exactly one position carries weight, and all of it
        assert (pattern.max(-1).values == 1).all()


def test_boundary_of_a_scalar_pointer_code() -> None:
    """3·N² <= 2**24 holds up to N = 2364: there the model is exact, one further it is refused with the numbers."""
    program = hw.programs.get("khop", k=2)
    model = hw.compile(program, length=2364, alphabet=2, code="scalar")
    assert hw.check(model, samples=6, lengths=[2363, 2364], exhaustive=0).ok
    with pytest.raises(hw.ExactnessError) as refusal:
        hw.compile(program, length=2365, alphabet=2, code="scalar")
    text = str(refusal.value)
    assert "head at" in text and "3·Σ digit²" in text and "16,779,675 > 16,777,216" in text
    assert "float64 would do" in text and "khop.py" in text


def test_auto_takes_a_wider_code_past_the_boundary() -> None:
    program = hw.programs.get("khop", k=2)
    narrow = hw.compile(program, length=2364, alphabet=2)
    wide = hw.compile(program, length=2365, alphabet=2)
    assert narrow.cost.d_model < wide.cost.d_model
    assert hw.check(wide, samples=4, lengths=[2365], exhaustive=0).ok


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_exact_or_refused(dtype: str) -> None:
    pointer = hw.compile(hw.programs.get("previous"), length=300, alphabet=40, dtype=dtype)
    assert hw.check(pointer, samples=16).ok  # digits keep every score small
    program = hw.programs.get("induction")
    assert hw.check(hw.compile(program, length=5, alphabet=3, dtype=dtype)).ok
    with pytest.raises(hw.ExactnessError, match="would do"):
        hw.compile(program, length=4096, alphabet=300, dtype=dtype)


def test_khop_8_beats_the_tightest_construction_known() -> None:
    """transformer-vm needs 7 layers, 5 heads, d_model 10 and 3,950 parameters at length 256 over 4 symbols."""
    model = hw.compile(hw.programs.get("khop", k=8), length=256, alphabet=4)
    cost = model.cost
    assert (cost.attention_layers, set(cost.heads)) == (5, {1})
    assert cost.d_model <= 10
    assert cost.parameters - cost.embedding_parameters < 1000
    assert hw.check(model, samples=40).ok


def test_a_million_tokens_in_binary_code_fit_92_dimensions() -> None:
    graph = optimise(hw.programs.get("khop", k=16).build(2**20 - 1, 1023))
    placed = layout(schedule(plan(graph, DTYPES["float32"], "binary")))
    assert placed.d_model <= 92


@pytest.mark.parametrize("options", [{"dtype": "float8"}, {"code": "gray"}, {"code": "digits:0"}, {"code": "digits:x"}, {"heads": 0}])
def test_impossible_options_are_named(options: dict[str, object]) -> None:
    with pytest.raises(hw.InputError, match=str(next(iter(options.values())))):
        hw.compile(hw.programs.get("induction"), length=8, alphabet=3, **options)  # type: ignore[arg-type]


def test_a_head_budget_is_kept_and_changes_no_value() -> None:
    program = hw.programs.get("compose")
    free, tight = (hw.compile(program, length=30, heads=budget) for budget in (None, 1))
    assert max(free.cost.heads) > 1 and max(tight.cost.heads) == 1
    assert tight.cost.attention_layers > free.cost.attention_layers
    assert hw.check(tight, samples=16).ok


@pytest.mark.parametrize("length", [512, 1024])
def test_logits_are_exact_on_what_digits_are_sums_of(length: int) -> None:
    """A total's digits are differences of greater numbers; times a digit of a class they would pass 2^24, so they get cells."""

    @hw.program(alphabet=32, causal=False)
    def everything(token: hw.Value) -> hw.Value:
        return hw.visible(token).sum(token)

    model = hw.compile(everything, length=length)
    assert hw.certify(model).mantissa_bits <= 24
    row = [31] * length
    assert model.run(row) == [31 * length] * length
