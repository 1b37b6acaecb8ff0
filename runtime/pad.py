"""Padding a model to a fixed architecture, so that many programs share the shapes of their tensors. What is unused is zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch

from ..compiler.errors import InputError
from .module import AttentionShape, Mask, MlpShape, Shape, Transformer

if TYPE_CHECKING:
    from .model import Model

Kind: TypeAlias = Literal["attention", "mlp"]
ALTERNATING: tuple[Kind, ...] = ("attention", "mlp")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A fixed architecture: `layers` times an attention layer of `heads` heads of width `d_head`, then an MLP of `d_mlp` units.

    Raises InputError for sizes below 1.
    """

    layers: int
    heads: int
    d_model: int
    d_head: int
    d_mlp: int

    def __post_init__(self) -> None:
        for name in self.__slots__:
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InputError(f"an architecture's {name} is {size!r}", hint="give integers of at least 1")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The blocks in order."""
        return ALTERNATING * self.layers

    def __str__(self) -> str:
        return ", ".join(f"{name} {getattr(self, name):,}" for name in self.__slots__)


def slots(kinds: Sequence[Kind], places: Sequence[Kind]) -> list[int] | None:
    """Where each block goes: the next place of its kind. None where there are too few."""
    found: list[int] = []
    at = 0
    for kind in kinds:
        while at < len(places) and places[at] != kind:
            at += 1
        if at == len(places):
            return None
        found.append(at)
        at += 1
    return found


def kinds_of(shape: Shape) -> list[Kind]:
    """The blocks of a shape."""
    return ["attention" if isinstance(block, AttentionShape) else "mlp" for block in shape.blocks]


def layers_needed(shape: Shape) -> int:
    """The layers that an architecture must have for a shape's blocks."""
    kinds = kinds_of(shape)
    at = slots(kinds, ALTERNATING * (len(kinds) or 1))
    assert at is not None
    return at[-1] // 2 + 1 if at else 0


def padded(module: Transformer, pad: Architecture, causal: bool) -> tuple[Transformer, list[int]]:
    """The module with the shapes of an architecture, and where each of its blocks went, counted from 0.

    Zero rows and columns add zeros to sums, and a head whose W_O is zero adds nothing, so every value and logit is what it was.
    Raises InputError with all counts that are too small.
    """
    from .model import assemble

    shape = module.shape
    attention = [block for block in shape.blocks if isinstance(block, AttentionShape)]
    mlps = [block for block in shape.blocks if isinstance(block, MlpShape)]
    needs = {
        "layers": layers_needed(shape),
        "heads": max((len(b.masks) for b in attention), default=0),
        "d_model": shape.d_model,
        "d_head": max((b.d_head for b in attention), default=0),
        "d_mlp": max((b.d_mlp for b in mlps), default=0),
    }
    if short := [f"{name} {need:,} where {getattr(pad, name):,} are given" for name, need in needs.items() if need > getattr(pad, name)]:
        raise InputError(f"the architecture is too small: the model needs {'; '.join(short)}", hint="give at least these")
    at = slots(kinds_of(shape), pad.kinds)
    assert at is not None
    idle: Mask = "causal" if causal else "full"
    d, old, new = pad.d_model, module.state_dict(), dict[str, torch.Tensor]()

    def widened(tensor: torch.Tensor, *sizes: int) -> torch.Tensor:
        grown = tensor.new_zeros(sizes)
        grown[tuple(slice(size) for size in tensor.shape)] = tensor
        return grown

    new["W_E"], new["W_pos"] = (widened(old[name], old[name].shape[0], d) for name in ("W_E", "W_pos"))
    new["W_U"] = widened(old["W_U"], d, old["W_U"].shape[1])
    blocks: list[AttentionShape | MlpShape] = []
    sources = dict(zip(at, range(len(at)), strict=True))
    for i, kind in enumerate(pad.kinds):
        source = sources.get(i)
        if kind == "attention":
            block = shape.blocks[source] if source is not None else None
            masks = block.masks if isinstance(block, AttentionShape) else ()
            blocks.append(AttentionShape(pad.d_head, masks + (idle,) * (pad.heads - len(masks))))
            sizes = {name: (pad.heads, d, pad.d_head) for name in ("W_Q", "W_K", "W_V")} | {"W_O": (pad.heads, pad.d_head, d)}
        else:
            blocks.append(MlpShape(pad.d_mlp))
            sizes = {"W_in": (d, pad.d_mlp), "W_out": (pad.d_mlp, d)}
        for name, size in sizes.items():
            zero = old["W_E"].new_zeros(size)
            new[f"blocks.{i}.{name}"] = zero if source is None else widened(old[f"blocks.{source}.{name}"], *size)
    return assemble(Shape(shape.alphabet, shape.length, d, shape.classes, tuple(blocks)), new), at


def pad_model(model: Model, pad: Architecture) -> Model:
    """The model with the shapes of an architecture; what it holds where and what its heads do is the same. Raises InputError."""
    module, at = padded(model.module, pad, model.graph.sizes.causal)
    blocks = [0, *(i + 1 for i in at)]
    probes = tuple(replace(probe, block=blocks[probe.block]) for probe in model.probes)
    records = tuple(replace(record, block=blocks[record.block]) for record in model.records)
    return replace(model, module=module, probes=probes, records=records, compiled=None, natural=None)


def parse_architecture(text: str) -> Architecture:
    """An architecture from text such as "layers=4,heads=2,d_model=64,d_head=16,d_mlp=128". Raises InputError."""
    parts = [part.partition("=") for part in text.split(",")]
    sizes = {name.strip(): int(size) for name, _, size in parts if size.strip().isdecimal()}
    names = Architecture.__slots__
    if len(sizes) != len(parts) or set(sizes) != set(names):
        fact = f"{text!r} is no architecture"
        raise InputError(fact, hint="give sizes such as layers=4,heads=2,d_model=64,d_head=16,d_mlp=128")
    return Architecture(**sizes)
