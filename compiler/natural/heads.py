"""The constants of natural heads, each from the inequality beside it. Scores are in nats.

**Lookups.** A winner leads by λ, the sharpness. All N rivals together then have at most N·e^-λ of the weight, and this must stay
below a quarter of a flat, 1/16, even where noise has taken half of the lead:

    N·e^(-λ/2) <= 1/16        λ = 2·ln(16·N), rounded up: 14 at N = 64.

A matching part adds A. Ties are broken by a bonus that lies in ±range/2: λ for each position, from the position's ruler. BOS, where
a query rests that nothing matches, scores A/2 less than a full match:

    match - BOS    >=  A/2 - range/2  >=  λ
    BOS - mismatch >=  A/2 - range/2  >=  λ        A = max(range + 2·λ, 3/2·range)

and half of a range is left for noise, which is in proportion to A. `largest` and `closest` add (N + 1)·λ for each step of what
ranks, so that position breaks what is left of ties.

**Totals.** All matches score alike, BOS h above them, mismatches A below. With e^h = H, c matches weigh 1/(H + c) each and BOS
H/(H + c); for H near N that is between 1/2 and 1, and c is read from it with differences of about 1/(4N) at the worst. Mismatches take
a sixteenth of what a match worth 1 does, together, whatever they are worth, up to V:

    N·V·e^-A <= 1/16          A = ln(16·N·V), rounded up: 7 at N = 64 for counts, where V = 1

h is ln N rounded up to 1/8, which few bits hold. A number read off shares keeps a slope κ where it is rounded, for gradients; a key that is
off by κ/2 moves the score of a match by A·κ/2 and a sum of N by N·V times that:

    N·V·A·κ/2 <= 1/128        κ = 1/(64·N·V·A), rounded down to a power of two.

**Sums.** A level of a staircase over a sum of m cells that is worth up to S adds up pre-activations of up to 2·S with weights of 8
together, each off by (m + 2)·2^-24·2·S in float32 where the order of summation is bad. A key that is off by e moves a match by
A·e, and two matches against each other by 2·A·e. Where that may take more than an eighth of the lead,

    2·A·8·(m + 2)·2·S·2^-24 > λ/8

the sum is rounded once more by the next MLP. It keeps a slope κ too; another sum over its R values, each off by κ/4, is to be right:

    R²/2·κ/4 <= 1/128         κ = 1/(16·R²), rounded down to a power of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def sharpness(length: int) -> float:
    """The lead of a lookup's winner in nats by default: the least integer with N·e^(-λ/2) <= 1/16."""
    return float(math.ceil(2 * math.log(16 * length)))


def apart(length: int, largest: int) -> float:
    """How far mismatches of a total score below matches, of values up to V: the least integer with N·V·e^-A <= 1/16."""
    return float(math.ceil(math.log(16 * length * largest)))


def resting(length: int) -> float:
    """How far BOS scores above a total's matches: ln N, rounded up to 1/8, at least 1/8."""
    return max(1, math.ceil(8 * math.log(length))) / 8


def slope(length: int, largest: int, values: int = 0) -> float:
    """The slope that the rounding of shares and sums keeps: the greatest power of two with N·V·A·κ/2 <= 1/128, and R²·κ/8 <= 1/128."""
    return 2.0 ** math.floor(-math.log2(max(64 * length * largest * apart(length, largest), 16 * values * values)))


def digits(lo: int, hi: int) -> float:
    """The block in which bends of a staircase from lo - 1 to hi + 1 are counted: the power of two nearest to the root of the greatest."""
    return 2.0 ** round(math.log2(max(1, 1 - lo, hi + 1)) / 2)


def coarse(cells: int, largest: float, match: float, lead: float) -> bool:
    """Whether a sum is rounded once more: it has many cells, or is worth much."""
    return 2 * match * 8 * (cells + 2) * 2 * largest * 2.0**-24 > lead / 8


@dataclass(frozen=True, slots=True)
class Scale:
    """Of a lookup: the lead λ, what a match adds, and how far the bonus ranges."""

    lead: float
    match: float
    bonus: float


def scale(lead: float, steps: float) -> Scale:
    """The constants of a lookup whose bonus ranges over `steps` leads."""
    bonus = lead * steps
    return Scale(lead, short(max(bonus + 2 * lead, 1.5 * bonus)), bonus)


def short(x: float) -> float:
    """The least number of at least x that has four significant bits."""
    if x <= 0:
        return 0.0
    unit = 2.0 ** (math.floor(math.log2(x)) - 3)
    return math.ceil(x / unit) * unit


def near(x: float) -> float:
    """The nearest number of eight significant bits: a relative 1/512 away, of what BOS scores, which has half of a match to spare."""
    unit = 2.0 ** (math.floor(math.log2(abs(x) or 1.0)) - 7)
    return round(x / unit) * unit


def split(x: float) -> tuple[float, float]:
    """Two factors of a number, near its root: the first has its bits and its sign, the second is a power of two."""
    power = 2.0 ** (math.floor(math.log2(abs(x))) // 2) if x else 1.0
    return x / power, power


def block(length: int) -> int:
    """The step of the ruler's coarse marks: about the root of N, the whole of it for short contexts."""
    return max(1, math.ceil(math.sqrt(length)))
