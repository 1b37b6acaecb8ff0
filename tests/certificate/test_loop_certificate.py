"""The certificate of looped models: one proof for every number of rounds; damaged models and scripts are refused."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import headwork as hw
from headwork.certificate.induction import LoopCheckpoint, any_state, verify_loop
from headwork.certificate.loops import checkpoint_of_loop, proof_of_loop
from headwork.kernel.numbers import NONE, Rejected
from headwork.kernel.terms import POSITION, TOKEN, Range

WORDS = tuple("abc")


@hw.program(alphabet=WORDS)
def walk(token: hw.Value) -> hw.Value:
    jump = hw.match(query=token, key=token, before=True).latest().position + 1
    _, links = hw.loop(2, lambda p, n: (p.at(p), hw.minimum(n + n.at(p).or_else(0), 5)), jump, 1)
    return links


def looped(length: int = 5) -> hw.Looped:
    model = hw.compile(walk, length=length)
    assert isinstance(model, hw.Looped)
    return model


def proof(model: hw.Looped) -> tuple[LoopCheckpoint, dict[str, Any]]:
    _, script = proof_of_loop(model, witness=False)
    return checkpoint_of_loop(model), json.loads(json.dumps(script))


def test_it_is_for_every_number_of_rounds() -> None:
    model = looped(64)
    certificate = hw.certify(model)
    assert certificate == hw.certify(model.repeat(9)) == hw.certify(model.repeat(0))
    assert "every number of rounds T >= 0 and every sequence of 1..64 tokens" in certificate.statement
    for times in (0, 1, 3):  # the rounds written out, by the kernel alone
        assert hw.certify(model.repeat(times).unrolled())


def test_a_script_is_data() -> None:
    checkpoint, script = proof(looped())
    assert len(verify_loop(checkpoint, script)) == 3


def test_a_script_in_a_file_is_checked_by_the_kernel_alone(tmp_path: Path) -> None:
    model = looped()
    model.repeat(4).save(tmp_path / "walk")
    proof = tmp_path / "walk" / "proof.json"
    certificate = hw.write_proof(hw.load(tmp_path / "walk"), proof)
    verdict = hw.verify(tmp_path / "walk")
    assert verdict.statement == certificate.statement == hw.certify(model).statement and verdict.heads == 2
    code = f"import sys, headwork as hw; hw.verify({str(tmp_path / 'walk')!r}); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
    with torch.no_grad():
        model.whole()[1]["W_U"][0, 1] += 1000
    model.save(tmp_path / "wrong")
    with pytest.raises(hw.Refused, match="not verified"):
        hw.verify(tmp_path / "wrong", proof)
    program = json.loads((tmp_path / "walk" / "program.json").read_text())
    for change in ({"hi": 4}, {"lo": "1"}, {"none": True}, {"lag": 0.5}):
        narrow = copy.deepcopy(program)
        narrow["state"][1] |= change
        (tmp_path / "walk" / "program.json").write_text(json.dumps(narrow))
        with pytest.raises(hw.Refused, match="not verified"):
            hw.verify(tmp_path / "walk", proof)


def truth(model: hw.Looped) -> bool:
    """Whether every value is right on every input, for some numbers of rounds."""
    return all(hw.check(model.repeat(t), samples=0, exhaustive=4).ok for t in (0, 2))


def test_changed_weights_are_refused_or_change_nothing() -> None:
    """One weight of one tensor, in each part of the model; what is accepted must be right on every input of up to four tokens."""
    rng, model = random.Random(5), looped(4)
    _, tied = model.whole()
    refused = accepted = 0
    for _ in range(24):
        tensor = tied[rng.choice(sorted(tied))]
        if not tensor.numel():
            continue
        flat = tensor.data.view(-1)
        place = rng.choice(flat.nonzero().flatten().tolist() or [0]) if rng.random() < 0.6 else rng.randrange(len(flat))
        old = float(flat[place])
        flat[place] = rng.choice([0.0, old + 1, old - 1, -old, 2 * old])
        if float(flat[place]) != old:
            try:
                hw.certify(model, witness=False)
                accepted += 1
                assert truth(model)
            except hw.Refused:
                refused += 1
        flat[place] = old
    assert refused >= 12 and hw.certify(model), (refused, accepted)


def test_a_refusal_comes_with_a_witness() -> None:
    model = looped(4)
    with torch.no_grad():
        model.whole()[1]["W_U"][0, 1] += 1000
    with pytest.raises(hw.Refused):
        hw.certify(model)


def damaged(script: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], str]:
    """A script with one number, or one list, changed."""
    made = copy.deepcopy(script)
    places: list[tuple[Any, Any]] = []

    def walk_into(node: Any) -> None:
        pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        for key, value in pairs:
            places.append((node, key))
            walk_into(value)

    walk_into(made)
    node, key = rng.choice(places)
    value = node[key]
    node[key] = value + rng.choice((-1, 1, 3)) if type(value) is int else value[1:] if isinstance(value, list) and value else None
    return made, f"{key}: {value} -> {node[key]}"


def test_damaged_scripts_of_a_wrong_model_are_refused() -> None:
    """A model that is wrong has no script: neither the right model's nor any near it."""
    checkpoint, script = proof(looped(4))
    model, rng = looped(4), random.Random(3)
    loop, tied = model.whole()
    with torch.no_grad():
        name = next(n for n in sorted(tied) if n.endswith("W_out") and int(n.split(".")[1]) >= loop.counts[0])
        tied[name][tied[name] != 0] *= 2
    assert not truth(model)
    wrong = checkpoint_of_loop(model)
    for _ in range(60):
        with pytest.raises(Rejected):
            verify_loop(wrong, damaged(script, rng)[0])
    for _ in range(60):  # and of the right model a script is accepted, or refused in words
        with contextlib.suppress(Rejected):
            verify_loop(checkpoint, damaged(script, rng)[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c._replace(spans=(c.spans[0], Range(0, 4))), "."),
        (lambda c: c._replace(spans=(c.spans[0]._replace(none=False), c.spans[1])), "."),
        (lambda c: c._replace(spans=(c.spans[0]._replace(lag=-1), c.spans[1])), "."),
        (lambda c: c._replace(spans=(c.spans[0]._replace(lo=3), c.spans[1])), "."),
        (lambda c: c._replace(dims=c.dims[::-1]), "."),
        (lambda c: c._replace(dims=(c.dims[0], c.dims[0])), "do not belong together"),
        (lambda c: c._replace(changing=c.changing[::-1]), "."),
        (lambda c: c._replace(counts=(c.counts[0], c.counts[1] - 1, c.counts[2] + 1)), "another number of blocks"),
        (lambda c: c._replace(forms=(replace(c.forms[0], off=-1), c.forms[1])), "."),
        (lambda c: c._replace(parts=(c.parts[0], c.parts[0], c.parts[2])), "."),
    ],
)
def test_a_state_that_is_not_kept_is_refused(change: Any, said: str) -> None:
    checkpoint, script = proof(looped())
    with pytest.raises(Rejected, match=said):
        verify_loop(change(checkpoint), script)


@pytest.mark.parametrize(("place", "domain"), [(1, {"hi": 4}), (1, {"lo": 2}), (0, {"none": False}), (0, {"lag": -1})])
def test_a_domain_that_the_body_leaves_is_refused(place: int, domain: dict[str, Any]) -> None:
    """The model's own claim of what its state may be is not believed: here it is narrower than what a round leaves."""
    model = looped()
    assert model.loop is not None
    domains = [replace(d, **domain) if j == place else d for j, d in enumerate(model.loop.parts.domains)]
    narrow = replace(model, loop=replace(model.loop, parts=replace(model.loop.parts, domains=tuple(domains))))
    with pytest.raises(hw.Refused, match=r"not within|positions allow"):
        hw.certify(narrow, witness=False)


def test_a_model_that_says_another_program_is_refused() -> None:
    """What a model's graph means, how its logits are read and which masks its heads have is what is proved, or nothing is."""
    model = looped()
    other = hw.compile(hw.unrolled(walk, 3), length=5)
    for change in ({"graph": other.graph}, {"output_forms": (replace(model.output_forms[0], off=1),)}):
        with pytest.raises(hw.Refused):
            hw.certify(replace(model, **change), witness=False)
    with pytest.raises(hw.InputError, match="is not the loop's"):
        hw.certify(replace(model, module=other.module), witness=False)
    model.module.blocks[0].masks = ("full",)
    with pytest.raises(hw.InputError, match="other masks"):
        hw.certify(model, witness=False)


def test_what_the_embedding_writes_for_good_is_compared_with_its_tables() -> None:
    """The body reads the position from its own dimension: a position table that is off by one there is no position."""
    checkpoint, script = proof(looped())
    for name in ("entry", "round", "exit"):
        for row in range(len(script[name]["embedding"])):
            fewer = copy.deepcopy(script)
            del fewer[name]["embedding"][row]
            with pytest.raises(Rejected):
                verify_loop(checkpoint, fewer)
    moved = {k: v.copy() for k, v in checkpoint.whole.tensors.items()}
    dims = [row[3] for row in script["round"]["embedding"] if row[0] == POSITION]
    moved["W_pos"][2, dims[0]] += 1
    with pytest.raises(Rejected):
        verify_loop(checkpoint._replace(whole=checkpoint.whole._replace(tensors=moved)), script)


@pytest.mark.parametrize(
    "spans",
    [
        (Range(1, 4, True, 0), Range(-2, 3), Range(0, 1, True)),
        (Range(1, 4, False, 0), Range(5, 5), Range(2, 3, True, -1)),
        (Range(1, 0, True), Range(0, 0, True)),
    ],
)
def test_any_state_is_every_combination(spans: tuple[Range, ...]) -> None:
    """Each token of the alphabet of states says one value of each span; at every position every allowed combination is some token's."""
    checkpoint = checkpoint_of_loop(looped())
    terms, values, token = any_state(checkpoint._replace(spans=spans))
    (cases,) = terms.cases([TOKEN, POSITION], "all", most=1 << 20)
    columns = [tuple(map(int, column)) for column in zip(*terms.values([POSITION, *values, token], cases, "all"), strict=True)]
    for i in range(1, terms.length + 1):
        allowed = []
        for span in spans:
            top = span.hi if span.lag is None else min(span.hi, i + span.lag)
            allowed.append([*range(span.lo, top + 1), *([NONE] if span.none else [])])
        found = {column[1:] for column in columns if column[0] == i}
        assert found == set(itertools.product(*allowed, range(3)))


def test_a_sum_in_the_body_is_proved_in_every_round() -> None:
    @hw.program(alphabet=WORDS)
    def count(token: hw.Value) -> hw.Value:
        return hw.loop(3, lambda n: hw.match(query=n, key=n).count() % 4, hw.table(WORDS.index, token))

    model = hw.compile(count, length=24)
    certificate = hw.certify(model)
    assert "off by a relative" in certificate.statement and certificate.heads[0].error > 0
    assert hw.check(model.repeat(4), samples=10).ok and hw.certify(model.repeat(2).unrolled())
