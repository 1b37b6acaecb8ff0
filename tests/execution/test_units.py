"""Hidden units that read one sum, taken together: exact where what they read is a great number and the count in it a small one."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.execution.engine import engine
from headwork.execution.plan import Units


def test_what_units_add_is_exact_beside_a_filling() -> None:
    rng = random.Random(3)
    for _ in range(200):
        start, m = rng.choice((0, -7, 1 << 52, (1 << 52) + 12345)), rng.randint(1, 12)
        bends = sorted(start + rng.randint(0, 30) for _ in range(m))
        weights = [[rng.randint(-1000, 1000) for _ in range(2)] for _ in range(m)]
        slope, value = Units(np.ones(1), -np.array(bends, float), np.array(weights, float)).lines()
        for x in range(start - 1, start + 40):
            j = sum(t < x for t in bends)
            wanted = [sum(w[c] * max(0, x - t) for w, t in zip(weights, bends, strict=True)) for c in range(2)]  # in Python's integers
            beyond = float(x) - float(bends[max(j, 1) - 1])
            lands = np.flatnonzero(np.any(weights, axis=0))
            assert [int(v) for v in slope[j] * beyond + value[j]] == [wanted[c] for c in lands]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [True, False])
def test_functions_of_a_count_are_read_beside_its_filling(causal: bool, dtype: str) -> None:
    """Both engines and a session, bit for bit: a function with a bend at nearly every count, of the cell that heads add to."""
    body = hw.program(name="p", causal=causal)(
        lambda token: hw.match(token, hw.table(lambda c: c * c * 7 % 13 % 3, hw.match(token, token).count())).count()
    )
    model, rng = hw.compile(body, length=40, alphabet=3, dtype=dtype), random.Random(5)
    found = engine(model)
    for n in (1, 2, 17, 40):
        ids = rng.choices(range(3), k=n)
        with torch.no_grad():
            for dense, sparse in zip(model.module.stream(torch.tensor([ids])), found.stream(torch.tensor(ids)), strict=True):
                assert torch.equal(dense[0], sparse)
        text = model.decode(ids)
        said = hw.interpret(body, text, length=40, alphabet=3)
        assert model.run(text, engine="sparse") == said
        assert not causal or model.session("sparse").feed(text) == said
