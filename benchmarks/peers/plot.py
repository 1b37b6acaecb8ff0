"""The cells as a picture: width and times against length, a column for each task. Needs matplotlib (`pip install -e .[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from headwork.benchmarks.peers.cell import LENGTHS, Row
from headwork.benchmarks.peers.systems import SYSTEMS
from headwork.benchmarks.peers.tasks import TASKS

COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8a5a9e")
MEASURES = (("d_model", "d_model"), ("compile", "compile, seconds"), ("forward", "forward, seconds"))


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the picture. A filled mark: every sequence right; a cross: not, or the cell was not finished."""
    figure = Figure(figsize=(16, 7.2), layout="constrained")
    axes = figure.subplots(len(MEASURES), len(TASKS), sharex=True, sharey="row", squeeze=False)
    for column, task in enumerate(TASKS):
        axes[0, column].set_title(task)
        axes[-1, column].set_xlabel("length")
        for line, (measure, label) in enumerate(MEASURES):
            place = axes[line, column]
            place.set_xscale("log", base=2)
            place.set_yscale("log")
            place.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
            place.grid(alpha=0.25)
            if not column:
                place.set_ylabel(label)
            for system, colour in zip(SYSTEMS, COLOURS, strict=True):
                mine = sorted((r for r in rows if (r.system, r.task) == (system.name, task)), key=lambda r: r.length)
                points = [(r.length, getattr(r, measure), r.exact) for r in mine if getattr(r, measure) is not None]
                place.plot([n for n, _, _ in points], [y for _, y, _ in points], color=colour, linewidth=1.2)
                for exact, mark in ((True, "o"), (False, "x")):
                    chosen = [(n, y) for n, y, good in points if good is exact]
                    place.scatter([n for n, _ in chosen], [y for _, y in chosen], color=colour, marker=mark, s=28, zorder=3)
    legend = [Line2D([], [], color=colour, label=system.name) for system, colour in zip(SYSTEMS, COLOURS, strict=True)]
    legend += [
        Line2D([], [], color="grey", linestyle="", marker=m, label=text) for m, text in (("o", "exact"), ("x", "wrong or unfinished"))
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    figure.savefig(path, dpi=80)
