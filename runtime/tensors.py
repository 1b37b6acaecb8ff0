"""A safetensors file in parts: written from the tensors where they lie, and read straight into those that keep it.

At 2^20 positions W_pos is most of a model. It is copied once when it is read, into the tensor's own memory, or not at all where the
file is mapped; and written from where it is, without a copy of the file in memory.
"""

from __future__ import annotations

import io
import json
import math
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

NAMES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
MOST = 100_000_000  # bytes of a header, as safetensors has it


@dataclass(frozen=True)
class Packed:
    """What the file holds: its header with the 8 bytes of its length, and the tensors in the file's order, without gaps."""

    header: bytes
    tensors: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.header) + sum(t.nbytes for t in self.tensors.values())

    def __iter__(self) -> Iterator[memoryview]:
        """The file's bytes, part by part; nothing is copied."""
        yield memoryview(self.header)
        for tensor in self.tensors.values():
            yield tensor.reshape(-1).view(torch.uint8).numpy().data


def packed(tensors: Mapping[str, Tensor]) -> Packed:
    """Contiguous tensors of one dtype, on the processor, as `safetensors.torch.save` writes them: byte for byte the same file."""
    names, at = {dtype: name for name, dtype in NAMES.items()}, 0
    said: dict[str, object] = {"__metadata__": {"format": "pt"}}
    for name in sorted(tensors):
        tensor = tensors[name]
        said[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return Packed(len(text).to_bytes(8, "little") + text, {name: tensors[name] for name in sorted(tensors)})


def unpacked(file: io.BufferedReader, mapped: bool = False) -> Packed:
    """The tensors of an opened file, each read once into memory of its own, or with `mapped` the file's own pages, copied when changed.

    Raises ValueError for what is no such file.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > min(MOST, size - 8):
        raise ValueError(f"its header is said to have {length:,} bytes, of a file of {size:,}")
    text = file.read(length)
    spans = _spans(text, size - 8 - length)
    pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if mapped and size else None
    tensors: dict[str, Tensor] = {}
    for name, (dtype, shape, start, end) in spans.items():
        at = 8 + length + start
        if pages is not None and end > start and at % dtype.itemsize == 0:
            held = torch.frombuffer(pages, dtype=torch.uint8, count=end - start, offset=at)
        else:
            held = torch.empty(end - start, dtype=torch.uint8)
            file.seek(at)
            if file.readinto(held.numpy().data) != end - start:
                raise ValueError(f"it ends within tensor {name!r}")
        tensors[name] = held.view(dtype).reshape(shape)
    return Packed(first + text, tensors)


Span = tuple[torch.dtype, tuple[int, ...], int, int]


def _spans(text: bytes, size: int) -> dict[str, Span]:
    """Dtype, shape, first and last byte of each tensor, by where they lie; together they are the whole of the `size` bytes."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise ValueError("its header is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("its header is no object")
    found = cast("dict[str, object]", found)
    found.pop("__metadata__", None)
    spans = {name: _span(name, entry) for name, entry in found.items()}
    spans, at = dict(sorted(spans.items(), key=lambda item: item[1][2:])), 0
    for name, (_, _, start, end) in spans.items():
        if start != at:
            raise ValueError(f"tensor {name!r} starts at byte {start:,}, and the one before it ends at {at:,}")
        at = end
    if at != size:
        raise ValueError(f"its tensors have {at:,} bytes, and the file holds {size:,}")
    return spans


def _span(name: str, entry: object) -> Span:
    """One tensor's place, as the header has it."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} has not a dtype, a shape and data_offsets")
    dtype = NAMES.get(str(entry["dtype"]))
    if dtype is None:
        raise ValueError(f"tensor {name!r} is of dtype {entry['dtype']!r}")
    shape, ends = (_numbers(name, entry[key]) for key in ("shape", "data_offsets"))
    if len(ends) != 2 or ends[1] - ends[0] != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"tensor {name!r} of shape {list(shape)} lies at {list(ends)}")
    return dtype, shape, *ends  # pyright: ignore[reportReturnType]


def _numbers(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n < 1 << 62 for n in value):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError(f"tensor {name!r} has {value!r} in its header, which are no sizes")
    return tuple(cast("list[int]", value))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object that names nothing twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header names a tensor twice")
    return found
