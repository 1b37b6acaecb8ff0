"""Classes without all logits: W_U is a code book, and the class of a position is the one whose code its stream holds.

An output's logits are 2·code(z)·(x L) - |code(z)|², L its cells as weights on the stream: greatest where x L is code(z) itself, by
|code(z) - code(z')|² >= 1. L is read from the columns of W_U whose code is one digit, and all columns are then compared with what L
says they are. A row of the stream that holds no code, or a W_U of another make, has all its logits computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..compiler.codes.forms import Form
from ..runtime.classes import classes

Reals = npt.NDArray[np.float64]
CELLS = 1 << 24  # logits that are worked on at a time


@dataclass(frozen=True, slots=True)
class Book:
    """One output: its form, its columns of W_U, and where they are a code book the weights L that read it. Shape (d_model, digits)."""

    form: Form
    columns: Tensor
    cells: Reals | None


def books(W_U: Tensor, forms: Sequence[Form], one: int | None) -> list[Book]:
    """The outputs' code books. `one` is the dimension of the stream that holds 1 at every position. Shape: W_U (d_model, Σ classes)."""
    parts = W_U.split([form.classes for form in forms], -1)
    return [
        Book(form, part, None if one is None else _cells(form, part.double().cpu().numpy(), one))
        for form, part in zip(forms, parts, strict=True)
    ]


def _cells(form: Form, w: Reals, one: int) -> Reals | None:
    """L, if every column is 2·L·code - |code|²·one. Shape: (d_model, classes) -> (d_model, digits)."""
    if form.kind != "digits" or form.base ** (form.parts - 1) > form.top:
        return None
    at = form.base ** np.arange(form.parts)  # whose codes are one digit 1
    cells = w[:, at] / 2
    cells[one] += 0.5
    step = max(1, CELLS // (len(w) * form.parts))
    for start in range(0, form.classes, step):
        codes = form.encode(np.arange(start, min(start + step, form.classes))).astype(np.float64)
        made = 2 * cells @ codes.T
        made[one] -= (codes**2).sum(axis=1)
        if (made != w[:, start : start + step]).any():
            return None
    return cells


def said(book: Book, x: Reals) -> Tensor:
    """The class at every position, as `runtime.classes` finds it among the logits. Shape: (d_model, n) -> (n,)."""
    if book.cells is None:
        return _scored(book, x)
    form, n = book.form, x.shape[1]
    z, held = np.zeros(n), np.ones(n, bool)
    for digit, cells in enumerate(book.cells.T):
        number = np.zeros(n)
        for d in np.flatnonzero(cells):
            number += x[d] * cells[d]
        held &= (number == np.floor(number)) & (number >= 0)
        held &= number < form.base if form.parts > 1 else number <= form.top
        z += number * float(form.base) ** digit
    held &= z <= form.top
    found = torch.from_numpy(np.where(held, z, 0).astype(np.int64))
    odd = np.flatnonzero(~held)
    if len(odd):
        found[odd] = _scored(book, x[:, odd])
    return found


def _scored(book: Book, x: Reals) -> Tensor:
    """By all logits. Shape: (d_model, n) -> (n,)."""
    step = max(1, CELLS // book.form.classes)
    rows = torch.from_numpy(np.ascontiguousarray(x.T)).to(book.columns)
    parts = [classes(book.form, rows[start : start + step] @ book.columns) for start in range(0, len(rows), step)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)
