"""Token, position and constants: the values the embedding writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..domain import Domain, Kind, Sizes
from .base import Source


@dataclass(frozen=True)
class Token(Source):
    """The token at this position, as its id 0..V-1."""

    name: ClassVar[str] = "token"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("token", 0, len(sizes.alphabet) - 1)


@dataclass(frozen=True)
class Position(Source):
    """This position, 1..N."""

    name: ClassVar[str] = "position"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("position", 1, sizes.length, lag=0)


@dataclass(frozen=True)
class Const(Source):
    """The same value everywhere; `value` None is the constant ⊥ of its kind."""

    kind: Kind
    value: int | None
    name: ClassVar[str] = "const"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        if self.kind == "bool":
            return Domain("bool", 0, 1, none=self.value is None)
        if self.value is None:
            return Domain(self.kind, 1, 0, none=True)  # no value at all
        return Domain(self.kind, self.value, self.value)

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        ends = {"token": (0, len(sizes.alphabet) - 1), "bool": (0, 1), "label": (0, len(sizes.labels) - 1)}.get(self.kind)
        inside = self.value is None or ends is None or ends[0] <= self.value <= ends[1]
        return "" if inside else f"the constant is not {self.kind}"

    def label(self) -> str:
        return f"const {self.kind} {'⊥' if self.value is None else self.value}"
