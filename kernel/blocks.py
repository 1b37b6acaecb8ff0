"""What a block does to the stream, and what the logits say: a script's claims, each shown by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .heads import fetched, lookup, scores
from .mlp import ask
from .numbers import ARITHMETICS, NONE, Ints, Reals, Rejected, Scaled, exact, raised, scaled
from .stream import Cell, Form, Stream
from .terms import Cases, Terms
from .totals import channel, depth, error, rounded


@dataclass(slots=True)
class Head:
    """What was shown of a head: the term it attends as, the gap in nats, the largest sum of a score in steps, and of one that adds up
    how far a match scores below BOS in nats, how far off a sum may be, and the largest number in the cells that round them."""

    block: int
    head: int
    term: int
    gap: float
    steps: int
    depth: float = 0.0
    error: float = 0.0
    cell: int = 0


@dataclass(slots=True)
class Proved:
    """What was shown on the way: of heads; of cells that round sums (block, dimension, how far off they may be); the cases of MLPs, the
    largest sum in steps, and the least lead of a right class."""

    heads: list[Head] = field(default_factory=list[Head])
    sums: list[tuple[int, int, float]] = field(default_factory=list[tuple[int, int, float]])
    cases: int = 0
    steps: int = 0
    margin: float = 0.0


def claims(terms: Terms, rows: Sequence[Sequence[Any]], d_model: int) -> dict[int, Cell]:
    """What dimensions are said to hold: rows of term, form, the code's dimension and the stream's; none twice."""
    found: dict[int, Cell] = {}
    for term, form, dim, place in rows:
        form = Form(*form).check(f"term {term}")
        if not (0 <= term < len(terms.list) and 0 <= dim < form.width and 0 <= place < d_model) or terms.list[term].op == "lookup":
            raise Rejected(f"term {term} claims dimensions that are none of its form or of the stream")
        found[place] = Cell(term, form, dim)
    if len(found) != len(rows):
        raise Rejected("a dimension is claimed twice")
    return found


def attention(
    stream: Stream, w: Mapping[str, Reals], masks: tuple[str, ...], script: Mapping[str, Any], dtype: str, number: int, proved: Proved
) -> Stream:
    """Rule ATTENTION: each head attends as its lookup, or adds up as its total, and writes what is claimed and nothing else."""
    terms, after, due = stream.terms, list(stream.cells), claims(stream.terms, script["cells"], len(stream.cells))
    live = np.array([c is not None for c in stream.cells])
    kinds = [part["kind"] for part in script["heads"]]
    if len(kinds) != len(masks) or not set(kinds) <= {"lookup", "total", "idle"}:
        raise Rejected(f"block {number} has {len(masks)} heads, each a lookup, a total or idle")
    copies = np.array([kind == "lookup" for kind in kinds])
    w_v, w_o, sums = scaled(w["W_V"], f"block {number}, W_V", 0), scaled(w["W_O"][copies], f"block {number}, W_O", 0), w["W_O"].copy()
    _projection(stream, Scaled(w_v.ints[copies], w_v.shift), w_o, dtype, f"block {number}: the output projection")
    written: set[int] = set()
    added: dict[int, list[Added]] = {}
    for head, (mask, part) in enumerate(zip(masks, script["heads"], strict=True)):
        what = f"block {number}, head {head}"
        w_q, w_k = (scaled(w[name][head], f"{what}, {name}").coarsest() for name in ("W_Q", "W_K"))
        v = Scaled(w_v.ints[head], w_v.shift)  # (d_model, d_head)
        exact(stream.magnitude(v.ints), v.shift, dtype, f"{what}: a value", enters=True)
        if kinds[head] == "lookup":
            gap, steps = lookup(stream, terms.list[part["term"]], mask, w_q, w_k, part, dtype, f"{what} (term {part['term']})")
            proved.heads.append(Head(number, head, part["term"], gap, steps))
            effect = v.ints @ w_o.ints[copies[:head].sum()]  # (d_model, d_model): what the winner's stream adds to the query's
            for dim, cases in part["writes"]:
                read = terms.list[due[dim].term]
                if dim in written or read.op != "fetch" or not terms.same(read.args[0], part["term"]):
                    raise Rejected(f"{what} writes dimension {dim}, where nothing belongs that is read through its lookup")
                written.add(dim)
                fetched(
                    stream,
                    effect[:, [dim]],
                    v.shift + w_o.shift,
                    read.args[1],
                    due[dim],
                    cases,
                    mask == "strict",
                    f"{what}, value term {due[dim].term}",
                )
                effect[:, dim] = 0
            if effect[live].any():
                raise Rejected(f"{what} writes dimension {np.flatnonzero(effect[live].any(axis=0))[0]}, where no value of it belongs")
            continue
        if kinds[head] == "total":
            term = terms.list[part["term"]]
            d, most, clear, steps = depth(stream, term, mask, w_q, w_k, part, dtype, f"{what} (term {part['term']})")
            proved.heads.append(Head(number, head, part["term"], clear, steps, d))
            for dim, at, factor, total, cases in part["adds"]:
                other, scale, name = terms.list[total], float(sums[head, at, dim]), f"{what}, term {total}"
                keys = (other.op, other.fields) == (term.op, term.fields) and all(map(terms.same, other.args[:-1], term.args[:-1]))
                if not (keys and scale and factor):
                    raise Rejected(f"{name} matches other keys, or is not added to dimension {dim}")
                largest = channel(stream, Scaled(v.ints[:, [at]], v.shift), other.args[-1], cases, mask == "strict", name)
                added.setdefault(dim, []).append(Added(factor, terms.find(total), scale, most, largest, proved.heads[-1]))
                sums[head, at, dim] = 0
        else:  # its weights may be anything between 0 and 1, if they are numbers
            bounds = [[stream.magnitude(x.ints[:, [e]]) * 2.0**-x.shift for e in range(x.ints.shape[1])] for x in (w_q, w_k)]
            if not 2 * sum(q * k for q, k in zip(*bounds, strict=True)) < ARITHMETICS[dtype].largest:
                raise Rejected(f"{what} is said to do nothing, and may score what is no number")
        if (v.ints[live].any(axis=0) & sums[head].any(axis=1)).any():
            raise Rejected(f"{what} writes what it is not said to")
    beside = np.abs(w_v.ints[copies][:, live]).any(axis=1)  # (heads, d_head): what copying heads read
    for dim in added:  # what they add and take away again would be one more thing that is rounded with the sum
        if (beside & (w_o.ints[:, :, dim] != 0)).any():
            raise Rejected(f"block {number}: a head that copies writes into dimension {dim}, which holds a sum")
    for dim, cell in due.items():
        name = f"block {number}, dimension {dim}"
        if dim in added and dim not in written:
            proved.sums.append((number, dim, _sum(stream, cell, dim, added.pop(dim), dtype, name)))
        elif stream.cells[dim] is not None or (dim not in written and any(stream.ends(cell))):
            raise Rejected(f"{name}: no head writes term {cell.term}, or it is not free")
        after[dim] = cell
    if added:
        raise Rejected(f"block {number} adds to dimension {min(added)}, where no sum belongs")
    return replace(stream, cells=after)


def _projection(stream: Stream, w_v: Scaled, w_o: Scaled, dtype: str, what: str) -> None:
    """The output projection's sums over all heads that copy are exact."""
    v = np.zeros((len(w_v.ints), w_v.ints.shape[2]))  # (heads, d_head)
    for d, cell in enumerate(stream.cells):
        if cell is not None:
            v += max(map(abs, stream.ends(cell))) * np.abs(w_v.ints[:, d].astype(np.float64))
    total = (v[:, :, None] * np.abs(w_o.ints.astype(np.float64))).sum(axis=(0, 1))  # (d_model,)
    exact(int(total.max(initial=0)), w_v.shift + w_o.shift, dtype, what)


@dataclass(frozen=True, slots=True)
class Added:
    """A total that a head adds to a cell: factor, representative, entry of W_O, how many keys can match, and their largest value."""

    factor: int
    total: int
    scale: float
    most: int
    largest: int
    head: Head


def _sum(stream: Stream, cell: Cell, dim: int, added: Sequence[Added], dtype: str, what: str) -> float:
    """A cell that totals are added to: each of its term's once, and the sum is rounded right. Returns how far off it may be before."""
    node, find = stream.terms.list[cell.term], stream.terms.find
    totals, constant = ([(1, find(cell.term))], 0) if node.op == "total" else ([], None)
    if node.op == "affine":
        totals, constant = [(c, find(a)) for c, a in zip(node.fields[0], node.args, strict=True)], node.fields[1]
    if constant is None or sorted(totals) != sorted((a.factor, a.total) for a in added):
        raise Rejected(f"{what}: its heads do not add up each of its totals once")
    errors = [error(a.scale, a.factor, a.head.depth, a.most, a.largest, len(added), dtype, what) if a.most else 0.0 for a in added]
    largest = rounded(stream, cell, dim, sum(errors), constant, dtype, what)
    for a, some in zip(added, errors, strict=True):
        a.head.error, a.head.cell = max(a.head.error, some), max(a.head.cell, largest)
    return sum(errors)


def mlp(stream: Stream, w: Mapping[str, Reals], script: Mapping[str, Any], dtype: str, number: int, proved: Proved) -> Stream:
    """Rule MLP: each dimension that hidden units write ends as a claimed code, as zero, or as it was."""
    after, what = list(stream.cells), f"block {number} (MLP)"
    w_in, w_out = (scaled(w[name], f"block {number}, {name}", 0) for name in ("W_in", "W_out"))
    most = stream.magnitude(w_in.ints)
    for enters in (False, True):
        proved.steps = max(proved.steps, exact(most, w_in.shift, dtype, f"{what}: a hidden unit", enters))
    done: set[int] = set()
    for part in script["values"]:
        due = claims(stream.terms, part["cells"], len(after))
        if len({cell.term for cell in due.values()}) != 1 or done & set(due):
            raise Rejected(f"{what}: a group of claims is not of one value, or a dimension is claimed twice")
        name = f"{what}, value term {part['cells'][0][0]}"
        cases, steps, _ = ask(stream, w_in, w_out, list(due), list(due.values()), part, dtype, name)
        for dim, cell in due.items():
            after[dim] = cell
        done, proved.cases, proved.steps = done | set(due), proved.cases + cases, max(proved.steps, steps)
    for part in script["rest"]:
        if not 0 <= part["dim"] < len(after):
            raise Rejected(f"{what} has no dimension {part['dim']}")
        cases, steps, cleared = ask(stream, w_in, w_out, [part["dim"]], [], part, dtype, f"{what}, dimension {part['dim']}")
        if part["dim"] not in done and cleared:
            after[part["dim"]] = None
        done, proved.cases, proved.steps = done | {part["dim"]}, proved.cases + cases, max(proved.steps, steps)
    left = set(map(int, np.flatnonzero(w_out.ints.any(axis=0)))) - done
    if left:
        raise Rejected(f"{what} writes dimension {min(left)}, of which nothing is said")
    return replace(stream, cells=after)


def logits(stream: Stream, tensor: Reals, forms: Sequence[Form], script: Mapping[str, Any], dtype: str, proved: Proved) -> None:
    """Rule LOGITS: the right class has the greatest logit of its output, by a margin, or the logit is exactly the form's logarithm."""
    w_u = scaled(tensor, "W_U")
    proved.steps = max(proved.steps, exact(stream.magnitude(w_u.ints), w_u.shift, dtype, "a logit"))
    parts = np.split(w_u.ints, np.cumsum([width(f) for f in forms])[:-1], axis=1)
    margins: list[int] = []
    for number, (term, form, rows, cases) in enumerate(zip(script["outputs"], forms, parts, script["logits"], strict=True), 1):
        rule = logarithm if form.kind == "log" else right_class
        margins.append(rule(stream, rows, term, form, w_u.shift, cases, f"output {number}"))
    proved.margin = min(margins) / 4 * 2.0**-w_u.shift


def width(form: Form) -> int:
    """Logits of an output: one for ⊥ (class 0) and one for each value, or the logarithm itself."""
    return 1 if form.check("an output").kind == "log" else form.top + 1


def logarithm(stream: Stream, rows: Ints, term: int, form: Form, shift: int, script: Mapping[str, Any], what: str) -> int:
    """Four times the least difference between two values' logits, every one being exactly what its form says."""
    wide, rows = stream.with_sums(rows, script["sums"])
    cases = wide.terms.cases(script["over"], what)
    (values,), weights = wide.terms.values([term], cases, what), np.array([1, 1 << (form.parts + 8)])

    def said(v: Ints) -> Ints:
        return np.stack([form.codes(v, 0), form.codes(v, 1)], axis=1) @ weights

    if ((values == NONE) | (values - form.off < 1) | (values - form.off > form.top)).any():
        raise Rejected(f"{what} can take a value that has no logarithm")
    if (wide.combine(rows, wide.held(rows), cases, what)[:, 0] != raised(said(values), shift, what)).any():
        raise Rejected(f"{what}: its logit is not the logarithm of term {term}")
    apart = np.diff(said(np.arange(form.off + 1, form.off + form.top + 1)))  # of all that a logit may be read as
    if (apart <= 0).any():
        raise Rejected(f"{what}: two values have the same logit")
    return 4 * int(apart.min(initial=int(weights[1]))) << shift


def right_class(stream: Stream, rows: Ints, term: int, form: Form, shift: int, script: Mapping[str, Any], what: str) -> int:
    """Four times the least lead of the right class's logit, in steps of W_U's grid. Class 0 is ⊥, class z the value z + off.

    Classes are keys and the stream is the query, so the rules of scores apply. Where logits are q·code(class) - |code(class)|², q is
    taken as what the stream says of the code.
    """
    wide, rows = stream.with_sums(rows, script["sums"])
    cases = wide.terms.cases(script["over"], what)
    same = [(d, c) for d, c in wide.held(rows) if wide.terms.list[c.term].op == "const"]
    unary = wide.combine(rows, same, Cases((), ()), what)[0]  # (classes,)
    x = wide.combine(np.eye(len(rows), dtype=np.int64), [some for some in wide.held(rows) if some not in same], cases, what)  # (cases, d)
    (values,) = wide.terms.values([term], cases, what)
    z = values - form.off
    if ((values != NONE) & ((z < 1) | (z > form.top))).any():
        raise Rejected(f"{what} can take a value that has no class")
    meaning, q, k, rest = np.where(values == NONE, 0, z), x, rows.T, unary
    classes = np.arange(form.top + 1)
    some = range(form.width if form.width * len(classes) < 1 << 24 else 0)
    codes = np.array([form.codes(np.where(classes, classes + form.off, NONE), dim) for dim in some], np.int64).reshape(len(some), -1).T
    ones = np.flatnonzero((np.abs(codes).sum(axis=1) == 1) & (codes.sum(axis=1) == 1))  # classes whose code is 1 in one dimension alone
    spots = dict(zip(codes[ones].argmax(axis=1).tolist() if len(ones) else [], ones.tolist(), strict=True))
    most = [float(np.abs(a).max(initial=0)) for a in (codes, rows, unary)]
    small = form.width * most[0] * (most[1] + most[2] + 2.0**30 + most[0] * 2.0 ** min(max(shift, 0), 30)) < 2.0**60
    if some and 0 <= shift <= 30 and len(spots) == form.width and small:
        at = [spots[dim] for dim in some]
        weights, constant, squares = rows[:, at], unary[at] + (1 << shift), (codes * codes).sum(axis=1) << shift
        live = x.any(axis=0)
        if (rows[live] == weights[live] @ codes.T).all() and (unary == codes @ constant - squares).all():
            q, k, rest = x @ weights + constant, codes, -squares
    found = scores(2 * q, k, np.zeros(len(q), np.int64), 2 * rest, meaning[:, None], classes[:, None], ((),), what)
    margin = int((found.least - found.rival).min())
    if margin <= 0:
        raise Rejected(f"{what}: a wrong class can have the greatest logit")
    return margin
