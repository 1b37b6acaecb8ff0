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
from typing import Any

import numpy as np

from .heads import LOW, Compared, compare
from .numbers import ARITHMETICS, NONE, Rejected, Scaled, raised
from .stream import Cell, Stream
from .terms import POSITION, Term, Terms

EXP_BITS = 8


def depth(
    stream: Stream, term: Term, mask: str, w_q: Scaled, w_k: Scaled, script: dict[str, Any], dtype: str, what: str
) -> tuple[float, int, float, int]:
    """1 to 3: D, M (0 if no key can match), how far below BOS all other keys score, in nats, and the score's steps."""
    if term.op != "total" or mask != term.fields[0]:
        raise Rejected(f"{what} has the mask {mask}, and is no such total")
    seen, rule = compare(stream, term, w_q, w_k, script, dtype, what), ARITHMETICS[dtype]
    match, rival = _scores(seen, what)
    nats, most = 2.0**-seen.shift / 2, _most(stream.terms, term, what) if match is not None else 0
    d = 0.0 if match is None else -match * nats
    if -rival * nats < rule.underflow:
        raise Rejected(f"{what}: a key that does not match scores {rival * nats:g} nats, {-rule.underflow:g} are needed")
    if most and not (d > 0 and most * math.exp(-d) * 1.01 < 2.0 ** -(rule.sums + 1)):
        raise Rejected(f"{what}: {most:,} matches of weight e^-{d:g} do not vanish beside BOS")
    if d > -(rule.least + rule.sums + 2) * 0.693:
        raise Rejected(f"{what}: e^-{d:g} is too small a number in {dtype}")
    return d, most, -rival * nats, seen.steps


def _scores(seen: Compared, what: str) -> tuple[int | None, int]:
    """Twice the score of every match (None if no key can match) and of the best of the others."""
    low, high, possible, compared, rest = seen.base, seen.base, True, [], seen.base
    for g in seen.groups:
        s = seen.scores(g, what)
        matched = s.least != -LOW
        possible = possible and bool(matched.any())
        low += int(s.least[matched].min(initial=0 if not possible else -LOW))
        high += int(s.greatest[matched].max(initial=0 if not possible else LOW))
        if g.parts:
            compared.append(s)
        else:
            rest += int(s.greatest.max())
    if possible and low != high:
        raise Rejected(f"{what}: matches score from {low / 2:g} to {high / 2:g} steps, not alike")
    rival = rest + max(int(s.rival.max()) + sum(int(o.any.max()) for o in compared if o is not s) for s in compared)
    return low if possible else None, rival


def _most(terms: Terms, term: Term, what: str) -> int:
    """The most positions that can match: no more than share a value of a key that depends on the position alone."""
    most = terms.length - (term.fields[0] == "strict")
    for _, key, relation in map(term.keys, range(term.parts)):
        if not relation and terms.behind(key, {POSITION}) == {POSITION}:
            values = terms.values([key], terms.cases([POSITION], what), what)[0]
            most = min(most, int(np.unique(values[values != NONE], return_counts=True)[1].max(initial=0)))
    return most


def channel(stream: Stream, column: Scaled, value: int, script: dict[str, Any], strict: bool, what: str) -> int:
    """4: a dimension of the head holds the value as a number, 0 for ⊥, exactly. Returns its greatest size. Shape: (d_model, 1)."""
    wide, rows = stream.with_sums(column.ints, script["sums"])
    cases = wide.terms.cases(script["over"], what, strict)
    wanted = wide.terms.values([value], cases, what)[0]
    wanted = np.where(wanted == NONE, 0, wanted)
    if (wide.combine(rows, wide.held(rows), cases, what)[:, 0] != raised(wanted, column.shift, what)).any():
        raise Rejected(f"{what}: what is added up is not term {value}")
    return int(np.abs(wanted).max(initial=0))


def error(scale: float, c: int, d: float, most: int, largest: int, terms: int, dtype: str, what: str) -> float:
    """How far what a head adds to a cell may be from c·Σ v."""
    t = ARITHMETICS[dtype].sums
    x = abs(scale * math.exp(-d) / c - 1) + 2.0 ** (EXP_BITS - t) + (most / 2 + 3 + terms) * 2.0**-t + 2.0**-50
    if not x <= 0.18:
        raise Rejected(f"{what}: W_O multiplies a sum by {scale:g}, not by about {c * math.exp(d):g}")
    return 1.1 * x * abs(c) * most * largest


def rounded(stream: Stream, cell: Cell, dim: int, errors: float, added: int, dtype: str, what: str) -> int:
    """5 and 6: what a cell held is a filling F, and it holds F + S as the code of the term. Returns the largest number there.

    `added` is what the term has beside its totals.
    """
    held, form, t = stream.cells[dim], cell.form, ARITHMETICS[dtype].sums
    if not errors < 0.5:
        raise Rejected(f"{what}: the sum may be {errors:.3g} off before it is rounded, 1/2 or more")
    if held is None or stream.terms.list[held.term].op != "const":
        raise Rejected(f"{what}: dimension {dim} is not filled beforehand")
    base, span = stream.ends(held)[0], stream.terms.ranges[cell.term]
    least, most = base + span.lo - added, base + span.hi - added
    if (form.kind, form.parts, form.radix, form.off) != ("digits", 1, 0, added - base) or form.top < most:
        raise Rejected(f"{what}: its cell is said to hold {form}, where {base} was filled in")
    if not (2 ** (t - 1) < least and most <= 2**t):
        raise Rejected(f"{what}: its cell holds {least:,} to {most:,}, where {dtype} numbers have no spacing of 1")
    return most
