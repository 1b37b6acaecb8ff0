"""The rule for totals: every match weighs the same, and what the head adds lies closer than 1/2 to the exact sum.

Write D for the nats by which a match scores below BOS, w for its weight e^-D, t for the mantissa bits. Shown for each head:

1. every match scores exactly -D, every other key at most the point below which exp is zero, and BOS 0;
2. M·w < 2^-(t+1), where M is the most keys that can match: all weights but BOS's add up to less than half a step of
   the number 1, so in any order the softmax's sum is 1, and p = w up to the error of exp, at most 2^(8-t) of it;
3. one dimension of the head holds the value v, exactly, and W_O multiplies it by s;
4. |s·e^-D - 1| + 2^(8-t) + (M + 3)·2^-t = x <= 0.18, and 1.1·x·M·max|v| < 1/2: products, the sum of at most M numbers in any
   order and the product with s are rounded M + 3 times at most, and e^x - 1 <= 1.1·x;
5. the cell held F, and F + S lies in [2^(t-1), 2^t] for every total S, where numbers have a spacing of 1: adding what is
   closer than 1/2 to S gives F + S (IEEE 754, round to nearest).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..compiler.ops import Total, relation_of
from .attention import HeadProof, compare, constant, exact_scores
from .bilinear import LOW
from .exact import ARITHMETICS, NONE, Refused, Scaled
from .stream import Cell, Stream
from .values import Meanings

EXP_BITS = 8
Sum = tuple[int, Cell, int, float]  # dimension, what it is said to hold, dimension of the head, entry of W_O


def prove_total(stream: Stream, sums: Sequence[Sum], mask: str, w: dict[str, Scaled], dtype: str, block: int, head: int) -> HeadProof:
    """Show that a head adds up the totals it is said to write. Raises Refused."""
    meanings = stream.meanings
    first = meanings.graph.nodes[meanings.node(sums[0][1].var)]
    op, what = first.op, f"block {block}, head {head} ({first.name})"
    assert isinstance(op, Total)
    if mask != op.mask:
        raise Refused(f"{what} has the mask {mask} where the program says {op.mask}")
    steps = exact_scores(stream, w["W_Q"], w["W_K"], dtype, what)
    depth, clear = _depths(stream, op, first.args, w, what)
    rule, t = ARITHMETICS[dtype], ARITHMETICS[dtype].sums
    if clear < rule.underflow:
        raise Refused(f"{what}: a key that does not match scores {-clear:g} nats, {-rule.underflow:g} are needed")
    most = _most(meanings, op, first.args, what)
    if not most * math.exp(-depth) * 1.01 < 2.0 ** -(t + 1):
        raise Refused(f"{what}: {most:,} matches of weight e^-{depth:g} do not vanish beside BOS")
    error = 0.0
    for dim, cell, channel, scale in sums:
        node = meanings.graph.nodes[meanings.node(cell.var)]
        if node.op != op or node.args[:-1] != first.args[:-1]:
            raise Refused(f"{what} adds up {node.name} and {first.name}, which match different keys")
        largest = _value(stream, w["W_V"], channel, node.args[-1], mask, f"{what}, total {node.name}")
        x = abs(scale * math.exp(-depth) - 1) + 2.0 ** (EXP_BITS - t) + (most + 3) * 2.0**-t + 2.0**-50
        error = max(error, 1.1 * x * most * largest)
        if not (x <= 0.18 and error < 0.5):
            raise Refused(f"{what}, total {node.name}: the sum may be {error:.3g} off before it is rounded, 1/2 or more")
        steps = max(steps, _filling(stream, dim, cell, dtype, f"{what}, total {node.name}"))
    return HeadProof(block, head, first.name, min(depth, clear), steps, error)


def _depths(stream: Stream, op: Total, args: Sequence[int], w: dict[str, Scaled], what: str) -> tuple[float, float]:
    """How far below BOS a match scores, always the same, and any other key at least; in nats."""
    w_q, w_k = w["W_Q"], w["W_K"]
    blocks = compare(stream, op, args, w_q.ints, w_k.ints, what)
    base = 2 * int(constant(stream, w_q.ints) @ constant(stream, w_k.ints))
    low, high = base, base
    for b in blocks:
        matched = b.scores.least != -LOW
        low += int(b.scores.least[matched].min(initial=-LOW)) if matched.any() else 0
        high += int(b.scores.greatest[matched].max(initial=LOW)) if matched.any() else 0
    if low != high:
        raise Refused(f"{what}: matches score from {low / 2:g} to {high / 2:g} steps, not alike")
    compared = [b.scores for b in blocks if b.parts]
    rest = base + sum(int(b.scores.greatest.max()) for b in blocks if not b.parts)
    rival = rest + max((int(s.rival.max()) + sum(int(o.any.max()) for o in compared if o is not s) for s in compared), default=LOW)
    nats = 2.0 ** -(w_q.shift + w_k.shift) / 2
    if low >= 0:
        raise Refused(f"{what}: a match scores {low * nats:g} nats, not below BOS")
    return -low * nats, -rival * nats


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
    column = w_v.ints[:, [channel]]
    variables = stream.support(value, stream.reads(column), what) | stream.reads(column)
    cases = stream.meanings.cases(sorted(set(stream.unify(variables).values()), key=str), what, cut=int(mask == "strict"))
    got = stream.combine(column, cases)[:, 0]
    wanted = stream.meanings.evaluate(value, cases)
    wanted = np.where(wanted == NONE, 0, wanted)
    if w_v.shift < 0 or w_v.shift > 30 or (got != wanted << w_v.shift).any():
        raise Refused(f"{what}: what is added up is not the value {stream.meanings.graph.nodes[value].name}")
    return int(np.abs(wanted).max(initial=0))


def _filling(stream: Stream, dim: int, cell: Cell, dtype: str, what: str) -> int:
    """The cell is filled so that every total lies where numbers have a spacing of 1. Returns the largest number there."""
    held, form, t = stream.cells[dim], cell.form, ARITHMETICS[dtype].sums
    if held is None or held.var != "one" or held.form.kind != "fill":
        raise Refused(f"{what}: dimension {dim} is not filled beforehand")
    base, span = held.form.top, stream.meanings.ranges[stream.meanings.node(cell.var)]
    if form.kind != "digits" or form.parts != 1 or form.off != -base or form.top < base + span.hi:
        raise Refused(f"{what}: its cell is said to hold {form} from {form.off}, where {base} was filled in")
    if not (2 ** (t - 1) <= base + span.lo and base + span.hi <= 2**t):
        raise Refused(f"{what}: its cell holds {base + span.lo:,} to {base + span.hi:,}, where {dtype} numbers have no spacing of 1")
    return base + span.hi
