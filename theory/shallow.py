"""One layer is not enough: communication bounds on shallow attention and on recurrent states."""

from __future__ import annotations

from .functions import half, log2, sp
from .statement import Facts, Quantity, Statement, sym

L, H, m, d_qk, c, p, N, symbols, n, functions, q, d = sym("L", "H", "m", "d_qk", "c", "p", "N", "|Σ|", "n", "functions", "q", "d")
NEEDED = n * log2(n)
TOLD = H * (m + 1) * p
SIZE = H * m * p
SEQUENTIAL = sp.Pow(n, sp.Pow(2, -4 * L))


def _three_symbols(facts: Facts) -> str | None:
    return f"|Σ| = {facts['|Σ|']}: the task has 3 symbols" if facts["|Σ|"] < 3 else None


def _peng(facts: Facts) -> str | None:
    remainder = facts.value(NEEDED - TOLD)
    return f"R = n*log2(n) - H*(m + 1)*p = {remainder:,.6g} <= 0: one layer of this size is not excluded" if remainder <= 0 else None


def _sequential(facts: Facts) -> str | None:
    size, most = facts.value(SIZE), float(facts["n"]) ** (2.0 ** (-4 * facts["L"]))
    return f"H*m*p = {size:,} > n**(2**(-4*L)) = {most:.4g}" if size > most else None


def _too_few_functions(facts: Facts) -> str | None:
    given, layers = facts["functions"], facts["L"]
    return f"{given} functions are composed, and L = {layers} layers are bounded on {layers} of them" if given < layers else None


def _index(facts: Facts) -> str | None:
    least = (facts["N"] - 1) / 2 + 2
    return f"|Σ| = {facts['|Σ|']} < (N - 1)/2 + 2 = {least:g}: the keys cannot all differ" if facts["|Σ|"] < least else None


ROWS = (
    Statement(
        id="IND-1L",
        statement="One layer computes induction over 3 symbols only if h·m·p = Ω(N).",
        source="arXiv 2408.14332",
        kind="asymptotic",
        certainty="T",
        families=("induction",),
        quantities=(Quantity("H*m*p", SIZE, "lower", N, "asymptotic"),),
        assumptions=("L = 1", "|Σ| >= 3"),
        one_layer=True,
        excluded=_three_symbols,
    ),
    Statement(
        id="IND-1L-c",
        statement="One layer computes induction only if h·(m + 1)·p >= (N - 1)/2.",
        source="arXiv 2408.14332, constants derived here",
        kind="explicit",
        certainty="D",
        families=("induction",),
        quantities=(Quantity("H*(m + 1)*p", TOLD, "lower", half(N - 1), "explicit"),),
        assumptions=("L = 1", "|Σ| >= 3", "partial sums are rounded to p bits"),
        one_layer=True,
        excluded=_three_symbols,
    ),
    Statement(
        id="FC-1L",
        statement="One layer composes two functions on n elements wrongly with probability at least R/(3 n log2 n), where "
        "R = n log2 n - H (d + 1) p is positive.",
        source="arXiv 2402.08164, Theorem 1",
        kind="EXACT",
        certainty="T",
        families=("composition",),
        quantities=(
            Quantity(
                "H*(m + 1)*p",
                TOLD,
                "lower",
                NEEDED,
                "EXACT",
                aside=("so it errs with probability at least", (NEEDED - TOLD) / (3 * NEEDED)),
            ),
        ),
        assumptions=("L = 1", "R > 0"),
        one_layer=True,
        vacuous=_peng,
    ),
    Statement(
        id="SEQ-L",
        statement="Depth L cannot compose L functions on n elements if H·d·p <= n^(2^(-4L)); no conjecture is used.",
        source="Chen, Peng, Wu 2024",
        kind="explicit",
        certainty="T",
        families=("composition",),
        quantities=(Quantity("H*m*p", SIZE, "lower", SEQUENTIAL, "explicit"),),
        needs=("functions",),
        assumptions=("at least as many functions as layers",),
        vacuous=_sequential,
        excluded=_too_few_functions,
    ),
    Statement(
        id="RNN-1HOP",
        statement="A recurrent state needs at least floor((N - 1)/2) bits for (key, bit) pairs with distinct keys and then a key; "
        "a table of |Σ|·log2(|Σ| + 1) + log2 |Σ| bits suffices. The keys and values a transformer keeps "
        "are the state of its token-by-token run.",
        source="Ω(N): arXiv 2306.02896; explicit form derived here (one-way INDEX)",
        kind="explicit",
        certainty="D",
        families=("induction", "recall"),
        quantities=(
            Quantity("state bits", (N + 1) * c * p, "lower", sp.floor(half(N - 1), evaluate=False), "explicit"),
            Quantity("state bits", (N + 1) * c * p, "upper", symbols * log2(symbols + 1) + log2(symbols), "explicit", "table"),
        ),
        assumptions=("|Σ| >= (N - 1)/2 + 2",),
        excluded=_index,
    ),
    Statement(
        id="QSA",
        statement="Averaging q vectors of width d' takes m·p > c·q, and m >= C (d' + q log N) suffices; in practice queries and keys take "
        "width 4 q log2 N.",
        source="arXiv 2306.02896; the practical width derived here",
        kind="asymptotic",
        certainty="T",
        families=("averaging",),
        quantities=(
            Quantity("m*p", m * p, "lower", q, "asymptotic"),
            Quantity("m", m, "upper", d + q * log2(N), "asymptotic", "m"),
            Quantity("d_qk", d_qk, "lower", 4 * q * log2(N), "explicit", "qk"),
        ),
    ),
    Statement(
        id="MATCH3",
        statement="One layer does not find triples that sum to zero (Match3) if m·p·H <= c N/loglog N; pairs (Match2) take m = 3.",
        source="arXiv 2306.02896",
        kind="asymptotic",
        certainty="T",
        families=("match3",),
        quantities=(Quantity("H*m*p", SIZE, "lower", N / log2(log2(N)), "asymptotic"),),
        assumptions=("L = 1",),
        one_layer=True,
        vacuous=lambda facts: f"loglog N <= 0 at N = {facts['N']}" if facts["N"] <= 2 else None,
    ),
    Statement(
        id="CONN-1L",
        statement="One layer decides connectivity only if m·H = Ω(N), logarithms aside.",
        source="arXiv 2405.18512",
        kind="asymptotic",
        certainty="T",
        families=("connectivity",),
        quantities=(Quantity("m*H", m * H, "lower", N, "asymptotic"),),
        assumptions=("L = 1",),
        one_layer=True,
    ),
)
