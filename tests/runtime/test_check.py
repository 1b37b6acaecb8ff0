"""The checker: right models pass, and every single-weight fault that changes a value is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import headwork as hw
from headwork import programs
from headwork.runtime import cases


@contextmanager
def mutated(model: hw.Model, name: str, index: tuple[int, ...], factor: float) -> Iterator[None]:
    """One weight multiplied by `factor`, for a while."""
    weight = dict(model.module.named_parameters())[name].data
    old = weight[index].item()
    weight[index] = old * factor
    try:
        yield
    finally:
        weight[index] = old


def weights(model: hw.Model) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(i)) for name, p in model.module.named_parameters() for i in p.detach().nonzero().tolist()]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("name", "parameters", "length", "alphabet", "code"),
    [
        ("khop", {"k": 3}, 5, 2, "auto"),
        ("khop", {"k": 2}, 5, 3, "binary"),
        ("induction", {}, 5, 3, "auto"),
        ("previous", {}, 5, 3, "digits:2"),
    ],
)
def test_single_weight_faults_are_found(name: str, parameters: dict[str, int], length: int, alphabet: int, code: str) -> None:
    """Zeroing or negating a weight either changes no value on any input at all, or a sampled check fails."""
    model = hw.compile(programs.get(name, **parameters), length=length, alphabet=alphabet, code=code)
    faults = [(*place, factor) for place in weights(model) for factor in (0.0, -1.0)]
    rng = random.Random(name + code)
    for fault in rng.sample(faults, min(70, len(faults))):
        with mutated(model, *fault):
            if hw.check(model, exhaustive=0, samples=64).ok:
                assert hw.check(model, exhaustive=length, samples=0).ok, fault
    assert hw.check(model, exhaustive=length).ok


@pytest.mark.one_in(7)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", programs.names())
def test_every_program_is_exact(name: str, dtype: str) -> None:
    entry = programs.entry(name)
    rng = random.Random(name)
    for length, alphabet in ((2 if name == "ngram" else 1, 2), (7, 3), (33, 5), (64, 17)):  # a trigram has no room in 1
        program = programs.get(name)
        if not entry.alphabet_fixed:
            program = hw.Program(program.function, program.name, program.causal, alphabet, program.inputs)
        model = hw.compile(program, length=length, dtype=dtype)
        inputs = [entry.sample(rng, length) for _ in range(8)] if entry.alphabet_fixed else []
        report = hw.check(model, samples=12, inputs=inputs, exhaustive=min(length, 2))
        assert report.ok, str(report)
        assert report.largest_leak == 0 and report.largest_deviation == 0 and report.smallest_margin >= 1


def test_a_long_program_is_exact_at_length() -> None:
    model = hw.compile(programs.get("khop", k=16), length=4096, alphabet=512)
    assert hw.check(model, samples=8, lengths=[4096], exhaustive=0).ok


def test_the_first_divergence_is_named() -> None:
    model = hw.compile(programs.get("khop", k=4), length=9, alphabet=3)
    with mutated(model, "blocks.0.W_Q", weights_of(model, "blocks.0.W_Q")[0], 0.0):
        report = hw.check(model)
        assert not report.ok and report.first is not None
        assert report.first.block == 1 and "jump" in report.first.value
        assert "wanted" in str(report) and "input:" in str(report) and "WRONG" in str(report)
        assert hw.diagnose(model, [0, 0, 1, 0]).culprit == "module"


def weights_of(model: hw.Model, name: str) -> list[tuple[int, ...]]:
    return [index for tensor, index in weights(model) if tensor == name]


def test_diagnosis_names_the_first_wrong_stage() -> None:
    model = hw.compile(programs.get("induction"), length=9, alphabet=3)
    row = [0, 1, 2, 0, 1, 1, 2, 2, 0]
    assert [name for name, _ in hw.diagnose(model, row).outputs] == ["graph", "optimised", "schedule", "weights", "module"]
    assert hw.diagnose(model, row).culprit is None
    with mutated(model, "W_U", weights_of(model, "W_U")[-1], -1.0):
        assert hw.diagnose(model, row).culprit == "module"
    assert model.compiled is not None
    model.compiled.weights.W_U[:] = 0
    assert hw.diagnose(model, row).culprit == "weights"


def test_bad_requests_are_refused() -> None:
    model = hw.compile(programs.get("induction"), length=9, alphabet=30)
    for options in ({"samples": -1}, {"lengths": [10]}, {"lengths": [0]}, {"lengths": []}, {"exhaustive": 10}, {"exhaustive": 5}):
        with pytest.raises(hw.InputError):
            hw.check(model, **options)  # type: ignore[arg-type]
    with pytest.raises(hw.InputError, match="token 1 is 'x'"):
        hw.check(model, inputs=[["x"]])


def test_nothing_compared_is_not_ok() -> None:
    model = hw.compile(programs.get("induction"), length=3, alphabet=3)
    assert not hw.Report(model.name, model.dtype).ok
    with pytest.raises(hw.InputError, match="there is nothing to check"):
        hw.check(model, samples=0, exhaustive=0)


def test_cases_have_the_shapes_they_claim() -> None:
    rng = random.Random(0)
    for row in cases.sampled(9, [1, 2, 12], 60, rng):
        assert len(row) in (1, 2, 12) and all(0 <= t < 9 for t in row)
    assert len(list(cases.exhaustive(3, 4))) == cases.exhaustive_count(3, 4) == 3 + 9 + 27 + 81
    far = cases._far_end(5, 9, rng)
    assert far[0] == far[-1] and far[0] not in far[1:-1]
    assert len(set(cases._no_match(12, 10, rng))) == 10
