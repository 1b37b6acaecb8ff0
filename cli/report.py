"""`headwork report`: a model as one page that computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import InputError
from .input import read_sequences
from .options import TOKENS, AsJson, Build, Wanted, building
from .programs import Source, find

ROOM = 64  # the length where none is asked for: so that there is room for texts of one's own
SHOWN = 16  # tokens of the library's own sample, where no text is given


@building(f"default {ROOM}, or the text's length")
def report(
    program: Wanted,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write the page, for example report.html.")],
    build: Build,
    tokens: Annotated[str | None, typer.Option("--input", metavar="TOKENS", help=f"The text it begins with: {TOKENS}.")] = None,
    certify: Annotated[bool, typer.Option(help="Prove the model right, and put the certificate on the page.")] = True,
    as_json: AsJson = False,
) -> None:
    """Write one page, which needs no network, in which the weights run: type a text and see every value, head and dimension."""
    from ..report.page import report as report_of
    from .display import say, say_json, status

    source = find(program, build.settings or ())
    given = None if tokens is None else read_sequences(tokens)
    if given is not None and given.batch:
        raise InputError(f"--input {tokens} holds several texts", hint="give the one that the page begins with")
    room = max(ROOM, *(len(row) for row in given.rows)) if given else ROOM
    wanted = replace(build, length=build.length or room) if isinstance(source, Source) else build
    model = wanted.model_for(source, given) if given else wanted.model(source)
    if given:
        (text,) = given.in_symbols_of(model.alphabet)
    else:
        text = next(iter(source.samples(model.alphabet, min(SHOWN, model.length), 0)), []) if isinstance(source, Source) else []
    with status(f"making the page of {model.name}"):
        page = report_of(model, text, certify=certify)
    saved = page.save(out)
    if as_json:
        say_json({"name": model.name, "saved": str(saved), "bytes": len(page.html.encode())})
    else:
        say(f"{model.name}: a page of {len(page.html.encode()):,} bytes in {saved}")
