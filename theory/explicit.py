"""Programs whose layers are known by construction: scans, ranks, pointer forests, shuffles, and others of the library."""

from __future__ import annotations

from .hops import OWN
from .statement import Bound, Facts, Guard, Statement, nothing

LONGEST_SHUFFLE = 1 << 16


def _layers(
    name: str,
    families: tuple[str, ...],
    what: str,
    note: str,
    bound: str,
    *more: Bound,
    assumes: tuple[str, ...] = (),
    excluded: Guard = nothing,
) -> Statement:
    """A construction of ours and its number of layers."""
    return Statement(
        id=name,
        statement=what,
        note=note,
        source="derived here",
        certainty="D",
        checked=OWN,
        families=families,
        bounds=(bound, *more),
        assumes=assumes,
        excluded=excluded,
    )


def _alone(facts: Facts) -> str | None:
    """A compiled program without heads is proved to need none at its length: a chain of two is cut off at N = 2."""
    compiled = facts.masks is not None and facts["L"] == 0
    return f"N = {facts['N']}: what was compiled has no head, so no answer depends on another place" if compiled else None


def _arrays(facts: Facts) -> str | None:
    return (
        f"N = {facts['N']}: the arrays are computed to N = {LONGEST_SHUFFLE:,}" if facts["s"] > 2 and facts["N"] > LONGEST_SHUFFLE else None
    )


ONE_COUNT = (
    "broadcast",
    "mean",
    "majority",
    "length",
    "histogram",
    "most-frequent",
    "fraction",
    "parity",
    "prefix-sum",
    "unique",
    "skip-trigram",
    "previous",
    "associative-memory",
    "turing-by-steps",
    "counter-by-steps",
    "index-lookup",
)
SPEAKS_OF_OTHERS = (*ONE_COUNT, "induction", "recall", "recall-pairs", "composition", "sort", "reverse", "scan", "addition")
SPEAKS_OF_OTHERS += (
    "dyck",
    "shuffle-dyck",
    "bigram",
    "markov",
    "nearest",
    "equal",
    "disjoint",
    "gridworld",
    "count-of-counts",
    "frequency-sort",
)

ROWS = (
    _layers(
        "NONLOCAL",
        SPEAKS_OF_OTHERS,
        "An answer that depends on another place takes at least one attention layer.",
        "Embedding, MLPs and unembedding see one place each.",
        "L >= 1",
        assumes=("N >= 2", "the answer depends on another place"),
        excluded=_alone,
    ),
    _layers(
        "SCAN",
        ("scan",),
        "A scan of any monoid takes the least L with (H + 1)^L >= N layers.",
        "A layer combines what a place has with what H places before it have, so a block of (H + 1)^L is known after L.",
        "L <= ceil(log(N, H + 1))",
    ),
    _layers(
        "ONE",
        ONE_COUNT,
        "One lookup, one count or one sum takes one layer: broadcast, mean, majority, parity, sums, and a table of what is seen.",
        "What is fetched or counted is a number of finitely many values, and the MLP holds any function of it.",
        "L <= 1",
    ),
    _layers(
        "RANK",
        ("rank",),
        "The rank of a key takes one layer of one head a bit of the key and one a bit of the position.",
        "Head b counts the keys that agree above bit b and have bit b = 0.",
        "L <= 1",
        Bound("H <= bits + ceil(log2(N + 1))", part="H"),
    ),
    _layers(
        "SORT",
        ("sort",),
        "Sorting is a rank and one lookup: two layers.",
        "The rank says where each key goes; the lookup fetches.",
        "L <= 2",
    ),
    _layers(
        "FREQUENCY-SORT",
        ("frequency-sort",),
        "Sorting by frequency takes three layers: counts, ranks of the counts, and one lookup.",
        "It is a histogram and then SORT with the counts as keys.",
        "L <= 3",
    ),
    _layers(
        "TWO-COUNTS",
        ("count-of-counts", "reverse", "shuffle-dyck"),
        "A count of what a count decides, or a lookup at a place that a count gives, takes two layers.",
        "The first layer counts at every place, the second counts or fetches by the result.",
        "L <= 2",
    ),
    _layers(
        "DYCK",
        ("dyck",),
        "Nested brackets of any kinds and any depth are judged in three layers, and each closing one finds its partner in two.",
        "A sum gives the depth, a lookup the last place of that depth, and a count the mismatches.",
        "L <= 3",
    ),
    _layers(
        "ADDITION",
        ("addition",),
        "Two binary numbers are added in 2 layers more than a scan takes: digits meet, carries are scanned, the sum is placed.",
        "Carry, no carry and pass on form a monoid of three elements.",
        "L <= 2 + ceil(log(N, fan + 1))",
    ),
    _layers(
        "ROOT",
        ("root",),
        "The root of a pointer forest takes 1 + ceil(log2 depth) layers.",
        "Pointers are doubled.",
        "L <= ceil(log2(depth)) + 1",
    ),
    _layers(
        "CYCLE",
        ("cycle", "mpc-cycle"),
        "1-vs-2 cycle on successor pointers takes ceil(log2 N) + 1 layers.",
        "Pointers are doubled with the least number on the way; one more layer asks whether all places have the same.",
        "L <= ceil(log2(N)) + 1",
    ),
    Statement(
        id="SHUFFLE",
        statement="One round of data-dependent messages takes one attention layer: a head for every slot and every order of the senders.",
        note="orders(s, N) is 2 for s = 2; beyond, the rows of a covering array CA(s - 1, log2 N) and the two orders of the places "
        "themselves: "
        "7 for s = 3 and 13 for s = 4 at N = 1,024.",
        source="derived here",
        certainty="D",
        checked=OWN,
        families=("shuffle",),
        bounds=(
            "L <= 1",
            Bound("H <= s*orders(s, N)", part="H"),
            Bound("H*d_qk <= s*(payload + 2*log2(N))*orders(s, N)", part="width"),
        ),
        assumes=("s >= 1", "s <= 4", "every machine sends and receives at most s messages"),
        excluded=_arrays,
    ),
    _layers(
        "SHUFFLE-OBLIVIOUS",
        ("oblivious-shuffle",),
        "Messages whose destinations are known when compiling take one layer of s heads.",
        "Kőnig: the pattern of who sends to whom has s colours, and a head serves one.",
        "L <= 1",
        Bound("H <= s", part="H"),
    ),
    _layers(
        "SHUFFLE-COMBINING",
        ("combining-shuffle",),
        "Messages that the receiver combines by max, min, any, sum or count take one layer of one head a slot.",
        "A head adds up all that match, or picks the greatest.",
        "L <= 1",
        Bound("H <= s", part="H"),
    ),
)
