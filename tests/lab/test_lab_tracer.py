"""Attribution graphs: what sums say, what cutting a link does, and the fields that the published schema and its viewer ask for."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import headwork as hw
from headwork import programs
from headwork.cli.app import app
from headwork.lab.paths import Cut, Runner

LENGTH = 8


def compiled(name: str, style: str = "compact") -> hw.Model:
    return hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet, style=style)


def sample(name: str, seed: int = 1) -> list[Any]:
    return list(programs.entry(name).sample(random.Random(seed), LENGTH))


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("induction", "compact"),
        ("khop", "compact"),
        ("majority", "compact"),
        ("sort", "compact"),
        ("ngram_counts", "compact"),
        ("induction", "natural"),
    ],
)
def test_links_into_a_node_add_up(name: str, style: str) -> None:
    """To 1 by each path of a head or an MLP, to the logit into a logit: nothing is left out, and no dead value counts."""
    graph = hw.attribution_graph(compiled(name, style), sample(name))
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for link in graph.links:
        assert link["weight"] == pytest.approx(sum(link["paths"].values()))  # pyright: ignore[reportAttributeAccessIssue]
        for path, weight in link["paths"].items():  # pyright: ignore[reportAttributeAccessIssue]
            sums[str(link["target"]), path] += weight
    assert len(sums) > 3
    for (target, path), total in sums.items():
        node = next(n for n in graph.nodes if n["node_id"] == target)
        assert total == pytest.approx(node["activation"] if path == "logits" else 1.0, abs=1e-4), (target, path)


def test_links_are_the_circuits() -> None:
    model = compiled("khop")
    graph, circuit = hw.attribution_graph(model, sample("khop")), hw.circuit(model)
    names = [n.name for n in circuit.nodes]
    kinds = {n["node_id"]: n for n in graph.nodes}

    def component(node: dict[str, Any]) -> str:
        special = {"embedding": "embed", "position": "pos_embed", "logit": "unembed"}
        return special.get(node["feature_type"]) or names[node["feature"]]

    known = {(e.source, e.target, e.path) for e in circuit.edges}
    for link in graph.links:
        for path in link["paths"]:  # pyright: ignore[reportGeneralTypeIssues]
            assert (component(kinds[link["source"]]), component(kinds[link["target"]]), path) in known


def test_a_link_into_the_logits_is_what_cutting_it_takes_away() -> None:
    model, text = compiled("dyck_k"), sample("dyck_k", 3)
    graph, runner = hw.attribution_graph(model, text, 5), Runner(hw.circuit(model).wiring)
    names = {n.name: i for i, n in enumerate(hw.circuit(model).nodes)}
    clean = runner.clean(torch.tensor([model.encode(text)]))
    tried = 0
    for link in graph.links:
        source = next(n for n in graph.nodes if n["node_id"] == link["source"])
        target = next(n for n in graph.nodes if n["node_id"] == link["target"])
        if target["feature_type"] != "logit" or source["feature_type"] != "mlp":
            continue
        name = next(n for n, i in names.items() if i == source["feature"])
        dims = tuple(sorted({d for e in hw.circuit(model).edges if (e.source, e.target) == (name, "unembed") for d in e.dims}))
        cut = runner.cut(clean, {"unembed": [Cut("logits", dims, -clean.parts[name][:, :, list(dims)])]})
        lost = clean.logits[0, 4, target["feature"]] - cut[0, 4, target["feature"]]
        assert lost.item() == pytest.approx(link["weight"])
        tried += 1
    assert tried


def test_the_graph_of_induction_is_the_known_one() -> None:
    """The last b came after an a, and so did the first: head 2 attends there, because head 1 brought an a there."""
    model = hw.compile(programs.get("induction"), length=LENGTH, alphabet="a b c d".split())
    graph = hw.attribution_graph(model, "a b c a".split())
    said = {n["node_id"]: str(n["clerp"]) for n in graph.nodes}
    assert said[graph.links[0]["target"]].startswith('Output "b"')  # pyright: ignore[reportArgumentType]
    by_path = {(s, p): w for link in graph.links for p, w in link["paths"].items() for s in [link["source"]] if link["target"] == "1_4_4"}  # pyright: ignore[reportAttributeAccessIssue]
    assert by_path["E_2_2", "v"] == pytest.approx(1)  # the token b at 2
    assert ("0_2_2", "k") in by_path and ("E_1_4", "q") in by_path
    params: Any = graph.content["qParams"]
    assert [n for n in params["pinnedIds"] if n.startswith(("1", "0"))] == ["1_4_4"] and "E_2_2" in params["pinnedIds"]
    assert "fetch = a" in said["0_2_2"] and "to b at 2" in said["1_4_4"]


def test_fields_are_those_of_the_published_schema(tmp_path: Path) -> None:
    """What the schema of Neuronpedia and the models of circuit-tracer require, with their types, and what the viewer reads off labels."""
    graph = hw.attribution_graph(compiled("ngram_counts"), sample("ngram_counts"))
    content = json.loads(graph.write(tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert set(content) == {"metadata", "qParams", "nodes", "links"}
    meta = content["metadata"]
    assert all(isinstance(meta[key], str) for key in ("slug", "scan", "prompt")) and isinstance(meta["schema_version"], int)
    assert all(isinstance(t, str) for t in meta["prompt_tokens"]) and meta["transcoder_list"] == []
    assert set(content["qParams"]) == {"pinnedIds", "supernodes", "linkType", "clickedId", "sg_pos"}
    ids = [node["node_id"] for node in content["nodes"]]
    assert len(ids) == len(set(ids))
    for node in content["nodes"]:
        assert all(isinstance(node[key], str) for key in ("node_id", "layer", "feature_type", "jsNodeId", "clerp"))
        assert isinstance(node["feature"], int) and 0 <= node["ctx_idx"] < len(meta["prompt_tokens"])
        assert node["layer"] == "E" or node["layer"].isdigit()
        if node["feature_type"] == "logit":
            assert 0 <= float(node["clerp"].split("(p=")[1].split(")")[0]) <= 1  # as the viewer does
        if node["feature_type"] == "embedding":
            assert node["clerp"] == f'Emb: "{meta["prompt_tokens"][node["ctx_idx"]]}"'
    for link in content["links"]:
        assert link["source"] in ids and link["target"] in ids and isinstance(link["weight"], float)


def test_what_is_no_text_or_place_is_refused(tmp_path: Path) -> None:
    model = compiled("khop")
    with pytest.raises(hw.InputError, match="there is no position 4"):
        hw.attribution_graph(model, model.alphabet.symbols[:1] * 3, 4)
    with pytest.raises(hw.InputError, match="given several texts"):
        hw.attribution_graph(model, [[model.alphabet.symbols[0]]])
    with pytest.raises(hw.InputError, match=r"an attribution graph is a \.json file"):
        hw.attribution_graph(model, model.alphabet.symbols[:1]).write(tmp_path / "graph.dot")


def test_the_command_writes_one(tmp_path: Path) -> None:
    out = tmp_path / "graph.json"
    done = CliRunner().invoke(app, ["circuit", "induction", "--input", "a b c a", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text(encoding="utf-8"))["metadata"]["prompt_tokens"] == ["<bos>", "a", "b", "c", "a"]
    assert "at position 4 of a b c a" in done.output
