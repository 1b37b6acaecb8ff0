"""The user's symbols in and out: what `run` and `interpret` share, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from typing import cast

import numpy as np
import numpy.typing as npt

from ..compiler.domain import Domain, Sizes, Symbol
from ..compiler.errors import InputError


def in_order(tokens: object) -> list[Symbol]:
    """The items of a sequence, an array's as Python has them. Raises InputError for what has no items, or no order of them."""
    if isinstance(tokens, str):
        raise InputError("the input is one string", hint="pass a list of symbols, for example text.split() or list(text)")
    tolist = getattr(tokens, "tolist", None)  # of NumPy and of torch
    items: object = tolist() if callable(tolist) else tokens
    if isinstance(items, (Mapping, Set)) or not (isinstance(items, Iterable) and isinstance(items, Sized)):
        raise InputError(f"the input is {tokens!r}, which is no sequence of symbols", hint="pass a list of symbols")
    return list(cast("Iterable[Symbol]", items))


def encode(sizes: Sizes, tokens: Sequence[Symbol]) -> list[int]:
    """Symbols to token ids. Raises InputError for an unknown symbol (with its place) and for too long a sequence."""
    tokens = in_order(tokens)
    if len(tokens) > sizes.length:
        raise InputError(
            f"the sequence has {len(tokens):,} tokens, more than the length {sizes.length:,}", hint="compile for a greater length"
        )
    ids: list[int] = []
    for place, symbol in enumerate(tokens, 1):
        index = sizes.alphabet.id(symbol)
        if index is None:
            some = ", ".join(map(repr, sizes.alphabet.symbols[:8])) + (", …" if len(sizes.alphabet) > 8 else "")
            raise InputError(f"token {place} is {symbol!r}, which is not in the alphabet", hint=f"the alphabet is {some}")
        ids.append(index)
    return ids


def id_rows(ids: object) -> npt.NDArray[np.int64]:
    """Sequences of token ids, all of one length, as an array (B, n). Raises InputError for what is none, not for unknown ids."""
    there = getattr(ids, "cpu", None)  # of torch
    try:
        rows = np.asarray(there() if callable(there) else ids)
    except (ValueError, TypeError, OverflowError):  # rows of several lengths
        rows = np.asarray(None)
    if not rows.size and rows.ndim in (1, 2):
        return np.zeros((len(rows), 0), np.int64)
    if rows.ndim != 2 or rows.dtype.kind not in "iu":
        said = repr(ids) if len(repr(ids)) < 80 else f"{repr(ids)[:80]}…"
        raise InputError(f"the ids are {said}, no sequences of token ids of one length", hint="give a list of lists of integers")
    return rows.astype(np.int64, copy=False)


def decode_value(sizes: Sizes, domain: Domain, value: int | None) -> Symbol | None:
    """A value as the user sees it: tokens as symbols, booleans as bool, numbers as int, ⊥ as None."""
    if value is None:
        return None
    match domain.kind:
        case "token":
            return sizes.alphabet.symbols[value]
        case "bool":
            return bool(value)
        case "label":
            return sizes.labels[value]
        case "position" | "int":
            return value
