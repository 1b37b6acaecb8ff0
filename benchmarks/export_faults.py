"""Damage files of exports at random, and hold what is still read and proved against the target's own implementation.

    python benchmarks/export_faults.py [--natural] [--count 30000] [--seed 0] [--minutes 10] [--progress FILE] [--write]

Each fault changes one file of an export: bits, bytes cut off, repeated or added, or a JSON value for another. The export must be refused
with one of headwork's own errors in one line; where it is proved all the same, its target's implementation runs the damaged
files on all short texts and some long ones, and must be right. Counts what came out; a traceback is reported with its fault.
With --natural the exports are of natural models, stored in float32 and in 16 bits. What they hold is what is proved, and half of the faults
change one weight in its place, so that nothing but the margins is against it.
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

import torch
from record import Progress, begun, numbers, options, record

import headwork as hw
from headwork import programs
from headwork.export.files import TARGETS

EXPORTS = [(name, target) for name in ("induction", "majority", "ioi") for target in TARGETS if (name, target) != ("majority", "gguf")]
NATURAL = [(name, target, "auto") for name in ("induction", "parity", "recall") for target in TARGETS if target != "gguf"]
NATURAL += [("induction", target, dtype) for target in ("gpt2", "llama", "qwen2") for dtype in ("bfloat16", "float16")]
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


def weight(data: bytes, rng: random.Random) -> bytes:
    """One number of one tensor for another, in its place; bits for other files."""
    size = int.from_bytes(data[:8], "little")
    if not 0 < size < len(data) or data[8:9] != b"{":
        return bits(data, rng)
    entry = rng.choice([e for name, e in sorted(json.loads(data[8 : 8 + size]).items()) if name != "__metadata__"])
    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}[entry["dtype"]]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    numbers = torch.frombuffer(bytearray(data[begin:end]), dtype=kind)
    some = numbers.nonzero()[:, 0].tolist()
    at = rng.choice(some) if some and rng.random() < 0.5 else rng.randrange(len(numbers))
    old = float(numbers[at])
    numbers[at] = rng.choice((0.0, -old, old * 0.5, old * 1.5, old + 1, old - 1, old * (1 + 1e-2), old + 0.05, old + 5, float("nan")))
    return data[:begin] + numbers.view(torch.uint8).numpy().tobytes() + data[end:]


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
    """What came of faults in the files of exports, and the longest that one took in seconds of CPU."""
    work = Path(tempfile.mkdtemp())
    try:
        made: list[Path] = []
        for name, target, dtype in NATURAL if given.natural else [(*one, "auto") for one in EXPORTS]:
            made.append(work / f"{name}-{target}-{dtype}")
            style = "natural" if given.natural else "compact"
            model = hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet, style=style)
            model.export(made[-1], target, dtype=dtype, check=False)
        for number in numbers(progress, given):
            rng = random.Random(f"{given.seed}:{number}")
            directory = rng.choice(made)
            file = rng.choice(sorted(p.name for p in directory.iterdir() if p.name != "README.md"))
            fault, began = weight if given.natural and rng.random() < 0.5 else rng.choice(FAULTS), time.process_time()
            if fault is weight:
                file = next((p.name for p in directory.iterdir() if p.suffix == ".safetensors"), file)
            said = attack(directory, file, fault((directory / file).read_bytes(), rng))
            progress.longest = max(progress.longest, time.process_time() - began)
            progress.add(said.split(":")[0])
            if said.startswith(("TRACEBACK", "PROVED")) or "LINES" in said:
                progress.fault(f"{given.seed}:{number}: {directory.name}/{file}, {fault.__name__}: {said[:300]!r}")
    finally:
        shutil.rmtree(work)


def main() -> int:
    """Run the campaign and print its counts; exit code 1 if a damaged export was proved and wrong, or something else was raised."""
    parser = options(__doc__)
    parser.add_argument("--natural", action="store_true", help="exports of natural models")
    given = parser.parse_args()
    progress = begun(given)
    campaign(progress, given)
    took = f"none took more than {progress.longest:.1f} s of CPU, and the process {progress.memory:,.0f} MB"
    lines = [f"{progress.said('damaged exports')}; {took}.", ""]
    lines += ["| what came of it | exports |", "| --- | ---: |", *(f"| {what} | {n:,} |" for what, n in progress.counts.most_common())]
    print("\n".join([*lines, *("" if not progress.faults else f"- {f}" for f in progress.faults)]))
    if given.write:
        record("natural-export-faults" if given.natural else "export-faults", "\n".join(lines))
    return int(bool(progress.faults))


if __name__ == "__main__":
    sys.exit(main())
