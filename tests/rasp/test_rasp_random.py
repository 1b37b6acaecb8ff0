"""Random RASP programs mean the same to the evaluator, to plain Python, to headwork's interpreter and to the compiled model."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

import headwork as hw
from headwork import rasp
from headwork.tests.rasp_meaning import meaning
from headwork.tests.rasp_random import Draw

LENGTH, WORDS = 4, "ab"


def agree(seed: int) -> str:
    """How one random program ends: `agrees`, or the kind of refusal. Raises AssertionError where two meanings differ."""
    rng = random.Random(seed)
    causal = rng.random() < 0.3
    sop = Draw(seed, WORDS).program(rng.choice((1, 2, 2, 3)))
    rows = [rng.choices(WORDS, k=n) for n in (1, 2, 3, LENGTH, LENGTH, LENGTH)] + [["a"] * LENGTH]
    try:
        model = hw.compile(rasp.program(sop, causal=causal), length=LENGTH, alphabet=WORDS)
    except (hw.DomainError, hw.ExactnessError) as refused:
        return refused.fact.split(",")[0]
    evaluator = rasp.CausalEvaluator() if causal else rasp.DefaultRASPEvaluator()
    for row in rows:
        want = [known(x) for x in meaning(sop, row, causal)]
        found = {
            "evaluator": evaluator.exactly(sop, row),
            "interpreter": hw.interpret(model, row),
            "model": model.run(row),
        }
        for who, said in found.items():
            assert [known(x) for x in said] == want, f"seed {seed}, {who} on {row}: {said}, not {want}"
    return "agrees"


def known(x: Any) -> Any:
    """A value, floats as the simplest fractions they stand for."""
    return Fraction(x).limit_denominator(10**6) if isinstance(x, float) else x


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_random_programs_agree(start: int) -> None:
    ends = Counter(agree(seed) for seed in range(start, start + 20))
    assert ends["agrees"] >= 14, ends  # causal programs that ask for the length are refused
