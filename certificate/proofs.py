"""Proof scripts as files, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compiler.calls import public
from ..compiler.errors import InputError
from .certify import Certificate, own_dtype, proof

if TYPE_CHECKING:
    from ..runtime.model import Model
    from .loops import LoopCertificate


@public
def write_proof(model: Model, path: str | Path) -> Certificate | LoopCertificate:
    """Prove a model and write the proof script, which `verify` checks beside the model's checkpoint.

    Raises Refused as `certify` does, InputError where the file cannot be written.
    """
    from ..runtime.looped import Looped
    from .loops import proof_of_loop

    if isinstance(model, Looped):
        own_dtype(model.repeat(1), None)
        certificate, script = proof_of_loop(model)
    else:
        certificate, script = proof(model)
    _write(script, Path(path))
    return certificate


def _write(script: Mapping[str, Any], path: Path) -> None:
    """Write a proof script, whole or not at all."""
    try:
        handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(script, file, ensure_ascii=False, separators=(",", ":"))
            os.chmod(made, 0o666 & ~_umask())
            os.replace(made, path)
        except BaseException:
            os.unlink(made)
            raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place for the proof") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
