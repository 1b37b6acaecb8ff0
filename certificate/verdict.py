"""`verify`: a checkpoint's three files and a proof script, checked by the kernel alone. Imports neither torch nor the prover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Tabled
from ..kernel.blocks import Fact
from ..kernel.files import PROOF, verify_files
from ..kernel.numbers import Rejected
from ..kernel.verify import Checkpoint, statement
from .loop_files import PARTS, has_loop, statement as statement_of_loop, verify_loop_files
from .refused import Refused


@dataclass(frozen=True, repr=False)
class Verdict(Tabled):
    """What the kernel found of a checkpoint and a proof script: the theorem, and the size of its proof.

    `steps` are those from the program as written to what the model computes, `cases` those of its MLPs.
    """

    program: str
    dtype: str
    length: int
    statement: str
    heads: int
    steps: int
    cases: int

    def as_dict(self) -> dict[str, object]:
        """The verdict as JSON-ready values."""
        return {"verified": True, **asdict(self)}

    def table(self) -> tuple[str, list[tuple[str, str]]]:
        """The theorem, and what was replayed."""
        size = f"{self.steps:,} steps from the program to what the model computes, {self.heads} heads, {self.cases:,} cases of MLPs"
        return f"verified: {self.program} in {self.dtype}", [("theorem", self.statement), ("replayed", size)]

    def __str__(self) -> str:
        title, ((_, theorem), (name, size)) = self.table()
        return f"{title}\n  {theorem}\n  {name}: {size}"

    def __repr__(self) -> str:
        return f"<Verdict on {self.program} in {self.dtype}: 1..{self.length:,} tokens>"


@public
def verify(directory: str | Path, script: str | Path | None = None) -> Verdict:
    """Check a checkpoint against its proof script by the kernel alone: the prover and the compiler are not asked.

    Reads config.json, program.json and model.safetensors of the directory, and `script`, by default the directory's proof.json, as
    `headwork certify --proof` writes it. Raises Refused at the first step that does not hold, InputError where there is no script.
    """
    place = Path(directory)
    file = place / PROOF if script is None else Path(script)
    if not file.is_file():
        raise InputError(f"there is no proof script {file}", hint=f"headwork certify {place} --proof {file} writes one")
    if has_loop(place):
        return _of_loop(place, file)
    try:
        name, checkpoint, shown, proved = verify_files(place, file)
    except Rejected as rejected:
        raise Refused(f"not verified: {rejected}") from rejected
    outputs = "the output" if len(checkpoint.outputs) == 1 else f"the {len(checkpoint.outputs)} outputs"
    heads, cases, totals = _size(proved)
    text = statement(name, checkpoint, outputs, _values(checkpoint, shown), totals)
    return Verdict(name, checkpoint.dtype, checkpoint.length, text, heads, len(shown["steps"]), cases)


def _of_loop(place: Path, file: Path) -> Verdict:
    """The verdict on a looped checkpoint: entry, one round from any state, and exit, composed by induction."""
    try:
        name, loop, shown, proved = verify_loop_files(place, file)
    except Rejected as rejected:
        raise Refused(f"not verified: {rejected}") from rejected
    heads, cases, totals = _size([fact for part in proved for fact in part])
    text, steps = statement_of_loop(name, loop, shown, totals), sum(len(shown[part]["steps"]) for part in PARTS)
    return Verdict(name, loop.whole.dtype, loop.whole.length, text, heads, steps, cases)


def _size(facts: Sequence[Fact]) -> tuple[int, int, bool]:
    """How many heads and cases of MLPs there are, and whether a sum is rounded."""
    heads, sums = [f for f in facts if f.kind in ("lookup", "total")], [f for f in facts if f.kind == "sum" and f.margin > 0]
    return len(heads), sum(f.cases for f in facts), bool(sums)


def _values(checkpoint: Checkpoint, script: Mapping[str, Any]) -> int:
    """How many values a script says are written: each has one first dimension of its code."""
    parts = [script["embedding"]]
    for masks, block in zip(checkpoint.blocks, script["blocks"], strict=True):
        parts += [part["cells"] for part in ([block] if masks else block["values"])]
    return sum(row[2] == 0 for rows in parts for row in rows)
