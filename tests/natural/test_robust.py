"""`code="robust"`: of all codes the model that bears the most, within a width; and the frontier with radii."""

from __future__ import annotations

from pathlib import Path

import pytest

import headwork as hw
from headwork import programs
from headwork.certificate.robustness import formats_of, proved_radius


def test_the_code_with_the_greatest_proved_radius_is_taken() -> None:
    """At this sharpness one-hot addresses bear more than binary ones, which are smaller."""
    program = programs.get("induction")
    radii: dict[str, float] = {}
    for code in ("onehot", "binary"):
        model = hw.compile(program, length=6, alphabet=3, style="natural", sharpness=6, code=code)
        radii[code] = proved_radius(model)[0]
    assert radii["onehot"] > radii["binary"] > 0
    best = hw.compile(program, length=6, alphabet=3, style="natural", sharpness=6, code="robust")
    assert best.records[0].code == "onehot" and proved_radius(best)[0] == radii["onehot"] and hw.certify(best)


def test_a_compact_model_survives_more_formats_than_the_usual_code() -> None:
    program = programs.get("khop", k=2)
    usual = hw.compile(program, length=8, alphabet=3)
    best = hw.compile(program, length=8, alphabet=3, code="robust")
    wrong = [sum(said.startswith("wrong") for said in formats_of(model).values()) for model in (usual, best)]
    assert wrong[1] < wrong[0] and best.cost.d_model > usual.cost.d_model and hw.certify(best)
    narrow = hw.compile(program, length=8, alphabet=3, code="robust", width=usual.cost.d_model)
    assert narrow.cost.d_model == usual.cost.d_model


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 9}, "a width is a budget of code robust, and the code is auto"),
        ({"code": "robust", "width": 0}, "the width is 0"),
        ({"code": "robust", "width": 2}, "has no code of a d_model up to 2 with a certificate: scalar needs d_model"),
        ({"code": "robust", "style": "natural", "width": 9}, "onehot needs d_model 20; binary needs d_model 20"),
    ],
)
def test_what_cannot_be_chosen_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(hw.HeadworkError, match=said):
        hw.compile(programs.get("induction"), length=4, alphabet=3, **options)  # pyright: ignore[reportArgumentType]


def test_code_robust_does_not_choose_for_a_loop() -> None:
    with pytest.raises(hw.InputError, match="has a loop, and code robust chooses among whole models"):
        hw.compile(programs.get("looped_khop"), length=6, alphabet=3, code="robust")


def test_the_frontier_has_radii_where_asked(tmp_path: Path) -> None:
    found = hw.frontier(programs.get("previous"), length=5, alphabet=2, radius=True)
    natural = [p for p in found.points if p.style == "natural"]
    assert {p.code for p in natural} == {"onehot", "binary"} and all(p.radius > 1e-3 for p in natural)
    assert all(p.radius == 0 for p in found.points if p.style == "compact")
    most = max(found.points, key=lambda p: p.radius)
    assert most.best and "natural onehot" in str(found) and "radius" in found.headings()
    assert found.plot(tmp_path / "f.svg").read_text(encoding="utf-8").count("nothing proved") == 1
