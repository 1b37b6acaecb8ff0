"""Shannon's n-gram model from counts, as a table of log probabilities, beside the compiled in-context n-gram.

An n-gram model over V symbols is a table of V^n numbers: the probability of each symbol after each n - 1. Fitted to a text by counts, its
cross-entropy on that text is exactly the conditional entropy H(n-grams) - H(their first n - 1), which falls with n; on other text the
counts that were never seen decide. The in-context n-gram has no table: it counts in the prompt, in two layers.
"""

from __future__ import annotations

import math
import re
import string
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..programs import entry
from ..runtime.cost import Cost
from ..runtime.model import compile as compile_program
from ..theory.bounds import bounds
from ..theory.verdict import Row
from .shown import Cell, Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTERS = tuple(string.ascii_lowercase + "_")  # Shannon's 27: the letters and the space
CHAPTERS = ("objects", "naming", "execmodel", "types", "specialnames", "formatstrings", "debugger")
TRAIN, HELD = 50_000, 5_000
ORDERS = (1, 2, 3, 4)
PRIOR = 5  # an unseen context gives the shorter context's distribution, a seen one as if that had been seen so many times
CONTEXT = 64


class NgramTable(nn.Module):
    """Logits of the next symbol are a row of one table, chosen by the last n - 1 symbols."""

    def __init__(self, log_probabilities: Tensor, n: int) -> None:
        super().__init__()
        symbols = log_probabilities.shape[-1]
        self.n = n
        self.W = nn.Parameter(log_probabilities.reshape(-1, symbols))  # (V^(n-1), V)
        self.register_buffer("place", symbols ** torch.arange(n - 2, -1, -1))

    def forward(self, ids: Tensor) -> Tensor:
        """Log probabilities of what follows each n - 1 symbols. Shapes: (T) -> (T - n + 2, V), the last row beyond the text."""
        if self.n == 1:
            return self.W[torch.zeros(len(ids) + 1, dtype=torch.long)]
        windows = ids.unfold(0, self.n - 1, 1)  # (T - n + 2, n - 1)
        return self.W[(windows * self.get_buffer("place")).sum(1)]


def build(ids: Sequence[int], n: int, symbols: int, prior: int = 0) -> NgramTable:
    """The table from counts: c/C, or with a prior (c + prior·p')/(C + prior), p' that of order n - 1; uniform where nothing is known."""
    p = torch.full((symbols,), 1 / symbols, dtype=torch.float64)
    for order in range(1, n + 1):
        counts = torch.zeros(symbols**order, dtype=torch.float64)
        windows = torch.tensor(ids).unfold(0, order, 1)
        index = (windows * symbols ** torch.arange(order - 1, -1, -1)).sum(1)
        counts.index_add_(0, index, torch.ones(len(index), dtype=torch.float64))
        counts = counts.reshape(-1, symbols)  # (V^(order-1), V)
        below = p.reshape(-1, symbols).repeat(len(counts) // max(1, p.numel() // symbols), 1)  # the context without its first symbol
        total = counts.sum(1, keepdim=True)
        known = (counts + prior * below) / (total + prior).clamp_min(1)
        p = torch.where(total + prior > 0, known, below)
    return NgramTable(p.log(), n)


def oracle(ids: Sequence[int], n: int, context: Sequence[int], symbol: int, symbols: int, prior: int = 0) -> Fraction:
    """The same probability in fractions, by looking for the context in the text, longest last."""
    p = Fraction(1, symbols)
    for order in range(1, n + 1):
        tail = tuple(context[len(context) - order + 1 :])
        after = [ids[i + order - 1] for i in range(len(ids) - order + 1) if tuple(ids[i : i + order - 1]) == tail]
        p = (after.count(symbol) + prior * p) / (len(after) + prior) if len(after) + prior else p
    return p


def conditional_entropy(ids: Sequence[int], n: int) -> float:
    """H(n-grams) - H(their first n - 1 symbols) in bits, from counts in dictionaries: what the fitted table must have as cross-entropy."""
    grams = Counter(tuple(ids[i : i + n]) for i in range(len(ids) - n + 1))
    firsts: defaultdict[tuple[int, ...], int] = defaultdict(int)
    for gram, c in grams.items():
        firsts[gram[:-1]] += c
    return sum(c * math.log2(firsts[gram[:-1]] / c) for gram, c in grams.items()) / grams.total()


def cross_entropy(model: NgramTable, ids: Sequence[int]) -> float:
    """Bits a symbol, over the places that have a whole context."""
    with torch.inference_mode():
        rows = model(torch.tensor(ids))[:-1]  # (T - n + 1, V)
        chosen = rows.gather(1, torch.tensor(ids[model.n - 1 :])[:, None])
    return -float(chosen.mean()) / math.log(2)


def cost(n: int, symbols: int = len(LETTERS)) -> dict[str, int]:
    """Parameters of the table of order n."""
    return {"parameters": symbols**n, "contexts": symbols ** (n - 1)}


def in_context(n: int) -> Cost:
    """What the compiled in-context n-gram over the 27 letters costs."""
    return compile_program(entry("ngram").program(n=n), length=CONTEXT, alphabet=LETTERS).cost


def bound(n: int, symbols: int = len(LETTERS)) -> list[Row]:
    """The table's parameters as they are, then what the theory says of the compiled n-gram."""
    small = build([0] * n, n, symbols)
    measured = sum(p.numel() for p in small.parameters())
    rows = hold("NGRAM-TABLE", {"|Σ|": symbols, "order": n, "parameters": measured})
    return [*rows, *bounds(entry("ngram").program(n=n), length=CONTEXT, alphabet=LETTERS).rows]


def text() -> str:
    """Chapters of the reference manual that every Python carries, as letters and single spaces, here _."""
    from pydoc_data.topics import topics

    prose = " ".join(topics[name] for name in CHAPTERS if name in topics)
    return re.sub(r"[^a-z]+", "_", prose.lower())


def run() -> Shown:
    """Orders 1 to 4 on letters and on words, the compiled n-gram on the same text, and parameters of both."""
    letters = text()
    ids = [LETTERS.index(c) for c in letters]
    train, held = ids[:TRAIN], ids[TRAIN : TRAIN + HELD]
    rows: list[list[Cell]] = []
    curves: dict[str, list[float]] = {"fitted text": [], "held-out, with a prior": []}
    off = 0
    for n in ORDERS:
        fitted, smooth = build(train, n, len(LETTERS)), build(train, n, len(LETTERS), PRIOR)
        bits, true = cross_entropy(fitted, train), conditional_entropy(train, n)
        off += abs(bits - true) > 1e-9
        seen = {tuple(train[i : i + n]) for i in range(len(train) - n + 1)}
        unseen = sum(tuple(held[i : i + n]) not in seen for i in range(len(held) - n + 1)) / (len(held) - n + 1)
        curves["fitted text"].append(2**bits)
        curves["held-out, with a prior"].append(2 ** cross_entropy(smooth, held))
        rows.append([n, cost(n)["parameters"], len(seen), 2**bits, unseen, *(c[-1] for c in list(curves.values())[1:])])
    checks = [Check("cross-entropy on the fitted text equals the conditional entropy", len(ORDERS), off)]
    words = re.findall(r"[a-z]+", letters)
    vocabulary = len(set(words))
    cut = len(words) * 9 // 10
    by_word: list[list[Cell]] = []
    for n in ORDERS:
        seen = {tuple(words[i : i + n]) for i in range(cut - n + 1)}
        later = [tuple(words[i : i + n]) for i in range(cut, len(words) - n + 1)]
        by_word.append([n, vocabulary**n, len(seen), sum(g not in seen for g in later) / len(later)])
    prompts = [list(letters[i : i + CONTEXT]) for i in range(TRAIN, TRAIN + HELD - CONTEXT, CONTEXT)]
    compiled: list[list[Cell]] = []
    for n in (2, 3, 4):
        model = compile_program(entry("ngram").program(n=n), length=CONTEXT, alphabet=LETTERS)
        answers, truths = model.run(prompts), [entry("ngram").reference(p, n=n, order=LETTERS) for p in prompts]
        wrong = sum(a != b for x, y in zip(answers, truths, strict=True) for a, b in zip(x, y, strict=True))
        checks.append(Check(f"the compiled {n}-gram's answers on held-out text", len(prompts) * CONTEXT, wrong))
        guesses = [(a, b) for x, p in zip(answers, prompts, strict=True) for a, b in zip(x, p[1:], strict=False) if a is not None]
        best = build(train, n, len(LETTERS), PRIOR)
        with torch.inference_mode():
            table_hits = [(best(torch.tensor(held)).argmax(1)[:-1] == torch.tensor(held[n - 1 :])).float().mean().item()]
        share = sum(a == b for a, b in guesses) / len(guesses)
        c = model.cost
        outside = c.parameters - c.embedding_parameters
        compiled.append([n, c.attention_layers, c.d_model, outside, cost(n)["parameters"], len(guesses), share, table_hits[0]])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    tables = (
        table(
            f"Letters of the manual of Python {version}: {TRAIN:,} to fit, {HELD:,} held out",
            ("n", "parameters", "n-grams seen", "perplexity, fitted text", "held-out n-grams never seen", "perplexity, held out"),
            rows,
        ),
        table(
            f"Its {len(words):,} words, {vocabulary:,} different, a tenth held out",
            ("n", "parameters", "n-grams seen", "held-out n-grams never seen"),
            by_word,
        ),
        table(
            f"The compiled n-gram that counts in a context of {CONTEXT} letters, beside the table",
            ("n", "layers", "d_model", "parameters", "table's", "guesses", "right", "table right"),
            compiled,
        ),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for label, curve in curves.items():
            left.plot(ORDERS, curve, "o-", label=label)
        left.set(xlabel="n", ylabel="perplexity a letter", title="Longer contexts fit; other text is another matter", xticks=ORDERS)
        left.legend()
        orders = range(1, 9)
        right.plot(orders, [cost(n)["parameters"] for n in orders], "o-", label="table over 27 letters: 27^n")
        right.plot(orders, [float(vocabulary) ** n for n in orders], "s-", label=f"table over {vocabulary:,} words")
        right.plot([r[0] for r in compiled], [r[3] for r in compiled], "^-", label=f"compiled, counts in {CONTEXT} letters")
        right.set(yscale="log", xlabel="n", ylabel="parameters", title="exp(Θ(n)) against counting in context")
        right.legend()

    return Shown("ngrams", tables, tuple(checks), tuple(bound(3)), draw)
