"""`headwork mpc`: protocols listed, shown and run from the command line, against the oracle and against words counted by hand."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import headwork as hw
from headwork import protocols
from headwork.cli.app import app

OWN = """\
import headwork as hw

@hw.protocol(memory=1, words=lambda n: {"to": range(n + 1)})
def pass_on(me, to):
    inbox = hw.shuffle(to=to, payload=me)
    return inbox.messages[0]

def pairs(most=3):
    @hw.protocol(memory=2, words=lambda n: {"to": [None, *range(1, n + 1)], "x": range(most)})
    def pair(me, to, x):
        return hw.request(to, (x, me))
    return pair

@hw.protocol(memory=1, alphabet=2)
def typo(me, x):
    return x + y

@hw.program
def no_protocol(token):
    return token
"""


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["mpc", *arguments], input=stdin)


def fine(*arguments: str, stdin: str | None = None) -> str:
    done = call(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return str(path)


def test_list_names_every_protocol() -> None:
    text = fine("list")
    entries = json.loads(fine("list", "--json", "--machines", "16"))
    assert [e["name"] for e in entries] == protocols.names()
    for entry in entries:
        assert entry["name"][:12] in text
        assert entry["rounds"] == protocols.get(entry["name"]).rounds(16)
        assert entry["layers"] == protocols.entry(entry["name"]).layers_formula


def test_show_prints_the_trace(own: str) -> None:
    assert fine("show", "prefix_sum", "--machines", "6", "--set", "memory=3") == f"{protocols.get('prefix_sum', memory=3).trace(6)}\n"
    shown = json.loads(fine("show", f"{own}:pass_on", "--machines", "5", "--json"))
    assert (shown["machines"], shown["memory"], shown["rounds"]) == (5, 1, 1)
    assert "own.py:5" in shown["text"]


def test_words_for_words_and_json_for_json(own: str, tmp_path: Path) -> None:
    assert fine("run", f"{own}:pass_on", "--input", "-", stdin="2 3 1 0\n") == "3 1 2 ⊥\n"
    assert fine("run", f"{own}:pass_on", "--input", "-", stdin="[2, 3, 1, 0]") == "[3, 1, 2, null]\n"
    file = tmp_path / "pairs.json"
    file.write_text("[[2, 1], [null, 0], [1, 2]]", encoding="utf-8")
    assert json.loads(fine("run", f"{own}:pairs", "--input", str(file), "--workers", "2")) == [[0, 2], [None, None], [1, 1]]
    # Words are read as results write them.
    assert fine("run", f"{own}:pairs", "--input", "-", "--machines", "9", stdin="2,1 ⊥,0 1,2") == "0,2 ⊥,⊥ 1,1\n"


def test_what_a_run_took(own: str) -> None:
    done = call("run", f"{own}:pairs", "--set", "most=2", "--input", "-", "--workers", "5", stdin="2,1 ⊥,0 1,1")
    # Two machines ask, for two words each, and are answered.
    assert "pair: 3 machines, memory 2, 2 rounds, 8 messages\nengine local, 3 workers, 0." in done.stderr
    report = json.loads(fine("run", f"{own}:pass_on", "--input", "-", "--json", stdin="2 3 1 0"))
    assert 0 <= report.pop("seconds") < 60
    sizes = {"machines": 4, "memory": 1, "rounds": 1, "messages": 3}
    assert report == {"protocol": "pass_on", "engine": "local", "workers": 1, **sizes, "results": [3, 1, 2, None]}


@pytest.mark.parametrize("name", protocols.names())
def test_samples_agree_with_the_oracle(name: str) -> None:
    report = json.loads(fine("run", name, "--machines", "9", "--seed", "3", "--workers", "2", "--json"))
    assert report["agrees"] is True
    assert len(report["results"]) == len(report["input"]) == report["machines"] <= 9
    assert report["sample"]


def test_a_wrong_oracle_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = protocols.entry("broadcast")

    def wrong(machines: Sequence[object], **parameters: object) -> list[int]:
        return [-1] * len(machines)

    monkeypatch.setattr(protocols, "entry", lambda name: dataclasses.replace(entry, oracle=wrong))
    done = call("run", "broadcast", "--machines", "4")
    assert done.exit_code == 1
    assert "the oracle differs" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "parts"),
    [
        (["run", "sorting"], "", ["there is no protocol 'sorting'", "the protocols are broadcast"]),
        (["run", "broadcast", "--set", "value=3"], "", ["has no parameter 'value'", "takes values=8"]),
        (["run", "OWN:pass_on"], "", ["is not of the library", "give --input"]),
        (["run", "OWN:no_protocol", "--input", "-"], "1", ["is a program, not a protocol", "@hw.protocol", "`headwork run`"]),
        (["show", "OWN:typo"], "", ["own.py:16: NameError: name 'y'", "return x + y"]),
        (["show", "OWN"], "", ["without a program's name", "pass_on"]),
        (
            ["run", "OWN:pass_on", "--input", "-", "--workers", "2"],
            "2 1 2",
            [
                "own.py:5: round 1: machine 2 was sent 2 messages, its inbox holds 1 (from machines 1, 3)",
                "inbox = hw.shuffle",
                "more memory",
            ],
        ),
        (["run", "OWN:pass_on", "--input", "-", "--machines", "2"], "2 1 2", ["3 tokens, more than the length 2"]),
        (["run", "OWN:pass_on", "--input", "-"], "2 9", ["token 2 is 9, which is not in the alphabet", "0, 1, 2"]),
        (["run", "OWN:pairs", "--input", "-"], "[[1, [2]]]", ["standard input does not hold a list of machines' inputs", "[2, null]"]),
        (["run", "OWN:pairs", "--input", "-"], '{"a": 1}', ["does not hold a list of machines' inputs"]),
        (["run", "OWN:pairs", "--input", "-"], "[[1, 2]", ["standard input is not JSON"]),
        (["run", "OWN:pairs", "--input", "nowhere.json"], "", ["nowhere.json: No such file"]),
    ],
    ids=lambda x: " ".join(x)[:40] if isinstance(x, list) else "",
)
def test_mistakes(own: str, arguments: list[str], stdin: str, parts: list[str]) -> None:
    done = call(*(a.replace("OWN", own) for a in arguments), stdin=stdin)
    assert done.exit_code == 2
    assert not done.stdout
    for part in ["error: ", *parts]:
        assert part in done.stderr


def test_ray_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = call("run", "broadcast", "--engine", "ray")
    assert done.exit_code == 2
    assert "error: ray is not installed\n    hint: pip install 'headwork[ray]'" in done.stderr


def test_a_protocol_that_refuses_a_number_of_machines_has_no_rounds_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(values: int, memory: int) -> hw.Protocol:
        raise hw.InputError("never")

    refusing = dataclasses.replace(protocols.entry("broadcast"), make=make)
    monkeypatch.setattr(protocols, "names", lambda: ["broadcast"])
    monkeypatch.setattr(protocols, "entry", lambda name: refusing)
    assert json.loads(fine("list", "--json"))[0]["rounds"] is None
    assert "–" in fine("list")
