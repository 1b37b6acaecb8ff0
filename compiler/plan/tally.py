"""Totals in weights: what a head must add to a cell so that rounding there gives the exact sum.

The cell is filled with F = 2^(t-1) + 1 - (the least total) beforehand, t mantissa bits. All numbers from 2^(t-1) to 2^t have
a spacing of 1, so adding y gives F + S exactly if |y - S| < 1/2 (IEEE 754, round to nearest); below 2^(t-1) numbers lie closer,
hence the 1. The head's y is

    y = fl(e^D) · Σ_t p_t·v_t,    p_t = e^-D·(1 + α) for the c <= M matches, 0 for other keys, and BOS's weight is 1:

every other weight together is below M·e^-D < 2^-(t+1), so the softmax's sum is 1 in any order. |α| <= 2^(8-t) is allowed for
exp. A sum of M numbers of at most m makes M - 1 additions, each off by 2^-t of its result; whatever the order, the results
add up to at most (2 + 3 + … + M)·m < (M/2 + 1)·M·m (one number after the other is the worst). With e^D, the products v·p and
the product with e^D rounded too, and e^x - 1 <= 1.1·x for x <= 0.18, the first line below holds with 4 in the place of 6; the
certificate, which measures how far e^D is rounded and adds that, has to have room:

    |y - S|  <=  1.1·(2^8 + M/2 + 6)·2^-t · M·m  <  1/2     if     1.1·(M + 524)·M·m  <  2^t.

Several heads may add to one cell, c_j times the total of each: their bounds add up, each times |c_j|. Adding k such numbers takes
k - 1 sums, each off by 2^-t of all of it at most, so that 6 becomes 5 + k, and 524 is 522 + 2k.

Weights keep their mantissa bits only while they are normal numbers: e^-D >= 2·2^least. `numerics.py` has D = 32 for float32, where
e^-32 > 2^-47 and the least is 2^-126, and D = 64 for float64, where e^-64 > 2^-93 and the least is 2^-1022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from ..codes.numerics import Dtype, Exactness

EXP_BITS = 8  # exp may be wrong by a relative 2**(EXP_BITS - t)


def steps(most: int, largest: int, heads: int = 1) -> Fraction:
    """The left side of the inequality above for `most` matches of values of size at most `largest`, of one of so many heads."""
    return Fraction(11, 10) * (most + 2 * (1 << EXP_BITS) + 10 + 2 * heads) * most * largest


def exactness(what: str, terms: Sequence[tuple[int, int, int]]) -> Exactness:
    """The inequality for a cell that several heads add to: (coefficient, most matches, largest value) of each."""
    total = sum((abs(c) * steps(most, largest, len(terms)) for c, most, largest in terms), Fraction(0))
    facts = [f"M = {most:,}, m = {largest:,}" + (f", c = {c}" if c != 1 else "") for c, most, largest in dict.fromkeys(terms)]
    heads = f"{len(terms)} heads, " if len(terms) > 1 else ""
    return Exactness(what, f"1.1·(M + {522 + 2 * len(terms)})·M·m ({heads}{'; '.join(facts)})", math.ceil(total))


def block(mantissa: int) -> int:
    """The greatest power of two M for which counts of M matches are exact with that many mantissa bits."""
    m = 1
    while steps(2 * m, 1) <= 2**mantissa:
        m *= 2
    return m


def largest_value(most: int, mantissa: int) -> int:
    """The greatest m for which totals of `most` matches are exact."""
    return max(1, math.floor(2**mantissa / steps(most, 1)))


def fill(least: int, dtype: Dtype) -> int:
    """What the cell holds before a total of at least `least` <= 0 is added."""
    return 2 ** (dtype.mantissa - 1) + 1 - least
