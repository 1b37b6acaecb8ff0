"""Models that are not softmax transformers: recurrent, linear-attention, n-gram and associative ones, and what each must pay."""

from __future__ import annotations

from .functions import ceil_log2, half, log2, sp, trees
from .statement import Facts, Quantity, Statement, sym

N, symbols, state, L, steps, d_qk, products = sym("N", "|Σ|", "state", "L", "steps", "d_qk", "products")
r, pairs, keys, order, parameters = sym("r", "pairs", "keys", "order", "parameters")
k, patterns, neurons, lead = sym("k", "patterns", "neurons", "lead")


def _index(facts: Facts) -> str | None:
    return None if 2 * facts["|Σ|"] >= facts["N"] + 3 else f"|Σ| = {facts['|Σ|']} < (N - 1)/2 + 2: the keys cannot all differ"


def _deep(facts: Facts) -> str | None:
    return f"L = {facts['L']} >= k = {facts['k']}: the other alternative, depth, holds" if facts["L"] >= facts["k"] else None


def _small(facts: Facts) -> str | None:
    return f"N/k**6 = {facts['N'] / facts['k'] ** 6:.3g} < 1" if facts["N"] < facts["k"] ** 6 else None


ROWS = (
    Statement(
        id="RNN-TREES",
        statement="After N - 1 tokens a recurrent network that gives the N-th answer of induction is in one of trees(N - 1, |Σ|) states at "
        "least, one for each labelled rooted tree that so many tokens can leave behind, and so many are enough.",
        source="derived here (Myhill–Nerode, Prüfer), checked by brute force; Ω(N): arXiv 2306.02896",
        kind="EXACT",
        certainty="D",
        families=("recurrent-induction",),
        needs=("state",),
        quantities=(
            Quantity("state bits", state, "lower", ceil_log2(trees(N - 1, symbols)), "EXACT"),
            Quantity("state bits", state, "upper", symbols * log2(symbols + 1) + log2(symbols), "explicit", "table"),
        ),
        assumptions=("the state is all that passes from token to token; the update may differ from place to place",),
    ),
    Statement(
        id="RNN-INDEX",
        statement="A recurrent state needs at least floor((N - 1)/2) bits for (key, bit) pairs with distinct keys and then a key.",
        source="Ω(N): arXiv 2306.02896; explicit form derived here (one-way INDEX)",
        kind="explicit",
        certainty="D",
        families=("recurrent-induction",),
        needs=("state",),
        quantities=(Quantity("state bits", state, "lower", sp.floor(half(N - 1), evaluate=False), "explicit"),),
        assumptions=("|Σ| >= (N - 1)/2 + 2",),
        excluded=_index,
    ),
    Statement(
        id="GD-STEP",
        statement="L layers of linear attention are L steps of gradient descent on the least squares of the prompt.",
        source="arXiv 2212.07677; the form with residuals derived here",
        kind="EXACT",
        certainty="T",
        families=("in-context-regression",),
        needs=("steps",),
        quantities=(Quantity("L", L, "equality", steps, "EXACT"),),
        assumptions=("no softmax", "rounding aside"),
    ),
    Statement(
        id="LINEAR-ORDER",
        statement="Attention without softmax over N tokens with keys and values of width d takes the lesser of 2 N^2 d and 2 N d^2 "
        "multiplications: (QK)V = Q(KV), with the crossover at N = d.",
        source="derived here",
        kind="EXACT",
        certainty="D",
        families=("in-context-regression", "linear-attention"),
        needs=("products",),
        quantities=(Quantity("products", products, "upper", sp.Min(2 * N**2 * d_qk, 2 * N * d_qk**2), "EXACT"),),
        assumptions=("every position sees every other", "matrices are multiplied by the definition"),
    ),
    Statement(
        id="LINEAR-RANK",
        statement="Linear attention that tells, by its sign, the value ±1 of a key among any m pairs of different keys has at least m "
        "features; for m = |Σ| one-hot features are enough.",
        source="derived here (strictly diagonally dominant matrices are regular)",
        kind="EXACT",
        certainty="D",
        families=("linear-attention",),
        needs=("r", "pairs", "keys"),
        quantities=(Quantity("r", r, "lower", sp.Min(pairs, keys), "EXACT"),),
        assumptions=("a sum of φ(query)·ψ(key) value, without normalisation or divided by a positive number",),
    ),
    Statement(
        id="NGRAM-TABLE",
        statement="An n-gram model is a table of |Σ|^n numbers.",
        source="Shannon 1951; the lectures' exp(Θ(n))",
        kind="EXACT",
        certainty="D",
        families=("ngram-table",),
        needs=("order",),
        quantities=(Quantity("parameters", parameters, "equality", symbols**order, "EXACT"),),
    ),
    Statement(
        id="RNN-STACK",
        statement="k recurrent layers compute k-hop, each with a table of what the layer below said last after each symbol.",
        source="derived here",
        kind="EXACT",
        certainty="D",
        families=("recurrent-khop",),
        needs=("k", "state"),
        quantities=(
            Quantity("L", L, "upper", k, "EXACT"),
            Quantity("state bits a layer", state, "upper", (symbols + 1) * ceil_log2(symbols + 1), "EXACT", "state"),
        ),
    ),
    Statement(
        id="SEQ-KHOP",
        statement="A recurrent network of depth below k computes k-hop only with a state of Ω(N/k^6).",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        certainty="T",
        families=("recurrent-khop",),
        needs=("k", "state"),
        quantities=(Quantity("state bits", state, "lower", N / k**6, "asymptotic"),),
        assumptions=("depth < k",),
        vacuous=_small,
        excluded=_deep,
    ),
    Statement(
        id="SELECTION",
        statement="Ridge at several λ, logistic regression, validation and the choice take one layer a step of descent and one more.",
        source="mechanisms: arXiv 2306.04637; this form derived here",
        kind="EXACT",
        certainty="D",
        families=("algorithm-selection",),
        needs=("steps",),
        quantities=(Quantity("L", L, "upper", steps + 1, "EXACT"),),
        assumptions=("attention without softmax", "any function of each token after a layer"),
    ),
    Statement(
        id="HOPFIELD",
        statement="Outer products of random patterns keep all of n/(4 ln n) patterns of n signs as fixed points, and not more, as n grows.",
        source="McEliece, Posner, Rodemich, Venkatesh 1987",
        kind="asymptotic",
        certainty="T",
        families=("hopfield",),
        needs=("patterns", "neurons"),
        quantities=(Quantity("patterns", patterns, "upper", neurons / (4 * sp.log(neurons)), "asymptotic"),),
    ),
    Statement(
        id="MODERN-1STEP",
        statement="One step of attention and the signs of its result give the pattern whose overlap leads by λ nats, if there are at most "
        "1 + exp(λ)/2 patterns: the others have a weight below (patterns - 1) exp(-λ), and each moves a sign by at most 2.",
        source="derived here; the same step: arXiv 2008.02217",
        kind="EXACT",
        certainty="D",
        families=("modern-hopfield",),
        needs=("patterns", "lead"),
        quantities=(Quantity("patterns", patterns, "upper", 1 + half(sp.exp(lead)), "EXACT"),),
    ),
)
