"""Random programs in both styles and both dtypes, against the interpreter; and attacks on the natural ones' certificates.

Every natural model that is certified is checked. Of one in four single weights are changed, or written where none was, and all weights
are moved by a noise that is shown harmless: what is certified must answer right.
Run: python benchmarks/natural_random.py [--count 20000] [--seed 0] [--longest 9] [--minutes M] [--progress FILE] [--write]
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from datetime import date

import torch
from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork.certificate.margins import UNITS, shown
from headwork.certificate.robustness import changed
from headwork.compiler.errors import HeadworkError
from headwork.margin.state import Noise
from headwork.tests import generate

EVERY, MUTANTS = 4, 2  # of one certified model in so many so many mutants, and one noise


def reason(refusal: HeadworkError) -> str:
    """A refusal without its names and numbers."""
    fact = re.sub(r"^(not shown: )?block \d+, [^:]*?(?=: | may )", "a head or value", refusal.fact)
    return re.sub(r"\d[\d,.e+-]*", "…", fact).replace("|", "/")[:110]


def right(model: hw.Model, seed: int, inside: bool = False) -> bool:
    """Whether every input of up to three tokens, and some longer ones, are answered as the interpreter does; `inside`, every value too."""
    report = hw.check(model, exhaustive=min(model.length, 3), samples=6, seed=seed)
    return report.ok if inside else not set(report.broken) & set(model.graph.titles())


def mutant(model: hw.Model, rng: random.Random) -> hw.Model:
    """The model with one weight changed, half of the time one that was zero."""
    found = changed(model, lambda t: t)
    tensors = found.module.state_dict()
    t = tensors[rng.choice(list(tensors))]
    some = t.nonzero().tolist()
    at = tuple(rng.choice(some) if some and rng.random() < 0.5 else [rng.randrange(s) for s in t.shape])
    old = float(t[at])
    t[at] = rng.choice((0.0, -old, old * 0.5, old * 1.5, old + 1, old - 1, old * (1 + 1e-3), old + 0.05, old + 5))
    return found


def corner(model: hw.Model, size: float, seed: int) -> hw.Model:
    """The model with each weight off by all of a relative size, up or down."""
    draw = torch.Generator().manual_seed(seed)
    return changed(model, lambda t: t * (1 + size * torch.randint(0, 2, t.shape, generator=draw).mul(2).sub(1)))


def one(rng: random.Random, longest: int, progress: Progress) -> None:
    """A random program at random sizes: what came of it."""
    numbers, causal = [rng.randrange(1000) for _ in range(rng.randrange(61))], rng.random() < 0.5
    options = {"length": rng.randint(1, longest), "alphabet": rng.randint(1, 4), "heads": rng.choice((None, 1, 2))}
    options["dtype"] = rng.choice(("float32", "float64"))
    program = generate.program(numbers, causal, most=3)

    def outcome(what: str, wrong: bool = False, why: str = "") -> None:
        progress.add(what, why)
        if wrong:
            progress.fault(f"{what}: {numbers} {causal} {options}")

    progress.add("programs", "")
    for style in ("compact", "natural"):
        try:
            model = hw.compile(program, style=style, **options)
        except (hw.ExactnessError, hw.InputError) as error:
            outcome(f"{style}: not compiled", why=reason(error))
            continue
        ok = right(model, rng.randrange(1000), inside=True)
        outcome(f"{style}: {'as the interpreter' if ok else 'wrong'}", wrong=not ok)
        if style == "compact":
            continue
        try:
            hw.certify(model, witness=False)
        except hw.Refused as refusal:
            outcome("natural: not certified", why=reason(refusal))
            continue
        outcome("natural: certified" if ok else "natural: certified, and wrong", wrong=not ok)
        if rng.randrange(EVERY):
            return
        for _ in range(MUTANTS):
            damaged = mutant(model, rng)
            try:
                hw.certify(damaged, witness=False)
            except hw.Refused:
                outcome("mutants: refused")
                continue
            fine = right(damaged, rng.randrange(1000))
            outcome("mutants: certified, and right" if fine else "mutants: certified, and wrong", wrong=not fine)
        size = 2.0 ** -rng.randint(6, 18)
        try:
            shown(model, Noise(weights=size, unit=UNITS[model.dtype]))
        except hw.Refused:
            outcome("noise: refused")
            continue
        fine = right(corner(model, size, rng.randrange(1 << 30)), rng.randrange(1000))
        outcome("noise: shown harmless, and right" if fine else "noise: shown harmless, and wrong", wrong=not fine)


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if anything that was shown is wrong, or a model differs from the interpreter."""
    parser = options(__doc__, count=20000)
    parser.add_argument("--longest", type=int, default=9, help="the greatest length; from 17 on sums of positions are written in digits")
    given = parser.parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    for number in numbers(progress, given, "programs|"):
        one(random.Random(f"{given.seed}:{number}"), given.longest, progress)
    outcomes, reasons = Counter[str](), Counter[str]()
    for key, count in progress.counts.items():
        what, _, why = key.partition("|")
        outcomes[what] += count
        if why:
            reasons[f"{what.replace(': ', ', ')}: {why}"] += count
    done, wrong = outcomes.pop("programs"), sum(number for what, number in outcomes.items() if "wrong" in what)
    sizes = f"lengths 1..{given.longest}, 1..4 symbols, float32 and float64; every input of up to 3 tokens and 6 longer ones"
    lines = [f"{done:,} programs, {sizes}; seed {given.seed}, {date.today()}, {progress.seconds:,.0f} s. Wrong: {wrong}.", ""]
    lines += ["| outcome | count |", "| --- | ---: |", *(f"| {what} | {number:,} |" for what, number in sorted(outcomes.items()))]
    lines += ["", "| reason | programs |", "| --- | ---: |", *(f"| {why} | {number:,} |" for why, number in reasons.most_common(12))]
    print("\n".join(lines))
    if given.write:
        record("natural", "\n".join(lines))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
