"""Random weights for a compiled model's architecture, at a scale from which training starts."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape, Transformer


@public
def fresh(
    model: Model | Shape, seed: int = 0, *, d_model: int | None = None, d_head: int | None = None, d_mlp: int | None = None
) -> Transformer:
    """The architecture of a model with random weights: its blocks, heads and masks, for its symbols and its length.

    Compiled models are far narrower than what training needs; `d_model`, `d_head` and `d_mlp` ask for other widths. The scale is such
    that the stream, scores and logits have a variance of about 1: scores have no 1/√d_head here, so it is in W_Q and W_K; what blocks
    add is divided by the root of their number. Equal seeds give equal weights. Raises InputError for widths below 1.
    """
    shape = model.module.shape if isinstance(model, Model) else model
    if not isinstance(shape, Shape):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"fresh() was given {model!r}, which is no model and no shape", hint="give what hw.compile() returns")
    for name, width in (("d_model", d_model), ("d_head", d_head), ("d_mlp", d_mlp)):
        if width is not None and (isinstance(width, bool) or not isinstance(width, int) or width < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{name} is {width!r}", hint=f"give {name} as an integer of at least 1")
    blocks = tuple(
        replace(b, d_head=d_head or b.d_head) if isinstance(b, AttentionShape) else MlpShape(d_mlp or b.d_mlp) for b in shape.blocks
    )
    made = Transformer(replace(shape, d_model=d_model or shape.d_model, blocks=blocks))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * _scale(name.rpartition(".")[2], weight.shape, len(blocks)))
    return made


def _scale(name: str, shape: torch.Size, blocks: int) -> float:
    """The standard deviation of a weight: 1/√(what is summed), for the product or the sum to have a variance of 1."""
    match name:
        case "W_E" | "W_pos":
            return 2**-0.5  # their sum has variance 1
        case "W_Q" | "W_K":  # (heads, d, e): q·k sums e products of two numbers of variance 1/√e
            return shape[1] ** -0.5 * shape[2] ** -0.25
        case "W_V":
            return shape[1] ** -0.5
        case "W_O":  # (heads, e, d)
            return (shape[0] * shape[1] * blocks) ** -0.5
        case "W_in":  # relu halves the second moment
            return (2 / shape[0]) ** 0.5
        case "W_out" | "W_U":
            return (shape[0] * (blocks if name == "W_out" else 1)) ** -0.5
    raise AssertionError(name)
