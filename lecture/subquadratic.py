"""Sub-quadratic attention: linear attention with r features, windows, strides, and nearest-neighbour attention by hashing, on k-hop.

The k-hop network is that of arXiv 2402.09268 with one-hot codes: the first layer finds the latest earlier place with the same token, each
later layer reads at a pointer. `attend` is one of the ways of doing that below; all read the same keys, queries and values.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..programs import entry
from ..theory.verdict import Row
from .linear_features import coherence, defeated, features
from .shown import Cell, Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Way: TypeAlias = Literal["full", "window", "strided", "linear", "hashed"]
WAYS: tuple[Way, ...] = ("full", "window", "strided", "linear", "hashed")
HOPS = 4
LENGTHS = (64, 128, 256, 512)
LEAD = 128.0  # nats: e^-128 is 0 in float32, so a lead of 1 puts all the weight on the winner


class HopNetwork(nn.Module):
    """k-hop in floor(log2 k) + 2 layers: find, then read at pointers, doubling the pointer; place 0 is "none" and points to itself.

    Keys and queries of every layer are ±1 codes of tokens (layer 1) or of places. Only `attend` differs from way to way.
    """

    def __init__(self, k: int, symbols: int, length: int, way: Way = "full", size: int = 0) -> None:
        super().__init__()
        self.k, self.way, self.size = k, way, size
        self.register_buffer("token", _signs(symbols + 1))
        self.register_buffer("place", _signs(length + 1))
        generator = torch.Generator().manual_seed(0)
        width = self.get_buffer("place").shape[1]
        random_features = torch.randn(length + 1, max(1, size), generator=generator)
        self.register_buffer("features", torch.eye(length + 1) if size > length else random_features)
        self.register_buffer("sampled", torch.randperm(width, generator=generator)[: size or width])

    def forward(self, ids: Tensor) -> Tensor:
        """Answers 0 (none) or 1 + symbol. Shapes: token ids (n) -> (n)."""
        n = len(ids)
        here = torch.arange(n + 1)
        said = torch.cat([torch.zeros(1, dtype=torch.long), ids + 1])  # place 0 is none
        found = self._find(said)
        p = torch.where(found == 0, 0, found + 1)
        out = said
        for t in range(self.k.bit_length()):
            read = self._read(p, torch.stack([p, out], 1), here)
            out = read[:, 1] if self.k >> t & 1 else out
            p = read[:, 0]
        return out[1:]

    def _find(self, said: Tensor) -> Tensor:
        """The latest earlier place with the same token, 0 where there is none. Shapes: (n + 1) -> (n + 1)."""
        n = len(said)
        here = torch.arange(n)
        match self.way:
            case "hashed":  # the last writer of each bucket, asked before the place itself writes
                return torch.tensor(_last_writers(self.get_buffer("token")[said], range(self.get_buffer("token").shape[1])))
            case "linear":  # one-hot features of the tokens, and the delta rule: a new value takes the old one's place
                return torch.tensor(_delta_rule(said.tolist()))
            case _:
                code = self.get_buffer("token")[said]
                same = (code @ code.T - code.shape[1]) * n + here  # a match beats every other token, later ones beat earlier ones
                mask = (here[None] < here[:, None]) & self._sees(n)
                mask[:, 0] = True  # place 0, none, is seen by all and scores below any match
                same[:, 0] = -1
                weights = (same * LEAD).masked_fill(~mask, -torch.inf).softmax(-1)
                found = (weights @ here[:, None].float())[:, 0].round().long()
                return torch.where(said == 0, 0, found)

    def _read(self, at: Tensor, values: Tensor, here: Tensor) -> Tensor:
        """The values at the places pointed to. Shapes: (n + 1), (n + 1, 2), (n + 1) -> (n + 1, 2)."""
        n = len(here)
        match self.way:
            case "hashed":
                return values[
                    torch.tensor(_buckets(self.get_buffer("place")[:n], self.get_buffer("place")[at], self.get_buffer("sampled")))
                ]
            case "linear":
                F = self.get_buffer("features")
                state = torch.cumsum(F[:n, :, None] * values.float()[:, None], 0)  # (n, r, 2): r x 2 numbers pass from place to place
                read = (F[at][:, None] @ state)[:, 0] / (F[at] * F[at]).sum(1, keepdim=True)
                return read.round().long().clamp(0, n - 1)
            case _:
                code = self.get_buffer("place")
                scores = code[at] @ code[:n].T  # the place itself is ahead by 2 for each bit that another differs in
                mask = (here[None] <= here[:, None]) & self._sees(n)
                mask[:, 0] = True
                weights = (scores * LEAD).masked_fill(~mask, -torch.inf).softmax(-1)
                return (weights @ values.float()).round().long()

    def _sees(self, n: int) -> Tensor:
        """Which places may be attended to, besides order. Shapes: (n, n)."""
        i, j = torch.arange(n)[:, None], torch.arange(n)[None]
        if self.way == "window":
            return i - j < self.size
        if self.way == "strided":  # the last w, and every w-th before (Sparse Transformer's two heads in one)
            return (i - j < self.size) | ((i - j) % self.size == 0)
        return torch.ones(n, n, dtype=torch.bool)


def build(k: int, symbols: int, length: int, way: Way = "full", size: int = 0) -> HopNetwork:
    """The k-hop network with one way to attend; `size` is the window, the stride, the features, or the bits of the hash (0: all)."""
    return HopNetwork(k, symbols, length, way, size)


def oracle(tokens: Sequence[int], k: int) -> list[int]:
    """The library's plain reference of k-hop: 0 for none, else 1 + symbol."""
    return [0 if x is None else 1 + int(str(x)) for x in entry("khop").reference(list(tokens), k=k)]


def cost(k: int, symbols: int, length: int, way: Way = "full", size: int = 0) -> dict[str, int]:
    """Layers, multiplications of all layers, and the numbers a layer holds beside its input."""
    n, reads = length + 1, k.bit_length()
    a, b = symbols.bit_length(), length.bit_length()  # bits of a token's code and of a place's; a layer reads 1 or 2 numbers
    each = {"full": n, "window": min(size, n), "strided": min(size, n) + n // max(1, size)}
    if way in each:
        return {"layers": reads + 1, "multiplications": n * each[way] * (a + 1 + reads * (b + 2)), "held": n * each[way]}
    if way == "linear":
        return {"layers": reads + 1, "multiplications": n * (2 * a + reads * 4 * size), "held": max(a, 2 * size)}
    among = -(-n // (1 << (size or b)))  # how many places share a bucket, at most
    return {"layers": reads + 1, "multiplications": n * reads * among * b, "held": n}


def bound(k: int, symbols: int, length: int, features: int) -> list[Row]:
    """The features that reading at any of N + 1 places takes, and the depth of the hashed network."""
    width = symbols.bit_length() + 2 * length.bit_length()
    sizes = {"L": cost(k, symbols, length, "hashed")["layers"], "H": 1, "m": width, "p": 24, "N": length, "|Σ|": symbols, "k": k, "hops": k}
    return [*hold("LINEAR-RANK", {"r": features, "pairs": length + 1, "keys": length + 1}), *hold("HOP-UB", sizes)]


# --- the run ----------------------------------------------------------------------------------------------


def run() -> Shown:
    """Features by search, then every way on k-hop: exactness, multiplications, memory and seconds over N."""
    searched, below = [], 0
    for symbols in (3, 4, 5, 6):
        for m in range(2, symbols + 1):
            least = next(r for r in range(max(1, m - 1), symbols + 1) if features(symbols, m, r) is not None)
            below += least < m
            searched.append([symbols, m, m, least, coherence(symbols, m, least)])
    checks = [Check("searches that found no fewer features than the bound", len(searched), below), defeated()]
    figures: list[list[Cell]] = []
    times: list[list[Cell]] = []
    wrong: dict[Way, int] = {"full": 0, "hashed": 0, "linear": 0}
    for n in LENGTHS:
        root = int(n**0.5)
        rng = random.Random(n)
        symbols = n // 4  # a pointer leads about so far back
        rows = [[rng.randrange(symbols) for _ in range(n)] for _ in range(4)]
        truths = [oracle(row, HOPS) for row in rows]
        ways: list[tuple[Way, int]] = [("full", 0), ("window", 2 * root), ("strided", root), ("linear", n + 1), ("linear", n // 2)]
        for way, size in [*ways, ("hashed", 0), ("hashed", 4)]:
            model = build(HOPS, symbols, n, way, size)
            began = time.perf_counter()
            with torch.inference_mode():
                answers = [model(torch.tensor(row)).tolist() for row in rows]
            times.append([n, way, size, 1e3 * (time.perf_counter() - began) / len(rows)])
            both = [(a, b) for x, y in zip(answers, truths, strict=True) for a, b in zip(x, y, strict=True)]
            right = sum(a == b for a, b in both)
            share = sum(a == b for a, b in both if b) / sum(b > 0 for _, b in both)
            spent = cost(HOPS, symbols, n, way, size)
            figures.append([n, way, size, spent["layers"], share, spent["multiplications"], spent["held"], _sees_all(way, size, n)])
            if way in wrong and (way, size) != ("linear", n // 2):
                wrong[way] += n * len(rows) - right
    checks += [
        Check(f"answers of {way} attention" + (" with N + 1 features" if way == "linear" else ""), _cases(way), w)
        for way, w in wrong.items()
    ]
    tables = (
        table(
            "Least features r that are right for all prompts of m pairs over |Σ| keys",
            ("|Σ|", "m", "r >=", "r found", "greatest Σ|M_ab|/M_aa there"),
            searched,
        ),
        table(
            f"{HOPS}-hop over N/4 symbols, 4 random sequences each; size: window, stride, features, bits of the hash (0: all)",
            ("N", "attention", "size", "layers", "right where not ⊥", "multiplications", "held", "layers until N sees 1"),
            figures,
        ),
        table("Milliseconds a sequence", ("N", "attention", "size", "ms"), times, varies=True),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for way in WAYS:
            some = [
                row
                for row in figures
                if row[1] == way and (way, row[2]) != ("linear", int(str(row[0])) // 2) and not (way == "hashed" and row[2])
            ]
            left.plot([row[0] for row in some], [row[5] for row in some], "o-", label=way)
            right.plot([row[0] for row in some], [row[4] for row in some], "o-", label=way)
        left.set(yscale="log", xlabel="N", ylabel="multiplications", title=f"{HOPS}-hop in {figures[0][3]} layers")
        right.set(
            xlabel="N",
            ylabel="share right where there is an answer",
            title="Full, linear with N + 1 features, hashed: all right",
            ylim=(0, 1.05),
        )
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
        right.legend()

    return Shown("subquadratic", tables, tuple(checks), tuple(bound(HOPS, 64, 256, 257)), draw)


def _cases(way: str) -> int:
    return sum(4 * n for n in LENGTHS) * (2 if way == "hashed" else 1)


def _sees_all(way: Way, size: int, n: int) -> int:
    """The least number of layers after which the last place can depend on the first."""
    i = torch.arange(n + 1)
    sees = build(1, 2, n, way, size)._sees(n + 1) & (i[None] <= i[:, None])
    reached, layers = {n}, 0
    while 1 not in reached:
        reached |= {int(j) for at in reached for j in sees[at].nonzero()[:, 0]}
        layers += 1
    return layers


def _signs(count: int) -> Tensor:
    bits = max(1, (count - 1).bit_length())
    return torch.tensor([[1.0 if i >> b & 1 else -1.0 for b in range(bits)] for i in range(count)])


def _last_writers(codes: Tensor, sampled: Sequence[int]) -> list[int]:
    last: dict[tuple[float, ...], int] = {}
    found = [0]
    for i, row in enumerate(codes[1:].tolist(), 1):
        bucket = tuple(row[b] for b in sampled)
        found.append(last.get(bucket, 0))
        last[bucket] = i
    return found


def _delta_rule(said: Sequence[int]) -> list[int]:
    """S ← S + φ(k)(v - Sᵀφ(k)): with one-hot features the state holds the latest value of each key."""
    state = np.zeros(max(said) + 1)
    found = []
    for i, k in enumerate(said):
        found.append(0 if i == 0 else int(state[k]))
        state[k] += i - state[k]
    return found


def _buckets(keys: Tensor, queries: Tensor, sampled: Tensor) -> list[int]:
    """For each query the key in its bucket that differs in fewest bits, the latest of equals; place 0 where the bucket is empty."""
    held: dict[tuple[float, ...], list[int]] = {}
    for j, bucket in enumerate(map(tuple, keys[:, sampled].tolist())):
        held.setdefault(bucket, []).append(j)
    found = []
    for q, bucket in zip(queries, map(tuple, queries[:, sampled].tolist()), strict=True):
        among = held.get(bucket, [0])
        found.append(among[int((keys[among] @ q).argmax())])
    return found
