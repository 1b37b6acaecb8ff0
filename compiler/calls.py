"""Calls that a function does not take are refused by name, with the fix; and signatures read as they are written.

Python answers `hw.match(q=token)` with a TypeError of its own, without the user's line and without the parameter that was meant.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from .errors import ProgramError, caller

P = ParamSpec("P")
R = TypeVar("R")


class Written(str):
    """An annotation that prints as it is written in the source, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def unquoted(function: Callable[P, R]) -> Callable[P, R]:
    """The function itself; its signature prints types without quotes."""
    for name, annotation in function.__annotations__.items():
        if isinstance(annotation, str):
            function.__annotations__[name] = Written(annotation)
    return function


def readable(kind: type[R]) -> type[R]:
    """The class itself; the signatures of its methods print types without quotes."""
    for member in vars(kind).values():
        if inspect.isfunction(member):
            unquoted(member)
    return kind


def public(function: Callable[P, R]) -> Callable[P, R]:
    """The function; arguments that it does not take are a ProgramError with the caller's line and the parameter that was meant."""
    unquoted(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            problem = mistake(function, args, kwargs)
            if problem is None:  # the function was called as it should be, and its own work failed
                raise
        fact, hint = problem
        raise ProgramError(fact, caller(), hint)

    return call


def mistake(function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> tuple[str, str] | None:
    """What is wrong with the arguments of a call, and the fix; None where the function takes them."""
    name = f"{function.__name__}()"
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    args = args[1:] if "self" in inspect.signature(function).parameters else args
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    placed = [p for p in parameters if p.kind != p.KEYWORD_ONLY]
    takes = f"it takes {', '.join(p.name for p in parameters)}" if parameters else "it takes nothing"
    names = [p.name for p in parameters if p.kind != p.POSITIONAL_ONLY]
    for given in kwargs:
        if given not in names:
            meant = close(given, names)
            return f"{name} has no parameter {given!r}", f"did you mean {meant}=? {takes}" if meant else takes
    if len(args) > len(placed):
        later = [p.name for p in parameters if p.kind == p.KEYWORD_ONLY and p.name not in kwargs]
        if not later:
            return f"{name} was given {len(args)} arguments", takes
        first, shown = [p.name for p in placed], [f"{p}={short(v)}" for p, v in zip(later, args[len(placed) :], strict=False)]
        return f"{name} takes {', '.join(later)} by name", f"write {function.__name__}({', '.join([*first, *shown])})"
    taken = {p.name for p in placed[: len(args)]}
    for twice in taken & set(kwargs):
        return f"{name} was given {twice} twice", takes
    missing = [p.name for p in parameters if p.default is p.empty and p.name not in taken | set(kwargs)]
    return (f"{name} was not given {' and '.join(missing)}", takes) if missing else None


def close(name: str, names: Iterable[str]) -> str:
    """The name that was meant: one that begins alike, or that differs by a letter or two; empty if there is none."""
    known = list(names)
    begin = [k for k in known if k.startswith(name) or name.startswith(k)]
    return (begin or difflib.get_close_matches(name, known, n=1) or [""])[0]


def short(value: object) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
