"""What MLPs are asked, against plain Python case by case; equal questions are asked once, and few cases are tried before many."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest

import headwork as hw
from headwork.certificate import mlp, question
from headwork.certificate.exact import Refused, TooMany
from headwork.certificate.question import Answer, Question, answer
from headwork.certificate.ranges import Range
from headwork.certificate.stream import Stream
from headwork.certificate.sums import LIMITS, either_way
from headwork.certificate.values import Meanings, Step
from headwork.compiler.forms import Form
from headwork.compiler.language import Value
from headwork.compiler.ops import AtLeast, Const, Equal, Exists, Extreme, Local, OrElse, Where
from headwork.runtime.module import Mlp

pieces = question.pieces
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


def worth(steps: Sequence[Step], case: Sequence[int | None]) -> list[int | None]:
    """Every step's value in one case, by the operations' own definitions."""
    found: list[int | None] = []
    for op, args in steps:
        values = [found[a] for a in args]
        if isinstance(op, int):
            found.append(case[op])
        elif isinstance(op, Const):
            found.append(op.value)
        else:
            found.append(None if op.strict and None in values else op.meaning(*values))
    return found


def holds(asked: Question) -> bool:
    """Whether the units leave what is wanted in every case, counted out one by one."""
    w_in = np.frombuffer(asked.w_in, np.int64).reshape(len(asked.cells), asked.units).tolist()
    w_out = np.frombuffer(asked.w_out, np.int64).reshape(asked.units, len(asked.old)).tolist()
    axes = [[*range(axis.lo, axis.hi + 1), *[None] * axis.none] for axis in asked.axes]
    cleared = kept = True
    for case in itertools.product(*axes):
        values = worth(asked.steps, case)
        cells = [form.code(values[step])[dim] for step, form, dim in asked.cells]
        hidden = [max(0, sum(c * row[u] for c, row in zip(cells, w_in, strict=True))) for u in range(asked.units)]
        for d, old in enumerate(asked.old):
            before = 0 if old is None else cells[old]
            after = before + sum(h * row[d] for h, row in zip(hidden, w_out, strict=True))
            if asked.wanted is not None:
                form, dim = asked.codes[d]
                if after != form.code(values[asked.wanted])[dim]:
                    return False
            cleared, kept = cleared and after == 0, kept and after == before
    return asked.wanted is not None or cleared or kept


def random_question(rng: random.Random) -> Question:
    """Cells of variables and of what is computed from them; dims are cleared and filled with what some cells hold, or nearly."""
    axes = tuple(Range(lo := rng.randint(0, 2), lo + rng.randint(0, 3), rng.random() < 0.3) for _ in range(rng.randint(1, 4)))
    steps: list[Step] = [*((number, ()) for number in range(len(axes))), (Const("int", rng.choice((1, None))), ())]
    flags = [number for number, axis in enumerate(axes) if axis.lo == 0 and axis.hi == 1]
    for _ in range(rng.randint(0, 3)):
        op, arity = rng.choice(OPS)
        if isinstance(op, Where) and not flags:
            continue
        args = [rng.randrange(len(steps)) for _ in range(arity)]
        steps.append((op, (rng.choice(flags), *args[1:]) if isinstance(op, Where) else tuple(args)))
    cells = [(step, Form(rng.choice(("digits", "flag", "onehot")), -1, 8), 0) for step in range(len(steps))]
    source, held = rng.randrange(len(cells)), rng.choice((None, *range(len(cells))))
    w_in = np.zeros((len(cells), 3), np.int64)
    w_in[source, 0], w_in[held or 0, 1] = 1, 1
    w_out = np.array([[1], [0 if held is None else -1], [rng.choice((0, 0, 1))]])
    w_in[rng.randrange(len(cells)), 2] = rng.choice((-1, -1, 0, 1))  # codes are not negative: a unit that reads one by -1 is silent
    if rng.random() < 0.3:
        w_in[rng.randrange(len(cells)), rng.randrange(3)] += rng.choice((-1, 1))
    wanted = rng.randrange(len(steps)) if rng.random() < 0.5 else source
    codes = ((cells[source][1], 0),)
    if rng.random() < 0.3:
        wanted, codes, w_out[0, 0] = None, (), 0
    return Question(axes, tuple(steps), tuple(cells), 3, w_in.tobytes(), w_out.tobytes(), (held,), wanted, codes, 0, "float32")


def test_answers_are_those_of_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """On random questions, with cases in small blocks and in one, a yes is a yes in every case, and a no has its case."""
    rng = random.Random(5)
    yes = no = 0
    for number in range(300):
        asked = random_question(rng)
        truth = holds(asked)
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr(question, "pieces", lambda axes, most: pieces(axes, 7))
            try:
                found: Answer | None = answer(asked, 1 << 16, range(len(asked.axes)), [0], "a question")
            except Refused as refusal:
                found = None
                assert refusal.hint.startswith("for example where")
        assert (found is not None) == truth, asked
        yes, no = yes + truth, no + (not truth)
    assert yes > 80 and no > 80


@pytest.mark.parametrize("most", [1, 3, 10, 60, 1000])
def test_pieces_are_all_the_cases_once(most: int) -> None:
    axes = [np.arange(n, dtype=np.int64) for n in (3, 1, 4, 5)]
    found = list(pieces(axes, most))
    cases = [case for piece in found for case in itertools.product(*(axis.tolist() for axis in piece))]
    assert cases == list(itertools.product(range(3), range(1), range(4), range(5)))
    assert max(len(list(itertools.product(*piece))) for piece in found) <= most


# --- asked once ----------------------------------------------------------------------------------------------


def enumerated(model: hw.Model, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many questions a certificate enumerates."""
    asked: list[Question] = []

    def counted(wanted: Question, *rest: object) -> Answer:
        asked.append(wanted)
        return answer(wanted, *rest)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(mlp, "answer", counted)
        hw.certify(model)
    assert len(asked) == len(set(asked))
    return len(asked)


def test_what_every_round_does_is_enumerated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least of what lies within k places is taken in k equal steps: more steps are not more questions."""

    def least(steps: int) -> hw.Model:
        @hw.program(name="least")
        def program(token: Value, position: Value) -> Value:
            value = hw.table(lambda symbol: "abcde".index(symbol), token)
            for _ in range(steps):
                value = hw.minimum(value, value.at(position - 1).or_else(value))
            return value

        return hw.compile(program, length=5, alphabet=list("abcde"))

    counts = [enumerated(least(steps), monkeypatch) for steps in (6, 12)]
    assert counts[0] == counts[1] > 0


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
    """What is refused for its cases is tried again with more; what is refused otherwise is not; the first way's refusal is raised."""
    model = hw.compile(hw.programs.get("reverse"), length=4)
    stream, rows = Stream(Meanings(model.optimised), [None]), np.zeros((1, 1), np.int64)
    tried: list[int] = []

    def too_many(stream: Stream, rows: np.ndarray) -> int:
        tried.append(stream.most)
        if stream.most < LIMITS[-1]:
            raise TooMany("too many cases")
        raise Refused("it is wrong")

    with pytest.raises(Refused, match="it is wrong"):
        either_way(too_many, stream, rows, [])
    assert tried == list(LIMITS)

    def wrong(stream: Stream, rows: np.ndarray) -> int:
        tried.append(stream.most)
        raise Refused("it is wrong at once")

    tried.clear()
    with pytest.raises(Refused, match="it is wrong at once"):
        either_way(wrong, stream, rows, [])
    assert tried == [LIMITS[0]]
