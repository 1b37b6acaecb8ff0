"""Floating-point facts the compiler relies on, and the record of why a head is exact.

With t mantissa bits (the hidden one included), integers up to 2**t and their multiples by a power of two
are exact, and so is every sum whose terms' absolute values add up to at most 2**t grid steps, whatever
the order of summation. exp(-gap) is exactly 0 once gap exceeds the dtype's underflow threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ExactnessError, InputError


@dataclass(frozen=True, slots=True)
class Dtype:
    """A floating-point format: `mantissa` bits t, the score `grid` (a power of two) and the largest finite number.

    `grid` is the least power of two at which exp(-grid) rounds to zero: float32's smallest number is 2**-149,
    so exp(-x) = 0 for x > 150·ln 2 = 103.98; float64's is 2**-1074, so x > 1075·ln 2 = 745.2. Half-precision
    attention may compute its softmax in float32, hence the same grid there.

    Totals have a finer grid: a match scores one step of `tally` nats below BOS, a mismatch at least `rivals` steps, where
    exp is zero. N·exp(-tally) < 2**-t must hold for any length N: exp(-32) is 2**-46, exp(-64) is 2**-92.

    A target whose norm adds to what is read may keep bits back from the sums that read the stream: `kept_back` of them. One whose
    users convert logits to fewer bits before they compare them says so by `logit_bits`.
    """

    name: str
    mantissa: int
    grid: int
    largest: float
    tally: int
    rivals: int
    kept_back: int = 0
    logit_bits: int = 0

    @property
    def limit(self) -> int:
        """The largest number of grid steps a sum may reach and still be exact: 2**t, or less if that overflows."""
        return min(2**self.mantissa, int(self.largest / self.grid))

    @property
    def reading(self) -> Dtype:
        """What is left for sums that read the stream."""
        if not self.kept_back:
            return self
        return replace(self, name=f"{self.name} less {self.kept_back} bits", mantissa=self.mantissa - self.kept_back, kept_back=0)

    @property
    def unembedding(self) -> Dtype:
        """What is left for logits."""
        if not 0 < self.logit_bits < self.reading.mantissa:
            return self.reading
        return replace(self, name=f"the {self.logit_bits} bits that logits have", mantissa=self.logit_bits, kept_back=0, logit_bits=0)


DTYPES = {
    d.name: d
    for d in (
        Dtype("float64", 53, 1024, 1.7e308, tally=64, rivals=16),
        Dtype("float32", 24, 128, 3.4e38, tally=32, rivals=4),
        Dtype("float16", 11, 128, 65504.0, tally=32, rivals=4),
        Dtype("bfloat16", 8, 128, 3.3e38, tally=32, rivals=4),
    )
}


def dtype_named(name: str) -> Dtype:
    """The dtype of that name. Raises InputError on an unknown one."""
    if name not in DTYPES:
        raise InputError(f"dtype {name!r} is not known", hint=f"use one of {', '.join(DTYPES)}")
    return DTYPES[name]


@dataclass(frozen=True, slots=True)
class Exactness:
    """Why a sum is exact: `steps` bounds the absolute terms in units of the grid; exact iff steps <= 2**t.

    For a head, scores are multiples of `grid` nats and a winner beats every rival by at least one of them.
    """

    what: str
    inequality: str
    steps: int

    def require(self, dtype: Dtype) -> Exactness:
        """Refuse with the inequality, and the dtype that would do, if the sum does not fit the mantissa."""
        if self.steps <= dtype.limit:
            return self
        others = [d.name for d in DTYPES.values() if self.steps <= d.limit and dtype.name in DTYPES]
        hint = f"dtype {others[-1]} would do" if others else "no dtype would do; shorten the length or the alphabet"
        raise ExactnessError(
            f"{self.what} is not exact in {dtype.name}: {self.inequality} = {self.steps:,} > {dtype.limit:,}",
            hint=hint,
        )
