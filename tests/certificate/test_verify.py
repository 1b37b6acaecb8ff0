"""Proof scripts as files: what `certify --proof` writes, `verify` accepts from the files alone; what is damaged it refuses by name."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import headwork as hw
from headwork.certificate.certify import proof
from headwork.kernel.blocks import Fact
from headwork.kernel.files import PROOF
from headwork.kernel.numbers import Rejected
from headwork.kernel.verify import Checkpoint, verify
from headwork.prover.prove import checkpoint_of
from headwork.runtime import files

SMALL = {"induction": {}, "khop": {"k": 3}, "histogram": {}, "nearest": {}, "sort": {}, "ngram_counts": {"n": 2}, "dyck_k": {}}


def model_of(name: str, **options: Any) -> hw.Model:
    return hw.compile(hw.programs.get(name, **SMALL[name]), length=8, **options)


def test_the_name_of_the_script_is_one() -> None:
    assert files.PROOF == PROOF


@pytest.mark.parametrize("name", SMALL)
def test_what_is_certified_is_verified_from_the_files_alone(name: str, tmp_path: Path) -> None:
    saved = model_of(name).save(tmp_path / "m")
    certificate = hw.write_proof(hw.load(saved), saved / PROOF)
    verdict = hw.verify(saved)
    assert (verdict.statement, verdict.heads, verdict.cases) == (certificate.statement, len(certificate.heads), certificate.mlp_cases)
    assert hw.verify(saved, saved / PROOF).as_dict()["verified"]
    assert hw.load(saved).run([]) == []  # a script beside a checkpoint does not disturb it
    assert model_of(name).save(saved) == saved and not (saved / PROOF).exists()  # and goes with what it was of


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_formats_are_read(dtype: str, tmp_path: Path) -> None:
    program = hw.programs.get("previous")
    saved = hw.compile(program, length=3, alphabet=2, dtype=dtype, code="onehot").save(tmp_path / "m")
    hw.write_proof(hw.load(saved), saved / PROOF)
    assert hw.verify(saved).dtype == dtype


def test_verify_imports_neither_torch_nor_the_prover(tmp_path: Path) -> None:
    saved = model_of("khop").save(tmp_path / "m")
    hw.write_proof(hw.load(saved), saved / PROOF)
    code = f"""
import sys, headwork as hw
print(hw.verify({str(saved)!r}))
loaded = [name for name in sys.modules if name.startswith(("torch", "headwork.prover", "headwork.runtime.model"))]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("verified: khop(k=3) in float32")


def test_a_changed_weight_is_refused_with_its_place(tmp_path: Path) -> None:
    saved = model_of("khop").save(tmp_path / "m")
    hw.write_proof(hw.load(saved), saved / PROOF)
    tensors = load_file(saved / "model.safetensors")
    place = tuple(tensors["W_E"].nonzero()[0].tolist())
    tensors["W_E"][place] += 1
    save_file(tensors, saved / "model.safetensors")
    with pytest.raises(hw.Refused, match=rf"not verified: W_E\[{place[0]}, {place[1]}\] is \d+, term \d+ needs"):
        hw.verify(saved)


def test_the_proof_of_another_model_does_not_pass(tmp_path: Path) -> None:
    """Not of another program with the same tensors' shapes, nor of another length."""
    saved = model_of("khop").save(tmp_path / "m")
    other = hw.compile(hw.programs.get("khop", k=2), length=8)
    hw.write_proof(other, tmp_path / "other.json")
    with pytest.raises(hw.Refused, match="not verified"):
        hw.verify(saved, tmp_path / "other.json")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    saved = model_of("khop").save(tmp_path / "m")
    with pytest.raises(hw.InputError, match=r"no proof script .*proof\.json"):
        hw.verify(saved)
    hw.write_proof(hw.load(saved), tmp_path / "p.json")
    (saved / "model.safetensors").unlink()
    with pytest.raises(hw.Refused, match=r"model\.safetensors cannot be read: No such file"):
        hw.verify(saved, tmp_path / "p.json")
    with pytest.raises(hw.InputError, match="cannot be written"):
        hw.write_proof(model_of("khop"), tmp_path / "no" / "p.json")


@pytest.mark.parametrize("name", ["config.json", "program.json", "model.safetensors", PROOF])
def test_damaged_files_are_refused_by_name(name: str, tmp_path: Path) -> None:
    """Cut short, with something behind, or with a header that lies about sizes: refused, and nothing else is raised."""
    saved = model_of("khop").save(tmp_path / "m")
    hw.write_proof(hw.load(saved), saved / PROOF)
    whole = (saved / name).read_bytes()
    numbers = [b"-1", b"4611686018427387904", b"1e300", b"null", b"[]"]
    lies = [whole.replace(old, old + new, 1) for old in (b'"data_offsets":[', b'"shape":[') for new in numbers]
    lies += [whole.replace(b'"name"', b'"none"', 1)] if name == "config.json" else []
    for made in [whole[:0], whole[:7], whole[: len(whole) // 2], whole + b"x", *(some for some in lies if some != whole)]:
        (saved / name).write_bytes(made)
        with pytest.raises(hw.Refused, match="not verified"):
            hw.verify(saved)


# --- damaged scripts ------------------------------------------------------------------------------------------


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a script's numbers, words and lists are."""
    if isinstance(value, dict):
        return [place for key, inner in value.items() for place in [(*path, key), *leaves(inner, (*path, key))]]
    if isinstance(value, list):
        return [place for i, inner in enumerate(value) for place in [(*path, i), *leaves(inner, (*path, i))]]
    return []


def damaged(script: Any, rng: random.Random) -> Any:
    """One place changed: another number, another place's content, something missing, doubled, or of another type."""
    script = copy.deepcopy(script)
    *way, last = rng.choice(places := leaves(script))
    holder = script
    for key in way:
        holder = holder[key]
    old, other = holder[last], script
    for key in rng.choice(places):
        other = other[key]
    kind = rng.randrange(6)
    if kind == 0 and isinstance(old, int):
        holder[last] = old + rng.choice([-1, 1, 2, -(2**60)])
    elif kind == 1:
        holder[last] = copy.deepcopy(other)
    elif kind == 2 and isinstance(holder, list):
        holder.insert(last, copy.deepcopy(old))
    elif kind == 3:
        del holder[last]
    elif kind == 4:
        holder[last] = rng.choice([None, -1, 0, 2**70, 0.5, "x", [], {}, [[]], True])
    else:
        holder[last] = [] if isinstance(old, list) else rng.randrange(8)
    return script


def accepts(checkpoint: Checkpoint, script: Any) -> list[Fact] | None:
    try:
        return verify(checkpoint, script)
    except Rejected:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_damaged_scripts_are_rejected_or_prove_what_is_so(name: str) -> None:
    """A script that is damaged is no proof, or still one: of the right model all are harmless, and no other exception leaves the kernel."""
    model = hw.compile(hw.programs.get(name, **SMALL[name]), length=4)
    script = json.loads(json.dumps(proof(model)[1]))
    checkpoint, rng = checkpoint_of(model), random.Random(name)
    assert accepts(checkpoint, script)
    found = [accepts(checkpoint, damaged(script, rng)) is not None for _ in range(150)]
    assert found.count(False) > 0


@pytest.mark.parametrize("name", ["induction", "khop", "histogram"])
def test_no_script_proves_a_wrong_model(name: str) -> None:
    """A weight is changed so that some input is wrong; then neither the script of the right model nor a damaged one is accepted."""
    model = hw.compile(hw.programs.get(name, **SMALL[name]), length=3, alphabet=2)
    script, rng = json.loads(json.dumps(proof(model)[1])), random.Random(name)
    parameters = [p for p in model.module.parameters() if p.numel()]
    wrong = 0
    while wrong < 6:
        tensor = rng.choice(parameters)
        at = tuple(rng.randrange(n) for n in tensor.shape)
        old = tensor.data[at].item()
        with torch.no_grad():
            tensor[at] = old + rng.choice([-1.0, 1.0, 2.0])
        if not hw.check(model, exhaustive=3, samples=0).ok:
            wrong += 1
            checkpoint = checkpoint_of(model)
            for tried in [script, *(damaged(script, rng) for _ in range(40))]:
                assert accepts(checkpoint, tried) is None
        with torch.no_grad():
            tensor[at] = old
