"""Sparse execution: the same answers and the same stream as the dense engine, from an index that checks itself; sessions; tampering."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs, protocols
from headwork.execution import engine as engines, grounds
from headwork.execution.attend import CAUSAL, FULL, STRICT, picks, totals
from headwork.execution.session import generate_all
from headwork.execution.table import head_of, indexes, room
from headwork.runtime.model import Model
from headwork.tests.generate import program


def model(name: str, length: int = 40, **options: object) -> Model:
    entry = programs.entry(name)
    return hw.compile(entry.program(), length=length, alphabet=entry.alphabet, **options)  # pyright: ignore[reportArgumentType]


def same(one: Model, texts: list[list[int]], audit: int = 0) -> set[str]:
    """Both engines on some texts: streams, classes. Returns the heads that were scored densely."""
    found = engines.engine(one, audit=audit)
    for ids in texts:
        assert torch.equal(one.classes([ids]), found.classes([ids]))
        with torch.no_grad():
            pairs = zip(one.module.stream(torch.tensor([ids])), found.stream(torch.tensor(ids)), strict=True)
            for block, (dense, sparse) in enumerate(pairs):
                assert torch.equal(dense[0], sparse), f"{one.name}, {len(ids)} tokens, block {block}"
    return found.dense


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", programs.names())
def test_library(name: str) -> None:
    one, rng = model(name), random.Random(name)
    entry, ids = programs.entry(name), range(len(one.alphabet))
    texts = [one.encode(entry.sample(rng, n)) for n in (3, 40)] + [rng.choices(ids, k=n) for n in (1, 2, 17, 40)]
    assert same(one, texts, audit=2) == set()


@pytest.mark.parametrize("name", ["permute", "sort", "list_ranking", "connected_components"])
def test_protocols(name: str) -> None:
    entry = protocols.entry(name)
    one = hw.compile(entry.protocol(), length=16)
    assert same(one, [one.encode(list(case.machines)) for case in entry.cases(random.Random(name), 16)[:4]]) == set()


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    rng = random.Random(seed)
    numbers = [rng.randrange(1000) for _ in range(rng.randint(4, 40))]
    try:
        one = hw.compile(program(numbers, causal=bool(seed % 2)), length=24, alphabet=4)
        grounds.require(one)
    except (hw.HeadworkError, RecursionError):
        return
    same(one, [rng.choices(range(4), k=rng.randint(1, 24)) for _ in range(3)], audit=1)


def scores(q: np.ndarray, k: np.ndarray, r: np.ndarray, s: np.ndarray, mask: int) -> np.ndarray:
    """All scores, BOS's 0 first, -inf where a position does not see."""
    n = len(q)
    score = q @ k.T + r + s[:, None]
    score[:, 0] = 0
    i, t = np.arange(n)[:, None], np.arange(n)
    seen = (t <= i) if mask == CAUSAL else (t < i) if mask == STRICT else (t >= 0)
    return np.where(seen | (t == 0), score, -np.inf)


@pytest.mark.parametrize("mask", [CAUSAL, STRICT, FULL])
@pytest.mark.parametrize("values", [3, 60])
def test_the_index_finds_what_all_scores_say(mask: int, values: int) -> None:
    """Equal keys, in one class and in many, by codes of numbers, of signs and of two numbers; the latest wins."""
    rng, n = np.random.default_rng(values + mask), 300
    z, a = rng.integers(0, values, (2, n)), 1000.0
    codes = [z[..., None], np.stack([z % 7, z // 7], -1), np.where(z[..., None] >> np.arange(6) & 1, 1, -1)]
    for number, code in enumerate(codes):
        b, k = code
        half = a / 2 if number == 2 else a
        q, r, s = half * 2 * b.astype(float), np.arange(n) * 1.0 - half * (k**2).sum(1), -half * (b**2).sum(1)
        wanted = scores(q, k.astype(float), r, s, mask).argmax(1)
        index, winner = head_of(indexes(np.array([k.shape[1]]), n), 0), np.zeros(n, np.int64)
        assert picks(index, mask, q, k.astype(np.int64), r, s, 1.0, 1e9, room(index), winner) == 0
        assert (winner[1:] == wanted[1:]).all()
        r = -32.0 - half * (k**2).sum(1)
        matched = scores(q, k.astype(float), r, s, mask)[1:, 1:] == -32
        index, found = head_of(indexes(np.array([k.shape[1]]), n, 1), 0), np.zeros((n, 1))
        v = rng.integers(-5, 6, (n, 1)).astype(float)
        assert totals(index, mask, q, k.astype(np.int64), r, s, v, 104.0, 32.0, 1e9, room(index), found) == 0
        assert (found[1:] == matched @ v[1:]).all()


def test_a_lead_that_is_too_small_is_not_used() -> None:
    """Two keys of one class with equal scores, keys of other classes too near, and keys that a total may not see: no index says it."""
    n, zero = 4, np.zeros(4)
    one = np.ones((n, 1))
    for r in (np.array([0.0, 5, 5, 5]), np.array([0.0, 5, 5.5, 9])):
        index, winner = head_of(indexes(np.array([1]), n), 0), np.zeros(n, np.int64)
        assert picks(index, CAUSAL, 9 * one, one.astype(np.int64), r, zero, 1.0, 1e9, room(index), winner) == -2
    index, found = head_of(indexes(np.array([1]), n, 1), 0), np.zeros((n, 1))
    r = np.array([0.0, -41, -50, -41])
    assert totals(index, CAUSAL, 9 * one, one.astype(np.int64), r, zero, one, 104.0, 32.0, 1e9, room(index), found) == -2


def test_engines_by_name() -> None:
    one = model("induction")
    text = "a rose is a rose is a".split()
    one = hw.compile(programs.get("induction"), length=16, alphabet=sorted(set(text)))
    assert one.run(text, engine="sparse", audit=4) == one.run(text, engine="dense") == one.run(text)
    with pytest.raises(hw.InputError, match="no engine 'fast'"):
        one.run(text, engine="fast")
    with pytest.raises(hw.InputError, match="cannot audit -1"):
        one.run(text, engine="sparse", audit=-1)
    report = hw.check(one, samples=8, engine="sparse")
    assert report.ok and report.values > 100


def test_what_is_not_certified_runs_dense_and_says_so() -> None:
    one = model("khop")
    with torch.no_grad():
        one.module.state_dict()["blocks.0.W_Q"].neg_()
    ids = [one.encode(programs.entry("khop").sample(random.Random(0), 20))]
    with pytest.raises(hw.InputError, match=r"cannot run sparsely: there is no certificate: .*block 1"):
        one.classes(ids, "sparse")
    assert torch.equal(one.classes(ids, "auto"), one.classes(ids))
    assert one.session().engine == "dense" and "certificate" in one.session().reason


@pytest.mark.parametrize("name", ["khop", "histogram", "ngram", "nearest"])
def test_mutants_are_refused_or_agree(name: str) -> None:
    """One weight changed, and the unchanged model's certificate used all the same: the index agrees, or says that nothing leads."""
    one, rng = model(name, 20), np.random.default_rng(7)
    shown, entry = grounds.require(one), programs.entry(name)
    texts = [one.encode(entry.sample(random.Random(i), 20)) for i in range(3)]
    names = [n for n, t in one.module.state_dict().items() if n.endswith(("W_Q", "W_K"))]
    kept, agreed, refused = {n: t.clone() for n, t in one.module.state_dict().items()}, 0, 0
    for _ in range(24):
        which = names[rng.integers(len(names))]
        flat = one.module.state_dict()[which].view(-1)
        at = rng.integers(len(flat))
        flat[at] = flat[at] * float(rng.choice([0, -1, 2, 0.5])) if flat[at] else float(rng.choice([1, -8, 128]))
        assert grounds.stamp(one) != b"" and grounds.known(one) is None  # the certificate is not of these tensors
        found = engines.engine(one, replace(shown))
        for ids in texts:
            try:
                said = found.classes([ids])
            except hw.InputError as error:
                assert "are not those of its certificate" in str(error)
                refused += 1
            else:
                assert torch.equal(one.classes([ids]), said), f"{which}[{at}]"
                agreed += 1
        one.module.load_state_dict(kept)
    assert agreed > 10 and refused > 5


def test_sessions(tmp_path: Path) -> None:
    """Texts read in pieces, forked, saved and restored answer as `run` does; sparse and dense."""
    entry, one = programs.entry("khop"), hw.compile(programs.get("khop", k=3), length=700, alphabet=5)
    rng = random.Random(3)
    text = rng.choices(one.alphabet.symbols, k=700)
    wanted = one.run(text, engine="dense")
    for engine, n in (("sparse", 700), ("dense", 60)):
        session = one.session(engine)
        assert session.engine == engine and session.feed([]) == []
        assert session.feed(text[: n // 2]) == wanted[: n // 2]
        fork = session.fork()
        saved = session.save(tmp_path / f"{engine}.npz")
        assert session.feed(text[n // 2 : n]) == wanted[n // 2 : n]
        assert session.answers == wanted[:n] and session.text == text[:n] and len(fork) == n // 2
        assert fork.feed(text[n // 2 : n]) == wanted[n // 2 : n]
        back = one.session(engine).restore(saved)
        assert back.feed(text[n // 2 : n]) == wanted[n // 2 : n]
    with pytest.raises(hw.InputError, match="701 tokens"):
        one.session().feed(text + text[:1])
    with pytest.raises(hw.InputError, match="another model"):
        model("induction").session().restore(tmp_path / "sparse.npz")
    assert entry.name == "khop"


def test_sessions_say_what_the_model_says() -> None:
    one = model("turing", 40)
    by_hand = hw.generate(one, ["start"], 30)
    assert len(by_hand) > 10
    for engine in ("sparse", "dense"):
        session = one.session(engine)
        session.feed(["start"])
        assert session.verify(by_hand) is None
        assert session.verify([*by_hand[:5], "start", *by_hand[6:]]) == 5 and session.verify(["start"]) == 0 and session.verify([]) is None
        assert session.verify([*by_hand, "start"]) == len(by_hand)  # the machine has halted
        assert one.session(engine).verify(by_hand) == 0  # nothing was read, so nothing is said
        with pytest.raises(hw.InputError, match="the text would have 41 tokens"):
            session.verify(["start"] * 40)
        assert list(session.fork().stream(30)) == by_hand
        assert generate_all([session.fork(), session], 4) == [by_hand[:4]] * 2
        assert session.generate(40) == by_hand[4:]
    assert one.run(["start", *by_hand])[:-1] == by_hand
    with pytest.raises(hw.InputError, match="cannot generate"):
        one.session().generate(1)
    with pytest.raises(hw.InputError, match="bidirectional"):
        model("sort").session()


def test_counts_are_drawn_from_a_session() -> None:
    one = model("ngram_counts")
    words = list(programs.entry("ngram_counts").alphabet)  # pyright: ignore[reportArgumentType]
    said = hw.sample(one, words[:4], 12, seed=2)
    session = one.session("sparse")
    assert session.feed([*words[:4], *said]) == one.run([*words[:4], *said], engine="dense")


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_sessions_refuse_what_is_odd(engine: str, tmp_path: Path) -> None:
    session = hw.compile(programs.get("induction"), length=6, alphabet="ab").session(engine)
    session.feed(list("abab"))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", read=np.zeros(3), of=np.zeros(3), text=np.zeros(3))
    for name in ("array.npy", "other.npz"):
        with pytest.raises(hw.InputError, match="is no saved session"):
            session.restore(tmp_path / name)
    with pytest.raises(hw.InputError, match="names no file"):
        session.save("")
    for wrong in ("a", -1, 1.5, True):
        with pytest.raises(hw.InputError, match="cannot generate"):
            list(session.stream(wrong))
    with pytest.raises(hw.InputError, match="9 tokens, more than the length 6"):
        session.verify(list("ababa"))
    assert session.verify(list("ab")) is None and session.verify(list("aa")) == 1
    assert session.generate(np.int64(2)) == ["a", "b"]


@pytest.mark.parametrize(
    "ids", [[[0], [0, 1]], [["a"]], [[1.5]], [[True]], [[None]], [[10**30]], "ab", None, 3, [0, 1], torch.tensor([[0.5]])]
)
@pytest.mark.parametrize("engine", ["dense", "sparse", "auto"])
def test_what_is_no_sequences_of_ids_is_refused(ids: object, engine: str) -> None:
    """1.5 was taken for 1, and the rest came back as errors of torch."""
    model = hw.compile(programs.get("khop", k=1), length=8, alphabet=3)
    with pytest.raises(hw.InputError, match="no sequences of token ids of one length"):
        model.classes(ids, engine=engine)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("engine", ["dense", "sparse"])
def test_nothing_at_all_has_no_classes(engine: str) -> None:
    one = hw.compile(programs.get("khop", k=1), length=8, alphabet=3)
    two = hw.compile(hw.program(name="two", alphabet=3)(lambda token: (token, hw.previous(token))), length=8)
    for model, more in ((one, ()), (two, (2,))):
        assert model.classes([], engine=engine).shape == (0, 0, *more) and model.classes([[], []], engine=engine).shape == (2, 0, *more)
    rows = [np.array([0, 1, 0]), np.array([1, 1, 2])]
    assert torch.equal(one.classes(rows, engine=engine), one.classes([[0, 1, 0], [1, 1, 2]]))
    assert torch.equal(one.classes(torch.tensor([[0, 1, 0]]), engine=engine), one.classes([[0, 1, 0]]))


@pytest.mark.parametrize("audit", [True, -1, 1.0, "3", None])
def test_a_number_of_audits_is_a_number(audit: object) -> None:
    model = hw.compile(programs.get("khop", k=1), length=8, alphabet=3)
    with pytest.raises(hw.InputError, match="cannot audit"):
        model.run([0, 1], engine="sparse", audit=audit)  # pyright: ignore[reportArgumentType]


def test_another_program_on_the_same_module_is_looked_at_anew() -> None:
    """What was found is of the graphs themselves, which are held: not of their ids, which a later graph may have."""
    one = model("induction", 12)
    assert not grounds.grounds(one).reason
    other = replace(one, graph=model("previous", 12).graph)
    assert grounds.grounds(other).reason
    for _ in range(20):  # graphs that come and go
        assert grounds.grounds(replace(one, graph=model("previous", 12).graph)).reason
    assert not grounds.grounds(one).reason
