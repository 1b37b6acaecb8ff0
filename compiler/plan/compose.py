"""Functions of functions of one number, computed from that number: fewer MLPs one after the other.

Before -> after, y one cell: f = F(y), g = G(f, y)  ->  f = F(y), g = G(F(y), y), in the MLP that writes f; and f is dropped where
nothing else reads it. A count is such an f: its unit takes the filling off the cell that heads have added to, so that its square, or
what is compared with it, comes one MLP later for no other reason.

y is an integer in lo..hi at every token, and there g is what the units give, one after the other. A function h on lo..hi is, with
its second differences for w,

    h(y) = h(lo)·relu(y - (lo - 1)·one) + Σ w_T·relu(y - T·one)    or    h(lo)·relu(one) + Σ w'_T·relu(y - T·one),    lo <= T < hi,

of which the shorter is written. At BOS y and one are 0, and so is every unit. A unit's sum has two terms, so that it is exact as long
as y, T and their difference are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..codes.forms import Ints
from ..codes.linear import ONE, ONE_FEATURE, Cell, Lin, Unit, activations
from ..errors import ExactnessError
from .exact import fits
from .stage import Compute, Feature, Plan, Tally, bends, prune

WORK = 1 << 26  # units times numbers that y may be: a certificate tries each on every one
CHUNK = 1 << 16  # numbers at a time: what is computed of them stays in the cache


def outline(plan: Plan) -> Plan | None:
    """The plan as `composed` would have it if every function could be composed, for its inputs alone: its units are not right. None
    where there is none to compose."""
    features = list(plan.features)
    for y, _, later, _ in _composable(plan):
        for index in later:
            features[index] = replace(features[index], recipe=Compute((Unit(Lin.cell(*y), (0,) * features[index].form.width),)))
    return prune(replace(plan, features=tuple(features))) if any(a is not b for a, b in zip(features, plan.features, strict=True)) else None


def composed(plan: Plan) -> Iterator[Plan]:
    """The plan with functions of functions of one number composed, where that is exact: all of them, and those that take no more units."""
    features, spans = plan.features, [feature.form.intervals() for feature in plan.features]
    found: dict[int, Feature] = {}
    for y, group, later, (lo, hi) in _composable(plan):
        tables = _tables(plan, y, group, np.arange(lo, hi + 1))
        made = ((index, replace(features[index], recipe=Compute(_written(y, lo, tables[index])))) for index in later)
        # What is 0 for every y reads nothing, and would not wait for y: it is left as it is.
        found |= {index: feature for index, feature in made if _units(feature) and _exact(feature, plan, spans)}
    for few in (False, True):
        kept = {index: new for index, new in found.items() if not few or len(_units(new)) <= len(_units(features[index]))}
        yield prune(replace(plan, features=tuple(kept.get(index, feature) for index, feature in enumerate(features))))


def units(plan: Plan) -> int:
    """The hidden units of all MLPs."""
    return sum(len(_units(feature)) for feature in plan.features)


def _composable(plan: Plan) -> Iterator[tuple[Cell, list[int], list[int], tuple[int, int]]]:
    """The cells of which some functions read others: the cell, all functions of it, those that read others, and the numbers it may be.
    Not those whose tables are too long."""
    for y, group in _functions(plan).items():
        feature = plan.features[y[0]]
        lo, hi = (1 << plan.dtype.mantissa - 1) + 1, feature.form.top  # of a total, with its filling
        if not isinstance(feature.recipe, Tally):
            lo, hi = feature.form.intervals()[y[1]]
        later, most = _of_functions(plan, y, group), max(len(_units(plan.features[index])) for index in group)
        if later and (hi - lo + 1) * most <= WORK:
            yield y, group, later, (lo, hi)


def _functions(plan: Plan) -> dict[Cell, list[int]]:
    """The features that are functions of one cell, in the order in which they are computed, by the first such cell."""
    root, found = dict[int, Cell](), dict[Cell, list[int]]()
    for index, feature in enumerate(plan.features):
        below = {root.get(cell[0], cell) for cell in _cells(feature)}
        if len(below) == 1:
            (root[index],) = below
            found.setdefault(root[index], []).append(index)
    return found


def _of_functions(plan: Plan, y: Cell, group: Sequence[int]) -> list[int]:
    """Those that read anything else than y itself."""
    return [index for index in group if _cells(plan.features[index]) != {y}]


def _units(feature: Feature) -> Sequence[Unit]:
    return feature.recipe.units if isinstance(feature.recipe, Compute) else ()


def _cells(feature: Feature) -> set[Cell]:
    """What a feature's hidden units read, but the constant."""
    return {cell for unit in _units(feature) for cell, _ in unit.pre.terms if cell[0] != ONE_FEATURE}


def _tables(plan: Plan, y: Cell, group: Sequence[int], numbers: Ints) -> dict[int, Ints]:
    """What functions of y hold for each number that y may be. Shape of each: (numbers, width)."""
    tables = {index: np.zeros((len(numbers), plan.features[index].form.width), np.int64) for index in group}
    for start in range(0, len(numbers), CHUNK):
        part = slice(start, start + CHUNK)
        some = numbers[part]

        def value(lin: Lin, part: slice = part, some: Ints = some) -> Ints:
            total = np.zeros(len(some), np.int64)
            for (f, d), k in lin.terms:
                total += k * (1 if f == ONE_FEATURE else some if (f, d) == y else tables[f][part, d])
            return total

        for index in group:
            tables[index][part] = activations(_units(plan.features[index]), value, len(some), tables[index].shape[1])
    return tables


def _written(y: Cell, lo: int, table: Ints) -> tuple[Unit, ...]:
    """Units of a function of y whose values from lo on are in a table: begun below, where it is 0, or with a constant."""
    hi, first = lo + len(table) - 1, tuple(int(v) for v in table[0])
    start, bend = lo - 1, bends(np.concatenate([np.zeros_like(table[:1]), table]))
    later, constant = bends(table), (Unit(ONE, first),) if any(first) else ()
    # Not where the constant is all there is: that would need no MLP to wait for, and get one of its own.
    if later.any() and len(constant) + later.any(axis=1).sum() < bend.any(axis=1).sum():
        start, bend = lo, later
    else:
        constant = ()
    steps = ((start + int(t), tuple(int(w) for w in bend[t])) for t in np.flatnonzero(bend.any(axis=1)))
    return *constant, *(Unit(Lin.of((((ONE_FEATURE, 0), -t), (y, 1))), out, peak=hi - t) for t, out in steps)


def _exact(feature: Feature, plan: Plan, spans: Sequence[Sequence[tuple[int, int]]]) -> bool:
    try:
        fits(feature, plan.features, plan.dtype, spans)
    except ExactnessError:
        return False
    return True
