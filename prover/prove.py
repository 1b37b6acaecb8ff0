"""Find the proof script of a model: why its optimised graph means its program, and why every block computes what it is said to.

Untrusted and as clever as it likes: what it finds is a proof when the kernel accepts it (`kernel/verify.py`), and nothing else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..compiler.graph import Graph
from ..kernel.numbers import Reals, Rejected, rejecting
from ..kernel.stream import Form
from ..kernel.terms import ONE, POSITION, TOKEN
from ..kernel.verify import Checkpoint, block, embedding, require_tensors
from ..runtime.module import Attention
from . import blocks
from .cancel import cancelled
from .rewrites import Ledger, explain, explain_unstrict, row

if TYPE_CHECKING:
    from ..runtime.model import Model, Probe

ORIGINS = {"token": TOKEN, "position": POSITION, "one": ONE}


def checkpoint_of(model: Model) -> Checkpoint:
    """A model as the kernel sees it: sizes, the program as written, forms of outputs, tensors. Raises Rejected for unknown operations."""
    sizes = model.graph.sizes
    tensors: dict[str, Reals] = {k: v.detach().cpu().double().numpy() for k, v in model.module.state_dict().items()}
    return Checkpoint(
        sizes.length,
        len(sizes.alphabet),
        model.dtype,
        tuple(row(node.op, node.args) for node in model.graph.nodes),
        model.graph.roots,
        tuple(Form(f.kind, f.off, f.top, f.parts, f.radix) for f in model.output_forms),
        tuple(block.masks if isinstance(block, Attention) else () for block in model.module.blocks),
        tensors,
    )


@dataclass(frozen=True, slots=True)
class Unproved(Exception):
    """No script was found: what the kernel said of the first try, and what its terms are called."""

    rejected: Rejected
    names: dict[int, str]


def prove(model: Model, checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[int, str]]:
    """The script, and what its terms are called. Raises Unproved where none is found."""
    names: dict[int, str] = {}
    try:
        with rejecting("the model is malformed"):
            return _prove(model, checkpoint, names), names
    except Rejected as rejected:
        raise Unproved(rejected, names) from rejected


def _prove(model: Model, checkpoint: Checkpoint, names: dict[int, str]) -> dict[str, Any]:
    require_tensors(checkpoint)
    ledger = Ledger(model.graph)
    names |= {number: node.name for number, node in zip(ledger.program, model.graph.nodes, strict=True)}
    numbers = _meaning(ledger, model)
    names |= {number: node.name for number, node in zip(numbers, model.optimised.nodes, strict=True)}
    numbers = cancelled(ledger, model.optimised, numbers)
    names |= {number: node.name for number, node in zip(numbers, model.optimised.nodes, strict=True) if number not in names}
    outputs = [numbers[root] for root in model.optimised.roots]
    if len(outputs) != len(model.graph.roots):
        raise Rejected("the optimised graph is not shown to mean what the program means: it gives another number of values")
    for root, shown in zip(model.graph.roots, outputs, strict=True):
        if not ledger.terms.same(ledger.program[root], shown):
            raise Rejected("the optimised graph is not shown to mean what the program means")
    claims: list[list[blocks.Claim]] = [[] for _ in range(len(model.module.blocks) + 1)]
    for probe in model.probes:
        if not 0 <= probe.block < len(claims):
            raise Rejected(f"{probe.name} is said to be written by block {probe.block} of {len(claims) - 1}")
        claims[probe.block] += _claims(probe, numbers)
    script: dict[str, Any] = {"terms": ledger.added, "steps": ledger.steps, "outputs": outputs, "embedding": claims[0], "blocks": []}
    stream = embedding(checkpoint, ledger.terms, claims[0])
    asked: blocks.Asked = {}
    for number, masks in enumerate(checkpoint.blocks, 1):
        w = block(checkpoint, number)
        if masks:
            stream, part = blocks.attention(stream, w, masks, claims[number], checkpoint.dtype, number, asked)
        else:
            stream, part = blocks.mlp(stream, w, claims[number], checkpoint.dtype, number, asked)
        script["blocks"].append(part)
    script["logits"] = blocks.logits(stream, checkpoint.tensors["W_U"], outputs, checkpoint.forms)
    return script


def _claims(probe: Probe, numbers: list[int]) -> list[blocks.Claim]:
    """What a probe says, dimension by dimension."""
    f = Form(probe.form.kind, probe.form.off, probe.form.top, probe.form.parts, probe.form.radix).check(probe.name)
    if isinstance(probe.value, int) and not 0 <= probe.value < len(numbers):
        raise Rejected(f"{probe.name} is said to be node {probe.value} of {len(numbers)}")
    if len(probe.dims) != f.width:
        raise Rejected(f"{probe.name} claims {len(probe.dims)} dimensions where its form has {f.width}")
    term = numbers[probe.value] if isinstance(probe.value, int) else ORIGINS[probe.value]
    return [(term, (f.kind, f.off, f.top, f.parts, f.radix), d, dim) for d, dim in enumerate(probe.dims)]


@rejecting("the program is malformed")
def lowered_means_program(model: Model) -> None:
    """Show by the kernel's rules of equality that the optimised graph means what the program as written means. Raises Rejected."""
    ledger = Ledger(model.graph)
    numbers = _meaning(ledger, model)
    roots = model.graph.roots, model.optimised.roots
    if len(roots[0]) != len(roots[1]) or not all(ledger.terms.same(ledger.program[a], numbers[b]) for a, b in zip(*roots, strict=True)):
        raise Rejected("the optimised graph is not shown to mean what the program means")


def _meaning(ledger: Ledger, model: Model) -> list[int]:
    """The terms of the optimised graph's nodes, shown to be what the program means."""
    graph, numbers = explain(ledger, model.graph, ledger.program)
    if _alike(graph, model.optimised):
        return numbers
    if model.graph.sizes.causal:
        graph, numbers = explain(ledger, *explain_unstrict(ledger, model.graph, ledger.program))
        if _alike(graph, model.optimised):
            return numbers
    found = ledger.graph(model.optimised)  # not what the optimiser makes of the program: more nodes, or perhaps it makes the same of both
    if all(ledger.terms.same(numbers[a], found[b]) for a, b in zip(graph.roots, model.optimised.roots, strict=False)):
        return found
    explain(ledger, model.optimised, found)
    return found


def _alike(a: Graph, b: Graph) -> bool:
    return [(n.op, n.args) for n in a.nodes] == [(n.op, n.args) for n in b.nodes] and a.roots == b.roots
