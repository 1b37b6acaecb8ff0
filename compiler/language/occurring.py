"""Which values of a domain a node can have at all: a table's entries, what is read of them, what is chosen among them.

A domain is a range. A table of powers of ten over 8 symbols has 8 values in a range of ten million: an output needs a class for
each value that occurs, and a function is asked about those alone.
"""

from __future__ import annotations

from collections.abc import Callable

from ..domain import Domain
from ..graph import Builder, Node
from ..ops import Const, Fetch, OrElse, Table, Where

SPARSE = 4  # an output's range has so many places a value before its values are numbered anew
FEW = 64  # a range of so many values is taken as it is


def occurring(builder: Builder, index: int) -> frozenset[int] | None:
    """The values that a node has, ⊥ not counted, as far as they are fewer than its range; None where nothing is known.

    A node that depends on one table is worth what the table says: reads and choices add no value.
    """
    known: dict[int, frozenset[int] | None] = {}

    def of(i: int) -> frozenset[int] | None:
        if i not in known:
            known[i] = _own(builder.nodes[i], of)
        return known[i]

    return of(index)


def _own(node: Node, of: Callable[[int], frozenset[int] | None]) -> frozenset[int] | None:
    match node.op:
        case Table(entries=entries, shape=shape, starts=starts):
            inner = of(node.args[0]) if len(shape) == 1 else None
            if inner is not None:
                entries = tuple(entries[v - starts[0]] for v in inner if 0 <= v - starts[0] < shape[0])
            return frozenset(e for e in entries if e is not None)
        case Const(value=value):
            return frozenset() if value is None else frozenset([value])
        case Fetch():
            return of(node.args[1])
        case Where():
            return _union(of(node.args[1]), of(node.args[2]))
        case OrElse():
            return _union(of(node.args[0]), of(node.args[1]))
        case _:
            return None


def _union(a: frozenset[int] | None, b: frozenset[int] | None) -> frozenset[int] | None:
    return None if a is None or b is None else a | b


def values_of(builder: Builder, index: int) -> list[int]:
    """The values a node can have, in order: those that occur, or its range."""
    domain, found = builder.nodes[index].domain, occurring(builder, index)
    return list(range(domain.lo, domain.hi + 1)) if found is None else sorted(found)


def numbered_anew(builder: Builder, index: int, shown: Callable[[Domain, int], object]) -> int:
    """A node with labels in the place of values that lie far apart, so that an output has a class for each and no more.

    `shown` is what a value is shown as. The node itself where its values are dense, or not known to be few.
    """
    domain, found = builder.nodes[index].domain, occurring(builder, index)
    if found is None or not found or domain.size <= max(FEW, SPARSE * len(found)) or domain.kind not in ("int", "label"):
        return index
    first = len(builder.labels)
    number = {v: first + i for i, v in enumerate(sorted(found))}
    builder.labels.extend(shown(domain, v) for v in number)  # pyright: ignore[reportArgumentType]
    made: dict[int, int] = {}

    def anew(i: int) -> int:
        if i not in made:
            made[i] = copied(i)
        return made[i]

    def copied(i: int) -> int:
        node = builder.nodes[i]
        match node.op:
            case Table() as op:
                entries = tuple(None if e is None else number.get(e) for e in op.entries)
                return builder.add(Table("label", op.starts, op.shape, entries, op.title), node.args, node.name, node.line)
            case Const(value=value):
                return builder.add(Const("label", None if value is None else number[value]), (), node.name, node.line)
            case Fetch():
                return builder.add(Fetch(), (node.args[0], anew(node.args[1])), node.name, node.line)
            case Where():
                return builder.add(Where(), (node.args[0], anew(node.args[1]), anew(node.args[2])), node.name, node.line)
            case _:
                return builder.add(node.op, [anew(a) for a in node.args], node.name, node.line)

    return anew(index)
