"""What a primitive says about itself: its domain rule, its meaning, and how it becomes ReLU units.

A primitive is one frozen dataclass in one file of this package. `meaning` is plain Python on ints (None is ⊥)
and is what the interpreter runs; `lower` is algebra on codes and never calls `meaning`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..codes.forms import Form
from ..codes.linear import ONE, Cell, Lin, Unit
from ..domain import Domain, Sizes


@dataclass(frozen=True)
class Op(ABC):
    """A node's operation. Fields are plain data, so that graphs print, compare and serialise.

    `attends` says that the operation is what an attention layer does: depth counts these.
    """

    name: ClassVar[str]
    attends: ClassVar[bool] = False

    @abstractmethod
    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        """The domain of the result. Raises DomainError for arguments the operation does not accept."""

    @abstractmethod
    def arity(self) -> int:
        """How many arguments the operation takes."""

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        """What is wrong with arguments of these domains, empty if nothing: files are checked with it."""
        return ""

    def label(self) -> str:
        """How the operation prints in graphs and tables."""
        return self.name


@dataclass(frozen=True)
class Source(Op):
    """A value that is there before the first layer: token, position or constant."""

    def arity(self) -> int:
        return 0


@dataclass(frozen=True)
class Local(Op):
    """A function of values at the same position. `strict` ones are ⊥ wherever an argument is ⊥."""

    strict: ClassVar[bool] = True

    @abstractmethod
    def meaning(self, *values: int | None) -> int | None:
        """The result for argument values; a strict operation is never called with None."""

    @abstractmethod
    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        """The scalar code of the result, as a linear view of the arguments or as one hidden ReLU layer."""


@dataclass(frozen=True)
class Operand:
    """An argument as lowering sees it: the scalar code z (0 for ⊥), value = z + off where it is not ⊥."""

    z: Lin
    domain: Domain
    form: Form
    flag: Callable[[], Lin]
    square: Callable[[], Lin]

    @property
    def value(self) -> Lin:
        """The value as a linear expression, right wherever the operand is not ⊥."""
        return self.z + ONE * self.form.off

    def present(self) -> Lin:
        """1 where the operand has a value, 0 where it is ⊥ (costs a hidden layer unless it never is)."""
        return self.flag() if self.domain.none else ONE

    def shifted(self, off: int) -> Lin:
        """The code of this operand under another shift, 0 where it is ⊥."""
        change = self.form.off - off
        return self.z + self.present() * change if change else self.z


@dataclass(frozen=True)
class Gadgets:
    """What lowering may ask of its surroundings: the interval of every cell."""

    interval: Callable[[Cell], tuple[int, int]]

    def gate(self, pres: Sequence[tuple[Lin, int]], operands: Sequence[Operand]) -> list[Unit]:
        """Units relu(pre)·weight, all silenced where an operand is ⊥.

        With m = number of missing operands and M >= max pre, relu(pre - M·m) is relu(pre) for m = 0 and 0 for
        m >= 1. M comes from interval arithmetic over the cells that pre reads.
        """
        missing = Lin()
        for operand in operands:
            if operand.domain.none:
                missing = missing + ONE - operand.present()
        units: list[Unit] = []
        for pre, weight in pres:
            bound = max(0, pre.range(self.interval)[1])
            units.append(Unit(pre - missing * bound, (weight,), peak=bound))
        return units


def step(pre: Lin, threshold: int, weight: int = 1) -> list[tuple[Lin, int]]:
    """weight·[pre >= threshold] for an integer pre: relu(pre - threshold + 1) - relu(pre - threshold)."""
    return [(pre - ONE * (threshold - 1), weight), (pre - ONE * threshold, -weight)]
