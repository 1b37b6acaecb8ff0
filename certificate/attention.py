"""The rule for attention: every head's winner, for every query and every set of visible keys, is the lookup's.

Write score(i, t) in integers of the tensors' common grid; BOS is the zero vector, so its score is 0. Shown for each head:

1. a match scores at least G above BOS;
2. a mismatch scores at least G below BOS (or, for a pointer that always finds its place, G below the match);
3. of two matches the picked one leads by at least G,

where G grid steps, in nats, exceed the point at which exp rounds to zero. So the weights are exactly 1 and 0, in any
order of summation, and the head writes what its value vector says at the winner: zero if that is BOS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from ..compiler.ops import Lookup, Pick, Position, Relation, Total, relation_of
from .bilinear import LOW, Scores, matches, scores
from .closest import all_parts, closest_margin
from .exact import ARITHMETICS, Ints, Refused, Scaled, add_up
from .stream import Stream
from .sums import either_way
from .values import Cases, Meanings, Var

ALONE = Cases((), ())


@dataclass(frozen=True, slots=True)
class HeadProof:
    """What was shown of a head: the gap in nats, and the largest sum of a score in grid steps.

    For totals, `depth` is how far a match scores below BOS, in nats, `error` how far a sum may be from its integer before it
    is rounded, below 1/2, and `cell` the largest number in the cells that round them.
    """

    block: int
    head: int
    lookup: str
    gap: float
    steps: int
    error: float = 0.0
    cell: int = 0
    depth: float = 0.0


@dataclass(frozen=True, slots=True)
class Side:
    """Queries or keys of a block: cases of its variables, its vectors in each case, and what its components mean."""

    cases: Cases
    vectors: Ints
    values: Ints


@dataclass(frozen=True, slots=True)
class Block:
    """Components that share variables. A block without components is the bonus: what the key's position adds.

    `rank` is, in the block of the position, what a lookup ranks by in every case of the key.
    """

    parts: tuple[int, ...]
    query: Side
    key: Side
    scores: Scores
    rank: Ints | None
    relations: tuple[Relation, ...]


def prove_head(stream: Stream, lookup: int, mask: str, w_q: Scaled, w_k: Scaled, dtype: str, block: int, head: int) -> HeadProof:
    """Show that a head with these matrices (d_model, d_head) attends as the lookup says. Raises Refused."""
    node = stream.meanings.graph.nodes[lookup]
    what = f"block {block}, head {head} ({node.name})"
    op = node.op
    assert isinstance(op, Lookup)
    if mask != op.mask:
        raise Refused(f"{what} has the mask {mask} where the program says {op.mask}")
    steps = exact_scores(stream, w_q, w_k, node.args, dtype, what)

    def margin(stream: Stream, both: Ints) -> int:
        q, k = np.split(both, 2, axis=1)
        q_const, k_const = constant(stream, q), constant(stream, k)
        if op.pick == "closest":
            every, args = all_parts(op, node.args)
            return closest_margin(compare(stream, every, args, q, k, what), op, q_const, k_const, what)
        blocks = compare(stream, op, node.args, q, k, what)
        found = _always_found(stream.meanings, op, node.args)
        return min(_winner_margin(blocks, 2 * int(q_const @ k_const), found, what), _order_margin(blocks, q_const, op.pick, what))

    doubled = either_way(margin, stream, np.concatenate([w_q.ints, w_k.ints], axis=1), node.args)
    gap = doubled / 2 * 2.0 ** -(w_q.shift + w_k.shift)
    if gap < ARITHMETICS[dtype].underflow:
        raise Refused(f"{what}: the winner leads by {gap:g} nats only, {ARITHMETICS[dtype].underflow:g} are needed")
    return HeadProof(block, head, node.name, gap, steps)


def exact_scores(stream: Stream, w_q: Scaled, w_k: Scaled, nodes: Sequence[int], dtype: str, what: str) -> int:
    """Queries, keys and scores are sums that fit the mantissa; returns the score's magnitude in grid steps.

    `nodes` are what is compared: sums that they are computed from may count as variables.
    """
    for w in (w_q, w_k):
        add_up(stream.magnitude(w.ints), w.shift, dtype, f"{what}: a query or key")

    def score(stream: Stream, both: Ints) -> int:
        most = _largest(stream, both)
        q, k = np.split(most, 2)
        for w, largest in ((w_q, q), (w_k, k)):
            add_up(int(largest.max(initial=0)), w.shift, dtype, f"{what}: a query or key", enters=True)
        return add_up(int((q.astype(float) * k).sum()), w_q.shift + w_k.shift, dtype, f"{what}: the score")

    return either_way(score, stream, np.concatenate([w_q.ints, w_k.ints], axis=1), nodes)


def _largest(stream: Stream, rows: Ints) -> Ints:
    """The largest |entry| of a query or key vector, each variable at its worst. Shape: (d_model, e) -> (e,)."""
    low = high = constant(stream, rows)
    for var in stream.reads(rows) - {"one"}:
        part = stream.combine(rows, stream.meanings.cases([var], "a variable"), {var})
        low, high = low + part.min(axis=0), high + part.max(axis=0)
    return np.maximum(np.abs(low), np.abs(high))


def constant(stream: Stream, rows: Ints) -> Ints:
    """What the constant 1 contributes to a query or key vector. Shape: (d_model, e) -> (e,)."""
    return stream.combine(rows, ALONE, {"one"})[0]


def compare(stream: Stream, op: Lookup | Total, args: Sequence[int], w_q: Ints, w_k: Ints, what: str) -> list[Block]:
    """The components of a lookup or total, grouped so that no variable is in two groups, and their scores.

    The bonus, what the key's position (and what ranks) adds, is a group of its own if no component reads it too.
    """
    q_const, k_const = constant(stream, w_q), constant(stream, w_k)
    ranks = [args[-1]] if isinstance(op, Lookup) and op.ranked else []
    links: nx.Graph[tuple[str, Var]] = nx.Graph()
    names: dict[str, dict[Var, Var]] = {}
    links.add_nodes_from(("part", c) for c in range(op.parts))
    links.add_node(("k", "position"))
    for side, nodes, rows in (("q", args[: op.parts], w_q), ("k", [*args[op.parts : 2 * op.parts], *ranks], w_k)):
        read = stream.reads(rows) - {"one"}
        supports = [stream.support(node, read, what) for node in nodes]
        names[side] = stream.unify(read.union(*supports, {"position"} if side == "k" else set()))
        links.add_edges_from((("part", c), (side, names[side][v])) for c, support in enumerate(supports[: op.parts]) for v in support)
        links.add_edges_from((("k", "position"), (side, names[side][v])) for support in supports[op.parts :] for v in support)
        for var in read:
            if (side, names[side][var]) not in links:
                raise Refused(f"{what} reads {_name(stream, var)}, which the program does not compare there")
    blocks: list[Block] = []
    for group in nx.connected_components(links):
        parts = tuple(sorted(int(v) for kind, v in group if kind == "part"))
        q_vars: set[Var] = {v for kind, v in group if kind == "q"}
        k_vars: set[Var] = {v for kind, v in group if kind == "k"}
        query = _side(stream, q_vars, names["q"], [args[c] for c in parts], w_q, 0, what)
        cut = int(op.mask == "strict")
        key = _side(stream, k_vars, names["k"], [args[op.parts + c] for c in parts], w_k, cut, what)
        rank = stream.meanings.evaluate(ranks[0], key.cases) if ranks and "position" in k_vars else None
        unary = query.vectors @ k_const, key.vectors @ q_const
        relations = tuple(relation_of(op.relations, c) for c in parts)
        found = scores(query.vectors, key.vectors, *unary, query.values, key.values, what, relations)
        blocks.append(Block(parts, query, key, found, rank, relations))
    _no_cross_terms(blocks, what)
    return blocks


def _side(stream: Stream, variables: set[Var], names: dict[Var, Var], nodes: list[int], rows: Ints, cut: int, what: str) -> Side:
    cases = stream.meanings.cases(list(variables), what, cut, stream.most)
    values = [stream.meanings.evaluate(n, cases) for n in nodes]
    stacked = np.stack(values, axis=1) if values else np.zeros((cases.count, 0), np.int64)
    members: set[Var] = {v for v, name in names.items() if name in variables}
    return Side(cases, stream.combine(rows, cases, members), stacked)


def _name(stream: Stream, var: Var) -> str:
    return next((c.name for c in stream.cells if c is not None and c.var == var), str(var))


def _no_cross_terms(blocks: list[Block], what: str) -> None:
    """Queries of one block never meet keys of another: scores of blocks simply add up."""
    for one in blocks:
        for other in blocks:
            if one is not other and (one.query.vectors.any(axis=0) & other.key.vectors.any(axis=0)).any():
                raise Refused(f"{what} multiplies values that the program does not compare")


def _always_found(meanings: Meanings, op: Lookup, args: Sequence[int]) -> bool:
    """Whether the lookup is a pointer into 1..i of a causal program, so that a query that is not ⊥ has its match."""
    if op.parts != 1 or any(op.relations) or op.mask != "causal" or not isinstance(meanings.graph.nodes[args[1]].op, Position):
        return False
    pointer = meanings.ranges[args[0]]
    return pointer.lag is not None and pointer.lag <= 0 and pointer.lo >= 1


def _winner_margin(blocks: list[Block], base: int, always_found: bool, what: str) -> int:
    """Twice the least lead of a match over BOS, and of the rightful winner over any mismatch, in grid steps."""
    compared = [b.scores for b in blocks if b.parts]
    bonus = [b.scores for b in blocks if not b.parts]  # without components every key matches
    low = base + sum(int(b.least.min()) for b in bonus)
    high = base + sum(int(b.greatest.max()) for b in bonus)
    match = low + sum(int(s.least.min()) for s in compared)
    rivals = [int(s.rival.max()) + sum(int(o.any.max()) for o in compared if o is not s) for s in compared]
    mismatch = high + max(rivals, default=LOW)
    if mismatch < 0:
        return min(match, -mismatch)
    if not (always_found and len(compared) == 1):
        raise Refused(f"{what}: a key that does not match scores {mismatch / 2:g} steps against BOS's 0")
    (only,) = compared
    found = ~only.absent
    if (only.least[found] == -LOW).any():
        raise Refused(f"{what}: a query has no key")
    lead = int((only.least - only.rival)[found].min(initial=-LOW)) - (high - low)
    absent = high + int(only.rival[only.absent].max(initial=LOW))
    return min(match, lead, -absent)


def _order_margin(blocks: list[Block], q_const: Ints, pick: Pick, what: str) -> int:
    """Twice the least lead of the picked match over any other match, in grid steps."""
    home = next(b for b in blocks if "position" in b.key.cases.variables)
    spread = 0
    for b in blocks:
        if b is not home and b.parts:
            known = b.scores.least != -LOW
            spread += int((b.scores.greatest - b.scores.least)[known].max(initial=0))
    t, r = home.key.cases.column("position"), 2 * (home.key.vectors @ q_const)
    rank = np.zeros_like(t) if home.rank is None else home.rank * (1 if pick == "largest" else -1)
    if any(home.relations):  # a query may match keys of several meanings: each query's keys are put in order
        return _lead_by_query(home, r, rank, pick, what) - spread
    if home.parts:
        kept = (home.key.values != np.iinfo(np.int64).min).all(axis=1)
        _, classes = np.unique(home.key.values[kept], axis=0, return_inverse=True)
        t, r, rank, classes = t[kept], r[kept], rank[kept], classes.reshape(-1)
        shared = home.query.vectors.any(axis=0) & home.key.vectors.any(axis=0)
        codes = home.key.vectors[kept][:, shared]
        order = np.lexsort((t, rank, classes))
        t, r, rank, classes, codes = t[order], r[order], rank[order], classes[order], codes[order]
        same = classes[1:] == classes[:-1]
        if not same.any():
            return -LOW  # every value stands at one position only: there is nothing to break
        if (codes[1:] != codes[:-1])[same].any():
            raise Refused(f"{what}: keys that mean the same have different codes")
    else:
        order = np.lexsort((t, rank))
        t, r, rank = t[order], r[order], rank[order]
        same = np.ones(max(0, len(t) - 1), bool)
    if pick == "only":
        raise Refused(f"{what}: several positions can match, and nothing says which to pick")
    # Cases of one position exclude each other: of those that are alike in what they mean, rank and position, the best and worst count.
    first = np.flatnonzero(np.concatenate([[True], ~same | (t[1:] != t[:-1]) | (rank[1:] != rank[:-1])])) if len(t) else np.zeros(0, int)
    low, high, same = (np.minimum.reduceat(r, first), np.maximum.reduceat(r, first), same[first[1:] - 1]) if len(t) else (r, r, same)
    lead = low[:-1] - high[1:] if pick == "earliest" else low[1:] - high[:-1]
    return int(lead[same].min(initial=-LOW)) - spread


def _lead_by_query(home: Block, r: Ints, rank: Ints, pick: Pick, what: str) -> int:
    """Twice the least lead of a match over the next in order, query by query."""
    t = home.key.cases.column("position")
    order = np.lexsort((t, rank))
    if pick == "earliest":
        order = order[::-1]
    scores = (2 * (home.query.vectors @ home.key.vectors.T) + r[None, :])[:, order]
    matched = matches(home.query.values, home.key.values, home.relations)[:, order]
    lead = -LOW
    for score, match in zip(scores, matched, strict=True):
        if not match.any():
            continue
        place = np.stack([t[order][match], rank[order][match]], axis=1)
        first = np.flatnonzero(np.concatenate([[True], (place[1:] != place[:-1]).any(axis=1)]))
        low, high = np.minimum.reduceat(score[match], first), np.maximum.reduceat(score[match], first)
        lead = min(lead, int((low[1:] - high[:-1]).min(initial=-LOW)))
    if lead < -LOW and pick == "only":
        raise Refused(f"{what}: several positions can match, and nothing says which to pick")
    return lead
