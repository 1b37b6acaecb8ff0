"""The lecture's command, its list, and what every construction must have."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from typer.testing import CliRunner

from headwork.cli import app
from headwork.lecture.catalogue import LESSONS
from headwork.lecture.shown import Check, Shown, hold, table

RUNNER = CliRunner()


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
