"""A user's theorem as a row: through bounds, families, JSON, Markdown and plots; bounds as text; families that a graph shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.theory.statement import Facts
from headwork.theory.text import conditions, expression, relation

SOURCE = """
import headwork as hw

theorem = hw.Statement(
    id="MINE",
    statement="Looking w places back takes one layer.",
    source="mine",
    families=("back",),
    bounds=("L <= 1", hw.Bound("H*d_qk <= {width}", part="width")),
    assumes=("w < N", "nothing else"),
)
anything = hw.Statement(id="ANY", statement="Every model has a layer.", source="mine", bounds="L >= 1")
wrong = [hw.Statement(id="WRONG", statement="No model has fewer than three.", source="mine", bounds="L >= 3")]


def back(w=1):
    @hw.program(name=f"back-{{w}}")
    def read(token):
        return hw.previous(token, by=w)

    return read
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE.format(width=8), encoding="utf-8")
    return str(path)


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bounds", *arguments])
    return done.exit_code, done.stdout if done.exit_code < 2 else done.stderr


def test_a_file_with_a_program_a_family_and_a_theorem_goes_through_all(mine: str, tmp_path: Path) -> None:
    asked = [f"{mine}:back", "--set", "w=3", "--length", "16", "--alphabet", "4", "--rows", mine, "--family", "back", "--with", "w=3"]
    code, text = call(*asked, "--rows", f"{mine}:wrong")
    assert code == 1  # the wrong theorem is contradicted
    lines = {line.split()[0]: line.split()[-3:] for line in text.splitlines() if line.startswith(("MINE", "ANY", "WRONG"))}
    assert (lines["WRONG"] == ["violates", "by", "2"] and lines["MINE.width"][-1] == "meets") or "beats" in lines["MINE.width"]
    assert "MINE: mine. Assumes w < N (w = 3, N = 16); nothing else" in text
    asked[asked.index(mine)] = f"{mine}:theorem"
    code, text = call(*asked, "--json", "--plot", str(tmp_path / "one.svg"))
    rows = {row["id"]: row for row in json.loads(text)["rows"]}
    assert code == 0 and rows["MINE"]["verdict"] == "meets" and set(rows) == {"MINE", "MINE.width"}
    assert rows["MINE"]["assumptions"][0] == {"text": "w < N", "here": "w = 3, N = 16", "holds": True}
    assert rows["MINE"]["assumptions"][1] == {"text": "nothing else", "here": "", "holds": None}
    assert (tmp_path / "one.svg").stat().st_size > 5_000
    code, text = call(*asked, "--markdown")
    assert code == 0 and "| MINE | EXACT | L <= 1 | L = 1 | meets | mine |" in text


def test_a_family_of_ones_own_over_a_range(mine: str, tmp_path: Path) -> None:
    asked = [f"{mine}:back", "--over", "w=1..12", "--length", "8", "--alphabet", "4", "--rows", f"{mine}:theorem", "--family", "back"]
    code, text = call(*asked, "--json", "--plot", str(tmp_path / "many.png"))
    rows = {row["id"]: row for row in json.loads(text)["rows"]}
    assert code == 0 and json.loads(text)["instances"] == 12
    assert rows["MINE"]["verdict"].startswith("meets on 7 of 12 instances; not applicable because w = 8, N = 8: it assumes w < N on 5")
    assert (tmp_path / "many.png").read_bytes()[:4] == b"\x89PNG"
    code, text = call(*asked[:5], "--alphabet", "4", "--rows", f"{mine}:wrong", "--markdown")
    assert code == 1 and "violates by up to 3 on all 12 instances" in text


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--rows", "nowhere.py:x"], "there is no file nowhere.py"),
        (["--rows", "{}:none"], "has no 'none'"),
        (["--rows", "{}:back"], "rows holds <function back"),
        (["--rows", "{}:theorem", "--family", "backs"], "there is no family 'backs'"),
        (["--rows", "{}:theorem", "--family", "back", "--with", "v=3"], "no statement has a parameter 'v'"),
        (["--over", "w=1..2", "--set", "w=3"], "--over and --set do not go together"),
    ],
)
def test_mistakes_in_the_command(mine: str, arguments: list[str], fact: str) -> None:
    code, text = call(f"{mine}:back", "--length", "8", "--alphabet", "4", *(a.format(mine) for a in arguments))
    assert code == 2 and fact in text and "hint: " in text


@pytest.mark.parametrize(
    ("changed", "fact"),
    [
        ({"bounds": "L < 3"}, "'L < 3' is not a bound"),
        ({"bounds": "L <= open('x')"}, "is not understood"),
        ({"bounds": "L <= __import__"}, ""),
        ({"bounds": "L <= 2 +"}, "is not a formula"),
        ({"bounds": "L <= 2", "kind": "asymptotic"}, "states constants, and its kind is asymptotic"),
        ({"kind": "exact"}, "has the kind 'exact'"),
        ({"certainty": "S"}, "has the certainty 'S'"),
        ({"bounds": ("L <= 2", "L <= 3", "L <= 4")}, "has two bounds named 'L'"),
    ],
)
def test_statements_that_make_no_sense(changed: dict[str, object], fact: str) -> None:
    given = {"id": "X", "statement": "It is so.", "source": "mine", "bounds": "L <= 2"} | changed
    if not fact:  # a name is a symbol, whatever it looks like; nothing is run
        assert hw.Statement(**given).parameters() == {"__import__"}  # pyright: ignore[reportArgumentType]
        return
    with pytest.raises(hw.InputError) as caught:
        hw.Statement(**given)  # pyright: ignore[reportArgumentType]
    assert fact in str(caught.value)


def test_bounds_as_text() -> None:
    found = relation("2*m*p = Ω(floor(log2(N))/Σ)")
    assert (found.left, found.direction, found.landau) == ("2*m*p", "lower", True)
    assert Facts({"N": 9, "|Σ|": 2}).value(found.bound) == 1.5
    for text, value in {
        "ceil(log(N, 3))": 2,
        "ceil(log2(N))": 4,
        "floor((N - 2)/2)": 3,
        "2**N": 512,
        "min(N, 4) + max(1, 2)": 6,
        "-N + ones(7)": -6,
    }.items():
        assert Facts({"N": 9}).value(expression(text)) == value, text
    assert conditions("m·H = O(N)") == conditions("the conjecture") == ()
    (small,) = conditions("Σ <= N/2")
    assert small.text == "|Σ| <= N/2" and [c.text for c in conditions("1 ≤ k <= Σ")] == ["1 <= k", "k <= |Σ|"]
    assert hw.Bound("m*p <= 2*N").quantity("EXACT").relation() == "m*p <= 2*N"


def test_a_users_row_that_names_no_family_speaks_of_every_program() -> None:
    row = hw.Statement(id="ANY", statement="All have a layer.", source="mine", bounds="L >= 1")
    report = hw.bounds(hw.programs.get("previous"), length=8, rows=[row])
    assert {r.id: r.verdict for r in report.rows}["ANY"] == "meets"
    own = hw.Statement(id="ONE", statement="Two.", source="mine", bounds="L <= 2")  # stands in for ours
    assert {r.id: r.verdict for r in hw.bounds(hw.programs.get("previous"), length=8, rows=[own]).rows}["ONE"] == "beats by 1"
    with pytest.raises(hw.InputError, match="two statements named 'ANY'"):
        hw.bounds(hw.programs.get("previous"), length=8, rows=[row, row])


@pytest.mark.parametrize("k", [1, 3, 6])
def test_a_program_whose_graph_is_khops_is_khop(k: int) -> None:
    @hw.program
    def mine(token: hw.Value) -> hw.Value:
        def earlier(value: hw.Value, steps: int) -> hw.Value:
            return earlier(value, steps - 1).at(hw.match(key=token, query=token, before=True).latest().position + 2 - 1) if steps else value

        return earlier(token, k)

    report = hw.bounds(mine, length=32, alphabet=5)
    assert f"k = {k}" in report.about and {r.id: r.verdict for r in report.rows}["HOP-UB"] == "meets"
    assert "STATED" not in {r.id for r in report.rows}  # the library says nothing of what is not its own


def test_a_program_that_is_nearly_khop_is_not() -> None:
    @hw.program
    def mine(token: hw.Value) -> hw.Value:
        hop = hw.match(query=token, key=token).latest().position
        return token.at(hop).at(hop)

    assert "not stated" in hw.bounds(mine, length=32, alphabet=5).about


def test_protocols_of_the_library_have_their_rows() -> None:
    found = {row.id: row.verdict for row in hw.bounds(hw.protocols.get("connected_components"), length=64).rows}
    assert found["CONN"].startswith("ratio 1.83 (unknown constant); asks m*H = O(N**(1 - ε)), here m*H/N = 2.06")
    assert found["MPC-CONN-2"] == "not applicable because diameter is not given"
    cycles = hw.bounds(hw.protocols.get("one_or_two_cycles"), length=16, diameter=8)
    found = {row.id: row.verdict for row in cycles.rows}
    assert found["CYCLE"] == "meets" and found["CONN"].startswith("ratio") and found["MPC-CONN-2"].startswith("ratio")


def test_every_program_of_the_library_has_a_row_about_its_task() -> None:
    for name in hw.programs.names():
        ids = {row.statement.id for row in hw.bounds(hw.programs.get(name), length=8).rows} - {"STATED", "NONLOCAL"}
        assert ids, name
