"""The RASP paper's programs, from texts in its language: the model says what plain Python says, and is certified."""

from __future__ import annotations

import random

import pytest

import headwork as hw
from headwork import rasp
from headwork.tests.rasp_paper import TEXTS, Text

SLOWER = {"width_by_shares", "dyck_2", "next_identical", "most_frequent"}


def agrees(case: Text, rows: int) -> None:
    """Asserts that a text means what it is said to, on random sequences and on equal tokens, and is certified."""
    program, rng = rasp.parse(case.text), random.Random(case.name)
    alphabet = [*case.begins, *case.alphabet]
    model = hw.compile(program, length=case.length, alphabet=alphabet)
    for number in range(rows):
        row = rng.choices(case.alphabet, k=rng.randint(1, case.length - len(case.begins)))
        row = [*case.begins, *(row if number else [row[0]] * len(row))]
        assert model.run(row) == hw.interpret(model, row) == program.result(row) == case.said(row), row
    assert hw.certify(model)


@pytest.mark.parametrize("case", [c for c in TEXTS if c.name not in SLOWER], ids=lambda c: c.name)
def test_a_program_of_the_paper_says_what_python_says(case: Text) -> None:
    agrees(case, 8)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in TEXTS if c.name in SLOWER], ids=lambda c: c.name)
def test_a_longer_program_of_the_paper_says_what_python_says(case: Text) -> None:
    agrees(case, 30)
