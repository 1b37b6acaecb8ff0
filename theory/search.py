"""`hw.search_one_layer`: whether one layer of hard attention can do induction at all, for a tiny shape, decided by z3.

The model is wider than a transformer. The answer is read at the last position, N. Head h scores (token there, token b,
position j) by any order at all, the greatest wins, and the winner sends any of 2**(m·p) messages about (b, j). Any function
of the last token and the h messages is the answer. So what is infeasible here is infeasible for one layer of h heads
of hard attention, width m and p bits, whatever its embedding and its last MLP; what is feasible is shown as orders and messages.

Inputs are added one conflict at a time: two inputs with one last token and different answers must send different messages.
A candidate is run on all 3**N inputs in plain Python; only if none conflict is it called feasible.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Shown

if TYPE_CHECKING:
    import z3

Row: TypeAlias = tuple[int, ...]
Verdict: TypeAlias = Literal["feasible", "infeasible", "unknown"]
SYMBOLS, LONGEST = 3, 8


@dataclass(frozen=True, slots=True)
class Task:
    """What the last of `length` places has to say, for every text over 0..symbols - 1."""

    length: int
    symbols: int
    answer: Callable[[Row], object]


@dataclass(frozen=True, slots=True)
class Witness:
    """A shape that works: for each head and last token the (position, token) pairs in order of preference, and the messages."""

    orders: tuple[dict[int, tuple[tuple[int, int], ...]], ...]
    messages: tuple[dict[tuple[int, int], int], ...]

    def send(self, row: Row) -> tuple[int, ...]:
        """What the heads send about an input: each the message of its favourite among the pairs that are there."""
        there = {(j, b) for j, b in enumerate(row, 1)}
        return tuple(m[next(p for p in o[row[-1]] if p in there)] for o, m in zip(self.orders, self.messages, strict=True))


@dataclass(frozen=True)
class Found(Shown):
    """The verdict on h heads of width m in p bits at length N over 3 symbols, and how many conflicts decided it."""

    length: int
    h: int
    m: int
    p: int
    verdict: Verdict
    conflicts: int
    seconds: float
    witness: Witness | None = None

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values, without the witness."""
        sizes = {"length": self.length, "h": self.h, "m": self.m, "p": self.p, "verdict": self.verdict}
        return {**sizes, "told": self.h * (self.m + 1) * self.p, "needed": (self.length - 1) / 2, "conflicts": self.conflicts}

    def __str__(self) -> str:
        told, needed = self.h * (self.m + 1) * self.p, (self.length - 1) / 2
        how = {"feasible": f"run on all {SYMBOLS**self.length:,} inputs", "infeasible": f"by {self.conflicts:,} pairs of inputs"}
        why = how.get(self.verdict, f"no answer within {self.seconds:.0f} s")
        return (
            f"N = {self.length}, h = {self.h}, m = {self.m}, p = {self.p}: {self.verdict} ({why}); h(m+1)p = {told}, (N-1)/2 = {needed:g}"
        )


def answer(row: Row) -> int | None:
    """Induction at the last position: the token after the latest earlier occurrence of the last token; None is ⊥."""
    return next((row[t + 1] for t in range(len(row) - 2, -1, -1) if row[t] == row[-1]), None)


def conflict(witness: Witness, task: Task) -> tuple[Row, Row] | None:
    """Two inputs that the messages do not tell apart though their answers differ, or None if there are none."""
    known: dict[tuple[int, ...], Row] = {}
    for row in itertools.product(range(task.symbols), repeat=task.length):
        first = known.setdefault((row[-1], *witness.send(row)), row)
        if task.answer(first) != task.answer(row):
            return first, row
    return None


def induction(length: int) -> Task:
    """Induction over three symbols."""
    return Task(length, SYMBOLS, answer)


@public
def search_one_layer(*, length: int, h: int, m: int, p: int, seconds: float = 30.0) -> Found:
    """Decide whether one layer of hard attention of this shape can do induction over 3 symbols at this length.

    "unknown" is said where z3 has no answer within `seconds`. Raises InputError for sizes outside the search (N <= 8) and
    where z3 is not installed.
    """
    for name, value, most in (("length", length, LONGEST), ("h", h, LONGEST), ("m", m, 64), ("p", p, 64)):
        if not 1 <= value <= most:
            raise InputError(f"{name} is {value}", hint=f"the search takes {name} of 1..{most}")
    decided = decide(induction(length), h, 2 ** (m * p), seconds)
    return Found(length, h, m, p, decided.verdict, decided.conflicts, decided.seconds, decided.witness)


@dataclass(frozen=True, slots=True)
class Decided:
    """Whether one layer of h heads does a task, and how many pairs of inputs decided it."""

    verdict: Verdict
    conflicts: int
    seconds: float
    witness: Witness | None = None


def decide(task: Task, h: int, messages: int, seconds: float) -> Decided:
    """Whether h heads that each send one of so many messages do the task at its last place. Raises InputError without z3."""
    try:
        import z3
    except ImportError:
        raise InputError("the search needs z3", hint="pip install 'headwork[search]'") from None
    start, problem = time.monotonic(), _Problem(task, h, min(messages, task.symbols * task.length))
    for conflicts in itertools.count():
        left = seconds - (time.monotonic() - start)
        if left <= 0:
            return Decided("unknown", conflicts, seconds)
        problem.solver.set("timeout", max(1, int(1000 * left)))
        result = problem.solver.check()
        if result != z3.sat:
            return Decided("infeasible" if result == z3.unsat else "unknown", conflicts, time.monotonic() - start)
        witness = problem.witness()
        pair = conflict(witness, task)
        if pair is None:
            return Decided("feasible", conflicts, time.monotonic() - start, witness)
        problem.separate(*pair)
    raise AssertionError("the loop ends by returning")


class _Problem:
    """Orders as distinct integers and messages as bounded ones; with a message for every pair, messages are the pairs."""

    def __init__(self, task: Task, h: int, messages: int) -> None:
        import z3

        length, symbols = task.length, task.symbols
        self.length, self.messages = length, messages
        self.all_told = messages == symbols * length
        self.pairs = [(j, b) for j in range(1, length + 1) for b in range(symbols)]
        self.solver = z3.Solver()
        self.ranks = [{a: {x: z3.Int(f"r{i}.{a}.{x}") for x in self.pairs} for a in range(symbols)} for i in range(h)]
        self.sent = [{x: z3.IntVal(t) if self.all_told else z3.Int(f"v{i}.{x}") for t, x in enumerate(self.pairs)} for i in range(h)]
        for orders, sent in zip(self.ranks, self.sent, strict=True):
            self.solver.add(*(z3.Distinct(*order.values()) for order in orders.values()))
            self.solver.add(*(z3.And(v >= 0, v < messages) for v in sent.values() if not self.all_told))

    def separate(self, x: Row, y: Row) -> None:
        """Some head sends different messages about the two inputs."""
        import z3

        different: list[object] = []
        for orders, sent in zip(self.ranks, self.sent, strict=True):
            wins = [self._wins(orders[row[-1]], row) for row in (x, y)]
            for j, k in itertools.product(range(self.length), repeat=2):
                one, other = (j + 1, x[j]), (k + 1, y[k])
                if one != other:
                    told = z3.BoolVal(True) if self.all_told else sent[one] != sent[other]
                    different.append(z3.And(wins[0][j], wins[1][k], told))
        self.solver.add(z3.Or(*different))

    def _wins(self, order: dict[tuple[int, int], z3.ArithRef], row: Row) -> list[object]:
        import z3

        there = [order[j, b] for j, b in enumerate(row, 1)]
        return [z3.And(*(r > other for other in there if other is not r)) for r in there]

    def witness(self) -> Witness:
        """The solver's orders and messages."""
        model = self.solver.model()

        def value(x: z3.ArithRef) -> int:
            return int(str(model.eval(x, model_completion=True)))

        orders = [{a: tuple(sorted(self.pairs, key=lambda x: -value(o[x]))) for a, o in head.items()} for head in self.ranks]
        return Witness(tuple(orders), tuple({x: value(v) for x, v in sent.items()} for sent in self.sent))


def text(found: Sequence[Found]) -> str:
    """Verdicts, one a line, under the model they are about."""
    about = "one layer of hard attention, any orders and messages of m·p bits, induction over 3 symbols at the last position:"
    return "\n".join([about, *(f"  {f}" for f in found)])
