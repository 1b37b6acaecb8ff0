"""The report of `hw.bounds`: rows as a table, as JSON-ready values, as Markdown, as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..compiler.shown import Gridded
from .measure import Measured
from .plot import ratios
from .verdict import Row

HEADINGS = ("id", "kind", "bound", "measured", "verdict")


@dataclass(frozen=True)
class Bounds(Gridded):
    """What the theory says of a model: one row a quantity. `ok` is false where an exact bound is contradicted."""

    measured: Measured
    about: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether no row is a contradiction."""
        return not any(row.verdict.startswith("violates") for row in self.rows)

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready values; every row has `id`, `bound`, `measured` and `verdict`."""
        x = self.measured
        sizes = {
            "length": x.length,
            "alphabet": x.symbols,
            "dtype": x.dtype or None,
            "mantissa": x.mantissa,
            "layers": x.layers,
            "heads": x.heads,
            "d_model": x.d_model,
        }
        return {"name": x.name, "about": self.about, **sizes, "rows": [row.as_dict() for row in self.rows]}

    def headline(self) -> str:
        """The model's sizes in one line, in the symbols the bounds use."""
        x = self.measured
        sizes = f"N = {x.length:,}, |Σ| = {x.symbols:,}, p = {x.mantissa} ({x.dtype})" if x.dtype else f"N = {x.length:,}, p = {x.mantissa}"
        return f"{x.name}: {sizes}, L = {x.layers}, H = {x.heads}, m = {x.d_model}; {self.about}"

    def grid(self) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
        """The sizes, and a row a quantity."""
        return self.headline(), HEADINGS, [row.texts() for row in self.rows]

    def __repr__(self) -> str:
        return f"<Bounds of {self.measured.name}: {len(self.rows)} rows, {'none' if self.ok else 'one'} contradicted>"

    def markdown(self) -> str:
        """The report as a Markdown table, with the sources and what the rows that apply assume."""
        cells = [(*row.texts(), row.statement.source) for row in self.rows]
        sources = "\n".join(f"- {line}" for line in self.sources()).replace("*", "\\*")
        return f"{self.headline()}\n\n{markdown((*HEADINGS, 'source'), cells)}" + (f"\n\n{sources}" if sources else "")

    def sources(self) -> list[str]:
        """Where each row that applies comes from and what it assumes, one line a statement; what can be checked has its values here."""
        found: dict[str, str] = {}
        for row in self.rows:
            if row.applies and row.statement.id not in found:
                assumed = "; ".join(map(str, row.assumed))
                found[row.statement.id] = f"{row.statement.id}: {row.statement.source}" + (f". Assumes {assumed}" if assumed else "")
        return list(found.values())

    def plot(self, path: str | Path) -> Path:
        """Measured over bound, for each row with a number, as a PNG or SVG. Raises InputError without matplotlib, or for another suffix."""
        return ratios(self.headline(), [r for r in self.rows if r.applies and r.bound and r.measured is not None], path)

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.headline()}\nno row of the theory speaks of this program; state its family, for example family='khop', k=3"
        table = columns(HEADINGS, [row.texts() for row in self.rows])
        return "\n\n".join([self.headline(), table, *(["\n".join(self.sources())] if self.sources() else [])])


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under headings, in columns of equal width."""
    table = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(row[c]) for row in table) for c in range(len(headings))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table; bars within cells are escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |"

    return "\n".join((line(headings), line(["---"] * len(headings)), *map(line, rows)))
