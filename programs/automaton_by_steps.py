"""An automaton run on its own text: a word, a colon, then one generated state for each letter."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, always

Rules = Sequence[Sequence[str]]

COLON = ":"
PARITY = (("even", "0", "even"), ("even", "1", "odd"), ("odd", "0", "odd"), ("odd", "1", "even"))


def make(rules: Rules = PARITY) -> hw.Program:
    """After `word : states so far`: the next state; ⊥ where no rule applies, so generation ends with the word.

    `rules` lists (state, letter, next state); the first one's state is the start. Two layers run an automaton on words of
    any length, at the price of a generated token a letter. Raises InputError for a rule that is not three words, two rules
    for one state and letter, or a colon among the words.
    """
    table = _table(rules)
    start = rules[0][0]

    @hw.program(name="automaton_by_steps", alphabet=_words(rules))
    def automaton(token: hw.Value, position: hw.Value) -> hw.Value:
        written = position - hw.match(query=COLON, key=token).latest().position
        letter = hw.match(query=written + 1, key=position).latest().fetch(token)
        state = hw.where(token == COLON, start, token)
        return hw.table(lambda q, x: table.get((q, x)), state, letter)

    return automaton


def _table(rules: Rules) -> dict[tuple[str, str], str]:
    table: dict[tuple[str, str], str] = {}
    for rule in rules:
        if isinstance(rule, str) or len(rule) != 3 or not all(isinstance(w, str) and w != COLON for w in rule):
            raise InputError(f"program automaton_by_steps was given the rule {rule!r}", hint="a rule is [state, letter, next state]")
        state, letter, after = rule
        if (state, letter) in table:
            raise InputError(f"program automaton_by_steps was given {state}, {letter} twice", hint="an automaton has one next state")
        table[state, letter] = after
    if not table:
        raise InputError("program automaton_by_steps was given no rules", hint="give at least one rule [state, letter, next state]")
    return table


def _words(rules: Rules) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(rule[1] for rule in rules), COLON, *(w for rule in rules for w in (rule[0], rule[2]))]))


def reference(tokens: Sequence[Symbol], rules: Rules = PARITY) -> list[Symbol | None]:
    """Where the latest colon stood, how many tokens follow it, and the letter of that number."""
    out: list[Symbol | None] = []
    colon: int | None = None
    for i, token in enumerate(tokens):
        colon = i if token == COLON else colon
        state = rules[0][0] if token == COLON else token
        letter = None if colon is None else tokens[i - colon]
        out.append(next((after for q, x, after in rules if (q, x) == (state, letter)), None))
    return out


def sample(rng: random.Random, length: int, rules: Rules = PARITY) -> list[Symbol]:
    """A word, the colon, and the states of its first letters; cut at the end."""
    letters = list(dict.fromkeys(rule[1] for rule in rules))
    word = [rng.choice(letters) for _ in range(max(1, (length - 1) // 2))]
    tape: list[Symbol] = [*word, COLON]
    while len(tape) < length and (state := reference(tape, rules)[-1]) is not None:
        tape.append(state)
    return tape[:length]


ENTRY = Entry(
    name="automaton_by_steps",
    summary="A finite automaton on its own text: word, colon, then a state a step.",
    make=make,
    reference=reference,
    sample=sample,
    layers=always(2),  # the colon, then the letter
    layers_formula="2",
    alphabet=_words(PARITY),
    alphabet_fixed=True,
    parameters={"rules": PARITY},
)
