"""Engines: where the blocks of a protocol run. `run_blocks` is the driver, the same for all of them.

An engine calls pure functions and keeps their results by handle; results that are arguments of the next call go straight
from worker to worker. Scheduling, moving data and repeating what was lost is its business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface, TypeAlias

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import CapacityError, InputError, ProgramError
from ..compiler.ops import Token
from ..runtime.tokens import decode_value, encode, in_order
from .protocol import Protocol
from .superstep import Block, Summary, bounds, script, start, superstep
from .trace import Trace

Results: TypeAlias = list[Symbol | None] | list[tuple[Symbol | None, ...]]


class Engine(Interface):
    """What a driver asks of an engine."""

    def put(self, value: object) -> object:
        """A handle of a value that many calls are given, so that it travels to each worker once."""
        ...

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        """Handles of the results of a pure function that returns a list of so many; arguments may be handles."""
        ...

    def fetch(self, handles: Sequence[object]) -> list[object]:
        """The values behind handles, when they are there. Raises EngineError where they cannot be had."""
        ...


class Local:
    """Everything in this process, at once: the reference."""

    def put(self, value: object) -> object:
        """The value is the handle."""
        return value

    def call(self, function: Callable[..., list[object]], args: Sequence[object], results: int) -> list[object]:
        """The results themselves are the handles."""
        found = function(*args)
        assert len(found) == results
        return found

    def fetch(self, handles: Sequence[object]) -> list[object]:
        """The handles are the values."""
        return list(handles)


@dataclass(frozen=True, slots=True)
class Run:
    """What the machines returned, and what it took: rounds of the model, workers, and messages that machines sent.

    A question and its answer are two messages. An all-reduce counts one of each machine, a broadcast one to each.
    """

    results: Results
    rounds: int
    workers: int
    messages: int


@public
def run_protocol(
    protocol: Protocol | Trace,
    tokens: Sequence[Symbol],
    engine: Engine | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    length: int | None = None,
    alphabet: int | Sequence[Symbol] | None = None,
) -> Results:
    """The results of a protocol's machines, one a token, message by message: values, or tuples where tuples are returned.

    A protocol is written down for N = `length` machines, as many as there are tokens if not given, over `alphabet`, its own
    if not given; a Trace is one that was written down already. `workers` blocks of machines run on the engine, this process
    if none is given; `progress` is told the rounds done and how many there are. Raises CapacityError naming the round, the
    machine and the senders where an inbox overflows, InputError for unknown symbols and for more tokens than machines,
    EngineError where the engine gives up.
    """
    if isinstance(protocol, Protocol):
        tokens = in_order(tokens)
        trace = protocol.trace(max(1, len(tokens)) if length is None else length, alphabet)
    elif length is not None or alphabet is not None:
        raise InputError("run_protocol() was given a protocol written down, and a length or an alphabet", hint="give the protocol itself")
    else:
        trace = protocol
    return run_blocks(trace, tokens, engine, workers, progress).results


def run_blocks(
    trace: Trace,
    tokens: Sequence[Symbol],
    engine: Engine | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """As `run_protocol`, with what the run took.

    Every superstep waits for the one before: only its Summary is fetched, blocks and records stay with the workers.
    """
    if not isinstance(trace, Trace):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ProgramError(f"run_protocol() was given {trace!r}, which is no protocol", hint="give what @hw.protocol makes of a function")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the number of workers is {workers!r}", hint="give an integer of at least 1")
    if engine is not None and not all(callable(getattr(engine, name, None)) for name in ("put", "call", "fetch")):
        raise InputError(f"the engine is {engine!r}, which runs nothing", hint="give headwork.mpc.Ray(), or none for this process")
    sizes = trace.graph.sizes
    ids = encode(sizes, tokens)
    runner: Engine = engine or Local()
    plan = script(trace)
    workers = max(1, min(workers, len(ids)))
    ends = bounds(len(ids), workers)
    token = next((i for i, node in enumerate(trace.graph.nodes) if isinstance(node.op, Token)), None)
    blocks: list[object] = [start(ids[ends[w] : ends[w + 1]], ends[w], len(ids), token) for w in range(workers)]
    parts: list[list[object]] = [[] for _ in range(workers)]
    shared, messages = runner.put(plan), 0
    for step in range(len(plan.exchanges) + 1):
        made = [runner.call(superstep, [shared, step, workers, blocks[w], *parts[w]], 2 + workers) for w in range(workers)]
        blocks = [handles[0] for handles in made]
        parts = [[handles[2 + w] for handles in made] for w in range(workers)]
        summaries = [s for s in runner.fetch([handles[1] for handles in made]) if isinstance(s, Summary)]
        _require_capacity(summaries)
        messages += sum(s.messages for s in summaries)
        if progress is not None:
            after = plan.exchanges[step].round if step < len(plan.exchanges) else trace.rounds + 1
            progress(after - 1, trace.rounds)
    done = [block for block in runner.fetch(blocks) if isinstance(block, Block)]
    columns = [[value for block in done for value in block.columns[o]] for o in trace.graph.outputs]
    domains = [trace.graph.nodes[o].domain for o in trace.graph.outputs]
    shown = [[decode_value(sizes, domain, v) for v in column] for domain, column in zip(domains, columns, strict=True)]
    results: Results = shown[0] if trace.graph.single else list(zip(*shown, strict=True))
    return Run(results, trace.rounds, workers, messages)


def _require_capacity(summaries: Sequence[Summary]) -> None:
    """Raise the error of the first machine that overflowed."""
    found = [overflow for summary in summaries for overflow in summary.overflows]
    if found:
        first = min(found, key=lambda o: (o.round, o.machine))
        raise CapacityError.overflow(first.round, first.machine, first.senders, first.capacity, first.line)
