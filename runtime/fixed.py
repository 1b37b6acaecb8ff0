"""Values that are set from outside: what the user writes for a named value, as numbers at positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import TypeAlias, cast

from ..compiler.calls import close
from ..compiler.domain import Domain, Symbol, plain
from ..compiler.errors import InputError
from ..compiler.graph import Graph

Fixed: TypeAlias = dict[int, dict[int, int | None]]  # for nodes, at positions from 1
Setting: TypeAlias = "Symbol | Sequence[Symbol | EllipsisType | None] | Mapping[int, Symbol | None] | None"


def fixed_values(graph: Graph, n: int, settings: Mapping[str, Setting]) -> Fixed:
    """The numbers that settings say: for nodes, by position.

    A setting is one value for all n positions, a list of n of them in which `...` leaves a position as it is, or a dictionary
    from positions, which count from 1. None is ⊥. Raises InputError for names that are no value of the graph, and for values
    that are not in its domain there.
    """
    names = {node.name: index for index, node in enumerate(graph.nodes)}
    fixed: Fixed = {}
    for name, setting in settings.items():
        if name not in names:
            meant = close(str(name), names)
            raise InputError(
                f"{graph.name} has no value {name!r}", hint=f"did you mean {meant}?" if meant else f"values are {', '.join(names)}"
            )
        index = names[name]
        fixed[index] = {i: number(graph, index, i, value) for i, value in _places(name, n, setting).items()}
    return fixed


def _places(name: str, n: int, setting: Setting) -> dict[int, Symbol | None]:
    """A setting as values by position."""
    if isinstance(setting, Mapping):
        for i in setting:
            if isinstance(i, bool) or not isinstance(i, int) or not 1 <= i <= n:
                raise InputError(f"{name} is set at position {i!r}, and the sequence has positions 1..{n}", hint="positions count from 1")
        return dict(cast("Mapping[int, Symbol | None]", setting))
    tolist = getattr(setting, "tolist", None)  # of NumPy and of torch
    items: object = tolist() if callable(tolist) else setting
    if isinstance(items, list):
        if len(items) != n:
            raise InputError(
                f"{name} is set to {len(items)} values, and the sequence has {n} tokens", hint="... leaves a position as it is"
            )
        return {i: value for i, value in enumerate(items, 1) if value is not ...}
    return dict.fromkeys(range(1, n + 1), cast("Symbol | None", items))


def number(graph: Graph, index: int, position: int, value: Symbol | None) -> int | None:
    """A value in the user's symbols as the number that the graph calculates with. Raises InputError where it is not in the domain."""
    name, domain, value = graph.nodes[index].name, graph.nodes[index].domain, cast("Symbol | None", plain(value))
    where = f"{name} is set to {value!r} at position {position}"
    if value is None:
        if not domain.none:
            raise InputError(f"{where}, and it is never ⊥: it is {domain}", hint="ablate the head instead, or set another value")
        return None
    if domain.kind == "token":
        found = graph.sizes.alphabet.id(value)
    else:
        found = _label(graph.sizes.labels, domain, value) if domain.kind == "label" else _integer(domain, value)
    if found is None or not domain.lo <= found <= domain.hi:
        raise InputError(f"{where}, and it is {domain}", hint="set a value of its domain")
    if domain.lag is not None and found > position + domain.lag:
        raise InputError(f"{where}, and there it is at most {position + domain.lag}", hint="a causal program does not look ahead")
    return found


def _label(labels: Sequence[Symbol], domain: Domain, value: Symbol) -> int | None:
    """The number of the label that a value is, among those of a domain; a truth is no number. None for what is none of them."""
    truth = isinstance(value, bool)
    return next((n for n in range(domain.lo, domain.hi + 1) if labels[n] == value and isinstance(labels[n], bool) == truth), None)


def _integer(domain: Domain, value: Symbol) -> int | None:
    """An integer, or a boolean as 0 and 1; None for anything else."""
    if domain.kind == "bool":
        return int(value) if isinstance(value, bool) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
