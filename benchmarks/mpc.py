"""Protocols of the library, compiled at growing numbers of machines: rounds and layers, sizes, times, and the theorem's figures.

A row is refused with the compiler's reason, or given up after a budget of seconds. Answers are compared with the entry's
oracle on its cases.
Run: python benchmarks/mpc.py [--length 64 --length 256] [--only NAME] [--budget 60] [--json FILE] [--write]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from record import record
from table import markdown

import headwork as hw

LENGTHS = (64, 256, 1024)


@dataclass(slots=True)
class Row:
    """One protocol for one number of machines; sizes are 0 where it was not compiled, and `refused` says why."""

    protocol: str
    machines: int
    memory: int = 0
    rounds: int = 0
    layers: int = 0
    heads: int = 0
    d_model: int = 0
    d_mlp: int = 0
    mlp_sublayers: int = 0
    parameters: int = 0
    compile_seconds: float = 0.0
    forward_seconds: float = 0.0
    wrong: int = 0
    cases: int = 0
    refused: str = ""

    @property
    def saved(self) -> int:
        """Layers fewer than the theorem's R + 1."""
        return self.rounds + 1 - self.layers

    @property
    def width(self) -> float:
        """The theorem's width for this memory and number of machines, without its constant: s⁴·log2 N."""
        return self.memory**4 * math.log2(max(2, self.machines))

    def cells(self) -> list[str]:
        """The row of the table."""
        start = [f"`{self.protocol}`", f"{self.machines:,}", f"{self.memory:,}", f"{self.rounds:,}"]
        if self.refused:
            return [*start, *[""] * 11, self.refused]
        sizes = [self.heads, self.d_model, self.d_mlp, self.parameters]
        times = [f"{self.compile_seconds:.1f}", f"{self.forward_seconds:.2f}"]
        theorem = [f"{self.width:,.0f}", f"{self.d_model / self.width:.2g}"]
        return [
            *start,
            str(self.layers),
            str(self.saved),
            *(f"{n:,}" for n in sizes),
            *times,
            *theorem,
            f"{self.wrong} of {self.cases}",
            "",
        ]


class OutOfTime(Exception):
    """A row took longer than its budget."""


@contextmanager
def budget(seconds: int) -> Iterator[None]:
    """Raise OutOfTime in the block after so many seconds."""

    def ring(signum: int, frame: object) -> None:
        raise OutOfTime

    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def measure(name: str, length: int, seconds: int, rng: random.Random) -> Row:
    """Trace, compile and run one protocol."""
    entry, row = hw.protocols.entry(name), Row(name, length)
    try:
        with budget(seconds):
            protocol = entry.protocol()
            trace = protocol.trace(length)
            row.memory, row.rounds = trace.memory, trace.rounds
            start = time.perf_counter()
            model = hw.compile(protocol, length=length)
            row.compile_seconds = time.perf_counter() - start
            cost = model.cost
            row.layers, row.heads, row.d_model = cost.attention_layers, max(cost.heads, default=0), cost.d_model
            row.d_mlp, row.mlp_sublayers, row.parameters = max(cost.d_mlp, default=0), cost.mlp_sublayers, cost.parameters
            stated = entry.layers(length)
            if row.layers > stated:
                raise SystemExit(f"{name} takes {row.layers} layers at N = {length}, and the library states {stated}")
            for case in entry.cases(rng, length):
                start = time.perf_counter()
                found = model.run(case.machines)
                row.forward_seconds = max(row.forward_seconds, time.perf_counter() - start)
                row.wrong += found != entry.oracle(case.machines)
                row.cases += 1
    except hw.HeadworkError as error:
        row.refused = str(error).splitlines()[0]
    except OutOfTime:
        row.refused = f"given up after {seconds} s" + (f", compiled in {row.compile_seconds:.0f} s" if row.layers else "")
    return row


def main() -> int:
    """Measure, print, write; exit code 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, action="append", help="machines; may be given several times")
    parser.add_argument("--only", action="append", help="a protocol; may be given several times")
    parser.add_argument("--budget", type=int, default=60, help="seconds a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="a file for the rows as JSON")
    parser.add_argument("--write", action="store_true", help="put the table into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    start = time.perf_counter()
    for name in options.only or hw.protocols.names():
        for length in options.length or LENGTHS:
            rows.append(measure(name, length, options.budget, random.Random(options.seed)))
            print(" | ".join(rows[-1].cells()), file=sys.stderr, flush=True)
    columns = "protocol,N,s,R,L,saved,heads,d_model,d_mlp,parameters,compile s,forward s,s⁴·log2 N,d_model to it,wrong,refused".split(",")
    text = f"Seed {options.seed}, at most {options.budget} s a row, {date.today()}, {time.perf_counter() - start:.0f} s. "
    text += "`saved` are layers fewer than R + 1; heads and d_mlp are those of the widest layer; forward is the slowest of the cases.\n\n"
    text += markdown(columns, [row.cells() for row in rows], range(1, 15)) + "\n"
    if options.json:
        entries = [asdict(row) | {"theorem_layers": row.rounds + 1, "theorem_width": row.width, "saved": row.saved} for row in rows]
        options.json.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.write:
        record("mpc", text)
    else:
        print(text)
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())
