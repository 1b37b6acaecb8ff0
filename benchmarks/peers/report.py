"""Measured cells as Markdown: docs/peers.md, and the short table of docs/related.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from headwork.benchmarks.peers.cell import CHECKING, CPU_LIMIT, LENGTHS, MEMORY_LIMIT, SEED, SEQUENCES, Row
from headwork.benchmarks.peers.systems import SYSTEMS, WALL_LIMIT
from headwork.benchmarks.peers.tasks import NUMBERS, TASKS

BEGIN, END = "<!-- peers:begin -->", "<!-- peers:end -->"
COLUMNS = ("task", "length", "system", "layers", "heads", "d_model", "parameters", "compile", "forward", "exact")


def document(rows: Sequence[Row]) -> str:
    """docs/peers.md."""
    versions = sorted({f"{row.system}: {row.version}" for row in rows if row.version})
    dates = sorted({row.date for row in rows if row.date})
    tasks = "\n".join(f"- `{task.name}`: {task.what}{'' if task.causal else ' (not for causal attention)'}" for task in TASKS.values())
    return f"""# Beside other compilers

Made by `make peers` (`python -m benchmarks.peers --write`), which installs every system into an environment of its own and
measures each cell in a process of its own.

- Measured {" to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "never"}, seed {SEED}.
- {"; ".join(versions)}.
- {machine()}; one thread, float32, measured in parts, beside other work on the machine.
  Times are of the wall clock, the least of several runs.

## The tasks

Over {len(NUMBERS)} numbers, `dyck1` over two brackets:

{tasks}

`histogram` and `dyck1` are about the sequence so far in a causal program and about the whole sequence in any other.
headwork answers `dyck1` and Tracr `previous`, `induction` and `khop` causally; torchwright and transformer-vm are causal.
Tracr's programs are those of its own library where it has one.

## The columns

`layers` counts attention layers, `heads` those of the widest, `parameters` every number stored in a tensor, embeddings included.
`compile` is program to model after a first compilation at length {LENGTHS[0]}, `forward` tokens to answers of one sequence of that length.
`exact` is how many random sequences are right at every position: {SEQUENCES} of them, or as many as take {CHECKING:g} seconds.
Plain Python says what is right; positions for which it has no answer are not judged.
A cell may take {CPU_LIMIT} CPU seconds, imports included, {WALL_LIMIT} seconds of the clock, and {MEMORY_LIMIT >> 30} GiB of memory.
After a cell over the time limit, longer ones are not tried.
A system that keeps what it compiled for a shape (JAX) compiles length {LENGTHS[0]} a second time, hence faster.

![d_model, compile time and forward time by length]({PLOT.name})

{table(rows)}
"""


PLOT = Path("docs") / "peers.png"


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(rows: Sequence[Row]) -> str:
    """Every cell, in the order of tasks, lengths and systems. What a system cannot express is one line."""
    lines: list[Sequence[str]] = []
    for row in sorted(rows, key=_place):
        if row.status == "cannot express":
            lines.append((f"`{row.task}`", "all", row.system, *[""] * 6, f"cannot express: {row.note}"))
            continue
        sizes = [_count(value) for value in (row.layers, row.heads, row.d_model, row.parameters)]
        lines.append((f"`{row.task}`", f"{row.length:,}", row.system, *sizes, seconds(row.compile), seconds(row.forward), verdict(row)))
    return markdown(COLUMNS, lines, range(3, 9))


def verdict(row: Row) -> str:
    """How many sequences were right, and how the cell ended where it did not end well."""
    tried = "" if row.tried is None else f"{row.right}/{row.tried}"
    tried = tried if row.exact or not tried else f"**{tried}**"
    if row.status == "measured":
        return tried
    return "; ".join(filter(None, (tried, f"{row.status}: {row.note}" if row.note else row.status)))


def summary(rows: Sequence[Row]) -> str:
    """The short table: for each task and system the length up to which all is exact, with layers and d_model there."""
    lines = [(f"`{task}`", *(reach(rows, system.name, task) for system in SYSTEMS)) for task in TASKS]
    return markdown(("task", *(system.name for system in SYSTEMS)), lines, range(1, 1 + len(SYSTEMS)))


def reach(rows: Sequence[Row], system: str, task: str) -> str:
    """The greatest length up to which every cell is exact: `length (layers, d_model)`."""
    mine = sorted((row for row in rows if (row.system, row.task) == (system, task)), key=lambda row: row.length)
    if not mine:
        return "not measured"
    if mine[0].status in ("cannot express", "not installed"):
        return mine[0].status
    last: Row | None = None
    for row in mine:
        if not row.exact:
            break
        last = row
    return "none" if last is None else f"{last.length:,} ({last.layers}, {last.d_model:,})"


def filled(page: str, rows: Sequence[Row]) -> str:
    """The page with the short table between its markers. Stops where a marker is missing."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise SystemExit(f"docs/related.md needs {BEGIN} and, after it, {END}, once each")
    return f"{page.split(BEGIN)[0]}{BEGIN}\n{summary(rows)}\n{END}{page.split(END)[1]}"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """A table; the columns of those numbers stand to the right."""
    rules = ["---:" if i in numbers else "---" for i in range(len(columns))]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in (columns, rules, *rows))


def seconds(value: float | None) -> str:
    """A time in a unit that suits it."""
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _place(row: Row) -> tuple[int, int, int]:
    return list(TASKS).index(row.task), row.length, [system.name for system in SYSTEMS].index(row.system)
