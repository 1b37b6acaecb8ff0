"""What files and users say is shown on a terminal, never sent to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.cli.display import cut, shown

BAD = "\x1b]0;gone\x07\x9b31m\u202eabc\u2066"


def test_control_characters_and_turns_of_direction_are_escapes() -> None:
    assert shown("ü ⊥ 漢\n\tx") == "ü ⊥ 漢\n\tx"
    assert shown(BAD) == r"\x1b]0;gone\x07\x9b31m\u202eabc\u2066"


def test_lines_are_cut() -> None:
    assert cut("a\n" + "b" * 5_000_000) == "a\n" + "b" * 1000 + "… (5,000,000 characters)"


@pytest.mark.parametrize("command", [["show"], ["certify"], ["check", "--samples", "1"]])
def test_names_of_a_checkpoint_do_not_reach_the_terminal_raw(command: list[str], tmp_path: Path) -> None:
    made = hw.program(name=BAD, alphabet=[BAD, "b"])(lambda token: token)
    hw.compile(made, length=2).save(tmp_path / "m")
    done = CliRunner().invoke(app, [command[0], str(tmp_path / "m"), *command[1:]])
    assert not set(done.output) & set("\x1b\x07\x9b\u202e\u2066"), done.output


def test_a_long_name_is_cut_in_the_error() -> None:
    done = CliRunner().invoke(app, ["show", "\x1b" + "x" * 100_000])
    assert done.exit_code == 2 and len(done.output) < 5000 and "\x1b" not in done.output
