"""How much a text in RASP's own language may do: its steps, and the sizes of the numbers, words and lists that it makes."""

from __future__ import annotations

import operator
from typing import Any

MAX_STEPS, MAX_ITEMS, MAX_BITS = 200_000, 100_000, 4_096


class Budget:
    """The steps that the evaluation of one text may still take; None for no end."""

    def __init__(self, steps: int | None = MAX_STEPS) -> None:
        self.left = steps

    def step(self) -> None:
        """Take one step. Raises OverflowError where none is left."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            raise OverflowError(f"the text takes more than {MAX_STEPS:,} steps")


def plus(a: Any, b: Any) -> Any:
    """a + b."""
    if all(isinstance(x, (str, list, tuple)) for x in (a, b)):
        _few(len(a) + len(b))
    return operator.add(a, b)


def times(a: Any, b: Any) -> Any:
    """a * b."""
    for x, n in ((a, b), (b, a)):
        if isinstance(x, (str, list, tuple)) and isinstance(n, int):
            _few(len(x) * n)
    if isinstance(a, int) and isinstance(b, int):
        _short(a.bit_length() + b.bit_length())
    return operator.mul(a, b)


def power(a: Any, b: Any) -> Any:
    """a ** b."""
    if isinstance(a, int) and isinstance(b, int):
        _short(a.bit_length() * abs(b) if abs(a) > 1 else 1)
    return operator.pow(a, b)


def numbers(*ends: int) -> list[int]:
    """range(*ends) as a list."""
    _few(len(found := range(*ends)))
    return list(found)


def _few(items: int) -> None:
    if items > MAX_ITEMS:
        raise OverflowError(f"a word or list of {items:,} items is made, {MAX_ITEMS:,} are the most")


def _short(bits: int) -> None:
    if bits > MAX_BITS:
        raise OverflowError(f"a number of about {bits:,} bits is made, {MAX_BITS:,} are the most")
