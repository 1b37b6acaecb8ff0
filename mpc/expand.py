"""A protocol as a program: every round becomes lookups and totals, and local operations stay what they are.

| call                | becomes                                                                    | attention layers |
|---------------------|----------------------------------------------------------------------------|------------------|
| shuffle, a list     | a lookup for every slot and row of a covering array, then ordering (MLP)   | 1                |
| shuffle, combined   | a lookup or a total for every slot                                         | 1                |
| scatter             | a lookup for every message that anyone receives at most                    | 1                |
| request             | one lookup that asks and answers                                           | 1                |
| gather, broadcast   | one lookup                                                                 | 1                |
| all_reduce          | a total or a lookup over all machines                                      | 1                |

A shuffle whose inbox may overflow also counts, a total for every slot in the same layer; the guard is the first round in
which this machine's count exceeds its inbox.
"""

from __future__ import annotations

from collections.abc import Callable

from ..compiler.domain import Domain, Kind
from ..compiler.errors import Location
from ..compiler.graph import Builder, Delivery, Graph, Guard, Node
from ..compiler.language import Value, table, visible, where
from ..compiler.ops import Affine, Const, Exists, Extreme, Fetch, Lookup, Position
from .ops import Combine, Deliver, Gather, How, Received, Reduce, Request, Sender, Word
from .replies import Reply, replies
from .routing import Delivered, combine, oblivious, route
from .trace import Trace


def expand(trace: Trace) -> Graph:
    """The program that a protocol is, for the same number of machines; its outputs are the protocol's, its guard the overflows."""
    return _Expansion(trace).graph()


class _Expansion:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.nodes = trace.graph.nodes
        self.builder = Builder(trace.graph.name, trace.graph.sizes)
        self.of: dict[int, int] = {}
        self.delivered: dict[int, Delivered] = {}
        self.replies = replies(trace)
        self.guards: list[tuple[Delivery, int]] = []
        self.live = self.needed()
        readers = [self.nodes[i] for i in sorted(self.live)]
        self.listed = {n.args[0] for n in readers if isinstance(n.op, (Sender, Word))} - set(self.replies)
        self.counted = {n.args[0] for n in readers if isinstance(n.op, Received) or (isinstance(n.op, Combine) and n.op.how == "count")}

    def graph(self) -> Graph:
        """Node by node; communication by its own rule."""
        for i in sorted(self.live):
            node = self.nodes[i]
            op, args = node.op, [self.of[a] for a in node.args if a in self.of]
            match op:
                case Deliver():
                    self.of[i] = self.deliver(i, node, op)
                case Request():
                    self.of[i] = self.fetch(args[0], args[1], node.line)
                case Gather(sources=sources):
                    self.of[i] = self.fetch(self.from_machine(sources), args[0], node.line)
                case Reduce(how=how):
                    self.of[i] = self.reduce(how, Value(self.builder, args[0]))
                case Received() | Sender() | Word() | Combine():
                    self.of[i] = self.read(i, node)
                case _:
                    self.of[i] = self.builder.add(op, args, node.name, node.line)
        self.builder.notes.update(dict.fromkeys(self.trace.graph.notes))
        return self.builder.finish([self.of[o] for o in self.trace.graph.outputs], self.trace.graph.single, self.guard())

    # --- shuffles ----------------------------------------------------------------------------------------

    def needed(self) -> set[int]:
        """The nodes that the outputs and the guard depend on: of a payload only the words that are read."""
        stack = [*self.trace.graph.outputs]
        stack += [i for i, n in enumerate(self.nodes) if isinstance(n.op, Deliver) and n.op.capacity and not n.op.pattern]
        live: set[int] = set()
        while stack:
            i = stack.pop()
            if i in live:
                continue
            live.add(i)
            node = self.nodes[i]
            if isinstance(node.op, Deliver):
                reply = self.replies.get(i)
                stack += node.args[: 0 if node.op.pattern else node.op.slots] if reply is None else [reply.address]
            elif isinstance(node.op, Word) and node.args[0] in self.replies:
                stack += [node.args[0], self.replies[node.args[0]].words[node.op.word]]
            else:
                stack += node.args
        return live

    def deliver(self, index: int, node: Node, op: Deliver) -> int:
        """The shuffle's count, where anybody needs it; its messages are routed if somebody reads them."""
        if (reply := self.replies.get(index)) is not None:
            answer = self.answered(reply, None, node.line)
            return self.choose(answer, 1, 0) if index in self.counted else self.constant(0)
        to, words = self.split(node, op)
        if op.pattern:
            if index in self.listed or index in self.counted:
                self.delivered[index] = oblivious(self.builder, op.pattern, words, node.line)
        elif index in self.listed:
            self.delivered[index] = route(self.builder, to, words, op.capacity, True, node.line)
        elif op.capacity or index in self.counted:
            count = combine(self.builder, "count", to, [self.constant(1)] * op.slots, node.line)
            self.delivered[index] = Delivered((), (), count)
        count = self.count_of(index)
        if op.capacity and not op.pattern:
            over = Value(self.builder, count) > op.capacity
            self.guards.append((Delivery(op.round, tuple(to), op.capacity, node.line), over.index))
        return count

    def choose(self, present: int, x: int, y: int) -> int:
        """x where a node has a value, y where it is ⊥."""
        there = Value(self.builder, self.builder.add(Exists(), [present], "exists"))
        return where(there, Value(self.builder, self.constant(x)), Value(self.builder, self.constant(y))).index

    def split(self, node: Node, op: Deliver) -> tuple[list[int], list[list[int]]]:
        """A shuffle's destinations, and of its payload the words that are read, by slot."""
        slots = 0 if op.pattern else op.slots
        rest = node.args[slots:]
        rows = [rest[slot * op.words : (slot + 1) * op.words] for slot in range(op.slots)]
        unread = self.constant(1)  # nobody reads this word, whatever it is
        return [self.of[a] for a in node.args[:slots]], [[self.of.get(w, unread) for w in row] for row in rows]

    def count_of(self, index: int) -> int:
        """The node that counts a shuffle's messages; of an answer that is said where it is read."""
        if index in self.replies:
            return self.of[index]
        found = self.delivered.get(index)
        return found.count if found is not None and found.count is not None else self.constant(0)

    def read(self, index: int, node: Node) -> int:
        """What a reader takes from an inbox."""
        shuffle = node.args[0]
        found = self.delivered.get(shuffle)
        reply = self.replies.get(shuffle)
        match node.op:
            case Received():
                return self.count_of(shuffle)
            case Sender(rank=rank):
                if reply is not None:
                    return self.answered(reply, None, node.line) if rank == 0 else self.nothing("position")
                assert found is not None
                return found.senders[rank] if rank < len(found.senders) else self.nothing("position")
            case Word(rank=rank, word=word):
                if reply is not None:
                    return self.answered(reply, word, node.line) if rank == 0 else self.nothing(node.domain.kind)
                assert found is not None
                return found.words[rank][word] if rank < len(found.words) else self.nothing(node.domain.kind)
            case Combine(how="count"):
                return self.count_of(shuffle)
            case Combine(how=how, word=word) if reply is not None:
                answer = Value(self.builder, self.answered(reply, word, node.line))
                return answer.or_else(0 if how == "sum" else False).index if how in ("sum", "any") else answer.index
            case Combine(how=how):
                outer = self.nodes[shuffle]
                assert isinstance(outer.op, Deliver)
                to, _ = self.split(outer, outer.op)
                if outer.op.pattern:
                    to = [self.pattern_slot(outer.op, slot) for slot in range(outer.op.slots)]
                found = combine(self.builder, how, to, [self.of[a] for a in node.args[1:]], node.line)
                if how == "sum" and outer.op.pattern:  # fewer messages than there are machines
                    return self.within(found, node.domain)
                return found
            case _:
                raise AssertionError(f"{node.op} reads no inbox")

    def answered(self, reply: Reply, word: int | None, line: Location | None) -> int:
        """A reply read where it was asked: one lookup at the address, of the word or of the machine's own number."""
        value = self.here() if word is None else self.of[reply.words[word]]
        return self.fetch(self.of[reply.address], value, line)

    def within(self, total: int, domain: Domain) -> int:
        """A total whose terms are known to add up to a value of a domain."""
        found = self.builder.nodes[total].domain
        for largest, bound, over in ((False, domain.hi, found.hi > domain.hi), (True, domain.lo, found.lo < domain.lo)):
            total = self.builder.add(Extreme(largest), [total, self.constant(bound)], "sum") if over else total
        return total

    def pattern_slot(self, op: Deliver, slot: int) -> int:
        """A known pattern's destinations in one slot, as a table of the machine."""
        return self.from_machine(tuple(row[slot] for row in op.pattern))

    # --- pulls and reductions ----------------------------------------------------------------------------

    def fetch(self, address: int, value: int, line: Location | None) -> int:
        """The value of the machine at an address."""
        lookup = self.builder.add(Lookup("full", "only", 1), [address, self.here()], "request", line)
        return self.builder.add(Fetch(), [lookup, value], "answer", line)

    def from_machine(self, machines: tuple[int, ...]) -> int:
        """A machine's number for every machine, ⊥ for 0."""
        if len(set(machines)) == 1 and machines[0]:
            return self.builder.add(Const("position", machines[0]), [], f"machine {machines[0]}")
        me = Value(self.builder, self.here())
        number = table(lambda i: machines[i - 1] or None, me)
        return self.builder.add(Affine("position", (1,), 0), [number.index], "machine")

    def reduce(self, how: How, value: Value) -> int:
        """All machines' values together."""
        every = visible(value)
        found: dict[How, Callable[[], Value]] = {
            "sum": lambda: every.sum(value),
            "count": lambda: every.count(),
            "any": lambda: every.any(value.or_else(False) if value.domain.none else value),
            "min": lambda: every.min(value),
            "max": lambda: every.max(value),
            "first": lambda: Value(self.builder, self.fetch(self.from_machine((1,) * self.trace.graph.sizes.length), value.index, None)),
        }
        return found[how]().index

    # --- small things --------------------------------------------------------------------------------------

    def here(self) -> int:
        return self.builder.add(Position(), [], "me")

    def nothing(self, kind: Kind) -> int:
        return self.builder.add(Const(kind, None), [], "⊥")

    def constant(self, value: int) -> int:
        return self.builder.add(Const("int", value), [], str(value))

    def guard(self) -> Guard | None:
        """The first round in which this machine was sent too much, ⊥ if none."""
        if not self.guards:
            return None
        first: Value | None = None
        for delivery, over in reversed(self.guards):
            number = Value(self.builder, self.constant(delivery.number))
            first = where(Value(self.builder, over), number, first)
        assert first is not None
        return Guard(first.index, tuple(delivery for delivery, _ in self.guards))
