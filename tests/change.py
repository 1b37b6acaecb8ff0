"""Random changes of values inside a model, and where the model then differs from its meaning under the same change."""

from __future__ import annotations

import random

import numpy as np
import torch

import headwork as hw
from headwork.compiler.domain import Domain
from headwork.compiler.ops import Lookup
from headwork.lab.intervene import value_hooks
from headwork.lab.settable import settable
from headwork.lab.trace import run
from headwork.lab.wiring import wiring_of
from headwork.runtime.check import expected
from headwork.runtime.fixed import Fixed


def some_value(rng: random.Random, domain: Domain, position: int) -> int | None:
    """A value of a domain that may stand at a position."""
    hi = domain.hi if domain.lag is None else min(domain.hi, position + domain.lag)
    if hi < domain.lo:
        return None
    return None if domain.none and rng.random() < 0.2 else rng.randint(domain.lo, hi)


def some_change(model: hw.Model, n: int, rng: random.Random) -> Fixed:
    """Up to three values of those that can be set, at some positions."""
    graph, wiring = model.optimised, wiring_of(model)
    can = [node for node, why in settable(wiring).items() if not why]
    fixed: Fixed = {}
    for node in rng.sample(can, min(len(can), rng.randint(1, 3))):
        places = rng.sample(range(1, n + 1), rng.randint(1, n))
        op, domain = graph.nodes[node].op, graph.nodes[node].domain
        fixed[node] = {}
        for i in places:
            if isinstance(op, Lookup):
                most = {"causal": i, "strict": i - 1, "full": n}[op.mask]
                fixed[node][i] = rng.choice([None, *range(1, most + 1)])
            elif domain.none or domain.lag is None or domain.lo <= i + domain.lag:
                fixed[node][i] = some_value(rng, domain, i)
    return fixed


def differences(model: hw.Model, row: list[int], fixed: Fixed) -> list[str]:
    """Every place and output at which the model under a change is not its meaning under it; natural codes are right to the nearest."""
    most = 0.5 if model.style == "natural" else 0.0
    hooks, columns = value_hooks(wiring_of(model), row, fixed)
    logits, kept = run(model, [row], hooks)
    states = [kept["hook_embed"] + kept["hook_pos_embed"], *(kept[f"blocks.{b}.hook_resid_post"] for b in range(len(model.module.blocks)))]
    token = next((i for i, node in enumerate(model.optimised.nodes) if node.op.name == "token"), None)
    said = row if token is None else [int(v) for v in columns[token] if v is not None]
    wrong = [
        probe.name
        for probe in model.probes
        for codes, specified in [expected(model, probe, said, columns)]
        if (specified & (np.abs(states[probe.block][0][1:, list(probe.dims)] - codes).max(axis=1) > most)).any()
    ]
    for form, block, root in zip(model.output_forms, model.module.split(torch.from_numpy(logits[0])), model.optimised.roots, strict=True):
        found = [int(c) + form.off if c else None for c in block.argmax(-1)]
        if found != columns[root]:
            wrong.append(f"output {root}")
    return wrong
