"""Dense sessions: keys and values that are kept say what the whole text read at once says, BOS's own included."""

from __future__ import annotations

import random

import pytest
import torch

import headwork as hw
from headwork import programs

WIDE = hw.Architecture(layers=3, heads=2, d_model=120, d_head=60, d_mlp=120)


@pytest.mark.parametrize("name", ["induction", "recall", "parity", "prefix_sum", "bigram"])
def test_natural_models_answer_as_on_the_whole_text(name: str) -> None:
    entry, rng = programs.entry(name), random.Random(name)
    pad = WIDE if name == "induction" else None
    model = hw.compile(entry.program(), length=7, alphabet=entry.alphabet, style="natural", pad=pad)
    for n in (1, 4, 7):
        text = entry.sample(rng, n)
        session = model.session()
        assert session.engine == "dense" and session.feed(text[:1]) + session.feed(text[1:]) == model.run(text)


def test_a_bos_that_was_changed_is_seen() -> None:
    model = hw.compile(programs.get("induction"), length=8, alphabet="abc")
    with torch.no_grad():
        model.module.W_pos[0] += torch.randn(model.module.W_pos.shape[1], generator=torch.Generator().manual_seed(5))
        model.module.blocks[0].W_V += 1
    rng = random.Random(5)
    texts = [rng.choices("abc", k=8) for _ in range(20)]
    said = [model.run(text) for text in texts]
    assert [model.session(engine="dense").feed(text) for text in texts] == said
    untouched = hw.compile(programs.get("induction"), length=8, alphabet="abc")
    assert said != [untouched.run(text) for text in texts]  # what was changed matters
