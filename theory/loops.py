"""Weight-tied loops: how many layers with weights of their own a task takes, and how often they are applied."""

from __future__ import annotations

from .hops import OWN
from .shallow import ABSTRACT
from .statement import Bound, Statement

TIED = ("looped-khop", "list-ranking", "reachability", "looped-automaton")


def _looped(name: str, family: str, what: str, note: str, depth: str, blocks: int) -> Statement:
    """A construction of ours: its depth, its layers with weights of their own, and one head in each."""
    more = (Bound(f"B <= {blocks}", part="B"), Bound("H <= 1", part="H"))
    return Statement(
        id=name, statement=what, note=note, source="derived here", certainty="D", checked=OWN, families=(family,), bounds=(depth, *more)
    )


ROWS = (
    _looped(
        "LOOP-KHOP",
        "looped-khop",
        "k-hop is computed by one layer and one block of one layer, which is applied floor(log2 k) + 1 times.",
        "The depth is HOP-UB's; a round squares the pointer and reads the lowest digit of what is left of k.",
        "L <= floor(log2(k)) + 2",
        2,
    ),
    _looped(
        "LOOP-RANK",
        "list-ranking",
        "Lists are ranked by one block of one layer, which is applied floor(log2 N) + 1 times.",
        "Pointers are doubled and their links added up; a list has at most N links, and what has more is a cycle.",
        "L <= floor(log2(N)) + 1",
        1,
    ),
    _looped(
        "LOOP-REACH",
        "reachability",
        "What is reached from a vertex of a graph with V vertices, given by its edges, is found by one block of one layer in V - 1 rounds.",
        "A round takes one step of every walk; LOG-DEPTH's O(log N) layers take many padding tokens instead.",
        "L <= V - 1",
        1,
    ),
    _looped(
        "LOOP-SCAN",
        "looped-automaton",
        "Every finite automaton is run by one block of one layer, which is applied ceil(log2 N) times.",
        "The width of the stretches that are joined is a value of the state, so that the weights need not know the round.",
        "L <= ceil(log2(N))",
        1,
    ),
    Statement(
        id="LOOP-COT",
        statement="A block that is applied T times does what T steps of chain of thought do.",
        note="Many iterative algorithms, p-hop induction among them, take looped models of nearly optimal depth.",
        source="arXiv 2502.17416",
        kind="asymptotic",
        checked=ABSTRACT,
        families=TIED,
    ),
    Statement(
        id="LOOP-UNIVERSAL",
        statement="With a fixed block applied Θ(log N) times a transformer recognises every regular language and decides connectivity.",
        note="So depth that grows with log N needs no parameters that grow; log^d N rounds with padding do TC^d (arXiv 2505.18948).",
        source="arXiv 2503.03961",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("looped-automaton", "reachability"),
        bounds="L = O(log2(N))",
    ),
)
