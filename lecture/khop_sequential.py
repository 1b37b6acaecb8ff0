"""Sequential architectures on k-hop: a stack of recurrent layers, one wide recurrent layer, chain of thought, and the transformer.

hop_l at place i is hop_(l-1) at find(i), and find(i) is one place past the latest earlier occurrence of the token there. So a recurrent
layer that keeps, for every symbol, what the layer below said one place past that symbol's last occurrence, answers hop_l from hop_(l-1):
at each token it writes u, what the layer below says here, into the row of the last token, and then reads the row of this one. k such
layers compute k-hop. All of them may also live in one layer whose update is k times as deep; its state is k times as large. The theorem
of the lectures says that fewer than k layers of o(N/k^6) bits cannot (arXiv 2402.09268, Section 5); the transformer's depth is floor(log2
k) + 2.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..programs import entry
from ..runtime.cost import Cost
from ..runtime.model import compile as compile_program
from ..theory.measure import of_cost
from ..theory.verdict import Row
from .shown import Cell, Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYMBOLS, LENGTH, MANTISSA = 16, 256, 24
HOPS = (1, 2, 3, 4, 6, 8)


class HopLayer(nn.Module):
    """A recurrent layer of ReLU units: row of the last token ← the input's code; the answer is the row of this token.

    Codes are the a bits of 1..|Σ|, 0 is none. State: a row of a bits for each symbol, then the last token's code.
    """

    def __init__(self, symbols: int) -> None:
        super().__init__()
        a, s = symbols.bit_length(), symbols
        code = torch.tensor([[x + 1 >> b & 1 for b in range(a)] for x in range(s)], dtype=torch.float32)  # (s, a)
        self.select = nn.Parameter((2 * code - 1).T.contiguous())  # (a, s): [x = y] = relu(y·(2 code(x) - 1) + 1 - |code(x)|)
        self.offset = nn.Parameter(1 - code.sum(1))  # (s)
        self.row = nn.Parameter(torch.eye(s).repeat_interleave(a, 1))  # (s, s·a): a selector reaches the cells of its row
        self.bit = nn.Parameter(torch.eye(a).repeat(1, s))  # (a, s·a): a bit reaches its cell in every row

    def forward(self, h: Tensor, token: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """The next state and the answer. Shapes: (B, (s + 1)·a), (B, a), (B, a) -> (B, (s + 1)·a), (B, a)."""
        cells = self.row.shape[1]
        held, last = h[:, :cells], h[:, cells:]
        was = torch.relu(last @ self.select + self.offset) @ self.row  # (B, s·a): 1 on the row of the last token
        held = torch.relu(held - was) + torch.relu(u @ self.bit + was - 1)
        now = torch.relu(token @ self.select + self.offset) @ self.row  # (B, s·a): 1 on the row of this token
        return torch.cat([held, token], 1), torch.relu(held + now - 1) @ self.bit.T


class HopStack(nn.Module):
    """k recurrent layers, each fed with the token and the answer of the layer below."""

    def __init__(self, k: int, symbols: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.layers = nn.ModuleList(HopLayer(symbols) for _ in range(k))

    def forward(self, ids: Tensor) -> Tensor:
        """Answers 0 (none) or 1 + symbol at every place. Shapes: token ids (B, n) -> (B, n)."""
        a = self.symbols.bit_length()
        powers = 1 << torch.arange(a)
        states = [torch.zeros(len(ids), (self.symbols + 1) * a) for _ in self.layers]
        outs = []
        for y in ids.unbind(1):
            token = u = ((y[:, None] + 1) // powers % 2).float()  # (B, a)
            for i, layer in enumerate(self.layers):
                states[i], u = layer(states[i], token, u)
            outs.append(u)
        return (torch.stack(outs, 1).long() * powers).sum(-1)


def build(k: int, symbols: int) -> HopStack:
    """k recurrent layers that compute k-hop over so many symbols."""
    return HopStack(k, symbols)


def oracle(tokens: Sequence[int], k: int) -> list[int]:
    """The library's plain reference of k-hop: 0 for none, else 1 + symbol."""
    return [0 if x is None else 1 + int(str(x)) for x in entry("khop").reference(list(tokens), k=k)]


def cost(k: int, symbols: int) -> dict[str, int]:
    """Layers, bits of state a layer and of all layers, parameters."""
    state = (symbols + 1) * symbols.bit_length()
    return {"layers": k, "state": state, "all": k * state, "parameters": sum(p.numel() for p in build(k, symbols).parameters())}


def bound(k: int, symbols: int = SYMBOLS, length: int = LENGTH, layers: int | None = None, state: int | None = None) -> list[Row]:
    """The stack against what it is said to take, or another recurrent network against the lower bound."""
    spent = cost(k, symbols)
    values = {"N": length, "|Σ|": symbols, "k": k, "L": layers or k, "state": state or spent["state"]}
    return [*hold("RNN-STACK", values), *hold("SEQ-KHOP", values)]


def run() -> Shown:
    """The stack against the oracle, then depth, size and steps of every architecture, with the bound beside."""
    rng = random.Random(0)
    checks: list[Check] = []
    short = [list(w) for w in itertools.product(range(3), repeat=6)]
    long = [[rng.randrange(SYMBOLS) for _ in range(LENGTH)] for _ in range(8)]
    for what, symbols, rows in (("all sequences of 6 of 3 symbols", 3, short), (f"8 random ones of {LENGTH} of {SYMBOLS}", SYMBOLS, long)):
        wrong = 0
        for k in HOPS:
            with torch.inference_mode():
                answers = build(k, symbols)(torch.tensor(rows)).tolist()
            wrong += sum(a != oracle(row, k) for a, row in zip(answers, rows, strict=True))
        checks.append(Check(f"the stack's answers, k of {', '.join(map(str, HOPS))}, {what}", len(HOPS) * len(rows), wrong))
    points: list[list[Cell]] = []
    for k in HOPS:
        stack, model = cost(k, SYMBOLS), compile_program(entry("khop").program(k=k), length=LENGTH, alphabet=SYMBOLS)
        chain, needed = _chain(k), LENGTH / k**6
        kept = (LENGTH + 1) * of_cost(model.cost, length=LENGTH, symbols=SYMBOLS).kept * MANTISSA
        whole = LENGTH * (SYMBOLS - 1).bit_length() + LENGTH.bit_length()
        points += [
            [k, "recurrent stack", k, stack["state"], 0, k * LENGTH, needed],
            [k, "one recurrent layer, k tables", 1, stack["all"] - (k - 1) * SYMBOLS.bit_length(), 0, k * LENGTH, needed],
            [k, "one recurrent layer that keeps the text", 1, whole, 0, k * LENGTH, needed],
            [k, "chain of thought", chain.attention_layers, chain.d_model * MANTISSA, k + 1, 2 * (k + 1), needed],
            [k, "transformer", model.cost.attention_layers, model.cost.d_model * MANTISSA, 0, model.cost.attention_layers, needed],
            [k, "the same, token by token", model.cost.attention_layers, kept, 0, model.cost.attention_layers * LENGTH, needed],
        ]
    headings = ("k", "architecture", "layers", "size in bits", "steps of thought", "sequential layers", "N/k^6, constant unknown")
    title = f"N = {LENGTH}, |Σ| = {SYMBOLS}. Size: a recurrent state a layer, or m·p of a transformer's position, or all keys and values"
    bounds = [*bound(3), *(row for row in bound(3, layers=1, state=cost(3, SYMBOLS)["all"]) if row.id == "SEQ-KHOP")]
    bounds += [row for row in bound(2, layers=1, state=cost(2, SYMBOLS)["all"]) if row.id == "SEQ-KHOP"]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for name in dict.fromkeys(str(row[1]) for row in points):
            some = [row for row in points if row[1] == name]
            if name != "the same, token by token":
                left.plot([r[0] for r in some], [r[2] for r in some], "o-", label=name)
            right.plot([r[0] for r in some], [r[3] for r in some], "o-", label=name)
        right.plot(HOPS, [LENGTH / k**6 for k in HOPS], "k--", label="N/k^6")
        left.set(xlabel="k", ylabel="layers", title="Depth")
        right.set(xlabel="k", ylabel="bits", yscale="log", ylim=(0.5, None), title="Size")
        left.legend(fontsize=7)
        right.legend(fontsize=7)

    return Shown("khop-sequential", (table(title, headings, points),), tuple(checks), tuple(bounds), draw)


def _chain(k: int) -> Cost:
    return compile_program(entry("hop_by_steps").program(k=k, places=LENGTH), length=LENGTH + k + 1).cost
