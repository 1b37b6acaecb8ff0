"""Functions of values at one position: where, minimum, maximum, and tables of any finite function."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import overload

from ..calls import public
from ..domain import Alphabet, Kind, plain
from ..errors import DomainError, Location, caller
from ..ops import Extreme, Table, Where
from .value import Value, alike, boolean, lift, number, require_value, same_kind, spaces, value_of

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

    Tokens reach f as symbols, positions and integers as int, booleans as bool. It returns a symbol of the alphabet,
    an int, a bool, or None for ⊥. ⊥ in any argument gives ⊥. Costs one hidden unit an entry.
    Raises DomainError if f raises, mixes kinds, or the arguments have more than 65,536 combinations.
    """
    line = caller()
    if not values:
        raise DomainError("table() was given no value", line, "table(f, x, ...) applies f to values of the program")
    for value in values:
        require_value("table()", value, getattr(values[0], "builder", None), line)
    builder = values[0].builder
    domains = [v.domain for v in values]
    count = 1
    for d in domains:
        count *= d.size
    if count > MAX_TABLE:
        sizes = " x ".join(str(d.size) for d in domains)
        hint = "use arithmetic and comparisons, or tables of fewer arguments"
        raise DomainError(f"table() would have {count:,} entries ({sizes}), more than {MAX_TABLE:,}", line, hint)
    alphabet = builder.sizes.alphabet
    results: list[object] = []
    for point in itertools.product(*map(spaces, values)):
        try:
            results.append(plain(f(*point)))
        except Exception as error:
            called = ", ".join(map(repr, point))
            raise DomainError(
                f"table() called its function with ({called}) and it raised {type(error).__name__}: {error}", line, "return None for ⊥"
            ) from error
    kind, entries = _entries(results, alphabet, [d.kind for d in domains], line)
    op = Table(kind, tuple(d.lo for d in domains), tuple(d.size for d in domains), tuple(entries), getattr(f, "__name__", "f").strip("<>"))
    return value_of(builder, op, [v.index for v in values], line)


def _entries(results: list[object], alphabet: Alphabet, kinds: list[Kind], line: Location | None) -> tuple[Kind, list[int | None]]:
    """What a table returned, as one kind and plain integers."""
    values = [r for r in results if r is not None]
    if not values:
        return kinds[0], [None] * len(results)
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
    odd = next(r for r, index in zip(results, ids, strict=True) if r is not None and index is None)
    raise DomainError(
        f"table() returned {odd!r}, which is not in the alphabet", line, "return symbols of the alphabet only, or only integers"
    )


def extreme(what: str, a: Value, other: object, largest: bool) -> Value:
    line = caller()
    require_value(what, a, None, line)
    a = number(what, a, line)
    b = number(what, lift(other, a, what, line), line)
    return value_of(a.builder, Extreme(largest), [a.index, b.index], line)


def choose(condition: object, x: object, y: object, what: str, line: Location | None) -> Value:
    require_value(what, condition, None, line)
    assert isinstance(condition, Value)
    boolean(what, condition, line)
    like = x if isinstance(x, Value) else y if isinstance(y, Value) else alike(condition.builder, x, y)
    require_value(what, like, condition.builder, line)
    a, b = same_kind(what, lift(x, like, what, line), lift(y, like, what, line), line)
    return value_of(condition.builder, Where(), [condition.index, a.index, b.index], line)
