"""Recurrent memory: the least state with which a recurrent network does the induction head, and networks that have it.

After t tokens a network must know the last token c and, for every other symbol x seen so far, what followed x last: one more token asks
for any of them. The pointers x -> (what followed x last) lead to c: the last time x is left, it is left for a symbol that is itself left
later, or is c. So they are a tree with root c on the symbols seen, every tree occurs, and two different trees differ in the answer to one
further token (feeding c itself answers c only if c was last). Hence the least number of states after t tokens is exactly the number of
labelled rooted trees on subsets of the symbols that t tokens can leave behind. A tree with s symbols and l leaves takes l + s - 1 tokens (a
symbol with j >= 1 children is visited j times, a leaf once; repeat the first token to wait), and s!/l!·S(s - 1, s - l) trees have l leaves
(Prüfer: words of length s - 1 over s symbols that use s - l of them; S counts set partitions).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from math import log2
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

from ..programs import entry
from ..runtime.model import compile as compile_program
from ..theory.functions import least_states
from ..theory.measure import of_model
from ..theory.verdict import Row
from .shown import Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL = ((2, 6), (3, 6), (4, 5), (5, 5))  # |Σ|, N of the brute force
LARGE = (8, 16, 32, 64, 128, 256)
Held: TypeAlias = tuple[int, tuple[int, ...]]  # the last token, and for each symbol what followed it last


class TableRNN(nn.Module):
    """Keeps, for each symbol, the code of what followed it last, and the code of the last token: (|Σ| + 1)·a bits.

    Codes are the a bits of 1..|Σ|; 0 is "none". Units and states are 0, 1 or small integers, which every dtype holds exactly.
    """

    def __init__(self, symbols: int) -> None:
        super().__init__()
        a, s = symbols.bit_length(), symbols
        code = torch.tensor([[x + 1 >> b & 1 for b in range(a)] for x in range(s)], dtype=torch.float32)  # (s, a)
        row = torch.eye(s).repeat_interleave(a, 1)  # (s, s·a): a selector of x reaches all cells of row x
        bit = torch.eye(a).repeat(1, s)  # (a, s·a): a bit reaches its cell in every row
        I, select, off = torch.eye(s * a), (2 * code - 1).T, 1 - code.sum(1)
        # [x = y] = relu(y·(2 code(x) - 1) + 1 - |code(x)|): 1 where the bits are equal, one less for each that differs.
        self.A = _blocks([[I, None, None, None], [None, select, None, None], [None, None, select, torch.eye(a)]])
        self.a = nn.Parameter(torch.cat([torch.zeros(s * a), off, off, torch.zeros(a)]))
        # keep = relu(T - [c = x]): every row but c's. write = relu(y + [c = x] - 1): what followed c.
        self.B = _blocks(
            [[I, None, None, None], [-row, row, None, None], [None, None, torch.eye(s), None], [None, bit, None, torch.eye(a)]]
        )
        self.b = nn.Parameter(torch.cat([torch.zeros(s * a), -torch.ones(s * a), torch.zeros(s + a)]))
        self.H = _blocks([[I, None], [I, None], [torch.zeros(s, s * a), None], [None, torch.eye(a)]])
        # read = relu(T' + [y = x] - 1), summed over x.
        self.C = _blocks([[I], [I], [row], [torch.zeros(a, s * a)]])
        self.D = nn.Parameter(bit.T.clone())
        self.register_buffer("code", code)
        self.state = (s + 1) * a

    def forward(self, ids: Tensor) -> Tensor:
        """Answers 0 (none) or 1 + symbol at every place. Shapes: token ids (B, n) -> (B, n)."""
        h = self.A.new_zeros(len(ids), self.state)  # (B, state)
        code, outs = self.get_buffer("code"), []
        for y in code[ids].unbind(1):  # (B, a)
            units = torch.relu(torch.relu(torch.cat([h, y], 1) @ self.A + self.a) @ self.B + self.b)
            h = units @ self.H
            outs.append(torch.relu(units @ self.C - 1) @ self.D)  # (B, a)
        weights = 2.0 ** torch.arange(code.shape[1], dtype=code.dtype)
        return (torch.stack(outs, 1) @ weights).long()


class LeastRNN(nn.Module):
    """One unit a tree, one of them on: the fewest states there can be. relu(state + token - 1) is a unit for each pair."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        trees, steps = _machine(symbols)
        S = len(trees)
        pairs = [(h, x) for h in range(S) for x in range(symbols)]
        self.A = nn.Parameter(torch.zeros(S + symbols, len(pairs)))
        self.H = nn.Parameter(torch.zeros(len(pairs), S))
        self.C = nn.Parameter(torch.zeros(len(pairs), symbols + 1))
        with torch.no_grad():
            for unit, (h, x) in enumerate(pairs):
                to, out = steps[h, x]
                self.A[h, unit] = self.A[S + x, unit] = self.H[unit, to] = self.C[unit, out] = 1
        self.states = S

    def forward(self, ids: Tensor) -> Tensor:
        """Answers 0 (none) or 1 + symbol at every place. Shapes: token ids (B, n) -> (B, n)."""
        h = torch.zeros(len(ids), self.states)
        h[:, 0] = 1  # nothing was read yet
        tokens, outs = torch.eye(self.A.shape[0] - self.states)[ids], []
        for y in tokens.unbind(1):  # (B, |Σ|)
            units = torch.relu(torch.cat([h, y], 1) @ self.A - 1)
            h = units @ self.H
            outs.append(units @ self.C)
        return torch.stack(outs, 1).argmax(-1)


def _blocks(rows: Sequence[Sequence[Tensor | None]]) -> nn.Parameter:
    """A matrix from blocks; None is a block of zeros."""
    heights = [next(t.shape[0] for t in row if t is not None) for row in rows]
    widths = [next(row[j].shape[1] for row in rows if row[j] is not None) for j in range(len(rows[0]))]  # pyright: ignore[reportOptionalMemberAccess]
    return nn.Parameter(
        torch.cat(
            [
                torch.cat([torch.zeros(h, w) if t is None else t for t, w in zip(row, widths, strict=True)], 1)
                for row, h in zip(rows, heights, strict=True)
            ]
        )
    )


def _machine(symbols: int) -> tuple[list[Held], dict[tuple[int, int], tuple[int, int]]]:
    """Every (last token, what followed each symbol last) that can be reached, and the steps; the pointer of the last token is left out."""
    waiting: list[Held] = [(-1, (0,) * symbols)]
    states: dict[Held, int] = {waiting[0]: 0}
    steps: dict[tuple[int, int], tuple[int, int]] = {}
    while waiting:
        at = waiting.pop()
        for y in range(symbols):
            last, table = at[0], list(at[1])
            if last >= 0:
                table[last] = y + 1
            answer, table[y] = table[y], 0
            to = (y, tuple(table))
            if to not in states:
                states[to] = len(states)
                waiting.append(to)
            steps[states[at], y] = states[to], answer
    return list(states), steps


def build(symbols: int, form: str = "table") -> TableRNN | LeastRNN:
    """A recurrent network that does induction over so many symbols: with a table, or with the least number of states."""
    return LeastRNN(symbols) if form == "least" else TableRNN(symbols)


def oracle(tokens: Sequence[int]) -> list[int]:
    """The library's plain reference of induction: 0 for none, else 1 + symbol."""
    return [0 if x is None else 1 + int(str(x)) for x in entry("induction").reference(list(tokens))]


def cost(symbols: int, form: str = "table") -> dict[str, int]:
    """Bits of the state, numbers of states, and parameters."""
    model = build(symbols, form)
    parameters = sum(p.numel() for p in model.parameters())
    if isinstance(model, TableRNN):
        return {"state bits": model.state, "parameters": parameters}
    return {"state bits": (model.states - 1).bit_length(), "states": model.states, "parameters": parameters}


def bound(length: int, symbols: int, state: int | None = None) -> list[Row]:
    """The least state for sequences of this length over so many symbols, held against a state of so many bits; by default the table's."""
    values = {"N": length, "|Σ|": symbols, "state": state or (symbols + 1) * symbols.bit_length()}
    return [*hold("RNN-TREES", values), *hold("RNN-INDEX", values)]


def classes(symbols: int, length: int) -> list[int]:
    """How many prefixes of t = 1..N - 1 tokens some continuation tells apart by its N-th answer, by trying all (Myhill–Nerode)."""
    counts = []
    for t in range(1, length):
        ends = list(itertools.product(range(symbols), repeat=length - t))
        told = {tuple(oracle(w + end)[-1] for end in ends) for w in itertools.product(range(symbols), repeat=t)}
        counts.append(len(told))
    return counts


def run() -> Shown:
    """The brute force beside the count of trees, both networks against the oracle, and the law beside the transformer."""
    small, wrong = [], 0
    for symbols, length in SMALL:
        found, stated = classes(symbols, length), least_states(length - 1, symbols)
        wrong += max(found) != stated
        small.append(
            [symbols, length, symbols**length, max(found), stated, (stated - 1).bit_length(), (symbols + 1) * symbols.bit_length()]
        )
    checks = [Check("least states, brute force against the count of trees", len(SMALL), wrong), *_answers()]
    large = []
    for n in LARGE:
        needed = (least_states(n - 1, n) - 1).bit_length()
        model = of_model(compile_program(entry("induction").program(), length=n, alphabet=n))
        kept = (n + 1) * model.kept * model.mantissa
        large.append([n, (n - 1) // 2, needed, n * log2(n + 1) + log2(n), (n + 1) * n.bit_length(), kept, model.layers, model.d_model])
    tables = (
        table("Least number of states, all inputs tried", ("|Σ|", "N", "inputs", "classes", "trees", "least bits", "table's bits"), small),
        table(
            "Bits of state for |Σ| = N",
            (
                "N",
                "floor((N-1)/2)",
                "least bits",
                "|Σ|log2(|Σ|+1)+log2|Σ|",
                "this network",
                "transformer keeps",
                "its layers",
                "its d_model",
            ),
            large,
        ),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for column, style, label in ((1, "--", "floor((N-1)/2), proved lower"), (2, "o-", "exact least"), (4, "s-", "the network here")):
            left.plot(LARGE, [row[column] for row in large], style, label=label)
        left.set(yscale="log", xlabel="N = |Σ|", ylabel="bits of state", title="The state grows with the length")
        left.set_xscale("log", base=2)
        left.set_xticks(LARGE, [str(n) for n in LARGE])
        left.legend()
        lengths = range(2, 33)
        for symbols in (2, 4, 8, 16):
            right.plot(lengths, [log2(least_states(n - 1, symbols)) for n in lengths], label=f"|Σ| = {symbols}")
        right.set(xlabel="N", ylabel="bits of state, exact", title="Until every tree fits: N = 2|Σ| - 1")
        right.legend()

    return Shown("rnn-memory", tables, tuple(checks), tuple(bound(256, 256)), draw)


def _answers() -> list[Check]:
    """Both networks on every short sequence and on random ones."""
    rng = random.Random(0)
    cases = [list(w) for n in range(1, 7) for w in itertools.product(range(3), repeat=n)]
    long = [[rng.randrange(26) for _ in range(64)] for _ in range(50)]
    found = []
    for what, form, symbols, rows in (
        ("the table's answers, all sequences of up to 6 of 3 symbols", "table", 3, cases),
        ("the least network's answers, the same", "least", 3, cases),
        ("the table's answers, 50 random sequences of 64 of 26 symbols", "table", 26, long),
    ):
        model = build(symbols, form)
        with torch.inference_mode():
            wrong = sum(model(torch.tensor([row]))[0].tolist() != oracle(row) for row in rows)
        found.append(Check(what, len(rows), wrong))
    return found
