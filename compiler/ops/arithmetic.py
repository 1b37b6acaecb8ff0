"""Integer arithmetic: weighted sums, min and max, presence, and cutting to a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..codes.forms import Form
from ..codes.linear import ONE, Lin, Unit
from ..domain import BOOL, Domain, Kind, Sizes
from .base import Gadgets, Local, Operand, step


@dataclass(frozen=True)
class Affine(Local):
    """coefficients · arguments + constant, of the given kind (booleans count as 0 and 1)."""

    kind: Kind
    coefficients: tuple[int, ...]
    constant: int
    name: ClassVar[str] = "affine"

    def arity(self) -> int:
        return max(1, len(self.coefficients))

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        if len(args) != len(self.coefficients):
            return "there is no coefficient"
        negation = (self.coefficients, self.constant) == ((-1,), 1)
        fit = negation and args[0].kind == "bool" if self.kind == "bool" else self.kind == "int" or _numbers(args, self.kind)
        return "" if fit else "a sum needs numbers"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        ends = [(c * a.lo, c * a.hi) for c, a in zip(self.coefficients, args, strict=True)]
        lo, hi = (self.constant + sum(pick(e) for e in ends) for pick in (min, max))
        pointers = [(c, a) for c, a in zip(self.coefficients, args, strict=True) if a.lag is not None]
        lag = None
        if self.kind == "position" and len(pointers) == 1 and pointers[0][0] == 1:
            pointer = pointers[0][1]
            rest = hi - pointer.hi  # the greatest the other terms can add
            lag = (pointer.lag or 0) + rest
        return Domain(self.kind, lo, hi, any(a.none for a in args), lag)

    def meaning(self, *values: int | None) -> int | None:
        return self.constant + sum(c * v for c, v in zip(self.coefficients, values, strict=True) if v is not None)

    def label(self) -> str:
        return f"affine {list(self.coefficients)} + {self.constant}"

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        value = ONE * (self.constant - out.off)
        for c, arg in zip(self.coefficients, args, strict=True):
            value = value + arg.value * c
        if not any(a.domain.none for a in args):
            return value  # a linear view: no unit at all
        if len(args) == 1:
            # z = 0 must give 0 and z >= 1 gives c·z + k: (c + k)·relu(z) - k·relu(z - 1).
            (arg,), (c,) = args, self.coefficients
            k = c * arg.form.off + self.constant - out.off
            if k == 0:
                return arg.z * c
            return [Unit(arg.z, (c + k,)), Unit(arg.z - ONE, (-k,))]
        return gadgets.gate([(value, 1)], args)


def _numbers(args: Sequence[Domain], kind: Kind) -> bool:
    """Whether a position can be a sum of these: truths count as 0 and 1 in integers only."""
    return kind == "position" and all(a.kind != "bool" for a in args)


@dataclass(frozen=True)
class Extreme(Local):
    """The larger or smaller of two values; on booleans `or` and `and`."""

    largest: bool
    name: ClassVar[str] = "extreme"

    def arity(self) -> int:
        return 2

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        return "" if len({a.kind for a in args} & {"bool"}) in (0, len({a.kind for a in args})) else "a boolean and a number"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        a, b = args
        pick = max if self.largest else min
        lags = [d.lag for d in args if d.lag is not None]
        known = len(lags) == 2 or (lags and not self.largest)
        kind = a.kind if a.kind == b.kind else "int"
        lag = pick(lags) if known and kind == "position" else None
        return Domain(kind, pick(a.lo, b.lo), pick(a.hi, b.hi), a.none or b.none, lag)

    def meaning(self, *values: int | None) -> int | None:
        present = [v for v in values if v is not None]
        return max(present) if self.largest else min(present)

    def label(self) -> str:
        return "max" if self.largest else "min"

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # max(a, b) = b + relu(a - b), min(a, b) = b - relu(b - a); b's code is >= 0 under out's shift or is split.
        a, b = (arg.value - ONE * out.off for arg in args)
        first = a - b if self.largest else b - a
        low = max(0, -b.range(gadgets.interval)[0])  # b + low >= 0, so relu(b + low) - low is b
        pres = [(b + ONE * low, 1), (first, 1 if self.largest else -1)]
        return gadgets.gate(pres + ([(ONE * low, -1)] if low else []), args)


@dataclass(frozen=True)
class Exists(Local):
    """True where the argument has a value, False where it is ⊥."""

    name: ClassVar[str] = "exists"
    strict: ClassVar[bool] = False

    def arity(self) -> int:
        return 1

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return BOOL

    def meaning(self, *values: int | None) -> int | None:
        return int(values[0] is not None)

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        (arg,) = args
        if arg.form.top == 1 or not arg.domain.none:
            return ONE + (arg.z if arg.domain.none else ONE)
        return [Unit(ONE, (1,)), *(Unit(pre, (w,)) for pre, w in step(arg.z, 1))]


@dataclass(frozen=True)
class Clip(Local):
    """The value where it lies in lo..hi, else ⊥: turns a number into a readable position."""

    lo: int
    hi: int
    name: ClassVar[str] = "clip"

    def arity(self) -> int:
        return 1

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        return "" if 1 <= self.lo <= self.hi and args[0].kind != "bool" else "the range is empty, or not one of numbers"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        (a,) = args
        lo, hi = max(a.lo, self.lo), min(a.hi, self.hi)
        cut = (lo, hi) != (a.lo, a.hi)
        return Domain(a.kind, min(lo, self.hi), max(hi, min(lo, self.hi)), a.none or cut, a.lag)

    def meaning(self, *values: int | None) -> int | None:
        (v,) = values
        return v if v is not None and self.lo <= v <= self.hi else None

    def label(self) -> str:
        return f"clip {self.lo}..{self.hi}"

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # On z: 0 below L, z + k for L <= z <= H, 0 above: a jump of L + k at L, slope 1, a fall of H + k at H + 1.
        (arg,) = args
        k = arg.form.off - out.off
        first, last = max(1, self.lo - arg.form.off), self.hi - arg.form.off
        if last < first:
            return Lin()
        pres = [*step(arg.z, first, first + k), (arg.z - ONE * first, 1)]
        if last < arg.form.top:
            pres += [(arg.z - ONE * last, -1), *step(arg.z, last + 1, -(last + k))]
        return [Unit(pre, (w,)) for pre, w in pres]
