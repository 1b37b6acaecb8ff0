"""Does the sparse engine ever say something else than the dense one? Random programs, the library, long texts, and changed weights.

    python benchmarks/sparse.py [--only SECTION …] [--programs P] [--mutants M] [--seed S] [--minutes T] [--progress FILE] [--write]

Random programs of `suite/draw.py` that have a head, causal and bidirectional, in every code, at lengths from 1 to 300: the stream after
every block and the classes are compared, bit for bit, and of causal ones a session that reads the text in two pieces. Then programs of the
library with one weight changed, anywhere: with the certificate looked for again, as a user's call does, which refuses or agrees; a session
that was begun before, which refuses or agrees; and with the unchanged model's certificate used all the same, where only what the index
recomputes stands between a wrong weight and a wrong answer. `library` runs every program and protocol of the library on texts of every
length up to 300; `long` runs programs on 10^6 tokens, and scores sampled queries of each head in full, by softmax in the model's own
arithmetic (`audit`).
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import torch
from record import Progress, begun, numbers, record

import headwork as hw
from headwork import programs, protocols
from headwork.execution import grounds
from headwork.execution.engine import engine
from headwork.runtime.model import Model
from headwork.tests.generate import program

LENGTHS = (20, 60, 300)  # the greatest, one of them for each random program
CODES = ("auto", "auto", "auto", "scalar", "digits:2", "binary")
USES = 25  # changes of one model


def differs(model: Model, ids: list[int], shown: grounds.Grounds, audit: int = 0) -> bool:
    """Whether any number of the stream or any class differs."""
    found = engine(model, shown, audit)
    if not torch.equal(model.classes([ids]), found.classes([ids])):
        return True
    with torch.no_grad():
        pairs = zip(model.module.stream(torch.tensor([ids])), found.stream(torch.tensor(ids)), strict=True)
        return any(not torch.equal(dense[0], sparse) for dense, sparse in pairs)


def masks(model: Model) -> list[str]:
    """The mask of every head."""
    return [mask for block in model.module.blocks for mask in getattr(block, "masks", ())]


def random_programs(seen: Progress, given: argparse.Namespace) -> None:
    """Random programs that have a head: how many were compared, and how many differ."""
    for number in numbers(seen, given, "programs"):
        rng = random.Random(f"{given.seed}/{number}")
        drawn, length = [rng.randrange(1000) for _ in range(rng.randint(4, 40))], rng.randint(1, rng.choice(LENGTHS))
        made: dict[str, object] = {"alphabet": rng.randint(1, 6), "code": rng.choice(CODES)}
        made["dtype"] = rng.choice(("float32", "float32", "float64"))
        try:
            model = hw.compile(program(drawn, causal=bool(number % 2)), length=length, **made)  # pyright: ignore[reportArgumentType]
        except (hw.HeadworkError, RecursionError):
            seen.add("not compiled")
            continue
        if not masks(model):
            continue
        shown = grounds.grounds(model)
        if shown.reason:
            seen.add("not certified")
            continue
        seen.add("programs")
        for mask in masks(model):
            seen.add(f"{mask} heads")
        for n in sorted({1, length, rng.randint(1, length)}):
            ids = rng.choices(rng.choices(range(len(model.alphabet)), k=3), k=n)
            seen.add("texts")
            judge(seen, differs(model, ids, shown, audit=1), "differ", f"random program {given.seed}/{number}, {n} tokens")
        if model.graph.sizes.causal:
            session, cut = model.session("sparse"), rng.randint(0, length)
            text = model.decode(rng.choices(range(len(model.alphabet)), k=length))
            said = session.feed(text[:cut], strict=False) + session.fork().feed(text[cut:], strict=False)
            seen.add("sessions")
            wrong = said != model.run(text, engine="dense", strict=False)
            judge(seen, wrong, "sessions that differ", f"session of random program {given.seed}/{number}")


def mutants(seen: Progress, given: argparse.Namespace) -> None:
    """Changed weights: what becomes of them."""
    names = programs.names()
    for number in numbers(seen, given, "mutants"):
        name, rng = names[number % len(names)], np.random.default_rng([given.seed, number])
        entry = programs.entry(name)
        model = hw.compile(entry.program(), length=20, alphabet=entry.alphabet)
        shown, state = grounds.require(model), model.module.state_dict()
        kept = {which: tensor.clone() for which, tensor in state.items()}
        for use in range(USES):
            which = list(state)[rng.integers(len(state))]
            flat = state[which].view(-1)
            if not len(flat):
                continue
            ids = model.encode(entry.sample(random.Random(f"{number}/{use}"), 20))
            session = model.session("sparse") if model.graph.sizes.causal else None
            if session is not None:
                session.feed(model.decode(ids[:10]), strict=False)
            at = int(rng.integers(len(flat)))
            flat[at] = float(flat[at]) * float(rng.choice([0, -1, 2, 0.5])) if flat[at] else float(rng.choice([1, -8, 128]))
            _mutant(seen, model, ids, shown, f"{name} {given.seed}/{number}/{use}, {which}[{at}]")
            if session is not None:
                try:
                    said = session.feed(model.decode(ids[10:]), strict=False)
                except hw.InputError:
                    seen.add("sessions begun before: refused")
                else:
                    wrong = said != model.run(model.decode(ids), engine="dense", strict=False)[10:]
                    seen.add("sessions begun before: agree") if not wrong else None
                    judge(seen, wrong, "sessions begun before: DIFFER", f"{name} {given.seed}/{number}/{use}")
            model.module.load_state_dict(kept)


def _mutant(seen: Progress, model: Model, ids: list[int], shown: grounds.Grounds, what: str) -> None:
    """One changed model, as a user's call has it, and with the certificate of the unchanged one."""
    seen.add("mutants")
    again = grounds.grounds(model)
    if again.reason:
        seen.add("no certificate: refused")
    else:
        wrong = differs(model, ids, again)
        seen.add("certified again, and agree") if not wrong else None
        judge(seen, wrong, "certified again, and DIFFER", what)
    try:
        wrong = differs(model, ids, replace(shown))
        seen.add(f"with the old certificate: {'differ' if wrong else 'agree'}")
    except hw.InputError:
        seen.add("with the old certificate: refused by the index")


def library(seen: Progress, given: argparse.Namespace) -> None:
    """Every program on texts of its own kind and of any symbols, of each length up to the count; every protocol on its own cases."""
    subjects = [*programs.names(), *protocols.names()]
    for number in numbers(seen, given, "finished"):
        if number == len(subjects):
            return
        rng = random.Random(f"{given.seed}/{subjects[number]}")
        if number >= len(programs.names()):
            entry = protocols.entry(subjects[number])
            model = hw.compile(entry.protocol(), length=16)
            texts = [model.encode(list(case.machines)) for case in entry.cases(rng, 16)]
            seen.add("protocols")
        else:
            entry = programs.entry(subjects[number])
            length = next(n for n in (given.lengths, 128, 64, 40, 20) if _fits(entry, n))
            model = hw.compile(entry.program(), length=length, alphabet=entry.alphabet)
            own = [model.encode(entry.sample(rng, n)) for n in range(1, length + 1)]
            texts = [*own, *(rng.choices(range(len(model.alphabet)), k=n) for n in range(1, length + 1))]
            seen.add("programs")
            seen.add(f"at length {length}")
        for mask in masks(model):
            seen.add(f"{mask} heads")
        shown = grounds.require(model)
        for ids in texts:
            seen.add("texts")
            judge(seen, differs(model, ids, shown, audit=1), "differ", f"{model.name}, {len(ids)} tokens")


def _fits(entry: programs.Entry, n: int) -> bool:
    """Whether a program compiles at a length, and is certified there."""
    try:
        return not grounds.grounds(hw.compile(entry.program(), length=n, alphabet=entry.alphabet)).reason
    except hw.HeadworkError:
        return False


LONG = ("turing", "previous", "khop", "equal", "induction", "skip_trigram", "recall_pairs", "disjoint", "automaton", "compose", "ioi")


def long(seen: Progress, given: argparse.Namespace) -> None:
    """Programs at a million tokens: queries of each head that were scored in full."""
    for number in numbers(seen, given, "finished"):
        if number == len(LONG):
            return
        entry, rng = programs.entry(LONG[number]), random.Random(f"{given.seed}/{LONG[number]}")
        model = hw.compile(entry.program(), length=1 << 20, alphabet=entry.alphabet, dtype="float64")
        shown = grounds.grounds(model)
        if shown.reason:
            seen.add("not certified at this length")
            continue
        ids: list[int] = []
        while len(ids) < 1_000_000:
            ids += model.encode(entry.sample(rng, 512))
        found = engine(model, shown, audit=given.audit)
        found.classes([ids[:1_000_000]])  # raises where a query that is scored in full reads something else
        heads = sum(head.kind != "idle" for head in shown.heads.values())
        seen.add("programs")
        seen.counts.update(
            {"heads": heads, "queries scored in full, all equal": heads * given.audit, "heads without an index": len(found.dense)}
        )


def judge(seen: Progress, wrong: bool, verdict: str, what: str) -> None:
    """Count what must not be, and keep which it was; the count stands there where it is 0, too."""
    seen.counts[verdict] += wrong
    if wrong:
        seen.fault(f"{verdict}: {what}")


SECTIONS = {"random programs": random_programs, "library": library, "long": long, "mutants": mutants}


def main() -> int:
    """Run and print the counts; exit code 1 if anything differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--programs", type=int, default=2000, help="random programs")
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--lengths", type=int, default=300, help="longest text of the library's programs")
    parser.add_argument("--audit", type=int, default=20, help="queries of each head that are scored in full in long texts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="for each section")
    parser.add_argument("--progress", type=Path, help="files that keep what was done, one a section: the same command goes on with them")
    parser.add_argument("--write", action="store_true", help="record the counts in docs/campaigns.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore", hw.ProgramWarning)
    torch.set_num_threads(1)
    faults = 0
    for section in options.only:
        given = argparse.Namespace(**vars(options))
        given.count = {"random programs": options.programs, "mutants": options.mutants}.get(section, sys.maxsize)
        if options.progress:
            given.progress = options.progress.with_name(f"{options.progress.stem}-{section.replace(' ', '-')}.json")
        seen = begun(given)
        SECTIONS[section](seen, given)
        said = ", ".join(f"{n:,} {k}" for k, n in seen.counts.items())
        line = f"Seed {given.seed}, {date.today()}, {seen.seconds:,.0f} s: {said}."
        print(f"{section}: {line}", flush=True)
        faults += len(seen.faults)
        if options.write:
            record(f"sparse {section}", "\n".join([line, *(f"- {fault}" for fault in seen.faults)]))
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
