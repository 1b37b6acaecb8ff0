"""Which terms to take as variables: the choices that a proof script writes down and the kernel does not make.

What is read may be taken as it is, or through the sums that the program computes from it; what depends on the token alone, or on
the position alone, as one variable or apart. Each choice is sound, for more variables only make more cases: few are tried first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..kernel.numbers import Ints, Rejected
from ..kernel.rewrite import linear
from ..kernel.stream import Cell, Stream
from ..kernel.terms import LOCAL, POSITION, TOKEN, Terms

T = TypeVar("T")
Script = dict[str, Any]
Sum = tuple[int, tuple[int, ...]]  # a sum, and the dimensions of what it sums
SOURCES = ((TOKEN, POSITION), (POSITION,))


@dataclass(frozen=True, slots=True)
class Way:
    """Sums to take as variables, and sources whose functions count as them; the stream and weights on it with these sums."""

    sums: tuple[Sum, ...]
    sources: tuple[int, ...]
    stream: Stream
    rows: Ints


def first(scripts: Iterable[tuple[float, T]], accepted: Callable[[T], Any]) -> T:
    """The script with the fewest cases that the kernel accepts. Raises what it said of the first."""
    reason = Rejected("there is no way to take what is read as variables")
    for number, (_, script) in enumerate(sorted(scripts, key=lambda some: some[0])):
        try:
            accepted(script)
        except Rejected as rejected:
            reason = rejected if number == 0 else reason
        else:
            return script
    raise reason


def origins(terms: Terms, node: int, over: Collection[int]) -> set[int] | None:
    """Which of some variables (representatives) determine a term by local operations; None if they do not."""
    order = terms.behind([node], over)
    return None if order is None else {rep for here in order if (rep := terms.find(here)) in over}


def ways(stream: Stream, rows: Ints, nodes: Iterable[int]) -> list[Way]:
    """The choices for weights on the stream, (d_model, e), and the terms that are compared with what they give."""
    sums = _sums(stream, rows, nodes)
    found: list[Way] = []
    for some in dict.fromkeys([(), sums]):
        wide, weights = stream.with_sums(rows, some)
        found += [Way(some, sources, wide, weights) for sources in SOURCES]
    return found


def cases(stream: Stream, rows: Ints, nodes: Sequence[int], others: Sequence[Cell] = ()) -> list[tuple[float, Script]]:
    """Scripts {"over": …, "sums": …} to enumerate weights on the stream, `others` of its cells and `nodes`; and how many cases each has."""
    found: list[tuple[float, Script]] = []
    for way in ways(stream, rows, nodes):
        read = [cell.term for _, cell in way.stream.held(way.rows)] + [cell.term for cell in others]
        for names in namings(way, read, nodes):
            over = sorted(set(names.values()))
            found.append((size(stream.terms, over), {"over": over, "sums": [[number, list(dims)] for number, dims in way.sums]}))
    return found


def size(terms: Terms, over: Sequence[int]) -> float:
    """How many cases variables have."""
    return math.prod(float(terms.ranges[v].hi - terms.ranges[v].lo + 1 + terms.ranges[v].none) for v in over)


def namings(way: Way, read: Sequence[int], nodes: Sequence[int], more: Collection[int] = ()) -> list[dict[int, int]]:
    """What to take as a variable for each value that is read or wanted, `more` included: as `unify` has it; with what is computed from
    several others computed; and what is computed from one other as a variable beside it, which a part of its own may read."""
    terms, wanted = way.stream.terms, needed(way.stream, read, nodes) | {v: v for v in more}
    found = [unify(terms, wanted, way.sources)]
    apart = {rep: v for rep, v in wanted.items() if not computed(terms, rep, v, wanted)}
    if len(apart) < len(wanted):
        found.append(unify(terms, apart, way.sources))
    if (beside := unify(terms, wanted, way.sources, collapse=False)) != found[0]:
        found.append(beside)
    return found


def computed(terms: Terms, rep: int, number: int, wanted: Collection[int]) -> bool:
    """Whether a value is computed from others that are read too."""
    if rep in (TOKEN, POSITION) or terms.list[number].op not in LOCAL:
        return False
    others = set(wanted) - {rep}
    return all(origins(terms, a, others) is not None for a in terms.list[number].args)


def needed(stream: Stream, read: Sequence[int], nodes: Sequence[int]) -> dict[int, int]:
    """What is read and what determines `nodes`: what is read if that does, else what is placed, else themselves; by representatives."""
    terms = stream.terms
    found = {terms.find(v): v for v in read if terms.list[v].op != "const"}
    placed = {terms.find(c.term): c.term for c in stream.cells if c is not None and terms.list[c.term].op != "const"}
    inside = {TOKEN: TOKEN, POSITION: POSITION}
    wanted = dict(found)
    for node in nodes:
        behind = origins(terms, node, {*found, *inside})
        if behind is None:
            behind = origins(terms, node, {*placed, *inside})
        wanted |= {terms.find(node): node} if behind is None else {rep: (placed | found | inside)[rep] for rep in behind}
    return wanted


def unify(terms: Terms, wanted: dict[int, int], sources: tuple[int, ...], collapse: bool = True) -> dict[int, int]:
    """What each variable is computed from, where that is another of them; itself otherwise. Without `collapse` sources alone count."""
    names = dict(wanted)
    for source in sources:
        members = [rep for rep, v in wanted.items() if rep == source or origins(terms, v, {TOKEN, POSITION}) == {source}]
        if len(members) > 1:
            names |= dict.fromkeys(members, source)
    for rep, v in sorted(wanted.items()) if collapse else ():  # arguments come first
        if names[rep] == v and rep not in (TOKEN, POSITION) and terms.list[v].op in LOCAL:
            others = set(wanted) - {rep}
            behind = set[int]()
            for a in terms.list[v].args:
                part = origins(terms, a, others)
                behind |= {-1, -2} if part is None else part
            if len(behind) == 1:
                (origin,) = behind
                names[rep] = names[origin]
    return names


def _sums(stream: Stream, rows: Ints, nodes: Iterable[int]) -> tuple[Sum, ...]:
    """The sums that nodes are computed from, before anything that is placed, through which weights read what they sum."""
    terms, found, places = stream.terms, list[Sum](), dict[int, int]()
    for d, c in enumerate(stream.cells):  # one place of each value, one that is read if there is one
        if c is not None and c.form.whole() and (rows[d].any() or terms.find(c.term) not in places):
            places[terms.find(c.term)] = d
    placed = set(places)  # of which only a square or a flag is placed, may be read as a sum beside it
    seen, stack = set[int](), list(nodes)
    while stack:
        here = stack.pop()
        if here in seen or terms.list[here].op not in LOCAL:
            continue
        seen.add(here)
        if terms.list[here].op == "affine" and not terms.ranges[here].none:
            parts = [rep for rep, c in linear(terms, here, placed)[0].items() if c]
            try:
                some = (here, tuple(places[rep] for rep in parts))
                _, weights = stream.with_sums(rows, [*found, some])
            except (Rejected, KeyError, IndexError):
                pass
            else:
                found += [some] if weights[-1].any() else []
        stack += [a for a in terms.list[here].args if terms.find(a) not in placed]
    return tuple(found)
