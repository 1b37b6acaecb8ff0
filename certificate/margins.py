"""The certificate of a natural model: a margin at every head, unit and logit, by `margin/`, beside the kernel's equality of programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..compiler.shown import Tabled
from ..kernel.numbers import Rejected
from ..margin.check import Noise, Shown, check
from ..margin.terms import Unshown
from ..prover.prove import lowered_means_program
from .natural import freed, script, subject
from .refused import Refused, wrong_input

if TYPE_CHECKING:
    from ..runtime.model import Model

UNITS = {"float64": 2.0**-53, "float32": 2.0**-24}


@dataclass(frozen=True, slots=True)
class HeadMargin:
    """One head: the lookup or total it implements, and by how many nats what it must not attend to is behind at least."""

    block: int
    head: int
    lookup: str
    lead: float


@dataclass(frozen=True, repr=False)
class MarginCertificate(Tabled):
    """What is proved of a natural model, and by what margins.

    `cases` were enumerated in MLPs; `margin` is the least lead of the right class, in logits.
    """

    program: str
    dtype: str
    length: int
    alphabet: int
    heads: tuple[HeadMargin, ...]
    cases: int
    margin: float
    statement: str

    def as_dict(self) -> dict[str, object]:
        """The certificate as JSON-ready values."""
        return {"certified": True, "style": "natural", **asdict(self)}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The theorem, and what each part of the proof shows."""
        heads = [(f"block {h.block}, head {h.head} ({h.lookup})", f"rivals are {h.lead:.3g} nats behind") for h in self.heads]
        mlps = ("MLPs", f"enumerated over {self.cases:,} cases")
        logits = ("logits", f"the right class leads by at least {self.margin:.3g}")
        return f"certified: {self.program} in {self.dtype}, by margins", [("theorem", self.statement), *heads, mlps, logits]

    def __str__(self) -> str:
        title, rows = self.table()
        between = {"theorem": "", "MLPs": "MLPs "}
        return "\n".join([title, *(f"  {between.get(name, f'{name}: ')}{said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<MarginCertificate of {self.program} in {self.dtype}: 1..{self.length:,} tokens over {self.alphabet:,} symbols>"


def shown(model: Model, noise: Noise, nodes: Sequence[int] = ()) -> Shown:
    """What the checker shows of a model under a noise, also where nodes of the optimised graph are set to what they may be.

    Raises Refused where a margin is lost, or the program is not what was lowered.
    """
    try:
        lowered_means_program(model)
        return check(subject(model), script(model), noise, freed(model, nodes) if nodes else None)
    except Rejected as rejected:
        raise Refused(f"not shown: {rejected.fact}") from rejected
    except Unshown as unshown:
        raise Refused(f"not shown: {unshown}", hint="the margin is lost there; this is a limit of the rules, or a fault") from unshown


def show_settable_natural(model: Model, nodes: Sequence[int]) -> None:
    """Prove of a natural model that nodes may be set, all or some, at any positions, to any values of their domains. Raises Refused."""
    shown(model, Noise(unit=UNITS[model.dtype]), nodes)


def certify_natural(model: Model, dtype: str, witness: bool) -> MarginCertificate:
    """Prove a natural model right. Raises Refused as `certify` does."""
    if dtype not in UNITS:
        raise Refused(
            f"not shown: there is no margin rule for sums in {dtype}", hint="use float32 or float64; hw.robustness says what may be stored"
        )
    try:
        found = shown(model, Noise(unit=UNITS[dtype]))
    except Refused as refused:
        if witness and (wrong := wrong_input(model)) is not None:
            fact = f"shown wrong: {wrong}\n  the proof stops where {refused.fact}"
            raise Refused(fact, kind="shown wrong", witness=wrong) from refused
        raise
    names = [node.name for node in model.optimised.nodes]
    heads = tuple(HeadMargin(block, head, names[node], lead) for block, head, node, lead in found.leads)
    outputs = "the output" if len(model.graph.outputs) == 1 else f"the {len(model.graph.outputs)} outputs"
    equal = "equals" if len(model.graph.outputs) == 1 else "equal"
    text = (
        f"For every sequence of 1..{model.length:,} tokens over {len(model.alphabet):,} symbols, {outputs} of {model.name} {equal} "
        f"the interpreter's, in {dtype}, for any order of summation and any exp that is right to a relative 2^-16; every value is "
        "within its margin of its code."
    )
    return MarginCertificate(model.name, dtype, model.length, len(model.alphabet), heads, found.cases, found.margin, text)
