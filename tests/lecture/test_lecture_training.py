"""Training on k-hop: the data against the plain reference, runs that resume with the same numbers, and heads known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from headwork.cli.app import app
from headwork.compiler.errors import CheckpointError, InputError
from headwork.lecture import sgd_khop
from headwork.lecture.learner import Setting, answers, pointers, sequences
from headwork.lecture.training import CHECKPOINT, load_run, start, train

SMALL = Setting(k=2, layers=2, length=8, symbols=3, d_model=8, batch=8, steps=60)


@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_answers_are_the_references(k: int) -> None:
    rows = sequences(np.random.default_rng(k), 40, 20, 4)
    assert (rows[:, 1:] != rows[:, :-1]).all() and rows.min() >= 0 and rows.max() < 4
    mixed = np.random.default_rng(k).integers(0, 3, (40, 20))
    for some in (rows, mixed):
        assert answers(some, k).tolist() == [sgd_khop.oracle(row, k) for row in some.tolist()]


def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(tmp_path: Path) -> None:
    whole = train(start(SMALL), tmp_path / "whole")
    train(start(SMALL), tmp_path / "parts", until=30)
    parts = train(load_run(tmp_path / "parts"), tmp_path / "parts")
    assert whole.state() == parts.state() and whole.step == 60 and whole.stage == 2
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name
    assert (tmp_path / "whole" / "progress.csv").read_text() == (tmp_path / "parts" / "progress.csv").read_text()
    assert json.loads((tmp_path / "parts" / "state.json").read_text())["step"] == 60


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no"):
        load_run(tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_run(tmp_path)


@pytest.mark.parametrize("bad", [{"k": 0}, {"layers": -1}, {"d_model": 9, "heads": 2}, {"rate": 2.0}, {"seed": -1}, {"batch": True}])
def test_settings_that_make_no_sense(bad: dict[str, int]) -> None:
    with pytest.raises(InputError):
        start(Setting(**bad))  # pyright: ignore[reportArgumentType]


def test_compiled_heads_are_known_by_name() -> None:
    """The compiled 4-hop has the match head, then pointers of 1, 2 and 4 hops."""
    rows = sequences(np.random.default_rng(0), 20, 16, 4)
    model = sgd_khop._compiled(Setting(k=4, layers=4))
    targets = sgd_khop.named_patterns(rows, 4)
    best = []
    for pattern in sgd_khop.compiled_patterns(model, rows):
        likeness = {name: sgd_khop.overlap(pattern, target) for name, target in targets.items()}
        best.append(max(likeness, key=lambda name: likeness[name]))
        assert likeness[best[-1]] == pytest.approx(1)
    assert best == ["match", "find^1", "find^2", "find^4"]


def test_overlap() -> None:
    find = pointers(np.array([[0, 1, 0, 1]]))
    assert find.tolist() == [[0, 0, 0, 2, 3]]
    same = np.eye(5)[find]
    assert sgd_khop.overlap(same, same) == 1 and sgd_khop.overlap(np.full((1, 5, 5), 0.2), same) == pytest.approx(0.2)


def test_the_command(tmp_path: Path) -> None:
    runner = CliRunner()
    asked = ["train", "khop", "--set", "k=1", "--set", "length=6", "--set", "d_model=8", "--layers", "1", "--steps", "50"]
    done = runner.invoke(app, [*asked, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 50
    again = runner.invoke(app, ["train", "khop", "--out", str(tmp_path), "--json"])
    assert json.loads(again.stdout)["tables"] == json.loads(done.stdout)["tables"]
    assert runner.invoke(app, ["train", "khop", "--set", "k=2", "--out", str(tmp_path)]).exit_code == 2
    assert runner.invoke(app, ["train", "sort"]).exit_code == 2
    assert runner.invoke(app, ["train", "khop", "--set", "depth=2"]).exit_code == 2
