"""Does the sparse engine ever say something else than the dense one? Random programs, the library, long texts, and changed weights.

    python benchmarks/sparse.py [--only SECTION …] [--programs P] [--mutants M] [--seed S] [--seconds T] [--write]

Random programs of `suite/draw.py` (as the compiler's own campaigns use them), causal and bidirectional, at lengths from 1 to 300: the
stream after every block and the classes are compared, bit for bit, and of causal ones a session that reads the text in two pieces. Then
programs of the library with one weight changed, anywhere: with the certificate looked for again, as a user's call does, which refuses or
agrees; and with the unchanged model's certificate used all the same, where only what the index recomputes stands between a wrong weight and
a wrong answer. `library` runs every program and protocol of the library on texts of every length up to 300; `long` runs programs on 10^6
tokens, and scores sampled queries of each head in full, by softmax in the model's own arithmetic (`audit`).
"""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import torch
from record import record

import headwork as hw
from headwork import programs, protocols
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


def library(count: int, seed: int, until: float) -> Counter[str]:
    """Every program on texts of its own kind and of any symbols, of each length up to `count`; every protocol on its own cases."""
    seen: Counter[str] = Counter()
    for name in programs.names():
        entry, rng = programs.entry(name), random.Random(f"{seed}/{name}")
        length = next(n for n in (count, 128, 64, 40, 20) if _fits(entry, n))
        model = hw.compile(entry.program(), length=length, alphabet=entry.alphabet)
        shown = grounds.require(model)
        seen["programs"] += 1
        for block in model.module.blocks:
            for mask in getattr(block, "masks", ()):
                seen[f"{mask} heads"] += 1
        for n in range(1, length + 1):
            own = model.encode(entry.sample(rng, n))
            for ids in (own, rng.choices(range(len(model.alphabet)), k=n)):
                seen["texts"] += 1
                seen["differ"] += differs(model, ids, shown, audit=1)
    for name in protocols.names():
        entry, rng = protocols.entry(name), random.Random(f"{seed}/{name}")
        model = hw.compile(entry.protocol(), length=16)
        shown = grounds.require(model)
        seen["protocols"] += 1
        for case in entry.cases(rng, 16):
            seen["texts"] += 1
            seen["differ"] += differs(model, model.encode(list(case.machines)), shown, audit=1)
        if time.monotonic() > until:
            break
    return seen


def _fits(entry: programs.Entry, n: int) -> bool:
    """Whether a program compiles at a length, and is certified there."""
    try:
        return not grounds.grounds(hw.compile(entry.program(), length=n, alphabet=entry.alphabet)).reason
    except hw.HeadworkError:
        return False


LONG = ("turing", "previous", "khop", "equal", "induction", "skip_trigram", "recall_pairs", "disjoint", "automaton", "compose", "ioi")


def long(count: int, seed: int, until: float) -> Counter[str]:
    """Programs at a million tokens: queries of each head that were scored in full, and answers beside the program's own reference."""
    seen: Counter[str] = Counter()
    for name in LONG:
        if time.monotonic() > until:
            seen["programs for which no time was left"] += 1
            continue
        entry, rng = programs.entry(name), random.Random(f"{seed}/{name}")
        model = hw.compile(entry.program(), length=1 << 20, alphabet=entry.alphabet, dtype="float64")
        shown = grounds.grounds(model)
        if shown.reason:
            seen["not certified at this length"] += 1
            continue
        ids: list[int] = []
        while len(ids) < 1_000_000:
            ids += model.encode(entry.sample(rng, 512))
        found = engine(model, shown, audit=count)
        found.classes([ids[:1_000_000]])  # raises where a query that is scored in full reads something else
        heads = sum(head.kind != "idle" for head in shown.heads.values())
        seen["programs"] += 1
        seen["heads"] += heads
        seen["queries scored in full, all equal"] += heads * count
        seen["heads without an index"] += len(found.dense)
    return seen


SECTIONS = {"random programs": random_programs, "library": library, "long": long, "mutants": mutants}


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--lengths", type=int, default=300, help="longest text of the library's programs")
    parser.add_argument("--audit", type=int, default=20, help="queries of each head that are scored in full in long texts")
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="for each section")
    parser.add_argument("--write", action="store_true", help="record the counts in docs/campaigns.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore", hw.ProgramWarning)
    torch.set_num_threads(1)
    counts = {"random programs": options.programs, "library": options.lengths, "long": options.audit, "mutants": options.mutants}
    for section in options.only:
        start = time.monotonic()
        seen = SECTIONS[section](counts[section], options.seed, start + options.seconds)
        said = ", ".join(f"{n:,} {k}" for k, n in seen.items())
        line = f"Seed {options.seed}, {date.today()}, {time.monotonic() - start:.0f} s: {said}."
        print(f"{section}: {line}", flush=True)
        if options.write:
            record(f"sparse {section}", line)


if __name__ == "__main__":
    main()
