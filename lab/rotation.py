"""Rotations of the stream that lose nothing: four dimensions at a time by the orthogonal matrix H/2, H of Hadamard's, of entries ±1.

A value that had a dimension to itself is then spread over four, and no dimension holds one value. H/2 is its own inverse, and its
entries are powers of two, so the new weights are sums of four old ones, halved. What must be shown is that sums over the new
numbers are exact, in any order: that every partial sum is a multiple of a power of two g of at most 2^t·g, with t mantissa bits.

The stream is known: a certified compact model holds, in each dimension and after each block, the code of the value that lives there
(`lab/wiring.py`), and 0 where none does. So the numbers that each matrix multiplies are integers with known bounds, and the
inequalities below follow from the tensors. A group of four that fails one is left as it was. Left out from the beginning are
dimensions in which a total is ever added up: there the spacing of numbers itself is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..compiler.codes.numerics import dtype_named
from ..compiler.ops import Total
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from .intervene import Array
from .wiring import FILLING, Wiring, wiring_of

GROUP = 4
TRIES = 12  # of grouping the dimensions
HALF = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
READS, WRITES = ("W_Q", "W_K", "W_V", "W_in"), ("W_O", "W_out")
Groups = Sequence[Sequence[int]]


def rotation(d_model: int, groups: Groups) -> Array:
    """The matrix R of groups of dimensions, its own inverse and transpose: the stream x becomes x·R. Shape (d_model, d_model)."""
    found = np.eye(d_model)
    for group in groups:
        found[np.ix_(group, group)] = HALF
    return found


def rotated(tensors: Mapping[str, Array], groups: Groups) -> dict[str, Array]:
    """The tensors in the rotated basis; the same again undoes it."""
    turn = rotation(tensors["W_E"].shape[1], groups)
    found: dict[str, Array] = {}
    for name, tensor in tensors.items():
        last = name.rpartition(".")[2]
        reads = last in READS or last == "W_U"
        found[name] = turn @ tensor if reads else tensor @ turn  # (…, d_model, k) and (…, k, d_model)
    return found


def exact_groups(model: Model, tensors: Mapping[str, Array], rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Random groups of four dimensions that are rotated without rounding anything, as many as are shown to be."""
    bounds, best = _Bounds(model, wiring_of(model), tensors), list[tuple[int, ...]]()
    for _ in range(TRIES):
        order, found = [int(d) for d in rng.permutation(bounds.free)], list[tuple[int, ...]]()
        for start in range(0, len(order) - GROUP + 1, GROUP):
            group = tuple(order[start : start + GROUP])
            if bounds.exact([*found, group]):
                found.append(group)
        best = max(best, found, key=len)
    return tuple(best)


def grain(numbers: Array) -> Array:
    """The greatest power of two that divides each number, infinite for 0."""
    mantissa, exponent = np.frexp(np.abs(numbers))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    low = (whole & -whole).astype(np.float64)
    return np.where(numbers == 0, np.inf, np.ldexp(np.where(low > 0, low, 1), exponent - 53))


class _Bounds:
    """What the stream holds before each block and at the end, and whether sums over it stay exact where it is rotated."""

    def __init__(self, model: Model, wiring: Wiring, tensors: Mapping[str, Array]) -> None:
        self.model, self.tensors = model, tensors
        self.most = 2.0 ** dtype_named(model.dtype).mantissa
        self.real = np.float64 if model.dtype == "float64" else np.float32
        odd: set[int] = set()  # where a total is added up, a value lies on top of another, or something without a name
        for p, probe in enumerate(wiring.places):
            if p >= len(model.probes) or probe.name.startswith(FILLING) or probe.form.kind in ("fill", "log") or wiring.under[p]:
                odd.update(probe.dims)
        for b, shape in enumerate(model.module.shape.blocks):
            for h in range(len(shape.masks)) if isinstance(shape, AttentionShape) else ():
                nodes = wiring.lookups(b, h)
                if not nodes or any(isinstance(model.optimised.nodes[n].op, Total) for n in nodes):
                    odd.update(int(d) for d in np.flatnonzero(tensors[f"blocks.{b}.W_O"][h].any(axis=0)))
        self.odd = odd
        self.stream = [self._held(state) for state in wiring.states]  # (blocks + 1) of (d_model,)
        self.free = sorted(set(range(model.module.shape.d_model)) - odd)

    def _held(self, state: Sequence[int | None]) -> Array:
        """The greatest absolute number in each dimension. Shape (d_model,)."""
        found = np.zeros(len(state))
        for d, p in enumerate(state):
            if p is not None and d not in self.odd:
                probe = self.model.probes[p]
                low, high = probe.form.intervals()[probe.dims.index(d)]
                found[d] = max(abs(low), abs(high))
        return found

    def exact(self, groups: Groups) -> bool:
        """Whether every sum over rotated dimensions is exact in any order, and every new weight a number of the dtype."""
        new, dims = rotated(self.tensors, groups), [d for group in groups for d in group]
        if any((tensor.astype(self.real) != tensor).any() for tensor in new.values()):
            return False
        turn = np.abs(rotation(self.model.module.shape.d_model, groups))
        rows = [self.tensors["W_E"], self.tensors["W_pos"]]
        held = [*(x @ turn for x in self.stream), *(np.abs(t).max(axis=0) @ turn for t in rows)]
        if any((2 * x[dims] > self.most).any() for x in held):  # multiples of 1/2
            return False
        for b, shape in enumerate(self.model.module.shape.blocks):
            name = f"blocks.{b}."
            parts = ("W_Q", "W_K", "W_V") if isinstance(shape, AttentionShape) else ("W_in",)
            if not all(self._reads(new[name + part], self.tensors[name + part], self.stream[b], turn, dims) for part in parts):
                return False
            if not self._writes(name, isinstance(shape, AttentionShape), new, self.stream[b], dims):
                return False
        return self._reads(new["W_U"], self.tensors["W_U"], self.stream[-1], turn, dims)

    def _reads(self, new: Array, old: Array, held: Array, turn: Array, dims: list[int]) -> bool:
        """Σ x·W of the new stream and matrix: exact for every column that reads what is rotated. Shapes: new, old (…, d_model, k)."""
        new, old = (np.moveaxis(m, -1, 0).reshape(-1, m.shape[-2]) for m in (new, old))  # (columns, d_model)
        touched = old[:, dims].any(axis=1)
        if not touched.any():
            return True
        new = new[touched]
        if new[:, sorted(self.odd)].any():
            return False  # what a total's cell holds is not bounded here
        bound = np.abs(new) @ (held @ turn)
        steps = grain(new)
        steps[:, dims] /= 2  # the stream's own numbers there are multiples of 1/2, elsewhere of 1
        return bool((bound <= self.most * steps.min(axis=1)).all())

    def _writes(self, name: str, attention: bool, new: Mapping[str, Array], held: Array, dims: list[int]) -> bool:
        """Σ z·W_O over all heads, or Σ h·W_out: exact in every rotated dimension. What is moved is what W_V or W_in makes of the stream."""
        moved = self.tensors[name + ("W_V" if attention else "W_in")]
        out = new[name + ("W_O" if attention else "W_out")]
        if attention:  # (heads, d_model, e), (heads, e, d_model)
            moved, out = np.moveaxis(moved, 0, 1).reshape(moved.shape[1], -1), out.reshape(-1, out.shape[-1])
        wanted = out[:, dims]  # (k, rotated)
        used = wanted.any(axis=1)
        if not used.any():
            return True
        if moved[sorted(self.odd)][:, used].any():
            return False
        size, steps = np.abs(moved).T @ held, grain(moved).min(axis=0)  # (k,) each
        bound = size[used] @ np.abs(wanted[used])
        grains = (np.where(np.isinf(steps), 1, steps)[:, None] * grain(wanted))[used].min(axis=0)
        return bool((bound <= self.most * grains).all())
