"""Calls that a function does not take are refused by name, with the fix; and signatures read as they are written.

Python answers `hw.match(q=token)` with a TypeError of its own, without the user's line and without the parameter that was meant.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .errors import HeadworkError, InputError, ProgramError, caller

P = ParamSpec("P")
R = TypeVar("R")

KINDS: dict[str, Any] = {  # of annotations that can be told from a value alone
    **{"int": Integral, "float": Real, "str": str, "bool": bool, "None": type(None), "Path": Path},
    **{"Sequence": Sequence, "Mapping": Mapping, "Iterable": Iterable, "Callable": Callable},
}


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
    """The function; arguments that it does not take are a ProgramError with the caller's line and the parameter that was meant.

    An argument of another type than is written is an InputError where the function fails on it.
    """
    unquoted(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (TypeError, AttributeError, ValueError, OverflowError, RuntimeError) as error:
            if isinstance(error, HeadworkError):
                raise
            problem = mistake(function, args, kwargs) if isinstance(error, TypeError) else None
            if problem is None:
                _require_kinds(function, args, kwargs)
                raise  # the function was called as it should be, and its own work failed
        fact, hint = problem
        raise ProgramError(fact, caller(), hint)

    return call


def _require_kinds(function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> None:
    """Refuse arguments that are not of the types that are written, and numbers of more than 64 bits."""
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        return
    for name, value in given.items():
        written = str(function.__annotations__.get(name, "?"))
        flat = written
        while flat != (flat := re.sub(r"\[[^\[\]]*\]", "", flat)):  # what brackets hold is not looked at
            pass
        kinds = [part.strip() for part in flat.split("|")]
        if not set(kinds) <= set(KINDS):
            continue
        fits = ("bool" in kinds) if isinstance(value, bool) else any(isinstance(value, KINDS[k]) for k in kinds)
        if not fits:
            raise InputError(f"{function.__name__}() was given {name}={short(value)}", hint=f"{name} is {written}")
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise InputError(f"{function.__name__}() was given {name}={short(value)}", hint="give a number of 64 bits")


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
