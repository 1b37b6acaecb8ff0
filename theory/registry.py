"""The registry: every statement by its id."""

from __future__ import annotations

from . import explicit, hops, others, parallel, shallow
from .statement import Statement

_ALL = (*hops.ROWS, *shallow.ROWS, *parallel.ROWS, *explicit.ROWS, *others.ROWS)
REGISTRY: dict[str, Statement] = {row.id: row for row in _ALL}
assert len(REGISTRY) == len(_ALL), "two statements have one id"

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(family for row in _ALL for family in row.families))

__all__ = ["FAMILIES", "REGISTRY"]
