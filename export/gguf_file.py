"""Reading a GGUF file, as far as headwork writes one: no size that it declares is believed before it is compared with the file's."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from ..compiler.errors import CheckpointError
from ..runtime.serial import Json
from .native import Reals

MAGIC, VERSION, ALIGNMENT, MAX_DIMS = b"GGUF", 3, 32, 4
KINDS = {0: "<f4", 1: "<f2"}  # of tensors
STRING, ARRAY = 8, 9
_NUMBERS = {4: "<I", 5: "<i", 6: "<f", 7: "<?"}  # uint32, int32, float32, bool


class _Damaged(Exception):
    """What is wrong with a file."""


class _Bytes:
    """The bytes of a file, read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.data) - self.at:
            raise _Damaged(f"{count:,} bytes are said to follow byte {self.at:,} of {len(self.data):,}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, kind: str) -> int:
        """The next integer, in the notation of struct."""
        (value,) = struct.unpack(kind, self.take(struct.calcsize(kind)))
        return value

    def count(self) -> int:
        """How many items follow; each takes a byte at least."""
        value = self.number("<Q")
        if value > len(self.data) - self.at:
            raise _Damaged(f"{value:,} items are said to follow byte {self.at:,} of {len(self.data):,}")
        return value

    def text(self) -> str:
        """The next string."""
        try:
            return self.take(self.count()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _Damaged(f"a string before byte {self.at:,} is not UTF-8") from error

    def value(self, kind: int) -> Json:
        """The next value of a type."""
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == STRING:
            return self.text()
        raise _Damaged(f"there is a value of type {kind} before byte {self.at:,}, and headwork writes none")

    def values(self) -> list[Json]:
        """The next list, of values of one type."""
        kind = self.number("<I")
        return [self.value(kind) for _ in range(self.count())]


def load(path: Path) -> tuple[dict[str, Json], dict[str, Reals]]:
    """The fields of a file, and its tensors in float64, in the order in which they stand.

    Raises CheckpointError where it is damaged, or holds what headwork does not write.
    """
    try:
        return _parse(_Bytes(path.read_bytes()))
    except (OSError, _Damaged) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="the file is damaged; export the model again") from error


def _parse(given: _Bytes) -> tuple[dict[str, Json], dict[str, Reals]]:
    if given.take(4) != MAGIC or given.number("<I") != VERSION:
        raise _Damaged(f"it is no GGUF file of version {VERSION}")
    tensors, count = given.count(), given.count()
    fields: dict[str, Json] = {}
    for _ in range(count):
        name, kind = given.text(), given.number("<I")
        if name in fields:
            raise _Damaged("a field stands there twice")
        fields[name] = given.values() if kind == ARRAY else given.value(kind)
    places: dict[str, tuple[tuple[int, ...], np.dtype[np.floating], int]] = {}
    for _ in range(tensors):
        name, dims = given.text(), given.number("<I")
        if name in places or not 1 <= dims <= MAX_DIMS:
            raise _Damaged("a tensor stands there twice, or has no shape")
        shape = tuple(given.number("<Q") for _ in range(dims))[::-1]
        if (kind := given.number("<I")) not in KINDS:
            raise _Damaged("a tensor is neither of float32 nor of float16")
        places[name] = shape, np.dtype(KINDS[kind]), given.number("<Q")
    start = -(-given.at // ALIGNMENT) * ALIGNMENT
    found: dict[str, Reals] = {}
    for name, (shape, kind, offset) in places.items():
        given.at = min(start + offset, len(given.data))
        raw = np.frombuffer(given.take(kind.itemsize * math.prod(shape)), kind)
        found[name] = raw.reshape(shape).astype(np.float64)
    return fields, found
