"""Discovery methods in a few lines each, to be scored against the verdicts on a model's edges.

Each gives every edge of `tool_edges` a score, from pairs of a clean and a corrupt input of one length. The metric is the logit of
the clean answer less the mean of the other logits, summed over positions.

- `patch`: exact edge patching, as ACDC does to one edge: the change of the metric where the edge alone carries the corrupt part.
- `eap`: edge attribution patching, its first-order estimate: (corrupt part - clean part)·gradient at what the target reads.
- `eap-ig`: the same with gradients averaged over inputs between the corrupt and the clean embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..runtime.classes import classes
from ..runtime.model import Model, require_model, require_own_dtype
from .circuit import circuit
from .necessity import Verdict
from .paths import Clean, Cut, Runner
from .tools import ToolEdges, tool_links

Method: TypeAlias = Literal["patch", "eap", "eap-ig"]
STEPS = 5  # of inputs between corrupt and clean


@public
def edge_scores(model: Model, method: Method, *, pairs: int = 64, seed: int = 0, length: int | None = None) -> dict[str, float]:
    """A discovery method's score of every edge that tools can name, by EAP's name for it, on random pairs of inputs.

    `length` is the inputs' (the model's own, at most 16, if not given). Scores are absolute values, means over pairs. Raises
    InputError for an unknown method, fewer than 1 pair, and for a program whose output is a logarithm.
    """
    require_model("edge_scores()", model)
    require_own_dtype(model)
    if method not in get_args(Method):
        raise InputError(f"there is no method {method!r}", hint=f"methods are {', '.join(get_args(Method))}")
    n = min(model.length, 16) if length is None else length
    if pairs < 1 or not 1 <= n <= model.length:
        raise InputError(f"cannot score on {pairs} pairs of length {n}", hint=f"at least 1 pair, lengths 1..{model.length}")
    if any(form.kind == "log" for form in model.output_forms):
        raise InputError(f"{model.name} gives logarithms, which have no wrong answers", hint="score a program of values")
    read = circuit(model)
    runner, generator = Runner(read.wiring), torch.Generator().manual_seed(seed)
    clean, corrupt = (runner.clean(torch.randint(0, len(model.alphabet), (pairs, n), generator=generator)) for _ in range(2))
    links = tool_links(read)
    if method == "patch":
        base = _metric(model, clean.logits, clean)  # (B,)
        found: dict[str, float] = {}
        for name, edge in links.items():
            cuts: dict[str, list[Cut]] = {}
            for link in edge:
                add = (corrupt.parts[link.source] - clean.parts[link.source])[:, :, list(link.dims)]
                cuts.setdefault(link.target, []).append(Cut(link.path, link.dims, add))
            found[name] = float((_metric(model, runner.cut(clean, cuts), clean) - base).detach().abs().mean()) if cuts else 0.0
        return found
    gradients = _gradients(runner, clean, corrupt, STEPS if method == "eap-ig" else 1)
    scores: dict[str, float] = {}
    for name, edge in links.items():
        total = torch.zeros(pairs, dtype=torch.float64)
        for link in edge:
            change = (corrupt.parts[link.source] - clean.parts[link.source])[:, :, list(link.dims)]
            total += (change.double() * gradients[link.target, link.path][:, :, list(link.dims)].double()).sum((1, 2))
        scores[name] = float(total.detach().abs().mean())
    return scores


def _metric(model: Model, logits: Tensor, clean: Clean) -> Tensor:
    """The clean answers' logits less the mean of the others, summed over positions and outputs. Shape (B,)."""
    total = torch.zeros(logits.shape[0], dtype=logits.dtype)
    blocks = zip(model.module.split(clean.logits), model.module.split(logits), model.output_forms, strict=True)
    for before, after, form in blocks:
        right = after.gather(-1, classes(form, before)[..., None])[..., 0]
        total = total + (right - (after.sum(-1) - right) / max(1, after.shape[-1] - 1)).sum(1)
    return total


def _gradients(runner: Runner, clean: Clean, corrupt: Clean, steps: int) -> dict[tuple[str, str], Tensor]:
    """The metric's gradient at what each component reads by each path, averaged over steps. Shapes (B, n + 1, d_model)."""
    total: dict[tuple[str, str], Tensor] = {}
    everything = tuple(range(clean.stream[0].shape[2]))
    for step in range(steps):
        part = 1.0 if steps == 1 else (step + 0.5) / steps
        start = corrupt.stream[0] + part * (clean.stream[0] - corrupt.stream[0])
        leaves: dict[tuple[str, str], Tensor] = {}
        cuts: dict[str, list[Cut]] = {}
        for c in runner.wiring.components:
            for path in {"head": ("q", "k", "v"), "mlp": ("mlp",), "clear": ("mlp",), "unembed": ("logits",)}.get(c.kind, ()):
                leaves[c.name, path] = torch.zeros_like(start, requires_grad=True)
                cuts.setdefault(c.name, []).append(Cut(path, everything, leaves[c.name, path]))  # pyright: ignore[reportArgumentType]
        logits = runner.cut(Clean((start, *clean.stream[1:]), clean.parts, clean.logits), cuts, grad=True)
        found = torch.autograd.grad(_metric(runner.model, logits, clean).sum(), list(leaves.values()), allow_unused=True)
        for key, gradient in zip(leaves, found, strict=True):
            new = torch.zeros_like(start) if gradient is None else gradient / steps
            total[key] = total[key] + new if key in total else new
    return total


@public
def auroc(scores: Mapping[str, float], edges: ToolEdges) -> float:
    """The area under the ROC curve of scores by EAP's names against the verdicts: the chance that a necessary edge has a greater score
    than an irrelevant one, ties a half. Undecided edges are left out; edges without a score count as 0.

    Raises InputError where there are no necessary or no irrelevant edges.
    """
    found = area(scores, edges.names("eap"))
    if found is None:
        counts = " and ".join(f"{sum(e.verdict == v for e in edges.edges)} {v}" for v in ("necessary", "irrelevant"))
        raise InputError(f"{edges.program} has {counts} edges", hint="both are needed")
    return found


def area(scores: Mapping[str, float], truth: Mapping[str, Verdict]) -> float | None:
    """`auroc` by any names: None where there is nothing necessary, or nothing irrelevant."""
    yes = np.array([scores.get(name, 0.0) for name, verdict in truth.items() if verdict == "necessary"])
    no = np.array([scores.get(name, 0.0) for name, verdict in truth.items() if verdict == "irrelevant"])
    if not (len(yes) and len(no)):
        return None
    return float((yes[:, None] > no).mean() + (yes[:, None] == no).mean() / 2)


def precision_recall(found: Sequence[str], edges: ToolEdges) -> tuple[float, float]:
    """Precision and recall of edges that a method says are the circuit, by EAP's names; undecided edges are left out."""
    truth = edges.names("eap")
    said = [name for name in found if truth.get(name) in ("necessary", "irrelevant")]
    right = [name for name in said if truth[name] == "necessary"]
    return (len(right) / len(said) if said else 1.0), len(right) / max(1, len(edges.true("eap")))
