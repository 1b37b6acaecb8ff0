"""Exports of looped models: the rounds written out, each with weights of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import headwork as hw


@pytest.mark.parametrize(("target", "module"), [("gpt2", "transformers"), ("onnx", "onnxruntime")])
def test_the_rounds_are_written_out(target: str, module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    model = hw.compile(hw.programs.get("looped_khop", k=5), length=6)
    assert isinstance(model, hw.Looped)
    for times in (1, 3):
        written = model.repeat(times).export(tmp_path / f"{target}{times}", target)
        assert written.checked is not None and written.checked.ok
        assert hw.read_export(tmp_path / f"{target}{times}").run(list("aabaab")) == model.run(list("aabaab"), times=times)


def test_changed_weights_are_not_dropped(tmp_path: Path) -> None:
    model = hw.compile(hw.programs.get("looped_khop", k=5), length=6, code="binary")
    assert isinstance(model, hw.Looped)
    model.export(tmp_path / "another code", check=False)  # not what is compiled by default, and shown right
    with torch.no_grad():
        model.whole()[1]["W_U"][0, 1] += 1000
    with pytest.raises(hw.InputError, match="not shown to be its program's"):
        model.export(tmp_path / "changed")
