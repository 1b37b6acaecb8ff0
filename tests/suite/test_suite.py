"""A suite: the same bytes from the same seed, right without headwork, and scored by definitions written here anew."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.lab.disguise import Key, restore
from headwork.runtime.files import load_module
from headwork.suite import entry
from headwork.suite.build import build_suite
from headwork.suite.draw import from_text
from headwork.suite.loader import classes, load
from headwork.suite.samples import samples
from headwork.suite.score import score_suite
from headwork.suite.truth import same_model, truth

MODELS = 7
SIZES = {"length": (4, 4), "alphabet": (2, 2), "steps": (3, 6)}


def digests(root: Path) -> dict[str, str]:
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(root.rglob("*")) if f.is_file()}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("suites") / "suite"
    build_suite(root, MODELS, seed=3, **SIZES)
    return root


@pytest.fixture(scope="module")
def index(suite: Path) -> list[dict]:
    return read(suite / "index.json")["models"]


def predicted(models: dict[str, object], **more: object) -> dict[str, object]:
    return {"format": "headwork-predictions", "version": 1, "models": models, **more}


# --- what is built ---------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_bytes_and_others_do_not(suite: Path, tmp_path: Path) -> None:
    build_suite(tmp_path / "again", 3, seed=3, **SIZES)
    ours, again = digests(suite), digests(tmp_path / "again")
    models = {name for name in again if name.startswith("models/")}
    assert len(models) > 18 and all(again[name] == ours[name] for name in models)
    build_suite(tmp_path / "other", 2, seed=4, **SIZES)
    other = digests(tmp_path / "other")
    assert {other[f"models/000{i}/samples.json"] for i in range(2)}.isdisjoint({ours[f"models/000{i}/samples.json"] for i in range(2)})


@pytest.mark.slow
def test_processes_build_the_same(suite: Path, tmp_path: Path) -> None:
    built = build_suite(tmp_path / "by-two", 4, seed=3, workers=2, **SIZES)
    assert built.models == 4 and built.resumed == 0
    ours, theirs = digests(suite), digests(tmp_path / "by-two")
    assert all(theirs[name] == ours[name] for name in theirs if name.startswith("models/"))


def test_models_are_small_and_the_index_says_what_is_there(suite: Path, index: list[dict]) -> None:
    assert [m["id"] for m in index] == [f"{i:04}" for i in range(MODELS)]
    assert {m["source"] for m in index} == {"library", "random"}
    for m in index:
        place = suite / "models" / m["id"]
        files = {str(f.relative_to(place)): f.stat().st_size for f in place.rglob("*") if f.is_file()}
        assert sum(files.values()) <= 1_000_000
        files.pop("model.json")
        assert files == m["files"]
        assert ("gpt2/model.safetensors" in files) == m["gpt2"]["held"] and (m["gpt2"]["held"] or m["gpt2"]["why"])
        assert m["license"] == "Apache-2.0"
    assert {f.name for f in suite.iterdir()} == {"index.json", "models", "DATASHEET.md", "LICENSE", "load.py"}
    assert f"{MODELS} transformers" in (suite / "DATASHEET.md").read_text()


def test_a_checkpoint_loads_and_its_text_compiles_to_the_same_weights(suite: Path, index: list[dict]) -> None:
    for m in index:
        place = suite / "models" / m["id"]
        model = hw.load(place)
        again = hw.compile(from_text((place / "program.py").read_text()), length=m["length"], alphabet=m["symbols"])
        ours, theirs = model.module.state_dict(), again.module.state_dict()
        assert ours.keys() == theirs.keys() and all((ours[name] == theirs[name]).all() for name in ours)
        assert hw.check(model, samples=4, exhaustive=3).ok


def test_the_command_line_loads_a_text(suite: Path, index: list[dict], tmp_path: Path) -> None:
    m = next(m for m in index if m["source"] == "library")
    text = suite / "models" / m["id"] / "program.py"
    symbols = tmp_path / "symbols.json"
    symbols.write_text(json.dumps(m["symbols"]))
    words = ["compile", f"{text}:program", "--length", str(m["length"]), "--alphabet", f"@{symbols}", "--out", str(tmp_path / "made")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "made" / "model.safetensors").read_bytes() == (text.parent / "model.safetensors").read_bytes()


def without_headwork(suite: Path, code: str) -> str:
    """What a program prints in a process where headwork cannot be imported."""
    blocked = 'import sys\nsys.modules["headwork"] = None  # importing it raises ImportError\n'
    ended = "\ntry:\n    import headwork\nexcept ImportError:\n    print('without')\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", blocked + code + ended], capture_output=True, text=True, cwd=suite, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("without\n")
    return done.stdout.removesuffix("without\n").strip()


def test_the_loader_needs_no_headwork(suite: Path, index: list[dict]) -> None:
    code = f"""
import json, pathlib
sys.path.insert(0, {str(suite)!r})
from load import classes, load
root = pathlib.Path({str(suite)!r}) / "models"
count = 0
for place in sorted(root.iterdir()):
    model = load(place)
    for row in json.loads((place / "samples.json").read_text())["rows"]:
        assert classes(model, row["ids"]).tolist() == row["classes"], place
        count += 1
assert "torch" not in sys.modules
print(count)
"""
    rows = sum(len(read(suite / "models" / m["id"] / "samples.json")["rows"]) for m in index)
    assert without_headwork(suite, code) == str(rows)


@pytest.mark.slow
def test_gpt2_checkpoints_need_no_headwork(suite: Path, index: list[dict]) -> None:
    pytest.importorskip("transformers")
    held = [m["id"] for m in index if m["gpt2"]["held"]]
    assert held
    code = f"""
import json, pathlib, torch
root = pathlib.Path({str(suite)!r}) / "models"
from transformers import GPT2LMHeadModel
for name in {held!r}:
    place = root / name
    said = json.loads((place / "model.json").read_text())["gpt2"]
    model = GPT2LMHeadModel.from_pretrained(place / "gpt2").eval()
    for row in json.loads((place / "samples.json").read_text())["rows"][:8]:
        ids = [said["bos"], *(said["symbols"][i] for i in row["ids"])]
        with torch.no_grad():
            words = model(torch.tensor([ids])).logits[0, 1:].argmax(-1).tolist()
        assert words == [said["classes"][c[0]] for c in row["classes"]], (name, row)
"""
    assert without_headwork(suite, code) == ""


def test_samples_are_what_they_are_called(suite: Path, index: list[dict]) -> None:
    seen = set()
    for m in index:
        model, content = hw.load(suite / "models" / m["id"]), read(suite / "models" / m["id"] / "samples.json")
        rows, sets = content["rows"], content["sets"]
        assert ("all" in sets) == (len(m["symbols"]) ** m["length"] <= 128)
        if "all" in sets:
            assert len({tuple(r["ids"]) for r in rows}) == len(rows) == len(m["symbols"]) ** m["length"]
        for row in rows:
            assert [m["symbols"][i] for i in row["ids"]] == row["tokens"]
            said = [list(x) if isinstance(x, tuple) else [x] for x in hw.interpret(model, row["tokens"])]
            assert row["answers"] == said and [[m["classes"][o][c] for o, c in enumerate(at)] for at in row["classes"]] == said
        counts = [
            sum(rows[i]["classes"][-1] == answer for i in sets["balanced"]) for answer in [rows[i]["classes"][-1] for i in sets["balanced"]]
        ]
        assert len(set(counts)) == 1
        truth = m["kinds"][0] == "bool"
        assert truth == all(v is None or isinstance(v, bool) for v in m["classes"][0])
        for name, test in (("all_true", all), ("all_false", lambda x: not any(x)), ("mixed", lambda x: any(x) and not all(x))):
            for i in sets[name]:
                assert test([bool(at[0]) if truth else at[0] is not None for at in rows[i]["answers"]])
                seen.add(name)
        assert all(rows[a]["classes"][-1] != rows[b]["classes"][-1] for a, b in sets["pairs"]) and sets["pairs"]
    assert {"all_false", "mixed"} <= seen


def test_the_sets_of_truths_are_those_of_a_program_of_truths() -> None:
    model = hw.compile(hw.program(name="ones")(lambda token: token == 1), length=3, alphabet=2)
    found = samples(model, random.Random(0), None)
    assert found is not None
    rows = {name: {tuple(found.rows[i]) for i in found.sets[name]} for name in ("all", "all_true", "all_false", "mixed")}
    assert rows["all_true"] == {(1, 1, 1)} and rows["all_false"] == {(0, 0, 0)} and len(rows["all"]) == 8
    assert rows["mixed"] == rows["all"] - rows["all_true"] - rows["all_false"]
    constant = hw.compile(hw.program(name="same")(lambda token: token == token), length=3, alphabet=2)
    assert samples(constant, random.Random(0), None) is None


def test_interchanges_are_what_the_meaning_says(suite: Path, index: list[dict]) -> None:
    count = 0
    for m in index:
        place = suite / "models" / m["id"]
        model, content = hw.load(place), read(place / "samples.json")
        for one in content["interchanges"]:
            for swap in one["swaps"][:1]:
                base, source = (content["rows"][swap[end]]["tokens"] for end in ("base", "source"))
                done = hw.intervene(model, base, swap={one["value"]: source})
                said = [list(x) if isinstance(x, tuple) else [x] for x in done.output]
                assert done.agrees and said == [[m["classes"][o][c] for o, c in enumerate(at)] for at in swap["classes"]]
                count += 1
    assert count >= 5


def test_an_interrupted_build_goes_on(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = entry.build_model, [3]

    def breaks(work: Path, options: entry.Options, number: int) -> int:
        left[0] -= 1
        if left[0] < 0:
            (work / "models" / ".0003").mkdir()  # half written
            raise KeyboardInterrupt
        return real(work, options, number)

    monkeypatch.setattr("headwork.suite.build.build_model", breaks)
    with pytest.raises(KeyboardInterrupt):
        build_suite(tmp_path / "suite", 4, seed=3, **SIZES)
    assert not (tmp_path / "suite").exists()
    monkeypatch.setattr("headwork.suite.build.build_model", real)
    with pytest.raises(hw.InputError, match="an interrupted build of other options"):
        build_suite(tmp_path / "suite", 4, seed=4, **SIZES)
    said: list[str] = []
    built = build_suite(tmp_path / "suite", 4, seed=3, say=said.append, **SIZES)
    assert built.resumed == 3 and "3 of 4 models are there" in said[0]
    assert not (tmp_path / "suite.building").exists()
    ours = digests(suite)
    assert all(ours[name] == d for name, d in digests(tmp_path / "suite").items() if name.startswith("models/"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"style": "baroque"}, "there is no style 'baroque'"),
        ({"length": (6, 4)}, "length of 6 to 4 is no range"),
        ({"features": ["juggle"]}, "there is no feature 'juggle'"),
        ({"models": 0}, "0 models"),
        ({"ablation": "laser"}, "there is no ablation 'laser'"),
        ({"pad": "layers=8,heads=4,d_model=96,d_head=48,d_mlp=160"}, r"an architecture of 835,584 weights is 3.3 MB"),
        ({"pad": "layers=8"}, "is no architecture"),
    ],
)
def test_impossible_builds_are_refused(options: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(hw.InputError, match=said):
        build_suite(tmp_path / "suite", **{"models": 2, **options})
    assert not list(tmp_path.glob("suite*"))


def test_a_name_that_is_taken_is_refused(suite: Path) -> None:
    with pytest.raises(hw.InputError, match="exists"):
        build_suite(suite, 2)


# --- scores ----------------------------------------------------------------------------------------------


def oracle(suite: Path, index: list[dict], graph: str = "native") -> dict[str, object]:
    """Predictions read off the truth."""
    models: dict[str, object] = {}
    for m in index:
        circuit = read(suite / "models" / m["id"] / "circuit.json")[graph]
        if circuit:
            edges = {e["eap"]: float(e["verdict"] == "necessary") for e in circuit["edges"]}
            models[m["id"]] = {"edges": edges, "nodes": [n for n, v in circuit["nodes"].items() if v == "necessary"]}
    return models


def test_the_truth_scores_one_in_both_graphs(suite: Path, index: list[dict]) -> None:
    for graph in ("native", "gpt2"):
        found = score_suite(predicted(oracle(suite, index, graph), graph=graph, threshold=0.5), suite)
        assert len(found.models) == (MODELS if graph == "native" else sum(m["gpt2"]["held"] for m in index))
        assert {mean for mean, _ in found.means.values()} == {1.0} and len(found.means) >= 5  # on some graphs every node is needed


def test_scores_are_their_definitions(suite: Path, index: list[dict]) -> None:
    """Precision and recall by counting, AUROC as the chance that a necessary edge is above an irrelevant one, pair by pair."""
    rng = np.random.default_rng(0)
    for m in index:
        circuit = read(suite / "models" / m["id"] / "circuit.json")["native"]
        truth = {e["auto-circuit"]: e["verdict"] for e in circuit["edges"]}
        scores = {name: float(rng.integers(0, 4)) for name in truth if rng.random() < 0.9}
        given = predicted({m["id"]: {"edges": scores}}, names="auto-circuit", threshold=1.5)
        got = score_suite(given, suite).models[m["id"]].edges
        assert got is not None
        yes, no = ([scores.get(n, 0.0) for n in truth if truth[n] == v] for v in ("necessary", "irrelevant"))
        above, wrong = sum(s > 1.5 for s in yes), sum(s > 1.5 for s in no)
        assert got.precision == (above / (above + wrong) if above + wrong else None)
        assert got.recall == (above / len(yes) if yes else None)
        wins = [(a > b) + (a == b) / 2 for a in yes for b in no]
        assert got.auroc == (pytest.approx(sum(wins) / len(wins)) if wins else None)
        assert (got.necessary, got.irrelevant) == (len(yes), len(no)) and got.scored == len(scores)


def test_interchanges_where_values_are_score_one_and_elsewhere_less(suite: Path, index: list[dict]) -> None:
    right: dict[str, object] = {}
    wrong: dict[str, object] = {}
    for m in index:
        place = suite / "models" / m["id"]
        names = [one["value"] for one in read(place / "samples.json")["interchanges"]]
        if not names:
            continue
        places = read(place / "circuit.json")["native"]["places"]
        right[m["id"]] = {"values": {n: [{"block": p["block"], "dims": p["dims"]} for p in places if p["value"] == n] for n in names}}
        wrong[m["id"]] = {"values": {n: [{"block": 0, "dims": [0]}] for n in names}}
    good, bad = (score_suite(predicted(models), suite).means for models in (right, wrong))
    assert len(right) >= 3
    assert good["interchange: accuracy"] == (1.0, len(right)) and good["interchange: where it changes"][0] == 1.0
    assert bad["interchange: where it changes"][0] < 0.9


def test_a_basis_and_a_node_are_places_too(suite: Path, index: list[dict]) -> None:
    """A span of unit vectors is their dimensions; a head that writes one value alone, swapped whole, swaps it."""
    for m in index:
        place = suite / "models" / m["id"]
        names = [one["value"] for one in read(place / "samples.json")["interchanges"]]
        places = read(place / "circuit.json")["native"]["places"]
        spans = {}
        for n in names:
            spans[n] = [{"block": p["block"], "basis": (2.5 * np.eye(m["d_model"])[p["dims"]]).tolist()} for p in places if p["value"] == n]
        if spans:
            assert score_suite(predicted({m["id"]: {"values": spans}}), suite).means["interchange: accuracy"][0] == 1.0
            one = {"values": {names[0]: [{"node": "a0.h0"}]}}
            assert 0 <= score_suite(predicted({m["id"]: one}), suite).means["interchange: accuracy"][0] <= 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": {}}, "is not of format"),
        (predicted({"0099": {}}), "has no model '0099'"),
        (predicted({"0001": {"edges": {"a9.h9->logits": 1}}}), "has no edge 'a9.h9->logits'"),
        (predicted({"0001": {"nodes": {"a9.h9": 1}}}), "has no node 'a9.h9'"),
        (predicted({"0001": {"edges": {"input->logits": "high"}}}), "models.0001.edges.input->logits is 'high', not a finite number"),
        (predicted({"0001": {"edges": {"input->logits": float("nan")}}}), "not a finite number"),
        (predicted({"0001": {"edges": [3]}}), "holds what is no name"),
        (predicted({"0001": {"edge": {}}}), "has the field 'edge'"),
        (predicted({"0001": []}), "is list, not an object"),
        (predicted({"0001": {"values": {"nothing": [{"block": 0, "dims": [0]}]}}}), "has no interchanges of 'nothing'"),
        (predicted({"0001": {"values": {"v": [{"block": 0}]}}}), "is no place"),
        (predicted({}, graph="llama"), "graph is 'llama'"),
        (predicted({}, names="mine"), "names is 'mine'"),
        (predicted({}, threshold=True), "threshold is True"),
        (predicted({"0001": {}}, key=1), "has the field 'key'"),
    ],
)
def test_wrong_predictions_are_refused(suite: Path, given: dict, said: str) -> None:
    with pytest.raises(hw.InputError, match=said.replace("[", r"\[")):
        score_suite(given, suite)


def test_wrong_files_are_refused(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    for path, said in ((tmp_path / "none.json", "cannot be read"), (tmp_path / "bad.json", "is not JSON")):
        with pytest.raises(hw.InputError, match=said):
            score_suite(path, suite)
    with pytest.raises(hw.InputError, match="cannot be read"):
        score_suite(predicted({}), tmp_path)
    with pytest.raises(hw.InputError, match="is not disguised"):
        score_suite(predicted({}), suite, key=tmp_path / "bad.json")


# --- what takes the longest is done once, and not in vain -----------------------------------------------


def asked(monkeypatch: pytest.MonkeyPatch) -> list[hw.Model]:
    """The models whose edges are decided, from now on."""
    seen: list[hw.Model] = []

    def noted(model: hw.Model, *others: object) -> dict:
        seen.append(model)
        return truth(model, *others)

    monkeypatch.setattr(entry, "truth", noted)
    return seen


def test_what_is_too_large_is_left_out_before_its_edges_are_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = asked(monkeypatch)
    monkeypatch.setattr(entry, "MOST_BYTES", 5_000)  # less than any model's samples and weights
    monkeypatch.setattr(entry, "ATTEMPTS", 2)
    model = hw.compile(hw.programs.get("induction"), length=4, alphabet=2)
    monkeypatch.setattr(entry, "_drawn", lambda *_: entry.Drawn("", model, None, {}))
    with pytest.raises(hw.InputError, match="none of 2 programs fits model 0: 2 times it is greater than 1 MB"):
        build_suite(tmp_path / "suite", 1, seed=3, **SIZES)
    assert seen == []


@pytest.mark.parametrize(("style", "times"), [("natural", 1), ("compact", 2)])
def test_a_checkpoint_that_is_the_model_itself_is_decided_once(
    style: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the natural style GPT-2 takes induction as it is; the compact one is lowered anew. The circuits are right all the same."""
    model = hw.compile(hw.programs.get("induction"), length=4, alphabet=2, style=style)
    drawn = entry.Drawn("", model, None, {})
    monkeypatch.setattr(entry, "_drawn", lambda *_: drawn)
    seen = asked(monkeypatch)
    build_suite(tmp_path / "suite", 1, seed=3, style=style, **SIZES)
    assert len(seen) == times and same_model(seen[0], model)
    circuit = read(tmp_path / "suite" / "models" / "0000" / "circuit.json")
    built, _ = entry._stock(model)
    assert built is not None and same_model(built.model, model) == (times == 1)
    for graph, one in (("native", model), ("gpt2", built.model)):
        assert circuit[graph] == json.loads(json.dumps(truth(one, "resample")))
    other = hw.compile(hw.programs.get("induction"), length=4, alphabet=2, style=style)
    assert same_model(model, other)
    with torch.no_grad():
        other.module.W_U[0, 0] += 1
    assert not same_model(model, other) and not same_model(model, replace(model, probes=model.probes[:-1]))


# --- disguised -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("hidden")
    build_suite(root / "suite", 3, seed=3, key=root / "key.json", **SIZES)
    return root / "suite", root / "key.json"


def test_a_disguised_suite_says_the_same_and_hides_the_circuit(hidden: tuple[Path, Path], suite: Path) -> None:
    root, key = hidden
    kept = read(key)["models"]
    for place in sorted((root / "models").iterdir()):
        assert {f.name for f in place.iterdir()} == {"config.json", "model.safetensors", "model.json", "program.py", "samples.json"}
        model = load(place)
        assert all(classes(model, row["ids"]).tolist() == row["classes"] for row in read(place / "samples.json")["rows"])
        assert kept[place.name]["circuit"]["gpt2"] is None and len(kept[place.name]["circuit"]["native"]["edges"])
    with pytest.raises(hw.InputError, match="is disguised"):
        score_suite(predicted({"0001": {}}), root)


def test_a_disguised_suite_of_the_natural_style_says_the_same(tmp_path: Path) -> None:
    build_suite(tmp_path / "soft", 2, seed=3, style="natural", key=tmp_path / "key.json", **SIZES)
    for place in sorted((tmp_path / "soft" / "models").iterdir()):
        model = load(place)
        assert all(classes(model, row["ids"]).tolist() == row["classes"] for row in read(place / "samples.json")["rows"])
        assert "circuit.json" not in {f.name for f in place.iterdir()}


def disguised(root: Path, number: str) -> hw.Model:
    """A model of a disguised suite: its module, with the program that its text says."""
    about = read(root / "models" / number / "model.json")
    plain = hw.compile(from_text((root / "models" / number / "program.py").read_text()), length=about["length"], alphabet=about["symbols"])
    return replace(plain, module=load_module(root / "models" / number), probes=(), records=())


def test_the_key_undoes_a_suite(hidden: tuple[Path, Path], suite: Path, tmp_path: Path) -> None:
    root, key = hidden
    for number, kept in read(key)["models"].items():
        (tmp_path / f"{number}.json").write_text(json.dumps(kept["key"]))
        back, plain = restore(disguised(root, number), Key.load(tmp_path / f"{number}.json")), hw.load(suite / "models" / number)
        assert back.probes == plain.probes
        theirs = back.module.state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in plain.module.state_dict().items())


def test_places_and_edges_of_a_disguised_suite_are_right(hidden: tuple[Path, Path]) -> None:
    """Interchanges score one where the key says that values lie; each edge's verdict is what cutting it in the disguised module shows."""
    root, key = hidden
    models: dict[str, object] = {}
    for number, kept in read(key)["models"].items():
        truth, content = kept["circuit"]["native"], read(root / "models" / number / "samples.json")
        values = {
            one["value"]: [{"block": p["block"], "dims": p["dims"]} for p in truth["places"] if p["value"] == one["value"]]
            for one in content["interchanges"]
        }
        seen = disguised(root, number)
        assert hw.tool_edges(seen).names("eap") == {e["eap"]: e["verdict"] for e in truth["edges"]}
        models[number] = {"edges": [e["eap"] for e in truth["edges"] if e["verdict"] == "necessary"], "values": values}
    found = score_suite(predicted(models), root, key=key)
    assert {mean for mean, _ in found.means.values()} == {1.0} and "interchange: accuracy" in found.means


# --- the command -----------------------------------------------------------------------------------------


def test_the_commands(suite: Path, index: list[dict], tmp_path: Path) -> None:
    runner = CliRunner()
    words = ["suite", "build", str(tmp_path / "one"), "--models", "2", "--seed", "3", "--length", "4", "--alphabet", "2", "--steps", "3:6"]
    done = runner.invoke(app, [*words, "--workers", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["models"] == 2
    ours = digests(suite)
    assert all(ours[name] == d for name, d in digests(tmp_path / "one").items() if name.startswith("models/"))
    (tmp_path / "said.json").write_text(json.dumps(predicted(oracle(suite, index), threshold=0.5, method="the truth")))
    done = runner.invoke(app, ["suite", "score", str(tmp_path / "said.json"), "--suite", str(suite), "--models"])
    assert done.exit_code == 0 and "the truth on 7 of 7 models" in done.output and "edges: auroc" in done.output
    done = runner.invoke(app, ["suite", "features"])
    assert done.exit_code == 0 and "aggregate" in done.output
    for bad, said in (
        ([*words[:-1], "six"], "is no range"),
        ([*words, "--disguise"], "go together"),
        (["suite", "score", "none.json", "--suite", str(suite)], "cannot be read"),
    ):
        done = runner.invoke(app, bad)
        assert done.exit_code == 2 and said in done.output + done.stderr, done.output


@pytest.mark.slow
def test_an_interrupt_ends_all_processes_and_leaves_what_is_whole(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "headwork",
        "suite",
        "build",
        str(tmp_path / "suite"),
        "--models",
        "60",
        "--workers",
        "2",
        *"--steps 3:5".split(),
    ]
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would what it starts
    done = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    signal.signal(signal.SIGINT, ignored)
    end, there = time.monotonic() + 200, tmp_path / "suite.building" / "models"
    while time.monotonic() < end and len(list(there.glob("0*"))) < 2:
        time.sleep(0.2)
    done.send_signal(signal.SIGINT)
    said, _ = done.communicate(timeout=200)
    assert done.returncode == 130 and said.strip() == "interrupted"
    assert 2 <= len(list(there.glob("0*"))) < 60 and not (tmp_path / "suite").exists()


def test_a_suite_of_one_architecture_has_one_shape_and_says_what_was_left_out(tmp_path: Path) -> None:
    wide = "layers=6,heads=3,d_model=48,d_head=24,d_mlp=64"
    build_suite(tmp_path / "wide", 3, seed=3, style="natural", pad=wide, **SIZES)
    models = read(tmp_path / "wide" / "index.json")["models"]
    loaded = [hw.load(tmp_path / "wide" / "models" / m["id"]) for m in models]
    first = [{k: v.shape for k, v in m.module.blocks.state_dict().items()} for m in loaded]
    assert first[0] == first[1] == first[2] and {m.module.shape.d_model for m in loaded} == {48}
    assert all(m["certificate"]["proved"] or m["certificate"]["why"] for m in models)
    assert all(len(m["features"]) == m["steps"] for m in models) and all(all(m["left_out"]) for m in models)
    assert "All have the shapes of one architecture: layers 6" in (tmp_path / "wide" / "DATASHEET.md").read_text(encoding="utf-8")
    with pytest.raises(hw.InputError, match=r"none of 200 programs fits model 0: .* (too small|heads)"):
        build_suite(tmp_path / "small", 1, seed=3, pad="layers=1,heads=1,d_model=2,d_head=1,d_mlp=1", **SIZES)
