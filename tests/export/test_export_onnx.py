"""ONNX: what onnxruntime computes from one file is what plain Python says, for every mask and both precisions."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import headwork as hw
from headwork import programs

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[onnx]'")
onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")


def answers(directory: Path, text: list[str]) -> list[str]:
    """Words for words, with nothing of headwork: the vocabulary is the tokenizer file's."""
    vocabulary: dict[str, int] = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {i: word for word, i in vocabulary.items()}
    session = ort.InferenceSession(directory / "model.onnx")
    ids = np.array([[vocabulary["<bos>"], *(vocabulary[word] for word in text)]])
    (logits,) = session.run(["logits"], {"ids": ids})
    return [names[i] for i in logits[0, 1:].argmax(-1).tolist()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["khop", "skip_trigram", "recall", "compose", "ioi"])
def test_words_in_words_out_as_the_reference_says(name: str, dtype: str, tmp_path: Path) -> None:
    entry, rng = programs.entry(name), random.Random(5)
    model = hw.compile(programs.get(name), length=24, alphabet=entry.alphabet, dtype=dtype)
    model.export(tmp_path / "out", "onnx", check=False)
    said = 0
    for n in (1, 7, 24, 24):
        text = [str(s) for s in entry.sample(rng, n)]
        wanted = ["⊥" if v is None else str(v) for v in entry.reference(text)]
        assert answers(tmp_path / "out", text) == wanted, text
        said += sum(w != "⊥" for w in wanted)
    assert said >= 2


def test_a_bidirectional_program_and_all_its_logits(tmp_path: Path) -> None:
    """The next later equal letter's place, read in a batch; the check after writing finds every logit exact."""

    @hw.program(name="ahead", alphabet="ab", causal=False)
    def ahead(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.match(token, hw.previous(token, by=-1)).earliest().position

    report = hw.compile(ahead, length=8).export(tmp_path / "out", "onnx", check=True)
    assert report.checked is not None and report.checked.ok and report.checked.deviation == 0
    assert "onnxruntime" in str(report)
    text = list("abbabaab")
    wanted = [next((str(t) for t in range(1, 8) if text[t] == text[i]), "⊥") for i in range(8)]
    assert answers(tmp_path / "out", text) == wanted


def test_an_export_reads_back_whole_and_a_changed_file_does_not(tmp_path: Path) -> None:
    model = hw.compile(programs.khop.make(3), length=12)
    model.export(tmp_path / "out", "onnx", check=False)
    back = hw.read_export(tmp_path / "out")
    for key, tensor in model.module.state_dict().items():
        assert (back.module.state_dict()[key] == tensor).all(), key
    assert hw.certify(back).values == len(back.probes)
    whole = onnx.load(tmp_path / "out" / "model.onnx")
    relu = next(node for node in whole.graph.node if node.op_type == "Relu")
    relu.op_type = "Abs"
    onnx.save(whole, tmp_path / "out" / "model.onnx")
    with pytest.raises(hw.CheckpointError, match="field 'operators' is not"):
        hw.read_export(tmp_path / "out")
    (tmp_path / "out" / "model.onnx").write_bytes(b"\x08\xff nothing")
    with pytest.raises(hw.CheckpointError, match=r"model.onnx cannot be read"):
        hw.read_export(tmp_path / "out")


def test_half_precision_is_refused(tmp_path: Path) -> None:
    half = hw.compile(programs.get("previous"), length=8, dtype="float16")
    with pytest.raises(hw.InputError, match="onnx holds the compiled weights as they are, and was asked for a model in float16"):
        half.export(tmp_path / "out", "onnx")
