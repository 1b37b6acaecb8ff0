"""Whether a model whose values are set computes what its meaning computes with the same set: the proof is found, and `cut.py` checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..compiler.domain import Domain
from ..compiler.graph import Graph
from ..compiler.ops import Lookup, Position, Token
from ..kernel.blocks import Fact
from ..kernel.numbers import Rejected, rejecting
from ..kernel.stream import Form
from ..kernel.terms import NOTHING, Range
from ..kernel.verify import Checkpoint
from ..prover.blocks import Asked
from ..prover.cuts import prove_cut
from ..prover.prove import Unproved, checkpoint_of
from ..prover.rewrites import row
from .cut import Cut, Place, embedded, hooked, opened, verify_cut
from .refused import refusal

if TYPE_CHECKING:
    from ..runtime.model import Model, Probe


def show_settable(model: Model, nodes: Sequence[int], pointed: Mapping[tuple[int, int], int], asked: Asked) -> list[Fact]:
    """Prove that nodes of the optimised graph may be set, all or some, at any positions, to any values of their domains.

    `pointed` are the heads of lookups among them, block from 1. `asked` keeps what the kernel answered, for the next call. Raises Refused.
    """
    names: dict[int, str] = {}
    try:
        with rejecting("the model is malformed"):
            whole = _checkpoint(model)
            cut = Cut(whole, {n: _span(model, n) for n in sorted(nodes)}, _places(model), pointed)
            made = opened(cut)
            for numbers in (made.computed, made.seen):
                for number, node in zip(numbers, model.optimised.nodes, strict=True):
                    names.setdefault(number, node.name)
            script = prove_cut(
                whole,
                made.terms,
                made.computed,
                made.seen,
                cut.places,
                {name: made.of(name, ()) for name in ("token", "position", "one")},
                embedded(cut, made),
                lambda stream, number, said: hooked(cut, made, stream, number, said),
                asked,
            )
            return verify_cut(cut, script)
    except Rejected as rejected:
        raise refusal(model, Unproved(rejected, names), witness=False) from rejected


def _node(graph: Graph, value: int | str) -> int | str:
    """The node that a place holds; as it is, token, position or one, where no node stands for it."""
    if isinstance(value, int):
        return value
    kind = {"token": Token, "position": Position}.get(value)
    return next((i for i, node in enumerate(graph.nodes) if kind and isinstance(node.op, kind)), value)


def _checkpoint(model: Model) -> Checkpoint:
    """The model as the kernel sees it, its optimised graph as the program."""
    graph = model.optimised
    return checkpoint_of(model)._replace(nodes=tuple(row(node.op, node.args) for node in graph.nodes), outputs=graph.roots)


def _places(model: Model) -> tuple[Place, ...]:
    return tuple(_place(model, probe) for probe in model.probes)


def _place(model: Model, probe: Probe) -> Place:
    form = Form(probe.form.kind, probe.form.off, probe.form.top, probe.form.parts, probe.form.radix).check(probe.name)
    if len(probe.dims) != form.width or not 0 <= probe.block <= len(model.module.blocks):
        raise Rejected(f"{probe.name} has no place of its form")
    return Place(_node(model.optimised, probe.value), probe.block, form, probe.dims)


def _span(model: Model, index: int) -> Range:
    """What a node may be set to: its domain; of a lookup a position that it sees, or none."""
    node, n = model.optimised.nodes[index], model.length
    if isinstance(node.op, Lookup):
        lag = {"causal": 0, "strict": -1, "full": None}[node.op.mask]
        return _range(Domain("position", 1, n, True, lag), n)
    return _range(node.domain, n)


def _range(domain: Domain, n: int) -> Range:
    hi = domain.hi if domain.lag is None else min(domain.hi, n + domain.lag)
    return Range(domain.lo, hi, domain.none, domain.lag) if domain.lo <= hi else NOTHING
