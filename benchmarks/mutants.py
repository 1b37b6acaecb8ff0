"""Mutants: single-weight faults in every program, the certificate's verdict against all inputs.

A mutant that is accepted must change no value on any input; the sizes are small enough to run all of them.
Run: python benchmarks/mutants.py [--count 2000] [--seed 0] [--programs induction,khop]
"""

from __future__ import annotations

import argparse
import random
import sys
from datetime import date

import torch

import headwork as hw

SIZES: dict[str, tuple[int, int | None]] = {
    "previous": (5, 3),
    "induction": (5, 3),
    "khop": (5, 3),
    "skip_trigram": (3, None),
    "recall": (4, None),
    "compose": (3, None),
    "ioi": (3, None),
}


def faults(model: hw.Model, count: int, rng: random.Random) -> list[tuple[str, tuple[int, ...], str, float]]:
    """`count` single-weight faults: zeroed, negated, scaled, off by one step of the grid, or a zero entry set."""
    places = [(name, p) for name, p in model.module.named_parameters() for _ in range(1 + p.numel() // 20)]
    chosen: list[tuple[str, tuple[int, ...], str, float]] = []
    while len(chosen) < count:
        name, parameter = rng.choice(places)
        index = tuple(rng.randrange(n) for n in parameter.shape)
        old = parameter[index].item()
        if old == 0 and rng.random() < 0.8:
            continue
        step = float(parameter.detach().abs()[parameter != 0].min()) if parameter.any() else 1.0
        kind, new = rng.choice(
            [("zero", 0.0), ("negate", -old), ("double", 2 * old), ("halve", old / 2), ("step up", old + step), ("step down", old - step)]
        )
        if new != old:
            chosen.append((name, index, kind, new))
    return chosen


def campaign(name: str, count: int, seed: int) -> tuple[int, int, list[str]]:
    """How many mutants were refused, how many accepted and equivalent, and the accepted ones that change a value."""
    length, alphabet = SIZES[name]
    model = hw.compile(hw.programs.get(name), length=length, alphabet=alphabet)
    hw.certify(model)
    weights = {key: p.data for key, p in model.module.named_parameters()}
    refused, equivalent, wrong = 0, 0, []
    for key, index, kind, new in faults(model, count, random.Random(seed)):
        old = weights[key][index].item()
        weights[key][index] = new
        try:
            hw.certify(model)
            if hw.check(model, exhaustive=length, samples=0).mismatches:
                wrong.append(f"{key}{list(index)} {kind}")
            else:
                equivalent += 1
        except hw.Refused:
            refused += 1
        weights[key][index] = old
    return refused, equivalent, wrong


def main() -> int:
    """Run the campaigns and print a table; exit code 1 if a wrong mutant was accepted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--programs", default=",".join(SIZES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"single-weight mutants, seed {options.seed}, {date.today()}\n")
    print("| program | length | symbols | mutants | refused | accepted, equal on every input | accepted, wrong |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    failed = False
    for name in options.programs.split(","):
        refused, equivalent, wrong = campaign(name, options.count, options.seed)
        model = hw.compile(hw.programs.get(name), length=SIZES[name][0], alphabet=SIZES[name][1])
        row = (name, model.length, len(model.alphabet), options.count, refused, equivalent, len(wrong))
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        for text in wrong:
            print(f"  wrong: {text}")
        failed |= bool(wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
