"""The dense engine on a GPU: every answer and every value as on the processor. Runs where CUDA is there."""

from __future__ import annotations

import random

import pytest
import torch

import headwork as hw
from headwork import programs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.mark.parametrize("name", programs.names())
def test_float32_is_exact_on_cuda(name: str) -> None:
    """Streams and classes bit for bit, and all values inside beside the interpreter's."""
    entry, rng = programs.entry(name), random.Random(name)
    model = hw.compile(entry.program(), length=40, alphabet=entry.alphabet)
    texts = [model.encode(entry.sample(rng, n)) for n in (1, 7, 40)]
    with torch.no_grad():
        wanted = [(model.classes([ids]), [x.clone() for x in model.module.stream(torch.tensor([ids]))]) for ids in texts]
        model.module.to("cuda")
        for ids, (classes, stream) in zip(texts, wanted, strict=True):
            assert torch.equal(model.classes([ids]).cpu(), classes)
            for x, there in zip(stream, model.module.stream(torch.tensor([ids], device="cuda")), strict=True):
                assert torch.equal(there.cpu(), x)
    assert hw.check(model, samples=8).ok


def test_long_texts_and_the_sparse_engine_beside_a_model_on_cuda() -> None:
    model = hw.compile(programs.get("khop", k=3), length=4096, alphabet=16)
    ids = random.Random(2).choices(range(16), k=4096)
    wanted = model.classes([ids])
    model.module.to("cuda")
    assert torch.equal(model.classes([ids]).cpu(), wanted) and torch.equal(model.classes([ids], "sparse").cpu(), wanted)
    session = model.session("dense")
    text = model.decode(ids[:64])
    assert session.feed(text) == model.run(text)
