"""Programs as the commands are given them: a library name, a file of the user's, or a checkpoint directory."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import random
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.domain import Alphabet, Symbol
from ..compiler.errors import HeadworkError, InputError, Location, ProgramError
from ..compiler.language import Program

if TYPE_CHECKING:
    from ..programs import Entry
    from ..runtime.model import Model
    from ..runtime.pad import Architecture

CHECKPOINT_FILES = ("config.json", "headwork.json")  # of checkpoints, and of exports


@dataclass(frozen=True, slots=True)
class Source:
    """A program and where it came from: a library entry with parameters, or a file of the user's."""

    program: Program
    parameters: dict[str, object]
    entry: Entry | None = None
    file: Path | None = None

    @property
    def takes_any_alphabet(self) -> bool:
        """Whether the program makes sense over whatever symbols its input holds."""
        return not self.entry.alphabet_fixed if self.entry else not self.program.names_symbols

    def compile(
        self,
        length: int,
        alphabet: int | Sequence[Symbol] | None,
        dtype: str = "float32",
        code: str = "auto",
        heads: int | None = None,
        style: str = "compact",
        sharpness: float | None = None,
        pad: Architecture | None = None,
        width: int | None = None,
    ) -> Model:
        """The program compiled; what the user's own file raises is reported at the user's line."""
        from ..runtime.model import compile as compile_program

        if alphabet is None and not self.program.names_symbols:
            fact = f"program {self.program.name} names no alphabet"
            raise InputError(fact, hint="give --alphabet: a size, symbols a,b,c or 'a b c', or @file.json")
        with blame(self.file):
            sizes = {"length": length, "alphabet": alphabet, "dtype": dtype, "code": code, "heads": heads, "width": width}
            return compile_program(self.program, **sizes, style=style, sharpness=sharpness, pad=pad)  # pyright: ignore[reportArgumentType]

    def text(self) -> str:
        """The program as it is written in Python."""
        own = getattr(self.program.function, "text", None)  # of a translation
        return str(own()) if callable(own) else textwrap.dedent(inspect.getsource(self.program.function)).rstrip()

    def samples(self, alphabet: Alphabet, length: int, seed: int, count: int = 8) -> list[list[Symbol]]:
        """Sequences of the kind a library program is meant for, in another alphabet's symbols where one was chosen."""
        if self.entry is None:
            return []
        rng = random.Random(seed)
        rows = [self.entry.sample(rng, length, **self.parameters) for _ in range(count)]
        if all(alphabet.id(s) is not None for row in rows for s in row):
            return rows
        numbers: dict[Symbol, int] = {s: i for i, s in enumerate(dict.fromkeys(s for row in rows for s in row))}
        return [[alphabet.symbols[numbers[s] % len(alphabet)] for s in row] for row in rows]


def find(text: str, settings: Sequence[str] = ()) -> Source | Path:
    """A program from any of its three forms; a checkpoint is returned as its directory.

    Raises InputError where there is no such program, file or checkpoint, with what there is instead.
    """
    from .. import programs

    given = parse_settings(settings)
    if text.endswith(".py") or ".py:" in text:
        stem, _, name = text.partition(".py:") if ".py:" in text else (text.removesuffix(".py"), "", "")
        return _from_file(Path(f"{stem}.py"), name, given)
    if text.endswith(".rasp") or ".rasp:" in text:
        stem, _, name = text.partition(".rasp")
        return _from_text(Path(f"{stem}.rasp"), name.removeprefix(":"), given)
    if text in programs.names():
        return _from_library(text, given)
    path = Path(text)
    if path.is_dir():
        if given:
            raise InputError(f"{text} is a checkpoint, which takes no --set", hint="compile the program again with other parameters")
        if not any((path / name).is_file() for name in CHECKPOINT_FILES):
            fact = f"{text} is a directory without {' or '.join(CHECKPOINT_FILES)}"
            raise InputError(fact, hint="give a directory that `headwork compile` or `headwork export` wrote")
        return path
    if path.exists():
        raise InputError(f"{text} is neither a program nor a checkpoint directory", hint="your own program is path/to/file.py:name")
    if path.name != text:
        raise InputError(f"there is no checkpoint directory {text}", hint="`headwork compile PROGRAM --length N --out DIR` writes one")
    return _from_library(text, given)  # which says what there is instead


def complete(incomplete: str) -> list[str]:
    """The library's programs that begin so, for the shell, which completes file names where there is none."""
    from .. import programs

    return [name for name in programs.names() if name.startswith(incomplete)]


def parse_settings(settings: Sequence[str]) -> dict[str, object]:
    """`name=value` pairs; a value is JSON where it reads as JSON, else a string."""
    given: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--set {setting} is not name=value", hint="for example --set k=16")
        if name in given:
            raise InputError(f"--set gives {name} twice", hint="give each parameter once")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


def _from_library(name: str, given: dict[str, object]) -> Source:
    from .. import programs

    entry = programs.entry(name)
    return Source(entry.program(**given), entry.settle(given), entry)


def _from_file(path: Path, name: str, given: dict[str, object]) -> Source:
    if not path.is_file():
        raise InputError(f"there is no file {path}", hint="your own program is path/to/file.py:name")
    members = members_of(path)
    offers = [key for key, value in members.items() if _program(value) is not None]
    makers = [
        key
        for key, value in members.items()
        if inspect.isfunction(value) and value.__module__ == members["__name__"] and not key.startswith("_")
    ]
    hint = f"{path.name} has " + (", ".join([*offers, *(f"{key}()" for key in makers)]) or "no program and no function")
    if not name:
        raise InputError(f"{path} is given without a program's name", hint=f"write {path}:name; {hint}")
    if name not in members and name.isidentifier():
        raise InputError(f"{path} has no {name!r}", hint=hint)
    found = members[name] if name in members else _evaluated(name, members, path)
    program = _program(found)
    if program is not None:
        if given:
            raise InputError(f"{path}:{name} is a program, which takes no --set", hint="a function that returns a program takes parameters")
        return Source(program, {}, file=path)
    if not callable(found) or isinstance(found, type):
        raise InputError(f"{path}:{name} is {_a(found)}, not a program", hint=f"decorate a function with @hw.program; {hint}")
    return Source(_make(found, f"{path}:{name}", given, path), given, file=path)


def _from_text(path: Path, name: str, given: dict[str, object]) -> Source:
    """A program in RASP's own language, from its file: its result, or the operation of a name."""
    from .. import rasp

    if not path.is_file():
        raise InputError(f"there is no file {path}", hint="a program in RASP's language is path/to/file.rasp, or file.rasp:name")
    if given:
        raise InputError(f"{path} is a program in RASP's language, which takes no --set", hint="write the number into the file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", hint="save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    parsed = rasp.parse(text, path.name)
    return Source(rasp.program(parsed[name] if name else parsed.result), {}, file=path)


def _make(make: Callable[..., object], label: str, given: dict[str, object], path: Path) -> Program:
    """What the user's function returns for the parameters given."""
    try:
        signature = inspect.signature(make)
        signature.bind(**given)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "no parameters"
        raise InputError(
            f"{label} cannot be called with these parameters: {error}", hint=f"it takes {takes}; give them with --set"
        ) from None
    with blame(path):
        made = make(**given)
    program = _program(made)
    if program is None:
        raise InputError(f"{label} returned {_a(made)}, not a program", hint="decorate the inner function with @hw.program and return it")
    return program


def _program(x: object) -> Program | None:
    """A program, or a sequence operation of RASP, ours or Tracr's, as one; None for anything else."""
    from .. import rasp

    return x if isinstance(x, Program) else rasp.program(x) if rasp.is_operation(x) else None


def _evaluated(text: str, members: dict[str, object], path: Path) -> object:
    """What an expression in the names of the user's file is, such as `make_sort(tokens, length=8)`."""
    try:
        code = compile(text, str(path), "eval")
    except SyntaxError as error:
        raise InputError(f"{path}:{text} is no name and no expression: {error.msg}", hint="write file.py:name or file.py:name(…)") from None
    try:
        return eval(code, members)
    except HeadworkError:
        raise
    except Exception as error:
        raise InputError(f"{path}:{text} raised {type(error).__name__}: {error}", hint="names are those of the file") from None


def members_of(path: Path) -> dict[str, object]:
    """What a user's file defines, by name; what it raises is reported at the user's line."""
    return dict(vars(_load(path)))


def _load(path: Path) -> object:
    """The user's file as a module; the files beside it can be imported, as when Python runs it."""
    spec = importlib.util.spec_from_file_location(f"_headwork_user_{path.stem}", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with blame(path):
            spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


@contextlib.contextmanager
def blame(file: Path | None) -> Iterator[None]:
    """Report what a user's file raises as a ProgramError at the user's line; our own errors pass unchanged."""
    try:
        yield
    except HeadworkError:
        raise
    except (Exception, SystemExit) as error:
        if file is None:
            raise
        fact = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, SyntaxError) and error.filename and error.lineno:
            raise ProgramError(f"SyntaxError: {error.msg}", Location(error.filename, error.lineno)) from None
        lines = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == file.resolve()]
        if not lines:
            raise
        hint = "a program's file must not exit when it is imported" if isinstance(error, SystemExit) else ""
        raise ProgramError(fact, Location(lines[-1].filename, lines[-1].lineno or 1), hint) from None


def _a(value: object) -> str:
    name = "a class" if isinstance(value, type) else type(value).__name__
    return "None" if value is None else name if name.startswith("a ") else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
