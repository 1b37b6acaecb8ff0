"""In TransformerLens itself, of whichever version is here: files opened by the lines of their card, and what is in them.

It is installed in environments of its own: `make lens` builds them and runs this there, for version 3 and for version 4.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.export.hooked import load

pytest.importorskip("transformer_lens", reason="transformer-lens is not installed: make lens")

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = int(version("transformer-lens").split(".")[0]) >= 4
LENGTH = 16
NAMES = ("induction", "khop", "parity", "prefix_sum", "dyck_k", "recall", "ngram_counts", "histogram", "reverse", "addition")
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


def compiled(name: str, style: str = "compact") -> hw.Model:
    return hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet, style=style)


def opened(directory: Path) -> Any:
    """A `hooked` export by the six lines of its card, which are of version 3; in version 4 as the check of exports opens it."""
    if BRIDGE:
        return load(directory)[0]
    card = (directory / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    scope: dict[str, Any] = {}
    exec(card.replace(f'"{directory.name}/', f'"{directory}/'), scope)
    return scope["model"]


def ids(directory: Path, text: list[Any]) -> torch.Tensor:
    vocabulary = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return torch.tensor([[vocabulary["<bos>"], *(vocabulary[str(t)] for t in text)]])


@pytest.mark.parametrize(("name", "style"), [*((n, "compact") for n in NAMES), ("induction", "natural"), ("khop", "natural")])
def test_a_hooked_export_is_right_everywhere(name: str, style: str, tmp_path: Path) -> None:
    made = compiled(name, style).export(tmp_path / "out", "hooked", check=True)
    assert made.checked is not None and made.checked.ok and made.checked.by.startswith("TransformerLens")
    assert style == "natural" or made.checked.deviation == 0, made.checked
    assert hw.check_export(tmp_path / "out", samples=40, seed=3).ok


@pytest.mark.parametrize("name", ["induction", "khop", "histogram", "prefix_sum"])
def test_its_cache_holds_what_the_labels_say(name: str, tmp_path: Path) -> None:
    """Patterns by head, and named values by hook point, of the model opened as the card says."""
    compiled(name).export(tmp_path / "out", "hooked", check=False)
    labels, native, model = hw.export_labels(tmp_path / "out"), hw.read_export(tmp_path / "out"), opened(tmp_path / "out")
    text = programs.entry(name).sample(random.Random(2), LENGTH)
    trace = native.trace(text)
    assert isinstance(trace, hw.Trace)
    with torch.no_grad():
        logits, cache = model.run_with_cache(ids(tmp_path / "out", text))
    words = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {i: word for word, i in words.items()}
    wanted = ["⊥" if v is None else str(v) for v in programs.entry(name).reference(text)]
    assert [names[i] for i in logits[0, 1:].argmax(-1).tolist()] == wanted
    for label in labels.heads:
        own = next(h for h in trace.heads if h.name == label.native)
        found = cache[f"blocks.{label.layer}.attn.hook_pattern"][0, label.head].numpy()
        np.testing.assert_array_equal(found[1:], own.pattern[1:])
    told = 0
    for value in labels.values:
        if value.value in trace.interpreted and labels.value(value.value) == value:
            point = value.born if value.born in cache else value.born.replace("mid", "post")
            assert labels.decode(value.value, cache[point][0].numpy()) == trace.interpreted[value.value], value
            told += 1
    assert told >= 2


def test_a_gpt2_export_opens_as_a_bridge(tmp_path: Path) -> None:
    from transformer_lens.model_bridge import TransformerBridge  # pyright: ignore[reportMissingImports]

    model = hw.compile(programs.get("induction"), length=LENGTH, alphabet="a b c d".split())
    labels = model.export(tmp_path / "out", check=False).labels
    bridge = TransformerBridge.boot_transformers(str(tmp_path / "out"), device="cpu")
    text = "a b c a b d a".split()
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(ids(tmp_path / "out", text))
    trace = hw.read_export(tmp_path / "out").trace(text)
    assert isinstance(trace, hw.Trace)
    assert logits[0, 1:].argmax(-1).tolist() == [0 if v is None else 1 + "abcd".index(str(v)) for v in model.run(text)]
    for label in labels.heads:
        own = next(h for h in trace.heads if h.name == label.native)
        np.testing.assert_allclose(cache[f"blocks.{label.layer}.attn.hook_pattern"][0, label.head].numpy()[1:], own.pattern[1:], atol=1e-6)
    for name, wanted in trace.interpreted.items():
        if name in {v.value for v in labels.values}:
            assert labels.decode(name, cache[labels.value(name).born][0].numpy()) == wanted


@pytest.mark.skipif(not BRIDGE, reason="the entry point for other architectures came with version 4")
@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("khop", "compact"),
        ("sort", "compact"),
        ("histogram", "natural"),
        ("hop_by_steps", "compact"),
        ("kth_one", "compact"),
        ("majority", "compact"),
    ],
)
def test_a_native_model_opens_as_it_is(name: str, style: str, tmp_path: Path) -> None:
    """By its path, with masks of all kinds: the same logits, stream and patterns, to the bit in the compact style, and patches act."""
    model = compiled(name, style)
    bridge = hw.to_transformer_lens(model.save(tmp_path / "saved"))
    text = programs.entry(name).sample(random.Random(1), LENGTH)
    given = torch.tensor([[0, *(i + 1 for i in model.encode(text))]])
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(given)
        own = model.module(given[:, 1:] - 1)
    assert torch.equal(logits[:, 1:], own) if style == "compact" else torch.allclose(logits[:, 1:], own, atol=1e-6)
    trace, circuit = model.trace(text), hw.circuit(model)
    assert isinstance(trace, hw.Trace)
    for head in trace.heads:
        node = circuit.node(head.name)
        np.testing.assert_allclose(cache[f"blocks.{node.layer}.attn.hook_pattern"][0, node.head].numpy(), head.pattern, atol=1e-6)
        assert cache[f"blocks.{node.layer}.attn.hook_q"].shape[2] >= len(model.module.blocks[head.block].masks)
    last = f"blocks.{max(0, *(n.layer for n in circuit.nodes if n.kind != 'unembed'))}.hook_resid_post"
    np.testing.assert_allclose(cache[last][0].numpy(), trace.stream[-1], atol=0 if style == "compact" else 1e-6)
    if trace.heads:
        node = circuit.node(trace.heads[-1].name)
        with torch.no_grad():
            cut = bridge.run_with_hooks(given, fwd_hooks=[(f"blocks.{node.layer}.attn.hook_pattern", lambda pattern, hook: pattern * 0)])
        assert not torch.equal(cut, logits)


@pytest.mark.skipif(not BRIDGE, reason="the entry point for other architectures came with version 4")
def test_the_adapter_is_found_through_the_entry_point() -> None:
    from importlib.metadata import entry_points

    from headwork.lab.adapter import adapter

    found = {point.name: point for point in entry_points(group="transformer_lens.architectures")}
    if "HeadworkTransformer" not in found:
        pytest.skip("headwork is here without its metadata")
    assert found["HeadworkTransformer"].load() is adapter()


@pytest.mark.skipif(not BRIDGE, reason="the page is of version 4")
def test_the_page_says_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headwork.tests.markdown import run

    pytest.importorskip("nnsight")
    monkeypatch.chdir(tmp_path)
    assert run(ROOT / "docs" / "transformer-lens.md") > 4
