"""What the commands are given: programs by name, by file or by checkpoint; alphabets; token sequences."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .compiler.domain import Alphabet, Symbol
from .compiler.errors import HeadworkError, InputError, Location, ProgramError
from .compiler.language import Program

if TYPE_CHECKING:
    from .programs import Entry
    from .runtime.model import Model

Sequences: TypeAlias = list[list[Symbol]]
CHECKPOINT_FILE = "config.json"


@dataclass(frozen=True, slots=True)
class Source:
    """A program and where it came from: a library entry with parameters, or a file of the user's."""

    program: Program
    parameters: dict[str, object]
    entry: Entry | None = None
    file: Path | None = None

    def compile(
        self, length: int, alphabet: int | Sequence[Symbol] | None, dtype: str = "float32", code: str = "auto", heads: int | None = None
    ) -> Model:
        """The program compiled; what the user's own file raises is reported at the user's line."""
        from .runtime.model import compile as compile_program

        if alphabet is None and self.program.alphabet is None:
            raise InputError(f"program {self.program.name} names no alphabet", hint="give --alphabet: a size, symbols a,b,c or @file.json")
        with blame(self.file):
            return compile_program(self.program, length=length, alphabet=alphabet, dtype=dtype, code=code, heads=heads)

    def samples(self, alphabet: Alphabet, length: int, seed: int, count: int = 8) -> Sequences:
        """Sequences of the kind a library program is meant for, in another alphabet's symbols where one was chosen."""
        if self.entry is None:
            return []
        rng = random.Random(seed)
        rows = [self.entry.sample(rng, length, **self.parameters) for _ in range(count)]
        if all(alphabet.id(s) is not None for row in rows for s in row):
            return rows
        numbers: dict[Symbol, int] = {s: i for i, s in enumerate(dict.fromkeys(s for row in rows for s in row))}
        return [[alphabet.symbols[numbers[s] % len(alphabet)] for s in row] for row in rows]


# --- programs ----------------------------------------------------------------------------------------------


def find(text: str, settings: Sequence[str] = ()) -> Source | Path:
    """A program from any of its three forms; a checkpoint is returned as its directory.

    Raises InputError where there is no such program, file or checkpoint, with what there is instead.
    """
    from . import programs

    given = parse_settings(settings)
    if text.endswith(".py") or ".py:" in text:
        path, _, name = text.rpartition(":") if ".py:" in text else (text, "", "")
        return _from_file(Path(path), name, given)
    if text in programs.names():
        return _from_library(text, given)
    path = Path(text)
    if path.is_dir():
        if given:
            raise InputError(f"{text} is a checkpoint, which takes no --set", hint="compile the program again with other parameters")
        if not (path / CHECKPOINT_FILE).is_file():
            raise InputError(
                f"{text} is a directory without {CHECKPOINT_FILE}", hint="give a directory that `headwork compile --out` wrote"
            )
        return path
    if path.exists():
        raise InputError(f"{text} is neither a program nor a checkpoint directory", hint="your own program is path/to/file.py:name")
    if path.name != text:
        raise InputError(f"there is no checkpoint directory {text}", hint="`headwork compile PROGRAM --length N --out DIR` writes one")
    return _from_library(text, given)  # which says what there is instead


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
    from . import programs

    entry = programs.entry(name)
    return Source(entry.program(**given), entry.settle(given), entry)


def _from_file(path: Path, name: str, given: dict[str, object]) -> Source:
    if not path.is_file():
        raise InputError(f"there is no file {path}", hint="your own program is path/to/file.py:name")
    members = vars(_load(path))
    offers = [key for key, value in members.items() if isinstance(value, Program)]
    makers = [
        key
        for key, value in members.items()
        if inspect.isfunction(value) and value.__module__ == members["__name__"] and not key.startswith("_")
    ]
    hint = f"{path.name} has " + (", ".join([*offers, *(f"{key}()" for key in makers)]) or "no program and no function")
    if not name:
        raise InputError(f"{path} is given without a program's name", hint=f"write {path}:name; {hint}")
    if name not in members:
        raise InputError(f"{path} has no {name!r}", hint=hint)
    found = members[name]
    if isinstance(found, Program):
        if given:
            raise InputError(f"{path}:{name} is a program, which takes no --set", hint="a function that returns a program takes parameters")
        return Source(found, {}, file=path)
    if not callable(found) or isinstance(found, type):
        raise InputError(f"{path}:{name} is {_a(found)}, not a program", hint=f"decorate a function with @hw.program; {hint}")
    return Source(_make(found, f"{path}:{name}", given, path), given, file=path)


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
    if not isinstance(made, Program):
        raise InputError(f"{label} returned {_a(made)}, not a program", hint="decorate the inner function with @hw.program and return it")
    return made


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


# --- alphabets and sequences -------------------------------------------------------------------------------


def parse_alphabet(text: str | None) -> int | list[Symbol] | None:
    """`64`, `a,b,c` or `@file.json` (a JSON list). Items that are all integers become integers."""
    if text is None:
        return None
    if text.startswith("@"):
        symbols = read_json(Path(text[1:]).read_text(encoding="utf-8"), text[1:])
        if not isinstance(symbols, list) or any(isinstance(s, (list, dict)) for s in symbols):
            raise InputError(f"{text[1:]} does not hold a JSON list of symbols", hint='for example ["a", "b", "c"]')
        return symbols
    if text.removeprefix("-").isdecimal():
        return int(text)
    symbols = [part.strip() for part in text.split(",")]
    if "" in symbols:
        raise InputError(f"--alphabet {text!r} holds an empty symbol", hint="give a size, symbols a,b,c or @file.json")
    return _as_numbers(symbols)


def read_json(text: str, name: str) -> object:
    """JSON, or an InputError naming the place it breaks off."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{name} is not JSON: {error}", hint="give a JSON list, a list of lists, or words separated by spaces") from None


@dataclass(frozen=True, slots=True)
class Given:
    """Token sequences as read, and how they were written, so that results are written the same way."""

    rows: Sequences
    batch: bool
    json: bool

    def own_alphabet(self) -> int | list[Symbol]:
        """The smallest alphabet that holds these sequences: a size for small integers, else the symbols sorted."""
        symbols = {s for row in self.rows for s in row}
        numbers = [s for s in symbols if isinstance(s, int) and not isinstance(s, bool)]
        if len(numbers) == len(symbols):
            return max(numbers, default=0) + 1 if min(numbers, default=0) >= 0 else sorted(numbers)
        return sorted(symbols, key=lambda s: (type(s).__name__, str(s)))

    def words_as(self, alphabet: Alphabet) -> Sequences:
        """The sequences with each word replaced by the symbol written that way; JSON values stand for themselves."""
        if self.json:
            return self.rows
        written = {str(s): s for s in alphabet.symbols}
        return [[written.get(str(word), word) for word in row] for row in self.rows]


def read_sequences(name: str) -> Given:
    """Sequences from a file, or standard input for `-`: a JSON list, a JSON list of lists, or words.

    Raises InputError where JSON is damaged or nested deeper.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}", hint="save it as UTF-8") from None
    if not text.lstrip().startswith(("[", "{")):
        return Given([_as_numbers(text.split())], batch=False, json=False)
    what = "standard input" if name == "-" else name
    data = read_json(text, what)
    batch = isinstance(data, list) and bool(data) and all(isinstance(row, list) for row in data)
    rows = data if batch else [data]
    if not isinstance(rows, list) or not all(isinstance(row, list) and not any(isinstance(s, (list, dict)) for s in row) for row in rows):
        raise InputError(f"{what} does not hold a list of tokens, nor a list of such lists", hint='for example ["a", "b"] or [[1, 2], [3]]')
    return Given(rows, batch=batch, json=True)


def parse_lengths(text: str | None) -> list[int] | None:
    """`1,8,64` as numbers."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--lengths {text!r} is not a list of lengths", hint="for example --lengths 1,8,64")
    return [int(part) for part in parts]


def _as_numbers(words: list[str]) -> list[Symbol]:
    """Words as integers where every one of them is an integer."""
    if words and all(word.removeprefix("-").isdecimal() for word in words):
        return [int(word) for word in words]
    return list(words)
