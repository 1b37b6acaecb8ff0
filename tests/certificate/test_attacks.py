"""A small seeded run of the attacks of `benchmarks/attacks.py`, and that the judge and the moves can fail."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import headwork as hw
from headwork.tests import attack, judge
from headwork.tests.certificate.test_certificate_holes import deep


def certified(model: hw.Model) -> object:
    return hw.certify(model, witness=False)


def histogram() -> hw.Model:
    return hw.compile(hw.programs.get("histogram"), length=3, alphabet=2)


@pytest.mark.parametrize("family", [*attack.FAMILIES, "mixed"])
def test_no_attack_is_accepted_and_wrong(family: str) -> None:
    rng, found = random.Random(family), Counter[str]()
    model = histogram()
    for _ in range(12):
        made = attack.attack(model, family, rng)
        if made is not None:
            verdict = judge.verdict(made[1], certified)
            assert verdict in ("refused", "right"), made[0]
            found[verdict] += 1
    assert found["refused"]


@pytest.mark.parametrize("family", [*attack.FAMILIES, "mixed"])
def test_a_checker_that_accepts_everything_is_found_out(family: str) -> None:
    """The attacks of every family make models that are wrong, and the judge says so."""
    rng, model = random.Random(1), histogram()
    made = [a for a in (attack.attack(model, family, rng) for _ in range(12)) if a is not None]
    assert any(judge.verdict(changed, lambda _: None).startswith("wrong") for _, changed in made)


def test_the_judge_tells_what_only_an_arithmetic_shows() -> None:
    """Totals of weight e^-88 are right in torch at this length; where small numbers are flushed to zero they are not."""
    assert judge.wrong(histogram()) is None
    assert judge.wrong(deep(histogram(), 2.75)) not in (None, "torch")
