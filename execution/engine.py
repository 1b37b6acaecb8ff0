"""A whole text through a model, layer by layer: what each head attends to is found by an index instead of N² scores.

The stream is kept dimension by dimension, in float64, and only the dimensions that a block reads and writes are touched. All its numbers
are whole and exact in the model's own arithmetic, in any order of summation, which is what the certificate shows; so they are the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..compiler.errors import EngineWarning, InputError
from ..runtime.precision import full_precision
from ..runtime.tokens import id_rows
from .attend import CAUSAL, FULL, STRICT, picks, totals
from .grounds import Grounds, require
from .jit import FAST
from .outputs import said
from .plan import TABLED, Head, Plan, Units, plan_of
from .table import head_of, indexes, room

if TYPE_CHECKING:
    from ..runtime.model import Model

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BUDGET = 1 << 32 if FAST else 1 << 24  # classes that a head scores one by one before its block is dense
MASKS = {"causal": CAUSAL, "strict": STRICT, "full": FULL}


class NoIndex(Exception):
    """A head with too many classes to score one by one, or with keys that are no whole numbers."""

    def __init__(self, head: Head) -> None:
        super().__init__(head.name)
        self.head = head


@dataclass
class Engine:
    """A model's plan and what one call is about: how many queries of each head are audited, and where attention was scored in full."""

    model: Model
    plan: Plan
    audits: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    dense: set[str] = field(default_factory=set[str])

    @torch.no_grad()
    def stream(self, ids: Tensor) -> Iterator[Tensor]:
        """The residual stream of one text after the embedding and after each block. Shapes: (n,) -> (n + 1, d_model) each."""
        like = self.model.module.W_E
        for x in self._blocks(ids):
            yield torch.from_numpy(np.ascontiguousarray(x.T)).to(like)

    @torch.no_grad()
    def classes(self, ids: Tensor | Sequence[Sequence[int]]) -> Tensor:
        """As `Model.classes`. Shapes: B sequences of n token ids -> (B, n), or (B, n, outputs)."""
        rows = id_rows(ids)
        found = torch.zeros(*rows.shape, len(self.plan.books), dtype=torch.long)
        for place, row in enumerate(rows):
            *_, x = self._blocks(torch.from_numpy(row))
            found[place] = torch.stack([said(book, x[:, 1:]) for book in self.plan.books], dim=-1)
        return found[..., 0] if len(self.plan.books) == 1 else found

    def _blocks(self, ids: Tensor) -> Iterator[Reals]:
        """The stream after the embedding and each block, one array that changes. Shapes: (n,) -> (d_model, n + 1)."""
        self.model.module.require_known(ids)
        x = self._embedded(ids.cpu().numpy())
        yield x
        for number, block in enumerate(self.plan.blocks):
            try:
                changes: dict[int, Reals] = {}
                for part in block:
                    for dim, change in (self._units(part, x) if isinstance(part, Units) else self._head(part, x)).items():
                        changes[dim] = changes[dim] + change if dim in changes else change
                for dim, change in changes.items():
                    x[dim] += change
            except NoIndex as none:
                self.dense.add(none.head.name)
                x[...] = self._scored(number, x)
            yield x

    def _embedded(self, ids: Ints) -> Reals:
        rows, n = np.concatenate([[0], ids + 1]), len(ids) + 1  # row 0 is BOS
        x = np.zeros((self.plan.W_E.shape[1], n))
        for dim in range(len(x)):
            for table, column in ((self.plan.W_E, rows), (self.plan.W_pos, slice(n))):
                if table[1:2, dim].any() or table[:, dim].any():
                    x[dim] += table[:, dim][column]
        return x

    # --- blocks --------------------------------------------------------------------------------------------

    def _units(self, units: Units, x: Reals) -> dict[int, Reals]:
        """What hidden units that read one sum add, by dimension; nothing at BOS."""
        read = combined(units.read, x)
        dims = np.flatnonzero(units.out.any(axis=0))
        found: dict[int, Reals] = {}
        if len(units.bias) <= TABLED:
            for bias, out in zip(units.bias, units.out, strict=True):
                active = np.maximum(read + bias, 0) if bias else np.maximum(read, 0)
                for dim in np.flatnonzero(out):
                    change = active if out[dim] == 1 else active * out[dim]
                    found[int(dim)] = found[int(dim)] + change if int(dim) in found else change
        else:
            active = np.searchsorted(-units.bias, read)  # those that bend below, in their order
            (slope, value), beyond = units.lines(), read + units.bias[np.maximum(active, 1) - 1]
            for column, dim in enumerate(dims):
                found[int(dim)] = slope[active, column] * beyond + value[active, column]
        for dim in found:
            found[dim][0] = 0
        return found

    def _head(self, head: Head, x: Reals) -> dict[int, Reals]:
        """What a head adds, by dimension."""
        if head.shown.kind == "total":
            sums = self._added(head, x)  # (n + 1, C)
            return {int(dim): sums @ head.adds[:, dim] for dim in np.flatnonzero(head.adds.any(axis=0))}
        winner = self.winners(head, x)
        self._audit(head, x, winner, None)
        dims = np.flatnonzero(head.effect.any(axis=0))
        return {int(dim): combined(head.effect[:, dim], x)[winner] for dim in dims}

    def _parts(self, head: Head, x: Reals) -> tuple[Reals, Ints, Reals, Reals] | None:
        """q and k where both vary, r and s, each row a position; None where keys are no whole numbers. Shapes: (n + 1, E), (n + 1,)."""
        n, width = x.shape[1], head.q.shape[1]
        q, k = np.empty((n, width)), np.empty((n, width), np.int64)
        for e in range(width):
            q[:, e] = combined(head.q[:, e], x)
            key = combined(head.k[:, e], x)
            k[:, e] = key
            if (k[:, e] != key).any():
                return None
        return q, k, combined(head.r, x), combined(head.s, x)

    def winners(self, head: Head, x: Reals) -> Ints:
        """The position that each attends to, 0 for BOS, every lead recomputed. Raises NoIndex, and InputError where one does not lead."""
        parts, winner = self._parts(head, x), np.zeros(x.shape[1], np.int64)
        if parts is not None:
            index = head_of(indexes(np.array([head.q.shape[1]]), len(winner)), 0)
            self._require(head, picks(index, MASKS[head.mask], *parts, self.plan.gap, float(BUDGET), room(index), winner))
            return winner
        raise NoIndex(head)

    def _added(self, head: Head, x: Reals) -> Reals:
        """The sums of what matches, whole numbers. Raises as `winners`. Shapes: (d_model, n + 1) -> (n + 1, C)."""
        v = np.stack([combined(column, x) for column in head.channels.T], axis=1)
        parts, found = self._parts(head, x), np.zeros_like(v)
        if parts is not None:
            index = head_of(indexes(np.array([head.q.shape[1]]), len(v), v.shape[1]), 0)
            depth = head.shown.depth
            self._require(head, totals(index, MASKS[head.mask], *parts, v, self.plan.gap, depth, float(BUDGET), room(index), found))
            self._audit(head, x, None, found)
            return found
        raise NoIndex(head)

    def _require(self, head: Head, failed: int) -> None:
        """Raise NoIndex where a head took too much, InputError where some score is not what the certificate says."""
        if failed > 0:
            raise NoIndex(head)
        if failed:
            fact = f"{self.model.name}: at position {-failed}, the scores of {head.name} are not those of its certificate"
            raise InputError(fact, hint="engine='dense' runs any tensors")

    def _scored(self, number: int, x: Reals) -> Reals:
        """The stream after a block as the dense model has it. Shapes: (d_model, n + 1) -> (d_model, n + 1)."""
        like = self.model.module.W_E
        rows = torch.from_numpy(np.ascontiguousarray(x.T)).to(like)[None]
        with full_precision(like.device.type):
            return (rows + self.model.module.blocks[number](rows))[0].double().cpu().numpy().T

    # --- audit ---------------------------------------------------------------------------------------------

    def _audit(self, head: Head, x: Reals, winner: Ints | None, found: Reals | None) -> None:
        """Score some random queries in full, by softmax in the model's own arithmetic, and compare. Raises InputError where they differ."""
        if not self.audits:
            return
        n, like, block = x.shape[1], self.model.module.W_E, self.model.module.blocks[head.block - 1]
        w_q, w_k, w_v, w_o = (getattr(block, name)[head.head] for name in ("W_Q", "W_K", "W_V", "W_O"))
        for i in self.rng.choice(np.arange(1, n), size=min(self.audits, n - 1), replace=False):
            last = {"causal": i + 1, "strict": i, "full": n}[head.mask]
            seen = torch.from_numpy(np.ascontiguousarray(x[:, : max(1, last)].T)).to(like)
            query = torch.from_numpy(x[:, i].copy()).to(like)
            with full_precision(like.device.type):
                read = ((query @ w_q) @ (seen @ w_k).mT).softmax(-1) @ (seen @ w_v)
            if found is None:
                assert winner is not None
                same = torch.equal(read @ w_o, torch.from_numpy(x[:, winner[i]] @ head.effect).to(like))
            else:
                counted = np.rint(read.double().cpu().numpy() * np.exp(head.shown.depth))  # of all channels, of which `found` has some
                same = bool((counted[head.used] == found[i]).all())
            if not same:
                fact = f"{self.model.name}: at position {i}, {head.name} reads something else when it is scored in full"
                raise InputError(fact, hint="this is a fault of the sparse engine; engine='dense' does without it")


def combined(weights: Reals, x: Reals) -> Reals:
    """Σ_d weights_d · x_d, a new array. Shapes: (d_model,), (d_model, n + 1) -> (n + 1,)."""
    found = None
    for d in np.flatnonzero(weights):
        term = x[d] * weights[d]
        found = term if found is None else np.add(found, term, out=found)
    return np.zeros(x.shape[1]) if found is None else found


def engine(model: Model, shown: Grounds | None = None, audit: int = 0, seed: int = 0) -> Engine:
    """What runs a model sparsely. Raises InputError where no certificate shows its heads."""
    shown = require(model) if shown is None else shown
    return Engine(model, plan_of(model, shown), audit, np.random.default_rng(seed))


def say(engine: Engine) -> None:
    """Warn of heads that had no index on this text."""
    if engine.dense:
        names = "; ".join(sorted(engine.dense))
        warnings.warn(
            f"{engine.model.name}: attention scored in full, for want of an index on this text: {names}", EngineWarning, stacklevel=3
        )
