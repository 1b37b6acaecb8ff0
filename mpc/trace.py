"""A protocol written down: its graph, its communication calls, and the rounds that they count as in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ..compiler.domain import Sizes
from ..compiler.errors import Location, ProgramError, caller
from ..compiler.graph import Builder, Graph, Node, describe
from ..compiler.language.value import Value
from ..compiler.shown import Shown

CallKind: TypeAlias = Literal["shuffle", "scatter", "gather", "request", "broadcast", "all_reduce"]


@dataclass(frozen=True, slots=True)
class Call:
    """One communication step as the protocol writes it: it starts in round `round` and takes `rounds` rounds."""

    kind: CallKind
    round: int
    rounds: int
    why: str
    line: Location | None


@dataclass(frozen=True, repr=False)
class Trace(Shown):
    """A protocol for N machines of `memory` words: local operations and communication in one graph."""

    graph: Graph
    calls: tuple[Call, ...]
    memory: int

    @property
    def rounds(self) -> int:
        """Rounds of the model: as the calls count, whatever the compiler makes of them."""
        return sum(call.rounds for call in self.calls)

    def __repr__(self) -> str:
        return f"<Trace {self.graph.name}: {self.graph.sizes.length} machines, memory {self.memory}, {self.rounds} rounds>"

    def __str__(self) -> str:
        sizes = self.graph.sizes
        rounds = f"{self.rounds} round{'s' * (self.rounds != 1)}"
        lines = [f"protocol {self.graph.name}: {sizes.length} machines, memory {self.memory}, {rounds}"]
        for call in self.calls:
            rounds = f"round {call.round}" if call.rounds == 1 else f"rounds {call.round} to {call.round + call.rounds - 1}"
            lines.append(f"  {rounds}: {call.kind}{f' ({call.why})' if call.why else ''}{f'  {call.line}' if call.line else ''}")
        rows = [(f"%{i}", n.name, describe(n), str(n.domain)) for i, n in enumerate(self.graph.nodes)]
        widths = [max(len(row[c]) for row in rows) for c in range(3)]
        lines += ["  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"returns {', '.join(f'%{o}' for o in self.graph.outputs)}"])


@dataclass
class ProtocolBuilder(Builder):
    """Builds a protocol's graph and counts its rounds."""

    integers = True

    name: str
    sizes: Sizes
    memory: int
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.name, self.sizes)

    def call(self, kind: CallKind, rounds: int, why: str, line: Location | None) -> int:
        """The first round of a new communication call."""
        start = 1 + sum(call.rounds for call in self.calls)
        self.calls.append(Call(kind, start, rounds, why, line))
        return start

    def written(self, outputs: Sequence[int], single: bool) -> Trace:
        """What was built. Nodes that nothing reads stay: a shuffle that nobody reads can overflow all the same."""
        used: dict[str, int] = {}
        nodes: list[Node] = []
        for node in self.nodes:
            used[node.name] = count = used.get(node.name, 0) + 1
            nodes.append(node if count == 1 else Node(node.op, node.args, node.domain, f"{node.name}.{count}", node.line))
        graph = Graph(
            self.name, replace(self.sizes, labels=tuple(self.labels)), tuple(nodes), tuple(outputs), single, notes=tuple(self.notes)
        )
        return Trace(graph, tuple(self.calls), self.memory)


def builder_of(what: str, value: object) -> ProtocolBuilder:
    """The protocol that a value belongs to. Raises ProgramError where it is none."""
    line = caller()
    if not isinstance(value, Value):
        raise ProgramError(f"{what} was given {value!r}, which is not a value", line, "give a value of the protocol")
    if not isinstance(value.builder, ProtocolBuilder):
        raise ProgramError(f"{what} is for protocols", line, "decorate the function with @hw.protocol(memory=s)")
    return value.builder
