"""Maps of maps as one function of what they are made of: how programs write functions of many values, and pairs that are compared.

A tree of Map and SequenceMap that passes tuples on, `(x, y)` and then `(x, y, z)`, is a function of its leaves. Called with symbols it
may be arithmetic, without a code for each tuple; and where it gives a tuple of leaves, tuples are equal where their parts are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .column import ABSENT, Coded, Column
from .evaluator import called
from .sops import Map, SequenceMap, SOp

MOST_LEAVES = 8
Columns = Callable[[SOp], Column]


def flattened(sop: SOp) -> tuple[Callable[..., Any], list[SOp]]:
    """The function that a tree of maps is of its leaves, and these in order."""
    leaves: list[SOp] = []

    def of(e: SOp) -> Callable[[Sequence[Any]], Any]:
        match e:
            case Map(f=f, inner=inner):
                x = of(inner)
                return lambda values: called(f, x(values))
            case SequenceMap(f=f, fst=fst, snd=snd):
                x, y = of(fst), of(snd)
                return lambda values: called(f, x(values), y(values))
            case _:
                known = next((i for i, leaf in enumerate(leaves) if leaf is e), len(leaves))
                if known == len(leaves):
                    leaves.append(e)
                return lambda values: values[known]

    whole = of(sop)
    return lambda *values: whole(values), leaves


def passes_tuples(sop: SOp, columns: Columns) -> bool:
    """Whether a map is given a tuple by another map, as far as one value of each leaf shows."""
    parts = [e for e in sop.children if isinstance(e, (Map, SequenceMap))]
    for part in parts:
        function, leaves = flattened(part)
        points = [_some(columns(leaf)) for leaf in leaves]
        if not any(p is ABSENT for p in points) and isinstance(called(function, *points), tuple):
            return True
    return False


def _some(column: Column) -> Any:
    """A point of a column, ABSENT where there is none."""
    return next(iter(column.distinct), ABSENT) if isinstance(column, Coded) else 1


class _Leaf:
    """Stands for a leaf's value; it can be put into tuples and nothing else."""


def parts_of(sop: SOp, columns: Columns) -> list[SOp] | None:
    """The leaves that an operation is the tuple of, in order; None where it is no tuple of leaves."""
    if not isinstance(sop, (Map, SequenceMap)):
        return None
    function, leaves = flattened(sop)
    if len(leaves) > MOST_LEAVES:
        return None
    marks = [_Leaf() for _ in leaves]
    try:
        found = function(*marks)
    except Exception:  # whatever a function of the user's raises when it is given no value
        return None
    if not isinstance(found, tuple) or not all(isinstance(x, _Leaf) for x in found):
        return None
    at = [marks.index(x) for x in found]
    points = [_some(columns(leaf)) for leaf in leaves]
    if any(p is ABSENT for p in points) or called(function, *points) != tuple(points[i] for i in at):
        return None
    return [leaves[i] for i in at]
