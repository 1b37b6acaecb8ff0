"""Mutants: faults in every program, the certificate's verdict against all inputs.

A mutant that is accepted must change no value on any input; the sizes are small enough to run all of them.
Run: python benchmarks/mutants.py [--count 2000] [--seed 0] [--programs induction,khop]
     [--minutes 10] [--progress FILE] [--write]
"""

from __future__ import annotations

import argparse
import math
import random
import sys

import torch
from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork.tests import mutate

SIZES: dict[str, dict[str, object]] = {
    "previous": {"length": 5, "alphabet": 3},
    "induction": {"length": 5, "alphabet": 3},
    "khop": {"length": 5, "alphabet": 3},
    "skip_trigram": {"length": 3},
    "recall": {"length": 3},
    "compose": {"length": 2},
    "ioi": {"length": 5, "alphabet": ["Mary", "John", "gave"]},
    "histogram": {"length": 5, "alphabet": 3},
    "sort": {"length": 4, "alphabet": 3},
    "reverse": {"length": 5, "alphabet": 3},
    "most_frequent": {"length": 5},
    "parity": {"length": 7},
    "dyck1": {"length": 7},
    "bigram": {"length": 4, "alphabet": 3},
    "associative_memory": {"length": 4},
}
PARAMETERS: dict[str, dict[str, object]] = {"khop": {"k": 3}, "ioi": {"names": ("Mary", "John")}, "associative_memory": {"bits": 2}}


def campaign(progress: Progress, given: argparse.Namespace) -> None:
    """Mutants of each program and kind in turn: those that are refused, equal, or accepted and wrong."""
    wanted = [(name, kind) for name in given.programs.split(",") for kind in mutate.KINDS]
    given.each, given.count = given.count, math.inf
    for number in numbers(progress, given):
        if number == len(wanted):
            break
        name, kind = wanted[number]
        model, rng = compiled(name), random.Random(f"{given.seed}{kind}")
        hw.certify(model, witness=False)
        for _ in range(given.each if kind == "one weight" else given.each // 5):
            fault = mutate.KINDS[kind](model, rng)
            verdict = mutate.verdict(model, fault)
            progress.add(name, kind, verdict)
            if verdict == "wrong":
                progress.fault(f"wrong: {name}, {fault.what}")


def compiled(name: str) -> hw.Model:
    """A program at the size where every input can be run."""
    return hw.compile(hw.programs.get(name, **PARAMETERS.get(name, {})), **SIZES[name])


def main() -> int:
    """Run the campaigns and print a table; exit code 1 if a wrong mutant was accepted."""
    parser = options(__doc__)
    parser.add_argument(
        "--programs", default=",".join(SIZES), help="`--count` mutants of one weight for each, a fifth of it of other kinds"
    )
    parser.add_argument("--section", default="mutants", help="the place for the table in docs/campaigns.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    campaign(progress, given)
    columns = ["program", "length", "symbols", "fault", "mutants", "refused", "accepted, equal on every input", "accepted, wrong"]
    lines = [f"{progress.said('mutants')}.", "", "| " + " | ".join(columns) + " |", "| --- | ---: | ---: | --- |" + " ---: |" * 4]
    for name in given.programs.split(","):
        model = compiled(name)
        for kind in mutate.KINDS:
            counts = [progress.of(name, kind, verdict) for verdict in ("*", "refused", "equal", "wrong")]
            if counts[0]:
                row = (name, str(model.length), str(len(model.alphabet)), kind, *(f"{count:,}" for count in counts))
                lines.append("| " + " | ".join(row) + " |")
    print("\n".join([*lines, *progress.faults]))
    if given.write:
        record(given.section, "\n".join(lines))
    return int(bool(progress.faults))


if __name__ == "__main__":
    sys.exit(main())
