"""The natural style: every program in it, what its weights look like, and that the compact style is untouched."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork import programs
from headwork.runtime.module import Attention, Mlp
from headwork.tests import generate

LENGTH = 64
DIGESTS = json.loads((Path(__file__).parents[1] / "compact_digests.json").read_text(encoding="utf-8"))
SMALL = [name for name in programs.names() if name not in ("ioi", "bigram", "ngram", "sort_by_frequency", "fraction_of_previous")]


def natural(name: str, length: int = LENGTH, **options: object) -> hw.Model:
    program = hw.unrolled(programs.get(name))  # no loop can be tied in this style
    return hw.compile(program, length=length, style="natural", **options)


def digest(model: hw.Model) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(model.module.state_dict().items()):
        found.update(name.encode() + str(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("case", DIGESTS)
def test_the_compact_style_is_what_it_was(case: str) -> None:
    """Bit for bit the tensors that the compiler made before it had another style, or, of programs that count, since one MLP computes
    functions of functions of a count."""
    name, length, dtype = case.split()
    assert digest(hw.compile(programs.get(name), length=int(length), dtype=dtype)) == DIGESTS[case]


@pytest.mark.parametrize("name", programs.names())
def test_the_library_in_the_natural_style(name: str) -> None:
    """Answers of every program against its plain-Python reference."""
    entry, rng = programs.entry(name), random.Random(name)
    model = natural(name, 16 if name in SMALL else 12)
    for _ in range(8):
        tokens = entry.sample(rng, model.length)
        assert model.run(tokens) == entry.reference(tokens), tokens
    with pytest.raises(hw.InputError, match="float32 or float64"):
        natural(name, 8, dtype="bfloat16")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", programs.names())
def test_what_a_reader_sees(name: str) -> None:
    """From the tensors: values keep their directions, cells are 0 or 1, numbers stay small, patterns say what heads do."""
    entry = programs.entry(name)
    model = natural(name, LENGTH if name in SMALL else 12)
    n = model.length
    rows = [entry.sample(random.Random(seed), n) for seed in range(3)]
    taken = [dim for probe in model.probes for dim in probe.dims]
    assert len(taken) == len(set(taken))  # no direction is of two values
    for tensor in model.module.state_dict().values():
        assert tensor.abs().max() <= 24 * n * max(1, _largest(model))
    for tokens in rows:
        ids = torch.tensor([[model.alphabet.id(t) for t in tokens]])
        last: dict[tuple[int, ...], torch.Tensor] = {}  # by their directions: two values may have one name
        before = None
        for block, x in enumerate(model.module.stream(ids)):
            layer = model.module.blocks[block - 1] if block else None
            assert x.abs().max() <= 4 * n * max(1, _largest(model))
            for probe in model.probes:
                cells = x[0, 1:, list(probe.dims)]
                if probe.block <= block:
                    if tuple(probe.dims) in last:  # from birth to the end
                        assert torch.equal(last[tuple(probe.dims)], cells), probe.name
                    last[tuple(probe.dims)] = cells
                    assert ((cells - cells.round()).abs() < 0.01).all() and (cells.round().sum(-1) <= 1).all(), probe.name
            if isinstance(layer, Attention) and before is not None:
                heads = [record for record in model.records if record.block == block]
                for record, weights in zip(heads, layer.pattern(before)[0], strict=True):
                    _pattern(record.does, weights[1:].detach().numpy(), n)
            before = x


def _largest(model: hw.Model) -> int:
    """The largest value that a total adds up."""
    totals = [node for node in model.optimised.nodes if node.op.name == "total"]
    domains = [model.optimised.nodes[node.args[-1]].domain for node in totals]
    return max((max(abs(d.lo), abs(d.hi)) for d in domains), default=1)


def _pattern(does: str, weights: np.ndarray, n: int) -> None:
    """A lookup is at one place, or where it need not pick alike at all matches; a total is alike at its matches. What is not is small."""
    if does.startswith(("causal any", "strict any", "full any")):
        for row in weights:
            matches = row[1:][row[1:] > 1e-3]
            assert row[0] > 0.99 or (row[0] < 0.01 and np.allclose(matches, 1 / len(matches), rtol=0.02)), does
        return
    if not does.startswith("total"):
        assert weights.max(axis=-1).min() > 0.99, does
        return
    rest = weights[:, 0]  # BOS
    for row, bos in zip(weights, rest, strict=True):
        matches = row[1:][row[1:] > 1e-3]
        c = len(matches)
        assert np.allclose(matches, (1 - bos) / max(c, 1), rtol=0.02, atol=1e-3), does
        assert bos >= 0.49 and (not c or matches.min() > 1 / (3 * n)), does


@pytest.mark.slow
@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    numbers=st.lists(st.integers(0, 999), max_size=60),
    causal=st.booleans(),
    n=st.integers(1, 9),
    v=st.integers(1, 4),
    code=st.sampled_from(("auto", "binary")),
    dtype=st.sampled_from(("float32", "float64")),
    heads=st.sampled_from((None, 1, 2)),
)
def test_random_programs_in_the_natural_style(
    numbers: list[int], causal: bool, n: int, v: int, code: str, dtype: str, heads: int | None
) -> None:
    program = generate.program(numbers, causal, most=3)
    try:
        model = hw.compile(program, length=n, alphabet=v, style="natural", code=code, dtype=dtype, heads=heads)
    except hw.ExactnessError as error:
        assert "natural style gives each a direction" in str(error)
        return
    report = hw.check(model, samples=3, exhaustive=0)
    assert report.ok, f"{report}\n{model.stage('optimised')}\n{model.stage('plan')}"
    if heads is not None:
        assert max(model.cost.heads, default=0) <= heads


def test_saved_and_loaded(tmp_path: Path) -> None:
    model = natural("histogram", 16, sharpness=9.5)
    model.save(tmp_path / "h")
    again = hw.load(tmp_path / "h")
    assert (again.style, again.sharpness) == ("natural", 9.5) and digest(again) == digest(model)
    config = json.loads((tmp_path / "h" / "config.json").read_text(encoding="utf-8"))
    assert config["style"] == "natural"
    hw.compile(programs.histogram(), length=16).save(tmp_path / "c")
    assert "style" not in json.loads((tmp_path / "c" / "config.json").read_text(encoding="utf-8"))
    assert f"the style costs {model.cost.parameters:,} parameters where the compact one has" in model.explain()


def test_what_is_refused() -> None:
    with pytest.raises(hw.InputError, match="style 'readable' is not known"):
        hw.compile(programs.induction(), length=8, style="readable")
    with pytest.raises(hw.InputError, match="sharpness is of the natural style"):
        hw.compile(programs.induction(), length=8, sharpness=5)
    with pytest.raises(hw.InputError, match="none of the natural style"):
        natural("induction", 8, code="scalar")
    with pytest.raises(hw.InputError, match="the sharpness is -1"):
        natural("induction", 8, sharpness=-1)

    @hw.program(alphabet=4)
    def large(token: hw.Value, position: hw.Value) -> hw.Value:
        return position * 5000 + hw.previous(position).or_else(0)

    with pytest.raises(hw.ExactnessError, match="the natural style gives each a direction"):
        hw.compile(large, length=16, style="natural")


def test_mlps_are_there() -> None:
    """A count passes two MLPs: levels, and their rounding."""
    model = natural("histogram", 16)
    assert [type(b) for b in model.module.blocks] == [Attention, Mlp, Mlp]


def test_what_is_read_later_through_a_lookup_may_be_made_of_what_it_read_first() -> None:
    """A constant and then a value made of it: when the head is made, the second value has no code yet."""

    @hw.program(alphabet=[0, 1])
    def twice(token: hw.Value) -> hw.Value:
        hit = hw.match(token, hw.previous(token)).latest()
        return hit.fetch(hit.fetch(hw.table(lambda _: 1, token)).or_else(0) + token)

    model = hw.compile(twice, length=5, style="natural")
    assert hw.check(model, exhaustive=5).ok and hw.certify(model)


def test_matrices_that_are_too_many_together_are_refused_before_they_are_made() -> None:
    """A random program of 33 layers in 11,793 dimensions: 13 GB, of matrices that are each allowed."""
    rng = random.Random("0:4592")
    numbers, causal = [rng.randrange(1000) for _ in range(rng.randrange(61))], rng.random() < 0.5
    program = generate.program(numbers, causal, most=3)
    with pytest.raises(hw.InputError, match="1,719,136,368 entries together"):
        hw.compile(program, length=9, alphabet=2, heads=2, dtype="float64", style="natural")


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_what_does_not_match_adds_nothing_to_a_sum_however_much_it_is_worth(length: int) -> None:
    """A sum of numbers up to 40: with all mismatches together a sixteenth of a match they added up to more than 1."""

    @hw.program
    def of_its_kind(token: hw.Value) -> hw.Value:
        worth = hw.table(lambda t: 40 if t == 3 else t, token)
        return hw.match(query=token, key=hw.table(lambda t: 3 - t, token)).sum(worth)

    model = hw.compile(of_its_kind, length=length, alphabet=4, style="natural")
    assert hw.certify(model).margin > 0.25
    for tokens in itertools.product(range(4), repeat=min(length, 4)):
        worth = [40 if t == 3 else t for t in tokens]
        sums = [[w for u, w in zip(tokens[: i + 1], worth, strict=False) if t == 3 - u] for i, t in enumerate(tokens)]
        assert model.run(tokens) == [sum(s) if s else None for s in sums]
