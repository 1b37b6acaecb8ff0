"""Checkpoints: what is saved comes back, a save is whole or not at all, and no damaged file gets past `load`."""

from __future__ import annotations

import ast
import copy
import errno
import functools
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import headwork as hw
from headwork import programs
from headwork.runtime import place
from headwork.runtime.files import sealed

ROOT = Path(__file__).resolve().parents[2]
CONFIG, PROGRAM, TENSORS = "config.json", "program.json", "model.safetensors"
Document = Any  # JSON


@hw.program(name="numbers", alphabet=4)
def numbers(token: hw.Value, position: hw.Value) -> hw.Value:
    hit = hw.match((token, hw.previous(token)), (hw.previous(token), token), before=True).earliest()
    return hw.where(hit.found, hw.minimum(hit.position * 3 - position, 5), hw.table(lambda x: x - 7 if x else None, token))


@hw.program(name="mixed", causal=False, alphabet=["a", 1, 2.5, -3, "ü ⊥ 漢"])
def mixed(token: hw.Value) -> hw.Value:
    return hw.match(token, hw.previous(token, by=-1)).unique().fetch(token).or_else("ü ⊥ 漢")


MODELS: dict[str, Callable[[], hw.Model]] = {
    "khop": lambda: hw.compile(programs.khop.make(3), length=10),
    "induction": lambda: hw.compile(programs.induction.make(), length=9),
    "skip_trigram": lambda: hw.compile(programs.skip_trigram.make(), length=8),
    "bidirectional": lambda: hw.compile(programs.khop.make(2).bidirectional(), length=7, alphabet="abc"),
    "float64": lambda: hw.compile(programs.khop.make(2), length=10, dtype="float64"),
    "tuples": lambda: hw.compile(programs.induction.make(), length=4, alphabet=[(1, None), (1, "x"), ("a", 2.5)]),
    "bfloat16": lambda: hw.compile(programs.khop.make(1), length=8, alphabet=2, dtype="bfloat16"),
    "numbers": lambda: hw.compile(numbers, length=6),
    "mixed": lambda: hw.compile(mixed, length=6),
    "no blocks": lambda: hw.compile(hw.program(name="copy", alphabet="ab")(lambda token: token), length=3),
}
each_model = pytest.mark.parametrize("name", MODELS)


@cache
def model_of(name: str) -> hw.Model:
    return MODELS[name]()


def inputs(model: hw.Model, count: int = 20) -> list[list[object]]:
    rng = random.Random(0)
    return [[rng.choice(model.alphabet.symbols) for _ in range(rng.randint(0, model.length))] for _ in range(count)]


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, hidden ones included."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


# --- round trip ------------------------------------------------------------------------------------------


@each_model
def test_what_is_saved_comes_back(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    assert model.save(tmp_path / "m") == tmp_path / "m"
    assert sorted(contents(tmp_path)) == [f"m/{f}" for f in sorted((CONFIG, PROGRAM, TENSORS))]
    back = hw.load(tmp_path / "m")
    state = back.module.state_dict()
    assert list(state) == list(model.module.state_dict())
    for tensor, value in model.module.state_dict().items():
        assert state[tensor].dtype == value.dtype and torch.equal(state[tensor], value), tensor
    assert (back.name, back.dtype, back.length, back.alphabet) == (model.name, model.dtype, model.length, model.alphabet)
    assert [type(s) for s in back.alphabet.symbols] == [type(s) for s in model.alphabet.symbols]
    assert (back.output_form, back.output_domain, back.probes, back.records) == (
        model.output_form,
        model.output_domain,
        model.probes,
        model.records,
    )
    assert back.cost == model.cost
    assert (back.stage("graph"), back.stage("optimised")) == (model.stage("graph"), model.stage("optimised"))


@each_model
def test_a_loaded_model_does_the_same(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    back = hw.load(str(model.save(str(tmp_path / "m"))))
    rows = inputs(model)
    assert back.run(rows) == model.run(rows) == [hw.interpret(back, row) for row in rows]
    assert any(x is not None for row in model.run(rows) for x in row)  # type: ignore[union-attr]
    assert back.explain() == model.explain()
    report = hw.check(back, samples=24)
    assert report.ok and report.values == hw.check(model, samples=24).values, str(report)


@each_model
def test_saving_what_was_loaded_gives_the_same_files(name: str, tmp_path: Path) -> None:
    model_of(name).save(tmp_path / "once")
    hw.load(tmp_path / "once").save(tmp_path / "twice")
    assert contents(tmp_path / "once") == contents(tmp_path / "twice")


def test_changed_weights_are_what_is_saved(tmp_path: Path) -> None:
    """Weights are the model, not the program: `check` of a damaged copy fails after loading too."""
    model = MODELS["induction"]()
    with torch.no_grad():
        model.module.W_U.neg_()
    model.save(tmp_path / "m")
    assert not hw.check(hw.load(tmp_path / "m"), samples=8).ok


def test_a_checkpoint_keeps_no_later_stages(tmp_path: Path) -> None:
    back = hw.load(model_of("induction").save(tmp_path / "m"))
    with pytest.raises(hw.InputError, match="a checkpoint does not keep the stage 'plan'"):
        back.stage("plan")


def test_a_checkpoint_is_loaded_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved = model_of("induction").save("deep/down/m")
    assert saved == tmp_path / "deep" / "down" / "m"
    (tmp_path / "link").symlink_to(saved)
    os.rename(saved, tmp_path / "moved")
    os.rename(tmp_path / "moved", saved)
    assert hw.load("deep/down/m").run(["a"]) == hw.load(tmp_path / "link").run(["a"]) == [None]


# --- overwriting -----------------------------------------------------------------------------------------


def test_a_checkpoint_replaces_an_earlier_one(tmp_path: Path) -> None:
    model_of("induction").save(tmp_path / "m")
    model_of("numbers").save(tmp_path / "m")
    assert hw.load(tmp_path / "m").name == "numbers"
    assert os.listdir(tmp_path) == ["m"]


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    model_of("induction").save(tmp_path / "m")
    assert hw.load(tmp_path / "m").name == "induction" and os.listdir(tmp_path) == ["m"]


FOREIGN: dict[str, dict[str, str]] = {
    "notes": {"notes.txt": "mine"},
    "hidden": {".git/HEAD": "ref"},
    "another format": {CONFIG: '{"format": "other"}', TENSORS: "x"},
    "broken config": {CONFIG: "{"},
    "a list": {CONFIG: "[]"},
    "deep config": {CONFIG: "[" * 200_000},
    "no config": {PROGRAM: "{}", TENSORS: "x"},
    "a directory called config": {f"{CONFIG}/inner": "x"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_directory_is_refused_and_kept(kind: str, tmp_path: Path) -> None:
    for name, text in FOREIGN[kind].items():
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(hw.InputError, match="is not a headwork checkpoint") as caught:
        model_of("induction").save(tmp_path / "m")
    assert str(tmp_path / "m") in caught.value.fact and caught.value.hint
    assert contents(tmp_path) == before and os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("extra", ["notes.txt", "sub/notes.txt"])
def test_a_checkpoint_with_files_of_the_user_beside_it_is_refused(extra: str, tmp_path: Path) -> None:
    model_of("induction").save(tmp_path / "m")
    (tmp_path / "m" / extra).parent.mkdir(exist_ok=True)
    (tmp_path / "m" / extra).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(hw.InputError):
        model_of("numbers").save(tmp_path / "m")
    assert contents(tmp_path) == before


def test_a_file_of_that_name_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("mine")
    with pytest.raises(hw.InputError, match="is not a headwork checkpoint"):
        model_of("induction").save(tmp_path / "m")
    assert contents(tmp_path) == {"m": b"mine"}


def test_a_file_in_the_way_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(hw.InputError):
        model_of("induction").save(tmp_path / "file" / "m")
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize(
    "symbols",
    [[(0, (1,)), (1, 2)], ["a", frozenset("b")], [b"a"], ["a", "\ud800"], [1j, 2], [float("inf"), "a"]],
    ids=repr,
)
def test_symbols_that_json_cannot_hold(symbols: list[object], tmp_path: Path) -> None:
    model = hw.compile(programs.induction.make(), length=4, alphabet=symbols)
    assert model.run([[symbols[0]] * 2]) == [[None, symbols[0]]]
    with pytest.raises(hw.InputError) as caught:
        model.save(tmp_path / "new" / "m")
    assert repr(next(s for s in symbols if not isinstance(s, str) or s == "\ud800")) in caught.value.fact and caught.value.hint
    assert os.listdir(tmp_path) == []


# --- saving and loading at one time ----------------------------------------------------------------------


def test_a_load_during_a_save_gives_the_old_model_or_the_new(tmp_path: Path) -> None:
    """Two threads save two programs of one shape; what is loaded meanwhile is one of them, whole."""
    shifts = (1, 2)
    models = [
        hw.compile(hw.program(name=f"add{s}", alphabet=8)(lambda token, s=s: hw.table(lambda x: (x + s) % 8, token)), length=3)
        for s in shifts
    ]
    models[0].save(tmp_path / "m")
    end = time.monotonic() + 2

    def keep_saving(model: hw.Model) -> int:
        count = 0
        while time.monotonic() < end:
            model.save(tmp_path / "m")
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        saves = [pool.submit(keep_saving, model) for model in models]
        loads = 0
        while time.monotonic() < end:
            model = hw.load(tmp_path / "m")
            shift = int(model.name.removeprefix("add"))
            assert model.run([0, 1, 7]) == [(x + shift) % 8 for x in (0, 1, 7)]
            loads += 1
        assert loads > 0 and all(s.result() > 0 for s in saves)
    assert os.listdir(tmp_path) == ["m"]


def test_first_saves_at_one_time_leave_one_of_them(tmp_path: Path) -> None:
    model = model_of("no blocks")
    with ThreadPoolExecutor(8) as pool:
        for i in range(20):
            list(pool.map(lambda _, i=i: model.save(tmp_path / f"m{i}"), range(8)))
            assert hw.load(tmp_path / f"m{i}").name == model.name
    assert len(os.listdir(tmp_path)) == 20


def test_files_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        model_of("no blocks").save(tmp_path / "m")
    finally:
        os.umask(before)
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in (tmp_path / "m").iterdir()} == dict.fromkeys((CONFIG, PROGRAM, TENSORS), "0o640")
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o750


def test_what_the_system_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for name, says in (("a", "symbolic links"), ("x" * 300, "too long"), ("nul\0", "is no name")):
        with pytest.raises(hw.InputError, match=says):
            model_of("no blocks").save(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_quota_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
import headwork as hw
model = hw.compile(hw.programs.get("previous"), length=2000, alphabet=2)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    model.save(sys.argv[1])
except hw.InputError as error:
    print(error.fact)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=False)
    assert done.stdout == f"{tmp_path / 'm'} cannot be written: File too large\n", done.stderr
    assert os.listdir(tmp_path) == []


# --- interrupted saves -----------------------------------------------------------------------------------

# Each file is written through to the disk; the whole is moved once, and in steps where the system cannot exchange two names.
STEPS = (("mkdir", 2), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("rename", 1))
POINTS = [*((*step, earlier) for step in STEPS for earlier in (False, True)), *(("rename", n, True) for n in (2, 3, 4))]


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt(), MemoryError()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(("point", "nth", "earlier"), POINTS)
def test_an_interrupted_save_leaves_what_was_there(
    point: str, nth: int, earlier: bool, raised: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if earlier:
        model_of("induction").save(tmp_path / "m")
    before = contents(tmp_path)
    calls = 0

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def f(*args: Any, **kwargs: Any) -> object:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise raised
            return real(*args, **kwargs)

        return f

    owner = Path if point == "mkdir" else os
    with monkeypatch.context() as patch:
        patch.setattr(place, "exchange", place.exchange_in_steps)
        patch.setattr(owner, point, failing(getattr(owner, point)))
        with pytest.raises((type(raised), hw.HeadworkError)):
            model_of("numbers").save(tmp_path / "m")
    assert calls >= nth
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path) == (["m"] if earlier else [])
    model_of("numbers").save(tmp_path / "m")
    assert hw.load(tmp_path / "m").name == "numbers" and os.listdir(tmp_path) == ["m"]


# --- damaged checkpoints ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    base = tmp_path_factory.mktemp("saved")

    def get(name: str) -> Path:
        return base / name if (base / name).exists() else model_of(name).save(base / name)

    return get


@pytest.fixture
def checkpoint(saved: Callable[[str], Path], tmp_path: Path) -> Path:
    """A fresh checkpoint of induction at length 9 over abcd."""
    return Path(shutil.copytree(saved("induction"), tmp_path / "m"))


def read(path: Path) -> Document:
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, document: Document) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


def seal(directory: Path) -> None:
    """Give a changed checkpoint the digest of what it now holds, as one who means to deceive would."""
    config = read(directory / CONFIG)
    config["sha256"] = sealed(config, {name: (directory / name).read_bytes() for name in (PROGRAM, TENSORS)})
    write(directory / CONFIG, config)


def refused(directory: Path, *says: str) -> hw.CheckpointError:
    """Loading raises a CheckpointError that says all this and gives a hint."""
    with pytest.raises(hw.HeadworkError) as caught:
        hw.load(directory)
    assert type(caught.value) is hw.CheckpointError
    for text in says:
        assert text in str(caught.value), f"{text!r} not in {caught.value}"
    assert caught.value.hint
    return caught.value


def put(document: Document, path: str, value: object) -> None:
    """Set `a.2.b` of a document; the value `DELETE` removes it."""
    *parents, last = [int(p) if p.lstrip("-").isdigit() else p for p in path.split(".")]
    for parent in parents:
        document = document[parent]
    if value is DELETE:
        del document[last]
    else:
        document[last] = value


DELETE = object()
CONFIG_KEYS = ("format", "version", "name", "dtype", "causal", "alphabet", "length", "d_model", "classes", "blocks", "sha256")
PROGRAM_KEYS = ("alphabet", "graph", "optimised", "output_forms", "probes", "heads")


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_a_missing_file(name: str, checkpoint: Path) -> None:
    (checkpoint / name).unlink()
    refused(checkpoint, name, "is missing")


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_a_directory_in_place_of_a_file(name: str, checkpoint: Path) -> None:
    (checkpoint / name).unlink()
    (checkpoint / name).mkdir()
    refused(checkpoint, name)


def test_not_a_directory(checkpoint: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "is not a directory")
    refused(checkpoint / CONFIG, CONFIG, "is not a directory")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", CONFIG, "is missing")


BROKEN_JSON: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  \n",
    "garbage": bytes(range(256)),
    "utf-16": '{"format": "headwork"}'.encode("utf-16"),
    "half": b'{"format": "headwork", "version"',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "huge integer": b'{"format": "headwork", "version": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a number": b"1e400",
    "null": b"null",
}


@pytest.mark.parametrize("name", [CONFIG, PROGRAM])
@pytest.mark.parametrize("kind", BROKEN_JSON)
def test_a_json_file_that_is_none(kind: str, name: str, checkpoint: Path) -> None:
    (checkpoint / name).write_bytes(BROKEN_JSON[kind])
    refused(checkpoint, name)


@pytest.mark.parametrize("name", [CONFIG, PROGRAM])
def test_a_truncated_json_file(name: str, checkpoint: Path) -> None:
    data = (checkpoint / name).read_bytes().rstrip()
    for cut in random.Random(8).sample(range(len(data)), 40):
        (checkpoint / name).write_bytes(data[:cut])
        refused(checkpoint, name)


HUGE = 2**62
Edit = tuple[str, str, object, tuple[str, ...]]  # file, place, new value, what the error says
NUMBERS_WRONG = ("4", 4.0, 1.5, None, True, [], {}, float("inf"), float("nan"), -1, 2**70)
EDITS: list[Edit] = [
    *[(CONFIG, key, DELETE, (CONFIG, repr(key), "missing")) for key in CONFIG_KEYS],
    *[(PROGRAM, key, DELETE, (PROGRAM, repr(key), "missing")) for key in PROGRAM_KEYS],
    *[
        (CONFIG, key, value, (CONFIG, repr(key)))
        for key in ("version", "alphabet", "length", "d_model", "classes")
        for value in NUMBERS_WRONG
    ],
    *[(CONFIG, key, value, (CONFIG, repr(key))) for key in ("format", "name", "dtype") for value in (1, None, True, [], {})],
    *[(CONFIG, "causal", value, (CONFIG, "'causal'")) for value in (1, 0, None, "true")],
    (CONFIG, "extra", 1, (CONFIG, "'extra'", "not known")),
    (PROGRAM, "extra", 1, (PROGRAM, "'extra'", "not known")),
    (CONFIG, "format", "other", (CONFIG, "'format'", "headwork")),
    (CONFIG, "version", 4, (CONFIG, "'version'", "newer")),
    (CONFIG, "version", 1, (CONFIG, "'version'", "older")),
    (CONFIG, "version", 0, (CONFIG, "'version'")),
    (CONFIG, "dtype", "int8", (CONFIG, "'dtype'", "float32")),
    (CONFIG, "dtype", "float64", (TENSORS, "'W_E'", "float64")),
    # sizes that do not fit the tensors or the program
    (CONFIG, "length", 8, (TENSORS, "'W_pos'", "shape")),
    (CONFIG, "length", HUGE, (TENSORS, "'W_pos'", "shape")),
    (CONFIG, "d_model", 8, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "d_model", HUGE, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "alphabet", 5, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "classes", [6], (TENSORS, "'W_U'", "shape")),
    (CONFIG, "classes", [5, 5], (TENSORS, "'W_U'", "shape")),
    (CONFIG, "classes", [2, 3], (PROGRAM, "'output_forms'", "1 entries", "2 outputs")),
    (CONFIG, "classes", [], (CONFIG, "'classes'")),
    (CONFIG, "classes", [0], (CONFIG, "'classes'")),
    (CONFIG, "classes", 5, (CONFIG, "'classes'")),
    (CONFIG, "blocks", [], (TENSORS, "blocks.0.W_", "not known")),
    (CONFIG, "blocks", {}, (CONFIG, "'blocks'")),
    (CONFIG, "blocks", [3], (CONFIG, "blocks[0]")),
    (CONFIG, "blocks.0", DELETE, (TENSORS, "blocks.")),
    (CONFIG, "blocks.0.kind", "conv", (CONFIG, "'blocks[0].kind'")),
    (CONFIG, "blocks.0.kind", "mlp", (CONFIG, "blocks[0]")),
    (CONFIG, "blocks.0.kind", DELETE, (CONFIG, "'blocks[0].kind'", "missing")),
    (CONFIG, "blocks.0.extra", 1, (CONFIG, "'blocks[0].extra'", "not known")),
    (CONFIG, "blocks.0.d_head", 0, (CONFIG, "'blocks[0].d_head'")),
    (CONFIG, "blocks.0.d_head", HUGE, (TENSORS, "blocks.0.W_Q", "shape")),
    (CONFIG, "blocks.0.masks", [], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", ["past"], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", [[]], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", "causal", (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", ["causal", "causal"], (TENSORS, "blocks.0.W_Q", "shape")),
    (CONFIG, "blocks.1.d_mlp", -1, (CONFIG, "'blocks[1].d_mlp'")),
    (CONFIG, "blocks.1.d_mlp", 99, (TENSORS, "blocks.1.W_in", "shape")),
    # the alphabet
    (PROGRAM, "alphabet", [], (PROGRAM, "'alphabet'", "0 symbols")),
    (PROGRAM, "alphabet", list("abca"), (PROGRAM, "'alphabet'", "'a' twice")),
    (PROGRAM, "alphabet", list("abc"), (PROGRAM, "'alphabet'", "3 symbols")),
    (PROGRAM, "alphabet", ["a", "b", "c", None], (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", ["a", "b", "c", [["d"]]], (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", "abcd", (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", True, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", -4, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", HUGE, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", 2**70, (PROGRAM, "'alphabet'")),
    # the graph: nodes are token, position, affine 1, clip 2, lookup 3 1, fetch 4 0, lookup 0 5, fetch 6 0
    *[
        (PROGRAM, f"{graph}.{place}", value, (PROGRAM, f"{graph}.", *says))
        for graph in ("graph", "optimised")
        for place, value, says in (
            ("nodes", [], ("output",)),
            ("outputs", [], ("outputs", "0 entries")),
            ("outputs", [7, 7], ("outputs", "2 entries where single is true")),
            ("outputs", 7, ("outputs",)),
            ("outputs", DELETE, ("outputs", "missing")),
            ("single", 1, ("single",)),
            ("single", DELETE, ("single", "missing")),
            ("guard", [], ("guard",)),
            ("guard", {"node": 7, "deliveries": []}, ("guard.node", "not an integer")),
            ("guard", {"node": 6, "deliveries": []}, ("guard.node", "not an integer")),
            ("guard", {"node": 8, "deliveries": []}, ("guard.node",)),
            ("guard", {"node": 7}, ("guard.node",)),
            ("nodes", {}, ("nodes",)),
            ("nodes", DELETE, ("nodes", "missing")),
            ("extra", 1, ("extra", "not known")),
            ("outputs", [8], ("output",)),
            ("outputs", [-1], ("output",)),
            ("outputs", ["7"], ("output",)),
            ("outputs", [True], ("output",)),
            ("outputs", [6], ("outputs", "lookup")),
            ("outputs", [1], ("output",)),
            ("nodes.2.args", [2], ("nodes[2].args",)),
            ("nodes.2.args", [5], ("nodes[2].args",)),
            ("nodes.2.args", [-1], ("nodes[2].args",)),
            ("nodes.2.args", [HUGE], ("nodes[2].args",)),
            ("nodes.2.args", ["1"], ("nodes[2].args",)),
            ("nodes.2.args", [True], ("nodes[2].args",)),
            ("nodes.2.args", None, ("nodes[2].args",)),
            ("nodes.2.args", [], ("nodes[2].args",)),
            ("nodes.2.args", [1, 1], ("nodes[2].args",)),
            ("nodes.1.args", [0], ("nodes[1].args",)),
            ("nodes.3.args", [1, 2], ("nodes[3].args",)),
            ("nodes.5.args", [4], ("nodes[5].args",)),
            ("nodes.5.args", [4, 0, 0], ("nodes[5].args",)),
            ("nodes.4.args", [3], ("nodes[4].",)),
            ("nodes.4.args", [3, 1, 1], ("nodes[4].",)),
            ("nodes.4.args", [], ("nodes[4].",)),
            ("nodes.7.args", [6, 4], ("nodes[7].args", "lookup")),
            ("nodes.7.args", [0, 0], ("nodes[7].args", "lookup")),
            ("nodes.6.args", [0, 4], ("nodes[6].args", "lookup")),
            ("nodes.2.op", "exec", ("nodes[2].op",)),
            ("nodes.2.op", 3, ("nodes[2].op",)),
            ("nodes.2.op", ["affine"], ("nodes[2].op",)),
            ("nodes.2.op", "clip", ("nodes[2].",)),
            ("nodes.2.extra", 3, ("nodes[2].extra", "not known")),
            ("nodes.2.name", None, ("nodes[2].name",)),
            ("nodes.2.line", 7, ("nodes[2].line",)),
            ("nodes.2.line", ["x", "y"], ("nodes[2].line",)),
            ("nodes.2.line", [None, 3], ("nodes[2].line",)),
            ("nodes.2.fields", [], ("nodes[2].fields",)),
            ("nodes.2.fields.extra", 1, ("nodes[2].fields.extra", "not known")),
            ("nodes.2.fields.constant", DELETE, ("nodes[2].fields.constant", "missing")),
            *[("nodes.2.fields.constant", bad, ("nodes[2].fields.constant",)) for bad in ("1", 1.5, None, True, [1], float("inf"))],
            ("nodes.2.fields.coefficients", [1, 2], ("nodes[2].",)),
            ("nodes.2.fields.coefficients", [1.5], ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.coefficients", [None], ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.coefficients", 1, ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.kind", "float", ("nodes[2].fields.kind",)),
            ("nodes.2.fields.kind", ["int"], ("nodes[2].fields.kind",)),
            ("nodes.2.fields.kind", {}, ("nodes[2].fields.kind",)),
            ("nodes.4.fields.mask", "past", ("nodes[4].fields.mask",)),
            ("nodes.4.fields.pick", "any", ("nodes[4].fields.pick",)),
            ("nodes.4.fields.parts", 2, ("nodes[4].",)),
            ("nodes.4.fields.parts", 0, ("nodes[4].",)),
            ("nodes.4.fields.parts", -1, ("nodes[4].",)),
        )
    ],
    # the output, the probes and the heads
    (PROGRAM, "output_forms.0.kind", "roman", (PROGRAM, "'output_forms[0].kind'")),
    (PROGRAM, "output_forms.0.off", 5, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.off", -3, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.off", "x", (PROGRAM, "'output_forms[0].off'")),
    (PROGRAM, "output_forms.0.top", 0, (PROGRAM, "'output_forms[0].top'")),
    (PROGRAM, "output_forms.0.top", HUGE, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.parts", 0, (PROGRAM, "'output_forms[0].parts'")),
    (PROGRAM, "output_forms.0.parts", HUGE, (PROGRAM, "'output_forms[0].parts'")),
    (PROGRAM, "probes", {}, (PROGRAM, "'probes'")),
    (PROGRAM, "probes.0", 1, (PROGRAM, "probes[0]")),
    (PROGRAM, "probes.1.dims", [7], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [HUGE], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [-1], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [1, 2], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [1.0], (PROGRAM, "'probes[1].dims'")),
    *[(PROGRAM, "probes.1.value", bad, (PROGRAM, "'probes[1].value'")) for bad in (8, -1, "nothing", True, None, 0.0, [], {}, HUGE)],
    (PROGRAM, "probes.1.block", 4, (PROGRAM, "'probes[1].block'")),
    (PROGRAM, "probes.1.block", -1, (PROGRAM, "'probes[1].block'")),
    (PROGRAM, "probes.1.form.kind", "onehot", (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.form", None, (PROGRAM, "probes[1].form")),
    (PROGRAM, "probes.1.name", 3, (PROGRAM, "'probes[1].name'")),
    (PROGRAM, "heads.0.block", 0, (PROGRAM, "'heads[0].block'")),
    (PROGRAM, "heads.0.block", 9, (PROGRAM, "'heads[0].block'")),
    (PROGRAM, "heads.0.steps", "many", (PROGRAM, "'heads[0].steps'")),
    (PROGRAM, "heads.0.does", DELETE, (PROGRAM, "'heads[0].does'", "missing")),
    (PROGRAM, "heads.0.extra", 1, (PROGRAM, "'heads[0].extra'", "not known")),
]


def edit_id(edit: Edit) -> str:
    return f"{edit[0].removesuffix('.json')}:{edit[1]}={'DELETE' if edit[2] is DELETE else str(edit[2])[:24]}"


@pytest.mark.parametrize("edit", EDITS, ids=edit_id)
def test_an_edited_file(edit: Edit, checkpoint: Path) -> None:
    name, place, value, says = edit
    document = read(checkpoint / name)
    put(document, place, value)
    write(checkpoint / name, document)
    refused(checkpoint, *says)


def test_the_edits_are_of_the_file_they_describe(checkpoint: Path) -> None:
    """Unedited, the same file loads, and its nodes stand where the edits take them to be."""
    assert hw.load(checkpoint).name == "induction"
    for graph in ("graph", "optimised"):
        nodes = read(checkpoint / PROGRAM)[graph]["nodes"]
        assert [n["op"] for n in nodes] == ["token", "position", "affine", "clip", "lookup", "fetch", "lookup", "fetch"]
        assert [n["args"] for n in nodes[2:]] == [[1], [2], [3, 1], [4, 0], [0, 5], [6, 0]]
    assert [b["kind"] for b in read(checkpoint / CONFIG)["blocks"]] == ["attention", "mlp", "attention"]


def test_a_number_beyond_floating_point(checkpoint: Path) -> None:
    text = (checkpoint / CONFIG).read_text().replace('"length": 9', '"length": 1e400')
    assert "1e400" in text
    (checkpoint / CONFIG).write_text(text)
    refused(checkpoint, CONFIG, "'length'")


TABLE_EDITS: list[tuple[str, object]] = [
    ("entries", []),
    ("entries", [0]),
    ("entries", [99] * 15),
    ("entries", [-1] * 15),
    ("entries", ["mind"] * 15),
    ("shape", []),
    ("shape", [14]),
    ("shape", [-1]),
    ("shape", [4, 4]),
    ("starts", []),
    ("starts", [0, 0]),
    ("title", 3),
    ("kind", "word"),
]


@pytest.mark.parametrize("graph", ["graph", "optimised"])
@pytest.mark.parametrize(("field", "value"), TABLE_EDITS, ids=lambda x: x if isinstance(x, str) else str(x)[:9])
def test_an_edited_table(field: str, value: object, graph: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    """A table's entries must fill its shape, and those of kind token must be tokens."""
    directory = Path(shutil.copytree(saved("skip_trigram"), tmp_path / "m"))
    document = read(directory / PROGRAM)
    nodes = document[graph]["nodes"]
    place = next(i for i, n in enumerate(nodes) if n["op"] == "table" and n["fields"]["kind"] == "token")
    if field == "entries" and isinstance(value, list) and len(value) == 16:
        value = value[:1] * len(nodes[place]["fields"]["entries"])
    nodes[place]["fields"][field] = value
    write(directory / PROGRAM, document)
    refused(directory, PROGRAM, f"{graph}.nodes[{place}].")


def test_files_of_two_checkpoints_do_not_mix(saved: Callable[[str], Path], tmp_path: Path) -> None:
    for name in (CONFIG, PROGRAM, TENSORS):
        directory = Path(shutil.copytree(saved("induction"), tmp_path / name))
        shutil.copy(saved("khop") / name, directory / name)
        refused(directory, TENSORS if name != PROGRAM else PROGRAM)


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_files_of_two_checkpoints_of_one_shape_do_not_mix(name: str, tmp_path: Path) -> None:
    """All sizes agree, so only the digest tells."""
    for shift in (1, 2):
        made = hw.program(name=f"add{shift}", alphabet=8)(lambda token, s=shift: hw.table(lambda x: (x + s) % 8, token))
        hw.compile(made, length=3).save(tmp_path / str(shift))
    shutil.copy(tmp_path / "1" / name, tmp_path / "2" / name)
    refused(tmp_path / "2", "not the files that were saved together")


def test_any_changed_number_of_the_tensors_is_told(checkpoint: Path) -> None:
    changed(checkpoint, lambda t: t["W_U"].neg_())
    refused(checkpoint, TENSORS, "not the files that were saved together")
    seal(checkpoint)
    assert not hw.check(hw.load(checkpoint), samples=8).ok


def test_a_checkpoint_from_before_the_digest_is_loaded_with_a_warning(checkpoint: Path) -> None:
    config = read(checkpoint / CONFIG)
    del config["sha256"]
    write(checkpoint / CONFIG, {**config, "version": 2})
    with pytest.warns(UserWarning, match="before checkpoints had a digest"):
        assert hw.load(checkpoint).run(list("abab")) == model_of("induction").run(list("abab"))


# --- damaged tensors -------------------------------------------------------------------------------------


def changed(checkpoint: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(checkpoint / TENSORS)
    change(tensors)
    save_file(tensors, checkpoint / TENSORS)


TENSOR_NAMES = ("W_E", "W_pos", "W_U", "blocks.0.W_Q", "blocks.0.W_O", "blocks.1.W_in", "blocks.2.W_V")


@pytest.mark.parametrize("name", TENSOR_NAMES)
def test_a_wrong_tensor(name: str, checkpoint: Path, tmp_path: Path) -> None:
    good = load_file(checkpoint / TENSORS)[name]
    holed, infinite = good.clone(), good.clone()
    holed.view(-1)[-1], infinite.view(-1)[0] = torch.nan, -torch.inf
    cases: list[tuple[torch.Tensor | None, str]] = [
        (None, "is missing"),
        (torch.zeros(*good.shape, 1), "shape"),
        (torch.zeros(good.numel()), "shape"),
        (torch.zeros(()), "shape"),
        (torch.zeros(0), "shape"),
        (good[:-1].contiguous(), "shape"),
        (good.mT.contiguous(), "shape"),
        (good.double(), "float64"),
        (good.half(), "float16"),
        (good.long(), "int64"),
        (good > 0, "bool"),
        (holed, "not finite"),
        (infinite, "not finite"),
    ]
    for i, (tensor, says) in enumerate(cases):
        if tensor is not None and says == "shape" and tensor.shape == good.shape:
            continue  # a square matrix transposed
        directory = Path(shutil.copytree(checkpoint, tmp_path / f"case {i}"))
        changed(directory, lambda t, tensor=tensor: t.pop(name) if tensor is None else t.update({name: tensor}))
        refused(directory, TENSORS, repr(name), says)


def test_an_extra_tensor(checkpoint: Path) -> None:
    changed(checkpoint, lambda t: t.update({"b_Q": torch.zeros(3)}))
    refused(checkpoint, TENSORS, "'b_Q'", "not known")


def test_truncated_and_garbled_tensors(checkpoint: Path) -> None:
    data = (checkpoint / TENSORS).read_bytes()
    rng = random.Random(9)
    damaged = [data[:cut] for cut in (0, 1, 7, 8, 9, len(data) - 1, *rng.sample(range(len(data)), 20))]
    damaged += [b"\xff" * 8 + data[8:], b"\0" * len(data), rng.randbytes(len(data)), data + b"x", data[1:]]
    for bad in damaged:
        (checkpoint / TENSORS).write_bytes(bad)
        refused(checkpoint, TENSORS)


# --- fuzz ------------------------------------------------------------------------------------------------


def places(document: Document, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every key and item of a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    found: list[tuple[str | int, ...]] = []
    for key, value in items:
        found += [(*path, key), *places(value, (*path, key))]
    return found


SCALARS: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 9, 1000, 2**31, HUGE, -HUGE, 2**80, 0.5, float("inf"), float("nan"), "", "x", [], {}),
    *("token", "position", "int", "bool", "affine", "fetch", "lookup", "strict", "full", "earliest", "onehot", "norm", "flag", "signs"),
)


def mutate(document: Document, rng: random.Random) -> str:
    """Change one random scalar, or delete one random key or item, in place; what was done, as text."""
    path = rng.choice(places(document))
    for key in path[:-1]:
        document = document[key]
    old = document[path[-1]]
    if rng.random() < 0.25 or isinstance(old, (dict, list)):
        del document[path[-1]]
        return f"deleted {path}"
    pool = list(SCALARS)
    if isinstance(old, int) and not isinstance(old, bool):
        pool += [old + 1, old - 1, old * 2, -old] * 4
    document[path[-1]] = rng.choice(pool)
    return f"{path}: {old!r} became {document[path[-1]]!r}"


USES: dict[str, Callable[[hw.Model, list[list[Any]]], object]] = {
    "run": lambda model, rows: [model.run(row) for row in rows],
    "interpret": lambda model, rows: [hw.interpret(model, row) for row in rows],
    "explain": lambda model, rows: (model.explain(), model.stage("graph"), model.stage("optimised"), str(model.cost)),
    "check": lambda model, rows: str(hw.check(model, samples=4, exhaustive=1)),
}


def survives(directory: Path, use: str, rows: list[list[object]], done: str) -> bool:
    """Whether a changed checkpoint loads; it is either refused, or can be used without any foreign exception."""
    try:
        model = hw.load(directory)
    except hw.CheckpointError as error:
        assert any(name in str(error) for name in (CONFIG, PROGRAM, TENSORS)), (done, str(error))
        return False
    except Exception as error:
        raise AssertionError(f"load raised {type(error).__name__}: {error}; {done}") from error
    try:
        USES[use](model, rows)
    except hw.HeadworkError:
        pass
    except Exception as error:
        raise AssertionError(f"{use} raised {type(error).__name__}: {error}; {done}") from error
    return True


@pytest.mark.one_in(3)
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ["induction", "numbers", "skip_trigram", "mixed"])
@pytest.mark.parametrize("file", [CONFIG, PROGRAM])
def test_one_change_to_a_json_file(file: str, name: str, use: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    directory = Path(shutil.copytree(saved(name), tmp_path / "m"))
    original = read(directory / file)
    rows, loaded = inputs(model_of(name), 4), 0
    seeds = 150
    for seed in range(seeds):
        document = copy.deepcopy(original)
        done = f"seed {seed}, {file} of {name}: " + mutate(document, random.Random(f"{seed} {file} {name}"))
        write(directory / file, document)
        seal(directory)
        loaded += survives(directory, use, rows, done)
    assert 0 < loaded < seeds  # names may change freely, sizes may not


def integers(document: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all integers of a JSON value."""
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [way] if type(document) is int else [place for key, value in inner for place in integers(value, (*way, key))]


@pytest.mark.parametrize("file", [CONFIG, PROGRAM])
def test_a_number_of_a_thousand_bits_in_any_place(file: str, tmp_path: Path) -> None:
    program = hw.program(name="twice")(lambda token, position: (position * -2, hw.match(token, token).count()))
    model = hw.compile(program, length=4, alphabet=2)
    directory = model.save(tmp_path / "m")
    original = read(directory / file)
    for *way, last in integers(original):
        for number in (10**300, -(10**300)):
            document = copy.deepcopy(original)
            functools.reduce(lambda inner, key: inner[key], way, document)[last] = number
            write(directory / file, document)
            seal(directory)
            survives(directory, "run", [[0, 1, 0]], f"{file}: {way} {last}")


@pytest.mark.parametrize("name", ["induction", "mixed"])
def test_one_changed_byte_of_the_tensors_header(name: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    directory = Path(shutil.copytree(saved(name), tmp_path / "m"))
    data = (directory / TENSORS).read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    rows, refusals = inputs(model_of(name), 4), 0
    for seed in range(300):
        rng = random.Random(seed)
        damaged = bytearray(data)
        place = rng.randrange(header)
        damaged[place] ^= 1 << rng.randrange(8) if seed % 2 else rng.randint(1, 255)
        (directory / TENSORS).write_bytes(damaged)
        seal(directory)
        refusals += not survives(directory, "run", rows, f"seed {seed}: byte {place} became {damaged[place]:#x}")
    assert refusals > 200


# --- nothing is executed ---------------------------------------------------------------------------------

FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml", "runpy", "imp"}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "torch.load", "np.load", "numpy.load", "torch.jit.load", "importlib.import_module"}


def executes(source: str) -> list[str]:
    """What in a source could run code out of a file."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module or ""] if (node.module or "").split(".")[0] in FORBIDDEN_MODULES else []
        elif isinstance(node, (ast.Name, ast.Attribute)):
            text = ast.unparse(node)
            found += [text] if text in FORBIDDEN_CALLS else []
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
            found.append(node.arg)
    return found


def test_the_scan_finds_what_it_looks_for() -> None:
    for bad in ("import pickle", "from pickle import loads", "eval(x)", "torch.load(f)", "f = exec", "np.load(p, allow_pickle=True)"):
        assert executes(bad), bad
    assert executes("model.eval()\njson.loads(text)\nload(path)") == []


@pytest.mark.parametrize("path", sorted((ROOT / "runtime").rglob("*.py")), ids=lambda p: p.name)
def test_the_runtime_executes_no_file(path: Path) -> None:
    assert executes(path.read_text(encoding="utf-8")) == []


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_in_place_of_a_file_is_not_opened(checkpoint: Path, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    payload = pickle.dumps(Trap(sprung))
    for name in (CONFIG, PROGRAM, TENSORS):
        good = (checkpoint / name).read_bytes()
        (checkpoint / name).write_bytes(payload)
        refused(checkpoint, name)
        (checkpoint / name).write_bytes(good)
        assert not sprung.exists()
    torch.save({"W_E": Trap(sprung)}, checkpoint / TENSORS)
    refused(checkpoint, TENSORS)
    assert not sprung.exists()
    pickle.loads(payload)
    assert sprung.exists()  # the trap works


def test_symbols_that_are_tuples_are_a_sequence_not_a_batch() -> None:
    symbols: list[object] = [(1, None), (1, "x"), ("a", 2.5)]
    model = hw.compile(programs.induction.make(), length=4, alphabet=symbols)
    row = [symbols[0], symbols[1], symbols[0]]
    assert model.run(row) == [None, None, symbols[1]]
    assert model.run([row, row[:1]]) == [[None, None, symbols[1]], [None]]
