"""Equality of terms: the fixed list of rules by which a script leads from the program as written to what the model computes.

Each rule is a function (terms, a, b) that accepts or rejects "a and b are equal": on every input, at every position, both have
the same value, or both are ⊥. Patterns are matched on the terms as they were added, their arguments up to what was shown equal.
A lookup's position t is visible at i: t <= i if causal, t < i if strict, any t of the sequence if full. LATER and FIRST show what
SHIFT rests on: that one term is at s what another is at s + 1, and that a term is ⊥ at position 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from .numbers import NONE, Ints, Rejected
from .terms import LOCAL, POSITION, STRICT, Term, Terms


def congruence(terms: Terms, a: int, b: int) -> bool:
    """CONGRUENCE. The same operation on equal arguments; or lookups that read at the same position, however they pick."""
    x, y = terms.list[a], terms.list[b]
    at, other = pointer(terms, x), pointer(terms, y)
    if at is not None and other is not None:
        return at[0] == other[0] and terms.same(at[1], other[1])
    return _alike(x, y) and all(map(terms.same, x.args, y.args))


def sums(terms: Terms, a: int, b: int) -> bool:
    """SUMS. Both multiply out to the same multiples of the same terms; what cancels in one of them is never ⊥, or in the other too."""
    (x, k), (y, m) = linear(terms, a), linear(terms, b)
    guards = [{t for t in part if part[t] or terms.ranges[t].none} for part in (x, y)]
    return k == m and guards[0] == guards[1] and all(x[t] == y[t] for t in guards[0])


def linear(terms: Terms, number: int, stop: Collection[int] = ()) -> tuple[dict[int, int], int]:
    """A term as a sum of multiples of terms (representatives) and a constant: sums of sums multiplied out, but for those in `stop`."""
    found, pending, constant = dict[int, int](), {number: 1}, 0
    while pending:  # later terms first: what they sum is earlier, so each is met once, with all its factors
        here = max(pending)
        factor, term, rep = pending.pop(here), terms.list[here], terms.find(here)
        if term.op == "affine" and (rep not in stop or here == number):
            constant += factor * term["constant"]
            for c, a in zip(term["coefficients"], term.args, strict=True):
                pending[a] = pending.get(a, 0) + factor * c
        elif term.op == "const" and term["value"] is not None:
            constant += factor * term["value"]
        else:
            found[rep] = found.get(rep, 0) + factor
    return found, constant


def decided(terms: Terms, a: int, b: int) -> bool:
    """DECIDED. What ranges decide: clip(x) = x where x cannot leave the range; or_else(x, y) = x and exists(x) = 1 where x is never ⊥;
    max(x, x) = x; x - x >= k is 0 >= k and x == x is true, where x is never ⊥."""
    term, (x, *others) = terms.list[a], terms.list[a].args
    span, twice = terms.ranges[x], all(terms.same(x, y) for y in others)
    match term.op:
        case "clip":
            return term["lo"] <= span.lo and span.hi <= term["hi"] and terms.same(x, b)
        case "or_else":
            return not span.none and terms.same(x, b)
        case "extreme":
            return twice and terms.same(x, b)
        case _:
            value = int(term["threshold"] <= 0) if term.op == "at_least" else 1
            return not span.none and twice and (terms.list[b].op, terms.list[b].fields) == ("const", (value,))


def push(terms: Terms, a: int, b: int) -> bool:
    """PUSH. f(x.fetch(h), y.fetch(h), c) = f(x, y, c).fetch(h) for strict f and what is the same at every position.

    Where h finds nothing, both are ⊥.
    """
    f, (h, inner) = terms.list[a], terms.list[b].args
    through = [terms.list[x].op == "fetch" and terms.same(terms.list[x].args[0], h) for x in f.args]
    if f.op not in STRICT or not _alike(f, terms.list[inner]) or not any(through):
        return False
    pairs = zip(through, f.args, terms.list[inner].args, strict=True)
    return all(terms.same(terms.list[x].args[1], y) if t else terms.same(x, y) and _closed(terms, x) for t, x, y in pairs)


def place(terms: Terms, a: int, b: int) -> bool:
    """PLACE. position.at(p) = clip(p, 1, N) where p never points ahead of its own position."""
    (h, value), cut = terms.list[a].args, terms.list[b]
    at = pointer(terms, terms.list[h])
    if at is None or terms.list[value].op != "position" or cut.fields != (1, terms.length):
        return False
    return terms.same(cut.args[0], at[1]) and _never_ahead(terms, at[1])


def identity(terms: Terms, a: int, b: int) -> bool:
    """IDENTITY. x.at(position) = x."""
    h, x = terms.list[a].args
    at = pointer(terms, terms.list[h])
    return at is not None and terms.list[at[1]].op == "position" and terms.same(x, b)


def associate(terms: Terms, a: int, b: int) -> bool:
    """ASSOCIATE. x.at(p.fetch(h)) = x.at(p).fetch(h): reading is composition of maps, which is associative.

    At t, which h finds, p(t) must be visible exactly where it is from the place itself: all is, or p never points ahead and t is visible.
    """
    (outer, x), (h, inner) = terms.list[a].args, terms.list[b].args
    at, read = pointer(terms, terms.list[outer]), terms.list[inner]
    by = pointer(terms, terms.list[read.args[0]]) if read.op == "fetch" else None
    if at is None or by is None or at[0] != by[0] or terms.list[at[1]].op != "fetch" or not terms.same(x, read.args[1]):
        return False
    found, p = terms.list[at[1]].args
    sees = at[0] == "full" or (terms.list[h]["mask"] != "full" and _never_ahead(terms, p))
    return sees and terms.same(found, h) and terms.same(p, by[1])


def shift(terms: Terms, a: int, b: int) -> bool:
    """SHIFT. What a causal lookup reads, or a causal total, of keys, ranks and values at t is the strict one's of what these are at t + 1,
    if some key is ⊥ at 1.

    So t = 1 never matches, t = s + 1 <= i matches if s < i does, and the order of places is the same. The lookups themselves are not
    equal: they find t and s.
    """
    x, y, pairs = terms.list[a], terms.list[b], list[tuple[int, int]]()
    if x.op == y.op == "fetch":
        pairs, x, y = [(x.args[1], y.args[1])], terms.list[x.args[0]], terms.list[y.args[0]]
    elif x.op != "total":
        return False
    if (x.op, x.fields[1:], x.fields[0], y.fields[:1]) != (y.op, y.fields[1:], "causal", ("strict",)):
        return False
    n, graded = x["parts"], x["graded"] if x.op == "lookup" else 0
    for i, pair in enumerate(zip(x.args, y.args, strict=True)):
        if i < n or 2 * n <= i < 2 * n + graded:  # queries stay
            if not terms.same(*pair):
                return False
        else:
            pairs.append(pair)
    return any(k in terms.first for k in x.args[n : 2 * n]) and terms.later.issuperset(pairs)


def later(terms: Terms, u: int, w: int) -> bool:
    """LATER. w is at s what u is at s + 1, for every s in 1..N-1: what the position alone determines, compared; previous(w); one that
    stands for ⊥ or cuts where w needs neither; an operation on what is one place on."""
    x, y = terms.list[u], terms.list[w]
    values = along(terms, [u, w])
    if values is not None and (values[0][1:] == values[1][:-1]).all():
        return True
    if x.op == "fetch" and _back(terms, x.args[0]):
        return terms.same(x.args[1], w)
    kept = (x.op == "or_else" and not terms.ranges[w].none) or (
        x.op == "clip" and x["lo"] <= terms.ranges[w].lo and terms.ranges[w].hi <= x["hi"]
    )
    if kept and (x.args[0], w) in terms.later:
        return True
    return x.op in LOCAL and _alike(x, y) and terms.later.issuperset(zip(x.args, y.args, strict=True))


def first(terms: Terms, a: int, b: int) -> bool:
    """FIRST. A term is ⊥ at position 1 (b is the term itself): it reads the place before, or is ⊥ computed from the position, or strict
    on what is."""
    term = terms.list[a]
    if term.op == "fetch":
        return _back(terms, term.args[0])
    values = along(terms, [a])
    return (values is not None and values[0][0] == NONE) or (term.op in STRICT and not terms.first.isdisjoint(term.args))


def pointer(terms: Terms, term: Term) -> tuple[str, int] | None:
    """The mask and the pointer p of a lookup that reads at position p: its one query is p, its one key the position, by equality, so
    that no two places match."""
    if term.op != "lookup" or term["mask"] == "strict" or len(term.compared()) != 1:
        return None
    ((query, key, relation),) = term.compared()
    return None if relation or terms.list[key].op != "position" else (term["mask"], query)


def _alike(x: Term, y: Term) -> bool:
    """Whether two terms are the same operation on as many arguments."""
    return (x.op, x.fields, len(x.args)) == (y.op, y.fields, len(y.args))


def along(terms: Terms, numbers: list[int]) -> list[Ints] | None:
    """Terms' values at the positions 1..N, if the position alone determines them."""
    if terms.behind(numbers, {POSITION}) is None:
        return None
    return terms.values(numbers, next(terms.cases([POSITION], "a position")), "a position")


def _closed(terms: Terms, number: int) -> bool:
    """Whether a term is computed from constants alone."""
    return terms.behind([number], ()) is not None


def _never_ahead(terms: Terms, number: int) -> bool:
    lag = terms.ranges[number].lag
    return lag is not None and lag <= 0


def _back(terms: Terms, lookup: int) -> bool:
    """Whether a lookup reads at position - 1: at 1 that is no place."""
    if (at := pointer(terms, terms.list[lookup])) is None:
        return False
    term = terms.list[number := at[1]]
    cut = term.op == "clip" and term.fields == (1, terms.length)
    return linear(terms, term.args[0] if cut else number) == ({POSITION: 1}, -1)


RULES: dict[str, tuple[Callable[[Terms, int, int], bool], tuple[str, ...], tuple[str, ...]]] = {  # and the operations of a and b it is of
    "congruence": (congruence, (), ()),
    "sums": (sums, (), ()),
    "decided": (decided, ("clip", "or_else", "exists", "extreme", "at_least", "equal"), ()),
    "push": (push, tuple(STRICT), ("fetch",)),
    "place": (place, ("fetch",), ("clip",)),
    "identity": (identity, ("fetch",), ()),
    "associate": (associate, ("fetch",), ("fetch",)),
    "shift": (shift, ("fetch", "total"), ("fetch", "total")),
    "later": (later, (), ()),
    "first": (first, (), ()),
}


def step(terms: Terms, rule: str, a: int, b: int) -> None:
    """Take one step of a script: terms a and b are equal by a rule, or one place apart, or ⊥ at 1. Rejects what the rule does not show."""
    if rule not in RULES or not all(type(n) is int and 0 <= n < len(terms.list) for n in (a, b)):
        raise Rejected(f"there is no step {rule} of terms {a} and {b}")
    shown, ops_a, ops_b = RULES[rule]
    fits = terms.list[a].op in (ops_a or (terms.list[a].op,)) and terms.list[b].op in (ops_b or (terms.list[b].op,))
    if not (fits and shown(terms, a, b)):
        raise Rejected(f"terms {a} ({terms.list[a].op}) and {b} ({terms.list[b].op}) are not equal by {rule}")
    if rule == "later":
        terms.later.add((a, b))
    elif rule == "first":
        terms.first.add(a)
    else:
        terms.merge(a, b)
