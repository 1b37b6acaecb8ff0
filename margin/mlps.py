"""An MLP in all joint cases of what it reads.

relu is 1-Lipschitz, and linear where its sign is sure. So units that are surely on are lines, whose slopes add up before errors are taken;
units that may be off within the error add all of theirs; units that are surely off add nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .context import Context
from .kinds import APART, Kinds, gated, reading
from .state import LEAST, OWN, UP, Cell, Reals, State, rounding
from .sums import summed
from .terms import MOST, Ints, Unshown, Value, hidden, meaning, product

CHUNK = 1 << 22


def mlp(ctx: Context, state: State, w: Mapping[str, Reals], part: Mapping[str, Any], number: int) -> State:
    """The stream after an MLP: what it writes is claimed, and computed in every joint case; the rest stays."""
    w_in, w_out = w["W_in"], w["W_out"]
    cells = list(state.cells)
    written: set[int] = set()
    for said in part["writes"]:
        node, dims = said["node"], [int(d) for d in said["dims"]]
        if written & set(dims):
            raise Unshown(f"block {number}: a dimension is claimed twice")
        written |= set(dims)
        what = f"block {number}, {said.get('name', f'node {node}')}"
        for d, cell in zip(dims, computed(ctx, state, w_in, w_out, int(node), dims, said["values"], what), strict=True):
            cells[d] = cell
    if set(map(int, np.flatnonzero(np.abs(w_out).max(axis=0)) if w_out.size else [])) - written:
        raise Unshown(f"block {number}: an MLP writes what is not claimed")
    bos, off = at_bos(ctx, state, w_in, w_out)
    return State(cells, bos, off)


def at_bos(ctx: Context, state: State, w_in: Reals, w_out: Reals) -> tuple[Reals, Reals]:
    """What BOS holds afterwards, and how far off that may be."""
    eps, unit = ctx.noise.weights, ctx.noise.unit + OWN
    pre, read_off = state.bos @ w_in, state.seen(ctx.noise).off
    e = read_off @ np.abs(w_in) + (eps + rounding(w_in, ctx.noise.unit)) * (1 + eps) * ((np.abs(state.bos) + read_off) @ np.abs(w_in))
    act = np.maximum(pre, 0)
    near, live = np.abs(pre) - e * UP < ctx.noise.near, pre + e * UP > 0
    e = np.where(live, e, 0) + near * ctx.noise.smooth
    e = e + ctx.noise.grain * (act + e) + (LEAST if ctx.noise.grain else 0.0)
    more = e @ np.abs(w_out) + (eps + (w_out.shape[0] + 2) * unit) * (1 + eps) * ((act + e) @ np.abs(w_out))
    bos, off = state.bos + act @ w_out, (state.off + more + unit * np.abs(state.bos)) * UP
    own = (state.bos != 0) & w_out.any(axis=0) | w_out[live].any(axis=0)
    for d in map(int, np.flatnonzero(own)):  # what takes itself off: its own error goes with it
        units = np.flatnonzero(w_out[:, d])
        read = [d, *(int(r) for r in np.flatnonzero(w_in[:, units].any(axis=1)) if r != d)]
        terms = np.count_nonzero(w_in[:, units], axis=0)
        many = np.ones(len(read))
        found = layer(ctx, state.bos[None, read], state.off[None, read], None, w_in[read][:, units], w_out[units, d], terms, many)
        bos[d], off[d] = float(found[0][0]), float(found[1][0])
    return bos, off


def computed(
    ctx: Context, state: State, w_in: Reals, w_out: Reals, number: int, dims: list[int], values: Sequence[int], what: str
) -> list[Cell]:
    """What an MLP leaves in the dimensions of a node: of dimension j, by case, 1 where the value is `values[j]`, else 0, or nearly."""
    terms, kinds = ctx.terms, Kinds()
    units = np.flatnonzero(np.abs(w_out[:, dims]).max(axis=1)) if w_out.size else np.array([], int)
    read = np.flatnonzero(np.abs(w_in[:, units]).max(axis=1)) if len(units) else np.array([], int)
    all_dims = [int(d) for d in dict.fromkeys([*read, *dims])]
    number = terms.same.get(number, number)  # a sum may be computed as any that it equals
    target = terms.of(number)
    node = terms.nodes[number]
    variables = [v for v in state.variables(all_dims) if v is not None]
    summing = node.op == "total" and hidden(number) in variables
    if not summing and target.variable not in variables and target.variable is not None:
        if target.variable != number or node.op in ("fetch", "total", "token", "position"):
            raise Unshown(f"{what}: it is not computed from what it is said to be")
        for a in node.args:
            v = terms.of(a).variable
            if v is not None and v not in variables:
                variables.append(v)
        many = math.prod(len(terms.cases[v]) for v in variables)
        if node.op == "affine" and (many > MOST or (many > APART and not gated(state, w_in, w_out, dims, kinds))):
            return summed(ctx, state, w_in, w_out, number, dims, values, what)
    counted = {ctx.joined[v][0]: v for v in variables if v in ctx.joined and ctx.joined[v][0] in variables}
    free = [v for v in variables if v not in counted]
    index = product([len(terms.cases[v]) for v in free], what)
    rows: dict[int | None, Ints] = dict(zip(free, index, strict=True))
    rows |= {c: ctx.joined[v][1][rows[v]] for c, v in counted.items()}
    count = len(index[0]) if index else 1
    ctx.shown.cases += count
    if summing:
        wanted = terms.cases[hidden(number)][rows[hidden(number)]]
    elif target.variable is None:
        wanted = np.repeat(target.table, count)
    elif target.variable in rows:
        wanted = target.table[rows[target.variable]]
    else:
        args = [terms.of(a) for a in node.args]
        wanted = meaning(node, [a.table[rows[a.variable]] if a.variable is not None else np.repeat(a.table, count) for a in args])
    # Rounded in place: cases stay what they are. So do a total's levels; once they are rounded, matches do not matter any more.
    raw = summing and not any(state.cells[d].x.any() for d in dims)
    if raw:
        target = Value(hidden(number), terms.cases[hidden(number)])
    own = len(free) == 1 and target.variable == free[0]
    cases = Cases(rows, count, target, wanted, own, state.scaled(all_dims))
    if target.variable not in rows and target.variable is not None:  # cases in which it is what it never is do not occur
        there = np.isin(wanted, target.table)
        if not there.all():
            cases = Cases({v: row[there] for v, row in rows.items()}, int(there.sum()), target, wanted[there], own, cases.scale)
    made = [one(ctx, state, w_in, w_out, d, v, cases, kinds) for d, v in zip(dims, values, strict=True)]
    if not raw and (worst := max(float(cell.error().max()) for cell in made)) >= 0.5:
        raise Unshown(f"{what} may be {worst:.3g} off its code")
    return made


@dataclass(frozen=True, slots=True)
class Cases:
    """Joint cases: the value that is wanted in each, and whether the value's own variable is the only one.

    Shapes: wanted and each of `rows` (count,). `scale` bounds the one factor that all that is read has.
    """

    rows: Mapping[int | None, Ints]
    count: int
    target: Value
    wanted: Ints
    own: bool
    scale: float

    def alike(self, kinds: Mapping[int, Ints]) -> tuple[dict[int | None, Ints], int, Ints]:
        """Joint kinds of variables that occur: each variable's kind in each, how many they are, and which one each case is."""
        sizes = [int(kind.max(initial=0)) + 1 for kind in kinds.values()]
        which = np.zeros(self.count, np.int64)
        for (v, kind), size in zip(kinds.items(), sizes, strict=True):
            which = which * size + kind[self.rows[v]]
        if math.prod(sizes) > self.count:
            found, which = np.unique(which, return_inverse=True)
        else:
            found = np.arange(math.prod(sizes))
        places = np.unravel_index(found, sizes) if sizes else ()
        return dict(zip(kinds, places, strict=True)), len(found), which


def one(ctx: Context, state: State, w_in: Reals, w_out: Reals, d: int, value: int, cases: Cases, kinds: Kinds) -> Cell:
    """One dimension after an MLP, in all joint cases; those in which it reads the same are computed once."""
    target, rows, nominal = cases.target, cases.rows, np.asarray(cases.wanted == value, float)
    cells, w, out, terms, many = reading(state, w_in, w_out, d)
    # Numbers by case where the value's own variable alone decides; what is alike there is kept apart if there is any.
    alone = cases.own and cases.scale == 0 and {c.variable for c in cells} <= {None, target.variable}
    apart = alone and (ctx.noise.weights > 0 or any(c.com.any() for c in cells))
    cells, of = kinds.few(cells)
    kind, count, which = cases.alike(of)
    ind = np.stack([_apart(c, kind, count) for c in cells], axis=1) if apart else None
    x, e = State(cells, state.bos, state.off).gathered(range(len(cells)), kind, count, cases.scale)
    found = layer(ctx, x, e, ind, w, out, terms, many, cases.scale)
    center, error, differ = (column[which] for column in found)
    error = (error + cases.scale * (np.abs(center) + error)) * UP  # what has no constants is in proportion
    if cases.own:
        if target.variable in ctx.joined and np.abs(center - nominal).max() < 0.2:  # levels of few matches
            return Cell(target.variable, nominal, np.zeros(len(center)), (error + np.abs(center - nominal)) * UP)
        ind = np.minimum(differ, error) if apart else error
        return Cell(target.variable, center, (error - ind) * UP, ind)
    wrong = (np.abs(center - nominal) + error) * UP
    if target.variable is None:
        return Cell(None, nominal[:1].copy(), np.zeros(1), wrong.max(keepdims=True))
    number = target.variable
    table = ctx.terms.cases[number]
    order = np.argsort(table, kind="stable")
    at = order[np.searchsorted(table[order], cases.wanted)] if number not in rows else rows[number]
    ind = np.zeros(len(table))
    np.maximum.at(ind, at, wrong)
    return Cell(number, np.asarray(table == value, float), np.zeros(len(table)), ind)  # what is in no joint case does not occur


def _apart(cell: Cell, rows: Mapping[int | None, Ints], count: int) -> Reals:
    return cell.ind[rows[cell.variable]] if cell.variable is not None else np.repeat(cell.ind, count)


def layer(
    ctx: Context, x: Reals, e: Reals, ind: Reals | None, w: Reals, out: Reals, terms: Ints, many: Reals, scale: float = 0.0
) -> tuple[Reals, Reals, Reals]:
    """x[0] + relu(x·W)·out by case, how far off that is where x is off by e, and by how much two tokens of a case differ, halved.

    Proof. W reads x + δ + ρ, δ what x is off, ρ what is misread of it. Let a unit's pre-activation be p + (δ + ρ)·w + ν, ν what noise
    of W and rounding add. Units that are surely on add out·(p + (δ + ρ)·w + ν), so together (δ + ρ)·(Σ w·out) + Σ ν·out; x[0] itself is
    off by δ and not by ρ. One that may be off lies between 0 and p + spread, and p <= spread, so it is within spread of relu(p). One near
    its bend may be `smooth` off besides. Noise of `out`, what is rounded of units as they are read, and the last sum's rounding are
    relative to what is added. Two tokens of one case have the same W: they differ by Σ w·out times what x differs by, but for 2ε + ε² of
    each product, and by all that is misread and rounds. Where one factor 1 + f scales all that is read, |f| <= `scale`, everything is
    divided by it, and 1/(1 + f) <= 1 + 2·scale.
    Shapes: x, e, ind (cases, cells); w (cells, units); out and terms, how many each unit adds, (units,); many, as `reading` has it,
    (cells,).
    """
    noise, eps, unit = ctx.noise, ctx.noise.weights, ctx.noise.unit + OWN
    both, larger = 2 * eps + eps * eps, 1 + 2 * scale
    smooth, near, least = noise.smooth * larger, noise.near * larger, LEAST * larger if noise.grain else 0.0
    self_at, gamma, gamma_out = 0, (terms + 2) * unit * (1 + eps), (len(out) + 4) * unit * (1 + eps)
    center, error, differ = np.empty(len(x)), np.empty(len(x)), np.zeros(len(x))
    alone = (np.count_nonzero(w, axis=0) == 1) & (w[self_at] != 0)  # units that read the cell itself, and nothing else
    self_w, self_out = w[self_at, alone], out[alone]
    self_size, self_slope = float(np.abs(self_w) @ np.abs(self_out)), max(map(abs, _slopes(self_w, self_out)))
    w, out, gamma = w[:, ~alone], out[~alone], gamma[~alone]
    step = max(1, CHUNK // max(1, w.size, w.shape[1]))
    size, reaching = np.abs(w), np.abs(out)
    for start in range(0, len(x), step):
        at = slice(start, start + step)
        part, off = x[at], e[at]
        misread = noise.misread(np.abs(part) + off, many * larger)
        pre = part @ w  # (cases, units)
        sizes_in = (np.abs(part) + off + misread) @ size
        spread = ((off + misread) @ size + (eps + gamma) * sizes_in) * UP
        active, crossing = pre - spread > 0, (pre - spread <= 0) & (pre + spread > 0)
        bend = np.abs(pre) - spread < near  # none where nothing is smooth
        act = np.maximum(pre, 0)
        lines = (active * out) @ w.T  # (cases, dims): what a change of each input changes
        read = (np.abs(lines) * misread).sum(axis=1)
        own, reach, own_misread = part[:, self_at], off[:, self_at], misread[:, self_at]
        own_size = np.abs(own) + reach + own_misread
        kept, moved = _bent(own, reach, self_w, self_out)
        single = len(self_out) > 0
        if not single:
            lines[:, self_at] += 1
        found = (np.abs(lines) * off).sum(axis=1) + read + (active * (eps + gamma) * sizes_in + crossing * spread) @ reaching
        sizes = ((act + spread) * (active | crossing) + bend * smooth) @ reaching
        rough = noise.grain * sizes + least * reaching.sum() + smooth * (bend @ reaching)  # of hidden units, as W_out reads them
        rounds = (gamma_out + 4 * unit) * own_size * self_size + gamma_out * sizes + unit * own_size
        if single:
            found = found + moved + self_slope * own_misread + both * own_size * self_size
            bent_at = (np.abs(own) - reach - own_misread)[:, None] * np.abs(self_w) * (1 - both) < near * UP
            rough = rough + (noise.grain * (own_size * self_size + smooth * np.abs(self_out).sum()) + least * np.abs(self_out).sum())
            rough = rough + smooth * (bent_at @ np.abs(self_out))
        center[at] = kept + act @ out
        error[at] = (found + eps * sizes + (1 + eps) * rough + rounds) * UP
        if ind is not None:
            apart = ind[at]
            reached = (apart + misread) @ size
            lipschitz = (both * active + (1 + both) * crossing) * reached + (active | crossing) * gamma * sizes_in * (1 + eps)
            bent = (_steepest(own, reach, self_w, self_out) + both * self_size) * apart[:, self_at] if single else 0.0
            bent = bent + (self_slope + both * self_size) * own_misread if single else bent
            more = (np.abs(lines) * apart).sum(axis=1) + read + lipschitz @ reaching + bent
            differ[at] = (more + (1 + eps) * rough + rounds) * UP
    return center, error, differ


def _bent(x: Reals, reach: Reals, w: Reals, out: Reals) -> tuple[Reals, Reals]:
    """y + Σ out·relu(w·y) at y = x, and how far it may be from that for y within `reach`: a bend at 0, lines beside it."""

    def at(y: Reals) -> Reals:
        return y + np.maximum(y[:, None] * w, 0) @ out

    here = at(x)
    far = np.maximum(np.abs(at(x - reach) - here), np.abs(at(x + reach) - here))
    bend = np.abs(x) < reach
    return here, np.where(bend, np.maximum(far, np.abs(here)), far)  # at 0 it is 0


def _steepest(x: Reals, reach: Reals, w: Reals, out: Reals) -> Reals:
    """The greatest slope of the same function for y within `reach`."""
    below, above = (abs(1 + slope) for slope in _slopes(w, out))
    return np.maximum(np.where(x - reach < 0, below, 0), np.where(x + reach > 0, above, 0))


def _slopes(w: Reals, out: Reals) -> tuple[float, float]:
    """The slopes of Σ out·relu(w·y) below 0 and above."""
    below, above = (float((w * out)[side].sum()) for side in (w < 0, w > 0))
    return below, above
