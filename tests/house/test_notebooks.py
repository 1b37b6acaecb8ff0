"""The notebooks show what is stored in them; a runner that would not see a difference is no test."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from headwork.tests.notebook import Wrong, check, chosen, extras, needs, run

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
OWN = chosen(NOTEBOOKS, "")[0]  # those that need no tools of others, which `.ci/lens` installs


@pytest.mark.slow
@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_stored(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert check(path) >= 2


def test_notebooks_are_whole() -> None:
    """Every cell of code was run, in order, and shows something or sets something; every picture is one; cells are short."""
    assert len(OWN) >= 7 and extras(OWN) == "[plot]"
    for path in NOTEBOOKS:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        assert all(cell["outputs"] for cell in code), path.name
        assert all(len(cell["source"]) <= 14 for cell in code), path.name
        for cell in code:
            for output in cell["outputs"]:
                if "image/png" in output.get("data", {}):
                    assert base64.b64decode(output["data"]["image/png"])[:8] == b"\x89PNG\r\n\x1a\n"


def test_every_tool_that_a_notebook_needs_is_installed_by_ci_in_that_version() -> None:
    """Each notebook runs in one environment: that of .ci/wheel, or one of those that .ci/lens makes."""
    made = re.findall(r'tools="([^"]+)"', (ROOT / ".ci" / "lens").read_text(encoding="utf-8"))
    assert len(made) >= 4
    run_there = [path for tools in made for path in chosen(NOTEBOOKS, tools)[0]]
    assert sorted([*OWN, *run_there]) == NOTEBOOKS and {p.stem for p in run_there} >= {"transformer-lens", "nnsight"}


def test_the_page_lists_every_notebook_with_what_it_needs() -> None:
    page = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([\w-]+)\.ipynb` \|.*\| ([^|]+) \|$", page, re.MULTILINE))
    first = {p.stem: "".join(json.loads(p.read_text(encoding="utf-8"))["cells"][0]["source"]) for p in NOTEBOOKS}
    assert listed.keys() == first.keys()
    assert all(f"Needs {listed[name]}." in said for name, said in first.items())


def named(place: Path, said: str) -> Path:
    """A notebook of one cell of text."""
    place.write_text(json.dumps({"cells": [{"cell_type": "markdown", "metadata": {}, "source": [said]}]}), encoding="utf-8")
    return place


def test_notebooks_are_chosen_by_the_tools_that_they_need(tmp_path: Path) -> None:
    own, one, two = (
        named(tmp_path / f"{name}.ipynb", f"Needs {what}.")
        for name, what in (
            ("own", "`headwork[plot]`"),
            ("one", "`headwork[hf]`, `nnsight==0.8.1`"),
            ("two", "`headwork`, `transformer-lens==4.3.0`, `nnsight==0.8.1`"),
        )
    )
    assert needs(two) == (set(), {"transformer-lens==4.3.0", "nnsight==0.8.1"})
    every = [own, one, two]
    assert chosen(every, "")[0] == [own] and extras(every) == "[hf,plot]"
    assert chosen(every, "nnsight==0.8.1")[0] == [one]
    assert chosen(every, "transformer-lens==4.3.0 nnsight==0.8.1")[0] == [one, two]
    found, left = chosen(every, "nnsight==0.8.2")
    assert found == [] and "own.ipynb: left out, it needs none of these tools" in left[0] and "it needs nnsight==0.8.1" in left[1]
    for said in ("Needs `nnsight==0.8.1`.", "Needs `headwork`, `nnsight`.", "Needs headwork."):
        with pytest.raises(Wrong, match="does not say what it needs"):
            needs(named(tmp_path / "odd.ipynb", said))


def test_a_cell_can_read_its_own_lines(tmp_path: Path) -> None:
    """As in Jupyter: tools look at the source of the code that calls them."""
    source = ["import inspect\n", "def two():\n", "    return 2\n", "print(inspect.getsource(two))"]
    cell = {"cell_type": "code", "metadata": {}, "source": source, "execution_count": None, "outputs": []}
    path = tmp_path / "own.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))
    assert "".join(run(path)["cells"][0]["outputs"][0]["text"]).strip() == "def two():\n    return 2"


def test_a_notebook_that_shows_something_else_is_wrong(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": ["x = 2\n", "print(x)\n", "x + 1"], "execution_count": None, "outputs": []}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    with pytest.raises(Wrong, match="does not say what it needs"):
        needs(path)
    with pytest.raises(Wrong, match="shows"):
        check(path)
    notebook = run(path)
    assert [o.get("text", o.get("data")) for o in notebook["cells"][0]["outputs"]] == [["2\n"], {"text/plain": ["3"]}]
    path.write_text(json.dumps(notebook))
    assert check(path) == 1
    notebook["cells"][0]["outputs"][1]["data"]["text/plain"] = ["4"]
    path.write_text(json.dumps(notebook))
    with pytest.raises(Wrong):
        check(path)
