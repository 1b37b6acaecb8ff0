"""How the command ends when it is stopped: one line and its exit code, with nothing half written left behind.

The package imports this before all else: in the first second, Ctrl-C finds the command still importing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

SIGNALS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "the terminal was closed"}
PIPE = 13  # SIGPIPE: who reads the output, `head` say, has left
UNWRITTEN = 2  # the user's mistake: the output was given no place


class Stopped(BaseException):
    """A signal, raised where the command is, so that what is half written is taken away; no handler of errors takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def end_at_once() -> None:
    """While the command imports, nothing is half written, so a signal ends it there and then."""
    _handle(_exit)


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """The whole command: a signal, or an output that takes no more, ends it in one line."""
    _handle(_raise)
    try:
        with stopping():
            try:
                yield
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()  # now, while there is somebody to say that it failed
    except Stopped as stopped:
        _end(_line(stopped.number), 128 + stopped.number)
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):
            raise
        _end(f"error: the output cannot be written: {os.strerror(error.errno)}", UNWRITTEN)


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """An interrupt, which may come from a user's own function, and a reader that has left, as what stops the command."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT) from None
    except BrokenPipeError:
        raise Stopped(PIPE) from None


def _end(line: str, code: int) -> None:
    """Say it, if anybody listens, and leave; what could not be written is not tried again when Python ends."""
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode() if line else b"")
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
    raise SystemExit(code) from None


def _line(number: int) -> str:
    return SIGNALS.get(signal.Signals(number).name, "")


def _exit(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{_line(number)}\n".encode())
    os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def _handle(handler: signal._HANDLER) -> None:
    """Let `handler` have the signals, but those that whoever started the process ignores, as nohup does, or handles."""
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler, _exit):
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(number, handler)


def is_command() -> bool:
    """Whether this process was started as `headwork` or `python -m headwork`; one that only imports headwork keeps its signals."""
    arguments = getattr(sys, "argv", None) or [""]
    if arguments[0] != "-m":  # what it is while the package of `python -m` is imported
        return os.path.basename(arguments[0]) in ("headwork", "headwork.exe")
    before = sys.orig_argv[: len(sys.orig_argv) - len(arguments) + 1]
    return before[-1] == "headwork" or (before[-1].startswith("-") and before[-1].endswith("mheadwork"))
