"""Directories that appear whole: written beside their place, moved into it in one step, and read as they were at one moment."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ..compiler.errors import CheckpointError, InputError
from .tensors import Packed

TRIES = 100  # of moving into place, or of reading, while others save there too
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux, linux/fcntl.h and linux/fs.h
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Ours = Callable[[Path], bool]
Got = TypeVar("Got")


def digest(files: Mapping[str, bytes | Packed]) -> str:
    """SHA-256 of files taken together, names and lengths included, so that no two sets of files are written alike."""
    sha = hashlib.sha256()
    for name in sorted(files):
        for content in (name.encode(), files[name]):
            sha.update(len(content).to_bytes(8, "little"))
            for part in (content,) if isinstance(content, bytes) else content:
                sha.update(part)
    return sha.hexdigest()


def write(path: Path, content: bytes | Packed) -> None:
    """Write a new file, with the mode that the umask gives, through to the disk."""
    with path.open("xb") as file:
        for part in (content,) if isinstance(content, bytes) else content:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def named(path: object) -> Path:
    """The path of a file, as given. Raises InputError for what names none."""
    if not isinstance(path, (str, os.PathLike)) or "\0" in (text := os.fspath(path)) or not (found := Path(text)).name:  # pyright: ignore
        raise InputError(f"{path!r} names no file", hint="give the path of a file")
    return found


def put(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, in the place of what was there. Raises InputError where the system refuses."""
    work = path.parent / f".{path.name[:100]}.{secrets.token_hex(6)}"
    try:
        write(work, content)
        os.replace(work, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place") from error
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def appearing(directory: Path, ours: Ours) -> Iterator[Path]:
    """A directory to fill, which takes its name when all went well; what `ours` accepts, or an empty one, is replaced.

    Of several that are moved to one name at a time, the last stays. Raises InputError if the name is taken by something
    else, and where the system refuses to write, with what it says.
    """
    try:
        directory = Path(os.path.realpath(directory))  # a link stays one, and what it points to is replaced
        _require_free(directory, ours)
        directory.parent.mkdir(parents=True, exist_ok=True)
        work = directory.parent / f".{directory.name[:100]}.{secrets.token_hex(6)}"
        try:
            work.mkdir()
            yield work
            _move(work, directory, ours)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{directory.parent} is not a directory", hint="choose another place to save") from error
    except OSError as error:
        if error.errno is None:
            raise
        hint = "free some space" if error.errno in FULL else "choose another place to save"
        raise InputError(f"{directory} cannot be written: {os.strerror(error.errno)}", hint=hint) from error
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise InputError(f"{str(directory)!r} is no name of a directory", hint="choose another place to save") from error


def _require_free(directory: Path, ours: Ours) -> None:
    try:
        mode = os.stat(directory).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISDIR(mode) and (not any(directory.iterdir()) or ours(directory))):
        raise InputError(f"{directory} exists and is not a headwork checkpoint", hint="choose another directory, or empty this one")


def _move(work: Path, directory: Path, ours: Ours) -> None:
    """Give `work` its name, in the place of what is there; that is then under the name of `work`."""
    for _ in range(TRIES):
        try:
            os.rename(work, directory)  # where there is nothing, or an empty directory
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _require_free(directory, ours)
        with contextlib.suppress(FileNotFoundError):  # another saver is between two steps
            exchange(work, directory)
            return
    raise InputError(f"{directory} is being replaced by others all the time", hint="save under another name")


def exchange(one: Path, other: Path) -> None:
    """Let two directories change names: in one step on Linux, in three elsewhere, undone where one fails."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if rename is not None:
        if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):  # of file systems that cannot
            raise OSError(code, os.strerror(code), str(other))
    exchange_in_steps(one, other)


def exchange_in_steps(one: Path, other: Path) -> None:
    """The same by three renames; for a moment nothing bears the other's name."""
    aside = one.with_name(f"{one.name}.old")
    try:
        os.rename(other, aside)
        os.rename(one, other)
        os.rename(aside, one)
    except BaseException:
        if aside.exists():
            if other.exists():
                os.rename(other, one)
            os.rename(aside, other)
        raise


def snapshot(directory: Path, names: Sequence[str], hint: str) -> dict[str, bytes]:
    """The files of a directory, each read once, all of the directory that had the name at one moment. Raises as `reading` does."""
    return reading(directory, names, hint, lambda files: {name: file.read() for name, file in files.items()})


def reading(directory: Path, names: Sequence[str], hint: str, read: Callable[[Mapping[str, io.BufferedReader]], Got]) -> Got:
    """What `read` makes of the files of a directory, all of them opened in the directory that had the name at one moment.

    A directory that is replaced meanwhile is read again. Raises CheckpointError for files that are missing or cannot be read.
    """
    for attempt in range(TRIES):
        last = attempt == TRIES - 1
        with _opened(directory) as handle:
            try:
                # All are opened before the first is read: what was replaced may be removed meanwhile.
                with contextlib.ExitStack() as files:
                    return read({name: files.enter_context(_file(handle, directory, name)) for name in names})
            except FileNotFoundError as error:
                if last or not _replaced(directory, handle):
                    raise CheckpointError(f"{error.filename} is missing", hint=hint) from error
            except OSError as error:
                fact = f"{error.filename or directory} cannot be read: {error.strerror}"
                raise CheckpointError(fact, hint="the file is damaged; save the model again") from error
    raise AssertionError


@contextmanager
def _opened(directory: Path) -> Iterator[int | None]:
    """A handle of a directory, which stays the same when its name is given to another; None where the system has none."""
    if os.open not in os.supports_dir_fd:
        yield None
        return
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CheckpointError(f"{directory} cannot be read: {error.strerror}", hint="give the directory that save() wrote") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _file(handle: int | None, directory: Path, name: str) -> io.BufferedReader:
    """A file of an opened directory; what is no regular file, such as a pipe, is not waited for."""
    path = directory / name
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path if handle is None else name, flags, dir_fd=handle), "rb")
    except OSError as error:
        error.filename = str(path)
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return file


def _replaced(directory: Path, handle: int | None) -> bool:
    """Whether the directory's name now belongs to another than the one that was opened."""
    if handle is None:
        return False
    try:
        return not os.path.samestat(os.stat(directory), os.fstat(handle))
    except FileNotFoundError:
        return False
