"""In-context regression and algorithm selection: ridge at several λ and logistic regression, the best chosen inside the prompt.

The prompt holds n pairs to learn from, m to judge by, and a query. All candidates run side by side, one head each: a token carries for
each candidate its prediction p there, and a layer moves it by p ← (1 - ηλ) p - η Σ_j (p_j - y_j) ⟨x_j, x⟩ over the learning pairs, which
is a step of gradient descent on ½ Σ (w·x_j - y_j)² + ½ λ |w|² seen at x; logistic regression has σ(p_j) for p_j. One more layer gives the
query the mean of the candidates' losses on the judging pairs (post-ICL validation) and, for the choice of the task, whether every y is 0
or 1 (pre-ICL testing). Then each token picks: logistic where all are, else the ridge of least loss, the first of equals.

What is exact. Descent from 0 ends within (1 - η μ)^T |w*| of the ridge solution w*, μ = λ + the least eigenvalue of Σ x_j x_jᵀ, η <= 1/(λ
+ the greatest). So a candidate's judging loss is off by at most D(D + 2 sqrt(loss)), D = max |x| times that; where the oracle's best two
differ by more than both errors, the choice must be the oracle's. `margin` is that inequality, and the run counts both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ..theory.verdict import Row
from .shown import Cell, Check, Shown, hold, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAMBDAS = (0.1, 1.0, 10.0, 100.0)
LEARN, JUDGE, WIDTH, STEPS, STEP = 16, 16, 4, 120, 1 / 160


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt: pairs to learn from and then to judge by, and a query. Shapes: (n + m, d), (n + m), (d)."""

    x: np.ndarray
    y: np.ndarray
    query: np.ndarray
    logistic: bool


class Selector(nn.Module):
    """T layers of descent, a head a candidate, then one of validation; attention is linear over positions the mask names."""

    def __init__(self, steps: int = STEPS, step: float = STEP, lambdas: tuple[float, ...] = LAMBDAS) -> None:
        super().__init__()
        self.steps, self.learn = steps, LEARN
        decay = torch.tensor([*lambdas, 1.0], dtype=torch.float64)  # the last candidate is logistic, with λ = 1
        self.keep = nn.ParameterList(1 - step * decay for _ in range(steps))
        self.move = nn.ParameterList(torch.tensor(step, dtype=torch.float64) for _ in range(steps))

    @property
    def layers(self) -> int:
        """Attention layers: one a step, one that judges."""
        return len(self.move) + 1

    def forward(self, x: Tensor, y: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions of the candidates, their losses, the chosen one. Shapes: (B, n + m, d), (B, n + m), (B, d) -> (B, C), (B, C), (B)."""
        tokens = torch.cat([x, query[:, None]], 1)  # (B, n + m + 1, d)
        p = x.new_zeros(*tokens.shape[:2], len(self.keep[0]))  # (B, n + m + 1, C)
        learn, judge = slice(0, self.learn), slice(self.learn, x.shape[1])
        for keep, move in zip(self.keep, self.move, strict=True):
            value = self._guess(p[:, learn]) - y[:, learn, None]  # (B, n, C): the token-wise function, then the head's value
            p = keep * p - move * (tokens @ (x[:, learn].mT @ value))  # Q(KᵀV)
        loss = ((self._guess(p[:, judge]) - y[:, judge, None]) ** 2).mean(1)  # (B, C): uniform attention from the query
        binary = (y * (1 - y) == 0).double().mean(1) == 1  # (B): the same head's other value, the share of y in {0, 1}
        ridge = loss[:, :-1].argmin(1)
        chosen = torch.where(binary, len(self.keep[0]) - 1, ridge)
        return self._guess(p[:, -1]), loss, chosen

    @staticmethod
    def _guess(p: Tensor) -> Tensor:
        return torch.cat([p[..., :-1], torch.sigmoid(p[..., -1:])], -1)


def build(steps: int = STEPS, step: float = STEP) -> Selector:
    """The transformer of steps + 1 attention layers."""
    return Selector(steps, step)


def oracle(task: Task) -> tuple[np.ndarray, np.ndarray, int]:
    """Every candidate solved outright, by elimination and by Newton: predictions at the query, losses, and the choice."""
    x, y, d = task.x[:LEARN], task.y[:LEARN], task.x.shape[1]
    weights = [np.linalg.solve(x.T @ x + lam * np.eye(d), x.T @ y) for lam in LAMBDAS]
    w = np.zeros(d)
    for _ in range(100):
        s = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (s - y) + w
        w = w - np.linalg.solve(x.T @ (x * (s * (1 - s))[:, None]) + np.eye(d), gradient) * min(1.0, 1 / (1e-12 + np.linalg.norm(gradient)))
        if np.linalg.norm(gradient) < 1e-12:
            break
    guesses = [task.x[LEARN:] @ v for v in weights] + [1 / (1 + np.exp(-task.x[LEARN:] @ w))]
    losses = np.array([np.mean((g - task.y[LEARN:]) ** 2) for g in guesses])
    at_query = np.array([task.query @ v for v in weights] + [1 / (1 + np.exp(-task.query @ w))])
    choice = len(LAMBDAS) if set(task.y.tolist()) <= {0.0, 1.0} else int(losses[:-1].argmin())
    return at_query, losses, choice


def margin(task: Task, steps: int = STEPS, step: float = STEP) -> np.ndarray:
    """How far each ridge's judging loss may be from the solved one's, by the inequality above; infinite for η too large."""
    x, y = task.x[:LEARN], task.y[:LEARN]
    values = np.linalg.eigvalsh(x.T @ x)
    far = float(np.linalg.norm(task.x[LEARN:], axis=1).max())
    limits = []
    for lam in LAMBDAS:
        w = np.linalg.solve(x.T @ x + lam * np.eye(x.shape[1]), x.T @ y)
        root = float(np.sqrt(np.mean((task.x[LEARN:] @ w - task.y[LEARN:]) ** 2)))
        off = far * (1 - step * (lam + max(0.0, values[0]))) ** steps * float(np.linalg.norm(w))
        limits.append(off * (off + 2 * root) if step * (lam + values[-1]) <= 1 else np.inf)
    return np.array(limits)


def cost(steps: int = STEPS) -> dict[str, int]:
    """Attention layers, heads, and the multiplications of one layer."""
    heads, tokens = len(LAMBDAS) + 1, LEARN + JUDGE + 1
    return {"layers": build(steps).layers, "heads": heads, "multiplications a layer": heads * WIDTH * (LEARN + tokens)}


def bound(steps: int = STEPS) -> list[Row]:
    """The depth held against a layer a step and one more."""
    return hold("SELECTION", {"L": build(steps).layers, "steps": steps})


def tasks(count: int, seed: int = 0) -> list[Task]:
    """Linear tasks of four noise levels, and logistic ones, every fifth."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        x, w, query = rng.normal(size=(LEARN + JUDGE, WIDTH)), rng.normal(size=WIDTH), rng.normal(size=WIDTH)
        if i % 5 == 4:
            y = (rng.random(LEARN + JUDGE) < 1 / (1 + np.exp(-3 * x @ w))).astype(float)
        else:
            y = x @ w + (0.1, 1.0, 4.0, 10.0)[i % 5] * rng.normal(size=LEARN + JUDGE)
        found.append(Task(x, y, query, i % 5 == 4))
    return found


def predict(model: Selector, given: list[Task]) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Tasks through the transformer, all at once."""
    with torch.inference_mode():
        found = model(*(torch.tensor(np.stack(a)) for a in zip(*((t.x, t.y, t.query) for t in given), strict=True)))
    at_query, loss, chosen = (t.numpy() for t in found)
    return [(q, l, int(c)) for q, l, c in zip(at_query, loss, chosen, strict=True)]


def run() -> Shown:
    """The transformer's choices beside the oracle's over random tasks, where they must agree and where they need not."""
    model, given = build(), tasks(400)
    rows: list[list[Cell]] = []
    beyond = cases = disagreed = promised = 0
    kinds: list[tuple[str, list[Task]]] = [(f"linear, noise {noise:g}", given[i::5]) for i, noise in enumerate((0.1, 1, 4, 10))]
    for name, some in [*kinds, ("logistic", given[4::5])]:
        agree = sure = 0
        chosen = np.zeros(len(LAMBDAS) + 1, dtype=int)
        gaps = []
        for task, (ours, losses, choice) in zip(some, predict(model, some), strict=True):
            true, solved, best = oracle(task)
            limits = margin(task)
            beyond += int((np.abs(losses[:-1] - solved[:-1]) > limits + 1e-9).sum())
            cases += len(LAMBDAS)
            first = int(solved[:-1].argmin())
            rivals = [solved[i] - limits[i] for i in range(len(LAMBDAS)) if i != first]
            certain = task.logistic or bool(solved[first] + limits[first] < min(rivals))
            agree, sure = agree + int(choice == best), sure + int(certain)
            chosen[best] += 1
            promised, disagreed = promised + int(certain), disagreed + int(certain and choice != best)
            gaps.append(abs(ours[best] - true[best]))
        rows.append([name, len(some), agree, sure, *chosen.tolist(), float(np.max(gaps))])
    checks = (
        Check("judging losses within the bound of T steps", cases, beyond),
        Check("the oracle's choice wherever the bound promises it", promised, disagreed),
    )
    curve: list[list[Cell]] = []
    some = given[:100]
    truths = [oracle(t)[2] for t in some]
    for steps in (5, 10, 20, 40, 80, 120):
        agree = sum(found[2] == best for found, best in zip(predict(build(steps), some), truths, strict=True))
        curve.append([steps, steps + 1, agree / len(some), float(np.median([margin(t, steps).max() for t in some]))])
    headings = (
        "tasks",
        "count",
        "same choice",
        "promised",
        *(f"λ = {v:g}" for v in LAMBDAS),
        "logistic",
        "largest difference at the query",
    )
    tables = (
        table(f"Choices of {model.layers} layers and of the oracle; λ columns: what the oracle chose", headings, rows),
        table("Depth", ("steps", "layers", "share of equal choices", "median bound on a loss"), curve),
    )

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        bottom = np.zeros(len(rows))
        for i, label in enumerate([*(f"λ = {v:g}" for v in LAMBDAS), "logistic"]):
            counts = np.array([int(str(row[4 + i])) for row in rows])
            left.bar([str(row[0]).replace("linear, ", "") for row in rows], counts, bottom=bottom, label=label)
            bottom += counts
        left.set(ylabel="tasks", title="What the oracle chooses")
        left.legend(fontsize=8)
        right.plot([c[1] for c in curve], [c[2] for c in curve], "o-")
        right.set(xlabel="layers", ylabel="same choice as the oracle", ylim=(0, 1.05), title="One layer a step, one that judges")

    return Shown("algorithm-selection", tables, checks, tuple(bound()), draw)
