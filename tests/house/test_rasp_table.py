"""The table of RASP programs: rows are exact and certified, with no more attention layers than Tracr has layers; workers import alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwork.benchmarks.peers.rasp_programs import LIBRARY, NAMES, PAPER
from headwork.benchmarks.rasp_table import LENGTHS, Row, deeper, given, mine, printed, table
from headwork.tests.rasp_paper import TEXTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "rasp-programs.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def test_the_page_has_every_program_over_two_alphabets() -> None:
    assert {t.name for t in TEXTS} == set(PAPER)
    found = {(row[0].strip("`"), row[1], row[2]) for row in ROWS}
    for name in NAMES:
        symbols = {str(len(given(name, 5, wide).symbols)) for wide in (False, True)}
        for length in LENGTHS[:3]:
            assert {v for n, at, v in found if (n, at) == (name, f"{length:,}")} == symbols


def test_every_row_is_exact_and_certified_or_says_why_not() -> None:
    for row in ROWS:
        wrong, said = row[9], row[10]
        if said == "certified":
            assert wrong.startswith("0 of ") and int(wrong.split()[-1]) >= 2, row
        else:
            assert (not wrong or wrong.startswith("0 of ")) and len(said.split()) > 3, row
    assert sum(row[10] == "certified" for row in ROWS) >= 0.99 * len(ROWS)


def test_no_program_of_the_page_has_more_attention_layers_than_tracr_has_layers() -> None:
    """Nor more layers with MLPs alone counted, which is how Tracr counts its own."""
    compared = [(row[0], int(row[3]), int(row[4]), int(row[12])) for row in ROWS if row[12].isdecimal()]
    assert len(compared) >= 68
    assert [name for name, layers, blocks, theirs in compared if max(layers, blocks) > theirs] == []


def test_deeper_models_are_found() -> None:
    ours, theirs = Row("hist", 5, 4, "headwork", 2, 3, parameters=9), Row("hist", 5, 4, "Tracr", 2, parameters=9)
    assert not deeper([ours, theirs]) and deeper([ours, theirs], mlps=True) == [(ours, theirs)]
    assert deeper([Row("hist", 5, 4, "headwork", 3, parameters=9), theirs])
    assert deeper([theirs])  # what Tracr compiles and headwork does not
    assert "in 0 of which headwork has more attention layers" in table([ours, theirs])


@pytest.mark.parametrize("name", ["hist", "count.rasp", "width_so_far_causal"])
def test_a_row_is_made(name: str) -> None:
    row = mine(name, 5, False)
    assert (row.wrong, row.note) == (0, "certified") and row.tried == 6 and name in LIBRARY + tuple(f"{p}.rasp" for p in PAPER)


def test_workers_import_nothing_that_is_not_in_their_environment() -> None:
    code = "import benchmarks.peers.cell, benchmarks.peers.tasks, benchmarks.peers.rasp_programs, benchmarks.peers.on_tracr_rasp"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True)
    for worker in (ROOT / "benchmarks" / "peers").glob("on_*.py"):
        if worker.name != "on_headwork.py":
            top = worker.read_text(encoding="utf-8").split("\ndef ")[0].split("\nclass ")[0]
            assert "import headwork" not in top and "from headwork" not in top, worker.name


def test_the_page_is_read_back_as_it_is_written() -> None:
    """So that Tracr's rows need not be made again when headwork changes."""
    rows = list(printed(PAGE))
    assert len([row for row in rows if row.who == "headwork"]) == len(ROWS) and any(row.raised for row in rows)
    assert table(rows).splitlines()[2:] == PAGE.split("<!-- rows:begin -->\n")[1].split("\n<!-- rows:end -->")[0].splitlines()[2:]
