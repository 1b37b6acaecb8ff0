"""Campaigns write their results where docs/campaigns.md has a place for them, and keep what they did so far, so as to go on with it."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from table import write

CAMPAIGNS = Path(__file__).parent.parent / "docs" / "campaigns.md"


def record(name: str, text: str, page: Path = CAMPAIGNS) -> None:
    """Put a campaign's output between its markers in docs/campaigns.md, or in another page."""
    old = page.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if old.count(begin) != 1 or old.count(end) != 1:
        raise SystemExit(f"{page.name} needs {begin} and {end}, once each")
    write(page, f"{old.split(begin)[0]}{begin}\n{text.rstrip()}\n{end}{old.split(end)[1]}")


@dataclass
class Progress:
    """What a campaign did so far: counts by verdict, the next subject, seconds, the longest that one thing took, megabytes, faults."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    number: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    memory: float = 0.0
    faults: list[str] = field(default_factory=list[str])

    @property
    def total(self) -> int:
        """How many things were tried."""
        return self.counts.total()

    def add(self, *verdict: str) -> None:
        """One more."""
        self.counts["|".join(verdict)] += 1

    def of(self, *verdict: str) -> int:
        """How many came out so; "*" stands for anything."""
        found = [(key.split("|"), n) for key, n in self.counts.items()]
        return sum(n for parts, n in found if all(v in ("*", p) for v, p in zip(verdict, parts, strict=True)))

    def fault(self, text: str) -> None:
        """Something that must not be: kept, and said at once."""
        self.faults.append(text)
        print(text, file=sys.stderr, flush=True)

    def said(self, what: str) -> str:
        """How many of what, the seed, the date and the time taken."""
        return f"{self.total:,} {what}, seed {self.seed}, {date.today()}, {self.seconds:,.0f} s"


def options(doc: str | None, count: int = 2000) -> argparse.ArgumentParser:
    """The options of a campaign."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0] if doc else "")
    parser.add_argument("--count", type=int, default=count, help="stop after so many, those before included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--progress", type=Path, help="a file that keeps what was done: the same command goes on with it")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/campaigns.md")
    return parser


def begun(given: argparse.Namespace) -> Progress:
    """The progress of a campaign, from its file if there is one."""
    if given.progress is None or not given.progress.exists():
        return Progress(given.seed)
    kept = json.loads(given.progress.read_text(encoding="utf-8"))
    if kept["seed"] != given.seed:
        raise SystemExit(f"{given.progress} is of seed {kept['seed']}")
    return Progress(**{**kept, "counts": Counter(kept["counts"])})


def numbers(progress: Progress, given: argparse.Namespace, what: str = "") -> Iterator[int]:
    """The numbers of the subjects to go on with, until there are enough or the time is over; what was done is kept after each.

    Enough are as many verdicts as were asked for, or as many of one verdict, `what`.
    """
    start, before = time.perf_counter(), progress.seconds
    while (progress.counts[what] if what else progress.total) < given.count and time.perf_counter() - start < given.minutes * 60:
        yield progress.number
        progress.number += 1
        progress.memory = max(progress.memory, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        progress.seconds = before + time.perf_counter() - start
        if given.progress is not None:
            made = given.progress.with_suffix(".part")
            made.write_text(json.dumps(vars(progress)), encoding="utf-8")
            os.replace(made, given.progress)
