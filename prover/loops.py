"""Find the proof script of a looped model: of its entry, of one round from any state, and of its exit. Untrusted, as `prove.py` is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..compiler.graph import Graph
from ..compiler.ops import Given, Op, Token
from ..kernel.numbers import Rejected
from ..kernel.stream import Form, Stream
from ..kernel.terms import ONE, POSITION, TOKEN, Term, Terms
from ..kernel.verify import Checkpoint, block
from . import blocks
from .rewrites import Ledger, explain, row

if TYPE_CHECKING:
    from ..runtime.looped import Loop
    from ..runtime.model import Probe


class PartLedger(Ledger):
    """A ledger of a part: what is given is a term of the state, and so is the token that was read."""

    def __init__(self, graph: Graph, terms: Terms, state: Sequence[int], token: int) -> None:
        self.terms, self.state, self.token = terms, state, token
        self.mask = "causal" if graph.sizes.causal else "full"
        self.added: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = []
        self.steps: list[tuple[Any, ...]] = []
        self.program: list[int] = []
        for node in graph.nodes:
            known = self.standing(node.op)
            if known is None:
                term = Term(*row(node.op, tuple(self.program[a] for a in node.args)))
                known = self.terms.add(term) if (number := self.terms.known(term)) is None else number
            self.program.append(known)

    def standing(self, op: Op) -> int | None:
        """The term of the state that an operation stands for, if it does."""
        return self.state[op.state] if isinstance(op, Given) else self.token if isinstance(op, Token) else None

    def node(self, op: Op, args: tuple[int, ...]) -> int:
        """The number of an operation's term."""
        known = self.standing(op)
        return super().node(op, args) if known is None else known


@dataclass(frozen=True, slots=True)
class Universe:
    """Where a part is proved: its terms, those of the state and of the token that was read, and the stream before its first block.

    `stream` takes the claims of what the embedding writes.
    """

    terms: Terms
    state: Sequence[int]
    token: int
    stream: Callable[[Sequence[blocks.Claim]], Stream]


def prove_part(loop: Loop, whole: Checkpoint, part: int, universe: Universe, names: dict[int, str]) -> tuple[dict[str, Any], Stream]:
    """The script of a part, and the stream after its blocks. Raises Rejected where none is found."""
    graph, optimised = loop.parts.graphs()[part], loop.optimised[part]
    ledger = PartLedger(graph, universe.terms, universe.state, universe.token)
    names |= {number: node.name for number, node in zip(ledger.program, graph.nodes, strict=True)}
    made, numbers = explain(ledger, graph, ledger.program)
    if [(n.op, n.args) for n in made.nodes] != [(n.op, n.args) for n in optimised.nodes] or made.roots != optimised.roots:
        raise Rejected("the optimised graph is not what the optimiser makes of the program")
    names |= {number: node.name for number, node in zip(numbers, optimised.nodes, strict=True)}
    outputs = [numbers[root] for root in optimised.roots]
    origins = {"token": universe.token, "position": POSITION, "one": ONE}

    def claim(probe: Probe, terms: Sequence[int]) -> list[blocks.Claim]:
        f = Form(probe.form.kind, probe.form.off, probe.form.top, probe.form.parts, probe.form.radix).check(probe.name)
        if len(probe.dims) != f.width:
            raise Rejected(f"{probe.name} claims {len(probe.dims)} dimensions where its form has {f.width}")
        term = terms[probe.value] if isinstance(probe.value, int) else origins[probe.value]
        return [(term, (f.kind, f.off, f.top, f.parts, f.radix), d, dim) for d, dim in enumerate(probe.dims)]

    fixed: dict[int, blocks.Claim] = {}
    for other in (part, 0, 1, 2):
        terms: Sequence[int] = numbers if other == part else _local(ledger, loop.optimised[other])
        for probe in loop.embedded[other]:
            if part == 0 or not _own_of_entry(loop, other, probe):
                for one in claim(probe, terms):
                    fixed.setdefault(one[3], one)
    claims: list[list[blocks.Claim]] = [[] for _ in range(loop.counts[part] + 1)]
    for probe in loop.probes[part]:
        if not 0 < probe.block < len(claims):
            raise Rejected(f"{probe.name} is said to be written by block {probe.block} of {len(claims) - 1}")
        claims[probe.block] += claim(probe, numbers)
    script: dict[str, Any] = {
        "terms": ledger.added,
        "steps": ledger.steps,
        "outputs": outputs,
        "embedding": [*fixed.values()],
        "blocks": [],
    }
    stream = universe.stream(script["embedding"])
    asked: blocks.Asked = {}
    first = sum(loop.counts[:part])
    for number, said in enumerate(claims[1:], first + 1):
        w, masks = block(whole, number), whole.blocks[number - 1]
        if masks:
            stream, found = blocks.attention(stream, w, masks, said, whole.dtype, number, asked)
        else:
            stream, found = blocks.mlp(stream, w, said, whole.dtype, number, asked)
        script["blocks"].append(found)
    if part == 2:
        script["logits"] = blocks.logits(stream, whole.tensors["W_U"], outputs, whole.forms)
    return script, stream


def _own_of_entry(loop: Loop, part: int, probe: Probe) -> bool:
    """Whether what the embedding writes is the entry's own: it is gone, or a value of the state, when the loop begins."""
    lasting = {d for other in (1, 2) for p in loop.embedded[other] for d in p.dims}
    return part == 0 and not set(probe.dims) <= lasting


def _local(ledger: Ledger, graph: Graph) -> list[int]:
    """The terms of another part's nodes that depend on token or position alone; of others a number that is none."""
    from ..compiler.ops import Const, Local, Position

    found: list[int] = []
    for node in graph.nodes:
        fits = isinstance(node.op, (Token, Position, Const, Local)) and all(found[a] >= 0 for a in node.args)
        found.append(ledger.node(node.op, tuple(found[a] for a in node.args)) if fits else -1)
    return found


__all__ = ["TOKEN", "PartLedger", "Universe", "prove_part"]
