"""A natural compilation as a model: its module, where its values are, and what its heads do, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..compiler.emit import AttentionWeights
from ..compiler.natural.place import Attention
from .module import AttentionShape, MlpShape, Shape, Transformer
from .said import matches

if TYPE_CHECKING:
    from ..compiler.natural.lower import Natural
    from .model import HeadRecord, Probe


def module_of(natural: Natural, dtype: torch.dtype) -> Transformer:
    """The torch module that holds the matrices."""
    from .model import assemble

    weights = natural.weights
    blocks = tuple(
        AttentionShape(b.W_Q.shape[2], b.masks) if isinstance(b, AttentionWeights) else MlpShape(b.W_in.shape[1]) for b in weights.blocks
    )
    classes = tuple(output.form.classes for output in natural.plan.outputs)
    shape = Shape(weights.W_E.shape[0] - 1, weights.W_pos.shape[0] - 1, weights.W_E.shape[1], classes, blocks)
    return assemble(shape, {name: torch.tensor(value, dtype=dtype) for name, value in weights.tensors().items()})


def probes_of(natural: Natural) -> tuple[Probe, ...]:
    """Where every value is, from the block that has rounded it; shares are no values."""
    from .model import Probe

    ready = natural.schedule.ready()
    features = enumerate(natural.plan.features)
    return tuple(Probe(f.name, f.value, f.form, f.dims, ready[i]) for i, f in features if f.form is not None)


def records_of(natural: Natural) -> tuple[HeadRecord, ...]:
    """What every head does."""
    from .model import HeadRecord

    plan = natural.plan
    records: list[HeadRecord] = []
    for number, part in enumerate(natural.schedule.blocks, 1):
        uses = part.heads if isinstance(part, Attention) else ()
        for h, features in sorted(uses, key=lambda use: (plan.heads[use[0]].mask, use[0])):
            head = plan.heads[h]
            does = f"{matches(plan.graph, head.node, head.kind == 'any')} -> {', '.join(plan.features[f].name for f in features)}"
            records.append(HeadRecord(number, head.name, does, head.code, head.why, 0))
    return tuple(records)
