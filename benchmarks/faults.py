"""Faults in random programs, protocols, or logarithms of counts: certified, then damaged; the verdict against all inputs.

A damaged model that is accepted must be right on every input. Where `mutants.py` damages a few programs often, this damages many.
Run: python benchmarks/faults.py [--kind programs|protocols|logarithms] [--programs 2000] [--faults 10] [--seed 0] [--write]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from datetime import date

import torch
from fuzz import CODES
from record import record

import headwork as hw
from headwork.compiler.pipeline import lower
from headwork.runtime.model import model_of
from headwork.tests import generate, generate_protocols, mutate


def program(rng: random.Random) -> hw.Model | None:
    """A random program, compiled and certified; None where it is not."""
    numbers = [rng.randrange(1000) for _ in range(rng.randrange(31))]
    options = {"length": rng.randint(2, 4), "alphabet": rng.randint(2, 3), "code": rng.choice(CODES), "heads": rng.choice((None, None, 2))}
    try:
        model = hw.compile(generate.program(numbers, rng.random() < 0.5, most=3), **options)
        hw.certify(model, witness=False)
    except hw.HeadworkError:
        return None
    return model if model.module.blocks else None


def protocol(rng: random.Random) -> hw.Model | None:
    """A random protocol of one or two machines, which have few enough inputs, compiled and certified; None where it is not."""
    try:
        model = hw.compile(generate_protocols.random_protocol(rng.randrange(1 << 30)), length=rng.randint(1, 2))
        hw.certify(model, witness=False)
    except hw.HeadworkError:
        return None
    return model if model.module.blocks else None


def logarithms(rng: random.Random) -> hw.Model | None:
    """Counts of what followed, their logits logarithms of 10 to 13 bits, certified."""
    options = {"length": rng.randint(2, 5), "alphabet": 2, "dtype": rng.choice(("float32", "float64"))}
    counts = hw.compile(hw.programs.get("ngram_counts", n=rng.randint(1, 2)), **options)
    model = model_of(lower(counts.graph, counts.dtype, logs=rng.randint(10, 13)))
    assert hw.certify(model).logs
    return model


KINDS = {"programs": program, "protocols": protocol, "logarithms": logarithms}


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a damaged model was accepted and wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--kind", choices=KINDS, default="programs", help="what is damaged")
    parser.add_argument("--faults", type=int, default=10, help="for each program")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, start = random.Random(options.seed), time.perf_counter()
    verdicts: dict[str, Counter[str]] = {kind: Counter() for kind in mutate.KINDS}
    damaged = 0
    while damaged < options.programs:
        model = KINDS[options.kind](rng)
        if model is None:
            continue
        damaged += 1
        for _ in range(options.faults):
            kind = rng.choice(list(mutate.KINDS))
            fault = mutate.KINDS[kind](model, rng)
            verdict = mutate.verdict(model, fault)
            verdicts[kind][verdict] += 1
            if verdict == "wrong":
                print(f"wrong: {fault.what}\n{model.stage('graph')}", file=sys.stderr)
    lines = [f"{damaged:,} certified {options.kind}, {options.faults} faults each, seed {options.seed}, {date.today()}, "]
    lines[0] += f"{time.perf_counter() - start:.0f} s."
    lines += ["", "| fault | refused | accepted, equal on every input | accepted, wrong |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {kind} | {n['refused']:,} | {n['equal']:,} | {n['wrong']:,} |" for kind, n in verdicts.items()]
    print("\n".join(lines))
    if options.write:
        record({"protocols": "protocol-faults", "logarithms": "log-faults"}.get(options.kind, "faults"), "\n".join(lines))
    return int(any(n["wrong"] for n in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main())
