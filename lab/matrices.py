"""A head's QK and OV matrices in the basis of values, and how much one head's output enters another's input.

W_QK = W_Q·W_Kᵀ and W_OV = W_V·W_O are of rank d_head at most. Rows and columns that are dimensions of the stream are named by the
value that lives there when the head reads, or that it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..compiler.errors import InputError
from ..runtime.model import Probe
from .wiring import Wiring


@dataclass(frozen=True, eq=False)
class Labelled:
    """A matrix whose rows and columns are values, as `name` or `name[d]`; those that are all zero are left out. `rank` is its rank.

    Shapes: numbers (rows, columns).
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    numbers: npt.NDArray[np.float64]
    rank: int

    def __str__(self) -> str:
        cells = [["", *self.columns], *([row, *(f"{x:g}" for x in line)] for row, line in zip(self.rows, self.numbers, strict=True))]
        widths = [max(len(line[c]) for line in cells) for c in range(len(cells[0]))]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def qk(wiring: Wiring, block: int, head: int) -> Labelled:
    """The scores of a head as a bilinear form: query[i]·M·key[t] in nats. Shapes: (values read by q, values read by k)."""
    w_q, w_k, _, _ = _weights(wiring, block, head)
    names = _names(wiring, block)
    return _labelled(w_q @ w_k.T, names, names)


def ov(wiring: Wiring, block: int, head: int) -> Labelled:
    """What a head reads where it attends, and what it writes. Shapes: (values read by v, values written)."""
    _, _, w_v, w_o = _weights(wiring, block, head)
    return _labelled(w_v @ w_o, _names(wiring, block), _names(wiring, block + 1))


def composition(wiring: Wiring, early: tuple[int, int], late: tuple[int, int], path: Literal["q", "k", "v"]) -> float:
    """How much an earlier head's output enters a later head's query, key or value: |W_OV·W| / (|W_OV|·|W|), Frobenius norms; 0 to 1.

    W is W_QK for q, W_QKᵀ for k, W_OV for v. Dimensions are compared as they are: what is cleared and written anew between the two
    is counted too. Source: A Mathematical Framework for Transformer Circuits (Elhage et al. 2021).
    """
    _, _, w_v, w_o = _weights(wiring, *early)
    q, k, v, o = _weights(wiring, *late)
    wrote, reads = w_v @ w_o, {"q": q @ k.T, "k": k @ q.T, "v": v @ o}[path]
    size = float(np.linalg.norm(wrote) * np.linalg.norm(reads))
    return float(np.linalg.norm(wrote @ reads)) / size if size else 0.0


def _weights(wiring: Wiring, block: int, head: int) -> tuple[npt.NDArray[np.float64], ...]:
    tensors = wiring.model.module.state_dict()
    name = f"blocks.{block}.W_Q"
    if name not in tensors or not 0 <= head < len(tensors[name]):
        heads = ", ".join(c.name for c in wiring.components if c.kind == "head")
        raise InputError(f"there is no head {head} in block {block}", hint=f"heads are {heads}" if heads else "the model has no heads")
    return tuple(tensors[f"blocks.{block}.{w}"][head].detach().cpu().double().numpy() for w in ("W_Q", "W_K", "W_V", "W_O"))


def _names(wiring: Wiring, state: int) -> list[str]:
    """What lives in each dimension before a block, counted from 0. Shape (d_model,)."""
    return [f"dim {d}" if p is None else _cell(wiring.places[p], d) for d, p in enumerate(wiring.states[state])]


def _cell(probe: Probe, dim: int) -> str:
    return f"{probe.name}[{probe.dims.index(dim)}]" if len(probe.dims) > 1 else probe.name


def _labelled(matrix: npt.NDArray[np.float64], rows: list[str], columns: list[str]) -> Labelled:
    r, c = np.flatnonzero(matrix.any(axis=1)), np.flatnonzero(matrix.any(axis=0))
    rank = int(np.linalg.matrix_rank(matrix)) if matrix.any() else 0
    return Labelled(tuple(rows[i] for i in r), tuple(columns[i] for i in c), matrix[np.ix_(r, c)], rank)
