"""The files of an export: those of its target, `headwork.json` with what its numbers mean, and a card for people."""

from __future__ import annotations

import json
from pathlib import Path

from ..compiler.errors import CheckpointError, InputError
from ..runtime.files import EXPORT, config_json, program_json, write_json
from ..runtime.serial import Json
from . import gguf, gpt2, hooked, llama, onnx
from .labels import as_json, labels_of
from .target import Built, Target

FORMAT, VERSION = "headwork-export", 4
CARD = "README.md"
TARGETS: dict[str, Target] = {t.name: t for t in (gpt2.TARGET, *llama.TARGETS, onnx.TARGET, gguf.TARGET, hooked.TARGET)}


def target_named(name: str) -> Target:
    """The target of that name. Raises InputError where there is none."""
    if name not in TARGETS:
        raise InputError(f"there is no target {name!r}", hint=f"targets are {', '.join(TARGETS)}")
    return TARGETS[name]


def write_files(work: Path, spec: Target, built: Built) -> None:
    """Write all files but the card into a directory."""
    model, frame = built.model, built.frame
    layout: dict[str, Json] = {
        "shift": list[Json](frame.shift),
        "width": frame.width,
        "balance": list[Json](frame.balance),
        "bias": frame.bias,
    }
    layout |= {"sharp": frame.sharp, "stored": frame.stored} if frame.stored else {}
    spec.storage.write(work, built)
    sidecar: dict[str, Json] = {
        "format": FORMAT,
        "version": VERSION,
        "target": spec.name,
        "code": built.code,
        "frame": layout,
        "config": config_json(model),
        "program": program_json(model),
        "circuit": as_json(labels_of(spec.name, spec.terms, model, frame)),
    }
    write_json(work / EXPORT, sidecar | ({"stored": built.stored} if built.stored else {}))


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


def require_alone(directory: Path, spec: Target) -> None:
    """Refuse files that an export of this target does not have: its tools may read them.

    Names that begin with a dot, which none of them reads, may be there. Raises CheckpointError.
    """
    known = {EXPORT, CARD, *spec.storage.files}
    try:
        names = {p.name for p in directory.iterdir() if not p.name.startswith(".")}
    except OSError as error:
        raise CheckpointError(f"{directory} cannot be read: {error}", hint="give the directory of an export") from error
    for name in sorted(names - known):
        raise CheckpointError(f"{directory}: {name!r} is no file of an export to {spec.name}", hint="remove it, or export the model again")
    for name in sorted(known - {CARD} - names):
        raise CheckpointError(f"{directory / name} is missing", hint="export the model again")


def require_bytes(directory: Path, spec: Target, built: Built, work: Path) -> None:
    """Every file but the card must be, byte for byte, what headwork writes for the model they say; `work` is an empty directory.

    So no field, word, operator or tensor is in the files that was not looked at, whoever reads them. Raises CheckpointError.
    """
    write_files(work, spec, built)
    for name in sorted({EXPORT, *spec.storage.files}):
        try:
            same = (directory / name).read_bytes() == (work / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{directory / name} cannot be read: {error}", hint="export the model again") from error
        if not same:
            fact = f"{directory / name} is not, byte for byte, what headwork writes for the model that the files say"
            raise CheckpointError(fact, hint="it was edited, or written by other versions: export the model again")
