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
        return html_table(title, rows)


class Gridded(Shown):
    """Shows a table with headings in a notebook, all escaped."""

    __slots__ = ()

    @abstractmethod
    def grid(self) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
        """The title, the headings, and rows of as many cells, the first of which is the row's name."""

    def _repr_html_(self) -> str:
        title, headings, rows = self.grid()
        return html_table(title, rows, headings)


def html_table(title: str, rows: Sequence[Sequence[str]], headings: Sequence[str] = ()) -> str:
    """A table for a notebook: its text is only text, line ends are kept, and colours are the notebook's own, light or dark."""
    head = "".join(_tag("th", name) for name in headings)
    lines = ["".join([_tag("th", name), *(_tag("td", said) for said in rest)]) for name, *rest in rows]
    body = "".join(f"<tr>{line}</tr>" for line in ([head] if head else []) + lines)
    return f"<table>{_tag('caption', title)}{body}</table>"


def _tag(name: str, text: str) -> str:
    return f"<{name} style='text-align: left; white-space: pre-wrap'>{cell(text)}</{name}>"


def cell(text: str) -> str:
    """Text for a page: nothing in it is markup."""
    return html.escape(text)
