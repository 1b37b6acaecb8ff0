"""The `headwork suite` commands: a benchmark of compiled models is built, and predictions are scored against it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import InputError
from .options import AsJson, PadOption, Style

WORKERS = 4

suite = typer.Typer(no_args_is_help=True, help="A benchmark of models whose mechanism is known: build it, score predictions against it.")


def _parsed(what: str, text: str) -> tuple[int, int]:
    """`4:6` or `5` as a range with both ends."""
    least, colon, most = text.partition(":")
    if not (least.isdecimal() and (most.isdecimal() if colon else not most)):
        raise InputError(f"--{what} {text!r} is no range", hint=f"for example --{what} 4:6")
    return int(least), int(most if colon else least)


@suite.command()
def build(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new directory of the suite.", show_default=False)],
    models: Annotated[int, typer.Option("--models", metavar="M", min=1, help="How many models.")] = 250,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds and options give equal bytes.")] = 0,
    style: Annotated[Style, typer.Option("--style", help="compact: bit-exact; natural: soft attention, with gradients.")] = "compact",
    length: Annotated[str, typer.Option("--length", metavar="LEAST:MOST", help="The length of a model, or a range.")] = "4:6",
    alphabet: Annotated[str, typer.Option("--alphabet", metavar="LEAST:MOST", help="The number of symbols, or a range.")] = "2:3",
    steps: Annotated[str, typer.Option("--steps", metavar="LEAST:MOST", help="The values drawn for a program, or a range.")] = "3:10",
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="A,B,…", help="Kinds of steps; then there are no library programs."),
    ] = None,
    ablation: Annotated[str, typer.Option("--ablation", help="What decides edges: zero, mean or resample.")] = "resample",
    disguise: Annotated[bool, typer.Option("--disguise", help="In another basis; circuits go into the key.")] = False,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The new file for the key of a disguised suite.")] = None,
    pad: PadOption = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes; default: one a core, at most 4.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build a suite: library and random programs with circuit, samples and answers. An interrupted build goes on where it was."""
    from ..suite.build import build_suite
    from .display import say, say_json

    if disguise != (key is not None):
        raise InputError("--disguise and --key FILE go together", hint="the key says what was disguised, and holds the circuits")
    found = build_suite(
        directory,
        models,
        seed=seed,
        style=style,
        length=_parsed("length", length),
        alphabet=_parsed("alphabet", alphabet),
        steps=_parsed("steps", steps),
        features=None if features is None else [f.strip() for f in features.split(",")],
        ablation=ablation,
        key=key,
        pad=pad,
        workers=workers or min(WORKERS, os.cpu_count() or 1),
        say=lambda line: typer.echo(line, err=True),
    )
    say_json(found.as_dict()) if as_json else say(str(found))


@suite.command()
def score(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS.json", help="What a method says of the models.", show_default=False)],
    suite: Annotated[Path, typer.Option("--suite", metavar="DIR", help="The suite.", show_default=False)],
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The key of a disguised suite.")] = None,
    models: Annotated[bool, typer.Option("--models", help="Also print each model's scores.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score predictions: precision, recall and AUROC of edges and nodes, and the accuracy of interchanges."""
    from ..suite.score import score_suite
    from .display import say, say_json

    found = score_suite(predictions, suite, key=key)
    if as_json:
        say_json(found.as_dict())
        return
    say(str(found))
    for number, one in found.models.items() if models else ():
        say(f"  {number}  " + "  ".join(f"{name} {value:.3f}" for name, value in one.numbers().items()))


@suite.command("features")
def features_() -> None:
    """List the kinds of steps that random programs are made of."""
    from ..suite.steps import FEATURES
    from .display import say

    width = max(map(len, FEATURES))
    for name, step in FEATURES.items():
        say(f"{name.ljust(width)}  {(step.__doc__ or '').splitlines()[0]}")
