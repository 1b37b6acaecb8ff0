"""What a block does to the stream, and what the logits say: a script's claims, each shown by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .heads import MAX_PAIRS, lookup
from .numbers import ARITHMETICS, NONE, Ints, Reals, Rejected, Scaled, TooMany, exact, product, raised, scaled
from .stream import BLOCK, Cell, Form, Stream, claims, example, shown
from .terms import ONE, whole
from .totals import Added, depth, error, rounded

MAX_WORK = 1 << 29


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


def attention(
    stream: Stream, w: Mapping[str, Reals], masks: tuple[str, ...], script: Mapping[str, Any], dtype: str, number: int, proved: Proved
) -> Stream:
    """Rule ATTENTION: each head attends as its lookup, or adds up as its total, and writes what is claimed and nothing else."""
    terms, live = stream.terms, np.array([c is not None for c in stream.cells])
    due = claims(terms, script["cells"], len(live), dtype)
    kinds = [part["kind"] for part in script["heads"]]
    if len(kinds) != len(masks) or not set(kinds) <= {"lookup", "total", "idle"}:
        raise Rejected(f"block {number} has {len(masks)} heads, each a lookup, a total or idle")
    copies = np.array([kind == "lookup" for kind in kinds])
    w_v, w_o = scaled(w["W_V"], f"block {number}, W_V", 0), scaled(w["W_O"] * copies[:, None, None], f"block {number}, W_O", 0)
    _projection(stream, w_v, w_o, dtype, f"block {number}: the output projection")
    written, added = set[int](), dict[int, list[tuple[Added, Head]]]()
    for head, (mask, part) in enumerate(zip(masks, script["heads"], strict=True)):
        what = f"block {number}, head {head}"
        w_q, w_k = (scaled(w[name][head], f"{what}, {name}") for name in ("W_Q", "W_K"))
        v, left = Scaled(w_v.ints[head], w_v.shift), w["W_O"][head].copy()  # (d_model, d_head), (d_head, d_model)
        exact(stream.magnitude(v.ints), v.shift, dtype, f"{what}: a value", enters=True)
        if kinds[head] == "idle":  # its weights may be anything between 0 and 1, if they are numbers
            bounds = [[stream.magnitude(x.ints[:, [e]]) * 2.0**-x.shift for e in range(x.ints.shape[1])] for x in (w_q, w_k)]
            if not 2 * sum(q * k for q, k in zip(*bounds, strict=True)) < ARITHMETICS[dtype].largest:
                raise Rejected(f"{what} is said to do nothing, and may score what is no number")
        elif kinds[head] == "lookup":
            gap, steps = lookup(stream, terms.list[part["term"]], mask, w_q, w_k, part, dtype, f"{what} (term {part['term']})")
            proved.heads.append(Head(number, head, part["term"], gap, steps))
            effect = product(v.ints * live[:, None], w_o.ints[head], what)  # what the winner's stream adds to the query's
            for dim, cases in part["writes"]:
                read = terms.list[due[dim].term]
                if dim in written or read.op != "fetch" or not terms.same(read.args[0], part["term"]):
                    raise Rejected(f"{what} writes dimension {dim}, where nothing belongs that is read through its lookup")
                fetched(stream, effect[:, [dim]], v.shift + w_o.shift, read.args[1], due[dim], cases, mask, what)
                written.add(dim)
                effect[:, dim] = 0
            if effect.any():
                raise Rejected(f"{what} writes dimension {np.flatnonzero(effect.any(axis=0))[0]}, where no value of it belongs")
            left[:] = 0
        else:
            term = terms.list[part["term"]]
            d, most, clear, steps = depth(stream, term, mask, w_q, w_k, part, dtype, f"{what} (term {part['term']})")
            proved.heads.append(Head(number, head, part["term"], clear, steps, d))
            for dim, at, factor, total, cases in part["adds"]:
                other, name, scale = terms.list[total], f"{what}, total term {total}", float(left[at, dim])
                keys = (other.op, other.fields) == (term.op, term.fields) and all(map(terms.same, other.args[:-1], term.args[:-1]))
                if not (keys and scale and factor):
                    raise Rejected(f"{name} matches other keys, or is not added to dimension {dim}")
                summed(stream, v.ints[:, [at]], v.shift, other.args[-1], cases, mask, name)
                span, left[at, dim] = terms.ranges[other.args[-1]], 0
                one = Added(factor, terms.find(total), scale, d, most, max(abs(span.lo), abs(span.hi)))
                added.setdefault(dim, []).append((one, proved.heads[-1]))
        if (v.ints[live].any(axis=0) & left.any(axis=1)).any():
            raise Rejected(f"{what} writes what it is not said to")
    after, beside = list(stream.cells), np.abs(w_v.ints[:, live]).any(axis=1)  # (heads, d_head): what heads read
    for dim, cell in due.items():
        name = f"block {number}, dimension {dim}"
        if dim in added and dim not in written:
            # What copying heads add and take away again would be one more thing that is rounded with the sum.
            if (beside & (w_o.ints[:, :, dim] != 0)).any():
                raise Rejected(f"block {number}: a head that copies writes into dimension {dim}, which holds a sum")
            some = added.pop(dim)
            errors, largest = rounded(stream, cell, dim, [one for one, _ in some], dtype, name)
            proved.sums.append((number, dim, errors))
            for one, head in some:
                own = error(one, len(some), dtype, name) if one.most else 0.0
                head.error, head.cell = max(head.error, own), max(head.cell, largest)
        elif stream.cells[dim] is not None or (dim not in written and (cell.least or cell.most)):
            raise Rejected(f"{name}: no head writes term {cell.term}, or it is not free")
        after[dim] = cell
    if added:
        raise Rejected(f"block {number} adds to dimension {min(added)}, where no sum belongs")
    return replace(stream, cells=tuple(after))


def _projection(stream: Stream, w_v: Scaled, w_o: Scaled, dtype: str, what: str) -> None:
    """The output projection's sums over all heads that copy are exact."""
    v = np.zeros((len(w_v.ints), w_v.ints.shape[2]))  # (heads, d_head)
    for d, cell in enumerate(stream.cells):
        if cell is not None:
            v += max(abs(cell.least), abs(cell.most)) * np.abs(w_v.ints[:, d].astype(np.float64))
    total = (v[:, :, None] * np.abs(w_o.ints.astype(np.float64))).sum(axis=(0, 1))  # (d_model,)
    exact(int(total.max(initial=0)), w_v.shift + w_o.shift, dtype, what)


def fetched(stream: Stream, column: Ints, shift: int, value: int, cell: Cell, script: Mapping[str, Any], mask: str, what: str) -> None:
    """Rule FETCH: what the winner's stream adds to one dimension is the code of the value there, whatever position it is."""
    span, form = stream.terms.ranges[value], cell.form

    def code(values: Ints) -> Ints:
        return form.codes(values, cell.dim)

    there = form.kind == "flag" and not span.none and form.off < span.lo <= span.hi <= form.off + form.top  # a flag of what is never ⊥ is 1
    asked = (ONE, np.ones_like) if there else (value, code)
    shown(stream, column, shift, *asked, script, what, f"what is read is not the code of term {value}", mask == "strict")


def summed(stream: Stream, column: Ints, shift: int, value: int, script: Mapping[str, Any], mask: str, what: str) -> None:
    """Rule TOTAL, 4: a channel of the head holds the value as a number, 0 for ⊥."""

    def number(values: Ints) -> Ints:
        return np.where(values == NONE, 0, values)

    shown(stream, column, shift, value, number, script, what, f"what is added up is not term {value}", mask == "strict")


def mlp(stream: Stream, w: Mapping[str, Reals], script: Mapping[str, Any], dtype: str, number: int, proved: Proved) -> Stream:
    """Rule MLP: each dimension that hidden units write ends as a claimed code, which may be the one it held, or as zero."""
    after, what, done = list(stream.cells), f"block {number} (MLP)", set[int]()
    w_in, w_out = (scaled(w[name], f"block {number}, {name}", 0) for name in ("W_in", "W_out"))
    for enters in (False, True):
        proved.steps = max(proved.steps, exact(stream.magnitude(w_in.ints), w_in.shift, dtype, f"{what}: a hidden unit", enters))
    for part in script["values"]:
        due: dict[int, Cell | None] = {**dict.fromkeys(part["zero"]), **claims(stream.terms, part["cells"], len(after), dtype)}
        if done & set(due) or not set(due) <= set(range(len(after))):
            raise Rejected(f"{what}: a dimension is claimed twice, or is none")
        name = f"{what}, value term {part['cells'][0][0]}" if part["cells"] else f"{what}, dimension {min(due)}"
        cases, steps = left(stream, w_in, w_out, due, part, dtype, name)
        for dim, cell in due.items():
            after[dim] = cell
        done, proved.cases, proved.steps = done | set(due), proved.cases + cases, max(proved.steps, steps)
    lost = set(map(int, np.flatnonzero(w_out.ints.any(axis=0)))) - done
    if lost:
        raise Rejected(f"{what} writes dimension {min(lost)}, of which nothing is said")
    return replace(stream, cells=tuple(after))


def left(
    stream: Stream, w_in: Scaled, w_out: Scaled, due: Mapping[int, Cell | None], script: Mapping[str, Any], dtype: str, what: str
) -> tuple[int, int]:
    """What hidden units leave in some dimensions is the code that is due there, or zero. Returns the cases and the largest sum in steps.

    Units and old contents that the script sets "apart", with variables of their own, must add the same in every case; the others are
    enumerated together with what is due. Each part is subtracted from what is left for the next: together they are all there is.
    """
    wide, rows = stream.with_sums(w_in.ints, script["sums"])
    dims, shift = list(due), w_in.shift + w_out.shift
    out, old = w_out.ints[:, dims], np.zeros((len(wide.cells), len(dims)), np.int64)  # (d_mlp, dims), (d_model, dims)
    old[dims, range(len(dims))] = 1
    constant, size, count, steps = np.zeros(len(dims), np.int64), 0, 0, 0
    for part in [*script["apart"], {"over": script["over"], "units": slice(None), "dims": slice(None)}]:
        mine, before = np.zeros_like(out), np.zeros_like(old)
        mine[part["units"]], before[part["dims"]] = out[part["units"]], old[part["dims"]]
        out, old, last, largest, start = out - mine, old - before, part["units"] == slice(None), 0, None
        units = np.flatnonzero(mine.any(axis=1))
        for cases in wide.terms.cases(part["over"], what, most=max(1, BLOCK * 32 // max(32, len(units)))):
            count += cases.count
            if count * len(units) > MAX_WORK:
                raise TooMany(
                    f"{what} has more than {count:,} cases of {len(units):,} units", count * len(units), len(part["over"]), MAX_WORK
                )
            hidden = np.maximum(wide.read(rows[:, units], cases, what), 0)
            added, sizes = np.split(product(hidden, np.concatenate([mine[units], np.abs(mine[units])], axis=1), what), 2, axis=1)
            after, largest = added + raised(wide.read(before, cases, what), shift, what), max(largest, int(sizes.max(initial=0)))
            if last:
                steps = max(steps, exact(size + largest, shift, dtype, f"{what}: the sum"))
                steps = max(steps, exact(int(np.abs(after + constant).max(initial=0)), shift, dtype, f"{what}: the sum"))
                values = wide.terms.values([cell.term for cell in due.values() if cell is not None], cases, what)[::-1]
                codes = [
                    cell.form.codes(values.pop(), cell.dim) if cell is not None else np.zeros(cases.count, np.int64)
                    for cell in due.values()
                ]
                wanted = raised(np.stack(codes, axis=1), shift, what) - constant
                if (wrong := (after != wanted).any(axis=1)).any():
                    raise Rejected(f"{what}: it is not the code of the value", example(cases, wrong))
            elif (wrong := (after != (start := after[0] if start is None else start)).any(axis=1)).any():
                raise Rejected(f"{what}: something else shows through", example(cases, wrong))
        constant, size = constant + (0 if start is None else start), size + largest
    return count, steps


def logits(stream: Stream, tensor: Reals, forms: Sequence[Form], script: Mapping[str, Any], dtype: str, proved: Proved) -> None:
    """Rule LOGITS: the right class has the greatest logit of its output, by a margin, or the logit is exactly the form's logarithm."""
    w_u = scaled(tensor, "W_U", 0)
    proved.steps = max(proved.steps, exact(stream.magnitude(w_u.ints), w_u.shift, dtype, "a logit"))
    parts, doubled = np.split(w_u.ints, np.cumsum([form.logits for form in forms])[:-1], axis=1), list[int]()
    for number, (term, form, rows, cases) in enumerate(zip(script["outputs"], forms, parts, script["logits"], strict=True), 1):
        rule = logarithm if form.kind == "log" else nearest if "code" in cases else right_class
        doubled.append(rule(stream, rows, term, form, w_u.shift, cases, f"output {number}"))
        if doubled[-1] <= 0:
            raise Rejected(f"output {number}: a wrong class can have the greatest logit")
    proved.margin = min(doubled) / 2 * 2.0**-w_u.shift


def logarithm(stream: Stream, rows: Ints, term: int, form: Form, shift: int, script: Mapping[str, Any], what: str) -> int:
    """Twice the least difference between two values' logits, every one being exactly what its form says."""
    span, weight = stream.terms.ranges[term], 1 << (form.parts + 8)

    def said(v: Ints) -> Ints:
        return form.codes(v, 0) + weight * form.codes(v, 1)

    if span.none or span.lo - form.off < 1 or span.hi - form.off > form.top:
        raise Rejected(f"{what} can take a value that has no logarithm")
    shown(stream, rows, shift, term, said, script, what, f"its logit is not the logarithm of term {term}")
    apart = np.diff(said(np.arange(form.off + 1, form.off + form.top + 1)))  # of all that a logit may be read as
    if (apart <= 0).any():
        raise Rejected(f"{what}: two values have the same logit")
    return 2 * int(apart.min(initial=weight)) << shift


def right_class(stream: Stream, rows: Ints, term: int, form: Form, _: int, script: Mapping[str, Any], what: str) -> int:
    """Twice the least lead of the right class's logit over any other. Class 0 is ⊥, class z the value z + off."""
    wide, rows = stream.with_sums(rows, script["sums"])
    lead, count = 1 << 60, 0
    for cases in wide.terms.cases(script["over"], what, most=max(1, MAX_PAIRS // rows.shape[1])):
        count += cases.count * rows.shape[1]
        if count > MAX_WORK // 8:
            raise TooMany(f"{what} has more than {count:,} cases of its classes", count, 2, MAX_WORK // 8)
        (value,) = wide.terms.values([term], cases, what)
        z, at, found = np.where(value == NONE, 0, value - form.off), np.arange(cases.count), wide.read(rows, cases, what)
        if (z[value != NONE] < 1).any() or (z > form.top).any():
            raise Rejected(f"{what} can take a value that has no class")
        right, found[at, z] = found[at, z], -(1 << 60)
        lead = min(lead, int((right - found.max(axis=1)).min(initial=lead)))
    return 2 * lead


def nearest(stream: Stream, rows: Ints, term: int, form: Form, _: int, script: Mapping[str, Any], what: str) -> int:
    """The same, where the script has weights A with which the stream gives f·c(v), c being the codes of classes, and logits are
    f·c(v)·c(z) - f·|c(z)|²/2, by A and a dimension that holds 1: their lead is f·|c(v) - c(z)|²/2, at least f/2."""
    weights, f, one = np.array(script["code"], np.int64), script["factor"], stream.cells[script["one"]]
    if form.width * rows.shape[1] > MAX_PAIRS * 4 or not whole(f):
        raise TooMany(
            f"{what} has {rows.shape[1]:,} classes with codes of {form.width:,} numbers", form.width * rows.shape[1], 2, MAX_PAIRS * 4
        )
    values = np.append(NONE, np.arange(1, form.top + 1) + form.off)
    codes = np.stack([form.codes(values, dim) for dim in range(form.width)], axis=1)  # (classes, width)
    squares = product(codes * codes, np.ones(form.width, np.int64), what) if np.abs(codes).max() < 2**25 else None
    if one is None or (one.term, one.least, one.most) != (ONE, 1, 1) or squares is None or abs(f) * int(squares.max()) > 2**60:
        raise Rejected(f"{what}: its classes are not told apart by their codes")
    beside = 2 * (rows - product(weights, codes.T, what))
    beside[script["one"]] += f * squares
    if beside[[c is not None for c in stream.cells]].any() or len(np.unique(codes, axis=0)) < len(codes):
        raise Rejected(f"{what}: its classes are not told apart by their codes")

    def wanted(v: Ints) -> Ints:
        if ((v != NONE) & ((v - form.off < 1) | (v - form.off > form.top))).any():
            raise Rejected(f"{what} can take a value that has no class")
        return f * np.stack([form.codes(v, dim) for dim in range(form.width)], axis=1)

    shown(stream, weights, 0, term, wanted, script, what, "the stream does not say its code")
    return f
