"""Tensors in files: the bytes that safetensors writes, read once or mapped, and nothing else taken for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

import headwork as hw
from headwork import programs
from headwork.runtime.tensors import packed, unpacked

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def some(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(1)
    shapes = {"W_E": (3, 5), "blocks.0.W_Q": (2, 5, 3), "blocks.10.W_in": (5, 0), "blocks.2.W_out": (1, 5)}
    return {name: torch.randn(shape, generator=made, dtype=torch.float64).to(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mapped", [False, True])
def test_the_bytes_are_those_of_safetensors(dtype: torch.dtype, mapped: bool, tmp_path: Path) -> None:
    tensors, path = some(dtype), tmp_path / "t.safetensors"
    written = b"".join(packed(tensors))
    assert written == save(tensors, metadata={"format": "pt"}) and len(packed(tensors)) == len(written)
    path.write_bytes(written)
    with path.open("rb") as file:
        found = unpacked(file, mapped)
    assert b"".join(found) == written
    assert found.tensors.keys() == load_file(path).keys()
    assert all(torch.equal(found.tensors[name], tensors[name]) and found.tensors[name].dtype == dtype for name in tensors)
    found.tensors["W_E"].zero_()  # pages are copied when they are changed: the file stays what it is
    assert path.read_bytes() == written


def header(entries: object, data: bytes = b"\0" * 8) -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
TWICE = b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "its header is said to have"),
        (b"\xff" * 8, "its header is said to have"),
        (header([]), "is no object"),
        (header(b"{"), "Expecting property name"),
        (header(b"\xff\xfe\xfd"), "codec can't decode"),
        (header(b"[" * 100_000), "nested too deep"),
        (header(TWICE), "names a tensor twice"),
        (header({"a": 3}), "has not a dtype"),
        (header({"a": GOOD | {"more": 1}}), "has not a dtype"),
        (header({"a": GOOD | {"dtype": "F8"}}), "is of dtype 'F8'"),
        (header({"a": GOOD | {"dtype": ["F32"]}}), "is of dtype"),
        (header({"a": GOOD | {"shape": [3]}}), r"of shape \[3\] lies at"),
        (header({"a": GOOD | {"shape": [2.0]}}), "which are no sizes"),
        (header({"a": GOOD | {"shape": [True, 2]}}), "which are no sizes"),
        (header({"a": GOOD | {"shape": [-1, -2]}}), "which are no sizes"),
        (header({"a": GOOD | {"shape": [1 << 60, 1 << 60, 0], "data_offsets": [0, 0]}}), "hold"),
        (header({"a": GOOD | {"data_offsets": [8, 16]}}), "starts at byte 8"),
        (header({"a": GOOD | {"data_offsets": [0]}}), "lies at"),
        (header({"a": GOOD, "b": GOOD}), "starts at byte 0, and the one before it ends at 8"),
        (header({"a": GOOD}, b"\0" * 9), "its tensors have 8 bytes, and the file holds 9"),
        (header({"a": GOOD}, b"\0" * 7), "its tensors have 8 bytes, and the file holds 7"),
        (header({}), "its tensors have 0 bytes, and the file holds 8"),
    ],
)
def test_no_other_file_is_taken_for_one(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with path.open("rb") as file, pytest.raises(ValueError, match=why):
        unpacked(file)


def test_a_mapped_model_is_the_model(tmp_path: Path) -> None:
    model = hw.compile(programs.get("khop", k=2), length=300)
    model.save(tmp_path / "model")
    again = hw.load(tmp_path / "model", mapped=True)
    text = list(model.alphabet.symbols) * 3
    assert all(torch.equal(a, b) for a, b in zip(again.module.parameters(), model.module.parameters(), strict=True))
    assert again.run(text, engine="sparse") == model.run(text) == again.run(text, engine="dense")
    model.save(tmp_path / "model")  # another file in its place: the mapped one is still the old one
    assert again.run(text) == model.run(text)
    again.save(tmp_path / "other")
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == (tmp_path / "model" / "model.safetensors").read_bytes()
