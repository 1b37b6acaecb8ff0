"""Domains: the finite sets that values range over, and the alphabet that tokens are drawn from."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

import numpy as np

from .errors import HeadworkError, InputError

Kind: TypeAlias = Literal["token", "position", "int", "bool", "label"]
Symbol: TypeAlias = Hashable
MOST = 1 << 27  # rows of one matrix: longer contexts and more classes are refused before they fill the memory
MOST_SYMBOLS = 1 << 22  # each is a row of W_E, and of most programs a class: more take minutes and gigabytes, and are too many to certify


def plain(x: object) -> object:
    """A NumPy scalar as the Python number or string it is; anything else as it is."""
    return cast("object", x.item()) if isinstance(x, np.generic) else x


@dataclass(frozen=True, slots=True)
class Domain:
    """A range of integers with a meaning: token ids 0..V-1, positions 1..N, integers, booleans 0..1, or labels by number.

    `none` says that the value may be ⊥. `lag` bounds value - position from above where that is known
    (position itself has lag 0): it is what shows that a pointer only points backwards.
    """

    kind: Kind
    lo: int
    hi: int
    none: bool = False
    lag: int | None = None

    @property
    def size(self) -> int:
        """How many values, ⊥ not counted."""
        return self.hi - self.lo + 1

    def maybe(self, none: bool = True) -> Domain:
        """The same domain, with ⊥ allowed where `none` holds."""
        return replace(self, none=self.none or none)

    def __str__(self) -> str:
        match self.kind:
            case "token":
                text = f"a token ({self.size} values)"
            case "position":
                text = f"a position ({self.lo}..{self.hi})"
            case "int":
                text = f"an integer ({self.lo}..{self.hi})"
            case "bool":
                text = "a boolean"
            case "label":
                text = f"a label ({self.size} values)"
        return text + (" or none" if self.none else "")


BOOL = Domain("bool", 0, 1)


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The symbols of a program; a size V stands for the integers 0..V-1.

    Raises InputError on an empty alphabet, a repeated symbol, or None (which means ⊥).
    """

    symbols: tuple[Symbol, ...]
    numeric: bool
    _ids: dict[object, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {} if self.numeric else {symbol: i for i, symbol in enumerate(self.symbols)})

    @classmethod
    def of(cls, spec: int | Sequence[Symbol]) -> Alphabet:
        """An alphabet from its size or from its symbols; NumPy's scalars are taken as Python's."""
        spec = cast("int | Sequence[Symbol]", plain(spec))
        if isinstance(spec, bool) or (isinstance(spec, int) and spec < 1):
            raise InputError(f"the alphabet size is {spec}", hint="give a size of at least 1, or a list of symbols")
        if isinstance(spec, int):
            if spec > MOST_SYMBOLS:
                raise InputError(f"the alphabet size is {spec:,}", hint=f"give a size of at most {MOST_SYMBOLS:,}")
            return cls(tuple(range(spec)), numeric=True)
        if not isinstance(spec, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"the alphabet is {spec!r}", hint="give a size or a list of symbols")
        symbols = tuple(cast("Symbol", plain(symbol)) for symbol in spec)
        if not symbols:
            raise InputError("the alphabet is empty", hint="give at least one symbol")
        seen: set[Symbol] = set()
        for symbol in symbols:
            if symbol is None:
                raise InputError("the alphabet holds None", hint="None means ⊥ (no value); use another symbol")
            if not isinstance(symbol, Hashable) or symbol != symbol:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(
                    f"{symbol!r} cannot be a symbol", hint="symbols are hashable and equal to themselves, like strings or numbers"
                )
            try:
                known = symbol in seen
                seen.add(symbol)
            except TypeError:
                raise InputError(f"{symbol!r} cannot be a symbol", hint="symbols are hashable, like strings or numbers") from None
            if known:
                raise InputError(f"the alphabet holds {symbol!r} twice", hint="symbols must differ")
        return cls(symbols, numeric=all(type(s) is int and s == i for i, s in enumerate(symbols)))

    @property
    def numbers(self) -> bool:
        """Whether every symbol is an integer, so that tokens can be calculated with."""
        return self.numeric or all(type(symbol) is int for symbol in self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def id(self, symbol: object) -> int | None:
        """The token id of a symbol, or None where the alphabet does not hold it (True is not taken for 1)."""
        if self.numeric:
            try:
                index = operator.index(symbol)  # pyright: ignore[reportArgumentType]
            except (TypeError, HeadworkError):  # a value of a program says itself that it is no number
                return None
            return index if 0 <= index < len(self.symbols) and not isinstance(symbol, bool) else None
        try:
            found = self._ids.get(symbol)
        except (TypeError, HeadworkError):  # an unhashable object is no symbol
            return None
        return found if found is not None and isinstance(symbol, bool) == isinstance(self.symbols[found], bool) else None


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a program is built for: context length N, alphabet, whether positions see only the past, and mantissa bits.

    The mantissa says how much one head may add up; a program that adds up more is spread over several. `strict` says that
    a head may leave out its own position; some architectures have no such mask. `labels` are what values of kind `label` stand
    for, by number: whatever a table returned that is neither a symbol, a number nor a truth.
    """

    length: int
    alphabet: Alphabet
    causal: bool
    mantissa: int = 24
    strict: bool = True
    labels: tuple[Symbol, ...] = ()
