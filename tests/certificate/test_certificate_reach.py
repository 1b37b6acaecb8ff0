"""Right programs that a certificate once refused for lack of a rule: proved now, and run on every short input."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import headwork as hw

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


def test_large_alphabets_are_compared_by_squares() -> None:
    """Five thousand symbols against five thousand are not enumerated."""
    assert hw.certify(hw.compile(hw.programs.get("sort"), length=16, alphabet=5000)).alphabet == 5000


def test_too_many_cases_say_how_many_and_how_far_it_would_do() -> None:
    model = hw.compile(hw.program(name="p")(lambda token: hw.visible(token, within=5).max(token)), length=400, alphabet=10)
    with pytest.raises(
        hw.Refused, match=r"too many cases: block \d+ \(MLP\), value \S+ depends on 2 values with [\d,]+ combinations"
    ) as refused:
        hw.certify(model, witness=False)
    assert refused.value.kind == "too many cases"
    assert "at about N = " in refused.value.hint
