"""What the commands print: tables and progress, with rich; plain where the output is not a terminal."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ..runtime.cost import Cost

WIDTH = 100


class _Out(Console):
    """Standard output; that its reader has left is for the command to say, not for rich."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console() -> Console:
    """Standard output as it is now; 100 columns where it is not a terminal."""
    out = _Out(highlight=False, markup=False, emoji=False)
    return out if out.is_terminal else _Out(highlight=False, markup=False, emoji=False, width=WIDTH)


def say(text: str = "") -> None:
    """Print text without wrapping; what would command the terminal is shown, not sent."""
    print(shown(text))


def say_following(row: Iterable[object]) -> None:
    """Print words on one line, each when it comes."""
    for number, word in enumerate(row):
        print(shown(" " * (number > 0) + _word(word)), end="", flush=True)
    print()


def shown(text: str) -> str:
    """Text with control characters other than line ends and tabs, and marks that turn the direction of writing, as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf") else ascii(c)[1:-1] for c in text)


def cut(text: str, most: int = 1000) -> str:
    """Text with every line cut at a sensible length."""
    return "\n".join(line if len(line) <= most else f"{line[:most]}… ({len(line):,} characters)" for line in text.split("\n"))


def say_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Table:
    """Rows under headings; the columns numbered in `right` are aligned to the right, the first is never wrapped."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index in right else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        made.add_row(*map(shown, row))
    return made


def cost_table(costs: Mapping[str, Cost]) -> Table:
    """Costs side by side, one column a model."""
    lines: list[tuple[str, Callable[[Cost], str]]] = [
        ("attention layers", lambda c: str(c.attention_layers)),
        ("heads per layer", lambda c: runs(c.heads)),
        ("d_model", lambda c: str(c.d_model)),
        ("d_head", lambda c: str(c.d_head)),
        ("MLP sublayers", lambda c: str(c.mlp_sublayers)),
        ("d_mlp", lambda c: runs(c.d_mlp)),
        ("parameters", lambda c: f"{c.parameters:,}"),
        ("outside the embedding", lambda c: f"{c.parameters - c.embedding_parameters:,}"),
        ("nonzero parameters", lambda c: f"{c.nonzero_parameters:,}"),
    ]
    rows = [[label, *(show(cost) for cost in costs.values())] for label, show in lines]
    return table(["cost", *costs], rows, right=range(1, len(costs) + 1))


def runs(numbers: Sequence[int]) -> str:
    """Numbers with repeats counted: (1, 1, 1, 2) is `1 ×3, 2`."""
    groups = [(value, len(list(group))) for value, group in itertools.groupby(numbers)]
    return ", ".join(f"{value} ×{count}" if count > 1 else str(value) for value, count in groups) or "none"


def words(row: Sequence[object]) -> str:
    """A result as words; ⊥ where there is no value, commas between the values of a tuple."""
    return " ".join(",".join(map(_word, value)) if isinstance(value, tuple) else _word(value) for value in row)


def _word(value: object) -> str:
    return "⊥" if value is None else str(value)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error while work lasts; None, and silence, where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def status(what: str) -> Iterator[None]:
    """A spinner on standard error while work of unknown size lasts; silence where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
