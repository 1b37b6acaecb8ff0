"""Planning: which values are written in which forms, by which embedding column, head or hidden units.

A plan is a DAG of features (one value in one form) over the cells of the residual stream. Reading a value never
copies it: linear views (`position + 1`, a constant, a negated boolean) are expressions over what is there.
Values that depend on the token alone or on the position alone are folded into the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from ..codes.forms import Form, Ints, scalar
from ..codes.linear import Lin, Unit, below
from ..codes.numerics import Dtype, Exactness
from ..graph import Graph
from ..ops import Mask

Origin: TypeAlias = Literal["one", "token", "position"]


@dataclass(frozen=True, slots=True)
class Embed:
    """Columns of W_E or W_pos: `table` has one row a token id, or one a position 1..N."""

    source: Literal["token", "position"]
    table: Ints


@dataclass(frozen=True, slots=True)
class Carried:
    """What a loop's state holds: value number `state`, in the stream before the first block of this part."""

    state: int


@dataclass(frozen=True, slots=True)
class Compute:
    """One hidden ReLU layer: the feature is the sum of its units."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A head's output: what `source` says at the position the head attends to."""

    head: int
    source: tuple[Lin, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum of totals: each (head, source, coefficient) adds to one cell filled with `fill`, which rounds what they add."""

    parts: tuple[tuple[int, Lin, int], ...]
    fill: int
    exact: Exactness


Recipe: TypeAlias = Embed | Carried | Compute | Copy | Tally
PLACED = (Embed, Carried)  # what is in the stream from the start


@dataclass(frozen=True, slots=True)
class Feature:
    """One value in one form. `value` is its node in the graph, or the origin it stands for."""

    value: int | Origin
    form: Form
    recipe: Recipe
    name: str


@dataclass(frozen=True, slots=True)
class Head:
    """An attention head as a bilinear form: score = grid · Σ q_d k_d, an integer multiple of the grid.

    `node` is the lookup, or a total. All totals with the same queries, keys and mask share a head.
    """

    node: int
    name: str
    mask: Mask
    code: str
    grid: int
    query: tuple[Lin, ...]
    key: tuple[Lin, ...]
    exact: Exactness


@dataclass(frozen=True, slots=True)
class Output:
    """A value that the unembedding reads: its form, and the cells that hold it."""

    form: Form
    cells: tuple[Lin, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that must exist, not yet when or where. Feature 0 is ONE; `outputs` are those of the graph, its guard last."""

    graph: Graph
    dtype: Dtype
    features: tuple[Feature, ...]
    heads: tuple[Head, ...]
    outputs: tuple[Output, ...]

    def inputs(self, index: int) -> set[int]:
        """The features that must be in the residual stream before this one can be written."""
        recipe = self.features[index].recipe
        match recipe:
            case Embed() | Carried():
                return set()
            case Compute(units=units):
                return {f for unit in units for (f, _), _ in unit.pre.terms}
            case Copy(head=h, source=source):
                return {f for lin in (*source, *self.heads[h].query, *self.heads[h].key) for f in lin.features()}
            case Tally(parts=parts):
                return {f for h, lin, _ in parts for x in (lin, *self.heads[h].query, *self.heads[h].key) for f in x.features()}

    def __str__(self) -> str:
        lines = [f"plan of {self.graph.name} in {self.dtype.name}: {len(self.features)} features, {len(self.heads)} heads"]
        for h, head in enumerate(self.heads):
            lines.append(f"head {h} {head.name}: {head.mask}, {head.code}; {head.exact.inequality} = {head.exact.steps:,}")
            lines.append(f"  q = {', '.join(self.text(lin) for lin in head.query)}")
            lines.append(f"  k = {', '.join(self.text(lin) for lin in head.key)}")
        for i, feature in enumerate(self.features):
            match feature.recipe:
                case Embed(source=source):
                    how = f"embedding of the {source}"
                case Carried(state=state):
                    how = f"the state's value {state}"
                case Compute(units=units):
                    how = f"{len(units)} units"
                case Copy(head=h, source=source):
                    how = f"head {h} reads {', '.join(self.text(lin) for lin in source)}"
                case Tally(parts=parts, fill=fill):
                    sums = (f"{'' if c == 1 else f'{c}·'}head {h}'s sum of {self.text(lin)}" for h, lin, c in parts)
                    how = f"{fill:,} + {' + '.join(sums)}"
            lines.append(f"f{i} {feature.name} as {feature.form}: {how}")
        for what, output in zip(self.graph.titles(), self.outputs, strict=True):
            lines.append(f"{what.removeprefix('the ')}: {', '.join(self.text(lin) for lin in output.cells)} as {output.form}")
        return "\n".join(lines)

    def text(self, lin: Lin) -> str:
        """An expression with the features' names."""

        def cell(feature: int, dim: int) -> str:
            name = self.features[feature].name
            return f"{name}[{dim}]" if self.features[feature].form.width > 1 else name

        def term(k: int, name: str) -> str:
            return {1: name, -1: f"-{name}"}.get(k, str(k) if name == "one" else f"{k}·{name}")

        return " + ".join(term(k, cell(f, d)) for (f, d), k in lin.terms).replace("+ -", "- ") or "0"


def heads_of(recipe: Recipe) -> tuple[int, ...]:
    """The heads that write a feature."""
    match recipe:
        case Copy(head=h):
            return (h,)
        case Tally(parts=parts):
            return tuple(dict.fromkeys(h for h, _, _ in parts))
        case _:
            return ()


def prune(plan: Plan) -> Plan:
    """Drop features and heads that the outputs do not need, and renumber the rest."""
    need: set[int] = {0}
    stack = [f for output in plan.outputs for lin in output.cells for f in lin.features()]
    while stack:
        f = stack.pop()
        if f not in need:
            need.add(f)
            stack.extend(plan.inputs(f))
    keep = sorted(need)
    recipes = [plan.features[f].recipe for f in keep]
    heads = sorted({h for r in recipes for h in heads_of(r)})
    feature_index = {old: new for new, old in enumerate(keep)}
    head_index = {old: new for new, old in enumerate(heads)}
    return replace(
        plan,
        features=tuple(_renumber(plan.features[f], feature_index, head_index) for f in keep),
        heads=tuple(
            replace(plan.heads[h], query=_all(plan.heads[h].query, feature_index), key=_all(plan.heads[h].key, feature_index))
            for h in heads
        ),
        outputs=tuple(replace(output, cells=_all(output.cells, feature_index)) for output in plan.outputs),
    )


def _lin(lin: Lin, index: Mapping[int, int]) -> Lin:
    return Lin(tuple([((index[f], d), k) for (f, d), k in lin.terms]))  # numbers keep their order, so terms stay sorted


def _all(lins: tuple[Lin, ...], index: Mapping[int, int]) -> tuple[Lin, ...]:
    return tuple(_lin(lin, index) for lin in lins)


def _renumber(feature: Feature, features: Mapping[int, int], heads: Mapping[int, int]) -> Feature:
    match feature.recipe:
        case Embed() | Carried():
            return feature
        case Compute(units=units):
            if all(features[f] == f for f in {f for unit in units for (f, _), _ in unit.pre.terms}):
                return feature
            return replace(feature, recipe=Compute(tuple(Unit(_lin(u.pre, features), u.out, u.peak, u.alone) for u in units)))
        case Copy(head=h, source=source) as recipe:
            return replace(feature, recipe=replace(recipe, head=heads[h], source=_all(source, features)))
        case Tally(parts=parts) as recipe:
            return replace(feature, recipe=replace(recipe, parts=tuple((heads[h], _lin(lin, features), c) for h, lin, c in parts)))


def bends(table: Ints) -> Ints:
    """By how much the slope of each of a table's functions changes at each number but the last; at the first it was 0 before."""
    bend = np.diff(table, axis=0)
    bend[1:] -= bend[:-1].copy()
    return bend


def piecewise(z: Lin, table: Ints) -> tuple[Unit, ...]:
    """Units for any code of an integer 0 <= z <= top, given as table (top + 1, width) with table[0] = 0.

    A function on the integers is linear between them, so it is Σ_T w_T·relu(z - T) with w_T the second difference
    at T: w_0 = f(1), w_T = f(T+1) - 2 f(T) + f(T-1). Points without a bend need no unit.
    """
    bend = bends(table)
    at = np.flatnonzero(bend.any(axis=1))
    return tuple(Unit(pre, tuple(out)) for pre, out in zip(below(z, at.tolist()), bend[at].tolist(), strict=True))


__all__ = [
    "PLACED",
    "Carried",
    "Compute",
    "Copy",
    "Embed",
    "Feature",
    "Head",
    "Origin",
    "Output",
    "Plan",
    "Recipe",
    "Tally",
    "bends",
    "heads_of",
    "piecewise",
    "prune",
    "scalar",
]


def label(name: str, form: Form) -> str:
    """What a feature is called: its value's name, and the form where that is not a plain scalar."""
    match form.kind:
        case "digits":
            return name if form.parts == 1 else f"{name}:digits"
        case "norm":
            return f"{name}²"
        case "flag":
            return f"{name}?"
        case "floor":
            return f"{name}//{form.parts}"
        case "signs" | "onehot" | "fill" | "log":
            return f"{name}:{form.kind}"
