"""Two circuits that were published as lists made by hand, of Tracr's reverse and of its share of x, beside what is decided here.

The lists are those of Miller et al. 2024 (arXiv 2407.08734) for resampling and of Conmy et al. 2023 (arXiv 2304.14997) for zero
ablation, in auto-circuit's names, of models that Tracr compiled. Here the same RASP is compiled again, so only what both have can be
compared: each difference is named, with its reason.
"""

from __future__ import annotations

import pytest

import headwork as hw
from headwork import rasp

RESAMPLED = {
    "reverse": {"Resid Start->A3.0.V", "A3.0->Resid End"},
    "share": {"Resid Start->MLP 0", "MLP 0->A1.0.V", "A1.0->Resid End"},
}
ZEROED = {
    "reverse": {
        *("Resid Start->A0.0.V", "A0.0->MLP 0", "Resid Start->MLP 0", "MLP 0->MLP 1", "Resid Start->MLP 1", "MLP 1->MLP 2"),
        *("MLP 2->A3.0.Q", "Resid Start->A3.0.K", "Resid Start->A3.0.V", "A3.0->Resid End"),
    },
    "share": {"Resid Start->MLP 0", "MLP 0->A1.0.V", "Resid Start->A1.0.Q", "Resid Start->A1.0.K", "A1.0->Resid End"},
}


def compiled(name: str, style: str) -> hw.Model:
    """The published programs at the published sizes: five tokens, of {1, 2, 3} and of {w, x, y, z}."""
    if name == "reverse":
        length = rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE))
        flip = rasp.Select(rasp.indices, length - rasp.indices - 1, rasp.Comparison.EQ)
        return hw.compile(rasp.Aggregate(flip, rasp.tokens), length=5, alphabet=[1, 2, 3], style=style)
    earlier = rasp.Select(rasp.indices, rasp.indices, rasp.Comparison.LEQ)
    share = rasp.numerical(rasp.Aggregate(earlier, rasp.numerical(rasp.tokens == "x"), default=0))
    return hw.compile(share, length=5, alphabet="w x y z".split(), style=style)


def true(name: str, style: str, ablation: str) -> set[str]:
    found = hw.tool_edges(compiled(name, style), ablation)
    assert "undecided" not in found.names("auto-circuit").values()
    return set(found.true("auto-circuit"))


def test_reverse_resampled_is_the_published_list() -> None:
    """With a layer less: a head that counts, arithmetic, a head that flips. The length does not differ between texts of one length, so
    only what moves tokens is necessary."""
    assert {edge.replace("A2.0", "A3.0") for edge in true("reverse", "compact", "resample")} == RESAMPLED["reverse"]


def test_share_of_x_resampled_differs_by_where_x_is_recognised() -> None:
    """Tracr's first MLP says which tokens are x; here the embedding does, so that their MLP 0 -> A1.0.V begins at the start. Our count is
    of earlier tokens, to which the logits add the token's own: an edge from the start to the end. And it is a count, which an MLP reads
    off the head's sum, where Tracr's head gives the mean at once."""
    ours = true("share", "compact", "resample")
    contracted = {"Resid Start->A0.0.V", "A0.0->Resid End"}  # theirs, without the MLP, in our layers
    assert ours - contracted == {"A0.0->MLP 0", "MLP 0->Resid End", "Resid Start->Resid End"}
    assert contracted - ours == {"A0.0->Resid End"}  # it goes through the MLP


@pytest.mark.slow
def test_reverse_resampled_in_the_natural_style_is_the_published_list_name_by_name() -> None:
    """It has Tracr's very layers: a head that counts, three MLPs of arithmetic, a head that flips."""
    assert true("reverse", "natural", "resample") == RESAMPLED["reverse"]


@pytest.mark.slow
def test_reverse_zeroed_differs_by_what_is_constant() -> None:
    """Seven of ten edges are the published ones. Theirs alone: a constant of the embedding that MLP 0 adds as its bias, and the way through
    MLP 1, which rounds here in place what MLP 0 has written: without noise nothing is missed where it is cut off, and much goes wrong
    where its own constant is taken away. Ours alone: the way past it, the counting head's query and key, which keep BOS as a resting place
    for a count of nothing, and the constant in MLP 2."""
    ours, theirs = true("reverse", "natural", "zero"), ZEROED["reverse"]
    assert len(ours & theirs) == 7
    assert theirs - ours == {"Resid Start->MLP 0", "MLP 0->MLP 1", "MLP 1->MLP 2"}
    assert ours - theirs == {"Resid Start->A0.0.Q", "Resid Start->A0.0.K", "Resid Start->MLP 2", "MLP 0->MLP 2"}


@pytest.mark.slow
def test_share_of_x_zeroed_has_the_head_by_all_three_paths() -> None:
    """As theirs: query and key are necessary under zero ablation and not under resampling, as they carry constants and positions alone."""
    more = true("share", "compact", "zero") - true("share", "compact", "resample")
    assert {"Resid Start->A0.0.Q", "Resid Start->A0.0.K"} <= more
    assert more - {"Resid Start->A0.0.Q", "Resid Start->A0.0.K"} == {"Resid Start->MLP 0"}  # the constant that the MLP counts from
    assert {e[-1] for e in ZEROED["share"] - RESAMPLED["share"]} == {"Q", "K"}
