"""Tools built on HookedTransformer, each in an environment of its own (`make lens`): SAELens and CircuitKIT on a `hooked` export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import headwork as hw
from headwork.lab.attribution import area

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs
WIDE = hw.Architecture(layers=2, heads=2, d_model=32, d_head=16, d_mlp=32)


def exported(directory: Path, style: str = "compact", pad: hw.Architecture | None = None) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Induction over a, b, c as a `hooked` export: the configuration and the weights."""
    from safetensors.torch import load_file

    model = hw.compile(hw.programs.get("induction"), length=5, alphabet="a b c".split(), style=style, pad=pad)  # type: ignore[arg-type]
    model.export(directory, "hooked", check=False)
    weights = load_file(directory / "model.safetensors")
    return {**json.loads((directory / "config.json").read_text(encoding="utf-8")), "dtype": weights["embed.W_E"].dtype}, weights


def test_saelens_splices_an_autoencoder_whose_features_are_named_values(tmp_path: Path) -> None:
    """An autoencoder with one feature a dimension changes nothing; without the features of `fetch` the answers are gone."""
    lens = pytest.importorskip("sae_lens", reason="sae-lens is not installed: make lens")
    from transformer_lens import HookedTransformerConfig  # pyright: ignore[reportMissingImports]

    config, weights = exported(tmp_path / "out")
    model = lens.HookedSAETransformer(HookedTransformerConfig(**config))
    model.load_state_dict(weights, strict=False)
    words = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names, ids = {i: word for word, i in words.items()}, torch.tensor([[words["<bos>"], *(words[c] for c in "abcab")]])
    place = hw.export_labels(tmp_path / "out").value("fetch")
    d = int(config["d_model"])
    sae = lens.StandardSAE(lens.StandardSAEConfig(d_in=d, d_sae=d, dtype="float32", device="cpu"))
    sae.cfg.metadata.hook_name = place.born.replace("resid_mid", "resid_post")

    def said() -> list[str]:
        return [names[int(i)] for i in model.run_with_saes(ids, saes=[sae])[0, 1:].argmax(-1)]

    with torch.no_grad():
        for name, tensor in (("W_enc", torch.eye(d)), ("W_dec", torch.eye(d)), ("b_enc", torch.zeros(d)), ("b_dec", torch.zeros(d))):
            getattr(sae, name).copy_(tensor)
        assert said() == ["⊥", "⊥", "⊥", "b", "c"]
        sae.W_dec[list(place.dims)] = 0
        assert said() == ["⊥"] * 5


@pytest.mark.parametrize("style", ["compact", "natural"])
def test_circuitkit_names_the_edges_that_are_decided(style: str, tmp_path: Path) -> None:
    """Its EAP and EAP-IG, on two heads a layer: of one head it cannot broadcast. Integrated gradients do no worse than one step."""
    pytest.importorskip("circuitkit", reason="circuitkit is not installed: make lens")
    from circuitkit.backends.eap.attribute import attribute  # pyright: ignore[reportMissingImports]
    from circuitkit.backends.eap.graph import Graph  # pyright: ignore[reportMissingImports]
    from transformer_lens import HookedTransformer, HookedTransformerConfig  # pyright: ignore[reportMissingImports]
    from transformers import AutoTokenizer

    config, weights = exported(tmp_path / "out", style, WIDE)
    model = HookedTransformer(HookedTransformerConfig(**config), tokenizer=AutoTokenizer.from_pretrained(tmp_path / "out"))
    model.load_state_dict(weights, strict=False)
    model.cfg.use_attn_result = model.cfg.use_split_qkv_input = model.cfg.use_hook_mlp_in = True
    words = model.tokenizer.get_vocab()
    classes = [words[word] for word in ("⊥", *"abc")]
    drawn = torch.randint(0, 3, (2, 16, 5), generator=torch.Generator().manual_seed(0))
    clean, corrupt = ([" ".join("abc"[i] for i in row) for row in rows] for rows in drawn)

    def lead(logits: torch.Tensor, before: torch.Tensor, lengths: object, labels: object) -> torch.Tensor:
        said, right = logits[:, 1:][..., classes], before[:, 1:][..., classes].argmax(-1, keepdim=True)
        return -(said.gather(-1, right).sum() * 4 - said.sum()) / 3 / len(said)

    own = hw.read_export(tmp_path / "out")
    edges = hw.tool_edges(own, "resample").names("eap")
    found: dict[str, float | None] = {}
    for method in ("EAP", "EAP-IG-inputs"):
        graph = Graph.from_model(model)
        attribute(model, graph, [(clean, corrupt, torch.zeros(16))], lead, method, quiet=True)
        scores = {name: abs(float(edge.score)) for name, edge in graph.edges.items()}
        assert {name for name in edges if "->" in name} <= set(scores)
        found[method] = area(scores, edges)
    assert found["EAP-IG-inputs"] is not None and found["EAP"] is not None
    assert found["EAP-IG-inputs"] >= found["EAP"] > 0.5, found
