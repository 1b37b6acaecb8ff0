"""Scripts of blocks: what each head is, which cases show it, and what MLPs leave. Untrusted: the kernel checks every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import networkx as nx
import numpy as np

from ..kernel import blocks as rules
from ..kernel.heads import fetched, lookup
from ..kernel.mlp import ask
from ..kernel.numbers import Ints, Reals, Rejected, Scaled, scaled
from ..kernel.stream import Cell, Stream
from ..kernel.terms import POSITION, Term
from ..kernel.totals import channel, depth
from .ways import Script, cases, first, needed, unify, ways

Claim = tuple[int, tuple[Any, ...], int, int]  # term, form, dimension of the code, dimension of the stream


def attention(
    stream: Stream, w: Mapping[str, Reals], masks: Sequence[str], claims: Sequence[Claim], dtype: str, number: int
) -> tuple[Stream, Script]:
    """The script of an attention block that is said to write `claims`, and the stream after it."""
    due = rules.claims(stream.terms, claims, len(stream.cells))
    w_v, live = scaled(w["W_V"], f"block {number}, W_V", 0), np.array([c is not None for c in stream.cells])
    left = {dim: _totals(stream, cell) for dim, cell in due.items()}
    heads: list[Script] = []
    for head, mask in enumerate(masks):
        what = f"block {number}, head {head}"
        w_q, w_k = (scaled(w[name][head], f"{what}, {name}").coarsest() for name in ("W_Q", "W_K"))
        made, w_o = Head(stream, w_q, w_k, Scaled(w_v.ints[head], w_v.shift), mask, dtype, what), w["W_O"][head]
        channels = made.v.ints[live].any(axis=0) | np.zeros(made.v.ints.shape[1], bool)
        entries = [(int(e), int(d)) for e, d in np.argwhere(w_o) if channels[e] or left.get(int(d))]
        if any(left.get(d) for _, d in entries):
            heads.append(_total(made, w_o, entries, left))
            continue
        scale = scaled(w_o, f"{what}, W_O", 0)
        effect = Scaled(made.v.ints @ scale.ints, made.v.shift + scale.shift)
        dims = [int(d) for d in np.flatnonzero(effect.ints[live].any(axis=0))]
        heads.append(_copy(made, effect, dims, due) if dims else {"kind": "idle"})
    after = list(stream.cells)
    for dim, cell in due.items():
        after[dim] = cell
    return replace(stream, cells=after), {"cells": [list(c) for c in claims], "heads": heads}


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

    def attends(self, term: int, rule: Callable[..., Any]) -> Script:
        """Groups by which a rule, `lookup` or `depth`, shows that the head attends as a term."""
        node, what = self.stream.terms.list[term], f"{self.what} (term {term})"
        options = groups(self.stream, node, self.w_q, self.w_k)
        return first(options, lambda some: rule(self.stream, node, self.mask, self.w_q, self.w_k, some, self.dtype, what))


def _copy(head: Head, effect: Scaled, dims: Sequence[int], due: Mapping[int, Cell]) -> Script:
    """The script of a head that writes some dimensions through a lookup."""
    stream = head.stream
    found = {stream.terms.list[due[d].term].args[0] for d in dims if d in due and stream.terms.list[due[d].term].op == "fetch"}
    strange = [d for d in dims if d not in due or stream.terms.list[due[d].term].op != "fetch"]
    if strange or len(found) != 1:
        raise Rejected(f"{head.what} writes dimension {(strange or dims)[0]}, where no value of it belongs")
    (term,) = found
    script = head.attends(term, lookup)
    writes: list[tuple[int, Script]] = []
    for d in dims:
        value, column = stream.terms.list[due[d].term].args[1], effect.ints[:, [d]]
        options = [(1.0, {"over": [], "sums": []})] if due[d].form.kind == "flag" else []
        what, strict = f"{head.what}, value term {due[d].term}", head.mask == "strict"
        shown = partial(_fetched, stream, column, effect.shift, value, due[d], strict, what)
        writes.append((d, first(options + cases(stream, column, [value]), shown)))
    return {"kind": "lookup", "term": term, **script, "writes": writes}


def _fetched(stream: Stream, column: Ints, shift: int, value: int, cell: Cell, strict: bool, what: str, some: Script) -> None:
    fetched(stream, column, shift, value, cell, some, strict, what)


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
            script = head.attends(candidate, depth)
            node = head.stream.terms.list[candidate]
            d, most, *_ = depth(head.stream, node, head.mask, head.w_q, head.w_k, script, head.dtype, head.what)
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
        try:
            shown = partial(_channel, stream, column, other.args[-1], head.mask == "strict", what)
            script = first(cases(stream, column.ints, [other.args[-1]]), shown)
        except Rejected as rejected:
            reason = rejected
            continue
        left[dim].remove((factor, total))
        return [dim, at, factor, total, script]
    raise reason


def _channel(stream: Stream, column: Scaled, value: int, strict: bool, what: str, some: Script) -> None:
    channel(stream, column, value, some, strict, what)


def groups(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled) -> list[tuple[float, Script]]:
    """Components grouped so that no variable is in two groups; what the key's position (and what ranks) adds is in the position's."""
    terms = stream.terms
    tail = list(term.args[2 * term.parts :]) if term.op == "lookup" else []
    closest, ranked = term.fields[1] == "closest", term.op == "lookup" and term.fields[1] in ("largest", "smallest")
    half = len(tail) // 2 if closest else 0
    pairs = [term.keys(p)[:2] for p in range(term.parts)] + [(tail[g], tail[half + g]) for g in range(half)]
    found: list[tuple[float, Script]] = []
    for way in ways(stream, np.concatenate([w_q.ints, w_k.ints], axis=1), [a for pair in pairs for a in pair]):
        links: nx.Graph[tuple[str, int]] = nx.Graph()
        links.add_nodes_from(("part", p) for p in range(len(pairs)))
        links.add_node(("k", POSITION))
        names: dict[str, dict[int, int]] = {}
        for side, rows in zip("qk", np.split(way.rows, 2, axis=1), strict=True):
            nodes = [pair[side == "k"] for pair in pairs]
            read = [cell.term for _, cell in way.stream.held(rows)]
            wanted = needed(way.stream, read, nodes + ([tail[-1]] if ranked and side == "k" else []))
            named = unify(terms, None if wanted is None else wanted | ({POSITION: POSITION} if side == "k" else {}), way.sources)
            if named is None:
                break
            names[side] = named
            for p, node in enumerate(nodes):
                behind = terms.behind(node, set(named)) or set()
                links.add_edges_from((("part", p), (side, terms.find(named[v]))) for v in behind)
            if ranked and side == "k":
                links.add_edges_from((("k", POSITION), ("k", terms.find(named[v]))) for v in terms.behind(tail[-1], set(named)) or ())
            for v in read:  # what no component reads has no group, and the kernel says so
                if terms.list[v].op != "const" and side == "k" and (side, terms.find(named[terms.find(v)])) not in links:
                    links.add_edge(("k", POSITION), (side, terms.find(named[terms.find(v)])))
        if len(names) < 2:
            continue
        raw = {side: {terms.find(v): v for v in names[side].values()} for side in "qk"}
        some: list[Script] = []
        count = 0.0
        for group in sorted(nx.connected_components(links), key=lambda g: sorted(map(str, g))):
            over = {side: sorted(raw[side][v] for kind, v in group if kind == side) for side in "qk"}
            parts = sorted(v for kind, v in group if kind == "part")
            some.append({"parts": parts, "query": over["q"], "key": over["k"]})
            spans = [np.prod([float(terms.ranges[v].hi - terms.ranges[v].lo + 2) for v in over[side]]) for side in "qk"]
            count += float(spans[0] + spans[1] + min(spans[0] * spans[1], 1 << 22))
        found.append((count, {"sums": list(way.sums), "groups": some}))
    return found


def mlp(stream: Stream, w: Mapping[str, Reals], claims: Sequence[Claim], dtype: str, number: int) -> tuple[Stream, Script]:
    """The script of an MLP that is said to leave `claims`, and the stream after it."""
    what = f"block {number} (MLP)"
    w_in, w_out = (scaled(w[name], f"block {number}, {name}", 0) for name in ("W_in", "W_out"))
    due, after = rules.claims(stream.terms, claims, len(stream.cells)), list(stream.cells)
    together: dict[tuple[int, tuple[int, ...]], list[Claim]] = {}
    for claim in claims:
        units = tuple(int(u) for u in np.flatnonzero(w_out.ints[:, claim[3]]))
        together.setdefault((claim[0], units), []).append(claim)
    values, rest = list[Script](), list[Script]()
    for (term, units), some in together.items():
        dims = [claim[3] for claim in some]
        cells = [due[d] for d in dims]
        options = cases(stream, _padded(w_in.ints, units), [term], [c for d in dims if (c := stream.cells[d]) is not None])
        script = first(options, partial(_left, stream, w_in, w_out, dims, cells, dtype, f"{what}, value term {term}"))
        values.append({"cells": [list(claim) for claim in some], **script})
        for d, cell in zip(dims, cells, strict=True):
            after[d] = cell
    for dim in sorted({int(d) for d in np.flatnonzero(w_out.ints.any(axis=0))} - set(due)):
        old = stream.cells[dim]
        options = cases(stream, _padded(w_in.ints, np.flatnonzero(w_out.ints[:, dim])), [], [old] if old else [])
        script = first(options, partial(_left, stream, w_in, w_out, [dim], [], dtype, f"{what}, dimension {dim}"))
        if ask(stream, w_in, w_out, [dim], [], script, dtype, what)[2]:
            after[dim] = None
        rest.append({"dim": dim, **script})
    return replace(stream, cells=after), {"values": values, "rest": rest}


def _left(stream: Stream, w_in: Scaled, w_out: Scaled, dims: list[int], cells: list[Cell], dtype: str, what: str, way: Script) -> None:
    ask(stream, w_in, w_out, dims, cells, way, dtype, what)


def _padded(rows: Ints, units: Sequence[int] | Ints) -> Ints:
    """The columns of some units alone. Where there are none, one of zeros."""
    return rows[:, list(units)] if len(units) else np.zeros((len(rows), 1), np.int64)


def logits(stream: Stream, tensor: Reals, outputs: Sequence[int], forms: Sequence[Any], dtype: str) -> list[Script]:
    """The cases of each output's logits."""
    w_u = scaled(tensor, "W_U")
    parts = np.split(w_u.ints, np.cumsum([rules.width(f) for f in forms])[:-1], axis=1)
    found: list[Script] = []
    for number, (term, form, rows) in enumerate(zip(outputs, forms, parts, strict=True), 1):
        rule = rules.logarithm if form.kind == "log" else rules.right_class
        shown = partial(_said, rule, stream, rows, term, form, w_u.shift, f"output {number}")
        found.append(first(cases(stream, rows, [term]), shown))
    return found


def _said(rule: Callable[..., int], stream: Stream, rows: Ints, term: int, form: Any, shift: int, what: str, way: Script) -> None:
    rule(stream, rows, term, form, shift, way, what)
