"""The dense engine on a GPU: every answer and every value as on the processor. What needs one runs where CUDA is there.

On a GPU attention is computed in the open, since torch's fused kernel has fewer bits there. That path runs on the processor, too, and what
it makes is seen to lie on the module's own device by torch's device without numbers, `meta`.
"""

from __future__ import annotations

import random
from contextlib import nullcontext

import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.runtime import module as modules
from headwork.runtime.classes import classes
from headwork.runtime.module import Attention, AttentionShape, Transformer

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def made(name: str) -> tuple[hw.Model, list[list[int]]]:
    """A program of the library, and texts of it."""
    entry, rng = programs.entry(name), random.Random(name)
    model = hw.compile(entry.program(), length=40, alphabet=entry.alphabet)
    return model, [model.encode(entry.sample(rng, n)) for n in (1, 7, 40)]


@torch.no_grad()
def run(model: hw.Model, texts: list[list[int]]) -> list[torch.Tensor]:
    """Classes and streams, brought to the processor."""
    device = model.module.W_E.device
    found: list[torch.Tensor] = []
    for ids in texts:
        found += [model.classes([ids]).cpu(), *(x.clone().cpu() for x in model.module.stream(torch.tensor([ids], device=device)))]
    return found


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", programs.names())
def test_the_path_that_a_gpu_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the open every number is that of the fused kernel; and without numbers, nothing is made on another device than the module's."""
    model, texts = made(name)
    wanted = run(model, texts)
    model.module.open_attention()
    assert same(run(model, texts), wanted)
    monkeypatch.setattr(Transformer, "require_known", lambda *_: None)  # that looks at the numbers of token ids
    monkeypatch.setattr(modules, "full_precision", lambda _: nullcontext())  # torch has no autocast there to be turned off
    module = model.module.to("meta")
    ids = torch.zeros((2, 7), dtype=torch.long, device="meta")
    with torch.no_grad():
        *_, x = module.stream(ids)
        logits = module.split(module.unembed(x[:, 1:]))
        said = [classes(*pair) for pair in zip(model.output_forms, logits, strict=True)]
        patterns = [block.pattern(x) for block in module.blocks if isinstance(block, Attention)]
    assert {t.device.type for t in (x, *logits, *said, *patterns)} == {"meta"} and model.classes([[0] * 7]).is_meta


@gpu
@pytest.mark.parametrize("name", programs.names())
def test_float32_is_exact_on_cuda(name: str) -> None:
    """Streams and classes bit for bit, and all values inside beside the interpreter's."""
    model, texts = made(name)
    wanted = run(model, texts)
    model.module.to("cuda")
    assert same(run(model, texts), wanted)
    assert hw.check(model, samples=8).ok


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])
def test_scores_and_values_of_all_24_bits(device: str) -> None:
    """Keys and values of 24 bits, of which every one decides: the winner leads by 128 nats of 2^31, and is read exactly."""
    n, rng = 64, random.Random(24)
    block = Attention(4, AttentionShape(2, ("causal",)))
    keys = [(1 << 24) - 1 - t for t in rng.sample(range(n), n)]
    with torch.no_grad():
        block.W_Q[0, 0, 0], block.W_K[0, 1, 0], block.W_V[0, 2, 0], block.W_O[0, 0, 3] = 128.0, 1.0, 1.0, 1.0
        x = torch.tensor([[1.0, k, (1 << 24) - 1 - 2 * i, 0.0] for i, k in enumerate(keys)])[None]
        block.open = device == "cpu"
        read = block.to(device)(x.to(device)).cpu()[0, :, 3]
    best = [max(range(i + 1), key=keys.__getitem__) for i in range(n)]
    assert read.tolist() == [float(x[0, b, 2]) for b in best]


@gpu
def test_long_texts_and_the_sparse_engine_beside_a_model_on_cuda() -> None:
    model = hw.compile(programs.get("khop", k=3), length=4096, alphabet=16)
    ids = random.Random(2).choices(range(16), k=4096)
    wanted = model.classes([ids])
    model.module.to("cuda")
    assert torch.equal(model.classes([ids]).cpu(), wanted) and torch.equal(model.classes([ids], "sparse").cpu(), wanted)
    for engine in ("dense", "sparse"):
        session = model.session(engine)
        text = model.decode(ids[:64])
        assert session.feed(text[:30]) + session.fork().feed(text[30:]) == model.run(text)
    assert session.generate(5) == hw.generate(model, text, 5)
