"""Attention: a lookup chooses one position per query, a fetch reads a value there. Nothing else moves information.

`previous(x)`, `x.at(p)` and `match(q, k).latest()` are all a Lookup and Fetches; fetches of one lookup share a
head, which is what lets one lookup serve doubling and accumulation.

Lowering (see `compiler/heads.py`) and proof: with BOS the zero vector, its score is 0; a match scores
bonus >= 1, a mismatch at most bonus - A·g <= -1, so softmax gaps are at least one grid step on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from ..domain import Domain, Sizes
from .base import Op

Mask: TypeAlias = Literal["causal", "strict", "full"]
Pick: TypeAlias = Literal["latest", "earliest", "only"]


@dataclass(frozen=True)
class Lookup(Op):
    """Choose a position t whose key equals this position's query, component by component; ⊥ equals nothing.

    `mask` says which t are visible: causal t <= i, strict t < i, full all. `pick` breaks ties; `only` is for keys
    that hold the position itself, where there is nothing to break. Arguments: `parts` queries, then `parts` keys.
    """

    mask: Mask
    pick: Pick
    parts: int
    name: ClassVar[str] = "lookup"

    def arity(self) -> int:
        return 2 * max(self.parts, 1)

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        return "" if self.parts >= 1 else f"parts is {self.parts}"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        lag = {"causal": 0, "strict": -1, "full": None}[self.mask]
        return Domain("position", 1, sizes.length, none=True, lag=lag)

    def label(self) -> str:
        return f"lookup {self.mask} {self.pick}"


@dataclass(frozen=True)
class Fetch(Op):
    """Read a value at the looked-up position; ⊥ where nothing was found. Arguments: the lookup, the value."""

    name: ClassVar[str] = "fetch"

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
