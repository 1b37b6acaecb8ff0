"""The lab on the command line: trace, circuit, disguise."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

import headwork as hw
from headwork.cli.app import app

SIZES = ("--length", "4", "--alphabet", "2")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_trace_prints_values_and_where_heads_attend() -> None:
    done = call("trace", "induction", "--input", "a b c a b")
    assert done.exit_code == 0, done.output
    assert "fetch     ⊥ a b c a" in done.output and "reads from 0 0 0 2 3" in done.output
    read = json.loads(call("trace", "induction", "--input", "a b c a b", "--json").output)
    assert read["values"]["fetch"] == [None, "a", "b", "c", "a"] and read["wrong"] == {}


def test_circuit_prints_writes_and_decides(tmp_path: Path) -> None:
    done = call("circuit", "induction", *SIZES, "-o", tmp_path / "c.json")
    assert done.exit_code == 0 and "k: fetch" in done.output
    assert json.loads((tmp_path / "c.json").read_text())["program"] == "induction"
    read = json.loads(call("circuit", "induction", *SIZES, "--necessary", "resample", "--json").output)
    assert {e["verdict"] for e in read["edges"]} == {"necessary", "irrelevant"}
    odd = call("circuit", "induction", *SIZES, "--necessary", "noise")
    assert odd.exit_code == 2 and "there is no ablation 'noise'" in odd.output


def test_disguise_writes_a_checkpoint_and_a_key(tmp_path: Path) -> None:
    done = call("disguise", "induction", *SIZES, "-o", tmp_path / "d", "--key", tmp_path / "k.json")
    assert done.exit_code == 0, done.output
    restored = hw.restore(hw.load(tmp_path / "d"), hw.Key.load(tmp_path / "k.json"))
    assert hw.check(restored, samples=8).ok
    again = call("disguise", "induction", *SIZES, "-o", tmp_path / "e", "--key", tmp_path / "k.json")
    assert again.exit_code == 2 and "exists" in again.output and not (tmp_path / "e").exists()
