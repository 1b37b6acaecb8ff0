"""Floors and ±1 codes of a computed number, in stages where one staircase would add up to too much.

A staircase of floor(z / s) has two units at each step, which read up to the distance from there to the greatest z. Together that is

    S(top, s) = Σ_k (top + 1 - s·k) + (top - s·k) = n·(2·top + 1) - s·n·(n + 1),   n = floor(top / s),

about top²/s: with s = 1 a float32 holds it for four thousand numbers. With a coarser floor F of steps s·m, the rest z - s·m·F is below
s·m, and

    floor(z / s) = m·F + floor((z - s·m·F) / s),

whose staircase adds up to S(s·m - 1, s), about s·m², and m·F to top/s. F comes the same way from a floor that is coarser still, until one
staircase over z does. Digits of z are differences of floors, and the ±1 code of a digit is a function of few values. A staircase of more
than LONG units goes in stages too, whether or not it would be exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..codes.forms import Form, Ints
from ..codes.linear import ONE_FEATURE, Lin, Unit
from ..codes.numerics import Dtype, Exactness
from ..errors import ExactnessError
from .stage import piecewise

Read = Callable[[Form], tuple[Lin, ...]]
UNITS = 1 << 16  # hidden units of one value, as many as a table may have: a million fill the memory, and no certificate follows them
LONG = 1 << 14  # hidden units of one staircase: the bits of a count to 2^20 would take two million
BITS = 7  # of a stage: a certificate tries each of its units on every number


def staircase(top: int, step: int) -> int:
    """S(top, s)."""
    n = top // step
    return n * (2 * top + 1) - step * n * (n + 1)


def few(what: str, units: int) -> None:
    """Refuse a value that would take too many hidden units."""
    if units > UNITS:
        hint = "let the code be auto, which then takes another, or shorten the length"
        raise ExactnessError(f"{what} would take {units:,} hidden units, more than {UNITS:,}", hint=hint)


def floor(form: Form, read: Read, dtype: Dtype, what: str) -> tuple[Unit, ...]:
    """Units of a floor of a computed number; `read` gives its other forms. Raises ExactnessError where no stages do."""
    top, step = form.top, form.parts
    z = read(Form("digits", form.off, top))[0]
    ms = [1 << b for b in range(1, BITS + 1) if step << b <= top and staircase((step << b) - 1, step) + top // step <= dtype.limit]
    single = staircase(top, step) <= dtype.limit and 2 * (top // step) <= LONG
    if single or not ms:
        Exactness(what, "Σ |weight|·max activation", staircase(top, step)).require(dtype)
        return _stairs(z, np.arange(top + 1)[:, None] // step)
    m = ms[-1]
    high = read(replace(form, parts=step * m))[0]
    return Unit(high, (m,)), *_stairs(z - high * (step * m), np.arange(step * m)[:, None] // step)


def signs(form: Form, read: Read, dtype: Dtype) -> tuple[Unit, ...]:
    """Units of the ±1 code of a computed number: of all its bits at once, or of digits of a few bits each."""
    top, bits = form.top, form.width
    z = read(Form("digits", form.off, top))[0]
    if top >> BITS == 0 or (top <= UNITS and _adds(form.encode(np.arange(top + 1))) <= dtype.limit):
        return _stairs(z, form.encode(np.arange(top + 1)))
    each = -(-bits // -(-bits // BITS))
    floors = [z, *(read(Form("floor", form.off, top, 1 << at))[0] for at in range(each, bits, each)), Lin()]
    units = [Unit(read(form.also("flag"))[0], (-1,) * bits)]
    for first, low, high in zip(range(0, bits, each), floors, floors[1:], strict=False):
        digit = np.arange(min(1 << each, (top >> first) + 1))[:, None]
        place = np.arange(bits) - first
        units += _stairs(low - high * (1 << each), np.where((place >= 0) & (place < each), 2 * (digit >> np.maximum(place, 0) & 1), 0))
    return tuple(units)


def _stairs(z: Lin, table: Ints) -> tuple[Unit, ...]:
    """Units of a function of a number, of at most what the table says: the intervals of a sum's terms do not show how far it reaches."""
    return tuple(Unit(unit.pre, unit.out, len(table) - 1 - threshold(unit)) for unit in piecewise(z, table))


def threshold(unit: Unit) -> int:
    """The number from which on a unit is active."""
    return -dict(unit.pre.terms).get((ONE_FEATURE, 0), 0)


def _adds(table: Ints) -> int:
    """The greatest Σ |weight|·max activation of a dimension, of units of a function of a number."""
    bends = np.abs(np.diff(table, 2, axis=0, prepend=np.zeros((1, table.shape[1]), np.int64)))  # at 0, 1, ..
    return int((bends * np.arange(len(table) - 1, len(table) - 1 - len(bends), -1)[:, None]).sum(axis=0).max())
