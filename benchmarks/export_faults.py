"""Damage files of exports at random, and hold what is still read and proved against the target's own implementation.

    python benchmarks/export_faults.py [--count 30000] [--seed 0] [--minutes 10] [--progress FILE] [--write]

Each fault changes one file of an export: bits, bytes cut off, repeated or added, or a JSON value for another. The export must be refused
with one of headwork's own errors in one line; where it is proved all the same, its target's implementation runs the damaged
files on all short texts and some long ones, and must be right. Counts what came out; a traceback is reported with its fault.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork import programs
from headwork.export.files import TARGETS

EXPORTS = [(name, target) for name in ("induction", "majority", "ioi") for target in TARGETS if (name, target) != ("majority", "gguf")]
LENGTH = 8


def bits(data: bytes, rng: random.Random) -> bytes:
    """One to four bits turned over."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def head(data: bytes, rng: random.Random) -> bytes:
    """A byte near the front, where sizes are declared."""
    made = bytearray(data)
    made[rng.randrange(min(len(made), 600))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(made)


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end cut off."""
    return data[: rng.randrange(len(data))]


def moved(data: bytes, rng: random.Random) -> bytes:
    """A piece repeated, left out, or put in another place."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return rng.choice((data[:b] + data[a:], data[:a] + data[b:], data[:a] + data[b:c] + data[a:b] + data[c:], data + data[a:b]))


def value(data: bytes, rng: random.Random) -> bytes:
    """One value of a JSON file for another, or left out; bits for other files."""
    try:
        content = json.loads(data)
    except ValueError:
        return bits(data, rng)
    places: list[tuple[Any, Any]] = []

    def walk(item: Any) -> None:
        for key in list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            places.append((item, key))
            walk(item[key])

    walk(content)
    holder, key = rng.choice(places)
    others = (0, 1, -1, 2**31, 2**60, 1.5, "", "one", "causal", None, True, [], {}, [1])
    source, other = rng.choice(places)
    if rng.random() < 0.1:
        del holder[key]
    else:
        holder[key] = rng.choice((*others, json.loads(json.dumps(source[other]))))
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


FAULTS: tuple[Callable[[bytes, random.Random], bytes], ...] = (bits, head, cut, moved, value, value)


def attack(directory: Path, file: str, damaged: bytes) -> str:
    """What comes of an export with one file damaged: the kind of its refusal, or proved and right, or proved and wrong."""
    path = directory / file
    right = path.read_bytes()
    path.write_bytes(damaged)
    try:
        hw.certify_export(directory)
        return "proved, right" if hw.check_export(directory, samples=4).ok else "PROVED AND WRONG"
    except hw.HeadworkError as error:
        return f"{type(error).__name__}{' OF LINES' if chr(10) in error.fact and not isinstance(error, hw.Refused) else ''}"
    except Exception as error:  # what must not come: reported, and counted as a failure
        return f"TRACEBACK {type(error).__name__}: {error}"
    finally:
        path.write_bytes(right)


def campaign(progress: Progress, given: argparse.Namespace) -> None:
    """What came of faults in the files of exports, and the longest that one took in seconds."""
    work = Path(tempfile.mkdtemp())
    try:
        made: list[Path] = []
        for name, target in EXPORTS:
            made.append(work / f"{name}-{target}")
            hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet).export(made[-1], target, check=False)
        for number in numbers(progress, given):
            rng = random.Random(f"{given.seed}:{number}")
            directory = rng.choice(made)
            file = rng.choice(sorted(p.name for p in directory.iterdir() if p.name != "README.md"))
            fault, began = rng.choice(FAULTS), time.monotonic()
            said = attack(directory, file, fault((directory / file).read_bytes(), rng))
            progress.longest = max(progress.longest, time.monotonic() - began)
            progress.add(said.split(":")[0])
            if said.startswith(("TRACEBACK", "PROVED")) or "LINES" in said:
                progress.fault(f"{given.seed}:{number}: {directory.name}/{file}, {fault.__name__}: {said[:300]!r}")
    finally:
        shutil.rmtree(work)


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a damaged export was proved and wrong, or something else was raised."""
    given = options(__doc__).parse_args()
    progress = begun(given)
    campaign(progress, given)
    took = f"none took more than {progress.longest:.1f} s, and the process {progress.memory:,.0f} MB"
    lines = [f"{progress.said('damaged exports')}; {took}.", ""]
    lines += ["| what came of it | exports |", "| --- | ---: |", *(f"| {what} | {n:,} |" for what, n in progress.counts.most_common())]
    print("\n".join([*lines, *("" if not progress.faults else f"- {f}" for f in progress.faults)]))
    if given.write:
        record("export-faults", "\n".join(lines))
    return int(bool(progress.faults))


if __name__ == "__main__":
    sys.exit(main())
