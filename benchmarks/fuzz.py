"""Random programs over the whole language: compiled, certified, and checked on every input of a small size.

A certified model must pass the check. Refused ones are counted by reason; a model is never called certified without a proof.
Run: python benchmarks/fuzz.py [--count 2000] [--seed 0] [--write]
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from datetime import date

import torch
from record import record

import headwork as hw
from headwork.tests import generate

CODES = ("auto", "scalar", "digits:2", "digits:3", "binary", "onehot")


def reason(refusal: hw.HeadworkError) -> str:
    """A refusal without its names and numbers."""
    fact = re.sub(r"^block \d+[^:]*?(?=: | depends| reads| multiplies| has )", "a head or value", refusal.fact)
    return re.sub(r"\d[\d,.]*", "…", fact)[:110]


def one(rng: random.Random) -> tuple[str, str]:
    """A random program at random sizes: its outcome and, where there is one, the reason or the failure."""
    numbers = [rng.randrange(1000) for _ in range(rng.randrange(61))]
    options = {"length": rng.randint(1, 5), "alphabet": rng.randint(1, 3), "code": rng.choice(CODES)}
    options |= {"dtype": rng.choice(("float32", "float64")), "heads": rng.choice((None, 1, 2))}
    program = generate.program(numbers, rng.random() < 0.5, most=3)
    try:
        model = hw.compile(program, **options)
    except hw.ExactnessError as error:
        return "not compiled", reason(error)
    report = hw.check(model, exhaustive=model.length, samples=8, seed=rng.randrange(1000))
    try:
        hw.certify(model, witness=False)
    except hw.Refused as refusal:
        return ("refused" if report.ok else "refused, and wrong"), reason(refusal)
    return ("certified" if report.ok else "certified, and wrong"), "" if report.ok else f"{numbers} {options}"


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a certified model was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, outcomes, reasons, start = random.Random(options.seed), Counter[str](), Counter[str](), time.perf_counter()
    for _ in range(options.count):
        outcome, why = one(rng)
        outcomes[outcome] += 1
        if why:
            reasons[f"{outcome}: {why}"] += 1
    sizes = "every input of length 1..5 over 1..3 symbols"
    lines = [f"{options.count:,} programs, {sizes}, seed {options.seed}, {date.today()}, {time.perf_counter() - start:.0f} s.", ""]
    lines += ["| outcome | programs |", "| --- | ---: |", *(f"| {what} | {number:,} |" for what, number in outcomes.most_common())]
    if reasons:
        often = [(why, number) for why, number in reasons.most_common() if number >= options.count // 4000]
        lines += ["", "| reason | programs |", "| --- | ---: |", *(f"| {why} | {number:,} |" for why, number in often)]
        lines += [f"| {len(reasons) - len(often)} other reasons | {sum(reasons.values()) - sum(n for _, n in often):,} |"]
    print("\n".join(lines))
    if options.write:
        record("fuzz", "\n".join(lines))
    return int(outcomes["certified, and wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
