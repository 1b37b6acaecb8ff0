"""The parts of a program with a loop: entry, body and exit, three graphs that meet in the loop's state.

The state is what must be in the residual stream between rounds: the values that the body takes and returns, and what body or exit
read of the values before the loop. What depends on the token alone or on the position alone is not in it: the embedding writes that
once, for all rounds. The domain of each value is the least found that holds its start and that the body does not leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain import Domain, Sizes, Symbol
from ..errors import DomainError, ProgramError
from ..graph import Builder, Graph, Node, reachable
from ..language.program import Program
from ..loops import Tie, holds, joined, wider
from ..ops import Const, Given, Local, Lookup, Position, Token

PATIENT, LOOKS = 20, 60  # looks at a program whose state's domain grows: by what is needed, then by doubling, so that LARGEST is met
LARGEST = 1 << 26  # of a number in the state


@dataclass(frozen=True, slots=True)
class Parts:
    """A program around one loop. `names` and `domains` are the state's, `changing` the places in it that the body writes.

    `entry` returns the whole state, `body` what changes of it in the order of `changing`, `exit` what the program returns. `times` is
    the program's own number of rounds.
    """

    entry: Graph
    body: Graph
    exit: Graph
    names: tuple[str, ...]
    domains: tuple[Domain, ...]
    changing: tuple[int, ...]
    times: int

    @property
    def name(self) -> str:
        """The program's name."""
        return self.exit.name

    @property
    def sizes(self) -> Sizes:
        """The program's sizes."""
        return self.exit.sizes

    def graphs(self) -> tuple[Graph, Graph, Graph]:
        """Entry, body and exit."""
        return self.entry, self.body, self.exit


def parts_of(program: Program, length: int, alphabet: int | Sequence[Symbol] | None, dtype: str) -> Parts:
    """A program that has a loop, cut into its parts. Raises as `build` does, and DomainError where the body leaves its state's domain."""
    known: tuple[Domain, ...] = ()
    narrowed = False
    for look in range(LOOKS):
        builder = program.begun(length, alphabet, dtype)
        builder.loops.tie = tie = Tie(known)
        outputs, single, fractions = program.built_in(builder)
        domains = [tuple(builder.nodes[i].domain for i in some) for some in (tie.start, tie.state, tie.after)]
        kept = [holds(held, after) for held, after in zip(domains[1], domains[2], strict=True)]
        if all(kept):
            needed = tuple(_both(a, b) for a, b in zip(domains[0], domains[2], strict=True))
            if narrowed or needed == domains[1]:
                return _cut(builder, tie, outputs, single, fractions)
            fits, known, narrowed = domains[1], needed, True
            continue
        if narrowed:  # the least domain is not kept, the one before it is
            known = fits  # pyright: ignore[reportPossiblyUnboundVariable]
            continue
        known = tuple(
            held if fine else _both(held, after) if look < PATIENT else wider(held, after)
            for held, after, fine in zip(domains[1], domains[2], kept, strict=True)
        )
        if any(max(abs(d.lo), abs(d.hi)) > LARGEST for d in known):
            _refuse_growth(program, tie, domains)
    raise AssertionError("a state's domain neither grows nor is kept")


def _both(a: Domain, b: Domain) -> Domain:
    found = joined(a, b)
    assert found is not None  # the loop has compared their kinds
    return found


def _refuse_growth(program: Program, tie: Tie, domains: Sequence[tuple[Domain, ...]]) -> None:
    held, after = domains[1:]
    j = next(j for j, (a, b) in enumerate(zip(held, after, strict=True)) if not holds(a, b))
    name, start = tie.names[j], domains[0][j]
    fact = f"loop()'s body does not keep {name}: it starts as {start}, and each round may make it greater without end"
    raise DomainError(fact, tie.line, f"bound what the body returns, for example hw.minimum(…, N) and hw.maximum(…, 0) for {name}")


def _cut(builder: Builder, tie: Tie, outputs: Sequence[int], single: bool, fractions: Sequence[int]) -> Parts:
    changing = tuple(j for j, (old, new) in enumerate(zip(tie.state, tie.after, strict=True)) if old != new)
    if not changing:
        raise ProgramError("loop()'s body returns what it is given", tie.line, "return the next state, or leave the loop out")
    kept: dict[int, int] = {}  # nodes before the loop that later parts read, and their places in the state
    depends: list[bool] = []
    for node in builder.nodes:
        depends.append(isinstance(node.op, Given) or any(depends[a] for a in node.args))
    stack, seen = [*tie.after, *outputs], set[int]()
    while stack:
        i = stack.pop()
        if i in seen:
            continue
        seen.add(i)
        if depends[i] or isinstance(builder.nodes[i].op, Lookup):  # a lookup is no value: it is made again where it is used
            stack += builder.nodes[i].args
        elif not _embedded(builder, i):
            kept[i] = 0
    kept = {i: len(tie.state) + place for place, i in enumerate(sorted(kept))}
    sizes = replace(builder.sizes, labels=tuple(builder.labels))
    domains = (*(builder.nodes[i].domain for i in tie.state), *(builder.nodes[i].domain for i in kept))
    names = (*tie.names, *(builder.nodes[i].name for i in kept))

    def part(what: str, roots: Sequence[int], single: bool, fractions: Sequence[int] = ()) -> Graph:
        made, new = Builder(f"{builder.name}", sizes), dict[int, int]()
        stop = kept if what != "entry" else {}

        def place(i: int) -> int:
            node = builder.nodes[i]
            if i in stop:
                return made.add(Given.of(stop[i], node.domain), (), node.name, node.line)
            return made.add(node.op, [new[a] for a in node.args], node.name, node.line)

        for i in sorted(_needed(builder.nodes, roots, stop)):
            new[i] = place(i)
        return made.finish([new[r] for r in roots], single, fractions=fractions)

    entry = part("entry", [*tie.start, *kept], False)
    body = part("body", [tie.after[j] for j in changing], False)
    return Parts(entry, body, part("exit", outputs, single, fractions), names, domains, changing, tie.times)


def _needed(nodes: Sequence[Node], roots: Sequence[int], stop: dict[int, int]) -> set[int]:
    """The nodes that roots are made of, down to those of the state."""
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack += [] if i in stop else nodes[i].args
    return seen


def _embedded(builder: Builder, index: int) -> bool:
    """Whether a value is computed from the token alone, or from the position alone, by local operations: the embedding holds it."""
    ops = [builder.nodes[i].op for i in reachable(builder.nodes, [index])]
    sources = {type(op) for op in ops if not isinstance(op, (Local, Const))}
    return sources in (set(), {Token}, {Position})


def unrolled(parts: Sequence[Graph], changing: Sequence[int], times: int, spare: bool = False) -> tuple[Graph, list[list[int]]]:
    """The graph of so many rounds, nothing left out; and for entry, each round and exit which of its nodes each of theirs became.

    Shapes: graph, (times + 2) lists. It means what the parts mean by iteration: a state's value is what the part before left. With `spare`
    there is one round more, whose state is not used, so that what the embedding writes for the body has a node in any case.
    """
    entry, body, last = parts
    nodes: list[Node] = []
    used: dict[str, int] = {}
    maps: list[list[int]] = []

    def append(graph: Graph, state: Sequence[int]) -> list[int]:
        new: list[int] = []
        for node in graph.nodes:
            if isinstance(node.op, Given):
                new.append(state[node.op.state])
                continue
            args = tuple(new[a] for a in node.args)
            domain = node.op.domain([nodes[a].domain for a in args], graph.sizes)
            base = node.name.split(".")[0]
            used[base] = used.get(base, 0) + 1
            nodes.append(Node(node.op, args, domain, base if used[base] == 1 else f"{base}.{used[base]}", node.line))
            new.append(len(nodes) - 1)
        maps.append(new)
        return new

    state = [*map(append(entry, ()).__getitem__, entry.outputs)]
    for _ in range(times):
        after = append(body, state)
        for j, root in zip(changing, body.outputs, strict=True):
            state[j] = after[root]
    new = append(last, state)
    if spare:
        append(body, state)
    outputs = tuple(new[o] for o in last.outputs)
    return Graph(last.name, last.sizes, tuple(nodes), outputs, last.single, None, last.fractions), maps
