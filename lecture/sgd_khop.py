"""What SGD finds on k-hop: runs of `training`, their accuracy by depth and k, and each learned head beside the compiled ones.

The claim is the paper's (arXiv 2402.09268): trained transformers reach k-hop at the depth of the construction. The measurement is ours,
at a small size. A head is compared by its patterns: how much of its weight lies where a compiled head's lies, the mean over places and
sequences of Σ_t min(p_t, q_t), 1 for equal patterns. Compiled heads have names: `match` looks at the latest earlier place with the same
token, `find^j` at the place that j pointers lead to; doubling uses j = 1, 2, 4, …
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..learning.patterns import overlap, patterns_of
from ..programs import entry
from ..runtime.model import Model, compile as compile_program
from ..theory.verdict import Row
from .learner import Learner, Setting, answers, pointers, sequences
from .shown import Cell, Check, Shown, hold, table
from .training import Run, start, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = ((1, 1), (1, 2), (2, 2), (2, 3))  # k, layers of the short run
STEPS = 1500


def build(setting: Setting) -> Learner:
    """The untrained model of a setting: here the weights are learned, not constructed."""
    return start(setting).model


def oracle(tokens: Sequence[int], k: int) -> list[int]:
    """The library's plain reference of k-hop: 0 for none, else 1 + symbol."""
    return [0 if x is None else 1 + int(str(x)) for x in entry("khop").reference(list(tokens), k=k)]


def cost(setting: Setting) -> dict[str, int]:
    """Layers and parameters of the learner, and of the compiled model of the same task."""
    compiled = _compiled(setting).cost
    learned = sum(p.numel() for p in build(setting).parameters())
    both = {"layers": setting.layers, "parameters": learned}
    return {**both, "compiled layers": compiled.attention_layers, "compiled parameters": compiled.parameters}


def bound(setting: Setting) -> list[Row]:
    """The construction's depth and heads beside the learner's."""
    values = {"L": setting.layers, "H": setting.heads, "m": setting.d_model, "p": 24, "N": setting.length, "|Σ|": setting.symbols}
    return hold("HOP-UB", {**values, "k": setting.k, "hops": setting.k})


def heads(run: Run) -> list[list[Cell]]:
    """Each learned head, the compiled pattern it is most like, how much, and how like the compiled model's heads it is."""
    setting = run.setting
    rows = sequences(np.random.default_rng([setting.seed, 2_000_000_000]), 64, setting.length, setting.symbols)
    learned = patterns_of(run.model, torch.tensor(rows))
    targets = named_patterns(rows, setting.k)
    compiled = compiled_patterns(_compiled(setting), rows)
    found: list[list[Cell]] = []
    for layer in range(setting.layers):
        for head in range(setting.heads):
            weights = learned[layer + 1, head]
            likeness = {name: overlap(weights, target) for name, target in targets.items()}
            best = max(likeness, key=lambda name: likeness[name])
            beside = [overlap(weights, other) for other in compiled]
            found.append([layer + 1, head + 1, best, likeness[best], 1 + int(np.argmax(beside)), max(beside)])
    return found


def named_patterns(rows: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """One-hot patterns by name. Shapes: (B, n) -> (B, n + 1, n + 1) each, with zero rows where there is no such place."""
    find = pointers(rows)
    here = np.broadcast_to(np.arange(find.shape[1]), find.shape)
    places = {"itself": here, "previous": np.maximum(here - 1, 0), "match": np.maximum(find - 1, 0)}
    at = find
    for j in range(1, k + 1):
        places[f"find^{j}"] = at
        at = np.take_along_axis(find, at, 1)
    eye = np.eye(find.shape[1])
    return {name: eye[place] * (place > 0)[..., None] for name, place in places.items()}


def compiled_patterns(model: Model, rows: np.ndarray) -> list[np.ndarray]:
    """The compiled model's heads, one a layer, on the same sequences. Shapes: (B, n) -> (B, n + 1, n + 1) each."""
    return list(patterns_of(model.module, torch.tensor(rows)).values())


def _compiled(setting: Setting) -> Model:
    return compile_program(entry("khop").program(k=setting.k), length=setting.length, alphabet=setting.symbols)


def show(done: Sequence[Run], name: str = "sgd-khop") -> Shown:
    """What runs did: accuracy, steps to success, heads, and whether the data they were trained on is the oracle's."""
    results: list[list[Cell]] = []
    matched: list[list[Cell]] = []
    for run in done:
        s = run.setting
        last = run.accuracy(s.k)
        when = run.learned.get(str(s.k))
        results.append([s.k, s.layers, s.seed, last, "learned" if when else "not learned", when, run.step, s.k.bit_length() + 1])
        matched += [[s.k, s.layers, s.seed, *row] for row in heads(run)]
    rows = sequences(np.random.default_rng(5), 50, done[0].setting.length, done[0].setting.symbols)
    wrong = sum(answers(rows, k)[i].tolist() != oracle(row, k) for k in range(5) for i, row in enumerate(rows.tolist()))
    tables = (
        table(
            f"Trained from scratch, N = {done[0].setting.length}, |Σ| = {done[0].setting.symbols}; accuracy where there is an answer",
            ("k", "layers", "seed", "accuracy", "", "at step", "steps run", "layers of the construction"),
            results,
            varies=True,
        ),
        table(
            "Learned heads beside the compiled ones",
            ("k", "layers", "seed", "layer", "head", "most like", "overlap", "compiled layer", "overlap with it"),
            matched,
            varies=True,
        ),
    )

    def draw(figure: Figure) -> None:
        heat(figure, [(r[0], r[1], r[3]) for r in results])  # pyright: ignore[reportArgumentType]

    return Shown(name, tables, (Check("answers trained on, against the oracle", 250, wrong),), tuple(bound(done[-1].setting)), draw)


def heat(figure: Figure, points: Sequence[tuple[int, int, float]]) -> None:
    """Accuracy over k and depth as a heat map, the best of the seeds; a line marks the construction's depth."""
    ks, depths = sorted({p[0] for p in points}), sorted({p[1] for p in points})
    best = np.full((len(depths), len(ks)), np.nan)
    for k, depth, value in points:
        at = depths.index(depth), ks.index(k)
        best[at] = value if np.isnan(best[at]) else max(value, best[at])
    axes = figure.subplots()
    image = axes.imshow(best, origin="lower", vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for (i, j), value in np.ndenumerate(best):
        if not np.isnan(value):
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.7 else "black")
    axes.step([x - 0.5 for x in range(len(ks) + 1)], [_row(depths, k) for k in [*ks, ks[-1]]], where="post", color="red", lw=2)
    axes.set(xlabel="k", ylabel="layers", title="Accuracy, best seed; the construction is deep enough above the red line")
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_yticks(range(len(depths)), [str(d) for d in depths])
    figure.colorbar(image)


def _row(depths: Sequence[int], k: int) -> float:
    return sum(d < k.bit_length() + 1 for d in depths) - 0.5


def run(progress: Callable[[int, int], None] | None = None, out: Path | None = None) -> Shown:
    """A short run of four sizes, about a minute."""
    return show([train(start(Setting(k=k, layers=layers, steps=STEPS)), out, progress) for k, layers in SHORT])
