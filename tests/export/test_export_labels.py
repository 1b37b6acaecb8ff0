"""The circuit in a target's terms: heads attend there, and values lie there, in the stock classes' own hidden states."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")

LENGTH = 12


def compiled(name: str) -> hw.Model:
    return hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet)


def watched(directory: Path, labels: hw.Labels, ids: list[int]) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
    """The stream at TransformerLens's hook points, and the patterns by layer, of stock classes alone."""
    loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype="auto", attn_implementation="eager").eval()
    stream: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        return lambda module, args, out=None: stream.__setitem__(name, args[0][0].numpy() if out is None else _first(out)[0].numpy())

    count = loaded.config.num_hidden_layers
    for layer in range(count):
        module = loaded.get_submodule(labels.layer.format(layer))
        second = module.ln_2 if hasattr(module, "ln_2") else module.post_attention_layernorm
        module.register_forward_pre_hook(keep(f"blocks.{layer}.hook_resid_pre"))
        second.register_forward_pre_hook(keep(f"blocks.{layer}.hook_resid_mid"))
        module.register_forward_hook(keep(f"blocks.{layer}.hook_resid_post"))
    with torch.no_grad():
        out = loaded(torch.tensor([ids]), output_attentions=True)
    return stream, {layer: out.attentions[layer][0].numpy() for layer in range(count)}


def _first(out: Any) -> torch.Tensor:
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("khop", "gpt2"),
        ("majority", "gpt2"),
        pytest.param("dyck_k", "gpt2", marks=pytest.mark.slow),
        ("khop", "llama"),
        pytest.param("majority", "llama", marks=pytest.mark.slow),
    ],
)
def test_every_named_value_lies_where_the_labels_say(name: str, target: str, tmp_path: Path) -> None:
    """From the first hook point to the last, beside the interpreter; and each head attends to where its lookup reads."""
    made = compiled(name).export(tmp_path / "out", target, check=False)
    labels, model = hw.export_labels(tmp_path / "out"), hw.read_export(tmp_path / "out")
    assert labels.as_dict() == made.labels.as_dict() == json.loads((tmp_path / "out" / "headwork.json").read_text())["circuit"]
    text = programs.entry(name).sample(random.Random(4), LENGTH)
    trace = model.trace(text)
    assert isinstance(trace, hw.Trace)
    vocabulary = json.loads((tmp_path / "out" / "tokenizer.json").read_text())["model"]["vocab"]
    stream, patterns = watched(tmp_path / "out", labels, [vocabulary["<bos>"], *(vocabulary[str(t)] for t in text)])
    told = 0
    for value, wanted in trace.interpreted.items():
        if value in {v.value for v in labels.values}:
            label = labels.value(value)
            for point in (label.born, label.last):
                assert labels.decode(value, stream[point]) == wanted, (value, point)
            told += 1
    assert told >= 3
    for label in labels.heads:
        native = next(h for h in trace.heads if h.name == label.native)
        assert native.label == label.does
        np.testing.assert_allclose(patterns[label.layer][label.head][1:], native.pattern[1:], atol=1e-6)
    assert (
        f"- `{labels.layer.format(labels.heads[0].layer)} head 0`: {labels.heads[0].does}" in (tmp_path / "out" / "README.md").read_text()
    )


def test_padding_is_no_head_and_a_value_without_a_place_has_no_label(tmp_path: Path) -> None:
    labels = compiled("khop").export(tmp_path / "out", check=False).labels
    with pytest.raises(hw.InputError, match=r"head 1 of layer 0 does nothing"):
        labels.head(0, 1)
    with pytest.raises(hw.InputError, match=r"there is no value 'tok'\n.*did you mean token"):
        labels.value("tok")
    with pytest.raises(hw.InputError, match=r"a stream of shape \(3,\)"):
        labels.decode("token", np.zeros(3))


def test_edited_labels_are_refused(tmp_path: Path) -> None:
    compiled("khop").export(tmp_path / "out", check=False)
    file = tmp_path / "out" / "headwork.json"
    sidecar = json.loads(file.read_text())
    sidecar["circuit"]["heads"][1]["does"] = "match: causal earliest: token = token@at"
    file.write_text(json.dumps(sidecar, ensure_ascii=False, indent=1))
    with pytest.raises(hw.CheckpointError, match="not, byte for byte"):
        hw.export_labels(tmp_path / "out")


def test_the_same_circuit_is_kept_or_refused(tmp_path: Path) -> None:
    """induction has causal heads alone, khop a strict one; Llama computes positions first."""
    for target in ("gpt2", "hooked"):
        labels = compiled("induction").export(tmp_path / target, target, check=False, same_circuit=True).labels
        own = hw.circuit(compiled("induction"))
        assert [h.does for h in labels.heads] == [n.label for n in own.nodes if n.kind == "head"]
        with pytest.raises(hw.ExactnessError, match=r"attention layer 1 of khop\(k=2\) has 1 head \(match: strict latest"):
            compiled("khop").export(tmp_path / "no", target, check=False, same_circuit=True)
    with pytest.raises(hw.ExactnessError, match="llama computes positions in 1 layer of its own"):
        compiled("induction").export(tmp_path / "no", "llama", check=False, same_circuit=True)
    assert not (tmp_path / "no").exists()
