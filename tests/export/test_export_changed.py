"""An export carries the weights of the model it is given, or is refused: it never writes a fresh lowering in their place."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs

N = 10


def compiled() -> hw.Model:
    return hw.compile(programs.get("induction"), length=N, alphabet="abcd")


def zeroed() -> hw.Model:
    """Without its first head: every answer is ⊥."""
    model = compiled()
    with torch.no_grad():
        model.module.blocks[0].W_O.zero_()
    assert model.run(list("abab")) == [None] * 4
    return model


def trained() -> hw.Model:
    """A few steps from the compiled weights, to no purpose: numbers of all kinds."""
    model = compiled()
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in model.module.parameters():
            tensor += 1e-3 * torch.randn_like(tensor)
    return model


@pytest.mark.parametrize("target", ["gpt2", "llama", "gguf"])
def test_changed_weights_are_not_replaced_by_the_programs(target: str, tmp_path: Path) -> None:
    model = zeroed()
    with pytest.raises(hw.InputError, match=rf"tensor blocks.0.W_O was changed since compiling, and an export to {target} lowers"):
        model.export(tmp_path / "out", target, check=False)
    model.save(tmp_path / "saved")
    with pytest.raises(hw.InputError, match=r"the weights are not shown to be the program's \(.*would drop the change"):
        hw.load(tmp_path / "saved").export(tmp_path / "out", target, check=False)
    assert not (tmp_path / "out").exists()


def test_a_saved_model_of_any_code_is_exported_as_before(tmp_path: Path) -> None:
    """Its tensors are not those of the usual code, and are shown right all the same."""
    hw.compile(programs.get("induction"), length=N, alphabet="abcd", code="binary").save(tmp_path / "saved")
    hw.load(tmp_path / "saved").export(tmp_path / "out", "gpt2", check=False)
    assert hw.certify_export(tmp_path / "out")


@pytest.mark.parametrize("change", [zeroed, trained])
def test_onnx_holds_changed_weights_as_they_are(change: object, tmp_path: Path) -> None:
    """What onnxruntime says from the file is what the module says, and not what the program says."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[onnx]'")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    model = zeroed() if change is zeroed else trained()
    report = model.export(tmp_path / "out", "onnx")
    assert report.checked is not None and report.checked.ok and "is compared with the module itself" in str(report)
    words: dict[str, int] = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    session, rng = ort.InferenceSession(tmp_path / "out" / "model.onnx"), random.Random(1)
    for _ in range(5):
        text = [rng.choice("abcd") for _ in range(N)]
        (logits,) = session.run(["logits"], {"ids": np.array([[words["<bos>"], *(words[w] for w in text)]])})
        with torch.no_grad():
            own = model.module(torch.tensor([["abcd".index(w) for w in text]]))[0]
        assert (logits[0, 1:, [0, *(words[w] for w in "abcd")]].T.argmax(-1) == own.argmax(-1).numpy()).all()
        assert np.allclose(logits[0, 1:, :5], 128 * own.numpy(), rtol=1e-4, atol=1e-2)
    with pytest.raises(hw.HeadworkError):
        hw.certify_export(tmp_path / "out")


def test_a_module_in_another_dtype_is_not_exported(tmp_path: Path) -> None:
    for target in ("gpt2", "onnx"):
        model = compiled()
        model.module.double()
        with pytest.raises(hw.InputError, match="its module was brought to float64"):
            model.export(tmp_path / "out", target, check=False)


def test_changed_logarithms_are_not_replaced_either(tmp_path: Path) -> None:
    model = hw.compile(programs.get("ngram_counts"), length=N, alphabet="ab")
    with torch.no_grad():
        model.module.W_U *= 2
    with pytest.raises(hw.InputError, match="tensor W_U was changed since compiling, and an export to onnx lowers the program again"):
        model.export(tmp_path / "out", "onnx", check=False)


@pytest.mark.parametrize("target", ["gpt2", "llama"])
def test_texts_end_at_n_words_and_read_as_words_between_spaces(target: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    compiled().export(tmp_path / "out", target, check=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    asked = tokenizer("a b a b", return_tensors="pt")
    made = model.generate(**asked)[0]
    assert made.shape[0] == N + 1 == model.generation_config.max_length
    assert tokenizer.decode(made, skip_special_tokens=True) == " a b a b a b a b a b"  # as it stands behind a prompt
    assert tokenizer.decode([0, 1, 0], skip_special_tokens=True) == " a" and tokenizer.decode([2, 0]) == " b ⊥"
