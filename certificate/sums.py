"""Sums as variables: what is read of several values only through their sum depends on that sum alone.

A value is often computed from a sum of others that no dimension holds: `rank = smaller + equal`. Enumerating all of them
is hopeless, and not needed: where every weight on their cells is a multiple of the sum's coefficients, the cells may be
replaced by one that holds the sum. Taking it as a variable of its own, beside those it sums, only adds cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..compiler.forms import Form
from ..compiler.graph import Node
from ..compiler.ops import Affine, Local
from .exact import Ints, Refused, TooMany
from .stream import Cell, Stream
from .values import MAX_CASES, Meanings, Var

T = TypeVar("T")
LIMITS = (1 << 16, 1 << 20, MAX_CASES)


def with_sums(stream: Stream, rows: Ints, nodes: Iterable[int]) -> tuple[Stream, Ints]:
    """The stream and the weights on it, (d_model, e), with a dimension more for every sum that the nodes are computed from.

    Columns that read the summed cells only through their sum read the new dimension instead.
    """
    cells, weights = list(stream.cells), rows
    one = next((d for d, c in enumerate(cells) if c is not None and c.var == "one" and c.form.kind != "fill"), None)
    placed = stream.placed()
    for index in _sums(stream.meanings, placed, nodes) if one is not None else ():
        assert one is not None
        terms, constant = _flat(stream.meanings, placed, index)
        holders = [_cells_of(stream, var) for var in terms]  # of each value, the dimensions that hold it
        if not holders or not all(holders):
            continue
        dims = np.array([d for some in holders for d in some])
        factors = np.array(list(terms.values()), np.int64)
        read = np.stack([weights[some].sum(axis=0) for some in holders])  # (terms, e)
        alone = np.stack([np.count_nonzero(weights[some], axis=0) <= 1 for some in holders]).all(axis=0)
        lam = read[0] // factors[0]
        through = alone & (read == lam * factors[:, None]).all(axis=0) & (lam != 0)
        if not through.any():
            continue
        span = stream.meanings.ranges[index]
        offsets = np.array([cells[d].form.off for d in dims], np.int64)  # pyright: ignore[reportOptionalMemberAccess]
        lam, taken = np.where(through, lam, 0), np.where(through, weights[dims], 0)
        if np.abs(offsets).astype(np.float64) @ np.abs(taken).astype(np.float64).max(axis=1) >= 2.0**61:
            continue  # nothing here may leave 64 bits
        # Σ w_j (x_j - off_j) with w = λ·c is λ·(sum - constant) - Σ w_j off_j, and the new cell holds sum - lo + 1.
        weights = weights.copy()
        weights[dims] -= taken
        weights[one] += lam * (span.lo - 1 - constant) - offsets @ taken
        weights = np.concatenate([weights, lam[None, :]])
        cells.append(Cell(index, Form("digits", span.lo - 1, span.hi - span.lo + 1), 0, stream.meanings.graph.nodes[index].name))
    return Stream(stream.meanings, cells), weights


def either_way(prove: Callable[[Stream, Ints], T], stream: Stream, rows: Ints, nodes: Iterable[int]) -> T:
    """A proof by one of the ways of taking what is read as variables: by one that has few cases, if one of them has.

    The ways are the stream as it is, sums as variables, and either with what the token says taken apart; the latter only add cases.
    All that are not refused otherwise are tried up to a number of cases before any is tried beyond. Raises the first way's refusal.
    """
    ways, refusals = [(stream, rows)], dict[int, Refused]()
    for most in LIMITS:
        for number, (way, weights) in enumerate(ways):
            if isinstance(refusals.get(number, TooMany("")), TooMany):
                try:
                    return prove(replace(way, most=most), weights)
                except Refused as refusal:
                    refusals[number] = refusal
                if len(refusals) == 1 and most == LIMITS[0]:
                    ways += _other_ways(stream, rows, nodes)  # they are tried next
    raise refusals[0]


def _other_ways(stream: Stream, rows: Ints, nodes: Iterable[int]) -> list[tuple[Stream, Ints]]:
    """Sums as variables, and what the token says taken apart, where that makes a difference."""
    more, weights = with_sums(stream, rows, nodes)
    ways = [(more, weights)] if len(more.cells) > len(stream.cells) else []
    if sum(stream.meanings.source(var) == "token" for var in stream.placed()) > 1:
        ways += [(replace(way, sources=("position",)), weights) for way, weights in [(stream, rows), *ways]]
    return ways


def _sums(meanings: Meanings, placed: set[Var], nodes: Iterable[int]) -> list[int]:
    """The sums that nodes are computed from at their own position, before anything that is placed."""
    found: list[int] = []
    seen: set[int] = set()
    stack = list(nodes)
    while stack:
        index = stack.pop()
        node = meanings.graph.nodes[index]
        if index in seen or not isinstance(node.op, Local):
            continue
        seen.add(index)
        if _is_sum(meanings, node):
            found.append(index)
        stack += [a for a in node.args if meanings.var(a) not in placed]
    return found


def _flat(meanings: Meanings, placed: set[Var], index: int) -> tuple[dict[Var, int], int]:
    """A sum as multiples of placed values and a constant: sums of sums multiplied out."""
    node = meanings.graph.nodes[index]
    assert isinstance(node.op, Affine)
    terms: dict[Var, int] = {}
    constant = node.op.constant
    for c, a in zip(node.op.coefficients, node.args, strict=True):
        inner: tuple[dict[Var, int], int] = {meanings.var(a): 1}, 0
        if meanings.var(a) not in placed and isinstance(meanings.graph.nodes[a].op, Affine):
            inner = _flat(meanings, placed, a)
        for var, k in inner[0].items():
            terms[var] = terms.get(var, 0) + c * k
        constant += c * inner[1]
    return {var: k for var, k in terms.items() if k}, constant


def _is_sum(meanings: Meanings, node: Node) -> bool:
    """Whether a node is a sum of values that are never ⊥."""
    spans = [meanings.ranges[a] for a in node.args]
    return isinstance(node.op, Affine) and not any(s.none or s.lo > s.hi for s in spans)


def _cells_of(stream: Stream, var: Var) -> list[int]:
    """The dimensions that hold a variable as one number, value - off for every value."""
    found: list[int] = []
    for d, cell in enumerate(stream.cells):
        if cell is not None and cell.var == var and cell.form.kind == "digits" and cell.form.parts == 1:
            values = stream.meanings.domain(var)
            if cell.form.off < values.min() and values.max() <= cell.form.off + cell.form.top:
                found.append(d)
    return found
