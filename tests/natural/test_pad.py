"""Padding: one architecture for many programs in both styles; what it computes is unchanged and certified; what does not fit is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import headwork as hw
from headwork import programs
from headwork.cli.app import app

WIDE = hw.Architecture(layers=5, heads=3, d_model=100, d_head=20, d_mlp=140)


@pytest.mark.parametrize("style", ["compact", "natural"])
def test_programs_share_one_shape(style: str, tmp_path: Path) -> None:
    shapes = set()
    for name in ("khop", "histogram", "reverse", "dyck1"):
        plain = hw.compile(programs.get(name), length=6, style=style)
        model = hw.compile(programs.get(name), length=6, style=style, pad=WIDE)
        shapes.add(tuple(tuple(t.shape) for key, t in model.module.state_dict().items() if key.startswith("blocks")))
        rng, size = random.Random(name), len(model.alphabet)
        ids = torch.tensor([[rng.randrange(size) for _ in range(6)] for _ in range(4)])
        assert torch.equal(model.module(ids), plain.module(ids))
        assert model.cost.attention_layers == 5 and set(model.cost.heads) == {3} and model.cost.d_model == 100
        assert model.cost.nonzero_parameters == plain.cost.nonzero_parameters
        assert hw.check(model, samples=2, exhaustive=2).ok
        hw.certify(model)
        assert [(p.name, p.dims) for p in model.probes] == [(p.name, p.dims) for p in plain.probes]
    assert len(shapes) == 1
    model.save(tmp_path / "m")
    again = hw.load(tmp_path / "m")
    assert again.module.shape == model.module.shape
    hw.certify(again)


def test_what_does_not_fit_is_refused_with_the_counts() -> None:
    small = hw.Architecture(layers=1, heads=1, d_model=4, d_head=2, d_mlp=3)
    with pytest.raises(hw.InputError, match=r"layers \d+ where 1 are given; d_model \d+ where 4 are given; d_head \d+ where 2"):
        hw.compile(programs.get("khop"), length=6, style="natural", pad=small)
    with pytest.raises(hw.InputError, match="an architecture's heads is 0"):
        hw.Architecture(layers=1, heads=0, d_model=4, d_head=2, d_mlp=3)


def test_a_damaged_padded_model_is_refused() -> None:
    """What an unused head or unit is made to write is seen."""
    model = hw.compile(programs.get("induction"), length=6, style="natural", pad=WIDE)
    with torch.no_grad():
        for key, tensor in model.module.named_parameters():
            if key.endswith(("W_V", "W_O")):
                tensor[-1, :4, :4] = 1.0
    with pytest.raises(hw.Refused):
        hw.certify(model)


def test_commands_take_it(tmp_path: Path) -> None:
    sizes = "layers=5,heads=3,d_model=100,d_head=20,d_mlp=140"
    run = CliRunner()
    done = run.invoke(app, ["compile", "induction", "--length", "6", "--style", "natural", "--pad", sizes, "--out", str(tmp_path / "m")])
    assert done.exit_code == 0, done.output
    assert hw.load(tmp_path / "m").cost.d_model == 100
    assert run.invoke(app, ["certify", "induction", "--length", "6", "--pad", sizes]).exit_code == 0
    for wrong in ("layers=5", "layers=x,heads=3,d_model=100,d_head=20,d_mlp=140"):
        failed = run.invoke(app, ["compile", "induction", "--length", "6", "--pad", wrong, "--out", str(tmp_path / "n")])
        assert failed.exit_code and not (tmp_path / "n").exists()
