"""The registry: every statement by its id, and under which heading it stands."""

from __future__ import annotations

from .statement import Statement
from .table import read

FILES = ("khop", "shallow", "parallel", "constructions", "languages", "loops", "thought", "others")

GROUPS: dict[str, tuple[Statement, ...]] = dict(map(read, FILES))
_ALL = tuple(row for rows in GROUPS.values() for row in rows)
REGISTRY: dict[str, Statement] = {row.id: row for row in _ALL}
assert len(REGISTRY) == len(_ALL), "two statements have one id"

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(family for row in _ALL for family in row.families))

__all__ = ["FAMILIES", "GROUPS", "REGISTRY"]
