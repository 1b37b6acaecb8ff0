"""The depth optimiser: theorem's depth for every k, the best depth for any chain, and never another value."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork.compiler.graph import Graph
from headwork.compiler.rewrite import PASSES, optimise
from headwork.runtime.interpreter import interpret_graph, interpret_roots
from headwork.tests import generate


def output(graph: Graph, ids: list[int]) -> list[int | None]:
    return interpret_graph(graph, ids)[graph.output]


def khop_by_match(k: int) -> hw.Program:
    """k-hop written with the previous-token form of the match, and fetches instead of positions."""

    @hw.program(name=f"khop-match-{k}")
    def hop(token: hw.Value) -> hw.Value:
        hit = hw.match(query=token, key=hw.previous(token)).latest()
        out = token
        for _ in range(k):
            out = hit.fetch(out)
        return out

    return hop


def khop_by_pointers(k: int, ahead: bool) -> hw.Program:
    """k-hop that follows the pointer first, from its end or from its beginning, and reads the token last."""

    @hw.program(name=f"khop-pointers-{k}")
    def hop(token: hw.Value) -> hw.Value:
        jump = hw.match(query=token, key=token, before=True).latest().position + 1
        place = jump
        for _ in range(k - 1):
            place = place.at(jump) if ahead else jump.at(place)
        return token.at(place)

    return hop


KHOPS = {
    "at": lambda k: hw.programs.get("khop", k=k),
    "fetch": khop_by_match,
    "pointers": lambda k: khop_by_pointers(k, ahead=True),
    "pointers-last": lambda k: khop_by_pointers(k, ahead=False),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize("make", KHOPS.values(), ids=KHOPS)
def test_khop_reaches_the_theorem_for_every_k(make) -> None:
    rng = random.Random(0)
    for k in range(1, 65):
        written = make(k).build(70, 3)
        optimised = optimise(written)
        assert optimised.depth == math.floor(math.log2(k)) + 2, k
        row = [rng.randrange(3) for _ in range(70)]
        assert output(optimised, row) == output(written, row)


@pytest.mark.parametrize("k", [*range(1, 18), 31, 32, 33, 63, 64])
def test_khop_has_one_head_a_layer(k: int) -> None:
    cost = hw.compile(hw.programs.get("khop", k=k), length=80, alphabet=3).cost
    assert cost.heads == (1,) * (math.floor(math.log2(k)) + 2)


def test_squaring_by_hand_is_seen_through() -> None:
    """A user who doubles the pointer himself gets the same depth as the loop."""

    @hw.program
    def eight(token: hw.Value) -> hw.Value:
        jump = hw.match(query=token, key=token, before=True).latest().position + 1
        for _ in range(3):
            jump = jump.at(jump)
        return token.at(jump)

    assert optimise(eight.build(40, 3)).depth == 5


def test_steps_of_previous_are_one_read() -> None:
    @hw.program
    def back(token: hw.Value) -> hw.Value:
        for _ in range(5):
            token = hw.previous(token)
        return token

    graph = optimise(back.build(9, 3))
    assert graph.depth == 1
    assert output(graph, [0, 1, 2, 0, 1, 2, 2]) == [None] * 5 + [0, 1]


def test_shifted_match_saves_the_previous_layer() -> None:
    @hw.program
    def where_next(token: hw.Value) -> hw.Value:
        return hw.match(query=token, key=hw.previous(token)).latest().position

    written = where_next.build(9, 3)
    assert (written.depth, optimise(written).depth) == (2, 1)


def best_depth(depths: tuple[int, ...]) -> int:
    """The least depth of a composition of leaves, by trying every bracketing."""
    table: dict[tuple[int, int], int] = {(i, i + 1): d for i, d in enumerate(depths)}
    for width in range(2, len(depths) + 1):
        for a in range(len(depths) - width + 1):
            table[a, a + width] = 1 + min(max(table[a, m], table[m, a + width]) for m in range(a + 1, a + width))
    return table[0, len(depths)]


@pytest.mark.parametrize("seed", range(40))
def test_chains_of_several_maps_reach_the_best_bracketing(seed: int) -> None:
    """Maps of depth 1 and 2 in any order: the optimised depth is no worse than the best of all bracketings."""
    rng = random.Random(seed)
    word = [rng.choice([1, 1, 2]) for _ in range(rng.randint(1, 9))]

    @hw.program
    def chain(token: hw.Value) -> hw.Value:
        p = hw.match(query=token, key=token, before=True).latest().position + 1
        q = hw.match(query=hw.where(hw.previous(token).exists, hw.previous(token), token), key=token, before=True).earliest().position + 1
        maps = {1: p, 2: q}
        for depth in word:
            token = token.at(maps[depth])
        return token

    written = chain.build(20, 3)
    optimised = optimise(written)
    assert optimised.depth <= best_depth((0, *word))
    row = [rng.randrange(3) for _ in range(20)]
    assert output(optimised, row) == output(written, row)


def test_pointing_ahead_is_not_reassociated() -> None:
    """p may point ahead of itself, where a causal program reads ⊥: the tree that would skip that ⊥ is not built."""

    @hw.program
    def ahead(token: hw.Value, position: hw.Value) -> hw.Value:
        p = hw.where(token == 0, position + 1, position - 1)
        return token.at(p).at(p).at(p).at(p)

    written = ahead.build(6, 2)
    optimised = optimise(written)
    for row in itertools.product(range(2), repeat=6):
        assert output(optimised, list(row)) == output(written, list(row))


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    numbers=st.lists(st.integers(0, 999), max_size=60),
    causal=st.booleans(),
    n=st.integers(1, 8),
    v=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_every_pass_preserves_random_programs(numbers: list[int], causal: bool, n: int, v: int, seed: int) -> None:
    graph = generate.program(numbers, causal, most=3).build(n, v)
    rng = random.Random(seed)
    rows = [[rng.randrange(v) for _ in range(rng.randint(1, n))] for _ in range(6)]
    wanted = [interpret_roots(graph, row) for row in rows]
    for _ in range(2):
        for rewrite in PASSES:
            after = rewrite(graph)
            assert after.depth <= graph.depth, rewrite.__name__
            assert [interpret_roots(after, row) for row in rows] == wanted, rewrite.__name__
            graph = after
    assert optimise(graph).nodes == optimise(optimise(graph)).nodes


def test_optimised_graph_as_text() -> None:
    """The printed graph is what users read and what is compared: three layers for k = 3, one lookup for two reads."""
    text = str(optimise(hw.programs.get("khop", k=3).build(8, 4)))
    rows = [line.split("  ")[0] + " " + " ".join(line.split()[2:6]) for line in text.splitlines()[1:]]
    assert text.splitlines()[0] == "khop(k=3): length 8, alphabet 4, causal, attention depth 3, returns %9"
    operations = "token lookup position affine fetch lookup fetch fetch lookup fetch"
    assert [row.split()[1] for row in rows] == operations.split()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("k", range(1, 10))
def test_chains_through_a_found_position(k: int, before: bool) -> None:
    """The map is what a lookup found, unshifted: its own lookup may read values directly, but no step may get lost."""

    @hw.program
    def chain(token: hw.Value) -> hw.Value:
        where = hw.match(query=hw.table(lambda t: (t + 1) % 3, token), key=token, before=before).latest().position
        for _ in range(k):
            token = token.at(where)
        return token

    written = chain.build(12, 3)
    optimised = optimise(written)
    assert optimised.depth <= math.floor(math.log2(k)) + 2
    rng = random.Random(k)
    rows = [[0, 1, 2] * 4, [2, 1, 0] * 4, *([rng.randrange(3) for _ in range(12)] for _ in range(40))]
    assert any(output(written, row)[-1] is not None for row in rows)
    for row in rows:
        assert output(optimised, row) == output(written, row)


def test_shared_values_are_rewritten_once() -> None:
    """Sixty steps that each use the last one twice are a tree of 2**60 leaves and a graph of some 180 nodes."""

    @hw.program(name="shared")
    def shared(token: hw.Value, position: hw.Value) -> hw.Value:
        x = position
        for _ in range(60):
            x = hw.maximum(x, 9 - x)
        return x.at(hw.previous(position))

    model = hw.compile(shared, length=8, alphabet=2)
    assert hw.check(model, samples=8).ok
    assert hw.certify(model)


@pytest.mark.parametrize("seed", range(24))
def test_repeated_reads_ahead_and_back_are_what_they_say(seed: int) -> None:
    """Chains of reads at functions of the position, some ahead and some not, by plain Python: a map that points ahead stands many times,
    and the last of it alone is read at the next one."""
    rng = random.Random(seed)
    steps = [rng.choice((3, 1, 0, -1, -2)) for _ in range(rng.randint(2, 4))]
    chain, tokens = [step for step in steps for _ in range(rng.randint(1, 4))], list("abcdef")

    def body(token: hw.Value, position: hw.Value) -> hw.Value:
        places = {s: hw.minimum(position + 2, position) + s if rng.random() < 0.5 else position + s for s in set(steps)}
        value = token
        for step in chain:
            value = value.at(places[step])
        return value

    program = hw.program(name="chain", causal=False)(body)
    wanted: list[str | None] = list(tokens)
    for step in chain:
        wanted = [wanted[i + step] if 0 <= i + step < len(tokens) else None for i in range(len(tokens))]
    assert hw.interpret(program, tokens, length=6, alphabet=tokens) == wanted
    model = hw.compile(program, length=6, alphabet=tokens)
    assert model.run(tokens) == wanted and hw.certify(model)
