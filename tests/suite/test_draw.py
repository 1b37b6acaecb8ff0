"""Random programs: their text is the program, the same for the same arguments, of the features asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import headwork as hw
from headwork.suite.draw import from_text
from headwork.suite.steps import FEATURES


def text_of(program: hw.Program) -> str:
    return program.function.text()  # type: ignore[attr-defined]


def test_equal_arguments_give_equal_programs_and_others_give_others() -> None:
    texts = [text_of(hw.random_program(seed, length=5, alphabet=3)) for seed in range(20)]
    assert texts == [text_of(hw.random_program(seed, length=5, alphabet=3)) for seed in range(20)]
    assert len({text.partition("def ")[2] for text in texts}) >= 18


def test_the_text_is_the_program() -> None:
    for seed in range(25):
        program = hw.random_program(seed, length=4, alphabet=2, steps=6, causal=seed % 2 == 0)
        again = from_text(text_of(program))
        assert str(again.build(4)) == str(program.build(4))
        assert again.causal == (seed % 2 == 0)


@pytest.mark.slow
def test_a_text_in_a_file_compiles_to_the_same_weights(tmp_path: Path) -> None:
    program = hw.random_program(2, length=5, alphabet=2)
    file = tmp_path / "program.py"
    file.write_text(text_of(program))
    hw.compile(program, length=5).save(tmp_path / "ours")
    words = ["compile", f"{file}:program", "--length", "5", "--out", str(tmp_path / "theirs")]
    done = subprocess.run([sys.executable, "-m", "headwork", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "theirs"))
    assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)
    assert (tmp_path / "ours" / "program.json").read_bytes() == (tmp_path / "theirs" / "program.json").read_bytes()


def test_features_and_steps_are_what_was_asked_for() -> None:
    for seed in range(20):
        text = text_of(hw.random_program(seed, length=5, alphabet=2, steps=3, features=["match", "compare"]))
        lines = [line for line in text.splitlines() if " = " in line]
        assert 1 <= len(lines) <= 3
        assert all("hw.match" in line or any(r in line for r in ("==", "!=", "<", ">")) for line in lines)
    assert set(FEATURES) >= {"match", "aggregate", "scan", "table", "chain"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"features": ["juggle"]}, "there is no feature juggle"),
        ({"features": []}, "there is no feature at all"),
        ({"features": ["logic"]}, "logic make no value"),
        ({"steps": 0}, "steps is 0"),
        ({"alphabet": 0}, "the alphabet's size is 0"),
        ({"length": 0}, "the length is 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(hw.InputError, match=said):
        hw.random_program(0, **{"length": 5, "alphabet": 2, **options})  # type: ignore[arg-type]
