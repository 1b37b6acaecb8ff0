"""Integers out of floating-point tensors, and the one rule of rounding the proof uses.

Rule: a sum of products is exact in every order of summation, and with fused or separate multiply-add, if all products
are multiples of one power of two u and their absolute values add up to at most u·2**t, t the mantissa bits (IEEE 754,
round to nearest: every partial sum is then a representable number). Below 2**53 all of it fits the checker's own int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..compiler.errors import HeadworkError

Ints: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float64]
NONE = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A way to compute: significant bits of sums and of numbers that enter a product, and the exponents' range.

    TF32 keeps 11 bits of what enters a product and adds up in float32; the others round both alike. exp(-x) is zero for
    x >= `underflow` nats. Numbers below 2**least are avoided: they lose bits, and some processors flush them to zero.
    """

    sums: int
    enters: int
    largest: int
    least: int
    underflow: float


ARITHMETICS = {
    "float64": Arithmetic(53, 53, int(1.7e308), -1022, 746.0),
    "float32": Arithmetic(24, 24, int(3.4e38), -126, 104.0),
    "tf32": Arithmetic(24, 11, int(3.4e38), -126, 104.0),
    "float16": Arithmetic(11, 11, 65504, -14, 104.0),
    "bfloat16": Arithmetic(8, 8, int(3.3e38), -126, 104.0),
}


class Refused(HeadworkError):
    """The certificate cannot be given; the message says at which tensor, value or head, and why."""


class TooMany(Refused):
    """There are more cases than may be enumerated; another way of taking them, or a higher limit, may do."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A tensor as integers times 2**-shift."""

    ints: Ints
    shift: int

    def coarsest(self) -> Scaled:
        """The same tensor over the greatest power of two that all its entries are multiples of."""
        odd = int(np.bitwise_or.reduce(np.abs(self.ints), axis=None))
        spare = (odd & -odd).bit_length() - 1 if odd else 0
        return Scaled(self.ints >> spare, self.shift - spare)


def scaled(tensor: Reals, what: str, finest: int | None = None) -> Scaled:
    """The tensor over its finest power of two, or over 2**-finest if that is finer. Refuses numbers too far apart for 62 bits."""
    if not np.isfinite(tensor).all():
        raise Refused(f"{what} holds a number that is not finite")
    values = tensor[tensor != 0]
    if not len(values):
        return Scaled(np.zeros(tensor.shape, np.int64), finest or 0)
    _, exponent = np.frexp(values)
    shift = int((53 - exponent - _trailing(values)).max())
    shift = shift if finest is None else max(shift, finest)
    if int(exponent.max()) + shift > 62:
        raise Refused(f"{what} mixes numbers too far apart to share a grid")
    return Scaled(np.ldexp(tensor, shift).astype(np.int64), shift)


def _trailing(values: Reals) -> Ints:
    """Trailing zeros of the 53-bit mantissas of nonzero numbers."""
    whole = (np.frexp(values)[0] * 2.0**53).astype(np.int64)
    return np.log2((whole & -whole).astype(np.float64)).astype(np.int64)


def require_stored(tensor: Reals, dtype: str, what: str) -> None:
    """Require that every entry is a number of this arithmetic."""
    values, rule = tensor[tensor != 0], ARITHMETICS[dtype]
    if not np.isfinite(values).all() or (np.abs(values) > float(rule.largest)).any():
        raise Refused(f"{what} holds a number that {dtype} does not reach")
    if len(values) and int((53 - _trailing(values)).max()) > rule.enters:
        raise Refused(f"{what} holds a number of more than {rule.enters} bits, those of {dtype}")


def add_up(magnitude: int, unit_shift: int, dtype: str, what: str, enters: bool = False) -> int:
    """Require that a sum of multiples of 2**-unit_shift with this total magnitude (in those units) is exact.

    `enters`: that the sum is also a number that may enter a product. A magnitude computed in float64 from non-negative
    terms is exact below 2**53 and never rounds to less than that, so 2**53 itself is refused.
    """
    rule = ARITHMETICS[dtype]
    bits = rule.enters if enters else rule.sums
    if magnitude > 2**bits or magnitude >= 2**53:
        raise Refused(f"{what} is not exact in {dtype}: {magnitude:,} steps > 2**{bits}")
    up, down = max(0, unit_shift), max(0, -unit_shift)
    if magnitude << down > rule.largest << up:
        raise Refused(f"{what} overflows {dtype}")
    if magnitude and -unit_shift < rule.least:
        raise Refused(f"{what} underflows {dtype}")
    return magnitude


def raised(codes: Ints, shift: int, what: str) -> Ints:
    """Codes in units of 2**-shift. Refuses what would leave 62 bits."""
    most = int(np.abs(codes).max(initial=0))
    if shift < 0 or most.bit_length() + shift > 62:
        raise Refused(f"{what}: its weights are on no useful grid")
    return codes << shift
