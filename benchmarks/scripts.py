"""Attacks on proof scripts: a model is damaged until an output is wrong; no script may prove it. `tests/attack_scripts.py` has the grammar.

Of models that are right too, scripts are attacked: what the kernel says then must be yes or no, and nothing else may leave it.
Run: python benchmarks/scripts.py [--count 2000] [--seed 0] [--minutes 60] [--progress FILE] [--write]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import time

import torch
from attacks import subject
from record import Progress, begun, numbers, options, record

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


def campaign(progress: Progress, given: argparse.Namespace) -> None:
    """Verdicts by (what the model is, verdict), the faults, and the longest that the kernel took."""
    for number in numbers(progress, given):
        if (found := subject(random.Random(f"{given.seed}:{number}"))) is None:
            continue
        model, own = found[0], random.Random(f"{given.seed}:{number}:")
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
                made = attack_scripts.attacked(script, own) if use else script
                begun_at = time.process_time()
                verdict, how = said(checkpoint, made)
                progress.longest = max(progress.longest, time.process_time() - begun_at)
                progress.add(name, verdict)
                if verdict == "crashed" or (name, verdict) == ("wrong", "accepted"):
                    progress.fault(f"{verdict} {how}; {one.name} ({name}) {given.seed}:{number}:{use}")


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a wrong model was proved or something else left the kernel."""
    given = options(__doc__).parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    campaign(progress, given)
    lines = [f"{progress.said('scripts')}; the kernel took at most {progress.longest:.1f} s of CPU.", ""]
    lines += ["| the model | scripts | rejected | accepted | other errors |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, what in (("wrong", "an output is wrong"), ("right", "right")):
        counts = [progress.of(name, verdict) for verdict in ("rejected", "accepted", "crashed")]
        lines.append(f"| {what} | {sum(counts):,} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    print("\n".join([*lines, *("" if not progress.faults else f"- {f}" for f in progress.faults)]))
    if given.write:
        record("scripts", "\n".join(lines))
    return int(bool(progress.faults))


if __name__ == "__main__":
    sys.exit(main())
