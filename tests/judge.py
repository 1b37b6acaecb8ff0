"""The truth about a small model: all inputs, under every arithmetic that the certificate speaks for.

A model is right if every value it claims to hold is the code of the interpreter's value, bit for bit, and its outputs are the
interpreter's: as torch runs it (fused attention), with small numbers flushed to zero and softmax in the open, and by sums in
NumPy in adverse orders, where weights are normalised before or after the values are added up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch

import headwork as hw
from headwork.runtime.check import expected
from headwork.runtime.classes import classes
from headwork.runtime.interpreter import interpret_graph, interpret_roots
from headwork.runtime.model import Probe
from headwork.runtime.module import Attention

Certify: TypeAlias = Callable[[hw.Model], object]
Array: TypeAlias = npt.NDArray[np.floating]
ORDERS: dict[str, Callable[[Array], Array]] = {
    "descending": lambda terms: -np.sort(-terms, axis=-1),
    "small first": lambda terms: np.take_along_axis(terms, np.argsort(np.abs(terms), axis=-1), -1),
    "large first": lambda terms: np.take_along_axis(terms, np.argsort(-np.abs(terms), axis=-1), -1),
}


T = TypeVar("T")
Run: TypeAlias = list[tuple[list[npt.NDArray[np.float64]], torch.Tensor]]  # of each length: the streams after blocks, and logits


class Memory:
    """What was found of a model and is so of its kin, which have the same lowered graph: values inside, outputs of one program, the runs
    of the same tensors."""

    def __init__(self, model: hw.Model) -> None:
        self.optimised = model.optimised
        self._known: dict[Hashable, Any] = {}
        self.rows = [list(itertools.product(range(len(model.alphabet)), repeat=n)) for n in range(1, model.length + 1)]

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is known under a key, found if need be."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


def verdict(model: hw.Model, certify: Certify, memory: Memory | None = None) -> str:
    """`refused`, `crashed`, or of an accepted model `right`, or `wrong` and where."""
    try:
        certify(model)
    except hw.Refused:
        return "refused"
    except Exception as error:  # a checker must refuse by name; the campaign counts what it does not
        return f"crashed: {type(error).__name__}: {error}"
    fault = wrong(model, memory)
    return "right" if fault is None else f"wrong: {fault}"


def wrong(model: hw.Model, memory: Memory | None = None) -> str | None:
    """Under which arithmetic some value of some input is wrong, or None. Every input is run, or was with the same tensors."""
    memory = Memory(model) if memory is None or memory.optimised is not model.optimised else memory
    truth = _Truth(model, memory)
    stamp = tuple(hash(tensor.numpy().tobytes()) for tensor in model.module.state_dict().values())
    ways: list[tuple[str, Callable[[], Run]]] = [
        (f"torch{', small numbers flushed' * flush}", partial(_torch, model, truth.ids, flush)) for flush in (False, True)
    ]
    for late, (name, order) in itertools.product((False, True), ORDERS.items()):
        said = f"sums {name}, {'one division at the end' if late else 'softmax first'}"
        ways.append((said, partial(_numpy, model, truth.ids, order, late)))
    for said, run in ways:
        if not truth.holds(memory.of(("run", said, stamp), run)):
            return said
    return None


def _torch(model: hw.Model, batches: list[torch.Tensor], flush: bool) -> Run:
    """As torch runs it, with fused attention."""
    torch.set_flush_denormal(flush)
    try:
        with torch.no_grad():
            streams = [list(model.module.stream(ids)) for ids in batches]
            return [([x.double().numpy() for x in blocks], model.module.unembed(blocks[-1][:, 1:])) for blocks in streams]
    finally:
        torch.set_flush_denormal(False)


def _numpy(model: hw.Model, batches: list[torch.Tensor], order: Callable[[Array], Array], late: bool) -> Run:
    """By sums in an order."""
    run, found = _Numpy(model, order, late), Run()
    for ids in batches:
        blocks = run.stream(ids)
        found.append(([x.astype(np.float64) for x in blocks], torch.from_numpy(run.unembed(blocks[-1][:, 1:]))))
    return found


class _Truth:
    """What the interpreter says of every input of a model."""

    def __init__(self, model: hw.Model, memory: Memory) -> None:
        self.model, self.ids = model, [torch.tensor(rows) for rows in memory.rows]
        self.roots: list[list[list[list[int | None]]]] = []
        self.codes: list[list[npt.NDArray[np.int64]]] = []
        for n, rows in enumerate(memory.rows, 1):
            inner = memory.of(("inner", n), lambda rows=rows: [interpret_graph(model.optimised, list(row)) for row in rows])
            self.roots.append(memory.of(("roots", n, model.graph), lambda rows=rows: [interpret_roots(model.graph, list(r)) for r in rows]))
            self.codes.append([memory.of(("codes", n, p), partial(self._codes, p, rows, inner)) for p in model.probes])

    def _codes(self, probe: Probe, rows: list[tuple[int, ...]], inner: list[Any]) -> npt.NDArray[np.int64]:
        return np.stack([expected(self.model, probe, list(row), values)[0] for row, values in zip(rows, inner, strict=True)])

    def holds(self, run: Run) -> bool:
        """Whether a run gave all claimed codes and all outputs."""
        model = self.model
        for (blocks, found), roots, codes in zip(run, self.roots, self.codes, strict=True):
            if any(x[:, 0].any() for x in blocks):
                return False
            for probe, code in zip(model.probes, codes, strict=True):
                if not np.array_equal(blocks[probe.block][:, 1:, list(probe.dims)], code):
                    return False
            for out, (form, logits) in enumerate(zip(model.output_forms, model.module.split(found), strict=True)):
                wanted = [[0 if v is None else v - form.off for v in row[out]] for row in roots]
                if not torch.isfinite(logits).all() or classes(form, logits).tolist() != wanted:
                    return False
        return True


class _Numpy:
    """The forward pass once more, in NumPy, every sum taken one term after the other in an order of terms; small numbers are zero."""

    def __init__(self, model: hw.Model, order: Callable[[Array], Array], late: bool) -> None:
        self.model, self.order, self.late = model, order, late
        self.tensors = {name: t.detach().numpy() for name, t in model.module.state_dict().items()}
        self.tiny = np.finfo(self.tensors["W_E"].dtype).tiny

    def stream(self, ids: torch.Tensor) -> list[Array]:
        """The residual stream after the embedding and each block, like the module's own."""
        rows = np.pad(ids.numpy() + 1, ((0, 0), (1, 0)))
        with np.errstate(all="ignore"):
            x = self._flush(self.tensors["W_E"][rows] + self.tensors["W_pos"][: rows.shape[1]])
            found = [x]
            for number, block in enumerate(self.model.module.blocks):
                w = {name: self.tensors[f"blocks.{number}.{name}"] for name, _ in block.named_parameters()}
                x = self._flush(x + (self._attention(x, w, block.masks) if isinstance(block, Attention) else self._mlp(x, w)))
                found.append(x)
        return found

    def unembed(self, x: Array) -> Array:
        """Logits."""
        with np.errstate(all="ignore"):
            return self._product(x, self.tensors["W_U"])

    def _flush(self, x: Array) -> Array:
        return np.where(np.abs(x) < self.tiny, x.dtype.type(0), x)

    def _sum(self, terms: Array) -> Array:
        """The sum along the last axis, in order."""
        if not terms.shape[-1]:
            return terms.sum(axis=-1)
        return self._flush(np.add.accumulate(self.order(self._flush(terms)), axis=-1, dtype=terms.dtype)[..., -1])

    def _product(self, x: Array, w: Array) -> Array:
        """Shapes: (..., d), (d, e) -> (..., e)."""
        return self._sum(x[..., None, :] * w.T)

    def _mlp(self, x: Array, w: dict[str, Array]) -> Array:
        return self._product(np.maximum(self._product(x, w["W_in"]), 0), w["W_out"])

    def _attention(self, x: Array, w: dict[str, Array], masks: tuple[str, ...]) -> Array:
        n, parts = x.shape[1], list[Array]()
        i, t = np.arange(n)[:, None], np.arange(n)[None, :]
        visible = {"causal": t <= i, "strict": (t < i) | ((i == 0) & (t == 0)), "full": (i > 0) | (t == 0)}
        for head, mask in enumerate(masks):
            q, k, v = (self._product(x, w[name][head]) for name in ("W_Q", "W_K", "W_V"))
            score = self._sum(q[:, :, None, :] * k[:, None, :, :])
            score = np.where(visible[mask], score, -np.inf).astype(x.dtype)
            p = self._flush(np.exp(score - score.max(axis=-1, keepdims=True)))
            total = self._sum(p)[..., None]
            p = p if self.late else self._flush(p / total)
            z = self._sum(p[:, :, None, :] * v.transpose(0, 2, 1)[:, None, :, :])
            parts.append(self._flush(z / total) if self.late else z)
        return self._product(np.concatenate(parts, axis=-1), np.concatenate(list(w["W_O"])))
