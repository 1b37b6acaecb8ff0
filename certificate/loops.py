"""The certificate of a looped model: one proof for every number of rounds. `induction.py` says what is shown, and checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..compiler.domain import Domain
from ..compiler.shown import Tabled
from ..compiler.tied.parts import unrolled
from ..kernel.blocks import Fact
from ..kernel.numbers import Rejected, rejecting
from ..kernel.stream import Form, Stream
from ..kernel.terms import TOKEN, Terms
from ..kernel.verify import Checkpoint, embedding
from ..prover.loops import Universe, prove_part
from ..prover.prove import Unproved
from ..prover.rewrites import row
from ..runtime.looped import Looped
from .certify import HeadProof, head_proofs, own_dtype
from .induction import LoopCheckpoint, Part, any_state, assumed, verify_loop
from .loop_files import PARTS, span_of, statement
from .refused import refusal

if TYPE_CHECKING:
    from ..compiler.graph import Graph


@dataclass(frozen=True, repr=False)
class LoopCertificate(Tabled):
    """What was proved of a looped model: for every number of rounds, every sequence of 1..length tokens, every value.

    `state` says what each value of the state may be between rounds, by name. `heads` are those of one round, `parts` how many of them are
    before the loop, in its block, and after it.
    """

    program: str
    dtype: str
    length: int
    alphabet: int
    state: tuple[tuple[str, str], ...]
    heads: tuple[HeadProof, ...]
    parts: tuple[int, int, int]
    smallest_gap: float
    mlp_cases: int
    mantissa_bits: int
    logit_margin: float
    statement: str

    def as_dict(self) -> dict[str, object]:
        """The certificate as JSON-ready values."""
        return {"certified": True, **asdict(self)}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The theorem, the state, and what the proof found of each part."""
        rows = [("theorem", self.statement)]
        rows += [(f"state, {name}", domain) for name, domain in self.state]
        before, inside, after = self.parts
        gap = f"; winners lead by {self.smallest_gap:g} nats" if self.heads else ""
        rows.append(("heads", f"{before} before the loop, {inside} in the block, {after} after it{gap}"))
        rows.append(("MLPs", f"enumerated over {self.mlp_cases:,} cases; {self.mantissa_bits} mantissa bits are used"))
        rows.append(("logits", f"the right class leads by at least {self.logit_margin:g}"))
        return f"certified for every number of rounds: {self.program} in {self.dtype}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        return "\n".join([title, *(f"  {said}" if name == "theorem" else f"  {name}: {said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<LoopCertificate of {self.program} in {self.dtype}: 1..{self.length:,} tokens over {self.alphabet:,} symbols>"


def certify_looped(model: Looped, dtype: str | None = None, witness: bool = True) -> LoopCertificate:
    """Prove a looped model right for every number of rounds. Raises Refused as `certify` does."""
    own_dtype(model.repeat(1), dtype)
    certificate, _ = proof_of_loop(model if dtype is None else replace(model, dtype=dtype), witness and dtype is None)
    return certificate


def proof_of_loop(model: Looped, witness: bool = True) -> tuple[LoopCertificate, Mapping[str, Any]]:
    """The certificate, and the script that was accepted. Raises Refused."""
    names: list[dict[int, str]] = []  # what terms are called, by part; an error is of the last
    try:
        with rejecting("the model is malformed"):
            checkpoint = checkpoint_of_loop(model)
            script = _scripts(model, checkpoint, names)
            proved = verify_loop(checkpoint, script)
    except Rejected as rejected:
        raise refusal(model, Unproved(rejected, names[-1] if names else {}), witness) from rejected
    return _certificate(model, checkpoint, script, proved, names), script


def checkpoint_of_loop(model: Looped) -> LoopCheckpoint:
    """A looped model as its proof sees it: one round's checkpoint, the parts, and the state."""
    loop, tied = model.whole()
    graph, _ = unrolled(loop.parts.graphs(), loop.parts.changing, model.times)
    if (_meant(graph), loop.output_forms) != (_meant(model.graph), model.output_forms):
        raise Rejected("the model's graph is not that of its loop's parts, or its outputs are read in other forms")
    if model.module.shape.classes != tuple(form.classes for form in model.output_forms):
        raise Rejected(f"the logits are split into {model.module.shape.classes} classes, which are not those of the outputs' forms")
    tensors = {name: tensor.detach().cpu().double().numpy() for name, tensor in tied.items()}
    sizes, graphs = loop.parts.sizes, loop.parts.graphs()
    masks = tuple(getattr(b, "masks", ()) for b in loop.shape.blocks)
    forms = tuple(Form(f.kind, f.off, f.top, f.parts, f.radix) for f in model.output_forms)
    whole = Checkpoint(sizes.length, len(sizes.alphabet), model.dtype, (), graphs[2].outputs, forms, masks, tensors)
    spans = tuple(span_of(d.lo, d.hi, d.none, d.lag, length=sizes.length) for d in loop.parts.domains)
    own = tuple(Form(f.kind, f.off, f.top, f.parts, f.radix) for f in loop.forms)
    first, second, third = (Part(_rows(graph), graph.outputs) for graph in graphs)
    return LoopCheckpoint(whole, (first, second, third), spans, own, loop.state, loop.parts.changing, loop.counts)


def _meant(graph: Graph) -> object:
    return [(n.op, n.args) for n in graph.nodes], graph.outputs, graph.single, graph.fractions, graph.guard, graph.sizes


def _rows(graph: Graph) -> tuple[Any, ...]:
    return tuple(("given", (n.op.state,), ()) if n.op.name == "given" else row(n.op, n.args) for n in graph.nodes)  # pyright: ignore


def _scripts(model: Looped, checkpoint: LoopCheckpoint, names: list[dict[int, str]]) -> dict[str, Any]:
    """The scripts of entry, round and exit."""
    loop, _ = model.whole()
    whole = checkpoint.whole
    terms = Terms(whole.length, whole.symbols)
    first = Universe(terms, (), TOKEN, lambda rows, terms=terms: embedding(whole, terms, rows))
    names.append({})
    entry, _ = prove_part(loop, whole, 0, first, names[-1])
    scripts = {"entry": entry}
    for part in (1, 2):
        terms, values, token = any_state(checkpoint)

        def start(rows: Sequence[Any], terms: Terms = terms, values: Sequence[int] = values, token: int = token) -> Stream:
            return assumed(checkpoint, terms, values, token, [row[3] for row in rows], rows, "a part")

        names.append({})
        scripts[PARTS[part]], _ = prove_part(loop, whole, part, Universe(terms, values, token, start), names[-1])
    return scripts


def _certificate(
    model: Looped, checkpoint: LoopCheckpoint, script: Mapping[str, Any], proved: list[list[Fact]], names: list[dict[int, str]]
) -> LoopCertificate:
    loop, _ = model.whole()
    blocks = dict(enumerate((said for part in PARTS for said in script[part]["blocks"]), 1))
    each = [head_proofs(facts, blocks, called) for facts, called in zip(proved, names, strict=True)]
    heads, facts = tuple(h for part in each for h in part), [fact for part in proved for fact in part]
    steps = max([0, *(fact.steps for fact in facts)])
    return LoopCertificate(
        model.name,
        model.dtype,
        model.length,
        len(model.alphabet),
        tuple(zip(loop.parts.names, map(_said, loop.parts.domains), strict=True)),
        heads,
        (len(each[0]), len(each[1]), len(each[2])),
        min((h.gap for h in heads), default=float("inf")),
        sum(fact.cases for fact in facts),
        max(0, steps - 1).bit_length(),
        min(fact.margin for fact in facts if fact.kind == "logits"),
        statement(model.name, checkpoint, script, any(h.error for h in heads)),
    )


def _said(domain: Domain) -> str:
    lag = "" if domain.lag is None else ", never ahead" if domain.lag == 0 else f", at most its place {domain.lag:+}"
    return f"{domain}{lag}"
