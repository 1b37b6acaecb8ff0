"""Equality of terms: the fixed list of rules by which a script leads from the program as written to what the model computes.

Each rule is a function (terms, a, b) that accepts or rejects "a and b are equal": on every input, at every position, both have
the same value, or both are ⊥. Patterns are matched on the terms as they were added, their arguments up to what was shown equal.
A lookup's position t is visible at i: t <= i if causal, t < i if strict, any t of the sequence if full.
"""

from __future__ import annotations

from collections.abc import Callable

from .numbers import NONE, Rejected
from .stream import linear
from .terms import LOCAL, POSITION, STRICT, Term, Terms

MAX_WORD = 1 << 16


def congruence(terms: Terms, a: int, b: int) -> bool:
    """CONGRUENCE. The same operation on equal arguments."""
    x, y = terms.list[a], terms.list[b]
    return (x.op, x.fields, len(x.args)) == (y.op, y.fields, len(y.args)) and all(map(terms.same, x.args, y.args))


def sums(terms: Terms, a: int, b: int) -> bool:
    """SUMS. Both multiply out to the same multiples of the same terms; what cancels in one of them is never ⊥, or in the other too."""
    (x, k), (y, m) = linear(terms, a), linear(terms, b)
    guards = [{t for t in part if part[t] or terms.ranges[t].none} for part in (x, y)]
    return k == m and guards[0] == guards[1] and all(x[t] == y[t] for t in guards[0])


def inside(terms: Terms, a: int, b: int) -> bool:
    """INSIDE. clip(x) = x where x cannot leave the range."""
    (x,), (lo, hi) = terms.list[a].args, terms.list[a].fields
    return terms.ranges[x].lo >= lo and terms.ranges[x].hi <= hi and terms.same(x, b)


def present(terms: Terms, a: int, b: int) -> bool:
    """PRESENT. or_else(x, y) = x and exists(x) = 1 where x is never ⊥."""
    x, one = terms.list[a].args[0], terms.list[b]
    right = terms.same(x, b) if terms.list[a].op == "or_else" else (one.op, one.fields) == ("const", (1,))
    return not terms.ranges[x].none and right


def reflexive(terms: Terms, a: int, b: int) -> bool:
    """REFLEXIVE. max(x, x) = x; x - x >= k is 0 >= k and x == x is true, where x is never ⊥."""
    term, (x, y) = terms.list[a], terms.list[a].args
    if not terms.same(x, y) or term.op == "extreme":
        return terms.same(x, y) and terms.same(x, b)
    said = int(term.op == "equal" or term.fields[0] <= 0)
    return not terms.ranges[x].none and (terms.list[b].op, terms.list[b].fields) == ("const", (said,))


def push(terms: Terms, a: int, b: int) -> bool:
    """PUSH. f(x.fetch(h), y.fetch(h), c) = f(x, y, c).fetch(h) for strict f and what is the same at every position.

    Where h finds nothing, both are ⊥.
    """
    f, (h, inner) = terms.list[a], terms.list[b].args
    g = terms.list[inner]
    if f.op not in STRICT or (f.op, f.fields, len(f.args)) != (g.op, g.fields, len(g.args)):
        return False
    through = [terms.list[x].op == "fetch" and terms.same(terms.list[x].args[0], h) for x in f.args]
    pairs = zip(through, f.args, g.args, strict=True)
    return any(through) and all(terms.same(terms.list[x].args[1], y) if t else terms.same(x, y) and _closed(terms, x) for t, x, y in pairs)


def _closed(terms: Terms, number: int) -> bool:
    """Whether a term is computed from constants alone."""
    return terms.behind(number, ()) is not None


def pointer(terms: Terms, lookup: int) -> tuple[str, int] | None:
    """The mask and the pointer p of a lookup that reads at position p: its one query is p, its one key the position, by equality, so
    that no two places match."""
    term = terms.list[lookup]
    if term.op != "lookup" or term.parts != 1 or term.fields[0] == "strict":
        return None
    query, key, relation = term.keys(0)
    return None if relation or terms.list[key].op != "position" else (term.fields[0], query)


def place(terms: Terms, a: int, b: int) -> bool:
    """PLACE. position.at(p) = clip(p, 1, N) where p never points ahead of its own position."""
    (h, value), cut = terms.list[a].args, terms.list[b]
    found = pointer(terms, h)
    if found is None or terms.list[value].op != "position" or cut.op != "clip" or cut.fields != (1, terms.length):
        return False
    lag = terms.ranges[found[1]].lag
    return lag is not None and lag <= 0 and terms.same(cut.args[0], found[1])


def compose(terms: Terms, a: int, b: int, *stop: int) -> bool:
    """COMPOSE. Reading is composition of maps, which is associative: both spell the same value read through the same maps.

    x.at(position) = x; x.fetch(h) = x.at(position.fetch(h)), if h sees no more than `at` does; and
    x.at(p.fetch(h)) = x.at(p).fetch(h), if all is visible, or p never points ahead: what its place sees, this one sees.
    Maps in `stop` are not taken apart.
    """
    known: dict[int, list[int]] = {terms.find(s): [terms.find(s)] for s in stop}
    return _value(terms, a, known) == _value(terms, b, known)


def _value(terms: Terms, number: int, known: dict[int, list[int]]) -> list[int]:
    """The value that is read in the end, and the maps it is read through, the last one applied first."""
    maps: list[int] = []
    while terms.list[number].op == "fetch":
        lookup, number = terms.list[number].args
        maps = _found(terms, lookup, known) + maps
    return [terms.find(number), *maps]


def _found(terms: Terms, lookup: int, known: dict[int, list[int]]) -> list[int]:
    """The maps that what a lookup finds is composed of."""
    at = pointer(terms, lookup)
    if at is not None and at[0] == terms.mask:
        return _map(terms, at[1], known)
    home = terms.known(Term("fetch", (), (lookup, POSITION)))
    if terms.list[lookup].fields[0] == "full" != terms.mask:
        raise Rejected(f"lookup {lookup} sees what lies ahead")
    return [~terms.find(lookup) if home is None else terms.find(home)]


def _map(terms: Terms, number: int, known: dict[int, list[int]]) -> list[int]:
    """The maps that a pointer is composed of."""
    rep, term = terms.find(number), terms.list[number]
    if rep in known:
        return known[rep]
    if term.op == "position":
        return []
    made = [rep]
    if term.op == "fetch":
        lag = terms.ranges[term.args[1]].lag
        if terms.mask == "full" or (lag is not None and lag <= 0):
            made = _map(terms, term.args[1], known) + _found(terms, term.args[0], known)
    if len(made) > MAX_WORD:
        raise Rejected(f"more than {MAX_WORD:,} maps are composed")
    known[rep] = made
    return made


def shift(terms: Terms, a: int, b: int) -> bool:
    """SHIFT. What a causal lookup reads, or a causal total, of keys, ranks and values at t is the strict one's of what these are at t + 1,
    if some key is ⊥ at 1.

    So t = 1 never matches, t = s + 1 <= i matches if s < i does, and the order of places is the same. The lookups themselves are not
    equal: they find t and s.
    """
    x, y = terms.list[a], terms.list[b]
    pairs = []
    if x.op == "lookup":
        return False
    if x.op == y.op == "fetch":
        pairs, (x, y) = [(x.args[1], y.args[1])], (terms.list[x.args[0]], terms.list[y.args[0]])
    if (
        x.op not in ("lookup", "total")
        or x.op != y.op
        or x.fields[1:] != y.fields[1:]
        or (x.fields[0], y.fields[0]) != ("causal", "strict")
    ):
        return False
    graded = x.fields[4] if x.op == "lookup" else 0
    asked = [*range(x.parts), *range(2 * x.parts, 2 * x.parts + graded)]  # queries stay
    pairs += [(u, w) for i, (u, w) in enumerate(zip(x.args, y.args, strict=True)) if i not in asked]
    queries = all(terms.same(x.args[i], y.args[i]) for i in asked)
    return queries and any(_missing(terms, x.keys(p)[1]) for p in range(x.parts)) and all(_later(terms, u, w, {}) for u, w in pairs)


def _later(terms: Terms, u: int, w: int, known: dict[tuple[int, int], bool]) -> bool:
    """Whether w is at s what u is at s + 1, for every s in 1..N-1."""
    if (u, w) not in known:
        known[u, w] = _is_later(terms, u, w, known)
    return known[u, w]


def _is_later(terms: Terms, u: int, w: int, known: dict[tuple[int, int], bool]) -> bool:
    x, y = terms.list[u], terms.list[w]
    (sum_u, k), (sum_w, m) = linear(terms, u), linear(terms, w)
    if sum_u == sum_w and set(sum_u) <= {POSITION}:
        return m == k + sum(sum_u.values())  # c·position + k
    if x.op == "fetch" and (at := pointer(terms, x.args[0])) and _back(terms, at[1]):
        return terms.same(x.args[1], w)  # previous(w)
    if x.op == "or_else" and not terms.ranges[w].none and _later(terms, x.args[0], w, known):
        return True  # what is there is not ⊥
    if x.op == "clip" and x.fields[0] <= terms.ranges[w].lo and terms.ranges[w].hi <= x.fields[1] and _later(terms, x.args[0], w, known):
        return True  # nor cut
    same = x.op in LOCAL and (x.op, x.fields, len(x.args)) == (y.op, y.fields, len(y.args))
    return (same and all(_later(terms, *some, known) for some in zip(x.args, y.args, strict=True))) or (
        _closed(terms, u) and terms.same(u, w)
    )


def _back(terms: Terms, number: int) -> bool:
    """Whether a pointer is position - 1: at 1 that is no place."""
    term = terms.list[number]
    if term.op == "clip" and term.fields == (1, terms.length):
        term = terms.list[number := term.args[0]]
    return linear(terms, number) == ({POSITION: 1}, -1)


def _missing(terms: Terms, number: int) -> bool:
    """Whether a term is ⊥ at position 1: it reads the place before, or is ⊥ computed from the position, or strict on what is."""
    seen, stack = {number}, [number]
    while stack:
        here = stack.pop()
        term = terms.list[here]
        if term.op == "fetch" and (at := pointer(terms, term.args[0])) and _back(terms, at[1]):
            return True
        if term.op == "clip" and terms.behind(here, {POSITION}) is not None and _first_value(terms, here) == NONE:
            return True
        if term.op in STRICT:
            stack += (new := set(term.args) - seen)
            seen |= new
    return False


def _first_value(terms: Terms, number: int) -> int:
    """What a term that depends on the position alone is at position 1."""
    return int(terms.values([number], terms.cases([POSITION], "a key"), "a key")[0][0])


RULES: dict[str, Callable[..., bool]] = {
    rule.__name__: rule for rule in (congruence, sums, inside, present, reflexive, push, place, compose, shift)
}  # fmt: skip
TAKES = {
    "inside": ("clip",),
    "present": ("or_else", "exists"),
    "reflexive": ("extreme", "at_least", "equal"),
    "push": STRICT,
    "place": ("fetch",),
}


def step(terms: Terms, rule: str, a: int, b: int, *more: int) -> None:
    """Take one step of a script: terms a and b are equal by a rule. Rejects what the rule does not show."""
    known = all(isinstance(n, int) and 0 <= n < len(terms.list) for n in (a, b, *more))
    if not known or rule not in RULES or (more and rule != "compose"):
        raise Rejected(f"there is no step {rule} of terms {(a, b, *more)}")
    fits = terms.list[a].op in TAKES.get(rule, (terms.list[a].op,)) and (rule != "push" or terms.list[b].op == "fetch")
    if not (fits and RULES[rule](terms, a, b, *more)):
        raise Rejected(f"terms {a} ({terms.list[a].op}) and {b} ({terms.list[b].op}) are not equal by {rule}")
    terms.merge(a, b)
