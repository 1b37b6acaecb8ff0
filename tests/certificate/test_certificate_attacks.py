"""Models built to deceive the checker: each is wrong on some input, or claims what is not there, and must be refused."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.compiler.graph import Graph, Node
from headwork.compiler.ops import Clip, Lookup, Table
from headwork.kernel import heads as bilinear
from headwork.kernel.numbers import NONE, Rejected, exact, raised, require_stored, scaled
from headwork.kernel.terms import ALWAYS
from headwork.prover.rewrites import Ledger, same_meaning
from headwork.runtime.interpreter import interpret_roots
from headwork.runtime.model import assemble
from headwork.runtime.module import Attention, AttentionShape, MlpShape
from headwork.tests import generate


def induction(length: int = 6, alphabet: int = 3, **options: str) -> hw.Model:
    return hw.compile(hw.programs.get("induction"), length=length, alphabet=alphabet, **options)


def weight(model: hw.Model, name: str) -> torch.Tensor:
    return dict(model.module.named_parameters())[name].data


def attention(model: hw.Model, heads: int = 1) -> int:
    """The index of the first attention block of at least so many heads."""
    return next(i for i, b in enumerate(model.module.blocks) if isinstance(b, Attention) and len(b.masks) >= heads)


def is_wrong(model: hw.Model) -> bool:
    """Whether some value differs from the interpreter's on some input; every input is run."""
    return not hw.check(model, exhaustive=model.length, samples=0).ok


# --- tensors -----------------------------------------------------------------------------------------------


def widened(model: hw.Model, block: int, heads: int = 0, d_head: int = 0, units: int = 0) -> hw.Model:
    """The model with zero heads, zero head dimensions or zero hidden units added to one block."""
    shape = model.module.shape
    tensors = {name: t.clone() for name, t in model.module.state_dict().items()}
    old = shape.blocks[block]
    if isinstance(old, AttentionShape):
        new: AttentionShape | MlpShape = AttentionShape(old.d_head + d_head, old.masks + old.masks[-1:] * heads)
        for name in old.tensors:
            across = (0, 0, 0, d_head, 0, heads) if name == "W_O" else (0, d_head, 0, 0, 0, heads)
            tensors[f"blocks.{block}.{name}"] = torch.nn.functional.pad(tensors[f"blocks.{block}.{name}"], across)
    else:
        new = MlpShape(old.d_mlp + units)
        tensors[f"blocks.{block}.W_in"] = torch.nn.functional.pad(tensors[f"blocks.{block}.W_in"], (0, units))
        tensors[f"blocks.{block}.W_out"] = torch.nn.functional.pad(tensors[f"blocks.{block}.W_out"], (0, 0, 0, units))
    blocks = (*shape.blocks[:block], new, *shape.blocks[block + 1 :])
    return replace(model, module=assemble(replace(shape, blocks=blocks), tensors))


def place(model: hw.Model, name: str) -> tuple[int, int]:
    """The first dimension of a value, and the block that writes it."""
    probe = next(p for p in model.probes if p.name.split()[0] == name)
    return probe.dims[0], probe.block


def test_an_idle_head_whose_scores_overflow_is_refused() -> None:
    block = attention(induction())
    model = widened(induction(), block, heads=1)
    assert hw.certify(model)
    one, _ = place(model, "one")
    for name in ("W_Q", "W_K"):
        weight(model, f"blocks.{block}.{name}")[1, one, 0] = 2.0**64
    assert is_wrong(model)  # inf - inf is not a number, whatever it is multiplied with
    with pytest.raises(hw.Refused, match="head 1 is said to do nothing, and may score what is no number"):
        hw.certify(model)


def test_an_idle_head_that_cancels_itself_is_refused() -> None:
    block = attention(induction())
    model = widened(induction(), block, heads=1)
    one, _ = place(model, "one")
    weight(model, f"blocks.{block}.W_V")[1, one, :2] = 1.0
    weight(model, f"blocks.{block}.W_O")[1, 0, 0] = 1.0
    weight(model, f"blocks.{block}.W_O")[1, 1, 0] = -1.0
    with pytest.raises(hw.Refused, match="head 1 writes what it is not said to"):
        hw.certify(model)


def test_heads_that_cancel_each_other_in_one_sum_are_refused() -> None:
    """Head 0 writes an answer into a dimension where head 1 adds 2**40 and takes it away again."""
    model = hw.compile(hw.programs.get("compose"), length=3)
    block = attention(model, heads=2)
    model = widened(model, block, d_head=2)
    assert hw.certify(model)
    one, _ = place(model, "one")
    w_v, w_o = weight(model, f"blocks.{block}.W_V"), weight(model, f"blocks.{block}.W_O")
    target = int(w_o[0].any(dim=0).nonzero()[0])
    w_v[1, one, -2:] = 1.0
    w_o[1, -2, target], w_o[1, -1, target] = 2.0**40, -(2.0**40)
    with pytest.raises(hw.Refused, match="the output projection is not exact"):
        hw.certify(model)


def mlp_model(dtype: str = "float32") -> hw.Model:
    """A program with an MLP that computes from a value read elsewhere."""

    @hw.program(name="far")
    def far(token: hw.Value, position: hw.Value) -> hw.Value:
        seen = hw.match(token, token, before=True).latest().fetch(position)
        return hw.minimum(seen + 3, position)

    return hw.compile(far, length=6, alphabet=2, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_whose_products_leave_64_bits_are_refused(dtype: str) -> None:
    """8·x·2**61 is 0 modulo 2**64: a checker that overflows does not see it."""
    model = mlp_model(dtype)
    blocks = [i for i, b in enumerate(model.module.shape.blocks) if isinstance(b, MlpShape)]
    model = widened(model, blocks[-1], units=1)
    assert hw.certify(model)
    one, _ = place(model, "one")
    weight(model, f"blocks.{blocks[-1]}.W_in")[one, -1] = 8.0
    weight(model, f"blocks.{blocks[-1]}.W_out")[-1, 0] = 2.0**61
    assert is_wrong(model)
    with pytest.raises(hw.Refused, match=r"is not exact|beyond 2\*\*53"):
        hw.certify(model)


def test_grids_so_fine_that_codes_shift_out_of_64_bits_are_refused() -> None:
    """1·2**64 is 0 modulo 2**64: a head that writes zeros must not pass for one that writes codes on a grid of 2**-64."""
    with pytest.raises(Rejected, match="no useful grid"):
        raised(np.array([0, 1]), 64, "a head")
    with pytest.raises(Rejected, match="no useful grid"):
        raised(np.array([2**24]), 40, "a head")
    assert raised(np.array([3, -1]), 4, "a head").tolist() == [48, -16]


def test_sums_of_2_to_the_53_are_not_rounded_into_the_bound() -> None:
    assert exact(2**53 - 1, 0, "float64", "a sum") == 2**53 - 1
    with pytest.raises(Rejected, match=r"a sum is not exact in float64"):
        exact(int(float(2**53 + 1)), 0, "float64", "a sum")


@pytest.mark.parametrize(("shift", "fact"), [(140, "underflows"), (-140, "overflows"), (1500, "underflows"), (-1500, "overflows")])
def test_sums_outside_the_exponents_are_refused(shift: int, fact: str) -> None:
    with pytest.raises(Rejected, match=f"a sum {fact} float32"):
        exact(3, shift, "float32", "a sum")
    assert exact(0, shift, "float32", "nothing") == 0


def test_tensors_become_integers_exactly() -> None:
    rng = np.random.default_rng(7)
    tensors = [rng.integers(-(2**20), 2**20, 50) * 2.0**e for e in (-1074 + 30, -149, -3, 0, 40, 900)]
    tensors.append(np.array([-0.0, 5e-324, -5e-324, 0.0]))
    for tensor in tensors:
        made = scaled(tensor, "t")
        assert [int(i) * 2 ** max(0, -made.shift) for i in made.ints] == [
            round(x * 2.0 ** min(1000, made.shift) * 2.0 ** max(0, made.shift - 1000)) if made.shift > 0 else int(x)
            for x in tensor.tolist()
        ]
    with pytest.raises(Rejected, match="too far apart"):
        scaled(np.array([2.0**40, 2.0**-40]), "t")
    with pytest.raises(Rejected, match="does not reach"):
        require_stored(np.array([np.inf]), "float32", "t")


# --- hints ---------------------------------------------------------------------------------------------------


def other_mask(model: hw.Model) -> hw.Model:
    """The masks that run are the module's own, not those of the shape beside it."""
    model.module.blocks[0].masks = tuple({"causal": "strict", "strict": "causal"}[m] for m in model.module.blocks[0].masks)
    return model


def with_probe(model: hw.Model, index: int, **changes: object) -> hw.Model:
    probes = list(model.probes)
    probes[index] = replace(probes[index], **changes)
    return replace(model, probes=tuple(probes))


def copied(model: hw.Model, **changes: object) -> hw.Model:
    """One claim more: the last probe again, changed."""
    return replace(model, probes=(*model.probes, replace(model.probes[-1], **changes)))


TAMPERINGS: dict[str, tuple[Callable[[hw.Model], hw.Model], str]] = {
    "another mask": (other_mask, "has the mask"),
    "a claim about a block that is not there": (lambda m: copied(m, block=99), "block 99"),
    "a claim about one dimension twice": (lambda m: copied(m, value="one"), "claimed twice"),
    "a claim of no dimensions": (lambda m: copied(m, dims=()), "dimensions"),
    "a negative dimension": (lambda m: copied(m, dims=(-1,) * m.probes[-1].form.width), "dimensions"),
    "a node that is not there": (lambda m: with_probe(m, -1, value=999), "node 999"),
    "a form with no digits": (lambda m: with_probe(m, -1, form=replace(m.probes[-1].form, parts=0)), "form"),
    "a form beyond all numbers": (lambda m: with_probe(m, -1, form=replace(m.probes[-1].form, off=-(2**62))), "form"),
    "fewer classes": (lambda m: replace(m, output_forms=(replace(m.output_form, top=m.output_form.top - 1),)), "class"),
    "other classes": (lambda m: replace(m, output_forms=(replace(m.output_form, off=m.output_form.off - 1),)), "class"),
    "classes beyond all numbers": (lambda m: replace(m, output_forms=(replace(m.output_form, off=2**62),)), "form"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampered_hints_are_refused(name: str) -> None:
    change, fact = TAMPERINGS[name]
    model = induction()
    assert hw.certify(model)
    with pytest.raises(hw.Refused, match=fact):
        hw.certify(change(model))


@pytest.mark.slow
def test_moved_claims_are_refused_or_harmless() -> None:
    """Every probe at every other block, dimension and node: what is certified is right on every input, probes included."""
    accepted = refused = 0
    for index, probe in enumerate(induction(4, 2).probes):
        for value, block, dim in itertools.product(("one", "token", "position", 0, 1, 2, 3), range(4), range(4)):
            model = induction(4, 2)
            dims = (dim, *probe.dims[1:])
            changed = with_probe(model, index, value=value, block=block, dims=dims)
            try:
                hw.certify(changed, witness=False)
            except hw.Refused:
                refused += 1
            else:
                accepted += 1
                assert not is_wrong(changed)
    assert refused > 10 * accepted > 0


# --- graphs --------------------------------------------------------------------------------------------------


def graph(body: Callable[..., hw.Value], causal: bool = True, length: int = 4) -> Graph:
    return hw.program(name="p", causal=causal)(body).build(length, 2)


def outputs(g: Graph) -> list[list[list[int | None]]]:
    """The outputs on every input."""
    n, v = g.sizes.length, len(g.sizes.alphabet)
    return [interpret_roots(g, ids) for k in range(1, n + 1) for ids in itertools.product(range(v), repeat=k)]


def changed_op(g: Graph, old: type, new: Callable[..., object]) -> Graph:
    return replace(g, nodes=tuple(replace(n, op=new(n.op)) if isinstance(n.op, old) else n for n in g.nodes))


def with_clip(g: Graph, clip: Clip) -> Graph:
    """The graph with its output cut to a range."""
    node = Node(clip, (g.output,), g.nodes[g.output].domain, "clip")
    return replace(g, nodes=(*g.nodes, node), outputs=(len(g.nodes),))


@pytest.mark.parametrize("causal", [True, False])
def test_a_pointer_ahead_is_not_taken_for_its_value(causal: bool) -> None:
    """The position read one place on is ⊥ where that is ahead, or past the last of fewer than N; the number itself is not."""
    a = graph(lambda token, position: position.at(hw.match(token, token).earliest().position + 1), causal)
    b = replace(a, outputs=(next(i for i, n in enumerate(a.nodes) if isinstance(n.op, Clip)),))
    assert outputs(a) != outputs(b) and not same_meaning(a, b)


def test_a_head_that_sees_the_future_is_not_taken_for_one_that_does_not() -> None:
    a = graph(lambda token, position: token.at(hw.match(token, token).earliest().position + 1))
    b = changed_op(a, Lookup, lambda op: replace(op, mask="full"))
    assert outputs(a) != outputs(b) and not same_meaning(a, b)
    a = graph(lambda token, position: token.at(hw.match(token, token).earliest().position + 1), causal=False)
    b = changed_op(a, Lookup, lambda op: replace(op, mask="causal"))
    assert outputs(a) != outputs(b) and not same_meaning(a, b)


def test_a_narrower_range_is_not_taken_for_1_to_n() -> None:
    """A match of previous values leads to a position that is known to be one; cut to 2..2 it is not the same."""
    a = graph(lambda token, position: position.at(hw.match(token, hw.previous(token)).latest().position))
    whole, cut = (with_clip(a, Clip(1, 4)), with_clip(a, Clip(2, 2)))
    assert outputs(whole) == outputs(a) and same_meaning(a, whole)
    assert outputs(cut) != outputs(a) and not same_meaning(a, cut)


def test_a_step_on_and_back_is_none_only_where_the_step_is_always_there() -> None:
    """From an earlier match one can always step on and back; from a match that may be here, the step leads out of sight."""

    def back(before: bool) -> Callable[..., hw.Value]:
        return lambda token: hw.previous(token).at(hw.match(token, token, before=before).latest().position + 1)

    def there(before: bool) -> Callable[..., hw.Value]:
        return lambda token: hw.match(token, token, before=before).latest().fetch(token)

    assert outputs(graph(back(True))) == outputs(graph(there(True)))
    assert outputs(graph(back(False))) != outputs(graph(there(False))) and not same_meaning(graph(back(False)), graph(there(False)))


def test_a_table_that_does_not_cover_its_argument_may_give_none() -> None:
    g = graph(lambda token, position: hw.table(lambda p: int(p), position))
    short = changed_op(g, Table, lambda op: replace(op, shape=(2,), entries=op.entries[:2]))
    ledger = Ledger(short)
    assert None in outputs(short)[-1][0] and ledger.terms.ranges[ledger.program[short.output]].none


@pytest.mark.slow
@pytest.mark.parametrize("causal", [True, False])
def test_equal_normal_forms_mean_equal_outputs(causal: bool) -> None:
    """Random programs beside slightly different ones: wherever the checker says they mean the same, they do, on every input."""
    rng = random.Random(5)
    same = 0
    for _ in range(300):
        numbers = [rng.randrange(1000) for _ in range(rng.randrange(4, 24))]
        other = list(numbers)
        other[rng.randrange(len(other))] = rng.randrange(1000)
        a, b = (generate.program(n, causal, most=3).build(4, 2) for n in (numbers, other))
        try:
            if same_meaning(a, b):
                same += a != b
                assert outputs(a) == outputs(b), f"{a}\n{b}"
        except hw.Refused:
            pass
    assert same > 5


# --- scores --------------------------------------------------------------------------------------------------


Drawn = tuple[bilinear.Group, np.ndarray, np.ndarray]


def drawn(rng: np.random.Generator) -> Drawn:
    """A random group for rule SQUARE with constants on all dimensions: q0 is part of the query's code where both sides vary."""
    width, values = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    codes = rng.integers(-3, 4, (values + 3, width))
    lam, constant = rng.integers(1, 4, width), rng.integers(-3, 4, width) * rng.integers(0, 2)
    q_value, k_value = (rng.integers(0, values + 3, int(rng.integers(1, 9))) for _ in range(2))
    q_value, k_value = (np.where(rng.random(len(v)) < 0.15, NONE, v) for v in (q_value, k_value))
    q = np.where((q_value == NONE)[:, None], rng.integers(-1, 2, (len(q_value), width)), codes[q_value.clip(0)] * lam - constant)
    k = np.where((k_value == NONE)[:, None], rng.integers(-1, 2, (len(k_value), width)), codes[k_value.clip(0)])
    # One dimension more on each side, where only the constant of the other is: what the query or the key alone adds.
    q = np.column_stack([q, rng.integers(-5, 6, len(q)), np.zeros(len(q), int)])
    k = np.column_stack([k, np.zeros(len(k), int), rng.integers(-5, 6, len(k))])
    q0, k0 = np.append(constant, rng.integers(-2, 3, 2)), rng.integers(-2, 3, width + 2)
    return bilinear.Group(q, k, q_value[:, None], k_value[:, None], ((),), (False,), ALWAYS, np.append(lam, [1, 1])), q0, k0


def bounded(drawn: Drawn) -> bool:
    """Whether SQUARE accepts a group; then every score that PAIRS finds lies within what it says."""
    group, q0, k0 = drawn
    found = bilinear.pairs(group, q0, k0, 0, "a block")
    try:
        bound = bilinear.square(group, q0, k0, 0, "a block")
    except Rejected:
        return False
    assert (bound.least <= found.least).all() and (bound.greatest >= found.greatest).all()
    assert (bound.rival >= found.rival).all() and (bound.any >= found.any).all()
    return True


def test_completed_squares_bound_what_enumeration_finds() -> None:
    """On random blocks the ranges from the square hold every score of the enumeration; codes that coincide are refused."""
    rng = np.random.default_rng(11)
    assert sum(bounded(drawn(rng)) for _ in range(600)) > 100


def test_squares_of_what_is_damaged_are_refused_or_hold() -> None:
    """One number of the vectors, the constants, the factors or the meanings is another: SQUARE refuses, or what it says still holds."""
    rng, verdicts = np.random.default_rng(12), list[bool]()
    while len(verdicts) < 200:
        group, q0, k0 = drawn(rng)
        if not bounded((group, q0, k0)):
            continue
        arrays = [group.query, group.key, q0, k0, group.factors, group.q_values, group.k_values]
        some = [a.copy() for a in arrays if a is not None]
        array = some[int(rng.integers(len(some)))].reshape(-1)
        place = int(rng.integers(array.size))
        array[place] += rng.choice((-3, -2, -1, 1, 2, 3)) * (array[place] != NONE)
        verdicts.append(
            bounded((replace(group, query=some[0], key=some[1], q_values=some[5], k_values=some[6], factors=some[4]), *some[2:4]))
        )
    assert 30 < sum(verdicts) < 170


@pytest.mark.parametrize("factor", [-1, 0])
def test_squares_are_of_positive_factors(factor: int) -> None:
    """Codes from which the queries point away are no codes: the square would be a lead of what does not match."""
    codes = np.array([[1, 2], [2, 1], [3, 3]])
    group = bilinear.Group(codes * factor, codes, *(np.arange(3)[:, None],) * 2, ((),), (False,), ALWAYS, np.array([factor, factor]))
    with pytest.raises(Rejected):
        bilinear.square(group, np.zeros(2, int), np.zeros(2, int), 0, "a block")


def test_scores_of_groups_and_constants_add_up() -> None:
    """(q0 + Σ q)·(k0 + Σ k), multiplied out case by case, is within what is said of each group beside what the constants score."""
    rng, tried = np.random.default_rng(13), 0
    while tried < 40:
        (one, q1, k1), (two, q2, k2) = drawn(rng), drawn(rng)
        wide = [(len(q1), 0), (0, len(q2))]
        apart = [
            replace(
                g, query=np.pad(g.query, ((0, 0), at)), key=np.pad(g.key, ((0, 0), at)), factors=np.pad(g.factors, at, constant_values=1)
            )
            for g, at in ((one, wide[1]), (two, wide[0]))
        ]
        seen = bilinear.Compared(apart, np.append(q1, q2), np.append(k1, k2), 0, 0, 0)
        try:
            found = seen.scores("a block")
        except Rejected:
            continue
        tried += 1
        query = seen.q0 + apart[0].query[:, None, :] + apart[1].query[None, :, :]
        key = seen.k0 + apart[0].key[:, None, :] + apart[1].key[None, :, :]
        score = 2 * np.einsum("abd,xyd->axby", query, key) - seen.base
        same = [(g.q_values == g.k_values.T) & (g.q_values != NONE) for g in apart]
        low, high = (
            [np.where(m, ends[:, None], other[:, None]) for m, ends, other in zip(same, some, beside, strict=True)]
            for some, beside in (
                ([f.least for f in found], [np.full(len(f.least), bilinear.LOW) for f in found]),
                ([f.greatest for f in found], [f.rival for f in found]),
            )
        )
        assert (score >= low[0][:, :, None, None] + low[1]).all() and (score <= high[0][:, :, None, None] + high[1]).all()
        match = (same[0][:, :, None, None] & same[1]).reshape(-1)
        assert (score.reshape(-1)[~match] + seen.base <= bilinear.worst(seen, found)).all()
