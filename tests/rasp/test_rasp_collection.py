"""The programs of a user's collection mean the same to plain Python, the evaluator, the interpreter and the model, and are certified."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

import headwork as hw
from headwork import rasp
from headwork.tests.rasp_collection import COLLECTION, kinds
from headwork.tests.rasp_meaning import meaning
from headwork.tests.rasp_pointwise import Item

QUICK = {  # one of each kind that once failed, and of each construct
    *("powers_of_ten", "fizzbuzz", "reciprocal_undefined", "type_names", "distance_to_five", "token_over_place"),
    *("frequency", "tie_broken_rank", "share_numerical", "sum_so_far", "total", "scaled_by_mean", "far_from_mean"),
    *("entropy_part", "share_ratio", "difference_undefined", "palindrome", "balanced", "depth", "token_as_place"),
}


def alike(said: Any, meant: Any) -> bool:
    """Whether two values are the same, of one type; numbers that floats were part of to within what a float can say."""
    numbers = all(isinstance(x, (int, float, Fraction)) and not isinstance(x, bool) for x in (said, meant))
    if numbers and not (isinstance(said, int) and isinstance(meant, int)):
        return abs(float(said) - float(meant)) <= 1e-9 * max(1.0, abs(float(meant)))
    return said == meant and isinstance(said, bool) == isinstance(meant, bool)


def agrees(item: Item, rows: int) -> None:
    """Asserts that a program means what plain Python says, on random sequences and on equal tokens, and is certified."""
    rng = random.Random(item.name)
    model = hw.compile(rasp.program(item.program, causal=item.causal), length=item.length, alphabet=item.vocabulary)
    evaluator = rasp.CausalEvaluator() if item.causal else rasp.DefaultRASPEvaluator()
    for number in range(rows):
        row = rng.choices(item.vocabulary, k=item.length if number < 3 else rng.randint(1, item.length))
        row = [row[0]] * item.length if number == 0 else row
        want = meaning(item.program, row, item.causal)
        for said in (evaluator.exactly(item.program, row), hw.interpret(model, row), model.run(row)):
            assert len(said) == len(want) and all(map(alike, said, want)), (item.name, row, said, want)
    assert hw.certify(model), item.name


@pytest.mark.parametrize("item", [i for i in COLLECTION if i.name in QUICK], ids=lambda i: i.name)
def test_one_of_each_kind_is_exact_and_certified(item: Item) -> None:
    agrees(item, 5)


@pytest.mark.slow
@pytest.mark.parametrize("item", [i for i in COLLECTION if i.name not in QUICK], ids=lambda i: i.name)
def test_the_whole_collection_is_exact_and_certified(item: Item) -> None:
    agrees(item, 8)


def test_the_collection_is_of_every_kind() -> None:
    found, names = kinds(), [item.name for item in COLLECTION]
    assert len(names) == len(set(names)) > 180 and set(names) > QUICK
    for kind, least in {"Map": 85, "SequenceMap": 54, "Select": 46, "IndicesType": 46, "SelectorWidth": 36, "Aggregate": 32}.items():
        assert found[kind] >= least, kind
    assert found["sees all"] >= 54 and found["numerical"] == 1
