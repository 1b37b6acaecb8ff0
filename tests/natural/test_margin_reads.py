"""What matrices read and what stays in the stream are apart in a margin proof; sampled at its corners, nothing is off by more."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.certificate.natural import script, subject
from headwork.certificate.robustness import changed
from headwork.margin.check import Noise, check
from headwork.margin.mlps import layer
from headwork.margin.terms import Unshown
from headwork.runtime.module import Attention


def rounded(x: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """The numbers as a matrix may read them, at a corner of what is allowed."""
    off = noise.grain * np.abs(x) + (2.0**-25 if noise.grain else 0.0)
    return x + off * rng.choice((-1, 1), x.shape)


def answers(x: np.ndarray, w: np.ndarray, out: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """x[0] + relu(x·W)·out of rows x, each read otherwise. Shapes: (rows, dims) -> (rows,)."""
    read = rounded(x + noise.read * rng.choice((-1, 1), x.shape), noise, rng)
    pre = read @ w
    act = np.maximum(pre, 0) + noise.smooth * (np.abs(pre) < noise.near) * rng.choice((-1, 1), pre.shape)
    return x[:, 0] + rounded(act, noise, rng) @ out


@pytest.mark.parametrize(
    "noise", [Noise(read=0.02), Noise(grain=2.0**-6), Noise(smooth=0.03, near=0.1), Noise(read=0.01, grain=2.0**-8, smooth=0.01, near=0.05)]
)
def test_an_mlp_is_never_off_by_more_than_is_said(noise: Noise) -> None:
    """Random units, most with two that read the number alone and take it off as rounding in place does; the worst of many corners."""
    rng, tight = np.random.default_rng(1), 0.0
    for trial in range(60):
        dims, units = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        w, out = rng.normal(size=(dims, units)), rng.normal(size=units)
        if trial % 3:  # flats: y + Σ out·relu(w·y) has the slope 1/4 on both sides of 0
            w = np.concatenate([np.eye(dims, 2) * [1, -1] + np.eye(dims, 2, 1) * [0, -1], w], axis=1)
            w[1:, :2] = 0
            out = np.concatenate([[-0.75, 0.75], out])
        x, ind = rng.choice((0.0, 0.5, 1.0, -1.0), dims), rng.uniform(0, 0.05, dims)
        ctx = SimpleNamespace(noise=noise)
        terms, many = np.count_nonzero(w, axis=0), np.ones(dims)
        center, error, differ = layer(ctx, x[None], ind[None], ind[None], w, out, terms, many)  # pyright: ignore[reportArgumentType]
        at = x + ind * rng.choice((-1, 0, 1), (4000, dims))
        found = answers(at, w, out, noise, rng)
        assert np.abs(found - center[0]).max() <= error[0]
        assert found.max() - found.min() <= 2 * differ[0]
        tight = max(tight, np.abs(found - center[0]).max() / error[0])
    assert tight > 0.7  # corners are nearly reached


def test_what_stays_in_the_stream_is_not_what_is_read() -> None:
    """Rounded in place, a number that is misread by r is off by 3/4 of r; one that is off by it, by 1/4."""
    w, out, noise = np.array([[1.0, -1.0]]), np.array([-0.75, 0.75]), Noise(read=0.1)
    ctx = SimpleNamespace(noise=noise)
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    _, error, _ = layer(ctx, one, zero, None, w, out, np.ones(2, np.int64), np.ones(1))  # pyright: ignore[reportArgumentType]
    assert 0.075 <= error[0] < 0.0751
    ctx = SimpleNamespace(noise=Noise())
    _, error, _ = layer(ctx, one, 0.1 * one, None, w, out, np.ones(2, np.int64), np.ones(1))  # pyright: ignore[reportArgumentType]
    assert 0.025 <= error[0] < 0.0251


@pytest.mark.parametrize(("noise", "times"), [(Noise(half=2.0**-11), 20), (Noise(grain=2.0**-11), 100)])
def test_columns_that_cancel_round_as_they_are(noise: Noise, times: int) -> None:
    """20·v - 19·v is v, and an average of each column rounds by a part of 20 and of 19."""
    model = hw.compile(programs.get("induction"), length=12, style="natural", pad=hw.Architecture(4, 1, 60, 40, 80))
    check(subject(model), script(model), noise)
    cancelled = changed(model, lambda t: t)
    with torch.no_grad():
        for block in cancelled.module.blocks:
            if isinstance(block, Attention):
                used = block.W_O[0].abs().amax(dim=1).nonzero().flatten().tolist()
                spare = (block.W_O[0].abs().amax(dim=1) + block.W_V[0].abs().amax(dim=0) == 0).nonzero().flatten().tolist()
                for one, other in zip(used, spare[::-1], strict=False):
                    block.W_V[0, :, other] = block.W_V[0, :, one]
                    block.W_O[0, other] = (1 - times) * block.W_O[0, one]
                    block.W_O[0, one] *= times
    assert check(subject(cancelled), script(cancelled), Noise()).margin > 0.4
    with pytest.raises(Unshown, match=r"off its code|is picked leads by -"):
        check(subject(cancelled), script(cancelled), noise)
