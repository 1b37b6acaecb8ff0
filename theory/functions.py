"""The functions of integers that the bounds are written in, as sympy expressions that print and evaluate exactly."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial, inf, isfinite, log2 as log2_of
from typing import TypeAlias, cast

import sympy as sp

from ..compiler.errors import InputError
from ..mpc.covering import rows

Number: TypeAlias = int | float
MOST_DIGITS = 4000  # of an integer that is calculated: what Python prints, and a moment's work
MOST_SYMBOLS = 512  # for which trees are counted, in a second or two


class FloorLog2(sp.Function):
    """floor(log2 x) of an x > 0: of a fraction p/q by bit lengths, as it is floor(log2 (p // q)) where p >= q; else by sympy's bounds."""

    nargs = 1

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where the argument is a positive number."""
        x = args[0]
        if isinstance(x, sp.Rational) and x.p >= x.q:
            return sp.Integer((x.p // x.q).bit_length() - 1)
        return sp.floor(sp.log(x, 2)) if x.is_number and x.is_positive else None

    def _sympystr(self, printer: _Printer) -> str:
        return f"floor(log2({printer.doprint(self.args[0])}))"


class CeilLog(sp.Function):
    """ceil(log_base x): the least D >= 0 with base**D >= x, for x > 0 and an integer base >= 2."""

    nargs = 2

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where the arguments are numbers in range; of a fraction found by multiplying, not with logarithms."""
        x, base = args
        if not (isinstance(base, sp.Integer) and base.p >= 2 and x.is_number and x.is_positive):
            return None
        if not isinstance(x, sp.Rational):
            return sp.Max(0, sp.ceiling(sp.log(x) / sp.log(base)))
        steps, reach = 0, x.q
        while reach < x.p:
            steps, reach = steps + 1, reach * base.p
        return sp.Integer(steps)

    def _sympystr(self, printer: _Printer) -> str:
        x, base = (printer.doprint(a) for a in self.args)
        return f"ceil(log2({x}))" if base == "2" else f"ceil(log({x}, {base}))"


class Log2(sp.Function):
    """log2 x, kept whole in print."""

    nargs = 1

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """An exact value where the argument is a number."""
        return sp.log(args[0], 2) if args[0].is_number else None

    def _sympystr(self, printer: _Printer) -> str:
        return f"log2({printer.doprint(self.args[0])})"


class Ones(sp.Function):
    """The number of ones among the binary digits of an integer x >= 0."""

    nargs = 1

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where the argument is an integer."""
        x = args[0]
        return sp.Integer(int(x).bit_count()) if isinstance(x, sp.Integer) and x.p >= 0 else None

    def _sympystr(self, printer: _Printer) -> str:
        return f"ones({printer.doprint(self.args[0])})"


class Above(sp.Function):
    """1 where x > n, else 0; prints as [x > n]."""

    nargs = 2

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where both arguments are integers."""
        x, n = args
        return sp.Integer(int(x.p > n.p)) if isinstance(x, sp.Integer) and isinstance(n, sp.Integer) else None

    def _sympystr(self, printer: _Printer) -> str:
        return f"[{printer.doprint(self.args[0])} > {printer.doprint(self.args[1])}]"


class Orders(sp.Function):
    """Heads a slot of a data-dependent round: 1 and 2 for s = 1 and 2; beyond, a covering array's rows and both orders of the places.

    The array is that of `mpc.covering`, of strength s - 1 over the bits of N machines.
    """

    nargs = 2

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where both arguments are integers."""
        s, n = args
        if not (isinstance(s, sp.Integer) and isinstance(n, sp.Integer) and 1 <= s.p <= 4 and 1 <= n.p <= 1 << 16):
            return None
        if s.p <= 2:
            return sp.Integer(s.p)
        bits = (n.p - 1).bit_length()
        return sp.Integer(len({0, (1 << bits) - 1, *rows(s.p - 1, bits)}))

    def _sympystr(self, printer: _Printer) -> str:
        s, n = (printer.doprint(a) for a in self.args)
        return f"orders({s}, {n})"


class LeastStates(sp.Function):
    """Labelled rooted trees on subsets of x symbols that t tokens leave behind: Σ_s C(x, s) Σ_l [l + s - 1 <= t] s!/l!·S(s - 1, s - l).

    A tree of s symbols and l leaves is left by l + s - 1 tokens or more; S counts set partitions. `lecture/rnn_memory.py` has the proof.
    """

    nargs = 2

    @classmethod
    def eval(cls, *args: sp.Basic) -> sp.Expr | None:
        """Its value, where both arguments are positive integers. Raises InputError where both are too great to count so far."""
        t, x = args
        if not (isinstance(t, sp.Integer) and isinstance(x, sp.Integer) and x.p >= 1):
            return None
        if min(t.p, x.p) > MOST_SYMBOLS:
            raise InputError(f"trees({t}, {x}) counts trees of more than {MOST_SYMBOLS} symbols", hint="hold a shorter model against it")
        return sp.Integer(least_states(t.p, x.p))

    def _sympystr(self, printer: _Printer) -> str:
        return f"trees({printer.doprint(self.args[0])}, {printer.doprint(self.args[1])})"


def least_states(t: int, symbols: int) -> int:
    """The states of induction after t tokens over so many symbols: see `LeastStates`."""
    total, partitions = 0, [1]  # partitions[j] = S(s - 1, j)
    for s in range(1, min(symbols, t) + 1):
        if s > 1:
            above = [*partitions, 0]
            partitions = [0] + [j * above[j] + partitions[j - 1] for j in range(1, s)]
        leaves = range(1, min(s, t - s + 1) + 1)
        trees = sum(factorial(s) // factorial(leaf) * partitions[s - leaf] for leaf in leaves if s - leaf < len(partitions))
        total += comb(symbols, s) * trees
    return total


class _Printer:
    """What sympy hands to `_sympystr`."""

    def doprint(self, expr: sp.Basic) -> str:
        """An expression as text."""
        raise NotImplementedError


def _applied(function: Callable[..., object], *arguments: sp.Expr | int) -> sp.Expr:
    return cast(sp.Expr, function(*arguments))


def floor_log2(x: sp.Expr) -> sp.Expr:
    """floor(log2 x) of an integer x >= 1."""
    return _applied(FloorLog2, x)


def ceil_log(x: sp.Expr, base: sp.Expr) -> sp.Expr:
    """The least D >= 0 with base**D >= x."""
    return _applied(CeilLog, x, base)


def ceil_log2(x: sp.Expr) -> sp.Expr:
    """ceil(log2 x)."""
    return _applied(CeilLog, x, sp.Integer(2))


def log2(x: sp.Expr) -> sp.Expr:
    """log2 x."""
    return _applied(Log2, x)


def ones(x: sp.Expr) -> sp.Expr:
    """The number of ones among the binary digits of x."""
    return _applied(Ones, x)


def above(x: sp.Expr, n: sp.Expr | int) -> sp.Expr:
    """[x > n], 1 or 0."""
    return _applied(Above, x, sp.sympify(n))


def orders(s: sp.Expr, n: sp.Expr) -> sp.Expr:
    """Heads for one slot of n machines that receive at most s messages."""
    return _applied(Orders, s, n)


def trees(t: sp.Expr, x: sp.Expr) -> sp.Expr:
    """The least number of states of induction after t tokens over x symbols."""
    return _applied(LeastStates, t, x)


def number(expr: sp.Expr | int | Fraction) -> Number:
    """The value of an expression without symbols: an int where it is one exactly, else a float, or beyond floats an int of 30 digits."""
    value = sp.sympify(expr)
    if isinstance(value, sp.Integer):
        return int(value)
    if value.is_integer:
        return int(sp.nsimplify(value))
    result = float(cast(sp.Expr, value))
    return result if isfinite(result) or not value.is_finite else int(cast(sp.Expr, value).evalf(30))


def digits(base: Number, exponent: Number) -> float:
    """How many decimal digits stand before or after the point of a power, before it is calculated."""
    if base in (-1, 0, 1):
        return 0.0
    try:
        return abs(exponent) * abs(log2_of(abs(base))) * log2_of(2) / log2_of(10)
    except OverflowError:  # an exponent beyond a float
        return inf


def half(x: sp.Expr) -> sp.Expr:
    """x/2, printed that way."""
    return sp.Mul(sp.Rational(1, 2), x, evaluate=False)


def exact(expr: sp.Expr, **values: int) -> int:
    """An integer expression at integers, by symbol name."""
    return int(expr.subs({s: values[s.name] for s in expr.free_symbols if isinstance(s, sp.Symbol)}))


__all__ = [
    "MOST_DIGITS",
    "Number",
    "above",
    "ceil_log",
    "ceil_log2",
    "digits",
    "exact",
    "floor_log2",
    "half",
    "least_states",
    "log2",
    "number",
    "ones",
    "orders",
    "sp",
    "trees",
]
