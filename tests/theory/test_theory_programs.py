"""Programs that reach what the theory states: steps and depths for every k to 64, ranks computed, and the walk between walls."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from functools import cache

import pytest

import headwork as hw
from headwork.compiler.rewrite import optimise
from headwork.programs.gridworld import STEPS


def verdicts(program: hw.Program, length: int) -> dict[str, str]:
    return {row.id: row.verdict for row in hw.bounds(program, length=length).rows}


def test_the_kth_one_takes_k_steps_for_every_k_to_64() -> None:
    """One model of one layer: the k-th generated token is the place of the k-th one, and there are no fewer ways to say it sooner."""
    entry, size = hw.programs.entry("kth_one"), 80
    model = hw.compile(entry.program(k=64, size=size), length=size + 64)
    assert model.cost.attention_layers == 1
    rng = random.Random(0)
    for bits in (["0"] * 16 + ["1"] * 64, rng.choices("01", weights=(1, 4), k=size)):
        places = [i for i, bit in enumerate(bits, 1) if bit == "1"]
        said = hw.generate(model, bits, 64)
        assert said == [f"{p}th" for p in places[:64]]


def test_a_function_applied_k_times_takes_k_steps_for_every_k_to_64() -> None:
    entry, size = hw.programs.entry("compose_by_steps"), 97
    model = hw.compile(entry.program(k=64, size=size), length=size + 65)
    assert (model.cost.attention_layers, max(model.cost.heads)) == (1, 1)
    rng = random.Random(1)
    order = rng.sample(range(1, size + 1), size)
    function = {a: b for a, b in zip(order, [*order[1:], order[0]], strict=True)}  # one cycle: no value comes twice
    said = hw.generate(model, [*(str(function[i]) for i in range(1, size + 1)), "1"], 64)
    at = 1
    for k in range(1, 65):
        at = function[at]
        assert said[k - 1] == str(at)


def test_the_rows_of_steps_hold_for_every_k_to_64() -> None:
    for k in range(1, 65):
        cost = hw.Cost(1, (1,), 9, 3, (), 0, 99, 9, 9)
        held = {r.id: r.verdict for r in hw.bounds(cost, length=200, alphabet=99, family="compose-by-steps", k=k, steps=k).rows}
        assert held["RANK-COMP"] == "meets"
        if k % 16:
            continue
        fewer = {r.id: r.verdict for r in hw.bounds(cost, length=200, alphabet=99, family="kth-one", k=k, steps=k - 1).rows}
        assert fewer["RANK-KTH"] == "violates by 1" and fewer["KTH-UB.steps"] == "beats by 1"
    found = verdicts(hw.programs.get("kth_one"), 64)
    assert found["KTH-UB"] == found["KTH-UB.steps"] == "meets"
    assert found["RANK-KTH"].startswith("not applicable because H = 7: it assumes H == 1")
    assert verdicts(hw.programs.get("compose_by_steps"), 64)["RANK-COMP"] == "meets"


def rank_of_kth_one(size: int, k: int) -> int:
    """The Ehrenfeucht–Haussler rank of "where is the k-th one" on `size` bits, 0 for nowhere, by all partial assignments."""

    @cache
    def constant(known: tuple[int | None, ...]) -> bool:
        free = [i for i, bit in enumerate(known) if bit is None]
        answers = {answer(filled(known, free, bits)) for bits in itertools.product((0, 1), repeat=len(free))}
        return len(answers) == 1

    def filled(known: tuple[int | None, ...], free: list[int], bits: tuple[int, ...]) -> tuple[int, ...]:
        values = dict(zip(free, bits, strict=True))
        return tuple(values[i] if bit is None else bit for i, bit in enumerate(known))

    def answer(bits: tuple[int, ...]) -> int:
        places = [i for i, bit in enumerate(bits, 1) if bit]
        return places[k - 1] if len(places) >= k else 0

    @cache
    def rank(known: tuple[int | None, ...]) -> int:
        if constant(known):
            return 0
        best = size
        for i, bit in enumerate(known):
            if bit is None:
                zero, one = (rank((*known[:i], b, *known[i + 1 :])) for b in (0, 1))
                best = min(best, zero + 1 if zero == one else max(zero, one))
        return best

    return rank((None,) * size)


def test_the_rank_of_the_kth_one_is_k() -> None:
    """As arXiv 2501.12997 states for texts that are long enough: here from N = 2k - 1 bits on."""
    for k, size in ((1, 1), (1, 4), (2, 3), (2, 6), (3, 5), (3, 6)):
        assert rank_of_kth_one(size, k) == k, (k, size)


@pytest.mark.parametrize(("exact", "row", "first"), [(0, "CRASP-PREDICT", 3), (1, "CRASP-DEPTH", 1)])
def test_counts_alone_take_the_depth_of_the_hierarchy_for_every_k_to_64(exact: int, row: str, first: int) -> None:
    """The paper is exact: k layers to recognise k alternating blocks, k - 2 to tell the prefixes of such a text."""
    for k in range(first, 65):
        graph = optimise(hw.programs.get("alternations", k=k, exact=exact).build(80))
        assert graph.depth == (k if exact else k - 2)
        assert {type(node.op).__name__ for node in graph.nodes if node.op.attends} <= {"Total"}  # counts, and nothing looked up
    for k in (first, 4, 9):  # of the weights: no place is told from another, so that the row speaks of them
        found = verdicts(hw.programs.get("alternations", k=k, exact=exact), 40)
        assert found["STATED"] == found[row] == found[row.replace("DEPTH", "UB-EXACT").replace("PREDICT", "UB")] == "meets"


@pytest.mark.one_in(16)
@pytest.mark.parametrize("k", range(1, 65))
def test_the_compiled_hierarchy_meets_the_theorem(k: int) -> None:
    assert verdicts(hw.programs.get("alternations", k=k, exact=1), 80)["CRASP-DEPTH"] == "meets"
    assert k < 3 or verdicts(hw.programs.get("alternations", k=k), 80)["CRASP-PREDICT"] == "meets"


def test_positions_leave_the_hierarchy() -> None:
    """Two layers count the changes of letter, for every k: the row is not about them."""

    @hw.program(alphabet=("a", "b"))
    def changes(token: hw.Value) -> hw.Value:
        before = hw.previous(token)
        return hw.match(True, hw.where(before.exists & (before != token), True, None)).count() + hw.where(token == "a", 1, 1)

    text = list("aabbbab")
    assert hw.interpret(changes, text) == hw.programs.entry("alternations").reference(text, k=5)
    report = hw.bounds(changes, length=20, family="alternations", k=9)
    found = {row.id: row.verdict for row in report.rows}
    assert found["CRASP-PREDICT"].startswith("not applicable because W_pos tells 20 places apart") and found["CRASP-UB"] == "beats by 5"


def test_equal_counts_and_letters_are_all_that_the_proof_says() -> None:
    """Depth 1 after u = a: the two texts agree in last letter and counts, one has two blocks and the other four."""
    two, four = "a" + "aabb", "a" + "abab"
    reference = hw.programs.entry("alternations").reference
    assert (two[-1], sorted(two)) == (four[-1], sorted(four))
    assert [reference(text, k=4, exact=1)[-1] for text in (two, four)] == [False, True]
    assert [reference(text, k=2, exact=1)[-1] for text in (two, four)] == [True, False]


@pytest.mark.parametrize(("k", "exact"), [(2, 0), (3, 0), (6, 0), (1, 1), (2, 1), (5, 1)])
def test_alternations_on_every_short_text(k: int, exact: int) -> None:
    entry = hw.programs.entry("alternations")
    program = entry.program(k=k, exact=exact)
    for length in range(1, 8):
        for tokens in itertools.product("ab", repeat=length):
            assert hw.interpret(program, list(tokens)) == entry.reference(tokens, k=k, exact=exact)
            assert not exact or entry.reference(tokens, k=k, exact=1)[-1] == (
                tokens[0] == "a" and len(list(itertools.groupby(tokens))) == k
            )
    hw.certify(hw.compile(program, length=10))


@pytest.mark.parametrize(("places", "heads"), [(2, 0), (3, 0), (5, 2), (6, 1)])
def test_a_walk_between_walls_on_every_short_text(places: int, heads: int) -> None:
    entry = hw.programs.entry("gridworld")
    program = entry.program(places=places, heads=heads)
    rows = [list(row) for length in (1, 2, 4) for row in itertools.product(STEPS, repeat=length)]
    rng = random.Random(places)
    rows += [entry.sample(rng, 60, places=places, heads=heads) for _ in range(30)]
    for row in rows:
        assert hw.interpret(program, row) == entry.reference(row, places=places, heads=heads)
    found = verdicts(program, 64)
    assert found["GRIDWORLD"] == found["STATED"] == "meets"
    hw.certify(hw.compile(program, length=32))


def test_two_layers_whatever_the_places() -> None:
    for places in range(2, 12):
        graph = optimise(hw.programs.get("gridworld", places=places).build(48))
        assert graph.depth == 2
    assert optimise(hw.programs.get("gridworld", places=64, heads=1).build(48)).depth == 7
    assert optimise(hw.programs.get("gridworld", places=64, heads=3).build(48)).depth == 4


@pytest.mark.parametrize("gates", [[["and", 1, 9]], [["not", 1, 2]], [], [["and", 1]]])
def test_circuits_that_are_none(gates: list[list[object]]) -> None:
    with pytest.raises(hw.InputError):
        hw.programs.get("circuit_by_steps", gates=gates)


def test_random_circuits() -> None:
    rng = random.Random(3)
    gates = [[rng.choice(("and", "or", "xor", "nand")), rng.randint(1, 4 + i), rng.randint(1, 4 + i)] for i in range(40)]
    entry = hw.programs.entry("circuit_by_steps")
    model = hw.compile(entry.program(gates=gates, inputs=4), length=44)
    assert model.cost.attention_layers == 1
    for bits in itertools.product("01", repeat=4):
        wires = [bit == "1" for bit in bits]
        for kind, a, b in gates:
            x, y = wires[a - 1], wires[b - 1]  # pyright: ignore[reportOperatorIssue, reportArgumentType, reportCallIssue]
            wires.append({"and": x and y, "or": x or y, "xor": x ^ y, "nand": not (x and y)}[str(kind)])
        assert hw.generate(model, list(bits), 40) == [str(int(w)) for w in wires[4:]]


@pytest.mark.one_in(16)
@pytest.mark.parametrize("k", range(1, 65))
def test_a_looped_khop_has_the_depth_of_the_theorem_with_two_layers_of_weights(k: int) -> None:
    found = {row.id: row.verdict for row in hw.bounds(hw.programs.get("looped_khop", k=k), length=70).rows}
    assert {found[row] for row in ("HOP-UB", "HOP-UB.H", "HOP-LOOKUP", "LOOP-KHOP", "LOOP-KHOP.B", "LOOP-KHOP.H")} == {"meets"}


def test_loops_reach_their_rows_with_one_block() -> None:
    for n in (2, 3, 9, 33):
        for name, row in (("list_ranking", "LOOP-RANK"), ("looped_automaton", "LOOP-SCAN"), ("reachability", "LOOP-REACH")):
            model = hw.compile(hw.programs.get(name), length=n)
            found = {r.id: r.verdict for r in hw.bounds(model).rows}
            assert {found[row], found[f"{row}.B"], found[f"{row}.H"]} == {"meets"}, (name, n)
    again = hw.compile(hw.programs.get("looped_khop", k=8), length=16)
    assert isinstance(again, hw.Looped) and "family not stated" in str(hw.bounds(again.repeat(2)))  # fewer rounds are another program


MOD_2 = [["even", "0", "even"], ["even", "1", "odd"], ["odd", "0", "odd"], ["odd", "1", "even"]]


def test_parity_by_one_set_of_weights_for_all_lengths() -> None:
    program = hw.programs.get("looped_automaton", dfa=MOD_2, accept=["odd"])
    found = hw.uniform(program, lengths=[5, 16, 40])
    assert found.ok and found.layers == (3, 4, 6) and dict(found.tensors)["W_pos"] == "rows are added"
    assert [name for name, change in found.tensors if change != "same"] == ["W_pos"]
    model = hw.compile(program, length=40)
    rng = random.Random(5)
    for length in (1, 2, 3, 17, 40):
        bits = rng.choices("01", k=length)
        assert model.run(bits) == [bits[: i + 1].count("1") % 2 == 1 for i in range(length)]
    held = verdicts(program, 40)  # the call that made it says what it is; of a model with these parameters it is said
    assert held == {"STATED": "meets"} | {r.id: r.verdict for r in hw.bounds(model, family="looped-automaton", unsolvable=0).rows}
    assert {held[row] for row in ("UNIFORM-SCAN", "UNIFORM-SCAN.B", "UNIFORM-SCAN.H")} == {"meets"}


def test_what_is_not_uniform_is_said_not_to_be() -> None:
    found = hw.uniform(hw.programs.get("parity"), lengths=[8, 16])
    assert not found.ok and "the weights depend on the length" in str(found)
    changes = dict(found.tensors)
    assert changes["blocks.1.W_in"] == "differs" and found.as_dict()["uniform"] is False
    with pytest.raises(hw.InputError, match="lengths is"):
        hw.uniform(hw.programs.get("parity"), lengths=[8, 8])


@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_a_count_as_a_fraction_finds_its_place_by_a_lead_of_that_fraction(count: int) -> None:
    """The scores 2 (1 + j) - w (1 + j)^2 of the two-layer parity that is uniform but for its scale, in exact arithmetic."""
    w = Fraction(1, 1 + count)
    scores = {j: 2 * (1 + j) - w * (1 + j) ** 2 for j in range(200)}
    best = sorted(scores, key=lambda j: -scores[j])
    assert best[0] == count and scores[best[0]] - scores[best[1]] == w
