"""Heads whose queries, keys and values are float16 numbers, for caches that keep no more.

Float16 holds the integers up to 2**11 times a power of two from 2**-24 on, up to 65,504. A query is a sum Σ w_d·x_d of integers x_d
from the stream, so it is such a number if

    Σ |w_d|·max|x_d|  <=  2**11·(the greatest power of two that divides every w_d)                     (1)

A longer column is written as several, side by side: its terms apart, and a long weight as a sum of short ones, each against a copy
of the other side's column: (w' + w'')·x·k = w'·x·k + w''·x·k. Scores keep their value, and no sum gets greater or finer terms.

Powers of two then move between the two sides of every column until both are as great, and from W_V to W_O until the values of
N + 1 positions add up to less than 65,504: rivals that tie are added up before a winner takes all of the softmax from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from ..compiler.errors import ExactnessError
from ..runtime.model import Model, assemble
from ..runtime.module import AttentionShape, MlpShape
from .native import Native, Reals
from .scales import lowest

BITS, LEAST, GREATEST = 11, 2.0**-24, 65504.0


def tops(model: Model) -> Reals:
    """The greatest absolute value each dimension can hold after each block, 0 the embedding. Shape (blocks + 1, d_model)."""
    top = np.zeros((len(model.module.shape.blocks) + 1, model.module.shape.d_model))
    for probe in sorted(model.probes, key=lambda p: p.block):  # a later value takes the place of an earlier one
        for dim, (lo, hi) in zip(probe.dims, probe.form.intervals(), strict=True):
            top[probe.block :, dim] = max(-lo, hi)
    return top


def split(column: Reals, top: Reals) -> list[Reals]:
    """Columns that add up to this one, each within (1); `top` bounds the stream. Shapes: (d_model,), (d_model,).

    Raises ExactnessError where one entry of the stream has more than 11 bits.
    """
    size = np.abs(column) * top
    if not size.any():
        return []
    if size.sum() <= 2.0**BITS * lowest(column).min():
        return [column]
    at = int(size.argmax())
    if top[at] > 2**BITS:
        raise ExactnessError(f"a number in the stream reaches {int(top[at]):,}, and float16 holds integers to {2**BITS:,}")
    # The leading b bits of the weight, (2**b - 1)·top <= 2**11.
    unit = np.exp2(np.floor(np.log2(np.abs(column[at]))) + 1 - np.floor(np.log2(2**BITS / top[at] + 1)))
    first = np.zeros_like(column)
    first[at] = np.trunc(column[at] / unit) * unit
    return [first, *split(column - first, top)]


def halved(model: Model) -> Model:
    """The same model with columns within (1). Raises ExactnessError where a number in the stream has more than 11 bits."""
    made, blocks, top = dict(Native.of(model).tensors), list(model.module.shape.blocks), tops(model)
    for i, block in enumerate(blocks):
        if not isinstance(block, AttentionShape):
            continue
        q, k, v, o = (f"blocks.{i}.{name}" for name in ("W_Q", "W_K", "W_V", "W_O"))
        heads: list[list[tuple[Reals, Reals]]] = []
        for w_q, w_k in zip(made[q], made[k], strict=True):
            pairs = zip(w_q.T, w_k.T, strict=True)
            heads.append([(a, b) for x, y in pairs for a in split(x, top[i]) for b in split(y, top[i])])
        width = max(block.d_head, *map(len, heads))
        blocks[i] = replace(block, d_head=width)
        spare = width - block.d_head
        made[v], made[o] = np.pad(made[v], ((0, 0), (0, 0), (0, spare))), np.pad(made[o], ((0, 0), (0, spare), (0, 0)))
        made[q], made[k] = np.zeros_like(made[v]), np.zeros_like(made[v])
        for h, columns in enumerate(heads):
            for c, (a, b) in enumerate(columns):
                made[q][h, :, c], made[k][h, :, c] = a, b
    return _with(model, tuple(blocks), made)


def plain(tensors: Mapping[str, Reals]) -> dict[str, Reals]:
    """Native tensors whose keys and values are odd multiples of 1 in every column: the powers of two are in W_Q and W_O."""
    made = dict(tensors)
    for name in tensors:
        for one, other, axis in (("W_K", "W_Q", (0, 1, 2)), ("W_V", "W_O", (0, 2, 1))):
            if name.endswith(one):
                unit = lowest(made[name]).min(axis=1, keepdims=True)  # (nh, 1, hs)
                unit[np.isinf(unit)] = 1
                partner = name.replace(one, other)
                made[name], made[partner] = made[name] / unit, made[partner] * unit.transpose(axis)
    return made


def canonical(model: Model) -> Model:
    """The same model with `plain` tensors."""
    return _with(model, model.module.shape.blocks, plain(Native.of(model).tensors))


def balanced(model: Model, root: float) -> Model:
    """The same model with powers of two moved as the text above says; `root` is what the target multiplies W_Q by."""
    made, top = dict(Native.of(model).tensors), tops(model)
    for i, block in enumerate(model.module.shape.blocks):
        if isinstance(block, AttentionShape):
            q, k, v, o = (f"blocks.{i}.{name}" for name in ("W_Q", "W_K", "W_V", "W_O"))
            of_q, of_k, of_v = (np.einsum("d,hdc->hc", top[i], np.abs(made[name])) for name in (q, k, v))  # (nh, hs)
            even = np.divide(of_k, of_q * root, out=np.ones_like(of_k), where=(of_q > 0) & (of_k > 0))
            up = np.exp2(np.round(np.log2(even) / 2))
            down = np.exp2(np.ceil(np.log2(np.maximum(1, of_v * (model.length + 1) / GREATEST))))
            made[q], made[k] = made[q] * up[:, None], made[k] / up[:, None]
            made[v], made[o] = made[v] / down[:, None], made[o] * down[..., None]
    return _with(model, model.module.shape.blocks, made)


def unfit(model: Model, root: float) -> str:
    """Which matrix of a balanced model makes numbers that are not float16's; empty if none does."""
    found, top = Native.of(model).tensors, tops(model)
    for i, block in enumerate(model.module.shape.blocks):
        if isinstance(block, AttentionShape):
            for name, scale in (("W_Q", root), ("W_K", 1.0), ("W_V", model.length + 1)):
                weights = found[f"blocks.{i}.{name}"]
                size, unit = np.einsum("d,hdc->hc", top[i], np.abs(weights)), lowest(weights).min(axis=1)
                if (size > 2.0**BITS * unit).any() or size.max(initial=0) * scale > GREATEST or unit.min(initial=1) < LEAST:
                    return f"{name} of block {i + 1}"
    return ""


def _with(model: Model, blocks: tuple[AttentionShape | MlpShape, ...], tensors: dict[str, Reals]) -> Model:
    """The model with other matrices."""
    shape, real = replace(model.module.shape, blocks=blocks), getattr(torch, model.dtype)
    module = assemble(shape, {name: torch.tensor(tensors[name], dtype=real) for name in shape.tensors()})
    return replace(model, module=module, compiled=None)
