"""Attacks on proof scripts: a model is damaged until an output is wrong; no script may prove it. `tests/attack_scripts.py` has the grammar.

Of models that are right too, scripts are attacked: what the kernel says then must be yes or no, and nothing else may leave it.
Run: python benchmarks/scripts.py [--count 2000] [--seed 0] [--minutes 60] [--write]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import time
from collections import Counter
from datetime import date

import torch
from attacks import subjects
from record import record

import headwork as hw
from headwork.certificate.certify import proof
from headwork.kernel.numbers import Rejected
from headwork.kernel.verify import Checkpoint, verify
from headwork.prover.prove import checkpoint_of
from headwork.tests import attack, attack_scripts, judge

USES, TRIES = 40, 6  # scripts for each model, and attempts to make one wrong


def damaged(model: hw.Model, rng: random.Random) -> hw.Model | None:
    """The model after attacks of any family, with an output wrong on some input; None where none was found."""
    for _ in range(TRIES):
        made = attack.attack(model, rng.choice(("weights", "weights", "concert", "graphs", "mixed")), rng)
        if made is not None and judge.wrong(dataclasses.replace(made[1], probes=())) is not None:
            return made[1]
    return None


def said(checkpoint: Checkpoint, script: object) -> tuple[str, str]:
    """What the kernel says: accepted, rejected, or crashed and how."""
    try:
        verify(checkpoint, script)  # type: ignore[arg-type]
    except Rejected:
        return "rejected", ""
    except Exception as error:  # nothing but Rejected may leave the kernel
        return "crashed", f"{type(error).__name__}: {error}"
    return "accepted", ""


def campaign(count: int, seed: int, seconds: float) -> tuple[Counter[tuple[str, str]], list[str], float]:
    """Verdicts by (what the model is, verdict), the faults, and the longest that the kernel took."""
    rng, found, faults, longest, start = random.Random(seed), Counter[tuple[str, str]](), list[str](), 0.0, time.perf_counter()
    for number, (model, _) in enumerate(subjects(rng)):
        own = random.Random(f"{seed}:{number}")
        script = json.loads(json.dumps(proof(model, witness=False)[1]))
        tried: list[tuple[str, hw.Model]] = [("right", model)]
        if (wrong := damaged(model, own)) is not None:
            tried.append(("wrong", wrong))
        for name, one in tried:
            try:
                checkpoint = checkpoint_of(one)
            except Rejected:
                continue
            for use in range(USES if name == "wrong" else USES // 4):
                if found.total() >= count or time.perf_counter() - start > seconds:
                    return found, faults, longest
                made = attack_scripts.attacked(script, own) if use else script
                begun = time.process_time()
                verdict, how = said(checkpoint, made)
                longest = max(longest, time.process_time() - begun)
                found[name, verdict] += 1
                if verdict == "crashed" or (name, verdict) == ("wrong", "accepted"):
                    faults.append(f"{verdict} {how}; {one.name} ({name}) {seed}:{number}:{use}")
                    print(faults[-1], file=sys.stderr, flush=True)
    raise AssertionError("there are always more subjects")


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a wrong model was proved or something else left the kernel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()
    found, faults, longest = campaign(options.count, options.seed, options.minutes * 60)
    head = f"{found.total():,} scripts, seed {options.seed}, {date.today()}, {time.perf_counter() - start:.0f} s; "
    lines = [f"{head}the kernel took at most {longest:.1f} s of CPU.", "", "| the model | scripts | rejected | accepted | other errors |"]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    for name, what in (("wrong", "an output is wrong"), ("right", "right")):
        counts = [found[name, verdict] for verdict in ("rejected", "accepted", "crashed")]
        lines.append(f"| {what} | {sum(counts):,} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    print("\n".join([*lines, *("" if not faults else f"- {f}" for f in faults)]))
    if options.write:
        record("scripts", "\n".join(lines))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
