"""What MLPs leave, against plain Python case by case; every block is read; and few cases are tried before many."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.codes.forms import Form as Codes
from headwork.compiler.ops import AtLeast, Const, Equal, Exists, Extreme, Local, OrElse, Where
from headwork.kernel.blocks import left
from headwork.kernel.numbers import Rejected, Scaled
from headwork.kernel.stream import Cell, Form, Stream, claims
from headwork.kernel.terms import Term, Terms
from headwork.prover.blocks import apart
from headwork.prover.rewrites import row
from headwork.prover.ways import first
from headwork.runtime.module import Mlp

Step = tuple[Local | Const | int, tuple[int, ...]]  # an operation on earlier steps, or the number of a variable
OPS: tuple[tuple[Local, int], ...] = (
    (Extreme(True), 2),
    (Extreme(False), 2),
    (AtLeast(1), 2),
    (Equal(), 2),
    (Exists(), 1),
    (OrElse(), 2),
    (Where(), 3),
)


# --- questions -----------------------------------------------------------------------------------------------


@dataclass
class Question:
    """Variables are ranges; units read the cells, one for each step, and add to one dimension, which holds the code of a step, or zero."""

    axes: list[tuple[int, int, bool]]
    steps: list[Step]
    forms: list[Form]
    w_in: np.ndarray  # (cells, units)
    w_out: np.ndarray  # (units,)
    held: int | None
    wanted: int | None
    code: Form


def worth(asked: Question, case: tuple[int | None, ...]) -> list[int | None]:
    """Every step's value in one case, by the operations' own definitions."""
    found: list[int | None] = []
    for op, args in asked.steps:
        values = [found[a] for a in args]
        if isinstance(op, int):
            found.append(case[op])
        elif isinstance(op, Const):
            found.append(op.value)
        else:
            found.append(None if op.strict and None in values else op.meaning(*values))
    return found


def code(form: Form, value: int | None) -> int:
    """A value's code as the compiler writes it."""
    return Codes(form.kind, form.off, form.top).code(value)[0]  # pyright: ignore[reportArgumentType]


def holds(asked: Question) -> bool:
    """Whether the units leave what is wanted in every case, counted out one by one."""
    axes = [[*range(lo, hi + 1), *[None] * none] for lo, hi, none in asked.axes]
    for case in itertools.product(*axes):
        values = worth(asked, case)
        cells = [code(form, value) for form, value in zip(asked.forms, values, strict=True)]
        hidden = [max(0, sum(c * row[u] for c, row in zip(cells, asked.w_in.tolist(), strict=True))) for u in range(len(asked.w_out))]
        after = (0 if asked.held is None else cells[asked.held]) + sum(h * w for h, w in zip(hidden, asked.w_out.tolist(), strict=True))
        if after != (0 if asked.wanted is None else code(asked.code, values[asked.wanted])):
            return False
    return True


def random_question(rng: random.Random) -> Question:
    """Cells of variables and of what is computed from them; the dimension is cleared and filled with what some cell holds, or nearly."""
    axes = [(lo := rng.randint(0, 2), lo + rng.randint(0, 3), rng.random() < 0.3) for _ in range(rng.randint(1, 4))]
    steps: list[Step] = [*((number, ()) for number in range(len(axes))), (Const("int", rng.choice((1, None))), ())]
    flags = [number for number, axis in enumerate(axes) if axis[:2] == (0, 1)]
    for _ in range(rng.randint(0, 3)):
        op, arity = rng.choice(OPS)
        if isinstance(op, Where) and not flags:
            continue
        args = [rng.randrange(len(steps)) for _ in range(arity)]
        steps.append((op, (rng.choice(flags), *args[1:]) if isinstance(op, Where) else tuple(args)))
    forms = [Form(rng.choice(("digits", "flag", "onehot")), -1, 8) for _ in steps]
    source, held = rng.randrange(len(steps)), rng.choice((None, *range(len(steps))))
    w_in = np.zeros((len(steps), 3), np.int64)
    w_in[source, 0], w_in[held or 0, 1] = 1, 1
    w_out = np.array([1, 0 if held is None else -1, rng.choice((0, 0, 1))])
    w_in[rng.randrange(len(steps)), 2] = rng.choice((-1, -1, 0, 1))  # codes are not negative: a unit that reads one by -1 is silent
    if rng.random() < 0.3:
        w_in[rng.randrange(len(steps)), rng.randrange(3)] += rng.choice((-1, 1))
    wanted: int | None = rng.randrange(len(steps)) if rng.random() < 0.5 else source
    if rng.random() < 0.3:
        wanted, w_out[0] = None, 0
    return Question(axes, steps, forms, w_in, w_out, held, wanted, forms[source])


def ask(asked: Question, together: bool) -> int:
    """What the kernel says: the number of cases. The last dimension of the stream is the one that is asked about. Raises Rejected."""
    terms, numbers = Terms(1, 1), list[int]()
    for op, args in asked.steps:
        if isinstance(op, int):  # a variable: a table of what the token or the position might have been has its range
            lo, hi, none = asked.axes[op]
            entries = (*range(lo, hi + 1), *[None] * none)
            term = Term("table", ((op + 10,), (len(entries),), entries), (0,))
            numbers.append(terms.add(term))
            terms.ranges[-1] = terms.ranges[-1]._replace(none=none)
        else:
            numbers.append(terms.add(Term(*row(op, tuple(numbers[a] for a in args)))))
    rows = [[number, [f.kind, f.off, f.top], 0, d] for d, (number, f) in enumerate(zip(numbers, asked.forms, strict=True))]
    cells: list[Cell | None] = list(claims(terms, rows, len(rows), "float32").values())
    last = len(cells)
    cells.append(None if asked.held is None else cells[asked.held])
    stream = Stream(terms, tuple(cells))
    w_in = Scaled(np.concatenate([asked.w_in, np.zeros((1, 3), np.int64)]), 0)
    w_out = Scaled(np.concatenate([np.zeros((3, last), np.int64), asked.w_out[:, None]], axis=1), 0)
    due: dict[int, Cell | None] = {last: None}
    if asked.wanted is not None:
        wanted = [[numbers[asked.wanted], [asked.code.kind, asked.code.off, asked.code.top], 0, last]]
        due = dict(claims(terms, wanted, last + 1, "float32"))
    over = [number for number, (op, _) in zip(numbers, asked.steps, strict=True) if isinstance(op, int)]
    nodes = [] if asked.wanted is None else [numbers[asked.wanted]]
    script: dict[str, Any] = {"sums": [], "over": over, "apart": []}
    if not together:
        script = apart(stream, w_in, w_out, due, nodes, script)
    return left(stream, w_in, w_out, due, script, "float32", "it")[0]


@pytest.mark.parametrize("together", [True, False])
def test_answers_are_those_of_plain_python(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On random questions, in small blocks of cases and in one, taken apart or not, a yes is a yes in every case, and a no has its case."""
    rng = random.Random(5)
    yes = no = named = 0
    for number in range(200):
        asked = random_question(rng)
        truth = holds(asked)
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr("headwork.kernel.blocks.BLOCK", 7)
            try:
                found = ask(asked, together) > 0
            except Rejected as rejected:
                found, named = False, named + ("=" in rejected.example)
        assert found == truth, asked
        yes, no = yes + truth, no + (not truth)
    assert yes > 50 and no > 50 and named > 40


@pytest.mark.parametrize("most", [1, 3, 10, 60, 1000])
def test_blocks_are_all_the_cases_once(most: int) -> None:
    terms = Terms(5, 4)
    both = [terms.add(Term("clip", (1, 3), (1,))), 0, 1]
    found = [
        case
        for some in terms.cases(both, "it", most=most)
        for case in zip(*(some.flat(v).tolist() for v in some.values.values()), strict=True)
    ]
    assert len(found) == 4 * 4 * 5 == len(set(found))
    assert max(some.count for some in terms.cases(both, "it", most=most)) <= most


# --- every block is read ---------------------------------------------------------------------------------------


def test_a_fault_in_any_block_is_seen_though_its_like_was_proved() -> None:
    """Of blocks that do the same, each is read: one weight changed in any of them, and that block is named."""
    model = hw.compile(hw.protocols.entry("sorting_network").protocol(), length=4)
    hw.certify(model)
    blocks = [number for number, block in enumerate(model.module.blocks) if isinstance(block, Mlp)]
    assert len(blocks) > 3
    for number in blocks:
        tensor = dict(model.module.named_parameters())[f"blocks.{number}.W_out"].data
        unit, dim = tensor.nonzero()[0].tolist()
        tensor[unit, dim] += 1
        with pytest.raises(hw.Refused, match=rf"block {number + 1} \(MLP\)"):
            hw.certify(model)
        tensor[unit, dim] -= 1
    hw.certify(model)


# --- few cases first -----------------------------------------------------------------------------------------


def test_a_sum_is_the_variable_where_what_it_sums_has_more_cases() -> None:
    """`reverse` reads length - position: as two values they are a million cases, as one a few thousand."""
    model = hw.compile(hw.programs.get("reverse"), length=1024)
    assert hw.certify(model).mlp_cases < 10_000


def test_ways_are_tried_with_few_cases_before_many() -> None:
    """The first that is accepted is taken; if none is, what was said of the one with the fewest cases is raised."""
    tried: list[str] = []

    def accepted(script: str) -> None:
        tried.append(script)
        if script != "many":
            raise Rejected(f"{script}: no")

    assert first([(9.0, "more"), (2.0, "few"), (5.0, "many")], accepted) == "many"
    assert tried == ["few", "many"]
    with pytest.raises(Rejected, match="few: no"):
        first([(9.0, "more"), (2.0, "few")], accepted)
