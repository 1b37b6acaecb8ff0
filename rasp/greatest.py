"""The label of the greatest of several numbers: what a classifier says of its sums of scores.

Each two are compared, by the sign of their difference; the label is that of the one that no other is greater than. So a difference is all
that is read of two sums, however many scores they are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compiler.language import Value
from ..compiler.language.products import within
from ..compiler.language.value import value_of
from ..compiler.ops import Affine, AtLeast, Const
from .expr import RASPExpr
from .sops import SOp


class Greatest(SOp):
    """The label of the greatest of several sums of numbers, the first of equals; ⊥ where one is ⊥."""

    kind = "greatest"

    def __init__(self, sums: Sequence[Sequence[SOp]], labels: Sequence[Any]) -> None:
        super().__init__()
        self.sums, self.labels = [list(parts) for parts in sums], list(labels)

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [part for parts in self.sums for part in parts]


def place_of_greatest(numbers: Sequence[Value]) -> Value:
    """Which of several numbers is the greatest, counted from 0."""
    builder, zero = numbers[0].builder, numbers[0].builder.add(Const("int", 0), (), "0")
    wins: list[list[tuple[int, int]]] = [[] for _ in numbers]  # of each, the truths that count for or against it
    for i, x in enumerate(numbers):
        for j, y in enumerate(numbers[i + 1 :], i + 1):
            apart = value_of(builder, Affine("int", (1, -1), 0), [x.index, y.index], None)
            truth = value_of(builder, AtLeast(0), [apart.index, zero], None)
            wins[i].append((1, truth.index))
            wins[j].append((-1, truth.index))
    best: list[int] = []
    for i, some in enumerate(wins):
        won = value_of(builder, Affine("int", tuple(f for f, _ in some), i), [t for _, t in some], None)
        best.append(value_of(builder, AtLeast(len(numbers) - 1), [won.index, zero], None).index)
    return within(value_of(builder, Affine("int", tuple(range(len(best))), 0), best, None), 0, len(best) - 1, None)
