"""What a block does to the stream: a script's claims, each shown by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .heads import lookup
from .numbers import ARITHMETICS, NONE, Ints, Reals, Rejected, Scaled, exact, few, product, raised, scaled
from .stream import BLOCK, Cell, Stream, claims, example, shown
from .terms import ONE
from .totals import Added, depth, rounded

MAX_WORK = 1 << 30  # cases times units: about a minute


class Fact(NamedTuple):
    """What was shown of a part, for those who ask how far it is from failing; the theorem needs none of it.

    `kind` is lookup, total, sum (a cell that rounds one), mlp or logits; `place` the head or dimension, `steps` the largest sum in steps of
    its grid, `margin` the gap in nats, how far off a sum may be, or the least lead of a right class; `depth` how far below BOS a total's
    matches score, in nats; `cases` what was enumerated.
    """

    kind: str
    block: int
    place: int
    term: int
    steps: int
    margin: float = 0.0
    depth: float = 0.0
    cases: int = 0


def attention(
    stream: Stream, w: Mapping[str, Reals], masks: tuple[str, ...], script: Mapping[str, Any], dtype: str, number: int, facts: list[Fact]
) -> Stream:
    """Rule ATTENTION: each head attends as its lookup, or adds up as its total, and writes what is claimed and nothing else."""
    terms, due, live = stream.terms, claims(stream.terms, script["cells"], len(stream.cells), dtype), stream.live()
    kinds = [part["kind"] for part in script["heads"]]
    if len(kinds) != len(masks) or not set(kinds) <= {"lookup", "total", "idle"}:
        raise Rejected(f"block {number} has {len(masks)} heads, each a lookup, a total or idle")
    copies = np.array([kind == "lookup" for kind in kinds])
    w_v, w_o = scaled(w["W_V"], f"block {number}, W_V", 0), scaled(w["W_O"] * copies[:, None, None], f"block {number}, W_O", 0)
    _projection(stream, w_v, w_o, dtype, f"block {number}: the output projection")
    written, added = set[int](), dict[int, list[Added]]()
    for at, (mask, part) in enumerate(zip(masks, script["heads"], strict=True)):
        what = f"block {number}, head {at}"
        w_q, w_k = (scaled(w[name][at], f"{what}, {name}") for name in ("W_Q", "W_K"))
        v = Scaled(w_v.ints[at], w_v.shift)  # (d_model, d_head)
        exact(int(stream.sizes(v.ints).max(initial=0)), v.shift, dtype, f"{what}: a value", enters=True)
        left = w["W_O"][at] * (not copies[at])  # what is not accounted for yet. Shape: (d_head, d_model)
        if part["kind"] == "idle":
            idle(stream, w_q, w_k, dtype, what)
        else:
            term, name = terms.list[part["term"]], f"{what} (term {part['term']})"
            if (term.op, mask) != (part["kind"], term["mask"]):
                raise Rejected(f"{name} has the mask {mask}, and is no such {part['kind']}")
            if part["kind"] == "lookup":
                gap, steps = lookup(stream, term, w_q, w_k, part, dtype, name)
                facts.append(Fact("lookup", number, at, part["term"], steps, gap))
                copied(stream, v, Scaled(w_o.ints[at], w_o.shift), part, due, written, mask, name)
            else:
                d, most, clear, steps = depth(stream, term, w_q, w_k, part, dtype, name)
                facts.append(Fact("total", number, at, part["term"], steps, clear, d))
                for dim, one in adds(stream, v, part, left, d, most, mask, name):
                    added.setdefault(dim, []).append(one)
        if (v.ints[live].any(axis=0) & left.any(axis=1)).any():
            raise Rejected(f"{what} writes what it is not said to")
    after, beside = list(stream.cells), np.abs(w_v.ints[:, live]).any(axis=1)  # (heads, d_head): what heads read
    for dim, cell in due.items():
        name = f"block {number}, dimension {dim}"
        if dim in added and dim not in written:
            # What copying heads add and take away again would be one more thing that is rounded with the sum.
            if (beside & (w_o.ints[:, :, dim] != 0)).any():
                raise Rejected(f"block {number}: a head that copies writes into dimension {dim}, which holds a sum")
            errors, largest = rounded(stream, cell, dim, added.pop(dim), dtype, name)
            facts.append(Fact("sum", number, dim, cell.term, largest, errors))
        elif stream.cells[dim] is not None or (dim not in written and (cell.least or cell.most)):
            raise Rejected(f"{name}: no head writes term {cell.term}, or it is not free")
        after[dim] = cell
    if added:
        raise Rejected(f"block {number} adds to dimension {min(added)}, where no sum belongs")
    return replace(stream, cells=tuple(after))


def _projection(stream: Stream, w_v: Scaled, w_o: Scaled, dtype: str, what: str) -> None:
    """The output projection's sums over all heads that copy are exact."""
    most = np.array([0 if c is None else max(abs(c.least), abs(c.most)) for c in stream.cells])
    v = np.einsum("d,hde->he", most.astype(np.float64), np.abs(w_v.ints.astype(np.float64)))
    total = np.einsum("he,hed->d", v, np.abs(w_o.ints.astype(np.float64)))
    exact(int(total.max(initial=0)), w_v.shift + w_o.shift, dtype, what)


def idle(stream: Stream, w_q: Scaled, w_k: Scaled, dtype: str, what: str) -> None:
    """A head that reads into zeros: its weights may be anything between 0 and 1, if they are numbers."""
    q, k = (stream.sizes(x.ints) * 2.0**-x.shift for x in (w_q, w_k))
    if not 2 * float(q @ k) < ARITHMETICS[dtype].largest:
        raise Rejected(f"{what} is said to do nothing, and may score what is no number")


def copied(
    stream: Stream, v: Scaled, o: Scaled, script: Mapping[str, Any], due: Mapping[int, Cell], written: set[int], mask: str, what: str
) -> None:
    """Rule FETCH: what a lookup's winner adds to each dimension is the code of the value there, whatever position it is; or nothing."""
    # What the winner's stream adds to the query's. Shape: (d_model, d_model).
    terms, effect = stream.terms, product(v.ints * stream.live()[:, None], o.ints, what)
    for dim, cases in script["writes"]:
        read = terms.list[due[dim].term]
        if dim in written or read.op != "fetch" or not terms.same(read.args[0], script["term"]):
            raise Rejected(f"{what} writes dimension {dim}, where nothing belongs that is read through its lookup")
        fetched(stream, effect[:, [dim]], v.shift + o.shift, read.args[1], due[dim], cases, mask, what)
        written.add(dim)
        effect[:, dim] = 0
    if effect.any():
        raise Rejected(f"{what} writes dimension {np.flatnonzero(effect.any(axis=0))[0]}, where no value of it belongs")


def fetched(stream: Stream, column: Ints, shift: int, value: int, cell: Cell, script: Mapping[str, Any], mask: str, what: str) -> None:
    """What the winner's stream adds to one dimension is a cell's code of the value there."""
    (low, high, none, _), form, no = stream.terms.ranges[value], cell.form, f"what is read is not the code of term {value}"
    if form.kind == "flag" and not none and form.off < low <= high <= form.off + form.top:  # a flag of what is never ⊥ is 1
        shown(stream, column, shift, ONE, np.ones_like, script, what, no)
    else:
        shown(stream, column, shift, value, lambda v: form.codes(v, cell.dim), script, what, no, mask == "strict")


def adds(
    stream: Stream, v: Scaled, script: Mapping[str, Any], left: Reals, d: float, most: int, mask: str, what: str
) -> list[tuple[int, Added]]:
    """Rule TOTAL, 4: each entry of W_O that is said to add a total multiplies a channel that holds the value; it is taken from `left`."""
    terms, term, found = stream.terms, stream.terms.list[script["term"]], list[tuple[int, Added]]()
    for dim, at, factor, total, cases in script["adds"]:
        other, name, scale = terms.list[total], f"{what}, total term {total}", float(left[at, dim])
        keys = (other.op, other.fields) == (term.op, term.fields) and all(map(terms.same, other.args[:-1], term.args[:-1]))
        if not (keys and scale and factor):
            raise Rejected(f"{name} matches other keys, or is not added to dimension {dim}")
        summed(stream, v.ints[:, [at]], v.shift, other.args[-1], cases, mask, name)
        span, left[at, dim] = terms.ranges[other.args[-1]], 0
        found.append((dim, Added(factor, terms.find(total), scale, d, most, max(abs(span.lo), abs(span.hi)))))
    return found


def summed(stream: Stream, column: Ints, shift: int, value: int, script: Mapping[str, Any], mask: str, what: str) -> None:
    """A channel of the head holds the value as a number, 0 for ⊥."""
    no = f"what is added up is not term {value}"
    shown(stream, column, shift, value, lambda v: np.where(v == NONE, 0, v), script, what, no, mask == "strict")


def mlp(stream: Stream, w: Mapping[str, Reals], script: Mapping[str, Any], dtype: str, number: int, facts: list[Fact]) -> Stream:
    """Rule MLP: each dimension that hidden units write ends as a claimed code, which may be the one it held, or as zero."""
    after, what, done = list(stream.cells), f"block {number} (MLP)", set[int]()
    w_in, w_out = (scaled(w[name], f"block {number}, {name}", 0) for name in ("W_in", "W_out"))
    most = int(stream.sizes(w_in.ints).max(initial=0))
    exact(most, w_in.shift, dtype, f"{what}: a hidden unit", enters=True)  # no arithmetic adds up in fewer bits
    for part in script["values"]:
        due: dict[int, Cell | None] = {**dict.fromkeys(part["zero"]), **claims(stream.terms, part["cells"], len(after), dtype)}
        if done & set(due) or not set(due) <= set(range(len(after))):
            raise Rejected(f"{what}: a dimension is claimed twice, or is none")
        name = f"{what}, value term {part['cells'][0][0]}" if part["cells"] else f"{what}, dimension {min(due)}"
        cases, steps = left(stream, w_in, w_out, due, part, dtype, name)
        facts.append(Fact("mlp", number, min(due), part["cells"][0][0] if part["cells"] else ONE, max(most, steps), cases=cases))
        done |= set(due)
        for dim, cell in due.items():
            after[dim] = cell
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
    dims, shift, size, count = list(due), w_in.shift + w_out.shift, 0, 0
    out, old = w_out.ints[:, dims], np.zeros((len(wide.cells), len(dims)), np.int64)  # (d_mlp, dims), (d_model, dims)
    old[dims, range(len(dims))] = raised(np.array(1), shift, what)
    constant = np.zeros((len(dims), 1), np.int64)
    for part in [*script["apart"], {"over": script["over"], "units": slice(None), "dims": slice(None)}]:
        mine, before, last = np.zeros_like(out), np.zeros_like(old), part["units"] == slice(None)
        mine[part["units"]], before[part["dims"]] = out[part["units"]], old[part["dims"]]
        out, old, largest, wanted = out - mine, old - before, 0, None
        units = np.flatnonzero(mine.any(axis=1))
        weights = np.concatenate([mine[units], np.abs(mine[units])], axis=1).T  # (2 dims, units)
        for cases in wide.terms.cases(part["over"], what, most=max(1, BLOCK * 32 // max(32, len(units)))):
            count += cases.count
            few(count * len(units), MAX_WORK, len(part["over"]), f"{what} has more than {count:,} cases of {len(units):,} units")
            hidden = np.maximum(wide.read(rows[:, units], cases, what), 0)  # (units, cases)
            added, sizes = np.split(product(weights, hidden, what), 2)
            after = added + wide.read(before, cases, what).astype(np.int64) + constant  # (dims, cases)
            largest = max(largest, int(sizes.max(initial=0)))
            if last:
                values = wide.terms.values([c.term for c in due.values() if c is not None], cases, what)[::-1]
                codes = [np.zeros(cases.count, np.int64) if c is None else c.form.codes(values.pop(), c.dim) for c in due.values()]
                exact(int(np.abs(after).max(initial=0)), shift, dtype, f"{what}: the sum")
                fault, wanted = "it is not the code of the value", raised(np.stack(codes), shift, what)
            else:
                fault, wanted = "something else shows through", after[:, :1] if wanted is None else wanted
            if (wrong := (after != wanted).any(axis=0)).any():
                raise Rejected(f"{what}: {fault}", example(cases, wrong))
        size = exact(size + largest, shift, dtype, f"{what}: the sum")
        constant = constant if wanted is None else wanted
    return count, size
