"""The `headwork lecture` and `headwork train` commands: the lectures' constructions, listed or run, and k-hop learned from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Plot


def lecture(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One of the constructions; default: list them.", show_default=False)
    ] = None,
    picture: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Show the lectures' claims on explicit models; exit code 1 where an oracle disagrees or an exact bound is contradicted."""
    from ..compiler.errors import InputError
    from ..lecture.catalogue import LESSONS, lesson
    from .display import console, say, say_json, status, table

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


def train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="What to learn: khop.", show_default=False)],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="k, length, symbols, d_model, heads, batch, rate; repeatable.")
    ] = None,
    layers: Annotated[int | None, typer.Option(metavar="L", min=1, help="Attention layers; default 3.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="S", min=1, help="At most so many steps; default 2500.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed of weights and sequences; default 0.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Checkpoints and progress.csv; goes on where it was left.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the accuracy, as .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a transformer of a compiled model's depth from scratch, and hold its heads against the compiled ones."""
    from ..compiler.errors import InputError
    from ..lecture.learner import Setting
    from ..lecture.sgd_khop import show
    from ..lecture.training import CHECKPOINT, load_run, start, train as go
    from .display import progress, say, say_json
    from .programs import parse_settings

    if task != "khop":
        raise InputError(f"there is no training task {task!r}", hint="headwork train khop --set k=2 --layers 3")
    given = parse_settings(settings or ())
    given |= {n: v for n, v in {"layers": layers, "steps": steps, "seed": seed}.items() if v is not None}
    if unknown := sorted(set(given) - set(Setting.__dataclass_fields__)):
        raise InputError(f"there is no setting {unknown[0]!r}", hint=f"the settings are {', '.join(Setting.__dataclass_fields__)}")
    if out is not None and (out / CHECKPOINT).exists():
        run = load_run(out)
        wanted = Setting(**{**{n: getattr(run.setting, n) for n in Setting.__dataclass_fields__}, **given})  # pyright: ignore[reportArgumentType]
        if wanted != run.setting:
            raise InputError(f"{out} holds a run of other settings: {run.setting}", hint="give another --out, or none of the settings")
    else:
        run = start(Setting(**given))  # pyright: ignore[reportArgumentType]
    if not as_json:
        say(f"training {run.setting}, from step {run.step}")
    with progress(f"training {task}") as step:
        go(run, out, step)
    shown = show([run])
    if as_json:
        say_json({"setting": run.state()["setting"], "learned": run.learned, "steps": run.step, **shown.as_dict()})
    else:
        say(str(shown))
    if picture is not None:
        shown.plot(picture)
        typer.echo(f"drawn in {picture}", err=as_json)
    raise typer.Exit(0 if shown.ok else 1)
