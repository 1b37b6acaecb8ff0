"""Choosing between values: by a condition, or the first that is not ⊥."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..codes.forms import Form
from ..codes.linear import ONE, Lin, Unit
from ..domain import Domain, Sizes
from .base import Gadgets, Local, Operand


def _join(a: Domain, b: Domain, none: bool) -> Domain:
    if not a.size or not b.size:  # one of them is the constant ⊥
        return (a if a.size else b).maybe(none)
    lag = max(a.lag, b.lag) if a.lag is not None and b.lag is not None else None
    kind = a.kind if a.kind == b.kind else "int"
    return Domain(kind, min(a.lo, b.lo), max(a.hi, b.hi), none, lag)


def _pass(z: Lin, off: Lin, gadgets: Gadgets) -> Unit:
    """relu(z - M·off) with M >= max z: z where off is 0 (codes are non-negative), 0 where off >= 1."""
    bound = max(0, z.range(gadgets.interval)[1])
    return Unit(z - off * bound, (1,), peak=bound)


@dataclass(frozen=True)
class Where(Local):
    """Arguments c, x, y: x where c is true, y where it is false, ⊥ where c is ⊥."""

    name: ClassVar[str] = "where"
    strict: ClassVar[bool] = False

    def arity(self) -> int:
        return 3

    def problem(self, args: Sequence[Domain], sizes: Sizes) -> str:
        return "" if args[0].kind == "bool" else "the condition is not a boolean"

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return _join(args[1], args[2], any(a.none for a in args))

    def meaning(self, *values: int | None) -> int | None:
        c, x, y = values
        return None if c is None else x if c else y

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        # c's code is 1 (false) or 2 (true), 0 for ⊥. x passes where c = 2: the number 2 - c is 0 there, else >= 1.
        # y passes where c = 1: c - 1 is 0 there, 1 for true; a missing c is silenced by 2·(1 - present).
        c, x, y = args
        not_true = ONE * 2 - c.z
        not_false = c.z - ONE + (ONE - c.present()) * 2
        return [_pass(x.shifted(out.off), not_true, gadgets), _pass(y.shifted(out.off), not_false, gadgets)]


@dataclass(frozen=True)
class OrElse(Local):
    """Arguments x, y: x where it has a value, else y."""

    name: ClassVar[str] = "or_else"
    strict: ClassVar[bool] = False

    def arity(self) -> int:
        return 2

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return _join(args[0], args[1], args[0].none and args[1].none)

    def meaning(self, *values: int | None) -> int | None:
        x, y = values
        return y if x is None else x

    def lower(self, args: Sequence[Operand], out: Form, gadgets: Gadgets) -> Lin | list[Unit]:
        x, y = args
        kept = x.shifted(out.off)
        if not x.domain.none:
            return kept
        return [Unit(kept, (1,)), _pass(y.shifted(out.off), x.present(), gadgets)]
