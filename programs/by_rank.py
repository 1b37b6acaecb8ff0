"""Two tasks whose steps of thought are known exactly (arXiv 2501.12997): the k-th one of a text, and a function applied k times."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .entry import Entry, always, at_least

BITS = ("0", "1")


def make_kth_one(k: int = 3, size: int = 32) -> hw.Program:
    """After `size` bits: the place of the first one, then at each generated number the place of the next, k numbers in all.

    One layer: a number's query is itself, and its answer the earliest one beyond it. ⊥ where there are no more ones. The place of the
    k-th one is the k-th generated token, and no program of one layer and one head of hard attention has it sooner (arXiv 2501.12997).
    Raises InputError for k below 1 and size below 1.
    """
    at_least("kth_one", "k", k, 1)
    at_least("kth_one", "size", size, 1)
    number = {str(p) + "th": p for p in range(1, size + 1)}

    @hw.program(name=f"kth_one(k={k}, size={size})", alphabet=(*BITS, *number))
    def kth_one(token: hw.Value, position: hw.Value) -> hw.Value:
        behind = hw.table(lambda symbol: number.get(symbol, 0), token)
        one = hw.table(lambda symbol, place: True if symbol == "1" and place <= size else None, token, position)
        found = (hw.match(True, one) & hw.select(behind, position, "<")).earliest().position
        asked = hw.table(lambda place: True if size <= place < size + k else None, position)
        return hw.table(lambda place, _: f"{place}th" if place <= size else None, found, asked)

    return kth_one


def reference_kth_one(tokens: Sequence[Symbol], k: int = 3, size: int = 32) -> list[Symbol | None]:
    """The places of the ones as a list; each step looks for the first beyond the number it reads."""
    ones = [i for i, token in enumerate(tokens[:size], 1) if token == "1"]
    out: list[Symbol | None] = []
    for i, token in enumerate(tokens, 1):
        behind = int(str(token)[:-2]) if str(token).endswith("th") else 0
        beyond = [p for p in ones if p > behind]
        out.append(f"{beyond[0]}th" if beyond and size <= i < size + k else None)
    return out


def sample_kth_one(rng: random.Random, length: int, k: int = 3, size: int = 32) -> list[Symbol]:
    """Random bits, then the places that follow; cut at the end."""
    tape: list[Symbol] = [*rng.choices(BITS, k=size)]
    while len(tape) < min(length, size + k) and (said := reference_kth_one(tape, k, size)[-1]) is not None:
        tape.append(said)
    return tape[:length]


def make_compose_by_steps(k: int = 3, size: int = 16) -> hw.Program:
    """A function as `size` numbers, f(1) to f(size), then a number: each step says f of the last number, k times.

    One layer of one head: the number is the place where its value stands. A function applied k times takes k steps of thought with one
    layer of one head of hard attention, and no fewer (arXiv 2501.12997). Raises InputError for k below 1 and size below 2.
    """
    at_least("compose_by_steps", "k", k, 1)
    at_least("compose_by_steps", "size", size, 2)

    @hw.program(name=f"compose_by_steps(k={k}, size={size})", alphabet=tuple(map(str, range(1, size + 1))))
    def compose_by_steps(token: hw.Value, position: hw.Value) -> hw.Value:
        asked = hw.where((position > size) & (position <= size + k), hw.table(int, token), None)
        return hw.match(query=asked, key=position).latest().fetch(token)

    return compose_by_steps


def reference_compose_by_steps(tokens: Sequence[Symbol], k: int = 3, size: int = 16) -> list[Symbol | None]:
    """A dictionary of the function."""
    function = dict(enumerate(tokens[:size], 1))
    return [function.get(int(str(token))) if size < i <= size + k else None for i, token in enumerate(tokens, 1)]


def sample_compose_by_steps(rng: random.Random, length: int, k: int = 3, size: int = 16) -> list[Symbol]:
    """A random function and argument, then what follows; cut at the end."""
    tape: list[Symbol] = [str(rng.randint(1, size)) for _ in range(size + 1)]
    while len(tape) < min(length, size + 1 + k):
        tape.append(reference_compose_by_steps(tape, k, size)[-1] or "1")
    return tape[:length]


KTH_ONE = Entry(
    name="kth_one",
    summary="The place of the k-th one by chain of thought: each generated number is the place of the next one.",
    make=make_kth_one,
    reference=reference_kth_one,
    sample=sample_kth_one,
    layers=always(1),
    layers_formula="1",
    alphabet=(*BITS, *(f"{p}th" for p in range(1, 33))),
    alphabet_fixed=True,
    parameters={"k": 3, "size": 32},
)

COMPOSE_BY_STEPS = Entry(
    name="compose_by_steps",
    summary="A function given by its values, applied again and again by chain of thought.",
    make=make_compose_by_steps,
    reference=reference_compose_by_steps,
    sample=sample_compose_by_steps,
    layers=always(1),
    layers_formula="1",
    alphabet=tuple(map(str, range(1, 17))),
    alphabet_fixed=True,
    parameters={"k": 3, "size": 16},
)
