"""What values each node can take, found again from the graph alone: least, greatest, whether ⊥, and value - position.

This is the checker's own reading of the operations; it does not trust the domains that were inferred when compiling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compiler.graph import Graph, Node
from ..compiler.ops import (
    Affine,
    AtLeast,
    Clip,
    Const,
    Divide,
    Equal,
    Exists,
    Extreme,
    Fetch,
    Lookup,
    OrElse,
    Position,
    Table,
    Token,
    Total,
    Where,
)
from .exact import NONE, Ints, Refused

LARGEST = 2**53  # so that columns of int64 cannot overflow


@dataclass(frozen=True, slots=True)
class Range:
    """Values lie in lo..hi (empty if lo > hi) or are ⊥ if `none`; value <= position + lag where lag is known."""

    lo: int
    hi: int
    none: bool
    lag: int | None = None

    def values(self) -> Ints:
        """Every possible value, ⊥ (as NONE) last."""
        inside = np.arange(self.lo, self.hi + 1, dtype=np.int64)
        return np.append(inside, NONE) if self.none or not len(inside) else inside


def ranges(graph: Graph) -> list[Range]:
    """The range of every node. A lookup's range is that of the position it chooses."""
    found: list[Range] = []
    for node in graph.nodes:
        args = [found[a] for a in node.args]
        made = _range(node, args, graph)
        if max(abs(made.lo), abs(made.hi), _reach(node, args)) > LARGEST:
            raise Refused(f"{node.name} computes with numbers beyond 2**53", node.line)
        found.append(made)
    return found


def _reach(node: Node, args: list[Range]) -> int:
    """The greatest number met on the way to the node's value."""
    match node.op:
        case Affine(coefficients=coefficients, constant=constant):
            return abs(constant) + sum(abs(c) * max(abs(a.lo), abs(a.hi)) for c, a in zip(coefficients, args, strict=True))
        case AtLeast(threshold=number) | Clip(lo=number) if abs(number) > LARGEST:
            return abs(number)
        case Clip(hi=number):
            return abs(number)
        case Table(starts=starts):
            return max(map(abs, starts), default=0)
        case _:
            return 0


def _range(node: Node, args: list[Range], graph: Graph) -> Range:
    n, none = graph.sizes.length, any(a.none for a in args)
    match node.op:
        case Token():
            return Range(0, len(graph.sizes.alphabet) - 1, False)
        case Position():
            return Range(1, n, False, 0)
        case Const(kind="bool", value=value):
            return Range(0, 1, value is None)
        case Const(value=value):
            return Range(1, 0, True) if value is None else Range(value, value, False)
        case Lookup(mask=mask):
            return Range(1, n - (mask == "strict"), True, {"causal": 0, "strict": -1, "full": None}[mask])
        case Fetch():
            where, value = args
            lag = None if value.lag is None or where.lag is None else value.lag + where.lag  # v <= t + lag, t <= i + lag
            return Range(value.lo, value.hi if lag is None else min(value.hi, n + lag), True, lag)
        case Total(mask=mask):
            (value, most) = args[-1], n - (mask == "strict")
            lo, hi = (min(0, value.lo), max(0, value.hi)) if value.lo <= value.hi else (0, 0)
            return Range(most * lo, most * hi, False)
        case Divide(divisor=divisor):
            (a,) = args
            return Range(a.lo // divisor, a.hi // divisor, none) if a.lo <= a.hi else Range(1, 0, True)
        case Affine(coefficients=coefficients, constant=constant):
            ends = [sorted((c * a.lo, c * a.hi)) for c, a in zip(coefficients, args, strict=True)]
            lag = args[0].lag
            lag = lag + constant if lag is not None and coefficients == (1,) else None
            return Range(constant + sum(e[0] for e in ends), constant + sum(e[1] for e in ends), none, lag)
        case Extreme(largest=largest):
            pick, lags = (max if largest else min), [a.lag for a in args if a.lag is not None]
            lag = pick(lags) if len(lags) == 2 or (lags and not largest) else None
            return Range(pick(a.lo for a in args), pick(a.hi for a in args), none, lag)
        case Exists():
            return Range(0, 1, False)
        case AtLeast() | Equal():
            return Range(0, 1, none)
        case Clip(lo=lo, hi=hi):
            (a,) = args
            return Range(max(a.lo, lo), min(a.hi, hi), a.none or a.lo < lo or a.hi > hi, a.lag)
        case Where() | OrElse():
            some = args[-2:]
            lags = [a.lag for a in some if a.lo <= a.hi]
            lag = None if None in lags or not lags else max(x for x in lags if x is not None)
            real = [a for a in some if a.lo <= a.hi] or some
            none = none if isinstance(node.op, Where) else all(a.none for a in args)
            return Range(min(a.lo for a in real), max(a.hi for a in real), none, lag)
        case Table(starts=starts, shape=shape, entries=entries):
            values = [e for e in entries if e is not None]
            covered = all(s <= a.lo and a.hi < s + size for a, s, size in zip(args, starts, shape, strict=True))
            return Range(min(values, default=1), max(values, default=0), none or len(values) < len(entries) or not covered)
        case _:
            raise Refused(f"no rule for the operation {node.op.name}")
