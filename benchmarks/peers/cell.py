"""One cell of the table, measured in a process of its own: what every system's worker hands over, and what is done with it.

Runs in every system's environment, so it imports nothing outside Python. The parent reads JSON lines from standard output, each
complete in itself: when a limit ends the process, the last one says how far it came.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count

from .tasks import TASKS, Answers, Symbol, Task

SEED = 0
LENGTHS = (8, 16, 64, 256, 1024)
WARM_UP = LENGTHS[0]  # compiled and run once before the clock starts, so that nothing done once a process is measured
SEQUENCES = 10
COMPILES, COMPILING = 3, 1.0  # times a model is compiled, at most; no further one after so many seconds
CHECKING = 20.0  # seconds of forward passes after which no further sequence is checked
CPU_LIMIT = 60  # CPU seconds for a cell, imports and warm-up included
MEMORY_LIMIT = 8 << 30  # bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one task at one length. `right` counts sequences right at every position, of those tried.

    Times are seconds of the wall clock, the least of some runs. `heads` are those of the widest layer; `parameters` counts every
    number stored in a tensor, embeddings included. `status` is `measured`, or says why some figures
    are missing; then `note` has the error or the reason.
    """

    system: str
    task: str
    length: int
    status: str
    note: str = ""
    version: str = ""
    date: str = ""
    layers: int | None = None
    heads: int | None = None
    d_model: int | None = None
    parameters: int | None = None
    compile: float | None = None
    forward: float | None = None
    right: int | None = None
    tried: int | None = None

    @property
    def exact(self) -> bool:
        """Whether every sequence tried was right at every position, and the measurement came to its end."""
        return self.status == "measured" and bool(self.tried) and self.right == self.tried


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled model: its sizes, whether it sees only what came before, and tokens to answers."""

    layers: int
    heads: int
    d_model: int
    parameters: int
    causal: bool
    run: Callable[[list[Symbol]], Answers]


class Inexpressible(Exception):
    """The system has no way to say this task; the text is the reason."""


def wrong(answers: Answers, expected: Answers) -> int:
    """At how many positions an answer differs. A position for which plain Python has no answer is not judged."""
    return sum(e is not None and a != e for a, e in zip(answers, expected, strict=True))


def measure(build: Callable[[Task, int], Built], system: str, task: Task, length: int, say: Callable[[Row], None]) -> Row:
    """Compile, run and check one cell; `say` hears of every step."""
    row = Row(system, task.name, length, "measured")
    try:
        warm = build(task, WARM_UP)
    except Inexpressible as reason:
        return replace(row, status="cannot express", note=str(reason))
    warm.run(task.sample(random.Random(SEED), WARM_UP))
    times: list[float] = []
    while len(times) < COMPILES and sum(times) < COMPILING:
        start = time.perf_counter()
        built = build(task, length)
        times.append(time.perf_counter() - start)
    row = replace(row, compile=min(times), layers=built.layers, heads=built.heads, d_model=built.d_model)
    row = replace(row, parameters=built.parameters)
    say(row)
    rng = random.Random(f"{SEED} {task.name} {length}")
    right = 0
    times = []
    for tried in count(1):
        tokens = task.sample(rng, length)
        start = time.perf_counter()
        answers = built.run(tokens)
        times.append(time.perf_counter() - start)
        right += not wrong(answers, task.reference(tokens, built.causal))
        row = replace(row, forward=min(times), right=right, tried=tried)
        say(row)
        if tried == SEQUENCES or sum(times[1:]) > CHECKING:  # the first pass may compile for its shape
            return row
    raise AssertionError("count() ends")


def work(system: str, build: Callable[[Task, int], Built]) -> None:
    """A worker's main: task and length are its arguments. Limits itself first."""
    name, length = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))

    def say(row: Row) -> None:
        print(json.dumps(asdict(row)), flush=True)

    say(measure(build, system, TASKS[name], int(length), say))
