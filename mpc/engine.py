"""Engines: where the blocks of a protocol run. `run_protocol` is the driver, the same for all of them.

An engine calls pure functions and keeps their results by handle; results that are arguments of the next call go straight
from worker to worker. Scheduling, moving data and repeating what was lost is its business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol as Interface

from ..compiler.domain import Symbol
from ..compiler.errors import CapacityError, InputError
from ..compiler.ops import Token
from ..runtime.tokens import decode_value, encode
from .superstep import Block, bounds, script, start, superstep
from .trace import Trace


class Engine(Interface):
    """What a driver asks of an engine."""

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        """Handles of the results of a pure function that returns a list of so many; arguments may be handles."""
        ...

    def fetch(self, handles: Sequence[object]) -> list[object]:
        """The values behind handles."""
        ...


class Local:
    """Everything in this process, at once: the reference."""

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        """The results themselves are the handles."""
        found = function(*args)
        assert len(found) == results
        return found

    def fetch(self, handles: Sequence[object]) -> list[object]:
        """The handles are the values."""
        return list(handles)


def run_protocol(
    trace: Trace,
    tokens: Sequence[Symbol],
    engine: Engine | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Symbol | None] | list[tuple[Symbol | None, ...]]:
    """The results of a protocol's machines, one a token, message by message: values, or tuples where tuples are returned.

    `workers` blocks of machines run on the engine, this process if none is given; `progress` is told the exchanges done and
    how many there are. Raises CapacityError naming the round, the machine and the senders where an inbox overflows,
    InputError for unknown symbols and for more tokens than machines.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the number of workers is {workers!r}", hint="give an integer of at least 1")
    sizes = trace.graph.sizes
    ids = encode(sizes, tokens)
    runner: Engine = engine or Local()
    plan = script(trace)
    workers = max(1, min(workers, len(ids)))
    ends = bounds(len(ids), workers)
    token = next((i for i, node in enumerate(trace.graph.nodes) if isinstance(node.op, Token)), None)
    blocks: list[object] = [start(ids[ends[w] : ends[w + 1]], ends[w], len(ids), token) for w in range(workers)]
    parts: list[list[object]] = [[] for _ in range(workers)]
    steps = len(plan.exchanges) + 1
    for step in range(steps):
        made = [runner.call(superstep, [plan, step, workers, blocks[w], *parts[w]], 1 + workers) for w in range(workers)]
        blocks = [handles[0] for handles in made]
        parts = [[handles[1 + w] for handles in made] for w in range(workers)]
        if step and plan.exchanges[step - 1].phase == "deliver":
            _require_capacity(runner.fetch(blocks))
        if progress is not None:
            progress(step, steps - 1)
    done = [block for block in runner.fetch(blocks) if isinstance(block, Block)]
    columns = [[value for block in done for value in block.columns[o]] for o in trace.graph.outputs]
    domains = [trace.graph.nodes[o].domain for o in trace.graph.outputs]
    shown = [[decode_value(sizes, domain, v) for v in column] for domain, column in zip(domains, columns, strict=True)]
    return shown[0] if trace.graph.single else list(zip(*shown, strict=True))


def _require_capacity(blocks: Sequence[object]) -> None:
    """Raise the error of the first machine that overflowed."""
    found = [overflow for block in blocks if isinstance(block, Block) for overflow in block.overflows]
    if found:
        first = min(found, key=lambda o: (o.round, o.machine))
        raise CapacityError.overflow(first.round, first.machine, first.senders, first.capacity, first.line)
