"""Exporting a model to a stock architecture."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from ..certificate.refused import Refused
from ..compiler.errors import CheckpointError, InputError
from ..compiler.shown import Shown
from ..runtime.files import appearing
from ..runtime.looped import Looped
from ..runtime.model import Model, require_own_dtype
from ..runtime.sample import is_distribution
from .card import card, parameters, summary
from .changed import changed, require_own_weights, written_out
from .check import Checked, sequences
from .files import CARD, is_export, target_named, write_files
from .labels import Labels, labels_of, require_same_circuit
from .read import certified, expected, installed, logits_of, require_installed
from .soft import HALF
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
    labels: Labels

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready values."""
        checked = self.checked.as_dict() if self.checked else None
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**own, "directory": str(self.directory), "notes": list(self.notes), "checked": checked, "labels": self.labels.as_dict()}

    def __str__(self) -> str:
        how = str(self.checked) if self.checked else "not checked"
        lines = [f"{self.program} as {self.target} ({self.loads}) in {self.directory}", *self.notes, how]
        return "\n  ".join(lines)


def export(
    model: Model,
    directory: str | Path,
    target: str = "gpt2",
    *,
    code: str = "auto",
    dtype: str = "auto",
    check: bool | None = None,
    same_circuit: bool = False,
) -> Exported:
    """Write a compiled program as a checkpoint that stock classes load, and check it from its files.

    The program is lowered again for the target's arithmetic, in `code` and `dtype` or in the first that is proved. `check`
    runs the target's own implementation against the interpreter; None does so where it is installed. The directory appears
    whole or not at all, and not at all where the check finds a difference (CheckpointError). Weights that were changed since
    compiling are written as they are where the target can hold them (onnx, hooked, all that take natural models), and compared
    with the module itself; else InputError.
    With `same_circuit` each attention layer must have the model's own heads, doing what they do there; else ExactnessError.
    A looped model is written with the rounds that it has: as they are to onnx and hooked, else each with weights of its own.
    `dtype` bfloat16 or float16 stores a natural model's weights so where that is proved right; it is computed with in float32, but
    for gguf, which takes float16.
    Raises ExactnessError with the inequality where the target cannot be exact, InputError for unknown options and for symbols
    that are no words, or for several outputs.
    """
    spec = target_named(target)
    if isinstance(model, Looped):
        model = model.unrolled() if spec.holds_any else written_out(model)
    if len(model.output_forms) > 1 and not is_distribution(model.graph):
        fact = f"{model.name} gives {model.graph.gives()}, and a checkpoint has one vocabulary"
        raise InputError(fact, hint="export a program of one value, or of a count for each symbol of the alphabet")
    if dtype.lower() == "q8_0" and target == "gguf":
        fact = "llama.cpp rounds what it multiplies with weights of Q8_0 to int8, by up to 1/254 of the greatest of 32 numbers side by side"
        raise InputError(f"{fact}, and no margin rule knows which those are", hint='of a natural model dtype "float16" is written')
    if dtype not in ("auto", "float32", "float64", *HALF):
        hint = f"use auto, float32 or float64, or of a natural model {' or '.join(HALF)}"
        raise InputError(f"dtype {dtype!r} is none that a checkpoint is written in", hint=hint)
    store = spec.storage
    if check:
        require_installed(spec)
    require_own_dtype(model)
    natural = model.style == "natural"
    if natural and not (spec.holds_any or spec.holds_natural):
        fact = f"{model.name} is natural, and an export to {target} lowers the program again, compactly"
        raise InputError(fact, hint="export it to gpt2, llama, hooked or onnx, or compile it in the compact style")
    if dtype in HALF and not (natural and spec.holds_natural):
        fact = f"a checkpoint stored in {dtype} is written of a natural model, to gpt2, llama, mistral, qwen2 or gguf"
        raise InputError(f"{fact}, and this is {model.style} {model.name} to {target}", hint="leave out the dtype")
    what = changed(model)
    if not (spec.holds_any or natural) or is_distribution(model.graph):
        require_own_weights(model, target, what)
    built = spec.build(model, code, dtype)
    if same_circuit:
        require_same_circuit(target, spec.terms, model, built.model)
    labels = labels_of(target, spec.terms, built.model, built.frame)
    said = (*_proof(spec, built), *built.notes)
    wanted = expected(model, built)
    if what:
        said = (f"{what[0].upper()}{what[1:]}: the file holds the weights as they are, and is compared with the module itself.", *said)
        wanted = replace(wanted, own=partial(logits_of, built))
    source_layers = model.cost.attention_layers
    checked: Checked | None = None
    with appearing(Path(directory), is_export) as work:
        write_files(work, spec, built)
        (work / CARD).write_text(card(source_layers, spec, built, said, labels, Path(directory).absolute().name), encoding="utf-8")
        if installed(spec) if check is None else check:
            checked = store.check(work, wanted, sequences(model.graph))
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
        labels,
    )


def _proof(spec: Target, built: Built) -> tuple[str, str]:
    """The certificate's statement for the lowered model, or why there is none, and what holds in the target's arithmetic."""
    try:
        certificate = certified(built.model)
    except Refused as refusal:
        return f"Not certified: {refusal.fact}.", built.claim
    return certificate.statement, spec.proof(built.model, built.words, built.frame, certificate)
