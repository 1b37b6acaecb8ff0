"""What makes a selector: `select` by any relation, `match` by equality, `visible` for all that can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ..calls import public
from ..domain import plain
from ..errors import DomainError, Location, caller, warn
from ..graph import Builder
from ..ops import Const
from .comparisons import Nodes
from .conditions import NOWHERE, Both, Condition
from .relations import condition_of, pair_of, pairs_of
from .selector import Selector
from .value import Value, require_value


@public
def select(
    query: object,
    key: object,
    relation: str | Callable[[object, object], object] = "==",
    before: bool = False,
    within: int | None = None,
    after: bool = False,
) -> Selector:
    """The positions t with `query relation key`: the query is this position's value, the key is t's.

    `relation` is ==, !=, <, <=, >, >=, or any function of a query and a key that returns a boolean; it is called once for
    every pair of values (tokens as symbols). ⊥ stands in no relation. Tuples compare component by component with ==.
    `before=True` keeps t < i, `after=True` t > i, `within=w` keeps i - w < t <= i; otherwise t <= i in a causal program and every t in a
    bidirectional one. Order on B-bit values takes B heads, or one of the domain's width where that is less.
    Raises DomainError where query and key are not comparable, or the relation is none.
    """
    line = caller()
    same = isinstance(relation, str) and relation == "=="
    pairs = pairs_of("select()", query, key, line) if same else [pair_of("select()", query, key, line, relation)]
    return _limited(pairs[0][0].builder, condition_of(pairs, relation, line), before, within, after, line)


@public
def match(query: object, key: object, before: bool = False, within: int | None = None, after: bool = False) -> Selector:
    """Positions t whose key equals the query here, component by component where tuples are given; ⊥ equals nothing.

    `before=True` keeps t < i, `after=True` t > i, `within=w` the last w positions; otherwise t <= i in a causal program and every t in a
    bidirectional one. Literals may stand for constant values. Raises DomainError where query and key are not comparable.
    """
    line = caller()
    pairs = pairs_of("match()", query, key, line)
    return _limited(pairs[0][0].builder, condition_of(pairs, "==", line), before, within, after, line)


@public
def visible(like: Value, before: bool = False, within: int | None = None, after: bool = False) -> Selector:
    """Every position that can be seen from here, of the program that a value belongs to."""
    line = caller()
    require_value("visible()", like, None, line)
    one = like.builder.add(Const("int", 1), (), "one")
    return _limited(like.builder, Nodes(like.builder).same(one, one), before, within, after, line)


def _limited(builder: Builder, condition: Condition, before: bool, within: int | None, after: bool, line: Location | None) -> Selector:
    nodes = Nodes(builder)
    for name, given in (("before", before), ("after", after)):
        if not isinstance(given, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError(f"{name}={given!r} is neither True nor False", line, "within=w keeps the last w positions")
    if before:
        condition = Both(condition, nodes.earlier())
    if after and builder.sizes.causal:
        warn("after=True selects what is ahead, which a causal program does not see: nothing", line, "write @hw.program(causal=False)")
        condition = NOWHERE
    elif after:
        condition = Both(condition, nodes.later())
    if within is not None:
        within = cast("int", plain(within))
        if not isinstance(within, int) or isinstance(within, bool) or within < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DomainError(f"within={within!r} is no number of positions", line, "give an integer of at least 1")
        n = builder.sizes.length
        within = min(within, n)  # which keeps all
        ways = [f"a head for each of {within:,} places", f"a head for each of {n.bit_length()} bits of the position"]
        by_bits = within > n.bit_length()
        builder.note(f"within={within} by {ways[by_bits]} (instead of {ways[not by_bits]})", line)
        condition = Both(condition, nodes.within(within))
    return Selector(builder, condition)
