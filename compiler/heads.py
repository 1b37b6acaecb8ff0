"""Lookups as attention heads: the candidate codes, their scores, and the inequality that makes each exact.

Every score is grid·(an integer); BOS is the zero vector, so its score is 0. With bonus(t) in 1..B the pick
(latest: t, earliest: N + 1 - t, only: 1), distance D(q, k) = 0 on a match and >= g on a mismatch, and A = ceil((B + 1)/g):

    score / grid = bonus(t) - A·D(q, k)        match:    >= 1  > 0 = BOS
                                               mismatch: <= B - (B + 1) = -1 < 0 = BOS

so the winner beats every rival by at least one grid step, at which exp underflows to 0. Two matches differ in their
bonus, hence by a step as well. Digits and norms: D = Σ (q_d - k_d)², g = 1, spelled 2·q·k - |q|² - |k|². Signs and
one-hot: D = S - <q, k> with S the self-score; ⊥ is the zero vector at distance S, so g = min(gap, S).

For a pointer that is always visible or ⊥ (in a causal program, p[i] <= i), |q|² may be left out: the score
2·q·k - |k|² = |q|² - D has its maximum at k = q by a step, BOS is the key 0, and ⊥ is the query 0, which BOS wins.

Where query and key may both be ⊥, digits would let ⊥ match ⊥ (both are 0). The query's flag e then enters as
- A·(1 - e): an absent query scores at most B - A < 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .domain import Domain
from .errors import InputError
from .forms import Form, offset
from .graph import Graph
from .linear import ONE, Lin
from .numerics import Exactness
from .ops import Lookup, Pick, Position

Kind: TypeAlias = Literal["digits", "signs", "onehot"]
Read = Callable[[int, Form], tuple[Lin, ...]]
CODES = ("auto", "scalar", "digits:r", "binary", "onehot")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to write a lookup: a form for each component and the resulting score."""

    forms: tuple[Form, ...]
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    both_none: tuple[bool, ...]
    pick: Pick
    length: int
    visible: bool
    label: str
    exact: Exactness

    def build(self, read: Read, position: tuple[Lin, ...]) -> tuple[tuple[Lin, ...], tuple[Lin, ...]]:
        """Queries and keys, a pair of expressions for each dimension of the head."""
        q = [lin for index, form in zip(self.queries, self.forms, strict=True) for lin in read(index, form)]
        k = [lin for index, form in zip(self.keys, self.forms, strict=True) for lin in read(index, form)]
        if self.visible:
            norm = read(self.keys[0], self.forms[0].also("norm"))[0]
            return (*(lin * 2 for lin in q), ONE), (*k, norm * -1)
        bonus = {"latest": position[0], "earliest": ONE * (self.length + 1) - position[0], "only": ONE}[self.pick]
        a = weight(self.forms, self.pick, self.length)
        if self.forms[0].kind != "digits":
            self_score = sum(_self_score(form) for form in self.forms)
            return (*(lin * a for lin in q), ONE), (*k, bonus - ONE * (a * self_score))
        q_norm, k_norm = Lin(), Lin()
        for index, form, both in zip(self.queries, self.forms, self.both_none, strict=True):
            q_norm = q_norm + read(index, form.also("norm"))[0]
            if both:
                q_norm = q_norm + ONE - read(index, form.also("flag"))[0]
        for index, form in zip(self.keys, self.forms, strict=True):
            k_norm = k_norm + read(index, form.also("norm"))[0]
        return (*(lin * (2 * a) for lin in q), q_norm * -a, ONE), (*k, ONE, bonus - k_norm * a)


def _self_score(form: Form) -> int:
    return form.width if form.kind == "signs" else 1


def _gap(form: Form) -> int:
    """The least distance of a mismatch, ⊥ included."""
    return min(2, form.width) if form.kind == "signs" else 1


def weight(forms: tuple[Form, ...], pick: Pick, length: int) -> int:
    """A = ceil((B + 1)/g), the least integer with A·g >= B + 1, so that a mismatch scores at most -1."""
    most = 1 if pick == "only" else length
    return -(-(most + 1) // min(_gap(form) for form in forms))


def candidates(graph: Graph, lookup: int, code: str) -> Iterator[Candidate]:
    """The ways to write a lookup, narrowest first; a pinned code leaves one. Raises InputError on an unknown code."""
    node = graph.nodes[lookup]
    op = node.op
    assert isinstance(op, Lookup)
    queries, keys = node.args[: op.parts], node.args[op.parts :]
    ends = [(graph.nodes[q].domain, graph.nodes[k].domain) for q, k in zip(queries, keys, strict=True)]
    shifts = [min(offset(a), offset(b)) for a, b in ends]
    tops = [max(1, a.hi - off, b.hi - off) for (a, b), off in zip(ends, shifts, strict=True)]
    pointer = ends[0][0]
    visible = op.pick == "only" and isinstance(graph.nodes[keys[0]].op, Position) and pointer.lag is not None and pointer.lag <= 0
    visible = visible and op.mask == "causal" and pointer.lo >= 1
    both = tuple(a.none and b.none for a, b in ends)
    for kind, parts in _codes(code, max(tops)):
        forms = tuple(
            Form(kind, off, top, min(parts, top.bit_length()) if kind == "digits" else 1) for off, top in zip(shifts, tops, strict=True)
        )
        reads_squares = kind == "digits"
        steps, text = _steps(forms, op.pick, graph.sizes.length, visible and reads_squares, sum(both))
        what = f"head {node.name} ({op.label()}, code {', '.join(map(str, forms))})"
        yield Candidate(
            forms, queries, keys, both, op.pick, graph.sizes.length, visible and reads_squares, str(forms[0]), Exactness(what, text, steps)
        )


def _codes(code: str, top: int) -> list[tuple[Kind, int]]:
    bits = top.bit_length()
    match code.split(":"):
        case ["auto"]:
            digits: list[tuple[Kind, int]] = [("digits", r) for r in range(1, max(2, bits - 1))]
            return [*digits, ("signs", 1), ("onehot", 1)]
        case ["scalar"]:
            return [("digits", 1)]
        case ["digits", r] if r.isdigit() and int(r) >= 1:
            return [("digits", int(r))]
        case ["binary"]:
            return [("signs", 1)]
        case ["onehot"]:
            return [("onehot", 1)]
        case _:
            raise InputError(f"code {code!r} is not known", hint=f"use one of {', '.join(CODES)} with r an integer")


def _steps(forms: tuple[Form, ...], pick: Pick, length: int, visible: bool, absent: int) -> tuple[int, str]:
    """Σ over head dimensions of max|q|·max|k| in grid steps, and how it reads."""
    squares = sum(hi * hi for form in forms for _, hi in form.intervals())
    if visible:
        return 3 * squares, f"3·Σ digit² (Σ digit² = {squares:,})"
    a = weight(forms, pick, length)
    bonus = {"latest": length, "earliest": 2 * length + 1, "only": 1}[pick]
    if forms[0].kind == "digits":
        return 4 * a * squares + 2 * a * absent + bonus, f"4·A·Σ digit² + bonus (A = {a:,}, Σ digit² = {squares:,})"
    width = sum(form.width for form in forms)
    score = sum(_self_score(form) for form in forms)
    return a * (width + score) + bonus, f"A·(width + S) + bonus (A = {a:,}, width = {width}, S = {score})"


def output_forms(domain: Domain) -> Iterator[Form]:
    """Forms the output may be read in, narrowest first."""
    off = offset(domain)
    top = max(1, domain.hi - off)
    for parts in range(1, top.bit_length() + 1):
        yield Form("digits", off, top, parts)
