"""Values: what a program computes at every position, with operators that build its graph."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import ClassVar, cast

from ..calls import readable
from ..domain import Domain, Kind, Symbol, plain
from ..errors import DomainError, Location, ProgramError, caller, warn
from ..graph import Builder
from ..ops import Affine, Clip, Const, Divide, Exists, Extreme, Fetch, Lookup, Op, OrElse, Position, Table, Token
from .ahead import ahead
from .occurring import numbered_anew
from .symbolic import Symbolic

LARGEST = 2**53
_ASSIGNED = re.compile(r"^(\w+)\s*=[^=]")


@readable
class Value(Symbolic):
    """A value at every position: a finite domain, or ⊥. Operators act at each position; ⊥ in gives ⊥ out."""

    __slots__ = ("builder", "index")
    __hash__ = Symbolic.__hash__
    called: ClassVar[str] = "a value"
    elsewhere: ClassVar[Mapping[str, str]] = {
        **{name: f"it is a function: hw.{name}" for name in ("previous", "match", "select", "visible", "where", "table", "scan")},
        **{
            name: f"over positions it is of a selector: hw.visible(x).{name}"
            for name in ("sum", "mean", "mode", "count", "counts", "any", "all")
        },
        **dict.fromkeys(("min", "max"), "over positions it is of a selector: hw.visible(x).max(x); of two values hw.maximum(x, y)"),
        **dict.fromkeys(("latest", "earliest"), "pick among the positions of a selector: hw.match(x, y).latest()"),
        "fetch": "read it at a position by .at(position), or where a match is by hit.fetch(x)",
        "is_none": "use ~x.exists",
    }

    def __init__(self, builder: Builder, index: int) -> None:
        self.builder, self.index = builder, index

    @property
    def domain(self) -> Domain:
        """The domain, as inferred."""
        return self.builder.nodes[self.index].domain

    def __repr__(self) -> str:
        return f"<{self.builder.nodes[self.index].name}: {self.domain}>"

    # --- reading other positions -------------------------------------------------------------------

    def at(self, position: Value) -> Value:
        """Read this value at another position: `out[i] = self[position[i]]`.

        ⊥ where the position is ⊥, outside 1..N, or not visible (later than i in a causal program). An integer is a position too.
        Lowers to one attention head with an exact position key. Composition of maps is associative, which is
        what the depth optimiser uses. Raises DomainError if `position` is not a position.
        Source: arXiv 2402.09268, proof of Theorem 4.2.
        """
        line = caller()
        require_value("at()", position, self.builder, line)
        if position.domain.kind != "position":
            if not numeric(position) or position.domain.kind == "token":
                fact = f"at() reads at {position.domain}, not at a position"
                hint = "to read at the number that a token is, write x.at(token + 0)" if numeric(position) else ""
                raise DomainError(fact, line, hint or "use match(...).fetch(value) to find by content")
            position = as_number(position, line)
        n = self.builder.sizes.length
        index = position.index
        if self.builder.sizes.causal and (ahead(self.builder.nodes, index) or 0) > 0:
            fact = "this reads at a position that is always ahead, which a causal program does not see: it is ⊥ everywhere"
            warn(fact, line, "read behind, for example at position - 1, or write @hw.program(causal=False)")
            return lift(None, self, "at()", line)
        if position.domain.lo < 1 or position.domain.hi > n:
            index = self.builder.add(Clip(1, n), [index], "clip", line)
        here = self.builder.add(Position(), [], "position")
        mask = "causal" if self.builder.sizes.causal else "full"
        lookup = self.builder.add(Lookup(mask, "only", 1), [index, here], "at", line)
        return value_of(self.builder, Fetch(), [lookup, self.index], line)

    # --- arithmetic --------------------------------------------------------------------------------

    def __add__(self, other: Value | int) -> Value:
        return _sum("+", (self, other), (1, 1))

    def __radd__(self, other: int) -> Value:
        return _sum("+", (self, other), (1, 1))

    def __sub__(self, other: Value | int) -> Value:
        return _sum("-", (self, other), (1, -1))

    def __rsub__(self, other: int) -> Value:
        return _sum("-", (self, other), (-1, 1))

    def __mul__(self, factor: Value | int) -> Value:
        line, factor = caller(), cast("Value | int", plain(factor))
        if isinstance(factor, Value):
            from .products import product

            return product(*_numbers("*", self, factor, line), line)
        if not isinstance(factor, int) or isinstance(factor, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError(
                f"* scales by {factor!r}, which is no integer", line, "scale numerator and denominator apart, or use hw.table(f, x)"
            )
        x = number("*", self, line)
        return value_of(x.builder, Affine("int", (factor,), 0), [x.index], line)

    __rmul__ = __mul__

    def __neg__(self) -> Value:
        return self * -1

    def __floordiv__(self, divisor: Value | int) -> Value:
        line = caller()
        if isinstance(divisor, Value):
            from .products import quotient

            return quotient(*_numbers("//", self, divisor, line), line)
        divisor = _divisor("//", divisor, line)
        x = number("//", self, line)
        if divisor == 1:
            return value_of(self.builder, Affine("int", (1,), 0), [x.index], line)
        k = _first_level(x.domain, divisor)
        if k == 1:
            return value_of(self.builder, Divide(divisor), [x.index], line)
        high = value_of(self.builder, Divide(divisor * k), [x.index], line)
        low = value_of(self.builder, Divide(divisor), [_rest(x, divisor * k, line).index], line)
        return value_of(self.builder, Affine("int", (k, 1), 0), [high.index, low.index], line)

    def __mod__(self, divisor: Value | int) -> Value:
        line = caller()
        if isinstance(divisor, Value):
            from .products import remainder

            return remainder(*_numbers("%", self, divisor, line), line)
        divisor = _divisor("%", divisor, line)
        x = number("%", self, line)
        if divisor == 1:
            return value_of(self.builder, Affine("int", (0,), 0), [x.index], line)
        k = _first_level(x.domain, divisor)
        return _rest(x if k == 1 else _rest(x, divisor * k, line), divisor, line)

    # --- comparisons -------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Value:  # pyright: ignore[reportIncompatibleMethodOverride]
        from .apart import equal

        a, b, line = _pair("==", self, other)
        return equal(a, b, line)

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
        return logic("&", self, other, largest=False)

    def __or__(self, other: Value | bool) -> Value:
        return logic("|", self, other, largest=True)

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Value:
        line = caller()
        boolean("~", self, line)
        return value_of(self.builder, Affine("bool", (-1,), 1), [self.index], line)

    # --- ⊥ -----------------------------------------------------------------------------------------

    @property
    def exists(self) -> Value:
        """True where there is a value, False where it is ⊥."""
        return value_of(self.builder, Exists(), [self.index], caller())

    def or_else(self, default: object) -> Value:
        """This value, or `default` where it is ⊥."""
        line = caller()
        this, other = same_kind("or_else()", self, lift(default, self, "or_else()", line), line)
        return value_of(self.builder, OrElse(), [this.index, other.index], line)


# --- shared checks ---------------------------------------------------------------------------------------


def value_of(builder: Builder, op: Op, args: Sequence[int], line: Location | None) -> Value:
    assigned = _ASSIGNED.match(line.source) if line else None
    found = Value(builder, builder.add(op, args, assigned.group(1) if assigned else op.name, line))
    return _within_reach(op.name, found, line)


def _within_reach(what: str, value: Value, line: Location | None) -> Value:
    """Refuse what no arithmetic holds, before anything is computed with it."""
    if max(abs(value.domain.lo), abs(value.domain.hi)) > LARGEST:
        raise DomainError(f"{what} is {value.domain}, beyond 2^53, where float64 has no longer every integer", line, "use smaller numbers")
    return value


def lift(x: object, like: Value, what: str, line: Location | None) -> Value:
    """A literal as a constant of the kind of `like`."""
    if isinstance(x, Value):
        require_value(what, x, like.builder, line)
        return x
    x, kind = plain(x), like.domain.kind
    if x is None:
        op = Const(kind, None)
    elif isinstance(x, bool) and kind == "bool":
        op = Const("bool", int(x))
    elif kind == "token":
        op = _symbol(x, like, what, line)
    elif kind == "label":
        op = Const("label", label_of(like.builder, x, what, line))
    elif isinstance(x, int) and not isinstance(x, bool):
        op = Const("int", x)
    else:
        raise DomainError(f"{what} combines {like.domain} with {x!r}", line, "give a literal of the same kind")
    return _within_reach(f"{what}: the number", Value(like.builder, like.builder.add(op, [], "⊥" if x is None else str(x), line)), line)


def label_of(builder: Builder, x: object, what: str, line: Location | None) -> int:
    """The number of a label. Raises DomainError for what cannot be one, and for True where the program has 1, another value here."""
    try:
        number = builder.label(cast("Symbol", x)) if x == x else None
    except TypeError:  # it has no hash
        number = None
    if number is None:
        raise DomainError(f"{what} was given {x!r}, which is no value", line, "values are hashable and equal to themselves")
    if _truths(known := builder.labels[number]) != _truths(x):
        fact = f"{what} was given {x!r} where the program has {known!r}: Python takes them for one value, and they are two"
        raise DomainError(fact, line, "give truth values alone, or numbers alone, or name one of them, such as 'true'")
    return number


def _truths(x: object) -> object:
    """Where truth values stand in a label."""
    if isinstance(x, (tuple, frozenset)):
        return (tuple if isinstance(x, tuple) else frozenset)(map(_truths, cast("tuple[object, ...]", x)))
    return isinstance(x, bool)


def _symbol(x: object, like: Value, what: str, line: Location | None) -> Const:
    """A literal beside tokens: a symbol of the alphabet, or an integer where symbols are integers."""
    alphabet = like.builder.sizes.alphabet
    index = alphabet.id(x)
    if index is not None:
        return Const("token", index)
    number, truth = isinstance(x, int) and not isinstance(x, bool), isinstance(x, bool)
    if number and alphabet.numbers:
        return Const("int", int(str(x)))
    if (number or truth) and not any(type(symbol) is type(x) for symbol in alphabet.symbols):
        other = f"the truth value {x!r}" if truth else f"the number {x!r}"
        hint = f"give a symbol such as {alphabet.symbols[0]!r}, or None for ⊥" + (
            "; or give symbols numbers by hw.table(f, x)" if number else ""
        )
        raise DomainError(f"{what} combines {like.domain} with {other}: their kinds differ", line, hint)
    raise DomainError(f"{what} uses {x!r}, which is not in the alphabet of {len(alphabet)} symbols", line, "add it to alphabet=")


def alike(builder: Builder, *literals: object) -> Value:
    """Something of the kind that literals are meant as: symbols where all of them are symbols of words, else truths or integers."""
    known = [x for x in map(plain, literals) if x is not None]
    alphabet, first = builder.sizes.alphabet, known[0] if known else None
    symbols = not alphabet.numeric and all(alphabet.id(x) is not None for x in known)
    symbols = symbols and not (builder.integers and isinstance(first, int))
    if (
        known
        and not symbols
        and all(isinstance(x, (int, float, Fraction)) for x in known)
        and not all(type(x) is type(first) for x in known)
    ):
        return Value(builder, builder.add(Const("label", builder.label(cast("Symbol", first))), [], "label"))
    if isinstance(first, (float, Fraction)) and not symbols:
        return Value(builder, builder.add(Const("label", builder.label(first)), [], "label"))
    kind: Kind = "token" if symbols or not isinstance(first, int) else "bool" if isinstance(first, bool) else "int"
    return Value(builder, builder.add(Const(kind, 0) if kind != "token" else Token(), [], kind))


def require_value(what: str, x: object, builder: Builder | None, line: Location | None) -> None:
    """Refuse what is not a value of this program (of any program if `builder` is None)."""
    if not isinstance(x, Value):
        raise DomainError(f"{what} was given {x!r}, which is not a value", line, "give a value of the program")
    if builder is not None and x.builder is not builder:
        raise ProgramError(f"{what} mixes values of two programs", line, "build values inside one program function")


def numeric(value: Value) -> bool:
    """Whether a value is a number, or a token of an alphabet of integers."""
    kind = value.domain.kind
    return kind in ("int", "position") or (kind == "token" and value.builder.sizes.alphabet.numbers)


def number(what: str, value: Value, line: Location | None) -> Value:
    """The value as a number. Raises DomainError where it is none."""
    if not numeric(value):
        odd = [s for s in value.builder.sizes.alphabet.symbols if type(s) is not int] if value.domain.kind == "token" else []
        hint = f"{odd[0]!r} is no number: use hw.table(f, x) to give symbols a number" if odd else "use & | ~ on booleans"
        raise DomainError(f"{what} needs a number and got {value.domain}", line, hint)
    return as_number(value, line)


def as_number(value: Value, line: Location | None) -> Value:
    """A number as it is; of a token of an alphabet of integers the symbol: the id itself for 0..V-1, else by its row or a table."""
    symbols = value.builder.sizes.alphabet.symbols
    if value.domain.kind != "token" or value.builder.sizes.alphabet.numeric:
        return value
    numbers = [s for s in symbols if isinstance(s, int)]
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    row = all(s == numbers[0] + step * i for i, s in enumerate(numbers))
    op = Affine("int", (step,), numbers[0]) if row else Table("int", (0,), (len(numbers),), tuple(numbers), "number")
    return _within_reach("the token as a number", Value(value.builder, value.builder.add(op, [value.index], "number", line)), line)


def boolean(what: str, value: Value, line: Location | None) -> None:
    if value.domain.kind != "bool":
        raise DomainError(f"{what} needs a boolean and got {value.domain}", line, "compare first, for example x == y")


def same_kind(what: str, a: Value, b: Value, line: Location | None) -> tuple[Value, Value]:
    """Both as they are where they are of one kind, as numbers where both are numbers. Raises DomainError else."""
    kinds = {a.domain.kind, b.domain.kind}
    if len(kinds) == 1:
        return a, b
    if kinds != {"token", "position"} and numeric(a) and numeric(b):
        return as_number(a, line), as_number(b, line)
    raise DomainError(f"{what} compares {a.domain} with {b.domain}", line, "both sides must be of one kind")


def _numbers(what: str, a: Value, b: Value, line: Location | None) -> tuple[Value, Value]:
    """Two values of one program as numbers."""
    require_value(what, b, a.builder, line)
    return number(what, a, line), number(what, b, line)


def _divisor(what: str, divisor: object, line: Location | None) -> int:
    divisor = plain(divisor)
    if not isinstance(divisor, int) or isinstance(divisor, bool) or divisor < 1:
        raise DomainError(f"{what} divides by {divisor!r}", line, "divide by an integer constant of at least 1")
    return divisor


def _first_level(domain: Domain, divisor: int) -> int:
    """The k by which division goes in two levels, by k·divisor and then by divisor, where that halves its steps; else 1.

    A quotient of S steps takes 2·S hidden units at once, and 2·S/k + 2·k in two levels, least for k = sqrt(S).
    """
    steps = domain.hi // divisor - domain.lo // divisor
    k = math.isqrt(max(0, steps))
    return k if 4 * k < steps else 1


def _rest(x: Value, divisor: int, line: Location | None) -> Value:
    """x % divisor: x - divisor·(x // divisor)."""
    quotient = value_of(x.builder, Divide(divisor), [x.index], line)
    rest = value_of(x.builder, Affine("int", (1, -divisor), 0), [x.index, quotient.index], line)
    if rest.domain.lo < 0 or rest.domain.hi >= divisor:  # the sum does not know that they belong together
        zero, last = (x.builder.add(Const("int", v), (), str(v)) for v in (0, divisor - 1))
        rest = value_of(x.builder, Extreme(True), [rest.index, zero], line)
        rest = value_of(x.builder, Extreme(False), [rest.index, last], line)
    return rest


def spaces(value: Value) -> list[object]:
    """Every value of a domain as a Python function is given it: tokens as symbols, booleans as bool, numbers as int, labels as they are."""
    domain = value.domain
    return [meant(value.builder, domain, v) for v in range(domain.lo, domain.hi + 1)]


def meant(builder: Builder, domain: Domain, v: int) -> object:
    """What a value of a domain stands for in Python."""
    match domain.kind:
        case "token":
            return builder.sizes.alphabet.symbols[v]
        case "bool":
            return bool(v)
        case "label":
            return builder.labels[v]
        case "int" | "position":
            return v


def densely(value: Value) -> Value:
    """The value, numbered anew where those that occur lie far apart."""
    index = numbered_anew(value.builder, value.index, lambda domain, v: meant(value.builder, domain, v))
    return value if index == value.index else Value(value.builder, index)


def _pair(what: str, a: Value, other: object) -> tuple[Value, Value, Location | None]:
    line = caller()
    if other is None:
        raise DomainError(f"{what} compares with None, which is ⊥, and would be ⊥ everywhere", line, "use x.exists, or ~x.exists")
    return *same_kind(what, a, lift(other, a, what, line), line), line


def _sum(what: str, operands: tuple[Value, Value | int], coefficients: tuple[int, int]) -> Value:
    line = caller()
    a, other = operands[0], cast("Value | int", plain(operands[1]))
    a = number(what, a, line)
    if isinstance(other, int) and not isinstance(other, bool):
        kind: Kind = "position" if a.domain.kind == "position" and coefficients[0] == 1 else "int"
        return value_of(a.builder, Affine(kind, coefficients[:1], coefficients[1] * other), [a.index], line)
    b = number(what, lift(other, a, what, line), line)
    pointers = [c for v, c in ((a, coefficients[0]), (b, coefficients[1])) if v.domain.kind == "position"]
    if pointers != [1] and (a.domain.none or b.domain.none):
        from .apart import far, weighted

        if far(a, b):
            return weighted(a, b, coefficients, line)
    return value_of(a.builder, Affine("position" if pointers == [1] else "int", coefficients, 0), [a.index, b.index], line)


def _at_least(what: str, a: Value, other: object, threshold: int) -> Value:
    x, y, line = _pair(what, a, other)
    if not (numeric(x) and numeric(y)):
        raise DomainError(f"{what} orders {x.domain}, which has no order", line, "use == or !=, or hw.table(f, x) to give symbols a number")
    from .apart import at_least

    return at_least(as_number(x, line), as_number(y, line), threshold, line)


def logic(what: str, a: Value, other: object, largest: bool) -> Value:
    line = caller()
    boolean(what, a, line)
    b = lift(other, a, what, line)
    boolean(what, b, line)
    return value_of(a.builder, Extreme(largest), [a.index, b.index], line)
