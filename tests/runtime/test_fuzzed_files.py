"""Checkpoints changed at random, and files that would execute something: no damaged file gets past `load`."""

from __future__ import annotations

import ast
import copy
import functools
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import headwork as hw
from headwork.tests.house.test_architecture import FILES
from headwork.tests.runtime.checkpoints import (
    CONFIG,
    HUGE,
    PROGRAM,
    ROOT,
    TENSORS,
    Document,
    inputs,
    model_of,
    read,
    refused,
    seal,
    write,
)

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


# The user's own Python, named on the command line or given as text; programs that a suite wrote itself; arrays without pickle.
SOURCES = {"cli/programs.py": ["eval"], "rasp/learned.py": ["exec"], "suite/draw.py": ["exec", "eval"]}
ARRAYS = {"execution/session.py": ["allow_pickle", "np.load", "allow_pickle"]}


def test_the_package_executes_no_file() -> None:
    found = {str(p.relative_to(ROOT)): executes(p.read_text(encoding="utf-8")) for p in FILES}
    assert len(found) > 250
    assert {name: what for name, what in found.items() if what} == SOURCES | ARRAYS
    assert (ROOT / "execution/session.py").read_text(encoding="utf-8").count("allow_pickle=False") == 2


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
