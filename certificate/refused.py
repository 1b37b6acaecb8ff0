"""What a refusal says: shown wrong, not shown, or too many cases; in the program's names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ..compiler.errors import HeadworkError, Location
from ..kernel.numbers import TooMany
from ..kernel.stream import Form
from ..runtime.cases import default_lengths

if TYPE_CHECKING:
    from ..prover.prove import Unproved
    from ..runtime.check import Divergence
    from ..runtime.model import Model

Kind = Literal["shown wrong", "not shown", "too many cases"]
WITNESS_LENGTH, WITNESS_SAMPLES = 64, 32
_OUTPUT = re.compile(r"\boutput (\d+)\b")
_TERM = re.compile(r"\b[Tt]erms? (\d+)")


class Refused(HeadworkError):
    """The certificate cannot be given; the message says at which tensor, value or head, and why.

    `kind` is `shown wrong` (then `witness` is an input that was run, and what is wrong there), `not shown` or `too many cases`.
    """

    def __init__(
        self, fact: str, line: Location | None = None, hint: str = "", kind: Kind = "not shown", witness: Divergence | None = None
    ) -> None:
        super().__init__(fact, line, hint)
        self.kind: Kind = kind
        self.witness = witness


def refusal(model: Model, unproved: Unproved, witness: bool) -> Refused:
    """What is said where no proof was found; with `witness` some inputs are run first, in search of one that fails."""
    rejected, titles = unproved.rejected, model.graph.titles()
    fact = _TERM.sub(lambda found: unproved.names.get(int(found[1]), "a value that the program computes on the way"), rejected.fact)
    fact = _OUTPUT.sub(lambda found: titles[int(found[1]) - 1] if 0 < int(found[1]) <= len(titles) else found[0], fact)
    if witness and (wrong := wrong_input(model)) is not None:
        return Refused(f"shown wrong: {wrong}\n  the proof stops where {fact}", kind="shown wrong", witness=wrong)
    if isinstance(rejected, TooMany):
        return Refused(f"too many cases: {fact}", hint=_reach(model, rejected), kind="too many cases")
    example = f"for example where {_named(rejected.example, unproved)}" if rejected.example else ""
    return Refused(f"not shown: {fact}", hint=example or "this is a limit of the rules, or a fault that no input tried shows")


def wrong_input(model: Model) -> Divergence | None:
    """An input on which some value of the model is not the interpreter's, among the short ones and some longer ones."""
    from ..runtime.check import check

    try:
        for probe in model.probes:  # what is in a form that is none has no code to compare with
            f = probe.form
            Form(f.kind, f.off, f.top, f.parts, f.radix).check(probe.name)
        return check(model, samples=WITNESS_SAMPLES, lengths=default_lengths(min(model.length, WITNESS_LENGTH))).first
    except (HeadworkError, RuntimeError, LookupError, ValueError, TypeError):  # what cannot be run shows nothing
        return None


def _reach(model: Model, rejected: TooMany) -> str:
    """Up to which length the cases would be few enough, where they grow with the length."""
    if not rejected.count or rejected.count <= rejected.most:
        return "a shorter length or a smaller alphabet has fewer"
    length = int(model.length * (rejected.most / rejected.count) ** (1 / max(1, rejected.variables)))
    return f"{rejected.count:,} cases; at about N = {max(1, length):,} they are no more than {rejected.most:,}"


def _named(example: str, unproved: Unproved) -> str:
    """A case with the program's names: `12=3,14=none`."""
    parts = [part.split("=") for part in example.split(",") if "=" in part]
    return ", ".join(f"{unproved.names.get(int(v), f'value {v}') if v.isdigit() else v} = {x}" for v, x in parts)
