"""Models that fill a fixed architecture, in every target: right, proved from the files, and of the shapes that are promised."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import headwork as hw
from headwork import programs

WIDE = hw.Architecture(layers=3, heads=2, d_model=48, d_head=16, d_mlp=96)
AS_IT_IS = {
    ("natural", "gpt2"),
    ("natural", "llama"),
    ("natural", "gguf"),
    *((style, target) for style in ("compact", "natural") for target in ("onnx", "hooked")),
}


@pytest.mark.parametrize("style", ["compact", "natural"])
@pytest.mark.parametrize("target", ["gpt2", "llama", "gguf", "onnx", "hooked"])
def test_a_padded_model_is_exported_and_proved(style: str, target: str, tmp_path: Path) -> None:
    for extra in {"onnx": ("onnx",), "gguf": ("gguf",)}.get(target, ()):
        pytest.importorskip(extra, reason=f"{extra} is not installed: pip install -e '.[{target}]'")
    model = hw.compile(programs.get("induction"), length=6, alphabet=3, style=style, pad=WIDE)
    model.export(tmp_path / "out", target, check=False)
    assert hw.certify_export(tmp_path / "out").target == target
    back, rng = hw.read_export(tmp_path / "out"), random.Random(4)
    assert (back.module.shape == model.module.shape) == ((style, target) in AS_IT_IS)
    for _ in range(5):
        text = [rng.randrange(3) for _ in range(6)]
        assert back.run(text) == programs.entry("induction").reference(text)
    if target == "llama":
        with pytest.raises(hw.ExactnessError, match="in 1 layer of its own"):
            model.export(tmp_path / "same", target, check=False, same_circuit=True)
    else:  # heads that fill the architecture are none of the circuit
        assert len(model.export(tmp_path / "same", target, check=False, same_circuit=True).labels.heads) == 2


def test_another_circuit_is_still_refused(tmp_path: Path) -> None:
    model = hw.compile(programs.get("khop"), length=6, alphabet=3, pad=WIDE)
    with pytest.raises(hw.ExactnessError, match=r"has 1 head \(match: strict latest: token = token\), and in gpt2 1 head \(at"):
        model.export(tmp_path / "out", "gpt2", check=False, same_circuit=True)
