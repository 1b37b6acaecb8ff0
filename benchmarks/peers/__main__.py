"""headwork beside other compilers that build transformers without training.

    python -m benchmarks.peers            run what has no result yet, and print the tables
    python -m benchmarks.peers --write    the same, and write docs/peers.md, docs/peers.png and the table of docs/related.md
    python -m benchmarks.peers --again headwork    forget a system's results first

Installs Tracr, torchwright and transformer-vm into environments of their own under benchmarks/peers/.cache, which also keeps the
results, one JSON line a cell; so a run that was stopped goes on where it was. From nothing it takes about half an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from headwork.benchmarks.peers.cell import LENGTHS, Row
from headwork.benchmarks.peers.report import PLOT, document, filled, summary, table
from headwork.benchmarks.peers.systems import CACHE, ROOT, SYSTEMS, InstallError, System
from headwork.benchmarks.peers.tasks import TASKS

RESULTS = CACHE / "results.jsonl"


def recorded() -> list[Row]:
    """The results there are."""
    return [Row(**json.loads(line)) for line in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def record(row: Row) -> None:
    """Add a result."""
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def forget(names: Sequence[str]) -> None:
    """Drop all results of these systems."""
    kept = [row for row in recorded() if row.system not in names]
    RESULTS.write_text("".join(json.dumps(asdict(row)) + "\n" for row in kept), encoding="utf-8")


def run(system: System, task: str, rows: list[Row]) -> None:
    """A system's cells of one task, shortest first, recorded one by one.

    After the time limit longer ones are not tried; what cannot be expressed at one length cannot be at any, and is one row.
    """
    late = 0
    for length in LENGTHS:
        row = next((r for r in rows if (r.system, r.task, r.length) == (system.name, task, length)), None)
        if row is None:
            note = f"length {late:,} was over the time limit"
            row = Row(system.name, task, length, "not tried", note) if late else system.run(task, length)
            record(row)
            rows.append(row)
            print(f"{system.name} {task} {length}: {row.status} {row.note} {row.right}/{row.tried}", file=sys.stderr)
        if row.status == "cannot express":
            return
        late = length if row.status == "time limit" else late


def measured(tasks: Sequence[str]) -> list[Row]:
    """Every cell of these tasks, and what there is of others; rows of a system that cannot be installed are made, not recorded."""
    rows = recorded()
    absent: list[Row] = []
    ready: list[System] = []
    for system in SYSTEMS:
        try:
            system.install()
            ready.append(system)
        except InstallError as error:
            print(f"{system.name}: {error}", file=sys.stderr)
            absent += [Row(system.name, task, n, "not installed", str(error)) for task in tasks for n in LENGTHS]
    for task in tasks:
        for system in ready:
            run(system, task, rows)
    present = {system.name for system in ready}
    return [row for row in rows if row.system in present] + absent


def write(rows: Sequence[Row]) -> None:
    """The document, the picture and the short table."""
    from headwork.benchmarks.peers.plot import draw

    draw(rows, ROOT / PLOT)
    (ROOT / "docs" / "peers.md").write_text(document(rows), encoding="utf-8")
    page: Path = ROOT / "docs" / "related.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), rows), encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write docs/peers.md, docs/peers.png and the table of docs/related.md")
    parser.add_argument("--again", action="append", default=[], choices=[s.name for s in SYSTEMS], metavar="SYSTEM", help="measure it anew")
    parser.add_argument("--task", action="append", choices=list(TASKS), help="measure this task only; may be repeated")
    options = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    if options.again:
        forget(options.again)
    rows = measured(options.task or list(TASKS))
    if options.write:
        write(rows)
    else:
        print(f"{table(rows)}\n\n{summary(rows)}")


if __name__ == "__main__":
    main()
