"""Exporting a model to a stock architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ..certificate.certify import certify
from ..certificate.exact import Refused
from ..compiler.errors import CheckpointError, InputError
from ..compiler.shown import Shown
from ..runtime.files import appearing
from ..runtime.model import Model
from ..runtime.sample import is_distribution
from .card import card, parameters, summary
from .check import Checked, sequences
from .files import CARD, is_export, target_named, write_files
from .read import expected, installed, require_installed
from .target import Built, Target


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
    spec = target_named(target)
    if len(model.output_forms) > 1 and not is_distribution(model.graph):
        fact = f"{model.name} gives {model.graph.gives()}, and a checkpoint has one vocabulary"
        raise InputError(fact, hint="export a program of one value, or of a count for each symbol of the alphabet")
    if dtype not in ("auto", "float32", "float64"):
        raise InputError(f"dtype {dtype!r} is none that a checkpoint is written in", hint="use auto, float32 or float64")
    store = spec.storage
    if check:
        require_installed(spec)
    built = spec.build(model, code, dtype)
    said = (*_proof(spec, built), *built.notes)
    source_layers = model.cost.attention_layers
    checked: Checked | None = None
    with appearing(Path(directory), is_export) as work:
        write_files(work, spec, built)
        (work / CARD).write_text(card(source_layers, spec, built, said), encoding="utf-8")
        if installed(spec) if check is None else check:
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
