"""The chain of steps from a program as written to its optimised graph: each rewrite of the optimiser, as rules of the kernel.

Untrusted: what is written here the kernel checks. The optimiser's passes are run again, and what each made of each node is explained.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from ..compiler.graph import Graph, Node, reachable
from ..compiler.ops import Affine, AtLeast, Clip, Equal, Exists, Extreme, Fetch, Lookup, Op, OrElse
from ..compiler.rewrite import factored, history, unstrict
from ..compiler.rewrite.maps import Rewritten, at_query, copy, position_of, shifted
from ..kernel.numbers import Rejected
from ..kernel.rewrite import pointer, step
from ..kernel.terms import FIELDS, LOCAL, POSITION, STRICT, Term, Terms

Row = tuple[str, tuple[Any, ...], tuple[int, ...]]


def row(op: Op, args: tuple[int, ...]) -> Row:
    """An operation as the kernel reads it: what names and kinds it has besides does not change its meaning."""
    if op.name not in FIELDS:
        raise Rejected(f"no rule for the operation {op.name}")
    fields = {f.name: getattr(op, f.name) for f in dataclasses.fields(op)}
    return op.name, tuple(fields[name] for name in FIELDS[op.name][0]), args


class Ledger:
    """A script in the making: terms and steps, each taken by the kernel as it is written down."""

    def __init__(self, graph: Graph) -> None:
        self.terms = Terms(graph.sizes.length, len(graph.sizes.alphabet))
        self.mask = "causal" if graph.sizes.causal else "full"  # what reading at a position sees
        self.program: list[int] = []
        for node in graph.nodes:
            term = Term(*row(node.op, tuple(self.program[a] for a in node.args)))
            self.program.append(self.terms.add(term) if (number := self.terms.known(term)) is None else number)
        self.added: list[Row] = []
        self.steps: list[tuple[Any, ...]] = []

    def add(self, op: str, fields: tuple[Any, ...], args: tuple[int, ...]) -> int:
        """The number of a term, new or known."""
        number = self.terms.known(Term(op, fields, args))
        if number is None:
            number = self.terms.add(Term(op, fields, args))
            self.added.append((op, fields, args))
        return number

    def node(self, op: Op, args: tuple[int, ...]) -> int:
        """The number of an operation's term."""
        return self.add(*row(op, args))

    def graph(self, graph: Graph) -> list[int]:
        """The terms of another graph's nodes."""
        found: list[int] = []
        for node in graph.nodes:
            found.append(self.node(node.op, tuple(found[a] for a in node.args)))
        return found

    def take(self, rule: str, a: int, b: int) -> None:
        """Two terms are equal by a rule, unless that was shown already. Raises Rejected."""
        if not self.terms.same(a, b):
            self.note(rule, a, b)

    def note(self, rule: str, a: int, b: int) -> None:
        """A step by a rule. Raises Rejected."""
        step(self.terms, rule, a, b)
        self.steps.append((rule, a, b))

    def at(self, value: int, position: int) -> int:
        """The term of reading a value at a position."""
        lookup = self.add("lookup", (self.mask, "only", 1, (), 0), (position, POSITION))
        return self.add("fetch", (), (lookup, value))


def explain(ledger: Ledger, graph: Graph, numbers: list[int]) -> tuple[Graph, list[int]]:
    """Run the optimiser and write down why its result means what the graph does; its nodes' terms. Raises Rejected."""
    for done in history(graph):
        numbers = Explained(ledger, done, numbers).numbers()
        graph = done.graph
    made, numbers = factored(graph), [*numbers]
    for node in made.nodes[len(numbers) :]:
        numbers.append(ledger.node(node.op, tuple(numbers[a] for a in node.args)))
    return made, numbers


def same_meaning(a: Graph, b: Graph) -> bool:
    """Whether two graphs are shown to mean the same: the same outputs and guard on every input, by what the optimiser makes of both."""
    if (a.sizes, len(a.outputs), a.guard is None) != (b.sizes, len(b.outputs), b.guard is None):
        return False
    try:
        ledger = Ledger(a)
        explain(ledger, a, ledger.program)
        other = ledger.graph(b)
        explain(ledger, b, other)
    except Rejected:
        return False
    return all(ledger.terms.same(ledger.program[x], other[y]) for x, y in zip(a.roots, b.roots, strict=True))


def explain_unstrict(ledger: Ledger, graph: Graph, numbers: list[int]) -> tuple[Graph, list[int]]:
    """The same for the program with causal masks alone, not optimised yet."""
    done = unstrict.run(dataclasses.replace(graph, sizes=dataclasses.replace(graph.sizes, strict=False)))
    return done.graph, Explained(ledger, done, numbers).numbers()


class Explained:
    """One pass: node by node, why what stands in its place is equal."""

    def __init__(self, ledger: Ledger, done: Rewritten, numbers: list[int]) -> None:
        self.ledger, self.done, self.builder = ledger, done, done.builder
        self.before = numbers  # the terms of the graph's nodes
        self.size = len(done.builder.nodes)
        self._made: dict[int, int] = {}
        self._apart: dict[int, int] = {}

    def numbers(self) -> list[int]:
        """The terms of the nodes of the graph that came out, each shown equal to what it replaces."""
        roots, done = [self.done.new[root] for root in self.done.before.roots], self.done
        keep = sorted(reachable(self.builder.nodes[: self.size], roots))
        plain: list[int] = []
        for node, number, new in zip(done.before.nodes, self.before, done.new, strict=True):
            args = tuple(plain[a] if isinstance(done.before.nodes[a].op, Lookup) else self.made(done.new[a]) for a in node.args)
            plain.append(self.ledger.node(node.op, args))
            self.ledger.take("congruence", number, plain[-1])
            if not isinstance(node.op, Lookup) and not self.ledger.terms.same(plain[-1], self.made(new)):
                self.one(node, tuple(done.new[a] for a in node.args), plain[-1], new)
        return [self.made(index) for index in keep]

    def made(self, index: int) -> int:
        """The term of a node of the builder."""
        stack = [index]  # arguments come first
        while stack:
            here = stack[-1]
            missing = [a for a in self.builder.nodes[here].args if a not in self._made]
            if here in self._made or not missing:
                stack.pop()
                if here not in self._made:
                    node = self.builder.nodes[here]
                    self._made[here] = self.ledger.node(node.op, tuple(self._made[a] for a in node.args))
            else:
                stack += missing
        return self._made[index]

    def one(self, node: Node, args: tuple[int, ...], plain: int, new: int) -> None:
        """Why a node on new arguments, as a term `plain`, equals what took its place."""
        made, take = self.made(new), self.ledger.take
        if self.done.name in ("shift", "strict"):
            shift(self.ledger, *((plain, made) if self.done.name == "shift" else (made, plain)))
        elif self.done.name == "push":
            take("push", plain, made)
        elif self.done.name == "associate":
            self.composed(node, args, new)
        elif isinstance(node.op, Affine):
            take("sums", plain, made)
        elif isinstance(node.op, (OrElse, Exists, Clip, Extreme, AtLeast, Equal)):
            take("decided", plain, made)
        else:
            self.read(plain, new)

    # --- reading what is known ---------------------------------------------------------------------------

    def read(self, plain: int, new: int) -> None:
        """Why reading a value at a position is what was computed instead."""
        terms = self.ledger.terms
        lookup, value = terms.list[plain].args
        query = terms.list[lookup].args[0]
        if terms.list[query].op == "position":
            self.ledger.take("identity", plain, self.made(new))
            return
        known: dict[int, int] = {}
        self.substituted(lookup, query, value, known)

    def substituted(self, lookup: int, query: int, value: int, known: dict[int, int]) -> int:
        """The term of a value that depends on the position alone, computed at the place that is read; shown equal to reading it."""
        terms, ledger = self.ledger.terms, self.ledger
        order = sorted(_below(terms, value))
        for here in order:
            term = terms.list[here]
            read = ledger.add("fetch", (), (lookup, here))
            if term.op == "position":
                cut = ledger.add("clip", (1, terms.length), (query,))
                ledger.take("place", read, cut)
                known[here] = cut
                if terms.ranges[query].lo >= 1 and terms.ranges[query].hi <= terms.length:
                    ledger.take("decided", cut, query)
                    known[here] = query
            elif any(a in known for a in term.args):
                through = tuple(ledger.add("fetch", (), (lookup, a)) if a in known else a for a in term.args)
                apart = ledger.add(term.op, term.fields, through)
                ledger.take("push", apart, read)
                known[here] = ledger.add(term.op, term.fields, tuple(known.get(a, a) for a in term.args))
                ledger.take("congruence", apart, known[here])
        return known[value]

    # --- chains of reads ---------------------------------------------------------------------------------

    def composed(self, node: Node, args: tuple[int, ...], new: int) -> None:
        """Why a chain of reads equals a tree of them: with what was computed instead of read taken apart, both spell one word."""
        plain = copy(self.builder, node, args)  # it is there already
        chains = Chains(self.ledger)
        if not self.ledger.terms.same(chains.normal(self.apart(plain)), chains.normal(self.apart(new))):
            raise Rejected("a chain of reads is not shown to be what was composed instead")

    def apart(self, index: int, within: frozenset[int] = frozenset()) -> int:
        """A term equal to a node, in which what was computed instead of read is read."""
        if index in self._apart:
            return self._apart[index]
        node, ledger = self.builder.nodes[index], self.ledger
        number = self.made(index)
        if index in self.builder.reads and index not in within:
            value, position = self.builder.reads[index]
            read = ledger.at(self.made(value), self.made(position))
            if not ledger.terms.same(read, number):
                lookup = ledger.terms.list[read].args[0]
                self.substituted(lookup, self.made(position), self.made(value), {})
            inner = within | {index}
            found = ledger.at(self.apart(value, inner), self.apart(position, inner))
            self._equal(read, found)
        elif isinstance(node.op, Fetch):
            lookup, value = node.args
            query = at_query(self.builder, lookup)
            if query is not None and query < self.size:
                old = self.made(lookup)
                args = self.builder.nodes[lookup].args
                new = ledger.node(self.builder.nodes[lookup].op, (self.apart(query, within), *(self.made(a) for a in args[1:])))
                ledger.take("congruence", old, new)
                found = ledger.add("fetch", (), (new, self.apart(value, within)))
            else:
                self._found(lookup)
                found = ledger.add("fetch", (), (self.made(lookup), self.apart(value, within)))
            ledger.take("congruence", number, found)
        else:
            found = number
        self._apart[index] = found
        return found

    def _equal(self, read: int, found: int) -> None:
        """Two reads at positions, of equal values at equal positions."""
        terms = self.ledger.terms
        self.ledger.take("congruence", terms.list[read].args[0], terms.list[found].args[0])
        self.ledger.take("congruence", read, found)

    def _found(self, lookup: int) -> None:
        """The position that a lookup finds, and its earlier form where it has one."""
        home = self.ledger.add("fetch", (), (self.made(lookup), POSITION))
        if shifted(self.builder, lookup) is not None:
            shift(self.ledger, home, self.made(position_of(self.builder, lookup)))


class Chains:
    """Chains of reads as one pointer after the other: what two chains that are the same composition of maps have in common."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.terms = ledger, ledger.terms
        self._known: dict[tuple[int, int], tuple[int, int]] = {}  # value and pointer: the first such read, its normal form

    def normal(self, number: int) -> int:
        """A term equal to this one that reads through one opaque pointer after the other."""
        chain = list[int]()
        while self.terms.list[number].op == "fetch":
            chain.append(number)
            number = self.terms.list[number].args[1]
        for here in reversed(chain):
            number = self._through(self._same(here, number), number)
        return number

    def _same(self, fetch: int, value: int) -> int:
        """The lookup's read of an equal value."""
        lookup = self.terms.list[fetch].args[0]
        made = self.ledger.add("fetch", (), (lookup, value))
        self.ledger.take("congruence", fetch, made)
        return made

    def _through(self, fetch: int, value: int) -> int:
        """The normal form of one read of a value in normal form."""
        lookup = self.terms.list[fetch].args[0]
        at = pointer(self.terms, self.terms.list[lookup])
        if at is not None and at[0] == self.ledger.mask:
            made = self.ledger.at(value, at[1])
            self._equal(fetch, made)
            return self._at(made, value, at[1])
        home = self.ledger.add("fetch", (), (lookup, POSITION))  # x.fetch(h) = x.at(position).fetch(h) = x.at(position.fetch(h))
        here, made = self.ledger.at(value, POSITION), self.ledger.at(value, home)
        self.ledger.take("identity", here, value)
        apart = self.ledger.add("fetch", (), (lookup, here))
        self.ledger.take("congruence", fetch, apart)
        self.ledger.take("associate", made, apart)
        return self._opaque(made, value, home)

    def _opaque(self, made: int, value: int, home: int) -> int:
        """A read at a pointer that is not taken apart, under the name of all that equal it."""
        return self._named((self.terms.find(value), self.terms.find(home)), made, made)

    def _at(self, made: int, value: int, query: int) -> int:
        """The normal form of a read at a position, value.at(query)."""
        key, path = (self.terms.find(value), self.terms.find(query)), list[tuple[int, int, int]]()
        found = made
        while key not in self._known:
            term = self.terms.list[query]
            if term.op == "position":
                self.ledger.take("identity", made, value)
                found = value
                break
            lag = self.terms.ranges[term.args[1]].lag if term.op == "fetch" else None
            if term.op != "fetch" or not (self.ledger.mask == "full" or (lag is not None and lag <= 0)):
                found = made
                break
            path.append((made, term.args[0], query))
            query = term.args[1]
            made, key = self.ledger.at(value, query), (self.terms.find(value), self.terms.find(query))
        found = self._named(key, made, found)
        for outer, lookup, query in reversed(path):  # value.at(p.fetch(h)) = value.at(p).fetch(h)
            inner = self.ledger.at(value, self.terms.list[query].args[1])
            apart = self.ledger.add("fetch", (), (lookup, inner))
            self.ledger.take("associate", outer, apart)
            whole = self.ledger.add("fetch", (), (lookup, found))
            self.ledger.take("congruence", apart, whole)
            found = self._named((self.terms.find(value), self.terms.find(query)), outer, self._through(whole, found))
        return found

    def _named(self, key: tuple[int, int], made: int, found: int) -> int:
        """The normal form of a read of a value at a pointer, by the first such read that was met."""
        first, normal = self._known.setdefault(key, (made, found))
        self._equal(made, first)
        return normal

    def _equal(self, read: int, found: int) -> None:
        """Two reads at positions that are equal, of equal values; or what was shown equal already."""
        if not self.terms.same(read, found):
            self.ledger.take("congruence", self.terms.list[read].args[0], self.terms.list[found].args[0])
            self.ledger.take("congruence", read, found)


def shift(ledger: Ledger, a: int, b: int) -> None:
    """Take a step of rule SHIFT, and those that it rests on."""
    if ledger.terms.same(a, b):
        return
    x, y, pairs = ledger.terms.list[a], ledger.terms.list[b], list[tuple[int, int]]()
    if x.op == y.op == "fetch":
        pairs, x, y = [(x.args[1], y.args[1])], ledger.terms.list[x.args[0]], ledger.terms.list[y.args[0]]
    if x.op in ("lookup", "total") and (x.op, x.fields[1:]) == (y.op, y.fields[1:]):
        n = x["parts"]
        for pair in [*pairs, *zip(x.args[n:], y.args[n:], strict=True)]:
            _later(ledger, *pair, set())
        any(_first(ledger, key, set()) for key in x.args[n : 2 * n])
    ledger.take("shift", a, b)


def _later(ledger: Ledger, u: int, w: int, seen: set[tuple[int, int]]) -> bool:
    """Take the steps that show that one term is at s what another is at s + 1, if they do."""
    terms = ledger.terms
    if (u, w) in terms.later or (u, w) in seen:
        return (u, w) in terms.later
    seen.add((u, w))
    x, y = terms.list[u], terms.list[w]
    if x.op in ("or_else", "clip"):
        _later(ledger, x.args[0], w, seen)
    if x.op in LOCAL and (x.op, x.fields) == (y.op, y.fields):
        for pair in zip(x.args, y.args, strict=True):
            _later(ledger, *pair, seen)
    try:
        ledger.note("later", u, w)
    except Rejected:
        return False
    return True


def _first(ledger: Ledger, number: int, seen: set[int]) -> bool:
    """Take the steps that show that a term is ⊥ at position 1, if they do."""
    if number in seen:
        return number in ledger.terms.first
    seen.add(number)
    term = ledger.terms.list[number]
    if term.op in STRICT:
        any(_first(ledger, a, seen) for a in term.args)
    try:
        ledger.note("first", number, number)
    except Rejected:
        return False
    return True


def _below(terms: Terms, number: int) -> set[int]:
    """A term and all it is computed from."""
    seen, stack = {number}, [number]
    while stack:
        stack += (new := set(terms.list[stack.pop()].args) - seen)
        seen |= new
    return seen
