"""Linear attention is a gradient step: L layers are L steps of gradient descent on the least squares of the prompt.

The prompt is pairs (x_j, y_j), then a query x. A token carries x and a residual r: y_j of a pair, 0 of the query. Gradient descent on
w ↦ ½ Σ_j (w·x_j - y_j)² from w = 0 moves the prediction at x_i by -η Σ_j (w·x_j - y_j) ⟨x_j, x_i⟩, and what a layer

    r_i ← r_i - Σ_j ⟨W_Q x_i, W_K x_j⟩ r_j,    j over the pairs,  W_Q = η P, W_K = 1

adds to r_i is exactly minus that (times P, a preconditioner). So by induction r_j = y_j - w_L·x_j after L layers, and -w_L·x at the query.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from ..theory.verdict import Row
from .least_squares import exact, least_squares, rounding
from .shown import Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Task: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]  # x (n, d), y (n,), query (d,)
Order: TypeAlias = Literal["(QK)V", "Q(KV)"]
ORDERS: tuple[Order, Order] = ("(QK)V", "Q(KV)")
LAYERS, PAIRS, WIDTH = 8, 12, 3


class GradientSteps(nn.Module):
    """L layers of linear attention: no softmax, one head, the value is the residual."""

    def __init__(self, width: int, layers: int, step: float, preconditioner: np.ndarray | None = None, order: Order = "Q(KV)") -> None:
        super().__init__()
        P = np.eye(width) if preconditioner is None else preconditioner
        self.order: Order = order
        self.W_Q = nn.ParameterList(torch.tensor(step * P) for _ in range(layers))
        self.W_K = nn.ParameterList(torch.eye(width, dtype=torch.float64) for _ in range(layers))

    def forward(self, x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        """The prediction at the query after all layers. Shapes: (B, n, d), (B, n), (B, d) -> (B,)."""
        return self.stream(x, y, query)[-1]

    def stream(self, x: Tensor, y: Tensor, query: Tensor) -> list[Tensor]:
        """The predictions after 0..L layers."""
        n = x.shape[1]
        tokens = torch.cat([x, query[:, None]], 1)  # (B, n + 1, d)
        r = torch.cat([y, torch.zeros_like(y[:, :1])], 1)[..., None]  # (B, n + 1, 1)
        out = [-r[:, n, 0]]
        for W_Q, W_K in zip(self.W_Q, self.W_K, strict=True):
            r = r - attend(tokens @ W_Q.T.to(x), tokens[:, :n] @ W_K.T.to(x), r[:, :n], self.order)
            out.append(-r[:, n, 0])
        return out


class Intention(nn.Module):
    """Q (KᵀK + α 1)⁻¹ Kᵀ V: regularised least squares in one layer (Garnelo and Czarnecki)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor, y: Tensor, query: Tensor) -> Tensor:
        """Shapes: (B, n, d), (B, n), (B, d) -> (B,)."""
        gram = x.mT @ x + self.alpha * torch.eye(x.shape[2], dtype=x.dtype)  # (B, d, d)
        w = torch.linalg.solve(gram, (x.mT @ y[..., None])[..., 0])  # (B, d)
        return (query * w).sum(-1)


def attend(q: Tensor, k: Tensor, v: Tensor, order: Order) -> Tensor:
    """Attention without softmax, in either order; the same numbers but for rounding."""
    return (q @ k.mT) @ v if order == "(QK)V" else q @ (k.mT @ v)


def build(width: int = WIDTH, layers: int = LAYERS, step: float = 1 / 64, preconditioner: np.ndarray | None = None) -> GradientSteps:
    """So many layers of linear attention that take as many steps of this size, after W_Q = step·preconditioner."""
    return GradientSteps(width, layers, step, preconditioner)


def oracle(x: np.ndarray, y: np.ndarray, query: np.ndarray, layers: int, step: float, preconditioner: np.ndarray | None = None) -> float:
    """Gradient descent on the weights, as NumPy does it. Shapes: (n, d), (n,), (d,) -> a number."""
    P = np.eye(x.shape[1]) if preconditioner is None else preconditioner
    w = np.zeros(x.shape[1])
    for _ in range(layers):
        w = w - step * P.T @ (x.T @ (x @ w - y))
    return float(query @ w)


def cost(pairs: int, width: int, order: Order, value: int = 1) -> dict[str, int]:
    """Multiplications of one layer's two products for all n tokens, and the numbers held between them."""
    first, second = (width, value) if order == "(QK)V" else (width * value, width * value)
    products = pairs * pairs * (first + second) if order == "(QK)V" else pairs * (first + second)
    return {"multiplications": products, "held": pairs * pairs if order == "(QK)V" else width * value}


def bound(layers: int = LAYERS, pairs: int = PAIRS, width: int = WIDTH) -> list[Row]:
    """Layers against the steps that NumPy takes to the same prediction, and the cheaper order's multiplications as torch counts them."""
    (task,) = tasks(1, pairs, width, seed=1)
    got = predict(build(width, layers), task)
    steps = min(range(2 * layers + 2), key=lambda t: abs(oracle(*task, t, 1 / 64) - got))
    values = {"L": layers, "steps": steps, "N": pairs, "d_qk": width, "products": min(counted(pairs, width, o) for o in ORDERS)}
    return [*hold("GD-STEP", values), *hold("LINEAR-ORDER", values)]


def counted(pairs: int, width: int, order: Order) -> int:
    """The multiplications that torch's own counter sees in one attention, values as wide as keys."""
    from torch.utils.flop_counter import FlopCounterMode

    q = torch.zeros(1, pairs, width)
    with FlopCounterMode(display=False) as counter:
        attend(q, q, q, order)
    return counter.get_total_flops() // 2  # an addition for each multiplication


def tasks(count: int, pairs: int = PAIRS, width: int = WIDTH, seed: int = 0, scale: Sequence[float] | None = None) -> list[Task]:
    """Random prompts whose numbers are multiples of 1/16, which float32 holds: x, y with noise, a query."""
    rng = np.random.default_rng(seed)
    found: list[Task] = []
    for _ in range(count):
        x, query = (rng.normal(size=size) * (np.ones(width) if scale is None else scale) for size in ((pairs, width), width))
        y = x @ rng.normal(size=width) + 0.1 * rng.normal(size=pairs)
        x, y, query = (np.round(a * 16) / 16 for a in (x, y, query))
        found.append((x, y, query))
    return found


def predict(model: nn.Module, task: Task, dtype: torch.dtype = torch.float64) -> float:
    """One task through a model."""
    with torch.inference_mode():
        return float(model(*(torch.tensor(a, dtype=dtype)[None] for a in task))[0])


def run() -> Shown:
    """Equality with gradient descent and its rounding, one-layer least squares, conditioning, and the two orders."""
    checks, equal = [], []
    for dtype in (torch.float32, torch.float64):
        for order in ORDERS:
            errors, limits, beside = [], [], []
            model = GradientSteps(WIDTH, LAYERS, 1 / 64, order=order)
            for task in tasks(50):
                truth = exact(*task, LAYERS, 1 / 64)
                errors.append(abs(float(Fraction(predict(model, task, dtype)) - truth)))
                beside.append(abs(float(Fraction(oracle(*task, LAYERS, 1 / 64)) - truth)))
                limits.append(rounding(*task, LAYERS, 1 / 64, dtype))
            name = str(dtype).removeprefix("torch.")
            wrong = sum(e > limit for e, limit in zip(errors, limits, strict=True))
            checks.append(Check(f"error within the bound, {name}, {order}", len(errors), wrong))
            equal.append([name, order, max(errors), max(limits), max(beside)])
    return _shown(checks, equal)


def _shown(checks: list[Check], equal: list[list[str | float]]) -> Shown:
    solved = [abs(float(Fraction(predict(Intention(0.5), t)) - least_squares(*t, 0.5))) for t in tasks(50)]
    checks.append(Check("one intention layer equals least squares within 1e-12", len(solved), sum(e > 1e-12 for e in solved)))
    checks.append(_orders_agree())
    off = sum(cost(n, d, o, d)["multiplications"] != counted(n, d, o) for n in (3, 8, 64) for d in (2, 8, 64) for o in ORDERS)
    checks.append(Check("multiplications, the formula against torch's counter", 18, off))
    slow, curves = _conditioning()
    checks.append(Check("contraction of every step within (κ-1)/(κ+1)", len(slow), sum(row[4] > row[3] * (1 + 1e-8) for row in slow)))
    counts, times = [], []
    for n in (16, 64, 256, 1024):
        costs = [cost(n, 64, order, 64)["multiplications"] for order in ORDERS]
        counts.append([n, 64, *costs, "equal" if costs[0] == costs[1] else "(QK)V" if costs[0] < costs[1] else "Q(KV)"])
        times.append([n, 64, *(1e3 * _seconds(n, 64, order) for order in ORDERS)])
    tables = (
        table(
            f"{LAYERS} layers against {LAYERS} exact steps, 50 prompts of {PAIRS} pairs",
            ("dtype", "order", "largest error", "largest bound", "NumPy's own error"),
            equal,
        ),
        table(
            "Multiplications of the two orders, values as wide as keys; crossover at n = d", ("n", "d", "(QK)V", "Q(KV)", "fewer"), counts
        ),
        table("Conditioning: layers to a tenth of a percent", ("κ", "plain", "preconditioned", "(κ-1)/(κ+1)", "measured"), slow),
        table("Milliseconds", ("n", "d", "(QK)V", "Q(KV)"), times, varies=True),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        for label, curve in curves.items():
            left.plot(range(len(curve)), curve, label=label)
        left.set(yscale="log", xlabel="layers = steps", ylabel="‖w - w*‖ / ‖w*‖", title="A preconditioner in W_Q", ylim=(1e-8, 2))
        left.legend()
        lengths = [2**i for i in range(3, 12)]
        for order in ORDERS:
            right.plot(lengths, [cost(n, 64, order, 64)["multiplications"] for n in lengths], "o-", label=order)
        right.axvline(64, color="gray", ls="--", label="n = d = 64")
        right.set(yscale="log", xlabel="n", ylabel="multiplications", title="One product, two orders")
        right.set_xscale("log", base=2)
        right.legend()

    return Shown("gradient-step", tables, tuple(checks), tuple(bound()), draw)


def _orders_agree() -> Check:
    """Integers below 2^24 are added exactly in any order, so both orders give the same bits."""
    rng, wrong = random.Random(0), 0
    for _ in range(100):
        n, d = rng.randrange(1, 40), rng.randrange(1, 9)
        q, k, v = (
            torch.randint(-8, 9, (1, n, d), generator=torch.Generator().manual_seed(rng.randrange(1 << 30))).float() for _ in range(3)
        )
        wrong += not torch.equal(attend(q, k, v, "(QK)V"), attend(q, k, v, "Q(KV)"))
    return Check("(QK)V = Q(KV) bit for bit on integers", 100, wrong)


def _conditioning() -> tuple[list[list[float]], dict[str, list[float]]]:
    """Steps until the error in w is a thousandth, at the best step size, with and without the inverse covariance in W_Q."""
    rows: list[list[float]] = []
    curves: dict[str, list[float]] = {}
    for stretch in (1, 4, 16):
        scale = np.array([1.0, 1.0, stretch**0.5])
        (x, y, _), *_ = tasks(1, pairs=64, seed=3, scale=list(scale))
        P = np.diag(scale**-2)  # the inverse of the covariance the prompts are drawn with
        done = []
        for pre in (np.eye(3), P):
            values = np.linalg.eigvals(pre @ x.T @ x).real
            step, rate = (
                2 / (float(values.max()) + float(values.min())),
                (float(values.max()) - float(values.min())) / (float(values.max()) + float(values.min())),
            )
            best = np.linalg.solve(x.T @ x, x.T @ y)
            model = build(3, 160, step, pre)
            queries = np.eye(3)  # the prediction at the axes is w itself
            ws = (
                torch.stack(model.stream(torch.tensor(np.stack([x] * 3)), torch.tensor(np.stack([y] * 3)), torch.tensor(queries)))
                .detach()
                .numpy()
            )
            norm = np.linalg.cholesky(np.linalg.inv(pre)).T  # the norm in which the step contracts
            errors = np.linalg.norm((ws - best) @ norm.T, axis=1) / np.linalg.norm(norm @ best)
            ratios = [b / a for a, b in itertools.pairwise(errors) if a > 1e-6]
            done.append((int(np.argmax(errors < 1e-3)), float(max(ratios)), rate, (1 + rate) / (1 - rate)))
            curves[f"κ = {done[-1][3]:.0f}" if len(done) == 1 else "each of them, preconditioned"] = errors[:100].tolist()
        rows.append([done[0][3], done[0][0], done[1][0], done[0][2], done[0][1]])
    return rows, curves


def _seconds(n: int, d: int, order: Order) -> float:
    q, k, v = (torch.randn(1, n, d) for _ in range(3))
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        attend(q, k, v, order)
        best = min(best, time.perf_counter() - began)
    return best
