"""Certificates: the library is proved right, damaged models are refused with the place, and what is certified passes every check."""

from __future__ import annotations

import random

import pytest

import headwork as hw
from headwork import programs
from headwork.runtime.longest import longest
from headwork.tests import generate, mutate

SMALL: dict[str, dict[str, object]] = {  # sizes at which every input can be run many times
    "previous": {"length": 4, "alphabet": 3},
    "induction": {"length": 4, "alphabet": 3},
    "khop": {"length": 4, "alphabet": 3},
    "skip_trigram": {"length": 2},
    "recall": {"length": 2},
    "compose": {"length": 1},
    "ioi": {"length": 4, "alphabet": ["Mary", "John", "gave"]},
}
PARAMETERS: dict[str, dict[str, object]] = {"khop": {"k": 3}, "ioi": {"names": ("Mary", "John")}}


# --- what ships ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", programs.names())
@pytest.mark.parametrize(("length", "dtype"), [(64, "float32"), pytest.param(1024, "float32", marks=pytest.mark.slow)])
def test_every_program_is_certified(name: str, length: int, dtype: str) -> None:
    model = hw.compile(programs.get(name), length=length, dtype=dtype)
    proof = hw.certify(model)
    model = model.repeat(1) if isinstance(model, hw.Looped) else model
    assert proof.length == length and proof.dtype == dtype and len(proof.heads) == sum(model.cost.heads)
    assert proof.smallest_gap >= 104 and proof.logit_margin > 0
    assert f"every sequence of 1..{length:,} tokens over {len(model.alphabet):,} symbols" in proof.statement
    # The checker counts the same sums as the planner's inequality, on the tensors; it may find them smaller, never larger.
    planned = {(r.block, r.name): r.steps for r in model.records}
    assert all(h.steps <= planned[h.block, h.lookup] for h in proof.heads)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("code", ["scalar", "digits:2", "binary", "onehot"])
@pytest.mark.parametrize("name", programs.names())
def test_every_code_is_certified(name: str, code: str) -> None:
    for length, alphabet in ((1, 1), (2, 7), (40, 33)):
        if length == 1 and (name == "ngram" or (name, code) == ("reverse", "digits:2")):
            continue  # it looks at two tokens; the checker does not see that the only position is 1
        fixed = programs.entry(name).alphabet_fixed
        model = hw.compile(programs.get(name), length=length, alphabet=None if fixed else alphabet, code=code, dtype="float64")
        assert hw.certify(model).length == length


def test_long_and_deep_models_are_certified() -> None:
    """The tables are read once; beyond that the work does not grow with the length."""
    model = hw.compile(programs.get("khop", k=16), length=16_384, alphabet=1024)
    assert len(hw.certify(model).heads) == 6
    positions = hw.program(name="where")(lambda token: hw.match(token, token, before=True).latest().position)
    assert hw.certify(hw.compile(positions, length=3000, alphabet=5)).logit_margin > 0  # the output has 3,000 classes


# --- what is damaged -------------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@pytest.mark.parametrize("kind", mutate.KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_mutants_that_are_accepted_change_nothing(name: str, kind: str) -> None:
    """The truth about a mutant is known: at these sizes every input is run and every value compared with the interpreter's."""
    model = hw.compile(programs.get(name, **PARAMETERS.get(name, {})), **SMALL[name])
    assert hw.certify(model)
    rng, verdicts = random.Random(name + kind), []
    for _ in range(40 if kind == "one weight" else 12):
        fault = mutate.KINDS[kind](model, rng)
        verdicts.append(mutate.verdict(model, fault))
        assert verdicts[-1] != "wrong", fault.what
    if kind in ("one weight", "two weights"):
        assert verdicts.count("refused") > len(verdicts) / 2
    assert hw.certify(model)  # the faults are gone


FAULTS = {  # tensor, index, new value: what is said of it, for induction at length 8 over 3 symbols
    "W_E": (("W_E", (2, 1), 5.0), r"W_E\[2, 1\] is 5, token needs 2"),
    "BOS": (("W_pos", (0, 0), 1.0), r"BOS \(row 0 of W_E and W_pos\) is not zero"),
    "W_Q": (("blocks.0.W_Q", None, 0.0), r"block 1, head 0 \(\S+\)"),
    "W_K": (("blocks.2.W_K", None, 0.0), r"block 3, head 0 \(\S+\)"),
    "W_V": (("blocks.0.W_V", None, 0.0), r"block 1"),
    "W_O": (("blocks.2.W_O", None, -1.0), r"block 3, head 0, value \S+: what is read is not the code of"),
    "W_U": (("W_U", None, 0.0), r"the output"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_changed_by_one_weight_is_refused_with_the_place(name: str) -> None:
    (tensor, index, value), place = FAULTS[name]
    model = hw.compile(programs.get("induction"), length=8, alphabet=3)
    assert hw.certify(model)
    data = dict(model.module.named_parameters())[tensor].data
    at = index or tuple(data.nonzero()[0].tolist())
    assert data[at] != value
    data[at] = value
    with pytest.raises(hw.Refused, match=place) as refused:
        hw.certify(model)
    shown = refused.value.witness
    assert refused.value.kind == ("shown wrong" if shown else "not shown") and (name == "BOS" or shown is not None)
    with pytest.raises(hw.Refused, match=place) as refused:
        hw.certify(model, witness=False)
    assert refused.value.kind == "not shown" and refused.value.witness is None


def test_refusals_name_what_was_seen() -> None:
    model = hw.compile(programs.get("induction"), length=16, alphabet=3)
    with pytest.raises(hw.Refused, match="the winner leads by 128 nats only, 746 are needed"):
        hw.certify(model, "float64")
    with pytest.raises(hw.Refused, match=r"is not exact in bfloat16: \d+ steps > 2\*\*8"):
        hw.certify(model, "bfloat16")
    with pytest.raises(hw.InputError, match="there is no rule for int8"):
        hw.certify(model, "int8")
    model.module.double()
    with pytest.raises(hw.Refused, match=r"W_E is torch.float64, the model is said to be float32"):
        hw.certify(model)


def test_another_program_is_refused() -> None:
    """The optimised graph of one program does not pass for another program's, nor its tensors for another length."""
    from dataclasses import replace

    ours, other = (hw.compile(programs.get("khop", k=k), length=8, alphabet=3) for k in (2, 3))
    with pytest.raises(hw.Refused, match="not shown to mean what the program means"):
        hw.certify(replace(ours, graph=other.graph))
    longer = hw.compile(programs.get("khop", k=2), length=9, alphabet=3)
    with pytest.raises(hw.Refused, match=r"W_pos has shape"):
        hw.certify(replace(longer, module=ours.module))


# --- what is random --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2024, pytest.param(2025, marks=pytest.mark.slow), pytest.param(2026, marks=pytest.mark.slow)])
def test_certified_random_programs_are_right_on_every_input(seed: int) -> None:
    rng, certified = random.Random(seed), 0
    for _ in range(40):
        numbers = [rng.randrange(1000) for _ in range(rng.randrange(50))]
        code, dtype = rng.choice(("auto", "digits:2", "binary", "onehot")), rng.choice(("float32", "float64"))
        program = generate.program(numbers, rng.random() < 0.5, most=3)
        model = hw.compile(program, length=rng.randint(1, 4), alphabet=rng.randint(1, 3), code=code, dtype=dtype)
        try:
            hw.certify(model)
        except hw.Refused as refusal:
            assert refusal.fact
            continue
        certified += 1
        assert hw.check(model, exhaustive=model.length, samples=0).ok, numbers
    assert certified >= 36  # the others are refused with a reason: a limit of the checker, docs/certificate.md


# --- precision -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "dtype", "alphabet"),
    [
        ("khop", "scalar", "float32", 4),
        ("khop", "digits:2", "float16", 3),
        ("previous", "scalar", "float16", 4),
        ("previous", "digits:2", "bfloat16", 2),
        ("induction", "binary", "float16", 4),
        ("compose", "scalar", "float32", None),
    ],
)
def test_the_longest_sequence_is_where_compiling_ends(name: str, code: str, dtype: str, alphabet: int | None) -> None:
    """Found from the inequalities at a short length; the compiler accepts N and refuses N + 1, and N is certified."""
    program = programs.get(name)
    found = longest(hw.compile(program, length=4, alphabet=alphabet, code=code, dtype=dtype))
    limit = hw.compile(program, length=found.length, alphabet=alphabet, code=code, dtype=dtype)
    with pytest.raises(hw.ExactnessError) as error:
        hw.compile(program, length=found.length + 1, alphabet=alphabet, code=code, dtype=dtype)
    assert found.because.split(" = ")[-1] == error.value.fact.split(" = ")[-1]
    assert found.length == min(n for _, n in found.heads)
    assert hw.certify(limit).length == found.length


def test_precision_says_which_arithmetics_do() -> None:
    model = hw.compile(programs.get("khop", k=3), length=10, alphabet=2)
    needed = hw.precision(model)
    assert needed.bits == max(bits for *_, bits in needed.heads) <= 11
    assert needed.arithmetics["float32"] == needed.arithmetics["float16"] == "certified"
    assert "746 are needed" in needed.arithmetics["float64"] and "bfloat16" in needed.arithmetics["bfloat16"]
    assert "exact to length 2,364; at 2,365" in str(needed)
    assert hw.precision(hw.compile(programs.get("khop", k=3), length=10, alphabet=2, dtype="float64")).bits == needed.bits


def test_tf32_rounds_what_enters_a_product_and_adds_up_in_float32() -> None:
    """Two digits and their squares up to 2**11 enter as they are, though scores need more than 11 bits; greater ones do not."""
    previous = programs.get("previous")
    sums = hw.precision(hw.compile(previous, length=1000, alphabet=4, code="digits:2"))
    assert sums.bits > 11 and sums.arithmetics["tf32"] == "certified" and sums.arithmetics["float16"] != "certified"
    beyond = hw.precision(hw.compile(previous, length=1300, alphabet=4, code="digits:2"))
    assert beyond.arithmetics["float32"] == "certified" and "tf32" in beyond.arithmetics["tf32"]


def test_a_table_over_positions_has_no_longest_sequence() -> None:
    program = hw.program(name="odd")(lambda token, position: hw.table(lambda p: p % 2 == 1, position))
    needed = hw.precision(hw.compile(program, length=8, alphabet=2))
    assert "made for length 8" in str(needed)
