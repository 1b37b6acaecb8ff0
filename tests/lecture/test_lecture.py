"""The lecture's command, its list, and what every construction must have."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.lecture.catalogue import LESSONS
from headwork.lecture.shown import Check, Shown, hold, table

RUNNER = CliRunner()
ROOT = Path(__file__).resolve().parents[2]


def test_the_list() -> None:
    done = RUNNER.invoke(app, ["lecture", "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert [set(row) for row in rows] == [{"name", "claim", "command"}] * len(LESSONS)
    assert len({row["name"] for row in rows}) == len(rows)
    plain = RUNNER.invoke(app, ["lecture"]).stdout
    assert all(row["name"] in plain for row in rows)


@pytest.mark.parametrize("name", [x.name for x in LESSONS])
def test_every_construction_is_whole(name: str) -> None:
    (lesson,) = (x for x in LESSONS if x.name == name)
    module = import_module(f"headwork.lecture.{lesson.module}")
    assert lesson.claim.endswith(".") and lesson.command == f"headwork lecture {name}"
    for function in ("build", "oracle", "cost", "bound", "run"):
        assert callable(getattr(module, function)), function


def test_the_page_shows_every_construction_and_names_only_what_there_is() -> None:
    text = (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"headwork lecture ([a-z-]+)", text)) == {x.name for x in LESSONS}
    for lesson in LESSONS:
        assert text.count(f"<!-- {lesson.name}:begin -->") == 1 and (ROOT / "docs" / "lecture" / f"{lesson.name}.png").is_file()
    for program in re.findall(r"headwork (?:show|check|bounds) ([a-z_]+)", text):
        assert program in hw.programs.names(), program
    for command in set(re.findall(r"headwork ([a-z]+)", text)):
        assert RUNNER.invoke(app, [command, "--help"]).exit_code == 0, command


def test_an_unknown_name_is_the_users_mistake() -> None:
    done = RUNNER.invoke(app, ["lecture", "rnn"])
    assert done.exit_code == 2 and "the lecture has no 'rnn'" in done.stderr and "rnn-memory" in done.stderr
    assert RUNNER.invoke(app, ["lecture", "--plot", "x.png"]).exit_code == 2


def shown(wrong: int, state: int) -> Shown:
    tables = (table("T", ("a", "b"), [[1, 0.5], [None, "x"]]), table("times", ("s",), [[1.5]], varies=True))
    bounds = tuple(hold("RNN-TREES", {"N": 9, "|Σ|": 3, "state": state}))
    return Shown("x", tables, (Check("answers", 10, wrong),), bounds, lambda figure: None)


def test_what_makes_a_result_wrong() -> None:
    assert shown(0, 5).ok
    assert not shown(1, 5).ok
    assert not shown(0, 4).ok  # 18 trees need 5 bits
    assert json.loads(json.dumps(shown(1, 5).as_dict()))["checks"] == [{"what": "answers", "cases": 10, "wrong": 1}]


def test_the_tables_as_text() -> None:
    assert "answers: 9 of 10" in str(shown(1, 5)) and "times" in str(shown(1, 5))
    assert "times" not in shown(1, 5).markdown() and "times" in shown(1, 5).markdown(varies=True)
