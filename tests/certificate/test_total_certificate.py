"""The certificate of aggregates: every selector and aggregate is certified, and what is wrong is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.codes.forms import Form
from headwork.compiler.codes.numerics import dtype_named
from headwork.compiler.plan.tally import fill
from headwork.tests import mutate
from headwork.tests.compiler.test_select import CASES, WANTED


def aggregate(case: int, name: str, causal: bool = True) -> hw.Program:
    make = WANTED[name][0]
    return hw.program(name=name, causal=causal)(lambda token, position: make(CASES[case].make(token, position), token, position))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "bidirectional"])
@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.name for case in CASES])
def test_aggregates_are_certified(index: int, causal: bool) -> None:
    names = list(WANTED)
    for name in (names[(5 * index + 3 * causal + j * 5 + 1) % len(names)] for j in range(3)):
        proof = hw.certify(hw.compile(aggregate(index, name, causal), length=11, alphabet=4))
        assert all(head.error < 0.5 for head in proof.heads)


PROGRAMS: dict[str, Callable[[hw.Value, hw.Value], hw.Value]] = {
    "count": lambda t, p: hw.match(t, t).count(),
    "order": lambda t, p: hw.select(p, t * 3, ">", before=True).count(),
    "sum": lambda t, p: hw.visible(t).sum(t * 2 - 1).or_else(0),
    "mode": lambda t, p: hw.select(t, t, "!=").mode(t),
    "largest": lambda t, p: hw.select(t, t, ">=").largest(by=t).position,
    "latest of a relation": lambda t, p: hw.select(p, p, lambda q, k: (q + k) % 3 != 1).latest().fetch(t),
    "earliest of a relation": lambda t, p: hw.select(t, t, lambda q, k: q + k != 2).earliest().position,
    "two layers": lambda t, p: hw.match(hw.match(t, t).count(), hw.match(t, t).count()).count(),
}


def compiled(name: str, length: int = 4) -> hw.Model:
    body = PROGRAMS[name]
    return hw.compile(hw.program(name=name)(lambda token, position: body(token, position)), length=length, alphabet=3)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", mutate.KINDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_mutants_that_are_accepted_change_nothing(name: str, kind: str) -> None:
    """An accepted mutant writes the right values on every input, and most are refused."""
    model, rng, refused, count = compiled(name), random.Random(f"{name}{kind}"), 0, 24
    for _ in range(count):
        fault = mutate.KINDS[kind](model, rng)
        verdict = mutate.verdict(model, fault)
        assert verdict != "wrong", fault.what
        refused += verdict == "refused"
    assert refused > count / 3


def changed(model: hw.Model, tensor: str, change: Callable[[float], float], where: Callable[[float], bool]) -> None:
    """Change every entry of a tensor that `where` picks; at least one."""
    data = dict(model.module.named_parameters())[tensor].data
    chosen = [tuple(map(int, index)) for index in data.nonzero() if where(float(data[tuple(index)]))]
    assert chosen
    for index in chosen:
        data[index] = change(float(data[index]))


@pytest.mark.parametrize(
    ("tensor", "change", "where", "message"),
    [
        ("blocks.0.W_O", lambda x: x * 1.25, lambda x: x > 1e9, "totals match other keys|W_O multiplies a sum by"),
        ("blocks.0.W_O", lambda x: x * 1.0625, lambda x: x > 1e9, "off before it is rounded"),
        ("blocks.0.W_O", lambda x: -x, lambda x: x > 1e9, "totals match other keys"),
        ("W_pos", lambda x: x / 2, lambda x: x > 2**22, "W_pos"),
        ("blocks.0.W_K", lambda x: x / 2, lambda x: True, "1.04|off before|scores|W_O multiplies|match other keys"),
        ("blocks.0.W_Q", lambda x: x / 4, lambda x: True, "match other keys|vanish|nats"),
    ],
    ids=["factor", "factor a little off", "sign", "filling", "scores", "shallow"],
)
def test_wrong_totals_are_refused(tensor: str, change: Callable[[float], float], where: Callable[[float], bool], message: str) -> None:
    model = compiled("count", 300)
    assert hw.certify(model)
    changed(model, tensor, change, where)
    with pytest.raises(hw.Refused, match=message):
        hw.certify(model)


@pytest.mark.parametrize("less", [1, 2**22], ids=["by one", "by half"])
def test_a_filling_that_no_longer_rounds_is_refused(less: int) -> None:
    """Filling and its claims lowered together: numbers below 2^23 have a spacing of 1/2, and sums would keep their error.

    Lowered by one, only the least total stands at 2^23, and only an error to that side is kept.
    """
    model = compiled("count", 300)
    changed(model, "W_pos", lambda x: x - less, lambda x: x > 2**22)
    changed(model, "blocks.1.W_in", lambda x: x + less, lambda x: x < -(2**22))

    def lowered(form: Form) -> Form:
        return replace(form, top=form.top - less, off=form.off and form.off + less) if form.top >= 2**23 else form

    with pytest.raises(hw.Refused, match="no spacing of 1"):
        hw.certify(replace(model, probes=tuple(replace(p, form=lowered(p.form)) for p in model.probes)))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_every_total_is_rounded_to_wherever_its_error_lies(name: str) -> None:
    """The cell's sum in the arithmetic itself, at the least total, at 0 and at the greatest, off by almost 1/2 to both sides."""
    dtype = dtype_named(name)
    real = np.dtype(name).type
    for least, greatest in ((0, 300), (-300, 0), (-1024, 2048)):
        base = fill(least, dtype)
        for total in (least, 0, greatest):
            for error in (-0.49, -0.26, 0.26, 0.49):
                assert real(base) + real(total + error) == base + total


def test_the_bound_of_the_compiler_holds_for_the_checker() -> None:
    """2,048 matches in a cell are within 1/2, by the checker's own count; half precision is refused by its inequality."""
    assert 0.1 < hw.certify(compiled("count", 2048)).heads[0].error < 0.5
    count = hw.program(name="count")(lambda token: hw.match(token, token).count())
    with pytest.raises(hw.ExactnessError, match=r"1\.1·\(M \+ 524\)·M·m \(M = 1, m = 1\) = 578 > 256"):
        hw.compile(count, length=64, alphabet=3, dtype="bfloat16")
    with pytest.raises(hw.ExactnessError, match=r"needs e\^32, which float16 does not hold"):
        hw.compile(count, length=64, alphabet=3, dtype="float16")
