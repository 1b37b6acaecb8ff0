"""Checkpoints that tests save, damage, and load."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import headwork as hw
from headwork import programs
from headwork.runtime.files import sealed

ROOT = Path(__file__).resolve().parents[2]
CONFIG, PROGRAM, TENSORS = "config.json", "program.json", "model.safetensors"
Document = Any  # JSON


@hw.program(name="numbers", alphabet=4)
def numbers(token: hw.Value, position: hw.Value) -> hw.Value:
    hit = hw.match((token, hw.previous(token)), (hw.previous(token), token), before=True).earliest()
    return hw.where(hit.found, hw.minimum(hit.position * 3 - position, 5), hw.table(lambda x: x - 7 if x else None, token))


@hw.program(name="mixed", causal=False, alphabet=["a", 1, 2.5, -3, "ü ⊥ 漢"])
def mixed(token: hw.Value) -> hw.Value:
    return hw.match(token, hw.previous(token, by=-1)).unique().fetch(token).or_else("ü ⊥ 漢")


MODELS: dict[str, Callable[[], hw.Model]] = {
    "khop": lambda: hw.compile(programs.khop.make(3), length=10),
    "induction": lambda: hw.compile(programs.induction.make(), length=9),
    "skip_trigram": lambda: hw.compile(programs.skip_trigram.make(), length=8),
    "bidirectional": lambda: hw.compile(programs.khop.make(2).bidirectional(), length=7, alphabet="abc"),
    "float64": lambda: hw.compile(programs.khop.make(2), length=10, dtype="float64"),
    "tuples": lambda: hw.compile(programs.induction.make(), length=4, alphabet=[(1, None), (1, "x"), ("a", 2.5)]),
    "bfloat16": lambda: hw.compile(programs.khop.make(1), length=8, alphabet=2, dtype="bfloat16"),
    "numbers": lambda: hw.compile(numbers, length=6),
    "mixed": lambda: hw.compile(mixed, length=6),
    "no blocks": lambda: hw.compile(hw.program(name="copy", alphabet="ab")(lambda token: token), length=3),
}
each_model = pytest.mark.parametrize("name", MODELS)


@cache
def model_of(name: str) -> hw.Model:
    return MODELS[name]()


def inputs(model: hw.Model, count: int = 20) -> list[list[object]]:
    rng = random.Random(0)
    return [[rng.choice(model.alphabet.symbols) for _ in range(rng.randint(0, model.length))] for _ in range(count)]


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, hidden ones included."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def read(path: Path) -> Document:
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, document: Document) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def seal(directory: Path) -> None:
    """Give a changed checkpoint the digest of what it now holds, as one who means to deceive would."""
    config = read(directory / CONFIG)
    config["sha256"] = sealed(config, {name: (directory / name).read_bytes() for name in (PROGRAM, TENSORS)})
    write(directory / CONFIG, config)


def refused(directory: Path, *says: str) -> hw.CheckpointError:
    """Loading raises a CheckpointError that says all this and gives a hint."""
    with pytest.raises(hw.HeadworkError) as caught:
        hw.load(directory)
    assert type(caught.value) is hw.CheckpointError
    for text in says:
        assert text in str(caught.value), f"{text!r} not in {caught.value}"
    assert caught.value.hint
    return caught.value


def put(document: Document, path: str, value: object) -> None:
    """Set `a.2.b` of a document; the value `DELETE` removes it."""
    *parents, last = [int(p) if p.lstrip("-").isdigit() else p for p in path.split(".")]
    for parent in parents:
        document = document[parent]
    if value is DELETE:
        del document[last]
    else:
        document[last] = value


DELETE = object()
HUGE = 2**62
CONFIG_KEYS = ("format", "version", "name", "dtype", "causal", "alphabet", "length", "d_model", "classes", "blocks", "sha256")
PROGRAM_KEYS = ("alphabet", "graph", "optimised", "output_forms", "probes", "heads")


def changed(checkpoint: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(checkpoint / TENSORS)
    change(tensors)
    save_file(tensors, checkpoint / TENSORS)
