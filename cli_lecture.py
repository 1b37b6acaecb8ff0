"""The `headwork lecture` command: the constructions of the lectures, listed or run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lecture(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One of the constructions; default: list them.", show_default=False)
    ] = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as .png or .svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the lectures' claims on explicit models; exit code 1 where an oracle disagrees or an exact bound is contradicted."""
    from .compiler.errors import InputError
    from .display import console, say, say_json, status, table
    from .lecture.catalogue import LESSONS, lesson

    if name is None:
        if picture is not None:
            raise InputError("--plot goes with one construction", hint=f"for example headwork lecture {LESSONS[0].name} --plot {picture}")
        if as_json:
            say_json([{"name": x.name, "claim": x.claim, "command": x.command} for x in LESSONS])
        else:
            console().print(table(["name", "claim"], [[x.name, x.claim] for x in LESSONS]))
        return
    wanted = lesson(name)
    with status(f"running {name}"):
        shown = wanted.run()
    if as_json:
        say_json({"claim": wanted.claim, **shown.as_dict()})
    else:
        say(f"{wanted.claim}\n\n{shown}")
    if picture is not None:
        shown.plot(picture)  # last, so that what was found is there where it cannot be drawn
        typer.echo(f"drawn in {picture}", err=as_json)
    raise typer.Exit(0 if shown.ok else 1)
