"""Necessity: verdicts that brute force confirms, witnesses that witness, and edges under the names of discovery tools."""

from __future__ import annotations

import itertools
import json
import random

import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.lab.paths import Cut, Runner
from headwork.lab.wiring import wiring_of
from headwork.runtime.hooks import HookPoint
from headwork.tests import generate


@pytest.fixture(scope="module")
def induction() -> hw.Model:
    return hw.compile(hw.programs.get("induction"), length=4, alphabet=2)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 999), max_size=40), causal=st.booleans(), seed=st.integers(0, 1000))
def test_parts_add_up_to_the_stream_and_a_cut_is_a_patched_hook(numbers: list[int], causal: bool, seed: int) -> None:
    """The runner against the module itself: the same logits, and what a cut does to q, k or v is what a hook there does.

    In float64, since a cut leads to numbers that are no codes, and a step may make much of a rounding there.
    """
    model = hw.compile(generate.program(numbers, causal, most=2), length=5, alphabet=3)
    model.module.double()
    wiring, rng, generator = wiring_of(model), random.Random(seed), torch.Generator().manual_seed(seed)
    runner, ids = Runner(wiring), torch.tensor([[rng.randrange(3) for _ in range(5)] for _ in range(4)])
    clean = runner.clean(ids)
    assert torch.equal(clean.logits, model.module(ids))
    whole = torch.stack(list(clean.parts.values())).sum(0).detach()
    assert torch.allclose(whole, clean.stream[-1], rtol=1e-12, atol=1e-12 * float(whole.abs().max()))
    for head in (c for c in wiring.components if c.kind == "head" and c.head is not None):
        path = rng.choice("qkv")
        dims = tuple(rng.sample(range(model.cost.d_model), 2)) if model.cost.d_model > 1 else (0,)
        add = torch.randint(-1, 2, (4, 6, len(dims)), generator=generator).double()
        x = clean.stream[head.block].clone()
        x[:, :, list(dims)] += add
        new = x @ model.module.state_dict()[f"blocks.{head.block}.W_{path.upper()}"][head.head]

        def patch(value: torch.Tensor, *, hook: HookPoint, new: torch.Tensor = new, h: int = head.head or 0) -> torch.Tensor:
            value = value.clone()
            value[:, :, h] = new
            return value

        with torch.no_grad():
            wanted = model.module.run_with_hooks(ids, [(f"blocks.{head.block}.attn.hook_{path}", patch)])
        found = runner.cut(clean, {head.name: [Cut(path, dims, add)]})  # type: ignore[arg-type]
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("style", ["compact", "natural"])
def test_inputs_on_which_a_cut_changes_nothing_are_as_they_were_and_the_others_as_alone(style: str) -> None:
    """One source cut on some inputs of a batch, into every component that comes later."""
    model = hw.compile(hw.programs.get("induction"), length=5, alphabet=3, style=style)
    wiring = wiring_of(model)
    runner, ids = Runner(wiring), torch.tensor([[0, 1, 0, 1, 2], [2, 2, 1, 2, 0], [1, 0, 2, 1, 0], [0, 0, 0, 0, 1]])
    clean, alone = runner.clean(ids), [runner.clean(row[None]) for row in ids]
    changed = 0
    for read in dict.fromkeys((r.component, r.path) for r in wiring.reads):
        target, path = read
        dims = tuple(sorted({d for r in wiring.reads if (r.component, r.path) == read for d in r.dims}))
        add = (clean.parts["embed"].roll(1, 0) - clean.parts["embed"])[:, :, list(dims)]
        add[[0, 2]] = 0
        found = runner.cut(clean, {target: [Cut(path, dims, add)]})
        assert torch.equal(found[[0, 2]], clean.logits[[0, 2]]) or target == "unembed"
        for i in range(4):
            one = runner.cut(alone[i], {target: [Cut(path, dims, add[i : i + 1])]})
            assert torch.allclose(found[i], one[0], rtol=1e-4, atol=1e-4 * float(one.abs().max())), (target, path, i)
            changed += not torch.equal(found[i], clean.logits[i])
    assert changed >= 4


def test_verdicts_on_an_induction_head_are_those_of_the_text(induction: hw.Model) -> None:
    """Under resampling the circuit is what papers draw: the token through the previous-token head to the key, and to query and value."""
    found = {(e.source, e.target, e.path): e.verdict for e in hw.necessity(induction, "resample").edges}
    first, second = "blocks.0.head.0", "blocks.2.head.0"
    assert {edge for edge, verdict in found.items() if verdict == "necessary"} == {
        ("embed", first, "v"), (first, second, "k"), ("embed", second, "q"), ("embed", second, "v"), (second, "unembed", "logits")
    }  # fmt: skip
    assert set(found.values()) == {"necessary", "irrelevant"}
    zero = {e.verdict for e in hw.necessity(induction, "zero").edges}
    assert zero == {"necessary"}


def test_witnesses_witness(induction: hw.Model) -> None:
    """By hand, with hooks alone: the key of the second head from another input changes the answer where the witness says."""
    edge = next(e for e in hw.necessity(induction, "resample").edges if e.path == "k" and e.source == "blocks.0.head.0")
    assert edge.witness is not None and edge.witness.other is not None
    tokens, other = (torch.tensor([induction.encode(list(t))]) for t in (edge.witness.tokens, edge.witness.other))
    _, here = induction.module.run_with_cache(tokens)
    _, there = induction.module.run_with_cache(other)
    difference = there["blocks.0.attn.hook_result"][:, :, 0] - here["blocks.0.attn.hook_result"][:, :, 0]
    key = (here["blocks.2.hook_resid_pre"] + difference) @ induction.module.blocks[2].W_K[0]
    with torch.no_grad():
        changed = induction.module.run_with_hooks(tokens, [("blocks.2.attn.hook_k", lambda k, hook: key[:, :, None])])
    before = induction.module(tokens)[0, edge.witness.position - 1].argmax()
    after = changed[0, edge.witness.position - 1]
    assert int(after.argmax()) != int(before) or int((after == after.max()).sum()) > 1


def test_an_edge_that_is_there_and_does_nothing_is_proved_irrelevant() -> None:
    """Two conditions that exclude each other: the value behind them is wired in, and never passes."""

    @hw.program
    def idle(token: hw.Value) -> hw.Value:
        one, two = hw.match(query=token, key=token, before=True), hw.match(query=token, key=token, before=True)
        never = one.latest().position < two.earliest().position
        return hw.where(never.or_else(never.exists & ~never.exists), hw.previous(token), token)

    model = hw.compile(idle, length=4, alphabet=2)
    for ablation in ("mean", "resample"):
        verdicts = hw.necessity(model, ablation).edges  # type: ignore[arg-type]
        through = [e for e in verdicts if e.verdict == "irrelevant" and "no answer changes" in e.why]
        assert through, ablation
        assert all("all" in e.why and "length 4" in e.why for e in through)


def test_what_is_not_decided_is_said_with_its_limits(induction: hw.Model) -> None:
    wide = hw.compile(hw.programs.get("induction"), length=64, alphabet=30)
    found = hw.necessity(wide, "resample", inputs=8, pairs=16)
    assert any(e.verdict == "necessary" for e in found.edges)
    undecided = found.of("undecided")
    assert all("no answer changes on" in e.why and "length 16" in e.why for e in undecided)
    assert not any("on any of all" in e.why for e in found.edges)
    few = hw.necessity(induction, "resample", pairs=2)
    assert len(few.of("necessary")) + len(few.of("irrelevant")) + len(few.of("undecided")) == len(few.edges)
    for wrong in ({"ablation": "noise"}, {"by": "layer"}, {"inputs": 1}):
        with pytest.raises(hw.InputError):
            hw.necessity(induction, **wrong)  # type: ignore[arg-type]


def test_positions_that_matter_are_those_where_cutting_there_alone_matters(induction: hw.Model) -> None:
    """The first position has nobody to copy from, and its value is read; the last position's copy is read by itself alone."""
    small = hw.compile(hw.programs.get("induction"), length=3, alphabet=2)
    found = {(e.source, e.target, e.path): e.positions for e in hw.necessity(small, "resample", positions=True).edges}
    assert found["blocks.0.head.0", "blocks.2.head.0", "k"] == (2, 3)
    assert found["embed", "blocks.2.head.0", "q"] == (2, 3)
    assert found["pos_embed", "unembed", "logits"] == ()


def test_edges_have_the_names_of_tools(induction: hw.Model) -> None:
    edges = hw.tool_edges(induction, "resample")
    assert set(edges.true("eap")) == {
        "input->a0.h0<v>", "a0.h0->a1.h0<k>", "input->a1.h0<q>", "input->a1.h0<v>", "a1.h0->logits"
    }  # fmt: skip
    assert set(edges.true("auto-circuit")) == {
        "Resid Start->A0.0.V", "A0.0->A1.0.K", "Resid Start->A1.0.Q", "Resid Start->A1.0.V", "A1.0->Resid End"
    }  # fmt: skip
    assert "blocks.0.attn.hook_result[0] -> blocks.1.hook_k_input[0]" in edges.true("transformer-lens")
    read = json.loads(edges.eap_json())
    assert {name for name, edge in read["edges"].items() if edge["in_graph"]} == set(edges.true("eap"))
    assert read["cfg"]["n_layers"] == 2 and read["nodes"]["m0"] == {"in_graph": False}
    together = hw.tool_edges(induction, "resample", split=False)
    assert "input->a1.h0" in together.true("eap")
    with pytest.raises(hw.InputError, match="there is no tool"):
        edges.names("acdc")  # type: ignore[arg-type]


def test_every_pair_of_nodes_is_an_edge_and_those_not_wired_are_irrelevant(induction: hw.Model) -> None:
    """Each later node reads from each earlier one, heads by three paths: 2·3 + 1 + … as tools count them."""
    edges = hw.tool_edges(induction, "zero")
    order = ["input", "head", "mlp", "head", "logits"]
    wanted = sum(3 if b == "head" else 1 for a, b in itertools.combinations(order, 2))
    assert len(edges.edges) == wanted == 18
    assert all(e.verdict == "irrelevant" for e in edges.edges if "reads none" in e.why)
