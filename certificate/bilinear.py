"""Scores over winners and rivals: exact ranges of a bilinear form, by enumeration or by completing the square.

A block is a set of query cases u and key cases w with a meaning each (a value, or ⊥), and the score
T(u, w) = q(u)·k(w) in integers. Wanted for every u: the least and greatest T over matching w (equal values), and the
greatest over all others.

Small blocks are enumerated. Large ones must have the form of a scaled distance: with D the dimensions where both
sides are nonzero, q_d(u) = λ_d·b_d whenever u means what a key with code b means, λ_d > 0 an integer. Then

    2·T(u, w) = -Σ λ_d (b_d(u) - b_d(w))² + R(u) + R(w),
    R(u) = Σ λ_d b_d(u)² + 2·unary(u),    R(w) likewise.

For different values the codes differ, so the distance is at least δ = min_d λ_d·spacing_d², or 2·min λ where all squared
norms have one parity and λ is constant. ⊥ on either side is enumerated: one case against all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..compiler.ops import Relation
from .exact import NONE, Ints, Reals, Refused

MAX_PAIRS = 1 << 22
LOW = -(1 << 61)


@dataclass(frozen=True, slots=True)
class Scores:
    """For each query case: twice the least and greatest score of a match, and of the best rival.

    Without a match `least` is -LOW and `greatest` LOW; without a rival `rival` is LOW. `absent` marks ⊥ queries.
    """

    least: Ints
    greatest: Ints
    rival: Ints
    absent: np.ndarray

    @property
    def any(self) -> Ints:
        """Twice the greatest score of any key."""
        return np.maximum(self.greatest, self.rival)


def scores(
    q: Ints, k: Ints, q_unary: Ints, k_unary: Ints, q_values: Ints, k_values: Ints, what: str, relations: Sequence[Relation] = ()
) -> Scores:
    """The score ranges of a block.

    Shapes: q (n_u, e), k (n_w, e), unary terms (n_u,) and (n_w,), values (n_u, c) and (n_w, c) with NONE for ⊥.
    Component c matches by `relations[c]`, or by equality where that is empty or not given.
    """
    absent_q, absent_k = (q_values == NONE).any(axis=1), (k_values == NONE).any(axis=1)
    if len(q) * len(k) <= MAX_PAIRS:
        total = _twice(q, k, q_unary, k_unary)
        match = matches(q_values, k_values, relations)
        query, found = np.nonzero(match)[0], total[match].astype(np.int64)
        least, greatest = np.full(len(q), -LOW), np.full(len(q), LOW)
        np.minimum.at(least, query, found)
        np.maximum.at(greatest, query, found)
        total[match] = LOW
        return Scores(least, greatest, total.max(axis=1, initial=LOW).astype(np.int64), absent_q)
    if any(relations):
        raise Refused(f"{what}: a relation has {len(q):,} x {len(k):,} cases, too many to enumerate")
    if q_values.shape[1] != 1:
        raise Refused(f"{what}: a comparison of several values at once has {len(q)} x {len(k)} cases, too many to enumerate")
    return _square(q, k, q_unary, k_unary, q_values[:, 0], k_values[:, 0], absent_q, absent_k, what)


def _twice(q: Ints, k: Ints, q_unary: Ints, k_unary: Ints) -> Ints | Reals:
    """Twice the score of every pair, as whole numbers: of float64, whose products are fast, if none is beyond 2^53. Shape: (n_u, n_w)."""
    most = [np.abs(x).max(axis=0, initial=0).astype(np.float64) for x in (q, k, q_unary, k_unary)]
    small = 2 * (most[0] @ most[1] + most[2] + most[3]) < 2**53
    total = 2 * (q.astype(np.float64) @ k.T.astype(np.float64) if small else q @ k.T)
    total += 2 * q_unary[:, None]
    total += 2 * k_unary[None, :]
    return total


def matches(q_values: Ints, k_values: Ints, relations: Sequence[Relation]) -> np.ndarray:
    """Which query cases match which key cases, in every component; ⊥ matches nothing. Shape: (n_u, n_w)."""
    found = ~(q_values == NONE).any(axis=1)[:, None] & ~(k_values == NONE).any(axis=1)[None, :]
    for c in range(q_values.shape[1]):
        found &= related_cases(relations[c] if relations else (), q_values[:, c], k_values[:, c])
    return found


def related_cases(relation: Relation, q: Ints, k: Ints) -> np.ndarray:
    """Which queries match which keys. Shapes: (n_u,), (n_w,) -> (n_u, n_w)."""
    if not relation:
        return q[:, None] == k[None, :]
    q_lo, rows, k_lo, columns = relation[:4]
    table = np.zeros((rows + 1, columns + 1), bool)  # the last row and column are for what lies outside
    table[:rows, :columns] = np.array(relation[4:]).reshape(rows, columns) == 1
    row, column = (np.where((v >= lo) & (v < lo + size), v - lo, size) for v, lo, size in ((q, q_lo, rows), (k, k_lo, columns)))
    return table[row[:, None], column[None, :]]


def _square(
    q: Ints, k: Ints, q_unary: Ints, k_unary: Ints, q_value: Ints, k_value: Ints, absent_q: np.ndarray, absent_k: np.ndarray, what: str
) -> Scores:
    shared = q.any(axis=0) & k.any(axis=0)
    q, k = q[:, shared], k[:, shared]
    if absent_k.all():
        raise Refused(f"{what}: no key has a value")
    values, first, which = np.unique(k_value[~absent_k], return_index=True, return_inverse=True)
    table = k[~absent_k][first]  # the code of each value, (n_values, d)
    if (k[~absent_k] != table[which]).any():
        raise Refused(f"{what}: keys that mean the same have different codes")
    if len(np.unique(table, axis=0)) != len(table):
        raise Refused(f"{what}: keys that mean different things have the same code")
    spot = np.searchsorted(values, q_value).clip(0, len(values) - 1)
    known = ~absent_q & (values[spot] == q_value)
    lam = np.zeros(q.shape[1], np.int64)
    for d in range(q.shape[1]):
        a, b = q[known, d], table[spot[known], d]
        if not b.any():
            raise Refused(f"{what}: no query meets a key in dimension {d} of its code")
        at = np.flatnonzero(b)[0]
        lam[d] = a[at] // b[at]
        if lam[d] <= 0 or (a != lam[d] * b).any():
            raise Refused(f"{what}: queries are not the keys' codes times a positive factor")
    if (q[~absent_q] % lam).any():
        raise Refused(f"{what}: a query is not a code times the factor")
    b = np.where(absent_q[:, None], 0, q // lam)
    if sum(int(f) * int(x) ** 2 for f, x in zip(lam, np.abs(np.concatenate([b, k])).max(axis=0), strict=True)) > -LOW // 4:
        raise Refused(f"{what}: the squares of its codes leave 64 bits")
    strangers = np.unique(b[~absent_q & ~known], axis=0)
    if len(np.unique(np.concatenate([table, strangers]), axis=0)) < len(table) + len(strangers):
        raise Refused(f"{what}: a query that means no key has the code of one")
    delta = _distance(np.concatenate([table, b[~absent_q]]), lam)
    r_q = (lam * b * b).sum(axis=1) + 2 * q_unary
    r_k = (lam * k * k).sum(axis=1) + 2 * k_unary
    present = r_k[~absent_k]
    least = np.full(len(q), -LOW)
    greatest = np.full(len(q), LOW)
    lows, highs = np.full(len(values), -LOW), np.full(len(values), LOW)
    np.minimum.at(lows, which, present)
    np.maximum.at(highs, which, present)
    least[known], greatest[known] = r_q[known] + lows[spot[known]], r_q[known] + highs[spot[known]]
    rival = np.where(absent_q, LOW, r_q + present.max(initial=LOW // 2) - delta)
    for w in np.flatnonzero(absent_k):
        rival = np.maximum(rival, 2 * (q @ k[w] + q_unary + k_unary[w]))
    for u in np.flatnonzero(absent_q):
        rival[u] = (2 * (k @ q[u] + q_unary[u] + k_unary)).max()
    return Scores(least, greatest, rival, absent_q)


def _distance(codes: Ints, lam: Ints) -> int:
    """A lower bound of Σ λ_d (b_d - b'_d)² over different codes."""
    spacing: list[int] = []
    for d in range(codes.shape[1]):
        steps = np.diff(np.unique(codes[:, d]))
        if len(steps):
            spacing.append(int(lam[d] * steps.min() ** 2))
    if not spacing:
        return 0
    norms = (codes * codes).sum(axis=1) % 2
    even = 2 * int(lam[0]) if (lam == lam[0]).all() and (norms == norms[0]).all() else 0
    return max(min(spacing), even)
