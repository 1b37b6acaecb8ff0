"""Interventions: the model under a change computes what its meaning computes under the same change, at every value after it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.tests import generate
from headwork.tests.change import differences, some_change

WORDS = "a b c a b c c a".split()


@pytest.fixture(scope="module")
def khop() -> hw.Model:
    return hw.compile(hw.programs.get("khop", k=5), length=16, alphabet="a b c".split())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    numbers=st.lists(st.integers(0, 999), max_size=50),
    causal=st.booleans(),
    n=st.integers(1, 7),
    v=st.integers(1, 4),
    code=st.sampled_from(("auto", "scalar", "digits:2", "binary", "onehot")),
    seed=st.integers(0, 10**6),
)
def test_model_and_meaning_agree_under_the_same_change(numbers: list[int], causal: bool, n: int, v: int, code: str, seed: int) -> None:
    try:
        model = hw.compile(generate.program(numbers, causal, most=2), length=n, alphabet=v, code=code)
    except hw.ExactnessError:
        return
    rng = random.Random(seed)
    for _ in range(3):
        row = [rng.randrange(v) for _ in range(rng.randint(1, n))]
        fixed = some_change(model, len(row), rng)
        names = {model.optimised.nodes[node].name: values for node, values in fixed.items()}
        assert differences(model, row, fixed) == [], f"{row} with {names}\n{model.stage('optimised')}\n{model.stage('plan')}"


# --- the interpreter -------------------------------------------------------------------------------------


def test_the_interpreter_computes_from_what_was_set() -> None:
    @hw.program
    def twice(token: hw.Value) -> hw.Value:
        back = hw.previous(token)
        return hw.previous(back)

    text = "a b c a b c".split()
    assert hw.interpret(twice, text) == [None, None, *text[:4]]
    named = next(n.name for n in twice.build(6, sorted(set(text))).nodes if n.op.name == "fetch")
    assert hw.interpret(twice, text, set={named: {3: "a"}}) == [None, None, "a", "a", "c", "a"]
    assert hw.interpret(twice, text, set={named: [..., "c", ..., None, ..., ...]}) == [None, None, "c", "b", None, "a"]
    assert hw.interpret(twice, text, set={named: "b"}) == [None, "b", "b", "b", "b", "b"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jump@at": {9: 2}}, r"jump@at is set at position 9, and the sequence has positions 1..8"),
        ({"jump@at": [1, 2]}, "jump@at is set to 2 values, and the sequence has 8 tokens"),
        ({"jump@at": {3: 5}}, "set to 5 at position 3, and there it is at most 3"),
        ({"jump@at": {3: True}}, "set to True at position 3, and it is a position"),
        ({"out": {3: "z"}}, "set to 'z' at position 3, and it is a token"),
        ({"token": {3: None}}, "and it is never ⊥"),
        ({"jumpat": {3: None}}, "has no value 'jumpat'"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(khop: hw.Model, settings: dict[str, object], message: str) -> None:
    for run in (lambda: hw.interpret(khop, WORDS, set=settings), lambda: hw.intervene(khop, WORDS, settings)):  # type: ignore[arg-type]
        with pytest.raises(hw.InputError, match=message):
            run()


# --- the model -------------------------------------------------------------------------------------------


def test_a_value_that_is_set_is_read_by_all_that_read_it(khop: hw.Model) -> None:
    """jump@at is read by the next head as query and as value; what does not read it stays."""
    done = hw.intervene(khop, WORDS, {"jump@at": {8: 7}})
    assert done.agrees
    assert done.before["jump@at"][7] == 3
    assert done.changed == {"jump@at": [8], "jump@at@at": [8], "out@at": [8], "output": [8]}
    assert done.output == hw.interpret(khop, WORDS, set={"jump@at": {8: 7}})
    assert done.after["jump@at@at"][7] == done.before["jump@at"][6]


def test_a_token_that_is_set_is_another_input(khop: hw.Model) -> None:
    """What else the embedding holds of the token is set along, so setting it everywhere is running another text."""
    other = "c c a b b a c b".split()
    done = hw.intervene(khop, WORDS, {"token": other})
    assert done.agrees
    assert done.after.values == khop.trace(other).values  # type: ignore[union-attr]


def test_a_lookup_that_is_set_points_its_heads(khop: hw.Model) -> None:
    done = hw.intervene(khop, WORDS, {"at.3": {8: 6, 7: None}})
    assert done.agrees
    assert done.after.head(6).reads[7] == 6
    assert done.output[7] == done.before["out"][5]
    assert done.output[6] is None
    with pytest.raises(hw.InputError, match=r"at.3 is set to 8 at position 7, and there it is at most 7"):
        hw.intervene(khop, WORDS, {"at.3": {7: 8}})
    with pytest.raises(hw.InputError, match=r"match is set to 7 at position 7"):
        hw.intervene(khop, WORDS, {"match": {7: 7}})


def test_an_interchange_takes_the_value_from_another_input(khop: hw.Model) -> None:
    other = "a a b b c c a b".split()
    done = hw.intervene(khop, WORDS, swap={"jump@at": other})
    assert done.agrees
    assert done.after["jump@at"] == hw.trace(khop, other)["jump@at"]  # type: ignore[index]
    assert done.after["out"] == done.before["out"]
    with pytest.raises(hw.InputError, match="swapped with an input of 2 tokens, not 8"):
        hw.intervene(khop, WORDS, swap={"jump@at": ["a", "b"]})


def test_ablated_heads_add_what_was_asked(khop: hw.Model) -> None:
    other = "a a b b c c a b".split()
    zero = hw.intervene(khop, WORDS, heads={"blocks.4.head.0": "zero"})
    assert zero.agrees is None
    assert zero.after["jump@at@at"] == [None] * 8
    assert not zero.after.activations["blocks.4.attn.hook_result"].any()
    patched = hw.intervene(khop, WORDS, heads={"blocks.0.head.0": other})
    assert patched.after["jump.2"] == hw.trace(khop, other)["jump.2"]  # type: ignore[index]
    drawn = [hw.intervene(khop, WORDS, heads={"blocks.0.head.0": "resample"}, seed=seed).after["jump.2"] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    mean = hw.intervene(khop, WORDS, heads={"blocks.0.head.0": "mean"}, samples=200).after.activations["blocks.0.attn.hook_result"]
    rng = random.Random(0)
    rows = [[rng.randrange(3) for _ in WORDS] for _ in range(200)]
    pointers = np.array([[v or 0 for v in trace["jump.2"]] for trace in khop.trace([khop.decode(row) for row in rows])])  # type: ignore[index]
    assert np.allclose(mean[1:, 0, khop.probes[4].dims[0]], pointers.mean(0))


def test_dimensions_can_be_overwritten(khop: hw.Model) -> None:
    probe = next(p for p in khop.probes if p.name == "out")
    done = hw.intervene(khop, WORDS, dims={(probe.block, probe.dims[0]): [2] * 8})
    assert done.after["out"] == ["b"] * 8
    cut = hw.intervene(khop, WORDS, dims={(0, khop.probes[1].dims[0]): 0.0})
    assert cut.after["token"] == [None] * 8
    with pytest.raises(hw.InputError, match="there is no dimension 99 after block 1"):
        hw.intervene(khop, WORDS, dims={(1, 99): 0.0})
    with pytest.raises(hw.InputError, match="overwritten with 2 numbers at 8 positions"):
        hw.intervene(khop, WORDS, dims={(1, 0): [0.0, 1.0]})


def test_what_has_no_place_or_tells_places_apart_cannot_be_set(khop: hw.Model) -> None:
    with pytest.raises(hw.InputError, match="position cannot be set in the model: heads tell places apart by it"):
        hw.intervene(khop, WORDS, {"position": {1: 1}})
    with pytest.raises(hw.InputError, match=r"jump cannot be set in the model: it has no place of its own"):
        hw.intervene(khop, WORDS, {"jump": {1: 2}})
    with pytest.raises(hw.InputError, match=r"there is no head 'blocks.1.head.0'"):
        hw.intervene(khop, WORDS, heads={"blocks.1.head.0": "zero"})
    with pytest.raises(hw.InputError, match=r"cannot be ablated by 'noise'"):
        hw.intervene(khop, WORDS, heads={"blocks.0.head.0": "noise"})
    with pytest.raises(hw.InputError, match=r"intervene\(\) was given a batch"):
        hw.intervene(khop, [WORDS, WORDS], {})  # type: ignore[list-item]


def test_loaded_and_exported_models_are_changed_alike(tmp_path: Path) -> None:
    induction, change = hw.compile(hw.programs.get("induction"), length=8, alphabet="a b c".split()), {"fetch": {3: "a", 6: None}}
    wanted = hw.intervene(induction, WORDS, change)
    assert wanted.agrees and "output" in wanted.changed
    loaded = hw.intervene(hw.load(induction.save(tmp_path / "saved")), WORDS, change)
    assert str(loaded) == str(wanted)
    induction.export(tmp_path / "gpt2", "gpt2", check=False)
    exported = hw.intervene(hw.read_export(tmp_path / "gpt2"), WORDS, change)
    assert exported.agrees and exported.output == wanted.output


def test_a_check_of_a_changed_model_says_what_the_change_broke(khop: hw.Model, tmp_path: Path) -> None:
    model = hw.load(khop.save(tmp_path / "cut"))
    assert hw.check(model, samples=8).broken == {}
    with torch.no_grad():
        model.module.blocks[4].W_O.zero_()
    report = hw.check(model, samples=8)
    assert set(report.broken) == {"jump@at@at", "out@at", "the output"}
    assert sum(report.broken.values()) == report.mismatches
    assert "broken" in str(report)


def test_a_label_is_set_by_what_it_stands_for_not_by_its_number() -> None:
    @hw.program(alphabet="abc")
    def labelled(token):
        said = hw.table({"a": 0.5, "b": "rest", "c": 1}.get, hw.previous(token))
        return hw.previous(said)

    model, text = hw.compile(labelled, length=4), list("abca")
    name = "said@at"
    for value in (0.5, "rest", 1, None):
        done = hw.intervene(model, text, {name: {4: value}})
        assert done.agrees and done.after[name][3] == value == done.output[3]
        assert hw.interpret(model, text, set={name: {4: value}}) == done.output
    for value in (0, 2, True, "a"):
        with pytest.raises(hw.InputError, match="set a value of its domain"):
            hw.intervene(model, text, {name: {4: value}})
