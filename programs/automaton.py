"""Finite automata: any deterministic one, given as a table of its transitions."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence

from ..compiler import language as hw
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .entry import Entry, at_least

Rows = Sequence[Sequence[Symbol]]
Map = tuple[int, ...]  # for each state, the next

ROOMS = ("door", "hall", "desk", "window")
CORRIDOR = tuple(
    (room, step, ROOMS[min(max(i + by, 0), len(ROOMS) - 1)]) for i, room in enumerate(ROOMS) for step, by in (("left", -1), ("right", 1))
)
MOST_MAPS = 256  # different compositions of transitions a scan can hold


def make(dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",), heads: int = 1) -> hw.Program:
    """Whether the automaton, run over the tokens so far, is in a state of `accept`; if that is empty, its state's number.

    `dfa` lists (state, symbol, next state). The first state listed is the start; states are numbered as they first appear on
    the left. Where the symbols' transitions commute, counting each is enough: one layer. Otherwise transitions, as maps of
    the states, are composed by a scan of `heads` heads a layer (arXiv 2210.10749).
    Raises InputError for rows that are no triples, a transition that is missing or given twice, accepted states that are
    not listed, `heads < 1`, and for more than 256 different compositions of transitions.
    """
    at_least("automaton", "heads", heads, 1)
    states, maps = read_rows(dfa, accept)
    accepted = [state in accept for state in states]
    counted = _commute(maps.values())
    monoid = [] if counted else compositions(list(maps.values()))

    @hw.program(name="automaton", alphabet=tuple(maps))
    def automaton(token: hw.Value) -> hw.Value:
        state = _by_counting(token, maps) if counted else _by_scan(token, maps, monoid, heads)
        return hw.table(lambda q: accepted[q], state) if accept else state

    return automaton


def read_rows(dfa: Rows, accept: Sequence[Symbol]) -> tuple[list[Symbol], dict[Symbol, Map]]:
    """The states, and for each symbol where it leads from each."""
    following: dict[tuple[Symbol, Symbol], Symbol] = {}
    for row in dfa:
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 3 or not all(isinstance(x, (str, int)) for x in row):
            raise InputError(f"program automaton was given the row {row!r}", hint="a row is [state, symbol, next state]")
        state, symbol, after = row
        if (state, symbol) in following:
            raise InputError(f"program automaton was given {state!r} with {symbol!r} twice", hint="give one next state for each")
        following[state, symbol] = after
    states = list(dict.fromkeys(state for state, _ in following))
    symbols = list(dict.fromkeys(symbol for _, symbol in following))
    if not states:
        raise InputError("program automaton was given no rows", hint="a row is [state, symbol, next state]")
    for state in [*following.values(), *accept]:
        if state not in states:
            raise InputError(f"program automaton has no transitions from the state {state!r}", hint=f"give one for each symbol: {symbols}")
    for pair in itertools.product(states, symbols):
        if pair not in following:
            raise InputError(
                f"program automaton has no transition from {pair[0]!r} with {pair[1]!r}", hint="add the row; a trap state will do"
            )
    return states, {symbol: tuple(states.index(following[state, symbol]) for state in states) for symbol in symbols}


def then(first: Map, second: Map) -> Map:
    return tuple(second[state] for state in first)


def _commute(maps: Iterable[Map]) -> bool:
    return all(then(f, g) == then(g, f) for f, g in itertools.combinations(maps, 2))


def compositions(maps: Sequence[Map]) -> list[Map]:
    """Every composition of the maps: the transition semigroup."""
    found = dict.fromkeys(maps)
    todo = list(found)
    while todo:
        f = todo.pop()
        for g in maps:
            if (h := then(f, g)) not in found:
                found[h] = None
                todo.append(h)
        if len(found) > MOST_MAPS:
            hint = "merge states, or look for symbols that need not be told apart"
            raise InputError(f"program automaton has more than {MOST_MAPS} different compositions of transitions", hint=hint)
    return list(found)


def numbered(maps: dict[Symbol, Map], monoid: Sequence[Map]) -> tuple[list[Map], dict[Map, int]]:
    """The compositions in an order, and their numbers; the maps of two symbols, where there are two, get the least and the greatest."""
    first, *more = list(dict.fromkeys(maps.values()))[:2]
    order = [first, *(f for f in monoid if f not in (first, *more)), *more]
    return order, {f: i for i, f in enumerate(order)}


def _by_scan(token: hw.Value, maps: dict[Symbol, Map], monoid: Sequence[Map], heads: int) -> hw.Value:
    """The composition of the maps so far, at the start state. A scan acts on its value's domain, which is all of them."""
    order, number = numbered(maps, monoid)
    step = hw.table(lambda symbol: number[maps[symbol]], token)
    so_far = hw.scan(lambda f, g: number[then(order[f], order[g])], step, heads=heads)
    return hw.table(lambda f: order[f][0], so_far)


def _by_counting(token: hw.Value, maps: dict[Symbol, Map]) -> hw.Value:
    """The start state moved by each different map as often as its symbols occurred, in any order.

    The powers of a map repeat from some `tail` on with some `period`: f**c is f**(min(c, tail) + max(c - tail, 0) % period).
    """
    here = tuple(range(len(next(iter(maps.values())))))
    state: hw.Value | None = None
    for f in dict.fromkeys(maps.values()):
        powers = [here]
        while (after := then(powers[-1], f)) not in powers:
            powers.append(after)
        tail = powers.index(after)
        count = hw.match(True, hw.table(lambda symbol, f=f: maps[symbol] == f, token)).count()
        times = hw.minimum(count, tail) if tail else count % len(powers)
        if 0 < tail < len(powers) - 1:
            times = times + hw.maximum(count - tail, 0) % (len(powers) - tail)
        if state is None:
            state = hw.table(lambda c, powers=powers: powers[min(c, len(powers) - 1)][0], times)
        else:
            state = hw.table(lambda q, c, powers=powers: powers[min(c, len(powers) - 1)][q], state, times)
    assert state is not None
    return state


def reference(
    tokens: Sequence[Symbol], dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",), heads: int = 1
) -> list[Symbol | None]:
    """One state, moved token by token."""
    following = {(state, symbol): after for state, symbol, after in dfa}
    numbers = {state: i for i, state in enumerate(dict.fromkeys(state for state, _ in following))}
    state = dfa[0][0]
    out: list[Symbol | None] = []
    for token in tokens:
        state = following[state, token]
        out.append(state in accept if accept else numbers[state])
    return out


def sample(rng: random.Random, length: int, dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",), heads: int = 1) -> list[Symbol]:
    """Random symbols."""
    return list(rng.choices(sorted({symbol for _, symbol, _ in dfa}, key=str), k=length))


def layers(length: int, dfa: Rows = CORRIDOR, accept: Sequence[Symbol] = ("window",), heads: int = 1) -> int:
    """Attention layers: one count, or the levels of a scan."""
    return 1 if _commute(read_rows(dfa, accept)[1].values()) else scan_layers(length, heads)


def scan_layers(length: int, heads: int) -> int:
    """min L: (heads + 1)**L >= length."""
    return next(level for level in itertools.count() if (heads + 1) ** level >= length)


ENTRY = Entry(
    name="automaton",
    summary="Any finite automaton, given by its transitions: whether it accepts the tokens so far. Here, a walk along a corridor.",
    make=make,
    reference=reference,
    sample=sample,
    layers=layers,
    layers_formula="min L: (heads + 1)^L >= N; 1 where the transitions commute",
    alphabet=("left", "right"),
    alphabet_fixed=True,
    parameters={"dfa": CORRIDOR, "accept": ("window",), "heads": 1},
)
