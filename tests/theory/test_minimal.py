"""The fewest layers: chains against a count made here, words against all choices, and what one layer cannot do."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.theory.minimal import chain_layers, composition_layers, ranking_layers


def reached(layers: int, most: int) -> set[int]:
    """The powers whose tokens some choice of one lookup a layer knows after so many layers: all choices, one after another."""
    states = {(frozenset({0, 1}), frozenset({0}))}
    for _ in range(layers - 1):
        states = {
            (
                frozenset(x for x in places | {e + x for x in places} if x <= most),
                frozenset(x for x in tokens | {e + x for x in tokens} if x <= most),
            )
            for places, tokens in states
            for e in places
        }
    return {x for _, tokens in states for x in tokens}


def test_khop_to_64_takes_the_layers_of_the_theorem() -> None:
    for k in range(1, 65):
        found = chain_layers(k)
        assert found.layers == k.bit_length() + 1 and found.excluded[-1] == k.bit_length(), k


def test_all_choices_agree_for_small_k() -> None:
    for k in range(1, 11):
        assert next(n for n in itertools.count(1) if k in reached(n, k)) == chain_layers(k).layers


def test_compositions() -> None:
    """With one lookup a layer each map is a layer; two lookups a layer halve the words."""
    assert [composition_layers(m).layers for m in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert [composition_layers(m, 2).layers for m in (1, 2, 3, 4, 5)] == [1, 2, 2, 3, 3]
    found = composition_layers(3, 2)
    assert found.excluded == (0, 1) and "z3 excludes 1 and fewer" in found.text("three")


def test_list_ranking() -> None:
    for length in range(3, 40):
        layers = ranking_layers(length).layers
        assert layers == max(1, (length - 2).bit_length()), length


@pytest.mark.parametrize(
    ("name", "parameters", "layers"),
    [
        ("previous", {}, 1),
        ("recall_pairs", {}, 1),
        ("induction", {}, 2),
        ("recall", {}, 2),
        ("equal", {"size": 3}, 2),
        ("khop", {"k": 5}, 4),
    ],
)
def test_programs_of_the_library(name: str, parameters: dict[str, object], layers: int) -> None:
    found = hw.minimal_layers(hw.programs.get(name, **parameters), length=16)
    assert found.ok and found.layers == layers and found.steps


def test_what_is_not_decided_is_said_not_to_be() -> None:
    assert not hw.minimal_layers(hw.programs.get("reverse"), length=8).ok
    assert not hw.minimal_layers(hw.programs.get("compose"), length=64).ok
    with pytest.raises(hw.InputError, match="lookups is 0"):
        hw.minimal_layers(hw.programs.get("previous"), lookups=0)


def test_the_search_for_two_texts_keeps_to_its_time() -> None:
    found = hw.minimal_layers(hw.programs.get("kth_one"), seconds=0.1)
    assert not found.ok and found.steps[-1] == "nothing more was tried after 0.1 s"


def test_a_program_of_ones_own_that_wastes_a_layer() -> None:
    """Two layers are compiled, one is enough at every size that is tried: no claim is made."""

    @hw.program(alphabet=2)
    def wasteful(token: hw.Value, position: hw.Value) -> hw.Value:
        first = hw.match(query=1, key=position).latest().fetch(token)
        return hw.match(query=2, key=position).latest().fetch(first)

    found = hw.minimal_layers(wasteful, length=8, seconds=2)
    assert found.layers == 1 or not found.ok


def test_the_command() -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["minimal", "khop", "--set", "k=6", "--layers", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["layers"] == 4
    assert runner.invoke(app, ["minimal", "khop"]).exit_code == 2
    assert runner.invoke(app, ["minimal", "reverse", "--layers", "--length", "8"]).exit_code == 1


def test_more_hops_than_are_searched_are_refused_before_they_are_written_out() -> None:
    began = time.monotonic()
    with pytest.raises(hw.InputError, match="k is 1,000,000, and chains of at most 256 hops are searched"):
        hw.minimal_layers(hw.programs.get("khop", k=1_000_000))
    assert time.monotonic() - began < 1
