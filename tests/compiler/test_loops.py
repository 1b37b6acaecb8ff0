"""Loops: one block, applied again and again, against plain iteration; and bodies that are refused, with the reason."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
import torch

import headwork as hw
from headwork.compiler.tied.parts import parts_of

WORDS = tuple("abcd")


@hw.program(alphabet=WORDS)
def chain(token: hw.Value) -> hw.Value:
    jump = hw.match(query=token, key=token, before=True).latest().position + 1
    return token.at(hw.loop(2, lambda p: p.at(p), jump))


@hw.program(alphabet=WORDS)
def mixed(token: hw.Value, position: hw.Value) -> tuple[hw.Value, ...]:
    """Counts inside the body, reads what was found before the loop, swaps two values, and keeps one."""
    jump = hw.match(query=token, key=token, before=True).latest().position
    there = token.at(jump)

    def body(p: hw.Value, far: hw.Value, on: hw.Value, a: hw.Value, b: hw.Value, kept: hw.Value) -> tuple[hw.Value, ...]:
        more = hw.match(query=far, key=far).count()
        back = hw.match(query=token, key=there).latest().fetch(a)  # a lookup that was there before, of a value that changes
        return p.at(p), hw.minimum(far + more, 9), on | (token.at(p) == there).or_else(False), b, back.or_else(a), kept

    return hw.loop(3, body, jump, 0, False, position, position * 2, token)


@hw.program(alphabet=WORDS, causal=False)
def spread(token: hw.Value) -> hw.Value:
    return hw.loop(lambda n: n, lambda on: on | hw.match(query=token, key=token).latest().fetch(on), token == "a")


PROGRAMS = [chain, mixed, spread]


def texts(length: int, seed: int = 0) -> list[list[str]]:
    rng = random.Random(seed)
    short = [list(t) for n in (1, 2) for t in itertools.product("ab", repeat=n)]
    return short + [rng.choices(WORDS[: rng.randint(1, 4)], k=rng.randint(1, length)) for _ in range(20)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_every_number_of_rounds_is_plain_iteration(program: hw.Program) -> None:
    model = hw.compile(program, length=12)
    assert isinstance(model, hw.Looped)
    for times in (0, 1, 2, 4):
        plain, rows = hw.unrolled(program, times), texts(12, times)
        assert model.run(rows, times=times) == [hw.interpret(plain, text, length=12) for text in rows]
    assert hw.check(model.repeat(3), samples=8, exhaustive=1).ok and hw.check(model.repeat(0), samples=4, exhaustive=1).ok
    assert model.run(list("abcabc")) == hw.interpret(program, list("abcabc"), length=12)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_parameters_do_not_grow_with_the_rounds(program: hw.Program) -> None:
    model = hw.compile(program, length=12)
    once, often = model.repeat(1), model.repeat(40)
    assert once.cost.parameters == often.cost.parameters == model.cost.parameters
    layers = [model.repeat(t).cost.attention_layers for t in (0, 1, 2, 7)]
    assert layers[2] - layers[1] == layers[1] - layers[0] > 0 and layers[3] == layers[0] + 7 * (layers[1] - layers[0])
    own = {id(p) for p in once.module.parameters()}
    assert {id(p) for p in often.module.parameters()} == own  # one set of parameters, however often the block is applied


def test_a_change_of_the_block_changes_every_round() -> None:
    model = hw.compile(chain, length=12)
    w = model.repeat(3).module.blocks[2].W_V
    with torch.no_grad():
        w.zero_()
    assert not model.repeat(5).module.blocks[6].W_V.any()
    assert model.run(list("aaaa")) != hw.interpret(chain, list("aaaa"), length=12)
    model.module.blocks[2].W_V = torch.nn.Parameter(w.clone())
    with pytest.raises(hw.InputError, match="other weights in block 2"):
        model.repeat(1)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_checkpoint_has_the_block_once(program: hw.Program, tmp_path: Path) -> None:
    model = hw.compile(program, length=12)
    again = hw.load(model.repeat(5).save(tmp_path / "five"))
    assert isinstance(again, hw.Looped) and again.times == 5
    model.repeat(1).save(tmp_path / "one")
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (tmp_path / "five" / "model.safetensors").read_bytes()
    for times in (0, 1, 4):
        assert again.run(texts(12), times=times) == model.run(texts(12), times=times)
    written = [[(n.op, n.args, n.domain) for n in one.repeat(2).graph.nodes] for one in (again, model)]
    assert written[0] == written[1]


def test_what_looks_into_a_model_looks_into_every_round() -> None:
    model = hw.compile(chain, length=12)
    trace = model.trace(list("abcabcab"))
    assert trace.values is not None
    names = [probe.name for probe in model.probes]
    assert "p (round 1)" in names and "p (round 2)" in names
    assert len(model.module.hook_points()) == len(set(id(p) for p in model.module.hook_points().values()))


def test_what_changes_weights_changes_the_rounds_written_out(tmp_path: Path) -> None:
    model = hw.compile(chain, length=6)
    hidden = hw.disguise(model, 3).model
    assert not isinstance(hidden, hw.Looped) and hidden.run(list("aaaa")) == model.run(list("aaaa"))
    assert "chain" in model.report(list("aaaa"), certify=False).html
    assert hw.load(model.unrolled().save(tmp_path / "plain")).run(list("aaaa")) == model.run(list("aaaa"))
    assert hw.certify(model.unrolled()) and model.unrolled().unrolled().cost.parameters > model.cost.parameters


def test_the_state_has_the_least_domain_that_is_kept() -> None:
    parts = parts_of(mixed, 12, None, "float32")
    domains = dict(zip(parts.names, parts.domains, strict=True))
    assert (domains["far"].lo, domains["far"].hi) == (0, 9) and domains["p"].lag == -1
    assert (domains["a"].kind, domains["a"].hi) == ("int", 24)  # a position, until it is twice one
    assert 5 not in parts.changing  # what is handed on as it is has no move

    @hw.program(alphabet=2)
    def slow(token: hw.Value) -> hw.Value:
        return hw.loop(3, lambda c: hw.minimum(c + 1, 1000), token + 0)

    (domain,) = parts_of(slow, 4, None, "float32").domains
    assert (domain.lo, domain.hi) == (0, 1000)


def refused(times: object, body: object, *start: object, error: type[Exception] = hw.ProgramError) -> str:
    @hw.program(alphabet=WORDS)
    def program(token: hw.Value, position: hw.Value) -> object:
        given = [{"token": token, "position": position}.get(x, x) if isinstance(x, str) else x for x in start]
        return hw.loop(times, body, *given)  # type: ignore[arg-type]

    with pytest.raises(error) as found:
        hw.compile(program, length=8)
    assert "test_loops.py" in str(found.value) or not isinstance(found.value, hw.DomainError)
    return str(found.value)


def test_bodies_that_are_refused() -> None:
    grows = refused(2, lambda c: c * 2 + 1, "position", error=hw.DomainError)
    assert "does not keep c" in grows and "hw.minimum" in grows
    assert "makes a boolean of c" in refused(2, lambda c: c == 1, "position", error=hw.DomainError)
    assert "returns what it is given" in refused(2, lambda c: c, "position")
    assert "returned 1 values and takes 2" in refused(2, lambda a, b: a, "position", "token")
    assert "takes 2 values and is started from 1" in refused(2, lambda a, b: (a, b), "position")
    assert "repeats -1 times" in refused(-1, lambda c: c.at(c), "position")
    assert "repeats 'x' times" in refused("x", lambda c: c.at(c), "position")
    assert "not a function" in refused(2, 3, "position")
    assert "None, which is ⊥ of no kind" in refused(2, lambda a, b: (a.at(a), b), "position", None)
    assert "given no state" in refused(2, lambda: 1)


def test_one_loop_is_tied_and_others_are_written_out() -> None:
    @hw.program(alphabet=WORDS)
    def two(token: hw.Value, position: hw.Value) -> hw.Value:
        p = hw.loop(1, lambda p: p.at(p), position - 1)
        return hw.loop(1, lambda p: p.at(p), p)

    with pytest.raises(hw.ProgramError, match="second loop") as found:
        hw.compile(two, length=8)
    assert "hw.unrolled" in str(found.value)
    plain = hw.compile(hw.unrolled(two), length=8)
    assert not isinstance(plain, hw.Looped) and plain.run(list("abcdabcd")) == hw.interpret(two, list("abcdabcd"))

    @hw.program(alphabet=WORDS)
    def nested(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.loop(2, lambda p: hw.loop(2, lambda q: q.at(q), p), position - 1)

    inner = hw.compile(nested, length=12)
    assert isinstance(inner, hw.Looped) and inner.repeat(1).cost.attention_layers == inner.repeat(0).cost.attention_layers + 2
    assert inner.run(list("abcdabcdabcd")) == hw.interpret(nested, list("abcdabcdabcd"))


def test_a_program_inside_another_keeps_its_loop() -> None:
    @hw.program(alphabet=WORDS)
    def outer(token: hw.Value) -> hw.Value:
        return chain(token).or_else("a")

    model = hw.compile(outer, length=8)
    assert isinstance(model, hw.Looped)
    assert model.run(list("abcabcab")) == hw.interpret(outer, list("abcabcab"))


def test_a_style_that_ties_nothing_is_refused() -> None:
    with pytest.raises(hw.InputError, match="the natural style ties no weights") as found:
        hw.compile(chain, length=8, style="natural")
    assert "hw.unrolled" in str(found.value)
    for times in ("3", -1, True, 1 << 20):
        with pytest.raises(hw.ProgramError, match="times="):
            hw.compile(chain, length=8).repeat(times)  # type: ignore[arg-type]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("code", "dtype"), [("binary", "float32"), ("onehot", "float64"), ("digits:2", "float32")])
def test_other_codes_and_few_heads(code: str, dtype: str) -> None:
    model = hw.compile(mixed, length=12, code=code, dtype=dtype, heads=1)
    assert set(model.cost.heads) == {1}
    assert hw.check(model.repeat(2), samples=2, exhaustive=1).ok and hw.certify(model)
