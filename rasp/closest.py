"""What Transformer Programs call select_closest, aggregate and aggregate_sum: the value at the nearest key that a predicate selects; sums.

Of the keys that match, the one at the least distance, the first of two as near; this position itself counts as so far away as there are
matches. Where none matches it is the first position. (Friedman, Wettig and Chen, 2023: the definition in the programs that are printed.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..compiler.language import Selector as Positions, Value, where
from ..compiler.language.comparisons import Nodes
from ..compiler.language.conditions import Both, Condition, Terms
from ..compiler.language.terms import EARLIER
from ..compiler.language.value import value_of
from ..compiler.ops import Const, OrElse, Position
from .expr import RASPExpr
from .selectors import Selector
from .sops import SOp

MOST_TABLED = 64  # positions: up to so many, `after` is one head of a table instead of one a bit


class Closest(SOp):
    """The value at the nearest position whose key the predicate selects: `predicate(key, query)`."""

    kind = "closest"

    def __init__(self, keys: SOp, queries: SOp, predicate: Callable[[Any, Any], Any], sop: SOp) -> None:
        super().__init__()
        self.keys, self.queries, self.predicate, self.sop = keys, queries, predicate, sop

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.keys, self.queries, self.sop]


class Total(SOp):
    """The sum of the numbers at the positions selected, what they call aggregate_sum; ⊥ adds nothing."""

    kind = "total"

    def __init__(self, selector: Selector, sop: SOp) -> None:
        super().__init__()
        self.selector, self.sop = selector, sop

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.selector, self.sop]


def nearest(matches: Sequence[int], here: int) -> int:
    """Which of the positions that match is taken at `here`."""
    return min(matches, key=lambda t: len(matches) if t == here else abs(here - t)) if matches else 0


def read_nearest(condition: Condition, one: bool, own: Value | None, counted: Callable[[Condition], Value], value: Value) -> Value:
    """A value read at the nearest position that meets a condition. `one` says that there is one at most.

    `own` says whether this position itself does, None where it never does.
    """
    builder, nodes = value.builder, Nodes(value.builder)
    here = Value(builder, builder.add(Position(), (), "position"))
    begin = Positions(builder, nodes.same(builder.add(Const("position", 1), (), "1"), here.index)).latest().fetch(value)
    if not value.domain.none and value.domain.size:  # there is a first position
        begin = value_of(builder, OrElse(), [begin.index, builder.add(Const(value.domain.kind, value.domain.lo), (), "any")], None)
    if one:
        hit = Positions(builder, condition).latest()
        found = hit.fetch(value)
        return where(hit.found, found, begin) if value.domain.none else found.or_else(begin)
    behind = Positions(builder, Both(condition, Terms((EARLIER,)))).latest()
    ahead = Positions(builder, Both(condition, _after(nodes, here))).earliest()
    far = 2 * builder.sizes.length
    back, on = (here - behind.position).or_else(far), (ahead.position - here).or_else(far)
    found = where(back <= on, behind.fetch(value), ahead.fetch(value))
    some = (back < far) | (on < far)
    if own is not None:
        count = counted(condition)
        itself = own & (count < back) & (count <= on)
        found, some = where(itself, value, found), some | own
    return where(some, found, begin) if value.domain.none else found.or_else(begin)


def _after(nodes: Nodes, here: Value) -> Condition:
    """t > i, in one head where the table is small."""
    n = here.builder.sizes.length
    if n > MOST_TABLED:
        return nodes.later()
    held = [int(t > i) for i in range(1, n + 1) for t in range(1, n + 1)]
    return nodes.related(here.index, here.index, (1, n, 1, n, *held))
