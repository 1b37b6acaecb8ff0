"""Right programs that a certificate once refused for lack of a rule: proved now, and run on every short input."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import headwork as hw
from headwork.compiler.language import apart
from headwork.prover import blocks

Body = Callable[..., hw.Value]


def first_two(token: hw.Value) -> hw.Value:
    counts = hw.visible(token).counts(token)
    return counts[0] + counts[1] >= 3


def long_chain(position: hw.Value) -> hw.Value:
    for step in range(1000):
        position = position + step % 3
    return position


def off_the_text(token: hw.Value, position: hw.Value) -> hw.Value:
    for _ in range(4):
        token = token.at(position - 16)
    return token


def a_sum_and_its_parts(token: hw.Value, position: hw.Value) -> hw.Value:
    earlier = hw.match(token, token, before=True).count()
    return hw.match(position % 3 + earlier // 2, earlier).count()


def one_and_true(token: hw.Value, position: hw.Value) -> hw.Value:
    there = (position * 0).exists
    return hw.visible(token).count() - hw.match(there, there).count()


def itself(token: hw.Value) -> hw.Value:
    count = hw.match(token, token).count()
    return count <= count


def twice_back(token: hw.Value) -> hw.Value:
    before = hw.match(token, token, before=True).latest()
    return before.fetch(before.position)


PROGRAMS: dict[str, tuple[Body, int]] = {  # with the length that is certified
    "a sum of totals over one selector": (first_two, 64),
    "a ranked pick over several heads, before": (lambda token: hw.visible(token, before=True, within=2).max(token), 64),
    "a query that is always the same": (lambda token, position: token.at(hw.match(position * 0 + 1, position).latest().position), 64),
    "a value compared with itself": (itself, 64),
    "a pointer in which the position cancels": (lambda token, position: token.at(position + (token - position)), 64),
    "places further back, read where a match was": (
        lambda token, position: hw.match(token, token, before=True).latest().fetch(position - 2),
        64,
    ),
    "what is read is smaller than what may stand there": (twice_back, 16),
    "a value that is always ⊥, read": (lambda token, position: hw.where(position * 0 >= 1, token, None).at(position - 1).exists, 16),
    "places off the text, and off it again": (off_the_text, 16),
    "a sum beside what it sums": (a_sum_and_its_parts, 1),
    "totals that cancel": (one_and_true, 16),
    "keys that never match": (lambda token: hw.select(hw.match(token, token).count(), token, lambda q, k: False).any(), 64),
    "a long chain": (long_chain, 16),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_right_programs_are_certified(name: str) -> None:
    body, length = PROGRAMS[name]
    assert hw.check(hw.compile(hw.program(name="p")(body), length=4, alphabet=3), exhaustive=4, samples=0).ok
    assert hw.certify(hw.compile(hw.program(name="p")(body), length=length, alphabet=3)).length == length


FAR: dict[str, tuple[Body, int]] = {
    "the greatest of the last five": (lambda token: hw.visible(token, within=5).max(token), 1024),
    "the greatest of the last fifty": (lambda token: hw.visible(token, within=50).max(token), 1024),
    "how long ago": (lambda token, position: position - seen(token), 16384),
    "a place against another": (lambda token, position: seen(token).or_else(0) * 2 == position, 16384),
    "the later of two numbers": (lambda token, position: hw.maximum(seen(token) * 2, position), 16384),
}


def seen(token: hw.Value) -> hw.Value:
    return hw.match(token, token, before=True).latest().position


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if "fifty" in n else n for n in FAR])
def test_two_large_numbers_are_compared_by_their_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the length asked, and on every short input by the same graph."""
    body, length = FAR[name]
    program = hw.program(name="p")(body)
    model = hw.compile(program, length=length, alphabet=10)
    assert model.cost.attention_layers == 1
    assert hw.certify(model, witness=False).length == length
    monkeypatch.setattr(apart, "MOST", 1)
    short = hw.compile(program, length=4, alphabet=3)
    assert hw.check(short, exhaustive=4, samples=0).ok
    assert hw.certify(short, witness=False).length == 4


def by_weight(token: hw.Value) -> hw.Value:
    counts = hw.visible(token).counts(token)[:3]
    scores = [counts[0] * a + counts[1] * b + counts[2] * c for a, b, c in ((3, -7, 11), (5, 1, -9), (-5, 5, 2))]
    best = hw.maximum(scores[0], scores[1])
    return hw.where(scores[2] > best, 2, hw.where(scores[1] > scores[0], 1, 0))


def test_weighted_sums_of_counts_are_compared_by_their_difference() -> None:
    """As a classifier's scores are: of three counts, at a length at which these have too many combinations."""
    program = hw.program(name="p")(by_weight)
    assert hw.certify(hw.compile(program, length=512, alphabet=3), witness=False).length == 512
    assert hw.check(hw.compile(program, length=512, alphabet=3), samples=4, lengths=(7, 40)).ok


def test_the_labels_of_several_nearest_examples_are_counted() -> None:
    assert hw.certify(hw.compile(hw.programs.get("nearest", k=2), length=32), witness=False).length == 32


def test_large_alphabets_are_compared_by_squares() -> None:
    """Five thousand symbols against five thousand are not enumerated."""
    assert hw.certify(hw.compile(hw.programs.get("sort"), length=16, alphabet=5000)).alphabet == 5000


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("compose", {"length": 1 << 12}),
        ("ngram", {"length": 1 << 12}),
        ("nearest", {"length": 1 << 12, "dtype": "float64"}),
        pytest.param("compose", {"length": 1 << 18}, marks=pytest.mark.slow),
        pytest.param("nearest", {"length": 1 << 17, "dtype": "float64"}, marks=pytest.mark.slow),
    ],
)
def test_queries_with_a_constant_beside_their_code_are_compared_by_squares(name: str, given: dict[str, Any]) -> None:
    """Beyond 2^22 pairs of cases: the constant is part of the query's code where it meets the key's."""
    assert hw.certify(hw.compile(hw.programs.get(name), **given), witness=False).length == given["length"]


def test_squares_show_what_pairs_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the library's programs at a short length: where lookups are proved by SQUARE, by the same gaps."""
    for name in ("induction", "recall", "ngram", "nearest", "histogram"):
        model = hw.compile(hw.programs.get(name), length=4)
        known = hw.certify(model, witness=False)
        with monkeypatch.context() as some:
            some.setattr(blocks, "MAX_PAIRS", 0)
            found = hw.certify(model, witness=False)
        assert all(a.gap <= b.gap for a, b in zip(found.heads, known.heads, strict=True)), name


def test_too_many_cases_say_how_many_and_how_far_it_would_do() -> None:
    body = hw.program(name="p")(
        lambda token, position: hw.where(token == 0, position, hw.match(token, token, before=True).latest().position)
    )
    model = hw.compile(body, length=5000, alphabet=2)
    with pytest.raises(
        hw.Refused, match=r"too many cases: block \d+ \(MLP\), value \S+ depends on 3 values with [\d,]+ combinations"
    ) as refused:
        hw.certify(model, witness=False)
    assert refused.value.kind == "too many cases"
    assert "at about N = " in refused.value.hint


def test_a_hint_in_a_form_that_is_none_is_refused_before_anything_is_decoded() -> None:
    """A floor of steps of 0: no input is run in search of a fault, which would divide by it."""
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3)
    probe = model.probes[-1]
    damaged = replace(model, probes=(*model.probes[:-1], replace(probe, form=replace(probe.form, kind="floor", parts=0))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(hw.Refused, match="is in a form that is none"):
            hw.certify(damaged)
