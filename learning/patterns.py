"""Attention patterns of any model of heads, how alike two are, and which head of one model is which of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import networkx as nx
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..compiler.errors import InputError
from ..runtime.module import Attention, Transformer

Pattern: TypeAlias = npt.NDArray[np.floating]  # (B, n + 1, n + 1); row and column 0 are BOS
Place: TypeAlias = tuple[int, int]  # attention layer from 1, head from 0


@torch.no_grad()
def patterns_of(module: nn.Module, ids: Tensor) -> dict[Place, Pattern]:
    """The weights of every head, by attention layer and head. Shapes: (B, n) -> (B, n + 1, n + 1) each.

    A module of another kind than headwork's must have `patterns(ids)`, of shape (layers, B, heads, n + 1, n + 1). Raises InputError.
    """
    if isinstance(module, Transformer):
        layers: list[Tensor] = []
        for block, x in zip(module.blocks, module.stream(ids), strict=False):
            if isinstance(block, Attention):
                layers.append(block.pattern(x))
    else:
        patterns = getattr(module, "patterns", None)
        if not callable(patterns):
            raise InputError(
                f"{type(module).__name__} says nothing of its attention", hint="give it patterns(ids), or train what hw.fresh makes"
            )
        layers = list(patterns(ids))  # pyright: ignore[reportArgumentType]
    return {(i, h): layer[:, h].double().cpu().numpy() for i, layer in enumerate(layers, 1) for h in range(layer.shape[1])}


def overlap(p: Pattern, q: Pattern) -> float:
    """Mean of Σ_t min(p_t, q_t) over the places where q looks at a place other than BOS. Shapes: (B, n + 1, n + 1) each."""
    there = q[..., 1:].sum(-1) > 0.5
    there[:, 0] = False
    return float(np.minimum(p, q).sum(-1)[there].mean()) if there.any() else 0.0


def looked_at(q: Pattern) -> Pattern:
    """A pattern in which what a head adds up beside BOS, at weights near 0, has the whole weight: where it looks, not how it counts."""
    rest = q[..., 1:].sum(-1, keepdims=True)
    faint = (rest > 0) & (rest < 1e-6)
    spread = np.concatenate([np.zeros_like(rest), q[..., 1:] / np.where(rest > 0, rest, 1)], axis=-1)
    return np.where(faint, spread, q)


def alike(learned: Sequence[Pattern], compiled: Sequence[Pattern]) -> npt.NDArray[np.float64]:
    """The overlap of each learned head with each compiled one. Shape (learned, compiled)."""
    found = np.zeros((len(learned), len(compiled)))
    for b, q in enumerate(compiled):
        target = looked_at(q)
        adds = not np.array_equal(target, q)  # then so may the learned head
        found[:, b] = [overlap(looked_at(p) if adds else p, target) for p in learned]
    return found


def matched(likeness: npt.NDArray[np.float64]) -> dict[int, int]:
    """For each compiled head a learned one of its own, so that the overlaps add up to the most; of equals, those at like depths.

    Shape (learned, compiled).
    """
    rows, columns = likeness.shape
    graph: nx.Graph[tuple[str, int]] = nx.Graph()
    for (a, b), value in np.ndenumerate(likeness):
        if value > 0:
            graph.add_edge(("learned", int(a)), ("compiled", int(b)), weight=float(value) - 1e-9 * abs(a / rows - b / columns))
    pairs = [dict([one, other]) for one, other in nx.max_weight_matching(graph)]
    return {pair["compiled"]: pair["learned"] for pair in pairs}
