"""Values that heads bring: what a lookup fetches, and the number that is read off the shares of a total."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ..domain import Domain
from ..graph import Node
from ..ops import Const, Fetch, Lookup, Relation, Total, related, relation_of
from .draft import Code, Draft, form
from .gadgets import counted, merged, passed, rounding, share_rounding
from .heads import apart, digits, near, resting, scale, short, slope, split
from .stage import BOS, ONE, Compute, Copy, Feature, Head, Kind, Lin, added


def fetched(draft: Draft, index: int, node: Node) -> Code:
    """What a lookup brings: directions of its own, rounded by the next MLP."""
    lookup, source = node.args
    if not draft.at(source).values:
        return Code(None, (None,))
    head, found = _lookup(draft, lookup), draft.read(source)
    feature, dims = draft.new(node.name, index, list(found), node)
    lins = tuple(found.get(v, {}) for v in draft.values[feature])
    draft.features.append(Feature(node.name, index, form(list(found)), dims, Copy(head, lins), rounding(dims)))
    return draft.identity(feature)


def total(draft: Draft, index: int, node: Node) -> Code:
    """A number read off shares: levels of the sum in one MLP, rounded in the next."""
    op = node.op
    assert isinstance(op, Total)
    n, parts = draft.length, op.parts
    h = resting(n)  # BOS above a match: e^h is N to 1.14·N, so BOS has 1/2 to 1 of the weight
    if (op, node.args[:-1]) not in draft.built:
        compared = _compared(node, parts, op.relations)
        a = apart(n, draft.largest)  # N·V·e^-A <= 1/16: all mismatches together add less than a sixteenth of a match
        queries, keys, full = _pairs(draft, node, short(a), compared, alike=True)
        if sum(full):
            factor = split(sum(full))
            queries.append({ONE: factor[0]})
            keys.append({BOS: factor[1]})
        queries.append({ONE: 1.0})
        keys.append({BOS: h})
        why = f"matches score alike, BOS {h:g} above them, the rest {a:g} below"
        _made(draft, index, node, "total", queries, keys, why)
    head = draft.built[op, node.args[:-1]]
    values = {v: lin for v, lin in draft.read(node.args[-1]).items() if v}
    domain = node.domain
    if not values:
        return Code(None, (0,))
    lo, hi = _bounds(draft, op, list(values), domain)
    step = digits(lo, hi)  # bends are a·step + b: both are quarters below 127/4 where hi - lo is below about 500
    rest = _share(draft, head, {BOS: 1.0}, f"rest of {node.name}", None)
    blocks = _share(draft, head, {BOS: 1.0}, f"rest of {node.name}, {step:g} times", None, step)
    share = _share(draft, head, added((lin, float(v)) for v, lin in values.items()), f"share of {node.name}", index, math.exp(h))
    feature, dims = draft.new(node.name, index, (lo, hi), node)
    made = Compute(merged(counted(share, rest, blocks, step, lo, dims)))
    # c matches: H·share = c·rest. A level is 1/4 of a rest wide on each side of c, and the rest is at least 1/2. κ: `slope`.
    rounds = share_rounding(dims, slope(n, draft.largest), passed(lo))
    draft.features.append(Feature(node.name, index, form((lo, hi)), dims, made, rounds))
    return draft.identity(feature)


def _lookup(draft: Draft, index: int) -> int:
    """The head of a lookup, built once."""
    node = draft.graph.nodes[index]
    op = node.op
    assert isinstance(op, Lookup)
    if (op, node.args) in draft.built:
        return draft.built[op, node.args]
    n, parts = draft.length, op.parts
    bonus: list[tuple[Lin, Lin]] = []
    steps, base = 0.0, 0.0
    kind = "any" if _alike(draft, node) else "lookup"
    if op.pick != "only" and kind == "lookup" and not _single(draft, node):
        steps += n - 1
        bonus.append(({ONE: 1.0}, added([(draft.ruler(), -draft.lead if op.pick == "earliest" else draft.lead)])))
    grade = float((n + 1) * draft.lead)
    if op.ranked:
        rank = draft.read(node.args[-1])
        middle = (min(rank) + max(rank)) / 2
        steps += (n + 1) * (max(rank) - min(rank))
        sign = -1.0 if op.pick == "smallest" else 1.0
        factor = split(short(grade))
        bonus.append(({ONE: factor[1]}, added((lin, sign * factor[0] * (v - middle)) for v, lin in rank.items())))
    if op.graded:
        rest = node.args[2 * parts :]
        half = len(rest) // 2
        queries, keys, full = _pairs(draft, node, short(grade), [(q, k, ()) for q, k in zip(rest[:half], rest[half:], strict=True)])
        bonus += zip(queries, keys, strict=True)
        base = sum(f / 2 if f else -short(grade) / 2 for f in full)
        steps += (n + 1) * half * short(grade) / grade
    size = scale(draft.lead, steps)
    compared = _compared(node, parts, op.relations)
    queries, keys, full = _pairs(draft, node, size.match, compared, ties=bool(bonus))
    rest_score = near(sum(full) - size.match / 2 + base)
    factor = split(rest_score)
    queries += [{ONE: factor[0]}, *(q for q, _ in bonus)]
    keys += [{BOS: factor[1]}, *(k for _, k in bonus)]
    why = f"leads by {draft.lead:g}, a match adds {size.match:g}, BOS scores {rest_score:g}"
    return _made(draft, index, node, kind, queries, keys, why)


def _alike(draft: Draft, node: Node) -> bool:
    """Whether only constants are read through a lookup. Then its head need not pick, and attends to all matches alike."""
    nodes = draft.graph.nodes
    read = [other.args[1] for other in nodes if isinstance(other.op, Fetch) and _same(nodes[other.args[0]], node)]
    return all(
        isinstance(nodes[source].op, Const) or (source < len(draft.codes) and draft.at(source).feature is None)  # what comes later is none
        for source in read
    )


def _single(draft: Draft, node: Node) -> bool:
    """Whether at most one position can match."""
    op = node.op
    assert isinstance(op, Lookup)
    return any(not relation and _places(draft, k) for _, k, relation in _compared(node, op.parts, op.relations))


def _same(a: Node, b: Node) -> bool:
    return (a.op, a.args) == (b.op, b.args)


def _places(draft: Draft, index: int) -> bool:
    """Whether a value is another at each position where it is one."""
    code = draft.at(index)
    there = [v for v in code.of if v is not None]
    return code.feature is not None and draft.features[code.feature].value == "position" and len(set(there)) == len(there)


def _made(draft: Draft, index: int, node: Node, kind: Kind, queries: list[Lin], keys: list[Lin], why: str) -> int:
    op = node.op
    assert isinstance(op, (Lookup, Total))
    code = "binary" if draft.code == "binary" else "onehot"
    compared = node.args if isinstance(op, Lookup) else node.args[:-1]
    draft.heads.append(Head(index, node.name, op.mask, kind, tuple(queries), tuple(keys), code, why))
    draft.built[op, compared] = len(draft.heads) - 1
    return len(draft.heads) - 1


def _pairs(
    draft: Draft, node: Node, a: float, what: Sequence[tuple[int, int, tuple[int, ...]]], alike: bool = False, ties: bool = False
) -> tuple[list[Lin], list[Lin], list[float]]:
    """Queries and keys of compared parts, and what a match of each adds: `a` more than anything else.

    Where several cells of the key match one query, their weights' noise is not alike, and may prefer the wrong match. There a match adds 0,
    which no noise moves, and all else takes `a` off; and so where all matches are to score `alike`, beside BOS, and where a key is
    computed and `ties` are broken by a bonus, as what its cell is off differs from match to match.
    """
    queries: list[Lin] = []
    keys: list[Lin] = []
    full: list[float] = []
    for q, k, relation in what:
        left, right = draft.read(q), draft.read(k)
        full.append(a)
        if draft.code == "binary" and not relation and min(len(left), len(right)) > 2:
            bits = max(*left, *right, 0).bit_length() if min(*left, *right) >= 0 else 0
            bits = bits or (max(*left, *right) - min(*left, *right) + 1).bit_length()
            base = min(0, *left, *right)
            sides = [[_signs(side, base, b) for b in range(bits)] for side in (left, right)]
            factor = split(short(a / 2))
            queries += [added([(lin, factor[0])]) for lin in sides[0]]
            keys += [added([(lin, factor[1])]) for lin in sides[1]]
            full[-1] = short(a / 2) * bits
            continue
        if _apart(draft, k, left, relation, alike, ties):
            factor = split(a)
            for query, key in _penalties(draft, q, k, relation, alike):
                queries.append(added([(query, -factor[0])]))
                keys.append(added([(key, factor[1])]))
            full[-1] = 0.0
            continue
        columns: dict[tuple[int, ...], list[Lin]] = {}
        for v, lin in right.items():
            asked = tuple(u for u in left if (related(relation, u, v) if relation else u == v))
            if asked:
                columns.setdefault(asked, []).append(lin)
        factor = split(a)
        for asked, lins in columns.items():
            queries.append(added((left[u], factor[0]) for u in asked))
            keys.append(added((lin, factor[1]) for lin in lins))
    return queries, keys, full


def _apart(draft: Draft, k: int, left: Iterable[int], relation: Relation, alike: bool, ties: bool) -> bool:
    """Whether a match adds 0: where one query is matched by several cells of a key, or by one and that is enough; or by a constant,
    whose cell is another weight for each token."""
    code = draft.at(k)
    if code.feature is None:
        return bool(code.values)
    counts = Counter(v for v in code.of[:-1] if v is not None)
    most = max((sum(n for v, n in counts.items() if (related(relation, u, v) if relation else u == v)) for u in left), default=0)
    return most >= (1 if alike or (ties and isinstance(draft.features[code.feature].recipe, Compute)) else 2)


def _penalties(draft: Draft, q: int, k: int, relation: Relation, alike: bool) -> list[tuple[Lin, Lin]]:
    """Queries and keys that add up to 1 where two values do not match, else to 0; keys that refuse the same are one."""
    left, right, nobody = draft.read(q), draft.read(k), draft.none(q, own=alike)
    columns: dict[tuple[int, ...], list[Lin]] = {}
    for v, lin in right.items():
        asked = tuple(u for u in left if (related(relation, u, v) if relation else u == v))
        columns.setdefault(asked, []).append(lin)
    found = [(added([(nobody, 1.0), *((lin, 1.0) for u, lin in left.items() if u not in asked)]), lins) for asked, lins in columns.items()]
    found += [({ONE: 1.0}, [draft.none(k, own=True)])]
    return [(query, key) for query, lins in found if query and (key := added((lin, 1.0) for lin in lins))]


def _share(draft: Draft, head: int, source: Lin, name: str, total: int | None, gain: float = 1.0) -> int:
    """The dimension that holds what a head averages, `gain` times, without rounding."""
    key = head, tuple(sorted(source.items())), gain
    if key not in draft.averages:
        dim = draft.width
        draft.width += 1
        draft.values.append(())
        draft.features.append(Feature(name, "one", None, (dim,), Copy(head, (source,), gain)))
        draft.shares[len(draft.features) - 1] = total
        draft.averages[key] = dim
    return draft.averages[key]


def _bounds(draft: Draft, op: Total, values: list[int], domain: Domain) -> tuple[int, int]:
    most = max(0, draft.length - (op.mask == "strict"))
    return max(domain.lo, most * min(0, *values)), min(domain.hi, most * max(0, *values))


def _compared(node: Node, parts: int, relations: tuple[Relation, ...]) -> list[tuple[int, int, Relation]]:
    """The parts of a lookup or total: query, key, and the relation, empty for equality."""
    pairs = zip(node.args[:parts], node.args[parts : 2 * parts], strict=True)
    return [(q, k, relation_of(relations, p)) for p, (q, k) in enumerate(pairs)]


def _signs(side: dict[int, Lin], base: int, bit: int) -> Lin:
    return added((lin, 1.0 if (v - base) >> bit & 1 else -1.0) for v, lin in side.items())
