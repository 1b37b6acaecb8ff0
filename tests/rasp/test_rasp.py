"""RASP programs: Tracr's library and tests and the paper's, with recorded values; the surface, the bridge, commands and refusals."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork import rasp
from headwork.cli.app import app
from headwork.rasp import Comparison
from headwork.tests.rasp.test_rasp_random import known
from headwork.tests.rasp_library import CASES, Case, histogram, reverse, sort
from headwork.tests.rasp_meaning import meaning


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_program_says_what_is_recorded(case: Case) -> None:
    evaluator = rasp.CausalEvaluator() if case.causal else rasp.DefaultRASPEvaluator()
    model = hw.compile(rasp.program(case.program, causal=case.causal), length=case.length, alphabet=case.vocabulary)
    row = list(case.given)
    assert evaluator.evaluate(case.program, row) == [float(x) if isinstance(x, Fraction) else x for x in case.said]
    assert model.run(row) == hw.interpret(model, row) == list(case.said)
    rng = random.Random(case.name)
    symbols = list(case.vocabulary)
    for row in ([symbols[0]] * case.length, *(rng.choices(symbols, k=rng.randint(1, case.length)) for _ in range(5))):
        if "unique" in case.name:
            row = rng.sample(symbols, k=min(len(row), len(symbols)))
        want = [known(x) for x in meaning(case.program, row, case.causal)]
        assert [known(x) for x in model.run(row)] == [known(x) for x in evaluator.exactly(case.program, row)] == want, row
    assert hw.certify(model)


def test_it_is_taken_for_a_program_everywhere(tmp_path: Path) -> None:
    hist = histogram()
    model = hw.compile(hist, length=8, alphabet="ab")
    assert hw.interpret(hist, list("aab")) == hist("aab") == model.run(list("aab")) == [2, 2, 1]
    assert hw.check(model, samples=5).ok and hw.bounds(hist, length=8, alphabet="ab").ok
    model.save(tmp_path / "hist")
    assert hw.load(tmp_path / "hist").run(list("ba")) == [1, 1]
    assert model.name == "hist" and model.graph.sizes.causal is False


def test_the_bridge_applies_with_bos_and_padding() -> None:
    model = rasp.compile_rasp_to_model(reverse(rasp.tokens), {"a", "b"}, 5, compiler_bos="BOS", compiler_pad="PAD", mlp_exactness=100)
    assert model.apply(["BOS", "a", "b", "b"]).decoded == ["BOS", "b", "b", "a"]
    assert model.apply(["BOS", "a", "b", "PAD", "PAD"]).decoded == ["BOS", "b", "a", "PAD", "PAD"]
    share = rasp.Aggregate(rasp.Select(rasp.tokens, rasp.tokens, Comparison.TRUE), rasp.tokens == "a")
    assert rasp.compile_rasp_to_model(share, {"a", "b"}, 5).apply(["compiler_bos", "a", "b", "b"]).decoded == ["compiler_bos", *[1 / 3] * 3]
    for wrong in (["a", "BOS"], [], ["BOS", "PAD", "a"], ["BOS", "a", "BOS"]):
        with pytest.raises(hw.InputError):
            model.apply(wrong)
    with pytest.raises(hw.InputError, match="in the vocabulary"):
        rasp.compile_rasp_to_model(rasp.tokens, {"a", "BOS"}, 5, compiler_bos="BOS")


def test_names_and_annotations_are_kept() -> None:
    named = rasp.numerical(rasp.tokens == "a").named("is_a")
    assert (named.name, named.label.split("_")[0], rasp.is_numerical(named)) == ("is_a", "is", True)
    assert rasp.is_categorical(rasp.tokens) and rasp.Map(len, rasp.tokens).name == "map" and rasp.annotate(named, x=1).annotations["x"] == 1
    assert named.annotated(y=2).annotations["y"] == 2 and named.copy().unique_id != named.unique_id
    with pytest.raises(KeyError, match="no annotation 'z'"):
        named.annotations["z"]


def test_logic_on_selectors_is_simplified_where_sides_are_shared() -> None:
    less, same = (rasp.Select(rasp.tokens, rasp.tokens, c) for c in (Comparison.LT, Comparison.EQ))
    asked = rasp.Select(rasp.Full("a"), rasp.tokens, Comparison.EQ)
    for made, kind in (
        (less | same, rasp.Select),
        (~less, rasp.Select),
        (less & asked, rasp.Select),
        (rasp.selector_or(less, same, simplify=False), rasp.SelectorOr),
        (less & rasp.Select(rasp.indices, rasp.indices, Comparison.LT), rasp.SelectorAnd),
    ):
        assert type(made) is kind
    assert (less | same)("ba") == [[True, True], [False, True]]


def test_a_constant_sequence_and_selector() -> None:
    given = rasp.ConstantSOp([3, 1, 2])
    picked = rasp.Aggregate(rasp.ConstantSelector([[False, True, False], [True, False, False], [False] * 3]), given)
    assert picked("abc") == hw.compile(picked, length=3, alphabet="abc").run(list("abc")) == [1, 3, None]
    with pytest.raises(hw.DomainError, match="constant of length 3"):
        given("ab")


def test_words_that_differ_are_not_equal_whatever_their_codes() -> None:
    for predicate, said in ((Comparison.EQ, 0), (Comparison.NEQ, 2)):
        number = rasp.SelectorWidth(rasp.Select(rasp.Full("v"), rasp.Full("a"), predicate))
        assert hw.compile(number, length=2, alphabet="ab").run(list("ab")) == number("ab") == [said, said]


def test_pairs_are_compared_by_their_parts_and_tuples_are_calculated_with() -> None:
    pair = rasp.SequenceMap(lambda t, n: (t, n), rasp.tokens, rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ)))
    same = hw.compile(rasp.SelectorWidth(rasp.Select(pair, pair, Comparison.EQ)), length=300, alphabet="abc")
    assert same.run(list("abca")) == [2, 1, 1, 2] and max(same.cost.heads) == 1 and hw.certify(same)
    three = rasp.SequenceMap(lambda p, i: (*p, i), rasp.Map(lambda t: (t, 2 * t), rasp.tokens), rasp.indices)
    total = hw.compile(rasp.Map(lambda row: row[0] + row[1] - row[2], three), length=300, alphabet=(1, 2, 3))
    assert total.run([1, 2, 3]) == [3, 5, 7] and total.cost.attention_layers == 0 and total.cost.d_model == 3 and hw.certify(total)


SIZES = {  # attention layers, heads of the widest layer
    "hist": (histogram(), "abcd", 1, 1),
    "reverse": (reverse(rasp.tokens), "abcd", 2, 1),
    "sort": (sort(rasp.tokens, rasp.tokens, 64, 1), (1, 2, 3, 4), 2, 3),
    "strictly before": (rasp.SelectorWidth(rasp.Select(rasp.indices, rasp.indices, Comparison.LT)), "ab", 0, 0),
    "near": (rasp.SelectorWidth(rasp.Select(rasp.indices, rasp.indices, lambda k, q: abs(k - q) <= 1)), "ab", 1, 2),
}


@pytest.mark.parametrize("name", SIZES)
def test_selectors_are_lowered_as_what_they_are(name: str) -> None:
    sop, alphabet, layers, heads = SIZES[name]
    cost = hw.compile(sop, length=64, alphabet=alphabet).cost
    assert (cost.attention_layers, max(cost.heads, default=0)) == (layers, heads)


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("length, causally", lambda: rasp.program(rasp.length, causal=True).build(4, "ab"), "causal program does not see"),
    ("a selector", lambda: rasp.program(rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ)), "no sequence operation"),
    ("Map the wrong way round", lambda: rasp.Map(rasp.tokens, lambda x: x), "Map was given"),
    ("Aggregate the wrong way round", lambda: rasp.Aggregate(rasp.tokens, rasp.tokens), "no Selector"),
    ("a list as a default", lambda: rasp.Aggregate(rasp.Select(rasp.tokens, rasp.tokens, Comparison.EQ), rasp.tokens, [1]), "the default"),
    ("its truth", lambda: 0 < rasp.indices < 3, "no truth of its own"),
    ("a list as a value", lambda: rasp.program(rasp.Map(lambda t: [t], rasp.tokens)).build(4, "ab"), "no value of a program"),
    (
        "too many pairs",
        lambda: rasp.program(rasp.SelectorWidth(rasp.Select(rasp.indices, rasp.indices, lambda k, q: k * q % (k + q + 1) == 0))).build(
            300, 2
        ),
        "300 x 300 values",
    ),
]


@pytest.mark.parametrize(("make", "text"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_is_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(hw.HeadworkError, match=text):
        make()


FILE = """
from headwork import rasp

hist = rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)).named("hist")


def back(by):
    return rasp.Aggregate(rasp.Select(rasp.indices, rasp.indices, lambda k, q: q == k + by), rasp.tokens)
"""


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [("hist", [], "2 1 2"), ("back(2)", [], "⊥ ⊥ a"), ("back", ["--set", "by=1"], "⊥ a b"), ("rasp.indices - 1", [], "-1 0 1")],
)
def test_commands_take_files_of_operations(tmp_path: Path, name: str, more: list[str], said: str) -> None:
    (tmp_path / "theirs.py").write_text(FILE, encoding="utf-8")
    done = CliRunner().invoke(app, ["run", f"{tmp_path}/theirs.py:{name}", "--input", "a b a", *more])
    assert done.exit_code == 0 and done.output.strip() == said, done.output


def test_a_program_is_shown_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(FILE, encoding="utf-8")
    done = CliRunner().invoke(app, ["show", f"{tmp_path}/theirs.py:hist", "--stage", "program", "--length", "4", "--alphabet", "2"])
    assert done.output.strip() == "select = Select(tokens, tokens, ==)\nhist = SelectorWidth(select)", done.output


@pytest.mark.parametrize(
    ("sop", "fact"),
    [
        (rasp.Map({"a": 1}.__getitem__, rasp.tokens), r"Map called its function with \(2\) and it raised KeyError: 2"),
        (rasp.SequenceMap(lambda x, y: x + y, rasp.tokens, rasp.indices), r"SequenceMap called its function with .* raised TypeError"),
        (
            rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.LT)),
            "key .* and query .*, and it raised TypeError",
        ),
    ],
)
def test_what_a_function_raises_is_an_error_that_names_the_values(sop: rasp.SOp, fact: str) -> None:
    with pytest.raises(hw.DomainError, match=fact):
        hw.compile(sop, length=4, alphabet=["a", 2])


def test_a_mean_of_numbers_and_words_is_refused_where_several_may_be_selected() -> None:
    """Of 1 and 1 the mean is 1, of 1 and a word there is none; where one key is selected it is what it is."""
    mixed = rasp.Map(lambda t: {"a": 1, "b": "one"}[t], rasp.tokens)
    everything = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)
    assert rasp.Aggregate(everything, mixed)("aa") == [1, 1]
    with pytest.raises(hw.DomainError, match="numbers and others, 1 and 'one': a mean, or none"):
        hw.compile(rasp.Aggregate(everything, mixed), length=3, alphabet="ab")
    back = rasp.Select(rasp.indices, rasp.indices, lambda k, q: k == q - 1)
    assert hw.compile(rasp.Aggregate(back, mixed), length=3, alphabet="ab").run(list("aba")) == [None, 1, "one"]


def test_long_chains_of_maps_are_one_map_and_deep_programs_are_evaluated_or_refused() -> None:
    long, deep = rasp.indices, rasp.indices
    for _ in range(3000):
        long = long + 1
        deep = rasp.SequenceMap(lambda a, b: (a + b) % 7, deep, rasp.indices)
    assert long([0, 1]) == hw.compile(long, length=2, alphabet=2).run([0, 1]) == [3000, 3001]
    assert deep([0, 1, 0]) == [0, 3001 % 7, 2 * 3001 % 7]
    with pytest.raises(hw.DomainError, match="stand too deep in one another"):
        hw.compile(deep, length=3, alphabet=2)
