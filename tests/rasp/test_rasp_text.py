"""RASP's own language: programs by what they mean, errors by line and column, and the commands that take its files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork import rasp
from headwork.cli.app import app

TEXT = list("abcab")
MEANT: list[tuple[str, list[Any]]] = [
    ("same = select(tokens, tokens, ==); hist = selector_width(same);", [2, 2, 1, 2, 2]),
    ("reverse(tokens);  # the library's", list("bacba")),
    ('frac_prevs(tokens == "a");', [Fraction(1), Fraction(1, 2), Fraction(1, 3), Fraction(1, 2), Fraction(2, 5)]),
    ('back = [shift_by(i, tokens) for i in [1, 2]]; back[0] if indices > 1 else "c";', ["c", "c", "b", "c", "a"]),
    ("sort(tokens, tokens);", list("aabbc")),
    ("tokens[0];", list("aaaaa")),
    ("tokens[-1];", list("bbbbb")),
    ('tokens in ["a", "c"];', [True, False, True, True, False]),
    ('"c" in tokens;', [True] * 5),
    ("def f(x, y) { z = x + y; return z * 2 - 1; } f(indices, 1);", [1, 3, 5, 7, 9]),
    ("max(indices, 2);", [2, 2, 2, 3, 4]),
    ('d = {"a": 1, "b": 2, "c": 3}; d[tokens];', [1, 2, 3, 1, 2]),
    ("1 if histf(tokens) == 1 else 0;", [0, 0, 1, 0, 0]),
    ('round(frac_prevs(tokens == "a") * 10);', [10, 5, 3, 5, 4]),
    ("has_prev(tokens);", [False, False, False, True, True]),
    ("aggregate(select(indices, indices, <) and select(tokens, tokens, ==), indices, -1);", [-1, -1, -1, 0, 1]),
    ('not (indices >= 2) or tokens == "b";', [True, True, False, False, True]),
    ("total = 0; for i in range(3) { total = total + i; } indices - total - -1;", [-2, -1, 0, 1, 2]),
    ("a, b = [indices, length]; b - a - 1;", [4, 3, 2, 1, 0]),
    ('selector_width(not select(tokens, "a", ==));', [3] * 5),
    ("tokens_int[0] if False else 2^3 % 5 + indices // 2;", [3, 3, 4, 4, 5]),
]


@pytest.mark.parametrize(("text", "said"), MEANT, ids=[m[0][:40] for m in MEANT])
def test_a_text_means_what_it_says(text: str, said: list[Any]) -> None:
    parsed = rasp.parse(text)
    model = hw.compile(parsed, length=6, alphabet="abc")
    assert model.run(TEXT) == hw.interpret(parsed, TEXT) == said
    assert rasp.DefaultRASPEvaluator().exactly(parsed.result, TEXT) == said
    assert hw.certify(model)


WRONG = [
    ("x = select(tokens, tokens, ==)\ny = 1;", "rasp:2:1: 'y' is not expected here"),
    ("x = 1;\n  z = foo(tokens);", "rasp:2:7: foo is not defined"),
    ("a = tokens + ;", "rasp:1:14: ';' is not expected"),
    ("a = (tokens", "rasp:1:12: the text ends here"),
    ("x = select(tokens, tokens, ==);", "rasp defines no sequence operation"),
    ("reverse(tokens, 2);", "rasp:1:1: TypeError: reverse() takes 1 values"),
    ("tokens(1);", "rasp:1:1: a sequence operation is called"),
    ("x = [1, 2]; x[5];", "rasp:1:13: IndexError"),
    ("a, b = [1, 2, 3];", "rasp:1:1: 2 names are given"),
    ("def f(x) { return f(x); } f(1);", "calls itself without end"),
    ("select(tokens, tokens, ==) + 1;", "combines a selector with what is none"),
    ("x = [i for i in range(10^9)]; tokens;", "rasp:1:17: OverflowError: a word or list of 1,000,000,000 items"),
    ("x = 3 ^ 10 ^ 10; tokens;", "bits is made, 4,096 are the most"),
    ('x = "ab" * 100000; tokens;', "a word or list of 200,000 items"),
    ("x = [1]; for i in range(40) { x = x + x; } tokens;", "a word or list of 131,072 items"),
    ("x = 2; for i in range(40) { x = x * x; } tokens;", "bits is made, 4,096 are the most"),
    ("x = [1 for i in range(1000) ]; y = [[a + b for a in x] for b in x]; tokens;", "takes more than 200,000 steps"),
    ("def f(n) { return f(n - 1) + f(n - 1) if n > 0 else 1; } f(30);", "without end"),
]


@pytest.mark.parametrize(("text", "fact"), WRONG, ids=[w[0][:30] for w in WRONG])
def test_mistakes_are_named_by_line_and_column(text: str, fact: str) -> None:
    with pytest.raises(hw.ProgramError) as caught:
        rasp.parse(text)
    assert fact in str(caught.value)


def test_a_text_keeps_its_names() -> None:
    parsed = rasp.parse("a = indices + 1; b = a * 2;")
    assert sorted(parsed.names) == ["a", "b"] and parsed.result.name == "b" and parsed["a"]("xy") == [1, 2]
    with pytest.raises(hw.InputError, match="defines no 'c'"):
        parsed["c"]


def test_commands_take_its_files(tmp_path: Path) -> None:
    text = "same = select(tokens, tokens, ==);\nhist = selector_width(same);\nlate = indices > 0;\n"
    (tmp_path / "hist.rasp").write_text(text, encoding="utf-8")
    for name, said in (("hist.rasp:hist", "2 1 2"), ("hist.rasp", "False True True")):
        done = CliRunner().invoke(app, ["run", str(tmp_path / name), "--input", "a b a"])
        assert done.exit_code == 0 and done.output.strip() == said, done.output
    done = CliRunner().invoke(app, ["certify", str(tmp_path / "hist.rasp:hist"), "--length", "8", "--alphabet", "3"])
    assert done.exit_code == 0 and "certified: hist" in done.output
    done = CliRunner().invoke(app, ["run", str(tmp_path / "none.rasp"), "--input", "a"])
    assert done.exit_code == 2 and "there is no file" in done.output
    (tmp_path / "bytes.rasp").write_bytes(b"x = 1;\xff")
    done = CliRunner().invoke(app, ["run", str(tmp_path / "bytes.rasp"), "--input", "a"])
    assert done.exit_code == 2 and "is not UTF-8 text: invalid start byte at byte 6" in done.output


def test_a_return_outside_a_function_is_said_with_its_place() -> None:
    with pytest.raises(hw.ProgramError, match="rasp:2:1: return stands outside a function"):
        rasp.parse("x = indices;\nreturn x;")
