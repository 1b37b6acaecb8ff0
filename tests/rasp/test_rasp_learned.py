"""Learned programs as Transformer Programs print them: the model says what running the text says, and is certified."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import headwork as hw
from headwork import rasp
from headwork.rasp.closest import nearest
from headwork.tests.learned_programs import KINDS, printed, said


def agrees(name: str, seed: int, rows: int) -> None:
    """Asserts that a program of a kind means what its text says, on random sequences that begin with <s>, and is certified."""
    kind = KINDS[name]
    text, weights = printed(kind, seed)
    program = rasp.learned(text, weights)
    model = hw.compile(program, length=kind.length, alphabet=kind.symbols)
    rng = random.Random(seed)
    for _ in range(rows):
        row = ["<s>", *rng.choices(kind.symbols[1:], k=rng.randint(0, kind.length - 1))]
        assert model.run(row) == hw.interpret(model, row) == program.result(row) == said(text, weights, row), row
    assert hw.certify(model)


def test_a_learned_program_says_what_its_text_says() -> None:
    agrees("hist", 0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KINDS if name != "hist"])
def test_learned_programs_of_each_kind_say_what_their_text_says(name: str) -> None:
    agrees(name, int(name == "sort"), 12)  # it has the shape of reverse, and would be the same program


def test_this_position_counts_as_as_far_away_as_there_are_matches() -> None:
    assert [nearest(row, 3) for row in ([3, 4], [1, 3, 6], [3, 5], [1, 3], [], [2, 4], [0, 1, 2, 3, 6])] == [4, 1, 3, 1, 0, 2, 2]
    for keys in ("aabab", "babba", "abbbb", "bbbba", "aaaaa", "bbbbb"):
        found = rasp.Closest(rasp.tokens, rasp.tokens, lambda key, query: key == "a" and query is not None, rasp.indices)
        matches = [t for t, key in enumerate(keys) if key == "a"]
        model = hw.compile(found, length=5, alphabet="ab")
        assert model.run(list(keys)) == found(keys) == [nearest(matches, i) for i in range(5)]


def test_weights_are_read_from_their_file(tmp_path: Path) -> None:
    kind = KINDS["hist"]
    text, weights = printed(kind, 1)
    lines = [f"feature,value,{','.join(kind.classes)}"]
    lines += [f"{feature},{value},{','.join(str(x) for x in scores.values())}" for (feature, value), scores in weights.items()]
    (tmp_path / "weights.csv").write_text("\n".join(lines), encoding="utf-8")
    row = ["<s>", "1", "2", "1"]
    assert rasp.learned(text, tmp_path / "weights.csv").result(row) == rasp.learned(text, weights).result(row) == said(text, weights, row)
    with pytest.raises(hw.InputError, match="cannot be read"):
        rasp.learned(text, tmp_path / "none.csv")
    for wrong in ("", "feature,value,a\nx,1", "feature,value,a\nx,1,word", "feature,value,a\nx,1,inf", "x", "feature,value\nx,1"):
        (tmp_path / "wrong.csv").write_text(wrong, encoding="utf-8")
        with pytest.raises(hw.InputError, match="are no table"):
            rasp.learned(text, tmp_path / "wrong.csv")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("x = 1", "no function run"),
        ("def run(tokens):\n    for t in tokens:\n        pass", "learned:2: this is no line of a printed program"),
        ("def run(tokens):\n    x = sorted(tokens)", "learned:2: this is no line"),
        ("def run(tokens:", "learned:1:"),
    ],
)
def test_what_is_no_printed_program_is_refused(text: str, fact: str) -> None:
    with pytest.raises(hw.ProgramError, match=fact):
        rasp.learned(text)
