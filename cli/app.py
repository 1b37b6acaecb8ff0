"""The `headwork` command. Exit codes: 0 fine, 1 a check failed, 2 the user's mistake, 128 + S where signal S stopped it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from ..compiler.errors import HeadworkError
from . import compiling, lab, lecture, listing, proving, report, running, theory
from .ends import ending, stopping
from .mpc import mpc
from .suite import suite


class Commands(TyperGroup):
    """The commands; a user's mistake ends any of them with its message and exit code 2."""

    def invoke(self, ctx: typer.Context) -> object:
        """Run the command that was asked for."""
        try:
            with stopping():
                return super().invoke(ctx)
        except HeadworkError as error:
            message = str(error)
        except OSError as error:
            if error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        from .display import cut, shown

        typer.echo(f"error: {shown(cut(message))}", err=True)
        raise typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("list")(listing.list_)
app.command("compile")(compiling.compile_)
app.command("export")(compiling.export)
app.command("run")(running.run)
app.command("generate")(running.generate)
app.command("check")(running.check)
app.command("certify")(proving.certify)
app.command("verify")(proving.verify)
app.command("robustness")(proving.robustness)
app.command("show")(compiling.show)
app.command("report")(report.report)
app.command("trace")(lab.trace)
app.command("circuit")(lab.circuit)
app.command("disguise")(lab.disguise)
app.command("bounds")(theory.bounds)
app.command("frontier")(theory.frontier)
app.command("minimal")(theory.minimal)
app.command("lecture")(lecture.lecture)
app.command("train")(lecture.train)
app.command("demo")(listing.demo)
app.add_typer(mpc, name="mpc")
app.add_typer(suite, name="suite")


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"headwork {__version__}")
        raise typer.Exit


@app.callback()
def headwork(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Compile short attention programs to transformers whose weights are constructed, not trained."""


def run() -> None:
    """The whole command, from its arguments to its exit code."""
    with ending():
        _run()


def _run() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    app(prog_name="headwork")
