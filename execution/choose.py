"""Which engine runs a text: the one that was asked for, or by "auto" the one that is done first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..compiler.domain import plain
from ..compiler.errors import InputError
from .engine import Engine, engine, say
from .grounds import grounds, known
from .jit import FAST

if TYPE_CHECKING:
    from ..runtime.model import Model

ENGINES = ("auto", "dense", "sparse")
# Seconds on one core, as benchmarks/long.py measures them: a score of the dense engine, a token and head of this one, what a
# certificate takes for each position of W_pos, and what it takes to begin (loops are compiled once and kept on disk).
SCORE, TOKEN, SHOWN, BEGIN = 1e-9, 3e-7 if FAST else 4e-5, 4e-5, 2.0


def wanted(model: Model, n: int, name: str, audit: int = 0) -> Engine | None:
    """What runs texts of n tokens sparsely; None for the dense engine.

    "auto" is dense where that is as fast, certificate included, and where a model cannot run sparsely. Raises InputError for another
    name, for "sparse" where there is no certificate, and for a number of audits below 0.
    """
    if name not in ENGINES:
        raise InputError(f"there is no engine {name!r}", hint=f"engines are {', '.join(ENGINES)}")
    audit = plain(audit)  # pyright: ignore[reportAssignmentType]
    if isinstance(audit, bool) or not isinstance(audit, int) or audit < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"cannot audit {audit!r} queries", hint="give a number of at least 0")
    if name == "dense" or (name == "auto" and not _pays(model, n)):
        return None
    if name == "sparse":
        return engine(model, audit=audit)
    shown = grounds(model)
    return None if shown.reason else engine(model, shown, audit)


def _pays(model: Model, n: int) -> bool:
    heads = sum(len(getattr(block, "masks", ())) for block in model.module.blocks)
    dense, sparse = heads * n * n * SCORE, heads * n * TOKEN + 0.01
    if dense < sparse:
        return False
    return known(model) is not None or dense > sparse + BEGIN + model.length * SHOWN


def classes_of(model: Model, ids: Tensor, name: str, audit: int = 0) -> Tensor | None:
    """`Model.classes` of rows (B, n) by the sparse engine; None where the dense one is to run. Warns of heads that had no index."""
    found = wanted(model, ids.shape[1], name, audit)
    if found is None:
        return None
    classes = found.classes(ids)
    say(found)
    return classes


def stream_of(model: Model, ids: Tensor, name: str, audit: int = 0) -> Iterator[Tensor]:
    """`module.stream` by the sparse engine, or by the dense one as `name` says. Shapes: (B, n) -> (B, n + 1, d_model) each."""
    found = wanted(model, ids.shape[1], name, audit)
    if found is None:
        yield from model.module.stream(ids)
        return
    for rows in zip(*(found.stream(row) for row in ids), strict=True):
        yield torch.stack(rows)
    say(found)
