"""RASP by its definition, in plain Python: a second evaluator. It shares no line with headwork's, and knows its classes by their fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any


def meaning(expr: Any, xs: Sequence[Any], causal: bool = False) -> list[Any]:
    """The values of an operation, position by position: ⊥ is None, means are fractions."""
    n, kind = len(xs), type(expr).__name__
    again: Callable[[Any], list[Any]] = lambda e: known(e, xs, causal)  # noqa: E731
    if kind == "TokensType":
        return list(xs)
    if kind == "IndicesType":
        return list(range(n))
    if kind == "LengthType":
        return [n for _ in xs]
    if kind == "Full":
        return [expr.fill for _ in xs]
    if kind == "Map":
        return [apply(expr.f, x) for x in again(expr.inner)]
    if kind in ("SequenceMap", "LinearSequenceMap"):
        first, second = again(expr.fst), again(expr.snd)
        return [apply(expr.f, first[i], second[i]) for i in range(n)]
    if kind == "Choice":
        return [None if c is None else x if c else y for c, x, y in zip(*map(again, (expr.condition, expr.fst, expr.snd)), strict=True)]
    if kind == "SelectorWidth":
        return [len(keys(expr.selector, i, xs, causal)) for i in range(n)]
    if kind == "Aggregate":
        values = again(expr.sop)
        return [combined([values[t] for t in keys(expr.selector, i, xs, causal)], expr.default) for i in range(n)]
    raise AssertionError(kind)


def keys(selector: Any, i: int, xs: Sequence[Any], causal: bool) -> list[int]:
    """The keys that query i selects."""
    return [t for t in range(i + 1 if causal else len(xs)) if selects(selector, t, i, xs, causal)]


def selects(selector: Any, t: int, i: int, xs: Sequence[Any], causal: bool) -> bool:
    """Whether query i selects key t."""
    kind = type(selector).__name__
    if kind == "SelectorNot":
        return not selects(selector.inner, t, i, xs, causal)
    if kind == "SelectorAnd":
        return selects(selector.fst, t, i, xs, causal) and selects(selector.snd, t, i, xs, causal)
    if kind == "SelectorOr":
        return selects(selector.fst, t, i, xs, causal) or selects(selector.snd, t, i, xs, causal)
    assert kind == "Select", kind
    key, query = known(selector.keys, xs, causal)[t], known(selector.queries, xs, causal)[i]
    sign = getattr(selector.predicate, "value", None)
    if sign is not None:
        return key is not None and query is not None and compares(sign, key, query)
    try:
        return bool(selector.predicate(key, query))
    except TypeError:
        assert key is None or query is None
        return False


def compares(sign: str, key: Any, query: Any) -> bool:
    """A key compared with a query by the sign that stands between them."""
    if sign in ("True", "False"):
        return sign == "True"
    if sign in ("==", "!="):
        return (key == query) == (sign == "==")
    less, equal = key < query, key == query
    return {"<": less, "<=": less or equal, ">": not less and not equal, ">=": not less}[sign]


def combined(values: list[Any], default: Any) -> Any:
    """What an aggregate makes of what is selected."""
    if not values:
        return default
    if len(values) == 1:
        return values[0]
    there = [v for v in values if v is not None]
    if not there or any(isinstance(v, str) for v in there):
        return None
    total = sum((meant(v) if isinstance(v, float) else Fraction(v) for v in there), Fraction(0)) / len(there)
    return int(total) if total.denominator == 1 else total


def apply(f: Callable[..., Any], *args: Any) -> Any:
    """A function, strict in ⊥; what divides by zero is ⊥. It is given floats, and what it makes of them is the simplest fraction near."""
    if any(a is None for a in args):
        return None
    try:
        found = f(*(float(a) if isinstance(a, Fraction) else a for a in args))
    except ZeroDivisionError:
        return None
    if not isinstance(found, float):
        return found
    simple = meant(found)
    return int(simple) if simple.denominator == 1 else simple


def meant(number: Any) -> Fraction:
    """The simplest fraction near a float, as calculating with floats rounds; or its decimal digits."""
    simple = Fraction(number).limit_denominator(10**6)
    return simple if abs(float(simple) - number) <= 1e-12 * max(1.0, abs(number)) else Fraction(repr(number))


CACHE: dict[tuple[int, str, bool], tuple[Any, list[Any]]] = {}


def known(expr: Any, xs: Sequence[Any], causal: bool) -> list[Any]:
    """The values of an operation, kept while the same sequence is asked about. The expression is kept too, for its number's sake."""
    at = (id(expr), repr(xs), causal)  # 0 and False are equal, and not the same
    if at not in CACHE:
        if len(CACHE) > 256:
            CACHE.clear()
        CACHE[at] = expr, meaning(expr, xs, causal)
    return CACHE[at][1]
