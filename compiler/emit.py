"""Emission: a layout as the matrices of a transformer, W_E, W_pos, W_Q, W_K, W_V, W_O, W_in, W_out, W_U.

No bias anywhere: row 0 of W_E and of W_pos, which is BOS, is zero, and stays zero through every sublayer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .codes.linear import Lin
from .ops import Mask
from .place.layout import Layout
from .place.schedule import Attention, HeadUse, Mlp
from .plan.stage import Compute, Copy, Embed, Output, Plan, Tally

Matrix: TypeAlias = npt.NDArray[np.floating]
ROWS = 1 << 12


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """One attention layer. Shapes: W_Q, W_K, W_V (n_heads, d_model, d_head), W_O (n_heads, d_head, d_model)."""

    W_Q: Matrix
    W_K: Matrix
    W_V: Matrix
    W_O: Matrix
    masks: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class MlpWeights:
    """One ReLU block. Shapes: W_in (d_model, d_mlp), W_out (d_mlp, d_model)."""

    W_in: Matrix
    W_out: Matrix


@dataclass(frozen=True, slots=True)
class Weights:
    """A whole model. Shapes: W_E (V + 1, d_model), W_pos (N + 1, d_model), W_U (d_model, Σ classes); row 0 is BOS."""

    layout: Layout
    W_E: Matrix
    W_pos: Matrix
    W_U: Matrix
    blocks: tuple[AttentionWeights | MlpWeights, ...]

    def __str__(self) -> str:
        lines = [f"W_E {self.W_E.shape}  W_pos {self.W_pos.shape}  W_U {self.W_U.shape}"]
        for i, block in enumerate(self.blocks):
            tensors = (
                (("W_in", block.W_in), ("W_out", block.W_out))
                if isinstance(block, MlpWeights)
                else (("W_Q", block.W_Q), ("W_K", block.W_K), ("W_V", block.W_V), ("W_O", block.W_O))
            )
            for name, tensor in tensors:
                lines.append(f"blocks.{i}.{name} {tensor.shape}")
                for index in np.argwhere(tensor):
                    value = tensor[tuple(index)]
                    lines.append(f"    {list(map(int, index))} = {value:g}")
        return "\n".join(lines)


def emit(layout: Layout) -> Weights:
    """Write the matrices. Empty MLP slots are left out."""
    return Emitter(layout).weights()


def heads_in_order(layer: Attention, plan: Plan) -> list[HeadUse]:
    """The heads of a layer in the order of the tensors: those of one mask stand together, so that one kernel computes them."""
    return sorted(layer.heads, key=lambda use: (plan.heads[use.head].mask, use.head))


class Emitter:
    """The matrices of a layout, of a whole program or of a part of one."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.plan = layout, layout.schedule.plan
        self.real = np.float64 if self.plan.dtype.name == "float64" else np.float32
        self.dims = {p.feature: p.dims for p in layout.places}

    def zeros(self, *shape: int) -> Matrix:
        return np.zeros(shape, self.real)

    def column(self, lin: Lin, scale: int = 1) -> Matrix:
        """The residual-stream vector whose inner product with the stream is scale·lin. Shape (d_model,)."""
        column = self.zeros(self.layout.d_model)
        for (f, d), k in lin.terms:
            column[self.dims[f][d]] += k * scale
        return column

    def weights(self) -> Weights:
        """All of them."""
        w_e, w_pos = self.embedding()
        return Weights(self.layout, w_e, w_pos, self.unembedding(), self.blocks())

    def embedding(self) -> tuple[Matrix, Matrix]:
        """What the embedding writes by token and by position. Shapes: (V + 1, d_model), (N + 1, d_model)."""
        sizes, d = self.plan.graph.sizes, self.layout.d_model
        w_e, w_pos = self.zeros(len(sizes.alphabet) + 1, d), self.zeros(sizes.length + 1, d)
        for target, source in ((w_e, "token"), (w_pos, "position")):
            columns = [
                (dim, feature.recipe.table[:, c])
                for f, feature in enumerate(self.plan.features)
                if isinstance(feature.recipe, Embed) and feature.recipe.source == source
                for c, dim in enumerate(self.dims[f])
            ]
            for start in range(0, len(target) - 1, ROWS):  # a few rows at a time, so that they stay in the cache
                for dim, column in columns:
                    target[1 + start : 1 + start + ROWS, dim] = column[start : start + ROWS]
        for dim, number in self.layout.fills[0]:
            w_pos[1:, dim] = number
        return w_e, w_pos

    def blocks(self) -> tuple[AttentionWeights | MlpWeights, ...]:
        """The sublayers' matrices, empty MLP slots left out."""
        blocks: list[AttentionWeights | MlpWeights] = []
        for sublayer, cleared, filled in zip(self.layout.schedule.sublayers, self.layout.clears, self.layout.fills[1:], strict=True):
            if isinstance(sublayer, Attention):
                blocks.append(self.attention(sublayer))
            elif sublayer.writes or cleared or filled:
                blocks.append(self.mlp(sublayer, cleared, filled))
        return tuple(blocks)

    def attention(self, layer: Attention) -> AttentionWeights:
        uses = heads_in_order(layer, self.plan)
        writes = [[w for f in use.writes for w in self.written(f, use.head)] for use in uses]
        widths = [max(len(self.plan.heads[use.head].query), len(written)) for use, written in zip(uses, writes, strict=True)]
        shape = (len(uses), self.layout.d_model, max(widths))
        w_q, w_k, w_v = self.zeros(*shape), self.zeros(*shape), self.zeros(*shape)
        w_o = self.zeros(shape[0], shape[2], shape[1])
        for h, use in enumerate(uses):
            head = self.plan.heads[use.head]
            # The grid 2**g is split evenly, 2**ceil(g/2) into W_Q and 2**floor(g/2) into W_K.
            bits = head.grid.bit_length() - 1
            q_scale, k_scale = 1 << -(-bits // 2), 1 << bits // 2
            for c, (q, k) in enumerate(zip(head.query, head.key, strict=True)):
                w_q[h, :, c] = self.column(q, q_scale)
                w_k[h, :, c] = self.column(k, k_scale)
            for c, (lin, dim, factor) in enumerate(writes[h]):
                w_v[h, :, c] = self.column(lin)
                w_o[h, c, dim] = factor
        return AttentionWeights(w_q, w_k, w_v, w_o, tuple(self.plan.heads[use.head].mask for use in uses))

    def written(self, f: int, head: int) -> list[tuple[Lin, int, float]]:
        """What a head writes of a feature: for each of its dimensions the value, where it goes, and the factor in W_O."""
        recipe = self.plan.features[f].recipe
        if isinstance(recipe, Tally):
            e = math.exp(self.plan.dtype.tally)
            return [(lin, self.dims[f][0], c * e) for h, lin, c in recipe.parts if h == head]
        assert isinstance(recipe, Copy)
        return [(lin, dim, 1.0) for lin, dim in zip(recipe.source, self.dims[f], strict=True)]

    def mlp(self, layer: Mlp, cleared: tuple[tuple[int, bool], ...], filled: tuple[tuple[int, int], ...]) -> MlpWeights:
        # A hidden unit is its input column; units with the same input share it and add their outputs.
        units: dict[tuple[tuple[int, int], ...], dict[int, int]] = {}

        def add(pre: tuple[tuple[int, int], ...], dim: int, weight: int) -> None:
            out = units.setdefault(pre, {})
            out[dim] = out.get(dim, 0) + weight

        for dim, signed in cleared:
            add(((dim, 1),), dim, -1)
            if signed:
                add(((dim, -1),), dim, 1)
        for dim, number in filled:
            add(((self.dims[0][0], 1),), dim, number)
        for f in layer.writes:
            recipe = self.plan.features[f].recipe
            assert isinstance(recipe, Compute)
            for unit in recipe.units:
                pre = tuple(sorted((self.dims[g][d], k) for (g, d), k in unit.pre.terms))
                for dim, weight in zip(self.dims[f], unit.out, strict=True):
                    if weight:
                        add(pre, dim, weight)
        kept = [(pre, out) for pre, out in units.items() if pre and any(out.values())]
        w_in, w_out = self.zeros(self.layout.d_model, len(kept)), self.zeros(len(kept), self.layout.d_model)
        for u, (pre, out) in enumerate(kept):
            for dim, k in pre:
                w_in[dim, u] = k
            for dim, weight in out.items():
                w_out[u, dim] = weight
        return MlpWeights(w_in, w_out)

    def unembedding(self) -> Matrix:
        """A block of classes for each output, side by side. Shape (d_model, Σ classes)."""
        ends = np.cumsum([0, *(output.form.classes for output in self.plan.outputs)])
        w_u = self.zeros(self.layout.d_model, int(ends[-1]))
        for output, first, end in zip(self.plan.outputs, ends, ends[1:], strict=False):
            self.logits(output, w_u[:, first:end])
        return w_u

    def logits(self, output: Output, w_u: Matrix) -> None:
        """Class z: 2·code(z)·stream - |code(z)|²·one, greatest at the stream's own code by at least 1; class 0 is ⊥. Or the log.

        Shapes: w_u (d_model, classes), which is zero and is written.
        """
        form, one = output.form, self.dims[0][0]
        if form.kind == "log":
            log, counted = output.cells
            w_u += self.column(log)[:, None] + self.column(counted, form.lead)[:, None]
            return
        codes = form.encode(np.arange(form.top + 1)).astype(self.real)  # (classes, width)
        for c, lin in enumerate(output.cells):
            column = self.column(lin)
            for dim in np.flatnonzero(column):
                w_u[dim] += column[dim] * (2 * codes[:, c])
        w_u[one] -= (codes**2).sum(axis=1)
