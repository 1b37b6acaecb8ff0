"""What `long.py` measured, as tables: its targets beside what was measured, the page's tables, and the plot."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

LONGEST = 1 << 18
Line = tuple[str, str, str, bool | None]  # what, target, measured, whether it holds


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: seconds (median, least, greatest) for so many tokens, and what else is to be said."""

    section: str
    what: str
    tokens: int
    seconds: float
    least: float
    most: float
    note: str = ""

    @property
    def span(self) -> str:
        """Seconds, the least and the greatest in brackets."""
        return f"{self.seconds:.3g} s ({self.least:.3g} to {self.most:.3g})"

    @property
    def rates(self) -> str:
        """The same as tokens a second."""
        rate, least, most = (f"{self.tokens / s:,.0f}" for s in (self.seconds, self.most, self.least))
        return f"{rate} ({least} to {most})"

    def __str__(self) -> str:
        rate = f"{self.tokens / self.seconds:,.0f}"
        return f"| {self.section} | {self.what} | {self.tokens:,} | {self.span} | {rate} | {self.note} |"


@dataclass
class Found:
    """All rows, printed as they come, and numbers that are no times."""

    repeats: int
    rows: list[Row] = field(default_factory=list[Row])
    facts: dict[str, float] = field(default_factory=dict[str, float])
    lengths: list[list[str]] = field(default_factory=list[list[str]])  # program, dtype, seconds, GiB, what refuses it
    others: list[str] = field(default_factory=list[str])  # what other decoders say

    def add(self, section: str, what: str, tokens: int, run: Callable[[], object], note: str = "", repeats: int | None = None) -> Row:
        """Time a call."""
        times: list[float] = []
        for _ in range(repeats or self.repeats):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        row = Row(section, what, tokens, median(times), min(times), max(times), note)
        self.rows.append(row)
        print(row, flush=True)
        return row

    def of(self, section: str) -> list[Row]:
        """The rows of a section."""
        return [row for row in self.rows if row.section == section]

    def row(self, section: str, start: str, *rest: str) -> Row | None:
        """The row of a section whose name starts so and has all the rest in it."""
        found = [row for row in self.of(section) if row.what.startswith(start) and all(r in row.what for r in rest)]
        return found[0] if found else None


def targets(found: Found) -> list[str]:
    """Each target, what was measured, and whether it holds; "-" where there is no target, or a peer was not there."""
    lines = [*_prefill(found), *_slopes(found), *_dense(found), *_decode(found), *_machines(found), *_lengths(found)]
    said = {True: "yes", False: "**no**", None: "-"}
    return [
        "| what | target | measured | holds |",
        "| --- | --- | --- | --- |",
        *(f"| {what} | {target} | {measured} | {said[holds]} |" for what, target, measured, holds in lines),
    ]


def _prefill(found: Found) -> list[Line]:
    rows = [found.row("prefill", start) for start in ("khop-16", "the same", "khop's reference")]
    if None in rows:
        return []
    ids, symbols, plain = (row for row in rows if row is not None)
    memory, what = found.facts.get("prefill, GiB", math.inf), "khop-16, N = 2^20, V = 64, sparse"
    return [
        (f"{what}, ids to classes", "≤ 2 s", ids.span, ids.seconds <= 2),
        (f"{what}, symbols to symbols", "≤ 2 s", symbols.span, symbols.seconds <= 2),
        (f"{what}, memory", "≤ 4 GB", f"{memory:.2f} GiB", memory * 2**30 <= 4e9),
        (
            f"{what}, symbols to symbols",
            "faster than the reference in plain Python",
            f"it takes {plain.span}",
            symbols.seconds < plain.seconds,
        ),
    ]


def _slopes(found: Found) -> list[Line]:
    lines: list[Line] = []
    for name in dict.fromkeys(row.what for row in found.of("slopes")):
        some = [row for row in found.of("slopes") if row.what == name]
        last, slope = max(some, key=lambda row: row.tokens), found.facts.get(f"slope of {name}", math.inf)
        first = min(row.tokens for row in some)
        lines.append(
            (f"{name}, {last.tokens:,} tokens", f"≤ 10 s at {LONGEST:,}", last.span, last.seconds <= 10 and last.tokens >= LONGEST)
        )
        lines.append((f"{name}, slope from {first:,} to {last.tokens:,}", "≤ 1.15", f"{slope:.2f}", slope <= 1.15))
    return lines


def _dense(found: Found) -> list[Line]:
    lines: list[Line] = []
    for row in found.of("dense"):
        name = row.what.split(",")[0]
        if row.what.endswith("sparse"):
            ratio, cross = found.facts[f"ratio of {name}"], found.facts[f"crossover of {name}"]
            measured = f"{ratio:.1f} times; faster from {cross:,.0f} tokens" if math.isfinite(cross) else f"{ratio:.1f} times"
            target = "≥ 10 times" if name == "khop" else ""
            lines.append((f"{name}, sparse against dense at {row.tokens:,}", target, measured, ratio >= 10 if target else None))
    return lines


def _decode(found: Found) -> list[Line]:
    lines: list[Line] = []
    peer = found.facts.get("firebrand, tokens/s")
    for what in ("khop-8", "turing"):
        short, long = (found.row("decode", what, "sparse", after) for after in ("1,000 tokens", "1,000,000 tokens"))
        cache = found.row("decode", what, "KV cache")
        if short is None or long is None or cache is None:
            continue
        rates = [row.tokens / row.seconds for row in (short, long, cache)]
        lines.append((f"{what}, decode after 1,000 tokens", "≥ 400,000 a second", short.rates, rates[0] >= 4e5))
        lines.append((f"{what}, decode after 1,000,000", "≥ half of that", long.rates, rates[1] >= rates[0] / 2))
        ratio = None if peer is None else rates[0] / peer
        against = "not measured" if ratio is None else f"{ratio:.1f} times"
        lines.append((f"{what}, against firebrand's RV32IM machine", "≥ 2 times", against, None if ratio is None else ratio >= 2))
        lines.append((f"{what}, against a KV cache in torch", "", f"{rates[0] / rates[2]:,.0f} times", None))
    return [*lines, *(("other decoders", "", said, None) for said in found.others)]


def _machines(found: Found) -> list[Line]:
    lines: list[Line] = []
    for row in found.of("machines"):
        least = 1 if "4 states" in row.what else 1_000_000
        target = "as simulated" if least == 1 else "10^6 steps, as simulated"
        steps = found.facts.get(f"steps as simulated, {row.what}", 0)
        lines.append((row.what, target, f"{steps:,.0f} steps, {row.span}", steps >= least))
    return lines


def _lengths(found: Found) -> list[Line]:
    if not found.lengths:
        return []
    made = [(name, dtype, float(took), float(used)) for name, dtype, took, used, why in found.lengths if not why]
    stopped = [f"{name} in {dtype}" for name, dtype, _, _, why in found.lengths if why.startswith("stopped")]
    over = [f"{name} in {dtype}: {took} s, {used} GiB" for name, dtype, took, used in made if took > 10 or used * 2**30 > 2e9]
    measured = f"{len(made)} of {len(found.lengths)}, at most {max(m[2] for m in made)} s and {max(m[3] for m in made)} GiB"
    return [
        ("compile at N = 2^20", "≤ 10 s, ≤ 2 GB", "; ".join([measured, *over, *(f"{s}: stopped" for s in stopped)]), not over + stopped)
    ]


def page(found: Found, said: str) -> dict[str, list[str]]:
    """The tables of docs/execution.md by the name of their markers."""
    measured = [
        f"{said}: CPU seconds of one thread, medians of {found.repeats} (at 4,096 tokens of 5), least and greatest in brackets.",
        "",
        *targets(found),
        "",
        "| time against length | tokens | seconds |",
        "| --- | ---: | --- |",
        *(f"| {row.what} | {row.tokens:,} | {row.span} |" for row in found.of("slopes")),
        "",
        "| sessions | tokens a second |",
        "| --- | --- |",
        *(f"| {row.what} | {row.rates} |" for row in found.of("decode")),
    ]
    some = dict.fromkeys(name for name, *_ in found.lengths)
    by = {(name, dtype): (took, used, why) for name, dtype, took, used, why in found.lengths}
    lengths = [f"{said}.", "", "| program | float32 | float64 |", "| --- | --- | --- |"]
    for name in some:
        cells = [
            why.replace("|", "\\|") if why else f"{took} s, {used} GiB" for took, used, why in (by[name, d] for d in ("float32", "float64"))
        ]
        lengths.append(f"| `{name}` | {cells[0]} | {cells[1]} |")
    return {"long": measured, "lengths": lengths} if some else {"long": measured}


def plot(rows: Sequence[Row], file: Path) -> None:
    """Seconds against tokens, log-log."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    slopes = [r for r in rows if r.section == "slopes"]
    for name in dict.fromkeys(r.what for r in slopes):
        some = [r for r in slopes if r.what == name]
        axes.plot([r.tokens for r in some], [r.seconds for r in some], marker="o", markersize=4, label=name)
    for r in rows:
        if r.section == "prefill" and "classes" in r.what:
            axes.plot([r.tokens], [r.seconds], marker="*", markersize=11, linestyle="", color="black", label="khop-16")
        if r.section == "dense" and r.what == "khop, dense":
            n = np.array([r.tokens, 1 << 20])
            axes.plot(n, r.seconds * (n / n[0]) ** 2, linestyle=":", color="grey", label="khop-16, dense (N² from 4,096 on)")
    axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel="seconds, token ids to classes", title="Sparse execution")
    axes.set_xticks([1 << k for k in range(10, 21, 2)], [f"$2^{{{k}}}$" for k in range(10, 21, 2)])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    FigureCanvasAgg(figure).print_png(str(file))
