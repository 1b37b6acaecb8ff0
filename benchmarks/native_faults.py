"""Damaged checkpoints: bits, lengths, types and sizes in a checkpoint's files and its proof are changed at random.

`hw.verify` must refuse by name or be right, without a traceback, in little time and memory. What it accepts is run on every input.
Run: python benchmarks/native_faults.py [--count 2000] [--seed 0] [--minutes 10] [--progress FILE] [--write]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from attacks import subject
from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork.tests import attack_scripts, judge

FILES = ("config.json", "program.json", "model.safetensors", "proof.json")
SIZES = (0, -1, 1, 2**31, 2**40, 2**62, 2**70, 10**300)
USES = 40  # damages for each model


def flipped(data: bytes, rng: random.Random) -> bytes:
    """A few bits changed."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Cut short, or longer by something."""
    return data[: rng.randrange(len(data))] if rng.random() < 0.7 else data + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 99)))


def headed(data: bytes, rng: random.Random) -> bytes:
    """Of tensors, the header's JSON damaged; of JSON, one to four moves, or a number made a size."""
    length = int.from_bytes(data[:8], "little") if not data.startswith(b"{") else 0
    text = data[8 : 8 + length] if length else data
    found = json.loads(text)
    if rng.random() < 0.5:
        places = [p for p in attack_scripts.places(found) if type(attack_scripts.at(found, p)) is int]
        if places:
            *way, last = rng.choice(places)
            attack_scripts.at(found, tuple(way))[last] = rng.choice(SIZES)
    else:
        for _ in range(rng.choice((1, 1, 2, 4))):
            try:
                rng.choice((attack_scripts.number, attack_scripts.drop, attack_scripts.swap, attack_scripts.copied, attack_scripts.kind))(
                    found, rng
                )
            except (IndexError, KeyError, TypeError, AttributeError):
                continue
    made = json.dumps(found).encode()
    return len(made).to_bytes(8, "little") + made + data[8 + length :] if length else made


KINDS = {"bits": flipped, "length": cut, "types and sizes": headed}


def said(place: Path) -> tuple[str, str]:
    """What is said of a damaged checkpoint: refused, right, wrong or crashed, and how."""
    try:
        hw.verify(place)
    except hw.HeadworkError:
        return "refused", ""
    except Exception as error:  # a verdict or a refusal by name, nothing else
        return "crashed", f"{type(error).__name__}: {error}"
    try:
        model = hw.load(place)
    except hw.HeadworkError as error:  # what cannot be loaded gives no answer
        return "right", str(error)
    fault = judge.wrong(model)
    return ("right", "") if fault is None else ("wrong", fault)


def campaign(progress: Progress, given: argparse.Namespace) -> None:
    """Verdicts by (kind of damage, verdict), the faults, and the longest CPU time of a verdict."""
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers(progress, given):
            if (found := subject(random.Random(f"{given.seed}:{number}"))) is None:
                continue
            model, own, whole = found[0], random.Random(f"{given.seed}:{number}:"), Path(folder) / "whole"
            shutil.rmtree(whole, ignore_errors=True)
            model.save(whole)
            hw.write_proof(model, whole / "proof.json")
            hw.verify(whole)
            for use in range(USES):
                kind, name, place = own.choice(list(KINDS)), own.choice(FILES), Path(folder) / "damaged"
                shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(whole, place)
                (place / name).write_bytes(KINDS[kind]((whole / name).read_bytes(), own))
                begun_at = time.process_time()
                verdict, how = said(place)
                progress.longest = max(progress.longest, time.process_time() - begun_at)
                progress.add(kind, verdict)
                if verdict in ("crashed", "wrong"):
                    progress.fault(f"{verdict} {how}; {model.name} {name} ({kind}) {given.seed}:{number}:{use}")


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a damaged checkpoint was accepted and wrong, or something else was raised."""
    given = options(__doc__).parse_args()
    torch.set_num_threads(1)
    progress = begun(given)
    campaign(progress, given)
    took = f"no verdict took more than {progress.longest:.1f} s of CPU, and the process, torch included, {progress.memory:,.0f} MB"
    lines = [f"{progress.said('damaged checkpoints')}; {took}.", ""]
    lines += [
        "| damage | checkpoints | refused | accepted, right | accepted, wrong | other errors |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in KINDS:
        counts = [progress.of(kind, verdict) for verdict in ("refused", "right", "wrong", "crashed")]
        lines.append(f"| {kind} | {sum(counts):,} | " + " | ".join(f"{c:,}" for c in counts) + " |")
    print("\n".join([*lines, *("" if not progress.faults else f"- {f}" for f in progress.faults)]))
    if given.write:
        record("native-faults", "\n".join(lines))
    return int(bool(progress.faults))


if __name__ == "__main__":
    sys.exit(main())
