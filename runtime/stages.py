"""Bisection: run a sequence through every stage of a compilation and name the first that goes wrong.

graph and optimised graph run in the interpreter; schedule runs features in exact integers with a hard maximum;
weights run in NumPy with an explicit softmax; the module runs in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..compiler.calls import public
from ..compiler.codes.forms import Form, Ints
from ..compiler.codes.linear import Lin
from ..compiler.domain import Symbol
from ..compiler.emit import Matrix, MlpWeights, Weights
from ..compiler.errors import InputError
from ..compiler.place.schedule import Schedule
from ..compiler.plan.stage import Compute, Copy, Embed, Head, Tally
from .classes import classes
from .interpreter import Column, interpret_roots
from .model import Model, require_model
from .tokens import encode


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The outputs of each stage on one sequence, the guard's last; `culprit` is the first that differs from the program as written."""

    outputs: tuple[tuple[str, list[Column]], ...]

    @property
    def culprit(self) -> str | None:
        """The name of the first wrong stage, or None."""
        return next((name for name, output in self.outputs if output != self.outputs[0][1]), None)


@public
def diagnose(model: Model, tokens: Sequence[Symbol]) -> Diagnosis:
    """Run every stage on one sequence. Raises InputError for a loaded checkpoint, which does not keep its stages."""
    require_model("diagnose()", model)
    if model.compiled is None:
        raise InputError("a checkpoint keeps no stages to run", hint="compile the program and diagnose that model")
    ids = encode(model.graph.sizes, tokens)
    return Diagnosis(
        (
            ("graph", interpret_roots(model.graph, ids)),
            ("optimised", interpret_roots(model.optimised, ids)),
            ("schedule", run_schedule(model.compiled.schedule, ids)),
            ("weights", run_weights(model.compiled.weights, ids)),
            ("module", model.values([ids])[0]),
        )
    )


def visible(mask: str, n: int) -> np.ndarray:
    """Which positions t see which, BOS at 0 (it sees itself alone). Shape (n, n)."""
    i, t = np.arange(n)[:, None], np.arange(n)[None, :]
    return {"causal": t <= i, "strict": (t < i) | ((i == 0) & (t == 0)), "full": (i > 0) | (t == 0)}[mask]


def run_schedule(schedule: Schedule, ids: Sequence[int]) -> list[Column]:
    """The outputs of a schedule, feature by feature, in integers; heads take the greatest score, which must be alone."""
    plan, n = schedule.plan, len(ids) + 1
    codes: dict[int, Ints] = {}

    def value(lin: Lin) -> Ints:
        total = np.zeros(n, np.int64)
        for (f, d), k in lin.terms:
            total += k * codes[f][:, d]
        return total

    def scores(head: Head) -> Ints:
        pairs = zip(head.query, head.key, strict=True)
        score = sum((np.outer(value(q), value(k)) for q, k in pairs), np.zeros((n, n), np.int64))
        return np.where(visible(head.mask, n), score, np.iinfo(np.int64).min)

    for f, feature in enumerate(plan.features):
        if isinstance(feature.recipe, Embed):
            rows = np.array(ids, np.int64) if feature.recipe.source == "token" else np.arange(n - 1)
            codes[f] = np.zeros((n, feature.form.width), np.int64)
            codes[f][1:] = feature.recipe.table[rows]
    for sublayer in schedule.sublayers:
        made: dict[int, Ints] = {}
        for f in sublayer.writes:
            recipe = plan.features[f].recipe
            if isinstance(recipe, Compute):
                made[f] = np.zeros((n, plan.features[f].form.width), np.int64)
                for unit in recipe.units:
                    made[f] += np.maximum(value(unit.pre), 0)[:, None] * np.array(unit.out)
            elif isinstance(recipe, Tally):  # a match is one step below BOS
                made[f] = recipe.fill * codes[0]
                for h, lin, c in recipe.parts:
                    made[f] = made[f] + c * ((scores(plan.heads[h]) == -1).astype(np.int64) @ value(lin))[:, None]
            elif isinstance(recipe, Copy):
                score = scores(plan.heads[recipe.head])
                winner = score.argmax(axis=1)
                tie = (score == score.max(axis=1, keepdims=True)).sum(axis=1)[1:] > 1
                assert not tie.any(), f"head {plan.heads[recipe.head].name} has a tie"
                made[f] = np.stack([value(lin)[winner] for lin in recipe.source], axis=1)
        codes.update(made)
    return [_decode(np.stack([value(lin) for lin in output.cells], axis=1)[1:], output.form) for output in plan.outputs]


def _decode(cells: Ints, form: Form) -> Column:
    if form.kind == "log":
        return [int(np.searchsorted(form.logits(), logit)) + 1 + form.off for logit in cells @ np.array([1, form.lead])]
    z = (cells * form.base ** np.arange(form.parts)).sum(axis=1)
    return [int(c) + form.off if c else None for c in z]


def run_weights(weights: Weights, ids: Sequence[int]) -> list[Column]:
    """The outputs of the emitted matrices, in NumPy, in their own precision: totals are rounded where they are added."""
    tokens = np.array([0, *(i + 1 for i in ids)])
    x = weights.W_E[tokens] + weights.W_pos[: len(tokens)]
    for block in weights.blocks:
        if isinstance(block, MlpWeights):
            x = x + np.maximum(x @ block.W_in, 0) @ block.W_out
        else:
            heads = zip(block.W_Q, block.W_K, block.W_V, block.W_O, block.masks, strict=True)
            x = x + sum((_attend(x, *head) for head in heads), np.zeros_like(x))
    forms = [output.form for output in weights.layout.schedule.plan.outputs]
    blocks = np.split(x[1:] @ weights.W_U, np.cumsum([form.classes for form in forms])[:-1], axis=1)
    found = [classes(form, torch.from_numpy(block)).tolist() for form, block in zip(forms, blocks, strict=True)]
    return [[c + form.off if c else None for c in column] for form, column in zip(forms, found, strict=True)]


def _attend(x: Matrix, w_q: Matrix, w_k: Matrix, w_v: Matrix, w_o: Matrix, mask: str) -> Matrix:
    score = np.where(visible(mask, len(x)), (x @ w_q) @ (x @ w_k).T, -np.inf)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True) @ (x @ w_v) @ w_o
