"""Certified interventions: what is certified agrees everywhere, the rest has its reason, and equal values are not taken for each other."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

import headwork as hw
from headwork.certificate.cut import Cut, hooked, opened, verify_cut
from headwork.certificate.hooks import _checkpoint, _places, show_settable  # pyright: ignore[reportPrivateUsage]
from headwork.certificate.margins import show_settable_natural
from headwork.certificate.natural import freed, subject
from headwork.compiler.ops import Lookup
from headwork.kernel.numbers import Rejected
from headwork.kernel.terms import Range
from headwork.margin.check import embedding
from headwork.margin.context import Context
from headwork.margin.state import Noise
from headwork.margin.terms import Terms
from headwork.runtime.fixed import Fixed
from headwork.tests import generate
from headwork.tests.change import differences, some_change

MOST = 40
DRAWN = [(seed, style, random.Random(seed)) for seed in range(10) for style in ("compact", "natural")]


def drawn(rng: random.Random, style: str) -> hw.Model | None:
    numbers = [rng.randrange(1000) for _ in range(rng.randrange(61))]
    options = {"length": rng.randint(1, 4), "alphabet": rng.randint(1, 3), "code": rng.choice(("auto", "scalar", "binary", "onehot"))}
    options |= {"style": style, "code": "auto"} if style == "natural" else {}
    try:
        return hw.compile(generate.program(numbers, rng.random() < 0.5, most=3), **options)
    except hw.ExactnessError:
        return None


def every_setting(model: hw.Model, node: int, n: int) -> Iterator[Fixed]:
    """Each value of the domain at each position, and at all positions at once."""
    op, domain = model.optimised.nodes[node].op, model.optimised.nodes[node].domain
    options: list[list[int | None]] = []
    for i in range(1, n + 1):
        if isinstance(op, Lookup):
            here: list[int | None] = [None, *range(1, {"causal": i, "strict": i - 1, "full": n}[op.mask] + 1)]
        else:
            hi = domain.hi if domain.lag is None else min(domain.hi, i + domain.lag)
            here = [*([None] if domain.none else []), *range(domain.lo, hi + 1)]
        options.append(here)
        yield from ({node: {i: value}} for value in here[:4] + here[-1:])
    if all(options):
        yield {node: {i: here[(2 * i) % len(here)] for i, here in enumerate(options, 1)}}


@pytest.mark.parametrize(("style", "rng"), [drawn[1:] for drawn in DRAWN], ids=[f"{style} {seed}" for seed, style, _ in DRAWN])
def test_what_is_certified_agrees_on_every_short_text(style: str, rng: random.Random) -> None:
    model = drawn(rng, style)
    if model is None:
        pytest.skip("not compiled")
    certificate = hw.certify_interventions(model)
    names = {node.name: index for index, node in enumerate(model.optimised.nodes)}
    assert set(certificate.spans) | set(certificate.refused) == set(names) and all(certificate.refused.values())
    lengths = {1, min(2, model.length)}
    rows = [list(row) for n in lengths for row in itertools.product(range(len(model.alphabet)), repeat=n)]
    tried = [(name, row, fixed) for name in certificate.spans for row in rows for fixed in every_setting(model, names[name], len(row))]
    for name, row, fixed in tried if len(tried) <= MOST else rng.sample(tried, MOST):
        assert differences(model, row, fixed) == [], f"{name} in {row}: {fixed}\n{model.stage('optimised')}"
    for _ in range(4):
        row = [rng.randrange(len(model.alphabet)) for _ in range(model.length)]
        fixed = {
            node: v for node, v in some_change(model, len(row), rng).items() if model.optimised.nodes[node].name in certificate.together
        }
        assert differences(model, row, fixed) == []


def test_the_certificate_says_what_may_be_set_and_why_not_the_rest() -> None:
    model = hw.compile(hw.programs.get("khop", k=5), length=64, alphabet="a b c".split())
    certificate = hw.certify_interventions(model)
    assert "jump@at" in certificate and certificate.covers("jump@at", "out", "at.3", "match") and not certificate.covers("position")
    assert certificate.spans["jump@at"] == "a position (2..64) or none, at most its own"
    assert certificate.refused["jump"] == "it has no place of its own in the stream"
    assert "any of the values below set at any positions" in str(certificate) and certificate.as_dict()["dtype"] == "float32"
    assert set(hw.certify_interventions(model, ["jump@at", "position"]).spans) == {"jump@at"}
    with pytest.raises(hw.InputError, match="there is no value 'jump@a'"):
        hw.certify_interventions(model, ["jump@a"])


def test_natural_models_are_certified_by_margins_in_which_what_is_set_is_its_own_variable() -> None:
    natural = hw.compile(hw.programs.get("induction"), length=8, alphabet=3, style="natural")
    certificate = hw.certify_interventions(natural)
    assert certificate.covers("token", "clip", "at", "fetch", "match", "fetch.2") and set(certificate.refused) == {"position", "affine"}
    assert hw.intervene(natural, [0, 1, 2, 0], {"fetch": {2: 2, 4: None}, "match": {3: 1}}).agrees


def equal_values() -> tuple[hw.Model, hw.Model]:
    """A model in which a head reads u, and one in which it reads 7 - w instead, which is the same on every input."""

    @hw.program(alphabet=[0, 1, 2])
    def pairs(token: hw.Value) -> tuple[hw.Value, ...]:
        u = hw.table({0: 7, 1: 5, 2: 6}.get, token)
        w = hw.table({0: 0, 1: 2, 2: 1}.get, token)
        return hw.where(u == hw.previous(u), w, hw.previous(token)), hw.previous(w)

    right, mutant = (hw.compile(pairs, length=3, code="scalar") for _ in range(2))
    at = {probe.name: probe for probe in mutant.probes}
    (u,), (w,), (one,) = (at[name].dims for name in ("u", "w", "one"))
    with torch.no_grad():
        w_v = mutant.module.blocks[0].W_V
        channel = int(w_v[0, u].abs().argmax())  # u's code is u - off_u, w's w - off_w
        assert w_v[0, u, channel] == 1
        w_v[0, u, channel], w_v[0, w, channel] = 0, -1
        w_v[0, one, channel] += 7 - at["u"].form.off - at["w"].form.off
    return right, mutant


def test_a_natural_model_that_reads_an_equal_value_is_right_and_its_interventions_are_not() -> None:
    @hw.program(alphabet=[0, 1, 2])
    def pairs(token: hw.Value) -> tuple[hw.Value, ...]:
        u = hw.table({0: 7, 1: 5, 2: 6}.get, token)
        return hw.previous(u), hw.where(u == 7, hw.previous(token), None)

    right, mutant = (hw.compile(pairs, length=3, style="natural") for _ in range(2))
    at = {probe.name: probe for probe in mutant.probes}
    assert "u" in hw.certify_interventions(right)
    with torch.no_grad():
        w_v = mutant.module.blocks[0].W_V  # what is read in u's dimensions is read in the token's, which say the same
        for z, dim in enumerate(at["u"].dims, 1):
            symbol = {7: 0, 5: 1, 6: 2}[at["u"].form.off + z] if at["u"].form.off + z in (5, 6, 7) else None
            if symbol is not None:
                w_v[:, at["token"].dims[symbol]] += w_v[:, dim]
                w_v[:, dim] = 0
    assert hw.check(mutant, exhaustive=3).ok and hw.certify(mutant)
    assert "u" not in hw.certify_interventions(mutant)
    node = next(i for i, n in enumerate(mutant.optimised.nodes) if n.name == "u")
    show_settable_natural(right, [node])
    show_settable_natural(mutant, [])
    with pytest.raises(hw.Refused, match="holds another variable"):  # by the checker, not by what the lab knows of readers
        show_settable_natural(mutant, [node])


def test_a_natural_value_may_be_set_to_what_is_never_computed() -> None:
    """Of 5 and 7 the domain is 5..7: 6 is brought by no head, and may be set, exactly, after the block that would bring it."""

    @hw.program(alphabet=[0, 1])
    def odd(token: hw.Value) -> tuple[hw.Value, ...]:
        return hw.previous(hw.table({0: 5, 1: 7}.get, token)), hw.previous(hw.previous(hw.table({0: 5, 1: 7}.get, token)) == 6)

    model = hw.compile(odd, length=4, style="natural")
    certificate = hw.certify_interventions(model)
    names = {node.name: index for index, node in enumerate(model.optimised.nodes)}
    assert "fetch" in certificate
    for name in certificate.spans:
        for fixed in every_setting(model, names[name], 4):
            assert differences(model, [0, 1, 1, 0], fixed) == [], fixed
    assert hw.intervene(model, [0, 1, 1, 0], {"fetch": {3: 6}}).agrees


def test_a_code_that_is_off_is_an_error_of_what_is_set_beside_it() -> None:
    """Codes that are all off alike lead as before; one that is set is exact, and what they had in common is between them."""
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3, style="natural")
    node = {n.name: i for i, n in enumerate(model.optimised.nodes)}["token"]
    nodes = [i for i, n in enumerate(model.optimised.nodes) if n.name == "fetch"]
    token = next(probe for probe in model.probes if probe.value == "token")
    with torch.no_grad():
        model.module.W_E[:, list(token.dims)] *= 0.999
    show_settable_natural(model, [])
    checked = freed(model, [*nodes, node])
    terms = Terms(8, 3, subject(model).nodes)
    state = embedding(Context(subject(model), terms, Noise()))
    cell = checked.released(terms, checked.terms(terms), state, 0).cells[token.dims[0]]
    assert cell.x.tolist() == [1, 0, 0] and 0.0009 < cell.ind[0] < 0.0011 and not cell.com.any()


def test_a_model_that_reads_an_equal_value_is_right_and_its_interventions_are_not() -> None:
    right, mutant = equal_values()
    assert hw.check(mutant, exhaustive=3).ok and hw.certify(mutant).heads
    assert "u" in hw.certify_interventions(right) and hw.intervene(right, [0, 1, 2], {"u": {1: 5}}).agrees
    assert "u" not in hw.certify_interventions(mutant)
    node = next(i for i, n in enumerate(mutant.optimised.nodes) if n.name == "u")
    assert any(differences(mutant, [0, 1, 2], {node: {1: 5}}) == [] for mutant in (right,))
    show_settable(right, [node], {}, {})
    with pytest.raises(hw.Refused, match="not shown: block 1, head 0"):  # by the kernel, not by what the lab knows of readers
        show_settable(mutant, [node], {}, {})


def test_damaged_weights_are_not_certified() -> None:
    model = hw.compile(hw.programs.get("induction"), length=6, alphabet=3)
    assert "fetch" in hw.certify_interventions(model)
    with torch.no_grad():
        model.module.blocks[2].W_O[0, 0] *= 2
    refused = hw.certify_interventions(model)
    assert not refused.spans and "fetch" in refused.refused and refused.together == ()


def induction_cut() -> tuple[Cut, dict[str, int]]:
    model = hw.compile(hw.programs.get("induction"), length=6, alphabet=3)
    names = {node.name: index for index, node in enumerate(model.optimised.nodes)}
    return Cut(_checkpoint(model), {names["fetch"]: Range(0, 2, True)}, _places(model), {}), names


def test_the_checker_refuses_hooks_that_are_not_those_of_what_is_set() -> None:
    """Each of these is a false claim about the hooks, put to the trusted part directly with the script of the true one."""
    from headwork.prover.cuts import prove_cut

    def script_of(cut: Cut) -> dict[str, object]:
        made = opened(cut)
        from headwork.certificate.cut import embedded

        origins = {name: made.of(name, ()) for name in ("token", "position", "one")}
        return prove_cut(
            cut.whole, made.terms, made.computed, made.seen, cut.places, origins, embedded(cut, made), lambda *a: hooked(cut, made, *a), {}
        )

    cut, names = induction_cut()
    script = script_of(cut)
    verify_cut(cut, script)
    place = next(p for p in cut.places if p.node == names["fetch"])
    others = tuple(p for p in cut.places if p is not place)
    pointed = {(1, 0): names["at"]}
    false = {
        "its place is elsewhere": cut._replace(places=(*others, place._replace(dims=(0,)))),
        "its place is hooked after it was read": cut._replace(places=(*others, place._replace(block=3))),
        "its place is not hooked": cut._replace(places=others),
        "its code is another": cut._replace(places=(*others, place._replace(form=replace(place.form, off=place.form.off - 1)))),
        "it is never none": cut._replace(spans={names["fetch"]: Range(0, 2)}),
        "it is fewer values": cut._replace(spans={names["fetch"]: Range(0, 1, True)}),
        "it is more values": cut._replace(spans={names["fetch"]: Range(0, 3, True)}),
        "a lookup is set, and no head is pointed": cut._replace(spans={names["at"]: Range(1, 6, True, 0)}),
        "a head is pointed as another's": cut._replace(spans={names["match"]: Range(1, 6, True, 0)}, pointed=pointed),
    }
    verify_cut(at := cut._replace(spans={names["at"]: Range(1, 6, True, 0)}, pointed=pointed), script_of(at))
    for what, claim in false.items():
        for made in (lambda claim=claim: script, lambda claim=claim: script_of(claim)):
            with pytest.raises(Rejected):
                verify_cut(claim, made())
                pytest.fail(what)
