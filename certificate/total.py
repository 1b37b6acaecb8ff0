"""The rule for totals: every match weighs the same, and what heads add to a cell lies closer than 1/2 to the exact sum.

Write D for the nats by which a match scores below BOS, w for its weight e^-D, t for the mantissa bits. Shown for each head:

1. every match scores exactly -D, every other key at most the point below which exp is zero, and BOS 0;
2. M·w < 2^-(t+1), where M is the most keys that can match: all weights but BOS's add up to less than half a step of
   the number 1, so in any order the softmax's sum is 1, and p = w up to the error of exp, at most 2^(8-t) of it;
3. one dimension of the head holds the value v, exactly, and W_O multiplies it by s.

Then the head adds c·Σ v up to an error of 1.1·x·|c|·M·max|v|, x = |s·e^-D/c - 1| + 2^(8-t) + (M/2 + 4)·2^-t <= 0.18: a sum of M
numbers in any order makes partial sums that add up to less than (M/2 + 1)·M·max|v|, each off by 2^-t of itself, three more
products are rounded, and e^x - 1 <= 1.1·x. Shown for each cell:

4. the errors of its heads add up to less than 1/2 (their sum is rounded once more: that is in the 4 above);
5. the cell held F, and F + S lies in (2^(t-1), 2^t] for every total S, where numbers have a spacing of 1: adding what is
   closer than 1/2 to S gives F + S (IEEE 754, round to nearest). At 2^(t-1) itself numbers lie closer on one side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..compiler.graph import Node
from ..compiler.ops import Affine, Total, relation_of
from .attention import HeadProof, compare, constant, exact_scores
from .bilinear import LOW
from .exact import ARITHMETICS, NONE, Ints, Refused, Scaled, raised
from .stream import Cell, Stream
from .sums import either_way
from .values import Meanings

EXP_BITS = 8


@dataclass(frozen=True, slots=True)
class Path:
    """An entry of W_O by which a head adds to a cell: the cell's dimension, the head's, the entry, and the totals it may be."""

    dim: int
    channel: int
    scale: float
    totals: tuple[tuple[int, int], ...]


def totals_of(meanings: Meanings, node: Node, index: int) -> list[tuple[int, int]] | None:
    """The totals that make up a node, with their coefficients; None if it is no sum of totals."""
    if isinstance(node.op, Total):
        return [(1, index)]
    if isinstance(node.op, Affine) and node.args and all(isinstance(meanings.graph.nodes[a].op, Total) for a in node.args):
        return list(zip(node.op.coefficients, node.args, strict=True))
    return None


def prove_totals(
    stream: Stream, paths: Sequence[Path], mask: str, w: dict[str, Scaled], dtype: str, block: int, head: int
) -> tuple[HeadProof, list[tuple[int, int, int, float]]]:
    """Show what a head adds to its cells: for each path the dimension, the total with its coefficient, and the error.

    Raises Refused.
    """
    what = f"block {block}, head {head}"
    reason = Refused(f"{what} adds to a cell that is no sum of totals")
    for _, candidate in paths[0].totals:
        try:
            return _prove(stream, candidate, paths, mask, w, dtype, what, block, head)
        except Refused as refusal:
            reason = refusal
    raise reason


def _prove(
    stream: Stream, candidate: int, paths: Sequence[Path], mask: str, w: dict[str, Scaled], dtype: str, what: str, block: int, head: int
) -> tuple[HeadProof, list[tuple[int, int, int, float]]]:
    """The same, given one of the totals whose keys the head matches."""
    graph, rule = stream.meanings.graph, ARITHMETICS[dtype]
    first, t = graph.nodes[candidate], ARITHMETICS[dtype].sums
    op, what = first.op, f"{what} ({first.name})"
    assert isinstance(op, Total)
    if mask != op.mask:
        raise Refused(f"{what} has the mask {mask} where the program says {op.mask}")
    steps = exact_scores(stream, w["W_Q"], w["W_K"], first.args[:-1], dtype, what)
    depth, clear = _depths(stream, op, first.args, w, what)
    if clear < rule.underflow:
        raise Refused(f"{what}: a key that does not match scores {-clear:g} nats, {-rule.underflow:g} are needed")
    most = _most(stream.meanings, op, first.args, what)
    if depth is None:  # no key can match: BOS has all the weight, and nothing is added
        return HeadProof(block, head, first.name, clear, steps), [
            (path.dim, *_which(stream, path, first, None, what), 0.0) for path in paths
        ]
    if not most * math.exp(-depth) * 1.01 < 2.0 ** -(t + 1):
        raise Refused(f"{what}: {most:,} matches of weight e^-{depth:g} do not vanish beside BOS")
    found: list[tuple[int, int, int, float]] = []
    for path in paths:
        c, total = _which(stream, path, first, depth, what)
        largest = _value(stream, w["W_V"], path.channel, graph.nodes[total].args[-1], mask, f"{what}, total {graph.nodes[total].name}")
        x = abs(path.scale * math.exp(-depth) / c - 1) + 2.0 ** (EXP_BITS - t) + (most / 2 + 4) * 2.0**-t + 2.0**-50
        if x > 0.18:
            raise Refused(f"{what}: W_O multiplies a sum by {path.scale:g}, not by about {c * math.exp(depth):g}")
        found.append((path.dim, c, total, 1.1 * x * abs(c) * most * largest))
    return HeadProof(block, head, first.name, clear, steps, max(error for *_, error in found), depth=depth), found


def _which(stream: Stream, path: Path, first: Node, depth: float | None, what: str) -> tuple[int, int]:
    """The total, among those a path may be, that matches the head's keys and has about the path's factor."""
    for c, total in path.totals:
        node = stream.meanings.graph.nodes[total]
        near = c != 0 and (depth is None or abs(path.scale * math.exp(-depth) / c - 1) <= 0.18)
        if node.op == first.op and node.args[:-1] == first.args[:-1] and near:
            return c, total
    raise Refused(f"{what} adds to dimension {path.dim}, whose totals match other keys")


def _depths(stream: Stream, op: Total, args: Sequence[int], w: dict[str, Scaled], what: str) -> tuple[float | None, float]:
    """How far below BOS a match scores, always the same (None if no key can match), and any other key at least; in nats."""
    nats = 2.0 ** -(w["W_Q"].shift + w["W_K"].shift) / 2
    both = np.concatenate([w["W_Q"].ints, w["W_K"].ints], axis=1)
    match, rival = either_way(lambda stream, both: _scores(stream, op, args, both, what), stream, both, args[:-1])
    if match is not None and match >= 0:
        raise Refused(f"{what}: a match scores {match * nats:g} nats, not below BOS")
    return None if match is None else -match * nats, -rival * nats


def _scores(stream: Stream, op: Total, args: Sequence[int], both: Ints, what: str) -> tuple[int | None, int]:
    """Twice the score of every match (None if no key can match) and of the best of the others."""
    q, k = np.split(both, 2, axis=1)
    blocks = compare(stream, op, args, q, k, what)
    base = 2 * int(constant(stream, q) @ constant(stream, k))
    low, high, possible = base, base, True
    for b in blocks:
        matched = b.scores.least != -LOW
        possible &= bool(matched.any())
        low += int(b.scores.least[matched].min()) if possible else 0
        high += int(b.scores.greatest[matched].max()) if possible else 0
    if possible and low != high:
        raise Refused(f"{what}: matches score from {low / 2:g} to {high / 2:g} steps, not alike")
    compared = [b.scores for b in blocks if b.parts]
    rest = base + sum(int(b.scores.greatest.max()) for b in blocks if not b.parts)
    rival = rest + max((int(s.rival.max()) + sum(int(o.any.max()) for o in compared if o is not s) for s in compared), default=LOW)
    return low if possible else None, rival


def _most(meanings: Meanings, op: Total, args: Sequence[int], what: str) -> int:
    """The most positions that can match: no more than share a value of a key that depends on the position alone."""
    most = meanings.graph.sizes.length - (op.mask == "strict")
    for part, key in enumerate(args[op.parts : 2 * op.parts]):
        if not relation_of(op.relations, part) and meanings.source(meanings.var(key)) == "position":
            values = meanings.evaluate(key, meanings.cases(["position"], what))
            most = min(most, int(np.unique(values[values != NONE], return_counts=True)[1].max(initial=0)))
    return most


def _value(stream: Stream, w_v: Scaled, channel: int, value: int, mask: str, what: str) -> int:
    """A dimension of the head holds the value as a number, 0 for ⊥, exactly. Returns its greatest size."""

    def largest(stream: Stream, column: Ints) -> int:
        variables = stream.support(value, stream.reads(column), what) | stream.reads(column)
        cases = stream.cases(variables, what, cut=int(mask == "strict"))
        got = stream.combine(column, cases)[:, 0]
        wanted = stream.meanings.evaluate(value, cases)
        wanted = np.where(wanted == NONE, 0, wanted)
        if (got != raised(wanted, w_v.shift, what)).any():
            raise Refused(f"{what}: what is added up is not the value {stream.meanings.graph.nodes[value].name}")
        return int(np.abs(wanted).max(initial=0))

    return either_way(largest, stream, w_v.ints[:, [channel]], [value])


def prove_rounding(stream: Stream, dim: int, cell: Cell, errors: float, dtype: str, what: str) -> int:
    """A cell is filled so that every total lies where numbers have a spacing of 1, and errors are below 1/2.

    Returns the largest number there. Raises Refused.
    """
    if not errors < 0.5:
        raise Refused(f"{what}: the sum may be {errors:.3g} off before it is rounded, 1/2 or more")
    held, form, t = stream.cells[dim], cell.form, ARITHMETICS[dtype].sums
    if held is None or held.var != "one" or held.form.kind != "fill":
        raise Refused(f"{what}: dimension {dim} is not filled beforehand")
    node = stream.meanings.graph.nodes[stream.meanings.node(cell.var)]
    base, span = held.form.top, stream.meanings.ranges[stream.meanings.node(cell.var)]
    added = node.op.constant if isinstance(node.op, Affine) else 0  # the heads add all but the constant of a sum
    least, most = base + span.lo - added, base + span.hi - added
    if form.kind != "digits" or form.parts != 1 or form.off != added - base or form.top < most:
        raise Refused(f"{what}: its cell is said to hold {form} from {form.off}, where {base} was filled in")
    if not (2 ** (t - 1) < least and most <= 2**t):
        raise Refused(f"{what}: its cell holds {least:,} to {most:,}, where {dtype} numbers have no spacing of 1")
    return most
