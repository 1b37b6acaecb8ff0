"""What libraries have in common: entries by name, their parameters, and what is said to a name or a parameter that is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from ..compiler.errors import InputError

_KINDS: tuple[tuple[type, str], ...] = ((int, "an integer"), (str, "a string"), (tuple, "a list"))

MOST = 1 << 20  # of what a parameter counts


class Named(Protocol):
    """An entry, as far as a library needs it."""

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Named)


class Library(Generic[E]):
    """The entries of one kind, in the order they are listed in."""

    def __init__(self, kind: str, entries: Iterable[E]) -> None:
        self.kind = kind
        self.entries = {entry.name: entry for entry in entries}

    def entry(self, name: str) -> E:
        """The entry of that name. Raises InputError for an unknown one, with the names there are."""
        if name not in self.entries:
            close = difflib.get_close_matches(str(name), self.entries, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise InputError(f"there is no {self.kind} {name!r}", hint=f"{meant}the {self.kind}s are {', '.join(self.entries)}")
        return self.entries[name]


def in_order(what: str, defaults: Mapping[str, object], values: Sequence[object], given: Mapping[str, object]) -> dict[str, object]:
    """Parameters by name, those that were given without one in their order. Raises InputError for too many, or one given twice."""
    named = dict(zip(defaults, values, strict=False))
    if len(values) > len(defaults) or named.keys() & given.keys():
        taken = ", ".join(defaults) or "no parameters"
        raise InputError(
            f"{what} was given {len(values)} values without a name and {', '.join(given) or 'none'} by name", hint=f"it takes {taken}"
        )
    return named | dict(given)


def called(name: str, parameters: Mapping[str, object]) -> str:
    """A name with its parameters and their defaults, long ones left out: `khop(k=2)`."""
    shown = [f"{k}={v!r}" if len(repr(v)) <= 20 else f"{k}=…" for k, v in parameters.items()]
    return f"{name}({', '.join(shown)})"


def settled(what: str, defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Parameters over their defaults, checked for name and kind. Raises InputError naming what is accepted."""
    takes = ", ".join(f"{k}={v!r}" for k, v in defaults.items())
    name = what.split()[-1]
    accepted = f"{name} takes {takes}" if takes else f"{name} takes no parameters"
    found = dict(defaults)
    for parameter, value in given.items():
        if parameter not in found:
            raise InputError(f"{what} has no parameter {parameter!r}", hint=accepted)
        value = tuple(value) if isinstance(value, list) else value
        expected, kind = next(k for k in _KINDS if isinstance(found[parameter], k[0]))
        if not isinstance(value, expected) or isinstance(value, bool):
            raise InputError(f"{what} was given {parameter}={value!r}, which is not {kind}", hint=accepted)
        found[parameter] = value
    return found


def chosen(what: str, parameter: str, value: str, choices: Iterable[str]) -> None:
    """Check a parameter that is one of a few words. Raises InputError naming them."""
    words = list(choices)
    if value not in words:
        raise InputError(f"{what} was given {parameter}={value!r}", hint=f"give {parameter} as {' or '.join(words)}")


def bounded(what: str, parameter: str, value: int, least: int) -> None:
    """Check an integer parameter. Raises InputError where it is smaller than `least`, or so great that nothing would be done."""
    if not least <= value <= MOST:
        raise InputError(f"{what} was given {parameter}={value}", hint=f"give {parameter} of at least {least}, at most {MOST:,}")
