"""Sizes: selectors that masks hold, unions of what excludes each other, and reads that need no layer take no more than they must.

Longer runs: HEADWORK_SELECTORS=5000 pytest tests/compiler/test_sizes.py -k random
"""

from __future__ import annotations

import itertools
import operator
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.compiler.codes.linear import ONE, Lin, Unit, activations
from headwork.compiler.language.terms import FAR, Fact, Term
from headwork.compiler.pipeline import lower
from headwork.runtime.model import allocation

SIGNS: dict[str, Callable[[int, int], bool]] = {
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt},
    **{"<=": operator.le, ">": operator.gt, ">=": operator.ge},
}
Body = Callable[..., object]
SEEDS = int(os.environ.get("HEADWORK_SELECTORS", "150"))


def heads(body: Body, length: int = 256, alphabet: int = 4, causal: bool = True) -> int:
    """All heads of a program's model, which is certified."""
    model = hw.compile(hw.program(name="p", causal=causal)(body), length=length, alphabet=alphabet)  # type: ignore[arg-type]
    hw.certify(model)
    return sum(model.cost.heads)


# --- masks of position ---------------------------------------------------------------------------------------


@pytest.mark.one_in(5)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, -1), (0, 1), (2, 0), (-1, 2), (0, -9)])
def test_orders_of_positions_by_definition(sign: str, causal: bool, a: int, b: int) -> None:
    """Picked, counted, and what is left over, for a query i + a and a key t + b; twelve positions are more than a table holds."""
    n = 12

    def body(position: hw.Value) -> object:
        selector = hw.select(position + a, position + b, sign)
        both = (selector, ~selector, selector & hw.visible(position, before=True), selector | hw.match(position, position))
        return tuple(x for s in both for x in (s.count(), s.earliest().position, s.any()))

    model = hw.compile(hw.program(causal=causal)(body), length=n, alphabet=1)  # type: ignore[arg-type]
    for length in (1, 2, 7, n):
        wanted: list[tuple[object, ...]] = []
        for i in range(1, length + 1):
            seen = range(1, (i if causal else length) + 1)
            held = {t: SIGNS[sign](i + a, t + b) for t in seen}
            sets = [
                [t for t in seen if held[t]],
                [t for t in seen if not held[t]],
                [t for t in seen if held[t] and t < i],
                [t for t in seen if held[t] or t == i],
            ]
            wanted.append(tuple(x for s in sets for x in (len(s), s[0] if s else None, bool(s))))
        assert model.run([0] * length) == wanted
        assert hw.interpret(model, [0] * length) == wanted


@pytest.mark.parametrize(
    ("sign", "a", "causal", "most"),
    [
        (">", 0, True, 1),
        (">=", 0, True, 1),
        ("<", 0, True, 1),
        ("<=", 0, True, 1),
        ("!=", 0, True, 1),
        (">=", -1, True, 1),
        ("<=", -2, True, 3),  # the last three
        (">", 0, False, 1),
        (">=", 0, False, 2),
        ("<", 0, False, 3),
        ("<=", 0, False, 2),
        ("!=", 0, False, 2),
    ],
)
def test_counts_of_positions_are_masks(sign: str, a: int, causal: bool, most: int) -> None:
    assert heads(lambda position: hw.select(position + a, position, sign).count(), causal=causal) <= most


def test_a_function_that_is_a_mask_is_one() -> None:
    assert heads(lambda position: hw.select(position, position, lambda i, t: t < i).count()) == 1
    assert heads(lambda position: hw.select(position, position, lambda i, t: t < i or t > i + 3).count()) == 1  # as far as it sees
    strict = hw.program(lambda position: hw.select(position, position, lambda i, t: i > t).latest().position).build(9, 1)
    assert any(getattr(node.op, "mask", "") == "strict" for node in strict.nodes)
    both = hw.program(causal=False)(lambda position: hw.select(position, position, lambda i, t: t % 3 == i % 3).count())  # type: ignore[arg-type]
    assert hw.interpret(both, [0] * 7, alphabet=1) == [3, 2, 2, 3, 2, 2, 3]


def test_a_relation_of_nothing_and_of_all() -> None:
    never = hw.program(lambda token: hw.select(hw.visible(token).count(), token, lambda q, k: False).any())
    always = hw.program(lambda token: (hw.select(token, token, lambda q, k: True).count(), (~hw.select(token, 1, lambda q, k: True)).any()))
    for program, wanted in ((never, [False] * 3), (always, [(1, False), (2, False), (3, False)])):
        model = hw.compile(program, length=8, alphabet=3)
        hw.certify(model)
        assert model.run([0, 2, 1]) == hw.interpret(program, [0, 2, 1], alphabet=3) == wanted
    maybe = hw.program(lambda token: hw.select(hw.previous(token), token, lambda q, k: True).count())
    assert hw.interpret(maybe, [0, 1, 0], alphabet=2) == [0, 2, 3]  # ⊥ stands in no relation


# --- terms that exclude each other ---------------------------------------------------------------------------

UNIONS: list[tuple[str, Callable[[hw.Value], hw.Selector], Callable[[list[int], int, int], bool], int]] = [
    (
        "more or the same before",
        lambda t: hw.select(t, t, ">") | hw.match(t, t, before=True),
        lambda t, i, s: t[i] > t[s] or (t[i] == t[s] and s < i),
        5,
    ),
    ("less or more", lambda t: hw.select(t, t, "<") | hw.select(t, t, ">"), lambda t, i, s: t[i] != t[s], 8),
    ("not the same", lambda t: hw.select(t, t, "!=") & ~hw.match(t, t), lambda t, i, s: t[i] != t[s], 4),
    ("less and less", lambda t: hw.select(t, t, "<") & hw.select(t, t, "<"), lambda t, i, s: t[i] < t[s], 4),
    ("less and more", lambda t: hw.select(t, t, "<") & hw.select(t, t, ">"), lambda t, i, s: False, 1),
    ("less or equal, and not less", lambda t: hw.select(t, t, "<=") & ~hw.select(t, t, "<"), lambda t, i, s: t[i] == t[s], 8),
    (
        "the same as before, or not",
        lambda t: hw.match(hw.previous(t), t) | ~hw.match(hw.previous(t), t),
        lambda t, i, s: True,
        8,
    ),
]


@pytest.mark.parametrize(("selector", "holds", "most"), [row[1:] for row in UNIONS], ids=[row[0] for row in UNIONS])
def test_what_excludes_each_other_is_added(
    selector: Callable[[hw.Value], hw.Selector], holds: Callable[[list[int], int, int], bool], most: int
) -> None:
    """Sixteen symbols: an order takes four heads. Counted and picked by definition, on many sequences."""
    program = hw.program(causal=False)(lambda token: (selector(token).count(), selector(token).latest().position, selector(token).any()))  # type: ignore[arg-type]
    model = hw.compile(program, length=9, alphabet=16)
    rng = random.Random(0)
    for length in (1, 2, 5, 9):
        for _ in range(20):
            t = [rng.choice([0, 1, 7, 8, 15, rng.randrange(16)]) for _ in range(length)]
            found = [[s + 1 for s in range(length) if holds(t, i, s)] for i in range(length)]
            wanted = [(len(f), f[-1] if f else None, bool(f)) for f in found]
            assert model.run(t) == hw.interpret(model, t) == wanted
    assert heads(lambda token: selector(token).count(), 9, 16, causal=False) <= most


def test_a_union_in_the_large() -> None:
    body = lambda token: (hw.select(token, token, ">") | hw.match(token, token, before=True)).count()  # noqa: E731
    assert heads(body, length=64, alphabet=256) <= 9


def test_a_mode_of_a_union_has_no_more_classes_than_positions() -> None:
    program = hw.program(lambda token: (hw.match(token, token) | hw.match(hw.previous(token), token)).mode_count(token))
    assert hw.compile(program, length=64, alphabet=4).output_form.classes == 65 + 1


def test_terms_that_contradict_each_other_are_known() -> None:
    """Facts of one quantity whose intervals lie apart; of several they do not."""

    def fact(of: str, lo: int, hi: int) -> Term:
        return Term(facts=frozenset([Fact((of,), lo, hi)]))

    assert not (fact("x", 0, 1) & fact("x", 2, 3)).possible
    assert (fact("x", 0, 2) & fact("x", 2, 3)).possible
    assert not (fact("x", -FAR, 2) & fact("y", 5, 5) & fact("x", 3, FAR)).possible
    assert (fact("x", 0, 0) & fact("y", 1, 1)).possible


Holds = Callable[[list[int], int, int], bool]
Atom = tuple[Callable[[hw.Value, hw.Value], hw.Selector], Holds]


def read(t: list[int], i: int) -> int | None:
    return t[i - 1] if i else None


def held(f: Callable[[int, int], bool], a: int | None, b: int | None) -> bool:
    """⊥ stands in no relation."""
    return a is not None and b is not None and f(a, b)


ATOMS: list[Atom] = [
    *[(lambda t, p, s=s: hw.select(t, t, s), lambda t, i, k, f=f: f(t[i], t[k])) for s, f in SIGNS.items()],
    *[(lambda t, p, s=s: hw.select(hw.previous(t), t, s), lambda t, i, k, f=f: held(f, read(t, i), t[k])) for s, f in SIGNS.items()],
    *[(lambda t, p, s=s: hw.select(t, hw.previous(t), s), lambda t, i, k, f=f: held(f, t[i], read(t, k))) for s, f in SIGNS.items()],
    *[
        (lambda t, p, s=s, a=a: hw.select(p + a, p, s), lambda t, i, k, f=f, a=a: f(i + a, k))
        for s, f in SIGNS.items()
        for a in (-2, -1, 0, 1)
    ],
    *[(lambda t, p, w=w: hw.visible(t, within=w), lambda t, i, k, w=w: i - w < k <= i) for w in (1, 2, 5, 6)],
    (lambda t, p: hw.visible(t, before=True), lambda t, i, k: k < i),
    (lambda t, p: hw.select(t, t, lambda a, b: a % 3 == (b * b) % 5), lambda t, i, k: t[i] % 3 == t[k] ** 2 % 5),
    (lambda t, p: hw.match(hw.previous(t), hw.previous(t)), lambda t, i, k: held(operator.eq, read(t, i), read(t, k))),
]


def combined(rng: random.Random, depth: int) -> Atom:
    """A random combination of atoms, and its definition."""
    if depth == 0:
        return rng.choice(ATOMS)
    (make, holds), kind = combined(rng, depth - 1), rng.choice("~&&||")
    if kind == "~":
        return lambda t, p: ~make(t, p), lambda t, i, k: not holds(t, i, k)
    make_2, holds_2 = combined(rng, rng.randrange(depth)) if rng.random() < 0.7 else (make, holds)
    if kind == "&":
        return lambda t, p: make(t, p) & make_2(t, p), lambda t, i, k: holds(t, i, k) and holds_2(t, i, k)
    return lambda t, p: make(t, p) | make_2(t, p), lambda t, i, k: holds(t, i, k) or holds_2(t, i, k)


def differs(seed: int) -> str:
    """Where a random combination, over more symbols than a table holds, is not what its definition says; empty if nowhere."""
    rng = random.Random(seed)
    (make, holds), causal, n = combined(rng, rng.randint(1, 3)), rng.random() < 0.5, 9

    def body(token: hw.Value, position: hw.Value) -> object:
        s = make(token, position)
        return s.count(), s.any(), s.earliest().position, s.latest().position

    try:
        graph = hw.program(causal=causal)(body).build(n, 13)  # type: ignore[arg-type]
    except hw.DomainError as error:
        assert "heads, more than" in error.fact or "multiplies out" in error.fact
        return ""
    for _ in range(6):
        t = [rng.choice([0, 3, 4, rng.randrange(13)]) for _ in range(rng.randint(1, n))]
        found = [[k for k in range(len(t)) if (k <= i or not causal) and holds(t, i, k)] for i in range(len(t))]
        wanted = [(len(f), bool(f), f[0] + 1 if f else None, f[-1] + 1 if f else None) for f in found]
        got = hw.interpret(graph, t)
        if got != wanted:
            return f"seed {seed}, {t}: {got}, not {wanted}"
    return ""


def test_random_combinations_by_definition() -> None:
    """The terms themselves are at stake: the interpreter is given them, so only the definition can tell."""
    assert [found for found in map(differs, range(SEEDS)) if found] == []


def test_conditions_used_again_and_again_end() -> None:
    """What is combined with itself is worked out once, and cancels."""

    def body(token: hw.Value) -> hw.Value:
        s = hw.match(token, token)
        for k in range(40):
            s = (s & hw.select(token, k % 3, "==")) | ~s
        return s.count()

    assert hw.program(body).build(6, 3).depth == 1


def test_what_multiplies_out_beyond_use_is_refused() -> None:
    def wide(token: hw.Value, position: hw.Value) -> hw.Value:
        s = hw.select(position, 2 * position, "<")
        for k in range(3, 9):
            s = s & hw.select(k * position, position, ">")
        return s.count()

    with pytest.raises(hw.DomainError, match="multiplies out") as caught:
        hw.program(wide).build(200, 3)
    assert "return s.count()" in str(caught.value)


# --- layers that are not needed ------------------------------------------------------------------------------


@pytest.mark.parametrize(("causal", "by"), [(c, by) for c in (True, False) for by in (5, 6, 10**9, -5, -(10**9)) if by > 0 or not c])
def test_reading_beyond_the_end_takes_no_layer(by: int, causal: bool) -> None:
    model = hw.compile(hw.program(causal=causal)(lambda token: hw.previous(token, by=by)), length=5, alphabet=3)  # type: ignore[arg-type]
    assert model.cost.attention_layers == 0
    for row in itertools.product(range(3), repeat=3):
        assert model.run(row) == [None] * 3
    edge = 4 if by > 0 else -4
    near = hw.compile(hw.program(causal=causal)(lambda token: hw.previous(token, by=edge)), length=5, alphabet=3)  # type: ignore[arg-type]
    assert near.run([1, 0, 2, 0, 0]) == ([None] * 4 + [1] if by > 0 else [0] + [None] * 4)


# --- tables of several computed arguments --------------------------------------------------------------------


def test_a_table_of_large_entries_is_held_by_the_one_unit_that_fires() -> None:
    """Entries of up to 2^18, 169 of them: their sum is beyond 2^24, but no two of the units fire at once."""

    def large(x: int, y: int) -> int:
        return (x * 1_000_003 + y * 77_777) % (1 << 19) - (1 << 18)

    def body(token: hw.Value) -> object:
        a, b = hw.visible(token).counts(token)
        value = hw.table(large, a, b)
        return value > 0, value == large(2, 1), value + 5 < large(1, 1)

    model = hw.compile(hw.program(body), length=12, alphabet=2)  # type: ignore[arg-type]
    hw.certify(model)
    for row in itertools.product(range(2), repeat=6):
        counts = [(row[: i + 1].count(0), row[: i + 1].count(1)) for i in range(6)]
        assert model.run(row) == [(large(*c) > 0, c == (2, 1), large(*c) + 5 < large(1, 1)) for c in counts]


def test_a_table_beyond_the_mantissa_is_refused() -> None:
    program = hw.program(lambda token: hw.table(lambda x, y: (x + y) << 22, *hw.visible(token).counts(token)) > 5)
    with pytest.raises(hw.ExactnessError, match="16,777,216"):
        hw.compile(program, length=12, alphabet=2)
    assert hw.compile(program, length=12, alphabet=2, dtype="float64").run([0, 1]) == [True, True]


# --- what does not fit is refused before it is begun ---------------------------------------------------------


def test_units_add_up_as_their_definition_says() -> None:
    """Random units over two expressions, one after the other by definition, against the sums up to each threshold."""
    rng = random.Random(0)
    rows = np.arange(-25, 25)
    for _ in range(100):
        units: list[tuple[int, int, int, tuple[int, int]]] = [
            (rng.randint(-2, 2), rng.randint(0, 1), rng.randint(-60, 60), (rng.randint(-5, 5), rng.randint(-5, 5)))
            for _ in range(rng.randint(0, 30))
        ]
        made = [Unit(Lin.cell(1) * a + Lin.cell(2) * b + ONE * k, out) for a, b, k, out in units]
        found = activations(made, lambda lin: sum((k * (rows if f == 1 else rows**2) for (f, _), k in lin.terms), 0 * rows), len(rows), 2)
        for row, x in zip(found.tolist(), rows.tolist(), strict=True):
            fired = [(max(0, a * x + b * x * x + k), out) for a, b, k, out in units]
            assert row == [sum(pre * out[d] for pre, out in fired) for d in range(2)]


@pytest.mark.parametrize(("length", "reason"), [(10**6, "= 490,000,978 > "), (10**7, "largest entry = 18,388,609")])
def test_counts_over_long_contexts_are_refused_at_once(length: int, reason: str) -> None:
    """489 blocks of a million positions share one key, which is looked at once; of ten million, no total has a cell."""
    graph = hw.program(causal=False)(lambda token: hw.match(token, token).count()).build(length, 4)  # type: ignore[arg-type]
    began = time.perf_counter()
    with pytest.raises(hw.ExactnessError, match=reason):
        lower(graph)
    assert time.perf_counter() - began < 10  # it takes one second, and took 45


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say how much memory a process has")
def test_what_does_not_fit_in_memory_is_refused_with_its_size() -> None:
    """A process that may have half a GiB more than it has is asked for 2^27 positions."""
    code = """
import resource
from pathlib import Path
import headwork as hw
import headwork.runtime.model
has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (has + (1 << 29), -1))
try:
    hw.compile(hw.program(lambda token: hw.previous(token), name="p"), length=1 << 27, alphabet=2)
except hw.InputError as error:
    print(error.fact)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wanted = "p at length 134,217,728 and 2 symbols does not fit in memory: 1.00 GiB could not be had\n"
    assert (done.stdout, done.stderr) == (wanted, "")


def test_torch_says_how_much_it_wanted() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50, dtype=torch.uint8)
    assert allocation(str(caught.value)) == f"{1 << 50} bytes"
    assert allocation("mat1 and mat2 shapes cannot be multiplied") == ""
