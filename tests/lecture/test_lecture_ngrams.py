"""n-gram tables against counts in fractions, and their cross-entropy against the conditional entropy of the text."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from headwork.lecture import ngrams

TEXT = [0, 1, 2, 0, 1, 0, 2, 2, 1, 0, 1, 2, 0, 0, 1, 2]


@pytest.mark.parametrize("prior", [0, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_probability_is_that_of_the_counts(n: int, prior: int) -> None:
    model = ngrams.build(TEXT, n, 3, prior)
    for context in itertools.product(range(3), repeat=n - 1):
        row = model(torch.tensor(context, dtype=torch.long))[-1].detach().exp()
        for symbol in range(3):
            assert float(row[symbol]) == pytest.approx(float(ngrams.oracle(TEXT, n, context, symbol, 3, prior)), abs=1e-12)
        assert float(row.sum()) == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fitted_cross_entropy_is_the_conditional_entropy(n: int) -> None:
    assert ngrams.cross_entropy(ngrams.build(TEXT, n, 3), TEXT) == pytest.approx(ngrams.conditional_entropy(TEXT, n), abs=1e-12)


def test_by_hand() -> None:
    """abab…: the letter is one bit, after the last letter none is left."""
    row = [0, 1] * 8
    assert ngrams.conditional_entropy(row, 1) == 1 and ngrams.conditional_entropy(row, 2) == 0
    assert ngrams.cross_entropy(ngrams.build(row, 1, 2), row) == pytest.approx(1)
    assert math.isinf(ngrams.cross_entropy(ngrams.build(row, 2, 2), [0, 0, 1]))  # never seen


def test_the_text_ships_with_python() -> None:
    letters = ngrams.text()
    assert len(letters) >= ngrams.TRAIN + ngrams.HELD and set(letters) <= set(ngrams.LETTERS)


def test_the_bound_rows() -> None:
    found = {row.id: row.verdict for row in ngrams.bound(3)}
    assert found["NGRAM-TABLE"] == "meets" and found["STATED"] == "meets"
