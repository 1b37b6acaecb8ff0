"""Precision: how many mantissa bits a model's proof uses, head by head, and in which arithmetics it holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Shown
from ..kernel.numbers import ARITHMETICS
from ..runtime.longest import Longest, longest
from .certify import proof
from .refused import Refused

if TYPE_CHECKING:
    from ..runtime.model import Model


@dataclass(frozen=True)
class Precision(Shown):
    """The p of the theorems, measured: mantissa bits (the hidden one included) with which the certificate passes.

    `heads` are (block, head, lookup, bits of its score); `arithmetics` maps each format to "certified" or the reason;
    `longest` is the greatest length for this program, dtype and the codes of these heads, or why it is not known.
    """

    program: str
    bits: int
    heads: tuple[tuple[int, int, str, int], ...]
    arithmetics: dict[str, str]
    longest: Longest | str

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.program}: {self.bits} mantissa bits"]
        lines += [f"  block {block}, head {head} ({name}): {bits} bits" for block, head, name, bits in self.heads]
        lines += [f"  {name:9} {verdict}" for name, verdict in self.arithmetics.items()]
        lines.append(f"  {self.longest}")
        return "\n".join(lines)


@public
def precision(model: Model) -> Precision:
    """The least mantissa with which a model's certificate passes, and which formats give it.

    Raises Refused if the model is not certified in its own arithmetic.
    """
    own = proof(model)[0]
    verdicts: dict[str, str] = {}
    for name in ARITHMETICS:
        try:
            proof(model, name)
            verdicts[name] = "certified"
        except Refused as reason:
            verdicts[name] = reason.fact
    heads = tuple((h.block, h.head, h.lookup, bits(h.steps)) for h in own.heads)
    try:
        reach: Longest | str = longest(model)
    except InputError as error:
        reach = f"the greatest length is not known: {error.fact}"
    return Precision(model.name, own.mantissa_bits, heads, verdicts, reach)


def bits(steps: int) -> int:
    """The least t with steps <= 2**t."""
    return max(0, steps - 1).bit_length()
