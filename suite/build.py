"""Building a suite: so many models, each with its circuit, samples and answers, deterministic from the seed.

Model i depends on the seed, the options and i alone, so models are built in any order and by several processes. Each appears whole
in `DIR.building`; what is interrupted goes on from there; when all are done it takes the name DIR.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, cast, get_args

import torch

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..lab.necessity import Ablation
from ..runtime.files import json_bytes
from ..runtime.pad import Architecture, parse_architecture
from ..runtime.place import put
from ..runtime.serial import Json
from .entry import MODEL, MOST_BYTES, Options, build_model
from .page import about
from .steps import FEATURES

FORMAT, VERSION = "headwork-suite", 1
KEYS = "headwork-suite-key"
INDEX, BUILDING, OPTIONS = "index.json", ".building", "options.json"
Styles = Literal["compact", "natural"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A suite that was built: how many models, of how many bytes, and how many were there already from a build that was interrupted."""

    directory: Path
    key: Path | None
    models: int
    resumed: int
    bytes: int
    held: int

    def as_dict(self) -> dict[str, object]:
        """The counts as JSON-ready values."""
        return {**asdict(self), "directory": str(self.directory), "key": self.key and str(self.key)}

    def __str__(self) -> str:
        was = f", {self.resumed:,} of them there already" if self.resumed else ""
        key = f"; the key in {self.key}" if self.key else ""
        return f"{self.models:,} models{was}, {self.bytes / 1e6:.1f} MB, {self.held:,} with a GPT-2 checkpoint, in {self.directory}{key}"


@public
def build_suite(
    directory: str | Path,
    models: int = 250,
    *,
    seed: int = 0,
    style: str = "compact",
    length: tuple[int, int] = (4, 6),
    alphabet: tuple[int, int] = (2, 3),
    steps: tuple[int, int] = (3, 10),
    features: Sequence[str] | None = None,
    ablation: str = "resample",
    key: str | Path | None = None,
    pad: Architecture | str | None = None,
    workers: int = 1,
    say: Say | None = None,
) -> Built:
    """Build a suite of library and random programs as a new directory: see `docs/suite.md` for what is in it.

    `length`, `alphabet` and `steps` are ranges, ends included, from which each model's are drawn; `features` the kinds of steps. With
    `key`, models are disguised, and what undoes that is written to this new file, with the circuits. With `pad` all models have the
    shapes of one architecture, and programs that do not fit it are left out. A build of the same options that was interrupted goes on.
    Raises InputError for impossible options, for a name that is taken, and where another build is under way.
    """
    path = Path(os.path.abspath(directory))
    options = _options(seed, style, length, alphabet, steps, features, ablation, key is not None, pad)
    if isinstance(models, bool) or not isinstance(models, int) or models < 1 or workers < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{models!r} models by {workers!r} workers", hint="give at least 1 of each")
    for what in (path, *([Path(os.path.abspath(key))] if key is not None else [])):
        if what.exists():
            raise InputError(f"{what} exists", hint="choose a new name")
    with _building(path, options) as work:
        ids = list(range(models))
        there = {i for i in ids if (work / "models" / f"{i:04}").is_dir()}
        if there and say:
            say(f"{len(there):,} of {models:,} models are there from a build that was interrupted; going on")
        todo = [i for i in ids if i not in there]
        for done, i in enumerate(_each(todo, work, options, workers), 1):
            if say and done % 50 == 0:
                say(f"{len(there) + done:,} of {models:,} models (the last was {i:04})")
        held = _finish(work, options, models, Path(os.path.abspath(key)) if key is not None else None)
        size = sum(f.stat().st_size for f in work.rglob("*") if f.is_file())
        os.rename(work, path)
    return Built(Path(directory), None if key is None else Path(key), models, len(there), size, held)


def _options(
    seed: int,
    style: str,
    length: tuple[int, int],
    alphabet: tuple[int, int],
    steps: tuple[int, int],
    features: Sequence[str] | None,
    ablation: str,
    disguise: bool,
    pad: Architecture | str | None,
) -> Options:
    for what, given, known in (("style", style, get_args(Styles)), ("ablation", ablation, get_args(Ablation))):
        if given not in known:
            raise InputError(f"there is no {what} {given!r}", hint=f"use {', '.join(known)}")
    for what, (least, most), floor in (("length", length, 2), ("alphabet", alphabet, 2), ("steps", steps, 1)):
        if not floor <= least <= most:
            raise InputError(f"{what} of {least} to {most} is no range", hint=f"give the least first, at least {floor}")
    for name in features or ():
        if name not in FEATURES:
            raise InputError(f"there is no feature {name!r}", hint=f"features are {', '.join(FEATURES)}")
    if seed < 0:
        raise InputError(f"the seed is {seed}", hint="give one of at least 0")
    kinds = None if features is None else tuple(features)
    shapes = parse_architecture(pad) if isinstance(pad, str) else pad
    if shapes is not None:
        weights = shapes.layers * shapes.d_model * (4 * shapes.heads * shapes.d_head + 2 * shapes.d_mlp)
        if 4 * weights > MOST_BYTES:
            raise InputError(f"an architecture of {weights:,} weights is {4 * weights / 1e6:.1f} MB", hint="a model has at most 1 MB")
    return Options(seed, cast(Styles, style), length, alphabet, steps, kinds, cast(Ablation, ablation), disguise, shapes)


@contextmanager
def _building(path: Path, options: Options) -> Iterator[Path]:
    """The directory in which a suite is built, new or left by an interrupted build of the same options; one builder at a time."""
    from .. import __version__

    work = path.with_name(path.name + BUILDING)
    content = json_bytes({"format": FORMAT, "version": VERSION, "headwork": __version__, **cast("dict[str, Json]", asdict(options))})
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{work} cannot be made: {error.strerror}", hint="choose another place") from error
    with (work / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{work} is being built by another process", hint="wait for it, or choose another name") from error
        written = work / OPTIONS
        if written.exists() and written.read_bytes() != content:
            fact = f"{work} holds an interrupted build of other options"
            raise InputError(fact, hint="remove it, or give the options it was begun with")
        if not written.exists():
            put(written, content)
        (work / "models").mkdir(exist_ok=True)
        (work / "keys").mkdir(exist_ok=True)
        yield work


def _each(todo: Sequence[int], work: Path, options: Options, workers: int) -> Iterator[int]:
    """Build models, here or in processes of their own; each number as it is done."""
    if workers == 1 or len(todo) < 2 * workers:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for i in todo:
                yield build_model(work, options, i)
        finally:
            torch.set_num_threads(threads)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_worker)
    try:
        for job in [pool.submit(build_model, work, options, i) for i in todo]:
            yield job.result()
    finally:
        pool.shutdown(cancel_futures=True)  # which waits for the models under way, each of a second or so


def _worker() -> None:
    """One thread a process; an interrupt is for the one that builds, which lets the others finish what they have."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _finish(work: Path, options: Options, models: int, key: Path | None) -> int:
    """The index, the pages and the key; what only the build needs goes. Returns how many models have a GPT-2 checkpoint."""
    from .. import __version__

    described: list[dict[str, Json]] = []
    truths: dict[str, Json] = {}
    for i in range(models):
        described.append(json.loads((work / "models" / f"{i:04}" / MODEL).read_text(encoding="utf-8")))
        if key is not None:
            truths[f"{i:04}"] = json.loads((work / "keys" / f"{i:04}.json").read_text(encoding="utf-8"))
    head: dict[str, Json] = {"format": FORMAT, "version": VERSION, "headwork": __version__, "options": cast(Json, asdict(options))}
    put(work / INDEX, json_bytes({**head, "models": cast(Json, described)}))
    for name, text in about(options, described).items():
        put(work / name, text.encode())
    if key is not None:
        put(key, json_bytes({"format": KEYS, "version": VERSION, "models": truths}))
    for extra in [*(work / "models").glob(".*"), *(work / "keys").iterdir(), work / "keys", work / OPTIONS, work / ".lock"]:
        _remove(extra)
    for extra in (work / "models").iterdir():  # of a build of more models that was interrupted
        if int(extra.name) >= models:
            _remove(extra)
    return sum(bool(cast("dict[str, Json]", m["gpt2"])["held"]) for m in described)


def _remove(path: Path) -> None:
    if path.is_dir():
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink()
