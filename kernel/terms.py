"""Programs as terms: the operations, what they mean on arrays of values, and what each term can be worth.

A term is one value at every position, or a lookup: which position each position reads. Terms are numbered, and refer to earlier
ones. `Terms` holds the program as written and the terms a proof script adds; what the rules of `rewrite.py` showed equal shares
a representative. These definitions are the trusted reading of a program; the interpreter has its own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from .numbers import LARGEST, NONE, Ints, Rejected, TooMany

# Each operation's fields, in order, and how many arguments it takes (None: its fields say).
FIELDS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "token": ((), 0),
    "position": ((), 0),
    "const": (("value",), 0),
    "lookup": (("mask", "pick", "parts", "relations", "graded"), None),
    "fetch": ((), 2),
    "total": (("mask", "parts", "relations"), None),
    "affine": (("coefficients", "constant"), None),
    "extreme": (("largest",), 2),
    "exists": ((), 1),
    "clip": (("lo", "hi"), 1),
    "divide": (("divisor",), 1),
    "at_least": (("threshold",), 2),
    "equal": ((), 2),
    "where": ((), 3),
    "or_else": ((), 2),
    "table": (("starts", "shape", "entries"), None),
}
STRICT = {"affine", "extreme", "clip", "divide", "at_least", "equal", "table"}  # ⊥ wherever an argument is
LOCAL = STRICT | {"exists", "where", "or_else"}
PICKS = ("latest", "earliest", "only", "largest", "smallest", "closest")
TOKEN, POSITION, ONE = range(3)  # the first terms, which are always there
MAX_CASES, MAX_AXES = 1 << 24, 48  # arrays have no more than 64 dimensions


@dataclass(frozen=True, slots=True)
class Term:
    """An operation with its fields, on earlier terms. A lookup: `parts` queries, as many keys, then what ranks or grades."""

    op: str
    fields: tuple[Any, ...]
    args: tuple[int, ...]

    def check(self, where: str) -> Term:
        """The term, if it is well formed."""
        f, n, good = self.fields, len(self.args), True
        match self.op:
            case "const":
                good = f[0] is None or _int(f[0])
            case "lookup":
                good = f[0] in ("causal", "strict", "full") and f[1] in PICKS and _int(f[2]) and f[2] >= 1 and _relations(f[3], f[2])
                good = good and _int(f[4]) and f[4] >= 0 and (f[4] > 0) == (f[1] == "closest")
                good = good and n == 2 * f[2] + (f[1] in ("largest", "smallest")) + 2 * f[4]
            case "total":
                good = f[0] in ("causal", "strict", "full") and _int(f[1]) and f[1] >= 1 and n == 2 * f[1] + 1 and _relations(f[2], f[1])
            case "affine":
                good = _ints(f[0]) and len(f[0]) == n and n >= 1 and _int(f[1])
            case "extreme":
                good = isinstance(f[0], bool)
            case "clip":
                good = _int(f[0]) and _int(f[1])
            case "divide":
                good = _int(f[0]) and f[0] >= 1
            case "at_least":
                good = _int(f[0])
            case "table":
                good = _ints(f[0]) and _ints(f[1]) and n == len(f[0]) == len(f[1]) >= 1 and min(f[1]) >= 0
                good = good and isinstance(f[2], tuple) and math.prod(f[1]) == len(f[2]) and all(e is None or _int(e) for e in f[2])
        if not good:
            raise Rejected(f"{where} is no {self.op}")
        return self

    def keys(self, part: int) -> tuple[int, int, tuple[int, ...]]:
        """Query, key and relation (empty for equality) of a part of a lookup or total."""
        parts, relations = (self.fields[2], self.fields[3]) if self.op == "lookup" else self.fields[1:3]
        return self.args[part], self.args[parts + part], relations[part] if relations else ()

    @property
    def parts(self) -> int:
        """How many comparisons a lookup or total makes."""
        return self.fields[2] if self.op == "lookup" else self.fields[1]


def _int(x: object) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and abs(x) <= LARGEST


def _ints(x: object) -> bool:
    return isinstance(x, tuple) and all(map(_int, x))


def _relations(relations: object, parts: int) -> bool:
    """Tables of 0 and 1, one for each part, or none: least query, rows, least key, columns, then the rows."""
    if not isinstance(relations, tuple) or (relations and len(relations) != parts):
        return False
    return all(_ints(r) and (not r or (len(r) >= 5 and r[1] * r[3] == len(r) - 4 and set(r[4:]) <= {0, 1})) for r in relations)


@dataclass(frozen=True, slots=True)
class Range:
    """Values lie in lo..hi (none at all if lo > hi) or are ⊥ if `none`; value <= position + lag where lag is known."""

    lo: int
    hi: int
    none: bool
    lag: int | None = None


@dataclass(frozen=True, slots=True)
class Cases:
    """Every combination of some terms' values: the product of `axes`. `over` are their representatives."""

    over: tuple[int, ...]
    axes: tuple[Ints, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of arrays over the cases; (1,) where there are no variables."""
        return tuple(map(len, self.axes)) or (1,)

    def grids(self) -> dict[int, Ints]:
        """Each variable's values along its axis, to be broadcast."""
        rank = len(self.axes)
        return {
            v: a.reshape(*(-1 if i == d else 1 for d in range(rank))) for i, (v, a) in enumerate(zip(self.over, self.axes, strict=True))
        }

    def flat(self, grid: Ints) -> Ints:
        """The cases in a row. Shapes: (..., axes) -> (..., cases)."""
        first = grid.shape[: grid.ndim - len(self.shape)]
        return np.broadcast_to(grid, (*first, *self.shape)).reshape(*first, -1)


class Terms:
    """All terms of a proof: of the program as written, and added. `mask` is what reading at a position sees: causal or full.

    `length` is N, `symbols` the size of the alphabet.
    """

    def __init__(self, length: int, symbols: int, mask: str) -> None:
        self.length, self.symbols, self.mask = length, symbols, mask
        self.list: list[Term] = []
        self.ranges: list[Range] = []
        self._same: list[int] = []
        self._first: dict[Term, int] = {}
        for term in (Term("token", (), ()), Term("position", (), ()), Term("const", (1,), ())):
            self.add(term)

    def known(self, term: Term) -> int | None:
        """The first term that is exactly this, if there is one."""
        return self._first.get(term)

    def add(self, term: Term) -> int:
        """The number of a new term. Rejects what is not well formed, and what computes with numbers beyond 2**53."""
        number = len(self.list)
        where = f"term {number}"
        if term.op not in FIELDS or len(term.fields) != len(FIELDS[term.op][0]) or FIELDS[term.op][1] not in (None, len(term.args)):
            raise Rejected(f"{where} is no operation: {term.op}")
        if not all(_int(a) and 0 <= a < number for a in term.args):
            raise Rejected(f"{where} refers to a term that is not before it")
        lookups = [self.list[a].op == "lookup" for a in term.args]
        if lookups != [term.op == "fetch" and i == 0 for i in range(len(lookups))]:
            raise Rejected(f"{where} takes a lookup for a value, or a value for a lookup")
        if term.check(where).op == "lookup" and any(self.ranges[a].none for a in term.args[2 * term.parts :]):
            raise Rejected(f"{where} ranks or grades by what may be ⊥")
        self.list.append(term)
        self.ranges.append(self._range(term, where))
        self._same.append(self._first.setdefault(term, number))
        return number

    def find(self, number: int) -> int:
        """The representative of all that was shown equal to a term."""
        while self._same[number] != number:
            self._same[number] = number = self._same[self._same[number]]
        return number

    def same(self, a: int, b: int) -> bool:
        """Whether two terms were shown equal."""
        return self.find(a) == self.find(b)

    def merge(self, a: int, b: int) -> None:
        """Two terms are equal: on every input, at every position, both have the same value or both are ⊥."""
        a, b = sorted((self.find(a), self.find(b)))
        self._same[b] = a

    def _range(self, term: Term, where: str) -> Range:
        args, f, n = [self.ranges[a] for a in term.args], term.fields, self.length
        none, big = any(a.none for a in args), 0
        match term.op:
            case "token":
                made = Range(0, self.symbols - 1, False)
            case "position":
                made = Range(1, n, False, 0)
            case "const":
                made = Range(1, 0, True) if f[0] is None else Range(f[0], f[0], False)
            case "lookup":
                made = Range(1, n - (f[0] == "strict"), True, {"causal": 0, "strict": -1, "full": None}[f[0]])
            case "fetch":  # value <= t + lag and t <= i + lag
                at, value = args
                lag = None if value.lag is None or at.lag is None else value.lag + at.lag
                made = Range(value.lo, value.hi if lag is None else min(value.hi, n + lag), True, lag)
            case "total":
                lo, hi = (min(0, args[-1].lo), max(0, args[-1].hi)) if args[-1].lo <= args[-1].hi else (0, 0)
                most = n - (f[0] == "strict")
                made = Range(most * lo, most * hi, False)
            case "affine":
                ends = [sorted((c * a.lo, c * a.hi)) for c, a in zip(f[0], args, strict=True)]
                lo, hi = f[1] + sum(e[0] for e in ends), f[1] + sum(e[1] for e in ends)
                lags = [a.lag + hi - e[1] for c, a, e in zip(f[0], args, ends, strict=True) if c == 1 and a.lag is not None]
                made = Range(lo, hi, none, min(lags, default=None))
                big = abs(f[1]) + sum(max(map(abs, e)) for e in ends)
            case "extreme":
                pick, lags = (max if f[0] else min), [a.lag for a in args if a.lag is not None]
                lag = pick(lags) if len(lags) == 2 or (lags and not f[0]) else None
                made = Range(pick(a.lo for a in args), pick(a.hi for a in args), none, lag)
            case "exists":
                made = Range(0, 1, False)
            case "at_least" | "equal":
                made = Range(0, 1, none)
            case "clip":
                (a,) = args
                made = Range(max(a.lo, f[0]), min(a.hi, f[1]), a.none or a.lo < f[0] or a.hi > f[1], a.lag)
            case "divide":
                (a,) = args
                made = Range(a.lo // f[0], a.hi // f[0], none) if a.lo <= a.hi else Range(1, 0, True)
            case "where" | "or_else":
                real = [a for a in args[-2:] if a.lo <= a.hi] or args[-2:]
                lags = [a.lag for a in real if a.lag is not None]
                none = none if term.op == "where" else all(a.none for a in args)
                made = Range(min(a.lo for a in real), max(a.hi for a in real), none, max(lags) if len(lags) == len(real) else None)
            case _:  # a table
                given = [e for e in f[2] if e is not None]
                covered = all(s <= a.lo and a.hi < s + size for a, s, size in zip(args, f[0], f[1], strict=True))
                made = Range(min(given, default=1), max(given, default=0), none or len(given) < len(f[2]) or not covered)
        if max(abs(made.lo), abs(made.hi), big) > LARGEST:
            raise Rejected(f"{where} computes with numbers beyond 2**53")
        return made

    # --- values, case by case --------------------------------------------------------------------------

    def domain(self, number: int, cut: bool = False) -> Ints:
        """Every value a term can have, ⊥ last; `cut` leaves out the last position, which a strict head never reads."""
        span = self.ranges[number]
        if cut and self.list[number].op == "position":
            return np.arange(1, self.length, dtype=np.int64)
        require_few([max(0, span.hi - span.lo + 1)], f"term {number}")
        inside = np.arange(span.lo, span.hi + 1, dtype=np.int64)
        return np.append(inside, NONE) if span.none or not len(inside) else inside

    def cases(self, over: Collection[int], what: str, cut: bool = False) -> Cases:
        """All combinations of the values of terms. A superset of those that occur together, so what holds in all of them holds."""
        bases = {self.find(v): v for v in over}
        axes = [self.domain(v, cut) for v in bases.values()]
        require_few([len(a) for a in axes], what)
        return Cases(tuple(bases), tuple(axes))

    def behind(self, number: int, over: Collection[int]) -> set[int] | None:
        """Which of some variables (representatives) determine a term by local operations; None if they do not."""
        found: set[int] = set()
        seen, stack = {number}, [number]
        while stack:
            here = stack.pop()
            term, span = self.list[here], self.ranges[here]
            if self.find(here) in over:
                found.add(self.find(here))
            elif span.lo > span.hi or term.op == "const":
                continue
            elif term.op not in LOCAL:
                return None
            else:
                stack += (new := set(term.args) - seen)
                seen |= new
        return found

    def plan(self, wanted: Sequence[int], over: Collection[int], what: str) -> tuple[tuple[tuple[Any, ...], ...], list[int], list[int]]:
        """How terms are computed from variables, step by step and nameless: (op, fields, earlier steps), or ("axis", variable's number).

        Returns the steps, which of them each wanted term is, and the variables in the order in which they are met.
        """
        numbers: dict[int, int] = {}
        steps: dict[tuple[Any, ...], int] = {}
        met: list[int] = []
        needed, stack = set(wanted), list(wanted)
        while stack:
            here = stack.pop()
            span = self.ranges[here]
            if self.find(here) not in over and self.list[here].op in LOCAL and span.lo <= span.hi:
                stack += (new := set(self.list[here].args) - needed)
                needed |= new
        for here in sorted(needed):
            term, span = self.list[here], self.ranges[here]
            if (rep := self.find(here)) in over:
                met += [rep] if rep not in met else []
                step: tuple[Any, ...] = ("axis", met.index(rep))
            elif span.lo > span.hi:
                step = ("const", (None,), ())
            elif term.op == "const" or term.op in LOCAL:
                step = (term.op, term.fields, tuple(numbers[a] for a in term.args))
            else:
                raise Rejected(f"{what} needs term {here}, which is none of its variables")
            numbers[here] = steps.setdefault(step, len(steps))
        return tuple(steps), [numbers[w] for w in wanted], met

    def values(self, wanted: Sequence[int], cases: Cases, what: str) -> list[Ints]:
        """Terms' values in every case, ⊥ as NONE. Shape of each: (cases,)."""
        steps, numbers, met = self.plan(wanted, cases.over, what)
        grids = cases.grids()
        found = run(steps, {i: grids[v] for i, v in enumerate(met)}, len(cases.shape))
        return [cases.flat(found[n]) for n in numbers]


def require_few(sizes: Sequence[int], what: str) -> None:
    """No more than MAX_CASES combinations are enumerated."""
    count = math.prod(sizes)
    if count > MAX_CASES or len(sizes) > MAX_AXES:
        raise TooMany(f"{what} depends on {len(sizes)} values with {count:,} combinations", count, len(sizes), MAX_CASES)


def run(steps: Sequence[tuple[Any, ...]], grids: Mapping[int, Ints], rank: int) -> dict[int, Ints]:
    """What the steps are worth that the given variables determine: arrays of `rank` dimensions that broadcast, ⊥ as NONE."""
    found: dict[int, Ints] = {}
    for number, step in enumerate(steps):
        if step[0] == "axis":
            if step[1] in grids:
                found[number] = grids[step[1]]
        elif all(a in found for a in step[2]):
            value = meaning(step[0], step[1], [found[a] for a in step[2]])
            found[number] = value.reshape((1,) * rank) if value.ndim == 0 else value
    return found


def meaning(op: str, f: tuple[Any, ...], args: Sequence[Ints]) -> Ints:
    """An operation on arrays of values that broadcast, ⊥ as NONE."""
    missing = [a == NONE for a in args]
    given = [np.where(gap, 0, a) if gap.any() else a for gap, a in zip(missing, args, strict=True)]
    absent = reduce(np.logical_or, missing, np.array(False))
    match op:
        case "const":
            return np.array(NONE if f[0] is None else f[0], np.int64)
        case "affine":
            found = f[1] + sum((c * a for c, a in zip(f[0], given, strict=True)), start=np.zeros((), np.int64))
        case "extreme":
            found = np.maximum(*args) if f[0] else np.minimum(*args)
        case "at_least":
            found = (given[0] - given[1] >= f[0]).astype(np.int64)
        case "equal":
            found = (args[0] == args[1]).astype(np.int64)
        case "clip":
            found = np.where((args[0] >= f[0]) & (args[0] <= f[1]), args[0], NONE)
        case "divide":
            found = given[0] // f[0]
        case "exists":
            return (~absent).astype(np.int64)
        case "or_else":
            return np.where(missing[0], args[1], args[0])
        case "where":
            return np.where(missing[0], NONE, np.where(args[0] != 0, args[1], args[2]))
        case _:  # a table: its entries in row-major order over the ranges from `starts`, ⊥ outside
            index, inside = np.zeros((), np.int64), ~absent
            for a, start, size in zip(given, f[0], f[1], strict=True):
                offset = a - start
                inside = inside & (offset >= 0) & (offset < size)
                index = index * size + offset
            entries = np.array([*(NONE if e is None else e for e in f[2]), NONE], np.int64)
            found = entries[np.where(inside, index, -1)]
    return np.where(absent, NONE, found) if absent.any() else found
