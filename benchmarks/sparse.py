"""Does the sparse engine ever say something else than the dense one? Random programs, and weights that were changed.

    python benchmarks/sparse.py [--programs P] [--mutants M] [--seed S] [--seconds T]

Random programs of `suite/draw.py` (as the compiler's own campaigns use them), causal and bidirectional, at lengths from 1 to 300: the
stream after every block and the classes are compared, bit for bit, and of causal ones a session that reads the text in two pieces. Then
programs of the library with one weight changed, anywhere: with the certificate looked for again, as a user's call does, which refuses or
agrees; and with the unchanged model's certificate used all the same, where only what the index recomputes stands between a wrong weight and
a wrong answer.
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

import headwork as hw
from headwork import programs
from headwork.execution import grounds
from headwork.execution.engine import engine
from headwork.runtime.model import Model
from headwork.tests.generate import program

LENGTHS = (1, 2, 3, 8, 24, 64, 300)


def differs(model: Model, ids: list[int], shown: grounds.Grounds, audit: int = 0) -> bool:
    """Whether any number of the stream or any class differs."""
    found = engine(model, shown, audit)
    if not torch.equal(model.classes([ids]), found.classes([ids])):
        return True
    with torch.no_grad():
        pairs = zip(model.module.stream(torch.tensor([ids])), found.stream(torch.tensor(ids)), strict=True)
        return any(not torch.equal(dense[0], sparse) for dense, sparse in pairs)


def random_programs(count: int, seed: int, until: float) -> Counter[str]:
    """Random programs: how many were compared, and how many differ."""
    seen: Counter[str] = Counter()
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        numbers, length = [rng.randrange(1000) for _ in range(rng.randint(4, 40))], rng.choice(LENGTHS)
        try:
            model = hw.compile(program(numbers, causal=bool(number % 2)), length=length, alphabet=rng.randint(1, 6))
        except (hw.HeadworkError, RecursionError):
            seen["not compiled"] += 1
            continue
        shown = grounds.grounds(model)
        if shown.reason:
            seen["not certified"] += 1
            continue
        seen["programs"] += 1
        seen["heads"] += len(shown.heads)
        for n in {1, length, rng.randint(1, length)}:
            ids = rng.choices(range(len(model.alphabet)), k=n)
            seen["texts"] += 1
            seen["differ"] += differs(model, ids, shown, audit=1)
        if model.graph.sizes.causal:
            session, cut = model.session("sparse"), rng.randint(0, length)
            text = model.decode(rng.choices(range(len(model.alphabet)), k=length))
            seen["sessions"] += 1
            seen["sessions that differ"] += session.feed(text[:cut]) + session.feed(text[cut:]) != model.run(text, engine="dense")
        if time.monotonic() > until:
            break
    return seen


def mutants(count: int, seed: int, until: float) -> Counter[str]:
    """Changed weights: what becomes of them."""
    seen: Counter[str] = Counter()
    rng = np.random.default_rng(seed)
    names = programs.names()
    for number in range(count):
        name = names[number % len(names)]
        entry = programs.entry(name)
        model = hw.compile(entry.program(), length=20, alphabet=entry.alphabet)
        shown = grounds.require(model)
        state = model.module.state_dict()
        which = list(state)[rng.integers(len(state))]
        flat = state[which].view(-1)
        if not len(flat):
            continue
        at = int(rng.integers(len(flat)))
        flat[at] = float(flat[at]) * float(rng.choice([0, -1, 2, 0.5])) if flat[at] else float(rng.choice([1, -8, 128]))
        ids = model.encode(entry.sample(random.Random(number), 20))
        seen["mutants"] += 1
        again = grounds.grounds(model)
        if again.reason:
            seen["no certificate: refused"] += 1
        else:
            seen["certified again, and agree"] += not differs(model, ids, again)
            seen["certified again, and DIFFER"] += differs(model, ids, again)
        try:
            wrong = differs(model, ids, replace(shown))
            seen["with the old certificate: agree"] += not wrong
            seen["with the old certificate: differ"] += wrong
        except hw.InputError:
            seen["with the old certificate: refused by the index"] += 1
        if time.monotonic() > until:
            break
    return seen


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="for each of the two")
    options = parser.parse_args()
    warnings.simplefilter("ignore", hw.ProgramWarning)
    torch.set_num_threads(1)
    for what, run, count in (("random programs", random_programs, options.programs), ("mutants", mutants, options.mutants)):
        start = time.monotonic()
        seen = run(count, options.seed, start + options.seconds)
        print(
            f"{what}, seed {options.seed}, {time.monotonic() - start:.0f} s: " + ", ".join(f"{n:,} {k}" for k, n in seen.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
