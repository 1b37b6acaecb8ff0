"""The options that commands share: how a program is named and how it is compiled, each written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .input import Given, parse_alphabet
from .programs import Source, complete

if TYPE_CHECKING:
    from ..runtime.model import Model

Command: TypeAlias = Callable[..., None]
Dtype: TypeAlias = Literal["float64", "float32", "float16", "bfloat16"]

TOKENS = "Words, 'a b c', a JSON list, a file of either, or - for standard input"
FORMS = "A library program, the directory of a checkpoint or an export, or your own: path/to/file.py:name."
Wanted = Annotated[str, typer.Argument(metavar="PROGRAM", help=FORMS, show_default=False, autocompletion=complete)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Engine = Annotated[
    Literal["auto", "dense", "sparse"],
    typer.Option("--engine", help="How attention is computed: all scores, or what each head attends to is found; auto is the faster."),
]
Checked = Annotated[Literal["dense", "sparse"], typer.Option("--engine", help="Which engine is compared with the interpreter.")]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Also draw it, as .png or .svg.")]

Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program; repeatable.")]
AlphabetOption = Annotated[
    str | None, typer.Option("--alphabet", metavar="V", help="A size, symbols a,b,c or 'a b c', or @file.json; default: the program's own.")
]
DtypeOption = Annotated[Dtype | None, typer.Option("--dtype", help="The arithmetic to be exact in; default float32.")]
CodeOption = Annotated[
    str | None,
    typer.Option(
        "--code",
        metavar="CODE",
        help="The lookups' code: auto, scalar, digits:R, binary, onehot, or robust, which bears the most noise; default auto.",
    ),
]
Style: TypeAlias = Literal["compact", "natural"]
StyleOption = Annotated[
    Style | None, typer.Option("--style", help="compact: the smallest, bit-exact; natural: made to be read; default compact.")
]
SharpnessOption = Annotated[
    float | None, typer.Option("--sharpness", metavar="NATS", help="Of the natural style: by how much a lookup's winner leads.")
]
PadOption = Annotated[
    str | None,
    typer.Option("--pad", metavar="SIZES", help="An architecture to fill: layers=4,heads=2,d_model=64,d_head=16,d_mlp=128."),
]
WidthOption = Annotated[int | None, typer.Option("--width", metavar="D", min=1, help="Of code robust: the greatest d_model.")]
HeadsOption = Annotated[int | None, typer.Option("--heads", metavar="H", min=1, help="At most so many heads a layer.")]

TimesOption = Annotated[
    int | None,
    typer.Option("--times", metavar="T", min=0, help="Of a program with a loop: the number of rounds; default: the program's own."),
]

# What decides how a program is compiled: the option's name, which is Build's field, and its kind.
_OPTIONS: dict[str, object] = {
    "settings": Settings,
    "length": int | None,  # `building` says what it is where it is not given
    "alphabet": AlphabetOption,
    "dtype": DtypeOption,
    "code": CodeOption,
    "heads": HeadsOption,
    "style": StyleOption,
    "sharpness": SharpnessOption,
    "times": TimesOption,
    "pad": PadOption,
    "width": WidthOption,
}


@dataclass(frozen=True, slots=True)
class Build:
    """How a program is to be compiled, as the options say it; None where one was not given."""

    settings: list[str] | None = None
    length: int | None = None
    alphabet: str | int | list[Symbol] | None = None
    dtype: Dtype | None = None
    code: str | None = None
    heads: int | None = None
    style: Style | None = None
    sharpness: float | None = None
    times: int | None = None
    pad: str | None = None
    width: int | None = None

    @property
    def symbols(self) -> int | list[Symbol] | None:
        """The alphabet that was asked for."""
        return parse_alphabet(self.alphabet) if isinstance(self.alphabet, str) else self.alphabet

    def model(self, source: Source | Path, default_length: int = 1) -> Model:
        """The program compiled, or the checkpoint loaded. Raises InputError for options a checkpoint has settled."""
        from .display import status

        symbols = self.symbols
        if isinstance(source, Source):
            with status(f"compiling {source.program.name}"):
                from ..runtime.pad import parse_architecture

                wanted = self.dtype or "float32", self.code or "auto", self.heads, self.style or "compact", self.sharpness
                pad = parse_architecture(self.pad) if self.pad else None
                return self.repeated(source.compile(self.length or default_length, symbols, *wanted, pad=pad, width=self.width))
        from ..export.read import read_export
        from ..runtime.files import load

        for name in [name for name in _OPTIONS if name not in ("settings", "times") and getattr(self, name) is not None]:
            raise InputError(f"--{name} does not apply to the checkpoint {source}", hint="it was settled when the program was compiled")
        return self.repeated(read_export(source) if exported(source) else load(source))

    def repeated(self, model: Model) -> Model:
        """The model with the rounds that were asked for. Raises InputError for a model without a loop."""
        from ..runtime.looped import Looped

        if self.times is None:
            return model
        if not isinstance(model, Looped):
            raise InputError(f"--times does not apply to {model.name}, which has no loop", hint="leave it out")
        return model.repeat(self.times)

    def model_for(self, source: Source | Path, given: Given, more: int = 0) -> Model:
        """The model for tokens that were given: of a length that holds them and some more, over their own symbols where it takes any."""
        if not isinstance(source, Source):
            return self.model(source)
        wanted = replace(self, length=self.length or max(1, *(len(row) + more for row in given.rows)), alphabet=self.symbols)
        if wanted.alphabet is None and source.takes_any_alphabet:
            wanted = replace(wanted, alphabet=given.own_alphabet())
        return wanted.model(source)


def exported(source: Source | Path) -> bool:
    """Whether it is the directory of an export, not of a checkpoint or a program."""
    from ..runtime.files import EXPORT

    return isinstance(source, Path) and (source / EXPORT).is_file()


def building(
    length: str = "", required: bool = False, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that compiles: its parameter `build` stands for these options, `without` those it has not, or has otherwise.

    `length` says what the length is where it is not given; `required` that it must be.
    """

    def options(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        names = [name for name in _OPTIONS if name not in without]
        added: list[inspect.Parameter] = []
        for name in names:
            kind, default = _OPTIONS[name], None
            if name == "length":
                kind = _length(length, required)
                default = inspect.Parameter.empty if required else None
            added.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind))
        others = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.parameters.values()]
        at = next(i for i, p in enumerate(others) if p.name == "build")
        parameters = [*others[:at], *added, *others[at + 1 :]]

        @functools.wraps(command)
        def run(**given: object) -> None:
            build = Build(**{name: given.pop(name) for name in names})  # pyright: ignore[reportArgumentType]
            command(**given, build=build)

        run.__signature__ = own.replace(parameters=parameters)  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return options


def _length(otherwise: str, required: bool) -> object:
    option = typer.Option("--length", metavar="N", min=1, help=f"The longest sequence{f'; {otherwise}' if otherwise else ''}.")
    return Annotated[int, option] if required else Annotated[int | None, option]
