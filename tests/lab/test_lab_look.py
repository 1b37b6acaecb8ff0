"""Looking inside: hook points, traces and codes read back, on compiled, loaded and exported models alike."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.compiler.codes.forms import Form
from headwork.lab.trace import Trace
from headwork.runtime.hooks import HookPoint
from headwork.tests import generate

WORDS = "a b c a b c c a".split()


@pytest.fixture(scope="module")
def khop() -> hw.Model:
    return hw.compile(hw.programs.get("khop", k=5), length=16, alphabet="a b c".split())


def one(model: hw.Model, tokens: list[str]) -> Trace:
    found = model.trace(tokens)
    assert isinstance(found, Trace)
    return found


# --- hook points -----------------------------------------------------------------------------------------


def test_hook_points_have_the_names_of_the_field(khop: hw.Model) -> None:
    names = khop.module.hook_points()
    for name in ("hook_embed", "hook_pos_embed", "blocks.0.hook_resid_pre", "blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post"):
        assert name in names
    for part in ("q", "k", "v", "attn_scores", "pattern", "z", "result"):
        assert f"blocks.0.attn.hook_{part}" in names
    assert all(point.name == name for name, point in names.items())
    assert set(names) <= {name for name, _ in khop.module.named_modules()}
    assert not any("hook" in name for name in khop.module.state_dict())


def test_the_cache_holds_what_the_matrices_say(khop: hw.Model) -> None:
    ids = torch.tensor([khop.encode(WORDS)])
    logits, cache = khop.module.run_with_cache(ids)
    assert torch.equal(logits, khop.module(ids))
    stream = list(khop.module.stream(ids))
    n, d, e = len(WORDS) + 1, khop.cost.d_model, khop.module.blocks[0].W_Q.shape[2]
    assert cache["blocks.0.attn.hook_q"].shape == (1, n, 1, e)
    assert cache["blocks.0.attn.hook_pattern"].shape == (1, 1, n, n)
    assert cache["blocks.0.attn.hook_result"].shape == (1, n, 1, d)
    assert torch.equal(cache["blocks.0.attn.hook_pattern"], khop.module.blocks[0].pattern(stream[0]))
    assert torch.equal(cache["blocks.0.attn.hook_q"][0, :, 0], stream[0][0] @ khop.module.blocks[0].W_Q[0])
    assert torch.equal(cache["blocks.1.mlp.hook_pre"], stream[1] @ khop.module.blocks[1].W_in)
    for b, state in enumerate(stream[1:]):
        assert torch.equal(cache[f"blocks.{b}.hook_resid_post"], state)
    assert not any(point.watched for point in khop.module.hook_points().values())


def test_a_pattern_that_is_patched_is_what_the_head_reads(khop: hw.Model) -> None:
    ids = torch.tensor([khop.encode(WORDS)])

    def all_to_the_first(pattern: torch.Tensor, *, hook: HookPoint) -> torch.Tensor:
        assert hook.name == "blocks.6.attn.hook_pattern"
        patched = torch.zeros_like(pattern)
        patched[..., 4] = 1
        return patched

    with torch.no_grad():
        logits = khop.module.run_with_hooks(ids, [("blocks.6.attn.hook_pattern", all_to_the_first)])
    values = one(khop, WORDS)
    wanted = values["out"][3]  # of the fourth token, which row 4 of the pattern is
    assert wanted is not None
    assert {int(c) for c in logits[0].argmax(-1)} == {khop.alphabet.symbols.index(wanted) + 1}


def test_torchs_own_hooks_work_on_points(khop: hw.Model) -> None:
    seen: list[torch.Size] = []
    point = khop.module.hook_points()["blocks.0.attn.hook_pattern"]
    handle = point.register_forward_hook(lambda _, __, output: seen.append(output.shape))
    khop.module(torch.tensor([khop.encode(WORDS)]))
    handle.remove()
    khop.module(torch.tensor([khop.encode(WORDS)]))
    assert seen == [(1, 1, 9, 9)]


def test_open_attention_passes_every_point_and_says_the_same(khop: hw.Model) -> None:
    ids = torch.tensor([khop.encode(WORDS)])
    fused = khop.module(ids)
    khop.module.open_attention()
    try:
        assert torch.equal(khop.module(ids), fused)
    finally:
        khop.module.open_attention(False)


def test_names_pick_points_and_others_are_refused(khop: hw.Model) -> None:
    ids = torch.tensor([khop.encode(WORDS)])
    _, cache = khop.module.run_with_cache(ids, lambda name: name.endswith("hook_z"))
    assert list(cache) == [f"blocks.{b}.attn.hook_z" for b in (0, 2, 4, 6)]
    with pytest.raises(hw.InputError, match=r"there is no hook point 'blocks.0.attn.hook_patern'.*") as error:
        khop.module.run_with_cache(ids, "blocks.0.attn.hook_patern")
    assert "blocks.0.attn.hook_pattern" in str(error.value)


def test_gradients_reach_hook_points() -> None:
    model = hw.compile(hw.programs.get("induction"), length=8, alphabet=3)
    logits, cache = model.module.run_with_cache(torch.tensor([[0, 1, 2, 0]]))
    logits.sum().backward(inputs=[cache["blocks.0.attn.hook_v"]])
    assert cache["blocks.0.attn.hook_v"].grad is not None


# --- codes read back -------------------------------------------------------------------------------------

FORMS = [
    Form("digits", -3, 9), Form("digits", 0, 30, 2), Form("digits", 1, 100, 3), Form("digits", 0, 40, 2, 8), Form("signs", 0, 13),
    Form("onehot", 2, 7), Form("norm", 0, 12), Form("flag", 0, 1), Form("floor", 0, 9), Form("fill", 0, 1), Form("log", -1, 50, 12),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_codes_are_read_back(form: Form) -> None:
    least = 1 if form.kind != "log" else -form.off
    z = np.arange(least, form.top + 1)
    codes = form.encode(z).astype(float)
    assert form.tells
    assert (form.decode(codes) == z).all()
    assert (form.decode(codes + 0.4) == z).all()
    if form.kind != "log":
        assert form.decode(np.zeros((1, form.width)))[0] == 0
    assert form.decode(np.full((2, form.width), [[1e9], [np.nan]])).tolist() == [-1, -1]


@pytest.mark.parametrize("form", [Form("norm", 0, 9, 2), Form("flag", 0, 3), Form("floor", 0, 9, 2), Form("fill", 0, 5)], ids=str)
def test_forms_that_do_not_tell_values_apart_say_so(form: Form) -> None:
    assert not form.tells
    codes = form.encode(np.arange(form.top + 1))
    assert len(np.unique(codes, axis=0)) <= form.top
    assert (form.encode(form.decode(codes.astype(float))) == codes).all() or form.kind == "floor"


# --- traces ----------------------------------------------------------------------------------------------


def test_a_trace_is_the_computation(khop: hw.Model) -> None:
    trace = one(khop, WORDS)
    assert trace.wrong() == {}
    assert trace.labels == ("<bos>", *WORDS)
    assert trace.output == trace.expected == khop.run(WORDS) == hw.interpret(khop, WORDS)
    assert np.array_equal(trace.logits, khop.logits(WORDS))
    assert trace["jump.2"] == [None, None, None, 2, 3, 4, 7, 5]
    stream = list(khop.module.stream(torch.tensor([khop.encode(WORDS)])))
    assert np.array_equal(trace.stream, torch.stack([x[0] for x in stream]).detach().numpy())
    for head in trace.heads:
        assert np.array_equal(head.pattern @ head.v @ khop.module.blocks[head.block].W_O[head.head].detach().numpy(), head.result)
        assert np.array_equal(head.pattern.sum(1), np.ones(len(WORDS) + 1))
    assert [h.label for h in trace.heads][1] == "at: causal only: jump.2 = position"
    assert trace.head(0).reads == [0, 0, 0, 1, 2, 3, 6, 4]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    numbers=st.lists(st.integers(0, 999), max_size=40), causal=st.booleans(), code=st.sampled_from(("auto", "digits:2", "binary", "onehot"))
)
def test_every_named_value_of_random_programs_is_the_interpreters(numbers: list[int], causal: bool, code: str) -> None:
    try:
        model = hw.compile(generate.program(numbers, causal, most=2), length=6, alphabet=3, code=code)
    except hw.ExactnessError:
        return
    for trace in model.trace([[0, 1, 2, 0, 1, 1], [2], [2, 2, 0]]):
        assert isinstance(trace, Trace)
        assert trace.wrong() == {}


def test_loaded_and_exported_models_trace_alike(khop: hw.Model, tmp_path: Path) -> None:
    khop.save(tmp_path / "saved")
    assert str(one(hw.load(tmp_path / "saved"), WORDS)) == str(one(khop, WORDS))
    khop.export(tmp_path / "gpt2", "gpt2", check=False)
    exported = one(hw.read_export(tmp_path / "gpt2"), WORDS)
    assert exported.wrong() == {}
    assert exported.output == khop.run(WORDS)


def test_what_is_no_value_is_nan_and_named(khop: hw.Model, tmp_path: Path) -> None:
    model = hw.load(khop.save(tmp_path / "cut"))
    with torch.no_grad():
        model.module.blocks[0].W_O *= 0.75
    trace = one(model, WORDS)
    assert trace["jump.2"][:3] == [None, None, None]
    assert isinstance(trace["jump.2"][3], float) and math.isnan(trace["jump.2"][3])  # 1.5, which is as near to 1 as to 2
    assert trace["jump.2"][4:] == [2, 3, 5, 4]
    assert trace.wrong()["jump.2"] == [4, 5, 6, 7, 8]
    assert "not the interpreter's at 4, 5, 6, 7, 8" in str(trace)


def test_traces_refuse_what_they_cannot_do(khop: hw.Model) -> None:
    with pytest.raises(hw.InputError, match="a sequence has no tokens"):
        khop.trace([])
    with pytest.raises(hw.InputError, match="there is no value 'jump@att'"):
        one(khop, WORDS)["jump@att"]
    with pytest.raises(hw.InputError, match="'match' has no place of its own"):
        one(khop, WORDS)["match"]
    with pytest.raises(hw.InputError, match="there is no head 3 in block 0"):
        one(khop, WORDS).head(0, 3)
    with pytest.raises(hw.InputError, match=r"id 2 is 3, which is not in 0..2"):
        khop.decode([0, 3])
    assert khop.decode(khop.encode(WORDS)) == WORDS


def test_a_trace_says_what_run_says_where_a_mean_is_returned() -> None:
    @hw.program(alphabet="ab")
    def shares(token):
        return hw.visible(token).mean(token == "a"), hw.table({"a": 0.5, "b": "rest"}.get, token), token

    model, text = hw.compile(shares, length=4), list("aabb")
    for style_model in (model, hw.compile(shares, length=4, style="natural")):
        trace = one(style_model, text)
        assert trace.output == style_model.run(text) == hw.interpret(shares, text)
        assert trace.expected == trace.output and not trace.wrong()
    changed = hw.intervene(model, text, {"token": {1: "b"}})
    assert changed.output == hw.interpret(shares, list("babb")) == hw.interpret(model, text, set={"token": {1: "b"}})


def test_symbols_that_break_a_line_are_shown_on_one() -> None:
    @hw.program(alphabet=["x y", "\n", "\x1b[31m"])
    def odd(token):
        return hw.previous(token)

    model = hw.compile(odd, length=3)
    text = str(model.trace(["x y", "\n", "\x1b[31m"]))
    assert text.splitlines()[1].endswith(r"x y '\n' '\x1b[31m'") and "\x1b" not in text
    changed = str(hw.intervene(model, ["x y", "x y"], {"fetch": {2: "\n"}}))
    assert changed.splitlines()[-1].endswith(r"⊥ '\n'")
