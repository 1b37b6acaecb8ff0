"""Which values of a domain a node can have at all: a table's entries, what is read of them, what is chosen among them, multiples.

A domain is a range. A table of powers of ten over 8 symbols has 8 values in a range of ten million: an output needs a class for
each value that occurs, and a function is asked about those alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..domain import Domain
from ..graph import Builder, Node
from ..ops import Affine, Const, Fetch, OrElse, Table, Where

SPARSE = 4  # an output's range has so many places a value before its values are numbered anew
FEW = 64  # a range of so many values is taken as it is
MANY = 65_536  # a sum of one number needs no MLP, as it is: it is followed to that number only where its range would take so many classes


def occurring(builder: Builder, index: int) -> frozenset[int] | None:
    """The values that a node has, ⊥ not counted, as far as they are fewer than its range; None where nothing is known.

    A node that depends on one table is worth what the table says: reads and choices add no value.
    """
    known: dict[int, frozenset[int] | None] = {}
    far = builder.nodes[index].domain.size > MANY  # sums of one number are followed only here: elsewhere they need no MLP
    for i in sorted(_through(builder.nodes, index, far)):  # arguments come first: programs nest deeper than Python does
        node = builder.nodes[i]
        known[i] = _own(node, known.__getitem__, far)
        if known[i] is None and far and i != index and node.domain.size <= MANY:
            known[i] = frozenset(range(node.domain.lo, node.domain.hi + 1))
    return known[index]


def _sources(node: Node, far: bool) -> Sequence[int]:
    """The nodes whose values a node takes, as they are or one for one."""
    match node.op:
        case Table(shape=shape):
            return node.args if len(shape) == 1 else ()
        case Affine():
            return node.args[:1] if far and len(set(node.args)) == 1 else ()
        case Fetch() | Where():
            return node.args[1:]
        case OrElse():
            return node.args
        case _:
            return ()


def _through(nodes: Sequence[Node], index: int, far: bool) -> set[int]:
    """A node, and all whose values it takes."""
    found, todo = {index}, [index]
    while todo:
        before = [a for a in _sources(nodes[todo.pop()], far) if a not in found]
        found.update(before)
        todo.extend(before)
    return found


def _own(node: Node, of: Callable[[int], frozenset[int] | None], far: bool) -> frozenset[int] | None:
    match node.op:
        case Table(entries=entries, shape=shape, starts=starts):
            inner = of(node.args[0]) if len(shape) == 1 else None
            if inner is not None:
                entries = tuple(entries[v - starts[0]] for v in inner if 0 <= v - starts[0] < shape[0])
            return frozenset(e for e in entries if e is not None)
        case Const(value=value):
            return frozenset() if value is None else frozenset([value])
        case Affine(coefficients=coefficients, constant=constant) if far and len(set(node.args)) == 1:
            inner = of(node.args[0])
            return None if inner is None else frozenset(sum(coefficients) * v + constant for v in inner)
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
    far = domain.size > MANY
    first = len(builder.labels)
    number = {v: first + i for i, v in enumerate(sorted(found))}
    builder.labels.extend(shown(domain, v) for v in number)  # pyright: ignore[reportArgumentType]
    made: dict[tuple[int, int, int], int] = {}

    def read(i: int, times: int, plus: int) -> list[tuple[int, int, int]]:
        """What is copied before times·v + plus is, v the value of node i."""
        node = builder.nodes[i]
        if isinstance(node.op, Table):  # it is relabelled as it is
            return []
        if isinstance(node.op, Affine):
            times, plus = times * sum(node.op.coefficients), times * node.op.constant + plus
        return [(a, times, plus) for a in _sources(node, far)]

    def copied(i: int, times: int, plus: int) -> int:
        """The label of times·v + plus, v the value of node i."""
        node = builder.nodes[i]
        args, new = node.args, [made[part] for part in read(i, times, plus)]

        def label(v: int | None) -> int | None:
            return None if v is None else number.get(times * v + plus)

        match node.op:
            case Affine() if far and len(set(args)) == 1:
                return new[0]
            case Table() as op:
                return builder.add(Table("label", op.starts, op.shape, tuple(map(label, op.entries)), op.title), args, node.name, node.line)
            case Const(value=value):
                return builder.add(Const("label", label(value)), (), node.name, node.line)
            case Fetch():
                return builder.add(Fetch(), (args[0], *new), node.name, node.line)
            case Where():
                return builder.add(Where(), (args[0], *new), node.name, node.line)
            case OrElse():
                return builder.add(OrElse(), new, node.name, node.line)
            case _:
                lo, size = node.domain.lo, node.domain.size
                labels = Table("label", (lo,), (size,), tuple(map(label, range(lo, lo + size))), "labels")
                return builder.add(labels, (i,), node.name, node.line)

    wanted, todo = {(index, 1, 0)}, [(index, 1, 0)]
    while todo:
        todo.extend(before := [part for part in read(*todo.pop()) if part not in wanted])
        wanted.update(before)
    for part in sorted(wanted):  # arguments have smaller numbers
        made[part] = copied(*part)
    return made[index, 1, 0]
