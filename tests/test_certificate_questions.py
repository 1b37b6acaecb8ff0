"""What MLPs are asked, against plain Python case by case; equal questions are asked once, and few cases are tried before many."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.codes.forms import Form as Codes
from headwork.compiler.language import Value
from headwork.compiler.ops import AtLeast, Const, Equal, Exists, Extreme, Local, OrElse, Where
from headwork.kernel import mlp
from headwork.kernel.mlp import Question, answer
from headwork.kernel.numbers import Rejected
from headwork.kernel.stream import Form
from headwork.prover.rewrites import row
from headwork.prover.ways import first
from headwork.runtime.module import Mlp

pieces = mlp._pieces  # pyright: ignore[reportPrivateUsage]
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


def code(form: Form, value: int | None) -> tuple[int, ...]:
    """A value's code as the compiler writes it."""
    return Codes(form.kind, form.off, form.top).code(value)  # pyright: ignore[reportArgumentType]


def holds(asked: Question, steps: Sequence[Step]) -> bool:
    """Whether the units leave what is wanted in every case, counted out one by one."""
    w_in = np.frombuffer(asked.w_in, np.int64).reshape(len(asked.cells), asked.units).tolist()
    w_out = np.frombuffer(asked.w_out, np.int64).reshape(asked.units, len(asked.old)).tolist()
    axes = [[*range(lo, hi + 1), *[None] * none] for lo, hi, none in asked.axes]
    cleared = kept = True
    for case in itertools.product(*axes):
        values = worth(steps, case)
        cells = [code(form, values[step])[dim] for step, form, dim in asked.cells]
        hidden = [max(0, sum(c * row[u] for c, row in zip(cells, w_in, strict=True))) for u in range(asked.units)]
        for d, old in enumerate(asked.old):
            before = 0 if old is None else cells[old]
            after = before + sum(h * row[d] for h, row in zip(hidden, w_out, strict=True))
            if asked.wanted is not None:
                form, dim = asked.codes[d]
                if after != code(form, values[asked.wanted])[dim]:
                    return False
            cleared, kept = cleared and after == 0, kept and after == before
    return asked.wanted is not None or cleared or kept


def random_question(rng: random.Random) -> tuple[Question, list[Step]]:
    """Cells of variables and of what is computed from them; dims are cleared and filled with what some cells hold, or nearly."""
    axes = tuple((lo := rng.randint(0, 2), lo + rng.randint(0, 3), rng.random() < 0.3) for _ in range(rng.randint(1, 4)))
    steps: list[Step] = [*((number, ()) for number in range(len(axes))), (Const("int", rng.choice((1, None))), ())]
    flags = [number for number, axis in enumerate(axes) if axis[:2] == (0, 1)]
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
    plain = tuple(("axis", op) if isinstance(op, int) else row(op, args) for op, args in steps)
    return Question(axes, plain, tuple(cells), 3, w_in.tobytes(), w_out.tobytes(), (held,), wanted, codes, 0, "float32"), steps


def test_answers_are_those_of_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """On random questions, with cases in small blocks and in one, a yes is a yes in every case, and a no has its case."""
    rng = random.Random(5)
    yes = no = named = 0
    for number in range(300):
        asked, steps = random_question(rng)
        truth = holds(asked, steps)
        with monkeypatch.context() as patch:
            if number % 2:
                patch.setattr(mlp, "_pieces", lambda axes, most: pieces(axes, 7))
            try:
                found = bool(answer(asked))
            except Rejected as rejected:
                found, named = False, named + ("=" in rejected.example)
        assert found == truth, asked
        yes, no = yes + truth, no + (not truth)
    assert yes > 80 and no > 80 and named > 60


@pytest.mark.parametrize("most", [1, 3, 10, 60, 1000])
def test_pieces_are_all_the_cases_once(most: int) -> None:
    axes = [np.arange(n, dtype=np.int64) for n in (3, 1, 4, 5)]
    found = list(pieces(axes, most))
    cases = [case for piece in found for case in itertools.product(*(axis.tolist() for axis in piece))]
    assert cases == list(itertools.product(range(3), range(1), range(4), range(5)))
    assert max(len(list(itertools.product(*piece))) for piece in found) <= most


# --- asked once ----------------------------------------------------------------------------------------------


def enumerated(model: hw.Model) -> int:
    """How many questions a certificate enumerates."""
    answer.cache_clear()
    hw.certify(model)
    return answer.cache_info().misses


def test_what_every_round_does_is_enumerated_once() -> None:
    """The least of what lies within k places is taken in k equal steps: more steps are not more questions."""

    def least(steps: int) -> hw.Model:
        @hw.program(name="least")
        def program(token: Value, position: Value) -> Value:
            value = hw.table(lambda symbol: "abcde".index(symbol), token)
            for _ in range(steps):
                value = hw.minimum(value, value.at(position - 1).or_else(value))
            return value

        return hw.compile(program, length=5, alphabet=list("abcde"))

    counts = [enumerated(least(steps)) for steps in (6, 12)]
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
