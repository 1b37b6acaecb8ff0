"""Finite automata by one block: the maps of ever longer stretches of text, composed by the same weights in every round."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from .automaton import CORRIDOR, Rows, compositions, numbered, read_rows, reference as moved, sample as symbols, then
from .entry import Entry


def make(dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",)) -> hw.Program:
    """As `automaton`: whether it is in a state of `accept` after the tokens so far, or its state's number. One block, looped.

    After j rounds each place has the composition of the last 2**j transitions; a round reads that of the place 2**j back and doubles
    the width, which is a value of the state. So the weights do not depend on how far it reads: ceil(log2 N) rounds read all.
    Raises InputError as `automaton` does. Source: Hillis and Steele 1986; for automata arXiv 2210.10749.
    """
    states, maps = read_rows(dfa, accept)
    accepted = [state in accept for state in states]
    order, number = numbered(maps, compositions(list(maps.values())))

    @hw.program(name="looped_automaton", alphabet=tuple(maps))
    def looped_automaton(token: hw.Value, position: hw.Value) -> hw.Value:
        def double(so_far: hw.Value, width: hw.Value) -> tuple[hw.Value, hw.Value]:
            before = so_far.at(position - width)
            longer = hw.table(lambda f, g: number[then(order[f], order[g])], before, so_far)
            return longer.or_else(so_far), hw.minimum(width * 2, position)

        step = hw.table(lambda symbol: number[maps[symbol]], token)
        so_far, _ = hw.loop(lambda n: (n - 1).bit_length(), double, step, 1)
        return hw.table(lambda f: accepted[order[f][0]] if accept else order[f][0], so_far)

    return looped_automaton


def reference(tokens: Sequence[Symbol], dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",)) -> list[Symbol | None]:
    """One state, moved token by token."""
    return moved(tokens, dfa, accept)


def sample(rng: random.Random, length: int, dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",)) -> list[Symbol]:
    """Random symbols."""
    return symbols(rng, length, dfa, accept)


def layers(length: int, dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",)) -> int:
    """One layer a round."""
    return (length - 1).bit_length()


ENTRY = Entry(
    name="looped_automaton",
    summary="Any finite automaton by one block: each round doubles how far back its transitions are composed.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="ceil(log2 N), one block",
    alphabet=("left", "right"),
    alphabet_fixed=True,
    parameters={"dfa": CORRIDOR, "accept": ("window",)},
)
