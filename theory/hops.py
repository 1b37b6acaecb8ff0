"""k-hop induction: what the depth of a transformer must be, and what other architectures pay (arXiv 2402.09268)."""

from __future__ import annotations

from .functions import ceil_log2, floor_log2, log2, sp
from .statement import Facts, Quantity, Statement, sym

L, H, m, c, p, N, symbols, k, hops = sym("L", "H", "m", "c", "p", "N", "|Σ|", "k", "hops")
DOUBLING = floor_log2(k) + 2
PREVIOUS = ceil_log2(k) + 2
COUNTS = sp.Min(hops, sp.Max(1, N - 1))
SEARCHED = 31


def _identity(facts: Facts) -> str | None:
    return "k = 0 is the identity" if facts["hops"] == 0 else None


def _few_symbols(facts: Facts) -> str | None:
    """Two symbols are a special case: what follows the latest earlier occurrence is this token or the other one."""
    return f"|Σ| = {facts['|Σ|']}: over fewer than 3 symbols one layer can tell" if facts["|Σ|"] < 3 else None


def _theorem(facts: Facts) -> str | None:
    more = f"|Σ| = {facts['|Σ|']} > N = {facts['N']}: the theorem takes |Σ| <= N" if facts["|Σ|"] > facts["N"] else None
    return _identity(facts) or more


def _alone(facts: Facts) -> str | None:
    """One position has nothing before it: every hop is ⊥ there, which takes no layers to say."""
    return "N = 1: there is no earlier token to hop to" if facts["N"] == 1 else None


def _lookups(facts: Facts) -> str | None:
    """The class that was searched: one lookup a layer, k <= 31; only the library's programs are known to be in it."""
    if (why := _identity(facts) or _few_symbols(facts) or _alone(facts)) is not None:
        return why
    if facts["H"] > 1:
        return f"H = {facts['H']}: it is about one lookup a layer"
    if facts["k"] > SEARCHED:
        return f"k = {facts['k']}: the search went to k = {SEARCHED}"
    if facts["L"] < facts.value(DOUBLING) and not facts.library:
        return f"L = {facts['L']} < {facts.value(DOUBLING)} shows a program outside the class that was searched"
    return None


def _previous_form(facts: Facts) -> str | None:
    if (why := _identity(facts) or _few_symbols(facts) or _alone(facts)) is not None:
        return why
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


def _deep(facts: Facts) -> str | None:
    return f"L = {facts['L']} >= k = {facts['k']}: the other alternative, depth, holds" if facts["L"] >= facts["k"] else None


ROWS = (
    Statement(
        id="HOP-UB",
        statement="k-hop is computed by floor(log2 k) + 2 layers of one head with m = O(1) and p = Θ(log N), for every k >= 1.",
        source="arXiv 2402.09268, Theorem 4.2; every k >= 1 derived here",
        kind="EXACT",
        certainty="T",
        families=("khop",),
        needs=("k",),
        quantities=(
            Quantity("L", L, "upper", DOUBLING, "EXACT"),
            Quantity("H", H, "upper", sp.Integer(1), "EXACT", "H"),
            Quantity("m*p", m * p, "upper", log2(N), "asymptotic", "mp"),
        ),
        assumptions=("|Σ| <= N", "any function of each token after a layer: the MLPs' width and depth do not count"),
        excluded=_theorem,
    ),
    Statement(
        id="HOP-SAT",
        statement="k counts as min(k, max(1, N - 1)): later hops change nothing (tight on abab…). The other k-hop rows use that k.",
        source="derived here",
        kind="EXACT",
        certainty="D",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("hops", hops, "upper", COUNTS, "EXACT"),),
        excluded=_identity,
    ),
    Statement(
        id="HOP-LOOKUP",
        statement="No program with one position lookup a layer computes k-hop in fewer than floor(log2 k) + 2 layers.",
        source="derived here: exhaustive search for k <= 31",
        kind="EXACT",
        certainty="D",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("L", L, "lower", DOUBLING, "EXACT"),),
        assumptions=("one position lookup a layer", f"k <= {SEARCHED}", "|Σ| >= 3", "N >= 2", "the program composes lookups"),
        excluded=_lookups,
    ),
    Statement(
        id="HOP-PREV",
        statement="k-hop that first copies the previous token, under the standard mask, takes ceil(log2 k) + 2 layers: "
        "one more than HOP-UB unless k is a power of two.",
        source="derived here",
        kind="EXACT",
        certainty="D",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("L", L, "equality", PREVIOUS, "EXACT"),),
        assumptions=('form="previous"', "no head has the strict mask", "|Σ| >= 3", "N >= 2"),
        excluded=_previous_form,
    ),
    Statement(
        id="HOP-LB",
        statement="k-hop needs Ω(log k) layers if m·H = O(k^(1-ε)) and k = Θ(N^ξ), 0 < ξ <= 1/2.",
        source="arXiv 2402.09268, Corollary 4.3",
        kind="conditional",
        certainty="T",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("L", L, "lower", log2(k), "conditional", aside=("asks m*H = O(k**(1 - ε)), here m*H/k =", m * H / k)),),
        assumptions=("the 1-vs-2-cycle conjecture", "k = Θ(N^ξ) for some 0 < ξ <= 1/2", "m·H = O(k^(1-ε))"),
        vacuous=lambda facts: "log2 k = 0" if facts["k"] == 1 else None,
        excluded=_identity,
    ),
    Statement(
        id="RNN-KHOP",
        statement="A recurrent network computes k-hop with depth >= k, or with a state of Ω(N/k^6). "
        "The keys and values a transformer keeps are the state of its token-by-token run.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        certainty="T",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("state bits", (N + 1) * c * p, "lower", N / k**6, "asymptotic"),),
        assumptions=("depth < k",),
        vacuous=_small,
        excluded=_deep,
    ),
    Statement(
        id="SUBQ-KHOP",
        statement="Sub-quadratic attention computes k-hop with depth >= k, or with size Ω(N/k^6), a near-quadratic cost.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        certainty="T",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("size", m * H, "lower", N / k**6, "asymptotic"),),
        assumptions=("the attention is sub-quadratic", "depth < k"),
        vacuous=_small,
        excluded=lambda facts: "the model's attention is quadratic, and this is about sub-quadratic attention",
    ),
    Statement(
        id="COT",
        statement="A shallow transformer with a chain of thought takes about k steps to compute k-hop; 2 layers and k steps suffice.",
        source="arXiv 2402.09268, Section 5; steps that suffice: arXiv 2310.07923",
        kind="asymptotic",
        certainty="T",
        families=("khop",),
        needs=("k",),
        quantities=(Quantity("steps", sp.Integer(0), "lower", k, "asymptotic"),),
        assumptions=("the depth does not grow with k", "size o(N/k^6)"),
        vacuous=_small,
        excluded=lambda facts: "the model answers in one pass and writes no chain of thought",
    ),
)
