"""`headwork trace`, `circuit` and `disguise`: what a model computes inside, its mechanism as a graph, and the same in another basis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import InputError
from .input import read_sequences
from .options import TOKENS, AsJson, Build, Wanted, building
from .programs import Source, find

ROOM = 16  # the length where none is asked for


def _sized(build: Build, source: object, length: int) -> Build:
    """The options with a length, where a program is to be compiled and none was asked for."""
    return replace(build, length=build.length or length) if isinstance(source, Source) else build


@building("default: the longest input")
def trace(
    program: Wanted,
    build: Build,
    tokens: Annotated[str, typer.Option("--input", metavar="TOKENS", help=f"The text to trace: {TOKENS}.")],
    as_json: AsJson = False,
) -> None:
    """Print every named value at every position, as the model's stream has it; say where it is not the interpreter's (exit code 1)."""
    from ..lab.trace import Trace, trace as trace_of
    from .display import say, say_json

    source, given = find(program, build.settings or ()), read_sequences(tokens)
    if given.batch:
        raise InputError(f"--input {tokens} holds several texts", hint="give one")
    model = _sized(build, source, max(1, *(len(row) for row in given.rows))).model_for(source, given)
    (text,) = given.in_symbols_of(model.alphabet)
    found = trace_of(model, text)
    assert isinstance(found, Trace)
    wrong = found.wrong()
    if as_json:
        heads = [{"name": h.name, "label": h.label, "reads": h.reads} for h in found.heads]
        say_json({"name": model.name, "tokens": text, "values": found.values, "output": found.output, "heads": heads, "wrong": wrong})
    else:
        say(str(found))
        for head in found.heads:
            say(f"  {head.name} ({head.label or 'no named value'}) reads from {' '.join(map(str, head.reads))}")
    if wrong:
        raise typer.Exit(1)


@building(f"default {ROOM}")
def circuit(
    program: Wanted,
    build: Build,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it: .json, .graphml or .dot.")] = None,
    tokens: Annotated[
        str | None, typer.Option("--input", metavar="TOKENS", help=f"What made the answer to a text, as an attribution graph: {TOKENS}.")
    ] = None,
    necessary: Annotated[
        str | None, typer.Option("--necessary", metavar="ABLATION", help="Decide every edge under zero, mean or resample ablation.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print who passes which value to whom, read off the weights; or which edges are necessary; or what made the answer to a text."""
    from ..lab.circuit import circuit as circuit_of
    from ..lab.necessity import necessity
    from .display import say, say_json, status

    source = find(program, build.settings or ())
    if tokens is not None:
        if necessary is not None:
            raise InputError("--input and --necessary were both given", hint="ask for one")
        _graph_of(source, build, tokens, out, as_json)
        return
    model = _sized(build, source, ROOM).model(source)
    found = circuit_of(model)
    if out is not None:
        found.write(out)
    if necessary is None:
        say_json(found.as_dict()) if as_json else say(str(found))
        return
    with status(f"deciding {len(found.edges)} edges of {model.name}"):
        verdicts = necessity(model, necessary)  # pyright: ignore[reportArgumentType]
    say_json(verdicts.as_dict()) if as_json else say(str(verdicts))


def _graph_of(source: Source | Path, build: Build, tokens: str, out: Path | None, as_json: bool) -> None:
    """The attribution graph of the last position of a text."""
    from ..lab.tracer import attribution_graph
    from .display import say, say_json

    given = read_sequences(tokens)
    if given.batch:
        raise InputError(f"--input {tokens} holds several texts", hint="give one")
    model = _sized(build, source, max(ROOM, *(len(row) for row in given.rows))).model_for(source, given)
    (text,) = given.in_symbols_of(model.alphabet)
    found = attribution_graph(model, text)
    if out is not None:
        found.write(out)
    say_json(found.as_dict()) if as_json else say(str(found))


@building(f"default {ROOM}")
def disguise(
    program: Wanted,
    build: Build,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write the disguised checkpoint.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Where to write the key that undoes it, a new file.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which disguise.")] = 0,
    rotate: Annotated[bool, typer.Option("--rotate", help="Mix dimensions too, four at a time, where nothing is lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a model in another basis, with the same logits bit for bit, and the key to it; certified through the key."""
    from ..lab.disguise import disguise as disguise_of
    from .display import say, say_json, status

    if key.exists():
        raise InputError(f"{key} exists", hint="choose a new name for the key")
    source = find(program, build.settings or ())
    model = _sized(build, source, ROOM).model(source)
    with status(f"disguising {model.name}"):
        made = disguise_of(model, seed, rotate=rotate)
    saved, kept = made.model.save(out), made.key.save(key)
    if as_json:
        say_json({"name": model.name, "saved": str(saved), "key": str(kept), "certified": made.certificate is not None})
    else:
        say(f"{model.name}, disguised, in {saved}; the key in {kept}\n{made.certificate}")
