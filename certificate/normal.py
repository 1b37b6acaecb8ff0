"""Normal forms: two graphs mean the same program if every value reads the same things through the same paths.

A term is a value at the end of a path, and a path is what leads from the position i to the position read: a chain of
lookups, fixed shifts and computed positions. `x.at(p)` extends the path by p, so compositions of maps flatten however
they are bracketed, and `f(x.fetch(h), y.fetch(h))` and `f(x, y).fetch(h)` are one term, f being strict. Terms and paths
are interned: equal normal forms are equal numbers.

Rules, each with its condition:
- reading at p and then at q is reading at p(q(i)), if p never points ahead (value - position <= 0) or all is visible;
  otherwise the path at which p is read stays in the term;
- a match against previous values is the strict match one place earlier, then one step forward;
- two shifts of one sign add up; sums of sums, `clip` of what cannot be cut, `or_else` and `exists` of what is never ⊥
  are what they simplify to; the position at the end of a shift is the shifted position, ⊥ outside 1..N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, cast

from ..compiler.graph import Graph
from ..compiler.ops import Affine, AtLeast, Clip, Const, Equal, Exists, Extreme, Fetch, Local, Lookup, OrElse, Position, Token, Total, Where
from .exact import Refused
from .ranges import Range, ranges
from .reads import same_reads

Key: TypeAlias = tuple[object, ...]
HERE = 0
MAX_TERMS = 400_000


@dataclass(slots=True)
class Pool:
    """Interned terms, paths and steps, shared by the graphs that are compared."""

    numbers: dict[Key, int]
    keys: list[Key]
    inside: set[int]
    beyond: set[int]  # paths whose last step may point past the last position of a sequence shorter than N

    @classmethod
    def new(cls) -> Pool:
        """A pool that holds the empty path as number 0."""
        pool = cls({}, [], set(), set())
        pool.intern(("path",))
        return pool

    def intern(self, key: Key) -> int:
        """The number of a key. Refuses to grow without end."""
        if key not in self.numbers:
            if len(self.keys) >= MAX_TERMS:
                raise Refused(f"the program's normal form has more than {MAX_TERMS:,} terms")
            self.numbers[key] = len(self.keys)
            self.keys.append(key)
        return self.numbers[key]


def same_meaning(a: Graph, b: Graph) -> bool:
    """Whether two graphs have the same normal forms, these or those of `reads.py`: the same outputs and guard on every input."""
    if (a.sizes, len(a.outputs), a.guard is None) != (b.sizes, len(b.outputs), b.guard is None):
        return False
    if same_reads(a, b):
        return True
    pool = Pool.new()
    try:
        terms = [[normal.term(root, HERE) for root in normal.graph.roots] for normal in (Normal(a, pool), Normal(b, pool))]
    except RecursionError:
        raise Refused("the program's normal form is nested too deeply") from None
    return terms[0] == terms[1]


class Normal:
    """The normal form of one graph."""

    def __init__(self, graph: Graph, pool: Pool) -> None:
        self.graph, self.pool = graph, pool
        self.ranges: list[Range] = ranges(graph)
        self._terms: dict[tuple[int, int], int] = {}
        self._guards: dict[int, frozenset[int]] = {}
        self._whole: dict[int, bool] = {}
        self._earlier: dict[int, tuple[int | None, bool]] = {}

    def term(self, node: int, path: int) -> int:
        """The value of a node, read through a path."""
        if (node, path) not in self._terms:
            self._terms[node, path] = self._term(node, path)
        return self._terms[node, path]

    def _term(self, node: int, path: int) -> int:
        op, args, intern = self.graph.nodes[node].op, self.graph.nodes[node].args, self.pool.intern
        while isinstance(op, Fetch):
            path, node = self.extend(path, args[0]), args[1]
            op, args = self.graph.nodes[node].op, self.graph.nodes[node].args
        match op:
            case Token():
                return intern(("token", path))
            case Position():
                return self.position(path)
            case Const():
                return intern(("const", op, path))
            case Total():
                terms = tuple(self.term(a, HERE) for a in args)
                return intern(("total", path, op, terms, path))
            case Affine():
                return self.affine(op, tuple(self.term(a, path) for a in args))
            case Clip(lo=lo, hi=hi):
                inside = self.ranges[args[0]]
                return self.clip(self.term(args[0], path), lo, hi, inside.lo >= lo and inside.hi <= hi)
            case OrElse() if not self.ranges[args[0]].none or self.never_none(self.term(args[0], HERE)):
                return self.term(args[0], path)
            case Exists() if not self.ranges[args[0]].none or self.never_none(self.term(args[0], HERE)):
                return intern(("const", Const("bool", 1), path))
            case Local():
                terms = [self.term(a, path) for a in args]
                if op.strict:
                    return intern(("local", op, HERE, *self._without_guards(terms)))
                return intern(("local", op, path, *terms))
            case _:
                raise Refused(f"{self.graph.nodes[node].name} is not a value")

    def never_none(self, term: int) -> bool:
        """Whether a term has a value at every position."""
        if term not in self._whole:
            self._whole[term] = self._never_none(term)
        return self._whole[term]

    def _never_none(self, term: int) -> bool:
        key = self.pool.keys[term]
        if key[0] == "local":
            args = [self.never_none(a) for a in cast("tuple[int, ...]", key[3:])]
            whole = isinstance(key[1], (Affine, Extreme, AtLeast, Equal, Where)) and all(args)
            return key[2] == HERE and (whole or isinstance(key[1], Exists) or (isinstance(key[1], OrElse) and any(args)))
        here = key[-1] == HERE
        return here and not (key[0] == "const" and cast(Const, key[1]).value is None)

    def _without_guards(self, terms: list[int]) -> list[int]:
        """A constant read through a path that another argument of a strict operation reads through as well is just there."""
        plain: list[int] = []
        for place, term in enumerate(terms):
            key = self.pool.keys[term]
            others = [t for other, t in enumerate(terms) if other != place]
            if key[0] == "const" and key[2] != HERE and any(key[2] in self._defined(t) for t in others):
                term = self.pool.intern(("const", key[1], HERE))
            plain.append(term)
        return plain

    def _defined(self, term: int) -> frozenset[int]:
        """Paths that lead somewhere wherever a term has a value."""
        if term not in self._guards:
            key = self.pool.keys[term]
            found: set[int] = set()
            if key[0] == "local" and isinstance(key[1], Local) and key[1].strict:
                found.update(*(self._defined(a) for a in cast("tuple[int, ...]", key[3:])))
            path = cast(int, key[2] if key[0] in ("local", "const") else key[1])
            while path != HERE:
                found.add(path)
                step = self.pool.keys[path]
                if step[2] == "go":  # a step to where a term points leads nowhere where the term is ⊥
                    found |= self._defined(cast(int, step[3]))
                path = cast(int, step[1])
            self._guards[term] = frozenset(found)
        return self._guards[term]

    def affine(self, op: Affine, args: tuple[int, ...]) -> int:
        """A sum; a sum of one sum is merged, and one that changes nothing is what it sums."""
        factors: dict[int, int] = {}  # a term added up twice counts twice
        for c, term in zip(op.coefficients, args, strict=True):
            factors[term] = factors.get(term, 0) + c
        factors = {term: c for term, c in factors.items() if c or not self.never_none(term)}
        if not factors:
            return self.pool.intern(("const", Const("bool" if op.kind == "bool" else "int", op.constant), HERE))
        args = tuple(factors)
        op = Affine("bool" if op.kind == "bool" else "int", tuple(factors.values()), op.constant)  # a position is a number like others
        if op.coefficients == (1,) and op.constant == 0:
            return args[0]
        if len(args) == 1:
            key = self.pool.keys[args[0]]
            if key[0] == "local" and isinstance(key[1], Affine) and (op.kind != "bool" or key[1].kind == "bool"):
                (c,), inner = op.coefficients, key[1]
                op = Affine(op.kind, tuple(c * i for i in inner.coefficients), c * inner.constant + op.constant)
                args = cast("tuple[int, ...]", key[3:])
                if op.coefficients == (1,) and op.constant == 0:
                    return args[0]
        return self.pool.intern(("local", op, HERE, *args))

    def clip(self, term: int, lo: int, hi: int, inside: bool) -> int:
        """A value cut to a range, unless it cannot leave it."""
        key = self.pool.keys[term]
        within = term in self.pool.inside and lo <= 1 and hi >= self.graph.sizes.length
        if inside or within or (key[0] == "local" and key[1] == Clip(lo, hi)):
            return term
        return self.pool.intern(("local", Clip(lo, hi), HERE, term))

    def position(self, path: int) -> int:
        """The position at the end of a path."""
        key = self.pool.keys[path]
        # With a frame the position may be there and not be seen; beyond the sequence's end it is not there.
        if path == HERE or key[2] != "go" or key[4] != HERE or path in self.pool.beyond:
            return self.pool.intern(("position", path))
        return self.clip(cast(int, key[3]), 1, self.graph.sizes.length, False)

    # --- paths -----------------------------------------------------------------------------------------

    def extend(self, path: int, lookup: int) -> int:
        """The path that goes on through a lookup."""
        node = self.graph.nodes[lookup]
        op = node.op
        assert isinstance(op, Lookup)
        queries, keys = node.args[: op.parts], node.args[op.parts : 2 * op.parts]
        ranks = tuple(self.term(a, HERE) for a in node.args[2 * op.parts :])
        everything = "causal" if self.graph.sizes.causal else "full"
        if op.parts == 1 and not any(op.relations) and op.mask == everything and self.term(keys[0], HERE) == self.position(HERE):
            return self.go(path, queries[0])
        q_terms = tuple(self.term(q, HERE) for q in queries)
        k_terms = tuple(self.term(k, HERE) for k in keys)
        if op.mask == "causal" and op.pick != "only":
            earlier = [self.earlier(k) for k in k_terms]
            behind = [self.earlier_rank(r) for r in ranks[op.graded :]]
            if all(e is not None for e, _ in earlier) and any(moved for _, moved in earlier) and None not in behind:
                strict: Key = ("strict", op.pick, op.relations, q_terms, tuple(e for e, _ in earlier), *ranks[: op.graded], *behind)
                path = self.pool.intern(("path", path, "lookup", strict, "found"))
                after = self.affine(Affine("position", (1,), 1), (self.position(path),))
                self.pool.inside.add(after)  # one step forward from an earlier position
                return self._jump(path, after, HERE, back=True)
        return self.pool.intern(("path", path, "lookup", (op.mask, op.pick, op.relations, q_terms, k_terms, *ranks), "found"))

    def go(self, path: int, position: int) -> int:
        """The path that goes on to a computed position: along the position's own path where it is one."""
        node = self.graph.nodes[position]
        match node.op:
            case Position():
                return path
            case Fetch():
                inner = self.extend(path, node.args[0])
                visible = not self.graph.sizes.causal or self._back(node.args[1])
                return self.go(inner, node.args[1]) if visible else self._step(path, position)
            case Clip() if (node.op.lo, node.op.hi) == (1, self.graph.sizes.length):
                return self.go(path, node.args[0])
            case _:
                return self._step(path, position)

    def _back(self, node: int) -> bool:
        lag = self.ranges[node].lag
        return lag is not None and lag <= 0

    def _step(self, path: int, position: int) -> int:
        """One computed step; a pointer that may point ahead keeps the place where it was read (its frame)."""
        term = self.term(position, path)
        key = self.pool.keys[term]
        if key[0] == "local" and key[1] == Clip(1, self.graph.sizes.length):
            term = cast(int, key[3])  # out of range is ⊥ on the path either way
        if term == self.position(path):
            return path
        span = self.ranges[position]
        if span.lo >= 1 and span.hi <= self.graph.sizes.length:
            self.pool.inside.add(term)
        back = self._back(position)
        frame = HERE if not self.graph.sizes.causal or back else self.pool.intern(("frame", path))
        return self._jump(path, term, frame, back)

    def _jump(self, path: int, term: int, frame: int, back: bool) -> int:
        """The path that goes on to the position `term`, without the steps that the term computes with or reads through itself.

        Where such a step leads nowhere the term is ⊥ already, so the step adds nothing. A step from where a path ended and the
        step back to there are none.
        """
        returned = self._returned(path, term) if frame == HERE else None
        if returned is not None:
            return returned
        while path != HERE and self.pool.keys[path][-1] in (HERE, "found"):
            if path not in self._defined(term) and not self._strictly_holds(term, self.position(path)):
                break
            path = cast(int, self.pool.keys[path][1])
        path = self.pool.intern(("path", path, "go", term, frame))
        if not back:
            self.pool.beyond.add(path)
        return path

    def _returned(self, path: int, term: int) -> int | None:
        """The path whose end is `term`, if this path went on from that end alone, to a place that is always there."""
        keys = self.pool.keys
        last, end = keys[path], keys[term]
        if path == HERE or last[2] != "go" or last[4] != HERE or last[3] not in self.pool.inside or end[0] != "position":
            return None
        if path in self.pool.beyond:
            return None
        step, before = keys[cast(int, last[3])], cast(int, end[1])
        alone = step[0] == "local" and isinstance(step[1], Affine) and step[2] == HERE and step[3:] == (term,)
        return before if alone and before != HERE and keys[before][1] == last[1] else None

    def _strictly_holds(self, term: int, part: int) -> bool:
        """Whether a term is ⊥ wherever `part` is, because it computes with it."""
        seen, stack = {term}, [term]
        while stack and part not in seen:
            key = self.pool.keys[stack.pop()]
            if key[0] == "local" and isinstance(key[1], Local) and key[1].strict:
                stack += (new := set(cast("tuple[int, ...]", key[3:])) - seen)
                seen |= new
        return part in seen

    # --- one place earlier -----------------------------------------------------------------------------

    def earlier(self, term: int) -> tuple[int | None, bool]:
        """The term whose value one place later this is, if it reads previous places (or the position) only.

        The flag says whether a previous value was read at all.
        """
        if term not in self._earlier:
            self._earlier[term] = self._moved(term)
        return self._earlier[term]

    def earlier_rank(self, term: int) -> int | None:
        """The same for what ranks, which may be anything at the first place: its key is ⊥ there, so it is never picked."""
        key = self.pool.keys[term]
        if key[0] == "local" and key[1] == OrElse() and key[2] == HERE:
            earlier, moved = self.earlier(cast(int, key[3]))
            if moved:
                return earlier
        return self.earlier(term)[0]

    def _moved(self, term: int) -> tuple[int | None, bool]:
        key = self.pool.keys[term]
        if key[0] == "const" and key[2] == HERE:
            return term, False
        if key[0] == "position" and key[1] == HERE:
            return self.affine(Affine("position", (1,), 1), (term,)), False
        if key[0] in ("token", "position", "const"):
            shorter = self._drop_first_step_back(cast(int, key[1] if key[0] != "const" else key[2]))
            if shorter is None:
                return None, False
            return self.pool.intern((key[0], shorter) if key[0] != "const" else (key[0], key[1], shorter)), True
        if key[0] == "local" and key[2] == HERE and isinstance(key[1], Local) and key[1].strict:
            parts = [self.earlier(a) for a in cast("tuple[int, ...]", key[3:])]
            if all(p is not None for p, _ in parts):
                terms = tuple(cast(int, p) for p, _ in parts)
                moved = any(m for _, m in parts)
                if isinstance(key[1], Affine):
                    return self.affine(key[1], terms), moved
                return self.pool.intern(("local", key[1], HERE, *terms)), moved
        return None, False

    def _drop_first_step_back(self, path: int) -> int | None:
        """The path without its first step, if that step is one place back and nothing else follows."""
        one_back = self.affine(Affine("position", (1,), -1), (self.pool.intern(("position", HERE)),))
        key = self.pool.keys[path]
        if path != HERE and key[1] == HERE and key[2] == "go" and key[3] == one_back and key[4] == HERE:
            return HERE
        return None
