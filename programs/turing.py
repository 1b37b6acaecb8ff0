"""A Turing machine run on its own text: each generated token is one step, and one attention head is the tape."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, always, at_least

Rules = Sequence[Sequence[str]]

START = "start"
MOST = 4096  # entries of one table of words and symbols, each a hidden unit; more words have a table for each symbol
# The busy beaver of three states (Lin and Rado 1965): 14 steps, 6 ones. State, read, write, move, next state; first symbol is blank.
BEAVER = (
    ("A", "0", "1", ">", "B"),
    ("A", "1", "1", ">", "H"),
    ("B", "0", "0", ">", "C"),
    ("B", "1", "1", ">", "B"),
    ("C", "0", "1", "<", "C"),
    ("C", "1", "1", "<", "A"),
)


def make(rules: Rules = BEAVER, cells: int = 16) -> hw.Program:
    """After `start` and steps so far: the next step, written `state:symbol move cell`; ⊥ when it halts or leaves the cells.

    `B:1>9` says: 1 was written, the head went right and is at cell 9, the state is B. What stands in a cell was written by the
    latest step that left it: one lookup. `rules` lists (state, read, write, < or >, next state); the first one's state is the
    start and its read symbol the blank. Raises InputError for other rules, two of one state and symbol, or cells below 1.
    """
    machine, symbols = _Machine(rules, cells), _symbols(rules)
    steps = machine.words

    @hw.program(name="turing", alphabet=tuple(steps))
    def turing(token: hw.Value) -> hw.Value:
        head = hw.table(lambda s: steps[s][2], token)
        left = hw.table(lambda s: None if s == START else steps[s][2] - steps[s][3], token)  # the cell that was written
        wrote = hw.table(lambda s: symbols.index(steps[s][1]), token)
        under = hw.match(query=head, key=left).latest().fetch(wrote).or_else(0)
        if len(steps) * len(symbols) <= MOST:
            return hw.table(lambda s, symbol: machine.next(s, symbols[symbol]), token, under)
        said = hw.table(lambda s: machine.next(s, symbols[0]), token)  # of the token alone, so that it stands in the embedding
        for number, symbol in enumerate(symbols[1:], 1):
            said = hw.where(under == number, hw.table(lambda s, symbol=symbol: machine.next(s, symbol), token), said)
        return said

    return turing


class _Machine:
    """The words of a machine, each with (state, symbol written, head, move), and the step from one to the next."""

    def __init__(self, rules: Rules, cells: int) -> None:
        at_least("turing", "cells", cells, 1)
        self.rules: dict[tuple[str, str], tuple[str, int, str]] = {}
        for rule in rules:
            if isinstance(rule, str) or len(rule) != 5 or not all(isinstance(w, str) for w in rule) or rule[3] not in "<>":
                raise InputError(f"program turing was given the rule {rule!r}", hint="a rule is [state, read, write, < or >, next state]")
            state, read, write, move, after = rule
            if (state, read) in self.rules:
                raise InputError(f"program turing was given {state}, {read} twice", hint="a machine has one rule for a state and a symbol")
            self.rules[state, read] = write, 1 if move == ">" else -1, after
        if not self.rules:
            raise InputError("program turing was given no rules", hint="give at least one rule [state, read, write, < or >, next state]")
        self.words = {START: (rules[0][0], rules[0][1], cells // 2, 0)}
        for write, move, after in dict.fromkeys(self.rules.values()):
            self.words |= {_word(after, write, move, c): (after, write, c, move) for c in range(cells)}

    def next(self, word: str, symbol: str) -> str | None:
        """The word of the step from a word, where `symbol` is under the head."""
        state, _, head, _ = self.words[word]
        if (state, symbol) not in self.rules:
            return None
        write, move, after = self.rules[state, symbol]
        made = _word(after, write, move, head + move)
        return made if made in self.words else None


def _word(state: str, write: str, move: int, head: int) -> str:
    return f"{state}:{write}{'>' if move == 1 else '<'}{head}"


def _symbols(rules: Rules) -> list[str]:
    """Tape symbols, the blank first."""
    return list(dict.fromkeys([rules[0][1], *(s for rule in rules for s in (rule[1], rule[2]))]))


def reference(tokens: Sequence[Symbol], rules: Rules = BEAVER, cells: int = 16) -> list[Symbol | None]:
    """The tape as a dictionary, replayed step by step."""
    tape: dict[int, str] = {}
    out: list[Symbol | None] = []
    for token in map(str, tokens):
        state, head = rules[0][0], cells // 2
        if token != START:
            state, _, rest = token.rpartition(":")
            mark = max(rest.rfind("<"), rest.rfind(">"))
            head = int(rest[mark + 1 :])
            tape[head + (1 if rest[mark] == "<" else -1)] = rest[:mark]
        found = next((rule for rule in rules if (rule[0], rule[1]) == (state, tape.get(head, rules[0][1]))), None)
        to = None if found is None else head + (1 if found[3] == ">" else -1)
        out.append(f"{found[4]}:{found[2]}{found[3]}{to}" if found and to is not None and 0 <= to < cells else None)
    return out


def sample(rng: random.Random, length: int, rules: Rules = BEAVER, cells: int = 16) -> list[Symbol]:
    """A run from a blank tape, cut at a random place."""
    tape: list[Symbol] = [START]
    while len(tape) < length and (step := reference(tape, rules, cells)[-1]) is not None:
        tape.append(step)
    return tape[: rng.randint(1, len(tape))]


ENTRY = Entry(
    name="turing",
    summary="A Turing machine on its own text, one token a step; by default the busy beaver of three states.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(1),  # one head finds who wrote the cell last
    layers_formula="1",
    alphabet=tuple(_Machine(BEAVER, 16).words),
    alphabet_fixed=True,
    parameters={"rules": BEAVER, "cells": 16},
)
