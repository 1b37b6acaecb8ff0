"""Bounds: the registry is complete, verdicts follow from integers worked out by hand, and fits are exact or not made."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, log2
from pathlib import Path

import pytest
import sympy as sp
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.cli.bounds import numbers
from headwork.compiler.codes.numerics import dtype_named
from headwork.compiler.emit import emit
from headwork.compiler.graph import Graph
from headwork.compiler.place.layout import layout
from headwork.compiler.place.schedule import schedule
from headwork.compiler.plan.planner import plan
from headwork.runtime.model import to_module
from headwork.theory.family_costs import chain_of_reads
from headwork.theory.fit import fit
from headwork.theory.functions import above, ceil_log, exact, floor_log2, log2 as symbolic_log2, number, ones
from headwork.theory.measure import READINGS, cost_of_weights, of_model, of_weights
from headwork.theory.registry import FAMILIES, REGISTRY
from headwork.theory.report import Bounds
from headwork.theory.statement import CERTAINTIES, KINDS
from headwork.theory.text import relation

THEORY_ROWS = """HOP-UB HOP-SAT HOP-LOOKUP HOP-PREV HOP-LB IND-1L IND-1L-c FC-1L SEQ-L RNN-1HOP RNN-KHOP SUBQ-KHOP COT QSA MATCH3 CONN-1L
MPC-UB MPC-UB2 MPC-ANNA MPC-LB CONN""".split()
VERDICTS = ("meets", "beats by ", "exceeds by ", "violates by ", "ratio ", "vacuous here because ", "not applicable because ")
VERDICTS = (*VERDICTS, "states no number")
PARAMETERS = dict(k=3, n=8, functions=2, q=4, d=2, R=5, s=4, payload=8, diameter=16, depth=9, bits=4)
PARAMETERS |= dict(S=4, V=6, features=9, fan=1, gates=5, state=30, steps=3, products=90, r=4, pairs=5, keys=6, order=3)
PARAMETERS |= dict(patterns=7, neurons=99, lead=4, unsolvable=0, size=9, votes=1)


def verdicts(report: Bounds) -> dict[str, str]:
    return {row.id: row.verdict for row in report.rows}


@lru_cache
def cost_of(k: int, length: int) -> hw.Cost:
    return hw.compile(hw.programs.get("khop", k=k), length=length, alphabet=4).cost


def khop(k: int, length: int = 256, alphabet: int = 4, **options: object) -> Bounds:
    return hw.bounds(hw.programs.get("khop", k=k), length=length, alphabet=alphabet, **options)  # pyright: ignore[reportArgumentType]


def previous_form(k: int) -> hw.Program:
    """k-hop as it is drawn in lectures: copy the previous token, match, then double the pointer, lowest bit of k - 1 first."""

    @hw.program(name=f"previous-form-{k}")
    def hops(token: hw.Value) -> hw.Value:
        hit = hw.match(query=token, key=hw.previous(token)).latest()
        jump, out, rest = hit.position, hit.fetch(token), k - 1
        while rest:
            if rest & 1:
                out = out.at(jump)
            rest >>= 1
            if rest:
                jump = jump.at(jump)
        return out

    return hops


def as_written(graph: Graph) -> hw.Cost:
    """The cost of a program lowered without the optimiser."""
    return cost_of_weights(emit(layout(schedule(plan(graph, dtype_named("float32"))))))


# --- the registry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", THEORY_ROWS)
def test_every_row_of_the_theory_is_there(name: str) -> None:
    assert name in REGISTRY


@pytest.mark.parametrize("name", list(REGISTRY))
def test_every_entry_is_whole(name: str) -> None:
    row = REGISTRY[name]
    assert row.statement.endswith(".") and row.note.endswith(".") and row.source and row.families
    assert row.kind in KINDS and row.certainty in CERTAINTIES
    assert re.search(r"arXiv \d{4}\.\d{4,5}|derived here|\b(19|20)\d\d\b", row.source), row.source
    assert row.checked.startswith("2026-") or row.certainty == "M"
    assert [q.part for q in row.quantities].count("") == min(1, len(row.quantities))
    for quantity in row.quantities:
        symbols = {str(s) for e in (quantity.bound, quantity.measured) for s in e.free_symbols}
        assert symbols <= set(READINGS), symbols
        assert relation(quantity.relation().replace("|Σ|", "Σ").replace(quantity.name, "L", 1)).bound == quantity.bound  # as it is printed
    if row.certainty == "M":
        assert not row.quantities and "(recalled)" in row.source


def test_only_the_rows_that_are_exact_in_the_theory_are_exact_here() -> None:
    exact_ones = {"HOP-UB", "HOP-SAT", "HOP-LOOKUP", "HOP-PREV", "FC-1L", "MPC-UB"}
    assert {name for name in THEORY_ROWS if REGISTRY[name].kind == "EXACT"} == exact_ones


def test_formulas_at_sizes_worked_out_by_hand() -> None:
    """Each figure from the text of the theorem, by ordinary arithmetic."""
    values = {"L": 3, "H": 2, "m": 10, "d_qk": 5, "c": 12, "p": 24, "N": 1024, "|Σ|": 64, "hops": 5, "k": 5, "n": 16, "functions": 2}
    values |= {"q": 4, "d": 2, "R": 6, "s": 4, "payload": 8, "diameter": 16, "depth": 9, "bits": 3}
    values |= {"state": 30, "steps": 3, "products": 90, "r": 4, "pairs": 5, "keys": 6, "order": 3, "parameters": 64**3}
    values |= {"patterns": 7, "neurons": 99, "lead": 4, "S": 5, "size": 40, "votes": 1, "fan": 1, "gates": 7, "V": 6, "B": 2, "features": 8}
    expected: dict[str, float] = {
        "HOP-UB": 4,
        "HOP-SAT": 5,
        "HOP-LOOKUP": 4,
        "HOP-PREV": 5,
        "HOP-LB": log2(5),
        "RNN-KHOP": 1024 / 15625,
        "COT": 5,
        "IND-1L": 1024,
        "IND-1L-c": 1023 / 2,
        "FC-1L": 64,
        "SEQ-L": 1024 ** (2.0**-12),
        "RNN-1HOP": 511,
        "RNN-1HOP.table": 64 * log2(65) + 6,
        "QSA": 4,
        "QSA.m": 2 + 4 * 10,
        "QSA.qk": 160,
        "MATCH3": 1024 / log2(10),
        "CONN-1L": 1024,
        "MPC-UB": 7,
        "MPC-UB.m": 2560,
        "MPC-UB.H": log2(10),
        "MPC-UB2.m": 4,
        "MPC-LB": 3,
        "CONN": 10,
        "MPC-BROADCAST": 5,
        "MPC-PREFIX": 10,
        "MPC-SORT": 5,
        "MPC-CONN-1": 4 * log2(10),
        "MPC-CONN-2": 4,
        "MPC-CONN-LB": 4,
        "SCAN": 7,
        "RANK.H": 3 + 11,
        "ROOT": 5,
        "CYCLE": 11,
        "SHUFFLE.H": 4 * 13,
        "SHUFFLE.width": 4 * 13 * 28,
        "AUTOMATON": 10,
        "ADDITION": 2 + 10,
        "GRIDWORLD": 1 + 2,  # 3 heads at most, 2 here: 3^2 >= 5
        "LOOP-KHOP": 4,
        "SUPER": 8 * log2(8 / 3),
        "FE-1L": 511,
        "SEP-INDEX.m": 21,
        "SEP-INDEX.state": 1023,
        "SEP-2L.m": 24,
        "SEP-2L.state": 40,
        "SEP-NEAREST.state": 62,
        "SEP-1L": 39,
        "SEP-DYCK": 511,
        "COUNT.m": 65,
        "LOOP-RANK": 11,
        "LOOP-REACH": 5,
        "LOOP-SCAN": 10,
        "CRASP-UB": 3,
        "RANK-KTH": 5,
        "HOP-STEPS.steps": 6,
        "COT-CIRCUIT": 7,
    }
    found: dict[str, float] = {}
    for row in REGISTRY.values():
        for q in row.quantities:
            name = f"{row.id}.{q.part}" if q.part else row.id
            found[name] = number(q.bound.subs({s: values[str(s)] for s in q.bound.free_symbols}))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert ceil(log2(9)) + 1 == 5 and 3**7 >= 1024 > 3**6 and 4**5 == 1024


def test_the_shuffle_widths_of_the_theory() -> None:
    """80, 420 and 1,040 at s = 2, 3, 4 for N = 1,024 and no payload: 2, 7 and 13 heads a slot."""
    width = next(q.bound for q in REGISTRY["SHUFFLE"].quantities if q.part == "width")
    assert [exact(width, s=s, N=1024, payload=0) for s in (2, 3, 4)] == [80, 420, 1040]


# --- verdicts --------------------------------------------------------------------------------------------


def test_three_hops_meet_the_theorem_with_three_layers() -> None:
    report = khop(3)
    assert report.measured.layers == 3
    found = verdicts(report)
    assert found["HOP-UB"] == found["HOP-LOOKUP"] == found["HOP-SAT"] == found["HOP-UB.H"] == found["STATED"] == "meets"
    assert found["HOP-PREV"].startswith("not applicable because the program does not start by copying")
    assert report.ok


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_the_previous_token_form_exceeds_the_theorem_by_one_unless_k_is_a_power_of_two(k: int) -> None:
    cost = as_written(previous_form(k).build(256, 4))
    assert cost.attention_layers == ceil(log2(k)) + 2
    found = verdicts(hw.bounds(cost, length=256, alphabet=4, family="khop", k=k, form="previous"))
    assert found["HOP-PREV"] == "meets"
    assert found["HOP-UB"] == ("meets" if k.bit_count() == 1 else "exceeds by 1")


def test_the_previous_token_form_computes_khop() -> None:
    """The form is no strawman: lowered as written it answers as the library's reference does."""
    graph = previous_form(3).build(12, 3)
    module = to_module(
        emit(layout(schedule(plan(graph, dtype_named("float32"))))), hw.compile(previous_form(3), length=1, alphabet=3).module.W_E.dtype
    )
    import torch

    tokens = torch.randint(0, 3, (64, 12), generator=torch.Generator().manual_seed(0))
    reference = hw.programs.entry("khop").reference
    for row, answer in zip(tokens.tolist(), module(tokens).argmax(-1).tolist(), strict=True):
        assert [a - 1 if a else None for a in answer] == reference(row, k=3)


def test_the_optimiser_leaves_the_previous_token_form_and_the_row_says_so() -> None:
    model = hw.compile(previous_form(3), length=64, alphabet=4)
    found = verdicts(hw.bounds(model, family="khop", k=3, form="previous"))
    assert found["HOP-UB"] == "meets"
    assert found["HOP-PREV"].startswith("not applicable because a head has the strict mask")


def test_hops_beyond_the_length_do_not_count() -> None:
    report = khop(8, length=4)
    found = verdicts(report)
    assert found["HOP-SAT"] == "exceeds by 5"  # 8 hops, min(8, max(1, 3)) = 3 count
    assert next(r.bound for r in report.rows if r.id == "HOP-UB") == 3
    assert found["HOP-UB"] == found["HOP-LOOKUP"] == "exceeds by 2"
    assert "8 hops count as 3" in str(report)
    assert verdicts(khop(3, length=4))["HOP-SAT"] == "meets"
    assert next(r.bound for r in khop(5, length=1, alphabet=1).rows if r.id == "HOP-SAT") == 1


def test_a_vacuous_bound_is_called_vacuous() -> None:
    report = hw.bounds(hw.programs.get("compose"), length=64)
    found = verdicts(report)
    assert found["FC-1L"].startswith("vacuous here because R = n*log2(n) - H*(m + 1)*p = -")
    assert found["SEQ-L"].startswith("vacuous here because H*d_qk*p = ")
    assert verdicts(khop(1))["HOP-LB"].startswith("vacuous")
    assert verdicts(khop(3))["RNN-KHOP"].startswith("vacuous here because N/k**6 = 0.351 < 1")


def test_the_lower_bound_on_one_layer_bites_where_it_should() -> None:
    found = hw.one_layer(h=1, m=8, p=24, length=64, family="composition", n=800)
    assert verdicts(found)["FC-1L"].startswith("violates by 7,499")  # 800·log2 800 - 9·24 = 7715.1 - 216
    assert not found.ok
    assert verdicts(hw.one_layer(h=1, m=8, p=24, length=64, family="composition", n=8))["FC-1L"].startswith("vacuous")


def test_one_layer_of_induction() -> None:
    small, large = (hw.one_layer(h=1, m=m, p=24, length=1024) for m in (8, 21))
    row = next(r for r in small.rows if r.id == "IND-1L-c")
    assert (row.bound, row.measured) == (511.5, 216)
    assert row.verdict.startswith("ratio 0.422 (below 1: ruled out")
    assert verdicts(large)["IND-1L-c"].startswith("ratio 1.03 (at least 1: not ruled out")
    assert verdicts(small)["IND-1L"] == "ratio 0.188 (unknown constant)"
    assert verdicts(hw.one_layer(h=1, m=8, p=24, length=1024, alphabet=2))["IND-1L"].startswith("not applicable because |Σ| = 2")


def test_two_layers_are_not_held_to_a_bound_on_one() -> None:
    found = verdicts(hw.bounds(hw.programs.get("induction"), length=64))
    assert found["HOP-PREV"] == found["HOP-UB"] == found["STATED"] == "meets"
    assert found["IND-1L"] == found["IND-1L-c"] == "not applicable because L = 2: it is about one layer"


def test_fewer_layers_than_a_class_allows_show_a_program_outside_the_class() -> None:
    """A user's one-layer model that is said to compute 1-hop contradicts nothing: it need not be a composition of lookups."""
    cost = hw.compile(hw.programs.get("previous"), length=64, alphabet=4).cost
    found = hw.bounds(cost, length=64, alphabet=4, family="khop", k=1)
    assert verdicts(found)["HOP-LOOKUP"].startswith("not applicable because L = 1 < 2 shows a program outside the class")
    assert verdicts(found)["HOP-UB"] == "beats by 1"
    assert found.ok


def test_protocols() -> None:
    """R rounds and 64 words on 256 of them: layers saved are reported, and the explicit rounds compared."""
    cost = hw.compile(hw.programs.get("previous"), length=256, alphabet=4).cost
    found = verdicts(hw.bounds(cost, length=256, alphabet=4, family="mpc-prefix", R=8, s=4))
    assert found["MPC-UB"].startswith("beats by 8; ") and found["MPC-UB"].endswith("layers saved: 8")
    assert found["MPC-PREFIX"] == "meets"  # 2·ceil(log_4 256) = 8
    assert found["MPC-UB2"] == "ratio 0.125 (unknown constant)"
    assert "MPC-BROADCAST" not in found


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", hw.programs.names())
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 64, 256])
def test_no_wrong_verdict_on_any_program_of_the_library(name: str, length: int) -> None:
    entry = hw.programs.entry(name)
    length = max(length, 2) if name == "ngram" else length  # a trigram has no room in 1
    report = hw.bounds(entry.program(), length=length)
    assert report.ok, str(report)
    stated = entry.layers(length, **entry.parameters)
    row = next(r for r in report.rows if r.id == "STATED")
    assert row.bound == stated and row.measured == report.measured.layers
    assert row.verdict == ("meets" if row.measured == stated else f"beats by {stated - report.measured.layers}")
    if length >= 64:
        assert row.verdict == "meets"


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_are_not_exact_are_never_met(family: str) -> None:
    """For every family, at sizes that give every parameter a value."""
    cost = cost_of(5, 512)
    given = PARAMETERS | ({"k": 1} if family == "induction" else {})
    every = family in ("khop", "mpc-cycle", "parity")
    report = hw.bounds(cost, length=512, alphabet=300, family=family, all=every, **given)  # pyright: ignore[reportArgumentType]
    ours = [r for r in report.rows if family in r.statement.families]
    assert ours and (not every or {r.id.split(".")[0] for r in report.rows} == set(REGISTRY))
    for row in report.rows:
        assert row.verdict.startswith(VERDICTS), row
        assert "is not given" not in row.verdict
        if row.quantity is None:
            assert row.verdict.startswith(("states no number", "not applicable")), row
        elif row.kind != "EXACT":
            assert row.verdict.startswith(("ratio", "vacuous", "not applicable")), row
        if row.kind in ("asymptotic", "conditional") and row.verdict.startswith("ratio"):
            assert "(unknown constant)" in row.verdict


@pytest.mark.parametrize("family", FAMILIES)
def test_a_parameter_that_is_not_given_is_asked_for(family: str) -> None:
    report = hw.bounds(cost_of(5, 64), length=64, alphabet=4, family=family)
    assert report.rows
    for row in report.rows:
        if row.quantity is not None and (row.bound is None or row.measured is None):
            assert row.verdict.endswith("is not given"), row


# --- families and subjects -------------------------------------------------------------------------------


def test_a_checkpoint_is_recognised_by_its_graph_and_not_by_its_name(tmp_path: Path) -> None:
    model = hw.compile(hw.programs.get("khop", k=3), length=32)
    model.save(tmp_path / "ck")
    assert verdicts(hw.bounds(hw.load(tmp_path / "ck")))["HOP-UB"] == "meets"

    @hw.program(name="khop(k=3)", alphabet=tuple("abcd"))
    def pretender(token: hw.Value) -> hw.Value:
        return hw.previous(token)

    report = hw.bounds(pretender, length=32)
    assert {row.id for row in report.rows} == {"NONLOCAL", "ONE"}  # its graph is that of `previous`, and not of k-hop


def test_weights_and_module_are_measured_alike() -> None:
    for name in hw.programs.names():
        model = hw.compile(hw.programs.get(name), length=32)
        if isinstance(model, hw.Looped):
            continue  # it is measured as a module alone
        assert model.compiled is not None
        assert of_weights(model.compiled.weights) == of_model(model)
        assert cost_of_weights(model.compiled.weights) == model.cost


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"family": "khops"}, "there is no family 'khops'"),
        ({"family": "khop", "k": -1}, "k is -1"),
        ({"family": "khop", "k": "3"}, "k is '3'"),
        ({"family": "khop", "kk": 3}, "no statement has a parameter 'kk'"),
        ({"family": "khop", "k": 3, "form": "prev"}, "there is no form 'prev'"),
        ({"family": "induction", "k": 3}, "induction is given with k = 3"),
        ({"k": 3}, "k is given without a family"),
        ({"length": None}, "no length is given"),
        ({"dtype": "float8"}, "dtype 'float8' is not known"),
    ],
)
def test_mistakes(options: dict[str, object], fact: str) -> None:
    with pytest.raises(hw.InputError, match=fact):
        hw.bounds(hw.programs.get("khop"), **({"length": 16} | options))  # pyright: ignore[reportArgumentType]


def test_sizes_that_do_not_belong_to_the_subject() -> None:
    model = hw.compile(hw.programs.get("khop"), length=16)
    with pytest.raises(hw.InputError, match="length does not apply to the model"):
        hw.bounds(model, length=16)
    with pytest.raises(hw.InputError, match="heads does not apply to a cost"):
        hw.bounds(model.cost, length=16, alphabet=4, heads=1)
    with pytest.raises(hw.InputError, match="no alphabet"):
        hw.bounds(model.cost, length=16)
    with pytest.raises(hw.InputError, match="h is 0"):
        hw.one_layer(h=0, m=1, p=1, length=8)


# --- families over ranges --------------------------------------------------------------------------------


def test_layers_of_khop_fit_exactly_and_are_proved() -> None:
    laws = hw.bounds_over("khop", k=range(1, 65), lengths=[256], alphabets=[4])
    row = next(r for r in laws.rows if r.id == "attention_layers")
    assert row.measured == row.bound == "floor(log2(k)) + 2"
    assert row.verdict.startswith("meets on all 64 instances; proved for every k >= 1: ")
    assert row.expression is not None
    for k in range(1, 65):
        assert exact(row.expression, k=k) == floor(log2(k)) + 2


def test_fits_predict_instances_they_were_not_made_from() -> None:
    laws = hw.bounds_over("khop", k=range(1, 17), lengths=[16, 32, 64, 128], alphabets=[4, 8, 16])
    rows = {r.id: r for r in laws.rows}
    assert set(rows) == {"attention_layers", "heads", "d_model", "d_head", "hidden units", "parameters", "outside the embedding"}
    for k, length, symbols in ((23, 50, 5), (6, 300, 31), (32, 1000, 9)):
        cost = hw.compile(hw.programs.get("khop", k=k), length=length, alphabet=symbols).cost
        for name, figure in (("d_model", cost.d_model), ("parameters", cost.parameters), ("hidden units", sum(cost.d_mlp))):
            expression = rows[name].expression
            assert expression is not None and "not proved" in rows[name].verdict
            assert exact(expression, **{"k": k, "N": length, "|Σ|": symbols}) == figure, (name, k, length, symbols)


def test_what_does_not_fit_is_said_not_to() -> None:
    laws = hw.bounds_over("khop", k=[1, 2, 3], lengths=[16, 32], alphabets=[4])
    row = next(r for r in laws.rows if r.id == "parameters")
    assert row.measured == "no exact expression" and row.verdict.startswith("no exact expression found in the basis (1, ")
    assert row.as_dict().keys() >= {"id", "bound", "measured", "verdict"}


def test_layers_without_the_structure_of_the_proof_are_not_proved() -> None:
    laws = hw.bounds_over("previous", by=range(1, 9), lengths=[16, 32, 64, 128], alphabets=[4])
    row = next(r for r in laws.rows if r.id == "attention_layers")
    assert row.verdict == "meets on all 32 instances; fits by = 1..8, N = 16..128, not proved"
    with_zero = hw.bounds_over("khop", k=range(4), lengths=[16], alphabets=[4])
    assert "proved for every" not in with_zero.rows[0].verdict


def test_the_structure_that_the_proof_is_about() -> None:
    assert chain_of_reads(hw.programs.get("khop", k=5).build(16)) == (5, 1)
    assert chain_of_reads(hw.programs.get("induction").build(16)) is None
    assert chain_of_reads(previous_form(3).build(16, 4)) is None


def test_exact_fits() -> None:
    k, n = (sp.Symbol(name, integer=True, nonnegative=True) for name in ("k", "N"))
    basis = [sp.Integer(1), n, floor_log2(k), ones(k), n * k]
    points = [{"k": a, "N": b} for a in range(1, 9) for b in (4, 8, 16, 32)]
    values = [7 + 3 * p["N"] + p["k"].bit_count() for p in points]
    found = fit(points, values, basis)
    assert found is not None and found.unseen == 11 and found.expression == 7 + 3 * n + ones(k)
    values[-1] += 1
    assert fit(points, values, basis) is None
    halves = fit(points, [p["k"] * p["N"] // 2 for p in points], basis)
    assert halves is not None and halves.expression == sp.Rational(1, 2) * n * k


def test_functions_are_exact_on_integers() -> None:
    for x in (1, 2, 3, 4, 7, 8, 9, 2**60 - 1, 2**60, 2**60 + 1):
        assert exact(floor_log2(sp.Integer(x))) == x.bit_length() - 1
        assert exact(ceil_log(sp.Integer(x), sp.Integer(2))) == (x - 1).bit_length()
        assert exact(ones(sp.Integer(x))) == bin(x).count("1")
        assert exact(above(sp.Integer(x), 4)) == (x > 4)
    assert exact(ceil_log(sp.Integer(3**7), sp.Integer(3))) == 7
    assert number(symbolic_log2(sp.Integer(1024))) == 10 and number(Fraction(1, 2)) == 0.5
    assert str(floor_log2(sp.Symbol("k")) + 2) == "floor(log2(k)) + 2"


# --- the command -----------------------------------------------------------------------------------------


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["bounds", *arguments])
    return done.exit_code, done.stdout if done.exit_code < 2 else done.stderr


def test_the_command_prints_a_table_json_and_markdown() -> None:
    asked = ["khop", "--set", "k=3", "--length", "64", "--alphabet", "4"]
    code, text = call(*asked)
    assert code == 0
    assert any(line.split() == "HOP-UB EXACT L <= floor(log2(k)) + 2 = 3 L = 3 meets".split() for line in text.splitlines())
    code, text = call(*asked, "--json")
    rows = json.loads(text)["rows"]
    assert code == 0 and all({"id", "bound", "measured", "verdict"} <= row.keys() for row in rows)
    assert next(r for r in rows if r["id"] == "HOP-UB")["bound"] == 3
    code, text = call(*asked, "--markdown")
    assert code == 0 and "| HOP-UB | EXACT | L <= floor(log2(k)) + 2 = 3 | L = 3 | meets | arXiv 2402.09268" in text


def test_the_command_judges_shapes_families_and_own_programs(tmp_path: Path) -> None:
    code, text = call("induction", "--one-layer", "h=1,m=8,p=24", "--length", "1024")
    assert code == 0 and "ratio 0.422" in text
    code, text = call("compose", "--one-layer", "h=1,m=8,p=24", "--with", "n=800")
    assert code == 1 and "violates by" in text
    code, text = call("khop", "--over", "k=1..4", "--length", "16..64", "--alphabet", "4", "--json")
    assert code == 0 and json.loads(text)["instances"] == 12
    own = tmp_path / "own.py"
    own.write_text("import headwork as hw\n@hw.program(alphabet=4)\ndef own(token):\n    return hw.previous(token)\n", encoding="utf-8")
    code, text = call(f"{own}:own", "--length", "16")
    assert code == 0 and "family previous" in text and "ONE: derived here" in text
    code, text = call(f"{own}:own", "--length", "16", "--family", "broadcast")
    assert code == 0 and "ONE EXACT L <= 1 L = 1 meets".split() in [line.split() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["khop", "--length", "2..8"], "--length 2..8 is not one length"),
        (["khop", "--length", "8..2"], "--length 8..2 is an empty range"),
        (["khop", "--over", "k"], "--over k is not name=range"),
        (["khop", "--over", "k=a..b"], "--over a..b is not a number"),
        (["khop", "--with", "k=3"], "--with and --form go with --family"),
        (["khop", "--one-layer", "h=1,m=2"], "does not give h, m and p"),
        (["ioi", "--one-layer", "h=1,m=2,p=3"], "no statement about one layer speaks of the family 'unique'"),
    ],
)
def test_the_command_refuses_mistakes(arguments: list[str], fact: str) -> None:
    code, text = call(*arguments)
    assert code == 2 and fact in text and "hint: " in text


def test_ranges() -> None:
    assert numbers("--over", "1..4", doubling=False) == [1, 2, 3, 4]
    assert numbers("--length", "256..65536", doubling=True) == [2**i for i in range(8, 17)]
    assert numbers("--length", "100..500", doubling=True) == [100, 200, 400]
    assert numbers("--length", "3,5", doubling=True) == [3, 5]


@pytest.mark.parametrize(
    ("name", "parameters", "row", "verdict"),
    [
        ("sort", {}, "SORT", "meets"),
        ("sort_by", {}, "SORT", "meets"),
        ("majority", {}, "ONE", "meets"),
        ("bigram", {}, "BIGRAM", "meets"),
        ("ngram", {"n": 2}, "BIGRAM", "meets"),
        ("ngram", {"n": 3}, "MARKOV", "ratio 1 (within what suffices)"),
        ("dyck_k", {}, "DYCK", "meets"),
        ("addition", {"heads": 2}, "ADDITION", "meets"),
        ("hop_by_steps", {"k": 4}, "HOP-STEPS.steps", "meets"),
        ("nearest", {}, "SEP-NEAREST.m", "ratio 3.76 (unknown constant)"),
        ("automaton", {}, "SCAN", "meets"),
    ],
)
def test_programs_that_aggregate_have_their_rows(name: str, parameters: dict[str, object], row: str, verdict: str) -> None:
    """The layers of sorting, majority, bigrams and scans, by theorem and by the tensors; and the library's own statement."""
    report = hw.bounds(hw.compile(hw.programs.get(name, **parameters), length=100))
    verdicts = {r.id: r.verdict for r in report.rows}
    assert verdicts[row] == verdict
    assert verdicts["STATED"] == "meets"
