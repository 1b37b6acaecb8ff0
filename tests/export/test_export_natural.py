"""Natural models in stock classes: their own weights, proved in the target's arithmetic, changed ones as they are."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import headwork as hw
from headwork import programs
from headwork.certificate.margins import shown
from headwork.export import soft
from headwork.export.gpt2_natural import build
from headwork.margin.state import Noise

TARGETS = ("gpt2", "llama", "mistral", "qwen2")


def natural(name: str, length: int = 8, **options: object) -> hw.Model:
    return hw.compile(programs.get(name), length=length, alphabet=programs.entry(name).alphabet, style="natural", **options)


def gpt2(config: dict[str, object], w: dict[str, np.ndarray], ids: list[int], off: float = 0.0) -> np.ndarray:
    """GPT-2 by its documentation, in float32; `off` is added to each mean. Shapes: n ids -> (n, words)."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        mean = x.mean(-1, keepdims=True, dtype=np.float32) + np.float32(off)
        std = np.sqrt(x.var(-1, keepdims=True) + np.float32(config["layer_norm_epsilon"]))  # pyright: ignore[reportArgumentType]
        return (x - mean) / std * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    heads, n = int(str(config["n_head"])), len(ids)
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][:n]
    for b in range(int(str(config["n_layer"]))):
        name = f"transformer.h.{b}"
        q, k, v = linear(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn").reshape(n, 3, heads, -1).transpose(1, 2, 0, 3)
        scores = np.where(np.tri(n, dtype=bool), q @ k.swapaxes(-1, -2) / np.float32(q.shape[-1]) ** np.float32(0.5), -np.inf)
        share = np.exp(scores - scores.max(-1, keepdims=True))
        x = x + linear((share / share.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, -1), f"{name}.attn.c_proj")
        x = x + linear(np.maximum(linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc"), 0), f"{name}.mlp.c_proj")
    return norm(x, "transformer.ln_f") @ w["lm_head.weight"].T


@pytest.mark.parametrize("name", ["induction", "parity", "khop"])
def test_gpt2_says_what_the_reference_says_whatever_the_mean_is(name: str, tmp_path: Path) -> None:
    entry, rng = programs.entry(name), random.Random(5)
    natural(name).export(tmp_path / "out", "gpt2", check=False)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    vocabulary: dict[str, int] = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names, weights, said = {i: word for word, i in vocabulary.items()}, load_file(tmp_path / "out" / "model.safetensors"), 0
    for off in (0.0, 0.5, -3.0):
        text = [str(s) for s in entry.sample(rng, 8)]
        wanted = ["⊥" if v is None else str(v) for v in entry.reference(text)]
        logits = gpt2(config, weights, [vocabulary["<bos>"], *(vocabulary[w] for w in text)], off)
        assert [names[int(i)] for i in logits[1:].argmax(-1)] == wanted
        said += sum(w != "⊥" for w in wanted)
    assert said


def test_without_the_dimension_that_is_zero_the_mean_is_seen() -> None:
    """What the dimension is for: with its rows cut, a mean that is off by a half changes answers."""
    model = natural("induction")
    built = build(model, "auto", "auto")
    made, config = {k: v.astype(np.float32) for k, v in built.tensors.items()}, dict[str, object](built.config)
    cut = {k: v.copy() for k, v in made.items()}
    for name in cut:
        if name.endswith(("c_attn.weight", "c_fc.weight")):
            cut[name][model.module.shape.d_model] = 0
    cut["lm_head.weight"][:, model.module.shape.d_model] = 0
    ids = built.words.ids([0, 1, 0, 1, 0])
    right = gpt2(config, made, ids)[1:].argmax(-1)
    assert (gpt2(config, made, ids, 0.5)[1:].argmax(-1) == right).all()
    assert (gpt2(config, cut, ids, 0.5)[1:].argmax(-1) != right).any()


@pytest.mark.parametrize("target", TARGETS)
def test_the_files_hold_the_weights_and_are_proved_by_themselves(target: str, tmp_path: Path) -> None:
    model = natural("induction", 6)
    report = model.export(tmp_path / "out", target, check=False, same_circuit=target == "gpt2")
    assert "the margins bear" in str(report)
    back = hw.read_export(tmp_path / "out")
    assert back.style == "natural" and all(torch.equal(t, model.module.state_dict()[k]) for k, t in back.module.state_dict().items())
    proof = hw.certify_export(tmp_path / "out")
    assert proof.target == target and "the margins bear" in proof.arithmetic and proof.certificate.margin > 0.4
    assert [h.does.partition(":")[0] for h in hw.export_labels(tmp_path / "out").heads] == ["at", "match"]
    file = tmp_path / "out" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 0x40
    file.write_bytes(data)
    with pytest.raises(hw.CheckpointError):
        hw.certify_export(tmp_path / "out")


@pytest.mark.parametrize("target", ["gpt2", "hooked"])
def test_a_program_with_strict_lookups_is_lowered_naturally_again_and_proved(target: str, tmp_path: Path) -> None:
    natural("khop", 6).export(tmp_path / "out", target, check=False)
    assert hw.certify_export(tmp_path / "out").certificate.margin > 0.4
    with pytest.raises(hw.InputError, match="code binary is asked for"):
        natural("khop", 6).export(tmp_path / "no", target, check=False, code="binary")


@pytest.mark.parametrize("target", ["gpt2", "llama", "onnx", "hooked"])
def test_changed_weights_are_written_as_they_are(target: str, tmp_path: Path) -> None:
    model = natural("induction", 6)
    with torch.no_grad():
        model.module.state_dict()["blocks.0.W_O"].zero_()
    report = str(model.export(tmp_path / "out", target, check=False))
    assert "blocks.0.W_O was changed since compiling: the file holds the weights as they are" in report and "Not certified" in report
    assert not hw.read_export(tmp_path / "out").module.state_dict()["blocks.0.W_O"].any()


def test_changed_weights_are_compared_with_the_module_itself(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[onnx]'")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    model = natural("induction", 6)
    with torch.no_grad():
        model.module.state_dict()["blocks.0.W_O"].zero_()
    report = model.export(tmp_path / "out", "onnx")
    assert report.checked is not None and report.checked.ok


@pytest.mark.parametrize(
    ("name", "target", "options", "compiled", "said"),
    [
        ("histogram", "gpt2", {}, {}, "is bidirectional, and the attention of GPT-2 is causal"),
        ("ngram_counts", "llama", {}, {}, "become logarithms in a checkpoint"),
        ("induction", "gpt2", {"code": "binary"}, {}, "keeps its weights, and was asked for code binary"),
        ("induction", "gpt2", {"dtype": "float64"}, {}, "is natural and in float32, and was asked for float64"),
        ("induction", "llama", {}, {"dtype": "float64"}, "RMSNorm of this family computes in float32"),
        ("histogram", "gguf", {}, {}, "is bidirectional, and the attention of llama.cpp is causal"),
        ("parity", "gguf", {}, {}, "off by .*, and by 4.9e-04 of what heads compare and add up, and block"),
        ("induction", "gguf", {"dtype": "bfloat16"}, {}, "rounds what it multiplies with weights of bfloat16 to eight bits"),
        ("compose", "gguf", {"dtype": "float16"}, {}, r"off by 4.9e-04 of all that is multiplied by a matrix, and block \d, .* may be"),
        ("induction", "gguf", {}, {"dtype": "float64"}, "llama.cpp computes in float32"),
    ],
)
def test_what_a_target_cannot_hold_is_refused_with_the_reason(
    name: str, target: str, options: dict[str, str], compiled: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(hw.HeadworkError, match=said):
        natural(name, 6, **compiled).export(tmp_path / "out", target, check=False, **options)
    assert not (tmp_path / "out").exists()


def test_an_arithmetic_that_is_off_by_too_much_is_refused() -> None:
    with pytest.raises(hw.ExactnessError, match=r"the arithmetic of X is off by 2.0e-01, and block"):
        soft.kept(natural("induction"), "X", lambda *_: Noise(read=0.2))


@pytest.mark.parametrize("name", ["induction", "parity", "prefix_sum"])
def test_the_stream_stays_within_the_bound_that_is_shown(name: str) -> None:
    model, rng, most = natural(name), random.Random(2), 0.0
    bound = shown(model, Noise()).together
    for _ in range(20):
        trace = model.trace(list(programs.entry(name).sample(rng, 8)))
        most = max(most, *(float(np.abs(np.asarray(step)).sum(-1).max()) for step in trace.stream))
    assert bound / 4 < most <= bound


@pytest.mark.parametrize(("target", "dtype"), [("gpt2", "bfloat16"), ("gpt2", "float16"), ("llama", "bfloat16")])
def test_weights_are_stored_in_few_bits_where_that_is_proved(target: str, dtype: str, tmp_path: Path) -> None:
    whole = natural("induction", 6)
    whole.export(tmp_path / "whole", target, check=False)
    report = whole.export(tmp_path / "out", target, check=False, dtype=dtype)
    assert f"stored in {dtype} and computed with in float32" in str(report)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "out")]
    assert sizes[1] < 0.75 * sizes[0]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "float32"
    back, kind = hw.read_export(tmp_path / "out"), getattr(torch, dtype)
    for name, tensor in back.module.state_dict().items():
        assert torch.equal(tensor, whole.module.state_dict()[name].to(kind).to(torch.float32))
    assert hw.certify_export(tmp_path / "out").certificate.margin > 0.4


def test_few_bits_that_are_not_proved_are_refused(tmp_path: Path) -> None:
    model = natural("induction", 6)
    with torch.no_grad():
        model.module.state_dict()["blocks.0.W_O"].zero_()
    with pytest.raises(hw.ExactnessError, match="is not shown right with its weights in bfloat16: block 3, head 0"):
        model.export(tmp_path / "out", "gpt2", check=False, dtype="bfloat16")
    with pytest.raises(hw.InputError, match="stored in float16 is written of a natural model, to gpt2, llama, mistral, qwen2 or gguf"):
        hw.compile(programs.get("induction"), length=6, alphabet=3).export(tmp_path / "out", "gpt2", check=False, dtype="float16")
    with pytest.raises(hw.InputError, match=r"this is natural induction to onnx"):
        natural("induction", 6).export(tmp_path / "out", "onnx", check=False, dtype="float16")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_transformers_computes_with_them_in_float32(dtype: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    report = natural("induction", 8).export(tmp_path / "out", "gpt2", dtype=dtype)
    assert report.checked is not None and report.checked.ok
    short = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=getattr(torch, dtype))
    assert short(torch.tensor([[0, 1, 2]])).logits.isnan().all()  # loaded in fewer bits it says nothing


@pytest.mark.slow
@pytest.mark.parametrize("name", ["induction", "khop", "recall", "parity", "dyck1", "prefix_sum", "equal"])
@pytest.mark.parametrize("target", ["gpt2", "llama"])
def test_transformers_says_what_the_interpreter_says(name: str, target: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    report = natural(name, 12).export(tmp_path / "out", target)
    assert report.checked is not None and report.checked.ok


@pytest.mark.parametrize(("factor", "fine"), [(0.62, True), (-1.0, False)])
def test_a_smaller_lead_that_is_proved_is_right_in_transformers_too(factor: float, fine: bool, tmp_path: Path) -> None:
    """What is proved of a natural model is which word leads, not that no other has a probability."""
    pytest.importorskip("transformers")
    model = natural("induction")
    weights = model.module.W_U.detach()
    at = divmod(int(weights.argmax()), weights.shape[1])
    weights[at] *= factor
    model.export(tmp_path / "out", "gpt2", check=False)
    if fine:
        assert hw.certify_export(tmp_path / "out").certificate.margin < 0.5
    else:
        with pytest.raises(hw.Refused):
            hw.certify_export(tmp_path / "out")
    checked = hw.check_export(tmp_path / "out", samples=2)
    assert checked.ok is fine
    assert checked.error > 1e-30
