"""Attention: how far winners lead, what leaks, and what a head then brings.

Scores are bilinear, so they are sums of tables: one for each variable of the query and each of the key. Variables that meet in a
table form a component; the components' scores add up, and the least lead of a sum is at least the sum of least leads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .state import Noise, Projection, Reals, State, project, rounding
from .terms import NONE, POSITION, Ints, Node, Terms, Unshown, holds, product

Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Component:
    """Variables of queries and of keys that meet. Shapes: lo, hi, ind, match (queries, keys); rest_lo, rest_hi (queries,) of BOS."""

    queries: list[int]
    keys: list[int]
    rows: dict[int, Ints]
    columns: dict[int, Ints]
    lo: Reals
    hi: Reals
    ind: Reals
    match: Bools
    rest_lo: Reals
    rest_hi: Reals

    def bounds(self) -> tuple[Reals, Reals, Reals]:
        """By query: the least score of a match (inf without one), the greatest of a match, the greatest of anything else."""
        least = np.where(self.match, self.lo, np.inf).min(axis=1)
        most = np.where(self.match, self.hi, -np.inf).max(axis=1)
        rival = np.where(self.match, -np.inf, self.hi).max(axis=1)
        return least, most, rival


@dataclass(slots=True)
class Scores:
    """A head's components, and what all of them share: the constant scores of a key and of BOS, and a common error."""

    parts: list[Component]
    rest: float  # constant score of BOS less the constant score of a key
    slack: float


def scores(state: State, terms: Terms, node: Node, w_q: Reals, w_k: Reals, noise: Noise, what: str) -> Scores:
    """The components of a head's score. Shapes of matrices: (d_model, d_head)."""
    q = _sides(state, w_q, noise)
    k = _sides(state, w_k, noise)
    used = np.count_nonzero(np.abs(w_q).max(axis=0) * np.abs(w_k).max(axis=0))
    gamma = (used + 2) * noise.unit
    size_k = np.abs(w_k)
    bos = state.bos @ w_k
    bos_off = state.off @ size_k + (noise.weights + rounding(w_k, noise.unit)) * ((np.abs(state.bos) + state.off) @ size_k)
    n = node.fields["parts"]
    relations = node.fields["relations"] or ((),) * n
    pairs = [(node.args[p], node.args[n + p], tuple(relations[p])) for p in range(n)]
    graded = node.args[2 * n :] if node.fields.get("graded") else ()
    half = len(graded) // 2
    ties = _tie_variables(terms, node)
    links = [(terms.of(a).variable, terms.of(b).variable) for a, b, _ in pairs]
    links += [(terms.of(a).variable, terms.of(b).variable) for a, b in zip(graded[:half], graded[half:], strict=True)]
    tables = {(a, b): _table(q[a], k[b], gamma) for a in q for b in k}
    slack = 0.0
    for (a, b), (s, com, ind) in tables.items():
        if a is not None and b is not None:
            if np.abs(s).max() > 1e-12:
                links.append((a, b))
            elif (a, b) not in links:
                slack += float((np.abs(s) + com + ind).max())
    groups = _groups(links, [b for b in k if b is not None], [a for a in q if a is not None], ties)
    found: list[Component] = []
    for queries, keys in groups:
        found.append(_component(terms, queries, keys, tables, q, bos, bos_off, gamma, pairs, what))
    fixed = [(a, b, r) for a, b, r in pairs if terms.of(a).variable is None and terms.of(b).variable is None]
    for a, b, r in fixed:
        if not holds(r, terms.of(a).table, terms.of(b).table).all():
            raise Unshown(f"{what}: it can match nothing")
    constant, rest = 0.0, 0.0
    if None in q:
        s, com, ind = tables[None, None] if None in k else (np.zeros((1, 1)),) * 3
        constant = float(s[0, 0])
        rest = float((q[None].x @ bos)[0])
        own = (q[None].com + q[None].ind)[0]
        off = float((np.abs(q[None].x[0]) + own) @ bos_off + own @ np.abs(bos) + gamma * (np.abs(q[None].x[0]) @ np.abs(bos)))
        slack += off + float((com + ind)[0, 0])
    return Scores(found, rest - constant, slack)


def _sides(state: State, matrix: Reals, noise: Noise) -> dict[int | None, Projection]:
    dims = [int(d) for d in np.flatnonzero(np.abs(matrix).max(axis=1))]
    return {v: project(state, ds, matrix[ds], matrix, noise) for v, ds in state.variables(dims).items()}


def _table(a: Projection, b: Projection, gamma: float) -> tuple[Reals, Reals, Reals]:
    """Scores of one query variable and one key variable, what is off alike, and what is off otherwise. Shapes: (queries, keys)."""
    ax, bx = np.abs(a.x), np.abs(b.x)
    com = ax @ b.com.T + a.com @ bx.T + a.com @ b.com.T
    full_a, full_b = ax + a.com + a.ind, bx + b.com + b.ind
    ind = (ax + a.com) @ b.ind.T + a.ind @ full_b.T + gamma * (full_a @ full_b.T)
    return a.x @ b.x.T, com, ind


def _tie_variables(terms: Terms, node: Node) -> list[int]:
    """Variables of keys that break ties: they are looked at together."""
    if node.op == "total" or node.fields["pick"] == "only":
        return []
    found = [POSITION]
    if node.fields["pick"] in ("largest", "smallest"):
        variable = terms.of(node.args[-1]).variable
        found += [] if variable is None else [variable]
    n = node.fields["parts"]
    graded = node.args[2 * n :] if node.fields["graded"] else ()
    found += [v for a in graded[len(graded) // 2 :] if (v := terms.of(a).variable) is not None]
    return found


def _groups(
    links: Sequence[tuple[int | None, int | None]], keys: Sequence[int], queries: Sequence[int], ties: Sequence[int]
) -> list[tuple[list[int], list[int]]]:
    """Connected variables: of queries and of keys. The first group has all that break ties, if there are any."""
    nodes = {("q", a) for a in queries} | {("k", b) for b in [*keys, *ties]}
    nodes |= {("q", a) for a, _ in links if a is not None} | {("k", b) for _, b in links if b is not None}
    parent = {n: n for n in nodes}

    def root(n: tuple[str, int]) -> tuple[str, int]:
        while parent[n] != n:
            n = parent[n]
        return n

    for a, b in links:
        if a is not None and b is not None:
            parent[root(("q", a))] = root(("k", b))
    for a, b in pairwise(ties):
        parent[root(("k", a))] = root(("k", b))
    groups: dict[tuple[str, int], tuple[list[int], list[int]]] = {}
    for side, v in sorted(nodes):
        groups.setdefault(root((side, v)), ([], []))[side == "k"].append(v)
    first = root(("k", ties[0])) if ties else None
    return sorted(groups.values(), key=lambda g: 0 if ties and groups[first] is g else 1)  # pyright: ignore[reportArgumentType]


def _component(
    terms: Terms,
    queries: list[int],
    keys: list[int],
    tables: dict[tuple[int | None, int | None], tuple[Reals, Reals, Reals]],
    q: dict[int | None, Projection],
    bos: Reals,
    bos_off: Reals,
    gamma: float,
    pairs: Sequence[tuple[int, int, tuple[int, ...]]],
    what: str,
) -> Component:
    sizes = [len(terms.cases[v]) for v in (*queries, *keys)]
    product(sizes, what)
    rows = dict(zip(queries, product([len(terms.cases[v]) for v in queries], what), strict=True))
    columns = dict(zip(keys, product([len(terms.cases[v]) for v in keys], what), strict=True))
    shape = (math.prod(len(terms.cases[v]) for v in queries), math.prod(len(terms.cases[v]) for v in keys))
    s, com, ind = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for (a, b), table in tables.items():
        if (a is None and b is None) or (a is not None and a not in rows) or (b is not None and b not in columns):
            continue
        left = rows[a] if a is not None else np.zeros(shape[0], np.int64)
        right = columns[b] if b is not None else np.zeros(shape[1], np.int64)
        for total, part in zip((s, com, ind), table, strict=True):
            total += part[left][:, right]
    rest, rest_off = np.zeros(shape[0]), np.zeros(shape[0])
    for a in queries:
        if a in q:
            own = q[a].com + q[a].ind
            off = (np.abs(q[a].x) + own) @ bos_off + own @ np.abs(bos) + gamma * (np.abs(q[a].x) @ np.abs(bos))
            rest += (q[a].x @ bos)[rows[a]]
            rest_off += off[rows[a]]
    match = np.ones(shape, bool)
    for a, b, relation in pairs:
        left, right = terms.of(a), terms.of(b)
        if (left.variable in rows or left.variable is None) and (right.variable in columns or right.variable is None):
            if left.variable is None and right.variable is None:
                continue
            u = left.table[rows[left.variable]] if left.variable is not None else np.repeat(left.table, shape[0])
            w = right.table[columns[right.variable]] if right.variable is not None else np.repeat(right.table, shape[1])
            match &= holds(relation, u[:, None], w[None, :])
    return Component(queries, keys, rows, columns, s - com - ind, s + com + ind, ind, match, rest - rest_off, rest + rest_off)


@dataclass(frozen=True, slots=True)
class Leak:
    """Of a lookup: how much weight is not on the winner at most, and not on BOS where there is none; and the least lead in nats."""

    found: float
    missing: float
    lead: float


def lookup(found: Scores, terms: Terms, node: Node, noise: Noise, what: str) -> Leak:
    """Every rival's total weight. Raises Unshown where a rival may win."""
    n = terms.length
    parts = found.parts
    bounds = [c.bounds() for c in parts]
    possible = [np.isfinite(least) for least, _, _ in bounds]
    missing = _mismatch(parts, bounds, [np.ones(len(p), bool) for p in possible], rest=True) - found.rest + 2 * found.slack
    if not all(p.any() for p in possible):
        return Leak(0.0, _weight(n, missing, what, "what does not match"), -missing)
    mismatch = _mismatch(parts, bounds, possible, rest=False) + 2 * found.slack
    bos = sum(float((c.rest_hi - least)[p].max()) for c, (least, _, _), p in zip(parts, bounds, possible, strict=True))
    bos += found.rest + 2 * found.slack
    ties = 0.0
    lead = min(-mismatch, -bos, -missing)
    if node.fields["pick"] == "only":
        _require_unique(terms, node, what)
    else:
        variation = 2 * found.slack
        for c, (least, most, _), p in zip(parts[1:], bounds[1:], possible[1:], strict=True):
            several = (c.match.sum(axis=1) > 1).any()
            alike = 2 * float(np.where(c.match, c.ind, 0).max())
            variation += max(alike, float((most - least)[p].max())) if several else alike
        ties, nearest = _ties(parts[0], terms, node, variation, what)
        lead = min(lead, nearest)
    if max(mismatch, bos) >= 0:
        raise Unshown(f"{what}: a rival leads by {max(mismatch, bos):.3g} nats")
    total = _weight(n, mismatch, what, "what does not match") + math.exp(bos) + ties
    return Leak(total * (1 + 4 * noise.exp) + n * noise.unit, _weight(n, missing, what, "what does not match") * (1 + 4 * noise.exp), lead)


def _weight(n: int, score: float, what: str, who: str) -> float:
    if score >= 0:
        raise Unshown(f"{what}: {who} may score {score:.3g} nats above the winner")
    return n * math.exp(score)


def _mismatch(parts: list[Component], bounds: list[tuple[Reals, Reals, Reals]], rows: list[Bools], rest: bool) -> float:
    """By how much something that does not match may score above a match, or above BOS, at most."""

    def over(c: int, rival: Reals) -> float:
        base = parts[c].rest_lo if rest else bounds[c][0]
        return float((rival - base)[rows[c]].max())

    any_hi = [over(c, np.maximum(most, rival)) for c, (_, most, rival) in enumerate(bounds)]
    odd = [over(c, rival) for c, (_, _, rival) in enumerate(bounds)]
    return max((o - a + sum(any_hi) for o, a in zip(odd, any_hi, strict=True) if np.isfinite(o)), default=-np.inf)


def _require_unique(terms: Terms, node: Node, what: str) -> None:
    n = node.fields["parts"]
    for p in range(n):
        key, relation = terms.of(node.args[n + p]), (node.fields["relations"] or ((),) * n)[p]
        if key.variable == POSITION and not relation and len(np.unique(key.table[key.table != NONE])) == (key.table != NONE).sum():
            return
    raise Unshown(f"{what}: several keys may match, and it breaks no ties")


def _ties(c: Component, terms: Terms, node: Node, variation: float, what: str) -> tuple[float, float]:
    """The weight of matches that are not picked, at most, and the least lead over one of them."""
    t = terms.cases[POSITION][c.columns[POSITION]]
    pick, n, length = node.fields["pick"], node.fields["parts"], terms.length
    rank = np.zeros(c.match.shape[1], np.int64)
    if pick in ("largest", "smallest"):
        value = terms.of(node.args[-1])
        rank = value.table[c.columns[value.variable]] if value.variable is not None else rank
        rank = -rank if pick == "smallest" else rank
    graded = node.args[2 * n :] if node.fields["graded"] else ()
    worst, nearest = 0.0, np.inf
    for row in range(c.match.shape[0]):
        level = rank
        for a, b in zip(graded[: len(graded) // 2], graded[len(graded) // 2 :], strict=True):
            left, right = terms.of(a), terms.of(b)
            u = left.table[c.rows[left.variable][row]] if left.variable is not None else left.table[0]
            w = right.table[c.columns[right.variable]] if right.variable is not None else right.table[:1]
            level = level + (u == w)
        at = np.flatnonzero(c.match[row])
        if not len(at):
            continue
        levels, l = np.unique(level[at], return_inverse=True)
        hi, lo = np.full((length + 2, len(levels) + 1), -np.inf), np.full((length + 2, len(levels) + 1), np.inf)
        where = (t[at] if pick != "earliest" else length + 1 - t[at], l + 1)
        np.maximum.at(hi, where, c.hi[row, at])
        np.minimum.at(lo, where, c.lo[row, at])
        reach = np.maximum.accumulate(hi, axis=1)  # (t, level): the best of at most that level
        for k in range(1, len(levels) + 1):
            winners = np.flatnonzero(np.isfinite(lo[:, k]))
            rivals = np.where(np.arange(length + 2)[None, :] < winners[:, None], reach[None, :, k], reach[None, :, k - 1])
            rivals[np.arange(len(winners)), winners] = -np.inf
            above = rivals - lo[winners, k][:, None] + variation
            nearest = min(nearest, -float(above.max()))
            worst = max(worst, float(np.exp(np.minimum(above, 50)).sum(axis=1).max()))
    if nearest <= 0:
        raise Unshown(f"{what}: of two matches the one that is picked leads by {nearest:.3g} nats")
    return worst, nearest


@dataclass(frozen=True, slots=True)
class Shares:
    """Of a total: what a match weighs relative to BOS, from `lo` to `hi`, and all mismatches together at most."""

    lo: float
    hi: float
    rivals: float


def total(found: Scores, terms: Terms, noise: Noise, what: str) -> Shares:
    """Bounds of the weights of matches. Raises Unshown where they are not near each other."""
    low = high = 0.0
    bounds = [c.bounds() for c in found.parts]
    possible = [np.isfinite(least) for least, _, _ in bounds]
    mismatch = _mismatch(found.parts, bounds, [np.ones(len(p), bool) for p in possible], rest=True) - found.rest + 2 * found.slack
    rivals = terms.length * math.exp(min(mismatch, 50)) * (1 + 4 * noise.exp)
    if not all(p.any() for p in possible):
        return Shares(1.0 / terms.length, 1.0 / terms.length, rivals)
    for c, (least, most, _), p in zip(found.parts, bounds, possible, strict=True):
        low += float((least - c.rest_hi)[p].min())
        high += float((most - c.rest_lo)[p].max())
    low, high = low - found.rest - 2 * found.slack, high - found.rest + 2 * found.slack
    if high - low > 1 or high > 50:
        raise Unshown(f"{what}: matches score from {low:.3g} to {high:.3g} nats above BOS, not alike")
    error = 4 * noise.exp + terms.length * noise.unit
    return Shares(math.exp(low) * (1 - error), math.exp(high) * (1 + error), rivals)
