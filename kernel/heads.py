"""Attention heads: what each attends to.

BOS is the zero vector, so its score is 0. A score is a bilinear form in codes, q·k with q = q0 + Σ q_g and k = k0 + Σ k_g over
groups of components, where queries of one group do not meet keys of another; so it is q0·k0 + Σ T_g, each T_g on cases of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .numbers import ARITHMETICS, NONE, Ints, Rejected, Scaled, exact, few, product
from .rewrite import pointer
from .stream import Stream
from .terms import ALWAYS, POSITION, Cases, Term, meaning, whole

MAX_PAIRS = 1 << 22
LOW = -(1 << 61)


class Scores(NamedTuple):
    """Of a group, for each query case twice the least and greatest score of a match (-LOW, LOW if none), less what graded components that
    agree are said to add, and twice the greatest score of the others (or LOW), and of all. By PAIRS also which match, and the scores."""

    least: Ints
    greatest: Ints
    rival: Ints
    any: Ints
    match: np.ndarray = np.zeros((0, 0), bool)
    total: Ints = np.zeros((0, 0), np.int64)


@dataclass(frozen=True, slots=True)
class Group:
    """Components compared together: all cases of their queries and keys, with the vectors there, (cases, d_head), and what each component
    means there, (cases, components); their relations, and which are graded; the keys' cases; and λ where rule SQUARE shows them."""

    query: Ints
    key: Ints
    q_values: Ints
    k_values: Ints
    relations: tuple[tuple[int, ...], ...]
    graded: tuple[bool, ...]
    keys: Cases
    factors: Ints | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A head's groups, what the constants add to its queries and keys, and the largest sum of a score in steps of 2**-shift.

    `rate` is what each graded component that agrees is said to add, twice.
    """

    groups: list[Group]
    q0: Ints
    k0: Ints
    shift: int
    steps: int
    rate: int

    @property
    def base(self) -> int:
        """Twice what the constants alone score."""
        return 2 * int(product(self.q0[None], self.k0[:, None], "a score")[0, 0])

    def scores(self, what: str) -> list[Scores]:
        """Each group's scores, what it shares with the constants included."""
        return [(pairs if g.factors is None else square)(g, self.q0, self.k0, self.rate, what) for g in self.groups]


def compare(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled, script: Mapping[str, Any], dtype: str, what: str) -> Compared:
    """The groups of a head as the script has them: which components, which dimensions, and the variables that determine both.

    Shows that queries, keys and scores are sums that fit the mantissa.
    """
    for w in (w_q, w_k):
        exact(int(stream.sizes(w.ints).max(initial=0)), w.shift, dtype, f"{what}: a query or key")
    wide, both = stream.with_sums(np.concatenate([w_q.ints, w_k.ints], axis=1), script["sums"])
    rest, compared, groups = np.split(both, 2, axis=1), term.compared(), list[Group]()
    if sorted(p for g in script["groups"] for p in g["parts"]) != list(range(len(compared))):
        raise Rejected(f"{what}: the groups do not have each component once")
    for some in script["groups"]:
        vectors, values, cases = list[Ints](), list[Ints](), ALWAYS
        for side, name in enumerate(("query", "key")):
            part = np.zeros_like(rest[side])
            part[some[name]["dims"]] = rest[side][some[name]["dims"]]
            rest[side] = rest[side] - part
            cases = next(wide.terms.cases(some[name]["over"], what, side == 1 and term["mask"] == "strict"))
            vectors.append(wide.read(part, cases, what).T.astype(np.int64))
            found = wide.terms.values([compared[p][side] for p in some["parts"]], cases, what)
            values.append(np.stack(found, axis=1) if found else np.zeros((cases.count, 0), np.int64))
        relations, graded = tuple(compared[p][2] for p in some["parts"]), tuple(p >= term["parts"] for p in some["parts"])
        factors = np.array(some["factors"], np.int64) if "factors" in some else None
        groups.append(Group(vectors[0], vectors[1], values[0], values[1], relations, graded, cases, factors))
    q0, k0 = (wide.read(w, ALWAYS, what)[:, 0].astype(np.int64) for w in rest)  # what is in no group must be the same everywhere
    for one in groups:
        if any((one.query.any(axis=0) & other.key.any(axis=0)).any() for other in groups if other is not one):
            raise Rejected(f"{what} multiplies values that the program does not compare")
    most: list[Ints] = []
    for w, constant, vectors in ((w_q, q0, [g.query for g in groups]), (w_k, k0, [g.key for g in groups])):
        low, high = (constant + sum(pick(v, axis=0) for v in vectors if len(v)) for pick in (np.min, np.max))
        most.append(np.maximum(np.abs(low), np.abs(high)))
        exact(int(most[-1].max(initial=0)), w.shift, dtype, f"{what}: a query or key", enters=True)
    steps = exact(int(most[0].astype(float) @ most[1]), w_q.shift + w_k.shift, dtype, f"{what}: the score")
    if not whole(rate := script.get("rate", 0) * len(compared)):
        raise Rejected(f"{what}: components that agree are said to add {rate}")
    return Compared(groups, q0, k0, w_q.shift + w_k.shift, steps, script.get("rate", 0))


# --- rule PAIRS and rule SQUARE: the scores of a group --------------------------------------------------------


def pairs(group: Group, q0: Ints, k0: Ints, rate: int, what: str) -> Scores:
    """PAIRS. The scores of all pairs of cases, one by one."""
    total, match = twice(group, q0, k0, what), matches(group, what)
    known = total - rate * agreeing(group) if any(group.graded) else total
    least, greatest = np.where(match, known, -LOW).min(axis=1, initial=-LOW), np.where(match, known, LOW).max(axis=1, initial=LOW)
    return Scores(least, greatest, np.where(match, LOW, total).max(axis=1, initial=LOW), total.max(axis=1, initial=LOW), match, total)


def twice(group: Group, q0: Ints, k0: Ints, what: str) -> Ints:
    """Twice the scores of all pairs of cases, less those of the constants. Shape: (queries, keys)."""
    few(len(group.query) * len(group.key), MAX_PAIRS, 2, f"{what} compares {len(group.query):,} with {len(group.key):,} cases one by one")
    return 2 * (product(group.query + q0, group.key.T, what) + product(group.query, k0[:, None], what))


def matches(group: Group, what: str) -> np.ndarray:
    """Which query cases match which key cases, in every component that is not graded; ⊥ matches nothing. Shape: (queries, keys)."""
    found = np.ones((len(group.query), len(group.key)), bool)
    for q, k, r, graded in zip(group.q_values.T, group.k_values.T, group.relations, group.graded, strict=True):
        if graded and ((q == NONE).any() or (k == NONE).any()):
            raise Rejected(f"{what}: a value that it compares by degrees may be ⊥")
        if not graded:
            op, fields = ("table", ((r[0], r[2]), (r[1], r[3]), r[4:])) if r else ("equal", ())
            found &= meaning(op, fields, [q[:, None], k[None, :]]) == 1
    return found


def agreeing(group: Group) -> Ints:
    """How many graded components agree. Shape: (queries, keys)."""
    q, k = group.q_values[:, list(group.graded)], group.k_values[:, list(group.graded)]
    return (q[:, None, :] == k[None, :, :]).sum(axis=2)


def square(group: Group, q0: Ints, k0: Ints, _: int, what: str) -> Scores:
    """SQUARE. Of one comparison for equality. The group adds T = (q0 + q_g)·k_g + q_g·k0. On the dimensions S where some q_g and some k_g
    are not 0 let q0 + q_g = λ·b(u) for a code b, λ_d > 0 whole numbers, and k_g = b(w), each meaning having a code of its own; on the
    others q_g·k_g = 0. So T(u, w) = Σ_S λ_d b_d(u) b_d(w) + q1(u) + k1(w), where q1 = q_g·k0, and k1 is q0·k_g beyond S. Then

    2·T(u, w) = -Σ_S λ_d (b_d(u) - b_d(w))² + R(u) + R(w),    R(u) = Σ_S λ_d b_d(u)² + 2·q1(u),    R(w) likewise with k1.

    For equal values the square vanishes; for different ones it is at least min_d λ_d·spacing_d², or 2·λ where λ is one number and all
    codes have squared norms of one parity. ⊥ is compared with every case.
    """
    if group.factors is None or group.relations != ((),) or any(group.graded):
        raise Rejected(f"{what} compares more than one pair of values for equality")
    shared = group.query.any(axis=0) & group.key.any(axis=0)
    q, k, q_value, k_value = (group.query + q0)[:, shared], group.key[:, shared], group.q_values[:, 0], group.k_values[:, 0]
    some_q, some_k = q_value != NONE, k_value != NONE
    lam = np.broadcast_to(group.factors, shared.shape)[shared]
    b = q // np.maximum(lam, 1)
    if (
        (lam < 1).any()
        or (b * lam != q)[some_q].any()
        or (lam * np.square(np.concatenate([b, k]).astype(float))).sum(axis=1).max(initial=0) > 2.0**59
    ):
        raise Rejected(f"{what}: queries are not the keys' codes times a positive factor")
    values, codes = np.append(q_value[some_q], k_value[some_k]), np.concatenate([b[some_q], k[some_k]])
    named, first, which = np.unique(values, return_index=True, return_inverse=True)
    if (codes != codes[first][which]).any():
        raise Rejected(f"{what}: values that are equal have different codes")
    codes = codes[first]
    if not codes.size or len(np.unique(codes, axis=0)) < len(codes):
        raise Rejected(f"{what}: values that differ have the same code")
    spacings = [int(f * np.diff(some).min() ** 2) for f, some in zip(lam, map(np.unique, codes.T), strict=True) if len(some) > 1]
    delta, parity = min(spacings, default=0), (codes * codes).sum(axis=1) % 2
    if (lam == lam[0]).all() and (parity == parity[0]).all():
        delta = max(delta, 2 * int(lam[0]))
    q1, k1 = product(group.query, k0[:, None], what)[:, 0], product(group.key, np.where(shared, 0, q0)[:, None], what)[:, 0]
    r_q, r_k = (lam * b * b).sum(axis=1) + 2 * q1, (lam * k * k).sum(axis=1) + 2 * k1
    lows, highs = np.full(len(named), -LOW), np.full(len(named), LOW)
    np.minimum.at(lows, which[some_q.sum() :], r_k[some_k])
    np.maximum.at(highs, which[some_q.sum() :], r_k[some_k])
    spot = np.searchsorted(named, q_value).clip(0, len(named) - 1)
    known = some_q & (lows[spot] != -LOW)  # some key has this value
    least, greatest = np.where(known, r_q + lows[spot], -LOW), np.where(known, r_q + highs[spot], LOW)
    rival = np.where(some_q, r_q + r_k[some_k].max(initial=LOW) - delta, LOW)
    for w in np.flatnonzero(~some_k):
        rival = np.maximum(rival, 2 * (product(q, k[w][:, None], what)[:, 0] + q1 + k1[w]))
    for u in np.flatnonzero(~some_q):
        rival[u] = max(rival[u], int((2 * (product(k, q[u][:, None], what)[:, 0] + q1[u] + k1)).max()))
    return Scores(least, greatest, rival, np.maximum(greatest, rival))


# --- rule LOOKUP: which position a head picks --------------------------------------------------------------------


def lookup(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled, script: Mapping[str, Any], dtype: str, what: str) -> tuple[float, int]:
    """A head attends to the position its lookup picks, or to BOS where there is none; returns the gap in nats and the score's steps.

    Shown, with G the point at which exp rounds to zero: a match scores at least G above BOS, a mismatch at least G below (or, of a
    pointer that always finds its place, below the match), and of two matches the picked one leads by at least G. So the weights
    are exactly 1 and 0 in any order of summation.
    """
    seen = compare(stream, term, w_q, w_k, script, dtype, what)
    homes = [i for i, g in enumerate(seen.groups) if POSITION in g.keys.values]
    if len(homes) != 1 or any(seen.groups[homes[0]].graded):
        raise Rejected(f"{what}: its key's position is not in one group, or compared by degrees")
    found = seen.scores(what)
    doubled = min(_winner(stream, term, seen, found, what), _order(stream, term, seen, found, homes[0], what))
    gap = doubled / 2 * 2.0**-seen.shift
    if not gap >= ARITHMETICS[dtype].underflow:
        raise Rejected(f"{what}: the winner leads by {gap:g} nats only, {ARITHMETICS[dtype].underflow:g} are needed")
    return gap, seen.steps


def worst(seen: Compared, found: list[Scores]) -> int:
    """Twice the greatest score of a key that does not match: in some group it does not."""
    most = [int(s.any.max(initial=LOW)) for s in found]
    return seen.base + max(int(s.rival.max(initial=LOW)) + sum(most[:i] + most[i + 1 :]) for i, s in enumerate(found))


def _winner(stream: Stream, term: Term, seen: Compared, found: list[Scores], what: str) -> int:
    """Twice the least lead of a match over BOS, and of the rightful winner over any mismatch."""
    match, mismatch = seen.base + sum(int(s.least.min(initial=-LOW)) for s in found), worst(seen, found)
    if mismatch < 0:
        return min(match, -mismatch)
    at, span = pointer(stream.terms, term), stream.terms.ranges[term.args[0]]
    if at is None or at[0] != "causal" or span.lag is None or not span.lag <= 0 < span.lo or len(found) != 1:
        raise Rejected(f"{what}: a key that does not match scores {mismatch / 2:g} steps against BOS's 0")
    absent = seen.groups[0].q_values[:, 0] == NONE  # else it finds its place, in 1..i
    lead = (found[0].least - found[0].rival)[~absent].min(initial=-LOW)
    return min(match, int(lead), -seen.base - int(found[0].rival[absent].max(initial=LOW)))


def _order(stream: Stream, term: Term, seen: Compared, found: list[Scores], home: int, what: str) -> int:
    """Twice the least lead of the picked match over any other match: in order of (rank, position), or of (how close, position).

    Of the keys that match one query, or that mean the same, neighbours are compared; cases of one rank and position exclude each
    other, so the least and the greatest score of them count. Other groups add to both what differs by no more than their spread.
    """
    g, pick, spreads = seen.groups[home], term["pick"], [int((s.greatest - s.least)[s.least != -LOW].max(initial=0)) for s in found]
    t, rank = g.keys.flat(g.keys.values[POSITION]) * (-1 if pick == "earliest" else 1), np.zeros(g.keys.count, np.int64)
    if term.ranked:
        rank = stream.terms.values([term.args[-1]], g.keys, what)[0] * (1 if pick == "largest" else -1)
    if any(g.relations):
        by = np.lexsort((t, rank))
        queries, at = np.nonzero(found[home].match[:, by])
        keys, meant, score = by[at], queries[:, None], found[home].total[queries, by[at]]
    else:  # equal meanings must have equal codes, so that what the key alone adds decides
        keys = np.lexsort((t, rank, *g.k_values.T))
        keys = keys[~(g.k_values[keys] == NONE).any(axis=1)]
        meant, codes, score = g.k_values[keys], g.key[:, g.query.any(axis=0)][keys], 2 * product(g.key, seen.q0[:, None], what)[keys, 0]
        if ((codes[1:] != codes[:-1]).any(axis=1) & (meant[1:] == meant[:-1]).all(axis=1)).any():
            raise Rejected(f"{what}: keys that mean the same have different codes")
    if not len(keys):
        return -LOW
    other = (meant[1:] != meant[:-1]).any(axis=1)
    first = np.flatnonzero(np.append(True, other | (np.diff(rank[keys]) != 0) | (np.diff(t[keys]) != 0)))
    low, high = np.minimum.reduceat(score, first), np.maximum.reduceat(score, first)
    lead = int((low[1:] - high[:-1])[~other[first[1:] - 1]].min(initial=-LOW))
    if pick == "only" and lead != -LOW:
        raise Rejected(f"{what}: several positions can match, and nothing says which to pick")
    lead -= sum(spreads) - spreads[home]
    return min(lead, seen.rate - sum(spreads)) if pick == "closest" else lead
