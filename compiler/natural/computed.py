"""Values computed where they stand: what depends on several features gets directions of its own, by gates and staircases."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence

from ..errors import ExactnessError
from ..graph import Node
from ..ops import Affine, Equal, Extreme, Local, OrElse, Where
from .draft import Code, Draft, form
from .gadgets import gate, gentle, levels, merged, sum_rounding
from .heads import coarse, scale, slope
from .stage import ONE, Compute, Feature, Lin, added

GATES = 1 << 15  # of one value


def local(draft: Draft, index: int, node: Node, op: Local) -> Code:
    """What is computed at one position: read as it is where it depends on one feature, else by gates or a staircase."""
    args = [draft.at(a) for a in node.args]
    if op.strict and any(not arg.values for arg in args):
        return Code(None, (None,))
    bases = {arg.feature for arg in args if arg.feature is not None}
    if len(bases) <= 1:
        base = next(iter(bases), None)
        size = 1 if base is None else len(draft.values[base]) + 1
        rows = [[arg.of[0 if arg.feature is None else i] for arg in args] for i in range(size)]
        return Code(base, tuple(_meaning(op, row) for row in rows))
    read = [draft.read(a) for a in node.args]
    none = [arg.none and draft.graph.nodes[a].domain.none for a, arg in zip(node.args, args, strict=True)]
    match op:
        case Affine(coefficients=cs, constant=k):
            return _sum(draft, index, node, read, none, cs, k)
        case _:
            gates = _gates(node, op, read, none)
    values = sorted({v for v, _ in gates})
    if not values:
        return Code(None, (None,))
    feature, dims = draft.new(node.name, index, values, node)
    units = [unit for v, inputs in gates for unit in gate(inputs, [(dims[v - values[0]], 1.0)])]
    draft.features.append(Feature(node.name, index, form(values), dims, Compute(merged(units))))
    return draft.identity(feature)


def _gates(node: Node, op: Local, read: list[dict[int, Lin]], none: list[bool]) -> list[tuple[int, list[Lin]]]:
    """For each value, conjunctions of which at most one holds, and one does where that is the value."""
    match op:
        case Where():
            c, x, y = read
            return [*((v, [c[1], lin]) for v, lin in x.items() if 1 in c), *((v, [c[0], lin]) for v, lin in y.items() if 0 in c)]
        case OrElse():
            x, y = read
            absent = added([({ONE: 1.0}, 1.0), *((lin, -1.0) for lin in x.values())])
            return [*((v, [lin]) for v, lin in x.items()), *((v, [absent, lin]) for v, lin in y.items() if none[0])]
        case Extreme(largest=largest):
            a, b = read
            first = [(v, [lin, _any(b, operator.le if largest else operator.ge, v)]) for v, lin in a.items()]
            second = [(v, [lin, _any(a, operator.lt if largest else operator.gt, v)]) for v, lin in b.items()]
            return [(v, inputs) for v, inputs in first + second if all(inputs)]
        case Equal():
            a, b = read
            return [
                *((1, [lin, b[v]]) for v, lin in a.items() if v in b),
                *((0, [lin, others]) for v, lin in a.items() if (others := _any(b, operator.ne, v))),
            ]
        case _:
            assert op.strict, op
            return _tabulated(node, op, read)


def _tabulated(node: Node, op: Local, read: list[dict[int, Lin]]) -> list[tuple[int, list[Lin]]]:
    """Any strict function: for all arguments but the longest each combination, and the values of that one by what they lead to."""
    longest = max(range(len(read)), key=lambda a: len(read[a]))
    others = [lins for a, lins in enumerate(read) if a != longest]
    if math.prod(map(len, read)) > GATES * 16:
        raise ExactnessError(f"value {node.name} is a table of {math.prod(map(len, read)):,} cases", node.line, "use the compact style")
    found: list[tuple[int, list[Lin]]] = []
    for point in itertools.product(*(lins.items() for lins in others)):
        groups: dict[int, list[Lin]] = {}
        for v, lin in read[longest].items():
            values = [u for u, _ in point]
            values.insert(longest, v)
            if (result := op.meaning(*values)) is not None:
                groups.setdefault(result, []).append(lin)
        found += [(result, [*(lin for _, lin in point), added((lin, 1.0) for lin in lins)]) for result, lins in groups.items()]
    if len(found) > GATES:
        raise ExactnessError(f"value {node.name} would take {len(found):,} gates", node.line, "use the compact style")
    return found


def _sum(
    draft: Draft, index: int, node: Node, read: list[dict[int, Lin]], none: list[bool], coefficients: Sequence[int], constant: int
) -> Code:
    """A weighted sum: one staircase. Where an argument is ⊥ the sum is pushed below its least value."""
    ends = [(min(c * min(a), c * max(a)), max(c * min(a), c * max(a))) for c, a in zip(coefficients, read, strict=True)]
    lo, hi = (constant + sum(end[side] for end in ends) for side in (0, 1))
    feature, dims = draft.new(node.name, index, (lo, hi), node)
    x = added(
        [
            ({ONE: 1.0}, constant - lo + 1.0),
            *((lin, float(c * v)) for c, a in zip(coefficients, read, strict=True) for v, lin in a.items()),
        ]
    )
    slope_of_sum = gentle(sum(max(abs(end[0]), abs(end[1])) for end in ends))
    silence: dict[int, float] = {}
    if any(none):  # the terms that are there add up to at most what the largest of them do
        over = constant - lo + 1 + sum(max(0, end[1]) for end in ends)
        gone = [({ONE: 1.0}, 1.0) for missing in none if missing]
        here = [(lin, -1.0) for a, missing in zip(read, none, strict=True) if missing for lin in a.values()]
        silence = added([(added([*gone, *here]), float(max(1, over)))])
    units = merged(levels(x, {ONE: 1.0}, dims, silence, slope_of_sum))
    sizes = sum(max(abs(end[0]), abs(end[1])) for end in ends)
    match = scale(draft.lead, draft.length - 1).match
    cleaner = sum_rounding(dims, slope(draft.length, len(dims))) if coarse(len(x), sizes, match, draft.lead) else ()
    draft.features.append(Feature(node.name, index, form((lo, hi)), dims, Compute(units), cleaner))
    return draft.identity(feature)


def _meaning(op: Local, values: Sequence[int | None]) -> int | None:
    return None if op.strict and None in values else op.meaning(*values)


def _any(lins: dict[int, Lin], wanted: Callable[[int, int], bool], v: int) -> Lin:
    """1 where a value u of these has `wanted(u, v)`."""
    return added((lin, 1.0) for u, lin in lins.items() if wanted(u, v))
