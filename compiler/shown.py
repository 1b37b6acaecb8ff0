"""How results show themselves as the last line of a cell: as text in IPython, as a table in a notebook."""

from __future__ import annotations

import html
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol


class Printer(Protocol):
    """What IPython prints with."""

    def text(self, obj: str) -> None:
        """Print text as it is."""
        ...


class Shown:
    """Shows its text, where Python alone would show every field."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        printer.text(str(self))


class Tabled(Shown):
    """Shows a table in a notebook: a title and rows, all escaped."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The title, and rows of a name and what is said of it."""

    def _repr_html_(self) -> str:
        title, rows = self.table()
        body = "".join(f"<tr><th style='text-align: left'>{cell(name)}</th><td>{cell(said)}</td></tr>" for name, said in rows)
        return f"<table><caption>{cell(title)}</caption>{body}</table>"


def cell(text: str) -> str:
    """Text for a page: nothing in it is markup."""
    return html.escape(text)
