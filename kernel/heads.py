"""Attention heads: what each attends to, and what it writes.

BOS is the zero vector, so its score is 0. A score is a bilinear form in codes, q·k with q = q0 + Σ q_g and k = k0 + Σ k_g over
groups of components, where queries of one group do not meet keys of another; so it is q0·k0 + Σ T_g, each T_g on cases of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .numbers import ARITHMETICS, NONE, Ints, Rejected, Scaled, TooMany, exact, raised
from .stream import Cell, Stream, coded
from .terms import POSITION, Cases, Term

MAX_PAIRS = 1 << 22
LOW = -(1 << 61)


@dataclass(frozen=True, slots=True)
class Scores:
    """For each query case twice the least and greatest score of a match (-LOW, LOW if none) and the greatest of the others (or LOW)."""

    least: Ints
    greatest: Ints
    rival: Ints

    @property
    def any(self) -> Ints:
        """Twice the greatest score of any key."""
        return np.maximum(self.greatest, self.rival)


@dataclass(frozen=True, slots=True)
class Side:
    """Queries or keys of a group: its cases, its vectors there (cases, d_head), and what its components mean there (cases, parts)."""

    cases: Cases
    vectors: Ints
    values: Ints


@dataclass(frozen=True, slots=True)
class Group:
    """Components compared together. `graded` of them decide how close a match is; `rank` is what ranks the keys."""

    parts: tuple[int, ...]
    query: Side
    key: Side
    relations: tuple[tuple[int, ...], ...]
    rank: Ints | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A head's groups, what the constant adds to its queries and keys, and the largest sum of a score in steps of 2**-shift."""

    groups: list[Group]
    q0: Ints
    k0: Ints
    shift: int
    steps: int

    @property
    def base(self) -> int:
        """Twice what the constants alone score."""
        return 2 * int(self.q0 @ self.k0)

    def scores(self, group: Group, what: str) -> Scores:
        """A group's scores, what it shares with the constants included."""
        q, k = group.query, group.key
        return scores(q.vectors, k.vectors, q.vectors @ self.k0, k.vectors @ self.q0, q.values, k.values, group.relations, what)


def compare(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled, script: dict[str, Any], dtype: str, what: str) -> Compared:
    """The groups of a head as the script has them: {"sums": […], "groups": [{"parts": […], "query": […], "key": […]}, …]}.

    Shows that queries, keys and scores are sums that fit the mantissa.
    """
    for w in (w_q, w_k):
        exact(stream.magnitude(w.ints), w.shift, dtype, f"{what}: a query or key")
    wide, both = stream.with_sums(np.concatenate([w_q.ints, w_k.ints], axis=1), script["sums"])
    q, k = np.split(both, 2, axis=1)
    q0, k0 = (wide.combine(w, _constants(wide, w), Cases((), ()), what)[0] for w in (q, k))
    tail = term.args[2 * term.parts :] if term.op == "lookup" else ()
    grades = len(tail) // 2 if term.op == "lookup" and term.fields[1] == "closest" else 0
    pairs = [term.keys(p) for p in range(term.parts)] + [(tail[g], tail[grades + g], ()) for g in range(grades)]
    if sorted(p for g in script["groups"] for p in g["parts"]) != list(range(len(pairs))):
        raise Rejected(f"{what}: the groups do not have each component once")
    ranked, cut = term.op == "lookup" and term.fields[1] in ("largest", "smallest"), term.fields[0] == "strict"
    taken = [{d for d, _ in _constants(wide, w)} for w in (q, k)]
    groups: list[Group] = []
    for some in script["groups"]:
        sides = list[Side]()
        for side, over, w, strict in ((0, some["query"], q, False), (1, some["key"], k, cut)):
            cases = wide.terms.cases(over, what, strict)
            held = [(d, c) for d, c in wide.held(w) if d not in taken[side] and wide.terms.behind(c.term, cases.over) is not None]
            taken[side] |= {d for d, _ in held}
            values = wide.terms.values([pairs[p][side] for p in some["parts"]], cases, what)
            count = int(np.prod(cases.shape))
            sides.append(
                Side(cases, wide.combine(w, held, cases, what), np.stack(values, axis=1) if values else np.zeros((count, 0), np.int64))
            )
        home = POSITION in sides[1].cases.over
        rank = wide.terms.values([term.args[-1]], sides[1].cases, what)[0] if ranked and home else None
        groups.append(Group(tuple(some["parts"]), sides[0], sides[1], tuple(pairs[p][2] for p in some["parts"]), rank))
    for side, w in enumerate((q, k)):
        for d, cell in wide.held(w):
            if d not in taken[side]:
                raise Rejected(f"{what} reads term {cell.term}, which is in none of its groups")
    for one in groups:
        for other in groups:
            if one is not other and (one.query.vectors.any(axis=0) & other.key.vectors.any(axis=0)).any():
                raise Rejected(f"{what} multiplies values that the program does not compare")
    most: list[Ints] = []
    for constant, vectors in ((q0, [g.query.vectors for g in groups]), (k0, [g.key.vectors for g in groups])):
        low, high = (constant + sum(pick(v, 0) for v in vectors if len(v)) for pick in (np.min, np.max))
        most.append(np.maximum(np.abs(low), np.abs(high)))
    for w, largest in zip((w_q, w_k), most, strict=True):
        exact(int(largest.max(initial=0)), w.shift, dtype, f"{what}: a query or key", enters=True)
    steps = exact(int((most[0].astype(float) * most[1]).sum()), w_q.shift + w_k.shift, dtype, f"{what}: the score")
    return Compared(groups, q0, k0, w_q.shift + w_k.shift, steps)


def _constants(stream: Stream, rows: Ints) -> list[tuple[int, Cell]]:
    """The cells that hold the same number at every position."""
    return [(d, c) for d, c in stream.held(rows) if stream.terms.list[c.term].op == "const"]


# --- rule PAIRS and rule SQUARE: the scores of a group --------------------------------------------------------


def scores(q: Ints, k: Ints, q1: Ints, k1: Ints, q_values: Ints, k_values: Ints, relations: Sequence[tuple[int, ...]], what: str) -> Scores:
    """Scores T(u, w) = q(u)·k(w) + q1(u) + k1(w) of all pairs of cases, or, of one comparison for equality, by their distance.

    Shapes: q (n_u, e), k (n_w, e), q1 (n_u,), k1 (n_w,), values (n_u, c) and (n_w, c).
    """
    if len(q) * len(k) > MAX_PAIRS:
        if any(relations) or q_values.shape[1] != 1:
            raise TooMany(f"{what} compares {len(q):,} with {len(k):,} cases one by one", len(q) * len(k), 2, MAX_PAIRS)
        return _square(q, k, q1, k1, q_values[:, 0], k_values[:, 0], what)
    total, match = twice(q, k, q1, k1), matches(q_values, k_values, relations)
    least, greatest = np.full(len(q), -LOW), np.full(len(q), LOW)
    query, found = np.nonzero(match)[0], total[match]
    np.minimum.at(least, query, found)
    np.maximum.at(greatest, query, found)
    total[match] = LOW
    return Scores(least, greatest, total.max(axis=1, initial=LOW))


def twice(q: Ints, k: Ints, q1: Ints, k1: Ints) -> Ints:
    """Twice the score of every pair; by float64, whose products are fast, if none is beyond 2^53. Shape: (n_u, n_w)."""
    most = [np.abs(x).max(axis=0, initial=0).astype(np.float64) for x in (q, k, q1, k1)]
    small = most[0] @ most[1] + most[2] + most[3] < 2**52
    products = (q.astype(np.float64) @ k.T.astype(np.float64)).astype(np.int64) if small else q @ k.T
    return 2 * (products + q1[:, None] + k1[None, :])


def matches(q_values: Ints, k_values: Ints, relations: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Which query cases match which key cases, in every component; ⊥ matches nothing. Shape: (n_u, n_w)."""
    found = ~(q_values == NONE).any(axis=1)[:, None] & ~(k_values == NONE).any(axis=1)[None, :]
    for q, k, relation in zip(q_values.T, k_values.T, relations, strict=True):
        if not relation:
            found &= q[:, None] == k[None, :]
            continue
        q_lo, rows, k_lo, columns = relation[:4]
        table = np.zeros((rows + 1, columns + 1), bool)  # the last row and column are for what lies outside
        table[:rows, :columns] = np.array(relation[4:]).reshape(rows, columns) == 1
        row, column = (np.where((v >= lo) & (v < lo + size), v - lo, size) for v, lo, size in ((q, q_lo, rows), (k, k_lo, columns)))
        found &= table[row[:, None], column[None, :]]
    return found


def _square(q: Ints, k: Ints, q1: Ints, k1: Ints, q_value: Ints, k_value: Ints, what: str) -> Scores:
    """Completing the square. Let q = λ·b(u) for a code b, λ_d > 0 whole numbers, and k = b(w), each meaning having a code of its own. Then

    2·T(u, w) = -Σ λ_d (b_d(u) - b_d(w))² + R(u) + R(w),    R(u) = Σ λ_d b_d(u)² + 2·q1(u),    R(w) likewise.

    For equal values the square vanishes; for different ones it is at least min_d λ_d·spacing_d², or 2·λ where λ is one number and all
    codes have squared norms of one parity. ⊥ is compared with every case.
    """
    shared = q.any(axis=0) & k.any(axis=0)
    q, k, some_q, some_k = q[:, shared], k[:, shared], q_value != NONE, k_value != NONE
    values, first = np.unique(k_value[some_k], return_index=True)
    table = k[some_k][first]
    spot = np.searchsorted(values, q_value).clip(0, max(0, len(values) - 1))
    known = some_q & (values[spot] == q_value) if len(values) else some_q & False
    if not known.any() or not shared.any():
        raise Rejected(f"{what}: no query meets a key")
    meet = np.abs(table[spot[known]]).argmax(axis=0)  # a case in which each dimension is not zero
    at = np.arange(q.shape[1])
    lam = q[known][meet, at] // np.where(table[spot[known]][meet, at] == 0, 1, table[spot[known]][meet, at])
    if (lam <= 0).any() or (q[some_q] % np.maximum(lam, 1)).any():
        raise Rejected(f"{what}: queries are not the keys' codes times a positive factor")
    b = np.where(some_q[:, None], q // lam, 0)
    if float((lam * np.square(np.concatenate([b, k]).astype(float))).sum(axis=1).max()) > 2.0**59:
        raise Rejected(f"{what}: the squares of its codes leave 64 bits")
    # A key's meaning has one code, which queries of that meaning have and no other query or key.
    strangers = np.unique(b[some_q & ~known], axis=0)
    if (k[some_k] != table[np.searchsorted(values, k_value[some_k])]).any() or (b[known] != table[spot[known]]).any():
        raise Rejected(f"{what}: values that are equal have different codes")
    codes = np.concatenate([table, strangers])
    if len(np.unique(codes, axis=0)) < len(codes):
        raise Rejected(f"{what}: values that differ have the same code")
    spacings = [int(f * np.diff(some).min() ** 2) for f, some in zip(lam, map(np.unique, codes.T), strict=True) if len(some) > 1]
    delta, parity = min(spacings, default=0), (codes * codes).sum(axis=1) % 2
    if (lam == lam[0]).all() and (parity == parity[0]).all():
        delta = max(delta, 2 * int(lam[0])) if spacings else 0
    r_q, r_k = (lam * b * b).sum(axis=1) + 2 * q1, (lam * k * k).sum(axis=1) + 2 * k1
    least, greatest, lows, highs = np.full(len(q), -LOW), np.full(len(q), LOW), np.full(len(values), -LOW), np.full(len(values), LOW)
    np.minimum.at(lows, np.searchsorted(values, k_value[some_k]), r_k[some_k])
    np.maximum.at(highs, np.searchsorted(values, k_value[some_k]), r_k[some_k])
    least[known], greatest[known] = r_q[known] + lows[spot[known]], r_q[known] + highs[spot[known]]
    rival = np.where(some_q, r_q + r_k[some_k].max() - delta, LOW)
    for w in np.flatnonzero(~some_k):
        rival = np.maximum(rival, 2 * (q @ k[w] + q1 + k1[w]))
    for u in np.flatnonzero(~some_q):
        rival[u] = max(rival[u], (2 * (k @ q[u] + q1[u] + k1)).max())
    return Scores(least, greatest, rival)


# --- rules LOOKUP and CLOSEST: which position a head picks -------------------------------------------------------


def lookup(
    stream: Stream, term: Term, mask: str, w_q: Scaled, w_k: Scaled, script: dict[str, Any], dtype: str, what: str
) -> tuple[float, int]:
    """A head attends to the position its lookup picks, or to BOS where there is none; returns the gap in nats and the score's steps.

    Shown, with G the point at which exp rounds to zero: a match scores at least G above BOS, a mismatch at least G below (or, of a
    pointer that always finds its place, below the match), and of two matches the picked one leads by at least G. So the weights
    are exactly 1 and 0 in any order of summation.
    """
    if term.op != "lookup" or mask != term.fields[0]:
        raise Rejected(f"{what} has the mask {mask}, and is no such lookup")
    seen = compare(stream, term, w_q, w_k, script, dtype, what)
    homes = [g for g in seen.groups if POSITION in g.key.cases.over]
    if len(homes) != 1:
        raise Rejected(f"{what}: its key's position is not in one group")
    if term.fields[1] == "closest":
        doubled = _closest(stream, term, seen, homes[0], what)
    else:
        found = [(g, seen.scores(g, what)) for g in seen.groups]
        doubled = min(_winner(stream, term, seen.base, found, what), _order(stream, term, seen.q0, homes[0], found, what))
    gap = doubled / 2 * 2.0**-seen.shift
    if not gap >= ARITHMETICS[dtype].underflow:
        raise Rejected(f"{what}: the winner leads by {gap:g} nats only, {ARITHMETICS[dtype].underflow:g} are needed")
    return gap, seen.steps


def _winner(stream: Stream, term: Term, base: int, found: Sequence[tuple[Group, Scores]], what: str) -> int:
    """Twice the least lead of a match over BOS, and of the rightful winner over any mismatch."""
    compared = [s for g, s in found if g.parts]
    bonus = [s for g, s in found if not g.parts]  # without components every key matches
    low = base + sum(int(s.least.min()) for s in bonus)
    high = base + sum(int(s.greatest.max()) for s in bonus)
    match = low + sum(int(s.least.min()) for s in compared)
    mismatch = high + max(int(s.rival.max()) + sum(int(o.any.max()) for o in compared if o is not s) for s in compared)
    if mismatch < 0:
        return min(match, -mismatch)
    pointer, key, relation = term.keys(0)
    span, position = stream.terms.ranges[pointer], stream.terms.list[key].op == "position"
    always = (
        term.parts == 1 and not relation and term.fields[0] == "causal" and position and span.lag is not None and span.lag <= 0 < span.lo
    )
    if not (always and len(compared) == 1):
        raise Rejected(f"{what}: a key that does not match scores {mismatch / 2:g} steps against BOS's 0")
    (only,), (absent,) = compared, [(g.query.values == NONE).any(axis=1) for g, _ in found if g.parts]
    if (only.least[~absent] == -LOW).any():
        raise Rejected(f"{what}: a query has no key")
    lead = int((only.least - only.rival)[~absent].min(initial=-LOW)) - (high - low)
    return min(match, lead, -(high + int(only.rival[absent].max(initial=LOW))))


def _order(stream: Stream, term: Term, q0: Ints, home: Group, found: Sequence[tuple[Group, Scores]], what: str) -> int:
    """Twice the least lead of the picked match over any other match: keys of one meaning in order of (rank, position), neighbours compared.

    Cases of one position exclude each other: of those alike in meaning and rank the least and the greatest score count.
    """
    spread = 0
    for g, s in found:
        if g is not home and g.parts:
            spread += int((s.greatest - s.least)[s.least != -LOW].max(initial=0))
    pick = term.fields[1]
    t = stream.terms.values([POSITION], home.key.cases, what)[0]
    r = 2 * (home.key.vectors @ q0)
    rank = np.zeros_like(t) if pick not in ("largest", "smallest") else home.rank * (1 if pick == "largest" else -1)  # pyright: ignore
    if any(home.relations):  # a query may match keys of several meanings: each query's keys are put in order
        total = twice(home.query.vectors, home.key.vectors, np.zeros(len(home.query.vectors), np.int64), r // 2)
        lead = _leads_by_query(t, rank, total, matches(home.query.values, home.key.values, home.relations), pick)
    else:
        kept = ~(home.key.values == NONE).any(axis=1)
        order = np.flatnonzero(kept)[np.lexsort((-t[kept] if pick == "earliest" else t[kept], rank[kept], *home.key.values[kept].T))]
        same = (home.key.values[order[1:]] == home.key.values[order[:-1]]).all(axis=1)
        codes = home.key.vectors[:, home.query.vectors.any(axis=0) & home.key.vectors.any(axis=0)]
        if (codes[order[1:]] != codes[order[:-1]])[same].any():
            raise Rejected(f"{what}: keys that mean the same have different codes")
        lead = _leads(t[order], rank[order], r[order], same)
    if pick == "only" and lead != -LOW:
        raise Rejected(f"{what}: several positions can match, and nothing says which to pick")
    return lead - spread


def _leads(t: Ints, rank: Ints, score: Ints, same: np.ndarray) -> int:
    """The least lead of a key over the one before, where they mean the same; -LOW if no two do. In order of (meaning, rank, position)."""
    if not len(t):
        return -LOW
    first = np.flatnonzero(np.concatenate([[True], ~same | (t[1:] != t[:-1]) | (rank[1:] != rank[:-1])]))
    low, high = np.minimum.reduceat(score, first), np.maximum.reduceat(score, first)
    return int((low[1:] - high[:-1])[same[first[1:] - 1]].min(initial=-LOW))


def _leads_by_query(t: Ints, rank: Ints, score: Ints, match: np.ndarray, pick: str) -> int:
    """The same, query by query, among the keys that match it. Shapes: t, rank (n_w,), score, match (n_u, n_w)."""
    t = -t if pick == "earliest" else t
    order = np.lexsort((t, rank))
    t, rank, score, match = t[order], rank[order], score[:, order], match[:, order]
    if not match.any():
        return -LOW
    first = np.flatnonzero(np.concatenate([[True], (t[1:] != t[:-1]) | (rank[1:] != rank[:-1])]))
    low = np.minimum.reduceat(np.where(match, score, -LOW), first, axis=1)
    high = np.maximum.reduceat(np.where(match, score, LOW), first, axis=1)
    there = low != -LOW
    last = np.maximum.accumulate(np.where(there, np.arange(there.shape[1]), -1), axis=1)
    before = np.concatenate([np.full((len(last), 1), -1), last[:, :-1]], axis=1)  # the place before in which a key matches
    lead = low - np.take_along_axis(high, np.maximum(before, 0), axis=1)
    return int(lead[there & (before >= 0)].min(initial=-LOW))


def _closest(stream: Stream, term: Term, seen: Compared, home: Group, what: str) -> int:
    """Rule CLOSEST: fewer differences win, and of equals the latest.

    On keys that match write T = c·(graded components that agree) + h, for one c > 0, h in a range of width s for each group, S the
    sum of the widths, R the range of what the key's position adds. One more that agrees outweighs all positions, c - S - R >= G; of
    equally close ones the later leads, each step of the position adding at least G + S.
    """
    r = 2 * (home.key.vectors @ seen.q0)
    if home.parts:
        raise Rejected(f"{what}: it compares values that depend on the position, for which there is no rule")
    if not len(r):
        return -LOW  # no key is ever seen
    t = stream.terms.values([POSITION], home.key.cases, what)[0]
    rates, spread, least, greatest, rivals = set[int](), 0, [], [], []
    tables = []
    for g in (g for g in seen.groups if g is not home):
        total = twice(g.query.vectors, g.key.vectors, g.query.vectors @ seen.k0, g.key.vectors @ seen.q0)
        must = [i for i, p in enumerate(g.parts) if p < term.parts]
        match = matches(g.query.values[:, must], g.key.values[:, must], [g.relations[i] for i in must])
        agree = np.zeros(total.shape, np.int64)
        for i in set(range(len(g.parts))) - set(must):
            q, k = g.query.values[:, i], g.key.values[:, i]
            if (q == NONE).any() or (k == NONE).any():
                raise Rejected(f"{what}: a value that it compares by degrees may be ⊥")
            agree += q[:, None] == k[None, :]
        some, score = agree[match], total[match]
        if len(some) and some.min() < some.max():
            rates.add(int(score[some == some.max()].max() - score[some == some.min()].max()) // int(some.max() - some.min()))
        tables.append((agree[match], score))
        least.append(int(score.min(initial=-LOW)))
        greatest.append(int(total.max(initial=LOW)))
        rivals.append(int(total[~match].max(initial=LOW)))
    if len(rates) > 1 or min(rates, default=1) <= 0:
        raise Rejected(f"{what}: parts that agree do not all add the same")
    rate = max(rates, default=0)
    for agree, score in tables:
        h = score - rate * agree
        spread += int(h.max() - h.min()) if len(h) else 0
    match = seen.base + int(r.min()) + sum(least)
    mismatch = seen.base + int(r.max()) + max((v + sum(greatest) - g for v, g in zip(rivals, greatest, strict=True)), default=LOW)
    later = int(np.diff(r[np.argsort(t)]).min(initial=-LOW)) - spread
    closer = rate - spread - int(r.max() - r.min()) if rates else -LOW
    return min(match, -mismatch, later, closer)


def fetched(stream: Stream, column: Ints, shift: int, value: int, cell: Cell, script: dict[str, Any], strict: bool, what: str) -> None:
    """Rule FETCH: what the winner's stream adds to one dimension is the code of the value there, whatever position it is."""
    wide, column = stream.with_sums(column, script["sums"])
    cases = wide.terms.cases(script["over"], what, strict)
    got = wide.combine(column, wide.held(column), cases, what)[:, 0]
    span, form = stream.terms.ranges[value], cell.form
    if form.kind == "flag" and not span.none and form.off < span.lo <= span.hi <= form.off + form.top:
        wanted = np.ones_like(got)  # there, whatever it is
    else:
        wanted = coded(form, cell.dim, wide.terms.values([value], cases, what)[0])
    if (got != raised(wanted, shift, what)).any():
        raise Rejected(f"{what}: what is read is not the code of term {value}")
