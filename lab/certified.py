"""Which interventions are certified: values that may be set in a model, to whatever they may be, and it computes what its meaning does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..certificate.hooks import show_settable
from ..certificate.margins import show_settable_natural
from ..certificate.refused import Refused
from ..compiler.calls import close, public
from ..compiler.errors import InputError
from ..compiler.ops import Lookup, Token
from ..compiler.shown import Tabled
from ..runtime.model import Model, require_model, require_own_dtype
from .settable import settable
from .wiring import wiring_of


@dataclass(frozen=True, repr=False)
class InterventionCertificate(Tabled):
    """Which named values of a model may be set with a proof that `intervene` and `interpret` agree everywhere.

    `spans` say of each certified value what it may be set to; `refused` why the others are not certified. `together` are those that were
    shown to be settable at once, in one proof.
    """

    program: str
    dtype: str
    length: int
    spans: Mapping[str, str]
    refused: Mapping[str, str]
    together: tuple[str, ...]

    def __contains__(self, name: str) -> bool:
        return name in self.spans

    def covers(self, *names: str) -> bool:
        """Whether a setting of these values, at any positions and to any values of their domains, is certified."""
        return all(name in self.spans for name in names) and (len(set(names)) <= 1 or set(names) <= set(self.together))

    @property
    def statement(self) -> str:
        """What is proved, in words."""
        return (
            f"For every sequence of 1..{self.length:,} tokens, and any of the values below set at any positions to what it may be there "
            f"(several where they are listed at once), every value that {self.program} writes and its outputs equal the interpreter's with "
            f"the same set, in {self.dtype}."
        )

    def as_dict(self) -> dict[str, object]:
        """The certificate as JSON-ready values."""
        return {"statement": self.statement, **asdict(self)}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The theorem, what may be set, and what may not and why."""
        rows = [("theorem", self.statement)] if self.spans else []
        rows += [(name, f"certified: {span}") for name, span in self.spans.items()]
        rows += [(name, f"not certified: {why}") for name, why in self.refused.items()]
        if len(self.spans) > 1:
            every = len(self.together) == len(self.spans)
            rows.append(("at once", "all of them" if every else ", ".join(self.together) or "one at a time"))
        return f"interventions on {self.program} in {self.dtype}", rows

    def __str__(self) -> str:
        title, rows = self.table()
        return "\n".join([title, *(f"  {said}" if name == "theorem" else f"  {name}: {said}" for name, said in rows)])

    def __repr__(self) -> str:
        return f"<InterventionCertificate of {self.program}: {', '.join(self.spans) or 'nothing'} certified>"


@public
def certify_interventions(model: Model, values: Sequence[str] | None = None) -> InterventionCertificate:
    """Prove of a model's named values, of all by default, that setting them does in the model what it does in its meaning.

    Of a certified value: for every text, at any positions, set to any value of its domain there, `hw.intervene(model, text, set)` agrees
    with `hw.interpret(model, text, set=set)` at every value and output. `docs/certificate.md` has the theorem. Raises InputError for a
    name that is none.
    """
    require_model("certify_interventions()", model)
    require_own_dtype(model)
    graph, wiring = model.optimised, wiring_of(model)
    names = {node.name: index for index, node in enumerate(graph.nodes)}
    for name in values or ():
        if name not in names:
            meant = close(name, names)
            raise InputError(f"there is no value {name!r}", hint=f"did you mean {meant}?" if meant else f"values are {', '.join(names)}")
    asked = {index for name, index in names.items() if values is None or name in values}
    refused = {index: why for index, why in settable(wiring).items() if why and index in asked}
    heads = {(c.block + 1, c.head): wiring.lookups(c.block, c.head) for c in wiring.components if c.kind == "head" and c.head is not None}
    pointed = {at: n for at, found in heads.items() for n in found if isinstance(graph.nodes[n].op, Lookup)}
    known: dict[Hashable, Any] = {}

    def shown(nodes: Sequence[int]) -> str:
        """Why nodes are not shown to be settable at once; empty if they are."""
        set_ = [n for n in nodes if not isinstance(graph.nodes[n].op, Token)]  # another token is another input, of which nothing new is due
        try:
            if model.style == "natural":  # whatever a head points to, it brings what is there: the rule for what it brings has no scores
                show_settable_natural(model, [n for n in nodes if not isinstance(graph.nodes[n].op, Lookup)])
                return ""
            show_settable(model, set_, {at: n for at, n in pointed.items() if n in set_}, known)
        except Refused as no:
            return str(no)
        return ""

    candidates = [n for n in sorted(asked) if n not in refused]
    together = candidates if candidates and not shown(candidates) else []
    if not together:
        for node in candidates:
            why = shown([node])
            if why:
                refused[node] = why
            elif not together or not shown([*together, node]):
                together.append(node)
    certified = {graph.nodes[n].name: _span(model, n) for n in candidates if n not in refused}
    reasons = {graph.nodes[n].name: refused[n] for n in sorted(refused)}
    return InterventionCertificate(
        model.name, model.dtype, model.length, certified, reasons, tuple(graph.nodes[n].name for n in sorted(together))
    )


def _span(model: Model, index: int) -> str:
    """What a value may be set to, in words."""
    op, domain = model.optimised.nodes[index].op, model.optimised.nodes[index].domain
    if isinstance(op, Lookup):
        return {"causal": "a position up to its own", "strict": "an earlier position", "full": "a position"}[op.mask] + ", or none"
    if domain.lag is None:
        return str(domain)
    return f"{domain}, at most its own{f' {domain.lag:+}' if domain.lag else ''}"
