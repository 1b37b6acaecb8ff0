"""A normal form for programs whose positions all see each other: reads outermost.

Every value is read(path, core): the path leads from the position i to the position read, the core is computed there. A strict
operation on values that are read through a common first part of their paths is computed where that part ends:

    f(read(p + q, x), read(p, y)) = read(p, f(read(q, x), y))         f strict: ⊥ where p leads nowhere, on both sides

with constants as they are, and reads of reads are one read: read(p, read(q, x)) = read(p + q, x), for all is visible. A step of a
path is a computed position (a core) or what a lookup found. Unlike in `normal.py` nothing is copied into the places it is read
from, so that a program of many choices between pointers keeps its size. Terms and paths are interned numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..compiler.graph import Graph
from ..compiler.ops import Affine, AtLeast, Clip, Const, Equal, Exists, Extreme, Fetch, Local, Lookup, OrElse, Position, Token, Total, Where
from .exact import Refused
from .ranges import ranges

Key: TypeAlias = tuple[object, ...]
Path: TypeAlias = tuple[int, ...]  # steps, the first from i
HERE: Path = ()
MAX_STEPS = 4_000_000


@dataclass(frozen=True, slots=True)
class Read:
    """A value: the core at the end of a path."""

    path: Path
    core: int


@dataclass(slots=True)
class Terms:
    """Interned cores and steps, shared by the graphs that are compared; `stored` is the length of all paths."""

    numbers: dict[Key, int]
    keys: list[Key]
    stored: int = 0

    def intern(self, key: Key) -> int:
        """The number of a key."""
        if key not in self.numbers:
            self.numbers[key] = len(self.keys)
            self.keys.append(key)
        return self.numbers[key]

    def whole(self, read: Read) -> bool:
        """Whether a value is never ⊥: it is read here, and neither ⊥ itself nor computed from what may be."""
        kind, *rest = self.keys[read.core]
        if read.path or kind == "match":
            return False
        if kind in ("token", "position", "total"):
            return True
        args = [r for r in rest[1:] if isinstance(r, Read)]
        match rest[0]:
            case Const(value=value):
                return value is not None
            case Exists():
                return True
            case OrElse():
                return any(map(self.whole, args))
            case Affine() | Extreme() | AtLeast() | Equal() | Where():
                return all(map(self.whole, args))
            case _:
                return False


def same_reads(a: Graph, b: Graph) -> bool:
    """Whether the outputs and guards of two graphs have the same forms; only where every position sees all others, by full masks."""
    terms = Terms({}, [])
    one, other = (None if g.sizes.causal else _forms(g, terms) for g in (a, b))
    return one is not None and other is not None and [one[r] for r in a.roots] == [other[r] for r in b.roots]


def _forms(graph: Graph, terms: Terms) -> list[Read | None] | None:
    """The form of every value of a graph, None for its lookups; None where a mask hides something."""
    if any(isinstance(n.op, (Lookup, Total)) and n.op.mask != "full" for n in graph.nodes):
        return None
    spans = ranges(graph)
    found: list[Read | None] = []
    leads: dict[int, Path] = {}
    position = terms.intern(("position",))

    def value(node: int) -> Read:
        read = found[node]
        if read is None:
            raise Refused(f"{graph.nodes[node].name} is not a value")
        return read

    for i, node in enumerate(graph.nodes):
        op, read = node.op, None
        match op:
            case Token() | Position():
                read = Read(HERE, terms.intern((op.name,)))
            case Const():
                read = Read(HERE, terms.intern(("const", op)))
            case Lookup():
                args = [value(a) for a in node.args]
                leads[i] = _at(args[0], graph.sizes.length, terms) if _is_at(op, args, position) else (terms.intern(("match", op, *args)),)
            case Fetch():
                inner = value(node.args[1])
                read = Read(leads[node.args[0]] + inner.path, inner.core)
            case Total():
                read = Read(HERE, terms.intern(("total", op, *(value(a) for a in node.args))))
            case Clip(lo=lo, hi=hi) if spans[node.args[0]].lo >= lo and spans[node.args[0]].hi <= hi:
                read = value(node.args[0])
            case Clip(lo=lo, hi=hi) if value(node.args[0]).core == position and lo <= 1 and hi >= graph.sizes.length:
                read = value(node.args[0])
            case OrElse() if not spans[node.args[0]].none or terms.whole(value(node.args[0])):
                read = value(node.args[0])
            case Exists() if not spans[node.args[0]].none or terms.whole(value(node.args[0])):
                read = Read(HERE, terms.intern(("const", Const("bool", 1))))
            case Local():
                read = _local(op, [value(a) for a in node.args], terms)
            case _:
                raise Refused(f"{node.name} is not a value")
        found.append(read)
        terms.stored += len(read.path) if read else 0
        if terms.stored > MAX_STEPS:
            raise Refused(f"the program's reads have more than {MAX_STEPS:,} steps")
    return found


def _is_at(op: Lookup, args: list[Read], position: int) -> bool:
    """Whether a lookup goes to the position its query computes."""
    return op.parts == 1 and not any(op.relations) and not op.ranked and not op.graded and args[1] == Read(HERE, position)


def _at(pointer: Read, n: int, terms: Terms) -> Path:
    """The path to a computed position; outside 1..N it leads nowhere, cut off or not."""
    key = terms.keys[pointer.core]
    if key[:2] == ("local", Clip(1, n)):
        inner = key[2]
        assert isinstance(inner, Read)
        pointer = Read(pointer.path + inner.path, inner.core)
        key = terms.keys[pointer.core]
    return pointer.path if key == ("position",) else (*pointer.path, terms.intern(("go", pointer.core)))


def _local(op: Local, args: list[Read], terms: Terms) -> Read:
    """A local operation: a strict one is computed at the end of what its arguments' paths have in common."""
    if isinstance(op, Affine):
        factors: dict[Read, int] = {}  # a value added up twice counts twice
        for c, read in zip(op.coefficients, args, strict=True):
            factors[read] = factors.get(read, 0) + c
        factors = {read: c for read, c in factors.items() if c or not terms.whole(read)}
        if not factors:
            return Read(HERE, terms.intern(("const", Const("bool" if op.kind == "bool" else "int", op.constant))))
        args = list(factors)
        op = Affine("bool" if op.kind == "bool" else "int", tuple(factors.values()), op.constant)  # a position is a number like others
        if (op.coefficients, op.constant) == ((1,), 0):
            return args[0]
    if not op.strict:
        return Read(HERE, terms.intern(("local", op, *args)))
    moving = [r for r in args if r.path or terms.keys[r.core][0] != "const"]
    common = _common([r.path for r in moving]) if moving else HERE
    inner = [Read(r.path[len(common) :], r.core) if r in moving else r for r in args]
    if isinstance(op, Affine) and len(inner) == 1:
        key = terms.keys[inner[0].core]
        if key[0] == "local" and isinstance(key[1], Affine) and (op.kind != "bool" or key[1].kind == "bool"):
            (c,), below = op.coefficients, key[1]
            op = Affine(op.kind, tuple(c * k for k in below.coefficients), c * below.constant + op.constant)
            inner = [r for r in key[2:] if isinstance(r, Read)]
            if (op.coefficients, op.constant) == ((1,), 0):
                return Read(common + inner[0].path, inner[0].core)
    return Read(common, terms.intern(("local", op, *inner)))


def _common(paths: list[Path]) -> Path:
    """The longest first part that paths share."""
    first, last = min(paths), max(paths)
    length = next((k for k, (x, y) in enumerate(zip(first, last, strict=False)) if x != y), min(len(first), len(last)))
    return first[:length]
