"""Manners of the language: programs inside programs, constants, alphabets of numbers, warnings, and mistakes answered by name."""

from __future__ import annotations

import inspect
import itertools
import linecache
import warnings
from collections.abc import Callable

import numpy as np
import pytest

import headwork as hw

Body = Callable[..., object]


@hw.program
def induction(token: hw.Value) -> hw.Value:
    return hw.match(token, hw.previous(token)).latest().fetch(token)


def both(program: hw.Program, row: list[object], alphabet: object) -> list[object]:
    """The interpreter's answer, which the weights also give, certified."""
    model = hw.compile(program, length=6, alphabet=alphabet)  # type: ignore[arg-type]
    said = hw.interpret(program, row, length=6, alphabet=alphabet)  # type: ignore[arg-type]
    assert model.run(row) == said  # type: ignore[arg-type]
    hw.certify(model)
    return said  # type: ignore[return-value]


# --- a program inside a program ----------------------------------------------------------------------------


def test_a_called_program_is_its_lines() -> None:
    @hw.program(name="p")
    def called(token: hw.Value) -> object:
        return induction(induction(token)), induction(token=hw.previous(token))

    @hw.program(name="p")
    def written(token: hw.Value) -> object:
        def lines(x: hw.Value) -> hw.Value:
            return hw.match(x, hw.previous(x)).latest().fetch(x)

        return lines(lines(token)), lines(hw.previous(token))

    a, b = called.build(9, 3), written.build(9, 3)
    assert [(n.op, n.args, n.domain) for n in a.nodes] == [(n.op, n.args, n.domain) for n in b.nodes] and a.outputs == b.outputs


def test_a_called_program_is_given_its_position_or_takes_this_one() -> None:
    @hw.program
    def back(token: hw.Value, position: hw.Value) -> hw.Value:
        return token.at(position - 1)

    @hw.program
    def uses(token: hw.Value, position: hw.Value) -> object:
        return back(token), back(token, position - 1), back(token, position=position), back(2, position)

    assert both(uses, [0, 1, 2, 1], 3) == [(None, None, None, None), (0, None, 0, 2), (1, 0, 1, 2), (2, 1, 2, 2)]


def test_a_called_program_may_return_constants_and_tuples() -> None:
    @hw.program
    def pair(token: hw.Value) -> object:
        return token, 7

    @hw.program
    def uses(token: hw.Value) -> object:
        x, seven = pair(hw.previous(token))
        return x, seven + 1

    assert both(uses, [0, 1], 3) == [(None, 8), (0, 8)]


@hw.program
def itself(token: hw.Value) -> hw.Value:
    return itself(hw.previous(token))  # type: ignore[return-value]


CALLS: list[tuple[str, Body, str, str]] = [
    ("on tokens", lambda token: induction("abc"), "program induction was called with no value", "hw.interpret(induction, tokens)"),
    ("two tokens", lambda token: induction(token, token, token), "program induction does not take", "it takes token"),
    ("by another name", lambda token: induction(tokens=token), "program induction was not given token", "it takes token"),
    ("both ways", lambda token: induction.bidirectional()(token), "which is bidirectional", "the same causal="),
    ("itself", lambda token: itself(token), "program itself calls itself without end", "loop"),
    ("a protocol", lambda token: hw.protocols.get("sum")(token), "protocol sum", "plain function"),
]


@pytest.mark.parametrize(("body", "fact", "hint"), [row[1:] for row in CALLS], ids=[row[0] for row in CALLS])
def test_calls_that_are_none(body: Body, fact: str, hint: str) -> None:
    with pytest.raises(hw.ProgramError) as caught:
        hw.program(body).build(5, "abc")  # type: ignore[call-overload]
    assert fact in caught.value.fact and hint in caught.value.hint


def test_a_causal_program_in_a_bidirectional_one_names_the_way() -> None:
    program = hw.program(causal=False, name="wide")(lambda token: induction(token))  # type: ignore[arg-type, return-value]
    with pytest.raises(hw.ProgramError, match="bidirectional program wide calls induction, which is causal") as caught:
        program.build(4, 3)
    assert "induction.bidirectional()" in caught.value.hint
    hw.program(causal=False)(lambda token: induction.bidirectional()(token)).build(4, 3)  # type: ignore[arg-type, return-value]


# --- constants and numbers ---------------------------------------------------------------------------------


def test_constants_of_words() -> None:
    program = hw.program(lambda token: ("red", True, 4, hw.where(token == "red", "blue", None)))
    assert both(program, ["red", "blue"], ("red", "blue")) == [("red", True, 4, "blue"), ("red", True, 4, None)]


NUMBERS: list[tuple[int, ...]] = [(1, 2, 3), (-4, 0, 4), (10, 7, 4), (1, 3, 8), (5,), (-1, 100)]


@pytest.mark.parametrize("alphabet", NUMBERS, ids=str)
def test_alphabets_of_numbers_are_calculated_with(alphabet: tuple[int, ...]) -> None:
    def body(token: hw.Value, position: hw.Value) -> object:
        before = hw.previous(token)
        own = (token + 1, token - before, 2 * token, token // 2, token % 3, -token, token + position)
        compared = (token < 3, before >= token, token == 7, token == alphabet[0], token != position * 1)
        summed = (hw.visible(token).sum(token), hw.visible(token).max(token), hw.select(token, token, "<").count())
        return (*own, *compared, *summed, hw.maximum(token, 2), before.or_else(9), hw.where(token > 2, token, 0))

    def definition(t: list[int], i: int) -> tuple[object, ...]:
        x, b = t[i], t[i - 1] if i else None
        own = (x + 1, None if b is None else x - b, 2 * x, x // 2, x % 3, -x, x + i + 1)
        compared = (x < 3, None if b is None else b >= x, x == 7, x == alphabet[0], x != i + 1)
        summed = (sum(t[: i + 1]), max(t[: i + 1]), sum(x < y for y in t[: i + 1]))
        return (*own, *compared, *summed, max(x, 2), 9 if b is None else b, x if x > 2 else 0)

    model = hw.compile(hw.program(body), length=3, alphabet=alphabet)  # type: ignore[arg-type]
    for row in itertools.product(alphabet, repeat=3):
        wanted = [definition(list(row), i) for i in range(3)]
        assert hw.interpret(model, row) == wanted
        assert model.run(row) == wanted
    hw.certify(model)


def test_tokens_stay_tokens_where_nothing_is_calculated() -> None:
    """Reading, matching and symbols as literals are of tokens, whatever the symbols are: no table is added."""
    graph = hw.program(lambda token: hw.match(token, 3).latest().fetch(token, 1)).build(4, (1, 2, 3))
    assert graph.nodes[graph.output].domain.kind == "token"
    assert {n.op.name for n in graph.nodes} == {"token", "const", "lookup", "fetch", "or_else"}


def test_an_alphabet_with_one_word_says_which() -> None:
    with pytest.raises(hw.DomainError, match="needs a number") as caught:
        hw.program(lambda token: token + 1).build(4, (1, 2, "x"))
    assert "'x' is no number" in caught.value.hint


def test_a_number_beside_words_is_of_another_kind() -> None:
    with pytest.raises(hw.DomainError, match=r"where\(\) combines a token \(2 values\) with the number 0: their kinds differ") as caught:
        hw.program(lambda token: hw.where(token == "a", token, 0)).build(4, "ab")
    assert "'a'" in caught.value.hint and "hw.table" in caught.value.hint


# --- what is ⊥ everywhere ----------------------------------------------------------------------------------

AHEAD: list[tuple[str, Body]] = [
    ("position + 1", lambda token, position: token.at(position + 1)),
    ("1 + position", lambda token, position: token.at(1 + position)),
    ("position - -2", lambda token, position: token.at(position - (-2))),
    ("position + token + 1", lambda token, position: token.at(position + token + 1)),
    ("max", lambda token, position: token.at(hw.maximum(position + 1, position - 1))),
    ("where", lambda token, position: token.at(hw.where(token == 1, position + 1, position + 2))),
    ("previous by -1", lambda token: hw.previous(token, by=-1)),
]
SEEN: list[tuple[str, Body]] = [
    ("position", lambda token, position: token.at(position)),
    ("position - 1", lambda token, position: token.at(position - 1)),
    ("position + token", lambda token, position: token.at(position + token)),
    ("1 + position - 1", lambda token, position: token.at(1 + position - 1)),
    ("min", lambda token, position: token.at(hw.minimum(position + 1, position - 1))),
    ("where", lambda token, position: token.at(hw.where(token == 1, position + 1, position - 1))),
    ("jump + 1", lambda token: token.at(hw.match(token, token, before=True).latest().position + 1)),
]


@pytest.mark.parametrize("body", [row[1] for row in AHEAD], ids=[row[0] for row in AHEAD])
def test_reading_ahead_in_a_causal_program_warns_with_the_line(body: Body) -> None:
    program = hw.program(name="p")(body)  # type: ignore[arg-type]
    with pytest.warns(hw.ProgramWarning, match="always ahead") as caught:
        graph = program.build(3, 3)
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, body.__code__.co_firstlineno)]  # type: ignore[attr-defined]
    assert all(set(hw.interpret(graph, list(row))) == {None} for row in itertools.product(range(3), repeat=3))
    program.bidirectional().build(3, 3)  # warns of nothing: warnings are errors here


@pytest.mark.parametrize("body", [row[1] for row in SEEN], ids=[row[0] for row in SEEN])
def test_what_can_be_seen_somewhere_does_not_warn(body: Body) -> None:
    graph = hw.program(body).build(3, 3)  # type: ignore[call-overload]
    assert any(set(hw.interpret(graph, list(row))) != {None} for row in itertools.product(range(3), repeat=3))


def test_it_is_said_once() -> None:
    program = hw.program(lambda token, position: token.at(position + 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for length in (4, 5, 6):
            program.build(length, 3)
    assert len(caught) == 1


# --- mistakes, by name -------------------------------------------------------------------------------------

NAMED: list[tuple[str, Body, str, str]] = [
    ("a parameter's beginning", lambda token: hw.match(q=token, key=token), "match() has no parameter 'q'", "query=?"),
    ("a parameter with a slip", lambda token: hw.match(token, token, befor=True), "no parameter 'befor'", "before=?"),
    ("a parameter of nothing", lambda token: hw.visible(token, zzz=1), "visible() has no parameter 'zzz'", "like, before, within"),
    ("no key", lambda token: hw.match(token), "match() was not given key", "query, key"),
    ("too many", lambda token: hw.previous(token, 1, 2), "previous() was given 3 arguments", "value, by"),
    ("twice", lambda token: hw.match(token, query=token), "match() was given query twice", "query, key"),
    ("a slip", lambda token: hw.match(token, token).lastest(), "a selector has no 'lastest'", ".latest?"),
    ("fetch of a selector", lambda token: hw.match(token, token).fetch(token), "a selector has no 'fetch'", ".latest().fetch(x)"),
    ("position of a selector", lambda token: hw.match(token, token).position, "a selector has no 'position'", ".latest().position"),
    ("count of a hit", lambda token: hw.match(token, token).latest().count(), "a hit has no 'count'", "hw.match(x, y).count"),
    ("sum of a value", lambda token: token.sum(), "a value has no 'sum'", "hw.visible(x).sum"),
    ("previous of a value", lambda token: token.previous(), "a value has no 'previous'", "hw.previous"),
    ("a member of nothing", lambda token: token.colour, "a value has no 'colour'", "or_else"),
    ("a mean's value", lambda token: hw.visible(token).mean(token).value, "a mean has no 'value'", "numerator"),
    ("np.maximum", lambda token: np.maximum(token, 1), "np.maximum is no operation on a value", "hw.maximum"),
    ("np.minimum", lambda token: np.minimum(2, token), "np.minimum is no operation on a value", "hw.minimum"),
    ("np.where", lambda token: np.where(token == 1, token, 0), "np.where is no operation on a value", "hw.where"),
    ("np.abs", lambda token: np.abs(token), "np.absolute is no operation on a value", "hw.maximum(x, -x)"),
    ("np.exp", lambda token: np.exp(token), "np.exp is no operation on a value", "hw.table"),
    ("np.add.reduce", lambda token: np.add.reduce(token), "np.add is no operation on a value", "hw."),
]


@pytest.mark.parametrize(("body", "fact", "hint"), [row[1:] for row in NAMED], ids=[row[0] for row in NAMED])
def test_it_is_refused_by_name(body: Body, fact: str, hint: str) -> None:
    with pytest.raises(hw.ProgramError) as caught:
        hw.program(name="p")(body).build(5, 4)  # type: ignore[arg-type]
    assert fact in caught.value.fact and hint in caught.value.hint
    assert str(caught.value).splitlines()[1].strip() == linecache.getline(__file__, body.__code__.co_firstlineno).strip()


def test_members_that_are_not_there_are_attribute_errors_to_python() -> None:
    def body(token: hw.Value) -> hw.Value:
        hit = hw.match(token, token).latest()
        assert not hasattr(token, "lastest") and not hasattr(hit, "_repr_html_") and getattr(hit, "x", 7) == 7
        for symbolic in (hit, hw.match(token, token), hw.visible(token).mean(token)):
            with pytest.raises(AttributeError, match="x"):
                symbolic.x = 1  # type: ignore[attr-defined]
        return token

    hw.program(body).build(3, 3)


def test_numpy_operators_are_operators() -> None:
    body = lambda token: (np.add(token, 1), np.int64(7) % np.int64(4) - token, np.less(1, token), np.int8(2) == token)  # noqa: E731
    assert hw.interpret(hw.program(body), [0, 2, 1]) == [(1, 3, False, False), (3, 1, True, True), (2, 2, False, False)]


def test_compile_takes_its_sizes_by_name() -> None:
    with pytest.raises(
        hw.ProgramError, match=r"compile\(\) takes length, alphabet, dtype, code, heads, style, sharpness, pad, width by name"
    ) as caught:
        hw.compile(induction, 16)  # type: ignore[call-arg]
    assert "write compile(program, length=16)" in caught.value.hint
    assert caught.value.line is not None and caught.value.line.file == __file__


def test_a_type_error_inside_passes() -> None:
    def mine(a: int, b: int) -> int:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):  # of a protocol's memory: the call itself was right
        hw.run_protocol(hw.protocol(memory=lambda n: mine(n, n), words={"x": range(3)})(lambda me, x: x), [1])


NONE_TESTS: list[Body] = [
    lambda token: 1 if token is None else 2,
    lambda token, position: position is not None,
    lambda token: token if token is not None else hw.previous(token),
]


@pytest.mark.parametrize("body", NONE_TESTS, ids=["if", "is not", "else"])
def test_an_input_tested_against_none(body: Body) -> None:
    with pytest.raises(hw.ProgramError, match="is asked of Python") as caught:
        hw.program(body)
    assert ".exists" in caught.value.hint and caught.value.line is not None
    assert caught.value.line.line == body.__code__.co_firstlineno


def test_what_was_made_of_inputs_tested_against_none() -> None:
    def read(token: hw.Value) -> hw.Value:
        before = hw.previous(token)
        if before is None:
            return token
        return before

    def found(token: hw.Value) -> hw.Value:
        return token if hw.match(token, token, before=True).latest().fetch(token + 1) is not None else token + 1

    def summed(token: hw.Value, position: hw.Value) -> hw.Value:
        both = token + 1 - position
        return position if both is None else both

    for body, line, text in ((read, 2, "before"), (found, 1, "hw.match(token, token, before=True)"), (summed, 2, "both")):
        with pytest.raises(hw.ProgramError, match="is asked of Python") as caught:
            hw.program(body)
        assert f"`{text}" in caught.value.fact and ".exists" in caught.value.hint and caught.value.line is not None
        assert caught.value.line.line == inspect.getsourcelines(body)[1] + line


def test_none_tests_of_other_things_are_pythons_own() -> None:
    @hw.program
    def latest(token: hw.Value, default: object = None) -> hw.Value:
        found = None
        for value in (token, hw.previous(token)):
            found = value if found is None else hw.maximum(found, value)
        assert default is None and found is not None
        return found

    @hw.program
    def others(token: hw.Value) -> hw.Value:
        table: dict[int, hw.Value] = {}
        x = hw.previous(token)
        x = table.get(1) if table else None
        chosen = hw.where(True, None, 1)
        inner = (lambda before: before is None)(None)
        assert x is None and chosen is None and inner and table.get(0) is None
        return token

    assert latest.build(3, 3).depth == 1 and others.build(3, 3).depth == 0


def test_a_forgotten_return_is_shown_where_it_belongs() -> None:
    def body(token: hw.Value) -> None:
        before = hw.previous(token)
        before + token

    with pytest.raises(hw.ProgramError, match="returned None") as caught:
        hw.program(body).build(3, 3)  # type: ignore[call-overload]
    assert caught.value.line is not None
    assert caught.value.line.line == inspect.getsourcelines(body)[1] + 2
    assert "before + token" in str(caught.value) and "`return`" in caught.value.hint


def test_protocols_are_given_a_memory() -> None:
    with pytest.raises(hw.ProgramError, match="protocol ranks was given no memory") as caught:

        @hw.protocol
        def ranks(me: hw.Value, x: hw.Value) -> hw.Value:
            return x

    assert "@hw.protocol(memory=" in caught.value.hint and "test_language_manners.py" in str(caught.value)
    with pytest.raises(hw.ProgramError, match="was given no memory"):
        hw.protocol(words={"x": range(3)})
    with pytest.raises(hw.ProgramError, match="no parameter 'memry'"):
        hw.protocol(memry=3)  # type: ignore[call-overload]


def test_protocols_run_as_they_are() -> None:
    @hw.protocol(memory=2, words={"x": range(5)})
    def total(me: hw.Value, x: hw.Value) -> hw.Value:
        return hw.all_reduce(x)

    assert hw.run_protocol(total, [1, 2, 3]) == hw.run_protocol(total.trace(3), [1, 2, 3]) == [6, 6, 6]
    assert hw.run_protocol(total, [1, 2, 3], length=8) == [6, 6, 6]
    assert hw.run_protocol(total, [7, 1], alphabet=9) == [8, 8]
    with pytest.raises(hw.InputError, match="a length or an alphabet"):
        hw.run_protocol(total.trace(3), [1], length=4)
    with pytest.raises(hw.ProgramError, match="which is no protocol"):
        hw.run_protocol(induction, [1])  # type: ignore[arg-type]


# --- names and signatures ----------------------------------------------------------------------------------


def test_programs_of_one_maker_have_names_of_their_own() -> None:
    def make(k: int, mode: str, table: dict[str, int]) -> hw.Program:
        @hw.program
        def hop(token: hw.Value, by: int = 2) -> hw.Value:
            return hw.previous(token, by=k + by + len(mode) + len(table))

        return hop

    names = [make(k, mode, {}).name for k in (1, 2) for mode in ("a", "b")]
    assert names == ["hop(k=1, mode='a', by=2)", "hop(k=1, mode='b', by=2)", "hop(k=2, mode='a', by=2)", "hop(k=2, mode='b', by=2)"]
    assert induction.name == "induction"
    assert repr(make(1, "a", {})) == "<Program hop(k=1, mode='a', by=2): token, causal>"


def test_signatures_print_types_without_quotes() -> None:
    for function in (hw.match, hw.select, hw.previous, hw.where, hw.table, hw.compile, hw.check, hw.certify, hw.interpret, hw.generate):
        text = str(inspect.signature(function))
        assert ": '" not in text and "-> '" not in text, text
