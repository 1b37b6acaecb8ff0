"""Saving: what is saved comes back, and a save is whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import headwork as hw
from headwork import programs
from headwork.runtime import place
from headwork.tests.runtime.checkpoints import (
    CONFIG,
    MODELS,
    PROGRAM,
    TENSORS,
    contents,
    each_model,
    inputs,
    model_of,
)

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
    assert any(x is not None for row in model.run(rows) for x in row)
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


def test_symbols_that_are_tuples_are_a_sequence_not_a_batch() -> None:
    symbols: list[object] = [(1, None), (1, "x"), ("a", 2.5)]
    model = hw.compile(programs.induction.make(), length=4, alphabet=symbols)
    row = [symbols[0], symbols[1], symbols[0]]
    assert model.run(row) == [None, None, symbols[1]]
    assert model.run([row, row[:1]]) == [[None, None, symbols[1]], [None]]
