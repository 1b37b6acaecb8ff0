"""From a program to files and texts: `compile`, `export` and `show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..compiler.errors import InputError
from .options import AsJson, Build, CodeOption, Wanted, building
from .programs import find

if TYPE_CHECKING:
    from ..runtime.model import Model

Stage: TypeAlias = Literal["program", "graph", "optimised", "plan", "schedule", "layout", "weights"]


@building(required=True)
def compile_(
    program: Wanted,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to save the checkpoint.")],
    build: Build,
    as_json: AsJson = False,
) -> None:
    """Compile a program, save it as a checkpoint, and print what it costs."""
    from .display import console, cost_table, say, say_json

    source = find(program, build.settings or ())
    if isinstance(source, Path):
        raise InputError(f"{program} is compiled already", hint="compile takes a library program or path/to/file.py:name")
    model = build.model(source)
    saved = model.save(out)
    if as_json:
        sizes = {"length": model.length, "alphabet": len(model.alphabet.symbols), "dtype": model.dtype}
        say_json({"name": model.name, **sizes, "cost": model.cost.as_dict(), "saved": str(saved)})
        return
    say(_headline(model))
    console().print(cost_table({model.name: model.cost}))
    say(f"saved in {saved}")


# Code and dtype are the target's, so they are chosen after the program is compiled.
@building("default 64", without=("heads", "code", "dtype"))
def export(
    program: Wanted,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to write the checkpoint.")],
    build: Build,
    to: Annotated[
        str, typer.Option(metavar="TARGET", help="The architecture: gpt2, llama, mistral, qwen2, hooked, onnx or gguf.")
    ] = "gpt2",
    dtype: Annotated[
        str, typer.Option(help="The arithmetic to be exact in, or what a natural model is stored in: float16 or bfloat16.")
    ] = "auto",
    code: CodeOption = None,
    check: Annotated[bool | None, typer.Option(help="Run the files against the interpreter; default: where that is installed.")] = None,
    same_circuit: Annotated[
        bool, typer.Option("--same-circuit", help="Refuse a target in which a layer has other heads than the model's own.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a program or a checkpoint as one that stock tools load, such as GPT2LMHeadModel; check it from its files."""
    from .display import say, say_json, status

    source = find(program, build.settings or ())
    model = build.model(source, default_length=64)
    with status(f"exporting {model.name}"):
        report = model.export(out, to, code=code or "auto", dtype=dtype, check=check, same_circuit=same_circuit)
    if as_json:
        say_json(report.as_dict())
    else:
        say(str(report))


@building("default 16")
def show(
    program: Wanted,
    build: Build,
    stage: Annotated[Stage | None, typer.Option(help="One stage of the compilation; default: an explanation of the whole.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a program, or any stage of its compilation, as text."""
    from .display import say, say_json

    source = find(program, build.settings or ())
    if stage == "program":
        if isinstance(source, Path):
            raise InputError(f"the checkpoint {program} does not keep the program's source", hint="--stage graph is what it keeps")
        name, text = source.program.name, source.text()
    else:
        model = build.model(source, default_length=16)
        name, text = model.name, model.stage(stage) if stage else model.explain()
    if as_json:
        say_json({"name": name, "stage": stage or "explanation", "text": text})
    else:
        say(text)


def _headline(model: Model) -> str:
    return f"{model.name}: length {model.length:,}, alphabet {len(model.alphabet.symbols):,}, {model.dtype}"
