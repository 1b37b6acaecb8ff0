"""Selectors: which keys each query selects; and what attention makes of them: how many, and the value or mean of what is selected."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..compiler.errors import DomainError, caller
from .expr import RASPExpr, SelectorValue
from .sops import Full, SOp


class Predicate(Protocol):
    """Whether a key is selected by a query."""

    def __call__(self, key: Any, query: Any, /) -> bool: ...


class Comparison(enum.Enum):
    """A predicate of a key and a query, in this order. ⊥ stands in no relation."""

    EQ = "=="
    LT = "<"
    LEQ = "<="
    GT = ">"
    GEQ = ">="
    NEQ = "!="
    TRUE = "True"
    FALSE = "False"

    def __call__(self, key: Any, query: Any) -> bool:
        return key is not None and query is not None and bool(_MEANING[self](key, query))


_MEANING: dict[Comparison, Callable[[Any, Any], Any]] = {
    Comparison.EQ: operator.eq,
    Comparison.LT: operator.lt,
    Comparison.LEQ: operator.le,
    Comparison.GT: operator.gt,
    Comparison.GEQ: operator.ge,
    Comparison.NEQ: operator.ne,
    Comparison.TRUE: lambda key, query: True,
    Comparison.FALSE: lambda key, query: False,
}


class Selector(RASPExpr):
    """Which keys each query selects. Combine selectors with & | ~."""

    kind = "selector"

    def __call__(self, xs: Sequence[Any]) -> SelectorValue:
        """Its rows on a sequence, a query each, by definition."""
        from .evaluator import evaluate

        return evaluate(self, xs)

    def __and__(self, other: Selector) -> Selector:
        return selector_and(self, other)

    def __rand__(self, other: Selector) -> Selector:
        return selector_and(other, self)

    def __or__(self, other: Selector) -> Selector:
        return selector_or(self, other)

    def __ror__(self, other: Selector) -> Selector:
        return selector_or(other, self)

    def __invert__(self) -> Selector:
        return selector_not(self)


class Select(Selector):
    """The keys for which the predicate holds: `predicate(key, query)`."""

    kind = "select"

    def __init__(self, keys: SOp, queries: SOp, predicate: Predicate) -> None:
        super().__init__()
        _require("Select", keys, SOp)
        _require("Select", queries, SOp)
        if not callable(predicate):
            raise DomainError(f"Select was given {predicate!r}, which is no predicate", caller(), "give a Comparison, or a function")
        self.keys, self.queries, self.predicate = keys, queries, predicate

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.keys, self.queries]


class ConstantSelector(Selector):
    """Given rows: for tests. There must be as many as the sequence is long, unless `check_length` is False."""

    kind = "constant_selector"

    def __init__(self, value: SelectorValue, check_length: bool = True) -> None:
        super().__init__()
        self.value, self.check_length = value, check_length

    @property
    def children(self) -> Sequence[RASPExpr]:
        return []


class _Two(Selector):
    def __init__(self, fst: Selector, snd: Selector) -> None:
        super().__init__()
        _require(type(self).__name__, fst, Selector)
        _require(type(self).__name__, snd, Selector)
        self.fst, self.snd = fst, snd

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.fst, self.snd]


class SelectorAnd(_Two):
    """What both select."""

    kind = "selector_and"


class SelectorOr(_Two):
    """What either selects."""

    kind = "selector_or"


class SelectorNot(Selector):
    """What is not selected."""

    kind = "selector_not"

    def __init__(self, inner: Selector) -> None:
        super().__init__()
        _require("SelectorNot", inner, Selector)
        self.inner = inner

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.inner]


def selector_not(inner: Selector, simplify: bool = True) -> Selector:
    """What is not selected; of a Select, and with `simplify`, a Select of the opposite predicate."""
    if simplify and isinstance(inner, Select):
        holds = inner.predicate
        return Select(inner.keys, inner.queries, lambda key, query: not holds(key, query))
    return SelectorNot(inner)


def selector_and(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """What both select; a Select where both have the same keys and queries, and with `simplify`."""
    return (simplify and _as_one(fst, snd, lambda a, b: a and b)) or SelectorAnd(fst, snd)


def selector_or(fst: Selector, snd: Selector, simplify: bool = True) -> Selector:
    """What either selects; a Select where both have the same keys and queries, and with `simplify`."""
    return (simplify and _as_one(fst, snd, lambda a, b: a or b)) or SelectorOr(fst, snd)


def _as_one(fst: Selector, snd: Selector, combine: Callable[[bool, bool], bool]) -> Select | None:
    """One Select in the place of two that share keys and queries; a constant shares with everything."""
    if not (isinstance(fst, Select) and isinstance(snd, Select)):
        return None
    keys, first_key, second_key = _shared(fst.keys, snd.keys)
    queries, first_query, second_query = _shared(fst.queries, snd.queries)
    if keys is None or queries is None:
        return None
    p, q = fst.predicate, snd.predicate
    return Select(keys, queries, lambda k, x: combine(p(first_key(k), first_query(x)), q(second_key(k), second_query(x))))


def _shared(a: SOp, b: SOp) -> tuple[SOp | None, Callable[[Any], Any], Callable[[Any], Any]]:
    """What two selects have in common on one side, and what each of them is given of its value."""

    def itself(x: Any) -> Any:
        return x

    if a is b:
        return a, itself, itself
    if isinstance(a, Full):
        return b, lambda _: a.fill, itself
    if isinstance(b, Full):
        return a, itself, lambda _: b.fill
    return None, itself, itself


class SelectorWidth(SOp):
    """How many keys are selected."""

    kind = "selector_width"

    def __init__(self, selector: Selector) -> None:
        super().__init__()
        _require("SelectorWidth", selector, Selector)
        self.selector = selector

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.selector]


class Aggregate(SOp):
    """The value of the one key selected, or the mean of several numbers; `default` where none is selected."""

    kind = "aggregate"

    def __init__(self, selector: Selector, sop: SOp, default: Any = None) -> None:
        super().__init__()
        _require("Aggregate", selector, Selector)
        _require("Aggregate", sop, SOp)
        if default is not None and not isinstance(default, (str, float, bool, int)):
            raise DomainError(f"Aggregate was given the default {default!r}", caller(), "give a number, a truth, a string or None")
        self.selector, self.sop, self.default = selector, sop, default

    @property
    def children(self) -> Sequence[RASPExpr]:
        return [self.selector, self.sop]


def _require(what: str, x: object, kind: type) -> None:
    if not isinstance(x, kind):
        raise DomainError(f"{what} was given {x!r}, which is no {kind.__name__}", caller(), "see the order: Aggregate(selector, sop)")
