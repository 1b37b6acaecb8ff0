"""A staircase over a sum of many values, looked at once for each value of the sum instead of each combination.

All units read the sum with one slope, so a pre-activation is p + δ + ν: p depends on the sum alone, δ is what the values' cells are
off, the same for every unit, and ν is the unit's own: its weights' noise, its rounding, and how its weights differ from the first unit's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .context import Context
from .state import LEAST, OWN, UP, Cell, Reals, State, rounding
from .terms import NONE, Unshown


def summed(
    ctx: Context, state: State, w_in: Reals, w_out: Reals, number: int, dims: list[int], values: Sequence[int], what: str
) -> list[Cell]:
    """What an MLP leaves in the dimensions of a weighted sum of values, each of a variable of its own."""
    node, eps, seen = ctx.terms.nodes[number], ctx.noise.weights, state.seen(ctx.noise)
    args = [ctx.terms.of(a) for a in node.args]
    owners = [a.variable for a in args]
    if len(set(owners)) < len(owners) or None in owners:
        raise Unshown(f"{what}: a sum of values that are of one variable, or constant")
    for d in dims:
        if state.cells[d].x.any():
            raise Unshown(f"{what}: dimension {d} held something")
    units = np.flatnonzero(np.abs(w_out[:, dims]).max(axis=1))
    read = [int(r) for r in np.flatnonzero(np.abs(w_in[:, units]).max(axis=1))]
    gamma = rounding(w_in[:, units], ctx.noise.unit)
    groups = seen.variables(read)
    constant = groups.pop(None, [])
    if set(groups) - set(owners):
        raise Unshown(f"{what}: it reads what is no part of the sum")
    bias, shared, own = np.zeros(len(units)), 0.0, np.zeros(len(units))
    fixed = np.zeros(len(units))
    if constant:
        x, com, ind = seen.stack(constant)
        size = np.abs(w_in[constant][:, units])
        fixed = (x @ w_in[constant][:, units])[0]
        bias = fixed.copy()
        own = ((com + ind) @ size + (eps + gamma) * (1 + eps) * ((np.abs(x) + com + ind) @ size))[0]
    tops: list[Reals] = []  # the greatest part of a pre-activation where the argument is there, and where it is ⊥
    missing: list[Reals] = []
    for c, a in zip(node.fields["coefficients"], args, strict=True):
        assert a.variable is not None
        mine = groups.get(a.variable, [])
        x, com, ind = seen.stack(mine) if mine else (np.zeros((len(a.table), 0)),) * 3
        matrix = w_in[mine][:, units]
        pre, size = x @ matrix, np.abs(matrix)
        noise = (eps + gamma) * (1 + eps) * ((np.abs(x) + com + ind) @ size)
        off = (com + ind) @ size + noise
        there = a.table != NONE
        wrong = pre[there] - c * a.table[there][:, None]  # units count in the sum itself
        middle = (wrong.max(axis=0) + wrong.min(axis=0)) / 2
        bias = bias + middle
        first = matrix[:, :1] if mine else matrix
        shared += float(((com + ind) @ np.abs(first))[there].max(initial=0)) if mine else 0.0
        unlike = (com + ind) @ np.abs(matrix - first)
        own = own + (np.abs(wrong - middle) + unlike[there] + noise[there]).max(axis=0)
        tops.append((pre + off)[there].max(axis=0))
        missing.append((pre + off)[~there].max(axis=0) if (~there).any() else np.full(len(units), -np.inf))
    shared, own = shared * UP, (own + OWN * (np.abs(bias) + 1)) * UP
    for i, gone in enumerate(missing):  # nothing may fire where an argument is ⊥
        others = sum((np.maximum(t, m) for j, (t, m) in enumerate(zip(tops, missing, strict=True)) if j != i), np.zeros(len(units)))
        if ((over := gone + others + fixed + own + ctx.noise.near) > 0).any():
            raise Unshown(f"{what}: a unit may fire where a part of the sum is ⊥, by {over.max():.3g}")
    cases = ctx.terms.cases[number]
    sums = cases[cases != NONE]
    pre = (sums - node.fields["constant"])[:, None] + bias
    ctx.shown.cases += len(sums)
    made: list[Cell] = []
    for d, v in zip(dims, values, strict=True):
        out = w_out[units, d]
        use = np.flatnonzero(out)
        p, spread, o, alone = pre[:, use], own[use] + shared, out[use], own[use]
        active, crossing = p - spread > 0, (p - spread <= 0) & (p + spread > 0)
        kept = np.abs((active * o).sum(axis=1)) * shared + (active * alone + crossing * spread) @ np.abs(o)
        bend = (np.abs(p) - spread < ctx.noise.near) * ctx.noise.smooth  # none where nothing is smooth
        sizes = ((np.maximum(p, 0) + spread) * (active | crossing) + bend) @ np.abs(o)
        rough = ctx.noise.grain * sizes + (LEAST * np.abs(o).sum() if ctx.noise.grain else 0.0) + bend @ np.abs(o)
        gamma_out = (len(use) + 4) * (ctx.noise.unit + OWN)
        stale = float((state.cells[d].com + state.cells[d].ind).max()) * (1 + ctx.noise.unit)
        error = kept + (eps + gamma_out) * (1 + eps) * sizes + (1 + eps) * rough + stale
        center = np.maximum(p, 0) @ o
        wrong = (np.abs(center - (sums == v)) + error) * UP
        value, ind = np.zeros(len(cases)), np.zeros(len(cases))
        value[cases != NONE], ind[cases != NONE] = sums == v, wrong
        ind[cases == NONE] = stale * UP
        if ind.max() >= 0.5:
            raise Unshown(f"{what} may be {ind.max():.3g} off its code")
        made.append(Cell(number, value, np.zeros(len(cases)), ind))
    return made
