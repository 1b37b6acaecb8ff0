"""The program library against its references: plain Python that knows nothing of the compiler."""

from __future__ import annotations

import inspect
import itertools
import random
import re
from collections.abc import Iterable, Sequence
from functools import cache

import pytest

import headwork as hw
from headwork import InputError, Program, programs
from headwork.compiler.domain import Symbol
from headwork.compiler.graph import Graph
from headwork.compiler.rewrite import optimise
from headwork.runtime.interpreter import interpret_graph

Tokens = Sequence[Symbol]
Parameters = dict[str, object]
Alphabet = int | tuple[Symbol, ...] | None


def table(start: str, **rows: str) -> list[list[str]]:
    """A DFA from its start and, for each state, what it turns into: table("p", p="a:q b:p", …)."""
    order = [start, *(state for state in rows if state != start)]
    return [[state, *step.split(":")] for state in order for step in rows[state].split()]


ENDS_IN_AB = table("0", **{"0": "a:1 b:0", "1": "a:1 b:2", "2": "a:1 b:0"})  # the regular expression (a|b)*ab
AB_STAR = table("go", go="a:half b:no", half="a:no b:go", no="a:no b:no")  # (ab)*
MOD_6 = [[i, s, (i + by) % 6] for i in range(6) for s, by in (("one", 1), ("two", 2), ("nil", 0))]
FUNCTIONS = [
    [i, s, image[i]] for s, image in (("turn", (1, 2, 3, 4, 0)), ("swap", (1, 0, 2, 3, 4)), ("join", (0, 0, 2, 3, 4))) for i in range(5)
]
UP_TO_3 = [[i, "x", min(i + 1, 3)] for i in range(4)]
LETTERS = [["a", "b", "c"], ["b", "c", "a"], ["c", "c", "b"], ["b", "a", "a"]]
MODULO_3 = [[f"r{r}", d, f"r{(2 * r + int(d)) % 3}"] for r in range(3) for d in "01"]  # a binary number's remainder, digit by digit
BEAVER_2 = [["A", "0", "1", ">", "B"], ["A", "1", "1", "<", "B"], ["B", "0", "1", "<", "A"], ["B", "1", "1", ">", "H"]]
SETTINGS: list[tuple[str, Parameters]] = [
    ("previous", {}),
    ("previous", {"by": 2}),
    ("previous", {"by": 7}),
    ("induction", {}),
    *[("khop", {"k": k}) for k in (0, 1, 2, 3, 4, 5, 6, 7, 13, 31, 100)],
    ("skip_trigram", {}),
    ("skip_trigram", {"table": [["x", "y", "z"]]}),
    ("skip_trigram", {"table": LETTERS}),
    ("recall", {}),
    ("compose", {}),
    ("ioi", {}),
    ("ioi", {"names": ["Mary", "John"]}),
    ("ioi", {"names": ["a", "b", "c", "d", "e"]}),
    ("ioi", {"names": ["Eve"]}),
    *[(name, {}) for name in ("length", "histogram", "reverse", "sort", "sort_by", "sort_by_frequency", "most_frequent", "majority")],
    *[("count_less_frequent", {"most": most}) for most in (1, 2, 5)],
    ("fraction_of_previous", {}),
    ("fraction_of_previous", {"word": "so", "parts": 1}),
    ("fraction_of_previous", {"parts": 16}),
    ("parity", {}),
    ("parity", {"word": "no"}),
    *[("prefix_sum", {"bound": bound, "past": past}) for bound, past in ((10, "wrap"), (2, "wrap"), (7, "stay"), (300, "stay"))],
    ("dyck1", {}),
    *[("dyck_k", {"kinds": kinds, "give": give}) for kinds in (["()"], ["()", "[]", "{}"]) for give in ("balanced", "partner")],
    ("shuffle_dyck", {}),
    ("shuffle_dyck", {"kinds": ["ab", "xy"]}),
    ("bigram", {}),
    ("bigram", {"give": "count"}),
    *[("ngram", {"n": n}) for n in (1, 2, 3, 4)],
    ("ngram", {"give": "count"}),
    *[("ngram_counts", {"n": n}) for n in (1, 2, 3)],
    ("automaton", {}),
    ("automaton", {"heads": 3}),
    ("automaton", {"accept": []}),
    ("automaton", {"dfa": ENDS_IN_AB, "accept": ["2"], "heads": 2}),
    ("automaton", {"dfa": AB_STAR, "accept": ["go"]}),
    ("automaton", {"dfa": MOD_6, "accept": [0]}),
    ("automaton", {"dfa": UP_TO_3, "accept": []}),
    ("addition", {}),
    ("addition", {"heads": 3}),
    ("associative_memory", {}),
    ("associative_memory", {"bits": 3}),
    ("nearest", {}),
    ("nearest", {"bits": 2}),
    ("nearest", {"bits": 2, "k": 3}),
    ("nearest", {"k": 2}),
    ("counter", {}),
    ("counter", {"width": 3}),
    ("hop_by_steps", {}),
    ("hop_by_steps", {"k": 1, "places": 7}),
    ("hop_by_steps", {"k": 5, "places": 20}),
    ("automaton_by_steps", {}),
    ("automaton_by_steps", {"rules": MODULO_3}),
    ("recall_pairs", {}),
    ("equal", {}),
    ("equal", {"size": 3}),
    ("disjoint", {}),
    ("disjoint", {"size": 4}),
    ("match3", {}),
    ("match3", {"modulus": 3}),
    ("match3", {"modulus": 8}),
    ("alternations", {}),
    ("alternations", {"k": 2}),
    ("alternations", {"k": 7}),
    ("alternations", {"k": 3, "exact": 1}),
    ("gridworld", {}),
    ("gridworld", {"places": 6, "heads": 2}),
    ("kth_one", {}),
    ("kth_one", {"k": 1, "size": 5}),
    ("compose_by_steps", {}),
    ("compose_by_steps", {"k": 6, "size": 9}),
    ("circuit_by_steps", {}),
    ("circuit_by_steps", {"gates": [["nand", 1, 2], ["xor", 3, 1]], "inputs": 2}),
    *[("looped_khop", {"k": k}) for k in (1, 4, 6, 13)],
    ("list_ranking", {}),
    ("list_ranking", {"places": 5}),
    ("reachability", {}),
    ("reachability", {"vertices": 3}),
    ("looped_automaton", {}),
    ("looped_automaton", {"dfa": ENDS_IN_AB, "accept": ["2"]}),
    ("looped_automaton", {"dfa": MOD_6, "accept": []}),
    ("looped_automaton", {"dfa": UP_TO_3, "accept": [3]}),
    ("turing", {}),
    ("turing", {"rules": BEAVER_2, "cells": 4}),
]
FREE = [
    "previous",
    "induction",
    "khop",
    "looped_khop",
    "recall",
    "length",
    "histogram",
    "count_less_frequent",
    "reverse",
    "sort",
    "sort_by",
]
FREE += ["sort_by_frequency", "most_frequent", "majority", "prefix_sum", "bigram", "ngram", "ngram_counts"]  # programs over any alphabet
ORDERED = ["sort", "sort_by"]  # … whose symbols have an order


def label(value: object) -> str:
    return ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


each_setting = pytest.mark.parametrize(("name", "parameters"), SETTINGS, ids=label)


@cache
def graphs(program: Program, length: int, alphabet: Alphabet = None) -> tuple[Graph, Graph]:
    """The program as written and as optimised."""
    graph = program.build(length, alphabet)
    return graph, optimise(graph)


def outputs(graph: Graph, tokens: Tokens) -> list[Symbol | None]:
    """The interpreter's answer in the user's symbols; booleans and numbers are themselves."""
    symbols = graph.sizes.alphabet.symbols
    values = interpret_graph(graph, [symbols.index(token) for token in tokens])
    columns: list[list[Symbol | None]] = []
    for output in graph.outputs:
        kind = graph.nodes[output].domain.kind
        columns.append([None if v is None else symbols[v] if kind == "token" else bool(v) if kind == "bool" else v for v in values[output]])
    return columns[0] if graph.single else list(zip(*columns, strict=True))


def expected(name: str, parameters: Parameters, tokens: Tokens, symbols: Tokens) -> list[Symbol | None]:
    """The reference's answer; one that breaks ties by the order of the alphabet is told the alphabet."""
    reference = programs.entry(name).reference
    order = {"order": symbols} if "order" in inspect.signature(reference).parameters else {}
    return reference(tokens, **parameters, **order)


def agree(name: str, parameters: Parameters, prompts: Iterable[Tokens], length: int, alphabet: Alphabet = None) -> None:
    """Both graphs give what the reference gives, on every prompt."""
    written, optimised = graphs(programs.get(name, **parameters), length, alphabet)
    for tokens in prompts:
        wanted = expected(name, parameters, tokens, written.sizes.alphabet.symbols)
        assert len(wanted) == len(tokens)
        assert outputs(written, tokens) == wanted, tokens
        assert outputs(optimised, tokens) == wanted, tokens


def own_alphabet(name: str, parameters: Parameters) -> tuple[Symbol, ...]:
    alphabet = programs.get(name, **parameters).alphabet
    assert isinstance(alphabet, tuple)
    return alphabet


def short(symbols: Tokens, longest: int = 5) -> Iterable[Tokens]:
    for n in range(1, longest + 1):
        yield from itertools.product(symbols, repeat=n)


# --- against the references ------------------------------------------------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("alphabet", [3, ("x", "y", "z"), (2, "two", True)], ids=str)
@pytest.mark.parametrize(("name", "parameters"), [s for s in SETTINGS if s[0] in FREE], ids=label)
def test_every_short_sequence(name: str, parameters: Parameters, alphabet: int | tuple[Symbol, ...]) -> None:
    symbols = tuple(range(alphabet)) if isinstance(alphabet, int) else alphabet
    if name in ORDERED and isinstance(alphabet, tuple) and alphabet[0] == 2:
        with pytest.raises(InputError, match=f"program {name} cannot order its symbols: .*\n    hint: use only numbers, or only words"):
            programs.get(name).build(5, alphabet)
        return
    agree(name, parameters, short(symbols), 5, alphabet)


@pytest.mark.slow
def test_every_short_sequence_over_own_words() -> None:
    agree("skip_trigram", {"table": LETTERS}, short("abc", 6), 6)
    agree("ioi", {"names": ["a", "b"]}, short(["a", "b", "and"], 6), 6)
    agree("fraction_of_previous", {}, short(["yes", "no"], 6), 6)
    agree("parity", {}, short("01", 6), 6)
    agree("dyck1", {}, short("()", 8), 8)
    for kinds, characters in ((["()", "[]"], "()[]"), (["()"], "()x")):
        agree("dyck_k", {"kinds": kinds, "give": "balanced"}, short(characters), 5)
        agree("dyck_k", {"kinds": kinds, "give": "partner"}, short(characters), 5)
        agree("shuffle_dyck", {"kinds": kinds}, short(characters), 5)
    for dfa in (ENDS_IN_AB, AB_STAR):
        agree("automaton", {"dfa": dfa, "accept": []}, short("ab", 6), 6)
    agree("automaton", {"dfa": MOD_6, "accept": []}, short(["one", "two", "nil"]), 5)
    agree("addition", {}, short("01+", 6), 6)
    agree("associative_memory", {"bits": 2}, short(["++", "+-", "-+", "--"]), 5)
    agree("nearest", {"bits": 1, "k": 2}, short(["0", "1", "cat", "dog"]), 5)
    agree("nearest", {"bits": 1}, short(["0", "1", "cat", "dog"]), 5)


@pytest.mark.one_in(3)
@each_setting
def test_samples(name: str, parameters: Parameters) -> None:
    entry, alphabet = programs.entry(name), set(own_alphabet(name, parameters))
    rng = random.Random(1)
    prompts = [entry.sample(rng, length, **parameters) for length in range(1, 41) for _ in range(3)]
    for length, tokens in zip([n for n in range(1, 41) for _ in range(3)], prompts, strict=True):
        assert 1 <= len(tokens) <= length
        assert set(tokens) <= alphabet
    agree(name, parameters, prompts, 40)


@each_setting
def test_samples_say_something(name: str, parameters: Parameters) -> None:
    entry = programs.entry(name)
    rng = random.Random(2)
    spoke = [any(v is not None for v in entry.reference(entry.sample(rng, 40, **parameters), **parameters)) for _ in range(30)]
    assert sum(spoke) >= (20 if parameters.get("k", 0) not in (31, 100) else 0)


@pytest.mark.one_in(3)
@each_setting
def test_random_sequences(name: str, parameters: Parameters) -> None:
    """Sequences over all words, over few of them, and samples with words replaced: near misses of every pattern."""
    entry, alphabet = programs.entry(name), own_alphabet(name, parameters)
    rng = random.Random(3)
    prompts: list[Tokens] = []
    for _ in range(60):
        few = rng.sample(alphabet, rng.randint(1, len(alphabet)))
        prompts.append(rng.choices(few, k=rng.randint(1, 40)))
        damaged = entry.sample(rng, 40, **parameters)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice(rng.choice([alphabet, tuple(damaged)]))
        prompts.append(damaged)
    agree(name, parameters, prompts, 40)


# --- depth -----------------------------------------------------------------------------------------------


@each_setting
@pytest.mark.parametrize("length", [4, 9, 64])
def test_stated_layers(name: str, parameters: Parameters, length: int) -> None:
    stated = programs.entry(name).layers(length, **parameters)
    assert graphs(programs.get(name, **parameters), length)[1].depth == stated


@pytest.mark.one_in(3)
@each_setting
def test_compiled_layers_and_answers(name: str, parameters: Parameters) -> None:
    """At length 64: the layers that the library states, and every value inside on samples and on the checker's own inputs."""
    entry, rng = programs.entry(name), random.Random(4)
    model = hw.compile(programs.get(name, **parameters), length=64)
    assert model.cost.attention_layers == entry.layers(64, **parameters)
    prompts = [entry.sample(rng, 64, **parameters) for _ in range(4)]
    report = hw.check(model, samples=8, exhaustive=1, inputs=prompts)
    assert report.ok and report.smallest_margin >= 1, str(report)
    for tokens in prompts:
        assert model.run(tokens) == expected(name, parameters, tokens, model.alphabet.symbols)


@pytest.mark.parametrize("name", ["histogram", "reverse", "sort", "sort_by", "majority", "prefix_sum", "dyck_k", "ngram", "addition"])
def test_answers_at_length_1024(name: str) -> None:
    entry, rng = programs.entry(name), random.Random(5)
    model = hw.compile(programs.get(name), length=1024)
    for tokens in [entry.sample(rng, 1024) for _ in range(2)]:
        assert model.run(tokens) == expected(name, entry.settle({}), tokens, model.alphabet.symbols)


@pytest.mark.parametrize("name", ["histogram", "sort", "reverse"])
def test_width_grows_with_logarithms(name: str) -> None:
    """Length 1,024 and 256 symbols in fewer than 200 dimensions; one-hot codes would take more than 1,000."""
    assert hw.compile(programs.get(name), length=1024, alphabet=256).cost.d_model < 200


def test_khop_layers_for_every_k() -> None:
    """floor(log2 k) + 2, which misses one layer less than ceil(log2 k) + 2 would unless k is a power of two."""
    for k in range(65):
        stated = programs.entry("khop").layers(128, k)
        floor = max((t for t in range(8) if 2**t <= k), default=-2)
        assert stated == floor + 2
        assert optimise(programs.get("khop", k=k).build(128)).depth == stated, k


def test_written_depth_is_the_plain_loop() -> None:
    assert [graphs(programs.get("khop", k=k), 64)[0].depth for k in (0, 1, 5)] == [0, 2, 6]


# --- known answers ---------------------------------------------------------------------------------------


def run(name: str, text: str | Tokens, **parameters: object) -> list[Symbol | None]:
    tokens = text.split() if isinstance(text, str) else text
    program = programs.get(name, **parameters)
    return outputs(graphs(program, len(tokens))[1], tokens)


def hop_by_definition(tokens: Tokens, k: int) -> list[Symbol | None]:
    """find(i) = max({0} ∪ {j <= i : X_{j-1} = X_i}), iterated; as the paper writes it, in quadratic time."""
    x = [None, *tokens]

    def find(i: int) -> int:
        return max([0, *(j for j in range(2, i + 1) if x[j - 1] == x[i])]) if i else 0

    out: list[Symbol | None] = []
    for i in range(1, len(x)):
        for _ in range(k):
            i = find(i)
        out.append(x[i] if i else None)
    return out


def test_compose_lecture() -> None:
    text = "Jane is a teacher . the mother of John is Helen . Helen is a doctor . the mother of Mary is Jane . what is the profession of"
    assert run("compose", f"{text} John 's mother")[-1] == "doctor"
    assert run("compose", f"{text} Mary 's mother")[-1] == "teacher"
    assert run("compose", f"{text} Mary 's father")[-1] is None
    assert run("compose", f"{text} Jane 's mother")[-1] is None
    assert run("compose", f"{text} John 's mother")[:-1] == [None] * (len(text.split()) + 2)


def test_compose_latest_fact_counts() -> None:
    facts = "Helen is a doctor . the mother of John is Helen . Helen is a judge . Jane is a baker ."
    assert run("compose", f"{facts} John 's mother")[-1] == "judge"
    assert run("compose", f"{facts} the mother of John is Jane . John 's mother")[-1] == "baker"


def test_ioi() -> None:
    text = "When Mary and John went to the store , John gave a drink to"
    answers = run("ioi", text)
    assert answers[-1] == "Mary"
    assert answers == [None, "Mary", "Mary", *["John"] * 6, *["Mary"] * 5]
    assert run("ioi", text.replace("John gave", "Mary gave"))[-1] == "John"
    assert run("ioi", text.replace(", John", ", Mary and John"))[-1] is None


def test_skip_trigram() -> None:
    assert run("skip_trigram", "keep it in") == [None, None, "mind"]
    assert run("skip_trigram", "keep the door at") == [None, None, None, "bay"]
    assert run("skip_trigram", "lock the door and") == [None, None, None, "key"]
    assert run("skip_trigram", "keep stay at") == [None, None, "home"]
    assert run("skip_trigram", "stay keep at") == [None, None, "bay"]


def test_recall() -> None:
    assert run("recall", "whale 1 dog 1 frog 0 shark 0 whale") == [None] * 8 + ["1"]
    assert run("recall", "whale 1 whale 0 whale") == [None, None, "1", None, "0"]
    assert run("recall", "dog whale whale 0 dog") == [None, None, None, None, "whale"]  # a label is no key


def test_induction() -> None:
    assert run("induction", [*"abcab"]) == [None, None, None, "b", "c"]
    assert run("induction", [*"aab"]) == [None, "a", None]


def test_many_hops_are_written_by_doubling_and_become_the_same_program() -> None:
    """Beyond 64; a million hops would be as many nodes."""

    def loop(k: int) -> hw.Program:
        @hw.program(name=f"khop(k={k})", alphabet=tuple("abcd"))
        def hops(token: hw.Value) -> hw.Value:
            jump = hw.match(query=token, key=token, before=True).latest().position + 1
            for _ in range(k):
                token = token.at(jump)
            return token

        return hops

    for k in (64, 65, 100, 127, 128, 129, 255, 259):
        written, plain = (optimise(p.build(300)) for p in (programs.get("khop", k=k), loop(k)))
        assert [(n.op, n.args) for n in written.nodes] == [(n.op, n.args) for n in plain.nodes], k
    assert len(programs.get("khop", k=1_000_000).build(64).nodes) < 200


def test_khop_lecture() -> None:
    """`bacbcabdba` ends in a; one hop reads the b after the a before it, and from there one more hop reads c."""
    tokens = [*"bacbcabdba"]
    assert run("khop", tokens, k=1) == hop_by_definition(tokens, 1) == [None, None, None, "a", "b", "c", "c", None, "d", "b"]
    assert run("khop", tokens, k=2) == hop_by_definition(tokens, 2)
    assert run("khop", tokens, k=1)[-1] == "b"
    assert run("khop", tokens, k=2)[-1] == "c"


def test_brackets() -> None:
    assert run("dyck1", [*"(())()"]) == [False, False, False, True, False, True]
    assert run("dyck1", [*"())("]) == [False, True, None, None]
    assert run("dyck_k", [*"([]x)"]) == [False] * 4 + [True]
    assert run("dyck_k", [*"([)]"]) == [False, False, None, None]
    assert run("dyck_k", [*"([]x)"], give="partner") == [None, None, 2, None, 1]
    assert run("dyck_k", [*"([)])"], give="partner") == [None] * 5  # ) closes [, ] closes (, the last one nothing
    assert run("shuffle_dyck", [*"([)]"]) == [False, False, False, True]
    assert run("shuffle_dyck", [*"(]"]) == [False, None]


def test_counting_and_sorting() -> None:
    text = "a rose is a rose is a rose"
    assert run("histogram", text) == [3, 3, 2, 3, 3, 2, 3, 3]
    assert run("count_less_frequent", text) == [2] * 8
    assert run("length", text) == [8] * 8
    assert run("reverse", [*"reward"]) == [*"drawer"]
    assert run("sort", "the lazy dog jumps") == ["dog", "jumps", "lazy", "the"]
    assert run("sort_by", "3 cat 1 dog 3 ant 2 bee") == "1 dog 2 bee 3 cat 3 ant".split()
    assert run("sort_by", "3 cat 1") == ["1", None, "3"]
    assert run("sort_by_frequency", "fox dog dog cat".replace("cat", "the")) == ["dog", "dog", "fox", "the"]
    assert run("most_frequent", "no yes yes no maybe") == ["no", "yes", "yes", "yes", "yes"]
    assert run("majority", "no yes yes no maybe") == ["no", None, "yes", None, None]
    assert run("fraction_of_previous", "yes no no") == [10, 5, 3]
    assert run("parity", [*"1101"]) == [True, False, False, True]
    assert run("prefix_sum", [*"529"]) == [5, 7, 6]
    assert run("prefix_sum", [*"529"], past="stay") == [5, 7, 10]


def test_predictions() -> None:
    text = "a rose is a rose is a rose"
    assert run("bigram", text) == [None, None, None, "rose", "is", "a", "rose", "is"]
    assert run("bigram", text, give="count") == [0, 0, 0, 1, 1, 1, 2, 2]
    assert run("ngram", text) == [None] * 4 + ["is", "a", "rose", "is"]


def test_automata_are_regular_expressions() -> None:
    """Against Python's re, on every string up to six letters: what the tables above are said to accept, they accept."""
    for dfa, accept, pattern in ((ENDS_IN_AB, "2", "(a|b)*ab"), (AB_STAR, "go", "(ab)*")):
        for tokens in itertools.product("ab", repeat=6):
            wanted = [bool(re.fullmatch(pattern, "".join(tokens[:i]))) for i in range(1, 7)]
            assert run("automaton", tokens, dfa=dfa, accept=[accept]) == wanted
    assert run("automaton", "right right left right right") == [False] * 4 + [True]


def test_addition() -> None:
    assert run("addition", [*"011+11"]) == [*"100100"]  # 6 + 3 = 9, lowest digit first
    assert run("addition", [*"111111+1"]) == [*"00000010"]  # 63 + 1: a carry through every digit
    assert run("addition", [*"101"]) == [None] * 3


def test_nearest_patterns() -> None:
    assert run("associative_memory", "++++ ---- -+++".split(), bits=4) == [None, "++++", "++++"]
    assert run("associative_memory", "++++ ---- ++-- -+--".split(), bits=4)[-1] == "++--"  # the later of two at distance 1
    assert run("nearest", "0000 cat 1111 dog 0100 0111 0011") == [None, None, "cat", None, "cat", "dog", "dog"]
    crowd = "0000 cat 0001 dog 0011 dog 1111 cat 0000"
    assert [run("nearest", crowd, k=k)[-1] for k in (1, 2, 3, 4)] == ["cat", "cat", "dog", "cat"]  # at 2 and 4 votes are equal


# --- edge cases of khop ----------------------------------------------------------------------------------


def test_khop_reference_is_the_definition() -> None:
    reference = programs.entry("khop").reference
    for tokens in short("abc", 6):
        for k in (0, 1, 2, 3, 5, 8):
            assert reference(tokens, k) == hop_by_definition(tokens, k)


def test_khop_one_is_induction() -> None:
    for tokens in short("abc", 5):
        assert programs.entry("khop").reference(tokens, 1) == programs.entry("induction").reference(tokens)


def test_khop_zero_is_the_identity() -> None:
    assert run("khop", [*"abcdd"], k=0) == [*"abcdd"]


def test_khop_first_occurrences_are_none() -> None:
    for k in (1, 2, 7):
        assert run("khop", [*"abcd"], k=k) == [None] * 4


def test_khop_equal_neighbours_are_fixed_points() -> None:
    for k in (1, 2, 3, 50):
        assert run("khop", [*"aaab"], k=k) == [None, "a", "a", None]
        assert run("khop", [*"abba"], k=k)[2] == "b"


def test_khop_saturates_at_length_minus_one() -> None:
    """hop_k = hop_{min(k, N-1)}, and on abab… the last step before saturation still changes something."""
    for n in (2, 3, 4, 7, 8, 12):
        tokens = [*"ab" * n][:n]
        full = run("khop", tokens, k=n - 1)
        for k in (n, n + 1, 3 * n):
            assert run("khop", tokens, k=k) == full
        assert run("khop", tokens, k=max(0, n - 2)) != full
    for tokens in short("ab", 6):
        assert hop_by_definition(tokens, 9) == hop_by_definition(tokens, max(1, len(tokens) - 1))


# --- the library's front -----------------------------------------------------------------------------------


def test_entries() -> None:
    assert programs.names()[:7] == ["previous", "induction", "khop", "skip_trigram", "recall", "compose", "ioi"]
    assert {name for name, _ in SETTINGS} == set(programs.names())
    for name in programs.names():
        entry = programs.entry(name)
        assert entry.name == name
        assert entry.summary.endswith(".")
        assert entry.alphabet_fixed == (name not in FREE)
        assert programs.get(name).alphabet == entry.alphabet
        assert programs.get(name, **entry.parameters).alphabet == entry.alphabet


ERRORS: list[tuple[str, Parameters, str]] = [
    ("inducton", {}, "there is no program 'inducton'\n    hint: did you mean induction? the programs are previous, induction, khop,"),
    ("zzz", {}, "there is no program 'zzz'\n    hint: the programs are previous,"),
    ("khop", {"j": 3}, "program khop has no parameter 'j'\n    hint: khop takes k=2"),
    ("induction", {"k": 3}, "program induction has no parameter 'k'\n    hint: induction takes no parameters"),
    ("khop", {"k": "3"}, "program khop was given k='3', which is not an integer\n    hint: khop takes k=2"),
    ("khop", {"k": True}, "program khop was given k=True, which is not an integer\n    hint: khop takes k=2"),
    ("khop", {"k": 2.0}, "program khop was given k=2.0, which is not an integer"),
    ("khop", {"k": None}, "program khop was given k=None, which is not an integer"),
    ("khop", {"k": -1}, "program khop was given k=-1\n    hint: give k of at least 0"),
    ("previous", {"by": 0}, "program previous was given by=0\n    hint: give by of at least 1"),
    ("previous", {"by": -2}, "program previous was given by=-2\n    hint: give by of at least 1"),
    ("ioi", {"names": "Mary"}, "program ioi was given names='Mary', which is not a list\n    hint: ioi takes names=('Mary', 'John',"),
    ("ioi", {"names": []}, 'program ioi was given names=()\n    hint: give distinct names, such as ["Mary", "John"]'),
    ("ioi", {"names": ["Mary", "Mary"]}, "program ioi was given names=('Mary', 'Mary')\n    hint: give distinct names"),
    ("ioi", {"names": ["Mary", 3]}, "program ioi was given names=('Mary', 3)\n    hint: give distinct names"),
    ("ioi", {"names": ["Mary", ["John"]]}, "program ioi was given names=('Mary', ['John'])\n    hint: give distinct names"),
    ("count_less_frequent", {"most": 0}, "program count_less_frequent was given most=0\n    hint: give most of at least 1"),
    ("fraction_of_previous", {"parts": 0}, "program fraction_of_previous was given parts=0\n    hint: give parts of at least 1"),
    ("fraction_of_previous", {"word": 3}, "program fraction_of_previous was given word=3, which is not a string"),
    ("prefix_sum", {"bound": 1}, "program prefix_sum was given bound=1\n    hint: give bound of at least 2"),
    ("prefix_sum", {"past": "stop"}, "program prefix_sum was given past='stop'\n    hint: give past as wrap or stay"),
    ("dyck_k", {"kinds": []}, 'program dyck_k was given kinds=()\n    hint: give pairs of characters, such as ["()", "[]"]'),
    ("dyck_k", {"kinds": ["(]", "[)", "()"]}, "program dyck_k was given kinds=('(]', '[)', '()')\n    hint: give pairs of characters"),
    ("dyck_k", {"kinds": ["((", "[]"]}, "program dyck_k was given kinds=('((', '[]')\n    hint: give pairs of characters"),
    ("dyck_k", {"give": "depth"}, "program dyck_k was given give='depth'\n    hint: give give as balanced or partner"),
    ("shuffle_dyck", {"kinds": ["()", 3]}, "program shuffle_dyck was given kinds=('()', 3)\n    hint: give pairs of characters"),
    ("shuffle_dyck", {"kinds": ["abc"]}, "program shuffle_dyck was given kinds=('abc',)\n    hint: give pairs of characters"),
    ("bigram", {"give": "p"}, "program bigram was given give='p'\n    hint: give give as token or count"),
    ("ngram", {"n": 0}, "program ngram was given n=0\n    hint: give n of at least 1"),
    ("addition", {"heads": 0}, "program addition was given heads=0\n    hint: give heads of at least 1"),
    ("associative_memory", {"bits": 0}, "program associative_memory was given bits=0\n    hint: give bits of 1 to 10"),
    ("nearest", {"k": 0}, "program nearest was given k=0\n    hint: give k of at least 1"),
    ("nearest", {"bits": 8, "k": 2}, "program nearest was given bits=8\n    hint: give bits of 1 to 7"),
    ("nearest", {"bits": 11}, "program nearest was given bits=11\n    hint: give bits of 1 to 10"),
    ("automaton", {"heads": 0}, "program automaton was given heads=0\n    hint: give heads of at least 1"),
    ("automaton", {"dfa": []}, "program automaton was given no rows\n    hint: a row is [state, symbol, next state]"),
    ("automaton", {"dfa": ["abc"]}, "program automaton was given the row 'abc'\n    hint: a row is [state, symbol, next state]"),
    ("automaton", {"dfa": [["p", "a"]]}, "program automaton was given the row ['p', 'a']\n    hint: a row is"),
    ("automaton", {"dfa": [["p", "a", None]]}, "program automaton was given the row ['p', 'a', None]\n    hint: a row is"),
    ("automaton", {"dfa": [["p", "a", "p"], ["p", "a", "q"]]}, "program automaton was given 'p' with 'a' twice\n    hint: give one next"),
    (
        "automaton",
        {"dfa": [["p", "a", "q"]]},
        "program automaton has no transitions from the state 'q'\n    hint: give one for each symbol",
    ),
    ("automaton", {"dfa": AB_STAR}, "program automaton has no transitions from the state 'window'"),
    (
        "automaton",
        {"dfa": [["p", "a", "q"], ["p", "b", "p"], ["q", "a", "p"]], "accept": []},
        "program automaton has no transition from 'q' with 'b'\n    hint: add the row; a trap state will do",
    ),
    ("automaton", {"dfa": FUNCTIONS, "accept": []}, "program automaton has more than 256 different compositions of transitions\n    hint:"),
    ("counter", {"width": 0}, "program counter was given width=0\n    hint: give width of at least 1"),
    ("hop_by_steps", {"k": 0}, "program hop_by_steps was given k=0\n    hint: give k of at least 1"),
    ("hop_by_steps", {"places": 0}, "program hop_by_steps was given places=0\n    hint: give places of at least 1"),
    ("automaton_by_steps", {"rules": []}, "program automaton_by_steps was given no rules\n    hint: give at least one rule"),
    ("automaton_by_steps", {"rules": [["q", ":", "q"]]}, "program automaton_by_steps was given the rule ['q', ':', 'q']\n    hint: a rule"),
    ("automaton_by_steps", {"rules": [["q", "a", "q"], ["q", "a", "r"]]}, "program automaton_by_steps was given q, a twice\n    hint: an"),
    ("turing", {"rules": []}, "program turing was given no rules\n    hint: give at least one rule"),
    ("turing", {"rules": [["A", "0", "1", "R", "B"]]}, "program turing was given the rule ['A', '0', '1', 'R', 'B']\n    hint: a rule is"),
    ("turing", {"rules": [*BEAVER_2, BEAVER_2[0]]}, "program turing was given A, 0 twice\n    hint: a machine has one rule"),
    ("turing", {"cells": 0}, "program turing was given cells=0\n    hint: give cells of at least 1"),
    ("skip_trigram", {"table": []}, "program skip_trigram was given an empty table\n    hint: give at least one entry [far, near, next]"),
    ("skip_trigram", {"table": [["a", "b"]]}, "program skip_trigram was given the entry ['a', 'b']\n    hint: an entry is three words"),
    ("skip_trigram", {"table": ["abc"]}, "program skip_trigram was given the entry 'abc'\n    hint: an entry is three words"),
    ("skip_trigram", {"table": [3]}, "program skip_trigram was given the entry 3\n    hint: an entry is three words"),
    ("skip_trigram", {"table": [["a", "b", 3]]}, "program skip_trigram was given the entry ['a', 'b', 3]\n    hint: an entry is"),
    ("skip_trigram", {"table": [["a", "b", "c"], ["a", "b", "d"]]}, "program skip_trigram was given a … b twice\n    hint: give one next"),
]


@pytest.mark.parametrize(("name", "parameters", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors(name: str, parameters: Parameters, text: str) -> None:
    with pytest.raises(InputError) as caught:
        programs.get(name, **parameters)
    assert str(caught.value).startswith(text)


def test_a_window_longer_than_the_context_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        programs.get("ngram", n=6).build(4)
    assert str(caught.value) == "program ngram looks at 5 tokens, and the length is 4\n    hint: give n of at most 5"
    programs.get("ngram", n=5).build(4)
