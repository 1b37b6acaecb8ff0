"""Mutants: faults in every program, the certificate's verdict against all inputs.

A mutant that is accepted must change no value on any input; the sizes are small enough to run all of them.
Run: python benchmarks/mutants.py [--count 2000] [--seed 0] [--programs induction,khop] [--write]
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from datetime import date

import torch
from record import record

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


def campaign(model: hw.Model, kind: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """The verdicts on `count` mutants of a kind, and what was done to the accepted ones that are wrong."""
    rng, verdicts, wrong = random.Random(f"{seed}{kind}"), Counter[str](), list[str]()
    for _ in range(count):
        fault = mutate.KINDS[kind](model, rng)
        verdict = mutate.verdict(model, fault)
        verdicts[verdict] += 1
        if verdict == "wrong":
            wrong.append(fault.what)
    return verdicts, wrong


def main() -> int:
    """Run the campaigns and print a table; exit code 1 if a wrong mutant was accepted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000, help="single-weight mutants a program; a fifth of it of each other kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--programs", default=",".join(SIZES))
    parser.add_argument("--write", action="store_true", help="put the table into docs/campaigns.md")
    parser.add_argument("--section", default="mutants", help="the place for it there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = ["program", "length", "symbols", "fault", "mutants", "refused", "accepted, equal on every input", "accepted, wrong"]
    lines = [f"Seed {options.seed}, {date.today()}.", "", "| " + " | ".join(columns) + " |", "| --- | ---: | ---: | --- |" + " ---: |" * 4]
    print("\n".join(lines), flush=True)
    failed = False
    for name in options.programs.split(","):
        model = hw.compile(hw.programs.get(name, **PARAMETERS.get(name, {})), **SIZES[name])
        hw.certify(model, witness=False)
        for kind in mutate.KINDS:
            count = options.count if kind == "one weight" else options.count // 5
            found, wrong = campaign(model, kind, count, options.seed)
            row = (name, model.length, len(model.alphabet), kind, count, found["refused"], found["equal"], found["wrong"])
            lines += ["| " + " | ".join(f"{x:,}" if isinstance(x, int) else x for x in row) + " |", *(f"wrong: {text}" for text in wrong)]
            print("\n".join(lines[-1 - len(wrong) :]), flush=True)
            failed |= bool(wrong)
    if options.write:
        record(options.section, "\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
