"""Selectors and aggregates against their definitions, said again in plain Python: no terms, no totals, no codes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pytest

import headwork as hw

Tokens = Sequence[int]
Holds = Callable[[Tokens, int, int], bool]  # tokens, i, t (from 0): is t selected at i


@dataclass(frozen=True)
class Case:
    """A selector in the language, and what it means."""

    name: str
    make: Callable[[hw.Value, hw.Value], hw.Selector]
    holds: Holds


def shifted(token: hw.Value) -> hw.Value:
    """The token before this one: ⊥ at the first position."""
    return hw.previous(token)


def pairs(token: hw.Value, _: hw.Value) -> hw.Selector:
    return hw.match((token, shifted(token)), (token, shifted(token)))


CASES = [
    Case("==", lambda t, p: hw.select(t, t, "=="), lambda x, i, t: x[i] == x[t]),
    Case("!=", lambda t, p: hw.select(t, t, "!="), lambda x, i, t: x[i] != x[t]),
    Case("<", lambda t, p: hw.select(t, t, "<"), lambda x, i, t: x[i] < x[t]),
    Case("<=", lambda t, p: hw.select(t, t, "<="), lambda x, i, t: x[i] <= x[t]),
    Case(">", lambda t, p: hw.select(t, t, ">"), lambda x, i, t: x[i] > x[t]),
    Case(">=", lambda t, p: hw.select(t, t, ">="), lambda x, i, t: x[i] >= x[t]),
    Case("< by bits", lambda t, p: hw.select(p, p, "<"), lambda x, i, t: i < t),
    Case(">= by bits", lambda t, p: hw.select(p, p, ">="), lambda x, i, t: i >= t),
    Case("!= by bits", lambda t, p: hw.select(p, p, "!="), lambda x, i, t: i != t),
    Case("order of unlike ranges", lambda t, p: hw.select(t * 3 - 4, p, ">"), lambda x, i, t: 3 * x[i] - 4 > t + 1),
    Case("order with ⊥", lambda t, p: hw.select(shifted(t), t, "<"), lambda x, i, t: i > 0 and x[i - 1] < x[t]),
    Case("not order with ⊥", lambda t, p: ~hw.select(t, shifted(t), "<"), lambda x, i, t: not (t > 0 and x[i] < x[t - 1])),
    Case("not == with ⊥", lambda t, p: ~hw.match(shifted(t), shifted(t)), lambda x, i, t: not (i > 0 and t > 0 and x[i - 1] == x[t - 1])),
    Case("!= with ⊥", lambda t, p: hw.select(t, shifted(t), "!="), lambda x, i, t: t > 0 and x[i] != x[t - 1]),
    Case("predicate", lambda t, p: hw.select(t, t, lambda q, k: (q * k) % 3 == 1), lambda x, i, t: x[i] * x[t] % 3 == 1),
    Case("not predicate", lambda t, p: ~hw.select(t, t, lambda q, k: (q * k) % 3 == 1), lambda x, i, t: x[i] * x[t] % 3 != 1),
    Case("predicate of classes", lambda t, p: hw.select(t, t, lambda q, k: q % 2 == k // 2), lambda x, i, t: x[i] % 2 == x[t] // 2),
    Case("predicate of two kinds", lambda t, p: hw.select(t, p, lambda q, k: k % (q + 1) == 0), lambda x, i, t: (t + 1) % (x[i] + 1) == 0),
    Case("tuples", pairs, lambda x, i, t: i > 0 < t and x[i - 1 : i + 1] == x[t - 1 : t + 1]),
    Case("before", lambda t, p: hw.match(t, t, before=True), lambda x, i, t: x[i] == x[t] and t < i),
    Case("not before", lambda t, p: ~hw.match(t, t, before=True), lambda x, i, t: not (x[i] == x[t] and t < i)),
    Case("within 2", lambda t, p: hw.match(t, t, within=2), lambda x, i, t: x[i] == x[t] and i - 2 < t <= i),
    Case("within 5", lambda t, p: hw.select(t, t, "<", within=5), lambda x, i, t: x[i] < x[t] and i - 5 < t <= i),
    Case("not within", lambda t, p: ~hw.visible(t, within=2), lambda x, i, t: not i - 2 < t <= i),
    Case("not within 5", lambda t, p: ~hw.visible(t, within=5), lambda x, i, t: not i - 5 < t <= i),
    Case("and", lambda t, p: hw.select(t, t, "<") & hw.select(p, p, "!="), lambda x, i, t: x[i] < x[t] and i != t),
    Case("or", lambda t, p: hw.select(t, t, "<") | hw.match(t, shifted(t)), lambda x, i, t: x[i] < x[t] or (t > 0 and x[i] == x[t - 1])),
    Case("nor", lambda t, p: ~(hw.select(t, t, "<") | hw.match(2, t)), lambda x, i, t: not (x[i] < x[t] or x[t] == 2)),
    Case("all", lambda t, p: hw.visible(t), lambda x, i, t: True),
    Case("none", lambda t, p: ~hw.visible(t), lambda x, i, t: False),
]  # fmt: skip


def sequences(alphabet: int, longest: int, count: int, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(alphabet) for _ in range(rng.randint(1, longest))] for _ in range(count)]


def selected(case: Case, x: Tokens, i: int, causal: bool) -> list[int]:
    return [t for t in range(len(x)) if (t <= i or not causal) and case.holds(x, i, t)]


WANTED: dict[str, tuple[Callable[[hw.Selector, hw.Value, hw.Value], hw.Value], Callable[[Tokens, list[int]], object]]] = {
    "count": (lambda s, t, p: s.count(), lambda x, ts: len(ts)),
    "any": (lambda s, t, p: s.any(), lambda x, ts: bool(ts)),
    "any of value": (lambda s, t, p: s.any(t == 1), lambda x, ts: any(x[t] == 1 for t in ts)),
    "all of value": (lambda s, t, p: s.all(t >= 1), lambda x, ts: all(x[t] >= 1 for t in ts) if ts else None),
    "latest": (lambda s, t, p: s.latest().position, lambda x, ts: max(ts) + 1 if ts else None),
    "earliest": (lambda s, t, p: s.earliest().fetch(t), lambda x, ts: x[min(ts)] if ts else None),
    "unique": (lambda s, t, p: s.unique().position, lambda x, ts: ts[0] + 1 if len(ts) == 1 else None),
    "largest": (lambda s, t, p: s.largest(by=t).position, lambda x, ts: max(ts, key=lambda t: (x[t], t)) + 1 if ts else None),
    "smallest": (lambda s, t, p: s.smallest(by=t).position, lambda x, ts: max(ts, key=lambda t: (-x[t], t)) + 1 if ts else None),
    "sum": (lambda s, t, p: s.sum(t * 2 - 3), lambda x, ts: sum(2 * x[t] - 3 for t in ts) if ts else None),
    "max": (lambda s, t, p: s.max(hw.previous(t)), lambda x, ts: max((x[t - 1] for t in ts if t), default=None)),
    "min": (lambda s, t, p: s.min(t), lambda x, ts: min((x[t] for t in ts), default=None)),
    "mode": (lambda s, t, p: s.mode(t), lambda x, ts: _mode([x[t] for t in ts])),
    "mean": (lambda s, t, p: s.mean(t) > Fraction(3, 2), lambda x, ts: sum(x[t] for t in ts) > 1.5 * len(ts) if ts else None),
}


def _mode(values: list[int]) -> int | None:
    counts = Counter(values)
    return min(counts, key=lambda v: (-counts[v], v)) if counts else None


@pytest.mark.one_in(3)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "bidirectional"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_aggregates_and_picks_mean_what_their_definitions_say(case: Case, causal: bool) -> None:
    """Every aggregate of every selector, in the interpreter; as a program with one boolean output for each they share a graph."""
    length, alphabet = 7, 4
    for name, (make, meaning) in WANTED.items():
        program = hw.program(name=name, causal=causal)(lambda token, position, make=make: make(case.make(token, position), token, position))
        graph = program.build(length, alphabet)
        for x in sequences(alphabet, length, 12, seed=3):
            wanted = [meaning(x, selected(case, x, i, causal)) for i in range(len(x))]
            assert hw.interpret(graph, x) == wanted, (name, x)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "bidirectional"])
@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.name for case in CASES])
def test_compiled_aggregates_are_exact(index: int, causal: bool) -> None:
    """Every value inside, for a few aggregates of every selector; over all selectors each aggregate has its turn."""
    case, names = CASES[index], list(WANTED)
    for name in (names[(5 * index + 3 * causal + j * 5) % len(names)] for j in range(3)):
        make = WANTED[name][0]
        program = hw.program(name=name, causal=causal)(lambda token, position, make=make: make(case.make(token, position), token, position))
        report = hw.check(hw.compile(program, length=11, alphabet=4), samples=24, exhaustive=2)
        assert report.ok, (name, str(report))


@pytest.mark.parametrize(("length", "dtype", "heads"), [(2048, "float32", 1), (5000, "float32", 3), (5000, "float64", 1)])
def test_long_counts_are_exact_block_by_block(length: int, dtype: str, heads: int) -> None:
    """One head adds up 2,048 matches in float32; longer contexts take one head for each block."""

    @hw.program(name="count", causal=True)
    def count(token: hw.Value) -> hw.Value:
        return hw.match(token, token).count()

    model = hw.compile(count, length=length, alphabet=3, dtype=dtype)
    assert max(model.cost.heads) == heads
    rng = random.Random(5)
    for x in ([0] * length, [rng.randrange(3) for _ in range(length)]):
        seen: Counter[int] = Counter()
        wanted = []
        for token in x:
            seen[token] += 1
            wanted.append(seen[token])
        assert model.run(x) == wanted


def test_sums_of_large_values_go_digit_by_digit() -> None:
    """Values beyond what one cell adds up exactly are cut into digits; all in one head."""

    @hw.program(name="total", causal=True)
    def total(token: hw.Value) -> hw.Value:
        return hw.visible(token).sum(token * 3 - 100) >= 4321

    model = hw.compile(total, length=1024, alphabet=90)
    assert model.cost.heads == (1,)
    rng = random.Random(7)
    x = [rng.randrange(90) for _ in range(1024)]
    wanted = [sum(3 * v - 100 for v in x[: i + 1]) >= 4321 for i in range(len(x))]
    assert len(set(wanted)) == 2
    assert model.run(x) == wanted
    assert hw.check(model, samples=3, exhaustive=0, inputs=[x]).ok


def test_windows_and_orders_take_a_head_a_bit_or_a_place() -> None:
    """The lowering is the cheaper one: an order on 256 values takes 8 heads, on 4 values one."""

    def heads(make: Callable[[hw.Value], hw.Value], alphabet: int) -> int:
        return max(hw.compile(hw.program(name="p")(lambda token: make(token)), length=32, alphabet=alphabet).cost.heads)

    assert heads(lambda t: hw.select(t, t, "<").count(), 256) == 8
    assert heads(lambda t: hw.select(t, t, "<").count(), 4) == 1
    assert heads(lambda t: hw.match(t, t, within=3).count(), 4) == 3
    assert heads(lambda t: hw.match(t, t, within=20).count(), 4) == 6


MISTAKES: list[tuple[str, Callable[[hw.Value, hw.Value], object], tuple[str, ...]]] = [
    ("unknown relation", lambda t, p: hw.select(t, t, "=<"), ("'=<'", "== != < <= > >=")),
    ("predicate raises", lambda t, p: hw.select(t, t, lambda q, k: 1 // k), ("(0, 0)", "ZeroDivisionError", "True or False")),
    ("predicate returns 2", lambda t, p: hw.select(t, t, lambda q, k: 2), ("returned 2",)),
    ("predicate too large", lambda t, p: hw.select(p, p, lambda q, k: q * k % (q + k) == 0), ("300 x 300 values", "as a table too large")),
    ("order of symbols", lambda t, p: hw.select(hw.table(lambda v: v == 1, t), True, "<"), ("orders a boolean",)),
    ("tuple order", lambda t, p: hw.select((t, t), (t, t), "<"), ("tuples", "&")),
    ("no window", lambda t, p: hw.match(t, t, within=0), ("within=0",)),
    ("and with a value", lambda t, p: hw.match(t, t) & (t == 1), ("combines a selector",)),
    ("truth", lambda t, p: hw.match(t, t) and t, ("no truth",)),
    (
        "too many heads",
        lambda t, p: (hw.select(p, 2 * p, "<") & hw.select(3 * p, p, ">") & hw.select(p, 5 * p, "!=")).any(),
        ("heads", "128"),
    ),
    ("counts of a wide value", lambda t, p: hw.match(t, t).counts(p)[0], ("counts() of a position", "300 values", "256")),
    ("mode of a wide value", lambda t, p: hw.match(t, t).mode(p), ("300 values", "256")),
    ("sum of a boolean's selector", lambda t, p: hw.match(t, t).sum(hw.match(t, t)), ("not a value",)),
    ("mean against a float", lambda t, p: hw.match(t, t).mean(t) > 0.5, ("0.5", "Fraction")),
    ("returns a selector", lambda t, p: hw.match(t, t), (".count()",)),
    ("closest of two kinds", lambda t, p: hw.visible(t).closest((t, t == 1), (t, t)).position, ("closest() compares",)),
    ("closest of several heads", lambda t, p: (hw.select(2 * p, p, "<") | hw.match(t, t)).closest(t, t).found, ("selector of", "match()")),
    ("closest of unlike tuples", lambda t, p: hw.visible(t).closest((t, p), t).found, ("closest() compares 2 query values with 1",)),
    ("division by 0", lambda t, p: p // 0, ("divides by 0",)),
    ("scan of a difference", lambda t, p: hw.scan(lambda a, b: (a - b) % 4, t), ("not associative", "(0 op 0) op 1 is 3", "op 1) is 1")),
    ("scan leaves the domain", lambda t, p: hw.scan(lambda a, b: a + b, t), ("returned 4", "(1, 3)")),
    ("scan raises", lambda t, p: hw.scan(lambda a, b: a // b, t), ("ZeroDivisionError",)),
    ("scan of positions", lambda t, p: hw.scan(max, p), ("90,000",)),
    ("scan with no head", lambda t, p: hw.scan(max, t, heads=0), ("heads=0",)),
]  # fmt: skip


@pytest.mark.parametrize(("body", "texts"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_mistakes_name_the_line_and_the_fix(body: Callable[[hw.Value, hw.Value], object], texts: tuple[str, ...]) -> None:
    with pytest.raises(hw.HeadworkError) as caught:
        hw.program(name="p")(lambda token, position: body(token, position)).build(300, 4)  # type: ignore[arg-type, return-value]
    message = str(caught.value)
    assert "test_select.py:" in message
    for text in texts:
        assert text in message, message


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_scans_combine_every_prefix_in_logarithmic_depth(heads: int) -> None:
    """An operation that is associative and not commutative: composition of maps of {0, 1, 2}, by number."""
    maps = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    after = [[maps.index(tuple(g[f[v]] for v in range(3))) for g in maps] for f in maps]
    program = hw.program(name="scan")(lambda token: hw.scan(lambda f, g: after[f][g], token, heads=heads))
    for length in (1, 2, 9, 17):
        model = hw.compile(program, length=length, alphabet=27)
        assert model.cost.attention_layers == next(L for L in range(99) if (heads + 1) ** L >= length)
        assert max(model.cost.heads, default=0) <= heads
        x = [random.Random(length + j).randrange(27) for j in range(length)]
        wanted, so_far = [], maps.index((0, 1, 2))
        for f in x:
            so_far = after[so_far][f]
            wanted.append(so_far)
        assert model.run(x) == wanted
        assert hw.check(model, samples=8, exhaustive=0).ok


def test_what_selects_itself_is_never_empty() -> None:
    """Sums and modes over selections that hold this position are never ⊥, so that nothing downstream has to ask."""
    bodies: list[tuple[Callable[[hw.Value], hw.Value], bool]] = [
        (lambda t: hw.visible(t).sum(t), False),
        (lambda t: hw.match(t, t).mode(t), False),
        (lambda t: hw.match(t, t, before=True).sum(t), True),
        (lambda t: hw.match(t, shifted(t)).sum(t), True),
        (lambda t: hw.match(shifted(t), shifted(t)).sum(t), True),
        (lambda t: hw.select(t, t, "<").mode(t), True),
        (lambda t: hw.visible(t).mode(shifted(t)), True),
    ]
    for body, none in bodies:
        graph = hw.program(name="p")(lambda token, body=body: body(token)).build(6, 3)
        assert graph.nodes[graph.output].domain.none is none
        found = [hw.interpret(graph, x) for x in sequences(3, 6, 40, seed=9)]
        assert any(None in row for row in found) is none


@pytest.mark.parametrize(("divisor", "length"), [(1, 6), (2, 40), (7, 512), (100, 512)])
def test_division_of_wide_values_goes_in_two_levels(divisor: int, length: int) -> None:
    """2·sqrt(S) steps in place of S, on a value that runs from below zero; and the whole is exact where one level would not be."""

    def total(token: hw.Value) -> hw.Value:
        return hw.visible(token).sum(token - 30)

    rng = random.Random(11)
    inputs = [[rng.randrange(90) for _ in range(length)], [0] * length, [89] * length]
    for name, body in (("quotient", lambda t: total(t) // divisor), ("rest", lambda t: total(t) % divisor)):
        model = hw.compile(hw.program(name=name)(lambda token, body=body: body(token)), length=length, alphabet=90)
        assert max(model.cost.d_mlp, default=0) < max(10, 6 * (90 * length / divisor) ** 0.5)
        for x in inputs:
            sums = [sum(v - 30 for v in x[: i + 1]) for i in range(length)]
            assert model.run(x) == [s // divisor if name == "quotient" else s % divisor for s in sums]
        assert hw.check(model, samples=2, exhaustive=0, inputs=inputs).ok


def bits(token: hw.Value) -> tuple[hw.Value, ...]:
    return tuple(hw.table(lambda v, b=b: bool(v >> b & 1), token) for b in range(2))


def before(x: Tokens, i: int) -> int | None:
    return x[i - 1] if i else None


def apart(x: Tokens, i: int, t: int) -> int:
    return (x[i] ^ x[t]).bit_count()


Distance = Callable[[Tokens, int, int], int | None]  # of the key at t from the query at i; None where t is no candidate
CLOSEST: list[tuple[str, Callable[[hw.Value], hw.Hit], Distance]] = [
    ("bits", lambda t: hw.visible(t).closest(bits(t), bits(t)), apart),
    (
        "bits, before",
        lambda t: hw.visible(t, before=True).closest(bits(t), bits(t)),
        lambda x, i, t: apart(x, i, t) if t < i else None,
    ),
    ("one value", lambda t: hw.visible(t, before=True).closest(t, t), lambda x, i, t: int(x[i] != x[t]) if t < i else None),
    ("a literal", lambda t: hw.visible(t).closest((t, 2), (0, t)), lambda x, i, t: (x[i] != 0) + (x[t] != 2)),
    (
        "among matches",
        lambda t: hw.match(t, t).closest(shifted(t), shifted(t)),
        lambda x, i, t: int(x[i - 1] != x[t - 1]) if i and t and x[i] == x[t] else None,
    ),
    (
        "with ⊥",
        lambda t: hw.visible(t).closest((t, shifted(t)), (shifted(t), t)),
        lambda x, i, t: (x[i] != x[t - 1]) + (x[i - 1] != x[t]) if i and t else None,
    ),
    (
        "of a relation",
        lambda t: hw.select(t, t, lambda q, k: q != k).closest(bits(t), bits(t)),
        lambda x, i, t: apart(x, i, t) if x[i] != x[t] else None,
    ),
]


@pytest.mark.parametrize("causal", [True, False], ids=["causal", "bidirectional"])
@pytest.mark.parametrize(("make", "distance"), [case[1:] for case in CLOSEST], ids=[case[0] for case in CLOSEST])
def test_the_closest_is_the_one_with_the_fewest_differences(make: Callable[[hw.Value], hw.Hit], distance: Distance, causal: bool) -> None:
    """Against a minimum over every pair of positions; None says that a position is no candidate."""
    program = hw.program(name="closest", causal=causal)(lambda token: make(token).position)
    for code in ("auto", "binary", "onehot"):
        model = hw.compile(program, length=9, alphabet=4, code=code)
        for x in sequences(4, 9, 25, seed=13):
            wanted: list[int | None] = []
            for i in range(len(x)):
                found = [(d, -t) for t in range(i + 1 if causal else len(x)) if (d := distance(x, i, t)) is not None]
                wanted.append(1 - min(found)[1] if found else None)
            assert hw.interpret(model, x) == wanted
            assert model.run(x) == wanted
    assert hw.check(hw.compile(program, length=9, alphabet=4), samples=20, exhaustive=3).ok


def test_the_closest_takes_a_dimension_a_bit() -> None:
    """Ten bits at length 1,024: a head of 10 products, and two for what query and key add alone; one constant is compared."""

    @hw.program(name="closest")
    def program(token: hw.Value) -> hw.Value:
        ten = tuple(hw.table(lambda v, b=b: bool(v >> b & 1), token) for b in range(10))
        return hw.visible(token).closest(ten, ten).position

    cost = hw.compile(program, length=1024, alphabet=1024).cost
    assert cost.heads == (1,) and cost.d_head <= 10 + 3


@pytest.mark.slow
def test_what_is_certified_of_the_closest_is_right() -> None:
    """Every weight of two small models, damaged in three ways: a model that still certifies gives the right values everywhere."""
    for name, length, damages in (("associative_memory", 4, (0.0, -1.0, 1.5)), ("nearest", 3, (0.0, 0.5, -1.0))):
        model = hw.compile(hw.programs.get(name, bits=1), length=length)
        assert hw.certify(model)
        rng, refused = random.Random(17), 0
        places = [(key, tuple(i)) for key, w in model.module.named_parameters() for i in w.detach().nonzero().tolist()]
        for key, place in rng.sample(places, min(60, len(places))):
            weight = dict(model.module.named_parameters())[key].data
            old = weight[place].item()
            for damage in damages:
                weight[place] = old * damage
                try:
                    hw.certify(model)
                except hw.Refused:
                    refused += 1
                else:
                    assert hw.check(model, exhaustive=length, samples=0).ok, (name, key, place, damage)
            weight[place] = old
        assert refused > 60
