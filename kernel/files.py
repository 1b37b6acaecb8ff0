"""A checkpoint's three files as the kernel reads them, by the formats' own definitions, and `verify` on a directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, deserialize

from .blocks import Fact
from .numbers import Reals, Rejected, rejecting
from .stream import Form
from .terms import FIELDS
from .verify import Checkpoint, frozen, verify

Read = TypeVar("Read")
NUMBERS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
PROOF = "proof.json"  # where a checkpoint's script is looked for
LONGEST = 1 << 32  # bytes of a file that is read


def verify_files(directory: Path, proof: Path) -> tuple[str, Checkpoint, Mapping[str, Any], list[Fact]]:
    """Check the proof script of a checkpoint: its name, what was read, the script, and what was shown. Raises Rejected."""
    name, checkpoint, script = read(directory, proof, _checkpoint)
    return name, checkpoint, script, verify(checkpoint, script)


def read(directory: Path, proof: Path, checkpoint: Callable[..., Read]) -> tuple[str, Read, Mapping[str, Any]]:
    """A checkpoint's name, what `checkpoint` makes of config.json, program.json and the tensors, and a script. Raises Rejected."""
    texts = {name: content(directory / name) for name in ("config.json", "program.json", "model.safetensors")}
    with rejecting("the files are no checkpoint"):
        config, program, script = (json.loads(text) for text in (texts["config.json"], texts["program.json"], content(proof)))
        return str(config["name"]), checkpoint(config, program, tensors(texts["model.safetensors"])), script


def content(path: Path) -> bytes:
    """A file's bytes; a longer one than is read is rejected."""
    try:
        if path.stat().st_size > LONGEST:
            raise Rejected(f"{path.name} is longer than {LONGEST:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path.name} cannot be read: {error.strerror}") from error


def tensors(data: bytes) -> dict[str, Reals]:
    """The tensors as float64, which holds every number of the formats."""
    try:
        stored = deserialize(data)
    except SafetensorError as error:
        raise Rejected(f"the tensors cannot be read: {error}") from error
    found: dict[str, Reals] = {}
    for name, tensor in stored:
        raw, kind = bytes(tensor["data"]), tensor["dtype"]
        if kind == "BF16":  # the upper half of a float32
            values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(raw, NUMBERS[kind])
        found[name] = values.reshape(tensor["shape"]).astype(np.float64)
    return found


def _checkpoint(config: Mapping[str, Any], program: Mapping[str, Any], tensors: dict[str, Reals]) -> Checkpoint:
    symbols, graph = program["alphabet"], program["graph"]
    symbols = symbols if isinstance(symbols, int) else len(symbols)
    sizes = (config["format"], config["alphabet"], type(config["length"]), type(symbols), type(config["causal"]))
    if sizes != ("headwork", symbols, int, int, bool):
        raise Rejected("config.json is of another format, or of another alphabet than program.json")
    guard = graph["guard"]
    return Checkpoint(
        config["length"],
        symbols,
        config["dtype"],
        tuple((n["op"], tuple(frozen(n["fields"][f]) for f in FIELDS[n["op"]][0]), frozen(n["args"])) for n in graph["nodes"]),
        (*graph["outputs"], *([] if guard is None else [guard["node"]])),
        tuple(Form(f["kind"], f["off"], f["top"], f["parts"], f.get("radix", 0)) for f in program["output_forms"]),
        tuple(tuple(b["masks"]) if b["kind"] == "attention" else () for b in config["blocks"]),
        tensors,
    )
