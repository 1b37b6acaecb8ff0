"""Sessions of every kind of model, across processes, and of tensors that change while they read."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.execution import jit
from headwork.execution.session import generate_all
from headwork.runtime.module import MlpShape

WORDS = "a b c d".split()


@hw.program
def four_back(token: hw.Value, position: hw.Value) -> hw.Value:
    """The symbol four places before: one place back, doubled in two rounds."""
    back = hw.loop(2, lambda back: back.at(back), hw.where(position > 1, position - 1, None))
    return token.at(back)


def models() -> dict[str, hw.Model]:
    """A natural model, a padded one, one with a loop, and one whose answers are numbers."""
    khop = programs.get("khop", k=2)
    roomy = hw.Architecture(layers=4, heads=3, d_model=40, d_head=20, d_mlp=20)
    return {
        "natural": hw.compile(khop, length=24, alphabet=WORDS, style="natural"),
        "padded": hw.compile(khop, length=24, alphabet=WORDS, pad=roomy),
        "looped": hw.compile(four_back, length=24, alphabet=WORDS),
        "numbers": hw.compile(programs.get("parity"), length=24),
    }


@pytest.mark.parametrize(
    ("name", "engine"), [(n, e) for n in models() for e in ("auto", "sparse", "dense") if (n, e) != ("natural", "sparse")]
)
def test_sessions_of_every_kind_of_model(name: str, engine: str, tmp_path: Path) -> None:
    """Read in pieces of any size, forked on the way and kept in a file, it answers as `run` does."""
    model, rng = models()[name], random.Random(name)
    text = rng.choices(model.alphabet.symbols, k=24)
    wanted = model.run(text, engine="dense")
    session = model.session(engine)
    assert session.engine == ("dense" if engine == "dense" or name == "natural" else "sparse"), session.reason
    said: list[object] = []
    while len(session) < 24:
        piece = text[len(session) : len(session) + rng.randint(0, 7)]
        fork = model.session(engine).restore(session.save(tmp_path / "s.npz")) if rng.random() < 0.5 else session.fork()
        said += session.feed(piece)
        assert fork.feed(piece) == said[len(said) - len(piece) :] and fork.answers == said
    assert said == wanted == session.answers


def test_a_natural_model_has_no_sparse_session() -> None:
    with pytest.raises(hw.InputError, match="its attention is soft"):
        models()["natural"].session("sparse")


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_tensors_that_change_while_a_session_reads(engine: str, tmp_path: Path) -> None:
    """In place, loaded, exchanged, brought to another dtype: every call that would use them is refused by name."""
    for change in (
        lambda m: m.state_dict()["W_U"].neg_(),
        lambda m: m.load_state_dict({name: t.clone() for name, t in m.state_dict().items()}),
        lambda m: setattr(m, "W_E", torch.nn.Parameter(m.W_E.detach() * 2)),
        lambda m: setattr(m.W_pos, "data", m.W_pos.data.clone()),
        lambda m: m.blocks.__setitem__(0, m.blocks[1]),
        lambda m: setattr(m.blocks[0], "masks", ("full",) * len(m.blocks[0].masks)),
        lambda m: m.double(),
    ):
        model = hw.compile(programs.get("khop", k=2), length=24, alphabet=WORDS)
        session = model.session(engine)
        session.feed(["a", "b"])
        fork = session.fork()
        with torch.no_grad():
            change(model.module)
        calls = (
            lambda s: s.feed(["a"]), lambda s: s.generate(2), lambda s: list(s.stream(2)), lambda s: s.verify(["a"]), lambda s: s.fork(),
            lambda s: s.save(tmp_path / "s.npz"),
        )  # fmt: skip
        for one in (session, fork):
            for call in calls:
                with pytest.raises(hw.InputError, match=r"the tensors of khop.* have changed since the session began"):
                    call(one)
            assert one.text == ["a", "b"] and len(one.answers) == 2  # what was read and said stands
    assert not (tmp_path / "s.npz").exists()


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_changes_behind_the_back_of_torch_are_seen_by_digest(engine: str, tmp_path: Path) -> None:
    """An array that shares memory with a tensor changes it uncounted; `verify` and `save` look at the numbers."""
    model = hw.compile(programs.get("khop", k=2), length=24, alphabet=WORDS)
    session = model.session(engine)
    session.feed(["a", "b"])
    model.module.W_U.detach().numpy()[0, 0] += 1
    for call in (lambda: session.verify(["a"]), lambda: session.save(tmp_path / "s.npz")):
        with pytest.raises(hw.InputError, match="have changed since"):
            call()


def test_hooks_that_come_later() -> None:
    model = hw.compile(programs.get("khop", k=2), length=24, alphabet=WORDS)
    session = model.session("sparse")
    handle = model.module.blocks[0].register_forward_hook(lambda *_: None)
    with pytest.raises(hw.InputError, match="hooks watch the module"):
        session.feed(["a"])
    handle.remove()
    assert session.feed(["a"]) == model.run(["a"])


def test_a_session_goes_on_in_another_process(tmp_path: Path) -> None:
    model = hw.compile(programs.get("turing"), length=40)
    model.save(tmp_path / "model")
    session = model.session("sparse")
    session.feed(["start"])
    session.generate(5)
    session.save(tmp_path / "session.npz")
    there = "import sys, headwork as hw; m = hw.load(sys.argv[1]); s = m.session().restore(sys.argv[2]); print(*s.text, *s.generate(40))"
    done = subprocess.run(
        [sys.executable, "-c", there, tmp_path / "model", tmp_path / "session.npz"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [*session.text, *session.generate(40)]


def test_damaged_sessions(tmp_path: Path) -> None:
    """Cut off, with other numbers, of other shapes: refused in one line, and the session that was to go on with it is as it was."""
    model = hw.compile(programs.get("khop", k=2), length=24, alphabet=WORDS)
    session = model.session("sparse")
    session.feed(["a", "b", "c"])
    path = session.save(tmp_path / "s.npz")
    whole = path.read_bytes()
    with np.load(path) as file:
        own = dict(file)
    rng = random.Random(5)
    for _ in range(60):
        broken = bytearray(whole[: rng.randrange(len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randint(1, 4)):
            if broken:
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            back = model.session("sparse").restore(path)
        except hw.InputError as error:
            assert "is no saved session" in str(error) or "of other tensors" in str(error)
        else:
            assert back.answers == model.run(back.text)
    for name, value in (
        ("text", np.array([1, 4])), ("text", np.array([1, -1, 2])), ("text", np.array([0.0, 1])), ("text", np.zeros((2, 3), np.int64)),
        ("text", np.zeros(25, np.int64)), ("text", np.array(1)), ("text", np.array([True])), ("text", np.array([1], np.uint64)),
        ("of", np.zeros(3)), ("of", np.zeros(32, np.uint8)),
    ):  # fmt: skip
        np.savez(path, allow_pickle=False, **{**own, name: value})
        kept = session.fork()
        with pytest.raises(hw.InputError, match=r"is no saved session|of other tensors"):
            kept.restore(path)
        assert kept.text == ["a", "b", "c"] and kept.feed(["a"]) == session.fork().feed(["a"])


def test_batches_of_other_lengths() -> None:
    """Texts of several lengths in one call, and sessions that are at several places; one session cannot run twice at a time."""
    model, rng = hw.compile(programs.get("turing"), length=40), random.Random(1)
    texts = [["start", *hw.generate(model, ["start"], n)] for n in (3, 0, 9, 3)]
    rng.shuffle(texts)
    assert model.run(texts, engine="sparse", audit=1) == model.run(texts, engine="dense") == [model.run(text) for text in texts]
    sessions = [model.session(engine) for engine in ("sparse", "dense", "sparse", "sparse")]
    for session, text in zip(sessions, texts, strict=True):
        session.feed(text)
    assert generate_all([s.fork() for s in sessions], 6) == [hw.generate(model, text, 6) for text in texts]
    assert generate_all([], 3) == []
    with pytest.raises(hw.InputError, match="one session twice"):
        generate_all([sessions[0], sessions[1], sessions[0]], 2)


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_verify_of_texts_that_are_wrong_everywhere(engine: str) -> None:
    """The first wrong place, whatever is wrong there; and a text that the model cannot read is refused."""
    model = hw.compile(programs.get("turing"), length=60)
    session = model.session(engine)
    session.feed(["start"])
    right, words = hw.generate(model, ["start"], 12), list(model.alphabet.symbols)
    rng = random.Random(3)
    for _ in range(12):
        at = rng.randrange(12)
        wrong = [*right[:at], rng.choice([w for w in words if w != right[at]]), *rng.choices(words, k=rng.randint(0, 20))]
        assert session.verify(wrong) == at and session.verify(wrong[:at]) is None
    for odd in (["nothing"], [*right, None], [["start"]]):
        with pytest.raises(hw.InputError):
            session.verify(odd)  # pyright: ignore[reportArgumentType]
    assert len(session) == 1


def test_compiled_loops_are_of_the_sources_that_are_looked_at() -> None:
    """Every file that has a compiled function is among those whose change drops what was compiled."""
    folder = Path(jit.__file__).parent
    assert {
        p.name
        for p in folder.glob("*.py")
        if "from .jit import" in p.read_text() and ("@jit" in p.read_text() or "@inlined" in p.read_text())
    } <= set(jit.LOOPS)


@pytest.mark.parametrize("path", [None, 5, "", "\0", "a\0b", "."])
def test_a_session_is_saved_to_what_names_a_file(path: object) -> None:
    session = hw.compile(programs.get("khop", k=1), length=8, alphabet=3).session()
    for call in (session.save, session.restore):
        with pytest.raises(hw.InputError, match=r"names no file|is no saved session"):
            call(path)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("sessions", [None, 3, [3], "ab"])
def test_several_are_sessions(sessions: object) -> None:
    with pytest.raises(hw.InputError, match="no list of sessions"):
        generate_all(sessions, 3)  # pyright: ignore[reportArgumentType]


def test_a_machine_of_many_words_looks_them_up_by_symbol() -> None:
    """2,101 words and two symbols: no table of both, which would have a hidden unit for each pair."""
    model = hw.compile(programs.get("turing", cells=420), length=60)
    assert sum(block.d_mlp for block in model.module.shape.blocks if isinstance(block, MlpShape)) < 20
    session = model.session("sparse")
    session.feed(["start"])
    said = ["start", *session.generate(50)]
    assert len(said) == 15 and session.answers == programs.entry("turing").reference(said, cells=420) == model.run(said, engine="dense")
    odd = random.Random(1).choices(model.alphabet.symbols, k=60)
    assert model.run(odd, engine="sparse") == programs.entry("turing").reference(odd, cells=420) == model.run(odd, engine="dense")
