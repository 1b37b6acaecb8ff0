"""The natural plan: one direction a value, and what writes it.

Every feature is a value in one-hot code: dimension v of it is 1 where the value is v, and all are 0 where it is ⊥. A
dimension belongs to its feature from birth to the end. What a head adds up is held as shares, one number each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..codes.forms import Form
from ..graph import Graph
from ..ops import Mask
from ..plan.stage import Origin

Kind: TypeAlias = Literal["lookup", "any", "total"]  # of a head: it picks a position, takes all matches alike, or adds up
Lin: TypeAlias = Mapping[int, float]  # dimension of the stream to coefficient
ONE, BOS = 0, 1  # the first two dimensions: 1 at every token, 1 at BOS alone


def added(terms: Iterable[tuple[Lin, float]]) -> dict[int, float]:
    """A weighted sum of expressions; zero coefficients vanish."""
    total: dict[int, float] = {}
    for lin, factor in terms:
        for dim, k in lin.items():
            total[dim] = total.get(dim, 0.0) + k * factor
    return {dim: k for dim, k in sorted(total.items()) if k}


@dataclass(frozen=True, slots=True)
class Unit:
    """A hidden ReLU unit: what it reads, and (dimension, weight) of what it adds."""

    pre: Lin
    out: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Embed:
    """Columns of W_E or W_pos. Shape of the table: (symbols + 1 or N + 1, width); row 0 is BOS."""

    source: Literal["token", "position"]
    table: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compute:
    """One hidden ReLU layer."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """What a head brings: `source` is averaged with its weights, and `gain` times that is written."""

    head: int
    source: tuple[Lin, ...]
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Feature:
    """A value and its directions. `form` is None where it holds shares; `cleaner` are the units that round it in the next MLP.

    `none` says that its one direction is 1 where the value is ⊥, and 0 where it is any other.
    """

    name: str
    value: int | Origin
    form: Form | None
    dims: tuple[int, ...]
    recipe: Embed | Compute | Copy
    cleaner: tuple[Unit, ...] = ()
    none: bool = False

    def reads(self, heads: tuple[Head, ...]) -> set[int]:
        """The dimensions that must be there before it is written."""
        match self.recipe:
            case Embed():
                return set()
            case Compute(units=units):
                return {dim for unit in units for dim in unit.pre}
            case Copy(head=h, source=source):
                return {dim for lin in (*source, *heads[h].query, *heads[h].key) for dim in lin}


@dataclass(frozen=True, slots=True)
class Head:
    """An attention head: score = Σ query·key in nats. `why` says from which inequality its constants come."""

    node: int
    name: str
    mask: Mask
    kind: Kind
    query: tuple[Lin, ...]
    key: tuple[Lin, ...]
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Output:
    """An output: which class is which value, and the logit of each."""

    form: Form
    logits: tuple[Lin, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All features and heads, in the order in which they were thought of; nothing is unused."""

    graph: Graph
    sharpness: float
    width: int
    features: tuple[Feature, ...]
    heads: tuple[Head, ...]
    outputs: tuple[Output, ...]
    shares: Mapping[int, int | None]  # of a feature that holds a share: the total whose values it averages, None for BOS

    def owner(self) -> dict[int, int]:
        """The feature that each dimension belongs to."""
        return {dim: f for f, feature in enumerate(self.features) for dim in feature.dims}

    def __str__(self) -> str:
        lines = [f"natural plan of {self.graph.name}: {len(self.features)} features in {self.width} dimensions, {len(self.heads)} heads"]
        for h, head in enumerate(self.heads):
            lines.append(f"head {h} {head.name}: {head.mask}, {head.kind}, code {head.code}, {len(head.query)} dimensions; {head.why}")
        for feature in self.features:
            match feature.recipe:
                case Embed(source=source):
                    how = f"embedding of the {source}"
                case Compute(units=units):
                    how = f"{len(units)} units"
                case Copy(head=h):
                    how = f"head {h}"
            rounded = f", rounded by {len(feature.cleaner)} units" if feature.cleaner else ""
            code = feature.form or ("a direction" if feature.none else "shares")
            lines.append(f"[{feature.dims[0]}..{feature.dims[-1]}] {feature.name} as {code}: {how}{rounded}")
        return "\n".join(lines)


def prune(plan: Plan) -> Plan:
    """What the outputs need, with dimensions and heads numbered again."""
    owner, need = plan.owner(), {0, 1}
    stack = [owner[dim] for output in plan.outputs for lin in output.logits for dim in lin]
    while stack:
        f = stack.pop()
        if f not in need:
            need.add(f)
            stack += {owner[dim] for dim in plan.features[f].reads(plan.heads)}
    kept = [plan.features[f] for f in sorted(need)]
    shares = {new: plan.shares[old] for new, old in enumerate(sorted(need)) if old in plan.shares}
    dims = {old: new for new, old in enumerate(dim for feature in kept for dim in feature.dims)}
    used = sorted({feature.recipe.head for feature in kept if isinstance(feature.recipe, Copy)})
    heads = {old: new for new, old in enumerate(used)}

    def lin(old: Lin) -> Lin:
        return {dims[dim]: k for dim, k in old.items()}

    def units(old: tuple[Unit, ...]) -> tuple[Unit, ...]:
        return tuple(Unit(lin(unit.pre), tuple((dims[d], w) for d, w in unit.out)) for unit in old)

    def recipe(old: Embed | Compute | Copy) -> Embed | Compute | Copy:
        match old:
            case Embed():
                return old
            case Compute():
                return Compute(units(old.units))
            case Copy():
                return Copy(heads[old.head], tuple(map(lin, old.source)), old.gain)

    return replace(
        plan,
        width=len(dims),
        shares=shares,
        features=tuple(replace(f, dims=tuple(dims[d] for d in f.dims), recipe=recipe(f.recipe), cleaner=units(f.cleaner)) for f in kept),
        heads=tuple(
            replace(head, query=tuple(map(lin, head.query)), key=tuple(map(lin, head.key))) for head in (plan.heads[h] for h in used)
        ),
        outputs=tuple(replace(output, logits=tuple(map(lin, output.logits))) for output in plan.outputs),
    )
