"""The protocol library: message by message and compiled, against oracles in plain Python and networkx."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from functools import cache

import pytest

import headwork as hw
from headwork import CapacityError, InputError, protocols
from headwork.compiler.rewrite import optimise
from headwork.mpc.trace import Trace
from headwork.protocols import matrix
from headwork.protocols.prefix_sum import monoid

Parameters = dict[str, int | str]
SIZES = (1, 2, 3, 5, 8, 9, 16, 18)
SETTINGS: list[tuple[str, Parameters]] = [
    *[(name, {}) for name in protocols.names()],
    ("broadcast", {"memory": 5}),
    ("broadcast", {"values": 1, "memory": 3}),
    ("sum", {"values": 7, "memory": 3}),
    ("all_reduce", {"how": "min", "memory": 4}),
    ("all_reduce", {"how": "max", "values": 9}),
    ("prefix_sum", {"operation": "max", "memory": 1}),
    ("prefix_sum", {"operation": "maps", "size": 2, "memory": 3}),
    ("prefix_sum", {"operation": "maps", "size": 3}),
    ("sort", {"keys": 5, "digit": 2}),
    ("sorting_network", {"keys": 2}),
    ("sort_by_blocks", {"keys": 9}),
    ("matrix_vector", {"values": 5}),
]
UNCOMPILED: list[tuple[str, Parameters]] = [("sort", {"keys": 20, "digit": 3, "memory": 3}), ("sum", {"values": 3, "memory": 16})]
# Every input of these has an answer, so that all inputs of a few machines can be tried.
TOTAL = "broadcast sum all_reduce prefix_sum sort sorting_network sort_by_blocks matrix_vector triangle_count reachability".split()


def label(value: object) -> str:
    return ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


each_setting = pytest.mark.parametrize(("name", "parameters"), SETTINGS, ids=label)


@cache
def trace(name: str, parameters: tuple[tuple[str, int | str], ...], length: int) -> Trace:
    return protocols.get(name, **dict(parameters)).trace(length)


def traced(name: str, parameters: Parameters, length: int) -> Trace:
    return trace(name, tuple(parameters.items()), length)


def levels(length: int, base: int) -> int:
    """ceil(log_base length), counted in integers."""
    return next(d for d in range(length + 1) if base**d >= length)


# --- against the oracles, message by message ----------------------------------------------------------------


@pytest.mark.parametrize(("name", "parameters"), [*SETTINGS, *UNCOMPILED], ids=label)
def test_cases(name: str, parameters: Parameters) -> None:
    """Every case of every size; at 16 machines also with three workers."""
    entry = protocols.entry(name)
    for length in SIZES:
        for case in entry.cases(random.Random(length), length, **parameters):
            assert 1 <= len(case.machines) <= length, case.title
            wanted = entry.oracle(case.machines, **parameters)
            assert len(wanted) == len(case.machines)
            for workers in (1, 3) if length == 16 else (1,):
                assert hw.run_protocol(traced(name, parameters, length), case.machines, workers=workers) == wanted, (length, case)


@each_setting
def test_cases_differ_and_say_something(name: str, parameters: Parameters) -> None:
    """Cases have names of their own and more than one answer, but where all words are the same."""
    entry = protocols.entry(name)
    found = entry.cases(random.Random(1), 16, **parameters)
    assert len({case.title for case in found}) == len(found) >= 4
    assert any(len(case.machines) < 16 for case in found) and any(len(case.machines) == 16 for case in found)
    if parameters.get("values", parameters.get("keys")) != 1:
        assert len({tuple(entry.oracle(case.machines, **parameters)) for case in found}) > 3


@pytest.mark.parametrize("name", TOTAL)
def test_every_input_of_a_few_machines(name: str) -> None:
    """All inputs of 1 machine, of 2, and so on while there are no more than 2,000 of them, among 4 machines."""
    small: dict[str, Parameters] = {
        "broadcast": {"values": 2},
        "prefix_sum": {"size": 2, "operation": "maps"},
        "sort": {"keys": 3, "digit": 2},
    }
    small |= {"sorting_network": {"keys": 4}, "matrix_vector": {"values": 2}}
    parameters = small.get(name, {})
    run, entry = traced(name, parameters, 4), protocols.entry(name)
    symbols = run.graph.sizes.alphabet.symbols
    longest = max(n for n in range(1, 5) if len(symbols) ** n <= 2000)
    assert longest >= 3
    for machines in itertools.chain(*(itertools.product(symbols, repeat=n) for n in range(1, longest + 1))):
        assert hw.run_protocol(run, machines) == entry.oracle(list(machines), **parameters), machines


def test_every_choice_of_destinations() -> None:
    """Four machines, each to any of four or to none: permuted, or refused where two send to one."""
    run, refused = traced("permute", {}, 4), 0
    for destinations in itertools.product(range(5), repeat=4):
        machines = list(zip(destinations, (0, 1, 2, 3), strict=True))
        busy = [m for m, count in sorted(Counter(destinations).items()) if m and count > 1]
        if busy:
            refused += 1
            senders = ", ".join(str(i) for i, d in enumerate(destinations, 1) if d == busy[0])
            with pytest.raises(
                CapacityError, match=rf"machine {busy[0]} was sent \d messages, its inbox holds 1 \(from machines {senders}\)"
            ):
                hw.run_protocol(run, machines)
        else:
            assert hw.run_protocol(run, machines) == protocols.entry("permute").oracle(machines)
    assert 0 < refused < 5**4


# --- rounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [2, 3, 4, 7])
@pytest.mark.parametrize("length", [2, 5, 16, 17, 64, 100])
def test_rounds_of_trees(length: int, memory: int) -> None:
    """As the theory says, ceil(log_s N) a tree; prefixes take fewer than its two trees."""
    depth, steps = levels(length, memory), levels(length, memory + 1)

    def rounds(name: str, **parameters: int) -> int:
        return protocols.get(name, memory=memory, **parameters).rounds(length)

    assert rounds("broadcast") == rounds("sum") == depth
    assert rounds("all_reduce") == 2 * depth
    assert rounds("prefix_sum") == steps <= 2 * depth
    assert rounds("sort", keys=20, digit=3) == 3 * (2 * depth + steps + 1)


@pytest.mark.parametrize(
    ("name", "row", "verdict"),
    [
        ("broadcast", "MPC-BROADCAST", "meets"),
        ("sum", "MPC-SUM", "meets"),
        ("all_reduce", "MPC-ALLREDUCE", "meets"),
        ("prefix_sum", "MPC-PREFIX", "beats by 5"),
    ],
)
def test_rounds_against_the_theory(name: str, row: str, verdict: str) -> None:
    """16 machines of 2 words: the theory's trees take 4 rounds a way, prefixes here 3."""
    entry = protocols.entry(name)
    rows = [found.texts() for found in hw.bounds(entry.protocol(), length=16, family=entry.family).rows]
    assert [texts[-1] for texts in rows if texts[0] == row] == [verdict]


def test_rounds_that_do_not_depend_on_memory() -> None:
    for length in (2, 5, 16, 17, 64, 100):
        bits = levels(length, 2)
        assert protocols.get("permute").rounds(length) == 1
        assert protocols.get("matrix_vector").rounds(length) == 2
        assert protocols.get("sort_by_blocks").rounds(length) == 3
        assert protocols.get("sorting_network").rounds(length) == bits * (bits + 1) // 2
        assert protocols.get("reachability").rounds(length) == 1 + 2 * levels(math.isqrt(length), 2)


def test_no_machine_sends_more_than_its_memory() -> None:
    """Run time checks what data decides; here the patterns that are known, at every size to 40."""
    for name in ("broadcast", "sum", "prefix_sum", "sorting_network", "sort_by_blocks", "matrix_vector", "reachability"):
        for length in range(1, 41):
            run = protocols.get(name).trace(length)
            sent = [sum(map(bool, row)) for node in run.graph.nodes for row in getattr(node.op, "pattern", ())]
            assert max(sent, default=0) <= run.memory, (name, length)


# --- compiled ------------------------------------------------------------------------------------------------


@each_setting
@pytest.mark.parametrize("length", [2, 5, 16])
def test_stated_layers(name: str, parameters: Parameters, length: int) -> None:
    stated = protocols.entry(name).layers(length, **parameters)
    assert optimise(protocols.get(name, **parameters).build(length)).depth == stated


@pytest.mark.one_in(3)
@each_setting
def test_compiled(name: str, parameters: Parameters) -> None:
    """At 9 machines: certified, and right on every case."""
    entry = protocols.entry(name)
    model = hw.compile(entry.protocol(**parameters), length=9)
    assert model.cost.attention_layers == entry.layers(9, **parameters)
    assert model.cost.attention_layers <= entry.protocol(**parameters).rounds(9) + 1
    hw.certify(model)
    for case in entry.cases(random.Random(9), 9, **parameters):
        assert model.run(case.machines) == entry.oracle(case.machines, **parameters), case


def test_a_compiled_permutation_refuses_two_for_one() -> None:
    model = hw.compile(protocols.get("permute"), length=5)
    with pytest.raises(CapacityError, match=r"round 1: machine 2 was sent 2 messages, its inbox holds 1 \(from machines 1, 4\)"):
        model.run([(2, 1), (1, 0), (0, 3), (2, 2), (5, 1)])


# --- matrices on machines --------------------------------------------------------------------------------------


def test_shells_number_the_entries() -> None:
    """m² machines hold an m by m matrix, for every m; a machine's entry does not depend on how many there are."""
    for m in range(1, 9):
        entries = [matrix.entry(machine) for machine in range(1, m * m + 1)]
        assert sorted(entries) == list(itertools.product(range(1, m + 1), repeat=2))
        assert [matrix.cell(i, j) for i, j in entries] == list(range(1, m * m + 1))
        rows = [[10 * i + j for j in range(m)] for i in range(m)]
        assert matrix.read(matrix.write(rows)) == rows
    assert matrix.read([1, 2, 3, 4, 5]) == [[1, 2, 5], [3, 4, 0], [0, 0, 0]]
    assert [matrix.side(n) for n in (1, 2, 4, 5, 9, 10)] == [1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize(("name", "size"), [("sum", 5), ("max", 4), ("maps", 2), ("maps", 3)])
def test_monoids_are_associative(name: str, size: int) -> None:
    of = monoid(name, size)
    for a, b, c in itertools.product(range(of.size), repeat=3):
        assert of.operation(of.operation(a, b), c) == of.operation(a, of.operation(b, c))
    assert (name == "maps") == any(of.operation(a, b) != of.operation(b, a) for a, b in itertools.product(range(of.size), repeat=2))


# --- the registry ----------------------------------------------------------------------------------------------


def test_names_are_found_and_missed() -> None:
    assert [protocols.entry(name).name for name in protocols.names()] == protocols.names()
    with pytest.raises(
        InputError, match=r"there is no protocol 'brodcast'\n    hint: did you mean broadcast\? the protocols are broadcast, sum"
    ):
        protocols.get("brodcast")
    with pytest.raises(InputError, match="there is no protocol 'xyzzy'\n    hint: the protocols are"):
        protocols.entry("xyzzy")


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("sum", {"width": 3}, "protocol sum has no parameter 'width'\n    hint: sum takes values=4, memory=2"),
        ("triangle_count", {"n": 3}, "protocol triangle_count has no parameter 'n'\n    hint: triangle_count takes no parameters"),
        ("sum", {"memory": "2"}, "protocol sum was given memory='2', which is not an integer"),
        ("broadcast", {"memory": 1}, "protocol broadcast was given memory=1\n    hint: give memory of at least 2"),
        ("broadcast", {"values": 0}, "protocol broadcast was given values=0"),
        ("all_reduce", {"how": "mean"}, "protocol all_reduce was given how='mean'\n    hint: give how as sum or min or max"),
        ("prefix_sum", {"operation": "minus"}, "protocol prefix_sum was given operation='minus'"),
        ("prefix_sum", {"operation": "maps", "size": 4}, "protocol prefix_sum was given size=4\n    hint: give size of at most 3 for maps"),
        ("prefix_sum", {"size": 65}, "give size of at most 64 for sum"),
        ("sort", {"digit": 1}, "protocol sort was given digit=1\n    hint: give digit of at least 2"),
        ("sort_by_blocks", {"keys": 0}, "protocol sort_by_blocks was given keys=0"),
    ],
)
def test_parameters_are_refused(name: str, parameters: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        protocols.get(name, **parameters)
    assert text in str(caught.value)
