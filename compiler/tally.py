"""Totals in weights: what a head must add to a cell so that rounding there gives the exact sum.

The cell is filled with F = 2^(t-1) - (the least total) beforehand, t mantissa bits. All numbers from 2^(t-1) to 2^t have
a spacing of 1, so adding y gives F + S exactly if |y - S| < 1/2 (IEEE 754, round to nearest). The head's y is

    y = fl(e^D) · Σ_t p_t·v_t,    p_t = e^-D·(1 + α) for the c <= M matches, 0 for other keys, and BOS's weight is 1:

every other weight together is below M·e^-D < 2^-(t+1), so the softmax's sum is 1 in any order. |α| <= 2^(8-t) is allowed for
exp. Rounding the products, the sum of at most M numbers in any order, e^D and the last product gives M + 3 factors of
1 ± 2^-t, so with the largest |v| = m, and e^x - 1 <= 1.1·x for x <= 0.18,

    |y - S| <= 1.1·(2^8 + M + 3)·2^-t · M·m  <  1/2     if     11·(M + 259)·M·m  <  5·2^t.
"""

from __future__ import annotations

from .numerics import Dtype, Exactness

EXP_BITS = 8  # exp may be wrong by a relative 2**(EXP_BITS - t)


def exactness(what: str, most: int, largest: int, dtype: Dtype) -> Exactness:
    """The inequality above, both sides over 5, for totals of at most `most` values of size at most `largest`."""
    text = f"2.2·(M + 259)·M·m (M = {most:,} matches, m = {largest:,})"
    return Exactness(what, text, -(-11 * (most + (1 << EXP_BITS) + 3) * most * largest // 5))


def block(mantissa: int) -> int:
    """The greatest power of two M for which counts of M matches are exact with that many mantissa bits."""
    m = 1
    while 11 * (2 * m + (1 << EXP_BITS) + 3) * 2 * m < 5 * 2**mantissa:
        m *= 2
    return m


def largest_value(most: int, mantissa: int) -> int:
    """The greatest m for which totals of `most` matches are exact."""
    return max(1, (5 * 2**mantissa - 1) // (11 * (most + (1 << EXP_BITS) + 3) * most))


def fill(least: int, dtype: Dtype) -> int:
    """What the cell holds before a total of at least `least` <= 0 is added."""
    return 2 ** (dtype.mantissa - 1) - least
