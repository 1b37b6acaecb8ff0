"""The program library: programs by name, each with an independent reference, samples and a stated layer count."""

from __future__ import annotations

import difflib

from ..compiler.errors import InputError
from ..compiler.language import Program
from . import automaton_by_steps, compose, counter, hop_by_steps, induction, ioi, khop, previous, recall, skip_trigram, turing
from .entry import Entry

_ON_PROMPTS = (previous, induction, khop, skip_trigram, recall, compose, ioi)
_ON_THEIR_OWN_TEXT = (counter, hop_by_steps, automaton_by_steps, turing)
_ENTRIES = {module.ENTRY.name: module.ENTRY for module in (*_ON_PROMPTS, *_ON_THEIR_OWN_TEXT)}


def names() -> list[str]:
    """The names of all programs, from simple to involved."""
    return list(_ENTRIES)


def entry(name: str) -> Entry:
    """What the library knows about a program. Raises InputError for an unknown name, with the names there are."""
    if name not in _ENTRIES:
        close = difflib.get_close_matches(name, _ENTRIES, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise InputError(f"there is no program {name!r}", hint=f"{meant}the programs are {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def get(name: str, /, **parameters: object) -> Program:
    """A program by name, with its parameters. Raises InputError for a name or parameter that is not accepted."""
    return entry(name).program(**parameters)


__all__ = ["Entry", "entry", "get", "names"]
