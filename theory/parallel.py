"""Massively parallel computation: rounds against layers, and the rounds of explicit algorithms."""

from __future__ import annotations

from .hops import OWN, PAPER
from .shallow import ABSTRACT
from .statement import Bound, Statement

PROTOCOLS = ("mpc", "mpc-broadcast", "mpc-sum", "mpc-prefix", "mpc-allreduce", "mpc-sort", "mpc-connectivity", "mpc-cycle")


def _rounds(name: str, family: str, what: str, bound: str, note: str) -> Statement:
    """An explicit algorithm whose number of rounds is known exactly."""
    return Statement(
        id=name,
        statement=f"{what} takes {bound.replace('ceil(log(N, s))', 'ceil(log_s N)')} rounds.",
        note=note,
        source="derived here: trees of fan-out s",
        certainty="D",
        checked=OWN,
        families=(family,),
        bounds=f"R <= {bound}",
        assumes=("s >= 2",),
    )


ROWS = (
    Statement(
        id="MPC-UB",
        statement="An R-round protocol becomes a transformer of R + 1 layers with m = O(n^(4δ) log n), about s^4 log2 n, and "
        "H = O(loglog n).",
        note="A round is a layer: heads find the messages and the MLP is the machine's own computation.",
        source="arXiv 2402.09268, Theorem 3.1",
        checked=PAPER,
        families=PROTOCOLS,
        bounds=(
            Bound("L <= R + 1", aside=("a lookup asks and answers in one layer; layers saved:", "R + 1 - L")),
            Bound("m = O(s**4*log2(N))", part="m"),
            Bound("H = O(log2(log2(N)))", part="H"),
        ),
        assumes=("(γ, δ)-protocol: s = O(N^δ) words a machine",),
    ),
    Statement(
        id="MPC-UB2",
        statement="An R-round protocol becomes a transformer of O(R) layers with m = O(N^(δ+ε)), that is s·N^ε.",
        note="Width near what a machine holds is enough, at the price of a constant factor in depth.",
        source="arXiv 2405.18512",
        kind="asymptotic",
        checked=PAPER,
        families=PROTOCOLS,
        bounds=("L = O(R)", Bound("m = O(s)", part="m", aside=("times N**ε for any ε > 0, log2 N =", "log2(N)"))),
    ),
    Statement(
        id="MPC-ANNA",
        statement="With nearest-neighbour attention L = O(R), H = O(N^((ε'-ε)/4)), m = O(N^ε'), in sub-quadratic time.",
        note="Messages are found by hashing instead of by scoring every pair of places.",
        source="arXiv 2509.09001",
        kind="asymptotic",
        checked=PAPER,
        families=PROTOCOLS,
        bounds="L = O(R)",
        excluded=lambda facts: "the model's attention is softmax over all positions, and this is about nearest-neighbour attention",
    ),
    Statement(
        id="MPC-LB",
        statement="A transformer of depth L and width m·H = O(N^δ) becomes an O(L)-round protocol on O(N²) machines.",
        note="So a lower bound on rounds is one on layers, of transformers this narrow.",
        source="arXiv 2402.09268",
        kind="asymptotic",
        checked=PAPER,
        families=PROTOCOLS,
        bounds=Bound("R = O(L)", aside=("asks m*H = O(N**δ) with δ < 1, here m*H/N =", "m*H/N")),
        assumes=("m·H = O(N^δ), δ < 1",),
    ),
    Statement(
        id="CONN",
        statement="Connectivity takes Ω(log N) rounds, and so Ω(log N) layers if m·H = O(N^(1-ε)).",
        note="One cycle of N and two of N/2 differ nowhere within N/4 steps; that no protocol is faster is the conjecture.",
        source="arXiv 2402.09268",
        kind="conditional",
        checked=PAPER,
        families=("connectivity", "mpc-connectivity", "mpc-cycle"),
        bounds=Bound("L = Ω(log2(N))", aside=("asks m*H = O(N**(1 - ε)), here m*H/N =", "m*H/N")),
        assumes=("the 1-vs-2-cycle conjecture", "m·H = O(N^(1-ε))"),
    ),
    _rounds("MPC-BROADCAST", "mpc-broadcast", "A broadcast", "ceil(log(N, s))", "Whoever has the word tells s others a round."),
    _rounds("MPC-SUM", "mpc-sum", "A sum, maximum or disjunction", "ceil(log(N, s))", "s partial results are combined a round, up a tree."),
    _rounds(
        "MPC-PREFIX", "mpc-prefix", "A prefix of any monoid", "2*ceil(log(N, s))", "Sums go up the tree, and what stands before comes down."
    ),
    _rounds("MPC-ALLREDUCE", "mpc-allreduce", "An all-reduce", "2*ceil(log(N, s))", "A sum up the tree, then a broadcast down."),
    Statement(
        id="MPC-SORT",
        statement="Sorting takes O(log_s N) rounds.",
        note="The paper gives no constant, so it is a ratio here.",
        source="arXiv 1101.1902 (Goodrich, Sitchinava, Zhang 2011)",
        kind="asymptotic",
        checked=PAPER,
        families=("mpc-sort",),
        bounds="R = O(log2(N)/log2(s))",
        assumes=("s >= 2",),
    ),
    Statement(
        id="MPC-CONN-1",
        statement="Connectivity takes O(log diameter · loglog N) rounds.",
        note="With more total space m the second factor is loglog_{m/n} N; the sparse case is the one stated here.",
        source="arXiv 1805.03055 (Andoni et al. 2018)",
        kind="asymptotic",
        checked="2026-11-28, with the abstract of the paper that improves it",
        families=("mpc-connectivity", "mpc-cycle"),
        bounds="R = O(log2(diameter)*log2(log2(N)))",
    ),
    Statement(
        id="MPC-CONN-2",
        statement="Connectivity takes O(log diameter + loglog_{m/n} N) rounds, with total space O(m) for m edges; m/n = O(1) here.",
        note="For diameters of log N and more the first term is the greater; Ω(log diameter) rounds are necessary under the 2-cycle "
        "conjecture.",
        source="arXiv 1910.05385 (Behnezhad et al. 2019)",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("mpc-connectivity", "mpc-cycle"),
        bounds="R = O(log2(diameter) + log2(log2(N)))",
    ),
    Statement(
        id="MPC-CONN-LB",
        statement="Connectivity takes Ω(log diameter) rounds.",
        note="Stated for the truly sublinear regime, s = N^δ with δ < 1, and randomised protocols.",
        source="arXiv 1910.05385 (Behnezhad et al. 2019)",
        kind="conditional",
        checked=ABSTRACT,
        families=("mpc-connectivity", "mpc-cycle"),
        bounds="R = Ω(log2(diameter))",
        assumes=("the 2-cycle conjecture", "s = N^δ, δ < 1"),
    ),
)
