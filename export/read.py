"""Reading an export back as the model it was mapped from, to prove it and to run it where it belongs."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from ..certificate.certify import proof
from ..certificate.margins import certify_natural
from ..compiler.calls import public
from ..compiler.errors import CheckpointError, InputError
from ..compiler.shown import Shown
from ..runtime.check import chosen
from ..runtime.files import EXPORT, read_json, rebuild
from ..runtime.model import Model
from ..runtime.module import Shape
from ..runtime.serial import Reader
from .check import Checked
from .expected import Expected
from .files import FORMAT, TARGETS, VERSION, require_alone, require_bytes, target_named
from .labels import Labels, labels_of
from .native import Frame
from .soft import HALF
from .target import HEAD, Built, Certified, Target, head
from .words import Words

MAX_SHIFT = 64


@dataclass(frozen=True)
class Proof(Shown):
    """What is proved of an export by its files alone: the certificate of the model they say, and what the target's arithmetic keeps."""

    target: str
    certificate: Certified
    arithmetic: str

    def as_dict(self) -> dict[str, object]:
        """The proof as JSON-ready values."""
        return {**self.certificate.as_dict(), "target": self.target, "arithmetic": self.arithmetic}

    def __str__(self) -> str:
        return f"{self.certificate}\n  as {self.target}: {self.arithmetic}"


@public
def certify_export(directory: str | Path) -> Proof:
    """Prove an export right from its files: the model they say is certified, then the inequalities of the target's arithmetic are shown.

    Nothing is taken from how the files were made. It holds of sequences of up to N tokens behind <bos>, in the arithmetic that the
    card names. Raises CheckpointError where the files say no model, or anything besides; Refused where the certificate
    is not found, and ExactnessError with the inequality where the target's arithmetic is not shown to keep its numbers.
    """
    spec, built = _read(Path(directory))
    certificate = certified(built.model)
    return Proof(spec.name, certificate, spec.proof(built.model, built.words, built.frame, certificate))


@public
def read_export(directory: str | Path) -> Model:
    """The model an export was mapped from, from the export's own tensors, to run, check and certify.

    The stock tensors are mapped back, then forth again, and all files but the card must be, byte for byte, what headwork
    writes for that model: so nothing is in the files that the model does not say, and what is proved of the model holds of
    the files. Raises CheckpointError otherwise.
    """
    return _read(Path(directory))[1].model


@public
def export_labels(directory: str | Path) -> Labels:
    """What does what in an export, in its target's own terms: layer, head, hidden units, dimensions of the stream.

    The same stands in `headwork.json` under "circuit". Raises CheckpointError as `read_export` does.
    """
    spec, built = _read(Path(directory))
    return labels_of(spec.name, spec.terms, built.model, built.frame)


@public
def check_export(
    directory: str | Path, *, samples: int = 16, lengths: Sequence[int] | None = None, seed: int = 0, exhaustive: int | None = None
) -> Checked:
    """Run an export in its target's own implementation and compare it with the interpreter: every position, and generated texts.

    The sequences are chosen as `check` chooses them. Raises CheckpointError as `read_export` does, InputError where the
    implementation is not installed, and for impossible lengths or too many sequences.
    """
    spec, built = _read(Path(directory))
    require_installed(spec)
    tried, _ = chosen(built.model, samples, lengths, seed, exhaustive)
    return spec.storage.check(Path(directory), expected(built.model, built), tried)


def certified(model: Model) -> Certified:
    """The certificate of a model, by the kernel or by margins. Raises Refused."""
    return certify_natural(model, model.dtype, witness=True) if model.style == "natural" else proof(model)[0]


def expected(model: Model, built: Built) -> Expected:
    """What a checkpoint built from a model must do."""
    soft = partial(logits_of, built) if built.model.style == "natural" else None
    return Expected(model.graph, built.words, built.model.output_forms, HEAD, soft=soft)


def logits_of(built: Built, ids: Sequence[int]) -> np.ndarray:
    """What a module says in its own numbers, by word, in nats. Shapes: n token ids -> (n, words).

    Raises InputError where a word that is no output would lead.
    """
    with torch.no_grad():
        stream = built.model.module.hidden(torch.tensor([list(ids)]))[0].double().numpy()
    logits = stream @ head(built.model, built.words)
    if not np.isin(logits.argmax(axis=-1), built.words.classes).all():
        fact = f"the changed weights of {built.model.name} give all its outputs less than a word that it never returns"
        raise InputError(fact, hint="raise the logits of the outputs")
    return logits


def installed(spec: Target) -> bool:
    """Whether the target's own implementation is installed."""
    return importlib.util.find_spec(spec.storage.module) is not None


def require_installed(spec: Target) -> None:
    """Raises InputError where the target's own implementation is not installed."""
    if not installed(spec):
        module, extra = spec.storage.module, spec.storage.extra
        raise InputError(f"{module} is not installed, so the export cannot be checked", hint=f"pip install 'headwork[{extra}]'")


def _read(path: Path) -> tuple[Target, Built]:
    """The target, and what it says; everything in the files is shown to be part of it."""
    sidecar = Reader(read_json(path / EXPORT), EXPORT)
    sidecar.only("format", "version", "target", "code", "frame", "config", "program", "circuit", *{"stored"}.intersection(sidecar.data))
    sidecar.str("format", (FORMAT,))
    version = sidecar.int("version", 1)
    if version != VERSION:
        age = "newer" if version > VERSION else "older"
        fact = f"{EXPORT}: field 'version' is {version}, {age} than the {VERSION} this headwork reads"
        raise CheckpointError(fact, hint="install a newer headwork" if version > VERSION else "export the model again")
    spec = target_named(sidecar.str("target", tuple(TARGETS)))
    require_alone(path, spec)
    file = path / spec.storage.tensors
    found = spec.storage.read(file)
    entries = sum(tensor.size for tensor in found.values())
    config, program = sidecar.object("config"), sidecar.object("program")
    _require_sizes(config, entries)

    # The description alone gives the layout; the tensors are filled in from the file, once their sizes are those of the layout.
    def meta(shape: Shape, dtype: str) -> dict[str, torch.Tensor]:
        return {name: torch.empty(size, dtype=getattr(torch, dtype), device="meta") for name, size in shape.tensors().items()}

    empty = rebuild(config, program, meta)
    if empty.dtype not in ("float32", "float64"):
        raise config.error("dtype", f"is {empty.dtype!r}, which no export is written in")
    words, frame = Words.of(empty), _frame(sidecar.object("frame"), empty.module.shape.d_model)
    shapes = spec.shapes(empty, words, frame)
    _same(file, shapes, {name: tensor.shape for name, tensor in found.items()})
    for name, tensor in found.items():
        if not np.isfinite(tensor).all():
            raise CheckpointError(f"{file}: tensor {name!r} holds a number that is not finite", hint="export the model again")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows does not come out again
        back, real = spec.native(empty, words, frame, found), getattr(torch, empty.dtype)
        model = rebuild(config, program, lambda shape, _: {n: torch.tensor(back[n], dtype=real) for n in shape.tensors()})
        again = spec.tensors(model, words, frame)
    for name, tensor in again.items():
        if not np.array_equal(tensor, found[name]):
            raise CheckpointError(f"{file}: tensor {name!r} is not what the program's weights map to", hint="export the model again")
    said = spec.storage.settings(path)
    fields = spec.config(model, words, frame)
    for field, value in fields.items():
        if said.get(field) != value:
            raise CheckpointError(f"{path}: field {field!r} is not {value!r}", hint="export the model again")
    kept = sidecar.str("stored", HALF) if "stored" in sidecar.data else ""
    if (kept and (model.style != "natural" or spec.holds_any)) or frame.stored not in ("", kept):
        raise sidecar.error("stored", f"is {kept!r}, which no such export is stored in")
    built = Built(model, sidecar.str("code"), words, frame, fields, again, 0, "", (), kept)
    with tempfile.TemporaryDirectory(prefix="headwork-") as work:
        require_bytes(path, spec, built, Path(work))
    return spec, built


def _require_sizes(config: Reader, entries: int) -> None:
    """Refuse sizes beyond what the file holds before anything is made of them: each symbol, position, dimension and class has a row."""
    for field in ("alphabet", "length", "d_model"):
        config.int(field, 1, entries)
    if sum(config.ints("classes")) > entries:
        raise config.error("classes", f"are more than the {entries:,} numbers of the file")


def _frame(inner: Reader, d_model: int) -> Frame:
    inner.only("shift", "width", "balance", "bias", *{"sharp", "stored"}.intersection(inner.data))
    frame = Frame(inner.ints("shift"), inner.int("width", 1), inner.ints("balance"), inner.int("bias", 0))
    if "stored" in inner.data:
        frame = replace(frame, sharp=inner.int("sharp", 0, MAX_SHIFT), stored=inner.str("stored", HALF))
    wide = len(frame.balance) in (0, d_model) and min(frame.balance, default=0) >= 0 and frame.width >= d_model + frame.balances
    if not wide or len(frame.shift) != d_model or max(map(abs, frame.shift), default=0) > MAX_SHIFT:
        raise inner.error("shift", f"does not scale {d_model} dimensions")
    return frame


def _same(path: Path, wanted: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> None:
    """Refuse other tensors, or of other shapes."""

    def refuse(name: str, what: str) -> NoReturn:
        raise CheckpointError(f"{path}: tensor {name!r} {what}", hint="export the model again")

    for name in sorted(wanted.keys() ^ found.keys()):
        refuse(name, "is missing" if name in wanted else "is not known")
    for name, shape in wanted.items():
        if found[name] != shape:
            refuse(name, f"has shape {found[name]}, not {shape}")
