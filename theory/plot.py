"""Figures of bounds: rows of one model as ratios, and a family's layers beside what is stated of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.errors import InputError
from .verdict import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"EXACT": "tab:blue", "explicit": "tab:green", "conditional": "tab:orange", "asymptotic": "tab:gray"}


def ratios(title: str, rows: Sequence[Row], path: str | Path) -> Path:
    """Measured over bound, one bar a row, on a logarithmic scale with 1 marked."""
    numbers = [(r, x) for r in rows if r.bound and r.measured and 0 < (x := _ratio(r.measured, r.bound)) < inf]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [r.id for r, _ in numbers]
        axes.barh(names, [x - 1 for _, x in numbers], left=1, color=[COLOURS[r.kind] for r, _ in numbers])
        axes.axvline(1, color="black", lw=1)
        for i, (row, x) in enumerate(numbers):
            word = row.verdict.split(" (")[0].split(";")[0]
            axes.annotate(f" {word} ", (x, i), va="center", ha="left" if x >= 1 else "right", fontsize=7)
        axes.set_xscale("log")
        least, most = min([1.0, *(x for _, x in numbers)]), max([1.0, *(x for _, x in numbers)])
        axes.set_xlim(least / 4, most * 8)
        axes.invert_yaxis()
        axes.set_xlabel("measured / bound; blue: constants are stated; green: explicit; grey and orange: unknown constant")
        axes.set_title(title, fontsize=8, wrap=True)
        axes.tick_params(labelsize=8)

    return save(path, draw, (8, 1.6 + 0.28 * max(1, len(numbers))))


def _ratio(measured: float, bound: float) -> float:
    try:
        return measured / bound
    except OverflowError:
        return inf


def layers(
    title: str,
    parameter: str,
    points: Sequence[tuple[int, int]],
    lines: Sequence[tuple[str, Sequence[tuple[int, float]]]],
    path: str | Path,
) -> Path:
    """Attention layers over a parameter as points, and what is stated of them as steps."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([x for x, _ in points], [y for _, y in points], "o", ms=4, label="compiled")
        for label, values in lines:
            axes.plot([x for x, _ in values], [y for _, y in values], drawstyle="steps-post", lw=1, label=label)
        axes.set(xlabel=parameter, ylabel="attention layers")
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=9, wrap=True)
        axes.legend(fontsize=8)

    return save(path, draw, (7, 4.2))


def save(path: str | Path, draw: Callable[[Figure], None], size: tuple[float, float]) -> Path:
    """A figure in a file, whole or not at all. Raises InputError without matplotlib, for another suffix and where there is no directory."""
    target = Path(path)
    if target.suffix not in (".png", ".svg"):
        raise InputError(f"{target} is neither .png nor .svg", hint="for example bounds.svg")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent} is not a directory", hint="make it first")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plots need matplotlib", hint="pip install 'headwork[plot]'") from None
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    mask = os.umask(0)
    os.umask(mask)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}.", suffix=target.suffix)
    os.close(handle)
    try:
        figure.savefig(name, dpi=150)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target
