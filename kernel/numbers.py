"""Floating-point tensors as integers, and the one rule of rounding the proof uses.

Rule EXACT. A sum of products is exact in every order of summation, with fused or separate multiply-add, if all products are
multiples of one power of two u and their absolute values add up to at most u·2^t, t the mantissa bits: every partial sum is then
a representable number (IEEE 754, round to nearest). Everything is bounded before it is computed, so that float64 holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float64]
NONE = np.iinfo(np.int64).min  # ⊥ in arrays of values
LARGEST = 2**53  # numbers of programs and codes stay below


class Rejected(ValueError):
    """A step of a proof script that the kernel does not accept. `fact` says which and why, `example` a case where it fails."""

    def __init__(self, fact: str, example: str = "") -> None:
        super().__init__(f"{fact}; {example}" if example else fact)
        self.fact, self.example = fact, example


class TooMany(Rejected):
    """More cases than the kernel enumerates: how many, of how many variables, and the most there may be."""

    def __init__(self, fact: str, count: int, variables: int, most: int) -> None:
        super().__init__(fact)
        self.count, self.variables, self.most = count, variables, most


FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, StopIteration)  # of what is malformed


@contextmanager
def rejecting(what: str) -> Iterator[None]:
    """What goes wrong inside, or in the function that this decorates, is Rejected."""
    try:
        yield
    except FAULTS as fault:
        raise fault if isinstance(fault, Rejected) else Rejected(f"{what}: {type(fault).__name__}: {fault}") from fault


def few(count: int, most: int, variables: int, what: str) -> None:
    """Rejects more cases than are enumerated."""
    if count > most:
        raise TooMany(what, count, variables, most)


class Arithmetic(NamedTuple):
    """A way to compute: significant bits of sums and of numbers that enter a product, the largest number, the least exponent.

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


def exact(magnitude: int, shift: int, dtype: str, what: str, enters: bool = False) -> int:
    """Rule EXACT for multiples of 2**-shift whose absolute values add up to `magnitude` of these units; returns it.

    `enters`: the sum is also a number that may enter a product. A magnitude computed in float64 from non-negative terms is
    exact below 2**53 and never rounds to less than that, so 2**53 itself is refused.
    """
    rule = ARITHMETICS[dtype]
    bits = rule.enters if enters else rule.sums
    if magnitude > 2**bits or magnitude >= LARGEST:
        raise Rejected(f"{what} is not exact in {dtype}: {magnitude:,} steps > 2**{bits}")
    if magnitude << max(0, -shift) > rule.largest << max(0, shift):
        raise Rejected(f"{what} overflows {dtype}")
    if magnitude and -shift < rule.least:
        raise Rejected(f"{what} underflows {dtype}")
    return magnitude


@dataclass(frozen=True, slots=True)
class Scaled:
    """A tensor as integers times 2**-shift."""

    ints: Ints
    shift: int


def scaled(tensor: Reals, what: str, finest: int | None = None) -> Scaled:
    """A tensor over the coarsest power of two it is on, or over 2**-finest if that is finer. Rejects numbers too far apart for 62 bits."""
    values = tensor[tensor != 0]
    if not len(values):
        return Scaled(np.zeros(tensor.shape, np.int64), finest or 0)
    exponent = np.frexp(values)[1]
    shift = max(int((53 - exponent - _trailing(values)).max()), -(2**62) if finest is None else finest)
    if int(exponent.max()) + shift > 62:
        raise Rejected(f"{what} mixes numbers too far apart to share a grid")
    return Scaled(np.ldexp(tensor, shift).astype(np.int64), shift)


def require_stored(tensor: Reals, dtype: str, what: str) -> None:
    """Every entry is a finite number of this arithmetic."""
    values, rule = tensor[tensor != 0], ARITHMETICS[dtype]
    if not np.isfinite(values).all() or (np.abs(values) > float(rule.largest)).any():
        raise Rejected(f"{what} holds a number that {dtype} does not reach")
    if (np.abs(values) < 2.0**rule.least).any():
        raise Rejected(f"{what} holds a number below the least normal one of {dtype}")
    if len(values) and int((53 - _trailing(values)).max()) > rule.enters:
        raise Rejected(f"{what} holds a number of more than {rule.enters} bits, those of {dtype}")


def _trailing(values: Reals) -> Ints:
    """Trailing zeros of the 53-bit mantissas of nonzero numbers."""
    whole = (np.frexp(values)[0] * 2.0**53).astype(np.int64)
    return np.frexp((whole & -whole).astype(np.float64))[1].astype(np.int64) - 1


def raised(codes: Ints, shift: int, what: str) -> Ints:
    """Codes in units of 2**-shift. Rejects what would leave 62 bits."""
    if shift < 0 or int(np.abs(codes).max(initial=0)).bit_length() + shift > 62:
        raise Rejected(f"{what}: its weights are on no useful grid")
    return codes << shift


def product(a: Ints | Reals, b: Ints | Reals, what: str) -> Ints:
    """a @ b of whole numbers, where no partial sum reaches 2**53: float64 adds them up exactly. Shapes: (m, d), (d, n) -> (m, n)."""
    used = a.any(axis=0) if len(a) <= b.shape[1] else b.any(axis=1)
    a, b = a[:, used].astype(np.float64, copy=False), b[used].astype(np.float64, copy=False)
    left, right = (np.maximum(x.max(axis=i, initial=0), -x.min(axis=i, initial=0)) for i, x in enumerate((a, b)))
    if left @ right >= LARGEST:
        raise Rejected(f"{what} computes with numbers beyond 2**53")
    return (a @ b).astype(np.int64)
