"""The frame of a stream whose norm has a mean to round: how far each dimension is scaled, and what balances it.

A dimension that holds up to x and is read with weights up to w is scaled by 2**-shift, about the root of w/x: the mean's error
grows with Σ x·2**-shift, and a read sum that carries the error with Σ w·2**shift. Dimensions share a balance dimension, which
holds minus their sum, as long as its sums are exact: of integers times a power of two g, their absolute values at most 2**t·g.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..compiler.plan.stage import Origin
from ..runtime.model import Model, Probe
from ..runtime.module import AttentionShape
from .native import BITS, Frame, Reals
from .totals import Cell, Sums, cells, one

Rows: TypeAlias = npt.NDArray[np.bool_]
MOST_VALUES = 1 << 16  # of a value whose codes are bounded together


@dataclass(frozen=True, slots=True)
class Stream:
    """What a model's stream can hold and what writes to it, its cells of totals being empty until a head has added to them.

    Shapes: low and high (blocks + 1, d_model), the least and the greatest number after each block, 0 the embedding; `writes`
    has for each block its output matrix (k, d_model), a bound on what is multiplied with each row, and which rows add totals.
    """

    totals: tuple[Cell, ...]
    low: Reals
    high: Reals
    writes: tuple[tuple[Reals, Reals, Rows], ...]

    @property
    def top(self) -> Reals:
        """The greatest absolute values. Shape (blocks + 1, d_model)."""
        return np.maximum(-self.low, self.high)


def stream(model: Model, native: dict[str, Reals], sums: Sums) -> Stream:
    """The stream of a model, `native` being its tensors without fillings."""
    found = cells(model)
    low = np.zeros((len(model.module.shape.blocks) + 1, model.module.shape.d_model))
    high = low.copy()
    for probe in sorted(model.probes, key=lambda p: p.block):  # a later value takes the place of an earlier one
        for dim, (lo, hi) in zip(probe.dims, probe.form.intervals(), strict=True):
            low[probe.block :, dim], high[probe.block :, dim] = lo, hi
    for cell in found:
        low[cell.block :, cell.dim] = high[cell.block :, cell.dim] = 0
        low[cell.block + 1 :, cell.dim], high[cell.block + 1 :, cell.dim] = cell.least - 1, cell.most + 1  # y is closer than 1
    writes: list[tuple[Reals, Reals, Rows]] = []
    for i, block in enumerate(model.module.shape.blocks):
        adding = [cell.dim for cell in found if cell.block == i]
        if isinstance(block, AttentionShape):
            out = native[f"blocks.{i}.W_O"].reshape(-1, low.shape[1])
            size = np.concatenate([np.maximum(-low[i], high[i]) @ np.abs(v) for v in native[f"blocks.{i}.W_V"]])
            rows = (out[:, adding] != 0).any(axis=1)
            weights = np.repeat([sums.weight.get((i, head), 1.0) for head in range(len(block.masks))], block.d_head)
            size[rows] *= 1.01 * model.length * weights[rows]  # up to N matches
        else:
            out = native[f"blocks.{i}.W_out"]
            size = _peaks(model, i, native[f"blocks.{i}.W_in"], low[i], high[i])
            rows = np.zeros(len(out), np.bool_)
        writes.append((out, size, rows))
    return Stream(found, low, high, tuple(writes))


def _peaks(model: Model, block: int, w_in: Reals, low: Reals, high: Reals) -> Reals:
    """A bound on each hidden unit of an MLP. Dimensions that hold codes of one value are bounded together, value by value.

    Shapes: W_in (d_model, d_mlp), low and high (d_model,) -> (d_mlp,).
    """
    earlier = sorted((p for p in model.probes if p.block <= block), key=lambda p: p.block)
    holder = {dim: (probe, d) for probe in earlier for d, dim in enumerate(probe.dims)}
    together: dict[int | Origin, list[int]] = {}
    for dim, (probe, _) in holder.items():
        size = model.optimised.nodes[probe.value].domain.size if isinstance(probe.value, int) else 0
        if w_in[dim].any() and probe.form.kind != "fill" and max(probe.form.top, size) <= MOST_VALUES:
            together.setdefault(probe.value, []).append(dim)
    total, apart = np.zeros(w_in.shape[1]), w_in.copy()
    for value, dims in together.items():
        if len(dims) == 1 and value != "one":
            continue
        codes = np.stack([_codes(model, *holder[dim]) for dim in dims], axis=1)  # (values, dims)
        total += (codes @ w_in[dims]).max(axis=0)
        apart[dims] = 0
    return np.maximum(0, total + high @ np.maximum(apart, 0) - low @ np.maximum(-apart, 0))


def _codes(model: Model, probe: Probe, d: int) -> Reals:
    """Dimension d of a probe's code for every value it can have, ⊥ included: the same values for all probes of one value."""
    match probe.value:
        case "one":
            values = np.ones(1, np.int64)
        case "token":
            values = np.arange(len(model.alphabet))
        case "position":
            values = np.arange(1, model.length + 1)
        case int() as node:
            domain = model.optimised.nodes[node].domain
            values = np.arange(domain.lo - 1, domain.hi + 1)  # the first stands for ⊥
            return np.where(values < domain.lo, 0, probe.form.encode(values - probe.form.off)[:, d]).astype(np.float64)
    return probe.form.encode(values - probe.form.off)[:, d].astype(np.float64)


def frame_of(model: Model, native: dict[str, Reals], sums: Sums, d_head: int) -> Frame:
    """The frame for a model whose heads become `d_head` wide; its width leaves one dimension that is always zero."""
    found, ones = stream(model, native, sums), one(model)
    weight = np.ones(model.module.shape.d_model)
    for name, matrix in native.items():
        if name.endswith(("W_Q", "W_K", "W_V", "W_in", "W_U")):
            for columns in matrix if matrix.ndim == 3 else [matrix]:
                if name.endswith("W_in"):  # what is subtracted stands in the projection's bias
                    columns = np.where((np.arange(len(columns)) == ones)[:, None], np.maximum(columns, 0), columns)
                step = lowest(columns).min(axis=0, initial=np.inf)
                weight = np.maximum(weight, (np.abs(columns) / step).max(axis=1, initial=0))
    shift = np.round(np.log2(np.maximum(found.top.max(axis=0), 1) / weight) / 2).astype(int)
    balance = _balance(model, found, np.exp2(-shift.astype(np.float64)))
    heads = max(len(b.masks) for b in (*model.module.shape.blocks, AttentionShape(1, ("causal",))) if isinstance(b, AttentionShape))
    width = len(shift) + max(balance) + 2
    return Frame(tuple(map(int, shift)), d_head * max(heads, -(-width // d_head)), balance)


def _balance(model: Model, found: Stream, unit: Reals) -> tuple[int, ...]:
    """The balance dimension of every dimension, the first one where the sums stay exact; totals, which are not, have their own."""
    t, cells = BITS[model.dtype], [cell.dim for cell in found.totals]
    sums: list[tuple[list[Reals], Reals, float]] = []  # of each balance dimension: its columns, its greatest entries, its step
    place = np.zeros(len(unit), int)
    for dim in (d for d in range(len(unit)) if d not in cells):
        own = [out[:, dim] * unit[dim] for out, _, _ in found.writes], found.top[:, dim] * unit[dim], float(unit[dim])
        for b, (columns, top, step) in enumerate(sums):
            joined = [c + o for c, o in zip(columns, own[0], strict=True)], top + own[1], min(step, own[2])
            fits = joined[1].max() <= 2.0**t * joined[2]
            if fits and all(_adds_up(model, c, w) for c, w in zip(joined[0], found.writes, strict=True)):
                place[dim], sums[b] = b, joined
                break
        else:
            place[dim] = len(sums)
            sums.append(own)
    place[cells] = len(sums)
    return tuple(map(int, place))


def _adds_up(model: Model, column: Reals, writes: tuple[Reals, Reals, Rows]) -> bool:
    """Whether a block's products with a column of a balance dimension add up exactly, in any order."""
    _, size, adding = writes
    live = (size > 0) & (column != 0)
    stored = column[live].astype(model.dtype).astype(np.float64)
    whole = (stored == column[live]).all() and not adding[live].any()
    return bool(whole and size[live] @ np.abs(stored) <= 2.0 ** BITS[model.dtype] * lowest(stored).min(initial=np.inf))


def off(model: Model, found: Stream, unit: Reals, group: Sequence[int]) -> float:
    """How far from zero a group of dimensions and the one that balances them can add up, in the worst case; 0 if that is exact."""
    t, total = BITS[model.dtype], found.top[:, group] @ unit[group]  # (blocks + 1,)
    bent = any(cell.dim in group for cell in found.totals)
    drift = 0.0 if not bent and total.max() <= 2.0**t * unit[group].min() else 2.0 ** (1 - t) * float(total.sum() + total[1:].sum())
    for writes in found.writes:
        out, size, _ = writes
        scaled = out[:, group] * unit[group]
        if not _adds_up(model, scaled.sum(axis=1), writes):
            terms = int(((size > 0) & scaled.any(axis=1)).sum()) + 3
            drift += 2 * terms * 2.0**-t / (1 - terms * 2.0**-t) * float(size @ np.abs(scaled).sum(axis=1))
    return drift


def lowest(x: Reals) -> Reals:
    """The greatest power of two that divides each number, infinite for 0."""
    fraction, exponent = np.frexp(x)
    whole = np.ldexp(fraction, 53).astype(np.int64)
    return np.where(x == 0, np.inf, np.ldexp((whole & -whole).astype(np.float64), exponent - 53))
