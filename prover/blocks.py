"""Scripts of blocks: what each head is, which cases show it, and what MLPs leave. Untrusted: the kernel checks every one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import numpy as np

from ..kernel import blocks as rules, logits as last
from ..kernel.blocks import left
from ..kernel.heads import MAX_PAIRS, Compared, Group, agreeing, compare, lookup, matches, twice
from ..kernel.numbers import NONE, Ints, Reals, Rejected, Scaled, scaled
from ..kernel.stream import Cell, Form, Stream
from ..kernel.terms import ONE, POSITION, TOKEN, Term, Terms
from ..kernel.totals import depth
from .questions import head_question, mlp_question
from .ways import Script, Sum, Way, cases, first, namings, origins, size, ways

Asked = dict[Hashable, Any]  # questions that the kernel answered with yes, and what it found
Claim = tuple[int, tuple[Any, ...], int, int]  # term, form, dimension of the code, dimension of the stream


def attention(
    stream: Stream, w: Mapping[str, Reals], masks: Sequence[str], claims: Sequence[Claim], dtype: str, number: int, asked: Asked
) -> tuple[Stream, Script]:
    """The script of an attention block that is said to write `claims`, and the stream after it."""
    due = rules.claims(stream.terms, claims, len(stream.cells), dtype)
    w_v, live = scaled(w["W_V"], f"block {number}, W_V", 0), np.array([c is not None for c in stream.cells])
    left = {dim: _totals(stream, cell) for dim, cell in due.items()}
    found, heads = list[tuple[Head, list[tuple[int, int]], Scaled, list[int]]](), list[Script]()
    for head, mask in enumerate(masks):
        what = f"block {number}, head {head}"
        w_q, w_k = (scaled(w[name][head], f"{what}, {name}") for name in ("W_Q", "W_K"))
        made, w_o = Head(stream, w_q, w_k, Scaled(w_v.ints[head], w_v.shift), mask, dtype, what, asked), w["W_O"][head]
        channels = made.v.ints[live].any(axis=0) | np.zeros(made.v.ints.shape[1], bool)
        entries = [(int(e), int(d)) for e, d in np.argwhere(w_o) if channels[e] or left.get(int(d))]
        if any(left.get(d) for _, d in entries):
            found.append((made, entries, Scaled(np.zeros((0, 0), np.int64), 0), []))
            continue
        scale = scaled(w_o, f"{what}, W_O", 0)
        effect = Scaled(made.v.ints @ scale.ints, made.v.shift + scale.shift)
        found.append((made, [], effect, [int(d) for d in np.flatnonzero(effect.ints[live].any(axis=0))]))
    written = {d for *_, dims in found for d in dims}
    unwritten = [d for d, c in due.items() if d not in written and (c.least or c.most) and stream.terms.list[c.term].op == "fetch"]
    for head, (made, entries, effect, dims) in enumerate(found):
        if entries:
            heads.append(_total(made, w["W_O"][head], entries, left))
            continue
        heads.append(_copy(made, effect, dims, due) if dims else {"kind": "idle"})
        unwritten = _nothing(made, effect, unwritten, due, heads)
    after = list(stream.cells)
    for dim, cell in due.items():
        after[dim] = cell
    return replace(stream, cells=tuple(after)), {"cells": [list(c) for c in claims], "heads": heads}


@dataclass(frozen=True, slots=True)
class Head:
    """A head as its rules ask for it."""

    stream: Stream
    w_q: Scaled
    w_k: Scaled
    v: Scaled
    mask: str
    dtype: str
    what: str
    asked: Asked

    def attends(self, term: int, rule: Callable[..., Any]) -> tuple[Script, Any]:
        """Groups by which a rule, `lookup` or `depth`, shows that the head attends as a term, and what it finds."""
        node, what = self.stream.terms.list[term], f"{self.what} (term {term})"
        if self.mask != node["mask"]:
            raise Rejected(f"{what} has the mask {self.mask}, and is no such {node.op}")
        options, found = groups(self.stream, node, self.w_q, self.w_k), list[Any]()

        def accepted(some: Script) -> None:
            if node.closest or any(_many(self.stream, group) for group in some["groups"]):
                completed(compare(self.stream, node, self.w_q, self.w_k, some, self.dtype, what), some)
            question = (rule.__name__, head_question(self.stream, node, self.w_q, self.w_k, some, self.mask, self.dtype))
            if question not in self.asked:
                self.asked[question] = rule(self.stream, node, self.w_q, self.w_k, some, self.dtype, what)
            found.append(self.asked[question])

        return first(options, accepted), found[-1]


def _copy(head: Head, effect: Scaled, dims: Sequence[int], due: Mapping[int, Cell]) -> Script:
    """The script of a head that writes some dimensions through a lookup."""
    stream = head.stream
    found = {stream.terms.list[due[d].term].args[0] for d in dims if d in due and stream.terms.list[due[d].term].op == "fetch"}
    strange = [d for d in dims if d not in due or stream.terms.list[due[d].term].op != "fetch"]
    if strange or len(found) != 1:
        raise Rejected(f"{head.what} writes dimension {(strange or dims)[0]}, where no value of it belongs")
    (term,) = found
    script, _ = head.attends(term, lookup)
    writes: list[tuple[int, Script]] = []
    for d in dims:
        value, column = stream.terms.list[due[d].term].args[1], effect.ints[:, [d]]
        options = [(1.0, {"over": [], "sums": []})] if due[d].form.kind == "flag" else []

        def accepted(some: Script, d: int = d, value: int = value, column: Ints = column) -> None:
            rules.fetched(stream, column, effect.shift, value, due[d], some, head.mask, f"{head.what}, value term {due[d].term}")

        writes.append((d, first(options + cases(stream, column, [value]) + _places(head, value), accepted)))
    return {"kind": "lookup", "term": term, **script, "writes": writes}


def _nothing(head: Head, effect: Scaled, dims: Sequence[int], due: Mapping[int, Cell], heads: list[Script]) -> list[int]:
    """Values that are always ⊥ where a head reads them, of which it writes nothing: taken into the last script. Returns the other ones."""
    terms, rest = head.stream.terms, list[int]()
    for d in dims:
        asked = terms.list[due[d].term].args[0]
        if heads[-1]["kind"] == "lookup" and not terms.same(heads[-1]["term"], asked):
            rest.append(d)
            continue
        try:
            more = _copy(head, effect, [d], due)
        except Rejected:
            rest.append(d)
        else:
            heads[-1] = more | {"writes": heads[-1].get("writes", []) + more["writes"]}
    return rest


def _places(head: Head, value: int) -> list[tuple[float, Script]]:
    """What the position alone determines, by positions: a strict head does not read the last, nor what it has there."""
    terms = head.stream.terms
    alone = head.mask == "strict" and origins(terms, value, {TOKEN, POSITION}) == {POSITION}
    return [(float(terms.length), {"over": [POSITION], "sums": []})] if alone else []


def _totals(stream: Stream, cell: Cell) -> list[tuple[int, int]]:
    """The totals that make up what a cell holds, with their factors; none if it is no sum of totals."""
    node = stream.terms.list[cell.term]
    if node.op == "total":
        return [(1, cell.term)]
    if node.op == "affine" and all(stream.terms.list[a].op == "total" for a in node.args):
        return list(zip(node.fields[0], node.args, strict=True))
    return []


def _total(head: Head, w_o: Reals, entries: Sequence[tuple[int, int]], left: dict[int, list[tuple[int, int]]]) -> Script:
    """The script of a head that adds up; takes from `left` the totals that it adds to each dimension."""
    reason = Rejected(f"{head.what} adds to a cell that is no sum of totals")
    for candidate in dict.fromkeys(total for _, total in left.get(entries[0][1], [])):
        rest = {d: list(totals) for d, totals in left.items()}
        try:
            script, (d, most, *_) = head.attends(candidate, depth)
            node = head.stream.terms.list[candidate]
            adds = [_add(head, at, dim, float(w_o[at, dim]), node, d if most else None, rest) for at, dim in entries]
        except Rejected as rejected:
            reason = rejected
            continue
        left.update(rest)
        return {"kind": "total", "term": candidate, **script, "adds": adds}
    raise reason


def _add(head: Head, at: int, dim: int, scale: float, node: Term, d: float | None, left: dict[int, list[tuple[int, int]]]) -> list[Any]:
    """Which of a dimension's totals a head adds to it by one entry of W_O."""
    stream, column = head.stream, Scaled(head.v.ints[:, [at]], head.v.shift)
    reason = Rejected(f"{head.what} adds to dimension {dim}, whose totals match other keys")
    for factor, total in left.get(dim, []):
        other, what = stream.terms.list[total], f"{head.what}, total term {total}"
        keys = (other.op, other.fields) == (node.op, node.fields) and all(map(stream.terms.same, other.args[:-1], node.args[:-1]))
        near = factor and (d is None or abs(scale * np.exp(-d) / factor - 1) <= 0.18)
        if not (keys and near):
            continue

        def accepted(some: Script, value: int = other.args[-1], what: str = what) -> None:
            rules.summed(stream, column.ints, column.shift, value, some, head.mask, what)

        try:
            script = first(cases(stream, column.ints, [other.args[-1]]) + _places(head, other.args[-1]), accepted)
        except Rejected as rejected:
            reason = rejected
            continue
        left[dim].remove((factor, total))
        return [dim, at, factor, total, script]
    raise reason


def groups(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled) -> list[tuple[float, Script]]:
    """Components grouped so that no variable is in two groups; what the key's position (and what ranks) adds is in the position's."""
    pairs = [pair[:2] for pair in term.compared()]
    found: list[tuple[float, Script]] = []
    for way in ways(stream, np.concatenate([w_q.ints, w_k.ints], axis=1), [a for pair in pairs for a in pair]):
        sides = dict(zip("qk", np.split(way.rows, 2, axis=1), strict=True))
        read = {side: [(d, c) for d, c in way.stream.held(rows) if stream.terms.list[c.term].op != "const"] for side, rows in sides.items()}
        nodes = {side: [pair[side == "k"] for pair in pairs] for side in "qk"}
        nodes["k"] += [term.args[-1]] if term.ranked else []
        named = [namings(way, [c.term for _, c in read[side]], nodes[side], [POSITION] if side == "k" else []) for side in "qk"]
        for choice in range(max(map(len, named))):
            names = {side: some[min(choice, len(some) - 1)] for side, some in zip("qk", named, strict=True)}
            found.append(_grouped(stream.terms, term, names, read, way))
    return found


def _grouped(
    terms: Terms, term: Term, names: Mapping[str, dict[int, int]], read: Mapping[str, list[tuple[int, Cell]]], way: Way
) -> tuple[float, Script]:
    """The groups that variables make, by what each stands for on each side, and how many cases they have."""
    links: nx.Graph[tuple[str, int]] = nx.Graph()
    links.add_nodes_from(("part", p) for p in range(len(term.compared())))
    links.add_node(("k", POSITION))

    def behind(side: str, number: int) -> list[tuple[str, int]]:
        return [(side, terms.find(names[side][v])) for v in origins(terms, number, set(names[side])) or ()]

    for p, (query, key, _) in enumerate(term.compared()):
        links.add_edges_from((("part", p), v) for v in behind("q", query) + behind("k", key))
    if term.ranked:
        links.add_edges_from((("k", POSITION), v) for v in behind("k", term.args[-1]))
    for _, cell in read["k"]:  # what no component reads has no group, and the kernel says so
        links.add_edges_from((("k", POSITION), v) for v in behind("k", cell.term) if v not in links)
    raw = {side: {terms.find(v): v for v in names[side].values()} for side in "qk"}
    left, some, count = {side: list(held) for side, held in read.items()}, list[Script](), 0.0
    for group in sorted(nx.connected_components(links), key=lambda g: sorted(map(str, g))):
        over = {side: sorted(raw[side][v] for kind, v in group if kind == side) for side in "qk"}
        made: Script = {"parts": sorted(v for kind, v in group if kind == "part")}
        for side, name in zip("qk", ("query", "key"), strict=True):
            reps = {terms.find(v) for v in over[side]}
            mine = [(d, c) for d, c in left[side] if origins(terms, c.term, reps) is not None]
            left[side] = [held for held in left[side] if held not in mine]
            made[name] = {"over": over[side], "dims": [d for d, _ in mine]}
        some.append(made)
        spans = [np.prod([float(terms.ranges[v].hi - terms.ranges[v].lo + 2) for v in over[side]]) for side in "qk"]
        count += float(spans[0] + spans[1] + min(spans[0] * spans[1], 1 << 22))
    return count, {"sums": _listed(way.sums), "groups": some}


def _many(stream: Stream, group: Script) -> bool:
    """Whether a group may have more pairs of cases than are compared one by one."""
    return math.prod(size(stream.terms, group[side]["over"]) for side in ("query", "key")) > MAX_PAIRS


def completed(seen: Compared, script: Script) -> None:
    """Adds to a script of groups the factors of rule SQUARE, and by how much components that agree raise a score."""
    rates = list[int]()
    for group, some in zip(seen.groups, script["groups"], strict=True):
        if len(group.query) * len(group.key) > MAX_PAIRS and group.relations == ((),) and not any(group.graded):
            some["factors"] = _factors(group, seen.q0)
        elif any(group.graded):
            score, match, agree = twice(group, seen.q0, seen.k0, "a group"), matches(group, "a group"), agreeing(group)
            if match.any() and (low := agree[match].min()) < (high := agree[match].max()):
                rates.append(int(score[match & (agree == high)].max() - score[match & (agree == low)].max()) // int(high - low))
    if rates:
        script["rate"] = min(rates)


def _factors(group: Group, q0: Ints) -> list[int]:
    """By what the queries' codes are multiples of the keys', dimension by dimension."""
    q_value, k_value = group.q_values[:, 0], group.k_values[:, 0]
    values, first = np.unique(k_value, return_index=True)
    spot = np.searchsorted(values, q_value).clip(0, len(values) - 1)
    meets = (values[spot] == q_value) & (q_value != NONE)
    q, k = group.query[meets] + q0, group.key[first][spot[meets]]
    if not len(q):
        return [1] * group.query.shape[1]
    at, dims = np.abs(k).argmax(axis=0), np.arange(q.shape[1])
    lam = np.where(k[at, dims] == 0, 1, q[at, dims] // np.where(k[at, dims] == 0, 1, k[at, dims]))
    return [int(x) for x in lam]


def _listed(sums: Sequence[Sum]) -> list[Any]:
    """Sums as a script has them."""
    return [[number, list(dims)] for number, dims in sums]


def mlp(stream: Stream, w: Mapping[str, Reals], claims: Sequence[Claim], dtype: str, number: int, asked: Asked) -> tuple[Stream, Script]:
    """The script of an MLP that is said to leave `claims`, and the stream after it."""
    what = f"block {number} (MLP)"
    w_in, w_out = (scaled(w[name], f"block {number}, {name}", 0) for name in ("W_in", "W_out"))
    due, after = rules.claims(stream.terms, claims, len(stream.cells), dtype), list(stream.cells)
    together: dict[tuple[int, tuple[int, ...]], list[Claim]] = {}
    for claim in claims:
        units = tuple(int(u) for u in np.flatnonzero(w_out.ints[:, claim[3]]))
        together.setdefault((claim[0], units), []).append(claim)
    values = list[Script]()
    for (term, units), some in together.items():
        cells = {claim[3]: due[claim[3]] for claim in some}
        values.append(_left(stream, w_in, w_out, units, cells, [term], dtype, f"{what}, value term {term}", asked))
        after = [cells.get(d, cell) for d, cell in enumerate(after)]
    for dim in sorted({int(d) for d in np.flatnonzero(w_out.ints.any(axis=0))} - set(due)):
        units, old = np.flatnonzero(w_out.ints[:, dim]), stream.cells[dim]
        try:
            values.append(_left(stream, w_in, w_out, units, {dim: None}, [], dtype, f"{what}, dimension {dim}", asked))
            after[dim] = None
        except Rejected:
            if old is None:
                raise
            values.append(_left(stream, w_in, w_out, units, {dim: old}, [old.term], dtype, f"{what}, dimension {dim}", asked))
    return replace(stream, cells=tuple(after)), {"values": values}


def _left(
    stream: Stream,
    w_in: Scaled,
    w_out: Scaled,
    units: Sequence[int] | Ints,
    due: Mapping[int, Cell | None],
    nodes: list[int],
    dtype: str,
    what: str,
    asked: Asked,
) -> Script:
    """The script of what some units leave in some dimensions."""
    rows = w_in.ints[:, list(units)] if len(units) else np.zeros((len(w_in.ints), 1), np.int64)
    said = {"zero": [d for d, c in due.items() if c is None], "cells": [_row(d, c) for d, c in due.items() if c is not None]}
    options = cases(stream, rows, nodes, [c for d in due if (c := stream.cells[d]) is not None])

    def accepted(way: Script) -> None:
        way |= said | apart(stream, w_in, w_out, due, nodes, way)
        question = mlp_question(stream, w_in, w_out, due, way, dtype)
        if question not in asked:
            asked[question] = left(stream, w_in, w_out, due, way, dtype, what)

    return first(options, accepted)


def _row(dim: int, cell: Cell) -> list[Any]:
    f = cell.form
    return [cell.term, [f.kind, f.off, f.top, f.parts, f.radix], cell.dim, dim]


def apart(stream: Stream, w_in: Scaled, w_out: Scaled, due: Mapping[int, Cell | None], nodes: Sequence[int], way: Script) -> Script:
    """Cases of an MLP taken apart: units and old contents that share no variable with what is wanted are enumerated by themselves."""
    wide, rows = stream.with_sums(w_in.ints, way["sums"])
    terms, raw = wide.terms, {wide.terms.find(v): v for v in way["over"]}
    units: dict[int, set[int]] = {int(u): set() for u in np.flatnonzero(w_out.ints[:, list(due)].any(axis=1))}
    read = rows[:, list(units)] != 0
    cells: dict[int, set[int]] = {}
    for d, c in enumerate(wide.cells):
        if c is not None and terms.list[c.term].op != "const" and (d in due or read[d].any()):
            cells[d] = origins(terms, c.term, raw) or set()
            for u, reads in zip(units, read[d], strict=True):
                units[u] |= cells[d] if reads else set()
    old = {d: cells[d] for d in due if d in cells}
    main = set[int]().union(*(origins(terms, n, raw) or set() for n in nodes)) if nodes else set[int]().union(*old.values())
    groups = [main]
    for some in [*units.values(), *old.values()]:
        touching = [group for group in groups if group & some]
        groups = [group for group in groups if not group & some] + [some.union(*touching)] if some else groups
    home = next((group for group in groups if group >= main), main)
    parts: list[Script] = []
    for group in groups:
        if group is not home and group:
            mine = {
                "units": [u for u, some in units.items() if some and some <= group],
                "dims": [d for d, some in old.items() if some and some <= group],
            }
            parts.append({"over": sorted(raw[v] for v in group), **mine})
    return {"sums": way["sums"], "over": sorted(raw[v] for v in home), "apart": parts}


def logits(stream: Stream, tensor: Reals, outputs: Sequence[int], forms: Sequence[Form]) -> list[Script]:
    """The cases of each output's logits, and what they read of the stream."""
    w_u = scaled(tensor, "W_U", 0)
    parts = np.split(w_u.ints, np.cumsum([form.logits for form in forms])[:-1], axis=1)
    found: list[Script] = []
    for number, (term, form, rows) in enumerate(zip(outputs, forms, parts, strict=True), 1):
        logs, options = form.kind == "log", list[tuple[float, Script]]()
        for code in [{}] if logs else _codes(stream, rows, form):
            reads = rows if logs else np.array(code["code"])
            options += [(size_, code | some) for size_, some in cases(stream, reads, [term])]

        def accepted(way: Script, term: int = term, form: Form = form, rows: Ints = rows, number: int = number, logs: bool = logs) -> int:
            return (last.logarithm if logs else last.nearest)(stream, rows, term, form, w_u.shift, way, f"output {number}")

        found.append(first(options, accepted))
    return found


def _codes(stream: Stream, rows: Ints, form: Form) -> list[Script]:
    """Weights by which the stream may give a multiple of the output's code, such that logits are those of the nearest code."""
    ones = [d for d, c in enumerate(stream.cells) if c is not None and c.term == ONE and (c.least, c.most) == (1, 1)]
    if not ones or form.width * rows.shape[1] > last.MAX_CLASSES or form.width > rows.shape[1]:
        return []
    values = np.append(NONE, np.arange(1, form.top + 1) + form.off)
    codes = np.stack([form.codes(values, dim) for dim in range(form.width)], axis=1).astype(float)
    some = np.unique(np.append(np.arange(64), np.arange(form.width * 8) * 7919) % len(codes))
    squares = (codes**2).sum(axis=1)
    weights = np.rint(np.linalg.lstsq(codes[some], rows[:, some].T.astype(float), rcond=None)[0].T).astype(np.int64)
    weights[[c is None for c in stream.cells]] = 0
    bent = np.linalg.lstsq(np.column_stack([codes, -squares / 2])[some], rows[ones[0], some].astype(float), rcond=None)[0]
    of_stream = np.delete(weights, ones, axis=0)
    found: list[Script] = []
    for factor in dict.fromkeys((round(float(bent[-1])), 2, int(np.gcd.reduce(of_stream, axis=None, initial=0)))):
        if factor > 0:
            of_ones = np.linalg.lstsq(codes[some], (rows[ones[0]] + factor * squares / 2)[some], rcond=None)[0]
            weights[ones[0]] = np.rint(of_ones).astype(np.int64)
            found.append({"code": weights.tolist(), "factor": factor, "one": ones[0]})
    return found
