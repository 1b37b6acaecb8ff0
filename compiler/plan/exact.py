"""What a feature must keep to be exact: its cells, the sums of its hidden units, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence

from ..codes.linear import Cell, reaches
from ..codes.numerics import Dtype, Exactness
from .stage import Compute, Feature, Tally


def fits(feature: Feature, features: Sequence[Feature], dtype: Dtype, spans: Sequence[Sequence[tuple[int, int]]]) -> None:
    """Refuse a feature whose cells, hidden units or sums leave the exact integers; `spans` has the intervals of the features it reads."""

    def interval(cell: Cell) -> tuple[int, int]:
        return spans[cell[0]][cell[1]]

    top = max((abs(end) for span in feature.form.intervals() for end in span), default=0)
    Exactness(f"value {feature.name} as {feature.form}", "largest entry", top).require(dtype)
    if isinstance(feature.recipe, Compute):
        read = {f for u in feature.recipe.units for (f, _), _ in u.pre.terms}
        sizes = reaches((u.pre for u in feature.recipe.units), interval)
        pre = max((size for size, _ in sizes), default=0)
        of_total = any(isinstance(features[f].recipe, Tally) for f in read)
        reading = dtype if of_total else dtype.reading  # a total's filling takes all bits
        Exactness(f"a hidden unit of {feature.name}", "Σ |weight|·max|input|", pre).require(reading)
        together, one = [0] * feature.form.width, [0] * feature.form.width
        for unit, (_, reach) in zip(feature.recipe.units, sizes, strict=True):
            peak = unit.peak if unit.peak is not None else max(0, reach)
            adds = [abs(w) * peak for w in unit.out]
            if unit.alone:
                one = [max(o, a) for o, a in zip(one, adds, strict=True)]
            else:
                together = [t + a for t, a in zip(together, adds, strict=True)]
        most = max((t + o for t, o in zip(together, one, strict=True)), default=0)
        Exactness(f"value {feature.name}", "Σ |weight|·max activation", most).require(dtype)
