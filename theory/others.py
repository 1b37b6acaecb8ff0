"""Models that are not softmax transformers: recurrent, linear-attention, n-gram and associative ones, and what each must pay."""

from __future__ import annotations

from .hops import OWN, PAPER
from .shallow import NOTES
from .statement import Bound, Facts, Statement


def _small(facts: Facts) -> str | None:
    return f"N/k**6 = {facts['N'] / facts['k'] ** 6:.3g} < 1" if facts["N"] < facts["k"] ** 6 else None


ROWS = (
    Statement(
        id="RNN-TREES",
        statement="After N - 1 tokens a recurrent network that gives the N-th answer of induction is in one of trees(N - 1, |Σ|) states at "
        "least, one for each labelled rooted tree that so many tokens can leave behind, and so many are enough.",
        note="The last token is the root, and each symbol's parent is what followed it last; two trees differ on some continuation.",
        source="derived here (Myhill–Nerode, Prüfer), checked by brute force; Ω(N): arXiv 2306.02896",
        certainty="D",
        checked=OWN,
        families=("recurrent-induction",),
        bounds=(
            Bound("state >= ceil(log2(trees(N - 1, Σ)))", name="state bits"),
            Bound("state <= Σ*log2(Σ + 1) + log2(Σ)", name="state bits", part="table", kind="explicit"),
        ),
        assumes=("the state is all that passes from token to token; the update may differ from place to place",),
    ),
    Statement(
        id="RNN-INDEX",
        statement="A recurrent state needs at least floor((N - 1)/2) bits for (key, bit) pairs with distinct keys and then a key.",
        note="It is one-way communication of an index: the bits have to pass through the state before the question is known.",
        source="Ω(N): arXiv 2306.02896; explicit form derived here (one-way INDEX)",
        kind="explicit",
        certainty="D",
        checked=OWN,
        families=("recurrent-induction",),
        bounds=Bound("state >= floor((N - 1)/2)", name="state bits"),
        assumes=("2*Σ >= N + 3",),
    ),
    Statement(
        id="GD-STEP",
        statement="L layers of linear attention are L steps of gradient descent on the least squares of the prompt.",
        note="Keys and queries hold the inputs, values the residuals, which each layer makes smaller by one step.",
        source="arXiv 2212.07677; the form with residuals derived here",
        checked=PAPER,
        families=("in-context-regression",),
        bounds="L == steps",
        assumes=("no softmax", "rounding aside"),
    ),
    Statement(
        id="LINEAR-ORDER",
        statement="Attention without softmax over N tokens with keys and values of width d takes the lesser of 2 N^2 d and 2 N d^2 "
        "multiplications.",
        note="(QK)V = Q(KV), and the crossover is at N = d.",
        source="derived here",
        certainty="D",
        checked=OWN,
        families=("in-context-regression", "linear-attention"),
        bounds="products <= min(2*N**2*d_qk, 2*N*d_qk**2)",
        assumes=("every position sees every other", "matrices are multiplied by the definition"),
    ),
    Statement(
        id="LINEAR-RANK",
        statement="Linear attention that tells, by its sign, the value ±1 of a key among any m pairs of different keys has at least m "
        "features.",
        note="For m = |Σ| one-hot features are enough.",
        source="derived here (strictly diagonally dominant matrices are regular)",
        certainty="D",
        checked=OWN,
        families=("linear-attention",),
        bounds="r >= min(pairs, keys)",
        assumes=("a sum of φ(query)·ψ(key) value, without normalisation or divided by a positive number",),
    ),
    Statement(
        id="NGRAM-TABLE",
        statement="An n-gram model is a table of |Σ|^n numbers.",
        note="The lectures' exp(Θ(n)); most of them are never seen in a text.",
        source="Shannon 1951; the lectures' exp(Θ(n))",
        certainty="D",
        checked=OWN,
        families=("ngram-table",),
        bounds="parameters == Σ**order",
    ),
    Statement(
        id="RNN-STACK",
        statement="k recurrent layers compute k-hop, each with a table of what the layer below said last after each symbol.",
        note="Layer i answers i-hop at every place, so the next one is one hop more.",
        source="derived here",
        certainty="D",
        checked=OWN,
        families=("recurrent-khop",),
        bounds=("L <= k", Bound("state <= (Σ + 1)*ceil(log2(Σ + 1))", name="state bits a layer", part="state")),
    ),
    Statement(
        id="SEQ-KHOP",
        statement="A recurrent network of depth below k computes k-hop only with a state of Ω(N/k^6).",
        note="k tables in one layer are such a state.",
        source="arXiv 2402.09268, Section 5",
        kind="asymptotic",
        checked=PAPER,
        families=("recurrent-khop",),
        bounds=Bound("state = Ω(N/k**6)", name="state bits"),
        assumes=("L < k",),
        vacuous=_small,
    ),
    Statement(
        id="SELECTION",
        statement="Ridge at several λ, logistic regression, validation and the choice take one layer a step of descent and one more.",
        note="All estimators descend side by side; the last layer averages the held-out losses.",
        source="mechanisms: arXiv 2306.04637; this form derived here",
        certainty="D",
        checked=OWN,
        families=("algorithm-selection",),
        bounds="L <= steps + 1",
        assumes=("attention without softmax", "any function of each token after a layer"),
    ),
    Statement(
        id="HOPFIELD",
        statement="Outer products of random patterns keep all of n/(4 ln n) patterns of n signs as fixed points, and not more, as n grows.",
        note="The other patterns are noise of variance patterns/n on every sign.",
        source="McEliece, Posner, Rodemich, Venkatesh 1987 (IEEE Trans. Inf. Theory 33(4))",
        kind="asymptotic",
        checked=PAPER,
        families=("hopfield",),
        bounds="patterns = O(neurons/(4*log(neurons)))",
    ),
    Statement(
        id="MODERN-1STEP",
        statement="One step of attention and the signs of its result give the pattern whose overlap leads by λ nats, if there are at most "
        "1 + exp(λ)/2 patterns.",
        note="The others have a weight below (patterns - 1) exp(-λ), and each moves a sign by at most 2.",
        source="derived here; the same step: arXiv 2008.02217",
        certainty="D",
        checked=OWN,
        families=("modern-hopfield",),
        bounds="patterns <= 1 + exp(lead)/2",
    ),
    Statement(
        id="MODERN-HOPFIELD",
        statement="One step of attention is one update of a modern Hopfield network, which keeps exponentially many patterns in its "
        "dimension.",
        note="`associative_memory` is such a step whose scores are exact, so the nearest pattern wins outright.",
        source="arXiv 2008.02217",
        kind="asymptotic",
        checked=NOTES,
        families=("associative-memory",),
    ),
    Statement(
        id="SUPER",
        statement="A layer that computes so many features in superposition has Ω(features·log features) parameters.",
        note="And Ω(sqrt(features·log features)) neurons; compiled models give every value a dimension of its own, and pay one a feature.",
        source="arXiv 2409.15318; constructions: arXiv 2408.05451",
        kind="asymptotic",
        checked=NOTES,
        families=("superposition",),
        bounds="parameters = Ω(features*log2(features))",
        needs=("features",),
    ),
    Statement(
        id="SOFT-HARD",
        statement="Softmax attention does what hard attention does, with a temperature that the gap between scores gives.",
        note="Compact models lead by what exp takes to zero, natural ones by the sharpness that they are given (docs/natural.md).",
        source="arXiv 2412.09925",
        kind="asymptotic",
        checked=NOTES,
        families=("recall", "recall-pairs"),
    ),
)
