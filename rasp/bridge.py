"""`compile_rasp_to_model`: the call that scripts written for Tracr make, and what they do with its model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .program import program as as_program

if TYPE_CHECKING:
    from ..runtime.model import Model


@dataclass(frozen=True)
class Applied:
    """What a model said of a sequence: the BOS token, and the answer at each position."""

    decoded: list[Any]


@dataclass(frozen=True)
class RaspModel:
    """A compiled program that is given sequences with a BOS token in front, and padded if one likes. `model` is headwork's own."""

    model: Model
    compiler_bos: str
    compiler_pad: str

    def apply(self, tokens: Sequence[Any]) -> Applied:
        """The answers, means as floats; padding answers with itself. Raises InputError where BOS stands elsewhere than in front."""
        if not tokens or tokens[0] != self.compiler_bos or self.compiler_bos in tokens[1:]:
            raise InputError(f"the sequence does not begin with {self.compiler_bos!r}, and only begin", hint="apply([bos, *tokens])")
        row = list(tokens[1:])
        padding = 0
        while row and row[-1] == self.compiler_pad:
            row.pop()
            padding += 1
        if self.compiler_pad in row:
            raise InputError(f"{self.compiler_pad!r} stands before a token", hint="padding stands at the end")
        said = self.model.run(row) if row else []
        answers = [float(x) if isinstance(x, Fraction) else x for x in said]
        return Applied([self.compiler_bos, *answers, *[self.compiler_pad] * padding])


def compile_rasp_to_model(
    program: object,
    vocab: Collection[Symbol],
    max_seq_len: int,
    causal: bool = False,
    compiler_bos: str = "compiler_bos",
    compiler_pad: str = "compiler_pad",
    mlp_exactness: float | None = None,
) -> RaspModel:
    """Compile an operation, ours or Tracr's, for a vocabulary and the longest sequence, BOS not counted.

    `mlp_exactness` is taken and not used: nothing here is approximate. Raises InputError where BOS or padding is in the vocabulary.
    """
    from ..runtime.model import compile as compile_program

    for special in (compiler_bos, compiler_pad):
        if special in vocab:
            raise InputError(f"{special!r} is in the vocabulary", hint="give compiler_bos= and compiler_pad= names that are no tokens")
    ordered = sorted(vocab, key=lambda s: (type(s).__name__, s))  # type: ignore[type-var, return-value]
    return RaspModel(compile_program(as_program(program, causal=causal), length=max_seq_len, alphabet=ordered), compiler_bos, compiler_pad)
