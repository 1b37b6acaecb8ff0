"""Attention: a lookup chooses one position per query, a fetch reads a value there. Nothing else moves information.

`previous(x)`, `x.at(p)` and `match(q, k).latest()` are all a Lookup and Fetches; fetches of one lookup share a
head, which is what lets one lookup serve doubling and accumulation.

Lowering (see `compiler/plan/heads.py`) and proof: with BOS the zero vector, its score is 0; a match scores
bonus >= 1, a mismatch at most bonus - A·g <= -1, so softmax gaps are at least one grid step on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from ..domain import Domain, Sizes
from .base import Op

Mask: TypeAlias = Literal["causal", "strict", "full"]
Pick: TypeAlias = Literal["latest", "earliest", "only", "largest", "smallest", "closest"]
# A relation between a query and a key: least query, rows, least key, columns, then 0 or 1 for each pair, row by row.
Relation: TypeAlias = tuple[int, ...]


def relation_problem(relations: tuple[Relation, ...], parts: int) -> str:
    """What is wrong with relations, empty if nothing."""
    if relations and len(relations) != parts:
        return "there is not one relation for each part"
    for relation in relations:
        if relation and (len(relation) < 5 or relation[1] * relation[3] != len(relation) - 4 or not set(relation[4:]) <= {0, 1}):
            return "a relation is not a table of 0 and 1"
    return ""


def relation_of(relations: tuple[Relation, ...], part: int) -> Relation:
    """The relation of a part, empty for equality."""
    return relations[part] if relations else ()


def related(relation: Relation, query: int, key: int) -> bool:
    """Whether a relation holds between two values; between values outside its ranges it does not."""
    query_lo, rows, key_lo, columns = relation[:4]
    row, column = query - query_lo, key - key_lo
    return 0 <= row < rows and 0 <= column < columns and relation[4 + row * columns + column] == 1


def relations_label(relations: tuple[Relation, ...]) -> str:
    """How relations print: the sizes of their tables."""
    return "".join(f" relation[{r[1]} x {r[3]}]" if r else "" for r in relations)


@dataclass(frozen=True)
class Lookup(Op):
    """Choose a position t whose key matches this position's query, component by component; ⊥ matches nothing.

    `mask` says which t are visible: causal t <= i, strict t < i, full all. `pick` breaks ties; `only` is for keys
    that hold the position itself, where there is nothing to break; `largest` and `smallest` rank by the last argument,
    `closest` by in how few of `graded` further comparisons query and key differ, the latest of equals first.
    Arguments: `parts` queries, then `parts` keys, then what to rank by: a number, or `graded` queries and as many keys.
    Part p matches where query and key are equal, or where `relations[p]`, if it is not empty, holds for them.
    """

    mask: Mask
    pick: Pick
    parts: int
    relations: tuple[Relation, ...] = ()
    graded: int = 0
    name: ClassVar[str] = "lookup"

    @property
    def ranked(self) -> bool:
        """Whether the last argument ranks the matches."""
        return self.pick in ("largest", "smallest")

    def arity(self) -> int:
        return 2 * max(self.parts, 1) + self.ranked + 2 * max(self.graded, 0)

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        if self.parts < 1:
            return f"parts is {self.parts}"
        if self.ranked and (args[-1].none or args[-1].kind == "bool"):
            return "what it ranks by may be ⊥, or is no number"
        if (self.graded > 0) != (self.pick == "closest") or self.graded < 0 or any(a.none for a in args[2 * self.parts :]):
            return "closest has nothing to compare by degrees, or something that may be ⊥; or another pick has"
        return relation_problem(self.relations, self.parts)

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        lag = {"causal": 0, "strict": -1, "full": None}[self.mask]
        return Domain("position", 1, sizes.length, none=True, lag=lag)

    def label(self) -> str:
        return f"lookup {self.mask} {self.pick}{relations_label(self.relations)}"


@dataclass(frozen=True)
class Fetch(Op):
    """Read a value at the looked-up position; ⊥ where nothing was found. Arguments: the lookup, the value."""

    name: ClassVar[str] = "fetch"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return 2

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        where, value = args
        lag = None
        if value.lag is not None and where.lag is not None:
            lag = value.lag + where.lag  # v(t) <= t + lag(v) and t <= i + lag(lookup)
        hi = value.hi
        if lag is not None:
            hi = max(value.lo, min(hi, sizes.length + lag))
        return Domain(value.kind, value.lo, hi, none=True, lag=lag)
