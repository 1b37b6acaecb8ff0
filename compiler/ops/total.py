"""Totals: the sum of a value over every position whose keys match; counts are totals of the constant 1.

Lowering (`compiler/plan/heads.py`, `compiler/plan/tally.py`): a match scores one step of D nats below BOS, a mismatch so far below
that exp is 0. With N·exp(-D) < 2^-t, t mantissa bits, the weights add up to BOS's 1, so the head adds exp(-D)·Σ v, times
exp(D) in W_O. The cell it adds to holds 2^(t-1): there numbers have a spacing of 1, and the sum is rounded to the integer.
Proof rule: `kernel/totals.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..domain import Domain, Sizes
from .attend import Mask, Relation, relation_problem, relations_label
from .base import Op


@dataclass(frozen=True)
class Total(Op):
    """Arguments: `parts` queries, `parts` keys, the value; the sum of the value over the positions t that match.

    `mask` says which t are visible. Part p matches where query and key are equal, or where `relations[p]`, if it is not
    empty, holds for them. ⊥ matches nothing and adds nothing.
    """

    mask: Mask
    parts: int
    relations: tuple[Relation, ...] = ()
    name: ClassVar[str] = "total"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return 2 * max(self.parts, 1) + 1

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        if self.parts < 1:
            return f"parts is {self.parts}"
        return relation_problem(self.relations, self.parts)

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        value = args[-1]
        lo, hi = (1, 1) if value.kind == "bool" else (value.lo, value.hi)
        most = max(0, sizes.length - (self.mask == "strict"))
        return Domain("int", most * min(0, lo), most * max(0, hi))

    def label(self) -> str:
        return f"total {self.mask}{relations_label(self.relations)}"
