"""The circuit: what is read off the tensors is what the program says flows, in every file format and after loading."""

from __future__ import annotations

import io
import json
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.compiler.plan.stage import Compute
from headwork.lab.matrices import composition
from headwork.runtime.module import AttentionShape
from headwork.tests import generate


@pytest.fixture(scope="module")
def induction() -> hw.Model:
    return hw.compile(hw.programs.get("induction"), length=16, alphabet=3)


def test_the_circuit_of_an_induction_head(induction: hw.Model) -> None:
    """The previous-token head passes its value to the key of the matching head: K-composition, as the field draws it."""
    circuit = hw.circuit(induction)
    values = {(e.source, e.target, e.path, e.value) for e in circuit.edges if e.value != "one" and not e.clears}
    first, second = "blocks.0.head.0", "blocks.2.head.0"
    assert values == {
        ("pos_embed", first, "q", "position"), ("pos_embed", first, "k", "position"), ("embed", first, "v", "token"),
        ("embed", second, "q", "token"), (first, second, "k", "fetch"), ("pos_embed", second, "k", "position"),
        ("embed", second, "v", "token"), (second, "unembed", "logits", "fetch.2"),
    }  # fmt: skip
    assert [(n.name, n.layer) for n in circuit.nodes] == [
        ("embed", -1), ("pos_embed", -1), (first, 0), ("blocks.1.mlp", 0), (second, 1), ("unembed", 2)
    ]  # fmt: skip
    assert nx.has_path(circuit.graph, "embed", "unembed")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 999), max_size=40), causal=st.booleans(), code=st.sampled_from(("auto", "digits:2", "onehot")))
def test_what_is_read_off_the_tensors_is_what_the_plan_says(numbers: list[int], causal: bool, code: str) -> None:
    """For each value, the values that its writers read are those that the compiler's plan names; clears are no reads."""
    try:
        model = hw.compile(generate.program(numbers, causal, most=2), length=5, alphabet=3, code=code)
    except hw.ExactnessError:
        return
    assert model.compiled is not None
    plan, wiring = model.compiled.plan, hw.circuit(model).wiring
    probe_of = {}
    numbered = [p for p, probe in enumerate(model.probes) if not probe.name.startswith("filling of ")]
    for p, place in zip(numbered, model.compiled.layout.places, strict=True):
        probe_of[place.feature] = p
    fillings = {p for p, probe in enumerate(model.probes) if probe.name.startswith("filling of ")}
    for f, feature in enumerate(plan.features):
        wanted = {probe_of[g] for g in plan.inputs(f)}
        scores = [r for r in wiring.reads if r.into is None and r.path in "qk" and r.component in wiring.writers[probe_of[f]]]
        found = {r.probe for r in [*wiring.reads, *scores] if r.into == probe_of[f] or r in scores} - fillings
        if isinstance(feature.recipe, Compute):
            units = [u for u in feature.recipe.units if any(u.out)]
            wanted = {probe_of[g] for u in units for g in u.pre.features()}
        assert found <= wanted, f"{feature.name}: reads {found}, the plan says {wanted}"
        assert {p for p in wanted - found if model.probes[p].value != "one"} == set(), feature.name


def test_files_say_the_same_graph(induction: hw.Model, tmp_path: Path) -> None:
    circuit = hw.circuit(induction)
    read = json.loads(circuit.write(tmp_path / "c.json").read_text())
    assert [e["source"] for e in read["edges"]] == [e.source for e in circuit.edges]
    graph = nx.read_graphml(io.BytesIO(circuit.write(tmp_path / "c.graphml").read_bytes()))
    assert set(graph.nodes) == set(circuit.graph.nodes)
    assert sorted((a, b, d["path"], d["place"]) for a, b, d in graph.edges(data=True)) == sorted(
        (e.source, e.target, e.path, e.place) for e in circuit.edges
    )
    dot = circuit.write(tmp_path / "c.dot").read_text()
    assert dot.count(" -> ") == len(circuit.edges)
    with pytest.raises(hw.InputError, match="says no form"):
        circuit.write(tmp_path / "c.png")
    with pytest.raises(hw.InputError, match="cannot be written"):
        circuit.write(tmp_path / "c.json")


def test_loaded_and_exported_models_have_a_circuit(induction: hw.Model, tmp_path: Path) -> None:
    circuit = hw.circuit(induction)
    assert hw.circuit(hw.load(induction.save(tmp_path / "saved"))).as_dict() == circuit.as_dict()
    induction.export(tmp_path / "gpt2", "gpt2", check=False)
    exported = hw.circuit(hw.read_export(tmp_path / "gpt2"))
    heads = [n.label for n in exported.nodes if n.kind == "head"]
    assert heads == [n.label for n in circuit.nodes if n.kind == "head"]


def test_matrices_are_in_the_basis_of_values(induction: hw.Model) -> None:
    """What the tutorial writes down by hand: 2·(position - 1)·key - key², times the grid."""
    circuit = hw.circuit(induction)
    qk = circuit.qk(0)
    scores = {(r, c): qk.numbers[i, j] / 128 for i, r in enumerate(qk.rows) for j, c in enumerate(qk.columns) if qk.numbers[i, j]}
    assert scores == {("position", "position"): 2, ("one", "position"): -2, ("one", "position²"): -1}
    ov = circuit.ov(0)
    assert "fetch" in ov.columns and ov.numbers[ov.rows.index("token"), ov.columns.index("fetch")] == 1
    assert qk.rank == np.linalg.matrix_rank(qk.numbers) <= 2
    wiring = circuit.wiring
    assert composition(wiring, (0, 0), (2, 0), "k") > composition(wiring, (0, 0), (2, 0), "q")
    with pytest.raises(hw.InputError, match="there is no head 1 in block 0"):
        circuit.ov(0, 1)


def test_the_natural_style_has_a_circuit_and_traces_too() -> None:
    """What a head brings lies, without a name, where an MLP rounds it to the value; both are then where the value comes from."""
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3, style="natural")
    trace = hw.trace(model, [0, 1, 2, 0, 1, 1])
    assert trace.wrong() == {}
    circuit = hw.circuit(model)
    first, second = "blocks.0.head.0", "blocks.2.head.0"
    assert {(e.source, e.path) for e in circuit.edges if e.target == second and e.value == "fetch"} == {
        (first, "k"), ("blocks.1.mlp.fetch", "k")
    }  # fmt: skip
    assert circuit.node(first).label == "at: causal only: clip = position"
    assert (second, "unembed") in {(e.source, e.target) for e in circuit.edges}
    found = {(e.source, e.target, e.path): e.verdict for e in hw.necessity(model, "resample", inputs=64, pairs=512).edges}
    assert found[first, second, "k"] == found["embed", first, "v"] == "necessary"


def test_records_are_in_the_order_of_the_tensors() -> None:
    """A layer of several masks has its heads sorted by mask in the tensors, and the records say what each of them does in that order."""
    mixed = 0
    programs = [hw.programs.get("sort_by"), hw.programs.get("sort"), hw.programs.get("ngram")]
    programs += [hw.random_program(seed, length=5, alphabet=2, steps=8) for seed in range(40)]
    for program in programs:
        model = hw.compile(program, length=5)
        wiring = hw.circuit(model).wiring
        for b, block in enumerate(model.module.shape.blocks):
            if isinstance(block, AttentionShape):
                records = [r for r in model.records if r.block == b + 1 and r.code != "a sum"]
                assert len(records) == len(block.masks)
                mixed += len(set(block.masks)) > 1
                for h, record in enumerate(records):
                    assert f"{record.name}: {record.does.partition(' -> ')[0]}" in wiring.label(b, h).split("; "), (model.name, b, h)
    assert mixed >= 5


@pytest.mark.parametrize("name", ["induction", "khop", "histogram", "sort", "reverse", "most_frequent", "dyck1", "nearest"])
def test_what_the_circuit_says_of_a_head_is_what_it_is_certified_to_be(name: str) -> None:
    """The label names the lookup or total that the certificate has for that head, with its own mask and the values that it compares."""
    model = hw.compile(hw.programs.get(name), length=6)
    nodes = {node.name: node for node in model.optimised.nodes}
    certified = {f"blocks.{h.block - 1}.head.{h.head}": h.lookup for h in hw.certify(model).heads}
    labels = {node.name: node.label for node in hw.circuit(model).nodes if node.kind == "head"}
    assert set(certified) == set(labels)
    for head, lookup in certified.items():
        said = dict(part.split(": ", 1) for part in labels[head].split("; "))
        assert lookup in said
        for of, text in said.items():
            node = nodes[of]
            pairs = zip(node.args[: node.op.parts], node.args[node.op.parts : 2 * node.op.parts], strict=True)
            wanted = ", ".join(f"{model.optimised.nodes[q].name} = {model.optimised.nodes[k].name}" for q, k in pairs)
            assert node.op.mask in text and text.endswith(wanted)
