"""Rule TOTAL: a head adds up, and the cell it adds to rounds the sum to the exact integer.

Write D for the nats by which a match scores below BOS, w for its weight e^-D, t for the mantissa bits. Shown for each head:

1. every match scores exactly -D, every other key at most the point below which exp is zero, and BOS 0;
2. M·w < 2^-(t+1), where M is the most keys that can match: all weights but BOS's add up to less than half a step of the number 1, so
   in any order the softmax's sum is 1, and p = w up to the error of exp, at most 2^(8-t) of it;
3. w·2^-(t+2) is a normal number, so that nothing is lost to its being small, flushed or not;
4. each channel that W_O reads holds a value v, exactly, and W_O multiplies it by s into one of the cells.

Then the head adds c·Σ v up to an error of 1.1·x·|c|·M·max|v|, x = |s·e^-D/c - 1| + 2^(8-t) + (M/2 + 3 + K)·2^-t <= 0.18, K being the
terms added to the cell: a sum of M numbers in any order makes partial sums that add up to less than (M/2 + 1)·M·max|v|, each off
by 2^-t of itself, two products are rounded and K - 1 sums; errors below 1/2 mean M·2^-t <= 1/256, so that what is of second order is
below a tenth of x (proofs/Totals.v, for up to eight roundings after a head's own sum). Shown for each cell:

5. the errors of its terms add up to less than 1/2, each of its totals is added once, and no head that copies writes there;
6. the cell held F, and F + S lies in (2^(t-1), 2^t] for every total S, where numbers have a spacing of 1: adding what is closer than
   1/2 to S gives F + S (IEEE 754, round to nearest). At 2^(t-1) itself numbers lie closer on one side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .heads import LOW, compare, worst
from .numbers import ARITHMETICS, NONE, Rejected, Scaled
from .rewrite import along
from .stream import Cell, Stream
from .terms import Term, Terms

EXP_BITS = 8


class Added(NamedTuple):
    """What a head adds to a cell: c, which total, the entry s of W_O, D, how many keys can match, and the values' greatest size."""

    factor: int
    total: int
    scale: float
    depth: float
    most: int
    largest: int


def depth(
    stream: Stream, term: Term, w_q: Scaled, w_k: Scaled, script: Mapping[str, Any], dtype: str, what: str
) -> tuple[float, int, float, int]:
    """1 to 3: D, M (0 if no key can match), how far below BOS all other keys score, in nats, and the score's steps."""
    seen, rule = compare(stream, term, w_q, w_k, script, dtype, what), ARITHMETICS[dtype]
    found, nats = seen.scores(what), 2.0**-seen.shift / 2
    possible, rival = all((s.least != -LOW).any() for s in found), -worst(seen, found) * nats
    low = seen.base + sum(int(s.least.min(initial=-LOW)) for s in found)
    high = seen.base + sum(int(s.greatest.max(initial=LOW)) for s in found)
    if possible and low != high:
        raise Rejected(f"{what}: matches score from {low / 2:g} to {high / 2:g} steps, not alike")
    d, most = (-low * nats, _most(stream.terms, term)) if possible else (0.0, 0)
    if rival < rule.underflow:
        raise Rejected(f"{what}: a key that does not match scores {-rival:g} nats, {-rule.underflow:g} are needed")
    if most and not (d > 0 and most * math.exp(-d) * 1.01 < 2.0 ** -(rule.sums + 1)):
        raise Rejected(f"{what}: {most:,} matches of weight e^-{d:g} do not vanish beside BOS")
    if d > -(rule.least + rule.sums + 2) * 0.693:
        raise Rejected(f"{what}: e^-{d:g} is too small a number in {dtype}")
    return d, most, rival, seen.steps


def _most(terms: Terms, term: Term) -> int:
    """The most positions that can match: no more than share a value of a key that depends on the position alone."""
    most = terms.length - (term["mask"] == "strict")
    for _, key, relation in term.compared():
        if not relation and (values := along(terms, [key])) is not None:
            most = min(most, int(np.unique(values[0][values[0] != NONE], return_counts=True)[1].max(initial=0)))
    return most


def error(a: Added, terms: int, dtype: str, what: str) -> float:
    """How far what a head adds to a cell may be from c·Σ v."""
    t, c = ARITHMETICS[dtype].sums, a.factor
    x = abs(a.scale * math.exp(-a.depth) / c - 1) + 2.0 ** (EXP_BITS - t) + (a.most / 2 + 3 + terms) * 2.0**-t + 2.0**-50
    if not x <= 0.18:
        raise Rejected(f"{what}: W_O multiplies a sum by {a.scale:g}, not by about {c * math.exp(a.depth):g}")
    return 1.1 * x * abs(c) * a.most * a.largest


def rounded(stream: Stream, cell: Cell, dim: int, added: Sequence[Added], dtype: str, what: str) -> tuple[float, int]:
    """5 and 6: a cell held a filling F, and holds F + S as the code of its term: how far off S may be before, and the largest number."""
    term, find, held, t = stream.terms.list[cell.term], stream.terms.find, stream.cells[dim], ARITHMETICS[dtype].sums
    totals, constant = [(1, find(cell.term))], 0
    if term.op == "affine":
        totals, constant = [(c, find(a)) for c, a in zip(term["coefficients"], term.args, strict=True)], term["constant"]
    if sorted(totals) != sorted((a.factor, a.total) for a in added):
        raise Rejected(f"{what}: its heads do not add up each of its totals once")
    errors = sum(error(a, len(added), dtype, what) for a in added if a.most)
    if not errors < 0.5:
        raise Rejected(f"{what}: the sum may be {errors:.3g} off before it is rounded, 1/2 or more")
    if held is None or stream.terms.list[held.term].op != "const":
        raise Rejected(f"{what}: dimension {dim} is not filled beforehand")
    span = stream.terms.ranges[cell.term]
    least, most = held.least + span.lo - constant, held.least + span.hi - constant
    if not cell.form.whole() or cell.form.off != constant - held.least or cell.form.top < most:
        raise Rejected(f"{what}: its cell is said to hold {cell.form}, where {held.least} was filled in")
    if not (2 ** (t - 1) < least and most <= 2**t):
        raise Rejected(f"{what}: its cell holds {least:,} to {most:,}, where {dtype} numbers have no spacing of 1")
    return errors, most
