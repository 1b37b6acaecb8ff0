"""Lookups as attention heads: the candidate codes, their scores, and the inequality that makes each exact.

Every score is grid·(an integer); BOS is the zero vector, so its score is 0. With bonus(t) in 1..B the pick (latest: t,
earliest: N + 1 - t, only: 1, largest: z·(N + 1) + t with z the code of what ranks, closest: z·(N + 1) + t with z the number
of graded parts that agree), distance D(q, k) = 0 on a match and >= g on a mismatch, and A = ceil((B + 1)/g). Where what
ranks depends on the position alone and no two positions have the same, there is no tie for t to break: largest is z.

    score / grid = bonus(t) - A·D(q, k)        match:    >= 1  > 0 = BOS
                                               mismatch: <= B - (B + 1) = -1 < 0 = BOS

so the winner beats every rival by at least one grid step, at which exp underflows to 0. Two matches differ in their
bonus, hence by a step as well. Digits and norms: D = Σ (q_d - k_d)², g = 1, spelled 2·q·k - |q|² - |k|². Signs and
one-hot: D = S - <q, k> with S the self-score; ⊥ is the zero vector at distance S, so g = min(gap, S). A relation R is
one-hot with D = 1 - <Rᵀq, k>: 0 where R holds 1, else 1; or, where it has few factors, s·d·D = (s - t)·d - Σ U_j(q)·V_j(k) with
g = s·d (`compiler/rewrite/factor.py`). A graded part needs D = 1 on every mismatch: one-hot has that, and
so have scalars of two values; G parts that agree but for z add (N + 1)·(G - Σ D).

A total's head has every match at -1 and every mismatch at -U or less, so that all matches weigh the same:

    score / step = -1 - A·D(q, k)              match:    -1
                                               mismatch: <= -1 - A·g <= -U with A = ceil((U - 1)/g)

For a pointer that is always visible or ⊥ (in a causal program, p[i] <= i), |q|² may be left out: the score
2·q·k - |k|² = |q|² - D has its maximum at k = q by a step, BOS is the key 0, and ⊥ is the query 0, which BOS wins.

Where query and key may both be ⊥, digits would let ⊥ match ⊥ (both are 0). The query's flag e then enters as
- A·(1 - e): an absent query scores at most B - A < 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from ..codes.forms import Form, offset, scalar
from ..codes.linear import ONE, ONE_FEATURE, Lin
from ..codes.numerics import Dtype, Exactness
from ..domain import Domain
from ..errors import InputError
from ..graph import Graph
from ..ops import Lookup, Pick, Position, Relation, Total, relation_of
from ..rewrite.factor import Factored, factored_part

Kind: TypeAlias = Literal["digits", "signs", "onehot"]
Read = Callable[[int, Form], tuple[Lin, ...]]
CODES = ("auto", "scalar", "digits:r", "binary", "onehot")


@dataclass(frozen=True, slots=True)
class Part:
    """One compared component: query and key nodes, their form, and the relation between them (empty for equality), perhaps factored."""

    query: int
    key: int
    form: Form
    key_form: Form
    both_none: bool
    relation: Relation
    factored: Factored | None = None

    @property
    def label(self) -> str:
        """The form, for people."""
        if self.factored is not None:
            return f"relation of rank {len(self.factored.queries)}"
        return "relation" if self.relation else str(self.form)

    def squares(self) -> int:
        """Σ max² over the digits."""
        return sum(hi * hi for _, hi in self.form.intervals())

    def self_score(self) -> int:
        """S of signs, one-hot and factors: the score of a match, less what is said of it without a query."""
        if self.factored is not None:
            return (self.factored.factors.scale - self.factored.factors.shift) * self.factored.factors.over
        return self.form.width if self.form.kind == "signs" else 1

    def gap(self) -> int:
        """The least distance of a mismatch, ⊥ included."""
        if self.factored is not None:
            return self.factored.factors.scale * self.factored.factors.over
        return min(2, self.form.width) if self.form.kind == "signs" else 1

    def distance(self, read: Read, number: Callable[[int], Lin], a: int) -> tuple[list[tuple[Lin, Lin]], Lin, Lin]:
        """-a·D as products of a query and a key expression, one of the query alone, and one of the key alone."""
        if self.factored is not None:
            pairs = zip(self.factored.queries, self.factored.keys, strict=True)
            return [(number(u) * a, number(v)) for u, v in pairs], Lin(), ONE * -(a * self.self_score())
        q, k = read(self.query, self.form), read(self.key, self.key_form)
        if self.form.kind == "digits":
            q_norm, k_norm = read(self.query, self.form.also("norm"))[0], read(self.key, self.form.also("norm"))[0]
            if self.both_none:
                q_norm = q_norm + ONE - read(self.query, self.form.also("flag"))[0]
            return [(x * (2 * a), y) for x, y in zip(q, k, strict=True)], q_norm * -a, k_norm * -a
        if self.relation:
            rows = np.array(self.relation[4:]).reshape(len(q), len(k))
            q = tuple(Lin.of(term for v in np.flatnonzero(column) for term in q[v].terms) for column in rows.T)
        return [(x * a, y) for x, y in zip(q, k, strict=True)], Lin(), ONE * -(a * self.self_score())

    def steps(self, a: int) -> int:
        """Σ max|q_d|·max|k_d| of what `distance` returns."""
        if self.form.kind == "digits":
            return 4 * a * self.squares() + 2 * a * self.both_none
        if self.factored is not None:
            return a * (self.factored.factors.steps + self.self_score())
        return a * (self.key_form.width + self.self_score())


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to write a head: its parts, and the score that says why it is exact.

    `bonus` is what a matching key adds, a weighted sum of position, what ranks, and 1, less `grade` for each graded part that
    differs; `a` is A of the module's text.
    """

    parts: tuple[Part, ...]
    graded: tuple[Part, ...]
    grade: int
    bonus: tuple[tuple[Literal["position", "rank", "one"], int], ...]
    rank: int | None
    a: int
    visible: bool
    exact: Exactness

    @property
    def label(self) -> str:
        """The first part's form, for people."""
        return self.parts[0].label

    def build(self, read: Read, number: Callable[[int], Lin], position: Lin, rank: Lin) -> tuple[tuple[Lin, ...], tuple[Lin, ...]]:
        """Queries and keys, a pair of expressions for each dimension of the head. `number` reads a node as its number, ⊥ as 0."""
        if self.visible:
            (part,) = self.parts
            q, k = read(part.query, part.form), read(part.key, part.form)
            norm = read(part.key, part.form.also("norm"))[0]
            return (*(lin * 2 for lin in q), ONE), (*k, norm * -1)
        pairs: list[tuple[Lin, Lin]] = []
        q_alone, k_alone = Lin(), Lin()
        for part, weight in [*((part, self.a) for part in self.parts), *((part, self.grade) for part in self.graded)]:
            products, of_query, of_key = part.distance(read, number, weight)
            pairs += products
            q_alone, k_alone = q_alone + of_query, k_alone + of_key
        for what, weight in self.bonus:
            k_alone = k_alone + {"position": position, "rank": rank, "one": ONE}[what] * weight
        if q_alone.terms:
            pairs.append((q_alone, ONE))
        pairs.append((ONE, k_alone))
        return tuple(q for q, _ in pairs), tuple(k for _, k in pairs)


def apart(query: Sequence[Lin], key: Sequence[Lin]) -> tuple[tuple[Lin, ...], tuple[Lin, ...]]:
    """The same products, a sum against a constant taken apart by coefficient, so that what is read is multiplied with ±1.

    Before -> after: 1·(t - A·|k|² - A) -> 1·t + (-A)·|k|² + (-A)·1.
    """
    pairs: list[tuple[Lin, Lin]] = []
    for q, k in zip(query, key, strict=True):
        constant, lin = (q, k) if q.features() == {ONE_FEATURE} else (k, q)
        if constant.features() != {ONE_FEATURE}:
            pairs.append((q, k))
            continue
        for factor in dict.fromkeys(c for _, c in lin.terms):
            part = Lin.of((cell, 1) for cell, c in lin.terms if c == factor)
            pairs.append((constant * factor, part) if constant is q else (part, constant * factor))
    return tuple(q for q, _ in pairs), tuple(k for _, k in pairs)


def candidates(graph: Graph, head: int, code: str, dtype: Dtype, untied: bool = False) -> Iterator[Candidate]:
    """The ways to write a lookup or a total, narrowest first; a pinned code leaves one. Raises InputError on an unknown code.

    `untied` says that what ranks is different at every position, so that there are no ties to break.
    """
    node = graph.nodes[head]
    op = node.op
    assert isinstance(op, (Lookup, Total))
    queries, keys = node.args[: op.parts], node.args[op.parts : 2 * op.parts]
    ends = [(graph.nodes[q].domain, graph.nodes[k].domain) for q, k in zip(queries, keys, strict=True)]
    shifts = [min(offset(a), offset(b)) for a, b in ends]
    tops = [max(1, a.hi - off, b.hi - off) for (a, b), off in zip(ends, shifts, strict=True)]
    plain = [top for p, top in enumerate(tops) if not relation_of(op.relations, p)]
    pick = op.pick if isinstance(op, Lookup) else None
    pointer = ends[0][0]
    visible = pick == "only" and isinstance(graph.nodes[keys[0]].op, Position) and pointer.lag is not None and pointer.lag <= 0
    visible = visible and op.mask == "causal" and pointer.lo >= 1
    rank = node.args[-1] if isinstance(op, Lookup) and op.ranked else None
    graded = _graded(graph, node.args[2 * op.parts :]) if pick == "closest" else ()
    top = len(graded) if graded else scalar(graph.nodes[rank].domain).top if rank is not None else 0
    bonus, most, least = _bonus(pick, graph.sizes.length, top, dtype, untied)
    known = [factored_part(graph, head, p) if code == "auto" else None for p in range(op.parts)]
    for kind, r in _codes(code, max(plain, default=1)):
        parts: list[Part] = []
        for p, (a, b) in enumerate(ends):
            relation, none = relation_of(op.relations, p), a.none and b.none
            if relation:
                form, key_form = Form("onehot", relation[0] - 1, relation[1]), Form("onehot", relation[2] - 1, relation[3])
                parts.append(Part(queries[p], keys[p], form, key_form, none, relation, known[p]))
                continue
            else:
                form = key_form = Form(kind, shifts[p], tops[p], min(r, tops[p].bit_length()) if kind == "digits" else 1)
            parts.append(Part(queries[p], keys[p], form, key_form, none, ()))
        forms = ", ".join(part.label for part in parts)
        what = f"head {node.name} ({op.label()}, code {forms})"
        seen = visible and kind == "digits" and not op.relations
        weight = -(-least // min(part.gap() for part in parts))
        weight = 1 << (weight - 1).bit_length() if dtype.kept_back else weight
        grade = graph.sizes.length + 1
        most_graded = most + sum(part.steps(grade) for part in graded)
        yield Candidate(tuple(parts), graded, grade, bonus, rank, weight, seen, Exactness(what, *_steps(parts, weight, most_graded, seen)))


def _graded(graph: Graph, args: Sequence[int]) -> tuple[Part, ...]:
    """What a lookup compares by degrees: forms in which every mismatch is at distance 1."""
    found: list[Part] = []
    for query, key in zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True):
        a, b = graph.nodes[query].domain, graph.nodes[key].domain
        off = min(a.lo, b.lo) - 1
        top = max(1, max(a.hi, b.hi) - off)
        form = Form("digits" if top <= 2 else "onehot", off, top)
        found.append(Part(query, key, form, form, False, ()))
    return tuple(found)


def _bonus(
    pick: Pick | None, n: int, top: int, dtype: Dtype, untied: bool
) -> tuple[tuple[tuple[Literal["position", "rank", "one"], int], ...], int, int]:
    """What a match adds, the sum of its terms' absolute values, and the least A·g that a mismatch must lose."""
    match pick:
        case "latest":
            return (("position", 1),), n, n + 1
        case "earliest":
            return (("one", n + 1), ("position", -1)), 2 * n + 1, n + 1
        case "only":
            return (("one", 1),), 1, 2
        case "largest" if untied:
            return (("rank", 1),), top, top + 1
        case "smallest" if untied:  # top + 1 - z
            return (("one", top + 1), ("rank", -1)), 2 * top + 1, top + 1
        case "largest":
            most = top * (n + 1) + n
            return (("rank", n + 1), ("position", 1)), most, most + 1
        case "smallest":  # (top + 1 - z)·(N + 1) + t
            most = top * (n + 1) + n
            return (("one", (top + 1) * (n + 1)), ("rank", -(n + 1)), ("position", 1)), most + (top + 1) * (n + 1), most + 1
        case "closest":
            most = top * (n + 1) + n
            return (("one", top * (n + 1)), ("position", 1)), most, most + 1
        case None:
            return (("one", -1),), 1, dtype.rivals - 1


def _codes(code: str, top: int) -> list[tuple[Kind, int]]:
    bits = top.bit_length()
    match str(code).split(":"):
        case ["auto"]:
            digits: list[tuple[Kind, int]] = [("digits", r) for r in range(1, max(2, bits - 1))]
            return [*digits, ("signs", 1), ("onehot", 1)]
        case ["scalar"]:
            return [("digits", 1)]
        case ["digits", r] if r.isdecimal() and len(r) < 9 and int(r) >= 1:
            return [("digits", int(r))]
        case ["binary"]:
            return [("signs", 1)]
        case ["onehot"]:
            return [("onehot", 1)]
        case _:
            raise InputError(f"code {code!r} is not known", hint=f"use one of {', '.join(CODES)} with r an integer")


def _steps(parts: list[Part], a: int, bonus: int, visible: bool) -> tuple[str, int]:
    """How the sum over head dimensions of max|q|·max|k| reads, and its value in grid steps."""
    if visible:
        squares = parts[0].squares()
        return f"3·Σ digit² (Σ digit² = {squares:,})", 3 * squares
    total = sum(part.steps(a) for part in parts) + bonus
    squares = sum(part.squares() for part in parts if part.form.kind == "digits")
    wide = [part for part in parts if part.form.kind != "digits"]
    width, score = sum(part.steps(1) - part.self_score() for part in wide), sum(part.self_score() for part in wide)
    terms = [f"4·A·Σ digit²{' + 2·A' if any(part.both_none for part in parts) else ''}"] if squares else []
    terms += ["A·(width + S)"] if wide else []
    facts = [f"A = {a:,}", *([f"Σ digit² = {squares:,}"] if squares else []), *([f"width = {width}, S = {score}"] if wide else [])]
    return f"{' + '.join(terms)} + bonus ({', '.join(facts)})", total


def log_form(domain: Domain, bits: int) -> Form:
    """The form in which an output is its own logit: 2**bits times the logarithm."""
    off = offset(domain)
    return Form("log", off, max(1, domain.hi - off), bits)


def output_forms(domain: Domain) -> Iterator[Form]:
    """Forms the output may be read in, narrowest first; two digits also in greater bases, for sums too long for even staircases.

    There is a class for each number up to the greatest, or from the least on where that is far from 1.
    """
    off = offset(domain) if domain.lo <= 1 + domain.size else domain.lo - 1
    top = max(1, domain.hi - off)
    for parts in range(1, top.bit_length() + 1):
        yield (form := Form("digits", off, top, parts))
        if parts == 2:
            yield from (replace(form, radix=1 << bits) for bits in range(form.base.bit_length(), top.bit_length()))
