"""What is measured of a model, and how each symbol of a bound is read off it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..compiler.codes.numerics import dtype_named
from ..compiler.emit import AttentionWeights, Weights
from ..runtime.cost import Cost
from ..runtime.model import Model
from ..runtime.module import Attention


@dataclass(frozen=True, slots=True)
class Measured:
    """The sizes that bounds speak of. `heads` is the most in a layer, `kept` the width of all keys and values a position.

    `distinct` are the layers with weights of their own, where rounds of a loop share theirs; None where all have. `masks` are the
    attention masks in use and `places` how many rows of W_pos differ, BOS aside, None where they are not known; `mantissa` is p, the
    bits of precision.
    """

    name: str
    dtype: str
    length: int
    symbols: int
    layers: int
    heads: int
    d_model: int
    d_head: int
    kept: int
    mantissa: int
    parameters: int = 0
    distinct: int | None = None
    masks: frozenset[str] | None = None
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a symbol gets its value: read off the model, or given by the family's parameters (`read` is None)."""

    meaning: str
    read: Callable[[Measured], int] | None = None


READINGS: dict[str, Reading] = {
    "L": Reading("attention layers (the embedding is no layer, an MLP never counts)", lambda x: x.layers),
    "B": Reading(
        "attention layers with weights of their own: the rounds of a loop count once",
        lambda x: x.layers if x.distinct is None else x.distinct,
    ),
    "H": Reading("heads in the layer that has most", lambda x: x.heads),
    "m": Reading("d_model, the width of the residual stream", lambda x: x.d_model),
    "d_qk": Reading("d_head, the width of the widest query, key or value", lambda x: x.d_head),
    "c": Reading("numbers kept a position, all keys and values of all layers: Σ 2·heads·d_head", lambda x: x.kept),
    "p": Reading("bits of precision, the dtype's mantissa with the hidden bit", lambda x: x.mantissa),
    "N": Reading("the longest sequence", lambda x: x.length),
    "|Σ|": Reading("symbols of the alphabet", lambda x: x.symbols),
    "parameters": Reading("entries of all tensors", lambda x: x.parameters),
    "hops": Reading("k as the program was given it"),
    "k": Reading("hops that count: min(hops, max(1, N - 1))"),
    "n": Reading("size of the domain of the functions that are composed"),
    "size": Reading("bits of each of two words"),
    "votes": Reading("nearest examples that decide together"),
    "functions": Reading("how many functions are composed"),
    "q": Reading("how many vectors are averaged"),
    "d": Reading("width of each vector that is averaged"),
    "R": Reading("rounds of the protocol"),
    "s": Reading("words a machine holds, sends and receives a round"),
    "payload": Reading("bits of a message"),
    "diameter": Reading("greatest distance within a component of the graph"),
    "depth": Reading("longest way to the root of the forest"),
    "bits": Reading("bits of a key"),
    "fan": Reading("heads a layer that a scan is given"),
    "unsolvable": Reading("maximal subgroups of the transition semigroup that are not solvable"),
    "state": Reading("bits of a recurrent state"),
    "steps": Reading("steps of gradient descent, or of thought"),
    "gates": Reading("gates of a circuit"),
    "S": Reading("places of a gridworld"),
    "V": Reading("vertices of a graph"),
    "patterns": Reading("patterns that a memory holds"),
    "neurons": Reading("entries ±1 of a pattern"),
    "lead": Reading("β times the least difference of the right pattern's overlap with the cue and another's, rounded down"),
    "order": Reading("n of an n-gram model"),
    "r": Reading("features of linear attention"),
    "pairs": Reading("pairs of key and value in a prompt"),
    "keys": Reading("different keys"),
    "features": Reading("features that are computed in superposition"),
    "products": Reading("multiplications of two matrix products"),
}


def of_model(model: Model) -> Measured:
    """The sizes of a model, counted on its tensors."""
    layers = [b for b in model.module.blocks if isinstance(b, Attention)]
    kept = sum(2 * b.W_K.shape[0] * b.W_K.shape[2] for b in layers)
    masks = frozenset(str(m) for b in layers for m in b.masks)
    measured = _measured(model.name, model.dtype, model.length, len(model.alphabet), model.cost, kept, masks)
    measured = replace(measured, places=len(model.module.W_pos[1:].unique(dim=0)))
    distinct = len({id(b.W_Q) for b in layers})
    return measured if distinct == len(layers) else replace(measured, distinct=distinct)


def of_cost(cost: Cost, *, length: int, symbols: int, dtype: str = "float32", name: str = "") -> Measured:
    """The sizes a cost states; the masks are not known, and every head counts with the widest one's width."""
    kept = 2 * sum(cost.heads) * cost.d_head
    return _measured(name or "a model of this cost", dtype, length, symbols, cost, kept, None)


def of_weights(weights: Weights) -> Measured:
    """The sizes of emitted matrices; no torch module is built."""
    plan = weights.layout.schedule.plan
    cost = cost_of_weights(weights)
    kept = sum(2 * b.W_K.shape[0] * b.W_K.shape[2] for b in weights.blocks if isinstance(b, AttentionWeights))
    masks = frozenset(str(h.mask) for h in plan.heads)
    sizes = plan.graph.sizes
    measured = _measured(plan.graph.name, plan.dtype.name, sizes.length, len(sizes.alphabet), cost, kept, masks)
    return replace(measured, places=len(np.unique(weights.W_pos[1:], axis=0)))


def cost_of_weights(weights: Weights) -> Cost:
    """The cost of a model with these matrices, as `runtime.cost` counts it."""
    attention = [b for b in weights.blocks if isinstance(b, AttentionWeights)]
    mlps = [b for b in weights.blocks if not isinstance(b, AttentionWeights)]
    tensors = [weights.W_E, weights.W_pos, weights.W_U]
    tensors += [t for b in attention for t in (b.W_Q, b.W_K, b.W_V, b.W_O)] + [t for b in mlps for t in (b.W_in, b.W_out)]
    return Cost(
        attention_layers=len(attention),
        heads=tuple(len(b.masks) for b in attention),
        d_model=weights.W_E.shape[1],
        d_head=max((b.W_Q.shape[2] for b in attention), default=0),
        d_mlp=tuple(b.W_in.shape[1] for b in mlps),
        mlp_sublayers=len(mlps),
        parameters=sum(t.size for t in tensors),
        embedding_parameters=weights.W_E.size + weights.W_pos.size,
        nonzero_parameters=sum(int((t != 0).sum()) for t in tensors),
    )


def _measured(name: str, dtype: str, length: int, symbols: int, cost: Cost, kept: int, masks: frozenset[str] | None) -> Measured:
    return Measured(
        name=name,
        dtype=dtype,
        length=length,
        symbols=symbols,
        layers=cost.attention_layers,
        heads=max(cost.heads, default=0),
        d_model=cost.d_model,
        d_head=cost.d_head,
        kept=kept,
        mantissa=dtype_named(dtype).mantissa,
        parameters=cost.parameters,
        masks=masks,
    )
