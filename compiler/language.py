"""The language: values with operators, match, previous, where, table; and programs that are built from them."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from .domain import Alphabet, Domain, Kind, Sizes, Symbol
from .errors import DomainError, InputError, Location, ProgramError, caller
from .graph import Builder, Graph
from .ops import (
    Affine,
    AtLeast,
    Clip,
    Const,
    Equal,
    Exists,
    Extreme,
    Fetch,
    Lookup,
    Op,
    OrElse,
    Pick,
    Position,
    Table,
    Token,
    Where,
)

MAX_TABLE = 1 << 16  # entries; over several sources each one is a hidden unit
_ASSIGNED = re.compile(r"^(\w+)\s*=[^=]")


class Value:
    """A value at every position: a finite domain, or ⊥. Operators act at each position; ⊥ in gives ⊥ out."""

    __slots__ = ("_builder", "_index")
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, builder: Builder, index: int) -> None:
        self._builder, self._index = builder, index

    @property
    def domain(self) -> Domain:
        """The domain, as inferred."""
        return self._builder.nodes[self._index].domain

    def __bool__(self) -> bool:
        raise ProgramError(
            "a value has no truth of its own while the program is built: it differs by position",
            caller(),
            "use hw.where(condition, x, y), and & | ~ instead of and, or, not",
        )

    def __repr__(self) -> str:
        return f"<{self._builder.nodes[self._index].name}: {self.domain}>"

    # --- reading other positions -------------------------------------------------------------------

    def at(self, position: Value) -> Value:
        """Read this value at another position: `out[i] = self[position[i]]`.

        ⊥ where the position is ⊥, outside 1..N, or not visible (later than i in a causal program).
        Lowers to one attention head with an exact position key. Composition of maps is associative, which is
        what the depth optimiser uses. Raises DomainError if `position` is not a position.
        Source: arXiv 2402.09268, proof of Theorem 4.2.
        """
        line = caller()
        if not isinstance(position, Value):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError(f"at() reads at {position!r}, not at a position", line, "give a position value")
        if position.domain.kind != "position":
            raise DomainError(f"at() reads at {position.domain}, not at a position", line, "use match(...).fetch(value) to find by content")
        n = self._builder.sizes.length
        index = position._index
        if position.domain.lo < 1 or position.domain.hi > n:
            index = self._builder.add(Clip(1, n), [index], "clip", line)
        here = self._builder.add(Position(), [], "position")
        mask = "causal" if self._builder.sizes.causal else "full"
        lookup = self._builder.add(Lookup(mask, "only", 1), [index, here], "at", line)
        return _value(self._builder, Fetch(), [lookup, self._index], line)

    # --- arithmetic --------------------------------------------------------------------------------

    def __add__(self, other: Value | int) -> Value:
        return _sum("+", (self, other), (1, 1))

    def __radd__(self, other: int) -> Value:
        return _sum("+", (self, other), (1, 1))

    def __sub__(self, other: Value | int) -> Value:
        return _sum("-", (self, other), (1, -1))

    def __rsub__(self, other: int) -> Value:
        return _sum("-", (self, other), (-1, 1))

    def __mul__(self, factor: int) -> Value:
        line = caller()
        if not isinstance(factor, int) or isinstance(factor, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError("* scales by an integer constant only", line, "use hw.table(lambda x, y: x * y, x, y) for a product")
        _number("*", self, line)
        return _value(self._builder, Affine("int", (factor,), 0), [self._index], line)

    __rmul__ = __mul__

    def __neg__(self) -> Value:
        return self * -1

    # --- comparisons -------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Value:  # pyright: ignore[reportIncompatibleMethodOverride]
        a, b, line = _pair("==", self, other)
        return _value(self._builder, Equal(), [a._index, b._index], line)

    def __ne__(self, other: object) -> Value:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ~(self == other)

    def __ge__(self, other: object) -> Value:
        return _at_least(">=", self, other, 0)

    def __gt__(self, other: object) -> Value:
        return _at_least(">", self, other, 1)

    def __le__(self, other: object) -> Value:
        return ~_at_least("<=", self, other, 1)

    def __lt__(self, other: object) -> Value:
        return ~_at_least("<", self, other, 0)

    # --- logic -------------------------------------------------------------------------------------

    def __and__(self, other: Value | bool) -> Value:
        return _logic("&", self, other, largest=False)

    def __or__(self, other: Value | bool) -> Value:
        return _logic("|", self, other, largest=True)

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Value:
        line = caller()
        _boolean("~", self, line)
        return _value(self._builder, Affine("bool", (-1,), 1), [self._index], line)

    # --- ⊥ -----------------------------------------------------------------------------------------

    @property
    def exists(self) -> Value:
        """True where there is a value, False where it is ⊥."""
        return _value(self._builder, Exists(), [self._index], caller())

    def or_else(self, default: object) -> Value:
        """This value, or `default` where it is ⊥."""
        line = caller()
        other = _lift(default, self, "or_else()", line)
        _same_kind("or_else()", self, other, line)
        return _value(self._builder, OrElse(), [self._index, other._index], line)


@dataclass(frozen=True, slots=True)
class Match:
    """Positions whose key equals this position's query; pick one with latest(), earliest() or unique()."""

    builder: Builder
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    before: bool

    def latest(self) -> Hit:
        """The last matching position."""
        return self._pick("latest")

    def earliest(self) -> Hit:
        """The first matching position."""
        return self._pick("earliest")

    def unique(self) -> Hit:
        """The matching position if there is exactly one; ⊥ if there is none or more than one.

        Two heads of one layer: the latest and the earliest match, which agree exactly when the match is unique.
        """
        line = caller()
        last, first = self._pick("latest"), self._pick("earliest")
        only = last.position == first.position
        position = _where(only, last.position, None, "unique()", line)
        return Hit(self.builder, last.lookup, only, position)

    def _pick(self, pick: Pick) -> Hit:
        mask = "strict" if self.before else "causal" if self.builder.sizes.causal else "full"
        op = Lookup(mask, pick, len(self.queries))
        return Hit(self.builder, self.builder.add(op, [*self.queries, *self.keys], "match", caller()), None, None)


@dataclass(frozen=True, slots=True)
class Hit:
    """The one position a pick chose, or none."""

    builder: Builder
    lookup: int
    only: Value | None
    where: Value | None

    @property
    def position(self) -> Value:
        """The chosen position, ⊥ if there is none."""
        if self.where is not None:
            return self.where
        here = self.builder.add(Position(), [], "position")
        return _value(self.builder, Fetch(), [self.lookup, here], caller())

    @property
    def found(self) -> Value:
        """Whether a position was chosen."""
        if self.only is not None:
            return self.only.or_else(False)
        one = self.builder.add(Const("int", 1), [], "one")
        return _value(self.builder, Fetch(), [self.lookup, one], caller()).exists

    def fetch(self, value: Value, default: object = None) -> Value:
        """Read a value at the chosen position; `default` where there is none (⊥ unless given)."""
        line = caller()
        got = _value(self.builder, Fetch(), [self.lookup, value._index], line)
        if self.only is not None:
            got = _where(self.only, got, None, "fetch()", line)
        return got if default is None else got.or_else(default)


def match(query: object, key: object, before: bool = False) -> Match:
    """Positions t whose key equals the query here, component by component where tuples are given; ⊥ equals nothing.

    `before=True` keeps t < i; otherwise t <= i in a causal program and every t in a bidirectional one.
    Literals may stand for constant values. Raises DomainError where query and key are not comparable.
    """
    line = caller()
    queries = query if isinstance(query, tuple) else (query,)
    keys = key if isinstance(key, tuple) else (key,)
    values = [v for v in (*queries, *keys) if isinstance(v, Value)]
    if len(queries) != len(keys) or not queries:
        raise DomainError(f"match() compares {len(queries)} query values with {len(keys)} key values", line, "give as many of both")
    if not values:
        raise DomainError("match() was given no value of the program", line, "at least one of query and key must be a value")
    pairs: list[tuple[int, int]] = []
    for q, k in zip(queries, keys, strict=True):
        like = q if isinstance(q, Value) else k if isinstance(k, Value) else values[0]
        a, b = _lift(q, like, "match()", line), _lift(k, like, "match()", line)
        kinds = {a.domain.kind, b.domain.kind}
        if kinds == {"token", "position"}:
            raise DomainError(f"match() compares {a.domain} with {b.domain}", line, "to read the token at a position, use token.at(here)")
        _same_kind("match()", a, b, line)
        pairs.append((a._index, b._index))
    return Match(values[0]._builder, tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), bool(before))


def previous(value: Value, by: int = 1) -> Value:
    """The value `by` positions earlier: `out[i] = value[i - by]`, ⊥ where there is no such position.

    A negative `by` reads ahead (bidirectional programs only see it). Lowers to one positional attention head.
    """
    line = caller()
    if not isinstance(by, int) or isinstance(by, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"previous() steps by {by!r}, not by an integer", line, "give an integer, or use value.at(position)")
    here = Value(value._builder, value._builder.add(Position(), [], "position"))
    return value.at(here - by) if by else value


def where(condition: Value, x: object, y: object) -> Value:
    """x where the condition is true, y where it is false, ⊥ where it is ⊥; None stands for ⊥."""
    return _where(condition, x, y, "where()", caller())


def minimum(x: Value, y: object) -> Value:
    """The smaller of two values."""
    return _extreme("minimum()", x, y, largest=False)


def maximum(x: Value, y: object) -> Value:
    """The larger of two values."""
    return _extreme("maximum()", x, y, largest=True)


def table(f: Callable[..., object], *values: Value) -> Value:
    """f at each position, for any Python function f; it is called once for every combination of argument values.

    Tokens reach f as symbols, positions and integers as int, booleans as bool. It returns a symbol of the alphabet,
    an int, a bool, or None for ⊥. ⊥ in any argument gives ⊥. Costs one hidden unit an entry.
    Raises DomainError if f raises, mixes kinds, or the arguments have more than 65,536 combinations.
    """
    line = caller()
    if not values:
        raise DomainError("table() was given no value", line, "table(f, x, ...) applies f to values of the program")
    builder = values[0]._builder
    domains = [v.domain for v in values]
    count = 1
    for d in domains:
        count *= d.size
    if count > MAX_TABLE:
        sizes = " x ".join(str(d.size) for d in domains)
        hint = "use arithmetic and comparisons, or tables of fewer arguments"
        raise DomainError(f"table() would have {count:,} entries ({sizes}), more than {MAX_TABLE:,}", line, hint)
    alphabet = builder.sizes.alphabet
    spaces = [
        [alphabet.symbols[v] if d.kind == "token" else bool(v) if d.kind == "bool" else v for v in range(d.lo, d.hi + 1)] for d in domains
    ]
    results: list[object] = []
    for point in itertools.product(*spaces):
        try:
            results.append(f(*point))
        except Exception as error:
            called = ", ".join(map(repr, point))
            raise DomainError(
                f"table() called its function with ({called}) and it raised {type(error).__name__}: {error}", line, "return None for ⊥"
            ) from error
    kind, entries = _entries(results, alphabet, [d.kind for d in domains], line)
    op = Table(
        kind, tuple(d.lo for d in domains), tuple(d.size for d in domains), tuple(entries), getattr(f, "__name__", "f").strip("<>")
    )
    return _value(builder, op, [v._index for v in values], line)


def _entries(results: list[object], alphabet: Alphabet, kinds: list[Kind], line: Location | None) -> tuple[Kind, list[int | None]]:
    """What a table returned, as one kind and plain integers."""
    values = [r for r in results if r is not None]
    if not values:
        return kinds[0], [None] * len(results)
    ids = [None if r is None else alphabet.id(r) for r in results]
    symbols = all(index is not None for index, r in zip(ids, results, strict=True) if r is not None)
    if symbols and (set(kinds) == {"token"} or not all(isinstance(r, int) for r in values)):
        return "token", ids
    if all(isinstance(r, bool) for r in values):
        return "bool", [None if r is None else int(bool(r)) for r in results]
    if all(isinstance(r, int) and not isinstance(r, bool) for r in values):
        return "int", [r if isinstance(r, int) else None for r in results]
    odd = next(r for r, index in zip(results, ids, strict=True) if r is not None and index is None)
    raise DomainError(f"table() returned {odd!r}, which is not in the alphabet", line, "return symbols of the alphabet only, or only integers")


# --- shared checks ---------------------------------------------------------------------------------------


def _value(builder: Builder, op: Op, args: Sequence[int], line: Location | None) -> Value:
    assigned = _ASSIGNED.match(line.source) if line else None
    return Value(builder, builder.add(op, args, assigned.group(1) if assigned else op.name, line))


def _lift(x: object, like: Value, what: str, line: Location | None) -> Value:
    """A literal as a constant of the kind of `like`."""
    if isinstance(x, Value):
        if x._builder is not like._builder:
            raise ProgramError(f"{what} mixes values of two programs", line, "build values inside one program function")
        return x
    kind = like.domain.kind
    if x is None:
        op = Const(kind, None)
    elif isinstance(x, bool) and kind == "bool":
        op = Const("bool", int(x))
    elif kind == "token":
        index = like._builder.sizes.alphabet.id(x)
        if index is None and not (like._builder.sizes.alphabet.numeric and isinstance(x, int)):
            raise DomainError(
                f"{what} uses {x!r}, which is not in the alphabet of {len(like._builder.sizes.alphabet)} symbols", line, "add the symbol to alphabet="
            )
        op = Const("token", index) if index is not None else Const("int", int(str(x)))
    elif isinstance(x, int) and not isinstance(x, bool):
        op = Const("int", x)
    else:
        raise DomainError(f"{what} combines {like.domain} with {x!r}", line, "give a literal of the same kind")
    return Value(like._builder, like._builder.add(op, [], op.label().split()[-1], line))


def _numeric(value: Value) -> bool:
    kind = value.domain.kind
    return kind in ("int", "position") or (kind == "token" and value._builder.sizes.alphabet.numeric)


def _number(what: str, value: Value, line: Location | None) -> None:
    if not _numeric(value):
        hint = "use & | ~ on booleans" if value.domain.kind == "bool" else "use hw.table(f, x) to give symbols a number"
        raise DomainError(f"{what} needs a number and got {value.domain}", line, hint)


def _boolean(what: str, value: Value, line: Location | None) -> None:
    if value.domain.kind != "bool":
        raise DomainError(f"{what} needs a boolean and got {value.domain}", line, "compare first, for example x == y")


def _same_kind(what: str, a: Value, b: Value, line: Location | None) -> None:
    kinds = {a.domain.kind, b.domain.kind}
    if len(kinds) == 1 or (kinds != {"token", "position"} and _numeric(a) and _numeric(b)):
        return
    raise DomainError(f"{what} compares {a.domain} with {b.domain}", line, "both sides must be of one kind")


def _pair(what: str, a: Value, other: object) -> tuple[Value, Value, Location | None]:
    line = caller()
    b = _lift(other, a, what, line)
    _same_kind(what, a, b, line)
    return a, b, line


def _sum(what: str, operands: tuple[Value, Value | int], coefficients: tuple[int, int]) -> Value:
    line = caller()
    a, other = operands
    _number(what, a, line)
    if isinstance(other, int) and not isinstance(other, bool):
        kind: Kind = "position" if a.domain.kind == "position" and coefficients[0] == 1 else "int"
        return _value(a._builder, Affine(kind, coefficients[:1], coefficients[1] * other), [a._index], line)
    b = _lift(other, a, what, line)
    _number(what, b, line)
    pointers = [c for v, c in ((a, coefficients[0]), (b, coefficients[1])) if v.domain.kind == "position"]
    return _value(a._builder, Affine("position" if pointers == [1] else "int", coefficients, 0), [a._index, b._index], line)


def _at_least(what: str, a: Value, other: object, threshold: int) -> Value:
    x, y, line = _pair(what, a, other)
    if not (_numeric(x) and _numeric(y)):
        raise DomainError(f"{what} orders {x.domain}, which has no order", line, "use == or !=, or hw.table(f, x) to give symbols a number")
    return _value(a._builder, AtLeast(threshold), [x._index, y._index], line)


def _logic(what: str, a: Value, other: object, largest: bool) -> Value:
    line = caller()
    _boolean(what, a, line)
    b = _lift(other, a, what, line)
    _boolean(what, b, line)
    return _value(a._builder, Extreme(largest), [a._index, b._index], line)


def _extreme(what: str, a: Value, other: object, largest: bool) -> Value:
    line = caller()
    _number(what, a, line)
    b = _lift(other, a, what, line)
    _number(what, b, line)
    return _value(a._builder, Extreme(largest), [a._index, b._index], line)


def _where(condition: Value, x: object, y: object, what: str, line: Location | None) -> Value:
    _boolean(what, condition, line)
    like = x if isinstance(x, Value) else y if isinstance(y, Value) else None
    if like is None:
        literal = x if x is not None else y
        alphabet = condition._builder.sizes.alphabet
        symbol = not alphabet.numeric and alphabet.id(literal) is not None
        kind: Kind = "token" if symbol or not isinstance(literal, int) else "bool" if isinstance(literal, bool) else "int"
        base = Const(kind, 0) if kind != "token" else Token()
        like = Value(condition._builder, condition._builder.add(base, [], kind))
    a, b = _lift(x, like, what, line), _lift(y, like, what, line)
    _same_kind(what, a, b, line)
    return _value(condition._builder, Where(), [condition._index, a._index, b._index], line)


# --- programs --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Program:
    """A function from the inputs `token` and (optionally) `position` to one value, to be built for given sizes.

    `alphabet` and `length` are the sizes it is meant for, used where the caller names none.
    """

    function: Callable[..., Value]
    name: str
    causal: bool = True
    alphabet: int | tuple[Symbol, ...] | None = None
    inputs: tuple[str, ...] = field(default=("token",))

    def build(self, length: int, alphabet: int | Sequence[Symbol] | None = None) -> Graph:
        """The program's graph, as written, for a context length and an alphabet.

        Raises ProgramError or DomainError with the user's line; InputError for impossible sizes.
        """
        spec = self.alphabet if alphabet is None else alphabet
        if spec is None:
            raise InputError(f"program {self.name} was given no alphabet", hint="pass alphabet=, a size or a list of symbols")
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"the length is {length!r}", hint="give an integer of at least 1")
        builder = Builder(self.name, Sizes(length, Alphabet.of(spec), self.causal))
        given = {"token": Token(), "position": Position()}
        arguments = [Value(builder, builder.add(given[name], [], name)) for name in self.inputs]
        result = self.function(*arguments)
        if not isinstance(result, Value):  # pyright: ignore[reportUnnecessaryIsInstance]
            code = self.function.__code__
            hint = "a Hit is not a value: return hit.position, hit.found or hit.fetch(x)" if isinstance(result, Hit) else "return a value"
            raise ProgramError(f"program {self.name} returned {result!r}", Location(code.co_filename, code.co_firstlineno), hint)
        return builder.finish(result._index)

    def bidirectional(self) -> Program:
        """The same source with every position visible to every other."""
        return replace(self, causal=False)


@overload
def program(function: Callable[..., Value], /) -> Program: ...
@overload
def program(
    *, name: str | None = None, causal: bool = True, alphabet: int | Sequence[Symbol] | None = None
) -> Callable[[Callable[..., Value]], Program]: ...


def program(
    function: Callable[..., Value] | None = None,
    /,
    *,
    name: str | None = None,
    causal: bool = True,
    alphabet: int | Sequence[Symbol] | None = None,
) -> Program | Callable[[Callable[..., Value]], Program]:
    """Turn a function of `token` (and `position`) into a program; usable bare or with options.

    Raises ProgramError if the function asks for an input other than `token` and `position`.
    """

    def make(f: Callable[..., Value]) -> Program:
        inputs = tuple(inspect.signature(f).parameters)
        for unknown in [i for i in inputs if i not in ("token", "position")]:
            where = Location(f.__code__.co_filename, f.__code__.co_firstlineno)
            raise ProgramError(f"program {f.__name__} asks for an input {unknown!r}", where, "inputs are token and position")
        spec = alphabet if alphabet is None or isinstance(alphabet, int) else tuple(alphabet)
        return Program(f, name or f.__name__, causal, spec, inputs)

    return make if function is None else make(function)


__all__ = ["Hit", "Match", "Program", "Value", "match", "maximum", "minimum", "previous", "program", "table", "where"]
