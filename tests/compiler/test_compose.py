"""Functions of functions of one number take one MLP: models say what they said, with fewer MLPs and no more weights, certified."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

import headwork as hw
from headwork import rasp
from headwork.benchmarks.rasp_table import blocks, given
from headwork.compiler.codes.numerics import dtype_named
from headwork.compiler.place.schedule import schedule
from headwork.compiler.place.shortest import shortest
from headwork.compiler.plan import compose
from headwork.compiler.plan.planner import plan
from headwork.compiler.plan.stage import bends
from headwork.compiler.rewrite import optimise
from headwork.tests import generate

TRACR = {"count_less_freq_1": 2, "induction_causal": 4, "sort": 3, "sort_freq": 5, "sort_unique_1": 2}  # its layers at N = 5


@pytest.mark.parametrize("name", TRACR)
def test_no_program_has_more_layers_than_tracrs_with_mlps_counted(name: str) -> None:
    made = given(name, 5, False)
    model = hw.compile(rasp.program(made.sop, causal=made.causal), length=5, alphabet=made.symbols)
    assert blocks(model) <= TRACR[name] and hw.certify(model)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chain_of_tables_over_a_count_is_one_mlp(steps: int) -> None:
    """Whatever the chain is long, its result is written by the MLP that takes the filling off the count."""

    @hw.program
    def chain(token: hw.Value, position: hw.Value) -> hw.Value:
        value = hw.match(token, token).count()
        for step in range(steps):
            value = hw.table(lambda c, step=step: (3 * c + step) % 7, value)
        return value

    def meant(tokens: tuple[int, ...], i: int) -> int:
        value = tokens[: i + 1].count(tokens[i])
        for step in range(steps):
            value = (3 * value + step) % 7
        return value

    model = hw.compile(chain, length=5, alphabet=2)
    assert [type(block).__name__ for block in model.module.blocks] == ["Attention", "Mlp"]
    for n in range(1, 6):
        for tokens in itertools.product(range(2), repeat=n):
            assert model.run(list(tokens)) == [meant(tokens, i) for i in range(n)]
    assert hw.certify(model)


def test_a_constant_function_gets_no_mlp_before_the_count() -> None:
    """A function of a count that is always the same does not wait for it; it must not be given an MLP of its own either."""

    @hw.program
    def five(token: hw.Value, position: hw.Value) -> hw.Value:
        count = hw.match(token, token).count()
        return hw.table(lambda c: 4, hw.table(lambda c: c % 3, count)) + count

    model = hw.compile(five, length=4, alphabet=2)
    assert type(model.module.blocks[0]).__name__ == "Attention"
    assert model.run([0, 1, 0, 0]) == [5, 5, 6, 7]


@pytest.mark.slow
def test_random_programs_are_shorter_and_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both models are run on the same texts; the shorter one has fewer MLPs, no more units, and is certified where the other is."""
    rng, shorter = random.Random(5), 0
    for _ in range(40):
        numbers, causal = [rng.randrange(1000) for _ in range(rng.randrange(20, 61))], rng.random() < 0.5
        program = generate.program(numbers, causal, most=3)
        try:
            made = hw.compile(program, length=4, alphabet=2)
            with monkeypatch.context() as patched:
                patched.setattr("headwork.compiler.pipeline.shortest", schedule)
                plain = hw.compile(program, length=4, alphabet=2)
        except hw.ExactnessError:
            continue
        short, long = made.compiled.schedule, plain.compiled.schedule
        if str(short) == str(long):
            continue
        shorter += 1
        assert short.mlps() < long.mlps() and compose.units(short.plan) <= compose.units(long.plan)
        assert made.cost.parameters <= plain.cost.parameters
        assert bool(hw.certify(made)) >= bool(hw.certify(plain))
        for tokens in itertools.product(range(2), repeat=4):
            assert made.run(list(tokens)) == plain.run(list(tokens))
    assert shorter >= 5


def test_what_has_no_chain_is_left_as_it_is() -> None:
    graph = optimise(hw.programs.get("khop", k=3).build(8, 4))
    planned = plan(graph, dtype_named("float32"))
    assert shortest(planned).plan is planned


@pytest.mark.parametrize("lo", [-3, 0, 1, 9])
def test_units_of_a_table_say_what_it_says(lo: int) -> None:
    rng = np.random.default_rng(lo + 5)
    for rows in range(1, 7):
        for _ in range(20):
            table = rng.integers(-3, 4, size=(rows, 2))
            units = compose._written((1, 0), lo, table)  # pyright: ignore[reportPrivateUsage]
            for y, row in zip(range(lo, lo + rows), table, strict=True):
                ins = [sum(k * (1 if f == 0 else y) for (f, _), k in unit.pre.terms) for unit in units]
                assert all(unit.peak is None or unit.peak >= x for unit, x in zip(units, ins, strict=True))
                said = [sum(max(0, x) * unit.out[d] for unit, x in zip(units, ins, strict=True)) for d in range(2)]
                assert said == list(row)
            if not table.any(axis=1).any():
                assert units == ()


def test_bends_are_second_differences() -> None:
    assert bends(np.array([[0], [1], [4], [9]])).tolist() == [[1], [2], [2]]
    assert bends(np.array([[5], [5], [6]])).tolist() == [[0], [1]]
