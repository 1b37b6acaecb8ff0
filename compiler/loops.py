"""What a builder keeps of a program's loops: how often they repeat; of a tied block the state, and what the body makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .domain import Domain
from .errors import Location


@dataclass
class Tie:
    """The one loop of a program, built around a symbolic state: nodes of the builder, by place in the state.

    `known` are the domains that an earlier look at the program found the state to need. `start` are the values before the first
    round, `state` the symbolic ones, `after` what the body makes of these; `line` is the loop's in the user's program.
    """

    known: tuple[Domain, ...] = ()
    names: tuple[str, ...] = ()
    start: tuple[int, ...] = ()
    state: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    times: int = 0
    line: Location | None = None
    inside: bool = False


@dataclass
class Loops:
    """How a builder treats loops: `count` are those it met, `times` overrides their number of rounds, `tie` keeps the block symbolic.

    `written` says that loops are to be written out for good, so that they do not count.
    """

    count: int = 0
    times: int | None = None
    written: bool = False
    tie: Tie | None = field(default=None)


def joined(a: Domain, b: Domain) -> Domain | None:
    """The least domain that has all values of both, None where their kinds differ."""
    if a.size <= 0 or b.size <= 0:
        return (b if a.size <= 0 else a).maybe()
    if a.kind != b.kind and {a.kind, b.kind} != {"int", "position"}:
        return None
    lag = max(a.lag, b.lag) if a.lag is not None and b.lag is not None else None
    return Domain(a.kind if a.kind == b.kind else "int", min(a.lo, b.lo), max(a.hi, b.hi), a.none or b.none, lag)


def holds(domain: Domain, other: Domain) -> bool:
    """Whether a domain has every value of another."""
    if other.size <= 0:
        return domain.none
    return joined(domain, other) == domain


def wider(held: Domain, needed: Domain) -> Domain:
    """A domain on the way from one that is too small to one that is kept: numbers at least double, so that few looks are needed."""
    grown = joined(held, needed)
    assert grown is not None
    if grown.kind not in ("int", "position"):
        return grown
    lo = min(grown.lo, 2 * held.lo - held.hi - 1) if grown.lo < held.lo else grown.lo
    hi = max(grown.hi, 2 * held.hi - held.lo + 1) if grown.hi > held.hi else grown.hi
    return Domain(grown.kind, lo, hi, grown.none, grown.lag)


def named(names: Sequence[str], places: Sequence[int]) -> str:
    """Some of a state's values, by name."""
    return ", ".join(names[p] for p in places)
