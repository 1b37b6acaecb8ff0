"""The torch module: an ordinary transformer that trains, casts, batches and shows its attention like any other."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn.functional import relu

import headwork as hw
from headwork import programs
from headwork.runtime.module import Attention, AttentionShape, Mask, Mlp, MlpShape, Shape, Transformer
from headwork.runtime.precision import full_precision

MASKS: tuple[Mask, ...] = ("strict", "causal", "full")
SHAPE = Shape(
    alphabet=4,
    length=7,
    d_model=6,
    classes=(5,),
    blocks=(AttentionShape(3, ("strict", "causal", "causal", "full")), MlpShape(8), AttentionShape(2, ("full", "strict")), MlpShape(5)),
)


def rough(shape: Shape = SHAPE, seed: int = 0) -> Transformer:
    """A module with random weights in float64: nothing is special about them."""
    module = Transformer(shape).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return module


def some_ids(rows: int, n: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, SHAPE.alphabet, (rows, n), generator=torch.Generator().manual_seed(seed))


def by_hand(module: Transformer, ids: list[int]) -> torch.Tensor:
    """The whole forward pass of one sequence in loops over positions and heads. Shapes: n -> (n, classes)."""
    rows = [0, *(i + 1 for i in ids)]
    x = torch.stack([module.W_E[r] + module.W_pos[p] for p, r in enumerate(rows)])  # (n + 1, d)
    for block in module.blocks:
        if isinstance(block, Mlp):
            x = x + relu(x @ block.W_in) @ block.W_out
            continue
        assert isinstance(block, Attention)
        added = torch.zeros_like(x)
        for h, mask in enumerate(block.masks):
            q, k, v = x @ block.W_Q[h], x @ block.W_K[h], x @ block.W_V[h]
            for i in range(len(rows)):
                seen = [0] if i == 0 else [t for t in range(len(rows)) if {"causal": t <= i, "strict": t < i, "full": True}[mask]]
                weights = torch.stack([q[i] @ k[t] for t in seen]).softmax(0)
                mixed = torch.stack([w * v[t] for w, t in zip(weights, seen, strict=True)]).sum(0)
                added[i] += mixed @ block.W_O[h]
        x = x + added
    return (x @ module.W_U)[1:]


@pytest.fixture(scope="module")
def induction() -> hw.Model:
    return hw.compile(programs.induction.make(), length=12)


@pytest.fixture(scope="module")
def both_ways() -> hw.Model:
    @hw.program(causal=False, alphabet="abc")
    def p(token: hw.Value) -> hw.Value:
        return hw.match(token, hw.previous(token, by=-1)).unique().fetch(token).or_else(hw.previous(token))

    return hw.compile(p, length=9)


# --- forward and pattern ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(SHAPE.length + 1))
@torch.no_grad()
def test_forward_is_the_textbook_transformer(n: int) -> None:
    module, ids = rough(), some_ids(3, n)
    logits = module(ids)
    assert logits.shape == (3, n, 5)
    for row, got in zip(ids.tolist(), logits, strict=True):
        torch.testing.assert_close(got, by_hand(module, row), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("masks", [*itertools.product(MASKS, repeat=1), *itertools.product(MASKS, repeat=3)], ids="-".join)
@torch.no_grad()
def test_forward_through_pattern_is_forward(masks: tuple[Mask, ...]) -> None:
    """The weights that pattern() shows are those the fused attention uses, in the order of the heads."""
    layer = rough(Shape(4, 7, 6, (5,), (AttentionShape(3, masks),))).blocks[0]
    assert isinstance(layer, Attention)
    x = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    v = torch.einsum("bnd,hde->bhne", x, layer.W_V)
    torch.testing.assert_close(torch.einsum("bhne,hed->bnd", layer.pattern(x) @ v, layer.W_O), layer(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("mask", MASKS)
@torch.no_grad()
def test_rows_sum_to_one_and_see_what_their_mask_lets_them(mask: Mask, n: int) -> None:
    """Row 0 is BOS, which sees itself alone; random weights leave no visible place at zero."""
    layer = rough(Shape(4, 7, 6, (5,), (AttentionShape(3, (mask, mask)),))).blocks[0]
    assert isinstance(layer, Attention)
    pattern = layer.pattern(torch.randn(2, n, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / 4)
    assert pattern.shape == (2, 2, n, n)
    torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 2, n, dtype=torch.float64))
    assert (pattern[:, :, 0, 0] == 1).all()
    for i, t in itertools.product(range(n), repeat=2):
        visible = t == 0 if i == 0 else {"causal": t <= i, "strict": t < i, "full": True}[mask]
        assert ((pattern[:, :, i, t] > 0) == visible).all(), (i, t)


@torch.no_grad()
def test_compiled_heads_put_all_weight_on_one_place(induction: hw.Model, both_ways: hw.Model) -> None:
    for model, symbols in ((induction, "abcd"), (both_ways, "abc")):
        rng = random.Random(0)
        ids = torch.tensor([[rng.randrange(len(symbols)) for _ in range(model.length)] for _ in range(5)])
        previous, layers = None, 0
        for block, x in zip([None, *model.module.blocks], model.module.stream(ids), strict=True):
            if isinstance(block, Attention):
                assert previous is not None
                pattern = block.pattern(previous)[:, :, 1:]
                assert ((pattern == 0) | (pattern == 1)).all() and (pattern.sum(-1) == 1).all()
                layers += 1
            previous = x
        assert layers == model.cost.attention_layers > 0


@torch.no_grad()
def test_stream_hidden_unembed_and_forward_agree(induction: hw.Model) -> None:
    ids = torch.tensor([[0, 1, 2, 0, 1, 3]])
    stages = list(induction.module.stream(ids))
    assert len(stages) == len(induction.module.blocks) + 1
    assert torch.equal(stages[0], induction.module.embed(ids))
    assert torch.equal(stages[-1][:, 1:], induction.module.hidden(ids))
    assert torch.equal(induction.module.unembed(stages[-1][:, 1:]), induction.module(ids))


@torch.no_grad()
def test_causal_models_do_not_see_the_future(induction: hw.Model, both_ways: hw.Model) -> None:
    a, b = torch.tensor([[0, 1, 0, 1, 2]]), torch.tensor([[0, 1, 0, 0, 2]])
    assert torch.equal(induction.module(a)[:, :3], induction.module(b)[:, :3])
    assert not torch.equal(both_ways.module(a)[:, :3], both_ways.module(b)[:, :3])


# --- an ordinary torch module ----------------------------------------------------------------------------


def test_every_parameter_gets_a_gradient() -> None:
    module = rough()
    module(some_ids(3, 6)).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_a_compiled_model_can_be_trained(induction: hw.Model) -> None:
    model = hw.compile(programs.induction.make(), length=12)
    ids = torch.tensor([[0, 1, 2, 3, 0, 1]])
    model.module(ids).logsumexp(-1).sum().backward()
    names = [name for name, p in model.module.named_parameters() if p.grad is None]
    assert names == []
    assert all(p.requires_grad for p in model.module.parameters())
    torch.optim.SGD(model.module.parameters(), lr=0.5).step()
    assert any(not torch.equal(p, q) for p, q in zip(model.module.parameters(), induction.module.parameters(), strict=True))


@pytest.mark.parametrize("causal", [True, False])
def test_to_float64_changes_no_answer(causal: bool) -> None:
    program = programs.khop.make(3) if causal else programs.khop.make(3).bidirectional()
    model = hw.compile(program, length=10)
    rng = random.Random(4)
    rows = [[rng.choice("abcd") for _ in range(n)] for n in (1, 5, 10)]
    before = model.run(rows)
    model.module.to(torch.float64)
    assert {p.dtype for p in model.module.parameters()} == {torch.float64}
    assert model.run(rows) == before == [hw.interpret(model, row) for row in rows]


def test_the_state_dict_has_the_fields_names(induction: hw.Model) -> None:
    module = rough()
    attention, mlp = ("W_Q", "W_K", "W_V", "W_O"), ("W_in", "W_out")
    blocks = [f"blocks.{i}.{name}" for i, names in enumerate((attention, mlp, attention, mlp)) for name in names]
    assert list(module.state_dict()) == ["W_E", "W_pos", "W_U", *blocks]
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    assert shapes["W_E"] == (5, 6) and shapes["W_pos"] == (8, 6) and shapes["W_U"] == (6, 5)
    assert shapes["blocks.0.W_Q"] == (4, 6, 3) and shapes["blocks.0.W_O"] == (4, 3, 6)
    assert shapes["blocks.1.W_in"] == (6, 8) and shapes["blocks.1.W_out"] == (8, 6)
    state = induction.module.state_dict()
    assert {"W_E", "W_pos", "W_U", "blocks.0.W_Q"} <= set(state)
    copy = Transformer(induction.module.shape)
    copy.load_state_dict(state)
    ids = torch.tensor([[0, 1, 2, 0]])
    assert torch.equal(copy(ids), induction.module(ids))


@pytest.fixture
def precision() -> Iterator[None]:
    """Whatever a test does to torch's matmul precision is undone."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("setting", ["medium", "high", "highest"])
@pytest.mark.usefixtures("precision")
def test_matmul_precision_changes_nothing_and_is_restored(setting: str) -> None:
    """Positions up to 512 as scalars: a product in bfloat16, with 8 bits, would not tell them apart."""
    model = hw.compile(programs.induction.make(), length=512)
    rng = random.Random(5)
    tokens = [rng.choice("abcd") for _ in range(512)]
    wanted = programs.induction.reference(tokens)
    torch.set_float32_matmul_precision(setting)
    assert model.run(tokens) == wanted
    assert torch.get_float32_matmul_precision() == setting
    with pytest.raises(hw.InputError, match=r"token id 99 is not in 0\.\.3"):
        model.module(torch.tensor([[99]]))
    assert torch.get_float32_matmul_precision() == setting


def test_autocast_changes_nothing() -> None:
    model = hw.compile(programs.induction.make(), length=512)
    rng = random.Random(5)
    tokens = [rng.choice("abcd") for _ in range(512)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.run(tokens) == programs.induction.reference(tokens)
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_module_brought_to_fewer_bits_is_not_run(dtype: torch.dtype) -> None:
    model = hw.compile(programs.induction.make(), length=12)
    model.module.to(dtype)
    with pytest.raises(hw.InputError, match=r"is exact in float32, and its module was brought to b?float16"):
        model.run(list("abab"))


@pytest.mark.usefixtures("precision")
def test_full_precision_holds_inside_and_is_restored_after_an_error() -> None:
    torch.set_float32_matmul_precision("medium")
    with pytest.raises(ZeroDivisionError), full_precision("cpu"):
        assert torch.get_float32_matmul_precision() == "highest"
        raise ZeroDivisionError
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.usefixtures("precision")
def test_streams_read_in_turn_stay_exact(induction: hw.Model) -> None:
    """Two streams, the first of which ends first: every block of the second still multiplies in full precision."""
    torch.set_float32_matmul_precision("medium")
    seen: list[str] = []
    model = hw.compile(programs.induction.make(), length=12)
    for block in model.module.blocks:
        block.register_forward_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    with torch.no_grad():
        first, second = induction.module.stream(torch.tensor([[0, 1]])), model.module.stream(torch.tensor([[0, 1]]))
        next(first), next(second)
        list(first), list(second)
    assert seen == ["highest"] * len(model.module.blocks)
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.usefixtures("precision")
def test_between_the_steps_of_a_stream_the_caller_has_their_own_precision(induction: hw.Model) -> None:
    torch.set_float32_matmul_precision("medium")
    stream = induction.module.stream(torch.tensor([[0, 1]]))
    next(stream)
    assert torch.get_float32_matmul_precision() == "medium"


# --- run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["induction", "both_ways"])
def test_batches_of_different_lengths_equal_single_runs(fixture: str, request: pytest.FixtureRequest) -> None:
    model: hw.Model = request.getfixturevalue(fixture)
    rng = random.Random(6)
    rows = [[rng.choice(model.alphabet.symbols) for _ in range(n)] for n in (3, 0, model.length, 1, 3, 2, model.length - 1, 0, 3)]
    got = model.run(rows)
    assert got == [model.run(row) for row in rows] == [hw.interpret(model, row) for row in rows]
    assert model.run([tuple(row) for row in rows]) == got
    assert [len(row) for row in got] == [len(row) for row in rows]  # type: ignore[arg-type]


def test_every_length_up_to_n(induction: hw.Model) -> None:
    rng = random.Random(7)
    for n in range(induction.length + 1):
        tokens = [rng.choice("ab") for _ in range(n)]
        assert induction.run(tokens) == programs.induction.reference(tokens)


def test_no_tokens_and_no_sequences(induction: hw.Model) -> None:
    assert induction.run([]) == []
    assert induction.run([[]]) == [[]]
    assert induction.run([[], ["a"], []]) == [[], [None], []]


def test_too_long_a_sequence(induction: hw.Model) -> None:
    for tokens in (["a"] * 13, [["a"], ["a"] * 13]):
        with pytest.raises(hw.InputError, match="the sequence has 13 tokens, more than the length 12") as caught:
            induction.run(tokens)
        assert "greater length" in caught.value.hint


@pytest.mark.parametrize("symbol", ["e", "A", "", " a", 0, None, True, ["a"], {}], ids=repr)
def test_an_unknown_symbol_is_named_with_its_place(symbol: object, induction: hw.Model) -> None:
    for tokens in (["a", "b", symbol, "a"], [["a"], ["a", "b", symbol]]):
        with pytest.raises(hw.InputError) as caught:
            induction.run(tokens)  # type: ignore[arg-type]
        assert caught.value.fact == f"token 3 is {symbol!r}, which is not in the alphabet"
        assert "'a', 'b', 'c', 'd'" in caught.value.hint


def test_a_string_is_no_sequence_of_symbols(induction: hw.Model) -> None:
    """`run("ab")` may mean two tokens or a word: it is refused, never guessed."""
    for tokens in ("ab", ""):
        with pytest.raises(hw.InputError, match="the input is one string") as caught:
            induction.run(tokens)
        assert "list" in caught.value.hint


def test_symbols_that_are_tuples_are_told_from_a_batch() -> None:
    pairs = [(0, 0), (0, 1)]
    model = hw.compile(programs.induction.make(), length=5, alphabet=pairs)
    tokens = [(0, 0), (0, 1), (0, 0)]
    assert model.run([tokens, tokens[:1]]) == [[None, None, (0, 1)], [None]]


def test_a_large_batch_is_run_in_parts(induction: hw.Model) -> None:
    """More rows of one length than fit in one pass come back in their own order."""
    rows = [list(row) for row in itertools.product("abcd", repeat=6)] * 3  # 12,288 rows of 6
    assert 6 * len(rows) > 1 << 16
    assert induction.run(rows) == [programs.induction.reference(row) for row in rows]


def test_a_module_that_counts_is_not_run_in_more_bits_either(tmp_path: Path) -> None:
    """A total is read off a sum that float32 rounds: in float64 nothing rounds it."""
    model = hw.compile(programs.get("sort_by_frequency"), length=16, alphabet=4)
    model.module.double()
    for used in (lambda: model.run([0, 1, 1]), lambda: hw.check(model, samples=2), lambda: model.save(tmp_path / "out")):
        with pytest.raises(hw.InputError, match="is exact in float32, and its module was brought to float64"):
            used()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_a_module_brought_to_another_dtype_is_not_saved(dtype: torch.dtype, tmp_path: Path) -> None:
    """`load` would refuse it."""
    model = hw.compile(programs.induction.make(), length=12)
    model.module.to(dtype)
    with pytest.raises(hw.InputError, match=r"its module was brought to float\d\d"):
        model.save(tmp_path / "out")


def test_ids_and_lengths_that_have_no_row_are_refused(induction: hw.Model) -> None:
    symbols, length = len(induction.alphabet), induction.length
    for odd in (-1, -symbols, symbols, 2**40):
        with pytest.raises(hw.InputError, match=rf"token id {odd} is not in 0..{symbols - 1}"):
            induction.module(torch.tensor([[0, 1], [odd, 0]]))
    with pytest.raises(hw.InputError, match=f"has {length + 1:,} tokens, more than the length {length:,}"):
        induction.module(torch.zeros(1, length + 1, dtype=torch.long))
    assert induction.module(torch.zeros(2, 0, dtype=torch.long)).shape[1] == 0
