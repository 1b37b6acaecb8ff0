"""`hw.uniform`: whether a program compiles to one set of weights for several lengths, tensor by tensor.

A construction of the literature is uniform if its weights do not depend on the length: only its position table grows, by a row a place.
That is compared, not proved: equal at the lengths that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import torch

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.shown import Shown
from ..runtime.looped import Looped
from ..runtime.model import Model, compile

Change: TypeAlias = Literal["same", "rows are added", "differs", "not at every length"]


@dataclass(frozen=True)
class Uniform(Shown):
    """What becomes of each tensor as the length grows. `layers` are the attention layers at each length."""

    name: str
    lengths: tuple[int, ...]
    layers: tuple[int, ...]
    tensors: tuple[tuple[str, Change], ...]

    @property
    def ok(self) -> bool:
        """Whether all weights are the same at every length, but for the rows that longer position tables add."""
        return all(change in ("same", "rows are added") for _, change in self.tensors)

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        return {
            "name": self.name,
            "lengths": list(self.lengths),
            "layers": list(self.layers),
            "uniform": self.ok,
            "tensors": dict(self.tensors),
        }

    def __str__(self) -> str:
        at = ", ".join(f"{n:,}" for n in self.lengths)
        head = f"{self.name} at {at} tokens: {'one set of weights' if self.ok else 'the weights depend on the length'}"
        depth = f"attention layers: {', '.join(map(str, self.layers))}"
        named: dict[Change, list[str]] = {}
        for tensor, change in self.tensors:
            named.setdefault(change, []).append(tensor)
        rest = [f"{change}: {', '.join(names)}" for change, names in named.items() if change != "same"]
        return "\n  ".join([head, depth, f"same: {len(named.get('same', ()))} of {len(self.tensors)} tensors", *rest])


@public
def uniform(
    program: Program,
    *,
    lengths: Sequence[int] = (16, 32, 64),
    alphabet: int | Sequence[Symbol] | None = None,
    dtype: str = "float32",
    code: str = "scalar",
    heads: int | None = None,
) -> Uniform:
    """Compile a program for several lengths and compare the weights, tensor by tensor; a looped block counts once.

    With a code of its own choice the compiler would change it with the length, so one is chosen here. Raises InputError for fewer than two
    lengths, and what compiling raises.
    """
    program = require_program("uniform()", program)
    sizes = tuple(sorted(set(lengths)))
    if len(sizes) < 2:
        raise InputError(f"lengths is {list(lengths)}", hint="give two lengths or more, for example lengths=[16, 32, 64]")
    made = [compile(program, length=n, alphabet=alphabet, dtype=dtype, code=code, heads=heads) for n in sizes]
    weights = [_weights(model) for model in made]
    names = list(dict.fromkeys(name for each in weights for name in each))
    changes: list[tuple[str, Change]] = [(name, _change([each.get(name) for each in weights], name == "W_pos")) for name in names]
    return Uniform(made[0].name, sizes, tuple(model.cost.attention_layers for model in made), tuple(changes))


def _weights(model: Model) -> dict[str, torch.Tensor]:
    """The tensors by name; those of a loop by their names in a model of one round, each once."""
    if isinstance(model, Looped):
        return {name: tensor.detach() for name, tensor in model.whole()[1].items()}
    return {name: tensor.detach() for name, tensor in model.module.named_parameters()}


def _change(tensors: Sequence[torch.Tensor | None], rows: bool) -> Change:
    there = [tensor for tensor in tensors if tensor is not None]
    if len(there) < len(tensors):
        return "not at every length"
    if all(torch.equal(a, b) for a, b in pairwise(there)):
        return "same"
    grows = rows and all(a.shape[1:] == b.shape[1:] and torch.equal(a, b[: len(a)]) for a, b in pairwise(there))
    return "rows are added" if grows else "differs"
