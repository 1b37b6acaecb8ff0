"""Selectors cost what they are, at 256 positions: masks, pointers, filters, unions of what excludes each other, relations of low rank."""

from __future__ import annotations

import random
from typing import Any

import pytest

import headwork as hw
from headwork import rasp
from headwork.rasp import Aggregate, Comparison, Select, SelectorWidth, indices, tokens

EQ, LT, GT = Comparison.EQ, Comparison.LT, Comparison.GT
LENGTH = 256
SAME = Select(tokens, tokens, EQ)
HIST = SelectorWidth(SAME)
CODE = rasp.Map("abcd".index, tokens)
SIZES: dict[str, tuple[Any, tuple[int, ...], int]] = {  # the operation, heads of each layer, d_model
    "a mask": (Aggregate(Select(indices, indices, LT), CODE), (1,), 4),
    "the width of a mask": (SelectorWidth(Select(indices, indices, LT)), (), 2),
    "what no mask has": (Aggregate(Select(indices, indices, GT), CODE), (2,), 7),
    "a pointer": (Aggregate(Select(indices, rasp.Map(lambda i: i * i % LENGTH, indices), EQ), tokens), (1,), 10),
    "a pointer by a predicate": (Aggregate(Select(indices, indices, lambda k, q: k == q * q % LENGTH), tokens), (1,), 8),
    "a key filter": (SelectorWidth(Select(tokens, tokens, lambda k, q: k in "ab")), (1,), 4),
    "a query filter": (SelectorWidth(Select(tokens, tokens, lambda k, q: q in "ab")), (1,), 4),
    "either of two filters": (SelectorWidth(Select(indices, indices, lambda k, q: q > 100 or k < 10)), (1,), 4),
    "a disjoint union": (SelectorWidth((SAME & Select(indices, indices, LT)) | (SAME & Select(indices, indices, GT))), (2,), 6),
    "an order": (SelectorWidth(Select(HIST, HIST, LT)), (1, 9), 45),
    "an order, then another": (
        SelectorWidth(Select(HIST, HIST, LT) | (Select(HIST, HIST, EQ) & Select(indices, indices, LT))),
        (1, 10),
        47,
    ),
    "rank 6": (SelectorWidth(Select(indices, indices, lambda k, q: bool(q >> (k % 6) & 1))), (1,), 14),
}
SLOW = {"an order", "an order, then another"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SIZES])
def test_a_selector_costs_what_it_is(name: str) -> None:
    sop, heads, d_model = SIZES[name]
    model = hw.compile(sop, length=LENGTH, alphabet="abcd")
    assert (model.cost.heads, model.cost.d_model) == (heads, d_model)
    assert hw.certify(model)
    row = random.Random(name).choices("abcd", k=40)
    assert model.run(row) == rasp.DefaultRASPEvaluator().exactly(sop, row)


def test_an_order_of_positions_is_one_head_and_few_parameters() -> None:
    @hw.program
    def before(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.select(position, position, ">").latest().fetch(token)

    cost = hw.compile(before, length=LENGTH, alphabet=4).cost
    assert cost.heads == (1,) and cost.parameters <= 1623
