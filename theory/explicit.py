"""Programs whose layers are known by construction: scans, ranks, pointer forests, shuffles, and others of the field."""

from __future__ import annotations

from .functions import ceil_log, ceil_log2, log2, orders, sp
from .statement import Certainty, Facts, Kind, Quantity, Statement, sym

L, H, d_qk, N, s, payload, depth, bits = sym("L", "H", "d_qk", "N", "s", "payload", "depth", "bits")
LONGEST_SHUFFLE = 1024


def _layers(
    name: str,
    families: tuple[str, ...],
    what: str,
    bound: sp.Expr,
    *more: Quantity,
    source: str = "derived here",
    kind: Kind = "EXACT",
    certainty: Certainty = "D",
) -> Statement:
    """A construction and its number of layers."""
    quantities = (Quantity("L", L, "upper", bound, kind), *more)
    return Statement(id=name, statement=what, source=source, kind=kind, certainty=certainty, families=families, quantities=quantities)


def _recalled(name: str, family: str, what: str, bound: sp.Expr, source: str, *more: Quantity) -> Statement:
    return _layers(name, (family,), what, bound, *more, source=source, kind="explicit", certainty="M")


def _arrays(facts: Facts) -> str | None:
    if facts["s"] not in (2, 3, 4):
        return f"s = {facts['s']}: covering arrays are given for s = 2, 3 and 4"
    return f"N = {facts['N']}: the arrays are given to N = {LONGEST_SHUFFLE}" if facts["s"] > 2 and facts["N"] > LONGEST_SHUFFLE else None


ROWS = (
    _layers("SCAN", ("scan",), "A scan of any monoid takes the least L with (H + 1)^L >= N layers.", ceil_log(N, H + 1)),
    _layers("ONE", ("broadcast", "mean", "majority"), "Broadcast, causal mean and majority take one layer.", sp.Integer(1)),
    _layers(
        "RANK",
        ("rank",),
        "The rank of a key takes one layer of one head a bit of the key and one a bit of the position: "
        "head b counts the keys that agree above bit b and have bit b = 0.",
        sp.Integer(1),
        Quantity("H", H, "upper", bits + ceil_log2(N + 1), "EXACT", "H"),
    ),
    _layers("SORT", ("sort",), "Sorting is a rank and one lookup: two layers.", sp.Integer(2)),
    _layers("ROOT", ("root",), "The root of a pointer forest takes 1 + ceil(log2 depth) layers.", ceil_log2(depth) + 1),
    _layers("CYCLE", ("cycle",), "1-vs-2 cycle on successor pointers takes ceil(log2 N) + 1 layers.", ceil_log2(N) + 1),
    Statement(
        id="SHUFFLE",
        statement="One round of data-dependent messages takes one attention layer: a head for every slot and every row of a covering array "
        "CA(s - 1, log2 N), which has 2 rows for s = 2 and, as built here for N <= 1024, 9 for s = 3 and 18 for s = 4.",
        source="derived here",
        kind="EXACT",
        certainty="D",
        families=("shuffle",),
        needs=("s",),
        quantities=(
            Quantity("L", L, "upper", sp.Integer(1), "EXACT"),
            Quantity("H", H, "upper", s * orders(s), "EXACT", "H"),
            Quantity("H*d_qk", H * d_qk, "upper", s * orders(s) * (2 * log2(N) + payload), "EXACT", "width"),
        ),
        assumptions=("every machine sends and receives at most s messages",),
        excluded=_arrays,
    ),
    _layers(
        "SHUFFLE-OBLIVIOUS",
        ("oblivious-shuffle",),
        "Messages whose destinations are known when compiling take one layer of s heads (Kőnig: the pattern has s colours).",
        sp.Integer(1),
        Quantity("H", H, "upper", s, "EXACT", "H"),
    ),
    _layers(
        "SHUFFLE-COMBINING",
        ("combining-shuffle",),
        "Messages that the receiver combines by max, min, any, sum or count take one layer of one head a slot.",
        sp.Integer(1),
        Quantity("H", H, "upper", s, "EXACT", "H"),
    ),
    _recalled(
        "AUTOMATON",
        "automaton",
        "Any finite automaton runs T = N steps in ceil(log2 T) layers.",
        ceil_log2(N),
        "arXiv 2210.10749 (recalled)",
    ),
    _recalled("GRIDWORLD", "gridworld", "Gridworld automata run in 2 layers.", sp.Integer(2), "arXiv 2210.10749 (recalled)"),
    _recalled("BIGRAM", "bigram", "Bigram counts in context take 2 layers.", sp.Integer(2), "Edelman et al. 2024 (recalled)"),
    _recalled(
        "MARKOV",
        "markov",
        "Markov chains of any order in context take 3 layers of one head.",
        sp.Integer(3),
        "arXiv 2407.17686 (recalled)",
        Quantity("H", H, "upper", sp.Integer(1), "explicit", "H"),
    ),
)
