"""What hidden units must leave in some dimensions, as a question in which nothing is named, and its answer by enumeration.

A program asks the same question often: each step of a sorting network takes a minimum, each round of a protocol looks like the
one before. An answer is computed from its question alone, so equal questions have equal answers, and each is asked once.

Terms that share no variable add independently, so the variables fall into parts. The part that determines the wanted value is
compared with it case by case; every other part must be constant. Cases are taken in blocks that stay in the processor's cache,
and what depends on some of the variables only is computed for these and broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..compiler.forms import Form
from .exact import Ints, Reals, Refused, TooMany, add_up, raised
from .ranges import Range
from .values import Cases, Step, Var, coded, require_few, run, weighted

MAX_WORK = 1 << 29
BLOCK = 1 << 17  # cases times hidden units


@dataclass(frozen=True, slots=True)
class Question:
    """Hidden units read `cells`, (step, form, dim), by w_in (cells, units), and w_out (units, dims) adds them to dims that held `old`.

    Does each dim then hold its entry of `codes`, (form, dim), of the step `wanted`? If that is None: is each zero, or as it was?
    `steps` say how values are computed from variables, whose values are `axes`. Results are in units of 2**-shift.
    """

    axes: tuple[Range, ...]
    steps: tuple[Step, ...]
    cells: tuple[tuple[int, Form, int], ...]
    units: int
    w_in: bytes
    w_out: bytes
    old: tuple[int | None, ...]  # of `cells`
    wanted: int | None
    codes: tuple[tuple[Form, int], ...]
    shift: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes: in so many cases, with sums of so many steps at most. `cleared`: every dim is zero."""

    cases: int
    steps: int
    cleared: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Variables, the units that read them, grouped by which of them they read, and the dims whose old content they determine."""

    axes: list[int]
    units: list[list[int]]
    old: list[int]


@dataclass(frozen=True, slots=True)
class _Block:
    """Some cases of a part: what the steps are worth, and for each dim the units' sum, sum of absolute values, and its old content."""

    cases: Cases
    values: dict[int, Ints]
    added: Ints
    largest: Reals
    old: list[Ints]

    def example(self, wrong: np.ndarray) -> str:
        """One of the cases that are wrong."""
        row = int(np.flatnonzero(self.cases.flat(wrong))[0])
        return "for example where " + ", ".join(f"{v} = {self.cases.column(v)[row]}" for v in self.cases.variables)


def answer(question: Question, most: int, names: Sequence[Var], dims: Sequence[int], what: str) -> Answer:
    """Enumerate a question. Raises TooMany beyond `most` cases, and Refused if the answer is no.

    `names` are those of the axes, `dims` the dimensions' numbers.
    """
    asked, (main, *others) = question, _parts(question)
    base, size, steps = [0] * len(dims), [0.0] * len(dims), 0
    for part in others:
        start: dict[int, int] = {}
        largest = [0.0] * len(dims)
        for block in _blocks(asked, part, most, names, what):
            for d, old in enumerate(block.old):
                got = block.added[d] + old
                if (got != start.setdefault(d, int(got.flat[0]))).any():
                    raise Refused(f"{what}: something else shows through", hint=block.example(got != start[d]))
                largest[d] = max(largest[d], float(block.largest[d].max()))
        base, size = [base[d] + start[d] for d in start], [size[d] + largest[d] for d in start]
    cleared = kept = asked.wanted is None
    for block in _blocks(asked, main, most, names, what):
        for d, (dim, old) in enumerate(zip(dims, block.old, strict=True)):
            after = base[d] + block.added[d] + old
            for sum_ in (size[d] + float(block.largest[d].max()), np.abs(after).max()):  # what is added, and the stream after that
                steps = max(steps, add_up(int(sum_), asked.shift, asked.dtype, what))
            if asked.wanted is not None:
                form, number = asked.codes[d]
                wrong = after != raised(coded(form, number, block.values[asked.wanted]), asked.shift, what)
                if wrong.any():
                    raise Refused(f"{what}: dimension {dim} is not the code of the value", hint=block.example(wrong))
                continue
            wrong = after != old
            cleared, kept = cleared and not after.any(), kept and not wrong.any()
            if not (cleared or kept):
                raise Refused(f"{what} is neither cleared nor kept nor a value", hint=block.example(wrong))
    return Answer(math.prod(len(asked.axes[axis].values()) for axis in main.axes), steps, cleared)


def _parts(question: Question) -> list[_Part]:
    """Variables, units and old contents that hang together: first those of the value that is wanted."""
    behind: list[frozenset[int]] = []  # each step's variables
    for op, args in question.steps:
        behind.append(frozenset([op]) if isinstance(op, int) else frozenset[int]().union(*(behind[a] for a in args)))
    of_cell = [behind[step] for step, _, _ in question.cells]
    w_in = _matrix(question.w_in, len(question.cells), question.units)
    units: dict[frozenset[int], list[int]] = {}  # by the variables they read
    for unit, column in enumerate(w_in.T):
        units.setdefault(frozenset[int]().union(*(of_cell[c] for c in np.flatnonzero(column))), []).append(unit)
    old = {d: of_cell[cell] for d, cell in enumerate(question.old) if cell is not None}
    main = frozenset[int]().union(*old.values()) if question.wanted is None else behind[question.wanted]
    groups = [main]
    for axes in {*units, *old.values()} - {frozenset()}:
        touching = [group for group in groups if group & axes]
        groups = [group for group in groups if not group & axes] + [axes.union(*touching)]
    home = next(group for group in groups if group >= main)  # with what is constant
    groups.sort(key=lambda group: group != home)
    return [
        _Part(
            sorted(group),
            [some for axes, some in units.items() if (axes <= group if axes else group == home)],
            [d for d, axes in old.items() if (axes <= group if axes else group == home)],
        )
        for group in groups
    ]


def _blocks(question: Question, part: _Part, most: int, names: Sequence[Var], what: str) -> Iterator[_Block]:
    """A part's cases, block by block. Every number is shown to be below 2**53."""
    axes = sorted(((axis, question.axes[axis].values()) for axis in part.axes), key=lambda a: len(a[1]))  # long rows are fast
    count, units = math.prod(len(values) for _, values in axes), sum(map(len, part.units))
    require_few(count, len(axes), most, what)
    if count * max(1, units) > MAX_WORK:
        raise TooMany(f"{what} has {count:,} cases of {units:,} units, too many to enumerate")
    dims = len(question.old)
    w_in, w_out = _matrix(question.w_in, len(question.cells), question.units), _matrix(question.w_out, question.units, dims)
    for some in pieces([values for _, values in axes], max(1024, BLOCK // max(1, units))):
        cases = Cases(tuple(names[axis] for axis, _ in axes), tuple(some))
        rank = cases.rank
        values = run(question.steps, dict(zip((axis for axis, _ in axes), cases.grids(cases.variables).values(), strict=True)), rank)
        both = np.zeros((2 * dims, *(1,) * rank))
        for group in part.units:
            rows, out = w_in[:, group], w_out[group].T.astype(np.float64)
            read = np.flatnonzero(rows.any(axis=1))
            cells = [(values[step], form, dim) for step, form, dim in (question.cells[c] for c in read)]
            hidden = np.maximum(weighted(cells, rows[read], rank), 0)  # (units, axes)
            flat = hidden.reshape(len(group), -1).astype(np.float64)
            both = both + (np.concatenate([out, np.abs(out)]) @ flat).reshape(2 * dims, *hidden.shape[1:])
        # Products and partial sums are whole numbers, exact in float64 if the absolute values add up to less than 2**53.
        add_up(int(both[dims:].max()), question.shift, question.dtype, what)
        old = [np.zeros((1,) * rank, np.int64)] * dims
        for d in part.old:
            step, form, dim = question.cells[question.old[d] or 0]
            old[d] = raised(coded(form, dim, values[step]), question.shift, what)
        yield _Block(cases, values, both[:dims].astype(np.int64), both[dims:], old)


def _matrix(data: bytes, rows: int, columns: int) -> Ints:
    return np.frombuffer(data, np.int64).reshape(rows, columns)


def pieces(axes: list[Ints], most: int) -> Iterator[list[Ints]]:
    """Axes cut so that each piece has at most `most` cases."""
    if not axes:
        yield []
        return
    step = max(1, most // math.prod(map(len, axes[1:])))
    for start in range(0, len(axes[0]), step):
        head = axes[0][start : start + step]
        for rest in pieces(axes[1:], most // len(head)):
            yield [head, *rest]
