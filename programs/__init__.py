"""The program library: programs by name, each with an independent reference, samples and a stated layer count.

`programs.khop` is what is known about a program, `programs.khop(k=8)` the program, as is `programs.get("khop", k=8)`.
"""

from __future__ import annotations

from ..compiler.language import Program
from .addition import ENTRY as addition
from .alternations import ENTRY as alternations
from .automaton import ENTRY as automaton
from .automaton_by_steps import ENTRY as automaton_by_steps
from .by_rank import COMPOSE_BY_STEPS as compose_by_steps, KTH_ONE as kth_one
from .circuit_by_steps import ENTRY as circuit_by_steps
from .compose import ENTRY as compose
from .counter import ENTRY as counter
from .counts import COUNT_LESS_FREQUENT as count_less_frequent, HISTOGRAM as histogram, LENGTH as length
from .dyck import DYCK1 as dyck1, DYCK_K as dyck_k, SHUFFLE_DYCK as shuffle_dyck
from .entry import Entry
from .frequency import FRACTION_OF_PREVIOUS as fraction_of_previous, MAJORITY as majority, MOST_FREQUENT as most_frequent
from .gridworld import ENTRY as gridworld
from .halves import DISJOINT as disjoint, EQUAL as equal
from .hop_by_steps import ENTRY as hop_by_steps
from .induction import ENTRY as induction
from .ioi import ENTRY as ioi
from .khop import ENTRY as khop
from .list_ranking import ENTRY as list_ranking
from .looped_automaton import ENTRY as looped_automaton
from .looped_khop import ENTRY as looped_khop
from .match3 import ENTRY as match3
from .memory import ENTRY as associative_memory
from .nearest import ENTRY as nearest
from .ngram import BIGRAM as bigram, NGRAM as ngram, NGRAM_COUNTS as ngram_counts
from .prefix_sum import PARITY as parity, PREFIX_SUM as prefix_sum
from .previous import ENTRY as previous
from .reachability import ENTRY as reachability
from .recall import ENTRY as recall
from .recall_pairs import ENTRY as recall_pairs
from .registry import Library
from .reverse import ENTRY as reverse
from .skip_trigram import ENTRY as skip_trigram
from .sort import SORT as sort, SORT_BY as sort_by, SORT_BY_FREQUENCY as sort_by_frequency
from .turing import ENTRY as turing

_LIBRARY: Library[Entry] = Library(
    "program",
    (
        *(previous, induction, khop, skip_trigram, recall, compose, ioi),
        *(length, histogram, count_less_frequent, reverse, sort, sort_by, sort_by_frequency),
        *(most_frequent, majority, fraction_of_previous, parity, prefix_sum),
        *(dyck1, dyck_k, shuffle_dyck, bigram, ngram, ngram_counts, automaton, addition),
        *(associative_memory, nearest),
        *(recall_pairs, equal, disjoint, match3, alternations, gridworld),
        *(looped_khop, list_ranking, reachability, looped_automaton),  # one block, applied again and again
        *(counter, hop_by_steps, automaton_by_steps, turing),  # on their own text
        *(kth_one, compose_by_steps, circuit_by_steps),
    ),
)


def names() -> list[str]:
    """The names of all programs, from simple to involved."""
    return list(_LIBRARY.entries)


def entry(name: str) -> Entry:
    """What the library knows about a program. Raises InputError for an unknown name, with the names there are."""
    return _LIBRARY.entry(name)


def get(name: str, /, **parameters: object) -> Program:
    """A program by name, with its parameters. Raises InputError for a name or parameter that is not accepted."""
    return entry(name).program(**parameters)


__all__ = [
    "Entry",
    "addition",
    "alternations",
    "associative_memory",
    "automaton",
    "automaton_by_steps",
    "bigram",
    "circuit_by_steps",
    "compose",
    "compose_by_steps",
    "count_less_frequent",
    "counter",
    "disjoint",
    "dyck1",
    "dyck_k",
    "entry",
    "equal",
    "fraction_of_previous",
    "get",
    "gridworld",
    "histogram",
    "hop_by_steps",
    "induction",
    "ioi",
    "khop",
    "kth_one",
    "length",
    "list_ranking",
    "looped_automaton",
    "looped_khop",
    "majority",
    "match3",
    "most_frequent",
    "names",
    "nearest",
    "ngram",
    "ngram_counts",
    "parity",
    "prefix_sum",
    "previous",
    "reachability",
    "recall",
    "recall_pairs",
    "reverse",
    "shuffle_dyck",
    "skip_trigram",
    "sort",
    "sort_by",
    "sort_by_frequency",
    "turing",
]
