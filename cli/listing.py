"""To begin with: `list` says what the library has, `demo` shows two of its programs on a real text."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson


def list_(as_json: AsJson = False) -> None:
    """List the library's programs with their parameters and attention layers."""
    from .. import programs
    from .display import console, say_json, table

    entries = [programs.entry(name) for name in programs.names()]
    if as_json:
        say_json([{"name": e.name, "parameters": dict(e.parameters), "layers": e.layers_formula, "summary": e.summary} for e in entries])
        return
    rows = [[e.name, ", ".join(map(_default, e.parameters.items())), e.layers_formula, e.summary] for e in entries]
    console().print(table(["program", "parameters", "layers", "what it does"], rows))


def demo(
    count: Annotated[int, typer.Option("--words", metavar="N", min=100, help="How many words of the text to read.")] = 3000,
) -> None:
    """Compile induction and khop, run them on a real text, and check every answer."""
    from .demo import run_demo

    raise typer.Exit(0 if run_demo(count) else 1)


def _default(parameter: tuple[str, object]) -> str:
    name, value = parameter
    return f"{name}=({len(value)} items)" if isinstance(value, tuple) else f"{name}={value}"
