"""Attacks on what a liar controls: hints, pairs of graphs, tensors in concert with hints. `tests/attack.py` has the grammar.

What the checker accepts is judged on every input, in torch, with small numbers flushed to zero, and by sums in adverse orders.
Run: python benchmarks/attacks.py [--count 2000] [--seed 0] [--minutes 60] [--write]
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date

import torch
from record import record

import headwork as hw
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
USES = 10  # attacks on one model


def certified(model: hw.Model) -> object:
    """The certificate, without looking for an input that shows a refused model wrong: that is the judge's part."""
    return hw.certify(model, witness=False)


def subjects(rng: random.Random) -> Iterator[tuple[hw.Model, str]]:
    """Models without end: library programs and random ones, in several codes, with a family of attacks for each."""
    while True:
        options: dict[str, object] = {"code": rng.choice(("auto", "auto", "scalar", "digits:2", "binary", "onehot"))}
        options |= {"dtype": rng.choice(("float32", "float32", "float64"))}
        family = rng.choice(FAMILIES)
        if rng.random() < (0.8 if family == "graphs" else 0.3):
            numbers = [rng.randrange(1000) for _ in range(rng.randrange(4, 40))]
            program = generate.program(numbers, rng.random() < 0.5, most=2)
            options |= {"length": rng.randint(2, 4), "alphabet": rng.randint(2, 3)}
        else:
            name = rng.choice(list(SIZES))
            program = hw.programs.get(name, **PARAMETERS.get(name, {}))
            options |= SIZES[name]
        try:
            model = hw.compile(program, **options)  # type: ignore[arg-type]
            certified(model)
        except hw.HeadworkError:
            continue
        yield model, family


def campaign(count: int, seed: int, seconds: float, certify: judge.Certify = certified) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Verdicts on `count` attacks by (family, verdict), and what was done in those that crashed or were accepted though wrong."""
    rng, found, faults, start = random.Random(seed), Counter[tuple[str, str]](), list[str](), time.perf_counter()
    for number, (model, family) in enumerate(subjects(rng)):
        for use in range(USES):
            if found.total() >= count or time.perf_counter() - start > seconds:
                return found, faults
            own = random.Random(f"{seed}:{number}:{use}")
            made = attack.attack(model, family, own)
            if made is None:
                continue
            verdict = judge.verdict(made[1], certify)
            found[family, verdict.split(":")[0]] += 1
            if verdict.startswith(("crashed", "wrong")):
                faults.append(f"{verdict}; {model.name} {seed}:{number}:{use}, {family}: {made[0]}")
                print(faults[-1], file=sys.stderr, flush=True)
    raise AssertionError("there are always more subjects")


def table(found: Counter[tuple[str, str]]) -> list[str]:
    """Verdicts as a table, a family a line."""
    verdicts = ("refused", "right", "wrong", "crashed")
    lines = [
        "| family | attacks | refused | accepted, right | accepted, wrong | no verdict |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for family in (*FAMILIES, "all"):
        counts = [sum(n for (f, v), n in found.items() if v == verdict and family in (f, "all")) for verdict in verdicts]
        lines.append(f"| {family} | {sum(counts):,} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    return lines


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a wrong model was accepted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    found, faults = campaign(options.count, options.seed, options.minutes * 60)
    head = f"{found.total():,} attacks, every input of length 1..2 to 1..4 over 2 or 3 symbols, seed {options.seed}, {date.today()}"
    lines = [f"{head}, {time.perf_counter() - start:.0f} s.", "", *table(found), *("" if not faults else f"- {f}" for f in faults)]
    print("\n".join(lines))
    if options.write:
        record("attacks", "\n".join(lines))
    return int(any(verdict == "wrong" for _, verdict in found))


if __name__ == "__main__":
    sys.exit(main())
