"""The frontier of codes and dtypes, its plot, and the search for one-layer shapes, each against a count made here."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.theory.search import Witness, answer, conflict, induction


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout if done.exit_code < 2 else done.stderr


# --- the frontier ------------------------------------------------------------------------------------------


def test_the_frontier_is_what_nothing_else_beats() -> None:
    found = hw.frontier(hw.programs.get("khop", k=2), length=40, alphabet=4)
    by_code = {p.code: p for p in found.points}
    assert {"scalar", "digits:2", "digits:3", "binary", "onehot"} <= by_code.keys()
    for p in found.points:
        others = [q for q in found.points if q != p]
        beaten = any(all(x <= y for x, y in zip(q.costs(), p.costs(), strict=True)) and q.costs() != p.costs() for q in others)
        assert p.best == (not beaten) and p.layers == 3 and p.heads == 1
        model = hw.compile(hw.programs.get("khop", k=2), length=40, alphabet=4, code=p.code, dtype=p.dtypes[0])
        assert (model.cost.d_model, model.cost.parameters, hw.certify(model).mantissa_bits) == (p.d_model, p.parameters, p.p)
        assert p.bits >= found.least_bits
    assert by_code["scalar"].d_model < by_code["binary"].d_model and by_code["scalar"].p > by_code["binary"].p
    assert by_code["scalar"].best and all(reason for *_, reason in found.refused)
    assert {dtype for code, dtype, _ in found.refused if code == "scalar"} == {"float16", "bfloat16"}


def test_wide_models_are_planned_and_not_built() -> None:
    found = hw.frontier(hw.programs.get("previous"), length=2500, alphabet=2)
    (reason,) = (reason for code, dtype, reason in found.refused if (code, dtype) == ("onehot", "float32"))
    assert reason.startswith("d_model is ") and reason.endswith("more than is built here")
    assert "onehot" not in {p.code for p in found.points}


def test_the_command_prints_plots_and_refuses(tmp_path: Path) -> None:
    for name, head in (("f.png", b"\x89PNG"), ("f.svg", b"<?xml")):
        code, text = call("frontier", "previous", "--length", "20", "--alphabet", "3", "--plot", str(tmp_path / name))
        assert code == 0 and "log2 N + log2 |Σ| = 5.9" in text and "m = O(1), p = Θ(log N)" in text
        assert (tmp_path / name).read_bytes().startswith(head)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.png", "f.svg"]  # nothing temporary is left
    code, text = call("frontier", "previous", "--length", "20", "--alphabet", "3", "--json")
    assert code == 0 and {p["code"] for p in json.loads(text)["points"]} >= {"scalar", "binary", "onehot"}
    code, text = call("frontier", "previous", "--length", "5", "--alphabet", "3", "--plot", str(tmp_path / "f.jpg"))
    assert code == 2 and "is neither .png nor .svg" in text and "hint: " in text


# --- one layer, searched -------------------------------------------------------------------------------------


def plain(row: tuple[int, ...]) -> int | None:
    found = None
    for t in range(1, len(row)):
        if row[t - 1] == row[-1]:
            found = row[t]
    return found


@pytest.mark.parametrize(("length", "h", "m", "p"), [(2, 1, 1, 1), (3, 1, 1, 2), (3, 2, 1, 1), (4, 2, 2, 3)])
def test_feasible_shapes_work_on_every_input(length: int, h: int, m: int, p: int) -> None:
    found = hw.search_one_layer(length=length, h=h, m=m, p=p, seconds=60)
    assert found.verdict == "feasible" and found.witness is not None
    assert max(max(sent.values()) for sent in found.witness.messages) < 2 ** (m * p)
    told: dict[tuple[object, ...], set[int | None]] = {}
    for row in itertools.product(range(3), repeat=length):
        sent = []
        for orders, messages in zip(found.witness.orders, found.witness.messages, strict=True):
            favourite = min(range(1, length + 1), key=lambda j: orders[row[-1]].index((j, row[j - 1])))
            sent.append(messages[favourite, row[favourite - 1]])
        told.setdefault((row[-1], *sent), set()).add(plain(row))
    assert len(told) > 1 and all(len(answers) == 1 for answers in told.values())


@pytest.mark.parametrize(("length", "h", "m", "p"), [(3, 1, 1, 1), (4, 1, 2, 3), (8, 1, 1, 1), (6, 1, 8, 24)])
def test_infeasible_shapes_are_found(length: int, h: int, m: int, p: int) -> None:
    found = hw.search_one_layer(length=length, h=h, m=m, p=p, seconds=60)
    assert found.verdict == "infeasible" and found.witness is None and found.conflicts > 0
    hw.compile(hw.programs.get("induction"), length=length, alphabet=3)  # two layers of one head do it


def test_one_head_of_one_bit_fails_at_length_3_by_every_order_and_message() -> None:
    """The same, by running through all orders of the pairs that matter and all messages: no solver."""
    rows = [(*row, 0) for row in itertools.product(range(3), repeat=2)]  # the last token is 0 without loss
    pairs = [(j, b) for j in (1, 2) for b in range(3)] + [(3, 0)]
    heard = set()
    for order in itertools.permutations(pairs):
        heard.add(tuple(next(x for x in order if x in {(j, b) for j, b in enumerate(row, 1)}) for row in rows))
    works = False
    for favourites in heard:
        for bits in itertools.product((0, 1), repeat=len(pairs)):
            sent = dict(zip(pairs, bits, strict=True))
            answers: dict[int, set[int | None]] = {}
            for row, x in zip(rows, favourites, strict=True):
                answers.setdefault(sent[x], set()).add(plain(row))
            works |= all(len(found) == 1 for found in answers.values())
    assert not works


def test_the_search_ends_and_says_so() -> None:
    found = hw.search_one_layer(length=6, h=3, m=1, p=1, seconds=0.2)
    assert found.verdict == "unknown" and "no answer within 0 s" in str(found)
    assert [answer(row) for row in ((0,), (1, 1), (0, 1, 2, 0), (0, 1, 0, 2, 0))] == [None, 1, 1, 2]
    blind = Witness(
        ({a: tuple((j, b) for j in (1, 2) for b in range(3)) for a in range(3)},), (dict.fromkeys([(1, 0), (1, 1), (1, 2)], 0),)
    )
    assert conflict(blind, induction(2)) is not None


def test_the_search_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(hw.InputError, match="length is 9"):
        hw.search_one_layer(length=9, h=1, m=1, p=1)
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(hw.InputError, match=r"the search needs z3(.|\n)*headwork\[search\]"):
        hw.search_one_layer(length=3, h=1, m=1, p=1)


def test_the_command_searches() -> None:
    code, text = call("bounds", "induction", "--one-layer", "h=1,m=2,p=3", "--length", "4", "--search")
    assert code == 0 and "N = 4, h = 1, m = 2, p = 3: infeasible" in text and "h(m+1)p = 9, (N-1)/2 = 1.5" in text
    assert "N = 4, h = 2, m = 2, p = 3: feasible (run on all 81 inputs); h(m+1)p = 18" in text
    code, text = call("bounds", "induction", "--one-layer", "h=1,m=1,p=1", "--length", "2", "--search", "--json")
    assert code == 0 and json.loads(text)["search"][0]["verdict"] == "feasible"
    code, text = call("bounds", "khop", "--search")
    assert code == 2 and "--search goes with --one-layer" in text
