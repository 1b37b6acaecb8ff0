"""Integers out of floating-point tensors, and the one rule of rounding the proof uses.

Rule: a sum of products is exact in every order of summation, and with fused or separate multiply-add, if all products
are multiples of one power of two u and their absolute values add up to at most u·2**t, t the mantissa bits (IEEE 754,
round to nearest: every partial sum is then a representable number).
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
BITS = {"float64": 53, "float32": 24, "tf32": 11, "float16": 11, "bfloat16": 8}
LARGEST = {"float64": 1.7e308, "float32": 3.4e38, "tf32": 3.4e38, "float16": 65504.0, "bfloat16": 3.3e38}
UNDERFLOW = {"float64": 746.0, "float32": 104.0, "tf32": 104.0, "float16": 104.0, "bfloat16": 104.0}


class Refused(HeadworkError):
    """The certificate cannot be given; the message says at which tensor, value or head, and why."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """A tensor as integers times 2**-shift."""

    ints: Ints
    shift: int


def scaled(tensor: Reals, what: str) -> Scaled:
    """The tensor over its finest power of two. Refuses entries that are no multiple of 2**-1074·… within 62 bits."""
    if not np.isfinite(tensor).all():
        raise Refused(f"{what} holds a number that is not finite")
    values = tensor[tensor != 0]
    if not len(values):
        return Scaled(np.zeros(tensor.shape, np.int64), 0)
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype(np.int64)
    low = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)  # trailing zeros of the 53-bit mantissa
    shift = int((53 - exponent - low).max())
    if int(exponent.max()) + shift > 62:
        raise Refused(f"{what} mixes numbers too far apart to share a grid")
    return Scaled(np.ldexp(tensor, shift).astype(np.int64), shift)


def add_up(magnitude: int, unit_shift: int, dtype: str, what: str) -> int:
    """Require that a sum of multiples of 2**-unit_shift with this total magnitude (in those units) is exact."""
    if magnitude > 2 ** BITS[dtype]:
        raise Refused(f"{what} is not exact in {dtype}: {magnitude:,} steps > 2**{BITS[dtype]}")
    if magnitude > LARGEST[dtype] * 2.0**unit_shift:
        raise Refused(f"{what} overflows {dtype}")
    return magnitude
