"""The meaning of programs, by definition: each expression's values on one sequence. Shares nothing with the translation.

Where RASP is silent, or its authors' interpreters raise, this says what holds:

- ⊥ stands in no relation, and a predicate of one's own that raises on ⊥ does not hold;
- of several words selected there is no mean, so the aggregate is ⊥; a mean of numbers leaves ⊥ out;
- a function that raises an ArithmeticError, such as a division by zero, gives ⊥.

Means are exact. `evaluate` shows them as floats, which is how RASP's interpreters say them; `exactly` keeps the fractions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from ..compiler.errors import DomainError
from .closest import Closest, Total, nearest
from .exact import fraction, is_number, settled
from .expr import RASPExpr
from .greatest import Greatest
from .selectors import Aggregate, ConstantSelector, Select, Selector, SelectorAnd, SelectorNot, SelectorOr, SelectorWidth
from .sops import Choice, ConstantSOp, Full, IndicesType, LengthType, Map, SequenceMap, TokensType


class RASPEvaluator(ABC):
    """What evaluates expressions on a sequence."""

    @abstractmethod
    def evaluate(self, expr: RASPExpr, xs: Sequence[Any]) -> list[Any]:
        """The value of an operation at each position, or a selector's rows, a query each."""


def inside_out(expr: RASPExpr) -> list[RASPExpr]:
    """An expression and all that it is made of, each after its parts, however deep they stand."""
    found: dict[int, RASPExpr] = {}
    stack: list[tuple[RASPExpr, bool]] = [(expr, False)]
    while stack:
        e, done = stack.pop()
        if done:
            found.setdefault(id(e), e)
        elif id(e) not in found:
            stack.append((e, True))
            stack.extend((child, False) for child in e.children if id(child) not in found)
    return list(found.values())


class DefaultRASPEvaluator(RASPEvaluator):
    """Every position sees every other."""

    causal = False

    def evaluate(self, expr: RASPExpr, xs: Sequence[Any]) -> list[Any]:
        """The value of an operation at each position, or a selector's rows, a query each; means as floats."""
        found = self.exactly(expr, xs)
        return found if isinstance(expr, Selector) else [float(x) if isinstance(x, Fraction) else x for x in found]

    def exactly(self, expr: RASPExpr, xs: Sequence[Any]) -> list[Any]:
        """The same, means as fractions."""
        known: dict[int, list[Any]] = {}

        def of(e: RASPExpr) -> list[Any]:
            if id(e) not in known:
                known[id(e)] = self._rows(e, of, list(xs)) if isinstance(e, Selector) else _values(e, of, list(xs))
            return known[id(e)]

        for e in inside_out(expr):
            of(e)
        return of(expr)

    def _rows(self, expr: Selector, of: Callable[[RASPExpr], list[Any]], xs: list[Any]) -> list[list[bool]]:
        rows = _selected(expr, of, xs)
        return [[held and t <= i for t, held in enumerate(row)] for i, row in enumerate(rows)] if self.causal else rows


class CausalEvaluator(DefaultRASPEvaluator):
    """Positions see themselves and what came before: keys ahead are in no selector."""

    causal = True


def _values(expr: RASPExpr, of: Callable[[RASPExpr], list[Any]], xs: list[Any]) -> list[Any]:
    n = len(xs)
    match expr:
        case TokensType():
            return xs
        case IndicesType():
            return list(range(n))
        case LengthType():
            return [n] * n
        case Full(fill=fill):
            return [fill] * n
        case Closest(keys=keys, queries=queries, predicate=predicate, sop=sop):
            found, values = of(keys), of(sop)
            rows = [[t for t, key in enumerate(found) if holds(predicate, key, query)] for query in of(queries)]
            return [values[nearest(row, i)] for i, row in enumerate(rows)]
        case Total(selector=selector, sop=sop):
            values = of(sop)
            return [settled(total([v for v, held in zip(values, row, strict=True) if held and v is not None]) or 0) for row in of(selector)]
        case Greatest(sums=sums, labels=labels):
            columns = [list(zip(*map(of, parts), strict=True)) for parts in sums]
            rows = [[total(parts) for parts in row] for row in zip(*columns, strict=True)]
            there = [[x for x in row if x is not None] for row in rows]
            return [labels[some.index(max(some))] if len(some) == len(row) else None for some, row in zip(there, rows, strict=True)]
        case ConstantSOp(value=value):
            if expr.check_length and len(value) != n:
                raise DomainError(f"a constant of length {len(value)} was evaluated on {n} tokens")
            return list(value)
        case Map(f=f, inner=inner):
            return [called(f, x) for x in of(inner)]
        case SequenceMap(f=f, fst=fst, snd=snd):
            return [called(f, x, y) for x, y in zip(of(fst), of(snd), strict=True)]
        case Choice(condition=condition, fst=fst, snd=snd):
            return [None if c is None else x if c else y for c, x, y in zip(of(condition), of(fst), of(snd), strict=True)]
        case SelectorWidth(selector=selector):
            return [sum(row) for row in of(selector)]
        case Aggregate(selector=selector, sop=sop, default=default):
            values = of(sop)
            return [mean([v for v, held in zip(values, row, strict=False) if held], default) for row in of(selector)]
        case _:
            raise DomainError(f"{type(expr).__name__} is no expression with a meaning")


def _selected(expr: Selector, of: Callable[[RASPExpr], list[Any]], xs: list[Any]) -> list[list[bool]]:
    match expr:
        case Select(keys=keys, queries=queries, predicate=predicate):
            return [[holds(predicate, key, query) for key in of(keys)] for query in of(queries)]
        case ConstantSelector(value=value):
            if expr.check_length and len(value) != len(xs):
                raise DomainError(f"a constant selector of {len(value)} rows was evaluated on {len(xs)} tokens")
            return [[bool(held) for held in row] for row in value]
        case SelectorNot(inner=inner):
            return [[not held for held in row] for row in of(inner)]
        case SelectorAnd(fst=fst, snd=snd):
            return [[a and b for a, b in zip(*rows, strict=True)] for rows in zip(of(fst), of(snd), strict=True)]
        case SelectorOr(fst=fst, snd=snd):
            return [[a or b for a, b in zip(*rows, strict=True)] for rows in zip(of(fst), of(snd), strict=True)]
        case _:
            raise DomainError(f"{type(expr).__name__} is no selector with a meaning")


def called(f: Callable[..., Any], *xs: Any) -> Any:
    """A function of values that are there; ⊥ where one is ⊥, or the function has no value."""
    if any(x is None for x in xs):
        return None
    try:
        return settled(f(*xs))
    except ArithmeticError:
        return None


def total(parts: Sequence[Any]) -> Fraction | None:
    """The sum of numbers; ⊥ where one is."""
    return None if None in parts else sum(map(fraction, parts), Fraction(0))


def holds(predicate: Callable[[Any, Any], Any], key: Any, query: Any) -> bool:
    """Whether a predicate holds; one that raises on ⊥ does not."""
    try:
        return bool(predicate(key, query))
    except (TypeError, ValueError):
        if key is None or query is None:
            return False
        raise


def mean(values: list[Any], default: Any) -> Any:
    """What an aggregate makes of the values selected."""
    if len(values) <= 1:
        return values[0] if values else default
    there = [fraction(v) for v in values if v is not None and is_number(v)]
    if len(there) < sum(v is not None for v in values):
        return None
    return settled(sum(there, Fraction(0)) / len(there)) if there else None


evaluate = DefaultRASPEvaluator().evaluate
evaluate_causally = CausalEvaluator().evaluate
