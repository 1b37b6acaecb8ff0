"""Which operations have a different value at each position, or the same at all: what shows that a selector selects one key.

- indices differ; so does a one-to-one function of what differs, and of it and something that may be anything if the result says which;
- the number of keys below one's own, where keys differ and all are seen, is a rank: it differs;
- constants, the length, and functions of them are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from .column import ABSENT, Coded, Column, Line, key_of
from .evaluator import called
from .functions import MOST_PAIRS
from .selectors import Comparison, Select, SelectorWidth
from .sops import Full, IndicesType, LengthType, Map, SequenceMap, SOp, Source
from .traced import Linear, traced

Columns = Callable[[SOp], Column]


def is_distinct(sop: SOp, columns: Columns, causal: bool) -> bool:
    """Whether no two positions of a sequence have the same value, ⊥ left out."""
    match sop:
        case IndicesType():
            return True
        case Map(f=f, inner=inner):
            return is_distinct(inner, columns, causal) and _one_to_one(f, columns(inner))
        case SequenceMap(f=f, fst=fst, snd=snd):
            for by, other, g in ((fst, snd, f), (snd, fst, lambda y, x: f(x, y))):
                if is_distinct(by, columns, causal):
                    a, b = columns(by), columns(other)
                    if isinstance(a, Coded) and isinstance(b, Coded) and _tells(g, a, b, is_same(other, causal)):
                        return True
            return False
        case SelectorWidth(selector=Select(keys=keys, queries=queries, predicate=Comparison.LT | Comparison.GT)):
            column = columns(keys)
            seen = not causal and isinstance(column, Coded) and not column.none
            return keys is queries and seen and is_distinct(keys, columns, causal)
        case _:
            return False


def is_same(sop: SOp, causal: bool) -> bool:
    """Whether all positions of a sequence have the same value."""
    match sop:
        case Full() | LengthType():
            return True
        case Map(inner=inner):
            return is_same(inner, causal)
        case SequenceMap(fst=fst, snd=snd):
            return is_same(fst, causal) and is_same(snd, causal)
        case SelectorWidth(selector=Select(queries=queries, predicate=predicate)):
            return not causal and (is_same(queries, causal) or (predicate is Comparison.TRUE and isinstance(queries, _SOURCES)))
        case _:
            return False


_SOURCES = (Full, Source)


def _one_to_one(f: Callable[..., object], column: Column) -> bool:
    if not isinstance(column, Coded):
        return False
    found = [key_of(r) for r in (called(f, p) for p in column.distinct) if r is not None]
    return len(set(found)) == len(found)


def _tells(f: Callable[..., object], a: Coded, b: Coded, same: bool) -> bool:
    """Whether the result says which point of a it was made of: for any point of b, or where `same`, for each of them."""
    if same and a.numeric and b.numeric and (isinstance(a.points, Line) or isinstance(b.points, Line)):
        found = traced(f, 2)
        if isinstance(found, Linear) and found.factors.get(0):
            return True
    if len(a.distinct) * len(b.distinct) > MOST_PAIRS:
        return False
    made_of: dict[object, object] = {}
    for y in b.distinct:
        made_of = {} if same else made_of
        for x in a.distinct:
            r = called(f, x, y)
            if r is not None and r is not ABSENT and made_of.setdefault(key_of(r)[1], x) != x:
                return False
    return True
