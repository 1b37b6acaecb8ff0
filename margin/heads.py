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

from .state import OWN, UP, Noise, Projection, Reals, State, project, rounding
from .terms import NONE, POSITION, Ints, Node, Terms, Unshown, holds, product

Bools = NDArray[np.bool_]
PAIRS = 512  # joint cases of keys that are compared two by two


@dataclass(slots=True)
class Component:
    """Variables of queries and of keys that meet. Scores, and BOS's, and what they may be off.

    `own` is what the scores of two tokens of one case may differ, halved. Shapes: s, off, own, match (queries, keys); rest_lo and
    rest_hi (queries,).
    """

    queries: list[int]
    keys: list[int]
    rows: dict[int, Ints]
    columns: dict[int, Ints]
    s: Reals
    off: Reals
    own: Reals
    match: Bools
    rest_lo: Reals
    rest_hi: Reals

    def bounds(self) -> tuple[Reals, Reals, Reals]:
        """By query: the least score of a match (inf without one), the greatest of a match, the greatest of anything else."""
        least = np.where(self.match, self.s - self.off, np.inf).min(axis=1)
        most = np.where(self.match, self.s + self.off, -np.inf).max(axis=1)
        rival = np.where(self.match, -np.inf, self.s + self.off).max(axis=1)
        return least, most, rival


@dataclass(slots=True)
class Keys:
    """How the difference of two keys' scores under one query may be off, which is less than each score may.

    With k and k' the keys of two tokens, x and x' their cells: q·(k - k') is off by what q is off times |k - k'|, by the noise of W_K times
    |x - x'|, and by what each key's cells are off; where the cases are the same, by what is not alike there.
    `reach` bounds |q|, `off` what q is off, over all queries. Shapes: (d_head,).
    """

    state: State
    w_k: Reals
    sides: dict[int | None, Projection]
    reach: Reals
    off: Reals
    noise: Noise

    def apart(self, v: int, count: int) -> Reals:
        """What the scores of two cases of a variable may be off against each other, but for `own`. Shape (cases, cases)."""
        if v not in self.sides:
            return np.zeros((count, count))
        x, com, weight = self._cells(v)
        found = _distances(self.sides[v].x, self.off) + self.noise.weights * _distances(x, weight)
        each = (1 + self.noise.weights) * (com @ weight)
        return (found + np.where(np.eye(count, dtype=bool), 0, each[:, None] + each)) * UP

    def far(self, v: int, count: int) -> Reals:
        """The same as a sum of a part for each case. Shape (cases,)."""
        if v not in self.sides:
            return np.zeros(count)
        x, com, weight = self._cells(v)
        return (
            np.abs(self.sides[v].x) @ self.off + self.noise.weights * (np.abs(x) @ weight) + (1 + self.noise.weights) * (com @ weight)
        ) * UP

    def _cells(self, v: int) -> tuple[Reals, Reals, Reals]:
        dims = [int(d) for d in np.flatnonzero(np.abs(self.w_k).max(axis=1)) if self.state.cells[d].variable == v]
        x, com, _ = self.state.stack(dims)
        return x, com, np.abs(self.w_k[dims]) @ self.reach


def _distances(x: Reals, weight: Reals) -> Reals:
    """Σ weight·|x - x'|. Shapes: (cases, dims), (dims,) -> (cases, cases)."""
    found = np.zeros((len(x), len(x)))
    for column, w in zip(x.T, weight, strict=True):
        if w and column.any():
            found += w * np.abs(column[:, None] - column)
    return found


@dataclass(slots=True)
class Scores:
    """A head's components, and what they share: BOS's constant score less a key's, errors of tokens' scores and of BOS's, and `keys`."""

    parts: list[Component]
    rest: float
    slack: float
    rest_slack: float
    keys: Keys
    unlinked: float  # what variables that do not meet add to the difference of two keys' scores, halved


def scores(state: State, terms: Terms, node: Node, w_q: Reals, w_k: Reals, noise: Noise, what: str) -> Scores:
    """The components of a head's score. Shapes of matrices: (d_model, d_head)."""
    q = _sides(state, w_q, noise)
    k = _sides(state, w_k, noise)
    used = np.count_nonzero(np.abs(w_q).max(axis=0) * np.abs(w_k).max(axis=0))
    gamma = (used + 2) * (noise.unit + OWN)
    size_k = np.abs(w_k)
    bos = state.bos @ w_k
    bos_noise = (noise.weights + rounding(w_k, noise.unit)) * (1 + noise.weights)
    bos_off = (state.off @ size_k + bos_noise * ((np.abs(state.bos) + state.off) @ size_k)) * UP
    n = node.fields["parts"]
    relations = node.fields["relations"] or ((),) * n
    pairs = [(node.args[p], node.args[n + p], tuple(relations[p])) for p in range(n)]
    graded = node.args[2 * n :] if node.fields.get("graded") else ()
    half = len(graded) // 2
    ties = _tie_variables(terms, node)
    links = [(terms.of(a).variable, terms.of(b).variable) for a, b, _ in pairs]
    links += [(terms.of(a).variable, terms.of(b).variable) for a, b in zip(graded[:half], graded[half:], strict=True)]
    tables = {(a, b): _table(q[a], k[b], gamma) for a in q for b in k}
    slack = unlinked = 0.0
    for (a, b), (s, off, own) in tables.items():
        if a is not None and b is not None:
            if np.abs(s).max() > 1e-12:
                links.append((a, b))
            elif (a, b) not in links:
                slack += float((np.abs(s) + off).max())
                unlinked += float(np.abs(s).max()) + float(own.max())
    groups = _groups(links, [b for b in k if b is not None], [a for a in q if a is not None], ties)
    found = [_component(terms, queries, keys, tables, q, bos, bos_off, gamma, pairs, what) for queries, keys in groups]
    fixed = [(a, b, r) for a, b, r in pairs if terms.of(a).variable is None and terms.of(b).variable is None]
    for a, b, r in fixed:
        if not holds(r, terms.of(a).table, terms.of(b).table).all():
            raise Unshown(f"{what}: it can match nothing")
    constant = rest = rest_slack = 0.0
    if None in q:
        s, off, own = tables[None, None] if None in k else (np.zeros((1, 1)),) * 3
        constant, rest = float(s[0, 0]), float((q[None].x @ bos)[0])
        rest_slack = float(_rest(q[None], bos, bos_off, gamma)[0]) * UP
        slack, unlinked = slack + float(off[0, 0]), unlinked + float(own[0, 0])
    reach = sum((_most(p) for p in q.values()), np.zeros(w_q.shape[1])) * UP
    off_q = sum(((p.com + p.ind).max(axis=0) for p in q.values()), np.zeros(w_q.shape[1])) * UP
    return Scores(found, rest - constant, slack * UP, rest_slack, Keys(state, w_k, k, reach, off_q, noise), unlinked * UP)


def _sides(state: State, matrix: Reals, noise: Noise) -> dict[int | None, Projection]:
    dims = [int(d) for d in np.flatnonzero(np.abs(matrix).max(axis=1))]
    return {v: project(state, ds, matrix[ds], matrix, noise) for v, ds in state.variables(dims).items()}


def _most(p: Projection) -> Reals:
    return (np.abs(p.x) + p.com + p.ind).max(axis=0)


def _rest(p: Projection, bos: Reals, bos_off: Reals, gamma: float) -> Reals:
    """What a query's score of BOS may be off, by case of one variable."""
    own = p.com + p.ind
    return (np.abs(p.x) + own) @ bos_off + own @ np.abs(bos) + gamma * ((np.abs(p.x) + own) @ (np.abs(bos) + bos_off))


def _table(a: Projection, b: Projection, gamma: float) -> tuple[Reals, Reals, Reals]:
    """Scores of one query variable and one key variable, what they are off at most, and what two keys of one case differ, halved.

    Shapes: (queries, keys) each.
    """
    ax, bx = np.abs(a.x), np.abs(b.x)
    off_a, off_b = a.com + a.ind, b.com + b.ind
    rounds = gamma * ((ax + off_a) @ (bx + off_b).T)
    return a.x @ b.x.T, (ax @ off_b.T + off_a @ (bx + off_b).T + rounds) * UP, ((ax + off_a) @ b.ind.T + rounds) * UP


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
    s, off, own = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for (a, b), table in tables.items():
        if (a is None and b is None) or (a is not None and a not in rows) or (b is not None and b not in columns):
            continue
        left = rows[a] if a is not None else np.zeros(shape[0], np.int64)
        right = columns[b] if b is not None else np.zeros(shape[1], np.int64)
        for total, part in zip((s, off, own), table, strict=True):
            total += part[left][:, right]
    rest, rest_off = np.zeros(shape[0]), np.zeros(shape[0])
    for a in queries:
        if a in q:
            rest += (q[a].x @ bos)[rows[a]]
            rest_off += _rest(q[a], bos, bos_off, gamma)[rows[a]] * UP
    match = np.ones(shape, bool)
    for a, b, relation in pairs:
        left, right = terms.of(a), terms.of(b)
        if (left.variable in rows or left.variable is None) and (right.variable in columns or right.variable is None):
            if left.variable is None and right.variable is None:
                continue
            u = left.table[rows[left.variable]] if left.variable is not None else np.repeat(left.table, shape[0])
            w = right.table[columns[right.variable]] if right.variable is not None else np.repeat(right.table, shape[1])
            match &= holds(relation, u[:, None], w[None, :])
    return Component(queries, keys, rows, columns, s, off * UP, own * UP, match, rest - rest_off, rest + rest_off)


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
    missing = _mismatch(parts, bounds, [np.ones(len(p), bool) for p in possible], rest=True) - found.rest + found.slack + found.rest_slack
    if not all(p.any() for p in possible):
        return Leak(0.0, _weight(n, missing, what, "what does not match"), -missing)
    mismatch = _mismatch(parts, bounds, possible, rest=False) + 2 * found.slack
    bos = sum(float((c.rest_hi - least)[p].max()) for c, (least, _, _), p in zip(parts, bounds, possible, strict=True))
    bos += found.rest + found.slack + found.rest_slack
    ties = 0.0
    lead = min(-mismatch, -bos, -missing)
    if node.fields["pick"] == "only":
        _require_unique(terms, node, what)
    else:
        ties, nearest = _ties(found, terms, node, _variation(found, possible), what)
        lead = min(lead, nearest)
    if max(mismatch, bos) >= 0:
        raise Unshown(f"{what}: a rival leads by {max(mismatch, bos):.3g} nats")
    total = _weight(n, mismatch, what, "what does not match") + math.exp(bos) + ties
    inexact = 1 + 4 * noise.exp  # two exps, the sum's rounding, and exp here
    return Leak(total * inexact + n * (noise.unit + OWN), _weight(n, missing, what, "what does not match") * inexact, lead)


def _variation(found: Scores, possible: Sequence[Bools]) -> float:
    """By how much other components than the first may raise one match of a query above another."""
    keys, total = found.keys, 2 * found.unlinked
    for c, p in zip(found.parts[1:], possible[1:], strict=True):
        alone = 2 * float(np.where(c.match, c.own, 0).max())
        if (c.match.sum(axis=1) > 1).any():  # several cases match one query
            reach = np.where(c.match, c.s, -np.inf).max(axis=1) - np.where(c.match, c.s, np.inf).min(axis=1)
            sizes = {v: int(c.columns[v].max()) + 1 for v in c.keys}
            far = sum(float(keys.apart(v, n).max() if n <= PAIRS else 2 * keys.far(v, n).max()) for v, n in sizes.items())
            alone += float(reach[p].max()) + far
        total += alone
    return total * UP


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


def _ties(found: Scores, terms: Terms, node: Node, variation: float, what: str) -> tuple[float, float]:
    """The weight of matches that are not picked, at most, and the least lead over one of them.

    Proof: let a match at t of level k be picked. Its rivals are matches of lower levels anywhere, and of its own level at positions
    that come after t in the order of picking (earlier ones for `latest`). Each position has one token in one case, so its score is at most
    the best of what is allowed there. Against the winner's it may be off by `apart` of their cases, position by position and
    level by level, by what each key is off alone, and by `variation` from other components. The rivals' weight is at most the
    sum over positions of e^(rival - winner).
    """
    c, keys = found.parts[0], found.keys
    pick, n, length = node.fields["pick"], node.fields["parts"], terms.length
    turned = pick == "earliest"
    t = terms.cases[POSITION][c.columns[POSITION]]
    t = length + 1 - t if turned else t
    between = np.zeros((length + 2, length + 2))
    apart = keys.apart(POSITION, length)
    between[1:-1, 1:-1] = apart[::-1, ::-1] if turned else apart
    own = c.own
    others = {v: len(terms.cases[v]) for v in c.keys if v != POSITION}
    joint = np.zeros(len(t), np.int64)  # the case of all other variables of a column
    for v, size in others.items():
        joint = joint * size + c.columns[v]
    pairs: Reals | None = np.zeros((1, 1))
    if math.prod(others.values()) <= PAIRS:
        for v, size in others.items():
            more = keys.apart(v, size)
            pairs = (pairs[:, None, :, None] + more[None, :, None, :]).reshape(len(pairs) * size, -1)
    else:
        pairs = None
        for v, size in others.items():
            own = own + keys.far(v, size)[c.columns[v]]
    rank = np.zeros(c.match.shape[1], np.int64)
    if pick in ("largest", "smallest"):
        value = terms.of(node.args[-1])
        rank = value.table[c.columns[value.variable]] if value.variable is not None else rank
        rank = -rank if pick == "smallest" else rank
    graded = node.args[2 * n :] if node.fields["graded"] else ()
    high, low = c.s + own, c.s - own
    worst, nearest = 0.0, np.inf
    known: dict[bytes, Reals] = {}
    for row in range(c.match.shape[0]):
        at = np.flatnonzero(c.match[row])
        if not len(at):
            continue
        level = rank
        for a, b in zip(graded[: len(graded) // 2], graded[len(graded) // 2 :], strict=True):
            left, right = terms.of(a), terms.of(b)
            u = left.table[c.rows[left.variable][row]] if left.variable is not None else left.table[0]
            w = right.table[c.columns[right.variable]] if right.variable is not None else right.table[:1]
            level = level + (u == w)
        levels, l = np.unique(level[at], return_inverse=True)
        far = np.zeros((len(levels), len(levels)))
        if pairs is not None and len(pairs) > 1:
            key = np.stack([l, joint[at]]).tobytes()
            if key not in known:
                known = {key: _by_level(pairs, l, joint[at], len(levels))}  # rows of one kind stand together
            far = known[key]
        hi, lo = np.full((length + 2, len(levels)), -np.inf), np.full((length + 2, len(levels)), np.inf)
        np.maximum.at(hi, (t[at], l), high[row, at])
        np.minimum.at(lo, (t[at], l), low[row, at])
        for k in range(len(levels)):
            winners = np.flatnonzero(np.isfinite(lo[:, k]))
            below = (hi[:, :k] + far[:k, k]).max(axis=1, initial=-np.inf)  # the best of lower levels at each position
            upto = np.maximum(below, hi[:, k] + far[k, k])
            rivals = np.where(np.arange(length + 2)[None, :] < winners[:, None], upto, below) + between[:, winners].T
            rivals[np.arange(len(winners)), winners] = -np.inf
            above = rivals - lo[winners, k][:, None] + variation
            nearest = min(nearest, -float(above.max()))
            worst = max(worst, float(np.exp(np.minimum(above, 50)).sum(axis=1).max()))
    if nearest <= 0:
        raise Unshown(f"{what}: of two matches the one that is picked leads by {nearest:.3g} nats")
    return worst, nearest


def _by_level(pairs: Reals, levels: Ints, joint: Ints, count: int) -> Reals:
    """The greatest of pairs of cases by their levels. Shape (count, count)."""
    there = np.zeros((count, len(pairs)), bool)
    there[levels, joint] = True
    rows = np.stack([pairs[at].max(axis=0) for at in there])
    return np.stack([rows[:, at].max(axis=1) for at in there], axis=1)


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
    mismatch = (
        _mismatch(found.parts, bounds, [np.ones(len(p), bool) for p in possible], rest=True) - found.rest + found.slack + found.rest_slack
    )
    rivals = terms.length * math.exp(min(mismatch, 50)) * (1 + 4 * noise.exp)
    if not all(p.any() for p in possible):
        return Shares(1.0 / terms.length, 1.0 / terms.length, rivals)
    for c, (least, most, _), p in zip(found.parts, bounds, possible, strict=True):
        low += float((least - c.rest_hi)[p].min())
        high += float((most - c.rest_lo)[p].max())
    slack = found.slack + found.rest_slack
    low, high = low - found.rest - slack, high - found.rest + slack
    if high - low > 1 or high > 50:
        raise Unshown(f"{what}: matches score from {low:.3g} to {high:.3g} nats above BOS, not alike")
    error = 4 * noise.exp + (terms.length + 8) * (noise.unit + OWN)
    return Shares(math.exp(low) * (1 - error), math.exp(high) * (1 + error), rivals)
