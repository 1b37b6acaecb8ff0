"""The protocol library: MPC protocols by name, each with an independent oracle, cases and a stated layer count.

`protocols.sort` is what is known about a protocol, `protocols.sort(memory=4)` the protocol, as is `protocols.get("sort", memory=4)`.
"""

from __future__ import annotations

from ..mpc.protocol import Protocol
from ..programs.registry import Library
from .bipartite import ENTRY as bipartite
from .broadcast import ENTRY as broadcast
from .connected_components import ENTRY as connected_components
from .entry import Case, ProtocolEntry
from .hop_k import ENTRY as hop_k
from .list_ranking import ENTRY as list_ranking
from .matrix_vector import ENTRY as matrix_vector
from .minimum_spanning_forest import ENTRY as minimum_spanning_forest
from .one_or_two_cycles import ENTRY as one_or_two_cycles
from .permute import ENTRY as permute
from .prefix_sum import ENTRY as prefix_sum
from .reachability import ENTRY as reachability
from .sort import ENTRY as sort
from .sort_by_blocks import ENTRY as sort_by_blocks
from .sorting_network import ENTRY as sorting_network
from .sum import ALL_REDUCE as all_reduce, SUM as sum
from .triangle_count import ENTRY as triangle_count

_LIBRARY: Library[ProtocolEntry] = Library(
    "protocol",
    (
        *(broadcast, sum, all_reduce, prefix_sum, permute),
        *(sort, sorting_network, sort_by_blocks),
        *(matrix_vector, triangle_count, reachability),
        *(list_ranking, hop_k, one_or_two_cycles),
        *(connected_components, minimum_spanning_forest, bipartite),
    ),
)


def names() -> list[str]:
    """The names of all protocols, from simple to involved."""
    return list(_LIBRARY.entries)


def entry(name: str) -> ProtocolEntry:
    """What the library knows about a protocol. Raises InputError for an unknown name, with the names there are."""
    return _LIBRARY.entry(name)


def get(name: str, /, **parameters: object) -> Protocol:
    """A protocol by name, with its parameters. Raises InputError for a name or parameter that is not accepted."""
    return entry(name).protocol(**parameters)


__all__ = [
    "Case",
    "ProtocolEntry",
    "all_reduce",
    "bipartite",
    "broadcast",
    "connected_components",
    "entry",
    "get",
    "hop_k",
    "list_ranking",
    "matrix_vector",
    "minimum_spanning_forest",
    "names",
    "one_or_two_cycles",
    "permute",
    "prefix_sum",
    "reachability",
    "sort",
    "sort_by_blocks",
    "sorting_network",
    "sum",
    "triangle_count",
]
