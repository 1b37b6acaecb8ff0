"""Sums in digits: a sum that is worth much is read off two short ones, and a gate for each of its values.

With a noise ε of every weight a level of a staircase over a sum of up to S is off by about 16·S·ε, as it adds up four bends of S; a gate is
off by about 12·ε, but there is one for each combination of what is added up. So few combinations, FEW at most, are told apart by gates.
Where there are more, each operand is a function of one feature, and so are its digits in a base B. With u = c·v less its least,

    low  = Σ u mod B                          at most Σ min(u, B - 1)
    high = Σ u // B + low // B                at most Σ max(u) // B, and the carry
    sum  = B·high + low mod B + Σ of the least

so both are worth about the root of S, and have few combinations, or short staircases: B is the power of two at which the longer of both is
shortest. What is carried is a function of `low`, and each pair of digits is one value: a gate. Sums are spelled where a plain staircase
has a bend beyond 127/4, which is what a column of int8 holds in quarters:

    hi - lo + 7/4 <= 127/4        hi - lo <= 30.

The nodes of the digits stand before their sum, which is left as it is: nothing is replaced, so a program means what it did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..graph import Graph, Node
from ..ops import Affine, Const, Divide, Local, Op, OrElse

SHORT = 30  # a sum of so many steps is one staircase
FEW = 1 << 8  # combinations that are told apart by gates
SEEN = 1 << 20  # cases of the features that are added up, with which the certificate looks at gates; a staircase it looks at by the sum


@dataclass(frozen=True, slots=True)
class Spelled:
    """A graph with its digits: `sums` has for the node that adds both digits up the sum that it is; `lows` and `highs` are the digits."""

    graph: Graph
    sums: Mapping[int, int]
    lows: frozenset[int]
    highs: frozenset[int]


def spelled(graph: Graph) -> Spelled:
    """Add the digits of every long sum of several features. Every value stays what it is."""
    made = _Digits(graph)
    for node in graph.nodes:
        args = tuple(made.new[a] for a in node.args)
        total = made.digits(node, args) if isinstance(node.op, Affine) else None
        made.new.append(made.add(node.op, args, node.name, node))
        if total is not None:
            made.sums[total] = made.new[-1]
    guard = replace(graph.guard, node=made.new[graph.guard.node]) if graph.guard else None
    nodes, outputs = tuple(made.nodes), tuple(made.new[o] for o in graph.outputs)
    done = replace(graph, nodes=nodes, outputs=outputs, guard=guard) if made.sums else graph
    return Spelled(done, made.sums, frozenset(made.lows), frozenset(made.highs))


class _Digits:
    """The graph under construction: `new` says where each node stands, `bases` of which features each is a function."""

    def __init__(self, graph: Graph) -> None:
        self.sizes = graph.sizes
        self.nodes: list[Node] = []
        self.bases: list[frozenset[int]] = []
        self.new: list[int] = []
        self.sums: dict[int, int] = {}
        self.lows: set[int] = set()
        self.highs: set[int] = set()
        self._names = {node.name for node in graph.nodes}

    def add(self, op: Op, args: tuple[int, ...], name: str, line: Node) -> int:
        """The number of a node, new."""
        here = frozenset({len(self.nodes)})
        own = {base for a in args for base in self.bases[a]}
        self.bases.append((frozenset(own) if len(own) < 2 else here) if isinstance(op, (Local, Const)) else here)
        self.nodes.append(Node(op, args, op.domain([self.nodes[a].domain for a in args], self.sizes), name, line.line))
        return len(self.nodes) - 1

    def digits(self, node: Node, args: tuple[int, ...]) -> int | None:
        """The node that adds up the digits of a sum; None where it is short, or a function of one feature."""
        op = node.op
        assert isinstance(op, Affine)
        groups: dict[frozenset[int], list[tuple[int, int]]] = {}
        for c, a in zip(op.coefficients, args, strict=True):
            groups.setdefault(self.bases[a], []).append((c, a))
        fixed = groups.pop(frozenset(), [])
        if len(groups) < 2 or node.domain.hi - node.domain.lo <= SHORT:
            return None
        sizes = [min(self.nodes[n].domain.size for n in (a, *base)) for base, some in groups.items() for _, a in some]
        if min(sizes) < 1 or math.prod(sizes) <= FEW:
            return None
        least = op.constant + sum(c * self.nodes[a].domain.lo for c, a in fixed)
        terms: list[int] = []  # u: each worth 0 or more
        for some in groups.values():
            cs = tuple(c for c, _ in some)
            ends = [sorted((c * self.nodes[a].domain.lo, c * self.nodes[a].domain.hi)) for c, a in some]
            lo = sum(end[0] for end in ends)
            least += lo
            terms.append(self.add(Affine("int", cs, -lo), tuple(a for _, a in some), self._named(node, "part"), node))
        tops = [self.nodes[u].domain.hi for u in terms]
        base = min((2**k for k in range(1, max(tops).bit_length())), key=lambda b: max(_ends(tops, b)))
        if max(_ends(tops, base)) >= sum(tops):
            return None
        lows, highs = list[int](), list[int]()
        for u, top in zip(terms, tops, strict=True):
            if top < base:
                lows.append(u)
                continue
            highs.append(self._over(u, base, node))
            lows.append(self.add(Affine("int", (1, -base), 0), (u, highs[-1]), self._named(node, "digit"), node))
        low = self.add(Affine("int", (1,) * len(lows), 0), tuple(lows), self._named(node, "low"), node)
        rest = low
        self.lows.add(low)
        if _ends(tops, base)[0] >= base:
            highs.append(self._over(low, base, node))
            rest = self.add(Affine("int", (1, -base), 0), (low, highs[-1]), self._named(node, "digit"), node)
        high = self.add(Affine("int", (1,) * len(highs), 0), tuple(highs), self._named(node, "high"), node)
        self.highs.add(high)
        return self.add(Affine("int", (base, 1), least), (high, rest), self._named(node, "spelled"), node)

    def _over(self, u: int, base: int, node: Node) -> int:
        """u // base, and 0 where u is ⊥: what cancels in a sum must be there."""
        over = self.add(Divide(base), (u,), self._named(node, "over"), node)
        if not self.nodes[u].domain.none:
            return over
        zero = self.add(Const("int", 0), (), self._named(node, "zero"), node)
        return self.add(OrElse(), (over, zero), self._named(node, "over"), node)

    def _named(self, node: Node, what: str) -> str:
        name, number = f"{node.name} {what}", 1
        while name in self._names:
            number += 1
            name = f"{node.name} {what}.{number}"
        self._names.add(name)
        return name


def _ends(tops: list[int], base: int) -> tuple[int, int]:
    """What the digits of a sum are worth at most."""
    low = sum(min(top, base - 1) for top in tops)
    return low, sum(top // base for top in tops) + low // base
