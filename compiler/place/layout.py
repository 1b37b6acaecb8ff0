"""Layout: a place in the residual stream for every feature, reused once the feature is dead and cleared.

The stream only adds, so a place must be zero before it is written: an MLP clears it (relu(v) = v for v >= 0, one
hidden unit for a non-negative cell, two for a signed one), possibly while writing the next feature there.
An attention layer can only write into places that are clean already. As every attention layer is followed by an
MLP slot, the width is the largest number of cells alive at once, the clique number of the lifetimes' interval graph.
A total's cell is filled one sublayer before its head adds to it: by the embedding, or by the MLP slot there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..plan.stage import Tally
from .schedule import Attention, Schedule


@dataclass(frozen=True, slots=True)
class Place:
    """The dimensions that hold a feature, from the sublayer that writes it to the last that reads it.

    A total's cell is taken (and filled) one sublayer earlier.
    """

    feature: int
    dims: tuple[int, ...]
    born: int
    last_read: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Places by feature, the width d_model, and what each sublayer clears, as (dimension, signed), and fills.

    `fills[s]` are the cells that sublayer s fills for a total, as (dimension, number); 0 is the embedding.
    """

    schedule: Schedule
    d_model: int
    places: tuple[Place, ...]
    clears: tuple[tuple[tuple[int, bool], ...], ...]
    fills: tuple[tuple[tuple[int, int], ...], ...]

    def blocks(self) -> list[int]:
        """The number of the block that each sublayer becomes (an empty MLP slot becomes none), after 0 for the embedding."""
        numbers = [0]
        for sublayer, cleared, filled in zip(self.schedule.sublayers, self.clears, self.fills[1:], strict=True):
            numbers.append(numbers[-1] + bool(sublayer.writes or cleared or filled))
        return numbers

    def __str__(self) -> str:
        plan = self.schedule.plan
        lines = [f"layout of {plan.graph.name}: d_model {self.d_model}, {len(self.schedule.sublayers)} sublayers"]
        for place in sorted(self.places, key=lambda p: (p.born, p.dims)):
            feature = plan.features[place.feature]
            dims = ",".join(map(str, place.dims))
            lines.append(f"  sublayers {place.born:2}..{place.last_read:2}  [{dims}]  {feature.name} ({feature.form})")
        for s, cleared in enumerate(self.clears, 1):
            if cleared:
                lines.append(f"  sublayer {s} clears {', '.join(str(d) for d, _ in cleared)}")
        for s, filled in enumerate(self.fills):
            lines += [f"  sublayer {s} fills {d} with {number:,}" for d, number in filled]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Features of a part of a program whose places are settled, in the first `width` dimensions.

    With `wipe` the last sublayer clears `stale`, the places it writes again, and every other dimension that holds anything.
    """

    dims: Mapping[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    width: int = 0
    stale: tuple[int, ...] = ()
    wipe: bool = False


def layout(schedule: Schedule, reuse: bool = True, pinned: Pinned = Pinned()) -> Layout:
    """Place every feature; cells are cleared only when the width would grow otherwise.

    Without `reuse` every cell stays what it is, for targets that scale and round it in one way. What is `pinned` has its place already.
    """
    features = schedule.plan.features
    since, until = schedule.born(), schedule.last_read()
    born, last = ({f: s for f, s in some.items() if f not in pinned.dims} for some in (since, until))
    width = {f: features[f].form.width for f in born}
    slots = len(schedule.sublayers)
    totals = {f: recipe.fill for f in born if isinstance(recipe := features[f].recipe, Tally)}
    taken = {f: born[f] - (f in totals) for f in born}
    last = last if reuse else dict.fromkeys(born, slots + 1)
    is_attention = [False, *(isinstance(s, Attention) for s in schedule.sublayers)]

    def alive(f: int, s: int) -> bool:
        # While attention runs, what it reads must stay; an MLP may overwrite what it reads for the last time.
        return taken[f] == s or (taken[f] < s and (last[f] >= s if is_attention[s] else last[f] > s))

    d_model = pinned.width + max(sum(width[f] for f in born if alive(f, s)) for s in range(slots + 1))
    clean: list[int] = list(range(pinned.width, d_model))
    dims: dict[int, tuple[int, ...]] = {}
    dirty: list[tuple[int, int, bool]] = []  # (last read, dimension, signed) of cells holding a value
    clears: list[tuple[tuple[int, bool], ...]] = []
    for s in range(slots + 1):
        births = sorted(f for f in born if taken[f] == s)
        wanted = sum(width[f] for f in births)
        fresh: set[int] = set()
        if s and not is_attention[s]:
            if s < slots and is_attention[s + 1]:
                wanted += sum(width[f] for f in born if taken[f] == s + 1)
            dead = sorted(cell for cell in dirty if cell[0] <= s)
            freed = dead if pinned.wipe and s == slots else dead[: max(0, wanted - len(clean))]
            dirty = [cell for cell in dirty if cell not in freed]
            clean = sorted([*clean, *(d for _, d, _ in freed)])
            again = pinned.stale if s == slots else ()
            clears.append(tuple(sorted([*((d, signed) for _, d, signed in freed), *((d, False) for d in again)])))
            fresh = {d for _, d, _ in freed} & {d for f in totals for d in dims.get(f, ())}
        elif s:
            clears.append(())
        for f in births:
            # A total's number takes all bits: to clear it and write there in one sublayer would not add up exactly.
            usable = [d for d in clean if d not in fresh]
            lacking = max(0, width[f] - len(usable))
            assert not lacking or fresh, "an attention layer found too few clean cells"
            usable = [*usable, *range(d_model, d_model + lacking)]
            d_model += lacking
            dims[f] = tuple(usable[: width[f]])
            clean = [d for d in clean if d not in dims[f]]
            dirty += [(last[f], d, features[f].form.signed) for d in dims[f]]
    dims |= pinned.dims
    places = tuple(Place(f, dims[f], since[f], until[f]) for f in sorted(since))
    fills = tuple(tuple((dims[f][0], number) for f, number in totals.items() if taken[f] == s) for s in range(slots + 1))
    return Layout(schedule, d_model, places, tuple(clears), fills)
