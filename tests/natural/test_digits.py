"""Sums in digits and directions of ⊥: what they hold, that nothing wrong about them passes, and how much noise they bear."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.certificate.margins import show_settable_natural, shown
from headwork.certificate.natural import script, subject
from headwork.certificate.robustness import changed
from headwork.compiler.natural.digits import FEW, SHORT, spelled
from headwork.compiler.rewrite import optimise
from headwork.margin.check import Noise, check
from headwork.margin.terms import Unshown
from headwork.runtime.interpreter import interpret_roots

UNIT = 2.0**-24


@hw.program(alphabet=4, causal=True)
def pointed(token: hw.Value, position: hw.Value) -> hw.Value:
    """Where the last equal token was, twice that, and the position: ⊥ where there was none."""
    return hw.match(query=token, key=hw.previous(token)).latest().fetch(position) * 2 + position - 5


def compiled(program: hw.Program, length: int) -> hw.Model:
    return hw.compile(program, length=length, style="natural")


def agrees(model: hw.Model, seed: int, count: int = 12) -> bool:
    """Whether answers are the interpreter's."""
    rng = random.Random(seed)
    rows = [[rng.randrange(len(model.alphabet)) for _ in range(rng.randint(1, model.length))] for _ in range(count)]
    return all(model.values([row])[0] == [list(c) for c in interpret_roots(model.graph, row)] for row in rows)


@pytest.mark.parametrize("length", [17, 24, 40])
def test_a_long_sum_is_two_short_ones_and_says_the_same(length: int) -> None:
    model = compiled(pointed, length)
    graph, names = model.optimised, [p.name for p in model.probes]
    total = next(
        n for n in graph.nodes if n.op.name == "affine" and n.domain.hi - n.domain.lo > SHORT and " " not in n.name and len(n.args) > 1
    )
    low, high = (next(p for p in model.probes if p.name == f"{total.name} {what}") for what in ("low", "high"))
    assert total.name in names and f"{total.name} spelled" not in names  # one value has one place
    assert max(len(low.dims), len(high.dims)) <= SHORT < total.domain.hi - total.domain.lo
    assert agrees(model, length) and hw.check(model, exhaustive=2, samples=10).ok  # every value, the digits too
    assert hw.certify(model).margin > 0.4


def test_what_is_short_or_of_one_feature_or_has_few_combinations_is_left_alone() -> None:
    @hw.program(alphabet=4)
    def one(token: hw.Value, position: hw.Value) -> hw.Value:
        return position * 9 - hw.table(lambda p: p % 7, position)

    @hw.program(alphabet=4)
    def few(token: hw.Value, position: hw.Value) -> hw.Value:
        return position * 9 + hw.table(lambda t: t, token)

    for program, length in ((one, 30), (few, FEW // 4), (pointed, 8)):
        graph = optimise(program.build(length, None))
        assert spelled(graph).graph is graph, program.name


@pytest.mark.parametrize("seed", range(12))
def test_digits_add_up_to_their_sum(seed: int) -> None:
    """Over all operands, from the graph's own operations: B·high + low is the sum wherever that has a value, and digits are short."""
    rng = random.Random(seed)
    cs, constant, sizes = [rng.choice((-3, -1, 1, 2, 5)) for _ in range(rng.choice((2, 3)))], rng.randint(-9, 9), (4, 23)

    @hw.program(alphabet=sizes[0], causal=True)
    def weighted(token: hw.Value, position: hw.Value) -> hw.Value:
        before = hw.previous(position)
        terms = [position, hw.match(query=token, key=token).earliest().fetch(position), before]
        total = terms[0] * cs[0] + constant
        for c, term in zip(cs[1:], terms[1:], strict=False):
            total = total + term * c
        return total

    found = spelled(optimise(weighted.build(sizes[1], None)))
    nodes = found.graph.nodes
    assert found.sums
    for digits, total in found.sums.items():
        free = sorted({a for a in nodes[total].args})
        spans = [[*range(nodes[a].domain.lo, nodes[a].domain.hi + 1), *([None] if nodes[a].domain.none else [])] for a in free]
        for point in itertools.islice(itertools.product(*spans), 0, None, 7):
            values: dict[int, int | None] = dict(zip(free, point, strict=True))

            def value(i: int, values: dict[int, int | None] = values) -> int | None:
                if i not in values:
                    node = nodes[i]
                    args = [value(a) for a in node.args]
                    strict = getattr(node.op, "strict", True)
                    values[i] = node.op.value if node.op.name == "const" else None if strict and None in args else node.op.meaning(*args)
                return values[i]

            assert value(digits) == value(total), (cs, constant, point)


def test_a_sum_that_is_not_the_digits_is_refused() -> None:
    """The checker multiplies both out; what it is told of the digits is another sum if a constant, a base or a carry is changed."""
    model = compiled(pointed, 20)
    given, said = subject(model), script(model)
    names = [n.name for n in model.optimised.nodes]
    at = next(i for i, name in enumerate(names) if name.endswith("spelled"))
    assert check(given, said, Noise()).margin > 0.4
    base, one = given.nodes[at].fields["coefficients"]
    for fields in ({"constant": given.nodes[at].fields["constant"] + 1}, {"coefficients": (base * 2, one)}, {"coefficients": (base, -one)}):
        nodes = list(given.nodes)
        nodes[at] = replace(nodes[at], fields={**nodes[at].fields, **fields})
        with pytest.raises(Unshown):
            check(replace(given, nodes=tuple(nodes)), said, Noise())


def test_an_argument_that_may_be_missing_must_be_missed_by_both_sums() -> None:
    """x + (y - y) is ⊥ where y is: it is not x, unless y is never ⊥."""

    @hw.program(alphabet=3, causal=True)
    def masked(token: hw.Value, position: hw.Value) -> hw.Value:
        found = hw.match(query=token, key=hw.previous(token)).latest().fetch(position)
        return position + hw.previous(position).or_else(0) + (found - found)

    model = compiled(masked, 20)
    assert agrees(model, 3) and hw.certify(model).margin > 0.4


def test_a_sum_bears_a_thousandth_at_64() -> None:
    """1/(64·S) of a plain staircase would be 8e-5."""
    model = compiled(pointed, 64)
    shown(model, Noise(weights=1e-3, unit=UNIT))
    draw = torch.Generator().manual_seed(0)
    noisy = changed(model, lambda t: t * (1 + 1e-3 * torch.randint(0, 2, t.shape, generator=draw).mul(2).sub(1)))
    assert agrees(noisy, 5, 6)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", ["sum", "count"])
def test_nothing_wrong_passes(kind: str) -> None:
    program = pointed if kind == "sum" else bigrams
    model, rng, passed, refused = compiled(program, 18 if kind == "sum" else 8), random.Random(kind), 0, 0
    for k in range(16):
        mutant = changed(model, lambda t: t)
        tensors = mutant.module.state_dict()
        t = tensors[rng.choice(list(tensors))]
        some = t.nonzero().tolist()
        at = tuple(rng.choice(some) if some and k % 3 else [rng.randrange(s) for s in t.shape])
        with torch.no_grad():
            t[at] = rng.choice((0.0, -float(t[at]), float(t[at]) * 0.5, float(t[at]) + 1, float(t[at]) * (1 + 1e-3), float(t[at]) + 0.05))
        try:
            hw.certify(mutant, witness=False)
        except hw.Refused:
            refused += 1
            continue
        passed += 1
        assert agrees(mutant, k), at
    assert passed and refused


@hw.program(alphabet=3, causal=True)
def bigrams(token: hw.Value) -> hw.Value:
    """How often the last two tokens stood together up to here: a count whose keys may be ⊥."""
    before = hw.previous(token)
    return hw.match(query=(token, before), key=(token, before)).count()


def test_a_key_that_may_be_missing_has_a_direction_of_its_own() -> None:
    """It is 1 where there is no value, 0 elsewhere and at BOS; matches then score 0, and noise of 3e-5 is shown harmless at 64."""
    model = compiled(bigrams, 12)
    assert agrees(model, 1) and hw.certify(model).margin > 0.4
    assert model.natural is not None
    (feature,) = (f for f in model.natural.plan.features if f.none)
    block = model.natural.schedule.ready()[model.natural.plan.features.index(feature)]
    column = np.asarray(model.trace([0, 1, 0, 1, 1]).stream[block])[:, feature.dims[0]]
    assert np.allclose(column, [0, 1, 0, 0, 0, 0], atol=1e-3)
    shown(compiled(bigrams, 64), Noise(weights=3e-5, unit=UNIT))


def _cut(model: hw.Model, change: Callable[[dict[str, torch.Tensor]], torch.Tensor]) -> hw.Model:
    mutant = changed(model, lambda t: t)
    with torch.no_grad():
        change(mutant.module.state_dict())
    return mutant


def test_without_that_direction_it_is_wrong_and_refused() -> None:
    model = compiled(bigrams, 12)
    assert model.natural is not None
    dim = next(f for f in model.natural.plan.features if f.none).dims[0]
    gone = _cut(model, lambda t: t["blocks.0.W_O"][..., dim].zero_())
    assert not agrees(gone, 2)
    with pytest.raises(hw.Refused):
        hw.certify(gone, witness=False)
    loud = _cut(model, lambda t: t["blocks.1.W_in"][1].zero_())  # BOS keeps it, and is taken for a key that is missing
    assert not agrees(loud, 2)
    with pytest.raises(hw.Refused):
        hw.certify(loud, witness=False)


def test_what_is_set_is_no_sum_and_has_no_direction_of_its_own() -> None:
    """A sum may be set, as its digits are not read again; of its digits, and of what has a direction for ⊥, that is not shown."""
    model = compiled(pointed, 20)
    names = [n.name for n in model.optimised.nodes]
    total = next(i for i, n in enumerate(model.optimised.nodes) if f"{n.name} spelled" in names)
    show_settable_natural(model, [total])
    with pytest.raises(hw.Refused):
        show_settable_natural(model, [names.index(f"{names[total]} low")])
    counted = compiled(bigrams, 6)
    before = next(i for i, n in enumerate(counted.optimised.nodes) if n.op.name == "fetch")
    with pytest.raises(hw.Refused, match="has a direction for ⊥, which is not set with it"):
        show_settable_natural(counted, [before])
