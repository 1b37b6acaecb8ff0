"""Tools built on HookedTransformer on a `hooked` export, each in its own environment (`make lens`): SAELens, CircuitKIT, auto-circuit."""

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


@pytest.mark.parametrize("pad", [None, WIDE], ids=["as it is", "padded"])
@pytest.mark.parametrize("style", ["compact", "natural"])
def test_auto_circuit_names_the_edges_that_are_decided(style: str, pad: hw.Architecture | None, tmp_path: Path) -> None:
    """Its edges are those of `tool_edges`, and those of MLPs that are empty; gradients of its masks rank the necessary first."""
    pytest.importorskip("auto_circuit", reason="auto-circuit is not installed: make lens")
    from auto_circuit.data import PromptDataLoader, PromptDataset  # pyright: ignore[reportMissingImports]
    from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores  # pyright: ignore[reportMissingImports]
    from auto_circuit.utils.graph_utils import patchable_model  # pyright: ignore[reportMissingImports]
    from transformer_lens import HookedTransformer, HookedTransformerConfig  # pyright: ignore[reportMissingImports]

    config, weights = exported(tmp_path / "out", style, pad)
    model = HookedTransformer(HookedTransformerConfig(**config))
    model.load_state_dict(weights, strict=False)
    model.cfg.use_attn_result = model.cfg.use_split_qkv_input = model.cfg.use_hook_mlp_in = True
    words = json.loads((tmp_path / "out" / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    classes, symbols = (torch.tensor([words[word] for word in said]) for said in (("⊥", *"abc"), "abc"))
    drawn = symbols[torch.randint(0, 3, (2, 32, 5), generator=torch.Generator().manual_seed(0))]
    clean, corrupt = torch.cat([torch.full((2, 32, 1), words["<bos>"]), drawn], dim=-1)
    right = classes[model(clean)[:, -1, classes].argmax(-1)]
    data = PromptDataset(clean, corrupt, list(right[:, None]), [classes[classes != one] for one in right])
    loader = PromptDataLoader(data, seq_len=6, diverge_idx=0, batch_size=8)
    edges = hw.tool_edges(hw.read_export(tmp_path / "out"), "resample").names("auto-circuit")
    patched = patchable_model(model, factorized=True, slice_output="last_seq", separate_qkv=True)
    names = {edge.name for edge in patched.edges}
    assert set(edges) <= names and all("MLP" in name for name in names - set(edges))
    found: list[float] = []
    for options in ({"mask_val": 0.0}, {"integrated_grad_samples": 10}):  # EAP, and gradients integrated over the masks
        scores = mask_gradient_prune_scores(patched, loader, None, "logit", "avg_diff", **options)
        patched.zero_grad()
        found.append(area({e.name: abs(float(scores[e.dest.module_name][e.patch_idx])) for e in patched.edges}, edges) or 0.0)
    assert found[1] >= found[0] > 0.5 and found[1] > 0.95, found
    assert style == "natural" or found[1] == 1.0
