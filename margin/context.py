"""What a check has at hand: the model, its terms, the noise, and what was shown up to here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .state import Noise, Reals
from .terms import Ints, Node, Terms


@dataclass(frozen=True, slots=True)
class Model:
    """What is shown of: sizes, the program's nodes and outputs, each output's least value less one, masks by block, tensors in float64."""

    length: int
    symbols: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    classes: tuple[tuple[int, int], ...]  # of each output: the offset, and how many
    blocks: tuple[tuple[str, ...], ...]  # masks of heads, () for an MLP
    tensors: Mapping[str, Reals]


@dataclass(slots=True)
class Shown:
    """What was shown: the least lead of each head, how far values are off their codes, the least margin of a logit, and cases.

    `together` bounds Σ |x| over the dimensions of the stream, at any position and before any block; `reach` the numbers of queries, of
    keys and of values, `hidden` pre-activations.
    """

    leads: list[tuple[int, int, int, float]] = field(default_factory=list[tuple[int, int, int, float]])
    off: dict[int, float] = field(default_factory=dict[int, float])
    margin: float = math.inf
    cases: int = 0
    together: float = 0.0
    reach: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hidden: float = 0.0
    where: str = ""


@dataclass(slots=True)
class Context:
    """One check. `joined` has for the pairs of a total the variable of its head's matches, and which case of that each pair is."""

    model: Model
    terms: Terms
    noise: Noise
    shown: Shown = field(default_factory=Shown)
    joined: dict[int, tuple[int, Ints]] = field(default_factory=dict[int, tuple[int, Ints]])

    @property
    def width(self) -> int:
        """d_model."""
        return self.model.tensors["W_E"].shape[1]
