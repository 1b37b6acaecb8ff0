"""Attacks on what a liar controls: hints, pairs of graphs, tensors in concert with hints. `tests/attack.py` has the grammar.

Half of the models are proved by rule SQUARE wherever it applies, as lookups of many cases are. What the checker accepts is judged on
every input, in torch, with small numbers flushed to zero, and by sums in adverse orders.
Run: python benchmarks/attacks.py [--count 2000] [--seed 0] [--minutes 60] [--progress FILE] [--write]
"""

from __future__ import annotations

import argparse
import random
import sys

import torch
from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork.kernel.heads import MAX_PAIRS
from headwork.prover import blocks
from headwork.tests import attack, generate, judge

SIZES: dict[str, dict[str, object]] = {
    "previous": {"length": 4, "alphabet": 2},
    "induction": {"length": 4, "alphabet": 2},
    "khop": {"length": 4, "alphabet": 2},
    "histogram": {"length": 4, "alphabet": 2},
    "sort": {"length": 3, "alphabet": 3},
    "reverse": {"length": 4, "alphabet": 2},
    "most_frequent": {"length": 4},
    "parity": {"length": 4},
    "dyck1": {"length": 4},
    "bigram": {"length": 3, "alphabet": 3},
}
PARAMETERS: dict[str, dict[str, object]] = {"khop": {"k": 2}}
FAMILIES = (*attack.FAMILIES, "mixed")
USES = 40  # attacks on one model


def certified(model: hw.Model) -> object:
    """The certificate, without looking for an input that shows a refused model wrong: that is the judge's part."""
    return hw.certify(model, witness=False)


def subject(rng: random.Random) -> tuple[hw.Model, str] | None:
    """A library program or a random one, in some code, and a family of attacks for it; None where it is not certified as it is."""
    given: dict[str, object] = {"code": rng.choice(("auto", "auto", "scalar", "digits:2", "binary", "onehot"))}
    given |= {"dtype": rng.choice(("float32", "float32", "float64"))}
    family = rng.choice(FAMILIES)
    if rng.random() < (0.8 if family == "graphs" else 0.3):
        drawn = [rng.randrange(1000) for _ in range(rng.randrange(4, 40))]
        program = generate.program(drawn, rng.random() < 0.5, most=2)
        given |= {"length": rng.randint(2, 4), "alphabet": rng.randint(2, 3)}
    else:
        name = rng.choice(list(SIZES))
        program = hw.programs.get(name, **PARAMETERS.get(name, {}))
        given |= SIZES[name]
    blocks.MAX_PAIRS = rng.choice((MAX_PAIRS, MAX_PAIRS, 12, 0))
    try:
        model = hw.compile(program, **given)  # type: ignore[arg-type]
        certified(model)
    except hw.HeadworkError:
        return None
    return model, family


def campaign(progress: Progress, given: argparse.Namespace, certify: judge.Certify = certified) -> None:
    """Verdicts on attacks by (family, verdict), and what was done in those that crashed or were accepted though wrong."""
    for number in numbers(progress, given):
        found = subject(random.Random(f"{given.seed}:{number}"))
        if found is None:
            continue
        model, family = found
        memory = judge.Memory(model)
        for use in range(USES):
            made = attack.attack(model, family, random.Random(f"{given.seed}:{number}:{use}"))
            if made is None:
                continue
            verdict = judge.verdict(made[1], certify, memory)
            progress.add(family, verdict.split(":")[0])
            if verdict.startswith(("crashed", "wrong")):
                progress.fault(f"{verdict}; {model.name} {given.seed}:{number}:{use}, {family}: {made[0]}")


def table(progress: Progress) -> list[str]:
    """Verdicts as a table, a family a line."""
    verdicts = ("refused", "right", "wrong", "crashed")
    lines = [
        "| family | attacks | refused | accepted, right | accepted, wrong | no verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for family in (*FAMILIES, "all"):
        counts = [progress.of("*" if family == "all" else family, verdict) for verdict in verdicts]
        lines.append(f"| {family} | {sum(counts):,} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    return lines


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a wrong model was accepted."""
    given = options(__doc__).parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    campaign(progress, given)
    head = progress.said("attacks, every input of length 1..2 to 1..4 over 2 or 3 symbols")
    lines = [f"{head}.", "", *table(progress), *("" if not progress.faults else f"- {f}" for f in progress.faults)]
    print("\n".join(lines))
    if given.write:
        record("attacks", "\n".join(lines))
    return int(progress.of("*", "wrong") > 0)


if __name__ == "__main__":
    sys.exit(main())
