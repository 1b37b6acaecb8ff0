"""Random programs over the whole language: compiled, certified, and checked on every input of a small size.

A certified model must pass the check. Refused ones are counted by reason; a model is never called certified without a proof.
Run: python benchmarks/fuzz.py [--count 2000] [--seed 0] [--minutes 10] [--progress FILE] [--write]
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter

import torch
from record import begun, numbers, options, record

import headwork as hw
from headwork.tests import generate

CODES = ("auto", "scalar", "digits:2", "digits:3", "binary", "onehot")


def reason(refusal: hw.HeadworkError) -> str:
    """A refusal without its names and numbers."""
    fact = re.sub(r"^block \d+[^:]*?(?=: | depends| reads| multiplies| has )", "a head or value", refusal.fact)
    return re.sub(r"\d[\d,.]*", "…", fact).replace("|", "/")[:110]


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
    given = options(__doc__).parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    for number in numbers(progress, given):
        progress.add(*one(random.Random(f"{given.seed}:{number}")))
    outcomes, reasons = Counter[str](), Counter[str]()
    for key, count in progress.counts.items():
        outcome, _, why = key.partition("|")
        outcomes[outcome] += count
        if why:
            reasons[f"{outcome}: {why}"] += count
    lines = [f"{progress.said('programs, every input of length 1..5 over 1..3 symbols')}.", ""]
    lines += ["| outcome | programs |", "| --- | ---: |", *(f"| {what} | {number:,} |" for what, number in outcomes.most_common())]
    if reasons:
        often = [(why, number) for why, number in reasons.most_common() if number >= progress.total // 4000]
        lines += ["", "| reason | programs |", "| --- | ---: |", *(f"| {why} | {number:,} |" for why, number in often)]
        lines += [f"| {len(reasons) - len(often)} other reasons | {sum(reasons.values()) - sum(n for _, n in often):,} |"]
    print("\n".join(lines))
    if given.write:
        record("fuzz", "\n".join(lines))
    return int(outcomes["certified, and wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
