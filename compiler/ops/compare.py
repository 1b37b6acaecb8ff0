"""Comparisons of two integers: their difference against a threshold, or equality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..codes.forms import Form
from ..codes.linear import ONE, Lin, Unit
from ..domain import Domain, Sizes
from .base import Gadgets, Local, Operand, step


@dataclass(frozen=True)
class AtLeast(Local):
    """a - b >= threshold."""

    threshold: int
    name: ClassVar[str] = "at_least"

    def arity(self) -> int:
        return 2

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("bool", 0, 1, any(a.none for a in args))

    def meaning(self, *values: int | None) -> int | None:
        a, b = values
        return None if a is None or b is None else int(a - b >= self.threshold)

    def label(self) -> str:
        return f"a - b >= {self.threshold}"

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        a, b = args
        return gadgets.gate([(ONE, 1), *step(a.value - b.value, self.threshold)], args)


@dataclass(frozen=True)
class Equal(Local):
    """a == b."""

    name: ClassVar[str] = "equal"

    def arity(self) -> int:
        return 2

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("bool", 0, 1, any(a.none for a in args))

    def meaning(self, *values: int | None) -> int | None:
        a, b = values
        return None if a is None or b is None else int(a == b)

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # [d = 0] = relu(d + 1) - 2·relu(d) + relu(d - 1) for an integer d.
        a, b = args
        d = a.value - b.value
        return gadgets.gate([(ONE, 1), (d + ONE, 1), (d, -2), (d - ONE, 1)], args)
