"""Scores of predictions against a suite: precision, recall and AUROC of edges and nodes, and the accuracy of interchanges."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..lab.attribution import area
from ..lab.necessity import Verdict
from ..runtime.files import load_module
from ..runtime.hooks import Hook, HookPoint
from ..runtime.module import AttentionShape, Transformer
from ..runtime.serial import Json
from .build import FORMAT, INDEX, KEYS
from .entry import CIRCUIT, SAMPLES
from .predictions import Location, Predictions, Said, Scores, predictions, read_predictions
from .truth import verdicts

What: TypeAlias = "list[int] | Tensor | None"  # of an activation: along its third axis, a basis of its last, or all of it


@dataclass(frozen=True, slots=True)
class Graded:
    """How scores of edges or nodes hold against the verdicts on them, the undecided left out; None where a number has no meaning.

    `precision` is of those that are said to be in the circuit, `recall` of those that are necessary, `auroc` of all by their scores;
    what has no score has 0. Without anything said precision is None, without anything necessary recall is, without both kinds AUROC.
    """

    necessary: int
    irrelevant: int
    undecided: int
    scored: int
    precision: float | None
    recall: float | None
    auroc: float | None


@dataclass(frozen=True, slots=True)
class Swapped:
    """How often a model says what is right after interchanges where values are said to lie: of all positions, and of those that change."""

    values: int
    accuracy: float
    changed: float | None


@dataclass(frozen=True, slots=True)
class Score:
    """What one model's predictions are worth; None for what was not predicted."""

    edges: Graded | None
    nodes: Graded | None
    interchange: Swapped | None

    def numbers(self) -> dict[str, float]:
        """The numbers there are, by name."""
        found: dict[str, float | None] = {}
        for what, graded in (("edges", self.edges), ("nodes", self.nodes)):
            if graded:
                found |= {f"{what}: {name}": getattr(graded, name) for name in ("precision", "recall", "auroc")}
        if self.interchange:
            found |= {"interchange: accuracy": self.interchange.accuracy, "interchange: where it changes": self.interchange.changed}
        return {name: number for name, number in found.items() if number is not None}


@dataclass(frozen=True, eq=False, repr=False)
class Scored(Tabled):
    """The scores of a method on the models of a suite, and their means over the models that have them."""

    method: str
    graph: str
    suite: int
    models: dict[str, Score]

    def __repr__(self) -> str:
        return f"<Scored {self.method or 'predictions'}: {len(self.models)} of {self.suite} models>"

    @property
    def means(self) -> dict[str, tuple[float, int]]:
        """Each number's mean over the models that have it, and how many those are."""
        found: dict[str, list[float]] = {}
        for score in self.models.values():
            for name, number in score.numbers().items():
                found.setdefault(name, []).append(number)
        return {name: (float(np.mean(numbers)), len(numbers)) for name, numbers in found.items()}

    def as_dict(self) -> dict[str, object]:
        """The scores as JSON-ready values."""
        means = {name: {"mean": mean, "models": n} for name, (mean, n) in self.means.items()}
        models = {i: asdict(score) for i, score in self.models.items()}
        return {"method": self.method, "graph": self.graph, "suite": self.suite, "means": means, "models": models}

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """A mean a row."""
        rows = [(name, f"{mean:.3f} over {n:,} model{'s' * (n != 1)}") for name, (mean, n) in self.means.items()]
        return f"{self.method or 'predictions'} on {len(self.models):,} of {self.suite:,} models ({self.graph})", rows

    def __str__(self) -> str:
        title, rows = self.table()
        width = max((len(name) for name, _ in rows), default=0)
        return "\n".join([title, *(f"  {name.ljust(width)}  {said}" for name, said in rows)])


@public
def score_suite(said: str | Path | Mapping[str, object], suite: str | Path, *, key: str | Path | None = None) -> Scored:
    """Score predictions, a file or its content, against a suite; of a disguised one with its key. `docs/suite.md` has the schema.

    Raises InputError for predictions that are not as the schema says, for models, edges, nodes, values and places that there are not,
    for a directory that is no suite, and for a key that is not its own.
    """
    given = predictions(said) if isinstance(said, Mapping) else read_predictions(said)
    root = Path(suite)
    index = _json(root / INDEX)
    if index.get("format") != FORMAT:
        raise InputError(f"{root} is no suite", hint="give a directory that `headwork suite build` wrote")
    ids = {cast(str, m["id"]) for m in cast("list[dict[str, Json]]", index["models"])}
    for unknown in sorted(given.models.keys() - ids):
        raise InputError(f"the suite has no model {unknown!r}", hint=f"its models are {min(ids)} to {max(ids)}")
    circuits = _circuits(root, given, bool(cast("dict[str, Json]", index["options"])["disguise"]), key)
    found = {i: _score(root / "models" / i, i, said, given, circuits[i]) for i, said in sorted(given.models.items())}
    return Scored(given.method, given.graph, len(ids), found)


def _json(path: Path) -> dict[str, Json]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="give a directory that `headwork suite build` wrote") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no object", hint="build the suite again")
    return content


def _circuits(root: Path, given: Predictions, disguised: bool, key: str | Path | None) -> dict[str, dict[str, Json]]:
    """The truth on each model that something is said of."""
    if disguised != (key is not None):
        fact = "the suite is disguised" if disguised else "the suite is not disguised"
        raise InputError(fact, hint="give the key that was built with it" if disguised else "leave the key out")
    if key is None:
        whole = {i: _json(root / "models" / i / CIRCUIT) for i in given.models}
    else:
        content = _json(Path(key))
        entries = content.get("models")
        if content.get("format") != KEYS or not isinstance(entries, dict) or not given.models.keys() <= entries.keys():
            raise InputError(f"{key} is not the key of this suite", hint="give the file that was built with it")
        whole = {i: cast("dict[str, Json]", cast("dict[str, Json]", entries[i])["circuit"]) for i in given.models}
    for i, circuit in whole.items():
        if not circuit.get(given.graph):
            raise InputError(f"model {i} has no {given.graph} checkpoint", hint="predict models whose model.json says gpt2.held")
    return {i: cast("dict[str, Json]", circuit[given.graph]) for i, circuit in whole.items()}


def _score(place: Path, number: str, said: Said, given: Predictions, truth: dict[str, Json]) -> Score:
    edges, nodes = verdicts(truth, "edges", given.names), verdicts(truth, "nodes")
    graded: dict[str, Graded | None] = {}
    for what, scores, known in (("edge", said.edges, edges), ("node", said.nodes, nodes)):
        if scores is not None:
            for name in scores.keys() - known.keys():
                raise InputError(f"model {number} has no {what} {name!r}", hint=f"its {what}s are {', '.join(list(known)[:6])}, …")
        graded[what] = None if scores is None else grade(scores, known, given.threshold)
    swapped = None
    if said.values:
        if given.graph != "native":
            raise InputError("values are scored in the native graph", hint='leave "values" out, or predict "graph": "native"')
        swapped = _swapped(place, number, said.values)
    return Score(graded["edge"], graded["node"], swapped)


def grade(scores: Scores, truth: Mapping[str, Verdict], threshold: float = 0.0) -> Graded:
    """Precision, recall and AUROC of scores against verdicts."""
    counts = {verdict: sum(v == verdict for v in truth.values()) for verdict in ("necessary", "irrelevant", "undecided")}
    said = [name for name, score in scores.items() if score > threshold and truth[name] != "undecided"]
    right = sum(truth[name] == "necessary" for name in said)
    precision = right / len(said) if said else None
    recall = right / counts["necessary"] if counts["necessary"] else None
    return Graded(counts["necessary"], counts["irrelevant"], counts["undecided"], len(scores), precision, recall, area(scores, truth))


def _swapped(place: Path, number: str, values: Mapping[str, list[Location]]) -> Swapped:
    """Run the model with each value's places taken from another row, and compare with what is right then."""
    module, content = load_module(place), _json(place / SAMPLES)
    rows = cast("list[dict[str, Json]]", content["rows"])
    known = {
        cast(str, x["value"]): cast("list[dict[str, Json]]", x["swaps"]) for x in cast("list[dict[str, Json]]", content["interchanges"])
    }
    right = total = moved = moved_right = 0
    for name, places in values.items():
        if name not in known:
            raise InputError(f"model {number} has no interchanges of {name!r}", hint=f"it has them of {', '.join(known) or 'no value'}")
        swaps = known[name]
        base, source = (torch.tensor([rows[cast(int, s[end])]["ids"] for s in swaps]) for end in ("base", "source"))
        wanted = torch.tensor([s["classes"] for s in swaps])  # (B, n, outputs)
        found = interchanged(module, base, source, places, f"model {number}: {name}")
        before = torch.tensor([rows[cast(int, s["base"])]["classes"] for s in swaps])
        same, changes = (found == wanted).all(-1), (wanted != before).any(-1)  # (B, n)
        right, total = right + int(same.sum()), total + same.numel()
        moved, moved_right = moved + int(changes.sum()), moved_right + int((same & changes).sum())
    return Swapped(len(values), right / total, moved_right / moved if moved else None)


@torch.no_grad()
def interchanged(module: Transformer, base: Tensor, source: Tensor, places: Sequence[Location], where: str) -> Tensor:
    """The classes that a module says on `base` where what lies in places is that of `source`. Shapes: (B, n) each -> (B, n, outputs).

    Raises InputError for places that the module does not have.
    """
    points = [_point(module, place, where) for place in places]
    _, kept = module.run_with_cache(source, [name for name, *_ in points])
    hooks: list[tuple[str, Hook]] = [(name, _exchange(kept[name], what)) for name, what in points]
    logits = module.run_with_hooks(base, hooks)
    return torch.stack([part.argmax(-1) for part in module.split(logits)], dim=-1)


def _exchange(other: Tensor, what: What) -> Hook:
    """A hook that takes what there is of another run: all of it, a head's part, dimensions, or what lies in the span of a basis."""

    def change(x: Tensor, *, hook: HookPoint) -> Tensor:
        if what is None:
            return other
        if isinstance(what, Tensor):
            return x + ((other - x).double() @ what.T @ what).to(x)
        x, index = x.clone(), (slice(None), slice(None), what)
        x[index] = other[index]
        return x

    return change


def _point(module: Transformer, place: Location, where: str) -> tuple[str, What]:
    """The hook point of a place, and what is taken there."""
    shape = module.shape
    if "node" in place:
        points = _nodes(module)
        if place["node"] not in points:
            raise InputError(f"{where}: there is no node {place['node']!r}", hint=f"nodes are {', '.join(points)}")
        return points[cast(str, place["node"])]
    block = cast(int, place["block"])
    if not 0 <= block <= len(shape.blocks):
        raise InputError(f"{where}: there is no block {block}", hint=f"blocks are 0..{len(shape.blocks)}, 0 the embedding")
    name = "blocks.0.hook_resid_pre" if block == 0 else f"blocks.{block - 1}.hook_resid_post"
    if "dims" in place:
        dims = cast("list[int]", place["dims"])
        if not all(0 <= d < shape.d_model for d in dims):
            raise InputError(f"{where}: dimensions are 0..{shape.d_model - 1}", hint=f"it was given {dims}")
        return name, dims
    rows = cast("list[list[float]]", place["basis"])
    if any(len(row) != shape.d_model for row in rows):
        raise InputError(f"{where}: a row of the basis has not {shape.d_model} numbers", hint="give vectors of the stream")
    u, s, _ = torch.linalg.svd(torch.tensor(rows, dtype=torch.float64).T, full_matrices=False)
    return name, u[:, s > 1e-9 * s.max()].T  # (k, d_model), orthonormal


def _nodes(module: Transformer) -> dict[str, tuple[str, What]]:
    """The hook point of what each node adds, by EAP's name, and which part of it."""
    found: dict[str, tuple[str, What]] = {}
    layer, begun = -1, False  # as layers_of counts them: an attention block begins one, the MLP after it belongs to it
    for b, shape in enumerate(module.shape.blocks):
        if isinstance(shape, AttentionShape):
            layer, begun = layer + 1, True
            found |= {f"a{layer}.h{h}": (f"blocks.{b}.attn.hook_result", [h]) for h in range(len(shape.masks))}
        else:
            layer, begun = layer + (not begun), False
            found[f"m{layer}"] = (f"blocks.{b}.hook_mlp_out", None)
    return found
