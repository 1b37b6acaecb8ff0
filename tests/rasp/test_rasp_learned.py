"""The recipe of docs/from-rasp.md for programs that Transformer Programs print, on random ones of that shape, against their own Python."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import headwork as hw

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-rasp.md"
SYMBOLS = ("<s>", "0", "1", "2")
Predicate = Callable[[Any, Any], bool]


def recipe() -> dict[str, Any]:
    """The functions that the page shows, from the page."""
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) if "def select_closest" in b)
    names: dict[str, Any] = {"hw": hw}
    exec(block.split("\n\n\n@hw.program")[0], names)
    assert len(block.split("\n\n\n@hw.program")[0].splitlines()) <= 30
    return names


def closest(keys: Sequence[Any], queries: Sequence[Any], predicate: Predicate) -> list[int]:
    """The printed code's selection: the nearest match, itself last, the first position where there is none."""
    found: list[int] = []
    for i, q in enumerate(queries):
        matches = [j for j, k in enumerate(keys) if predicate(q, k)]
        distance = {j: len(keys) if j == i else abs(i - j) for j in matches}
        found.append(min(matches, key=distance.__getitem__) if matches else 0)
    return found


def drawn(rng: random.Random, queries: Sequence[Any], keys: Sequence[Any]) -> Predicate:
    """A predicate as they are learned: a key for each query."""
    table = {q: rng.choice(list(keys)) for q in queries}
    return lambda q, k: table[q] == k


@pytest.mark.parametrize("seed", range(1))
def test_a_learned_program_means_what_its_code_says(seed: int) -> None:
    rng, n, r = random.Random(seed), 5, recipe()
    places = range(n)
    by_place, by_token = drawn(rng, places, places), drawn(rng, SYMBOLS, SYMBOLS)
    across, counted = drawn(rng, SYMBOLS, places), drawn(rng, SYMBOLS, SYMBOLS)
    mlp = {(a, b): rng.choice(SYMBOLS) for a in SYMBOLS for b in SYMBOLS}

    def learned(token: hw.Value, position: hw.Value) -> Any:
        here = position - 1
        first = r["aggregate"](r["select_closest"](here, here, by_place), token)
        second = r["aggregate"](r["select_closest"](token, first, by_token), token)
        third = r["aggregate"](r["select_closest"](here, second, across), first)
        number = r["aggregate_sum"](token, token, counted, 1)
        return hw.table(lambda a, b: mlp[a, b], third, second), number

    def printed(tokens: list[str]) -> list[Any]:
        here = list(range(len(tokens)))
        first = [tokens[j] for j in closest(here, here, by_place)]
        second = [tokens[j] for j in closest(tokens, first, by_token)]
        third = [first[j] for j in closest(here, second, across)]
        number = [sum(counted(q, k) for k in tokens) for q in tokens]
        return [(mlp[a, b], c) for a, b, c in zip(third, second, number, strict=True)]

    model = hw.compile(hw.program(name="learned", causal=False)(learned), length=n, alphabet=SYMBOLS)
    for _ in range(12):
        row = ["<s>", *rng.choices(SYMBOLS[1:], k=rng.randint(0, n - 1))]
        assert model.run(row) == hw.interpret(model, row) == printed(row), row
    assert hw.certify(model)
