"""Three discovery methods against the verdicts on every edge, on library programs in both styles: AUROC.

Run: python benchmarks/discovery.py [--seed 0] [--write]
"""

from __future__ import annotations

import argparse
from datetime import date

import torch
from record import record

import headwork as hw

METHODS = ("patch", "eap", "eap-ig")
PROGRAMS = [
    ("previous", {}, 5, 3), ("induction", {}, 5, 3), ("khop", {"k": 2}, 5, 2), ("khop", {"k": 3}, 5, 2), ("histogram", {}, 4, 3),
    ("reverse", {}, 4, 3), ("sort", {}, 4, 3), ("most_frequent", {}, 4, 3), ("parity", {}, 5, ["0", "1"]), ("bigram", {}, 5, 3),
]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the table into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f"Resampling ablation, 64 pairs of inputs, seed {options.seed}, {date.today()}.", ""]
    lines += ["| program | style | edges: necessary | irrelevant | undecided | patch | eap | eap-ig |", f"|{' --- |' * 2}{' ---: |' * 6}"]
    for name, settings, length, alphabet in PROGRAMS:
        for style in ("compact", "natural"):
            try:
                model = hw.compile(hw.programs.get(name, **settings), length=length, alphabet=alphabet, style=style)
                edges = hw.tool_edges(model, "resample", inputs=256, pairs=1 << 13)
                scores = [f"{hw.auroc(hw.edge_scores(model, method, seed=options.seed), edges):.3f}" for method in METHODS]  # type: ignore[arg-type]
            except hw.HeadworkError as error:
                lines.append(f"| {name} | {style} | {str(error).splitlines()[0]} | | | | | |")
                continue
            verdicts = list(edges.names("eap").values())
            counts = [f"{verdicts.count(v)}" for v in ("necessary", "irrelevant", "undecided")]
            lines.append(f"| {model.name} | {style} | {' | '.join([*counts, *scores])} |")
            print(lines[-1], flush=True)
    text = "\n".join(lines)
    print(text)
    if options.write:
        record("discovery", text)


if __name__ == "__main__":
    main()
