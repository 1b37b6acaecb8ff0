"""Statements that a user might write by mistake, or at sizes where their formulas have no value: refused by name, or said to be so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import headwork as hw
from headwork.theory.statement import Facts
from headwork.theory.text import expression

GREAT = ("L <= N**N", "L >= 10**400", "10**400*L <= 1", "L <= -5")


def statement(**given: object) -> hw.Statement:
    return hw.Statement(**{"id": "X", "statement": "It is so.", "source": "me", "bounds": "L <= 1", **given})  # pyright: ignore[reportArgumentType]


def held(*rows: hw.Statement) -> hw.Bounds:
    cost = hw.compile(hw.programs.get("previous"), length=64, alphabet=4).cost
    return hw.bounds(cost, length=64, alphabet=4, rows=rows)


def verdict(**given: object) -> str:
    return held(statement(**given)).rows[0].verdict


@pytest.mark.parametrize(
    "given",
    [
        *({"id": wrong} for wrong in (3, "", " ", "A\nB")),
        *({name: 5} for name in ("statement", "source", "note", "checked")),
        *({"bounds": wrong} for wrong in (3, None, (3,))),
        *({name: wrong} for name in ("families", "assumes", "needs") for wrong in (3, (3,), {"a"})),
    ],
    ids=str,
)
def test_what_should_be_text_and_is_none_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(hw.InputError, match=r"statement (.|\n)* has"):
        statement(**given)


@pytest.mark.parametrize(
    ("bound", "fact"),
    [
        (hw.Bound("L >= 1", kind="sure"), "has the kind 'sure'"),  # pyright: ignore[reportArgumentType]
        (hw.Bound("L >= 1", aside="so"), "has aside='so'"),  # pyright: ignore[reportArgumentType]
        (hw.Bound(3), "a bound has text=3"),  # pyright: ignore[reportArgumentType]
        (hw.Bound("L >= 1", part=3), "a bound has part=3"),  # pyright: ignore[reportArgumentType]
        ("L <= 5/2 + 0.5", "has the decimal 0.5"),
        ("L <= 1/(N - N)", "has no value"),
        ("L/(N - N) <= 1", "has no value"),
        ("L <= log2(0)", "has no value"),
        ("L <= max()", "has no value"),
        ("L <= N // 2", "has an operation that is not known"),
        ("L <= (9**4000)**4000", "has a power of more than 4,000 digits"),
    ],
    ids=str,
)
def test_bounds_that_make_no_sense(bound: object, fact: str) -> None:
    with pytest.raises(hw.InputError) as caught:
        statement(bounds=bound)
    assert fact in str(caught.value)


@pytest.mark.parametrize(
    "formula", ["10**10**10", "2**(-99999)", "+".join("1" * 3000), "(" * 500 + "1" + ")" * 500, "log2(1, 2)", "exp()", "1\0"]
)
def test_a_formula_that_cannot_be_calculated_is_refused(formula: str) -> None:
    with pytest.raises(hw.InputError) as caught:
        statement(bounds=f"L <= {formula}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("formula", ["N**(N**N)", "N**(N**2)", "(N**N)**N", "exp(exp(N))", "floor(exp(N**3))", "trees(N**2, N**2)"])
def test_numbers_that_take_too_long_to_calculate_are_refused_by_name(formula: str) -> None:
    with pytest.raises(hw.InputError, match=r"statement X: .* (a power of more than 4,000 digits|trees of more than 512 symbols)"):
        verdict(bounds=f"L <= {formula}")


@pytest.mark.slow
def test_great_numbers_are_drawn_or_left_out(tmp_path: Path) -> None:
    report = held(*(statement(id=f"R{i}", bounds=b) for i, b in enumerate(GREAT)))
    assert report.plot(tmp_path / "great.png").stat().st_size > 1000


def test_great_numbers_are_told_shortly() -> None:
    report = held(*(statement(id=f"R{i}", bounds=b) for i, b in enumerate(GREAT)))
    assert [row.verdict for row in report.rows] == ["beats by 3.94e+115", "violates by 1.00e+400", "exceeds by 1.00e+400", "exceeds by 6"]
    assert json.loads(json.dumps(report.as_dict()))["rows"][0]["bound"] == 64**64


def test_values_of_what_is_no_whole_number() -> None:
    facts = Facts({"N": 100})
    texts = {"floor(log2(N/3))": 5, "floor(log2(1/3))": -2, "floor(log2(log2(N)))": 2, "ceil(log(N/3, 3))": 4, "ceil(log2(sqrt(N)))": 4}
    for text, value in texts.items():
        assert facts.value(expression(text)) == value, text
    assert facts.value(expression("exp(20*N)")) > 10**868  # beyond a float


def test_where_a_formula_has_no_value_it_is_said_which() -> None:
    assert verdict(bounds="log(-N) <= 3") == "vacuous here because log(-N) has no value at these sizes"
    assert verdict(bounds="L <= log(-N)") == "vacuous here because log(-N) has no value at these sizes"
    assert verdict(bounds=hw.Bound("L <= 1", aside=("so", "log(-N)"))) == "meets; so nothing at these sizes"
    row = held(statement(assumes="log(-N) <= 3")).rows[0]
    assert row.verdict == "meets" and (row.assumed[0].here, row.assumed[0].holds) == ("no value at these sizes", None)


def test_a_chain_of_comparisons_is_checked() -> None:
    assert verdict(assumes="1 <= L <= N") == "meets"
    assert verdict(assumes="2 ≤ L <= N") == "not applicable because L = 1: it assumes 2 <= L"
    assert verdict(bounds="L ≥ 2") == "violates by 1"


def test_a_guard_that_fails_is_named() -> None:
    for guard in ("vacuous", "excluded"):
        with pytest.raises(hw.InputError, match=f"{guard} of statement X raised KeyError"):
            verdict(**{guard: lambda facts: facts["zeta"]})
        with pytest.raises(hw.InputError, match=f"{guard} of statement X returned 3"):
            verdict(**{guard: lambda facts: 3})
    assert verdict(needs="zeta", vacuous=lambda facts: facts["zeta"]) == "not applicable because zeta is not given"


@pytest.mark.parametrize("name", ["L", "N", "p"])
def test_a_parameter_named_as_what_is_measured_is_refused(name: str) -> None:
    """It would be taken for the model's own size."""

    def family(**given: int) -> hw.Program:
        return hw.programs.get("previous", by=given[name])

    with pytest.raises(hw.InputError, match=f"has the name {name} "):
        hw.bounds_over(family, lengths=[8], alphabets=[4], rows=[statement()], **{name: range(1, 4)})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changed", "length", "alphabet"),
    [({"attention_layers": -3}, 8, 4), ({"attention_layers": 2.5}, 8, 4), ({"heads": (-1,)}, 8, 4), ({}, 0, 4), ({}, True, 4), ({}, 8, [])],
)
def test_sizes_that_no_model_has_are_refused(changed: dict[str, object], length: int, alphabet: int) -> None:
    cost = dataclasses.replace(hw.compile(hw.programs.get("previous"), length=8, alphabet=4).cost, **changed)  # pyright: ignore[reportArgumentType]
    with pytest.raises(hw.InputError, match="of at least"):
        hw.bounds(cost, length=length, alphabet=alphabet, rows=[statement()])
