"""Totals where the norm rounds as it reads: the filling of a total's cell moves from the stream into the norm's bias.

Natively a cell holds F, a head adds y, which is closer than 1/2 to the total S, and the sum rounds to F + S
(`compiler/plan/tally.py`). Here the cell is empty, y stays as it is, and a norm whose bias is F rounds to F + S whenever the cell
is read. So the stream is the native one less F·one in that cell: what read the cell with a weight w reads w·F of one besides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..certificate.certify import Certificate
from ..compiler.codes.numerics import DTYPES
from ..compiler.errors import CheckpointError
from ..compiler.plan.stage import Tally
from ..runtime.model import Model, Probe
from ..runtime.module import AttentionShape
from .native import BITS, Frame, Reals


@dataclass(frozen=True, slots=True)
class Cell:
    """A total's cell: its dimension, the block that fills it (0 is the embedding), F, and the least and the greatest total."""

    dim: int
    block: int
    fill: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What is known of heads that add up: the weight of a match by (block, head), and how far off a cell's sum may be, in its steps.

    Blocks count from 0, as they do for cells.
    """

    weight: Mapping[tuple[int, int], float]
    error: Mapping[tuple[int, int], float]

    @classmethod
    def planned(cls, model: Model) -> Sums:
        """By the plan of a model just lowered."""
        assert model.compiled is not None
        plan, layout = model.compiled.plan, model.compiled.layout
        error: dict[tuple[int, int], float] = {}
        for place in layout.places:
            recipe = plan.features[place.feature].recipe
            if isinstance(recipe, Tally):
                error[layout.blocks()[place.born] - 1, place.dims[0]] = recipe.exact.steps * 2.0 ** -(BITS[model.dtype] + 1)
        blocks = enumerate(model.module.shape.blocks)
        heads = [(i, head) for i, block in blocks if isinstance(block, AttentionShape) for head in range(len(block.masks))]
        return cls(dict.fromkeys(heads, math.exp(-DTYPES[model.dtype].tally)), error)

    @classmethod
    def certified(cls, certificate: Certificate) -> Sums:
        """By a certificate. A head that no key can match adds nothing."""
        weight = {(h.block - 1, h.head): math.exp(-h.depth) if h.depth else 0.0 for h in certificate.heads}
        return cls(weight, {(block - 1, dim): error for block, dim, error in certificate.sums})


NOTHING = Sums({}, {})


def cells(model: Model) -> tuple[Cell, ...]:
    """The cells of a model's totals, the earliest first. Raises CheckpointError where one holds anything besides, before or after."""
    claimed: dict[int, list[Probe]] = {}
    for probe in model.probes:
        for dim in probe.dims:
            claimed.setdefault(dim, []).append(probe)
    found: list[Cell] = []
    for probe in sorted(model.probes, key=lambda p: p.block):
        if probe.form.kind == "fill":
            (dim,), fill = probe.dims, probe.form.top
            later = [p for p in claimed[dim] if p is not probe]
            if probe.value != "one" or len(later) != 1 or later[0].block != probe.block + 1 or len(later[0].dims) != 1:
                fact = f"dimension {dim}, which {probe.name} fills, holds not one total and nothing else"
                raise CheckpointError(fact, hint="the file was edited; export the model again")
            least = 2 ** (BITS[model.dtype] - 1) + 1 - fill
            found.append(Cell(dim, probe.block, fill, least, later[0].form.top - fill))
    return tuple(found)


def one(model: Model) -> int:
    """The dimension that is 1 at every token. Raises CheckpointError where not exactly one is said to be, from the embedding on."""
    found = [p for p in model.probes if p.value == "one" and p.form.kind != "fill"]
    if len(found) == 1 and found[0].block == 0 and len(found[0].dims) == 1:
        form = found[0].form
        if form.kind == "digits" and form.parts == 1 and form.off == 0:  # so 1 is coded as 1
            return found[0].dims[0]
    raise CheckpointError("no dimension, or more than one, is said to be 1 at every token", hint="export the model again")


def emptied(model: Model, tensors: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors for a stream without fillings."""
    return _moved(model, tensors, 1)


def refilled(model: Model, tensors: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors: `emptied` undone."""
    return _moved(model, tensors, -1)


def _moved(model: Model, tensors: dict[str, Reals], sign: int) -> dict[str, Reals]:
    made, ones = dict(tensors), one(model)
    for cell in cells(model):
        amount = float(sign * cell.fill)
        if cell.block == 0:
            made["W_pos"] = made["W_pos"].copy()
            made["W_pos"][1:, cell.dim] -= amount
        else:
            name, reads = f"blocks.{cell.block - 1}.W_out", made[f"blocks.{cell.block - 1}.W_in"]
            alone = np.eye(1, len(reads), ones)[0]
            made[name] = made[name].copy()
            made[name][(reads == alone[:, None]).all(axis=0), cell.dim] -= amount
        later = [(i, b) for i, b in enumerate(model.module.shape.blocks) if i >= cell.block]
        readers = [f"blocks.{i}.{n}" for i, b in later for n in (("W_Q", "W_K", "W_V") if isinstance(b, AttentionShape) else ("W_in",))]
        for name in readers:  # the output is never read off a total's cell
            made[name] = made[name].copy()
            made[name][..., ones, :] += amount * made[name][..., cell.dim, :]
    return made


def norm_biases(model: Model, frame: Frame) -> Reals:
    """What the norm in front of each block adds, the last in front of the unembedding. Shape (blocks + 1, width)."""
    bias = np.full((len(model.module.shape.blocks) + 1, frame.width), float(frame.bias))
    for cell in cells(model):
        bias[cell.block + 1 :, cell.dim] = cell.fill / frame.scale[cell.dim]
    return bias
