"""Programs as terms: the operations, what they mean on arrays of values, and what each term can be worth.

A term is one value at every position, or a lookup: which position each position reads. Terms are numbered, and refer to earlier
ones. `Terms` holds the program as written and the terms a proof script adds; what the rules of `rewrite.py` showed equal shares
a representative. These definitions are the trusted reading of a program; the interpreter has its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from .numbers import LARGEST, NONE, Ints, Rejected, few

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
TOKEN, POSITION, ONE = range(3)  # the first terms, which are always there
MAX_CASES, MAX_AXES = 1 << 24, 60  # arrays have no more than 64 dimensions


def whole(x: object) -> bool:
    """Whether x is a whole number of no more than 53 bits."""
    return type(x) is int and -LARGEST <= x <= LARGEST


def wholes(x: object) -> bool:
    """Whether x is a tuple of such numbers."""
    return isinstance(x, tuple) and all(map(whole, x))


def relation(x: Any) -> bool:
    """Whether x is a table of 0 and 1: least query, rows, least key, columns, then the rows; or empty, for equality."""
    return wholes(x) and (not x or (len(x) >= 5 and min(x[1], x[3]) >= 1 and x[1] * x[3] == len(x) - 4 and set(x[4:]) <= {0, 1}))


CHECKS: dict[str, Callable[[Any], bool]] = {  # what a field of each name may be
    "value": lambda x: x is None or whole(x),
    "mask": lambda x: x in ("causal", "strict", "full"),
    "pick": lambda x: x in ("latest", "earliest", "only", "largest", "smallest", "closest"),
    "parts": lambda x: whole(x) and x >= 1,
    "relations": lambda x: isinstance(x, tuple) and all(map(relation, x)),
    "graded": lambda x: whole(x) and x >= 0,
    "largest": lambda x: isinstance(x, bool),
    "divisor": lambda x: whole(x) and x >= 1,
    "coefficients": wholes,
    "starts": wholes,
    "shape": lambda x: wholes(x) and min(x, default=0) >= 0,
    "entries": lambda x: isinstance(x, tuple) and all(e is None or whole(e) for e in x),
}


@dataclass(frozen=True, slots=True)
class Term:
    """An operation with its fields, on earlier terms. A lookup: `parts` queries, as many keys, then what ranks or grades."""

    op: str
    fields: tuple[Any, ...]
    args: tuple[int, ...]

    def __getitem__(self, field: str) -> Any:
        """A field by its name."""
        return self.fields[FIELDS[self.op][0].index(field)]

    def formed(self) -> bool:
        """Whether the fields are what they must be, and the arguments as many as they say."""
        names, arity = FIELDS.get(self.op, (None, 0))
        if (
            names is None
            or len(names) != len(self.fields)
            or not all(CHECKS.get(k, whole)(f) for k, f in zip(names, self.fields, strict=True))
        ):
            return False
        match self.op:
            case "lookup" | "total":
                arity = 2 * self["parts"] + (1 if self.op == "total" else self.ranked + 2 * self["graded"])
                if len(self["relations"]) not in (0, self["parts"]) or (self.op == "lookup" and (self["graded"] > 0) != self.closest):
                    return False
            case "affine":
                arity = max(1, len(self["coefficients"]))
            case "table":
                arity = max(1, len(self["starts"])) if math.prod(self["shape"]) == len(self["entries"]) else -1
                arity = arity if len(self["shape"]) == arity else -1
            case _:
                pass
        return len(self.args) == arity

    @property
    def ranked(self) -> bool:
        """Whether a lookup picks by rank."""
        return self.op == "lookup" and self["pick"] in ("largest", "smallest")

    @property
    def closest(self) -> bool:
        """Whether a lookup picks by how many of its graded components agree."""
        return self.op == "lookup" and self["pick"] == "closest"

    def compared(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Query, key and relation (empty for equality) of each component of a lookup or total, then of each graded one."""
        n, relations = self["parts"], self["relations"]
        found = [(self.args[i], self.args[n + i], relations[i] if relations else ()) for i in range(n)]
        tail = self.args[2 * n :] if self.closest else ()
        return found + [(q, k, ()) for q, k in zip(tail[: len(tail) // 2], tail[len(tail) // 2 :], strict=True)]


class Range(NamedTuple):
    """Values lie in lo..hi (none at all if lo > hi) or are ⊥ if `none`; value <= position + lag where lag is known."""

    lo: int
    hi: int
    none: bool = False
    lag: int | None = None


NOTHING = Range(1, 0, True)


class Cases(NamedTuple):
    """Some combinations of variables' values: the shape they make, and each variable's values, which broadcast to it."""

    shape: tuple[int, ...]
    values: Mapping[int, Ints]

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    def flat(self, grid: Ints) -> Ints:
        """An array that broadcasts to the shape, in a row."""
        return np.broadcast_to(grid, self.shape).reshape(-1)


class Terms:
    """All terms of a proof: of the program as written, and added.

    `length` is N, `symbols` the size of the alphabet. `later` and `first` are what the rules of `rewrite.py` know of terms beside equality.
    """

    def __init__(self, length: int, symbols: int) -> None:
        self.length, self.symbols = length, symbols
        self.list: list[Term] = []
        self.ranges: list[Range] = []
        self.later, self.first = set[tuple[int, int]](), set[int]()
        self._same: list[int] = []
        self._number: dict[Term, int] = {}
        for term in (Term("token", (), ()), Term("position", (), ()), Term("const", (1,), ())):
            self.add(term)

    def known(self, term: Term) -> int | None:
        """The first term that is exactly this, if there is one."""
        return self._number.get(term)

    def ensure(self, term: Term) -> int:
        """The first term that is exactly this, added if there is none."""
        return self._number[term] if term in self._number else self.add(term)

    def add(self, term: Term) -> int:
        """The number of a new term. Rejects what is not well formed, and what computes with numbers beyond 2**53."""
        number = len(self.list)
        if not term.formed() or not all(type(a) is int and 0 <= a < number for a in term.args):
            raise Rejected(f"term {number} is no {term.op} of earlier terms")
        if any((self.list[a].op == "lookup") != (term.op == "fetch" and i == 0) for i, a in enumerate(term.args)):
            raise Rejected(f"term {number} takes a lookup for a value, or a value for a lookup")
        if term.op == "lookup" and any(self.ranges[a].none for a in term.args[2 * term["parts"] :]):
            raise Rejected(f"term {number} ranks or grades by what may be ⊥")
        made, big = self._range(term)
        if max(abs(made.lo), abs(made.hi), big) > LARGEST:
            raise Rejected(f"term {number} computes with numbers beyond 2**53")
        self.list.append(term)
        self.ranges.append(made)
        self._same.append(self._number.setdefault(term, number))
        return number

    def find(self, number: int) -> int:
        """The representative of all that was shown equal to a term."""
        while self._same[number] != number:
            self._same[number] = number = self._same[self._same[number]]
        return number

    def same(self, a: int, b: int) -> bool:
        """Whether two terms were shown equal: on every input, at every position, both have the same value or both are ⊥."""
        return self.find(a) == self.find(b)

    def merge(self, a: int, b: int) -> None:
        """Two terms are equal."""
        a, b = sorted((self.find(a), self.find(b)))
        self._same[b] = a

    def _range(self, term: Term) -> tuple[Range, int]:
        """What a term can be worth, and the greatest number that computing it meets."""
        args, f, n = [self.ranges[a] for a in term.args], term.fields, self.length
        none, lags = any(a.none for a in args), [a.lag for a in args if a.lag is not None]
        if term.op in STRICT and any(a.lo > a.hi for a in args):
            return NOTHING, 0
        match term.op:
            case "token":
                made = Range(0, self.symbols - 1)
            case "position":
                made = Range(1, n, lag=0)
            case "const":
                made = NOTHING if f[0] is None else Range(f[0], f[0])
            case "lookup":
                made = Range(1, n - (f[0] == "strict"), True, {"causal": 0, "strict": -1, "full": None}[f[0]])
            case "fetch":  # value <= t + lag and t <= i + lag
                lag = sum(lags) if len(lags) == 2 else None
                made = Range(args[1].lo, args[1].hi if lag is None else min(args[1].hi, n + lag), True, lag)
            case "total":
                lo, hi = (min(0, args[-1].lo), max(0, args[-1].hi)) if args[-1].lo <= args[-1].hi else (0, 0)
                made = Range((n - (f[0] == "strict")) * lo, (n - (f[0] == "strict")) * hi)
            case "affine":
                ends = [sorted((c * a.lo, c * a.hi)) for c, a in zip(f[0], args, strict=True)]
                lo, hi = f[1] + sum(e[0] for e in ends), f[1] + sum(e[1] for e in ends)
                lags = [a.lag + hi - e[1] for c, a, e in zip(f[0], args, ends, strict=True) if c == 1 and a.lag is not None]
                return Range(lo, hi, none, min(lags, default=None)), abs(f[1]) + sum(max(map(abs, e)) for e in ends)
            case "extreme":
                pick = max if f[0] else min
                lag = pick(lags) if len(lags) == 2 or (lags and not f[0]) else None
                made = Range(pick(a.lo for a in args), pick(a.hi for a in args), none, lag)
            case "exists":
                made = Range(0, 1)
            case "at_least" | "equal":
                made = Range(0, 1, none)
            case "clip":
                ((lo, hi, _, lag),) = args
                made = Range(max(lo, f[0]), min(hi, f[1]), none or lo < f[0] or hi > f[1], lag)
            case "divide":
                made = Range(args[0].lo // f[0], args[0].hi // f[0], none)
            case "where" | "or_else":
                real = [a for a in args[-2:] if a.lo <= a.hi] or args[-2:]
                lag = max((math.inf if a.lag is None else a.lag) for a in real)
                none = none if term.op == "where" else all(a.none for a in args)
                made = Range(min(a.lo for a in real), max(a.hi for a in real), none, None if lag == math.inf else int(lag))
            case _:  # a table
                given = [e for e in f[2] if e is not None]
                covered = all(s <= a.lo and a.hi < s + size for a, s, size in zip(args, f[0], f[1], strict=True))
                made = Range(min(given, default=1), max(given, default=0), none or len(given) < len(f[2]) or not covered)
        return made, 0

    # --- values, case by case --------------------------------------------------------------------------

    def domain(self, number: int, cut: bool = False) -> Ints:
        """Every value a term can have, ⊥ last; `cut` leaves out the last position, which a strict head never reads."""
        lo, hi, none, _ = self.ranges[number]
        few(hi - lo + 1, MAX_CASES, 1, f"term {number} has {hi - lo + 1:,} values")
        inside = np.arange(lo, hi + (not (cut and self.list[number].op == "position")), dtype=np.int64)
        return np.append(inside, NONE) if none or lo > hi else inside

    def cases(self, over: Collection[int], what: str, cut: bool = False, most: int = MAX_CASES) -> Iterator[Cases]:
        """All combinations of the values of terms, at most so many at a time. They include all that occur: what holds in all holds."""
        axes = sorted({self.find(v): self.domain(v, cut) for v in over}.items(), key=lambda some: -len(some[1]))
        lengths = [len(axis) for _, axis in axes]
        if len(axes) > MAX_AXES:
            raise Rejected(f"{what} depends on {len(axes)} values")
        few(count := math.prod(lengths), MAX_CASES, len(axes), f"{what} depends on {len(axes)} values with {count:,} combinations")
        steps = [max(1, min(n, most // max(1, math.prod(lengths[i + 1 :])))) for i, n in enumerate(lengths)]
        for starts in itertools.product(*(range(0, max(1, n), step) for n, step in zip(lengths, steps, strict=True))):
            some = [axis[start : start + step] for (_, axis), start, step in zip(axes, starts, steps, strict=True)]
            grids = np.meshgrid(*some, indexing="ij", sparse=True) if some else []
            yield Cases(tuple(map(len, some)) or (1,), {v: grid for (v, _), grid in zip(axes, grids, strict=True)})

    def behind(self, wanted: Collection[int], over: Collection[int]) -> list[int] | None:
        """What must be computed, in order, to have terms from variables (representatives); None if these do not determine them."""
        seen, stack = set(wanted), list(wanted)
        while stack:
            here = stack.pop()
            if self.find(here) not in over and self.ranges[here].lo <= self.ranges[here].hi and self.list[here].op != "const":
                if self.list[here].op not in LOCAL:
                    return None
                stack += (new := set(self.list[here].args) - seen)
                seen |= new
        return sorted(seen)

    def values(self, wanted: Sequence[int], cases: Cases, what: str) -> list[Ints]:
        """Terms' values in every case, ⊥ as NONE. Shape of each: (cases,)."""
        return [cases.flat(grid) for grid in self.grids(wanted, cases, what)]

    def grids(self, wanted: Sequence[int], cases: Cases, what: str) -> list[Ints]:
        """The same as arrays that broadcast to the cases' shape."""
        order, found = self.behind(wanted, cases.values), dict[int, Ints]()
        if order is None:
            lost = next(w for w in wanted if self.behind([w], cases.values) is None)
            raise Rejected(f"{what} needs term {lost}, which its variables do not determine")
        for here in order:
            term = self.list[here]
            if (rep := self.find(here)) in cases.values:
                found[here] = cases.values[rep]
            elif self.ranges[here].lo > self.ranges[here].hi:
                found[here] = np.array(NONE)
            else:
                found[here] = meaning(term.op, term.fields, [found[a] for a in term.args])
        return [found[w] for w in wanted]


ALWAYS = Cases((1,), {})  # the one case of no variables


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
                inside = inside & (a - start >= 0) & (a - start < size)
                index = index * size + (a - start)
            entries = np.array([*(NONE if e is None else e for e in f[2]), NONE], np.int64)
            found = entries[np.where(inside, index, -1)]
    return np.where(absent, NONE, found) if absent.any() else found
