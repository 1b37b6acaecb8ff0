"""The certificate: a compiled model is right for every input, proved by a script that the kernel replays.

The prover (`prover/`) finds the script and is not trusted; the kernel (`kernel/`) checks it and is. `docs/certificate.md` states
the theorem, its assumptions and the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.shown import Tabled
from ..kernel.blocks import Fact
from ..kernel.numbers import ARITHMETICS, Rejected
from ..kernel.verify import statement, verify
from ..prover.prove import Unproved, checkpoint_of, prove
from .margins import MarginCertificate, certify_natural
from .refused import Refused, refusal

if TYPE_CHECKING:
    from ..runtime.model import Model
    from .loops import LoopCertificate


@dataclass(frozen=True, slots=True)
class HeadProof:
    """What was shown of a head: the gap in nats, and the largest sum of a score in grid steps.

    For totals, `depth` is how far a match scores below BOS, in nats, `error` how far a sum may be from its integer before it
    is rounded, below 1/2, and `cell` the largest number in the cells that round them.
    """

    block: int
    head: int
    lookup: str
    gap: float
    steps: int
    error: float = 0.0
    cell: int = 0
    depth: float = 0.0


@dataclass(frozen=True, repr=False)
class Certificate(Tabled):
    """What was proved. For every sequence of 1..length tokens every value and `outputs` equal the interpreter's.

    `sums` has for each cell that rounds a sum the block, the dimension, and how far off all that its heads add may be.
    """

    program: str
    dtype: str
    length: int
    alphabet: int
    heads: tuple[HeadProof, ...]
    mlp_cases: int
    values: int
    smallest_gap: float
    mantissa_bits: int
    logit_margin: float
    statement: str
    logs: bool = False
    sums: tuple[tuple[int, int, float], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The certificate as JSON-ready values."""
        return {"certified": True, **asdict(self)}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The theorem, and what its proof found of each part."""
        rows = [("theorem", self.statement)]
        for h in self.heads:
            what = f"sums are within {h.error:.3g} of their integer, 1/2 is allowed" if h.error else f"winners lead by {h.gap:g} nats"
            rows.append((f"block {h.block}, head {h.head} ({h.lookup})", f"{what}; sums to {h.steps:,} steps"))
        rows.append(("MLPs", f"enumerated over {self.mlp_cases:,} cases; {self.mantissa_bits} mantissa bits are used"))
        what = "each is the logarithm of its count, different ones are" if self.logs else "the right class leads by"
        rows.append(("logits", f"{what} at least {self.logit_margin:g}{' apart' * self.logs}"))
        return f"certified: {self.program} in {self.dtype}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        between = {"theorem": "", "MLPs": "MLPs "}
        return "\n".join([title, *(f"  {between.get(name, f'{name}: ')}{said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<Certificate of {self.program} in {self.dtype}: 1..{self.length:,} tokens over {self.alphabet:,} symbols>"


@public
def certify(model: Model, dtype: str | None = None, *, witness: bool = True) -> Certificate | MarginCertificate | LoopCertificate:
    """Prove a model right for every input of its length and alphabet, in its own arithmetic or in another `dtype`.

    Raises Refused, naming the block, head or value and the reason, where it is wrong or cannot be shown right. With `witness` a
    refused model is run on some inputs, in search of one that shows it wrong. A natural model is proved by margins, not bit by bit.
    """
    from ..runtime.model import require_model

    require_model("certify()", model)
    if model.style == "natural":
        own_dtype(model, dtype)
        return certify_natural(model, dtype or model.dtype, witness)
    from ..runtime.looped import Looped

    if isinstance(model, Looped):
        from .loops import certify_looped

        return certify_looped(model, dtype, witness)
    return proof(model, dtype, witness=witness)[0]


def own_dtype(model: Model, dtype: str | None) -> None:
    """Refuse a module whose numbers are of another dtype than the model's, and an arithmetic without rules."""
    if dtype is not None and dtype not in ARITHMETICS:
        raise InputError(f"there is no rule for {dtype}", hint=f"dtypes are {', '.join(ARITHMETICS)}")
    for name, tensor in model.module.state_dict().items():
        if dtype is None and str(tensor.dtype) != f"torch.{model.dtype}":
            raise Refused(f"{name} is {tensor.dtype}, the model is said to be {model.dtype}")


def proof(model: Model, dtype: str | None = None, *, witness: bool = True) -> tuple[Certificate, Mapping[str, Any]]:
    """The certificate and the proof script that the kernel accepted. Raises Refused as `certify` does."""
    from ..runtime.model import require_model

    require_model("certify()", model)
    own_dtype(model, dtype)
    if model.style == "natural":
        raise Refused("a natural model has no proof script: its certificate is by margins, from hw.certify")
    asked = model if dtype is None else replace(model, dtype=dtype)
    if model.module.shape.classes != tuple(form.classes for form in model.output_forms):  # what runs the model splits the logits so
        raise Refused(f"the logits are split into {model.module.shape.classes} classes, which are not those of the outputs' forms")
    try:
        checkpoint = checkpoint_of(asked)
    except Rejected as rejected:
        raise Refused(rejected.fact) from rejected
    try:
        script, names = prove(asked, checkpoint)
    except Unproved as unproved:
        raise refusal(model, unproved, witness and dtype is None) from unproved.rejected
    try:
        proved = verify(checkpoint, script)
    except Rejected as rejected:  # the prover takes each step by the kernel's own rules, so this is a fault of the prover
        raise refusal(model, Unproved(rejected, names), witness and dtype is None) from rejected
    text = statement(
        model.name, checkpoint, _outputs(model.graph), len(model.probes), any(f.kind == "sum" and f.margin > 0 for f in proved)
    )
    return _certificate(asked, proved, script, names, text), script


def _certificate(model: Model, proved: Sequence[Fact], script: Mapping[str, Any], names: Mapping[int, str], text: str) -> Certificate:
    def of(*kinds: str) -> list[Fact]:
        return [fact for fact in proved if fact.kind in kinds]

    heads = head_proofs(proved, dict(enumerate(script["blocks"], 1)), names)
    return Certificate(
        model.name,
        model.dtype,
        model.length,
        len(model.alphabet),
        heads,
        sum(fact.cases for fact in proved),
        len(model.probes),
        min((h.gap for h in heads), default=float("inf")),
        max(0, max(fact.steps for fact in proved) - 1).bit_length(),
        min(fact.margin for fact in of("logits")),
        text,
        any(form.kind == "log" for form in model.output_forms),
        tuple((fact.block, fact.place, fact.margin) for fact in of("sum")),
    )


def head_proofs(proved: Sequence[Fact], blocks: Mapping[int, Mapping[str, Any]], names: Mapping[int, str]) -> tuple[HeadProof, ...]:
    """What was shown of each head; of one that adds up, with the cells that its block's script says it adds to."""
    heads = list[HeadProof]()
    for head in proved:
        if head.kind in ("lookup", "total"):
            into = {dim for dim, *_ in blocks[head.block]["heads"][head.place].get("adds", ())}
            sums = [fact for fact in proved if (fact.kind, fact.block) == ("sum", head.block) and fact.place in into]
            error, cell = max((s.margin for s in sums), default=0.0), max((s.steps for s in sums), default=0)
            name = names.get(head.term, "?")
            heads.append(HeadProof(head.block, head.place, name, head.margin, head.steps, error, cell, head.depth))
    return tuple(heads)


def _outputs(graph: Graph) -> str:
    """The outputs, in words."""
    what = "the output" if len(graph.outputs) == 1 else f"the {len(graph.outputs)} outputs"
    return what if graph.guard is None else f"{what} and the guard"
