"""Lists and graphs as protocols: message by message against networkx and plain loops."""

from __future__ import annotations

import importlib.util
import itertools
import random
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

import headwork as hw
from headwork import CapacityError, InputError
from headwork.certificate.refused import Refused
from headwork.compiler.rewrite import optimise
from headwork.mpc import Trace
from headwork.protocols import (
    bipartite,
    connected_components,
    graphs,
    hop_k,
    list_ranking,
    merging,
    minimum_spanning_forest,
    one_or_two_cycles,
)
from headwork.protocols.entry import ProtocolEntry

LISTS = [list_ranking, one_or_two_cycles, hop_k]
GRAPHS = [connected_components, bipartite, minimum_spanning_forest]
each_list = pytest.mark.parametrize("entry", LISTS, ids=lambda e: e.name)
each_graph = pytest.mark.parametrize("entry", GRAPHS, ids=lambda e: e.name)
each = pytest.mark.parametrize("entry", LISTS + GRAPHS, ids=lambda e: e.name)


@cache
def traced(name: str, length: int, nodes: int | None = None) -> Trace:
    entry = next(e for e in LISTS + GRAPHS if e.name == name)
    return entry.protocol(**({} if nodes is None else {"nodes": nodes})).trace(length)


def ceil_log(length: int, base: int) -> int:
    return next(d for d in range(length + 1) if base**d >= length)


# --- against the oracles, message by message ----------------------------------------------------------------


@each_list
@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13])
def test_lists(entry: ProtocolEntry, length: int) -> None:
    """Every case, also where some of the machines the protocol is written for are not there."""
    for machines in (length, length + 1, length + 4):
        for case in entry.cases(random.Random(length), length):
            for workers in (1, 3):
                assert hw.run_protocol(traced(entry.name, machines), case.machines, workers=workers) == entry.oracle(case.machines), case


@each_graph
@pytest.mark.parametrize("nodes", [1, 2, 3, 5, 8, 13])
def test_graphs(entry: ProtocolEntry, nodes: int) -> None:
    """Every family, with as many machines as nodes, with more, and with fewer."""
    for machines in {nodes, 2 * nodes, max(1, nodes - 2)}:
        for case in entry.cases(random.Random(nodes), machines, nodes=nodes):
            wanted = entry.oracle(case.machines, nodes=nodes)
            for workers in (1, 3) if machines == nodes else (2,):
                assert hw.run_protocol(traced(entry.name, machines, nodes), case.machines, workers=workers) == wanted, case


@each_graph
def test_every_graph_on_four_nodes(entry: ProtocolEntry) -> None:
    every = list(itertools.combinations(range(1, 5), 2))
    rng = random.Random(4)
    for chosen in itertools.product([False, True], repeat=6):
        machines = graphs.placed(itertools.compress(every, chosen), 6)
        if entry is minimum_spanning_forest:
            machines = [(*s, rng.randint(1, 4)) if s != graphs.NO_EDGE and isinstance(s, tuple) else (None,) * 3 for s in machines]
        for there in (6, 3):
            wanted = entry.oracle(machines[:there], nodes=4)
            assert hw.run_protocol(traced(entry.name, 6, 4), machines[:there]) == wanted, machines[:there]


@pytest.mark.parametrize("entry", LISTS[:2], ids=lambda e: e.name)
def test_every_choice_of_successors(entry: ProtocolEntry) -> None:
    """Four machines, each before any of the four, or before none where that is allowed: lists, trees, cycles."""
    symbols = traced(entry.name, 4).graph.sizes.alphabet.symbols
    for machines in itertools.product(symbols, repeat=4):
        assert hw.run_protocol(traced(entry.name, 4), machines) == entry.oracle(list(machines)), machines


@each_graph
def test_random_graphs(entry: ProtocolEntry) -> None:
    rng = random.Random(24)
    random_ones = [case for _ in range(8) for case in entry.cases(rng, 40, nodes=20) if "random" in case.title]
    assert len(random_ones) >= 16
    for case in random_ones[:24]:
        assert hw.run_protocol(traced(entry.name, 40, 20), case.machines) == entry.oracle(case.machines, nodes=20), case


def test_long_paths() -> None:
    """Trees are deepest where a component is a path; its nodes in 12 random orders."""
    rng = random.Random(64)
    for _ in range(12):
        machines = graphs.placed(graphs.renamed(graphs.path(64), rng, 64), 64, rng)
        assert hw.run_protocol(traced("connected_components", 64, 64), machines) == [1] * 64


# --- the bound on phases -------------------------------------------------------------------------------------


def height(chain: int, tail: int, waiting: tuple[bool, ...]) -> int:
    """The height, after the first step, of free roots hooked in a chain: 0 to 1 to … to the last, which hooks back to the one
    before it (tail 0), or into a tree at a node of depth tail - 1. Roots that are `waiting` have their target above them."""
    end = chain + tail - 1
    target = [*range(1, end + 1), end]
    parent = [i if i < chain and waiting[i] else t for i, t in enumerate(target)]
    if tail == 0:
        target[end], parent[end] = end - 1, end
    after = [parent[t] if i < chain else parent[parent[i]] for i, t in enumerate(target)]
    return max(next(d for d in range(end + 2) if walked(after, i, d) == end) for i in range(chain))


def walked(pointers: list[int], start: int, steps: int) -> int:
    for _ in range(steps):
        start = pointers[start]
    return start


def possible(chain: int, tail: int) -> list[tuple[bool, ...]]:
    """Which roots may wait: no two in succession, and of those hooked to each other only the last, which stays."""
    free = max(0, chain - 2) if tail == 0 else chain
    patterns = itertools.product([False, True], repeat=free)
    return [(*p, False, False) for p in patterns if not any(a and b for a, b in itertools.pairwise(p))]


def weight(h: int) -> int:
    """Twice w(h)."""
    return 2 if h <= 1 else 4 if h == 2 else -(-3 * h // 2)


def test_heights_that_the_proof_states() -> None:
    for k in range(2, 14):
        assert max(height(k, 0, p) for p in possible(k, 0)) == (2 * k - 1) // 3
        for q in range(6):
            bound = -(-2 * (k - 2) // 3) + 1 + -(-max(q - 1, 0) // 2)
            assert max(height(k - 1, q + 1, p) for p in possible(k - 1, q + 1)) <= bound, (k, q)


def test_weights_that_the_proof_states() -> None:
    assert all(weight(h) <= weight(h + 1) for h in range(400))
    for k in range(2, 300):
        assert 2 * weight((2 * k - 1) // 3) <= 2 * k
    for h in range(2, 300):
        q = -(-(h - 1) // 2)
        assert 2 * weight(-(-h // 4)) <= weight(h)
        for k in range(1, 300):
            assert 2 * weight(-(-2 * (k - 1) // 3) + 1 + -(-max(q - 1, 0) // 2)) <= weight(h) + 2 * k, (h, k)


# --- rounds and layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nodes", "length", "memory"), [(2, 2, 3), (8, 16, 3), (20, 64, 4), (256, 512, 8)])
def test_rounds(nodes: int, length: int, memory: int) -> None:
    phases, tree, bits = nodes.bit_length() - 1, ceil_log(length, memory), ceil_log(length, 2)
    assert list_ranking.make(memory).rounds(length) == 2 * bits
    assert one_or_two_cycles.make(memory).rounds(length) == 2 * bits + 2 * tree
    assert connected_components.make(nodes, memory).rounds(length) == phases * (2 * tree + 4) + 2
    assert bipartite.make(nodes, memory).rounds(length) == phases * (2 * tree + 4) + tree
    lightest = 2 + (2 * phases - 1) * tree + 2 * phases + 6 * (phases - 1)
    assert nodes > 30 or minimum_spanning_forest.make(nodes, 2, memory).rounds(length) == lightest
    assert hop_k.make(k=nodes).rounds(length) == 2 * nodes.bit_length()


def test_layers_at_length() -> None:
    """As the theory has it for one cycle or two, and for components less than twice as deep as that."""
    assert optimise(one_or_two_cycles.make().build(1024)).depth == 11
    assert optimise(connected_components.make(nodes=64).build(256)).depth == 3 * 6 + 2


def test_symbols_that_say_two_things() -> None:
    """A destination and what is sent there, both said by the symbol: taken apart by the certificate where pairs are too many."""

    @hw.protocol(memory=2, words={"to": range(1, 41), "what": [None, *range(40)]})
    def least(to: hw.Value, what: hw.Value) -> hw.Value:
        return hw.shuffle(to=to, payload=what, inbox="any").min

    model = hw.compile(least, length=64)
    hw.certify(model)
    with torch.no_grad():
        next(block for block in model.module.blocks if hasattr(block, "W_K")).W_K[0].neg_()
    with pytest.raises(Refused):
        hw.certify(model)


# --- a graph from a file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def connectivity() -> ModuleType:
    """The example as a module."""
    path = Path(__file__).resolve().parents[2] / "examples" / "connectivity.py"
    spec = importlib.util.spec_from_file_location("connectivity", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_graph_from_a_file(connectivity: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, picture = tmp_path / "edges.txt", tmp_path / "graph.png"
    file.write_text("# roads\nb ä\n\nä c  # two\nx y\n", encoding="utf-8")
    connectivity.main([str(file), "-o", str(picture)])
    printed = capsys.readouterr().out
    assert "component 1: b ä c\ncomponent 2: x y\nnetworkx agrees" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"a b\na b c\n", ":2: 3 names in a line: a b c\n    hint: give two names"),
        (b"a # b\n", ":1: 1 name in a line: a"),
        (b"a b\n\nc c\n", ":3: an edge from c to itself"),
        (b"a b\nb c\nb a\n", ":3: the edge b a is there since line 1\n    hint: give every edge once"),
        (b"# nothing\n", " has no edges"),
        (b"a b\n\xff\n", " is no UTF-8 text: byte 4 is wrong"),
        (None, " cannot be read: No such file or directory"),
    ],
)
def test_damaged_files(connectivity: ModuleType, tmp_path: Path, text: bytes | None, error: str) -> None:
    file = tmp_path / "edges.txt"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(SystemExit) as caught:
        connectivity.main([str(file)])
    assert f"error: {file}{error}" in str(caught.value)


# --- what is refused -----------------------------------------------------------------------------------------


@each_graph
def test_a_machine_steps_three_times_at_once(entry: ProtocolEntry) -> None:
    fact = r"round \d: request\(\) sends 3 messages from every machine, its memory holds 2"
    with pytest.raises(CapacityError, match=fact + r"[\s\S]*hint: give the machines more memory"):
        entry.protocol(memory=2).trace(8)


@pytest.mark.parametrize(
    ("entry", "parameters", "text"),
    [
        (connected_components, {"nodes": 0}, "protocol connected_components was given nodes=0\n    hint: give nodes from 1 to 362"),
        (connected_components, {"nodes": 363}, "protocol connected_components was given nodes=363"),
        (bipartite, {"nodes": -1}, "protocol bipartite was given nodes=-1"),
        (
            minimum_spanning_forest,
            {"weights": 0},
            "protocol minimum_spanning_forest was given weights=0\n    hint: give at least one",
        ),
        (hop_k, {"k": 0}, "protocol hop_k was given k=0\n    hint: give at least 1"),
        (list_ranking, {"nodes": 3}, "protocol list_ranking has no parameter 'nodes'\n    hint: list_ranking takes memory=2"),
    ],
)
def test_parameters_are_refused(entry: ProtocolEntry, parameters: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        entry.protocol(**parameters)
    assert text in str(caught.value)


def test_an_edge_that_is_none() -> None:
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        hw.run_protocol(traced("connected_components", 8, 8), [(1, 2), (3, 3)])


def test_families_are_what_they_say() -> None:
    """Titles differ, edges are in the alphabet and held once, and every family is there where machines suffice."""
    found = graphs.families(random.Random(0), 6, 15)
    assert len({case.title for case in found}) == len(found) == 18
    symbols = set(graphs.alphabet(6))
    for case in found:
        edges = [s for s in case.machines if s != graphs.NO_EDGE]
        assert len(set(edges)) == len(edges) and set(edges) <= symbols, case
    assert merging.phases(256, 512) == 8 and merging.phases(256, 100) == 6 and merging.phases(1, 9) == 0
