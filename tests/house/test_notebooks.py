"""The notebooks show what is stored in them; a runner that would not see a difference is no test."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from headwork.tests.notebook import Wrong, check, needs, run

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_stored(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert check(path) >= 2


def test_notebooks_are_whole() -> None:
    """Every cell of code was run, in order, and shows something or sets something; every picture is one; cells are short."""
    assert len(NOTEBOOKS) >= 7
    assert needs(NOTEBOOKS) == "[plot]"
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


def test_a_notebook_that_shows_something_else_is_wrong(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": ["x = 2\n", "print(x)\n", "x + 1"], "execution_count": None, "outputs": []}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    with pytest.raises(Wrong, match="does not say what it needs"):
        needs([path])
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
