"""Natural models in GGUF: what llama.cpp says is what plain Python says, and what float16 keeps is bounded."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.certificate.margins import shown
from headwork.certificate.natural import script, subject
from headwork.export import gguf, gguf_natural
from headwork.margin.check import Noise, check
from headwork.runtime.module import Attention, Mlp

pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[gguf]'")


def natural(name: str, length: int = 8) -> hw.Model:
    return hw.compile(programs.get(name), length=length, alphabet=programs.entry(name).alphabet, style="natural")


@pytest.mark.parametrize(("name", "dtype"), [("induction", "auto"), ("parity", "float32")])
def test_the_file_holds_the_weights_and_is_proved_by_itself(name: str, dtype: str, tmp_path: Path) -> None:
    model = natural(name, 6)
    report = model.export(tmp_path / "out", "gguf", check=False, dtype=dtype, same_circuit=True)
    assert ("-ctk f32 -ctv f32 -fa off" in str(report)) is (name == "parity")
    assert ("default cache" in str(report)) is (name == "induction")
    back = hw.read_export(tmp_path / "out")
    assert back.style == "natural" and all(torch.equal(t, model.module.state_dict()[k]) for k, t in back.module.state_dict().items())
    assert "the margins bear" in hw.certify_export(tmp_path / "out").arithmetic
    file = tmp_path / "out" / "model.gguf"
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x40
    file.write_bytes(data)
    with pytest.raises(hw.CheckpointError):
        hw.certify_export(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"), [("induction", "auto"), ("khop", "auto"), ("recall", "auto"), ("parity", "float32"), ("prefix_sum", "float32")]
)
def test_llama_cpp_says_what_the_interpreter_says(name: str, dtype: str, tmp_path: Path) -> None:
    """In every way that the file is made for, the default one with a float16 cache too."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[gguf]'")
    report = natural(name, 12).export(tmp_path / "out", "gguf", dtype=dtype)
    assert report.checked is not None and report.checked.ok and report.checked.positions > 200
    assert ("cache float16" in str(report)) is (dtype == "auto")


def test_gelu_by_its_table_is_within_what_is_allowed_for() -> None:
    """ggml's: beyond 10 as it is, else tanh's, rounded to float16 before and after."""
    a = np.concatenate([np.linspace(-30, 30, 200_001), np.logspace(-9, 9, 2001), -np.logspace(-9, 9, 2001)])
    half = a.clip(-10, 10).astype(np.float16).astype(np.float64)
    table = (0.5 * half * (1 + np.tanh(0.79788456080286535 * half * (1 + 0.044715 * half * half)))).astype(np.float16).astype(np.float64)
    said = np.where(a <= -10, 0, np.where(a >= 10, a, table))
    assert np.abs(said - np.maximum(a, 0)).max() < gguf_natural.SMOOTH


@pytest.mark.parametrize("name", ["induction", "recall"])
def test_what_float16_keeps_is_within_the_margins(name: str) -> None:
    """Attention with queries, keys, values, weights and partial sums in float16, against the program: where it is shown it is right."""
    model, rng = natural(name, 12), random.Random(4)
    assert not gguf_natural.unfit(model, gguf_natural.frame_of(model, "auto")) and shown(model, Noise(half=gguf_natural.GRAIN)).margin > 0.2
    entry, said = programs.entry(name), 0
    for _ in range(12):
        tokens = entry.sample(rng, 12)
        x = _kept(model, torch.tensor([model.alphabet.id(t) for t in tokens]))
        form = model.output_forms[0]
        found = [None if z == 0 else model.alphabet.symbols[int(z) + form.off] for z in (x @ model.module.W_U)[1:].argmax(-1)]
        assert found == entry.reference(tokens)
        said += sum(v is not None for v in found)
    assert said


@torch.no_grad()
def _kept(model: hw.Model, ids: torch.Tensor) -> torch.Tensor:
    """The stream after the last block. Shape (n + 1, d_model)."""
    module, n = model.module, len(ids)
    x = module.W_E[torch.cat([torch.zeros(1, dtype=torch.long), ids + 1])] + module.W_pos[: n + 1]
    for block in module.blocks:
        if isinstance(block, Mlp):
            x = x + torch.relu(x @ block.W_in) @ block.W_out
            continue
        assert isinstance(block, Attention)
        made = torch.zeros_like(x)
        for h, mask in enumerate(block.masks):
            q, k, v = ((x @ w[h]).half().float() for w in (block.W_Q, block.W_K, block.W_V))
            scores = q @ k.T
            seen = torch.ones(n + 1, n + 1).tril(0 if mask == "causal" else -1).bool()
            seen[:, 0] = True
            for i in range(n + 1):
                total, top, weight = torch.zeros(v.shape[1]).half(), -torch.inf, torch.zeros(1)
                for j in range(n + 1):  # as flash attention goes through them
                    if not seen[i, j]:
                        continue
                    s = float(scores[i, j])
                    if s > top:
                        down = 0.0 if top == -torch.inf else float(np.exp(top - s))
                        total, weight, top = (total.float() * down).half(), weight * down, s
                    p = float(np.exp(s - top))
                    total, weight = (total.float() + p * v[j]).half(), weight + p
                made[i] += (total.float() / weight) @ block.W_O[h]
        x = x + made
    return x.detach()


def test_what_float16_would_overflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = natural("induction", 7)
    found = check(subject(model), script(model), Noise(half=gguf_natural.GRAIN))
    assert all(0 < size < 65504 for size in found.reach)
    monkeypatch.setattr(gguf_natural, "LIMIT", found.reach[1] / 2)
    gguf_natural._unfit.cache_clear()
    with pytest.raises(hw.ExactnessError, match=r"may reach .*, and float16 holds numbers up to"):
        gguf.TARGET.build(model, "auto", "auto")
    gguf_natural._unfit.cache_clear()
