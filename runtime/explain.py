"""The text of `model.explain()`: what every block does, why it is exact, and where every value is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.codes.numerics import dtype_named
from ..compiler.ops import Total
from .module import AttentionShape

if TYPE_CHECKING:
    from .model import Model


def explain(model: Model) -> str:
    """The model as text, block by block."""
    if model.style == "natural":
        return _natural(model)
    dtype = dtype_named(model.dtype)
    sizes = model.graph.sizes
    kind = "causal" if sizes.causal else "bidirectional"
    lines = [
        f"{model.name}: {kind}, length {sizes.length:,}, alphabet {len(sizes.alphabet):,}, {model.dtype}",
        f"as written {model.graph.depth} attention layers, optimised {model.optimised.depth}",
        "",
        *str(model.cost).splitlines(),
        "",
        f"scores are multiples of {dtype.grid}; a winner leads by at least {dtype.grid}, where exp rounds to 0;",
        f"sums of at most {dtype.limit:,} steps are exact in any order",
        *(["in a head that adds up, a match scores -" + f"{dtype.tally}, and its weight is taken up in W_O"] if _adds_up(model) else []),
        *(["", "choices", *(f"  {note}" for note in model.graph.notes)] if model.graph.notes else []),
        "",
        "embedding  " + _values(model, 0),
    ]
    layer = 0
    for b, block in enumerate(model.module.shape.blocks, 1):
        if isinstance(block, AttentionShape):
            layer += 1
            lines.append(f"block {b:<3}  attention layer {layer}")
            for record in (r for r in model.records if r.block == b):
                lines.append(f"           {record.name}: {record.does}")
                lines.append(f"             code {record.code}: {record.inequality} = {record.steps:,} <= {dtype.limit:,}")
        else:
            lines.append(f"block {b:<3}  MLP of {block.d_mlp} units: {_values(model, b) or 'clears what is dead'}")
    if len(model.output_forms) > 1:
        classes = zip(model.graph.titles(), model.module.shape.classes, strict=True)
        lines.append("unembedding " + ", ".join(f"{what}: {size:,} classes" for what, size in classes))
    return "\n".join(lines)


def _natural(model: Model) -> str:
    """A natural model as text: what the style cost, then block by block."""
    sizes, n = model.graph.sizes, model.length
    lines = [
        f"{model.name}: {'causal' if sizes.causal else 'bidirectional'}, length {n:,}, alphabet {len(sizes.alphabet):,}, {model.dtype}",
        f"as written {model.graph.depth} attention layers, optimised {model.optimised.depth}",
        "",
        *str(model.cost).splitlines(),
        "",
        f"natural: one direction a value, kept from birth to the end; a lookup's winner leads by {model.sharpness:g} nats",
        _price(model),
        *(["", "choices", *(f"  {note}" for note in model.graph.notes)] if model.graph.notes else []),
        "",
        "embedding  " + _spans(model, 0),
    ]
    layer = 0
    for b, block in enumerate(model.module.shape.blocks, 1):
        if isinstance(block, AttentionShape):
            layer += 1
            lines.append(f"block {b:<3}  attention layer {layer}")
            for record in (r for r in model.records if r.block == b):
                lines += [f"           {record.name}: {record.does}", f"             code {record.code}: {record.inequality}"]
        else:
            lines.append(f"block {b:<3}  MLP of {block.d_mlp} units: {_spans(model, b) or 'reads shares'}")
    return "\n".join(lines)


def _price(model: Model) -> str:
    """What the style costs: the sizes beside those of the compact one."""
    from ..compiler.errors import HeadworkError
    from ..compiler.pipeline import lower
    from .model import model_of

    cost = model.cost
    try:
        other = model_of(lower(model.graph, model.dtype)).cost
    except HeadworkError as error:
        return f"the compact style refuses this program: {error.fact}"
    return (
        f"the style costs {cost.parameters:,} parameters where the compact one has {other.parameters:,}, d_model {cost.d_model:,} where it "
        f"has {other.d_model:,}, and {cost.mlp_sublayers} MLP sublayers where it has {other.mlp_sublayers}"
    )


def _spans(model: Model, block: int) -> str:
    probes = [p for p in model.probes if p.block == block]
    return ", ".join(f"{p.name}[{p.dims[0]}]" if len(p.dims) == 1 else f"{p.name}[{p.dims[0]}..{p.dims[-1]}]" for p in probes)


def _adds_up(model: Model) -> bool:
    return any(isinstance(node.op, Total) for node in model.optimised.nodes)


def _values(model: Model, block: int) -> str:
    probes = [p for p in model.probes if p.block == block]
    return ", ".join(f"{p.name}{list(p.dims)}" for p in probes)
