"""The reference interpreter against definitions that try every pair of positions, and `interpret`'s choice of alphabet."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

import headwork as hw
from headwork import programs
from headwork.compiler.domain import Domain
from headwork.compiler.graph import Node
from headwork.compiler.ops import Fetch, Lookup, Mask, Pick
from headwork.runtime.interpreter import Column, interpret_graph, node_values

MASKS: tuple[Mask, ...] = ("causal", "strict", "full")
PICKS: tuple[Pick, ...] = ("latest", "earliest")


def lookup(mask: Mask, pick: Pick, queries: Sequence[Column], keys: Sequence[Column]) -> Column:
    """What the interpreter chooses for whole columns of queries and keys."""
    op = Lookup(mask, pick, len(queries))
    node = Node(op, tuple(range(2 * len(queries))), Domain("position", 1, 9, none=True), "lookup")
    return node_values(node, [*queries, *keys], [0] * len(queries[0]))


def definition(mask: Mask, pick: Pick, queries: Sequence[Column], keys: Sequence[Column]) -> Column:
    """Every position i looks at every position t: visible, all components present and equal; then the last or the first."""
    n = len(queries[0])
    chosen: Column = []
    for i in range(1, n + 1):
        found = [
            t
            for t in range(1, n + 1)
            if {"causal": t <= i, "strict": t < i, "full": True}[mask]
            and all(q[i - 1] is not None and k[t - 1] is not None and q[i - 1] == k[t - 1] for q, k in zip(queries, keys, strict=True))
        ]
        chosen.append(None if not found else max(found) if pick == "latest" else min(found))
    return chosen


def columns(n: int, values: Sequence[int | None]) -> list[Column]:
    return [list(row) for row in itertools.product(values, repeat=n)]


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("mask", MASKS)
def test_lookups_on_every_short_input(mask: Mask, pick: Pick) -> None:
    """All queries and keys of ⊥, 0 and 1 up to length 4."""
    found = 0
    for n in range(1, 5):
        for query, key in itertools.product(columns(n, (None, 0, 1)), repeat=2):
            wanted = definition(mask, pick, [query], [key])
            assert lookup(mask, pick, [query], [key]) == wanted, (query, key)
            found += sum(t is not None for t in wanted)
    assert found > 1000  # the definition does choose


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("mask", MASKS)
def test_lookups_of_pairs_on_every_short_input(mask: Mask, pick: Pick) -> None:
    """Two components must both be there and both be equal."""
    for query, other, key, last in itertools.product(columns(2, (None, 0, 1)), repeat=4):
        assert lookup(mask, pick, [query, other], [key, last]) == definition(mask, pick, [query, other], [key, last])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("mask", MASKS)
def test_lookups_on_random_inputs(mask: Mask, pick: Pick, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        n, parts = rng.randint(5, 40), rng.randint(1, 3)
        values = [None, *range(-rng.randint(0, 2), rng.randint(1, 5))]
        queries, keys = ([[rng.choice(values) for _ in range(n)] for _ in range(parts)] for _ in range(2))
        assert lookup(mask, pick, queries, keys) == definition(mask, pick, queries, keys)


@pytest.mark.parametrize("mask", MASKS)
def test_only_lookups_by_position(mask: Mask) -> None:
    """`only` is for keys that are the positions themselves: each occurs once, and there is nothing to break."""
    for n in range(1, 5):
        for query in columns(n, (None, 0, *range(1, n + 2))):
            key: Column = list(range(1, n + 1))
            assert lookup(mask, "only", [query], [key]) == definition(mask, "latest", [query], [key])


def test_a_query_is_not_a_key_of_another_type_of_nothing() -> None:
    """⊥ equals nothing, ⊥ included; a pair with one ⊥ equals no pair."""
    assert lookup("full", "latest", [[None, None]], [[None, None]]) == [None, None]
    assert lookup("full", "latest", [[1, 1], [None, 2]], [[1, 1], [None, 2]]) == [None, 2]


def test_fetch_reads_where_the_lookup_chose() -> None:
    node = Node(Fetch(), (0, 1), Domain("int", 0, 9, none=True), "fetch")
    assert node_values(node, [[None, 1, 1, 3], [5, 6, None, 8]], [0] * 4) == [None, 5, 5, None]


def test_nothing_in_nothing_out() -> None:
    graph = programs.induction.make().build(4, 3)
    assert interpret_graph(graph, []) == [[] for _ in graph.nodes]
    assert hw.interpret(programs.induction.make(), []) == []
    assert hw.interpret(hw.program(lambda token: token), []) == []


def test_constants_sources_and_missing_arguments() -> None:
    @hw.program
    def p(token: hw.Value, position: hw.Value) -> hw.Value:
        return hw.where(hw.previous(token) == 1, position * 10, None).or_else(-7)

    graph = p.build(5, 3)
    named = {n.name: c for n, c in zip(graph.nodes, interpret_graph(graph, [1, 2, 1, 1]), strict=True)}
    assert named["token"] == [1, 2, 1, 1] and named["position"] == [1, 2, 3, 4]
    assert hw.interpret(p, [1, 2, 1, 1], alphabet=3) == [-7, 20, -7, 40]


@pytest.mark.parametrize("k", [1, 6])
def test_a_long_sequence(k: int) -> None:
    """65,536 tokens: all pairs of positions would be four thousand million."""
    rng = random.Random(k)
    tokens = [rng.randrange(500) for _ in range(1 << 16)]
    got = hw.interpret(programs.khop.make(k), tokens, alphabet=500)
    assert got == programs.khop.reference(tokens, k)
    assert sum(x is not None for x in got) > 60_000


# --- interpret -------------------------------------------------------------------------------------------

echo = hw.program(lambda token: token)
size = hw.program(lambda token: token * 0 + token.domain.size)
length = hw.program(lambda token, position: position * 0 + position.domain.size)


def test_integers_make_a_numeric_alphabet_up_to_the_greatest() -> None:
    assert hw.interpret(size, [2, 0, 5, 2]) == [6, 6, 6, 6]
    assert hw.interpret(hw.program(lambda token: token + 1), [0, 3]) == [1, 4]


@pytest.mark.parametrize(
    "tokens",
    [["b", "a", "b"], [3, "a", 3], [-1, 4, -1], [(1, 2), (), (1, 2)], ["", " "], [1.5, 0.5], [True, False], [False], [0.0, 1.0], [0.0]],
    ids=repr,
)
def test_other_symbols_make_the_alphabet_that_occurs(tokens: list[object]) -> None:
    got = hw.interpret(echo, tokens)  # type: ignore[arg-type]
    assert got == tokens and [type(x) for x in got] == [type(x) for x in tokens]
    assert hw.interpret(hw.program(lambda token: hw.match(token, token).earliest().position), tokens) == [  # type: ignore[arg-type]
        tokens.index(t) + 1 for t in tokens
    ]


def test_the_programs_own_alphabet_comes_before_what_occurs() -> None:
    mine = hw.program(alphabet=["x", "y", "z"])(lambda token: token)
    assert hw.interpret(mine, ["y"]) == ["y"]
    with pytest.raises(hw.InputError, match="token 2 is 'w', which is not in the alphabet"):
        hw.interpret(mine, ["y", "w"])


def test_an_alphabet_given_comes_before_the_programs_own() -> None:
    mine = hw.program(alphabet=["x"])(lambda token: token)
    assert hw.interpret(mine, ["w"], alphabet=["w", "v"]) == ["w"]
    assert hw.interpret(size, [0], alphabet=9) == [9]
    with pytest.raises(hw.InputError, match="token 1 is 9"):
        hw.interpret(size, [9], alphabet=9)


def test_the_length_is_the_sequences_own_unless_given() -> None:
    assert hw.interpret(length, [0, 0, 0]) == [3, 3, 3]
    assert hw.interpret(length, [0, 0, 0], length=8) == [8, 8, 8]
    with pytest.raises(hw.InputError, match="3 tokens, more than the length 2"):
        hw.interpret(length, [0, 0, 0], length=2)


@pytest.mark.parametrize("tokens", ["abc", [None], [0, None], [["a"]]], ids=repr)
def test_what_is_no_sequence_of_symbols(tokens: Sequence[object]) -> None:
    with pytest.raises(hw.InputError) as caught:
        hw.interpret(echo, tokens)  # type: ignore[arg-type]
    assert caught.value.hint


def test_true_is_not_one() -> None:
    with pytest.raises(hw.InputError, match="token 2 is True"):
        hw.interpret(echo, [1, True], alphabet=3)
    with pytest.raises(hw.InputError, match="token 1 is 1"):
        hw.interpret(echo, [1], alphabet=[True, False])


def test_graphs_and_models_are_interpreted_at_their_own_sizes() -> None:
    program = programs.induction.make()
    tokens = list("abcabca")
    wanted = programs.induction.reference(tokens)
    assert hw.interpret(program, tokens) == wanted
    assert hw.interpret(program.build(9), tokens) == wanted
    assert hw.interpret(hw.compile(program, length=9), tokens) == wanted
    with pytest.raises(hw.InputError, match="7 tokens, more than the length 5"):
        hw.interpret(program.build(5), tokens)


def test_values_come_back_in_the_users_types() -> None:
    assert hw.interpret(hw.program(lambda token: token == "a"), ["a", "b"]) == [True, False]
    got = hw.interpret(hw.program(lambda token: hw.previous(token) == "a"), ["a", "b"])
    assert got == [None, True] and got[1] is True
