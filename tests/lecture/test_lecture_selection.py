"""In-context algorithm selection against candidates that are solved outright."""

from __future__ import annotations

import numpy as np
import pytest

from headwork.lecture import selection as sel

TASKS = sel.tasks(60, seed=11)


def test_losses_are_within_the_bound_and_promised_choices_are_kept() -> None:
    model = sel.build()
    promised = 0
    for task, (_, losses, choice) in zip(TASKS, sel.predict(model, TASKS), strict=True):
        _, solved, best = sel.oracle(task)
        limits = sel.margin(task)
        assert (np.abs(losses[:-1] - solved[:-1]) <= limits + 1e-9).all()
        first = int(solved[:-1].argmin())
        if all(solved[i] - limits[i] > solved[first] + limits[first] for i in range(4) if i != first) or task.logistic:
            promised += 1
            assert choice == best
    assert promised > 20


def test_the_bound_falls_with_depth_and_is_not_vacuous() -> None:
    few, many = (np.median([sel.margin(t, steps).max() for t in TASKS]) for steps in (20, 400))
    assert many < few / 10


def test_many_steps_are_ridge_regression() -> None:
    for task, (at_query, losses, _) in zip(TASKS[:10], sel.predict(sel.build(2000), TASKS[:10]), strict=True):
        true, solved, _ = sel.oracle(task)
        assert at_query[:-1] == pytest.approx(true[:-1], abs=1e-6)
        assert losses[:-1] == pytest.approx(solved[:-1], abs=1e-6)
        if task.logistic:
            assert at_query[-1] == pytest.approx(true[-1], abs=1e-3)


def test_the_kind_of_task_is_told_by_its_answers() -> None:
    (task,) = sel.tasks(5, seed=2)[4:]
    assert task.logistic
    one_off = sel.Task(task.x, np.where(np.arange(32) == 3, 0.5, task.y), task.query, False)
    chosen = [found[2] for found in sel.predict(sel.build(), [task, one_off])]
    assert chosen[0] == 4 and chosen[1] < 4


def test_the_bound_row() -> None:
    assert sel.build(7).layers == 8
    assert [row.verdict for row in sel.bound(7)] == ["meets"]
