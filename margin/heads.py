"""Attention: how far winners lead, what leaks, and what a head then brings.

Scores are bilinear, so they are sums of tables: one for each variable of the query and each of the key. Variables that meet in a
table form a component; the components' scores add up, and the least lead of a sum is at least the sum of least leads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .keys import PAIRS, Bools, Component, Keys, keys_of
from .state import OWN, UP, Noise, Projection, Reals, State, project, rounding
from .terms import NONE, POSITION, Ints, Node, Terms, Unshown, holds, product


@dataclass(slots=True)
class Scores:
    """A head's components, and what they share: BOS's constant score less a key's, errors of tokens' scores and of BOS's, and `keys`.

    `never` says that no query and key match, whatever the components say.
    """

    parts: list[Component]
    rest: float
    slack: float
    rest_slack: float
    keys: Callable[[Component], Keys]
    unlinked: float  # what variables that do not meet add to the difference of two keys' scores, halved
    never: bool


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
    bos_off = (bos_off + noise.kept(np.abs(bos) + bos_off)) * UP
    pairs = terms.compared(node)
    graded = node.args[2 * len(pairs) :] if node.fields.get("graded") else ()
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
    constant = rest = rest_slack = 0.0
    if None in q:
        s, off, own = tables[None, None] if None in k else (np.zeros((1, 1)),) * 3
        constant, rest = float(s[0, 0]), float((q[None].x @ bos)[0])
        rest_slack = float(_rest(q[None], bos, bos_off, gamma)[0]) * UP
        slack, unlinked = slack + float(off[0, 0]), unlinked + float(own[0, 0])

    def keys(part: Component) -> Keys:
        return keys_of(state, w_k, q, k, part, noise)

    return Scores(found, rest - constant, slack * UP, rest_slack, keys, unlinked * UP, not terms.matches(node))


def _sides(state: State, matrix: Reals, noise: Noise) -> dict[int | None, Projection]:
    dims = [int(d) for d in np.flatnonzero(np.abs(matrix).max(axis=1))]
    return {v: project(state, ds, matrix[ds], matrix, noise) for v, ds in state.variables(dims).items()}


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
    """Of a lookup: how much weight is not on the winner (on matches, where any does) at most, and not on BOS where there is none.

    `lead` is the least lead in nats.
    """

    found: float
    missing: float
    lead: float


def lookup(found: Scores, terms: Terms, node: Node, noise: Noise, any_match: bool, what: str) -> Leak:
    """Every rival's total weight; `any_match`: all matches are as good, and are no rivals. Raises Unshown where a rival may win."""
    n = terms.length
    parts = found.parts
    bounds = [c.bounds() for c in parts]
    possible = [np.isfinite(least) for least, _, _ in bounds]
    missing = _beside_bos(found, bounds)
    if found.never or not all(p.any() for p in possible):
        return Leak(0.0, _weight(n, missing, what, "what does not match"), -missing)
    mismatch = _mismatch(parts, bounds, possible, rest=False) + 2 * found.slack
    bos = sum(float((c.rest_hi - least)[p].max()) for c, (least, _, _), p in zip(parts, bounds, possible, strict=True))
    bos += found.rest + found.slack + found.rest_slack
    ties = 0.0
    lead = min(-mismatch, -bos, -missing)
    if not any_match and not _unique(terms, node):
        if node.fields["pick"] == "only":
            raise Unshown(f"{what}: several keys may match, and it breaks no ties")
        ties, nearest = _ties(found, terms, node, _variation(found, possible), what)
        lead = min(lead, nearest)
    if max(mismatch, bos) >= 0:
        raise Unshown(f"{what}: a rival leads by {max(mismatch, bos):.3g} nats")
    total = _weight(n, mismatch, what, "what does not match") + math.exp(bos) + ties
    inexact = 1 + 4 * noise.exp  # two exps, the sum's rounding, and exp here
    return Leak(total * inexact + n * (noise.unit + OWN), _weight(n, missing, what, "what does not match") * inexact, lead)


def _variation(found: Scores, possible: Sequence[Bools]) -> float:
    """By how much other components than the first may raise one match of a query above another."""
    total = 2 * found.unlinked
    for c, p in zip(found.parts[1:], possible[1:], strict=True):
        alone = 2 * float(np.where(c.match, c.own, 0).max())
        several = p & (c.match.sum(axis=1) > 1)
        if several.any():  # several cases match one query
            reach = np.where(c.match, c.s, -np.inf).max(axis=1) - np.where(c.match, c.s, np.inf).min(axis=1)
            keys = found.keys(c)
            alone += max(float(reach[row]) + sum(keys.farthest(v, row) for v in c.keys) for row in map(int, np.flatnonzero(several)))
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


def _beside_bos(found: Scores, bounds: list[tuple[Reals, Reals, Reals]]) -> float:
    """By how much what does not match may score above BOS, at most; everything, if nothing matches."""
    parts = found.parts
    if found.never:
        over = sum(float((np.maximum(most, rival) - c.rest_lo).max()) for c, (_, most, rival) in zip(parts, bounds, strict=True))
    else:
        over = _mismatch(parts, bounds, [np.ones(len(least), bool) for least, _, _ in bounds], rest=True)
    return over - found.rest + found.slack + found.rest_slack


def _unique(terms: Terms, node: Node) -> bool:
    """Whether at most one key can match: a part compares, by equality, what is of another value at each position where it is one."""
    for _, k, relation in terms.compared(node):
        key = terms.of(k)
        there = key.table[key.table != NONE]
        if key.variable == POSITION and not relation and len(np.unique(there)) == len(there):
            return True
    return False


def _ties(found: Scores, terms: Terms, node: Node, variation: float, what: str) -> tuple[float, float]:
    """The weight of matches that are not picked, at most, and the least lead over one of them.

    Proof: let a match at t of level k be picked. Its rivals are matches of lower levels anywhere, and of its own level at positions
    that come after t in the order of picking (earlier ones for `latest`). Each position has one token in one case, so its score is at most
    the best of what is allowed there. Against the winner's it may be off by `apart` of their cases under this query, position by
    position and level by level, by what each key is off alone, and by `variation` from other components. The rivals' weight is at most the
    sum over positions of e^(rival - winner).
    """
    c = found.parts[0]
    keys = found.keys(c)
    pick, n, length = node.fields["pick"], node.fields["parts"], terms.length
    turned = pick == "earliest"
    t = terms.cases[POSITION][c.columns[POSITION]]
    t = length + 1 - t if turned else t
    others = {v: len(terms.cases[v]) for v in c.keys if v != POSITION}
    joint = np.zeros(len(t), np.int64)  # the case of all other variables of a column
    for v, size in others.items():
        joint = joint * size + c.columns[v]
    paired = math.prod(others.values()) <= PAIRS
    rank = np.zeros(c.match.shape[1], np.int64)
    if pick in ("largest", "smallest"):
        value = terms.of(node.args[-1])
        rank = value.table[c.columns[value.variable]] if value.variable is not None else rank
        rank = -rank if pick == "smallest" else rank
    graded = node.args[2 * n :] if node.fields["graded"] else ()
    worst, nearest = 0.0, np.inf
    known: dict[tuple[object, ...], Reals] = {}
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
        own = c.own[row, at]
        if paired:
            tables = [keys.apart(v, row) for v in others]
            key = (*map(id, tables), l.tobytes(), joint[at].tobytes())
            if others and key not in known:
                known = {key: _by_level(tables, l, joint[at], len(levels))}  # rows of one kind stand together
            far = known[key] if others else far
        else:
            own = own + sum(keys.far(v, row)[c.columns[v][at]] for v in others)
        apart = keys.apart(POSITION, row)
        between = np.zeros((length + 2, length + 2))
        between[1:-1, 1:-1] = apart[::-1, ::-1] if turned else apart
        hi, lo = np.full((length + 2, len(levels)), -np.inf), np.full((length + 2, len(levels)), np.inf)
        np.maximum.at(hi, (t[at], l), c.s[row, at] + own)
        np.minimum.at(lo, (t[at], l), c.s[row, at] - own)
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


def _by_level(tables: Sequence[Reals], levels: Ints, joint: Ints, count: int) -> Reals:
    """The greatest of pairs of joint cases, each the sum of its variables' tables, by their levels. Shape (count, count)."""
    pairs = np.zeros((1, 1))
    for more in tables:
        pairs = (pairs[:, None, :, None] + more[None, :, None, :]).reshape(len(pairs) * len(more), -1)
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
    rivals = terms.length * math.exp(min(_beside_bos(found, bounds), 50)) * (1 + 4 * noise.exp)
    if found.never or not all(p.any() for p in possible):
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
