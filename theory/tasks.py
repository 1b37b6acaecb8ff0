"""What each program of the library computes, in the theory's words: its family, the family's parameters, and how k-hop is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from ..programs import Entry
from ..programs.automaton import Rows, read_rows
from ..programs.compose import PEOPLE
from .semigroup import unsolvable

Settings: TypeAlias = Mapping[str, object]
Task: TypeAlias = tuple[str | None, dict[str, int], str | None]
LONG = 1 << 40  # at which no scan is done in one layer


def _whole(settings: Settings, name: str) -> int:
    return cast("int", settings[name])


def _entries(settings: Settings, name: str) -> int:
    return len(cast("tuple[object, ...]", settings[name]))


PLAIN: dict[str, str] = {
    "previous": "previous",
    "skip_trigram": "skip-trigram",
    "recall": "recall",
    "recall_pairs": "recall-pairs",
    "ioi": "unique",
    "length": "length",
    "histogram": "histogram",
    "count_less_frequent": "count-of-counts",
    "reverse": "reverse",
    "sort": "sort",
    "sort_by": "sort",
    "sort_by_frequency": "frequency-sort",
    "most_frequent": "most-frequent",
    "majority": "majority",
    "fraction_of_previous": "fraction",
    "parity": "parity",
    "prefix_sum": "prefix-sum",
    "dyck1": "dyck",
    "dyck_k": "dyck",
    "shuffle_dyck": "shuffle-dyck",
    "bigram": "bigram",
    "associative_memory": "associative-memory",
    "counter": "counter-by-steps",
    "automaton_by_steps": "automaton-by-steps",
    "turing": "turing-by-steps",
    "list_ranking": "list-ranking",
    "match3": "match3",
}
SPECIAL: dict[str, Callable[[Entry, Settings], Task]] = {
    "khop": lambda e, s: ("khop", {"k": _whole(s, "k")}, "position"),
    "induction": lambda e, s: ("induction", {"k": 1}, "previous"),
    "compose": lambda e, s: ("composition", {"n": len(PEOPLE), "functions": 2}, None),
    "ngram": lambda e, s: (_markov(s), {}, None),
    "ngram_counts": lambda e, s: (_markov(s), {}, None),
    "looped_khop": lambda e, s: ("looped-khop", {"k": _whole(s, "k")}, "position"),
    "reachability": lambda e, s: ("reachability", {"V": _whole(s, "vertices")}, None),
    "automaton": lambda e, s: ("scan" if e.layers(LONG, **s) > 1 else "counted-automaton", _groups(s), None),
    "looped_automaton": lambda e, s: ("looped-automaton", _groups(s), None),
    "addition": lambda e, s: ("addition", {"fan": _whole(s, "heads")}, None),
    "hop_by_steps": lambda e, s: ("hop-by-steps", {"k": _whole(s, "k"), "steps": _whole(s, "k") + 1}, None),
    "kth_one": lambda e, s: ("kth-one", {"k": _whole(s, "k"), "steps": _whole(s, "k")}, None),
    "compose_by_steps": lambda e, s: ("compose-by-steps", {"k": _whole(s, "k"), "steps": _whole(s, "k")}, None),
    "alternations": lambda e, s: ("alternating" if s["exact"] else "alternations", {"k": _whole(s, "k")}, None),
    # Steps between walls keep the order of places, and such maps hold no group but the trivial one.
    "gridworld": lambda e, s: ("gridworld", {"S": _whole(s, "places"), "unsolvable": 0}, None),
    "equal": lambda e, s: ("equal", {"size": _whole(s, "size")}, None),
    "disjoint": lambda e, s: ("disjoint", {"size": _whole(s, "size")}, None),
    "nearest": lambda e, s: ("nearest", {"votes": _whole(s, "k")}, None),
    "circuit_by_steps": lambda e, s: ("circuit-by-steps", dict.fromkeys(("gates", "steps"), _entries(s, "gates")), None),
}


def task(entry: Entry, settings: Settings) -> Task:
    """The family of a library program for these parameters, None where no statement is about it."""
    special = SPECIAL.get(entry.name)
    return special(entry, settings) if special else (PLAIN.get(entry.name), {}, None)


def _groups(settings: Settings) -> dict[str, int]:
    return {"unsolvable": unsolvable(list(read_rows(cast("Rows", settings["dfa"]), ())[1].values()))}


def _markov(settings: Settings) -> str:
    return "bigram" if settings["n"] == 2 else "markov" if _whole(settings, "n") > 2 else "most-frequent"
