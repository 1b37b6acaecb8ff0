"""The registry: every statement by its id, and under which heading it stands."""

from __future__ import annotations

from . import automata, explicit, hops, loops, others, parallel, shallow, steps
from .statement import Statement

GROUPS: dict[str, tuple[Statement, ...]] = {
    "k-hop": hops.ROWS,
    "One layer, two layers": shallow.ROWS,
    "Massively parallel computation": parallel.ROWS,
    "Constructions": explicit.ROWS,
    "Automata, languages, circuits": automata.ROWS,
    "Weight-tied loops": loops.ROWS,
    "Chain of thought": steps.ROWS,
    "Other models": others.ROWS,
}
_ALL = tuple(row for rows in GROUPS.values() for row in rows)
REGISTRY: dict[str, Statement] = {row.id: row for row in _ALL}
assert len(REGISTRY) == len(_ALL), "two statements have one id"

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(family for row in _ALL for family in row.families))

__all__ = ["FAMILIES", "GROUPS", "REGISTRY"]
