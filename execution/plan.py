"""A model's tensors as sparse execution reads them: for each block which dimensions are read, which written, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..runtime.module import Attention
from .grounds import UNDERFLOW, Grounds, Shown
from .outputs import Book, books

if TYPE_CHECKING:
    from ..runtime.model import Model
    from ..runtime.module import Transformer

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
TABLED = 4  # hidden units that read one sum: more than these are one piecewise linear function of it


@dataclass(frozen=True, slots=True)
class Head:
    """One head, its mask and what was shown of it, and its scores taken apart.

    q·k = Σ_e q_e k_e + r(t) + s(i): `q` and `k` are the E columns that vary on both sides, keys in whole units, `r` and `s` what is
    left of keys and of queries. `effect` is W_V·W_O of a head that picks; of one that adds up `channels` are the columns of W_V that
    are `used`, and `adds` the factors in W_O. Shapes: q, k (d_model, E), r, s (d_model,), effect (d_model, d_model),
    channels (d_model, C), adds (C, d_model), used (d_head,).
    """

    block: int
    head: int
    mask: str
    shown: Shown
    q: Reals
    k: Reals
    r: Reals
    s: Reals
    effect: Reals
    channels: Reals
    adds: Reals
    used: npt.NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Where it is, as people read it."""
        return f"block {self.block}, head {self.head}"


@dataclass(frozen=True, slots=True)
class Units:
    """Hidden units that read one sum x·`read`, each relu(sum + bias) times its row of `out`, in order of the points where they bend.

    Shapes: read (d_model,), bias (m,), out (m, d_model).
    """

    read: Reals
    bias: Reals
    out: Reals

    def lines(self) -> tuple[Reals, Reals]:
        """By how many units are active, the slope of what they add, and what they add at the last point where one bends.

        With bends T_1 <= T_2 <= …, what j units add is v_j + s_j·(x - T_j), where v_j = v_(j-1) + s_(j-1)·(T_j - T_(j-1)). No term is more
        than Σ |w|·relu(x - T), which the certificate bounds, so all are exact; x·Σ w and Σ w·T need not be, where x is a great number and
        x - T a small one, as of a sum with its filling. Shapes: (m + 1, lands) each; `lands` are the dimensions of `out` that are not 0.
        """
        out = self.out[:, self.out.any(axis=0)]
        none, slope = np.zeros((1, out.shape[1])), out.cumsum(axis=0)
        value = np.concatenate([none, (slope[:-1] * np.diff(-self.bias)[:, None]).cumsum(axis=0)])
        return np.concatenate([none, slope]), np.concatenate([none, value])


@dataclass(frozen=True, slots=True)
class Plan:
    """All that sparse execution needs of a model. `blocks` has the heads of an attention block, or the units of an MLP."""

    W_E: npt.NDArray[np.floating]
    W_pos: npt.NDArray[np.floating]
    blocks: tuple[tuple[Head, ...] | tuple[Units, ...], ...]
    books: tuple[Book, ...]
    gap: float


_PLANS: WeakKeyDictionary[Transformer, tuple[Grounds, Plan]] = WeakKeyDictionary()


def plan_of(model: Model, shown: Grounds) -> Plan:
    """The plan of a model's tensors as they were when `shown` was found; made once."""
    known = _PLANS.get(model.module)
    if known is None or known[0] is not shown:
        known = shown, _made(model, shown)
        _PLANS[model.module] = known
    return known[1]


def _made(model: Model, shown: Grounds) -> Plan:
    tensors = {name: t.detach().cpu() for name, t in model.module.state_dict().items()}
    token, place = (tensors[name].float().numpy() if tensors[name].itemsize < 4 else tensors[name].numpy() for name in ("W_E", "W_pos"))
    d_model = model.module.shape.d_model
    written = np.zeros(d_model, bool)
    for name, tensor in tensors.items():
        if name.endswith((".W_O", ".W_out")):
            written |= tensor.reshape(-1, d_model).count_nonzero(dim=0).numpy() > 0
    held = constants(token, place, written)
    blocks: list[tuple[Head, ...] | tuple[Units, ...]] = []
    for number, block in enumerate(model.module.blocks, 1):
        w = {n.rpartition(".")[2]: t.double().numpy() for n, t in tensors.items() if n.startswith(f"blocks.{number - 1}.")}
        if isinstance(block, Attention):
            heads = [_head(number, h, mask, shown.heads[number, h], held, w) for h, mask in enumerate(block.masks)]
            blocks.append(tuple(head for head in heads if head.shown.kind != "idle"))
        else:
            blocks.append(_units(w["W_in"], w["W_out"], held))
    ones = np.flatnonzero(held == 1)
    found = books(tensors["W_U"], model.output_forms, int(ones[0]) if len(ones) else None)
    return Plan(token.copy(), place, tuple(blocks), tuple(found), UNDERFLOW[model.dtype])


def constants(W_E: npt.NDArray[np.floating], W_pos: npt.NDArray[np.floating], written: npt.NDArray[np.bool_]) -> Reals:
    """What each dimension of the stream holds at every position and from first to last, NaN where that differs.

    Shapes: W_E (V + 1, d_model), W_pos (N + 1, d_model), and which dimensions some block writes (d_model,) -> (d_model,).
    """
    token, place = W_E[1:], W_pos[1:]
    same = (token == token[0]).all(axis=0) & (place == place[0]).all(axis=0) & ~written
    return np.where(same, token[0].astype(np.float64) + place[0], np.nan)


def _head(number: int, h: int, mask: str, shown: Shown, held: Reals, w: Mapping[str, Reals]) -> Head:
    w_q, w_k, w_v, w_o = (w[name][h] for name in ("W_Q", "W_K", "W_V", "W_O"))
    fixed, value = ~np.isnan(held), np.nan_to_num(held)
    q_fixed, k_fixed = (~m[~fixed].any(axis=0) for m in (w_q, w_k))  # (d_head,): what reads nothing that varies
    both = ~q_fixed & ~k_fixed
    unit = np.array([granule(column) for column in w_k[:, both].T])
    r, s = w_k @ np.where(q_fixed, value @ w_q, 0), w_q @ np.where(k_fixed & ~q_fixed, value @ w_k, 0)
    effect, adds = w_v @ w_o, np.rint(w_o * np.exp(-shown.depth))
    if shown.kind == "total":
        effect = np.zeros_like(effect)
    else:
        adds = np.zeros_like(adds)
    used = adds.any(axis=1)
    return Head(number, h, mask, shown, w_q[:, both] * unit, w_k[:, both] / unit, r, s, effect, w_v[:, used], adds[used], used)


def granule(column: Reals) -> float:
    """The greatest power of two that all numbers of a column are multiples of."""
    mantissa, exponent = np.frexp(column[column != 0])
    whole = (mantissa * 2.0**53).astype(np.int64)
    return float(2.0 ** (np.log2((whole & -whole).astype(np.float64)) + exponent - 53).min())


def _units(w_in: Reals, w_out: Reals, held: Reals) -> tuple[Units, ...]:
    """Hidden units by what they read; those that read constants alone are one function of nothing."""
    fixed, value = ~np.isnan(held), np.nan_to_num(held)
    bias, read = value @ w_in, np.where(fixed[:, None], 0, w_in)  # (d_mlp,), (d_model, d_mlp)
    groups: dict[bytes, list[int]] = {}
    for unit in np.flatnonzero(w_out.any(axis=1)):
        groups.setdefault((read[:, unit] + 0.0).tobytes(), []).append(int(unit))
    found: list[Units] = []
    for members in groups.values():
        order = sorted(members, key=lambda unit: -bias[unit])
        found.append(Units(read[:, order[0]], bias[order], w_out[order]))
    return tuple(found)
