"""Massively parallel computation: rounds against layers, and the rounds of explicit algorithms."""

from __future__ import annotations

from .functions import ceil_log, log2, sp
from .statement import Quantity, Statement, sym

L, H, m, N, R, s, diameter = sym("L", "H", "m", "N", "R", "s", "diameter")
DEPTH = ceil_log(N, s)
PROTOCOLS = ("mpc", "mpc-broadcast", "mpc-sum", "mpc-prefix", "mpc-allreduce", "mpc-sort", "mpc-connectivity")


def _rounds(name: str, family: str, what: str, bound: sp.Expr) -> Statement:
    """An explicit algorithm whose number of rounds is known exactly."""
    return Statement(
        id=name,
        statement=f"{what} takes {bound} rounds.".replace("ceil(log(N, s))", "ceil(log_s N)"),
        source="derived here: trees of fan-out s",
        kind="EXACT",
        certainty="D",
        families=(family,),
        quantities=(Quantity("R", R, "upper", bound, "EXACT"),),
        assumptions=("s >= 2",),
        excluded=lambda facts: f"s = {facts['s']}: a tree takes s >= 2" if facts["s"] < 2 else None,
    )


ROWS = (
    Statement(
        id="MPC-UB",
        statement="An R-round protocol becomes a transformer of R + 1 layers with m = O(n^(4δ) log n), about s^4 log2 n, and "
        "H = O(loglog n).",
        source="arXiv 2402.09268, Theorem 3.1",
        kind="EXACT",
        certainty="T",
        families=PROTOCOLS,
        quantities=(
            Quantity("L", L, "upper", R + 1, "EXACT", aside=("a lookup asks and answers in one layer; layers saved:", R + 1 - L)),
            Quantity("m", m, "upper", s**4 * log2(N), "asymptotic", "m"),
            Quantity("H", H, "upper", log2(log2(N)), "asymptotic", "H"),
        ),
        assumptions=("(γ, δ)-protocol: s = O(N^δ) words a machine",),
    ),
    Statement(
        id="MPC-UB2",
        statement="An R-round protocol becomes a transformer of O(R) layers with m = O(N^(δ+ε)), that is s·N^ε.",
        source="arXiv 2405.18512",
        kind="asymptotic",
        certainty="T",
        families=PROTOCOLS,
        quantities=(
            Quantity("L", L, "upper", R, "asymptotic"),
            Quantity("m", m, "upper", s, "asymptotic", "m", aside=("times N**ε for any ε > 0, log2 N =", log2(N))),
        ),
    ),
    Statement(
        id="MPC-ANNA",
        statement="With nearest-neighbour attention L = O(R), H = O(N^((ε'-ε)/4)), m = O(N^ε'), in sub-quadratic time.",
        source="arXiv 2509.09001",
        kind="asymptotic",
        certainty="T",
        families=PROTOCOLS,
        quantities=(Quantity("L", L, "upper", R, "asymptotic"),),
        excluded=lambda facts: "the model's attention is softmax over all positions, and this is about nearest-neighbour attention",
    ),
    Statement(
        id="MPC-LB",
        statement="A transformer of depth L and width m·H = O(N^δ) becomes an O(L)-round protocol on O(N²) machines.",
        source="arXiv 2402.09268",
        kind="asymptotic",
        certainty="T",
        families=PROTOCOLS,
        quantities=(Quantity("R", R, "upper", L, "asymptotic"),),
        assumptions=("m·H = O(N^δ), δ < 1",),
    ),
    Statement(
        id="CONN",
        statement="Connectivity takes Ω(log N) rounds, and so Ω(log N) layers.",
        source="arXiv 2402.09268",
        kind="conditional",
        certainty="T",
        families=("connectivity", "mpc-connectivity"),
        quantities=(Quantity("L", L, "lower", log2(N), "conditional"),),
        assumptions=("the 1-vs-2-cycle conjecture",),
    ),
    _rounds("MPC-BROADCAST", "mpc-broadcast", "A broadcast", DEPTH),
    _rounds("MPC-SUM", "mpc-sum", "A sum, maximum or disjunction", DEPTH),
    _rounds("MPC-PREFIX", "mpc-prefix", "A prefix of any monoid", 2 * DEPTH),
    _rounds("MPC-ALLREDUCE", "mpc-allreduce", "An all-reduce", 2 * DEPTH),
    Statement(
        id="MPC-SORT",
        statement="Sorting takes O(log_s N) rounds.",
        source="Goodrich, Sitchinava, Zhang 2011",
        kind="asymptotic",
        certainty="T",
        families=("mpc-sort",),
        quantities=(Quantity("R", R, "upper", log2(N) / log2(s), "asymptotic"),),
        excluded=lambda facts: f"s = {facts['s']}: it takes s >= 2" if facts["s"] < 2 else None,
    ),
    Statement(
        id="MPC-CONN-1",
        statement="Connectivity takes O(log diameter · loglog N) rounds.",
        source="Andoni et al. 2018",
        kind="asymptotic",
        certainty="T",
        families=("mpc-connectivity",),
        quantities=(Quantity("R", R, "upper", log2(diameter) * log2(log2(N)), "asymptotic"),),
    ),
    Statement(
        id="MPC-CONN-2",
        statement="Connectivity takes O(log diameter) rounds.",
        source="Behnezhad et al. 2019",
        kind="asymptotic",
        certainty="T",
        families=("mpc-connectivity",),
        quantities=(Quantity("R", R, "upper", log2(diameter), "asymptotic"),),
    ),
)
