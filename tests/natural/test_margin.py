"""Margin certificates: what they show, that nothing wrong passes, radii that hold, and gradients beside them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.certificate.natural import script, subject
from headwork.certificate.robustness import changed, stored
from headwork.margin.check import Noise, check
from headwork.margin.terms import Node, Unshown
from headwork.runtime.interpreter import interpret_roots
from headwork.runtime.module import Attention

N = 12


def natural(name: str, length: int = N, **options: object) -> hw.Model:
    program = hw.unrolled(programs.get(name))  # no loop can be tied in this style
    return hw.compile(program, length=length, style="natural", **options)


def right(model: hw.Model, seed: int, count: int = 12) -> bool:
    """Whether answers are the interpreter's on texts of few and of many symbols."""
    rng, size = random.Random(seed), len(model.alphabet)
    for _ in range(count):
        pool = rng.sample(range(size), min(size, rng.choice((1, 2, size))))
        row = [rng.choice(pool) for _ in range(rng.randint(1, model.length))]
        if model.values([row])[0] != [list(column) for column in interpret_roots(model.graph, row)]:
            return False
    return True


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", programs.names())
def test_the_library_is_certified(name: str) -> None:
    certificate = hw.certify(natural(name))
    assert (
        certificate.margin > 0.25 and min((head.lead for head in certificate.heads), default=math.inf) > 3
    )  # heads that count have no lead
    assert certificate.as_dict()["style"] == "natural" and "by margins" in str(certificate)


@pytest.mark.slow
@pytest.mark.parametrize("name", programs.names())
def test_the_library_is_certified_at_64(name: str) -> None:
    """Even with each weight off by 1e-5 of itself. Sums that may be below -31 pass all bends at BOS, where large numbers cancel."""
    model = natural(name, 64)
    found = check(subject(model), script(model), Noise(weights=1e-5, unit=2.0**-24))
    assert found.margin > 0.25 and min((lead for _, _, _, lead in found.leads), default=math.inf) > 3


def test_a_sum_that_may_be_negative_is_silent_at_bos() -> None:
    """The program at 32 has levels below -31, and its next lookup reads them."""
    assert hw.certify(natural("gridworld", 32)).margin > 0.25


def test_a_checkpoint_is_certified_from_its_files(tmp_path: object) -> None:
    """The plan is made again from the program; the tensors are the file's."""
    model = natural("khop", code="binary")
    model.save(f"{tmp_path}/m")
    assert hw.certify(hw.load(f"{tmp_path}/m")).heads == hw.certify(model).heads


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["induction", "histogram", "recall", "dyck1", "reverse", "nearest"])
def test_nothing_wrong_passes(name: str) -> None:
    """Single weights changed, set to zero, moved or written where none was: what is certified answers right, and most is refused."""
    model, rng = natural(name, 6), random.Random(name)
    accepted = refused = 0
    for k in range(24):
        tensors = {key: value.detach().clone() for key, value in model.module.state_dict().items()}
        key = rng.choice(list(tensors))
        t = tensors[key]
        some = t.nonzero().tolist()  # none of a table that a program does not read
        at = rng.choice(some) if k % 3 and some else [rng.randrange(s) for s in t.shape]
        old = float(t[tuple(at)])
        t[tuple(at)] = rng.choice((0.0, -old, old * 0.5, old * 1.5, old + 1, old * (1 + 1e-3), old + 0.05))
        mutant = changed(model, lambda tensor: tensor)
        mutant.module.load_state_dict(tensors)
        try:
            hw.certify(mutant, witness=False)
        except hw.Refused:
            refused += 1
            continue
        accepted += 1
        assert right(mutant, k), f"{key}{at}: {old} became {float(t[tuple(at)])}"
    assert accepted and refused


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["induction", "histogram", "khop"])
def test_noise_within_the_proved_radius_changes_nothing(name: str) -> None:
    """The radius is of any perturbation: tried at its corners, where every weight is off by all of it."""
    model = natural(name, 8)
    found = hw.robustness(model, samples=2)
    least = 5e-3 if name != "histogram" else 2e-4
    assert found.proved_weights > least and found.measured_weights > found.proved_weights / 2 and found.lost
    draw = torch.Generator().manual_seed(0)
    for seed in range(10):
        corner = changed(model, lambda t: t * (1 + found.proved_weights * torch.randint(0, 2, t.shape, generator=draw).mul(2).sub(1)))
        assert right(corner, seed)
    assert found.formats["bfloat16"] == found.formats["float16"] == found.formats["tf32"] == "proved"
    for format_ in ("bfloat16", "float16", "tf32"):
        assert right(stored(model, format_), 1)


def test_the_compact_style_bears_no_noise() -> None:
    found = hw.robustness(hw.compile(programs.histogram(), length=16), samples=2)
    assert found.proved_weights == 0 and "bit by bit" in found.lost and found.measured_weights < 1e-5
    with pytest.raises(hw.InputError, match="too few"):
        hw.robustness(natural("induction"), samples=0)
    with pytest.raises(hw.InputError, match="no format"):
        stored(natural("induction"), "int4")


def test_what_a_head_writes_into_was_empty() -> None:
    """A number that the embedding leaves where a head writes is refused: it would be added to what the head brings."""
    model = natural("induction", 8)
    for probe in model.probes:
        if probe.block:
            for source in ("W_E", "W_pos"):
                mutant = changed(model, lambda t: t)
                with torch.no_grad():
                    getattr(mutant.module, source)[2, probe.dims[0]] = 5.0
                assert not right(mutant, 0) or probe.name == "fetch"
                with pytest.raises(hw.Refused, match=r"held something|off its code|reads another variable|several variables|computed from"):
                    hw.certify(mutant, witness=False)


@pytest.mark.parametrize("name", ["induction", "khop", "recall", "histogram"])
def test_gradients_exist_where_it_is_certified(name: str) -> None:
    """At the least lead that certifies, the top logit's margin has a gradient in every W_Q and W_K that is used."""
    program = programs.khop(k=3) if name == "khop" else programs.get(name)
    length = 16
    model = None
    for lead in range(3, 22):
        candidate = hw.compile(program, length=length, style="natural", sharpness=float(lead))
        try:
            hw.certify(candidate, witness=False)
        except hw.Refused:
            continue
        model = candidate
        break
    assert model is not None and model.sharpness is not None and model.sharpness < 21
    compact = hw.compile(program, length=length)
    rng = random.Random(0)
    ids = torch.tensor([[rng.randrange(len(model.alphabet)) for _ in range(length)] for _ in range(8)])
    for made, exists in ((model, True), (compact, False)):
        top = made.module(ids).topk(2, dim=-1).values
        (top[..., 0] - top[..., 1]).sum().backward()
        for block in made.module.blocks:
            if isinstance(block, Attention):
                for tensor in (block.W_Q, block.W_K):
                    assert tensor.grad is not None
                    for head, gradient in zip(tensor, tensor.grad, strict=True):
                        assert not head.any() or bool(gradient[head != 0].any()) is exists or made is compact


def test_what_has_no_margin_rule_is_refused() -> None:
    model = natural("induction")
    with pytest.raises(hw.Refused, match="no margin rule for sums in bfloat16"):
        hw.certify(model, "bfloat16")
    with pytest.raises(hw.Refused, match="no proof script"):
        hw.write_proof(model, "unwritten.json")
    soft = natural("induction", sharpness=1.0)
    with pytest.raises(hw.Refused, match=r"not shown|shown wrong"):
        hw.certify(soft)
    other = replace(model, optimised=natural("previous").optimised)
    with pytest.raises(hw.Refused):
        hw.certify(other, witness=False)


def _changed(model: hw.Model, name: str, change: Callable[[torch.Tensor], None]) -> hw.Model:
    """The model with one tensor changed in place."""
    mutant = changed(model, lambda t: t)
    with torch.no_grad():
        change(mutant.module.state_dict()[name])
    return mutant


def _refused(model: hw.Model, match: str) -> None:
    with pytest.raises(hw.Refused, match=match):
        hw.certify(model, witness=False)


def test_a_lookup_of_constants_needs_no_order_and_others_do() -> None:
    """`equal` asks whether anything matches, so its head has no bonus; where one is needed and gone, or tokens differ, it is refused."""
    model = natural("equal", 16)
    assert "a match adds 24" in model.records[-1].inequality and hw.certify(model).margin > 0.4
    token = next(p for p in model.probes if p.name == "token").dims[0]
    brought = next(p for p in model.probes if p.name == "fetch").dims[0]
    head = "blocks.4."
    assert model.module.state_dict()[head + "W_O"][0, :, brought].count_nonzero() == 1

    def differ(t: torch.Tensor) -> None:
        t[0, token, 0] += 0.9  # one of the two tokens brings 1.9 and the other 1

    wrong = _changed(model, head + "W_V", differ)
    assert not right(wrong, 0) or not hw.check(wrong).ok
    _refused(wrong, r"off its code|several variables|leads by")
    pick = natural("induction", 8)
    ruler = pick.natural.plan.features  # the model was compiled here, so it has its plan
    dims = next(f.dims for f in ruler if f.name == "ruler")
    for block in (0, 2):
        pick = _changed(pick, f"blocks.{block}.W_K", lambda t: t[:, dims[0] : dims[-1] + 1].zero_())
    assert not right(pick, 0)
    _refused(pick, "of two matches")


def test_what_cannot_match_is_certified_and_bos_must_win() -> None:
    @hw.program(alphabet=3)
    def never(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.match(query=(token, position >= 1), key=(token, position < 1)).latest().fetch(position)

    @hw.program(alphabet=3)
    def none(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.match(query=(token, position >= 1), key=(token, position < 1)).count()

    for program in (never, none):
        model = hw.compile(program, length=7, style="natural")
        assert hw.certify(model).margin > 0.4 and right(model, 1)
        drowned = _changed(model, "blocks.0.W_K", lambda t: t[:, 1].zero_())  # BOS scores as tokens do
        _refused(drowned, r"above the winner|off its code|shares may|leads by")


def test_a_strict_lookup_never_reads_the_last_position() -> None:
    @hw.program(alphabet=2, causal=True)
    def last(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.match(query=token, key=hw.previous(token)).latest().fetch(hw.previous(position))

    model = hw.compile(last, length=6, style="natural")
    assert model.output_forms[0].top == 5 and hw.certify(model).margin > 0.4
    given, said = subject(model), script(model)
    assert check(given, said, Noise()).margin > 0.4
    nodes = tuple(Node(n.op, {**n.fields, "mask": "causal"} if "mask" in n.fields else n.fields, n.args) for n in given.nodes)
    blocks = tuple(tuple("causal" for _ in masks) for masks in given.blocks)
    with pytest.raises(Unshown, match="may be worth what has no class"):
        check(replace(given, nodes=nodes, blocks=blocks), said, Noise())


def test_keys_of_one_meaning_are_told_apart_by_nothing() -> None:
    """In `recall_pairs` two words have one key: what one of them adds where a query is not 0 is refused, elsewhere it is not."""
    model = natural("recall_pairs", 16)
    feature = next(p for p in model.probes if p.name == "told")
    word = model.alphabet.id("dog=1") + 1
    names = [int(feature.dims[k]) for k in range(len(feature.dims))]
    mine = next(d for d in names if model.module.W_E[word, d] == 1)
    other = next(d for d in names if d != mine)

    def leak(t: torch.Tensor) -> None:
        t[word, other] = 0.05  # the query asks for `dog`, and takes off what is not

    wrong = _changed(model, "W_E", leak)
    row = [model.alphabet.id(w) for w in ("dog=0", "dog=1", "dog")]
    assert wrong.values([row])[0] != model.values([row])[0] == [list(column) for column in interpret_roots(model.graph, row)]
    _refused(wrong, r"of two matches|off its code")
    larger = _changed(model, "W_E", lambda t: t[word, mine].mul_(1 + 2.0**-6))
    assert hw.certify(larger).margin > 0.3


def test_the_factor_of_a_share_is_read_from_the_head() -> None:
    """A count's share is written e^h times; where it is written otherwise, the staircase is not where it says."""
    model = natural("histogram", 16)
    larger = _changed(model, "blocks.0.W_O", lambda t: t.mul_(1.125))  # shares of one head are only compared
    assert right(larger, 0) and hw.certify(larger).margin > 0.3
    share = int((model.module.state_dict()["blocks.0.W_O"][0] > 5).nonzero()[0, 0])
    wrong = _changed(model, "blocks.0.W_O", lambda t: t[0, share].mul_(1.2))
    assert not right(wrong, 0)
    _refused(wrong, "off its code")
    for format_ in ("bfloat16", "float16", "int8 per channel"):
        assert right(stored(model, format_), 1) and hw.certify(stored(model, format_)).margin > 0.3, format_
