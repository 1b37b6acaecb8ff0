"""Values computed where they stand: what depends on several features gets directions of its own, by gates and staircases."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence

from ..errors import ExactnessError
from ..graph import Node
from ..ops import Affine, Equal, Extreme, Local, OrElse, Where
from .digits import FEW, SEEN
from .draft import Code, Draft, form
from .gadgets import gate, gentle, levels, merged, sum_rounding
from .heads import coarse, scale, slope
from .stage import ONE, Compute, Feature, Lin, Unit, added

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
    """A weighted sum: a gate for each combination where these are few, else a staircase.

    A gate is off by about 12·ε with a noise ε of every weight, whatever the sum is worth; a staircase over S steps by about 16·S·ε. Where
    an argument is ⊥ the sum is pushed below its least value.
    """
    ends = _ends(coefficients, [list(a) for a in read])
    lo, hi = (constant + sum(end[side] for end in ends) for side in (0, 1))
    name, value = node.name, index
    if index in draft.sums.sums:  # digits, each pair of which is one value of the sum; those that it never is are left out
        value = draft.sums.sums[index]
        whole = draft.graph.nodes[value]
        name = whole.name
        assert isinstance(whole.op, Affine)
        ends = _ends(whole.op.coefficients, [draft.at(a).values for a in whole.args])
        lo, hi = (whole.op.constant + sum(end[side] for end in ends) for side in (0, 1))
    cases = math.prod(len(draft.values[f]) + 1 for f in {draft.at(a).feature for a in node.args} if f is not None)
    if index in draft.sums.sums or (math.prod(map(len, read)) <= FEW and cases <= SEEN):
        feature, dims = draft.new(name, value, (lo, hi), node)
        units: list[Unit] = []
        for point in itertools.product(*(a.items() for a in read)):
            v = constant + sum(c * u for c, (u, _) in zip(coefficients, point, strict=True))
            if lo <= v <= hi:
                units += gate([lin for _, lin in point], [(dims[v - lo], 1.0)])
        draft.features.append(Feature(name, value, form((lo, hi)), dims, Compute(merged(units))))
        return draft.identity(feature)
    # Each term is read about its middle: with weights of half its range, and bends of half the sum's, noise moves half as much.
    middle = [(end[0] + end[1]) / 2 for end in ends]
    sizes = sum((end[1] - end[0]) / 2 for end in ends)
    terms = [(lin, c * v - m) for c, m, a in zip(coefficients, middle, read, strict=True) for v, lin in a.items()]
    x = added([({ONE: 1.0}, constant + sum(middle) - lo + 1.0), *terms])
    slope_of_sum = gentle(sizes)
    silence: dict[int, float] = {}
    if any(none):  # what is ⊥ adds its middle; the sum is then at most hi - lo + 1, and is pushed to 0
        gone = [(draft.none(a), 1.0) for a, missing in zip(node.args, none, strict=True) if missing]
        silence = added((lin, k * (hi - lo + 1.0)) for lin, k in gone)
    feature, dims = draft.new(node.name, index, (lo, hi), node)
    bends = merged(levels(x, {ONE: 1.0}, dims, silence, slope_of_sum))
    match = scale(draft.lead, draft.length - 1).match
    # Of a low digit many levels are read at once, and what they are off adds up; a high one is read by gates, a level each.
    rough = index in draft.sums.lows or (index not in draft.sums.highs and coarse(len(x), sizes, match, draft.lead))
    cleaner = sum_rounding(dims, slope(draft.length, draft.largest, len(dims))) if rough else ()
    draft.features.append(Feature(node.name, index, form((lo, hi)), dims, Compute(bends), cleaner))
    return draft.identity(feature)


def _ends(coefficients: Sequence[int], values: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The least and the greatest of each term."""
    pairs = [sorted((c * min(a), c * max(a))) for c, a in zip(coefficients, values, strict=True)]
    return [(lo, hi) for lo, hi in pairs]


def _meaning(op: Local, values: Sequence[int | None]) -> int | None:
    return None if op.strict and None in values else op.meaning(*values)


def _any(lins: dict[int, Lin], wanted: Callable[[int, int], bool], v: int) -> Lin:
    """1 where a value u of these has `wanted(u, v)`."""
    return added((lin, 1.0) for u, lin in lins.items() if wanted(u, v))
