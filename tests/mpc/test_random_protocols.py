"""Random protocols: message by message, as a program in the interpreter, and as a transformer, on random inputs.

Longer runs: HEADWORK_PROTOCOLS=2000 pytest tests/mpc/test_random_protocols.py
"""

from __future__ import annotations

import os
import random

import pytest

import headwork as hw
from headwork.tests.generate_protocols import WORDS, random_protocol

COUNT = int(os.environ.get("HEADWORK_PROTOCOLS", "40"))


@pytest.mark.one_in(3)
@pytest.mark.parametrize("seed", range(COUNT))
def test_three_executions_agree(seed: int) -> None:
    rng = random.Random(seed)
    length = rng.randrange(1, 8)
    protocol = random_protocol(seed)
    trace = protocol.trace(length)
    try:
        model = hw.compile(protocol, length=length)
    except hw.ExactnessError:
        pytest.skip("refused with an inequality")
    for _ in range(12):
        machines = [(rng.randrange(length + 2), rng.choice([None, *range(-1, WORDS - 1)])) for _ in range(rng.randrange(1, length + 1))]
        said = []
        for run in (
            lambda m: hw.run_protocol(trace, m, workers=1 + seed % 3),
            lambda m: hw.interpret(protocol, m, length=length),
            lambda m: model.run(m),
        ):
            try:
                said.append(run(machines))
            except hw.CapacityError as error:
                said.append(str(error))
        assert said[0] == said[1] == said[2], machines
    assert hw.check(model, samples=6, exhaustive=1).ok


@pytest.mark.slow
def test_nearly_all_are_certified() -> None:
    """What the checker accepts is right (`test_certificate_attacks.py`); here, that it accepts nearly everything."""
    refused: list[str] = []
    for seed in range(COUNT):
        model = hw.compile(random_protocol(seed), length=random.Random(seed).randrange(1, 8))
        try:
            hw.certify(model)
        except hw.Refused as refusal:
            refused.append(f"{seed}: {refusal}")
    assert len(refused) <= COUNT / 10, refused
