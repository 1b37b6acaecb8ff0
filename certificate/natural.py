"""The margin proof of a natural model: its script, from the plan that the program is lowered to; the checker decides.

The program as written is shown to mean what was lowered by the kernel's rules of equality, the tensors are shown to compute that by
`margin/`. The script only says which dimensions hold which value; the weights are the model's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ..compiler.errors import HeadworkError
from ..compiler.natural.lower import Natural, lower
from ..compiler.natural.place import Attention
from ..compiler.natural.stage import Copy
from ..compiler.ops import Position, Token
from ..margin.check import Model as Checked
from ..margin.freed import Freed, Place, span
from ..margin.terms import NONE, Node, Unshown
from ..runtime.module import Attention as AttentionBlock
from ..runtime.pad import Kind, kinds_of, slots

if TYPE_CHECKING:
    from ..runtime.model import Model


def subject(model: Model) -> Checked:
    """A model as the checker sees it: the optimised program, and the tensors that it has."""
    sizes = model.optimised.sizes
    classes = tuple(form.classes for form in model.output_forms)
    if model.module.shape.classes != classes or any(form.kind == "log" for form in model.output_forms):
        raise Unshown("the logits are not split into the classes of the outputs' forms")
    return Checked(
        sizes.length,
        len(sizes.alphabet),
        tuple(Node(node.op.name, {f.name: getattr(node.op, f.name) for f in fields(node.op)}, node.args) for node in model.optimised.nodes),
        model.optimised.roots,
        tuple((form.off, form.classes) for form in model.output_forms),
        tuple(block.masks if isinstance(block, AttentionBlock) else () for block in model.module.blocks),
        {name: tensor.detach().cpu().double().numpy() for name, tensor in model.module.state_dict().items()},
    )


def script(model: Model) -> list[dict[str, Any]]:
    """What each block writes: from the model's own plan, or for one from a file from its program lowered again.

    A padded model has more blocks and heads; they write nothing.
    """
    natural = model.natural or _again(model)
    plan = natural.plan
    kinds: list[Kind] = ["attention" if isinstance(part, Attention) else "mlp" for part in natural.schedule.blocks]
    at = slots(kinds, places := kinds_of(model.module.shape))
    if at is None:
        raise Unshown("the module has fewer blocks than its program's plan")
    blocks: list[dict[str, Any]] = [{"heads": [], "writes": []} for _ in places]
    for place, part in zip(at, natural.schedule.blocks, strict=True):
        if isinstance(part, Attention):
            for h, features in sorted(part.heads, key=lambda use: (plan.heads[use[0]].mask, use[0])):
                writes = [row for f in features for row in _brought(natural, f)]
                blocks[place]["heads"].append({"node": plan.heads[h].node, "writes": writes})
        else:
            blocks[place]["writes"] = [_written(natural, f) for f in (*part.writes, *part.rounds)]
    for block, said in zip(model.module.blocks, blocks, strict=True):
        if isinstance(block, AttentionBlock):
            said["heads"] += [{"node": None, "writes": []}] * (len(block.masks) - len(said["heads"]))
    return blocks


def freed(model: Model, nodes: Sequence[int]) -> Freed:
    """Nodes of the optimised graph that may be set to anything of their domains, and the places of all. Raises Unshown for other codes."""
    graph = model.optimised
    token = {type(node.op): i for i, node in enumerate(graph.nodes) if isinstance(node.op, (Token, Position))}
    places: list[Place] = []
    for feature in (model.natural or _again(model)).plan.features:
        if feature.none and isinstance(feature.recipe, Copy) and feature.value in nodes:  # it would say that there is none where one is set
            raise Unshown(f"{graph.nodes[int(feature.value)].name} has a direction for ⊥, which is not set with it")
    for probe in model.probes:
        node = (
            {"token": token.get(Token), "position": token.get(Position)}.get(probe.value) if isinstance(probe.value, str) else probe.value
        )
        if node is None:
            continue
        if probe.form.kind != "onehot":
            if node in nodes:
                raise Unshown(f"{probe.name} is held in another code than one-hot")
            continue
        places.append(Place(node, probe.block, probe.dims, tuple(probe.form.off + z for z in range(1, probe.form.top + 1))))
    domains = {n: graph.nodes[n].domain for n in nodes}
    return Freed({n: span(d.lo, d.hi, d.none) for n, d in domains.items()}, places)


def _brought(natural: Natural, f: int) -> list[list[int | None]]:
    feature = natural.plan.features[f]
    assert isinstance(feature.recipe, Copy)
    of = feature.value if feature.form is not None or feature.none else natural.plan.shares[f]
    return [[dim, of] for dim in feature.dims]  # pyright: ignore[reportReturnType]


def _written(natural: Natural, f: int) -> dict[str, Any]:
    feature = natural.plan.features[f]
    assert feature.form is not None or feature.none
    values = [feature.form.off + z for z in range(1, feature.form.top + 1)] if feature.form is not None else [NONE]
    return {"node": feature.value, "dims": list(feature.dims), "values": values, "name": feature.name}


def _again(model: Model) -> Natural:
    code = next((record.code for record in model.records if record.code == "binary"), "auto")
    masks = {mask for block in model.module.blocks if isinstance(block, AttentionBlock) for mask in block.masks}
    graph = replace(model.graph, sizes=replace(model.graph.sizes, strict="strict" in masks))  # else lowered to causal masks alone
    try:
        natural = lower(graph, code, None, model.sharpness)
        heads = [len(list(same)) for _, same in itertools.groupby(record.block for record in model.records)]
        if [len(part.heads) for part in natural.schedule.blocks if isinstance(part, Attention)] != heads:
            natural = lower(graph, code, max(heads, default=1), model.sharpness)
    except HeadworkError as error:
        raise Unshown(f"its program is not lowered again: {error.fact}") from error
    return natural
