"""Division by a constant: floor quotients, from which digits and prefixes of bits are linear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..codes.forms import Form
from ..codes.linear import ONE, Lin, Unit, below
from ..domain import Domain, Sizes
from .base import Gadgets, Local, Operand


@dataclass(frozen=True)
class Divide(Local):
    """floor(x / divisor)."""

    divisor: int
    name: ClassVar[str] = "divide"

    def arity(self) -> int:
        return 1

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        return "" if self.divisor >= 1 and args[0].kind != "bool" else "the divisor is below 1, or it divides no number"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        (x,) = args
        return Domain("int", x.lo // self.divisor, x.hi // self.divisor, x.none)

    def meaning(self, *values: int | None) -> int | None:
        (x,) = values
        return None if x is None else x // self.divisor

    def label(self) -> str:
        return f"divide by {self.divisor}"

    def steps(self, x: Operand) -> range:
        """The codes of x from which on the quotient is one more."""
        least, most = x.form.off + 1, x.form.off + x.form.top
        return range((least // self.divisor + 1) * self.divisor - x.form.off, most - x.form.off + 1, self.divisor)

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # On z: 0 at z = 0 (⊥), the least quotient's code at z = 1, and a step of 1 at every multiple of the divisor after it.
        (x,) = args
        first = x.form.off + 1  # the least value
        units = [Unit(x.z, (first // self.divisor - out.off,)), Unit(x.z - ONE, (-(first // self.divisor - out.off),))]
        for up, down in zip(below(x.z, (z - 1 for z in self.steps(x))), below(x.z, self.steps(x)), strict=True):
            units += [Unit(up, (1,)), Unit(down, (-1,))]  # [v >= z] = relu(v - z + 1) - relu(v - z)
        return units
