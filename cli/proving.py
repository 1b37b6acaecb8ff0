"""Proofs: `certify` finds one, `verify` replays it by the kernel alone, `robustness` widens one until it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..compiler.errors import ExactnessError, InputError
from .options import AsJson, Build, Wanted, building, exported
from .programs import find


@building("default 64")
def certify(
    program: Wanted,
    build: Build,
    precision: Annotated[bool, typer.Option("--precision", help="Also say which arithmetics would do, and the bits of each head.")] = False,
    script: Annotated[Path | None, typer.Option("--proof", metavar="FILE", help="Write the proof script, which `verify` checks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove the transformer right for every input, from its tensors; exit code 1 where no proof is found."""
    from ..certificate.certify import certify as certify_model
    from ..certificate.precision import precision as precision_of
    from ..certificate.proofs import write_proof
    from ..certificate.refused import Refused
    from ..export.read import certify_export
    from .display import say, say_json, status

    source = find(program, build.settings or ())
    written = source if isinstance(source, Path) and exported(source) else None
    if written and script:
        raise InputError("an export has no proof script", hint="certify the model it was made of, or the export without --proof")
    model = build.model(source, default_length=64)
    try:
        with status(f"certifying {model.name}"):
            proof = certify_export(written) if written else write_proof(model, script) if script else certify_model(model)
    except (Refused, ExactnessError) as refusal:
        if as_json:
            kind = {"kind": refusal.kind} if isinstance(refusal, Refused) else {}
            say_json({"certified": False, "program": model.name, **kind, "reason": refusal.fact})
        else:
            say(f"not certified: {model.name} in {model.dtype}\n  {refusal}")
        raise typer.Exit(1) from None
    if precision and model.style == "natural":
        raise InputError("--precision is of the compact style", hint="headwork robustness says what a natural model bears")
    needed = precision_of(model) if precision else None
    if as_json:
        say_json({**proof.as_dict(), **({"precision": needed.as_dict()} if needed else {})})
    else:
        say(str(proof) + (f"\n{needed}" if needed else ""))


@building("default 64")
def robustness(
    program: Wanted,
    build: Build,
    samples: Annotated[int, typer.Option(min=1, help="Draws of noise at each size.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draws and the texts.")] = 0,
    as_json: AsJson = False,
) -> None:
    """How much noise of its weights the transformer bears, proved and measured, and in which formats they may be stored."""
    from ..certificate.robustness import robustness as robustness_of
    from .display import say, say_json, status

    model = build.model(find(program, build.settings or ()), default_length=64)
    with status(f"widening the intervals of {model.name}"):
        found = robustness_of(model, samples=samples, seed=seed)
    if as_json:
        say_json(found.as_dict())
    else:
        say(str(found))


def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A checkpoint that `compile` wrote.")],
    script: Annotated[
        Path | None, typer.Option("--proof", metavar="FILE", help="The script that `certify --proof` wrote; default DIR/proof.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a checkpoint's proof script by the kernel alone; exit code 1 where a step does not hold."""
    from ..certificate.refused import Refused
    from ..certificate.verdict import verify as verify_proof
    from .display import say, say_json, status

    try:
        with status(f"verifying {directory}"):
            verdict = verify_proof(directory, script)
    except Refused as refusal:
        if as_json:
            say_json({"verified": False, "reason": refusal.fact})
        else:
            say(refusal.fact)
        raise typer.Exit(1) from None
    if as_json:
        say_json(verdict.as_dict())
    else:
        say(str(verdict))
