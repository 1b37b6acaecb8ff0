"""One layer is not enough: communication bounds on shallow attention and on recurrent states."""

from __future__ import annotations

from .hops import OWN, PAPER
from .statement import Bound, Facts, Statement
from .text import expression

NEEDED, TOLD = expression("n*log2(n)"), expression("H*(m + 1)*p")
ABSTRACT = "2026-11-28, with the abstract"
NOTES = "2026-11-28, with the project's notes, not with the paper"


def _peng(facts: Facts) -> str | None:
    remainder = facts.value(NEEDED - TOLD)
    return f"R = n*log2(n) - H*(m + 1)*p = {remainder:,.6g} <= 0: one layer of this size is not excluded" if remainder <= 0 else None


def _sequential(facts: Facts) -> str | None:
    size, most = facts["H"] * facts["m"] * facts["p"], float(facts["n"]) ** (2.0 ** (-4 * facts["L"]))
    return f"H*m*p = {size:,} > n**(2**(-4*L)) = {most:.4g}" if size > most else None


ROWS = (
    Statement(
        id="IND-1L",
        statement="One layer computes induction over 3 symbols only if h·m·p = Ω(N).",
        note="What reaches the last place are h sums of m numbers of p bits, and they must tell 2^Ω(N) prompts apart.",
        source="arXiv 2408.14332",
        kind="asymptotic",
        checked=PAPER,
        families=("induction",),
        bounds="H*m*p = Ω(N)",
        one_layer=True,
        assumes=("Σ >= 3",),
    ),
    Statement(
        id="IND-1L-c",
        statement="One layer computes induction only if h·(m + 1)·p >= (N - 1)/2.",
        note="The form with constants of IND-1L: m numbers of a head's numerator and one of its denominator, p bits each.",
        source="arXiv 2408.14332, constants derived here",
        kind="explicit",
        certainty="D",
        checked=OWN,
        families=("induction",),
        bounds="H*(m + 1)*p >= (N - 1)/2",
        one_layer=True,
        assumes=("Σ >= 3", "partial sums are rounded to p bits"),
    ),
    Statement(
        id="FC-1L",
        statement="One layer composes two functions on n elements wrongly with probability at least R/(3 n log2 n).",
        note="R = n log2 n - H (d + 1) p is what the heads cannot tell; where it is not positive the theorem says nothing.",
        source="arXiv 2402.08164, Theorem 1",
        checked=PAPER,
        families=("composition",),
        bounds=Bound("H*(m + 1)*p >= n*log2(n)", aside=("so it errs with probability at least", "(n*log2(n) - H*(m + 1)*p)/(3*n*log2(n))")),
        one_layer=True,
        vacuous=_peng,
    ),
    Statement(
        id="SEQ-L",
        statement="A decoder of depth L cannot compose L functions on n elements if H·d·p <= n^(2^(-4L)); no conjecture is used.",
        note="L + 1 layers of polylogarithmic size can, so one layer more is worth exponentially much width.",
        source="arXiv 2412.02975",
        kind="explicit",
        checked="2026-11-28, with the abstract and a summary that gives the exponent",
        families=("composition",),
        bounds="H*m*p >= n**(2**(-4*L))",
        assumes=("functions >= L",),
        vacuous=_sequential,
    ),
    Statement(
        id="HYBRID",
        statement="L + 1 layers of full attention do a sequential composition that L - 1 full and 2^(3L^2) linear layers cannot.",
        note="Linear attention does not stand in for depth of full attention, however much there is of it.",
        source="arXiv 2602.01763",
        kind="asymptotic",
        checked=NOTES,
        families=("composition", "khop"),
        excluded=lambda facts: "all layers are full attention, and this is about hybrids",
    ),
    Statement(
        id="FE-1L",
        statement="One layer of size H·m·p = O(polylog n) evaluates a function where argument and value share a place, and not where "
        "they do not.",
        note="Two layers do it either way; `recall` is the second form and `recall_pairs` the first.",
        source="arXiv 2503.22076",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("recall",),
        bounds="H*m*p = Ω(N)",
        one_layer=True,
        assumes=("argument and value at different places",),
    ),
    Statement(
        id="FE-PAIRS",
        statement="Function evaluation takes one layer of one head where each place holds an argument and its value.",
        note="The question's argument is the query, each pair's argument the key, its value what is fetched.",
        source="arXiv 2503.22076; this form derived here",
        certainty="D",
        checked=ABSTRACT,
        families=("recall-pairs",),
        bounds=("L <= 1", Bound("H <= 1", part="H")),
    ),
    Statement(
        id="FE-2L",
        statement="Function evaluation takes two layers of one head where argument and value stand side by side.",
        note="The value learns its argument from the place before, then the question finds the value.",
        source="arXiv 2503.22076; this form derived here",
        certainty="D",
        checked=ABSTRACT,
        families=("recall",),
        bounds=("L <= 2", Bound("H <= 1", part="H")),
    ),
    Statement(
        id="RNN-1HOP",
        statement="A recurrent state needs at least floor((N - 1)/2) bits for (key, bit) pairs with distinct keys and then a key, "
        "and a table of |Σ|·log2(|Σ| + 1) + log2 |Σ| bits suffices.",
        note="The keys and values a transformer keeps are the state of its token-by-token run.",
        source="Ω(N): arXiv 2306.02896; explicit form derived here (one-way INDEX)",
        kind="explicit",
        certainty="D",
        checked=OWN,
        families=("induction", "recall"),
        bounds=(
            Bound("(N + 1)*c*p >= floor((N - 1)/2)", name="state bits"),
            Bound("(N + 1)*c*p <= Σ*log2(Σ + 1) + log2(Σ)", name="state bits", part="table"),
        ),
        assumes=("2*Σ >= N + 3",),
    ),
    Statement(
        id="QSA",
        statement="Averaging q vectors of width d' takes m·p > c·q, and m >= C (d' + q log N) suffices.",
        note="In practice queries and keys take width 4 q log2 N, which is derived here.",
        source="arXiv 2306.02896; the practical width derived here",
        kind="asymptotic",
        checked=PAPER,
        families=("averaging",),
        bounds=(
            "m*p = Ω(q)",
            Bound("m = O(d + q*log2(N))", part="m"),
            Bound("d_qk >= 4*q*log2(N)", part="qk", kind="explicit"),
        ),
    ),
    Statement(
        id="MATCH3",
        statement="One layer does not find triples that sum to zero (Match3) if m·p·H <= c N/loglog N; pairs (Match2) take m = 3.",
        note="A head compares a place with one other, and a triple takes two others at once.",
        source="arXiv 2306.02896",
        kind="asymptotic",
        checked=PAPER,
        families=("match3",),
        bounds="H*m*p = Ω(N/log2(log2(N)))",
        one_layer=True,
        vacuous=lambda facts: f"loglog N <= 0 at N = {facts['N']}" if facts["N"] <= 2 else None,
    ),
    Statement(
        id="STRASSEN",
        statement="One softmax layer computes neither Match3 nor compositions of functions or relations; one Strassen layer does.",
        note="Attention over triples, by fast matrix multiplication, has the third place that softmax attention lacks.",
        source="arXiv 2501.19215; polynomial attention: arXiv 2602.02422",
        kind="asymptotic",
        checked=NOTES,
        families=("match3", "composition"),
        excluded=lambda facts: "the model's attention is softmax over pairs of places",
    ),
    Statement(
        id="CONN-1L",
        statement="One layer decides connectivity only if m·H = Ω(N), logarithms aside.",
        note="The heads' sums would have to carry the graph, whose edges are N tokens.",
        source="arXiv 2405.18512",
        kind="asymptotic",
        checked=PAPER,
        families=("connectivity",),
        bounds="m*H = Ω(N)",
        one_layer=True,
    ),
    Statement(
        id="SEP-INDEX",
        statement="Index lookup takes one layer of width O(log N), and a recurrent state of Ω(N).",
        note="A position is found by nearly orthogonal codes of log N numbers; a recurrent network has to remember all of the text.",
        source="arXiv 2406.09347",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("index-lookup",),
        bounds=("L = O(1)", Bound("m = O(log2(N))", part="m"), Bound("(N + 1)*c*p = Ω(N)", name="state bits", part="state")),
    ),
    Statement(
        id="SEP-2L",
        statement="Equality, disjointness and nearest neighbours take two layers of size O(log N); one layer, or a recurrent state, "
        "takes Ω(N).",
        note="The lower bounds are reductions from the communication complexity of equality, disjointness and index.",
        source="arXiv 2406.09347",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("equal", "disjoint", "nearest"),
        bounds=("L = O(1)", Bound("m = O(log2(N))", part="m"), Bound("(N + 1)*c*p = Ω(N)", name="state bits", part="state")),
    ),
    Statement(
        id="SEP-1L",
        statement="One layer decides equality, disjointness or nearest neighbours, or bounded Dyck words of depth 2, only at a size "
        "of Ω(N).",
        note="A recurrent network of constant size does bounded Dyck words: here the separation goes the other way.",
        source="arXiv 2406.09347",
        kind="asymptotic",
        checked=ABSTRACT,
        families=("equal", "disjoint", "nearest", "dyck"),
        bounds="H*m*p = Ω(N)",
        one_layer=True,
    ),
)
