"""Functions of values at one position: where, minimum, maximum, and tables of any finite function."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import overload

from ..calls import public
from ..domain import Kind, plain
from ..errors import DomainError, Location, caller
from ..graph import Builder
from ..ops import Const, Table, Where
from . import apart
from .occurring import occurring
from .value import Value, alike, boolean, densely, label_of, lift, number, require_value, same_kind, spaces, value_of

MAX_TABLE = 1 << 16  # entries; over several sources each one is a hidden unit


@overload
def where(condition: Value, x: object, y: object) -> Value: ...
@overload
def where(condition: bool, x: Value, y: object) -> Value: ...
@overload
def where(condition: bool, x: object, y: Value) -> Value: ...
@overload
def where(condition: bool, x: object, y: object) -> object: ...
@public
def where(condition: Value | bool, x: object, y: object) -> object:
    """x where the condition is true, y where it is false, ⊥ where it is ⊥; None stands for ⊥.

    A condition that is True or False in Python chooses while the program is built.
    """
    line, known = caller(), plain(condition)
    if not isinstance(known, bool):
        return choose(condition, x, y, "where()", line)
    like = x if isinstance(x, Value) else y if isinstance(y, Value) else None
    if like is None:
        return x if known else y
    require_value("where()", like, None, line)
    return same_kind("where()", lift(x, like, "where()", line), lift(y, like, "where()", line), line)[0 if known else 1]


@public
def minimum(x: Value, y: object) -> Value:
    """The smaller of two values."""
    return extreme("minimum()", x, y, largest=False)


@public
def maximum(x: Value, y: object) -> Value:
    """The larger of two values."""
    return extreme("maximum()", x, y, largest=True)


@public
def table(f: Callable[..., object], *values: Value) -> Value:
    """f at each position, for any Python function f; it is called once for every combination of argument values.

    Tokens reach f as symbols, positions and integers as int, booleans as bool. It returns symbols of the alphabet, ints, bools,
    or None for ⊥; anything else that is hashable is a label: it can be compared, looked up and returned, not calculated with.
    ⊥ in any argument gives ⊥. Costs one hidden unit an entry.
    Raises DomainError if f raises, or the arguments have more than 65,536 combinations.
    """
    return tabulated(f, values, _asked, caller())


def tabulated(
    f: Callable[..., object], values: Sequence[Value], asked: Callable[[Value], Sequence[object]], line: Location | None
) -> Value:
    """f of values, of which `asked` says what f is called with: ABSENT stands for what does not occur."""
    if not values:
        raise DomainError("table() was given no value", line, "table(f, x, ...) applies f to values of the program")
    for value in values:
        require_value("table()", value, getattr(values[0], "builder", None), line)
    builder = values[0].builder
    kinds: list[Kind] = [v.domain.kind for v in values]
    dense = [densely(v) for v in values]
    domains = [v.domain for v in dense]
    count = math.prod(d.size for d in domains)
    if count > MAX_TABLE:
        sizes = " x ".join(str(d.size) for d in domains)
        hint = "use arithmetic and comparisons, or tables of fewer arguments"
        raise DomainError(f"table() would have {count:,} entries ({sizes}), more than {MAX_TABLE:,}", line, hint)
    results: list[object] = []
    for point in itertools.product(*map(asked, dense)):
        results.append(ABSENT if any(x is ABSENT for x in point) else _called(f, point, line))
    kind, entries = _entries(results, builder, kinds, line)
    if len(set(entries)) == 1 and entries[0] is not None and not any(d.none for d in domains):  # a number that depends on nothing
        return Value(builder, builder.add(Const(kind, entries[0]), (), str(entries[0]), line))
    op = Table(kind, tuple(d.lo for d in domains), tuple(d.size for d in domains), tuple(entries), getattr(f, "__name__", "f").strip("<>"))
    return value_of(builder, op, [v.index for v in dense], line)


ABSENT = object()  # stands for a value of a range that does not occur


def _asked(value: Value) -> list[object]:
    """Every value of a domain as a function is given it, ABSENT for those that do not occur."""
    found = occurring(value.builder, value.index)
    points = spaces(value)
    return points if found is None else [x if v in found else ABSENT for v, x in enumerate(points, value.domain.lo)]


def _called(f: Callable[..., object], point: Sequence[object], line: Location | None) -> object:
    try:
        return plain(f(*point))
    except Exception as error:
        called = ", ".join(map(repr, point))
        fact = f"table() called its function with ({called}) and it raised {type(error).__name__}: {error}"
        raise DomainError(fact, line, "return None for ⊥") from error


def _entries(results: list[object], builder: Builder, kinds: list[Kind], line: Location | None) -> tuple[Kind, list[int | None]]:
    """What a table returned, as one kind and plain integers. What is never asked about is entered as something that is."""
    alphabet = builder.sizes.alphabet
    values = [r for r in results if r is not None and r is not ABSENT]
    if not values:
        return kinds[0], [None] * len(results)
    usual = None if None in results else values[0]
    results = [usual if r is ABSENT else r for r in results]
    ids = [None if r is None else alphabet.id(r) for r in results]
    symbols = all(index is not None for index, r in zip(ids, results, strict=True) if r is not None)
    truths = all(isinstance(r, bool) for r in values)
    numbers = all(isinstance(r, int) and not isinstance(r, bool) for r in values)
    if symbols and (set(kinds) == {"token"} or not (truths or numbers)):
        return "token", ids
    if truths:
        return "bool", [None if r is None else int(bool(r)) for r in results]
    if numbers:
        return "int", [r if isinstance(r, int) else None for r in results]
    return "label", [None if r is None else label_of(builder, r, "table(): the result", line) for r in results]


def extreme(what: str, a: Value, other: object, largest: bool) -> Value:
    line = caller()
    require_value(what, a, None, line)
    a = number(what, a, line)
    b = number(what, lift(other, a, what, line), line)
    return apart.extreme(a, b, largest, line)


def choose(condition: object, x: object, y: object, what: str, line: Location | None) -> Value:
    require_value(what, condition, None, line)
    assert isinstance(condition, Value)
    boolean(what, condition, line)
    like = x if isinstance(x, Value) else y if isinstance(y, Value) else alike(condition.builder, x, y)
    require_value(what, like, condition.builder, line)
    a, b = same_kind(what, lift(x, like, what, line), lift(y, like, what, line), line)
    return value_of(condition.builder, Where(), [condition.index, a.index, b.index], line)
