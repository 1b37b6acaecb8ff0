"""Faults in random programs, protocols, or logarithms of counts: certified, then damaged; the verdict against all inputs.

A damaged model that is accepted must be right on every input. Where `mutants.py` damages a few programs often, this damages many.
Run: python benchmarks/faults.py [--kind programs|protocols|logarithms] [--count 20000] [--faults 10] [--seed 0]
     [--minutes 10] [--progress FILE] [--write]
"""

from __future__ import annotations

import random
import sys

import torch
from fuzz import CODES
from record import begun, numbers, options, record

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
    parser = options(__doc__, 20000)
    parser.add_argument("--kind", choices=KINDS, default="programs", help="what is damaged")
    parser.add_argument("--faults", type=int, default=10, help="for each program")
    given = parser.parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    for number in numbers(progress, given):
        rng = random.Random(f"{given.seed}:{number}")
        if (model := KINDS[given.kind](rng)) is None:
            continue
        for _ in range(given.faults):
            kind = rng.choice(list(mutate.KINDS))
            fault = mutate.KINDS[kind](model, rng)
            verdict = mutate.verdict(model, fault)
            progress.add(kind, verdict)
            if verdict == "wrong":
                progress.fault(f"wrong: {fault.what} {given.seed}:{number}\n{model.stage('graph')}")
    lines = [f"{progress.said(f'faults, {given.faults} in each of the certified {given.kind}')}.", ""]
    lines += ["| fault | refused | accepted, equal on every input | accepted, wrong |", "| --- | ---: | ---: | ---: |"]
    for kind in mutate.KINDS:
        counts = [progress.of(kind, verdict) for verdict in ("refused", "equal", "wrong")]
        lines.append(f"| {kind} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    print("\n".join(lines))
    if given.write:
        record({"protocols": "protocol-faults", "logarithms": "log-faults"}.get(given.kind, "faults"), "\n".join(lines))
    return int(progress.of("*", "wrong") > 0)


if __name__ == "__main__":
    sys.exit(main())
