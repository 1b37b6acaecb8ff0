"""A scheduled natural plan as matrices. No bias: what a bias would be is read from the direction that is 1 at every token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..domain import MOST
from ..emit import AttentionWeights, MlpWeights
from ..errors import InputError
from .place import Attention, Mlp, Schedule
from .stage import Compute, Copy, Embed, Lin, Unit

Matrix = NDArray[np.float64]
TOGETHER = 1 << 28  # entries of all matrices: 2 GiB while they are made


class Matrices:
    """The matrices of a natural model. Shapes: W_E (V + 1, d_model), W_pos (N + 1, d_model), W_U (d_model, Σ classes)."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.plan = schedule, schedule.plan
        sizes, d = self.plan.graph.sizes, self.plan.width
        self._require_room()
        self.W_E, self.W_pos = zeros(len(sizes.alphabet) + 1, d), zeros(sizes.length + 1, d)
        for feature in self.plan.features:
            if isinstance(feature.recipe, Embed):
                target = self.W_E if feature.recipe.source == "token" else self.W_pos
                target[:, list(feature.dims)] = feature.recipe.table
        self.blocks = tuple(self._attention(b) if isinstance(b, Attention) else self._mlp(b) for b in schedule.blocks)
        self.W_U = self._columns([lin for output in self.plan.outputs for lin in output.logits])

    def _require_room(self) -> None:
        """Raise InputError where all matrices together would not fit in memory."""
        sizes, d = self.plan.graph.sizes, self.plan.width
        rows = len(sizes.alphabet) + sizes.length + 2 + sum(len(output.logits) for output in self.plan.outputs)
        for b in self.schedule.blocks:
            rows += 4 * len(b.heads) * max(self._widths(b)) if isinstance(b, Attention) else 2 * len(self._units(b))
        if rows * d > TOGETHER:
            fact = f"the natural matrices of {self.plan.graph.name} have {rows * d:,} entries together, more than {TOGETHER:,}"
            raise InputError(fact, hint="shorten the length, or use the compact style")

    def _columns(self, lins: Sequence[Lin]) -> Matrix:
        """Expressions as columns. Shape (d_model, number)."""
        matrix = zeros(self.plan.width, len(lins))
        for c, lin in enumerate(lins):
            for dim, k in lin.items():
                matrix[dim, c] = k
        return matrix

    def _attention(self, layer: Attention) -> AttentionWeights:
        plan = self.plan
        uses = sorted(layer.heads, key=lambda use: (plan.heads[use[0]].mask, use[0]))
        written = [[pair for f in features for pair in self._brought(f)] for _, features in uses]
        d, e = plan.width, max(self._widths(layer))
        w_q, w_k, w_v, w_o = (zeros(len(uses), *shape) for shape in ((d, e), (d, e), (d, e), (e, d)))
        for h, ((head, _), pairs) in enumerate(zip(uses, written, strict=True)):
            w_q[h, :, : len(plan.heads[head].query)] = self._columns(plan.heads[head].query)
            w_k[h, :, : len(plan.heads[head].key)] = self._columns(plan.heads[head].key)
            w_v[h, :, : len(pairs)] = self._columns([lin for lin, _, _ in pairs])
            w_o[h, range(len(pairs)), [dim for _, dim, _ in pairs]] = [gain for _, _, gain in pairs]
        return AttentionWeights(w_q, w_k, w_v, w_o, tuple(plan.heads[head].mask for head, _ in uses))

    def _widths(self, layer: Attention) -> list[int]:
        """The dimensions that each head needs."""
        return [max(len(self.plan.heads[h].query), sum(len(self._brought(f)) for f in features)) for h, features in layer.heads]

    def _brought(self, f: int) -> list[tuple[Lin, int, float]]:
        feature = self.plan.features[f]
        assert isinstance(feature.recipe, Copy)
        return [(lin, dim, feature.recipe.gain) for lin, dim in zip(feature.recipe.source, feature.dims, strict=True) if lin]

    def _units(self, layer: Mlp) -> list[Unit]:
        units: list[Unit] = []
        for f in layer.writes:
            recipe = self.plan.features[f].recipe
            assert isinstance(recipe, Compute)
            units += recipe.units
        return units + [unit for f in layer.rounds for unit in self.plan.features[f].cleaner]

    def _mlp(self, layer: Mlp) -> MlpWeights:
        units = self._units(layer)
        w_out = zeros(len(units), self.plan.width)
        for u, unit in enumerate(units):
            for dim, weight in unit.out:
                w_out[u, dim] += weight
        return MlpWeights(self._columns([unit.pre for unit in units]), w_out)

    def tensors(self) -> dict[str, Matrix]:
        """Every tensor by name."""
        found: dict[str, Matrix] = {"W_E": self.W_E, "W_pos": self.W_pos, "W_U": self.W_U}
        for i, b in enumerate(self.blocks):
            names: Iterable[str] = ("W_Q", "W_K", "W_V", "W_O") if isinstance(b, AttentionWeights) else ("W_in", "W_out")
            found |= {f"blocks.{i}.{name}": np.asarray(getattr(b, name), np.float64) for name in names}
        return found

    def __str__(self) -> str:
        lines: list[str] = []
        for name, tensor in self.tensors().items():
            lines.append(f"{name} {tensor.shape}")
            lines += [f"    {list(map(int, at))} = {tensor[tuple(at)]:g}" for at in np.argwhere(tensor)]
        return "\n".join(lines)


def zeros(*shape: int) -> Matrix:
    """A matrix of zeros. Raises InputError where it would not fit in memory."""
    if np.prod([float(n) for n in shape]) > MOST:
        size = " x ".join(f"{n:,}" for n in shape)
        raise InputError(f"a natural matrix of {size} entries is too large", hint="shorten the length, or use the compact style")
    return np.zeros(shape)
