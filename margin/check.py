"""The checker's one entry: a program, tensors and a script of what holds which value in; what is shown out, or where a margin is lost.

By induction over the blocks: before each, every dimension of the stream at a token is within its error of a number that a case of one
variable decides, and at BOS within its error of a number. All sums are bounded in any order, products fused or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .brings import attention
from .context import Context, Model, Shown
from .freed import Freed
from .mlps import mlp
from .state import OWN, UP, ZERO, Cell, Noise, State, rounding
from .terms import MOST, NONE, POSITION, TOKEN, Ints, Terms, Unshown


def check(model: Model, script: Sequence[Mapping[str, Any]], noise: Noise, freed: Freed | None = None) -> Shown:
    """Show a model right, also where what is `freed` is set. Raises Unshown at the head, unit or logit where a margin is not there."""
    plain = Terms(model.length, model.symbols, model.nodes)
    ctx = Context(model, plain if freed is None else freed.terms(plain), noise)
    require(model, script)
    state = embedding(ctx)
    if freed is not None:
        state = freed.released(plain, ctx.terms, state, 0)
    for number, (masks, part) in enumerate(zip(model.blocks, script, strict=True), 1):
        w = {k.rpartition(".")[2]: t for k, t in model.tensors.items() if k.startswith(f"blocks.{number - 1}.")}
        ctx.shown.together = max(ctx.shown.together, state.together())
        seen = state.seen(noise)
        for h in range(len(masks)):
            ends = [seen.reach(w[name][h]) for name in ("W_Q", "W_K", "W_V")]
            ctx.shown.reach = (max(ctx.shown.reach[0], ends[0]), max(ctx.shown.reach[1], ends[1]), max(ctx.shown.reach[2], ends[2]))
        if not masks:
            ctx.shown.hidden = max(ctx.shown.hidden, seen.reach(w["W_in"]))
        state = attention(ctx, state, w, masks, part, number) if masks else mlp(ctx, state, w, part, number)
        if freed is not None:
            state = freed.released(plain, ctx.terms, state, number)
        state = state.blurred(noise.stream)
    ctx.shown.together = max(ctx.shown.together, state.together())
    logits(ctx, state.seen(noise))
    return ctx.shown


def require(model: Model, script: Sequence[Mapping[str, Any]]) -> None:
    """Shapes of tensors, and that they are numbers."""
    d = model.tensors["W_E"].shape[1]
    wanted = {"W_E": (model.symbols + 1, d), "W_pos": (model.length + 1, d), "W_U": (d, sum(size for _, size in model.classes))}
    for i, masks in enumerate(model.blocks):
        e, h, name = model.tensors[f"blocks.{i}.{'W_Q' if masks else 'W_in'}"].shape[-1], len(masks), f"blocks.{i}."
        shapes = {"W_Q": (h, d, e), "W_K": (h, d, e), "W_V": (h, d, e), "W_O": (h, e, d)} if masks else {"W_in": (d, e), "W_out": (e, d)}
        wanted |= {name + key: shape for key, shape in shapes.items()}
    for name in sorted({*wanted, *model.tensors}):
        if name not in wanted or name not in model.tensors or model.tensors[name].shape != wanted[name]:
            raise Unshown(f"{name} has not the shape of the program's sizes")
        if not np.isfinite(model.tensors[name]).all():
            raise Unshown(f"{name} holds a number that is not finite")
        if np.abs(model.tensors[name]).max(initial=0) > 2.0**60:
            raise Unshown(f"{name} holds a number above 2^60")
    if len(script) != len(model.blocks) or len(model.classes) != len(model.outputs):
        raise Unshown("the script is for another model")


def embedding(ctx: Context) -> State:
    """A dimension is of the token or of the position; what both write is off by what the other writes.

    A weight's noise is the same wherever the case is; what is constant has one case, so there all is in `ind`.
    """
    w_e, w_pos, eps, unit = ctx.model.tensors["W_E"], ctx.model.tensors["W_pos"], ctx.noise.weights, ctx.noise.unit + OWN
    cells: list[Cell] = []
    for d in range(ctx.width):
        e, p = w_e[1:, d], w_pos[1:, d]
        own, other, variable = (e, p, TOKEN) if np.abs(e).max() >= np.abs(p).max() else (p, e, POSITION)
        if not own.any():
            cells.append(ZERO)
            continue
        much = np.abs(other).max() * (1 + eps)
        rounds = unit * (np.abs(own).max() * (1 + eps) + much) if much else 0.0  # nothing is added: nothing rounds
        ind, com = np.full(len(own), (much + rounds) * UP), eps * np.abs(own) * UP
        if (own == own[0]).all():  # the same everywhere
            cells.append(Cell(None, own[:1].copy(), np.zeros(1), ((com + ind) * UP)[:1]))
        else:
            cells.append(Cell(variable, own.copy(), com, ind))
    bos = w_e[0] + w_pos[0]
    return State(cells, bos, (eps + unit) * (1 + eps) * (np.abs(w_e[0]) + np.abs(w_pos[0])) * UP)


def logits(ctx: Context, state: State) -> None:
    """In each case the right class's least exceeds every other's greatest."""
    w_u, start, noise = ctx.model.tensors["W_U"], 0, ctx.noise
    for number, (off, size) in zip(ctx.model.outputs, ctx.model.classes, strict=True):
        matrix = w_u[:, start : start + size]
        start += size
        value = ctx.terms.of(number)
        dims = [int(d) for d in np.flatnonzero(np.abs(matrix).max(axis=1))]
        variables = [v for v in state.variables(dims) if v is not None]
        if len(variables) > 1 or (variables and value.variable not in (variables[0], None)):
            raise Unshown(f"output {number}: its logits read another variable")
        variable = variables[0] if variables else value.variable
        count = 1 if variable is None else len(ctx.terms.cases[variable])
        rows: dict[int | None, Ints] = {} if variable is None else {variable: np.arange(count)}
        table = value.table if value.variable is not None else np.repeat(value.table, count)
        x, e = state.gathered(dims, rows, count)
        line = np.abs(matrix[dims])
        found = x @ matrix[dims]
        errors = (e @ line + (noise.weights + rounding(matrix, noise.unit)) * ((np.abs(x) + e) @ line) * (1 + noise.weights)) * UP
        right = np.where(table == NONE, 0, table - off)
        if ((right < 0) | (right >= size) | ((right == 0) & (table != NONE))).any():
            raise Unshown(f"output {number} may be worth what has no class")
        at = np.arange(count)
        best = found[at, right] - errors[at, right]
        others = found + errors
        others[at, right] = -np.inf
        margin = float((best - others.max(axis=1)).min()) if size > 1 else math.inf
        ctx.shown.margin = min(ctx.shown.margin, margin)
        if margin <= 0:
            raise Unshown(f"output {number}: the right class leads by {margin:.3g}")


__all__ = ["MOST", "Context", "Model", "Noise", "Shown", "Unshown", "check"]
