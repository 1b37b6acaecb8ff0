"""A protocol message by message: what one worker does between two exchanges, as pure functions of plain data.

This is the meaning of a protocol. It shares nothing with the lowering: local operations are the interpreter's, and every
exchange sends records from machine to machine. A worker holds a block of machines; an engine (`engine.py`) runs the blocks,
in this process or on others, and carries the records between them. A block computed twice gives the same result, so an
engine may repeat what it lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from ..compiler.errors import Location
from ..compiler.graph import Graph, Node
from ..compiler.ops import Position
from ..runtime.interpreter import Column, node_values
from .ops import READERS, Combine, Deliver, Gather, Message, Received, Reduce, Request, Sender, Word, combine
from .trace import Trace

Record: TypeAlias = tuple[int | None, ...]  # where to, then what: the exchange's own business
Phase: TypeAlias = Literal["deliver", "ask", "answer", "gather", "reduce"]
T = TypeVar("T")

PHASES: dict[type, tuple[Phase, ...]] = {
    Deliver: ("deliver",),
    Request: ("ask", "answer"),
    Gather: ("gather",),
    Reduce: ("reduce",),
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange of records: for the nodes of one call that take part, in the round it belongs to."""

    phase: Phase
    round: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A protocol as alternating local steps and exchanges: local[e] are the nodes computed before exchange e.

    held[e] are the nodes whose values are needed after exchange e is sent; a block forgets the others.
    """

    graph: Graph
    exchanges: tuple[Exchange, ...]
    local: tuple[tuple[int, ...], ...]
    held: tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Overflow:
    """A machine that was sent more messages than its inbox holds."""

    round: int
    machine: int
    senders: tuple[int, ...]
    capacity: int
    line: Location | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the driver must know of a superstep: how many messages machines sent in it, and the inboxes that overflowed."""

    messages: int
    overflows: tuple[Overflow, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """What a worker knows of its machines, `lo` + 1 to `hi`: values by node, inboxes by shuffle, questions of this superstep."""

    lo: int
    hi: int
    machines: int
    columns: dict[int, Column] = field(default_factory=dict)
    inboxes: dict[int, list[list[Message]]] = field(default_factory=dict)
    asked: dict[int, list[Record]] = field(default_factory=dict)


def script(trace: Trace) -> Script:
    """The order of local steps and exchanges of a protocol."""
    nodes = trace.graph.nodes
    exchanges: list[Exchange] = []
    ready: dict[int, int] = {}  # communication node -> the local step in which its value is there
    for call in trace.calls:
        members = tuple(i for i, n in enumerate(nodes) if getattr(n.op, "round", None) == call.round)
        for phase in PHASES[type(nodes[members[0]].op)] if members else ():
            exchanges.append(Exchange(phase, call.round, members))
        ready.update((i, len(exchanges)) for i in members)
    step: list[int] = []
    for i, node in enumerate(nodes):
        step.append(ready.get(i, max((step[a] for a in node.args), default=0)))
    local = tuple(tuple(i for i in range(len(nodes)) if i not in ready and step[i] == e) for e in range(len(exchanges) + 1))
    return Script(trace.graph, tuple(exchanges), local, _held(trace, exchanges, local))


def _held(trace: Trace, exchanges: Sequence[Exchange], local: Sequence[Sequence[int]]) -> tuple[frozenset[int], ...]:
    """The nodes still needed after each step: those read later, answered later, or returned."""
    nodes = trace.graph.nodes
    needed = set(trace.graph.outputs)
    held: list[frozenset[int]] = []
    for step in reversed(range(len(local))):
        held.append(frozenset(needed))
        if step < len(exchanges):
            needed.update(exchanges[step].nodes, *(nodes[i].args for i in exchanges[step].nodes))
        for i in local[step]:
            needed.update(nodes[i].args)
    return tuple(reversed(held))


def bounds(machines: int, workers: int) -> list[int]:
    """Where each worker's machines begin, and the end: machine i (from 1) belongs to the worker w with bounds[w] < i <= bounds[w + 1]."""
    return [machines * w // workers for w in range(workers + 1)]


def start(ids: Sequence[int], lo: int, machines: int, token: int | None) -> Block:
    """A worker's block before the first step: its machines' input tokens."""
    columns: dict[int, Column] = {} if token is None else {token: list(ids)}
    return Block(lo, lo + len(ids), machines, columns)


def superstep(plan: Script, step: int, workers: int, block: Block, *incoming: Sequence[Record]) -> list[object]:
    """Take in what exchange `step - 1` brought, compute, send exchange `step`: the new block, a Summary, records for each worker."""
    block = Block(block.lo, block.hi, block.machines, dict(block.columns), dict(block.inboxes))
    overflows = _take_in(plan, plan.exchanges[step - 1], block, [r for part in incoming for r in part]) if step else []
    for i in plan.local[step]:
        if i not in block.columns:
            block.columns[i] = _values(plan.graph.nodes[i], block)
    parts: list[list[Record]] = [[] for _ in range(workers)]
    sent: list[tuple[int, Record]] = []
    if step < len(plan.exchanges):
        ends = bounds(block.machines, workers)
        owner = [w for w in range(workers) for _ in range(ends[w], ends[w + 1])]
        sent = _sent(plan, plan.exchanges[step], block)
        for target, record in sent:
            for w in [owner[target - 1]] if target else range(workers):
                parts[w].append(record)
    held = plan.held[step]
    kept = Block(block.lo, block.hi, block.machines, _only(block.columns, held), _only(block.inboxes, held))
    return [kept, Summary(len(sent), tuple(overflows)), *parts]


def _only(known: dict[int, T], held: frozenset[int]) -> dict[int, T]:
    """What is still needed of what is known by node."""
    return {i: value for i, value in known.items() if i in held}


def _values(node: Node, block: Block) -> Column:
    """A local operation, or what a reader takes from an inbox."""
    n = block.hi - block.lo
    if isinstance(node.op, Position):
        return list(range(block.lo + 1, block.hi + 1))
    if not isinstance(node.op, READERS):
        return node_values(node, [block.columns[a] for a in node.args], [0] * n)
    inboxes = block.inboxes[node.args[0]]
    match node.op:
        case Received():
            return [len(inbox) for inbox in inboxes]
        case Sender(rank=rank):
            return [inbox[rank][0] if rank < len(inbox) else None for inbox in inboxes]
        case Word(rank=rank, word=word):
            return [inbox[rank][2][word] if rank < len(inbox) else None for inbox in inboxes]
        case Combine(how=how, word=word):
            return [combine(how, [message[2][word] for message in inbox]) for inbox in inboxes]


def _sent(plan: Script, exchange: Exchange, block: Block) -> list[tuple[int, Record]]:
    """What the machines of a block send: to whom (0 for every worker), and the record."""
    sent: list[tuple[int, Record]] = []

    def send(target: int | None, record: Record) -> None:
        if target is not None and 1 <= target <= block.machines:
            sent.append((target, record))

    for i in exchange.nodes:
        node = plan.graph.nodes[i]
        args = [block.columns[a] for a in node.args] if exchange.phase != "answer" else []
        match node.op:
            case Deliver() as op:
                targets, words = (args[: op.slots], args[op.slots :]) if not op.pattern else ([], args)
                for j in range(block.hi - block.lo):
                    sender = block.lo + j + 1
                    for slot in range(op.slots):
                        target = op.pattern[sender - 1][slot] if op.pattern else targets[slot][j]
                        message = [column[j] for column in words[slot * op.words : (slot + 1) * op.words]]
                        send(target, (i, target, sender, slot, *message))
            case Request():
                if exchange.phase == "ask":
                    for j, address in enumerate(args[0]):
                        send(address, (i, address, block.lo + j + 1))
                else:
                    values = block.columns[node.args[1]]
                    for _, address, asker in block.asked.get(i, ()):
                        assert address is not None and asker is not None
                        send(asker, (i, asker, values[address - 1 - block.lo]))
            case Gather(sources=sources):
                for target, source in enumerate(sources, 1):
                    if block.lo < source <= block.hi:
                        send(target, (i, target, args[0][source - 1 - block.lo]))
            case Reduce():
                sent += [(0, (i, block.lo + j + 1, value)) for j, value in enumerate(args[0])]
            case _:
                raise AssertionError(f"{node.op} takes no part in an exchange")
    return sent


def _take_in(plan: Script, exchange: Exchange, block: Block, records: Sequence[Record]) -> list[Overflow]:
    """Write what arrived into a block: inboxes, questions to answer, or values; returns what overflowed."""
    overflows: list[Overflow] = []
    n = block.hi - block.lo
    for i in exchange.nodes:
        node = plan.graph.nodes[i]
        mine = [record for record in records if record[0] == i]
        match node.op:
            case Deliver() as op:
                inboxes: list[list[Message]] = [[] for _ in range(n)]
                for _, target, sender, slot, *words in mine:
                    assert target is not None and sender is not None and slot is not None
                    inboxes[target - 1 - block.lo].append((sender, slot, tuple(words)))
                for j, inbox in enumerate(inboxes):
                    inbox.sort(key=lambda message: message[:2])
                    if op.capacity and len(inbox) > op.capacity:
                        senders = tuple(message[0] for message in inbox)
                        overflows.append(Overflow(op.round, block.lo + j + 1, senders, op.capacity, node.line))
                block.inboxes[i] = inboxes
                block.columns[i] = [len(inbox) for inbox in inboxes]
            case Request() if exchange.phase == "ask":
                block.asked[i] = mine
            case Request() | Gather():
                column: Column = [None] * n
                for _, target, value in mine:
                    assert target is not None
                    column[target - 1 - block.lo] = value
                block.columns[i] = column
            case Reduce(how=how):
                ordered = sorted(mine, key=lambda record: record[1] or 0)
                block.columns[i] = [combine(how, [record[2] for record in ordered])] * n
            case _:
                raise AssertionError(f"{node.op} takes no part in an exchange")
    return overflows
