"""Errors a user can meet: each states the fact, the place in the user's program, and the fix."""

from __future__ import annotations

import functools
import linecache
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Frames of the language's own packages, and of what Python calls them through: not the user's.
_OWN = (*(str(Path(__file__).parent.parent / folder) + "/" for folder in ("compiler", "mpc", "rasp")), functools.__file__)


@dataclass(frozen=True, slots=True)
class Location:
    """A line of the user's program."""

    file: str
    line: int

    @property
    def source(self) -> str:
        """The text of the line, stripped; empty if the file is not readable."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}"


def caller() -> Location | None:
    """The innermost frame outside the language's own packages: the line of the program being built."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OWN):
            return Location(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


class HeadworkError(Exception):
    """Any mistake that is the user's to fix; `fact`, `line` and `hint` hold the parts of the message."""

    def __init__(self, fact: str, line: Location | None = None, hint: str = "") -> None:
        self.fact, self.line, self.hint = fact, line, hint
        text = f"{line}: {fact}" + (f"\n    {line.source}" if line.source else "") if line else fact
        super().__init__(text + (f"\n    hint: {hint}" if hint else ""))


class ProgramError(HeadworkError):
    """The program cannot be built: it returns no value, uses an unknown input, or names no program."""


class DomainError(ProgramError):
    """An operation was given values of domains it does not accept."""


class MemberError(ProgramError, AttributeError):
    """A value, a selector, a hit or a mean has no member of that name."""


class ExactnessError(HeadworkError):
    """The program cannot be exact at this length, alphabet and dtype; the message holds the inequality."""


class InputError(HeadworkError):
    """A sequence, symbol, length or option lies outside what the model or command accepts."""


class CheckpointError(HeadworkError):
    """A checkpoint file is missing, damaged, of another version, or does not fit its configuration."""


class CapacityError(HeadworkError):
    """A machine sends or is sent more messages in a round than its memory or inbox holds."""

    @classmethod
    def overflow(cls, round_: int, machine: int, senders: Sequence[int], capacity: int, line: Location | None) -> CapacityError:
        """The error for a machine that was sent more than its inbox holds, one sender a message."""
        named = ", ".join(map(str, senders[:8])) + (", …" if len(senders) > 8 else "")
        fact = f"round {round_}: machine {machine} was sent {len(senders)} messages, its inbox holds {capacity} (from machines {named})"
        return cls(fact, line, "give the machines more memory, or send over more rounds")


class EngineError(HeadworkError):
    """The engine that runs a protocol lost workers more often than it repeats their work."""


class ProgramWarning(UserWarning):
    """A program builds, and a line of it cannot be meant: what it computes is ⊥ everywhere."""


class EngineWarning(UserWarning):
    """A head had no index on a text, so that attention was scored in full: right, and slow."""


_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}  # what Python keeps to say a warning once for each line


def warn(fact: str, line: Location | None, hint: str) -> None:
    """Warn of a line of the user's program, once."""
    file, number = (line.file, line.line) if line else ("<unknown>", 0)
    warnings.warn_explicit(f"{fact} (hint: {hint})", ProgramWarning, file, number, registry=_WARNED)
