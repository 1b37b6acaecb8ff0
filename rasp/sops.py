"""Sequence operations: a value at each position. tokens, indices, length, constants, and functions applied position by position."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ..compiler.errors import DomainError, caller
from .expr import RASPExpr, Value

SOpT = TypeVar("SOpT", bound="SOp")


class SOp(RASPExpr):
    """A value at each position. Operators apply position by position, with other operations or with constants."""

    kind = "sop"
    __hash__ = RASPExpr.__hash__

    def __call__(self, xs: Sequence[Value]) -> list[Any]:
        """Its values on a sequence, by definition."""
        from .evaluator import evaluate

        return evaluate(self, xs)

    def __headwork_program__(self) -> object:
        """Itself as a program: what hw.compile, hw.check and all others take it for."""
        from .program import program

        return program(self)

    def __bool__(self) -> bool:
        raise DomainError("a sequence operation has no truth of its own: it differs by position", caller(), "use & | ~, or Map")

    def __lt__(self, other: object) -> SOp:
        return _with(operator.lt, self, other)

    def __le__(self, other: object) -> SOp:
        return _with(operator.le, self, other)

    def __eq__(self, other: object) -> SOp:  # type: ignore[override]
        return _with(operator.eq, self, other)

    def __ne__(self, other: object) -> SOp:  # type: ignore[override]
        return _with(operator.ne, self, other)

    def __gt__(self, other: object) -> SOp:
        return _with(operator.gt, self, other)

    def __ge__(self, other: object) -> SOp:
        return _with(operator.ge, self, other)

    def __add__(self, other: object) -> SOp:
        return _with(operator.add, self, other)

    def __radd__(self, other: object) -> SOp:
        return _with(operator.add, other, self)

    def __sub__(self, other: object) -> SOp:
        return _with(operator.sub, self, other)

    def __rsub__(self, other: object) -> SOp:
        return _with(operator.sub, other, self)

    def __mul__(self, other: object) -> SOp:
        return _with(operator.mul, self, other)

    def __rmul__(self, other: object) -> SOp:
        return _with(operator.mul, other, self)

    def __truediv__(self, other: object) -> SOp:
        return _with(operator.truediv, self, other)

    def __rtruediv__(self, other: object) -> SOp:
        return _with(operator.truediv, other, self)

    def __and__(self, other: object) -> SOp:
        return _with(_and, self, other)

    def __rand__(self, other: object) -> SOp:
        return _with(_and, other, self)

    def __or__(self, other: object) -> SOp:
        return _with(_or, self, other)

    def __ror__(self, other: object) -> SOp:
        return _with(_or, other, self)

    def __invert__(self) -> SOp:
        return sop_not(self)


def _and(x: Any, y: Any) -> Any:
    return x and y


def _or(x: Any, y: Any) -> Any:
    return x or y


def _with(op: Callable[[Any, Any], Any], a: object, b: object) -> SOp:
    """An operator between two operations, or one and a constant."""
    if isinstance(a, SOp) and isinstance(b, SOp):
        return SequenceMap(op, a, b)
    if isinstance(a, SOp):
        return Map(lambda x: op(x, b), a)
    assert isinstance(b, SOp)
    return Map(lambda x: op(a, x), b)


class Source(SOp):
    """What is there without attention or functions."""

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []

    @property
    def label(self) -> str:
        return self.kind

    def __repr__(self) -> str:
        return self.kind


class TokensType(Source):
    """The tokens themselves."""

    kind = "tokens"


class IndicesType(Source):
    """The position of each token, counted from 0."""

    kind = "indices"


class LengthType(Source):
    """The length of the sequence, at each position."""

    kind = "length"


tokens, indices, length = TokensType(), IndicesType(), LengthType()


class Map(SOp):
    """A function applied at each position; ⊥ stays ⊥. Of a Map, and with `simplify`, it is one Map of both functions."""

    kind = "map"

    def __init__(self, f: Callable[[Any], Any], inner: SOp, simplify: bool = True) -> None:
        super().__init__()
        _require("Map", inner, SOp)
        _require_function("Map", f)
        self.f, self.inner = f, inner
        if simplify and isinstance(inner, Map):
            before = inner.f.functions if isinstance(inner.f, Chain) else (inner.f,)
            self.f, self.inner = Chain((*before, f)), inner.inner

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.inner]


@dataclass(frozen=True, slots=True)
class Chain:
    """Functions one after the other, as many as there are; what returns None ends them."""

    functions: tuple[Callable[[Any], Any], ...]

    def __call__(self, x: Any) -> Any:
        x = self.functions[0](x)
        for f in self.functions[1:]:
            if x is None:
                return None
            x = f(x)
        return x


class SequenceMap(SOp):
    """A function of two operations, applied at each position; ⊥ where one of them is ⊥."""

    kind = "sequence_map"

    def __init__(self, f: Callable[[Any, Any], Any], fst: SOp, snd: SOp) -> None:
        super().__init__()
        _require("SequenceMap", fst, SOp)
        _require("SequenceMap", snd, SOp)
        _require_function("SequenceMap", f)
        self.f, self.fst, self.snd = f, fst, snd

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.fst, self.snd]


class LinearSequenceMap(SequenceMap):
    """The sum of two operations, each times a factor."""

    kind = "linear_sequence_map"

    def __init__(self, fst: SOp, snd: SOp, fst_fac: float, snd_fac: float) -> None:
        super().__init__(lambda x, y: fst_fac * x + snd_fac * y, fst, snd)
        self.fst_fac, self.snd_fac = fst_fac, snd_fac


class Choice(SOp):
    """One operation where a condition is true, in Python's sense, else another; ⊥ where the condition is."""

    kind = "choice"

    def __init__(self, condition: SOp, fst: SOp, snd: SOp) -> None:
        super().__init__()
        for x in (condition, fst, snd):
            _require("Choice", x, SOp)
        self.condition, self.fst, self.snd = condition, fst, snd

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.condition, self.fst, self.snd]


class Full(SOp):
    """The same value at each position."""

    kind = "full"

    def __init__(self, fill: Value) -> None:
        super().__init__()
        self.fill = fill

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


class ConstantSOp(SOp):
    """Given values, position by position: for tests. It must be as long as the sequence, unless `check_length` is False."""

    kind = "constant_sop"

    def __init__(self, value: Sequence[Any], check_length: bool = True) -> None:
        super().__init__()
        self.value, self.check_length = value, check_length

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


def sop_not(sop: SOp) -> SOp:
    """Python's `not`, at each position."""
    return Map(operator.not_, sop)


def _require(what: str, x: object, kind: type) -> None:
    if not isinstance(x, kind):
        raise DomainError(f"{what} was given {x!r}, which is no {kind.__name__}", caller(), "rasp.Full(x) makes an operation of a constant")


def _require_function(what: str, f: object) -> None:
    if not callable(f) or isinstance(f, RASPExpr):
        raise DomainError(f"{what} was given {f!r}, which is no function", caller(), f"the function comes first: {what}(f, x)")
