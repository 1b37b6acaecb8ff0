"""The table of the theory: the rows of a TOML file as statements. What is no text is a named function of `guards`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from .guards import GUARDS
from .statement import Bound, Facts, Statement

ROWS = Path(__file__).parent / "rows"
Row: TypeAlias = Mapping[str, object]


def read(name: str) -> tuple[str, tuple[Statement, ...]]:
    """The heading and the rows of a file of the table.

    A row's fields are `Statement`'s; a bound is a text, or a `Bound`'s fields. `vacuous_by` and `excluded_by` name a guard;
    `excluded` is the reason itself, for a row about what no compiled model is.
    """
    table = tomllib.loads((ROWS / f"{name}.toml").read_text(encoding="utf-8"))
    return table["heading"], tuple(_statement(row) for row in table["row"])


def _statement(row: Row) -> Statement:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    given["bounds"] = tuple(bound if isinstance(bound, str) else _bound(bound) for bound in cast("list[str | Row]", row.get("bounds", [])))
    for field in ("vacuous", "excluded"):
        if (guard := given.pop(f"{field}_by", None)) is not None:
            given[field] = GUARDS[cast("str", guard)]
        elif field in given:
            given[field] = _always(cast("str", given[field]))
    return cast("Callable[..., Statement]", Statement)(**given)


def _bound(fields: Row) -> Bound:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return cast("Callable[..., Bound]", Bound)(**given)


def _always(reason: str) -> Callable[[Facts], str]:
    return lambda _: reason
