"""Random programs over the whole language: compiled in every code and dtype, each value equals the interpreter's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.tests import generate

CODES = ("auto", "scalar", "digits:2", "digits:3", "binary", "onehot")


RANDOM = given(
    numbers=st.lists(st.integers(0, 999), max_size=60),
    causal=st.booleans(),
    n=st.integers(1, 9),
    v=st.integers(1, 4),
    code=st.sampled_from(CODES),
    dtype=st.sampled_from(("float32", "float64")),
    heads=st.sampled_from((None, 1, 2)),
)


def compiles_exactly(numbers: list[int], causal: bool, n: int, v: int, code: str, dtype: str, heads: int | None) -> None:
    program = generate.program(numbers, causal, most=3)
    try:
        model = hw.compile(program, length=n, alphabet=v, code=code, dtype=dtype, heads=heads)
    except hw.ExactnessError as error:
        assert " is not exact in " in str(error)  # it says what, and by which inequality
        return
    report = hw.check(model, samples=16)
    assert report.ok, f"{report}\n{model.stage('optimised')}\n{model.stage('plan')}"
    cost = model.cost
    if heads is None:
        assert cost.attention_layers <= model.optimised.depth <= model.graph.depth
    else:
        assert max(cost.heads, default=0) <= heads


@settings(max_examples=120, deadline=None, derandomize=True)
@RANDOM
def test_random_programs_compile_exactly(**drawn: Any) -> None:
    compiles_exactly(**drawn)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, derandomize=True)
@RANDOM
def test_more_random_programs_compile_exactly(**drawn: Any) -> None:
    compiles_exactly(**drawn)
