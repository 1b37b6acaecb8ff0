"""Random programs: drawn step by step while their graph is built, kept as the Python text that builds it again."""

from __future__ import annotations

import linecache
import random
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from ..compiler import language as hw
from ..compiler.calls import public
from ..compiler.domain import Alphabet, Sizes
from ..compiler.errors import DomainError, InputError, ProgramWarning
from ..compiler.graph import Builder
from ..compiler.language import Program, Value
from ..compiler.language.program import context_length
from ..compiler.ops import Position, Token
from .steps import FEATURES, STEPS, Choices, Made, Pool, Step

MAX_SIZE = 64  # of a value's domain
TRIES = 40  # steps tried for each that is wanted
NAMES = re.compile(r"\b(?:token|position|v\d+)\b")


class Draft:
    """A program as far as it is drawn: its values, and a line for each that was made."""

    def __init__(self, token: Value, position: Value, warned: bool) -> None:
        self.pool: Pool = [Made("token", token), Made("position", position)]
        self.lines: dict[str, str] = {}
        self.steps: dict[str, Step] = {}  # the kind of step that made each line
        self.warned = warned  # whether a line that cannot be meant, such as one that reads ahead, is taken all the same

    def add(self, choices: Choices, steps: Sequence[Step]) -> bool:
        """Draw a step; whether it made a value. A selector of too many heads and a value of too many numbers are left out."""
        step = steps[choices.below(len(steps))]
        text = step(choices, self.pool)
        if text is None:
            return False
        names: dict[str, object] = {made.name: made.value for made in self.pool}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if self.warned else "error", ProgramWarning)
                value = cast(Value, eval(text, {"hw": hw, **names}))
        except DomainError as error:
            if "heads, more than" not in error.fact:
                raise
            return False
        except ProgramWarning:
            return False
        if value.domain.size > MAX_SIZE:
            return False
        name = f"v{len(self.lines) + 1}"
        self.lines[name], self.steps[name] = text, step
        self.pool.append(Made(name, value))
        return True

    def needed(self, names: Sequence[str]) -> list[str]:
        """The inputs and lines that values are made of, themselves among them, in order."""
        found = set(names)
        for name in reversed(self.lines):
            if name in found:
                found.update(NAMES.findall(self.lines[name]))
        return [made.name for made in self.pool if made.name in found]


def spelled(numbers: Sequence[int], causal: bool, most: int = 1) -> Program:
    """The program that a list of integers spells; it returns a value, or a tuple of at most `most` of its latest values."""

    def body(token: Value, position: Value) -> Value | list[Value]:
        choices, draft = Choices(numbers), Draft(token, position, warned=True)
        while choices.left:
            draft.add(choices, STEPS)
        values = [made.value for made in draft.pool]
        returned = (numbers[-1] if numbers and most > 1 else 0) % (most + 1)
        return values[-returned:] if returned else values[-1]

    return hw.program(name="random", causal=causal)(body)


@public
def random_program(
    seed: int, *, length: int, alphabet: int = 2, steps: int = 8, features: Sequence[str] | None = None, causal: bool = True
) -> Program:
    """A random program over symbols 0, 1, …, drawn for a length and an alphabet's size: equal arguments give equal programs.

    `steps` values are drawn, and those kept that the result is made of, the one that most others go into. `features` are the kinds of
    steps, by the names in `suite/steps.py`, all if not given. `program.function.text()` is its Python, a file that is loaded as any other.
    Raises InputError for an unknown feature, fewer than 1 step, and where the features make no value of a token and a position.
    """
    return from_text(random_text(seed, length, alphabet, steps, features, causal))


def random_text(seed: int, length: int, alphabet: int, steps: int, features: Sequence[str] | None, causal: bool) -> str:
    """The text of a random program: see `random_program`."""
    return random_lines(seed, length, alphabet, steps, features, causal)[0]


def random_lines(
    seed: int, length: int, alphabet: int, steps: int, features: Sequence[str] | None, causal: bool
) -> tuple[str, tuple[str, ...]]:
    """The text of a random program, and the feature that each of its lines is of."""
    unknown = [name for name in features or () if name not in FEATURES]
    if unknown or (features is not None and not features):
        raise InputError(f"there is no feature {', '.join(unknown) or 'at all'}", hint=f"features are {', '.join(FEATURES)}")
    for what, number, least in (("seed", seed, 0), ("steps", steps, 1), ("the alphabet's size", alphabet, 1)):
        if isinstance(number, bool) or not isinstance(number, int) or number < least:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{what} is {number!r}", hint=f"give an integer of at least {least}")
    rng = random.Random(f"headwork {seed}")
    builder = Builder("random", Sizes(context_length(length), Alphabet.of(alphabet), causal))
    inputs = (Value(builder, builder.add(op, [], name)) for op, name in ((Token(), "token"), (Position(), "position")))
    draft, wanted = Draft(*inputs, warned=False), STEPS if features is None else [FEATURES[name] for name in features]
    for _ in range(TRIES * steps):
        if len(draft.lines) == steps:
            break
        draft.add(Choices([rng.randrange(1 << 30) for _ in range(64)]), wanted)
    if not draft.lines:
        raise InputError(f"{', '.join(features or ())} make no value of a token and a position", hint="add features that do")
    result = max(reversed(draft.lines), key=lambda name: len(draft.needed([name])))
    needed = draft.needed([result])
    given = [name for name in ("token", "position") if name in needed] or ["token"]
    new = {name: f"v{i}" for i, name in enumerate((n for n in needed if n in draft.lines), 1)}
    body = [f"    {new[name]} = {NAMES.sub(lambda m: new.get(m[0], m[0]), draft.lines[name])}" for name in new]
    options = f'name="random {seed}", alphabet={alphabet}' + ("" if causal else ", causal=False")
    head = ["import headwork as hw", "", "", f"@hw.program({options})", f"def program({', '.join(given)}):"]
    kinds = {step: name for name, step in FEATURES.items()}
    return "\n".join([*head, *body, f"    return {new[result]}"]) + "\n", tuple(kinds[draft.steps[name]] for name in new)


class Written:
    """The function of a program that was made of a text, and the text."""

    def __init__(self, function: object, text: str) -> None:
        self.__wrapped__, self._text = function, text
        self.__name__ = getattr(function, "__name__", "program")

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.__wrapped__(*args, **kwargs)  # pyright: ignore[reportCallIssue]

    def text(self) -> str:
        """The Python that it was made of."""
        return self._text


def from_text(text: str, file: str = "program.py") -> Program:
    """The program that a text defines under the name `program`. Values get the names of the text, as those of a file do."""
    where = f"<headwork>/{random.Random(text).randrange(1 << 62):x}/{file}"  # another text is another file
    linecache.cache[where] = (len(text), None, text.splitlines(keepends=True), where)
    names: dict[str, object] = {"__name__": "headwork_text"}
    exec(compile(text, where, "exec"), names)
    program = cast(Program, names["program"])
    return replace(program, function=Written(program.function, text))
