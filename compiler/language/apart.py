"""Comparisons of two large numbers by their difference, so that what a certificate enumerates is one number.

An MLP that combines x and y is shown case by case, and two positions beyond length 4,096 have more than MOST combinations. Every
comparison looks at x - y alone, which is one number of twice as many values:

    x - y >= k              (x - y) - 0 >= k                x == y      (x - y) == 0
    max(x, y)               y + max(x - y, 0)               min(x, y)   y + min(x - y, 0)

The weights of a comparison are the same either way; a max costs one more MLP, which says that the sum lies in its range. Where x or y
may be ⊥ it is computed with numbers in the place of ⊥ and taken back: one MLP more before, and one after. Attention layers stay as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..errors import Location
from ..ops import Affine, AtLeast, Const, Equal, Extreme, OrElse, Where
from .value import Value, value_of

MOST = 1 << 24  # cases that a certificate enumerates


def far(x: Value, y: Value) -> bool:
    """Whether two values have more combinations than are enumerated; of sums that have terms in common, those of all their terms."""
    if x.index == y.index:
        return False
    parts = [_terms(v) for v in (x, y)]
    if parts[0].keys() & parts[1].keys() and max(map(len, parts)) > 1:
        return math.prod((parts[0] | parts[1]).values()) > MOST
    return (x.domain.size + x.domain.none) * (y.domain.size + y.domain.none) > MOST


def _terms(x: Value) -> dict[int, int]:
    """What a sum that is a view of other values adds up, with how many values each has; itself if it is none."""
    nodes, found, stack, seen = x.builder.nodes, dict[int, int](), [x.index], set[int]()
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            node = nodes[here]
            if isinstance(node.op, Affine) and not node.domain.none:
                stack += node.args
            else:
                found[here] = node.domain.size + node.domain.none
    return found


def at_least(x: Value, y: Value, threshold: int, line: Location | None) -> Value:
    """x - y >= threshold."""
    if not far(x, y):
        return value_of(x.builder, AtLeast(threshold), [x.index, y.index], line)
    return _present(x, y, lambda a, b: value_of(x.builder, AtLeast(threshold), [_less(a, b, line).index, _number(a, 0)], line), line)


def equal(x: Value, y: Value, line: Location | None) -> Value:
    """x == y, of values of one kind."""
    if not far(x, y):
        return value_of(x.builder, Equal(), [x.index, y.index], line)
    return _present(x, y, lambda a, b: value_of(x.builder, Equal(), [_less(a, b, line).index, _number(a, 0)], line), line)


def extreme(x: Value, y: Value, largest: bool, line: Location | None) -> Value:
    """The larger or smaller of two numbers. A pointer that is known not to point ahead stays one operation, by which that is known."""
    op = Extreme(largest)
    domain = op.domain([x.domain, y.domain], x.builder.sizes)
    if not far(x, y) or domain.lag is not None:
        return value_of(x.builder, op, [x.index, y.index], line)

    def found(a: Value, b: Value) -> Value:
        more = value_of(x.builder, op, [_less(a, b, line).index, _number(a, 0)], line)
        whole = value_of(x.builder, Affine("int", (1, 1), 0), [b.index, more.index], line)
        return value_of(x.builder, Extreme(not largest), [whole.index, _number(a, domain.hi if largest else domain.lo)], line)

    return _present(x, y, found, line)


def weighted(x: Value, y: Value, coefficients: tuple[int, int], line: Location | None) -> Value:
    """A sum of multiples of two numbers, which is a number; linear where neither may be ⊥."""
    return _present(x, y, lambda a, b: value_of(x.builder, Affine("int", coefficients, 0), [a.index, b.index], line), line)


def _less(x: Value, y: Value, line: Location | None) -> Value:
    return value_of(x.builder, Affine("int", (1, -1), 0), [x.index, y.index], line)


def _number(like: Value, number: int) -> int:
    return like.builder.add(Const("int", number), (), str(number))


def _present(x: Value, y: Value, f: Callable[[Value, Value], Value], line: Location | None) -> Value:
    """What f makes of two values, of the least in the place of ⊥; ⊥ where one is."""
    builder, there = x.builder, [v.exists for v in (x, y) if v.domain.none]
    given: list[Value] = []
    for v in (x, y):
        least = builder.add(Const(v.domain.kind, v.domain.lo), (), str(v.domain.lo))
        given.append(value_of(builder, OrElse(), [v.index, least], line) if v.domain.none else v)
    found = f(*given)
    if not there:
        return found
    both = there[0] if len(there) == 1 else value_of(builder, Extreme(False), [there[0].index, there[1].index], line)
    nothing = builder.add(Const(found.domain.kind, None), (), "⊥")
    return value_of(builder, Where(), [both.index, found.index, nothing], line)
