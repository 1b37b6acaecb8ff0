"""The lemmas of docs/proved-rows.md by other means: all cases at small sizes, z3, and random layers in exact arithmetic."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import z3

import headwork as hw
from headwork.programs import entry
from headwork.theory.registry import REGISTRY

PAGE = (Path(__file__).parents[2] / "docs" / "proved-rows.md").read_text(encoding="utf-8")
Signs = tuple[int, ...]
Polynomial = dict[frozenset[int], Fraction]


def words(symbols: Sequence[object], size: int) -> list[tuple[object, ...]]:
    return list(itertools.product(symbols, repeat=size))


def last(name: str, tokens: Sequence[object], **parameters: object) -> object:
    """The library's answer at the last place, by its reference in plain Python."""
    return entry(name).reference([*map(str, tokens)], **parameters)[-1]


def told_apart(firsts: Sequence[object], seconds: Sequence[object], answer: Callable[..., object]) -> int:
    """How many different rows the table of answers has."""
    return len({tuple(answer(a, b) for b in seconds) for a in firsts})


# --- the rows and the page -------------------------------------------------------------------------------


def test_the_page_proves_the_rows_that_say_so() -> None:
    named = {row.id for row in REGISTRY.values() if "docs/proved-rows.md" in row.checked}
    assert len(named) == 12 and all(REGISTRY[name].certainty == "D" for name in named)
    assert {name for name in REGISTRY if f"**{name}**" in PAGE} == named


def test_no_row_rests_on_less_than_a_statement_in_full() -> None:
    sourced = [row for row in REGISTRY.values() if row.certainty != "D"]
    assert all(any(word in row.checked for word in ("the paper's text", "in full", "state", "quote")) for row in sourced)
    assert {row.id for row in sourced if "in full" in row.checked} == {
        *("STAR-FREE", "PAR-2", "DYCK-BOUNDED", "MPC-ANNA", "MPC-CONN-2", "MPC-CONN-LB")
    }


# --- what the heads, or a state, have to tell apart ------------------------------------------------------


@pytest.mark.parametrize("name", ["equal", "disjoint"])
def test_first_words_that_no_two_are_alike(name: str) -> None:
    for n in range(1, 6):
        every = words("01", n)
        assert told_apart(every, every, lambda a, b, n=n: last(name, a + b, size=n)) == 2**n
        ending = [word for word in every if word[-1] == "0"]  # the last token is then always the same
        assert told_apart(ending, ending, lambda a, b, n=n: last(name, a + b, size=n)) == 2 ** (n - 1)


def test_brackets_that_close_at_once_are_an_equality() -> None:
    kinds = ("()", "[]")
    for n in range(1, 6):
        opening, closing = words("([", n), words(")]", n)

        def nested(a: Sequence[str], b: Sequence[str]) -> object:
            return last("dyck_k", [c for pair in zip(a, b, strict=True) for c in pair], kinds=kinds)

        assert all((nested(a, b) is True) == all(x + y in kinds for x, y in zip(a, b, strict=True)) for a in opening for b in closing)
        assert told_apart([a for a in opening if a[-1] == "("], [b for b in closing if b[-1] == ")"], nested) == 2 ** (n - 1)


def test_brackets_of_depth_two_take_eight_states() -> None:
    def good(text: Sequence[object]) -> bool:
        stack: list[object] = []
        for c in text:
            if c in ("(", "["):
                stack.append(c)
            elif not stack or f"{stack.pop()}{c}" not in ("()", "[]"):
                return False
            if len(stack) > 2:
                return False
        return not stack

    short = [w for n in range(4) for w in words("()[]", n)]
    assert told_apart(short, short, lambda a, b: good(a + b)) == 8


def test_values_apart_from_their_arguments_are_an_index() -> None:
    for n in range(1, 5):
        orders = [(*["dog"] * i, "frog", *["dog"] * (n - 1 - i)) for i in range(n)]
        differ = list(itertools.permutations(["frog", "dog", "cat", "crow"][:n]))
        for keys in (orders, differ):

            def asked(values: Sequence[str], order: Sequence[str]) -> object:
                return last("recall", [t for pair in zip(order, values, strict=True) for t in pair] + ["frog"])

            assert told_apart(words("01", n), keys, asked) == 2**n


def test_labels_of_examples_are_told_apart() -> None:
    examples = ["00", "01", "10", "11"]
    for count in range(1, 5):

        def asked(labels: Sequence[str], example: str, count: int = count) -> object:
            return last("nearest", [*(t for pair in zip(examples, labels, strict=False) for t in pair), example], bits=2)

        assert told_apart(words(("cat", "dog"), count), examples, asked) == 2**count


# --- the layers that are written out ---------------------------------------------------------------------


def attend(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights @ values / weights.sum()


def code(i: int, width: int) -> list[float]:
    return [1.0 if i >> b & 1 else -1.0 for b in range(width)]


@pytest.mark.parametrize("size", [3, 4, 6])
def test_the_layer_that_finds_a_bit_by_its_number(size: int) -> None:
    """Width 2 b + 1, and λ just above ln(N)/2."""
    b, scale = (size - 1).bit_length(), math.log(size) / 2 + 0.01
    for bits in words((-1, 1), size - 1):
        for i in range(1, size):
            x = np.array([[*code(j, b), *[0.0] * b, bit] for j, bit in enumerate(bits)] + [[*code(size - 1, b), *code(i - 1, b), 0.0]])
            assert x.shape[1] == 2 * b + 1
            out = x[-1, -1] + attend(scale * x[:, :b] @ x[-1, b:-1], x[:, -1])
            assert np.sign(out) == bits[i - 1]


@pytest.mark.parametrize(("name", "wrong"), [("equal", lambda a, b: a != b), ("disjoint", lambda a, b: a == b == 1)])
def test_the_two_layers_that_compare_words(name: str, wrong: Callable[[float, float], bool]) -> None:
    """Width 2 b + 4: two codes, the bit, the bit fetched, the fault, and the share of faults."""
    for n in (1, 2, 3):
        size, b = 2 * n, (2 * n - 1).bit_length()
        for bits in words((-1, 1), size):
            x = np.array([[*code(j, b), *(code(j - n, b) if j >= n else [0.0] * b), bit, 0.0, 0.0, 0.0] for j, bit in enumerate(bits)])
            assert x.shape[1] == 2 * b + 4
            first = x.copy()
            for j in range(size):
                first[j, -3] = attend(math.log(2 * size) * x[: j + 1, :b] @ x[j, b : 2 * b], x[: j + 1, 2 * b])
            for j in range(n, size):
                first[j, -2] = wrong(first[j, 2 * b], float(np.sign(first[j, -3])))
            first[-1, -1] = attend(np.zeros(size), first[:, -2])
            assert (first[-1, -1] == 0) == last(name, [int(bit > 0) for bit in bits], size=n)


def test_the_layer_that_counts_in_as_many_numbers_as_symbols_and_one() -> None:
    for text in (t for n in (1, 3, 5) for t in words(range(3), n)):
        x = np.eye(4)[[3, *text]]
        for i in range(1, len(x)):
            out = x[i] + attend(np.zeros(i + 1), x[: i + 1])
            (here,) = np.flatnonzero(out >= 1)
            assert here == text[i - 1] and round((out[here] - 1) / out[3]) == text[:i].count(text[i - 1])


def test_the_programs_meet_the_rows() -> None:
    for name, size in itertools.product(("equal", "disjoint"), (4, 16)):
        rows = {r.id: r for r in hw.bounds(hw.programs.get(name, size=size), length=2 * size + 3).rows}
        assert rows["SEP-2L"].verdict == rows["SEP-2L.H"].verdict == "meets" and rows["SEP-2L.state"].bound == size
        assert rows["SEP-2L.m"].verdict.startswith(("meets", "beats"))
        assert rows["SEP-1L"].verdict.startswith("not applicable because L = 2")
        short = {r.id: r.verdict for r in hw.bounds(hw.programs.get(name, size=size), length=2 * size - 1).rows}
        assert short["SEP-2L"].startswith(f"not applicable because N = {2 * size - 1}, 2*size = {2 * size}: it assumes N >= 2*size")
    nearest = {r.id: r for r in hw.bounds(hw.programs.get("nearest"), length=25).rows}
    assert nearest["SEP-NEAREST"].verdict == nearest["SEP-NEAREST.H"].verdict == "meets" and nearest["SEP-NEAREST.state"].bound == 12
    assert "votes = 3" in {r.id: r.verdict for r in hw.bounds(hw.programs.get("nearest", k=3), length=9).rows}["SEP-NEAREST"]

    @hw.program(alphabet=("0", "1", *map(str, range(2, 8))))
    def index(token: hw.Value) -> hw.Value:  # the places 1..5 have the names 2..6
        return token.at(hw.table(lambda t: int(t) - 1 if t > "1" else None, token))

    model = hw.compile(index, length=6)
    for bits in words("01", 5):
        assert [model.run([*bits, str(i + 1)])[-1] for i in range(1, 6)] == list(bits)
    rows = {r.id: r.verdict for r in hw.bounds(model, family="index-lookup").rows}
    assert rows["SEP-INDEX"] == rows["SEP-INDEX.H"] == rows["SEP-INDEX.m"] == "meets"


@pytest.mark.parametrize(
    ("row", "family", "given", "least"),
    [("FE-1L", "recall", {}, 15), ("SEP-1L", "equal", {"size": 16}, 15), ("SEP-DYCK", "dyck", {}, 15)],
)
def test_one_layer_that_is_too_small(row: str, family: str, given: dict[str, int], least: int) -> None:
    """H (m + 1) p against bits that are counted by hand, at 32 tokens."""
    for h, m, p in ((1, 6, 2), (1, 14, 1), (3, 4, 1)):
        found = {r.id: r for r in hw.one_layer(h=h, m=m, p=p, length=32, alphabet=8, family=family, **given).rows}[row]
        assert (found.bound, found.measured) == (least, h * (m + 1) * p)
        assert ("ruled out under" in found.verdict) == (h * (m + 1) * p < least)


# --- parity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_sign_of_parity_takes_the_full_degree(n: int) -> None:
    """z3, over all real coefficients: degree n - 1 has none, degree n has."""
    for degree, wanted in ((n - 1, z3.unsat), (n, z3.sat)):
        sets = [s for d in range(degree + 1) for s in itertools.combinations(range(n), d)]
        weights = z3.Reals([f"w{i}" for i in range(len(sets))])
        solver = z3.Solver()
        for x in words((0, 1), n):
            value = z3.Sum([w for w, s in zip(weights, sets, strict=True) if all(x[i] for i in s)])
            solver.add(value > 0 if sum(x) % 2 else value < 0)
        assert solver.check() == wanted


def fractions_of(rng: random.Random, n: int, heads: int, width: int) -> Callable[[Signs], list[tuple[list[int], int]]]:
    """Random heads over n bits as the page has them: each place adds e^s v and e^s, which depend on its bit."""
    weight = [[[rng.randint(1, 9) for _ in range(2)] for _ in range(n + 1)] for _ in range(heads)]
    value = [[[[rng.randint(-9, 9) for _ in range(width)] for _ in range(2)] for _ in range(n + 1)] for _ in range(heads)]

    def handed(x: Signs) -> list[tuple[list[int], int]]:
        bits = [*x, 0]  # the last token is fixed
        return [
            ([sum(w[j][b] * v[j][b][c] for j, b in enumerate(bits)) for c in range(width)], sum(w[j][b] for j, b in enumerate(bits)))
            for w, v in zip(weight, value, strict=True)
        ]

    return handed


@pytest.mark.parametrize(("n", "heads", "degree"), [(3, 1, 1), (5, 1, 2), (5, 2, 1), (7, 3, 1), (7, 1, 3)])
def test_a_rational_function_of_heads_is_a_polynomial_of_low_degree(n: int, heads: int, degree: int) -> None:
    """2 D H = n - 1: its sum with the signs of parity is 0, so it is not parity's sign."""
    rng = random.Random(n * heads)
    handed, terms = fractions_of(rng, n, heads, 2), list(itertools.combinations_with_replacement(range(2 * heads + 1), degree))
    above, below = ([rng.randint(-9, 9) for _ in terms] for _ in range(2))
    total, seen = Fraction(0), set[int]()
    for x in words((0, 1), n):
        said = handed(x)
        flat = [Fraction(1), *(Fraction(a, b) for row, b in said for a in row)]
        p, q = (sum(c * math.prod(flat[i] for i in term) for c, term in zip(cs, terms, strict=True)) for cs in (above, below))
        whole = p * q * math.prod(b for _, b in said) ** (2 * degree)
        assert whole.denominator == 1
        seen.add((whole > 0) - (whole < 0))
        total += (-1) ** sum(x) * whole
    assert total == 0 and seen - {0}


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
def test_one_head_and_half_the_degree_are_enough(n: int) -> None:
    """So that H D >= n/2 is tight: the factors c - i - 1/2, half of them above the bar."""
    signs = set()
    for c in range(n + 1):
        factors = [c - i - Fraction(1, 2) for i in range(n)]
        value = math.prod(factors[: (n + 1) // 2]) / Fraction(math.prod(factors[(n + 1) // 2 :]))
        signs.add((value > 0) == (c % 2 == 1))
    assert len(signs) == 1


def at(p: Polynomial, x: Signs) -> Fraction:
    return sum((c * math.prod(x[i] for i in s) for s, c in p.items()), Fraction(0))


def sensitivity(f: Callable[[Signs], object], n: int) -> Fraction:
    """The mean number of signs whose flip changes f."""
    values = {x: f(x) for x in words((-1, 1), n)}
    return Fraction(sum(values[x] != values[(*x[:i], -x[i], *x[i + 1 :])] for x in values for i in range(n)), len(values))


@pytest.mark.parametrize(("n", "degree"), [(5, 1), (6, 1), (5, 2), (6, 2), (5, 3)])
def test_the_sensitivity_of_a_polynomials_sign(n: int, degree: int) -> None:
    """AS(f)² <= n + Σ AS(g_i), the step of the induction, and 2 n^(1 - 1/2^d); small coefficients, so that some values are 0."""
    rng = random.Random(n + degree)
    sets = [frozenset(s) for d in range(degree + 1) for s in itertools.combinations(range(n), d)]
    most = Fraction(0)
    for _ in range(12):
        p = {s: Fraction(rng.randint(-2, 2)) for s in sets}
        parts = [{s - {i}: c for s, c in p.items() if i in s} for i in range(n)]
        found = sensitivity(lambda x, p=p: at(p, x) >= 0, n)
        below = sum(sensitivity(lambda x, g=g: at(g, x) >= 0, n) for g in parts)
        assert found**2 <= n + below
        assert found <= 2 * n ** (1 - 1 / 2**degree)
        most = max(most, found)
    assert most > 1
    majority = sensitivity(lambda x: sum(x) >= 0, n)
    assert 1 < majority <= math.sqrt(n) < sensitivity(math.prod, n) == n


@pytest.mark.parametrize("heads", [1, 2])
def test_relu_units_after_a_layer_change_where_one_of_few_polynomials_does(heads: int) -> None:
    """Two units, the second reading the first: 1 + 2 + 4 polynomials, each of degree H in the bits."""
    rng, n, changed = random.Random(heads), 5, 0
    for _ in range(20):
        handed = fractions_of(rng, n, heads, 1)
        c1, c2, c3 = ([rng.randint(-9, 9) for _ in range(heads + 1 + extra)] for extra in (0, 1, 2))

        def pre(weights: list[int], flat: list[Fraction], units: Sequence[Fraction]) -> Fraction:
            return sum((w * v for w, v in zip(weights, [*flat, *units], strict=True)), Fraction(0))

        answers: dict[Signs, bool] = {}
        signs: dict[Signs, tuple[bool, ...]] = {}
        sums = [Fraction(0)] * 7
        for x in words((0, 1), n):
            said = handed(x)
            flat, whole = [Fraction(1), *(Fraction(row[0], b) for row, b in said)], math.prod(b for _, b in said)
            z1 = pre(c1, flat, [])
            read = [z1] + [pre(c2, flat, [z1 if on else Fraction(0)]) for on in (0, 1)]
            for on1, on2 in itertools.product((0, 1), repeat=2):
                units = [z1 if on1 else Fraction(0), read[1 + on1] if on2 else Fraction(0)]
                read.append(pre(c3, flat, units))
            h1 = max(z1, Fraction(0))
            h2 = max(pre(c2, flat, [h1]), Fraction(0))
            answers[x] = pre(c3, flat, [h1, h2]) > 0
            signs[x] = tuple(v > 0 for v in read)
            sums = [s + (-1) ** sum(x) * v * whole for s, v in zip(sums, read, strict=True)]
        assert sums == [0] * 7  # of degree H < n: orthogonal to parity
        for x, i in itertools.product(answers, range(n)):
            y = (*x[:i], 1 - x[i], *x[i + 1 :])
            changed += answers[x] != answers[y]
            assert answers[x] == answers[y] or signs[x] != signs[y]
    assert changed


# --- steps of thought ------------------------------------------------------------------------------------


def rank(f: Callable[[Signs], object], n: int) -> int:
    """The least rank of a decision tree for f on n bits, by all partial assignments."""
    values = {x: f(x) for x in words((0, 1), n)}

    @cache
    def least(known: tuple[int | None, ...]) -> int:
        if len({v for x, v in values.items() if all(k in (None, b) for k, b in zip(known, x, strict=True))}) == 1:
            return 0
        sides = [[least((*known[:i], b, *known[i + 1 :])) for b in (0, 1)] for i, bit in enumerate(known) if bit is None]
        return min(a + 1 if a == b else max(a, b) for a, b in sides)

    return least((None,) * n)


def test_the_rank_of_as_many_ones() -> None:
    """min(k, n - k + 1) for whether there are k ones, and no less for where the k-th one is."""
    for n in range(1, 6):
        for k in range(1, n + 1):
            assert rank(lambda x, k=k: sum(x) >= k, n) == min(k, n - k + 1)
            assert rank(lambda x, k=k: [*itertools.compress(itertools.count(), x), *[None] * k][k - 1], n) >= min(k, n - k + 1)


def decoders(n: int, steps: int) -> Iterator[Callable[[Signs], int]]:
    """Random layers of one hard head after n bits and a mark: score and next token are any functions of what the page lets them read."""
    for seed in range(12):
        rng = random.Random(seed)

        @cache
        def score(*_: int, rng: random.Random = rng) -> int:
            return rng.randrange(4)  # ties are common

        @cache
        def following(*_: int, rng: random.Random = rng) -> int:
            return rng.randrange(3)

        def said(x: Signs, score: Callable[..., int] = score, following: Callable[..., int] = following) -> int:
            tape = [*x, 2]
            for _ in range(steps):
                query, place = tape[-1], len(tape) - 1
                there = max(range(len(tape)), key=lambda j: (score(query, place, tape[j], j), -j))  # of equal scores the first
                tape.append(following(query, place, tape[there], there))
            return tape[-1]

        yield said


@pytest.mark.parametrize("steps", [1, 2])
def test_steps_of_one_hard_head_are_a_tree_of_that_rank(steps: int) -> None:
    ranks = [rank(f, 4) for f in decoders(4, steps)]
    assert max(ranks) == steps


# --- others ----------------------------------------------------------------------------------------------


def test_permutations_are_more_than_powers_of_a_third() -> None:
    assert all(math.factorial(f) * 3**f > f**f for f in range(1, 200))
    cost = hw.Cost(1, (1,), 9, 3, (), 0, 10, 9, 9)
    row = {r.id: r for r in hw.bounds(cost, length=8, alphabet=4, family="superposition", features=30).rows}["SUPER"]
    assert row.bound == pytest.approx(30 * math.log2(10)) and row.measured == 240 and "at least 1" in row.verdict


def test_what_a_temperature_leaves_to_the_others() -> None:
    rng = random.Random(0)
    for _ in range(200):
        n = rng.randint(2, 9)
        t, gap, temperature = rng.randint(1, n - 1), rng.uniform(0.1, 3), rng.uniform(0.05, 2)
        for extra in (0.0, rng.uniform(0, 2)):  # all as near as the gap, or farther
            scores = [1.0] * t + [1.0 - gap - extra] * (n - t)
            weights = [math.exp(s / temperature) for s in scores]
            others, bound = sum(weights[t:]) / sum(weights), (n - t) / t * math.exp(-gap / temperature)
            assert others <= bound and len({w / sum(weights) for w in weights[:t]}) == 1
            assert extra or others > bound / (1 + bound) * (1 - 1e-12)
