"""Graphs: a program as a hash-consed DAG of per-position values.

    %0  token       token                         a token (4 values)
    %1  jump        lookup strict latest %0 = %0  a position (1..8) or none

Only Lookup with Fetch, and Total, move information between positions, so attention depth is the longest path counted
in fetches and totals. Nodes stand in topological order and refer to earlier ones by index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .domain import Domain, Sizes, Symbol
from .errors import Location, ProgramError
from .loops import Loops
from .ops import Lookup, Op, Total
from .shown import Shown


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the program: operation, arguments, domain, and where the user wrote it."""

    op: Op
    args: tuple[int, ...]
    domain: Domain
    name: str
    line: Location | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A round's messages: in slot r every position sends to the position that node `to[r]` names, ⊥ for none, inboxes hold `capacity`."""

    number: int
    to: tuple[int, ...]
    capacity: int
    line: Location | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A value that is ⊥ where all is well, else the first round in which this position was sent more than its inbox holds.

    `deliveries` are the rounds that can overflow, for the error's text; rewrites drop them, the graph as written has them.
    """

    node: int
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, repr=False)
class Graph(Shown):
    """A whole program for given sizes; `outputs` are the indices of the values it returns, `single` says that it is one, not a tuple.

    `fractions` are the places in `outputs` at which a fraction begins: its numerator, and after it the denominator.
    `notes` say which lowerings the language chose where there were several, and what the others would cost. `loops` are those whose
    rounds are written out here and which can be one block.
    """

    name: str
    sizes: Sizes
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    single: bool = True
    guard: Guard | None = None
    fractions: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    loops: int = field(default=0, compare=False)

    @property
    def roots(self) -> tuple[int, ...]:
        """What the model must say: the outputs, and last the guard's value where there is one."""
        return self.outputs if self.guard is None else (*self.outputs, self.guard.node)

    @property
    def output(self) -> int:
        """The one value that the program returns. Raises ProgramError where it returns several, or has a guard."""
        root, *more = self.roots
        if more:
            hint = "return one of them" if self.guard is None else "return one value, and let inboxes hold all that can be sent"
            raise ProgramError(f"{self.name} gives {self.gives()} where one value is needed", hint=hint)
        return root

    def gives(self) -> str:
        """How much the model says at a position, in words: `a value`, `3 values and a guard`."""
        text = "a fraction" if self.fractions and self.single else f"{len(self.outputs)} values" if len(self.outputs) > 1 else "a value"
        return text if self.guard is None else f"{text} and a guard"

    def depths(self) -> list[int]:
        """Attention layers each node needs: fetches and totals on the longest path to it (a lookup counts with its fetch)."""
        depth: list[int] = []
        for node in self.nodes:
            below = max((depth[a] for a in node.args), default=0)
            depth.append(below + node.op.attends)
        return depth

    @property
    def depth(self) -> int:
        """Attention layers the outputs and the guard need."""
        depths = self.depths()
        return max(depths[root] for root in self.roots)

    def __repr__(self) -> str:
        return f"<Graph {self.name}: {len(self.nodes)} nodes, length {self.sizes.length}, attention depth {self.depth}>"

    def __str__(self) -> str:
        rows = [(f"%{i}", n.name, describe(n), str(n.domain), str(n.line or "")) for i, n in enumerate(self.nodes)]
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        head = f"{self.name}: length {self.sizes.length}, alphabet {len(self.sizes.alphabet)}, "
        head += f"{'causal' if self.sizes.causal else 'bidirectional'}, attention depth {self.depth}, returns {self.returns()}"
        body = ("  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows)
        return "\n".join([head, *body])

    def titles(self) -> tuple[str, ...]:
        """What each root is called in messages: `the output`, or where there are several `output 2 (name)`, and `the guard`."""
        names = [f"output {i} ({self.nodes[o].name})" for i, o in enumerate(self.outputs, 1)]
        return (*(names if len(names) > 1 else ["the output"]), *(["the guard"] if self.guard else []))

    def returns(self) -> str:
        """What is returned, as program text: `%3`, or `(%3, %5), guard %8`."""
        parts = [f"%{o}" for o in self.outputs]
        for i in reversed(self.fractions):
            parts[i : i + 2] = [f"{parts[i]} / {parts[i + 1]}"]
        text = parts[0] if self.single else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        return text if self.guard is None else f"{text}, guard %{self.guard.node}"


def describe(node: Node) -> str:
    """A node as one line of program text."""
    args = [f"%{a}" for a in node.args]
    if isinstance(node.op, (Lookup, Total)):
        parts = node.op.parts
        pairs = [f"{q} = {k}" for q, k in zip(args[:parts], args[parts : 2 * parts], strict=True)]
        rest = f" of {', '.join(args[2 * parts :])}" if len(args) > 2 * parts else ""
        return f"{node.op.label()} {', '.join(pairs)}{rest}"
    return " ".join([node.op.label(), *args])


class Builder:
    """Builds a graph: equal operations on equal arguments are one node (hash-consing), which is all the CSE there is.

    `integers` says that integer literals are integers even where the alphabet holds them as symbols. `reads` remembers of a node that
    was computed instead of read which value at which position it is, `nowhere` of nodes whether they are ⊥ wherever they are asked for.
    """

    integers = False

    def __init__(self, name: str, sizes: Sizes) -> None:
        self.name, self.sizes = name, sizes
        self.nodes: list[Node] = []
        self.depth: list[int] = []
        self.notes: dict[str, None] = {}
        self.reads: dict[int, tuple[int, int]] = {}
        self.nowhere: dict[int, bool] = {}
        self.labels: list[Symbol] = list(sizes.labels)
        self.loops = Loops()
        self._known: dict[tuple[Op, tuple[int, ...]], int] = {}
        self._numbers: dict[Symbol, int] = {}
        for number, label in enumerate(sizes.labels):
            self._numbers.setdefault(label, number)

    def label(self, meant: Symbol) -> int:
        """The number of a label, new or known: equal labels have one number."""
        if meant not in self._numbers:
            self._numbers[meant] = len(self.labels)
            self.labels.append(meant)
        return self._numbers[meant]

    def add(self, op: Op, args: Sequence[int] = (), name: str = "", line: Location | None = None) -> int:
        """The index of this operation's node, new or known. Raises DomainError if the arguments do not fit."""
        key = (op, tuple(args))
        if key not in self._known:
            domain = op.domain([self.nodes[a].domain for a in args], self.sizes)
            self.nodes.append(Node(op, tuple(args), domain, name or op.name, line))
            self.depth.append(max((self.depth[a] for a in args), default=0) + op.attends)
            self._known[key] = len(self.nodes) - 1
        return self._known[key]

    def note(self, text: str, line: Location | None) -> None:
        """Record a choice between lowerings, once."""
        self.notes[f"{line}: {text}" if line else text] = None

    def finish(
        self, outputs: int | Sequence[int], single: bool | None = None, guard: Guard | None = None, fractions: Sequence[int] = ()
    ) -> Graph:
        """The graph of what the outputs, the guard and its deliveries need, nothing else, every name made unique.

        `single` says that the one output is returned as it is, not as a tuple; by default, where an index is given. `fractions` are
        the places of outputs that are numerators, each followed by its denominator.
        """
        single, outputs = isinstance(outputs, int) if single is None else single, [outputs] if isinstance(outputs, int) else outputs
        assert outputs and (len(outputs) - len(fractions) == 1 or not single)
        deliveries = guard.deliveries if guard else ()
        keep = sorted(reachable(self.nodes, [*outputs, *([guard.node] if guard else []), *(t for d in deliveries for t in d.to)]))
        index = {old: new for new, old in enumerate(keep)}
        used: dict[str, int] = {}
        nodes: list[Node] = []
        for old in keep:
            node = self.nodes[old]
            used[node.name] = count = used.get(node.name, 0) + 1
            name = node.name if count == 1 else f"{node.name}.{count}"
            nodes.append(Node(node.op, tuple(index[a] for a in node.args), node.domain, name, node.line))
        if guard:
            guard = Guard(index[guard.node], tuple(replace(d, to=tuple(index[t] for t in d.to)) for d in deliveries))
        sizes, roots = replace(self.sizes, labels=tuple(self.labels)), tuple(index[o] for o in outputs)
        return Graph(self.name, sizes, tuple(nodes), roots, single, guard, tuple(fractions), tuple(self.notes), self.loops.count)


def reachable(nodes: Sequence[Node], roots: Iterable[int]) -> set[int]:
    """The nodes that the roots depend on, themselves included."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack.extend(nodes[i].args)
    return seen
