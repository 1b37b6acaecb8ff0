"""k-hop induction: what the depth of a transformer must be, and what other architectures pay (arXiv 2402.09268)."""

from __future__ import annotations

from .statement import Bound, Facts, Statement
from .text import expression

DOUBLING = expression("floor(log2(k)) + 2")
PAPER = "2026-11-28, with the paper as the project's notes quote it"
OWN = "2026-11-28, with the proof on this page"


def _shallower(facts: Facts) -> str | None:
    """The class that was searched composes lookups; only the library's programs are known to be in it."""
    if facts["L"] < facts.value(DOUBLING) and not facts.library:
        return f"L = {facts['L']} < {facts.value(DOUBLING)} shows a program outside the class that was searched"
    return None


def _previous_form(facts: Facts) -> str | None:
    if facts.form is None:
        return 'nobody said how the program is written; state form="previous" where it starts by copying the previous token'
    if facts.form != "previous":
        return "the program does not start by copying the previous token"
    if facts.masks is not None and "strict" in facts.masks:
        return "a head has the strict mask: what was compiled is no longer in that form"
    return None


def _small(facts: Facts) -> str | None:
    """N/k**6 below 1 asks for less than one unit of anything."""
    if facts["hops"] == 0:
        return "k = 0 is the identity"
    return f"N/k**6 = {facts['N'] / facts['k'] ** 6:.3g} < 1" if facts["N"] < facts["k"] ** 6 else None


ROWS = (
    Statement(
        id="HOP-UB",
        statement="k-hop is computed by floor(log2 k) + 2 layers of one head with m = O(1) and p = Θ(log N), for every k >= 1.",
        note="The first layer finds a position, each later one doubles the pointer and, where k has that bit, follows it too.",
        source="arXiv 2402.09268, Theorem 4.2; every k >= 1 derived here",
        checked=PAPER,
        families=("khop",),
        bounds=("L <= floor(log2(k)) + 2", Bound("H <= 1", part="H"), Bound("m*p = O(log2(N))", part="mp")),
        assumes=("hops >= 1", "Σ <= N", "any function of each token after a layer: the MLPs' width and depth do not count"),
    ),
    Statement(
        id="HOP-SAT",
        statement="k counts as min(k, max(1, N - 1)): later hops change nothing (tight on abab…).",
        note="A pointer that is not a fixed point leads back, so N - 1 hops reach the end of any way; the other k-hop rows use that k.",
        source="derived here",
        certainty="D",
        checked=OWN,
        families=("khop",),
        bounds="hops <= min(hops, max(1, N - 1))",
        assumes=("hops >= 1",),
        needs=("k",),
    ),
    Statement(
        id="HOP-LOOKUP",
        statement="No program with one position lookup a layer computes k-hop in fewer than floor(log2 k) + 2 layers.",
        note="The set of powers of the pointer that L lookups can reach is found exhaustively; `headwork minimal khop --layers` does "
        "it again.",
        source="derived here: exhaustive search for k <= 64",
        certainty="D",
        checked=OWN,
        families=("khop",),
        bounds="L >= floor(log2(k)) + 2",
        assumes=("hops >= 1", "H <= 1", "k <= 64", "Σ >= 3", "N >= 2", "the program composes lookups"),
        excluded=_shallower,
    ),
    Statement(
        id="HOP-PREV",
        statement="k-hop that first copies the previous token, under the standard mask, takes ceil(log2 k) + 2 layers.",
        note="That is one more than HOP-UB unless k is a power of two: the first fetch already spends a token where HOP-UB has a position.",
        source="derived here",
        certainty="D",
        checked=OWN,
        families=("khop",),
        bounds="L == ceil(log2(k)) + 2",
        assumes=("hops >= 1", "Σ >= 3", "N >= 2", 'form="previous"', "no head has the strict mask"),
        excluded=_previous_form,
    ),
    Statement(
        id="HOP-LB",
        statement="k-hop needs Ω(log k) layers if m·H = O(k^(1-ε)) and k = Θ(N^ξ), 0 < ξ <= 1/2.",
        note="A shallower transformer would decide 1-vs-2-cycle in fewer rounds than is believed possible.",
        source="arXiv 2402.09268, Corollary 4.3",
        kind="conditional",
        checked=PAPER,
        families=("khop",),
        bounds=Bound("L = Ω(log2(k))", aside=("asks m*H = O(k**(1 - ε)), here m*H/k =", "m*H/k")),
        assumes=("hops >= 1", "the 1-vs-2-cycle conjecture", "k = Θ(N^ξ) for some 0 < ξ <= 1/2", "m·H = O(k^(1-ε))"),
        vacuous=lambda facts: "log2 k = 0" if facts["k"] == 1 else None,
    ),
    Statement(
        id="RNN-KHOP",
        statement="A recurrent network computes k-hop with depth >= k, or with a state of Ω(N/k^6).",
        note="The keys and values a transformer keeps are the state of its token-by-token run.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        checked=PAPER,
        families=("khop",),
        bounds=Bound("(N + 1)*c*p = Ω(N/k**6)", name="state bits"),
        assumes=("L < k",),
        vacuous=_small,
    ),
    Statement(
        id="SUBQ-KHOP",
        statement="Sub-quadratic attention computes k-hop with depth >= k, or with size Ω(N/k^6), a near-quadratic cost.",
        note="Kernelised, sparse and masked attention are what the paper names; compiled models attend to all positions.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        checked=PAPER,
        families=("khop",),
        bounds=Bound("m*H = Ω(N/k**6)", name="size"),
        assumes=("the attention is sub-quadratic", "L < k"),
        vacuous=_small,
        excluded=lambda facts: "the model's attention is quadratic, and this is about sub-quadratic attention",
    ),
    Statement(
        id="COT",
        statement="A transformer whose depth does not grow with k takes Ω(k) steps of thought for k-hop, unless its size is Ω(N/k^6).",
        note="`hop_by_steps` does it in 2 layers and k + 1 steps, which is derived here.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        checked=PAPER,
        families=("khop",),
        bounds=Bound("0*k = Ω(k)", name="steps"),
        assumes=("the depth does not grow with k", "size o(N/k^6)"),
        vacuous=_small,
        excluded=lambda facts: "the model answers in one pass and writes no chain of thought",
    ),
)
