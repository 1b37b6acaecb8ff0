"""A value that a loop's state holds: what the block before left in the residual stream, not what the embedding wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..domain import Domain, Kind, Sizes
from .base import Source


@dataclass(frozen=True)
class Given(Source):
    """Value number `state` of a loop's state, any of its domain; only the parts of a loop have it (`compiler/tied/`)."""

    state: int
    kind: Kind
    lo: int
    hi: int
    none: bool
    lag: int | None
    name: ClassVar[str] = "given"

    @classmethod
    def of(cls, state: int, domain: Domain) -> Given:
        """A state's value of a domain."""
        return cls(state, domain.kind, domain.lo, domain.hi, domain.none, domain.lag)

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain(self.kind, self.lo, self.hi, self.none, self.lag)

    def label(self) -> str:
        return f"state {self.state}"
