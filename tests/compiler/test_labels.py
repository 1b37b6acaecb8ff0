"""Labels, fractions, products and what else a program may return or read by: each against plain Python, certified."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest

import headwork as hw

Row = Sequence[object]
Answer = Callable[[Row], list[object]]


def nearest(row: Row) -> list[object]:
    """The nearest other place with the same token, the earlier of two as near."""
    places = [[t for t, x in enumerate(row) if x == y and t != i] for i, y in enumerate(row)]
    return [min(p, key=lambda t, i=i: (abs(t - i), t)) + 1 if p else None for i, p in enumerate(places)]


def following(row: Row) -> list[object]:
    """The next place with the same token."""
    return [next((t + 1 for t in range(i + 1, len(row)) if row[t] == x), None) for i, x in enumerate(row)]


def share(row: Row, x: object) -> list[Fraction]:
    """How often x was said so far, over the places so far."""
    return [Fraction(sum(y == x for y in row[: i + 1]), i + 1) for i in range(len(row))]


@hw.program(alphabet=8)
def power(token):
    return hw.table(lambda t: 10**t, token)


@hw.program(alphabet="abc")
def halves(token):
    half = hw.table({"a": 0.5, "b": Fraction(1, 3), "c": "third"}.get, token)
    return half, hw.match(query=half, key=half).count(), hw.previous(half).or_else(2.5), hw.where(token == "a", half, 1)


@hw.program(alphabet="ab")
def shares(token):
    a, b = hw.visible(token).mean(token == "a"), hw.visible(token).mean(token == "b")
    return a, a > b, a == b


@hw.program(alphabet="ab", causal=False)
def two_means(token, position):
    behind, ahead = hw.visible(token, before=True).mean(token == "a"), hw.visible(token, after=True).mean(token == "a")
    return behind, ahead, behind < ahead


@hw.program(alphabet="ab", causal=False)
def both_ways(token, position):
    others = hw.match(token, token, before=True) | hw.match(token, token, after=True)
    return others.nearest().position, hw.match(token, token, after=True).earliest().position


@hw.program(alphabet="abc", causal=False)
def mirrored(token, position):
    return token.at(hw.visible(token).count() - position + 1), token.at(2 * position)


@hw.program(alphabet=[-3, 1, 4, 7, 20])
def products(token, position):
    seen = hw.visible(token).count()
    return token * position, position * position, seen * seen - token, seen // (position + 0) * token


@hw.program(alphabet=16)
def quotients(token, position):
    return position // token, position % token, (token + 5) // position, (token + 5) % position


CASES: dict[hw.Program, Answer] = {
    power: lambda row: [10**t for t in row],  # type: ignore[operator]
    shares: lambda row: [(p, p > 1 - p, p == 1 - p) for p in share(row, "a")],
    two_means: lambda row: [_two(row, i) for i in range(len(row))],
    both_ways: lambda row: list(zip(nearest(row), following(row), strict=True)),
    mirrored: lambda row: [(row[-1 - i], row[2 * i + 1] if 2 * i + 1 < len(row) else None) for i in range(len(row))],
    products: lambda row: [(t * i, i * i, i * i - t, t) for i, t in enumerate(row, 1)],  # type: ignore[operator]
    quotients: lambda row: [(*(divmod(i, t) if t else (None, None)), *divmod(t + 5, i)) for i, t in enumerate(row, 1)],  # type: ignore
}


def _two(row: Row, i: int) -> tuple[object, ...]:
    parts = [[x == "a" for x in part] for part in (row[:i], row[i + 1 :])]
    a, b = (Fraction(sum(part), len(part)) if part else None for part in parts)
    return a, b, None if a is None or b is None else a < b


@pytest.mark.parametrize("program", CASES, ids=lambda p: p.name)
def test_it_is_what_plain_python_says(program: hw.Program) -> None:
    rng, length = random.Random(0), 9
    model = hw.compile(program, length=length)
    rows = [rng.choices(model.alphabet.symbols, k=n) for n in (1, 2, *[length] * 12)]
    for row in rows:
        want = CASES[program](row)
        assert hw.interpret(program, row, length=length) == want, row
        assert model.run(row) == want, row
    assert hw.certify(model)


def test_labels_are_compared_looked_up_and_chosen() -> None:
    model = hw.compile(halves, length=5)
    for row in itertools.product("abc", repeat=4):
        named = [{"a": 0.5, "b": Fraction(1, 3), "c": "third"}[x] for x in row]
        before = [2.5, *named[:-1]]
        chosen = [0.5 if x == "a" else 1 for x in row]
        want = [(x, row[: i + 1].count(row[i]), b, c) for i, (x, b, c) in enumerate(zip(named, before, chosen, strict=True))]
        assert model.run(list(row)) == hw.interpret(halves, list(row)) == want
    assert hw.certify(model)


@pytest.mark.parametrize(
    ("first", "second"), [(True, 1), (0, False), ((1, True), (1, 1)), (frozenset({0}), frozenset({False})), (True, 1.0)]
)
def test_true_is_not_taken_for_one(first: object, second: object) -> None:
    """Python takes them for equal, so that one of them would be answered in place of the other."""
    found = {"a": first, "b": second, "c": "else"}
    twice = hw.program(lambda token: hw.table(found.get, token), name="twice")
    apart = hw.program(
        lambda token: (hw.table({"a": first, "b": "x"}.get, token), hw.table({"a": second, "b": "x"}.get, token)), name="apart"
    )
    for program in (twice, apart):
        with pytest.raises(hw.DomainError) as caught:
            hw.compile(program, length=4, alphabet="abc")
        assert f"{second!r} where the program has {first!r}: Python takes them for one value" in str(caught.value)
        assert "hint: give truth values alone" in str(caught.value)
    alone = hw.program(lambda token: hw.table({"a": first, "b": first, "c": "else"}.get, token), name="alone")
    assert str(hw.compile(alone, length=4, alphabet="abc").run(list("abc"))) == str([first, first, "else"])


def test_an_output_has_a_class_for_each_value_that_occurs() -> None:
    assert [form.classes for form in hw.compile(power, length=4).output_forms] == [9]  # 8 values and ⊥, not 10,000,001


def doubled(position, token):
    """22 doublings: 33 million places for as many values as there are positions."""
    for _ in range(22):
        position = position + position
    return hw.where(token == 1, position + 1, 7)


def test_sums_of_one_number_have_classes_for_what_occurs() -> None:
    program = hw.program(doubled)
    model = hw.compile(program, length=8, alphabet=3)
    assert [form.classes for form in model.output_forms] == [10] and model.cost.parameters < 1_000
    row = [1, 0, 2, 1, 1, 1, 0, 1]
    assert model.run(row) == [2**22 * (p + 1) + 1 if t == 1 else 7 for p, t in enumerate(row)] == hw.interpret(program, row)
    assert hw.certify(model)


def test_what_is_read_of_a_number_far_apart_has_classes_for_what_occurs() -> None:
    program = hw.program(lambda position: hw.previous(position * 2**22), name="far")
    model = hw.compile(program, length=16, alphabet=2)
    assert [form.classes for form in model.output_forms] == [17] and model.cost.parameters < 1_000
    assert model.run([0] * 16) == [None, *(2**22 * p for p in range(1, 16))] == hw.interpret(program, [0] * 16)
    assert hw.certify(model)


def test_a_checkpoint_keeps_labels_and_fractions(tmp_path) -> None:
    for program, row in ((halves, list("abcab")), (shares, list("abbab"))):
        model = hw.compile(program, length=5)
        model.save(tmp_path / program.name)
        assert hw.load(tmp_path / program.name).run(row) == model.run(row)


def test_products_are_written_the_cheaper_way() -> None:
    wide = hw.program(lambda position, token: hw.visible(token).count() * (hw.visible(token).sum(token)), name="wide")
    model = hw.compile(wide, length=32, alphabet=3)
    assert max(b.d_mlp for b in model.module.shape.blocks if hasattr(b, "d_mlp")) < 33 * 65  # a table of both would take that
    assert any("two tables of squares" in note for note in model.graph.notes)
    assert model.run([2, 1, 0, 2]) == [2, 6, 9, 20]


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(hw.DomainError, match="// divides"):
        hw.program(lambda token, position: (position * position) // (position + 1)).build(300, 2)


def test_reading_ahead_in_a_causal_program_warns() -> None:
    with pytest.warns(hw.ProgramWarning, match="after=True"):
        hw.program(lambda token: hw.visible(token, after=True).count()).build(4, 2)
