"""Discovery methods against the verdicts: patching finds the circuit, and first-order estimates are blind where attention is saturated."""

from __future__ import annotations

import pytest
import torch

import headwork as hw
from headwork.lab.attribution import precision_recall


@pytest.fixture(scope="module")
def induction() -> hw.Model:
    return hw.compile(hw.programs.get("induction"), length=5, alphabet=3)


@pytest.fixture(scope="module")
def edges(induction: hw.Model) -> hw.ToolEdges:
    return hw.tool_edges(induction, "resample", inputs=256, pairs=1 << 13)


def test_exact_patching_finds_the_circuit(induction: hw.Model, edges: hw.ToolEdges) -> None:
    scores = hw.edge_scores(induction, "patch")
    assert hw.auroc(scores, edges) == 1
    assert precision_recall([name for name, score in scores.items() if score > 0], edges) == (1, 1)


def test_first_order_estimates_are_blind_through_saturated_keys(induction: hw.Model, edges: hw.ToolEdges) -> None:
    """Weights of exactly 0 and 1 have no gradient, so the edge into the key that makes the circuit scores 0."""
    scores = hw.edge_scores(induction, "eap")
    assert scores["a0.h0->a1.h0<k>"] == 0 and edges.names("eap")["a0.h0->a1.h0<k>"] == "necessary"
    assert scores["input->a1.h0<v>"] > 0
    assert 0.5 < hw.auroc(scores, edges) < 1


def test_scores_of_values_are_the_gradient_times_the_change(induction: hw.Model) -> None:
    """The logits are linear in what the last head adds, so there the estimate is exact."""
    exact, estimate = (hw.edge_scores(induction, method, pairs=16)["a1.h0->logits"] for method in ("patch", "eap"))
    assert exact == pytest.approx(estimate) and exact > 0


def test_auroc_counts_pairs() -> None:
    model = hw.compile(hw.programs.get("induction"), length=3, alphabet=2)
    truth = hw.tool_edges(model, "resample")
    names = truth.names("eap")
    right = {name: float(verdict == "necessary") for name, verdict in names.items()}
    assert hw.auroc(right, truth) == 1
    assert hw.auroc({name: 1 - score for name, score in right.items()}, truth) == 0
    assert hw.auroc({}, truth) == 0.5
    with pytest.raises(hw.InputError, match="there is no method 'acdc'"):
        hw.edge_scores(model, "acdc")  # type: ignore[arg-type]
    with pytest.raises(hw.InputError, match="cannot score on 0 pairs"):
        hw.edge_scores(model, "eap", pairs=0)
    assert not any(p.grad is not None for p in model.module.parameters())
    assert torch.is_grad_enabled()
