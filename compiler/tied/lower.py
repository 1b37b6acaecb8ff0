"""Lowering the parts of a program with a loop: each is planned and scheduled as a program of its own, and all meet in one interface.

Interface: dimensions that mean the same before and after every round. The constant 1 and what the embedding writes for body or exit
stay in theirs from the start. Each value of the state has one dimension, which holds its scalar code; what a part leaves there is
written by its last MLP, which clears the old code in the same step and everything else the part has used to zero:

    out[s] = -relu(old code) + relu(new code),      out[d] = -relu(d) for the part's other dimensions, and relu(-d) where d may be < 0

codes are not negative, so the sums are exact. So the stream after the block is the stream before it, for the next state: the block
can be applied any number of times. A value that the embedding knows before the first round is written by the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..codes.forms import Form, Ints, scalar
from ..codes.linear import Lin, Unit
from ..codes.numerics import Dtype, Exactness, dtype_named
from ..emit import AttentionWeights, Emitter, Matrix, MlpWeights
from ..graph import Graph
from ..place.layout import Layout, Pinned, layout
from ..place.schedule import Attention, Mlp, Schedule, schedule
from ..plan.planner import plan
from ..plan.stage import Carried, Compute, Embed, Feature, Output, Plan, prune
from ..rewrite import optimise
from .parts import Parts


@dataclass(frozen=True, repr=False)
class Tied:
    """Every stage of the three parts of one program: entry, body, exit. The dimension of the state's value j is `state[j]`."""

    parts: Parts
    optimised: tuple[Graph, ...]
    layouts: tuple[Layout, ...]
    forms: tuple[Form, ...]
    state: tuple[int, ...]
    W_E: Matrix
    W_pos: Matrix
    W_U: Matrix
    blocks: tuple[tuple[AttentionWeights | MlpWeights, ...], ...]

    def __repr__(self) -> str:
        return f"<Tied {self.parts.name}: {', '.join(str(len(some)) for some in self.blocks)} blocks before, in and after the loop>"

    def stage(self, name: str) -> str:
        """A stage of every part, as text."""
        made = {
            "graph": self.parts.graphs(),
            "optimised": self.optimised,
            "plan": [one.schedule.plan for one in self.layouts],
            "schedule": [one.schedule for one in self.layouts],
            "layout": self.layouts,
        }[name]
        return "\n\n".join(f"{what}\n{one}" for what, one in zip(WHAT, made, strict=True))


WHAT = ("before the loop", "each round", "after the loop")
STAGES = ("graph", "optimised", "plan", "schedule", "layout")
_Key = tuple[str, bytes]


def lower_tied(parts: Parts, dtype: str | Dtype = "float32", code: str = "auto", heads: int | None = None) -> Tied:
    """Lower a program with a loop to weights in which the block is there once. Raises as `lower` does."""
    arithmetic = dtype_named(dtype) if isinstance(dtype, str) else dtype
    graphs = tuple(map(optimise, parts.graphs()))
    forms = tuple(map(scalar, parts.domains))
    left = (forms, [forms[j] for j in parts.changing], None)
    plans = [plan(g, arithmetic, code, heads is not None, states=some) for g, some in zip(graphs, left, strict=True)]
    # What the embedding writes for later parts has a place for good; 1 is the first.
    embedded: dict[_Key, tuple[int, ...]] = {}
    width = 0
    for one in (plans[1], plans[2]):
        for feature in one.features:
            if isinstance(feature.recipe, Embed) and (key := _key(feature.recipe)) not in embedded:
                embedded[key] = tuple(range(width, width + feature.form.width))
                width += feature.form.width
    state = tuple(range(width, width + len(forms)))
    width += len(forms)
    made = [
        _part(plans[0], heads, embedded, parts.names, state, range(len(forms)), width, first=True),
        _part(plans[1], heads, embedded, parts.names, state, parts.changing, width),
        _part(plans[2], heads, embedded, parts.names, state, (), width),
    ]
    d_model = max(one.d_model for one in made)
    layouts = tuple(replace(one, d_model=d_model) for one in made)
    emitters = [Emitter(one) for one in layouts]
    tables = [emitter.embedding() for emitter in emitters]
    w_e, w_pos = _together([e for e, _ in tables]), _together([pos for _, pos in tables])
    return Tied(
        parts, graphs, layouts, forms, state, w_e, w_pos, emitters[2].unembedding(), tuple(emitter.blocks() for emitter in emitters)
    )


def _together(tables: Sequence[Matrix]) -> Matrix:
    """What the parts have the embedding write, in one table: they agree where several write. Shape: (rows, d_model)."""
    made = tables[0].copy()
    for table in tables[1:]:
        made[:, table.any(axis=0)] = table[:, table.any(axis=0)]
    return made


def _key(recipe: Embed) -> _Key:
    """What tells columns of the embedding apart."""
    return recipe.source, recipe.table.tobytes()


def _part(
    planned: Plan,
    heads: int | None,
    embedded: dict[_Key, tuple[int, ...]],
    names: Sequence[str],
    state: Sequence[int],
    changing: Sequence[int],
    width: int,
    first: bool = False,
) -> Layout:
    """A part's schedule and layout: what it leaves is written last, and in its place."""
    planned, starts, moves = _left(planned, names, changing, first)
    scheduled = schedule(replace(planned, features=planned.features[: len(planned.features) - len(moves)]), heads)
    sublayers: list[Attention | Mlp] = [*scheduled.sublayers]
    if not first:
        sublayers.insert(0, Mlp(()))  # where the first head adds up, its cell is filled here: the embedding is long past
    if changing:
        if not sublayers or not isinstance(sublayers[-1], Mlp) or sublayers[-1].writes:
            sublayers.append(Mlp(()))
        sublayers[-1] = Mlp(tuple(moves))
    pinned = {
        f: embedded[key] for f, x in enumerate(planned.features) if isinstance(x.recipe, Embed) and (key := _key(x.recipe)) in embedded
    }
    pinned |= {f: (state[x.recipe.state],) for f, x in enumerate(planned.features) if isinstance(x.recipe, Carried)}
    pinned |= {f: (state[j],) for f, j in (starts | moves).items()}
    stale = () if first else tuple(state[j] for j in changing)
    return layout(Schedule(planned, tuple(sublayers)), pinned=Pinned(pinned, width, stale, bool(changing)))


def _left(planned: Plan, names: Sequence[str], changing: Sequence[int], first: bool) -> tuple[Plan, dict[int, int], dict[int, int]]:
    """The plan with what it leaves as features: starts, which the embedding writes, and, last, moves; each with its place in the state."""
    if not changing:
        return planned, {}, {}
    spans = [x.form.intervals() for x in planned.features]
    early: list[tuple[Feature, int]] = []
    late: list[tuple[Feature, int]] = []
    for j, output, root in zip(changing, planned.outputs, planned.graph.roots, strict=True):
        (lin,), form, name = output.cells, output.form, names[j]
        what = f"the state's value {name}"
        Exactness(what, "Σ |weight|·max|input|", lin.magnitude(lambda cell: spans[cell[0]][cell[1]])).require(planned.dtype.reading)
        Exactness(what, "what is cleared and what is written", 2 * form.top).require(planned.dtype)
        table = _known(planned, lin) if first else None
        if table is not None:
            early.append((Feature(root, form, table, name), j))
        else:
            late.append((Feature(root, form, Compute((Unit(lin, (1,)),)), name), j))
    places = [j for _, j in (*early, *late)]
    features = (*planned.features, *(x for x, _ in (*early, *late)))
    first_new = len(planned.features)
    outputs = tuple(Output(features[f].form, (Lin.cell(f, 0),)) for f in range(first_new, len(features)))
    made = prune(replace(planned, features=features, outputs=outputs))
    where = {next(iter(output.cells[0].features())): j for output, j in zip(made.outputs, places, strict=True)}
    starts = {f: j for f, j in where.items() if isinstance(made.features[f].recipe, Embed)}
    moves = {f: j for f, j in where.items() if f not in starts}
    by_place = {j: output for output, j in zip(made.outputs, places, strict=True)}
    return replace(made, outputs=tuple(by_place[j] for j in changing)), starts, moves


def _known(planned: Plan, lin: Lin) -> Embed | None:
    """A value before the first round as a column of the embedding, where it depends on the token alone or on the position alone."""
    recipes = [planned.features[f].recipe for f in lin.features() - {0}]
    sources = {recipe.source for recipe in recipes if isinstance(recipe, Embed)}
    if len(sources) > 1 or not all(isinstance(recipe, Embed) for recipe in recipes):
        return None
    source = "token" if "token" in sources else "position"
    rows = len(planned.graph.sizes.alphabet) if source == "token" else planned.graph.sizes.length
    table: Ints = np.zeros((rows, 1), np.int64)
    for (f, d), k in lin.terms:
        recipe = planned.features[f].recipe
        assert isinstance(recipe, Embed)
        table[:, 0] += k * (recipe.table[:, d] if f else 1)
    return Embed(source, table)
