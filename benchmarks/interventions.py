"""Random changes inside random programs: the model under a change against its meaning under the same change, at every place.

Every value that the lab says can be set is set sooner or later; a place or an output that differs is a failure.
With --certify each program's interventions are certified first, and only what is certified is set. With --natural the models are of
the natural style, whose values are compared by their nearest codes.
Run: python benchmarks/interventions.py [--count 2000] [--seed 0] [--certify] [--natural] [--write]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from datetime import date

import torch
from record import record

import headwork as hw
from headwork.lab.settable import settable
from headwork.lab.wiring import wiring_of
from headwork.tests import generate
from headwork.tests.change import differences, some_change

CODES = ("auto", "scalar", "digits:2", "digits:3", "binary", "onehot")
CHANGES = 5


def one(rng: random.Random, counts: Counter[str], reasons: Counter[str], certify: bool, natural: bool) -> str:
    """Change a random program a few times; the first difference, or nothing."""
    numbers = [rng.randrange(1000) for _ in range(rng.randrange(61))]
    options = {"length": rng.randint(1, 8), "alphabet": rng.randint(1, 4), "code": rng.choice(CODES)}
    options |= {"dtype": rng.choice(("float32", "float64")), "heads": rng.choice((None, 1, 2))}
    if natural:
        options |= {"style": "natural", "code": "auto"}
    try:
        model = hw.compile(generate.program(numbers, rng.random() < 0.5, most=3), **options)
    except hw.ExactnessError:
        counts["programs not compiled"] += 1
        return ""
    counts["programs"] += 1
    why = settable(wiring_of(model))
    reasons.update("computed anew by a reader" if "computes it anew" in reason else reason or "can be set" for reason in why.values())
    names = set(why)
    if certify:
        certificate = hw.certify_interventions(model)
        names = {i for i, node in enumerate(model.optimised.nodes) if node.name in certificate.together}
        counts["values certified"] += len(certificate.spans)
        counts["programs with all that can be set certified at once"] += len(names) == sum(not reason for reason in why.values())
    for _ in range(CHANGES):
        row = [rng.randrange(len(model.alphabet)) for _ in range(rng.randint(1, model.length))]
        fixed = {node: places for node, places in some_change(model, len(row), rng).items() if node in names}
        counts["changes"] += 1
        counts["values set"] += sum(len(places) for places in fixed.values())
        counts["values compared"] += (len(model.probes) + len(model.output_forms)) * len(row)
        wrong = differences(model, row, fixed)
        if wrong:
            return f"{numbers} {options} {row} {fixed}: {wrong}"
    return ""


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a model differed from its meaning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--certify", action="store_true", help="set only what is certified")
    parser.add_argument("--natural", action="store_true", help="models of the natural style")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, counts, reasons, start = random.Random(options.seed), Counter[str](), Counter[str](), time.perf_counter()
    for _ in range(options.count):
        failure = one(rng, counts, reasons, options.certify, options.natural)
        if failure:
            counts["differences"] += 1
            print(failure)
    lines = [f"Seed {options.seed}, {options.count:,} programs, {date.today()}.", "", "| | |", "| --- | ---: |"]
    told = ["programs", "changes", "values set", "values compared", "differences"]
    told += ["values certified", "programs with all that can be set certified at once"] * options.certify
    lines += [f"| {what} | {counts[what]:,} |" for what in told]
    lines += [f"| values: {why} | {count:,} |" for why, count in reasons.most_common()]
    text = "\n".join(lines)
    print(text)
    print(f"{time.perf_counter() - start:.0f} s")
    if options.write:
        record("interventions" + "-natural" * options.natural + "-certified" * options.certify, text)
    return bool(counts["differences"])


if __name__ == "__main__":
    sys.exit(main())
