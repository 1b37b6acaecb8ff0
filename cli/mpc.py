"""The `headwork mpc` commands: protocols of the MPC model listed, shown, and run message by message."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..compiler.domain import Symbol
from ..compiler.errors import HeadworkError, InputError
from .input import read_machines
from .options import AsJson
from .programs import Source, blame, find, parse_settings

if TYPE_CHECKING:
    from ..mpc import Engine, Protocol
    from ..mpc.trace import Trace
    from ..protocols import ProtocolEntry

EngineName: TypeAlias = Literal["local", "ray"]


def complete(incomplete: str) -> list[str]:
    """The library's protocols that begin so, for the shell, which completes file names where there is none."""
    from .. import protocols

    return [name for name in protocols.names() if name.startswith(incomplete)]


FORMS = "A library protocol, or your own: path/to/file.py:name."
Wanted = Annotated[str, typer.Argument(metavar="PROTOCOL", help=FORMS, show_default=False, autocompletion=complete)]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the protocol; repeatable.")]

mpc = typer.Typer(no_args_is_help=True, help="Protocols of massively parallel computation: list, show and run them message by message.")


@mpc.command("list")
def list_(
    machines: Annotated[int, typer.Option(metavar="N", min=1, help="The number of machines for which rounds and layers are given.")] = 64,
    as_json: AsJson = False,
) -> None:
    """List the library's protocols with their parameters, rounds and attention layers."""
    from .. import protocols
    from .display import console, say_json, table

    entries = [protocols.entry(name) for name in protocols.names()]
    rounds = [_rounds(entry, machines) for entry in entries]
    if as_json:
        say_json(
            [{**_described(e), "machines": machines, "rounds": r, "layers": e.layers_formula} for e, r in zip(entries, rounds, strict=True)]
        )
        return
    rows = [
        [e.name, ", ".join(f"{k}={v}" for k, v in e.parameters.items()), "–" if r is None else str(r), e.layers_formula, e.summary]
        for e, r in zip(entries, rounds, strict=True)
    ]
    console().print(table(["protocol", "parameters", f"rounds, N = {machines:,}", "layers", "what it does"], rows, right=[2]))


@mpc.command()
def show(
    protocol: Wanted,
    machines: Annotated[int, typer.Option(metavar="N", min=1, help="The number of machines.")] = 8,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print a protocol written down: its rounds, then its graph."""
    from .display import say, say_json

    source, _ = _found(protocol, settings)
    trace = _traced(source, machines)
    if as_json:
        say_json({"name": trace.graph.name, "machines": machines, "memory": trace.memory, "rounds": trace.rounds, "text": str(trace)})
    else:
        say(str(trace))


@mpc.command()
def run(
    protocol: Wanted,
    machines: Annotated[int | None, typer.Option(metavar="N", min=1, help="The number of machines; default: of inputs, else 64.")] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="INPUTS", help="An input a machine: words, a JSON list, of lists for several words, a file of either, or -."
        ),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="Where: this process, or Ray, at RAY_ADDRESS if that is set.")] = "local",
    workers: Annotated[
        int | None, typer.Option(metavar="W", min=1, help="Blocks that the machines are divided into; default: 1, on Ray one a processor.")
    ] = None,
    settings: Settings = None,
    seed: Annotated[int, typer.Option(help="The seed of the sample, where there is no --input.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run a protocol message by message; without --input on a sample, held against the oracle: exit code 1 where they differ.

    Prints words for words and JSON for JSON; what the run took goes to standard error.
    """
    from ..mpc import run_blocks
    from .display import progress, say, say_json, words

    source, entry = _found(protocol, settings)
    given = read_machines(inputs) if inputs is not None else None
    title, tokens = ("", given.rows[0]) if given else _sample(protocol, source, entry, machines or 64, seed)
    trace = _traced(source, machines or max(1, len(tokens)))
    if given:
        tokens = given.in_symbols_of(trace.graph.sizes.alphabet)[0]
    with _engine(engine) as runner, progress(f"running {trace.graph.name}, rounds") as step:
        began = time.perf_counter()
        done = run_blocks(trace, tokens, runner, workers or (1 if engine == "local" else os.cpu_count() or 1), step)
        seconds = time.perf_counter() - began
    agrees = None if given or entry is None else list(done.results) == list(entry.oracle(tokens, **source.parameters))
    sizes = {"machines": len(tokens), "memory": trace.memory, "rounds": done.rounds, "messages": done.messages}
    if as_json:
        report = {"protocol": trace.graph.name, "engine": engine, "workers": done.workers, **sizes, "seconds": round(seconds, 3)}
        say_json({**report, **({} if given else {"sample": title, "input": tokens, "agrees": agrees}), "results": done.results})
    else:
        say_json(done.results) if given and given.json else say(words(done.results))
        what = ", ".join(f"{_count(name, count)}" for name, count in sizes.items())
        typer.echo(f"{trace.graph.name}: {what}\nengine {engine}, {_count('workers', done.workers)}, {seconds:.2f} s", err=True)
        if not given:
            typer.echo(f"sample: {title}; the oracle {'agrees' if agrees else 'differs'}", err=True)
    raise typer.Exit(1 if agrees is False else 0)


def _found(text: str, settings: list[str] | None) -> tuple[Source, ProtocolEntry | None]:
    """A protocol from either of its forms, with the library's entry. Raises InputError where it is none."""
    from .. import protocols
    from ..mpc import Protocol

    if text.endswith(".py") or ".py:" in text:
        source = find(text, settings or ())
        if not isinstance(source, Source) or not isinstance(source.program, Protocol):
            hint = "decorate a function with @hw.protocol; `headwork run` runs programs"
            raise InputError(f"{text} is a program, not a protocol", hint=hint)
        return source, None
    entry = protocols.entry(text)
    given = parse_settings(settings or ())
    return Source(entry.protocol(**given), {**entry.settle(given)}), entry


def _traced(source: Source, machines: int) -> Trace:
    """The protocol written down; what the user's own file raises is reported at the user's line."""
    with blame(source.file):
        return _protocol(source).trace(machines)


def _protocol(source: Source) -> Protocol:
    from ..mpc import Protocol

    assert isinstance(source.program, Protocol)
    return source.program


def _sample(name: str, source: Source, entry: ProtocolEntry | None, machines: int, seed: int) -> tuple[str, list[Symbol]]:
    """The title and inputs of one of the library's greatest cases for at most so many machines."""
    if entry is None:
        raise InputError(
            f"{name} is not of the library, so there is no sample to run it on", hint="give --input: a file, or - for standard input"
        )
    rng = random.Random(seed)
    cases = entry.cases(rng, machines, **source.parameters)
    most = max(len(case.machines) for case in cases)
    case = rng.choice([case for case in cases if len(case.machines) == most])
    return case.title, list(case.machines)


@contextlib.contextmanager
def _engine(name: EngineName) -> Iterator[Engine]:
    """The engine of that name; Ray is started, and ended, here."""
    from ..mpc import Local, Ray
    from .display import status

    if name == "local":
        yield Local()
        return
    with status("starting Ray"):
        made = Ray()
    with made:
        yield made


def _rounds(entry: ProtocolEntry, machines: int) -> int | None:
    """The rounds for so many machines, None where the protocol refuses that many."""
    try:
        return entry.protocol().rounds(machines)
    except HeadworkError:
        return None


def _described(entry: ProtocolEntry) -> dict[str, object]:
    return {"name": entry.name, "parameters": dict(entry.parameters), "family": entry.family, "summary": entry.summary}


def _count(name: str, count: int) -> str:
    """`rounds` and 1 as 1 round; memory is no plural."""
    return f"memory {count:,}" if name == "memory" else f"{count:,} {name.removesuffix('s') if count == 1 else name}"
