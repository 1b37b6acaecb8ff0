"""What attention brings: an average of what its positions hold, from the bounds of their weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import heads
from .context import Context
from .state import LEAST, OWN, UP, Cell, Reals, State, rounding
from .terms import NONE, Ints, Unshown, counted, hidden


def attention(ctx: Context, state: State, w: Mapping[str, Reals], masks: Sequence[str], part: Mapping[str, Any], number: int) -> State:
    """The stream after an attention layer. A dimension that a head writes was zero before, and no other head writes it."""
    seen = state.seen(ctx.noise)
    cells, written = list(state.cells), set[int]()
    bos, off = state.bos.copy(), state.off.copy()
    if len(part["heads"]) != len(masks):
        raise Unshown(f"block {number}: the script has another number of heads")
    for h, (mask, said) in enumerate(zip(masks, part["heads"], strict=True)):
        what = f"block {number}, head {h}"
        out = [int(d) for d in np.flatnonzero(np.abs(w["W_O"][h]).max(axis=0))]
        at_bos(ctx, seen, w["W_V"][h], w["W_O"][h], bos, off)
        if said["node"] is None:
            if out and (np.abs(w["W_V"][h]) @ np.abs(w["W_O"][h])).any():
                raise Unshown(f"{what}: nothing is said of what it writes")
            continue
        node = ctx.terms.nodes[said["node"]]
        if node.op not in ("lookup", "total") or node.fields["mask"] != mask:
            raise Unshown(f"{what} has the mask {mask}, and is no such {node.op}")
        found = heads.scores(seen, ctx.terms, node, w["W_Q"][h], w["W_K"][h], ctx.noise, what)
        claims = {int(d): row for d, *row in said["writes"]}
        if set(out) - set(claims) or set(claims) & written:
            raise Unshown(f"{what}: what it writes is not claimed, or claimed twice")
        for d in claims:
            if (state.cells[d].x != 0).any():
                raise Unshown(f"{what}: dimension {d} held something")
        written |= set(claims)
        if node.op == "lookup":
            alike = all(unpicked(ctx, int(fetch)) for (fetch,) in claims.values())
            leak = heads.lookup(found, ctx.terms, node, ctx.noise, alike, what)
            ctx.shown.leads.append((number, h, said["node"], leak.lead))
            made = {d: copied(ctx, seen, w, h, d, said["node"], int(fetch), leak, what) for d, (fetch,) in claims.items()}
        else:
            shares = heads.total(found, ctx.terms, ctx.noise, what)
            ctx.shown.leads.append((number, h, said["node"], -math.log(max(shares.rivals, 1e-300) / ctx.terms.length)))
            made = {d: share(ctx, seen, w, h, d, said["node"], which, shares, what) for d, (which,) in claims.items()}
        for d, cell in made.items():  # what was there, near zero, and the sum's rounding
            stale = float(state.cells[d].error().max())
            rounds = (ctx.noise.unit + OWN) * (np.abs(cell.x) + cell.com + cell.ind + stale) if stale else 0.0
            ind = (cell.ind + (1 + cell.scale * 2) * (stale + rounds)) * UP
            cells[d] = Cell(cell.variable, cell.x, cell.com, ind, cell.scale, cell.head)
    rounds = (len(masks) + 1) * (ctx.noise.unit + OWN) * (np.abs(bos) + np.abs(state.bos) + off)
    return State(cells, bos, (off + np.where((bos != state.bos) | (off > state.off), rounds, 0)) * UP)


def unpicked(ctx: Context, fetch: int) -> bool:
    """Whether a fetch brings the same whichever match is read: it reads a constant."""
    node = ctx.terms.nodes[fetch]
    return node.op == "fetch" and ctx.terms.of(node.args[1]).variable is None


def averaging(ctx: Context) -> float:
    """What the average of a head may be off relative to Σ p·|v|: exp, the sums of the weights and of the values, how these are kept, and
    how W_O reads it.

    Where partial sums are kept in few bits each of N + 1 terms rounds twice, as it is added and as all are scaled to a new greatest score,
    and so do its weight and the sum of the weights; that grows as (1 + half)^k. A number too small for its bits is LEAST off, and the
    sum of the weights is 1 at least where the greatest weighs 1.
    """
    n, noise = ctx.terms.length, ctx.noise
    own = noise.exp + (n + 4) * (noise.unit + OWN) + (math.expm1((2 * n + 8) * noise.half) + (2 * n + 8) * LEAST if noise.half else 0.0)
    return own + noise.grain * (1 + own)


def at_bos(ctx: Context, state: State, w_v: Reals, w_o: Reals, bos: Reals, off: Reals) -> None:
    """BOS attends to itself alone: what a head adds there."""
    eps, gamma = ctx.noise.weights, (ctx.width + 2) * (ctx.noise.unit + OWN)
    v = state.bos @ w_v
    v_off = (
        state.off @ np.abs(w_v)
        + (eps + rounding(w_v, ctx.noise.unit)) * ((np.abs(state.bos) + state.off) @ np.abs(w_v)) * (1 + eps)
        + (ctx.noise.exp + (averaging(ctx) if ctx.noise.half or ctx.noise.grain else 0.0)) * np.abs(v)
    )
    v_off = v_off + ctx.noise.kept(np.abs(v) + v_off)
    if ctx.noise.grain:
        v_off = v_off + averaging(ctx) * v_off + LEAST
    bos += v @ w_o
    off += (v_off @ np.abs(w_o) + (eps + gamma) * ((np.abs(v) + v_off) @ np.abs(w_o)) * (1 + eps)) * UP


@dataclass(frozen=True, slots=True)
class Brought:
    """What a head brings to a dimension from a token, as a cell, and from BOS.

    Of `com`, `matrix` is what noise of the head's weights makes of it, the same wherever the same numbers are read:
    `same` says by case which. `gross` and `bos_gross` add up what each column of W_V brings, without regard to signs: an average rounds
    column by column, so where columns cancel, their rounding does not.
    """

    variable: int | None
    x: Reals
    com: Reals
    ind: Reals
    matrix: Reals
    same: Ints
    gross: Reals
    bos: float
    bos_off: float
    bos_gross: float


def brought(ctx: Context, state: State, w: Mapping[str, Reals], h: int, d: int, what: str) -> Brought:
    """x·W_V·W_O of one dimension.

    With ε of each weight a product of two is off by 2ε + ε². Two tokens of one case differ by what their cells do times
    |W_V·W_O| + (2ε + ε²)·|W_V|·|W_O|, and by rounding.
    """
    w_v, w_o = w["W_V"][h], w["W_O"][h][:, d]
    used = np.flatnonzero(w_o)
    matrix = w_v[:, used]
    dims = [int(r) for r in np.flatnonzero(np.abs(matrix).max(axis=1))] if len(used) else []
    eps = 2 * ctx.noise.weights + ctx.noise.weights**2
    gamma = 2 * (np.count_nonzero(matrix, axis=0).max(initial=0) + len(used) + 2) * (ctx.noise.unit + OWN) * (1 + eps)
    size = np.abs(w_o[used])
    bos = float(state.bos @ matrix @ w_o[used])
    bos_sizes = (np.abs(state.bos) + state.off) @ np.abs(matrix) @ size
    bos_off = float(state.off @ np.abs(matrix) @ size + (eps + gamma) * bos_sizes) * UP
    grain = ctx.noise.half * (1 + eps) ** 2  # values as they are kept
    steps = bool(ctx.noise.half) + bool(ctx.noise.grain)  # as values are kept, and as W_O reads averages
    least = LEAST * float(size.sum()) * (1 + eps) * steps
    bos_off = (bos_off + grain * bos_sizes + least) * UP
    groups = state.variables(dims)
    constant = groups.pop(None, [])
    if len(groups) > 1:
        raise Unshown(f"{what}: dimension {d} brings what several variables decide")
    variable, own = next(iter(groups.items()), (None, []))
    direct = matrix @ w_o[used]  # (d_model,)
    x, com, ind, weights, same = np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1, np.int64)
    columns = np.zeros((1, len(used)))
    for some in (own, constant):
        if not some:
            continue
        cx, cc, ci = state.stack(some)
        line, lines = np.abs(direct[some]), np.abs(matrix[some]) @ size
        x, columns = x + cx @ direct[some], columns + cx @ matrix[some]
        com = com + cc @ line + eps * ((np.abs(cx) + cc) @ lines)
        weights = weights + eps * (np.abs(cx) @ lines)
        same = np.unique(cx, axis=0, return_inverse=True)[1].ravel() if len(cx) > 1 else same
        ind = ind + ci @ line + eps * (ci @ lines) + (gamma + grain) * ((np.abs(cx) + cc + ci) @ lines)
    com, ind = com * UP, (ind + least) * UP
    gross = (np.abs(columns) @ size + com + ind) * UP
    return Brought(variable, x, com, ind, weights, same, gross, bos, bos_off, (float(np.abs(state.bos @ matrix) @ size) + bos_off) * UP)


def copied(
    ctx: Context, state: State, w: Mapping[str, Reals], h: int, d: int, lookup: int, fetch: int, leak: heads.Leak, what: str
) -> Cell:
    """A dimension that a lookup brings, by case of what is read; ⊥ is what BOS holds.

    Proof: weights p add up to 1 within N roundings, those of rivals to at most the leak. Σ p·v - v(winner) = Σ over rivals of
    p·(v - v(winner)), and no |v| is above `most`. What rounds is relative to Σ p·|v|. A constant has one case, so all matches bring the
    same within that case's errors, and so does any average of theirs: then only what does not match is a rival.
    """
    node = ctx.terms.nodes[fetch]
    if node.op != "fetch" or node.args[0] != lookup:
        raise Unshown(f"{what}: node {fetch} is not read through it")
    b = brought(ctx, state, w, h, d, what)
    source = ctx.terms.of(node.args[1])
    if b.variable is not None and source.variable not in (b.variable, None):
        raise Unshown(f"{what}: dimension {d} holds another variable than node {node.args[1]}")
    values = ctx.terms.cases[fetch]
    table = np.broadcast_to(source.table, b.x.shape if source.variable is None else source.table.shape)
    x, com, ind, weights, same, gross = (np.broadcast_to(a, table.shape) for a in (b.x, b.com, b.ind, b.matrix, b.same, b.gross))
    most = max(float((np.abs(x) + com + ind).max()), abs(b.bos) + b.bos_off) * UP
    all_of = max(float(gross.max()), b.bos_gross)
    relative = averaging(ctx)
    lost, gone = 2 * most * leak.found, 2 * most * leak.missing
    fresh = lost + relative * (gross + 2 * all_of * leak.found)
    nothing = b.bos_off + gone + relative * (b.bos_gross + 2 * all_of * leak.missing)
    made, made_com, made_ind = np.zeros(len(values)), np.zeros(len(values)), np.zeros(len(values))
    for row, value in enumerate(values):
        at = table == value
        if value == NONE:  # nothing was found, or ⊥ was
            made[row], made_ind[row] = b.bos, nothing
            if at.any():
                made_ind[row] = max(made_ind[row], float((np.abs(x[at] - b.bos) + com[at] + ind[at] + fresh[at]).max()))
            continue
        if not at.any():  # it is only ever set (`freed.py`)
            continue
        middle = (x[at].max() + x[at].min()) / 2
        made[row] = middle
        if at.sum() == 1:  # what is alike wherever this is read: all of it, or what comes of the head's weights, or nothing
            made_com[row] = com[at].max()
        elif len(np.unique(same[at])) == 1:
            made_com[row] = weights[at].max()
        made_ind[row] = (ind[at] + np.maximum(com[at] - made_com[row], 0) * UP + np.abs(x[at] - middle) + fresh[at]).max()
    return Cell(fetch, made, made_com, made_ind * UP)


def share(
    ctx: Context, state: State, w: Mapping[str, Reals], h: int, d: int, head: int, which: int | None, shares: heads.Shares, what: str
) -> Cell:
    """A dimension that a total's head brings: BOS's share (`which` is None), or that of a total's values.

    Proof: relative to BOS each of c matches weighs between lo and hi, all mismatches together at most ρ; r is between lo and hi.
    Weights are divided by D' = 1 + Σ r' + ρ', where D = 1 + c·r is expected, so all shares of a token have the one factor D/D',
    between (1 + c·r)/(1 + c·hi + ρ) and (1 + c·r)/(1 + c·lo). Both are monotone in c, being quotients of linear functions, so
    their extremes are at c = 0 and c = N. What is divided is BOS's value, or Σ r'·v: within |v|·max(hi - r, r - lo) of r·v for each match,
    hi times what v is off, and ρ times the greatest v. If all v have one sign, Σ|v| is |Σ v|; what columns that cancel have more than
    that rounds too. Here v is the value times the gain with which the head writes it, whatever that is.
    """
    b = brought(ctx, state, w, h, d, what)
    lo, hi, rivals, n = shares.lo, shares.hi, shares.rivals, ctx.terms.length
    r = math.sqrt(lo * hi)
    error = 2 * averaging(ctx)
    factor = (max((1 + n * r) / (1 + n * lo) - 1, 1 - (1 + n * r) / (1 + n * hi + rivals), rivals) + error) * UP
    if factor > 0.5:
        raise Unshown(f"{what}: its shares may all be {factor:.3g} off")
    matches = counted(head)
    ctx.terms.cases.setdefault(matches, np.arange(n + 1))
    if which is None:
        c = np.arange(n + 1)
        if np.abs(b.x).max() > 0:
            raise Unshown(f"{what}: dimension {d} is BOS's share, and tokens bring something")
        token = float((b.com + b.ind).max()) + error * float(b.gross.max())
        middle = 1 / (1 + c * r)
        return Cell(matches, b.bos * middle, np.zeros(len(c)), (middle * (b.bos_gross * error + b.bos_off) + token) * UP, factor, head + 1)
    node = ctx.terms.nodes[which]
    mine = ctx.terms.nodes[head]
    same = (node.op, node.args[:-1], node.fields) == (mine.op, mine.args[:-1], mine.fields)
    if not same:
        raise Unshown(f"{what}: node {which} is another total")
    value = ctx.terms.of(node.args[-1])
    if b.variable is not None and value.variable not in (b.variable, None):
        raise Unshown(f"{what}: dimension {d} does not hold node {node.args[-1]}")
    table = np.where(value.table == NONE, 0, value.table)
    table = np.broadcast_to(table, b.x.shape if value.variable is None else table.shape)
    x, com, ind = (np.broadcast_to(a, table.shape) for a in (b.x, b.com, b.ind))
    largest = int(np.abs(table).argmax())
    gain = float(x[largest] / table[largest]) if table[largest] else 1.0
    table = table * gain
    wrong = float((np.abs(x - table) + com + ind).max())
    most = float(np.abs(table).max()) + wrong
    beyond = float(np.maximum(b.gross - np.abs(b.x), 0).max())
    if abs(b.bos) > 0:
        raise Unshown(f"{what}: dimension {d} is a share of tokens, and BOS brings something")
    c, s = ctx.terms.matched[which], ctx.terms.cases[hidden(which)]
    size = np.abs(gain * s) if table.min() >= 0 or table.max() <= 0 else c * np.abs(table).max()
    middle = gain * s * r / (1 + c * r)
    spread = (
        size * max(hi - r, r - lo)
        + wrong * c * hi
        + rivals * most
        + error * ((size + (wrong + beyond) * c) * hi + rivals * (most + beyond))
    )
    off = (spread / (1 + c * r) + b.bos_off) * UP
    ctx.joined[hidden(which)] = (matches, c)
    return Cell(hidden(which), middle, np.zeros(len(c)), off, factor, head + 1)
