"""Floors and ±1 codes in stages: right on every number, and no sum of units leaves the mantissa; pointers far beyond one staircase."""

from __future__ import annotations

import random
from bisect import bisect_left, insort

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.codes.forms import Form
from headwork.compiler.codes.linear import Lin, Unit, activations
from headwork.compiler.codes.numerics import DTYPES
from headwork.compiler.errors import ExactnessError
from headwork.compiler.plan.stairs import LONG, floor, signs, staircase
from headwork.execution.grounds import grounds
from headwork.runtime.module import Attention

FLOAT32 = DTYPES["float32"]


class Numbers:
    """All numbers 0..top, and every form of them that was asked for, computed by the units that make it."""

    def __init__(self, top: int) -> None:
        self.z, self.cells, self.known = np.arange(top + 1), list[np.ndarray](), dict[Form, tuple[Lin, ...]]()
        self.cells.append((self.z > 0).astype(np.int64))  # 1, and 0 at BOS

    def value(self, lin: Lin) -> np.ndarray:
        return np.asarray(sum((self.cells[f] * k for (f, _), k in lin.terms), np.zeros(len(self.z), np.int64)))

    def hold(self, form: Form, column: np.ndarray) -> tuple[Lin, ...]:
        self.cells.append(column)
        self.known[form] = (Lin.cell(len(self.cells) - 1),)
        return self.known[form]

    def read(self, form: Form) -> tuple[Lin, ...]:
        if form in self.known:
            return self.known[form]
        if form.kind == "floor":
            return self.hold(form, self.exact(floor(form, self.read, FLOAT32, "a floor"), form)[:, 0])
        return self.hold(form, form.encode(self.z)[:, 0])

    def exact(self, units: tuple[Unit, ...], form: Form) -> np.ndarray:
        """What units add up to, each no more than its peak, and together no more than float32 holds."""
        for unit in units:
            assert unit.peak is None or self.value(unit.pre).max() <= unit.peak
        for d in range(form.width):
            peaks = [unit.peak if unit.peak is not None else int(self.value(unit.pre).max()) for unit in units]
            assert sum(abs(unit.out[d]) * peak for unit, peak in zip(units, peaks, strict=True)) <= FLOAT32.limit
        found = activations(units, self.value, len(self.z), form.width)
        assert (found == form.encode(self.z)).all()
        return found


@pytest.mark.parametrize("top", [6, 300, 4096, 5000, 70_000])
def test_floors_and_signs_are_right_on_every_number(top: int) -> None:
    numbers = Numbers(top)
    assert numbers.exact(signs(Form("signs", 0, top), numbers.read, FLOAT32), Form("signs", 0, top)).shape == (top + 1, top.bit_length())
    for step in (2, 7, 64, 1000):
        if step <= top:
            form = Form("floor", 0, top, step)
            assert (numbers.value(numbers.read(form)[0]) == numbers.z // step).all()
            assert staircase(top, step) == sum(
                (top - step * k + 1) + (top - step * k) for k in range(1, top // step + 1)
            )  # two units at each step


def test_what_no_stages_hold_is_refused() -> None:
    form = Form("floor", 0, 1 << 26, 2)
    with pytest.raises(ExactnessError, match="a floor is not exact in float32"):
        floor(form, lambda f: (Lin.cell(1),), FLOAT32, "a floor")


@hw.program(name="distance", alphabet=4)
def distance(token: hw.Value, position: hw.Value) -> hw.Value:
    """The token at the position whose number is the distance back to this token's last occurrence."""
    return token.at(position - hw.match(query=token, key=token, before=True).latest().position)


@hw.program(name="repeated", alphabet=4)
def repeated(token: hw.Value, position: hw.Value) -> hw.Value:
    """The token where the distance was last the same."""
    apart = position - hw.match(query=token, key=token, before=True).latest().position
    return hw.match(query=apart, key=apart, before=True).latest().fetch(token)


@pytest.mark.slow
def test_pointers_that_are_computed_hold_in_float32() -> None:
    for program, length, layers in ((distance, 1 << 18, 2), (repeated, 1 << 15, 2)):
        model = hw.compile(program, length=length, dtype="float32")
        assert model.module.shape.d_model < 32 and sum(isinstance(b, Attention) for b in model.module.blocks) == layers
    model = hw.compile(repeated, length=3000, dtype="float32")
    assert model.module.shape.d_model < 32 and not grounds(model).reason
    text, last, seen, wanted = random.Random(1).choices(range(4), weights=[1, 5, 25, 125], k=3000), dict[int, int](), dict[int, int](), []
    for i, token in enumerate(text):
        apart = i - last[token] if token in last else None
        wanted.append(None if apart not in seen else text[seen[apart]])
        last[token] = i
        if apart is not None:
            seen[apart] = i
    assert model.run([model.alphabet.symbols[t] for t in text], engine="sparse") == [
        None if t is None else model.alphabet.symbols[t] for t in wanted
    ]


@hw.program(name="rarer", alphabet=3)
def rarer(token: hw.Value) -> hw.Value:
    """How many positions so far held their token for fewer times than this one does: counts are compared bit by bit, by quotients."""
    seen = hw.match(token, token).count()
    return hw.select(seen, seen, ">").count()


def rarer_in_python(text: list[int]) -> list[int]:
    """The same by a sorted list."""
    seen, held, said = dict[int, int](), list[int](), list[int]()
    for token in text:
        seen[token] = seen.get(token, 0) + 1
        said.append(bisect_left(held, seen[token]))
        insort(held, seen[token])
    return said


@pytest.mark.parametrize(("dtype", "length"), [("float32", 6500), pytest.param("float64", 17_000, marks=pytest.mark.slow)])
def test_a_quotient_that_no_one_staircase_holds_is_a_floor_in_stages(dtype: str, length: int) -> None:
    """In float32 one staircase of halves adds up to length²/2; in float64 it has two hidden units for each half."""
    assert staircase(6500, 2) > FLOAT32.limit and LONG < 2 * (17_000 // 2)
    model = hw.compile(rarer, length=length, dtype=dtype)
    text = random.Random(1).choices(range(3), weights=[1, 5, 94], k=400)
    assert model.run(text, engine="dense") == rarer_in_python(text)


@pytest.mark.slow
def test_such_a_quotient_is_certified_and_right_to_the_end() -> None:
    model = hw.compile(rarer, length=6500)
    text = random.Random(1).choices(range(3), weights=[1, 5, 94], k=6500)
    assert model.run(text, engine="sparse", audit=4) == rarer_in_python(text)


def test_what_would_take_too_many_hidden_units_is_refused() -> None:
    """Squares of a computed pointer: a unit for each number. With digits they are few."""
    with pytest.raises(ExactnessError, match=r"would take 100,000 hidden units, more than 65,536"):
        hw.compile(distance, length=100_000, dtype="float64", code="scalar")
    assert hw.compile(distance, length=100_000, dtype="float64").module.shape.d_model < 32
