"""Rule MLP: what hidden units leave in some dimensions is a code, or zero, or what was there, in every case.

What is asked is written down as a question without names, so that equal questions of different blocks have one answer. Terms that
share no variable add independently, so the variables fall into parts: the part that determines the wanted value is compared with it
case by case; every other part must be constant. All in whole numbers of float64 below 2**53.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .numbers import NONE, Ints, Reals, Rejected, Scaled, TooMany, exact, raised
from .stream import Cell, Form, Stream, coded
from .terms import require_few, run

MAX_WORK = 1 << 29
BLOCK = 1 << 17  # cases times hidden units: what stays in the processor's cache


@dataclass(frozen=True, slots=True)
class Question:
    """Hidden units read `cells`, (step, form, dim), by w_in (cells, units), and w_out (units, dims) adds them to dims that held `old`.

    Does each dim then hold its entry of `codes`, (form, dim), of the step `wanted`? If that is None: is each zero, or as it was?
    `steps` say how values are computed from variables in the ranges `axes`. Results are in units of 2**-shift.
    """

    axes: tuple[tuple[int, int, bool], ...]
    steps: tuple[tuple[Any, ...], ...]
    cells: tuple[tuple[int, Form, int], ...]
    units: int
    w_in: bytes
    w_out: bytes
    old: tuple[int | None, ...]  # of `cells`
    wanted: int | None
    codes: tuple[tuple[Form, int], ...]
    shift: int
    dtype: str


def ask(
    stream: Stream, w_in: Scaled, w_out: Scaled, dims: list[int], cells: list[Cell], script: dict[str, Any], dtype: str, what: str
) -> tuple[int, int, bool]:
    """What the units that write some dimensions leave there: `cells`, or without any zero or what was there. See `answer`."""
    wide, rows = stream.with_sums(w_in.ints, script["sums"])
    units = np.flatnonzero(w_out.ints[:, dims].any(axis=1))
    rows, out = rows[:, units], w_out.ints[units][:, dims]
    held = [(d, c) for d in sorted({*np.flatnonzero(rows.any(axis=1)).tolist(), *dims}) if (c := wide.cells[d]) is not None]
    bases = {wide.terms.find(v): v for v in script["over"]}
    wanted = [cells[0].term] if cells else []
    steps, numbers, met = wide.terms.plan([*wanted, *(cell.term for _, cell in held)], bases, what)
    # Cells and units in an order that does not depend on where they are, so that questions alike are equal.
    read = sorted(
        ((n, c.form, c.dim, d) for n, (d, c) in zip(numbers[len(wanted) :], held, strict=True)),
        key=lambda some: (some[0], str(some[1]), *some[2:]),
    )
    weights, place = rows[[d for *_, d in read]], {d: i for i, (*_, d) in enumerate(read)}
    order = np.lexsort(np.concatenate([out.T, weights])) if len(units) else np.zeros(0, int)
    spans = [wide.terms.ranges[bases[v]] for v in met]
    question = Question(
        tuple((s.lo, s.hi, s.none) if s.lo <= s.hi else (1, 0, True) for s in spans),
        steps,
        tuple(some[:3] for some in read),
        len(units),
        weights[:, order].tobytes(),
        out[order].tobytes(),
        tuple(place.get(d) for d in dims),
        numbers[0] if cells else None,
        tuple((cell.form, cell.dim) for cell in cells),
        w_in.shift + w_out.shift,
        dtype,
    )
    try:
        return answer(question)
    except Rejected as no:  # named: what it is about, and of the case the terms
        no.fact = f"{what}: {no.fact}"
        no.example = ",".join(f"{met[int(v)]}={x}" for v, x in (some.split("=") for some in no.example.split(",") if some))
        raise


@dataclass(slots=True)
class _Part:
    """Variables, the units that read them, grouped by which of them they read, and the dims whose old content they determine."""

    axes: list[int]
    units: list[list[int]]
    old: list[int]


@lru_cache(maxsize=1 << 14)
def answer(question: Question) -> tuple[int, int, bool]:
    """Enumerate a question: the number of cases, the largest sum in steps, and whether every dim is zero. Rejects if the answer is no."""
    asked, (main, *others) = question, _parts(question)
    dims = len(asked.old)
    base, size, steps = [0] * dims, [0.0] * dims, 0
    for part in others:
        start: dict[int, int] = {}
        largest = [0.0] * dims
        for _, added, most, old, case in _blocks(asked, part):
            for d in range(dims):
                got = added[d] + old[d]
                if (got != start.setdefault(d, int(got.flat[0]))).any():
                    raise Rejected("something else shows through", case(got != start[d]))
                largest[d] = max(largest[d], float(most[d].max()))
        base, size = [base[d] + start[d] for d in start], [size[d] + largest[d] for d in start]
    cleared = kept = asked.wanted is None
    for values, added, most, old, case in _blocks(asked, main):
        for d in range(dims):
            after = base[d] + added[d] + old[d]
            for sum_ in (size[d] + float(most[d].max()), np.abs(after).max()):  # what is added, and the stream after that
                steps = max(steps, exact(int(sum_), asked.shift, asked.dtype, "the sum"))
            if asked.wanted is not None:
                form, number = asked.codes[d]
                wrong = after != raised(coded(form, number, values[asked.wanted]), asked.shift, "the sum")
                if wrong.any():
                    raise Rejected("it is not the code of the value", case(wrong))
                continue
            cleared, kept = cleared and not after.any(), kept and not (after != old[d]).any()
            if not (cleared or kept):
                raise Rejected("it is neither cleared nor kept nor a value", case(after != old[d]))
    return math.prod(hi - lo + 1 + none for lo, hi, none in (asked.axes[a] for a in main.axes)), steps, cleared


def _parts(question: Question) -> list[_Part]:
    """Variables, units and old contents that hang together: first those of the value that is wanted."""
    behind: list[frozenset[int]] = []  # each step's variables
    for step in question.steps:
        behind.append(frozenset([step[1]]) if step[0] == "axis" else frozenset[int]().union(*(behind[a] for a in step[2])))
    of_cell = [behind[step] for step, _, _ in question.cells]
    w_in = np.frombuffer(question.w_in, np.int64).reshape(len(of_cell), question.units)
    units: dict[frozenset[int], list[int]] = {}  # by the variables they read
    for unit, column in enumerate(w_in.T):
        units.setdefault(frozenset[int]().union(*(of_cell[c] for c in np.flatnonzero(column))), []).append(unit)
    old = {d: of_cell[cell] for d, cell in enumerate(question.old) if cell is not None}
    main = frozenset[int]().union(*old.values()) if question.wanted is None else behind[question.wanted]
    groups = [main]
    for axes in {*units, *old.values()} - {frozenset()}:
        touching = [group for group in groups if group & axes]
        groups = [group for group in groups if not group & axes] + [axes.union(*touching)]
    home = next((group for group in groups if group >= main), main)  # with what is constant
    groups = [home, *(group for group in groups if group != home)]
    return [
        _Part(
            sorted(group),
            [some for axes, some in units.items() if (axes <= group if axes else group == home)],
            [d for d, axes in old.items() if (axes <= group if axes else group == home)],
        )
        for group in groups
    ]


def _blocks(question: Question, part: _Part) -> Iterator[tuple[dict[int, Ints], Ints, Reals, list[Ints], Any]]:
    """A part's cases, block by block: the steps' values, and for each dim the units' sum, sum of absolute values, and old content."""
    spans = [(axis, *question.axes[axis]) for axis in part.axes]
    sizes = [hi - lo + 1 + none for _, lo, hi, none in spans]
    require_few(sizes, "it")
    count, units, dims = math.prod(sizes), sum(map(len, part.units)), len(question.old)
    if count * units > MAX_WORK:
        raise TooMany(f"it has {count:,} cases of {units:,} units", count * units, len(sizes), MAX_WORK)
    axes = [(axis, np.append(np.arange(lo, hi + 1), NONE) if none else np.arange(lo, hi + 1)) for axis, lo, hi, none in spans]
    axes.sort(key=lambda some: len(some[1]))  # long rows are fast
    w_in = np.frombuffer(question.w_in, np.int64).reshape(len(question.cells), question.units)
    w_out = np.frombuffer(question.w_out, np.int64).reshape(question.units, dims)
    rank = max(1, len(axes))
    for some in _pieces([values for _, values in axes], max(1024, BLOCK // max(1, units))):
        grids = {
            axis: v.reshape(*(-1 if i == d else 1 for d in range(rank))) for i, ((axis, _), v) in enumerate(zip(axes, some, strict=True))
        }
        values = run(question.steps, grids, rank)
        both = np.zeros((2 * dims, *(1,) * rank))
        for group in part.units:
            hidden = np.zeros((len(group), *(1,) * rank), np.int64)
            for c in np.flatnonzero(w_in[:, group].any(axis=1)):
                step, form, dim = question.cells[c]
                hidden = hidden + w_in[c, group].reshape(-1, *(1,) * rank) * coded(form, dim, values[step])
            hidden, out = np.maximum(hidden, 0), w_out[group].T.astype(np.float64)
            flat = np.concatenate([out, np.abs(out)]) @ hidden.reshape(len(group), -1).astype(np.float64)
            both = both + flat.reshape(2 * dims, *hidden.shape[1:])
        exact(int(both[dims:].max()), question.shift, question.dtype, "the sum")  # so that both are whole numbers that float64 holds
        old = [np.zeros((1,) * rank, np.int64)] * dims
        for d in part.old:
            step, form, dim = question.cells[question.old[d] or 0]
            old[d] = raised(coded(form, dim, values[step]), question.shift, "the sum")

        def case(wrong: np.ndarray, shape: tuple[int, ...] = tuple(map(len, some)) or (1,), some: list[Ints] = some) -> str:
            at = np.unravel_index(int(np.flatnonzero(np.broadcast_to(wrong, shape))[0]), shape)
            return ",".join(f"{axis}={v[i]}" for (axis, _), v, i in zip(axes, some, at, strict=False))

        yield values, both[:dims].astype(np.int64), both[dims:], old, case


def _pieces(axes: list[Ints], most: int) -> Iterator[list[Ints]]:
    """Axes cut so that each piece has at most `most` cases."""
    if not axes:
        yield []
        return
    step = max(1, most // math.prod(map(len, axes[1:])))
    for start in range(0, len(axes[0]), step):
        head = axes[0][start : start + step]
        for rest in _pieces(axes[1:], most // len(head)):
            yield [head, *rest]
