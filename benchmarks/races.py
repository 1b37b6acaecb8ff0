"""Processes save two programs to one directory while others load it: every load gives one of the two, whole, or a HeadworkError.

python benchmarks/races.py --seconds 60
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

import headwork as hw

SHIFTS = (1, 2)


def model_of(shift: int) -> hw.Model:
    """A program of the same sizes for every shift, so that only its contents tell it from another."""
    made = hw.program(name=f"add{shift}", alphabet=8)(lambda token: hw.table(lambda x: (x + shift) % 8, token))
    return hw.compile(made, length=3)


def saver(directory: Path, shift: int, end: float) -> Counter[str]:
    """Save one program again and again."""
    model, seen = model_of(shift), Counter[str]()
    while time.time() < end:
        try:
            model.save(directory)
            seen["saved"] += 1
        except hw.HeadworkError as error:
            seen[f"save refused: {error.fact}"] += 1
        except Exception as error:
            seen[f"save: {type(error).__name__}"] += 1
    return seen


def loader(directory: Path, end: float) -> Counter[str]:
    """Load again and again, and run what was loaded."""
    seen = Counter[str]()
    while time.time() < end:
        try:
            model = hw.load(directory)
            shift = int(model.name.removeprefix("add"))
            seen["loaded" if model.run(list(range(3))) == [(x + shift) % 8 for x in range(3)] else "wrong"] += 1
        except hw.HeadworkError as error:
            seen[f"load refused: {error.fact.replace(str(directory), 'DIR')}"] += 1
        except Exception as error:
            seen[f"load: {type(error).__name__}"] += 1
    return seen


def work(job: tuple[str, Path, int, float]) -> Counter[str]:
    """One process: a saver or a loader."""
    kind, directory, shift, end = job
    torch.set_num_threads(1)
    return saver(directory, shift, end) if kind == "save" else loader(directory, end)


def race(seconds: float, loaders: int = 2) -> Counter[str]:
    """What every process saw, added up; also what is left beside the checkpoint."""
    with tempfile.TemporaryDirectory() as base:
        directory = Path(base) / "m"
        model_of(SHIFTS[0]).save(directory)
        with multiprocessing.get_context("fork").Pool(len(SHIFTS) + loaders) as pool:
            end = time.time() + seconds
            jobs = [("save", directory, shift, end) for shift in SHIFTS] + [("load", directory, 0, end)] * loaders
            total = sum(pool.map(work, jobs, chunksize=1), Counter[str]())
        total["left behind"] += len(list(Path(base).iterdir())) - 1
    return total


def main() -> None:
    """Print the counts; exit code 1 where anything was wrong, raised or left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    counts = race(parser.parse_args().seconds)
    for what, count in sorted(counts.items()):
        print(f"{count:>9,}  {what}")
    raise SystemExit(0 if all(k in ("saved", "loaded") or "refused" in k or not n for k, n in counts.items()) else 1)


if __name__ == "__main__":
    main()
