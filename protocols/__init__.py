"""The protocol library: MPC protocols by name, each with an independent oracle, cases and a stated layer count."""

from __future__ import annotations

import difflib

from ..compiler.errors import InputError
from ..mpc.protocol import Protocol
from . import (
    bipartite,
    broadcast,
    connected_components,
    hop_k,
    list_ranking,
    matrix_vector,
    minimum_spanning_forest,
    one_or_two_cycles,
    permute,
    prefix_sum,
    reachability,
    sort,
    sort_by_blocks,
    sorting_network,
    sum,
    triangle_count,
)
from .entry import Case, ProtocolEntry

_LIBRARY = (
    *(broadcast.ENTRY, sum.SUM, sum.ALL_REDUCE, prefix_sum.ENTRY, permute.ENTRY),
    *(sort.ENTRY, sorting_network.ENTRY, sort_by_blocks.ENTRY),
    *(matrix_vector.ENTRY, triangle_count.ENTRY, reachability.ENTRY),
    *(list_ranking.ENTRY, hop_k.ENTRY, one_or_two_cycles.ENTRY),
    *(connected_components.ENTRY, minimum_spanning_forest.ENTRY, bipartite.ENTRY),
)
_ENTRIES = {entry.name: entry for entry in _LIBRARY}


def names() -> list[str]:
    """The names of all protocols, from simple to involved."""
    return list(_ENTRIES)


def entry(name: str) -> ProtocolEntry:
    """What the library knows about a protocol. Raises InputError for an unknown name, with the names there are."""
    if name not in _ENTRIES:
        close = difflib.get_close_matches(str(name), _ENTRIES, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise InputError(f"there is no protocol {name!r}", hint=f"{meant}the protocols are {', '.join(_ENTRIES)}")
    return _ENTRIES[name]


def get(name: str, /, **parameters: object) -> Protocol:
    """A protocol by name, with its parameters. Raises InputError for a name or parameter that is not accepted."""
    return entry(name).protocol(**parameters)


__all__ = ["Case", "ProtocolEntry", "entry", "get", "names"]
