"""A compiled model as plain matrices, the form that targets are mapped from and back to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ..compiler.codes.forms import LOG_BITS
from ..compiler.codes.numerics import Dtype
from ..compiler.errors import CheckpointError, ExactnessError
from ..compiler.ops import Lookup
from ..compiler.pipeline import lower
from ..runtime.model import Model, model_of
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.sample import is_distribution

Reals: TypeAlias = npt.NDArray[np.float64]
T = TypeVar("T")
BITS = {"float32": 24, "float64": 53}
FEWEST_BITS = 12  # of logarithms: with k bits a probability is right to a relative 2**-k


@dataclass(frozen=True, slots=True)
class Native:
    """The matrices of a model by name, in float64. Shapes as in `runtime/module.py`."""

    shape: Shape
    tensors: dict[str, Reals]

    @classmethod
    def of(cls, model: Model) -> Native:
        """The matrices of a model."""
        return cls(model.module.shape, {name: t.detach().cpu().double().numpy() for name, t in model.module.state_dict().items()})

    def block(self, index: int, name: str) -> Reals:
        """One matrix of one block."""
        return self.tensors[f"blocks.{index}.{name}"]


Pair: TypeAlias = tuple[tuple[int, AttentionShape] | None, tuple[int, MlpShape] | None]


def pairs(shape: Shape) -> list[Pair]:
    """Blocks as the architectures of the field have them, attention then MLP; what a pair lacks is None."""
    found: list[Pair] = []
    for i, block in enumerate(shape.blocks):
        if isinstance(block, AttentionShape):
            found.append(((i, block), None))
        elif found and found[-1][1] is None:
            found[-1] = (found[-1][0], (i, block))
        else:
            found.append((None, (i, block)))
    return found or [(None, None)]


def most_bits(model: Model, dtype: str, build: Callable[[int | None], T]) -> T:
    """What `build` makes with the most bits of logarithms with which it is exact; with None for a program of one value, which has none.

    More bits take more of the mantissa, so the most are found by halving. There are as many at least as the greatest count has:
    then logarithms of c and c + 1, more than 1/(c + 1) apart, differ. Raises the ExactnessError of the fewest.
    """
    if not is_distribution(model.graph):
        return build(None)
    fewest = max(FEWEST_BITS, *(model.graph.nodes[output].domain.hi.bit_length() for output in model.graph.outputs))
    best, refused = build(fewest), min(LOG_BITS, BITS[dtype] - 8) + 1
    while refused - fewest > 1:
        bits = (fewest + refused) // 2
        try:
            best, fewest = build(bits), bits
        except ExactnessError:
            refused = bits
    return best


def relower(model: Model, dtype: Dtype, code: str, reuse: bool = True, logs: int | None = None) -> Model:
    """The model's program lowered again for a target: causal masks only, in the target's arithmetic.

    Without `reuse` nothing takes the place of another value; `logs` are the bits of a distribution's logarithms. Raises
    ExactnessError where the program is not causal, or does not fit the arithmetic.
    """
    if not model.graph.sizes.causal:
        raise ExactnessError(f"{model.name} is bidirectional, and the target's attention is causal", hint="export it to onnx")
    graph = replace(model.graph, sizes=replace(model.graph.sizes, strict=False))
    return model_of(lower(graph, replace(dtype, logit_bits=BITS["float32"]), code, reuse=reuse, logs=logs))  # `generate` takes float32


def strict_lookups(model: Model) -> int:
    """How many lookups of the program leave out their own position."""
    return sum(isinstance(n.op, Lookup) and n.op.mask == "strict" for n in model.graph.nodes)


def require_causal(model: Model) -> None:
    """Refuse heads with a mask that the target does not have. Raises CheckpointError."""
    masks = {mask for block in model.module.shape.blocks if isinstance(block, AttentionShape) for mask in block.masks}
    if masks - {"causal"}:
        fact = f"a head of {model.name} is {', '.join(sorted(masks - {'causal'}))}, and the target's attention is causal"
        raise CheckpointError(fact, hint="export the model again")


def require_whole(model: Model) -> None:
    """Refuse hidden units that may be no integers, where a smooth function stands for ReLU.

    The certified stream holds integers, so a unit is one wherever its column of W_in is of integers. Raises ExactnessError.
    """
    for i, block in enumerate(model.module.shape.blocks):
        if isinstance(block, MlpShape):
            columns = Native.of(model).block(i, "W_in")
            odd = np.flatnonzero((columns != np.rint(columns)).any(axis=0))
            if len(odd):
                fact = f"hidden unit {odd[0]} of block {i + 1} may be no integer, and the target's activation is ReLU at integers alone"
                raise ExactnessError(f"{model.name}: {fact}", hint="export the model again")


@dataclass(frozen=True, slots=True)
class Frame:
    """A wider stream for the native one: dimension d holds the native value times 2**-shift[d].

    With `balance`, dimension d_model + b holds minus the sum of all d with balance[d] = b, so that the mean is zero, and a norm
    adds `bias` to every number. Powers of two change no rounding: every product is the native product. Where matrices are `stored` in a
    format of fewer bits that the layout is made for, `sharp` is the power of two that hidden units are multiplied by.
    """

    shift: tuple[int, ...]
    width: int
    balance: tuple[int, ...] = ()
    bias: int = 0
    sharp: int = 0
    stored: str = ""

    @property
    def scale(self) -> Reals:
        """2**shift. Shape (d_model,)."""
        return np.exp2(np.array(self.shift, np.float64))

    @property
    def balances(self) -> int:
        """How many dimensions balance the others."""
        return max(self.balance, default=-1) + 1

    def reads(self, matrix: Reals) -> Reals:
        """A matrix that reads the stream. Shapes: (d_model, k) -> (width, k)."""
        wide = np.zeros((self.width, matrix.shape[1]))
        wide[: len(self.shift)] = matrix * self.scale[:, None]
        return wide

    def writes(self, matrix: Reals) -> Reals:
        """A matrix that writes into the stream. Shapes: (k, d_model) -> (k, width)."""
        d = len(self.shift)
        wide = np.zeros((matrix.shape[0], self.width))
        wide[:, :d] = matrix / self.scale
        for dim, b in enumerate(self.balance):
            wide[:, d + b] -= wide[:, dim]
        return wide

    def unread(self, wide: Reals) -> Reals:
        """The native matrix of one that reads. Shapes: (width, k) -> (d_model, k)."""
        return wide[: len(self.shift)] / self.scale[:, None]

    def unwritten(self, wide: Reals) -> Reals:
        """The native matrix of one that writes. Shapes: (k, width) -> (k, d_model)."""
        return wide[:, : len(self.shift)] * self.scale
