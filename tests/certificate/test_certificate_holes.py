"""Checkpoints and pairs of graphs that the certificate once accepted though some input is wrong: each must be refused.

Every case is run first, so that it is known to be wrong, or to be wrong under arithmetic that the theorem allows.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch

import headwork as hw
from headwork.certificate.certify import proof
from headwork.compiler.codes.forms import Form
from headwork.compiler.graph import Graph, Node
from headwork.compiler.ops import Affine, Clip, Const, Extreme, Fetch, Lookup
from headwork.kernel.numbers import Rejected
from headwork.kernel.verify import verify
from headwork.prover.prove import checkpoint_of
from headwork.prover.rewrites import same_meaning
from headwork.runtime.interpreter import interpret_roots
from headwork.runtime.model import assemble
from headwork.runtime.module import Attention, MlpShape
from headwork.tests.certificate.test_certificate_attacks import graph, is_wrong, outputs, place, weight, widened


def claim(model: hw.Model, name: str, **changes: object) -> hw.Model:
    """The model with the claim whose name starts so changed."""
    index = next(i for i, p in enumerate(model.probes) if p.name.startswith(name))
    probes = list(model.probes)
    probes[index] = replace(probes[index], **changes)  # type: ignore[arg-type]
    return replace(model, probes=tuple(probes))


def refused(model: hw.Model, fact: str) -> None:
    """The model is wrong on some input, and is refused for the reason."""
    assert is_wrong(model)
    with pytest.raises(hw.Refused, match=fact):
        hw.certify(model)


def histogram(length: int = 5) -> hw.Model:
    return hw.compile(hw.programs.get("histogram"), length=length, alphabet=3)


# --- forms inside hints ------------------------------------------------------------------------------------


def test_the_constant_1_must_be_coded_as_1() -> None:
    """Sums as variables take the cell of `one` for the number 1; here it holds 2, and what reads it is halved."""

    @hw.program(name="half")
    def half(token: hw.Value, position: hw.Value) -> hw.Value:
        return (token + position) // 2

    model = hw.compile(half, length=5, alphabet=3)
    assert hw.certify(model)
    (one, _), (position, _) = place(model, "one"), place(model, "position")
    weight(model, "W_pos")[1:, one] = 2.0
    for name, tensor in model.module.named_parameters():
        if name.endswith("W_in"):  # the sum and its shift by 1 are read as one variable
            tensor.data[one] = (tensor.data[one] - (tensor.data != 0)[position].float()) / 2
        elif name == "W_U":
            tensor.data[one] /= 2
    refused(claim(model, "one", form=Form("digits", -1, 2)), "it is not the code of the value")


def test_a_filling_must_hold_what_its_form_says() -> None:
    """A filling of off = 1 codes 1 as 0: nothing is filled in."""
    model = histogram()
    assert hw.certify(model)
    probe = next(p for p in model.probes if p.form.kind == "fill")
    weight(model, "W_pos")[:, probe.dims[0]] = 0.0
    refused(claim(model, probe.name, form=replace(probe.form, off=1)), "where 0 was filled in")


# --- totals ------------------------------------------------------------------------------------------------


def wider(model: hw.Model) -> hw.Model:
    """The model with one dimension more, that holds zero."""
    tensors = {}
    for name, tensor in model.module.state_dict().items():
        rows = name.endswith(("W_Q", "W_K", "W_V", "W_in", "W_U"))
        tensors[name] = torch.nn.functional.pad(tensor, (0, 0, 0, 1) if rows else (0, 1))
    shape = replace(model.module.shape, d_model=model.module.shape.d_model + 1)
    return replace(model, module=assemble(shape, tensors))


def test_a_head_that_adds_up_must_not_rely_on_cancelling() -> None:
    """37·41 - 41·37 is 0 of integers, but not of what e^-D times them is rounded to; an MLP reads the rest, times 2^60."""
    model = histogram(7)
    block = next(i for i, b in enumerate(model.module.blocks) if isinstance(b, Attention))
    mlp = next(i for i, b in enumerate(model.module.shape.blocks) if isinstance(b, MlpShape) and i > block)
    model = wider(widened(widened(model, block, d_head=2), mlp, units=2))
    assert hw.certify(model)
    one, _ = place(model, "one")
    target = next(p.dims[0] for p in model.probes if p.block == mlp + 1)
    w_v, w_o = weight(model, f"blocks.{block}.W_V"), weight(model, f"blocks.{block}.W_O")
    w_v[0, one, -2:] = torch.tensor([37.0, 41.0])
    w_o[0, -2, -1], w_o[0, -1, -1] = 41.0 * 2**11, -37.0 * 2**11
    weight(model, f"blocks.{mlp}.W_in")[-1, -2:] = torch.tensor([2.0**60, -(2.0**60)])
    weight(model, f"blocks.{mlp}.W_out")[-2:, target] = 1.0
    refused(model, "whose totals match other keys")


def test_a_head_that_copies_must_not_meet_a_sum() -> None:
    """What it adds and takes away again in a sum's cell is rounded with the sum, and no rule counts it."""

    @hw.program(name="both")
    def both(token: hw.Value) -> tuple[hw.Value, hw.Value]:
        return hw.select(token, token).count(), hw.match(token, token, before=True).latest().fetch(token)

    model = hw.compile(both, length=4, alphabet=2)
    total = next(p for p in model.probes if p.form.off < -(2**20))
    model = widened(model, total.block - 1, d_head=2)
    _, script = proof(model)
    verify(checkpoint_of(model), script)
    one, _ = place(model, "one")
    w_v, w_o = (weight(model, f"blocks.{total.block - 1}.{name}") for name in ("W_V", "W_O"))
    (copying,) = [h for h in range(len(w_o)) if not w_o[h, :, total.dims[0]].any()]
    w_v[copying, one, -2:] = 1.0
    w_o[copying, -2, total.dims[0]], w_o[copying, -1, total.dims[0]] = 2.0**20, -(2.0**20)
    with pytest.raises(Rejected, match="which holds a sum"):
        verify(checkpoint_of(model), script)
    with pytest.raises(hw.Refused):
        hw.certify(model)


def deep(model: hw.Model, scale: float) -> hw.Model:
    """The totals of a model with matches that score deeper below BOS, and factors in W_O to suit."""
    for number, block in enumerate(model.module.blocks):
        if isinstance(block, Attention):
            weight(model, f"blocks.{number}.W_Q").mul_(scale)
            w_o = weight(model, f"blocks.{number}.W_O")
            w_o[w_o != 0] = math.exp(32 * scale)
    return model


def test_weights_of_totals_must_be_normal_numbers() -> None:
    """e^-88 is no normal number of float32: it keeps few bits, and none where small numbers are flushed to zero."""
    assert hw.certify(deep(histogram(64), 2.0))  # e^-64
    model = deep(histogram(64), 2.75)
    flushes = torch.set_flush_denormal(True)
    try:
        wrong = not hw.check(model, samples=20, lengths=[64], exhaustive=0).ok
    finally:
        torch.set_flush_denormal(False)
    assert wrong or not flushes
    with pytest.raises(hw.Refused, match="too small a number"):
        hw.certify(model)


# --- graphs ------------------------------------------------------------------------------------------------


def pair(written: Graph, lowered: Graph, wrong: int | None = None) -> None:
    """Two graphs differ on some input (on so many), and are not taken for equal."""
    assert outputs(written) != outputs(lowered)
    if wrong is not None:
        assert sum(x != y for x, y in zip(outputs(written), outputs(lowered), strict=True)) == wrong
    assert not same_meaning(written, lowered) and not same_meaning(lowered, written)


def with_nodes(g: Graph, *nodes: tuple[object, tuple[int, ...]]) -> Graph:
    """The graph with more values behind; the last one is the output."""
    more = [Node(op, args, g.nodes[g.output].domain, "more") for op, args in nodes]  # type: ignore[arg-type]
    return replace(g, nodes=(*g.nodes, *more), outputs=(len(g.nodes) + len(more) - 1,))


@pytest.mark.parametrize("causal", [True, False])
def test_what_ranks_where_the_previous_rank_is_none_is_not_forgotten(causal: bool) -> None:
    """previous(r).or_else(y): where r may be ⊥, y ranks at later places too."""

    def picked(otherwise: int) -> Graph:
        def body(token: hw.Value) -> hw.Value:
            r = hw.table(lambda t: t or None, token)
            return hw.match(True, hw.previous(token < 2)).largest(by=hw.previous(r).or_else(otherwise)).position

        return graph(body, causal)

    pair(picked(0), picked(50))


def test_a_cut_pointer_says_nothing_of_the_pointer_itself() -> None:
    """x.at(clip(p)) is there for p in 1..N only; p itself may still be beyond."""
    g = graph(lambda token, position: token.at(position + 2), causal=False)
    (at,) = [i for i, n in enumerate(g.nodes) if isinstance(n.op, Lookup)]
    cut = g.nodes[at].args[0]
    assert isinstance(g.nodes[cut].op, Clip)
    pointer, n = g.nodes[cut].args[0], len(g.nodes)
    same = Affine("position", (1,), 0)  # of the cut pointer: what is read at is not the cut itself
    g = with_nodes(g, (same, (cut,)), (g.nodes[at].op, (n, *g.nodes[at].args[1:])), (Fetch(), (n + 1, 0)), (Clip(1, 5), (pointer,)))
    pair(replace(g, outputs=(n + 2, n + 3), single=False), replace(g, outputs=(n + 2, pointer), single=False))


@pytest.mark.parametrize("causal", [True, False])
def test_two_constants_on_one_path_do_not_vouch_for_each_other(causal: bool) -> None:
    """max(1, 1) read through a match that may fail is ⊥ there."""
    g = graph(lambda token: hw.match(token, token, before=True).latest().fetch(token), causal)
    lookup = next(i for i, n in enumerate(g.nodes) if isinstance(n.op, Lookup))
    n = len(g.nodes)
    here = with_nodes(g, (Const("int", 1), ()), (Extreme(True), (n, n)))
    there = with_nodes(g, (Const("int", 1), ()), (Extreme(True), (n, n)), (Fetch(), (lookup, n + 1)))
    two = with_nodes(g, (Const("int", 1), ()), (Const("int", 2), ()), (Extreme(True), (n, n + 1)), (Fetch(), (lookup, n + 2)))
    pair(here, there, wrong=30)
    assert outputs(two) != outputs(here) and not same_meaning(two, here)


# --- decoding ----------------------------------------------------------------------------------------------


def test_logarithms_must_tell_apart_all_that_the_decoder_knows() -> None:
    """In units of 1/2, 6 and 7 have the same logarithm. 6 never occurs, but the decoder knows it."""

    @hw.program(name="one_or_seven")
    def one_or_seven(token: hw.Value) -> hw.Value:
        return 1 + 6 * token

    model = hw.compile(one_or_seven, length=3, alphabet=2)
    form = Form("log", 0, 7, 1)
    (one, _), (token, _) = place(model, "one"), place(model, "token")
    code = next(p.form for p in model.probes if p.name.split()[0] == "token").code(0)
    assert not model.module.blocks
    tensors = {name: torch.nn.functional.pad(t, (0, 1)) for name, t in model.module.state_dict().items()}
    w_u = torch.zeros(tensors["W_E"].shape[1], 1)
    w_u[-1] = 1.0  # on a dimension that holds zero: the grid is 1
    low, high = form.logits()[0], form.logits()[6]
    w_u[token] = float(high - low)
    w_u[one] = float(low - (high - low) * code[0])
    tensors["W_U"] = w_u
    shape = replace(model.module.shape, d_model=len(w_u), classes=(1,))
    changed = replace(model, module=assemble(shape, tensors), output_forms=(form,))
    refused(changed, "same logit|logit of another")


def test_the_helper_runs_every_input() -> None:
    g = graph(lambda token: token)
    assert len(outputs(g)) == sum(2**k for k in range(1, 5))
    assert outputs(g)[0] == interpret_roots(g, next(itertools.product(range(2), repeat=1)))
