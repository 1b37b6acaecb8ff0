"""What a construction shows: tables, comparisons with the oracle, rows of the theory, and a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..theory.plot import save
from ..theory.registry import REGISTRY
from ..theory.report import HEADINGS, columns, markdown
from ..theory.statement import Facts
from ..theory.verdict import Row, rows, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; `varies` marks figures that another run or another machine gives differently, such as seconds."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    varies: bool = False

    def texts(self) -> list[list[str]]:
        """The cells as text: whole numbers with their thousands separated, others to three digits."""
        return [[cell if isinstance(cell, str) else short(cell) for cell in row] for row in self.rows]

    def as_dict(self) -> dict[str, object]:
        """The table as JSON-ready values, one object a row."""
        return {"title": self.title, "rows": [dict(zip(self.headings, row, strict=True)) for row in self.rows], "varies": self.varies}


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: in how many cases, and how many of them were wrong."""

    what: str
    cases: int
    wrong: int

    def __str__(self) -> str:
        return f"{self.what}: {self.cases - self.wrong:,} of {self.cases:,}"


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a construction shows. `ok` is false where the oracle disagrees or an exact bound is violated."""

    name: str
    tables: tuple[Table, ...]
    checks: tuple[Check, ...]
    bounds: tuple[Row, ...]
    draw: Callable[[Figure], None]

    @property
    def ok(self) -> bool:
        """Whether every comparison holds and no row of the theory is a contradiction."""
        return not any(check.wrong for check in self.checks) and not any(row.verdict.startswith("violates") for row in self.bounds)

    def as_dict(self) -> dict[str, object]:
        """Everything but the figure, as JSON-ready values."""
        return {
            "name": self.name,
            "ok": self.ok,
            "tables": [table.as_dict() for table in self.tables],
            "checks": [{"what": c.what, "cases": c.cases, "wrong": c.wrong} for c in self.checks],
            "bounds": [row.as_dict() for row in self.bounds],
        }

    def markdown(self, varies: bool = False) -> str:
        """The tables that do (not) vary from run to run as Markdown, then the comparisons and the rows of the theory."""
        parts = [f"**{t.title}**\n\n{markdown(t.headings, t.texts())}" for t in self.tables if t.varies == varies]
        if not varies:
            parts += ["\n".join(f"- {check}" for check in self.checks)] if self.checks else []
            parts += [markdown(HEADINGS, [row.texts() for row in self.bounds])]
        return "\n\n".join(parts)

    def __str__(self) -> str:
        parts = [f"{t.title}\n\n{columns(t.headings, t.texts())}" for t in self.tables]
        parts.append("\n".join(map(str, self.checks)))
        parts.append(columns(HEADINGS, [row.texts() for row in self.bounds]))
        return "\n\n".join(part for part in parts if part)

    def plot(self, path: str | Path) -> Path:
        """Draw the figure as PNG or SVG. Raises InputError without matplotlib or for another suffix."""
        return save(path, self.draw, (9, 4.2))


def hold(name: str, values: Mapping[str, int]) -> list[Row]:
    """Hold one row of the theory, by its id, against a construction's sizes."""
    return rows(REGISTRY[name], Facts(values))


def table(title: str, headings: Sequence[str], cells: Sequence[Sequence[Cell]], varies: bool = False) -> Table:
    """A table from any sequences."""
    return Table(title, tuple(headings), tuple(map(tuple, cells)), varies)
