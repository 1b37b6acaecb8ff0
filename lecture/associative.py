"""Associative memory: Hopfield's outer products, the modern network as one attention step, and the library's exact memory.

Outer products. W = Σ ξξᵀ - P·1; a sign of pattern ξ is kept if (d - 1) + C > 0, where C = Σ_ν Σ_j ξ_i ξ^ν_i ξ^ν_j ξ_j over the P - 1 other
patterns and d - 1 other neurons. For random patterns these (P - 1)(d - 1) signs are independent and fair: for each ν, the products over j
are independent and fair whatever ξ_i ξ^ν_i is. So the chance that a sign is lost is exactly that of a binomial, which `flip` adds up.

One attention step. For a cue q, weights p = softmax(β X q). If the right pattern's overlap leads every other by at least δ, the others have
at most (P - 1) e^(-βδ) of the weight together, so the step ends within 2√d (P - 1) e^(-βδ) of the pattern, and each sign is right if
2 (P - 1) e^(-βδ) < 1. δ is an integer of the cue and the patterns, so this is checked for each, not on average.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..programs import entry
from ..runtime.model import compile as compile_program
from ..theory.verdict import Row
from .shown import Cell, Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEURONS = 64
BETA = 1.0
SMALL = ((2, 3), (3, 3), (2, 5), (4, 2), (3, 2))  # patterns, neurons


class Hopfield(nn.Module):
    """x ← sign(W x), W the sum of the patterns' outer products without its diagonal; a sum of 0 counts as lost."""

    def __init__(self, patterns: Tensor) -> None:
        super().__init__()
        count, d = patterns.shape
        self.W = nn.Parameter(patterns.T @ patterns - count * torch.eye(d))

    def forward(self, x: Tensor) -> Tensor:
        """One step of all neurons. Shapes: (B, d) -> (B, d), in -1, 0, 1."""
        return torch.sign(x @ self.W)


class ModernHopfield(nn.Module):
    """One attention step: the patterns are keys and values, the cue is the query, β the score scale."""

    def __init__(self, patterns: Tensor, beta: float) -> None:
        super().__init__()
        self.K = nn.Parameter(patterns.double())
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Shapes: (B, d) -> (B, d), in float64."""
        return torch.softmax(self.beta * x.double() @ self.K.T, -1) @ self.K


def build(patterns: Tensor, beta: float | None = None) -> Hopfield | ModernHopfield:
    """Hopfield's network of these patterns, or with β the modern one. Shapes: (P, d), entries ±1."""
    return Hopfield(patterns) if beta is None else ModernHopfield(patterns, beta)


def oracle(patterns: Sequence[Sequence[int]], cue: Sequence[int]) -> list[int]:
    """Hopfield's step by its definition, in Python's integers."""
    d = len(cue)
    out = []
    for i in range(d):
        h = sum(p[i] * p[j] * cue[j] for p in patterns for j in range(d) if j != i)
        out.append((h > 0) - (h < 0))
    return out


def nearest(patterns: Sequence[Sequence[int]], cue: Sequence[int]) -> int:
    """Which pattern has the greatest overlap with the cue, the first of equals."""
    return max(range(len(patterns)), key=lambda i: (sum(a * b for a, b in zip(patterns[i], cue, strict=True)), -i))


def flip(patterns: int, neurons: int = NEURONS) -> Fraction:
    """The exact chance that one sign of a stored random pattern is lost: (d - 1) + C <= 0 with C a sum of (P - 1)(d - 1) fair signs."""
    n = (patterns - 1) * (neurons - 1)
    most = (n - (neurons - 1)) // 2  # C = 2·(positive ones) - n <= -(d - 1)
    ways, term = 0, 1
    for i in range(most + 1):
        ways += term
        term = term * (n - i) // (i + 1)
    return Fraction(ways, 2**n) if most >= 0 else Fraction(0)


def lost_in_all(patterns: int, neurons: int) -> Fraction:
    """The same chance by trying every choice of patterns."""
    lost = total = 0
    for signs in itertools.product((-1, 1), repeat=patterns * neurons):
        stored = [signs[i * neurons : (i + 1) * neurons] for i in range(patterns)]
        lost += sum(a != b for a, b in zip(oracle(stored, stored[0]), stored[0], strict=True))
        total += neurons
    return Fraction(lost, total)


def cost(patterns: int, neurons: int = NEURONS) -> dict[str, int]:
    """Numbers that each memory holds: Hopfield's matrix, and the patterns of the modern one."""
    return {"Hopfield": neurons * neurons, "modern": patterns * neurons}


def bound(patterns: int, lead: int, neurons: int = NEURONS) -> list[Row]:
    """Hopfield's capacity as the size grows, and how many patterns a lead of so many nats is enough for."""
    return [*hold("HOPFIELD", {"patterns": patterns, "neurons": neurons}), *hold("MODERN-1STEP", {"patterns": patterns, "lead": lead})]


def step_bound(patterns: Tensor, cue: Tensor, right: int, beta: float) -> float:
    """How far one attention step may end from the right pattern; infinite where another overlaps more. Shapes: (P, d), (d)."""
    overlaps = (patterns.long() @ cue.long()).tolist()
    lead = overlaps.pop(right) - max(overlaps, default=-len(cue))
    weight = min(1.0, len(overlaps) * math.exp(-beta * lead)) if lead > 0 else 1.0
    return 2 * math.sqrt(len(cue)) * weight


def random_patterns(count: int, neurons: int, seed: int) -> Tensor:
    """Fair signs. Shapes: (P, d)."""
    return torch.randint(0, 2, (count, neurons), generator=torch.Generator().manual_seed(seed)).float() * 2 - 1


def cues(patterns: Tensor, flips: int, seed: int) -> Tensor:
    """Every pattern with so many of its signs turned. Shapes: (P, d) -> (P, d)."""
    noise = torch.rand(patterns.shape, generator=torch.Generator().manual_seed(seed))
    turned = torch.zeros_like(patterns).scatter(1, noise.argsort(1)[:, :flips], 1.0)
    return patterns * (1 - 2 * turned)


def run() -> Shown:
    """Lost signs against the binomial, both networks on noisy cues, the bound of one step, and the library's memory."""
    curve: list[Cell]
    lost: list[list[Cell]] = []
    for count in (2, 4, 6, 8, 12, 16, 24, 32):
        wrong = total = whole = 0
        for seed in range(200):
            stored = random_patterns(count, NEURONS, seed)
            kept = build(stored)(stored) == stored
            wrong, total, whole = wrong + int((~kept).sum()), total + kept.numel(), whole + int(kept.all(1).sum())
        exact, measured = float(flip(count)), wrong / total
        curve = [count, count / NEURONS, exact, measured, whole / (200 * count), (1 - exact) ** NEURONS]
        lost.append(curve)
    checks = [
        Check("the binomial against every network of up to 10 signs", len(SMALL), sum(flip(*s) != lost_in_all(*s) for s in SMALL)),
        _definition(),
    ]
    recall: list[list[Cell]] = []
    beyond = unsigned = promised = cases = 0
    for count in (8, 64, 512, 4096):
        stored = random_patterns(count, NEURONS, count)
        noisy = cues(stored, 8, count)
        some = noisy[:200]
        after = build(stored, BETA)(some).detach()
        old = build(stored)(some)
        right = [bool((torch.sign(after[i]) == stored[i]).all()) for i in range(len(some))]
        limits = [step_bound(stored, some[i], i, BETA) for i in range(len(some))]
        errors = (after - stored[: len(some)]).norm(dim=1).tolist()
        beyond += sum(e > limit + 1e-9 for e, limit in zip(errors, limits, strict=True))
        sure = [limit < math.sqrt(NEURONS) for limit in limits]  # then 2 (P - 1) e^(-βδ) < 1
        unsigned += sum(s and not r for s, r in zip(sure, right, strict=True))
        promised, cases = promised + sum(sure), cases + len(some)
        hopfield = float((old == stored[: len(some)]).all(1).float().mean())
        recall.append([count, 8, hopfield, sum(right) / len(right), sum(sure) / len(sure), max(errors), max(limits)])
    checks.append(Check("one attention step within its bound", cases, beyond))
    checks.append(Check("signs right wherever the bound promises it", promised, unsigned))
    checks.append(_library())
    stored = random_patterns(512, NEURONS, 512)
    lead = min(_lead(stored, cue, i) for i, cue in enumerate(cues(stored, 8, 512)[:200]))
    tables = (
        table(
            f"Hopfield, {NEURONS} neurons, 200 random networks",
            ("patterns", "a neuron", "chance a sign is lost, exact", "measured", "patterns kept whole", "if signs were independent"),
            lost,
        ),
        table(
            f"Recall of {NEURONS} signs from a cue with 8 of them turned, one step",
            ("patterns", "turned", "Hopfield right", "attention right", "promised by the bound", "largest error", "largest bound"),
            recall,
        ),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        counts = range(2, 40)
        left.plot([c / NEURONS for c in counts], [float(flip(c)) for c in counts], label="exact: a binomial")
        left.plot([r[1] for r in lost], [r[3] for r in lost], "o", label="measured")
        left.axvline(1 / (4 * math.log(NEURONS)), color="gray", ls="--", label="1/(4 ln d)")
        left.axvline(0.138, color="gray", ls=":", label="0.138 (Amit et al., recalled)")
        left.set(xlabel="patterns a neuron", ylabel="chance that a sign is lost", title=f"Hopfield's capacity, d = {NEURONS}")
        left.legend(loc="lower right")
        for column, label in ((2, "Hopfield"), (3, "one attention step"), (4, "promised by the bound")):
            right.plot([r[0] for r in recall], [r[column] for r in recall], "o-", label=label)
        right.set(xlabel="patterns", ylabel="recalled, 8 signs turned", title="Modern Hopfield is an attention step", ylim=(-0.05, 1.05))
        right.set_xscale("log", base=2)
        right.legend()

    return Shown("associative-memory", tables, tuple(checks), tuple(bound(512, max(0, lead))), draw)


def _lead(patterns: Tensor, cue: Tensor, right: int) -> int:
    overlaps = (patterns.long() @ cue.long()).tolist()
    return math.floor(BETA * (overlaps.pop(right) - max(overlaps)))


def _definition() -> Check:
    wrong = 0
    for seed in range(20):
        stored = random_patterns(5, 16, seed)
        for cue in cues(stored, 3, seed):
            wrong += build(stored)(cue[None])[0].tolist() != oracle(stored.int().tolist(), cue.int().tolist())
    return Check("Hopfield's step against its definition", 100, wrong)


def _library() -> Check:
    """The compiled memory on patterns then noisy cues: its answer is a pattern with the greatest overlap, the latest of equals."""
    model = compile_program(entry("associative_memory").program(bits=8), length=12)
    wrong = 0
    for seed in range(25):
        stored = random_patterns(8, 8, seed)
        rows = [*stored.int().tolist(), *cues(stored, 1, seed)[:4].int().tolist()]
        words = ["".join("+" if x > 0 else "-" for x in row) for row in rows]
        for i, said in enumerate(model.run(words)[8:], 8):
            wrong += said != words[i - 1 - nearest(rows[:i][::-1], rows[i])]
    return Check("the compiled memory's recall, a pattern of greatest overlap", 100, wrong)
