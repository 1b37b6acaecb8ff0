"""What theory says of a program: `bounds` and `frontier`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import InputError
from .bounds import decided, one_length, one_model, one_shape, own_rows, whole_family
from .options import AlphabetOption, AsJson, Build, Plot, Wanted, building
from .programs import blame, find


@building(without=("length", "alphabet"))
def bounds(
    program: Wanted,
    build: Build,
    length: Annotated[
        str | None, typer.Option(metavar="N", help="The longest sequence; default 256. With --over: 256,1024 or 256..65536, doubling.")
    ] = None,
    alphabet: AlphabetOption = None,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="What your own program computes, for example khop.")] = None,
    given: Annotated[list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="A parameter of --family; repeatable.")] = None,
    form: Annotated[str | None, typer.Option(metavar="FORM", help="How k-hop is written: previous or position.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also the rows about other families.")] = False,
    over: Annotated[list[str] | None, typer.Option(metavar="NAME=A..B", help="Fit the costs over a parameter's range; repeatable.")] = None,
    shape: Annotated[str | None, typer.Option("--one-layer", metavar="h=1,m=8,p=24", help="Judge one layer of this shape instead.")] = None,
    search: Annotated[
        bool, typer.Option("--search", help="With --one-layer, induction, N <= 8: decide it by z3, and find the heads needed.")
    ] = False,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.1, help="How long z3 may think about one number of heads.")] = 30.0,
    rows: Annotated[
        list[str] | None, typer.Option("--rows", metavar="FILE.py:NAME", help="Statements of your own, held first; repeatable.")
    ] = None,
    picture: Plot = None,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Hold a program against the theory: upper and lower bounds; exit code 1 where an exact one is contradicted."""
    from .display import progress, say, say_json

    own = own_rows(rows or ())
    verdicts = decided(program, shape, length, seconds) if search else []
    if over:
        if build.settings:
            raise InputError("--over and --set do not go together", hint="give one value as a range: --over k=3")
        with progress(f"compiling {program}") as step:
            report = whole_family(program, over, length, alphabet, build, family, own, step)
    elif shape is not None:
        report = one_shape(find(program, build.settings or ()), shape, length, alphabet, family, given or ())
    else:
        source = find(program, build.settings or ())
        model = replace(build, length=one_length(source, length), alphabet=alphabet).model(source)
        report = one_model(model, source, family, form, given or (), every, own)
    if as_json:
        say_json({**report.as_dict(), **({"search": [v.as_dict() for v in verdicts]} if verdicts else {})})
    else:
        say(report.markdown() if as_markdown else str(report))
        if verdicts:
            from ..theory.search import text

            say(f"\n{text(verdicts)}")
    if picture is not None:
        report.plot(picture)  # last, so that what was found is there where it cannot be drawn
        typer.echo(f"drawn in {picture}", err=as_json)
    raise typer.Exit(0 if report.ok else 1)


@building(without=("length", "dtype", "code", "heads", "style", "sharpness", "pad", "width"))
def minimal(
    program: Wanted,
    build: Build,
    layers: Annotated[bool, typer.Option("--layers", help="The least number of attention layers, the one thing that is decided.")] = False,
    lookups: Annotated[int, typer.Option(metavar="H", min=1, help="Lookups in a layer of the class.")] = 1,
    length: Annotated[int, typer.Option(metavar="N", min=1, help="The longest sequence.")] = 256,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.1, help="How long to search.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Decide whether a program's layers are the fewest, in a stated class, by search with z3; exit code 1 where that is not decided."""
    from ..theory.minimal import minimal_layers
    from .display import say, say_json, status

    if not layers:
        raise InputError("nothing is asked for", hint=f"headwork minimal {program} --layers")
    source = find(program, build.settings or ())
    if isinstance(source, Path):
        raise InputError(f"{program} is compiled already", hint="minimal takes a library program or path/to/file.py:name")
    with status(f"searching {source.program.name}"), blame(source.file):
        found = minimal_layers(source.program, length=length, alphabet=build.symbols, lookups=lookups, seconds=seconds)
    if as_json:
        say_json(found.as_dict())
    else:
        say(str(found))
    raise typer.Exit(0 if found.ok else 1)


@building(without=("length", "dtype", "code", "style", "sharpness", "pad", "width"))
def frontier(
    program: Wanted,
    build: Build,
    length: Annotated[int, typer.Option(metavar="N", min=1, help="The longest sequence.")] = 256,
    radius: Annotated[
        bool, typer.Option("--radius", help="The natural style too, and the proved radius of its noise as a column.")
    ] = False,
    picture: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Compile a program in every code and dtype, certify each, and say which of them nothing else beats."""
    from ..theory.frontier import frontier as frontier_of
    from .display import progress, say, say_json

    source = find(program, build.settings or ())
    if isinstance(source, Path):
        raise InputError(f"{program} is compiled already", hint="frontier takes a library program or path/to/file.py:name")
    with progress(f"compiling {source.program.name}") as step, blame(source.file):
        found = frontier_of(source.program, length=length, alphabet=build.symbols, heads=build.heads, radius=radius, progress=step)
    if as_json:
        say_json(found.as_dict())
    else:
        say(str(found))
    if picture is not None:
        found.plot(picture)  # last, so that what was found is there where it cannot be drawn
        typer.echo(f"drawn in {picture}", err=as_json)
