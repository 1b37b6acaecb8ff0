"""Disguises: the same logits bit for bit in another basis, certified again through the key, and nothing to read off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.lab.disguise import Key, disguise, restore
from headwork.tests import generate

PROGRAMS = [("induction", {}, 8, 3), ("histogram", {}, 6, 3), ("khop", {"k": 5}, 12, 3), ("sort", {}, 5, 3), ("reverse", {}, 5, 3)]


@pytest.mark.parametrize(("name", "options", "length", "alphabet"), PROGRAMS, ids=[p[0] for p in PROGRAMS])
def test_a_disguise_computes_the_same_and_is_certified(name: str, options: dict[str, int], length: int, alphabet: int) -> None:
    model = hw.compile(hw.programs.get(name, **options), length=length, alphabet=alphabet)
    made = disguise(model, seed=3)
    assert made.certificate is not None and str(made.certificate) == str(hw.certify(model))
    ids = torch.randint(0, alphabet, (32, length), generator=torch.Generator().manual_seed(0))
    assert torch.equal(made.model.module(ids), model.module(ids))
    back = restore(made.model, made.key).module.state_dict()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.module.state_dict().items())
    # it is another basis: no row of the embedding is where it was, with the same numbers
    assert made.model.cost.d_model > model.cost.d_model
    assert not torch.equal(made.model.module.W_E[:, : model.cost.d_model], model.module.W_E)
    assert made.model.probes == ()
    circuit = hw.circuit(made.model)
    assert {e.value for e in circuit.edges} <= {n.name for n in circuit.nodes}  # places without a name are called by their writers


@pytest.mark.parametrize(("name", "options", "length", "alphabet"), PROGRAMS, ids=[p[0] for p in PROGRAMS])
def test_a_natural_disguise_says_the_same_and_is_certified_by_the_same_margins(
    name: str, options: dict[str, int], length: int, alphabet: int, tmp_path: Path
) -> None:
    model = hw.compile(hw.programs.get(name, **options), length=length, alphabet=alphabet, style="natural")
    made = disguise(model, seed=3)
    assert isinstance(made.certificate, hw.MarginCertificate) and made.certificate == hw.certify(model)
    ids = torch.randint(0, alphabet, (32, length), generator=torch.Generator().manual_seed(0))
    said, meant = made.model.module(ids), model.module(ids)
    assert torch.equal(said.argmax(-1), meant.argmax(-1)) and (said - meant).abs().max() < 1e-4
    back = restore(hw.load(made.model.save(tmp_path / "disguised")), made.key)
    assert all(torch.equal(tensor, back.module.state_dict()[name]) for name, tensor in model.module.state_dict().items())
    assert made.model.probes == () and hw.certify(back) == made.certificate
    with pytest.raises(hw.InputError, match="no rotation of it is exact"):
        disguise(model, seed=3, rotate=True)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 999), max_size=40), causal=st.booleans(), seed=st.integers(0, 10**6))
def test_random_programs_are_disguised_exactly(numbers: list[int], causal: bool, seed: int) -> None:
    model = hw.compile(generate.program(numbers, causal), length=5, alphabet=3)
    made = disguise(model, seed, heads=seed % 3, units=seed % 4, prove=False)
    ids = torch.randint(0, 3, (16, 5), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(made.model.module(ids), model.module(ids))
    back = restore(made.model, made.key).module.state_dict()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.module.state_dict().items())


def test_what_was_added_does_something_and_changes_nothing() -> None:
    """The added heads attend and write; ablating them leaves every logit as it is."""
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3)
    made = disguise(model, seed=1)
    ids = torch.randint(0, 3, (8, 8), generator=torch.Generator().manual_seed(0))
    _, cache = made.model.module.run_with_cache(ids)
    for b, gauge in made.key.heads.items():
        for h, old in enumerate(gauge.of):
            if old < 0:
                assert cache[f"blocks.{b}.attn.hook_result"][:, :, h].any()

                def cut(x: torch.Tensor, *, hook: object, h: int = h) -> torch.Tensor:
                    x = x.clone()
                    x[:, :, h] = 0
                    return x

                assert torch.equal(made.model.module.run_with_hooks(ids, [(f"blocks.{b}.attn.hook_result", cut)]), model.module(ids))


def test_keys_are_files_of_their_own(tmp_path: Path) -> None:
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3)
    made, again, other = (disguise(model, seed, prove=False) for seed in (1, 1, 2))
    assert made.key.text() == again.key.text() != other.key.text()
    key = Key.load(made.key.save(tmp_path / "key.json"))
    assert key == made.key
    loaded = hw.load(made.model.save(tmp_path / "disguised"))
    assert hw.certify(restore(loaded, key))
    assert loaded.run([0, 1, 0, 1]) == model.run([0, 1, 0, 1])
    (tmp_path / "bad.json").write_text(made.key.text().decode().replace('"format": "headwork-key"', '"format": "other"'))
    with pytest.raises(hw.CheckpointError):
        Key.load(tmp_path / "bad.json")
    with pytest.raises(hw.InputError, match="cannot be written"):
        made.key.save(tmp_path / "key.json")


def test_another_models_key_and_a_reader_of_what_was_added_are_refused() -> None:
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3)
    made = disguise(model, seed=1, prove=False)
    khop = disguise(hw.compile(hw.programs.get("khop", k=5), length=8, alphabet=3), seed=1, prove=False)
    with pytest.raises(hw.CheckpointError, match="does not fit"):
        restore(made.model, khop.key)
    spare = made.key.stream.of.index(-1)
    module = hw.disguise(model, 1, prove=False).model.module
    with torch.no_grad():
        module.W_U[spare, 0] = 1
    with pytest.raises(hw.CheckpointError, match="a part that stays reads a dimension that was added"):
        restore(replace(made.model, module=module), made.key)
