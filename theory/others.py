"""Models that are not softmax transformers: recurrent, linear-attention, n-gram and associative ones, and what each must pay."""

from __future__ import annotations

from .functions import ceil_log2, half, log2, sp, trees
from .statement import Facts, Quantity, Statement, sym

N, symbols, state, L, steps, d_qk, products = sym("N", "|Σ|", "state", "L", "steps", "d_qk", "products")
r, pairs, keys = sym("r", "pairs", "keys")


def _index(facts: Facts) -> str | None:
    return None if 2 * facts["|Σ|"] >= facts["N"] + 3 else f"|Σ| = {facts['|Σ|']} < (N - 1)/2 + 2: the keys cannot all differ"


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
)
