"""Maps: what rewrites know about positions as functions, i -> p(i), and about reading through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..graph import Builder, Graph, Guard, Node, reachable
from ..ops import Affine, Clip, Const, Fetch, Local, Lookup, Position

Rule = Callable[[Builder, Node, tuple[int, ...]], int]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A pass: for each graph a rule that says what takes the place of a node, given its rewritten arguments, bottom up."""

    name: str
    rule: Callable[[Graph], Rule]

    def __call__(self, graph: Graph) -> Graph:
        """The graph with every node replaced."""
        return self.run(graph).graph

    def run(self, graph: Graph) -> Rewritten:
        """The same, with all that was made on the way."""
        builder, rule = Builder(graph.name, graph.sizes), self.rule(graph)
        new: list[int] = []
        for node in graph.nodes:
            new.append(rule(builder, node, tuple(new[a] for a in node.args)))
        guard = Guard(new[graph.guard.node]) if graph.guard else None  # of a guard the value alone is kept
        after = builder.finish([new[o] for o in graph.outputs], graph.single, guard, graph.fractions)
        return Rewritten(self.name, graph, builder, tuple(new), after)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A graph and what a pass made of it: `new[i]` is the builder's node in the place of node i. A proof of the pass starts from this."""

    name: str
    before: Graph
    builder: Builder
    new: tuple[int, ...]
    graph: Graph


def copy(builder: Builder, node: Node, args: tuple[int, ...]) -> int:
    """The node itself on new arguments: the rule that changes nothing."""
    return builder.add(node.op, args, node.name.split(".")[0], node.line)


def fetch(builder: Builder, lookup: int, value: int, name: str = "") -> int:
    """Read `value` through a lookup."""
    return builder.add(Fetch(), (lookup, value), name or f"{builder.nodes[value].name}@{builder.nodes[lookup].name}")


def here(builder: Builder) -> int:
    """This position."""
    return builder.add(Position(), (), "position")


def at_query(builder: Builder, lookup: int) -> int | None:
    """The position p if the lookup is `at(p)`, that is, a lookup whose only key is the position; else None."""
    node = builder.nodes[lookup]
    plain = isinstance(node.op, Lookup) and node.op.parts == 1 and not any(node.op.relations)
    if isinstance(node.op, Lookup) and plain and isinstance(builder.nodes[node.args[1]].op, Position):
        return node.args[0] if node.op.mask != "strict" else None
    return None


def at(builder: Builder, value: int, position: int, name: str = "") -> int:
    """`value.at(position)`; where the position is itself what a lookup found, that lookup reads the value directly."""
    known = read_known(builder, value, position)
    if known is not None:
        return known
    node = builder.nodes[position]
    if isinstance(node.op, Fetch) and isinstance(builder.nodes[node.args[1]].op, Position):
        return fetch(builder, node.args[0], value, name)
    mask = "causal" if builder.sizes.causal else "full"
    lookup = builder.add(Lookup(mask, "only", 1), (position, here(builder)), "at")
    return fetch(builder, lookup, value, name)


def of_position(builder: Builder, index: int) -> bool:
    """Whether a value depends on the position alone, through strict operations only."""
    ops = [builder.nodes[i].op for i in reachable(builder.nodes, [index])]
    return all(op.strict if isinstance(op, Local) else isinstance(op, (Position, Const)) for op in ops)


def nowhere(builder: Builder, index: int) -> bool:
    """Whether a position is ⊥ wherever it is asked for: cut from a range that it never meets, or computed from such a one."""
    found, stack = builder.nowhere, [index]
    while stack:
        node = builder.nodes[stack[-1]]
        through = node.args if isinstance(node.op, Local) and node.op.strict else ()
        if missing := [a for a in through if a not in found]:
            stack += missing
            continue
        empty = isinstance(node.op, Const) and node.op.value is None
        if isinstance(node.op, Clip):
            domain = builder.nodes[node.args[0]].domain
            empty = domain.hi < node.op.lo or domain.lo > node.op.hi
        found[stack.pop()] = empty or any(found[a] for a in through)
    return found[index]


def substitute(builder: Builder, index: int, position: int) -> int:
    """A value that depends on the position alone, with another position in its place."""
    made: dict[int, int] = {}
    for i in sorted(reachable(builder.nodes, [index])):  # arguments come first, each once however often it is used
        node = builder.nodes[i]
        made[i] = position if isinstance(node.op, Position) else builder.add(node.op, [made[a] for a in node.args], node.name, node.line)
    return made[index]


def clip(builder: Builder, index: int, lo: int, hi: int) -> int:
    """The value where it lies in lo..hi, else ⊥; the value itself if it cannot lie elsewhere."""
    domain = builder.nodes[index].domain
    inside = domain.lo >= lo and domain.hi <= hi
    return index if inside else builder.add(Clip(lo, hi), (index,), "clip")


def read_known(builder: Builder, value: int, position: int) -> int | None:
    """`value.at(position)` where it needs no attention, else None: reading here, or a function of the position read
    at a function of the position that never points ahead, which is f(g(position)), ⊥ where g leaves 1..N.
    """
    if isinstance(builder.nodes[position].op, Position):
        return value
    lag = builder.nodes[position].domain.lag
    if (
        lag is None
        or lag > 0
        or nowhere(builder, position)
        or not (of_position(builder, position) and of_position(builder, value) and reads_position(builder, value))
    ):
        return None
    found = substitute(builder, value, clip(builder, position, 1, builder.sizes.length))
    builder.reads.setdefault(found, (value, position))
    return found


def reads_position(builder: Builder, index: int) -> bool:
    """Whether a value depends on the position at all (a constant read through ⊥ is ⊥, so it does not fold)."""
    return any(isinstance(builder.nodes[i].op, Position) for i in reachable(builder.nodes, [index]))


def step_back(builder: Builder, index: int) -> int | None:
    """The x for which a value is `previous(x)`, or None."""
    node = builder.nodes[index]
    query = at_query(builder, node.args[0]) if isinstance(node.op, Fetch) else None
    if query is None:
        return None
    step = builder.nodes[query]
    if isinstance(step.op, Clip):
        step = builder.nodes[step.args[0]]
    back = isinstance(step.op, Affine) and step.op.coefficients == (1,) and step.op.constant == -1
    return node.args[1] if back and isinstance(builder.nodes[step.args[0]].op, Position) else None


def shifted(builder: Builder, lookup: int) -> int | None:
    """The strict lookup one place earlier that a causal lookup on previous values amounts to, or None.

    Preserves: `t <= i and previous(key)[t] == query` holds exactly if s = t - 1 has `s < i and key[s] == query`.
    Components that depend on the position alone move with it. The shifted lookup needs one layer less.
    """
    node = builder.nodes[lookup]
    if not (isinstance(node.op, Lookup) and node.op.mask == "causal" and node.op.pick in ("latest", "earliest") and builder.sizes.strict):
        return None
    keys: list[int] = []
    after = None
    moved = 0
    for key in node.args[node.op.parts : 2 * node.op.parts]:
        x = step_back(builder, key)
        if x is not None:
            keys.append(x)
            moved += 1
        elif of_position(builder, key):
            after = builder.add(Affine("position", (1,), 1), (here(builder),), "next")
            keys.append(substitute(builder, key, after))
        else:
            return None
    if not moved:
        return None
    early = replace(node.op, mask="strict")
    return builder.add(early, (*node.args[: node.op.parts], *keys), node.name, node.line)


def position_of(builder: Builder, lookup: int) -> int:
    """The position a lookup finds, by the shallower of its two forms."""
    early = shifted(builder, lookup)
    if early is None:
        return fetch(builder, lookup, here(builder))
    after = builder.add(Affine("position", (1,), 1), (here(builder),), "next")
    return fetch(builder, early, after)
