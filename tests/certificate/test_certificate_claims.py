"""What a certificate claims of a value is what the model's own hint says: a hint with room for fewer values than are written is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

import headwork as hw
from headwork.compiler.ops import Fetch


@pytest.mark.parametrize("name", ["induction", "khop", "recall", "previous"])
def test_a_form_without_room_for_what_is_fetched_is_refused(name: str) -> None:
    """A prover that helped itself to a wider form proved another claim than the checkpoint makes; attacks found it."""
    model = hw.compile(hw.programs.get(name), length=4)
    assert hw.certify(model)
    tried = 0
    for i, probe in enumerate(model.probes):
        digits = probe.form.kind == "digits" and probe.form.top > 1 and isinstance(probe.value, int)
        if digits and isinstance(model.optimised.nodes[int(probe.value)].op, Fetch):
            narrow = replace(probe, form=replace(probe.form, top=1))
            with pytest.raises(hw.Refused):
                hw.certify(replace(model, probes=(*model.probes[:i], narrow, *model.probes[i + 1 :])), witness=False)
            tried += 1
    assert tried
