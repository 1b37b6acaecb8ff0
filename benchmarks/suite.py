"""The suite at full size, and three discovery methods on twenty of its models in both styles.

What is in it, and how long it takes: python benchmarks/suite.py [--models 250] [--style compact] [--seed 0] [--workers 1] [--write]
Precision, recall and AUROC of three methods: python benchmarks/suite.py --discovery [--models 20] [--seed 0] [--write]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import torch
from record import record

import headwork as hw

METHODS = ("patch", "eap", "eap-ig")
STYLES = ("compact", "natural")


def full(models: int, style: str, seed: int, workers: int) -> str:
    """Build a suite: its counts, sizes and time."""
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter(), _cpu()
        hw.build_suite(Path(folder) / "suite", models, seed=seed, style=style, workers=workers)
        counts = _counts(Path(folder) / "suite", time.perf_counter() - start, _cpu() - used)
    lines = [f"{models:,} models, {style}, seed {seed}, {workers} process{'es' * (workers > 1)}, {date.today()}.", ""]
    return "\n".join([*lines, "| what | |", "| --- | ---: |", *(f"| {name} | {said} |" for name, said in counts.items())])


def _cpu() -> float:
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _counts(root: Path, wall: float, cpu: float) -> dict[str, str]:
    index = json.loads((root / "index.json").read_text(encoding="utf-8"))["models"]
    verdicts: dict[str, Counter[str]] = {"native": Counter(), "gpt2": Counter()}
    sizes, weights, rows = [], set(), 0
    for m in index:
        place = root / "models" / m["id"]
        circuit = json.loads((place / "circuit.json").read_text(encoding="utf-8"))
        for graph, counts in verdicts.items():
            counts.update(e["verdict"] for e in (circuit[graph] or {"edges": []})["edges"])
        sizes.append(sum(f.stat().st_size for f in place.rglob("*") if f.is_file()))
        weights.add((place / "model.safetensors").read_bytes())
        rows += len(json.loads((place / "samples.json").read_text(encoding="utf-8"))["rows"])
    layers = sorted(m["attention_layers"] for m in index)
    own = [m["entry"] for m in index if m["entry"]]
    return {
        "of the library, different programs of it": f"{len(own):,}, {len(set(own))}",
        "different weights": f"{len(weights):,}",
        "with a certificate": f"{sum(m['certificate']['proved'] for m in index):,}",
        "with a GPT-2 checkpoint": f"{sum(m['gpt2']['held'] for m in index):,}",
        "attention layers: least, median, most": f"{layers[0]}, {layers[len(layers) // 2]}, {layers[-1]}",
        "edges of native graphs: necessary, irrelevant, undecided": _three(verdicts["native"]),
        "edges of GPT-2 graphs": _three(verdicts["gpt2"]),
        "rows with answers": f"{rows:,}",
        "MB in all; kB of the greatest model": f"{sum(sizes) / 1e6:.0f}; {max(sizes) / 1e3:.0f}",
        "seconds, CPU seconds": f"{wall:.0f}, {cpu:.0f}",
    }


def _three(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[v]:,}" for v in ("necessary", "irrelevant", "undecided"))


def discovery(models: int, seed: int) -> str:
    """Three methods on suite models, scored as anybody's predictions are."""
    lines = [f"{models} models in each style, seed {seed}, 64 pairs of inputs, resampling ablation, {date.today()}.", ""]
    lines += ["| style | method | AUROC of edges | least | models | AUROC of nodes |", f"|{' --- |' * 2}{' ---: |' * 4}"]
    for style in STYLES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "suite"
            hw.build_suite(root, models, seed=seed, style=style)
            loaded = {place.name: hw.load(place) for place in sorted((root / "models").iterdir())}
            for method in METHODS:
                said: dict[str, Any] = {}
                for name, model in loaded.items():
                    edges = hw.edge_scores(model, method, seed=seed)  # type: ignore[arg-type]
                    said[name] = {"edges": edges, "nodes": _nodes(edges)}
                given = {"format": "headwork-predictions", "version": 1, "method": method, "models": said}
                found = hw.score_suite(given, root)
                areas = [s.edges.auroc for s in found.models.values() if s.edges and s.edges.auroc is not None]
                nodes = found.means.get("nodes: auroc")
                of_nodes = f"{nodes[0]:.3f} ({nodes[1]} models)" if nodes else "–"
                lines.append(f"| {style} | {method} | {sum(areas) / len(areas):.3f} | {min(areas):.3f} | {len(areas)} | {of_nodes} |")
                print(lines[-1], flush=True)
    return "\n".join(lines)


def _nodes(edges: dict[str, float]) -> dict[str, float]:
    """A node's score is its greatest edge's."""
    found: dict[str, float] = {}
    for name, score in edges.items():
        for end in name.partition("<")[0].split("->"):
            if end not in ("input", "logits"):
                found[end] = max(found.get(end, 0.0), score)
    return found


def main() -> None:
    """Run one of the two parts and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--discovery", action="store_true")
    parser.add_argument("--models", type=int)
    parser.add_argument("--style", choices=STYLES, default="compact")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put it into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.discovery:
        text = discovery(options.models or 20, options.seed)
    else:
        text = full(options.models or 250, options.style, options.seed, options.workers)
    print(text)
    if options.write:
        record("suite-discovery" if options.discovery else f"suite-{options.style}", text)


if __name__ == "__main__":
    main()
