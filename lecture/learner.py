"""What SGD finds: a transformer of the compiled depth trained from scratch on k-hop, and its heads beside the compiled ones.

The learner has the depth and heads of the compiled model: causal attention with one head a layer over tokens and places, BOS in front.
What a compiled model lacks and training needs is added: layer norm before each block, dense random weights, a width of 32. Training runs
through k' = 1..k (the curriculum of arXiv 2402.09268), moving on when a fresh batch is 98% right, or when a share of the steps is spent.
Every sequence is new. A checkpoint is a directory: checkpoint.safetensors (weights, Adam's moments, and the state), state.json and
progress.csv; batches depend on the seed and the step alone, so a run that was stopped goes on with the same numbers as one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ..compiler.errors import InputError

RIGHT = 0.98  # on a fresh batch: the stage is learned
EVERY = 50  # steps between two looks
CHECKPOINT, STATE, PROGRESS = "checkpoint.safetensors", "state.json", "progress.csv"
COLUMNS = ("step", "stage", "loss", "accuracy")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is trained, and for how long. `steps` is the most, over all stages of the curriculum."""

    k: int = 2
    layers: int = 3
    seed: int = 0
    length: int = 16
    symbols: int = 4
    d_model: int = 32
    heads: int = 1
    batch: int = 64
    steps: int = 2500
    rate: float = 2e-3

    def check(self) -> Setting:
        """Raises InputError for a number that makes no sense."""
        for field in fields(self):
            value = getattr(self, field.name)
            least = 2 if field.name in ("symbols", "length") else 0 if field.name == "seed" else 1
            if field.name == "rate":
                if not 0 < value < 1:
                    raise InputError(f"rate is {value}", hint="give a learning rate between 0 and 1")
            elif isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{field.name} is {value!r}", hint=f"give {field.name} as an integer of at least {least}")
        if self.d_model % self.heads:
            raise InputError(f"d_model = {self.d_model} is no multiple of heads = {self.heads}", hint="give heads a divisor of d_model")
        return self


class Learner(nn.Module):
    """The compiled model's shape with what training needs: layer norm, dense weights. Classes: ⊥, then the symbols."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        d = setting.d_model
        self.heads = setting.heads
        self.W_E = nn.Embedding(setting.symbols + 1, d)
        self.W_pos = nn.Embedding(setting.length + 1, d)
        self.blocks = nn.ModuleList(Block(d, setting.heads) for _ in range(setting.layers))
        self.norm = nn.LayerNorm(d)
        self.W_U = nn.Linear(d, setting.symbols + 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits. Shapes: (B, n) -> (B, n, |Σ| + 1)."""
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.W_U(self.norm(x))[:, 1:]

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens behind BOS. Shapes: (B, n) -> (B, n + 1, d)."""
        rows = nn.functional.pad(ids + 1, (1, 0))
        return self.W_E(rows) + self.W_pos.weight[: rows.shape[1]]

    def patterns(self, ids: Tensor) -> Tensor:
        """Attention weights of every head of every layer. Shapes: (B, n) -> (layers, B, heads, n + 1, n + 1)."""
        x, found = self.embed(ids), []
        for block in self.blocks:
            assert isinstance(block, Block)
            found.append(block.pattern(x))
            x = block(x)
        return torch.stack(found)


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x)."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.W_QKV, self.W_O = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.ReLU(), nn.Linear(4 * d, d))

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (B, n, d) -> (B, n, d)."""
        q, k, v = self._split(x)
        z = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)  # (B, n, d)
        x = x + self.W_O(z)
        return x + self.mlp(self.norm2(x))

    def pattern(self, x: Tensor) -> Tensor:
        """Shapes: (B, n, d) -> (B, heads, n, n)."""
        q, k, _ = self._split(x)
        scores = q @ k.mT / q.shape[-1] ** 0.5
        return scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -torch.inf).softmax(-1)

    def _split(self, x: Tensor) -> list[Tensor]:
        return [t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in self.W_QKV(self.norm1(x)).chunk(3, -1)]


def sequences(rng: np.random.Generator, batch: int, length: int, symbols: int) -> np.ndarray:
    """Random tokens, no two neighbours alike, so that pointers lead back. Shapes: -> (B, n)."""
    first = rng.integers(0, symbols, (batch, 1))
    steps = rng.integers(1, max(2, symbols), (batch, length - 1))
    return np.concatenate([first, first + np.cumsum(steps, 1)], 1) % symbols


def pointers(rows: np.ndarray) -> np.ndarray:
    """find(i) of every place, 0 where there is none; place 0 leads to itself. Shapes: (B, n) -> (B, n + 1)."""
    out = np.zeros((len(rows), rows.shape[1] + 1), dtype=np.int64)
    last = np.zeros((len(rows), rows.max() + 1), dtype=np.int64)
    every = np.arange(len(rows))
    for i in range(1, rows.shape[1] + 1):
        token = rows[:, i - 1]
        out[:, i] = np.where(last[every, token] > 0, last[every, token] + 1, 0)
        last[every, token] = i
    return out


def answers(rows: np.ndarray, k: int) -> np.ndarray:
    """hop_k at every place, 0 for ⊥, else 1 + symbol. Shapes: (B, n) -> (B, n)."""
    find = pointers(rows)
    at = np.broadcast_to(np.arange(find.shape[1]), find.shape)
    for _ in range(k):
        at = np.take_along_axis(find, at, 1)
    return np.take_along_axis(np.concatenate([np.zeros((len(rows), 1), dtype=np.int64), rows + 1], 1), at, 1)[:, 1:]
