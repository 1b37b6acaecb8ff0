"""A model at work: `run`, `generate`, and `check` against the interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import InputError
from .input import parse_lengths, read_sequences
from .options import TOKENS, AsJson, Build, Checked, Engine, Wanted, building, exported
from .programs import Source, find


@building()
def run(
    program: Wanted,
    tokens: Annotated[str, typer.Option("--input", metavar="TOKENS", help=f"{TOKENS}, or a JSON list of lists.")],
    build: Build,
    engine: Engine = "auto",
    audit: Annotated[int, typer.Option(metavar="K", min=0, help="Also score so many queries of each head in full (sparse engine).")] = 0,
    as_json: AsJson = False,
) -> None:
    """Run a checkpoint or a program on tokens; prints words for words and JSON for JSON."""
    from .display import say, say_json, words

    source = find(program, build.settings or ())
    given = read_sequences(tokens)
    model = build.model_for(source, given)
    results = model.run(given.in_symbols_of(model.alphabet), engine=engine, audit=audit)
    if as_json or given.json:
        say_json(results if given.batch else results[0])
        return
    for row in results:
        say(words(row))  # pyright: ignore[reportArgumentType]


@building("default: the prompt and all steps")
def generate(
    program: Wanted,
    prompt: Annotated[str, typer.Option(metavar="TOKENS", help=f"How the text begins: {TOKENS[0].lower()}{TOKENS[1:]}.")],
    steps: Annotated[int, typer.Option(metavar="S", min=0, help="How many tokens to say at most.")],
    build: Build,
    seed: Annotated[int, typer.Option(help="The seed, where a program counts and tokens are drawn by its counts.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Print the words as they come.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what follows a prompt, token by token, up to ⊥; where a program counts, draw by its counts."""
    from ..runtime.generate import generate as generate_text
    from ..runtime.sample import is_distribution, sample
    from .display import say, say_following, say_json, words

    source = find(program, build.settings or ())
    given = read_sequences(prompt)
    if given.batch:
        raise InputError(f"--prompt {prompt} holds several texts", hint="give one")
    model = build.model_for(source, given, more=steps)
    (text,) = given.in_symbols_of(model.alphabet)
    if follow and not is_distribution(model.graph) and not (as_json or given.json):
        session = model.session()
        session.feed(text)
        say_following(session.stream(steps))
        return
    said = sample(model, text, steps, seed) if is_distribution(model.graph) else generate_text(model, text, steps)
    if as_json or given.json:
        say_json(said)
    else:
        say(words(said))


@building("default 64")
def check(
    program: Wanted,
    build: Build,
    samples: Annotated[int, typer.Option(metavar="S", min=0, help="How many random sequences.")] = 64,
    seed: Annotated[int, typer.Option(help="The seed of the random sequences.")] = 0,
    exhaustive: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Also every sequence of at most N tokens; default: a few hundred of them.")
    ] = None,
    lengths: Annotated[str | None, typer.Option(metavar="1,8,64", help="The lengths of the sequences.")] = None,
    engine: Checked = "dense",
    as_json: AsJson = False,
) -> None:
    """Compare every value inside the transformer with the interpreter; exit code 1 where they differ. An export's own tool runs it."""
    from ..export.read import check_export
    from ..runtime.check import check as check_model
    from .display import progress, say, say_json

    source = find(program, build.settings or ())
    model = build.model(source, default_length=64)
    inputs = source.samples(model.alphabet, model.length, seed) if isinstance(source, Source) else []
    with progress(f"checking {model.name}") as step:
        if isinstance(source, Path) and exported(source):
            report = check_export(source, samples=samples, lengths=parse_lengths(lengths), seed=seed, exhaustive=exhaustive)
        else:
            report = check_model(
                model,
                samples=samples,
                lengths=parse_lengths(lengths),
                seed=seed,
                exhaustive=exhaustive,
                inputs=inputs,
                progress=step,
                engine=engine,
            )
    if as_json:
        say_json(report.as_dict())
    else:
        say(str(report))
    raise typer.Exit(0 if report.ok else 1)
