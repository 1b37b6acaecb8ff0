"""Exporting a model to a stock architecture, and reading an export back as the model it was mapped from."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..certificate.certify import Certificate, certify
from ..certificate.exact import Refused
from ..compiler.calls import public
from ..compiler.errors import CheckpointError, InputError
from ..compiler.shown import Shown
from ..runtime.files import EXPORT, appearing, config_json, program_json, read_json, rebuild, write_json
from ..runtime.model import Model
from ..runtime.module import Shape
from ..runtime.sample import is_distribution
from ..runtime.serial import Json, Reader
from . import gguf, gpt2, llama, onnx
from .card import card, parameters, summary
from .check import Checked, Expected, sequences
from .native import Frame
from .target import HEAD, Built, Target
from .words import Words

FORMAT, VERSION, MAX_SHIFT = "headwork-export", 2, 64
CARD = "README.md"
TARGETS: dict[str, Target] = {t.name: t for t in (gpt2.TARGET, *llama.TARGETS, onnx.TARGET, gguf.TARGET)}


@dataclass(frozen=True)
class Exported(Shown):
    """What an export wrote and what is known about it. `checked` is None where it was not run."""

    directory: Path
    program: str
    target: str
    loads: str
    dtype: str
    code: str
    blocks: int
    attention_layers: int
    parameters: int
    notes: tuple[str, ...]
    checked: Checked | None

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready values."""
        checked = self.checked.as_dict() if self.checked else None
        return {**asdict(self), "directory": str(self.directory), "notes": list(self.notes), "checked": checked}

    def __str__(self) -> str:
        how = str(self.checked) if self.checked else "not checked"
        lines = [f"{self.program} as {self.target} ({self.loads}) in {self.directory}", *self.notes, how]
        return "\n  ".join(lines)


def export(
    model: Model, directory: str | Path, target: str = "gpt2", *, code: str = "auto", dtype: str = "auto", check: bool | None = None
) -> Exported:
    """Write a compiled program as a checkpoint that stock classes load, and check it from its files.

    The program is lowered again for the target's arithmetic, in `code` and `dtype` or in the first that is proved. `check`
    runs the target's own implementation against the interpreter; None does so where it is installed. The directory appears
    whole or not at all, and not at all where the check finds a difference (CheckpointError). Raises ExactnessError with the
    inequality where the target cannot be exact, InputError for unknown options and for symbols that are no words, or for several outputs.
    """
    spec = _target(target)
    if len(model.output_forms) > 1 and not is_distribution(model.graph):
        fact = f"{model.name} gives {model.graph.gives()}, and a checkpoint has one vocabulary"
        raise InputError(fact, hint="export a program of one value, or of a count for each symbol of the alphabet")
    if dtype not in ("auto", "float32", "float64"):
        raise InputError(f"dtype {dtype!r} is none that a checkpoint is written in", hint="use auto, float32 or float64")
    store = spec.storage
    installed = importlib.util.find_spec(store.module) is not None
    if check and not installed:
        raise InputError(f"{store.module} is not installed, so the export cannot be checked", hint=f"pip install 'headwork[{store.extra}]'")
    built = spec.build(model, code, dtype)
    said = (*_proof(spec, built), *built.notes)
    source_layers = model.cost.attention_layers
    checked: Checked | None = None
    with appearing(Path(directory), is_export) as work:
        _write(work, spec, built, card(source_layers, spec, built, said))
        if installed if check is None else check:
            checked = store.check(work, expected(model, built), sequences(model.graph))
            if not checked.ok:
                raise CheckpointError(
                    f"the export is wrong and was not kept; {checked}", hint="this is a fault of headwork: please report it"
                )
    notes = (*summary(source_layers, built), *said)
    if checked is None and check is None:
        notes = (*notes, f"{store.module} is not installed: the files were not run")
    lowered = built.model
    return Exported(
        Path(directory).absolute(),
        model.name,
        spec.name,
        spec.loads,
        lowered.dtype,
        built.code,
        built.blocks,
        lowered.cost.attention_layers,
        parameters(built.tensors),
        notes,
        checked,
    )


def _proof(spec: Target, built: Built) -> tuple[str, str]:
    """The certificate's statement for the lowered model, or why there is none, and what holds in the target's arithmetic."""
    try:
        certificate = certify(built.model)
    except Refused as refusal:
        return f"Not certified: {refusal.fact}.", built.claim
    return certificate.statement, spec.proof(built.model, built.words, built.frame, certificate)


@dataclass(frozen=True)
class Proof(Shown):
    """What is proved of an export by its files alone: the certificate of the model they say, and what the target's arithmetic keeps."""

    target: str
    certificate: Certificate
    arithmetic: str

    def as_dict(self) -> dict[str, object]:
        """The proof as JSON-ready values."""
        return {**self.certificate.as_dict(), "target": self.target, "arithmetic": self.arithmetic}

    def __str__(self) -> str:
        return f"{self.certificate}\n  as {self.target}: {self.arithmetic}"


@public
def certify_export(directory: str | Path) -> Proof:
    """Prove an export right from its files: the model they say is certified, then the inequalities of the target's arithmetic are shown.

    Nothing is taken from how the files were made. Raises CheckpointError where they say no model, Refused where the certificate
    is not found, and ExactnessError with the inequality where the target's arithmetic is not shown to keep its numbers.
    """
    spec, model, words, frame = _read(Path(directory))
    certificate = certify(model)
    return Proof(spec.name, certificate, spec.proof(model, words, frame, certificate))


def expected(model: Model, built: Built) -> Expected:
    """What a checkpoint built from a model must do."""
    return Expected(model.graph, built.words, built.model.output_forms, HEAD)


def _target(name: str) -> Target:
    if name not in TARGETS:
        raise InputError(f"there is no target {name!r}", hint=f"targets are {', '.join(TARGETS)}")
    return TARGETS[name]


def is_export(directory: Path) -> bool:
    """Whether a directory holds an export and nothing else."""
    try:
        sidecar = json.loads((directory / EXPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return (
        isinstance(sidecar, dict)
        and sidecar.get("format") == FORMAT
        and {p.name for p in directory.iterdir()} <= set().union({EXPORT, CARD}, *(t.storage.files for t in TARGETS.values()))
    )


def _write(work: Path, spec: Target, built: Built, text: str) -> None:
    model, frame = built.model, built.frame
    spec.storage.write(work, built)
    sidecar: Json = {
        "format": FORMAT,
        "version": VERSION,
        "target": spec.name,
        "code": built.code,
        "frame": {"shift": list[Json](frame.shift), "width": frame.width, "balance": list[Json](frame.balance), "bias": frame.bias},
        "config": config_json(model),
        "program": program_json(model),
    }
    write_json(work / EXPORT, sidecar)
    (work / CARD).write_text(text, encoding="utf-8")


@public
def read_export(directory: str | Path) -> Model:
    """The model an export was mapped from, from the export's own tensors, to run, check and certify.

    The stock tensors are mapped back, then forth again, and must be the file's bit for bit: so nothing is in the file that
    the model does not say, and what is proved of the model holds of the file's numbers. Raises CheckpointError otherwise.
    """
    return _read(Path(directory))[1]


def _read(path: Path) -> tuple[Target, Model, Words, Frame]:
    """The target, the model, and how it is mapped."""
    sidecar = Reader(read_json(path / EXPORT), EXPORT)
    sidecar.only("format", "version", "target", "code", "frame", "config", "program")
    sidecar.str("format", (FORMAT,))
    sidecar.int("version", VERSION, VERSION)
    spec = _target(sidecar.str("target", tuple(TARGETS)))
    inner = sidecar.object("frame")
    frame = Frame(inner.ints("shift"), inner.int("width", 1), inner.ints("balance"), inner.int("bias", 0))
    file = path / spec.storage.tensors
    found = spec.storage.read(file)

    # The description alone gives the layout; the tensors are filled in from the file.
    def zeros(shape: Shape, dtype: str) -> dict[str, torch.Tensor]:
        return {name: torch.zeros(size, dtype=getattr(torch, dtype)) for name, size in shape.tensors().items()}

    def describe(tensors: Callable[[Shape, str], dict[str, torch.Tensor]]) -> Model:
        return rebuild(sidecar.object("config"), sidecar.object("program"), tensors)

    empty = describe(zeros)
    words = Words.of(empty)
    d_model = empty.module.shape.d_model
    wide = len(frame.balance) in (0, d_model) and min(frame.balance, default=0) >= 0 and frame.width >= d_model + frame.balances
    if not wide or len(frame.shift) != d_model or max(map(abs, frame.shift), default=0) > MAX_SHIFT:
        raise inner.error("shift", f"does not scale {d_model} dimensions")
    _same(file, {k: v.shape for k, v in spec.tensors(empty, words, frame).items()}, {k: v.shape for k, v in found.items()})
    back = spec.native(empty, words, frame, found)
    real = getattr(torch, empty.dtype)
    model = describe(lambda shape, dtype: {name: torch.tensor(back[name], dtype=real) for name in shape.tensors()})
    again = spec.tensors(model, words, frame)
    for name, tensor in again.items():
        if not np.array_equal(tensor, found[name]):
            raise CheckpointError(f"{file}: tensor {name!r} is not what the program's weights map to", hint="export the model again")
    said = spec.storage.settings(path)
    for field, value in spec.config(model, words, frame).items():
        if said.get(field) != value:
            raise CheckpointError(f"{path}: field {field!r} is not {value!r}", hint="export the model again")
    return spec, model, words, frame


def _same(path: Path, wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> None:
    for name in sorted(wanted.keys() ^ found.keys()):
        raise CheckpointError(f"{path}: tensor {name!r} is {'missing' if name in wanted else 'not known'}", hint="export the model again")
    for name, shape in wanted.items():
        if found[name] != shape:
            raise CheckpointError(f"{path}: tensor {name!r} has shape {found[name]}, not {shape}", hint="export the model again")
