"""Natural models in GGUF with float16 weights: what llama.cpp rounds is bounded, and what it says is within the bound."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.certificate.margins import shown
from headwork.certificate.robustness import changed, stored
from headwork.export import gguf, gguf_file, gguf_natural, gguf_short
from headwork.export.check import sequences
from headwork.export.llamacpp import FILE, RUNS, LlamaCpp
from headwork.export.read import _read, logits_of
from headwork.export.target import HEAD, Built
from headwork.margin.state import Noise

pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[gguf]'")
LOOKUPS, COUNTS = ("induction", "khop", "recall", "counter"), ("parity", "dyck1", "most_frequent")


@cache
def natural(name: str, length: int = 8) -> hw.Model:
    return hw.compile(programs.get(name), length=length, alphabet=programs.entry(name).alphabet, style="natural")


@cache
def built(name: str, length: int = 8) -> Built:
    return gguf.TARGET.build(natural(name, length), "auto", "float16")


def granted(model: hw.Model, made: Built) -> str:
    """What is proved, of a model in another's layout."""
    return gguf_natural.claim(model, made.frame)


@pytest.mark.parametrize("name", ["induction", "parity"])
def test_matrices_are_stored_in_float16_and_proved_from_the_file(name: str, tmp_path: Path) -> None:
    report = natural(name).export(tmp_path / "out", "gguf", dtype="float16", check=False)
    assert "weights are stored in float16" in str(report) and "adds up in float32 (x86-64)" in str(report)
    assert ("-ctk f32 -ctv f32 -fa off" in str(report)) is (name == "parity")
    from gguf import GGUFReader

    kinds = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "out" / FILE).tensors if len(t.shape) > 1}
    assert {n for n, kind in kinds.items() if kind != "F16"} == {"blk.0.ffn_down.weight"}  # it has the trap
    back, kept = hw.read_export(tmp_path / "out"), stored(natural(name), "float16")
    assert all(torch.equal(t, kept.module.state_dict()[k]) for k, t in back.module.state_dict().items())
    assert "all the same" in hw.certify_export(tmp_path / "out").arithmetic


def test_another_layout_is_no_export(tmp_path: Path) -> None:
    """The scale of hidden units and the format are part of what is shown."""
    natural("induction").export(tmp_path / "out", "gguf", dtype="float16", check=False)
    file = tmp_path / "out" / "headwork.json"
    said = json.loads(file.read_text())
    for change in ({"sharp": said["frame"]["sharp"] - 1}, {"stored": "bfloat16"}, {"sharp": 70}):
        file.write_text(json.dumps({**said, "frame": {**said["frame"], **change}}))
        with pytest.raises(hw.CheckpointError):
            hw.certify_export(tmp_path / "out")
    plain = gguf.TARGET.build(natural("induction"), "auto", "auto")
    with pytest.raises(hw.CheckpointError, match="not laid out for weights in float16"):
        gguf_short.shortened(replace(plain, stored="float16"))


@pytest.mark.parametrize("name", [*LOOKUPS, *COUNTS])
def test_everything_written_is_written_with_both_signs(name: str) -> None:
    """So the mean that LayerNorm takes off is rounding: of the file's own tensors, and within the bound on real streams in float32."""
    made = built(name)
    d = made.model.module.shape.d_model
    for tensor_name, tensor in made.tensors.items():
        if tensor_name.endswith(("token_embd.weight", "position_embd.weight")):
            tensor = tensor.T
        if tensor_name.endswith(("embd.weight", "attn_output.weight", "ffn_down.weight")):
            usual = tensor[:, :-1] if "blk.0.ffn_down" in tensor_name else tensor  # but for the trap
            assert np.array_equal(usual[:d], -usual[d : 2 * d]) and not usual[2 * d :].any()
    assert gguf_short.read(made.model, made.frame, 64.0, 2.0**-24) < 1e-5


def test_what_float16_rounds_is_refused_where_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the place where the margin is lost; weights that are off, a range that is too small, a rule that is stronger."""
    made = built("parity")
    assert "leads by at least 0.48" in granted(made.model, made)
    with pytest.raises(hw.ExactnessError, match=r"all that is multiplied by a matrix, and block 3, total.* may be .* off its code"):
        gguf.TARGET.build(natural("prefix_sum"), "auto", "float16")
    worse = changed(made.model, lambda t: t * (1 + 2e-3 * torch.linspace(-1, 1, t.numel()).sign().reshape(t.shape)))
    with pytest.raises(hw.ExactnessError, match="off its code"):
        granted(worse, made)
    blunt = hw.compile(programs.get("induction"), length=8, style="natural", sharpness=3.0)
    with pytest.raises(hw.HeadworkError, match=r"leads by|off its code"):
        gguf.TARGET.build(blunt, "auto", "float16")
    with pytest.raises(hw.ExactnessError, match=r"times a hidden unit may reach .*, and float16 ends at"):
        gguf_natural.shown(made.model, replace(made.frame, sharp=made.frame.sharp + 2), half=False)
    with pytest.raises(hw.ExactnessError, match="hidden units reach"):
        gguf_short.sharpest(made.model, 1e6)
    monkeypatch.setattr(gguf_natural, "GRAIN", 2.0**-7)
    with pytest.raises(hw.ExactnessError, match=r"leads by|off its code"):
        granted(built("induction").model, built("induction"))


def test_float16_tensors_are_read_as_they_stand(tmp_path: Path) -> None:
    natural("induction").export(tmp_path / "out", "gguf", dtype="float16", check=False)
    fields, found = gguf_file.load(tmp_path / "out" / FILE)
    from gguf import GGUFReader

    for tensor in GGUFReader(tmp_path / "out" / FILE).tensors:
        assert np.array_equal(np.asarray(tensor.data, np.float64), found[tensor.name])
    assert fields["headwork.cache"] == "float16"
    data = bytearray((tmp_path / "out" / FILE).read_bytes())
    at = data.index(b"position_embd.weight") + len(b"position_embd.weight") + 4 + 16
    assert data[at] == 1  # float16
    data[at] = 8
    (tmp_path / "out" / FILE).write_bytes(data)
    with pytest.raises(hw.CheckpointError, match="neither of float32 nor of float16"):
        gguf_file.load(tmp_path / "out" / FILE)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LOOKUPS, *COUNTS, "nearest"])
def test_llama_cpp_is_within_the_bound(name: str, tmp_path: Path) -> None:
    """In llama.cpp, in every way the file is made for, every position has the right word, and it leads by what is proved at least."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[gguf]'")
    report = natural(name).export(tmp_path / "out", "gguf", dtype="float16")
    assert report.checked is not None and report.checked.ok and report.checked.positions > 200
    _, made = _read(tmp_path / "out")
    cache_kind = str(gguf.settings(tmp_path / "out")["headwork.cache"])
    least = {half: gguf_natural.shown(made.model, made.frame, half)[0].margin for half in {False, cache_kind == "float16"}}
    unembedding, positions = gguf.read(tmp_path / "out" / FILE)["output.weight"], 0
    for run in RUNS[cache_kind]:
        served = LlamaCpp(tmp_path / "out" / FILE, run, made.model.length + 1)
        for ids in sequences(made.model.graph, samples=10)[-60:]:
            words = made.words.ids(list(ids))
            logits = served.streams([words])[0] @ unembedding.T
            for position, right in enumerate(logits_of(made, list(ids))[-len(ids) :].argmax(axis=-1), 1):
                classes = [c for c in made.words.classes if c != right]
                lead = logits[position, right] - logits[position, classes].max()
                assert lead >= 2 * HEAD * least[run.cache == "float16" or not run.plainly], (run, ids, position)
                positions += 1
    assert positions > 100


def test_eight_bits_are_more_than_a_lookup_is_shown_to_bear() -> None:
    """llama.cpp's Q8_0 is off by 1/254 in each number that is read where the greatest is 1; the figures of the page."""
    model = natural("induction")
    with pytest.raises(hw.InputError, match=r"Q8_0 to int8, by up to 1/254 of the greatest of 32"):
        model.export("unwritten", "gguf", dtype="Q8_0")
    with pytest.raises(hw.InputError, match="dtype 'Q8_0' is none that a checkpoint is written in"):
        model.export("unwritten", "gpt2", dtype="Q8_0")
    kept = stored(model, "int8 per channel")
    assert shown(kept, Noise(read=0.0027)).margin > 0
    with pytest.raises(hw.Refused, match="off its code"):
        shown(kept, Noise(read=1 / 254))
