"""The program library: programs by name, each with an independent reference, samples and a stated layer count."""

from __future__ import annotations

import difflib

from ..compiler.errors import InputError
from ..compiler.language import Program
from . import (
    addition,
    automaton,
    automaton_by_steps,
    compose,
    counter,
    counts,
    dyck,
    frequency,
    hop_by_steps,
    induction,
    ioi,
    khop,
    memory,
    nearest,
    ngram,
    prefix_sum,
    previous,
    recall,
    reverse,
    skip_trigram,
    sort,
    turing,
)
from .entry import Entry

_LIBRARY = (
    *(previous.ENTRY, induction.ENTRY, khop.ENTRY, skip_trigram.ENTRY, recall.ENTRY, compose.ENTRY, ioi.ENTRY),
    *(counts.LENGTH, counts.HISTOGRAM, counts.COUNT_LESS_FREQUENT, reverse.ENTRY, sort.SORT, sort.SORT_BY, sort.SORT_BY_FREQUENCY),
    *(frequency.MOST_FREQUENT, frequency.MAJORITY, frequency.FRACTION_OF_PREVIOUS, prefix_sum.PARITY, prefix_sum.PREFIX_SUM),
    *(dyck.DYCK1, dyck.DYCK_K, dyck.SHUFFLE_DYCK, ngram.BIGRAM, ngram.NGRAM, ngram.NGRAM_COUNTS, automaton.ENTRY, addition.ENTRY),
    *(memory.ENTRY, nearest.ENTRY),
    *(counter.ENTRY, hop_by_steps.ENTRY, automaton_by_steps.ENTRY, turing.ENTRY),  # on their own text
)
_ENTRIES = {entry.name: entry for entry in _LIBRARY}


def names() -> list[str]:
    """The names of all programs, from simple to involved."""
    return list(_ENTRIES)


def entry(name: str) -> Entry:
    """What the library knows about a program. Raises InputError for an unknown name, with the names there are."""
    if name not in _ENTRIES:
        close = difflib.get_close_matches(str(name), _ENTRIES, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise InputError(f"there is no program {name!r}", hint=f"{meant}the programs are {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def get(name: str, /, **parameters: object) -> Program:
    """A program by name, with its parameters. Raises InputError for a name or parameter that is not accepted."""
    return entry(name).program(**parameters)


__all__ = ["Entry", "entry", "get", "names"]
