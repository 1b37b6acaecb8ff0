"""Rotations lose nothing where they are shown to, and do where they are not."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.lab.disguise import Key, disguise, restore
from headwork.lab.rotation import GROUP, HALF, exact_groups, grain, rotated, rotation
from headwork.runtime.model import assemble
from headwork.tests import generate


def numbers(model: hw.Model) -> dict[str, np.ndarray]:
    return {name: t.detach().double().numpy() for name, t in model.module.state_dict().items()}


def turned(model: hw.Model, groups: list[tuple[int, ...]]) -> hw.Model:
    """The model in the rotated basis, whether that is exact or not."""
    tensors = {n: torch.tensor(t, dtype=model.module.W_E.dtype) for n, t in rotated(numbers(model), groups).items()}
    return replace(model, module=assemble(model.module.shape, tensors))


def test_it_is_a_rotation_and_its_own_inverse() -> None:
    assert (np.eye(4) == HALF @ HALF).all() and (HALF == HALF.T).all()
    turn = rotation(10, [(7, 2, 0, 5), (1, 9, 3, 4)])
    assert (turn @ turn.T == np.eye(10)).all() and (turn[6, 6], turn[8, 8]) == (1, 1)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=9), st.integers(-30, 30))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_grain_is_the_greatest_power_of_two_that_divides(whole: list[int], shift: int) -> None:
    found = grain(np.array(whole, np.float64) * 2.0**shift)
    for number, power in zip(whole, found, strict=True):
        wanted = np.inf if number == 0 else float(Fraction(number & -number) * Fraction(2) ** shift)
        assert power == wanted


@settings(max_examples=25, deadline=None, derandomize=True)
@given(numbers_=st.lists(st.integers(0, 999), max_size=40), causal=st.booleans(), seed=st.integers(0, 10**6))
def test_random_programs_are_rotated_exactly(numbers_: list[int], causal: bool, seed: int) -> None:
    """The rotated module says the same bit for bit, though its sums are added up in another basis and in another order."""
    model = hw.compile(generate.program(numbers_, causal), length=5, alphabet=3)
    groups = list(exact_groups(model, numbers(model), np.random.default_rng(seed)))
    if groups:
        assert all(len(group) == GROUP for group in groups) and len({d for g in groups for d in g}) == GROUP * len(groups)
        other = turned(model, groups).module
        ids = torch.randint(0, 3, (16, 5), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(other(ids), model.module(ids))
        backwards = torch.randperm(model.module.shape.d_model, generator=torch.Generator().manual_seed(seed))
        x = list(other.stream(ids))[-1][:, 1:]
        assert torch.equal(x[..., backwards] @ other.W_U[backwards], model.module(ids))


def test_disguises_with_a_rotation_are_certified_and_undone(tmp_path: Path) -> None:
    rotated_models = 0
    for name, options, length in (("induction", {}, 8), ("khop", {"k": 5}, 12), ("sort", {}, 5), ("bigram", {}, 9)):
        model = hw.compile(hw.programs.get(name, **options), length=length, alphabet=3)
        made = disguise(model, seed=3, rotate=True)
        assert made.certificate is not None and made.key.rotations
        ids = torch.randint(0, 3, (32, length), generator=torch.Generator().manual_seed(0))
        assert torch.equal(made.model.module(ids), model.module(ids))
        key = Key.load(made.key.save(tmp_path / f"{name}.json"))
        assert key == made.key
        back = restore(made.model, key).module.state_dict()
        assert all(torch.equal(tensor, back[n]) for n, tensor in model.module.state_dict().items())
        # what wrote into one dimension now writes into four
        plain, mixed = ((m.module.W_E != 0).any(dim=0).sum() for m in (model, disguise(model, seed=3, prove=False).model))
        spread = (made.model.module.W_E != 0).any(dim=0).sum()
        rotated_models += bool(spread > mixed == plain)
    assert rotated_models >= 2


def test_what_is_not_shown_is_not_rotated() -> None:
    """A total's cell: rotated all the same, the model is wrong, and so the proof is needed."""
    model = hw.compile(hw.programs.get("histogram"), length=6, alphabet=3)
    with pytest.raises(hw.InputError, match="no four dimensions of histogram"):
        disguise(model, seed=0, rotate=True)
    ids = torch.randint(0, 3, (64, 6), generator=torch.Generator().manual_seed(0))
    wrong = turned(model, [(0, 1, 2, 3)])
    assert not torch.equal(wrong.module(ids), model.module(ids))


def test_squares_of_positions_are_rotated_as_far_as_the_mantissa_reaches() -> None:
    """A key of N² is mixed with others while the sums over it have room in 24 bits; then it is left as it is, and others are mixed."""
    mixed: dict[int, bool] = {}
    for length in (16, 1024, 2048):
        model = hw.compile(hw.programs.get("khop", k=2), length=length, alphabet=2, code="scalar")
        squares = {d for p in model.probes for d in p.dims if p.form.kind == "norm"}
        groups = exact_groups(model, numbers(model), np.random.default_rng(0))
        assert len(groups) == 1 and len(squares) == 1
        mixed[length] = squares <= set(groups[0])
    assert mixed == {16: True, 1024: True, 2048: False}


def test_damaged_rotations_of_a_key_are_refused(tmp_path: Path) -> None:
    made = disguise(hw.compile(hw.programs.get("induction"), length=8, alphabet=3), seed=1, rotate=True, prove=False)
    content = json.loads(made.key.text())
    for number, bad in enumerate(([[0, 1, 2]], [[0, 1, 2, 99]], [[0, 1, 2, 3], [3, 4, 5, 6]], [["a", 1, 2, 3]], 7)):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({**content, "rotations": bad}))
        with pytest.raises(hw.CheckpointError, match="rotations"):
            Key.load(path)
