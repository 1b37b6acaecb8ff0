"""The language: what every operator means, by definition on all short inputs, and what every mistake is answered with."""

from __future__ import annotations

import inspect
import itertools
import linecache
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import headwork as hw

HERE = Path(__file__).name
WORDS = ("red", "green", "blue")
V, N = 3, 4  # meanings are tried on every sequence of length 1..N over V symbols
SHORT = [list(row) for n in range(1, N + 1) for row in itertools.product(range(V), repeat=n)]

Body = Callable[..., object]
Reference = Callable[[Sequence[int], int], object]  # the result at position i (from 1) of a sequence


# --- meanings --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meaning:
    """A program and its definition in plain Python."""

    name: str
    body: Body
    reference: Reference
    causal: bool = True


def tok(t: Sequence[int], i: int) -> int | None:
    """The token at position i, None outside."""
    return t[i - 1] if 1 <= i <= len(t) else None


def prev(t: Sequence[int], i: int) -> int | None:
    return tok(t, i - 1)


def lift(f: Callable[..., object], *values: object) -> object:
    """f of the values, None if one of them is."""
    return None if None in values else f(*values)


def agree(meaning: Meaning, rows: Sequence[list[int]] = SHORT, alphabet: int = V, length: int = N) -> None:
    """The interpreter and the weights both give what the definition gives."""
    program = hw.program(name="p", causal=meaning.causal)(meaning.body)  # type: ignore[arg-type]
    wanted = [[meaning.reference(t, i) for i in range(1, len(t) + 1)] for t in rows]
    graph = program.build(length, alphabet)
    model = hw.compile(program, length=length, alphabet=alphabet)
    for t, want, got in zip(rows, wanted, model.run(rows), strict=True):
        assert same(hw.interpret(graph, t), want), f"interpret {t}: wanted {want}, got {hw.interpret(graph, t)}"
        assert same(got, want), f"run {t}: wanted {want}, got {got}"


def same(got: object, want: object) -> bool:
    """Equal, and of equal types: True is not 1."""
    return got == want and [type(x) for x in got] == [type(x) for x in want]  # type: ignore[attr-defined]


COMPARISONS: dict[str, Callable[..., object]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def comparisons(sign: str, f: Callable[..., object]) -> list[Meaning]:
    """A comparison with ⊥ on either side, and with literals on either side, inside and outside the domain."""
    return [
        Meaning(f"x {sign} ⊥", lambda token: f(token, hw.previous(token)), lambda t, i: lift(f, tok(t, i), prev(t, i))),
        Meaning(f"⊥ {sign} x", lambda token: f(hw.previous(token), token), lambda t, i: lift(f, prev(t, i), tok(t, i))),
        Meaning(f"x {sign} 2", lambda position: f(position, 2), lambda t, i: f(i, 2)),
        Meaning(f"2 {sign} x", lambda position: f(2, position), lambda t, i: f(2, i)),
        Meaning(f"x {sign} 7", lambda token: f(token, 7), lambda t, i: f(t[i - 1], 7)),
        Meaning(f"x {sign} -1", lambda token: f(token, -1), lambda t, i: f(t[i - 1], -1)),
        Meaning(f"x {sign} x + 1", lambda token: f(token, token + 1), lambda t, i: f(0, 1)),
    ]


def stepping(by: int, causal: bool) -> Meaning:
    name = f"previous {by}" + ("" if causal else ", both ways")
    return Meaning(name, lambda token: hw.previous(token, by=by), lambda t, i: tok(t, i - by), causal)


MEANINGS = [
    # arithmetic
    Meaning("token", lambda token: token, lambda t, i: tok(t, i)),
    Meaning("position", lambda position: position, lambda t, i: i),
    Meaning("x + x", lambda token: token + token, lambda t, i: 2 * t[i - 1]),
    Meaning("x + y", lambda token, position: token + position, lambda t, i: t[i - 1] + i),
    Meaning("y + x", lambda token, position: position + token, lambda t, i: t[i - 1] + i),
    Meaning("x + 1", lambda token: token + 1, lambda t, i: t[i - 1] + 1),
    Meaning("1 + x", lambda token: 1 + token, lambda t, i: t[i - 1] + 1),
    Meaning("x - y", lambda token, position: token - position, lambda t, i: t[i - 1] - i),
    Meaning("y - x", lambda token, position: position - token, lambda t, i: i - t[i - 1]),
    Meaning("x - 9", lambda token: token - 9, lambda t, i: t[i - 1] - 9),
    Meaning("5 - x", lambda token: 5 - token, lambda t, i: 5 - t[i - 1]),
    Meaning("x - x", lambda position: position - position, lambda t, i: 0),
    Meaning("x * 3", lambda token: token * 3, lambda t, i: 3 * t[i - 1]),
    Meaning("-2 * x", lambda position: -2 * position, lambda t, i: -2 * i),
    Meaning("x * 0", lambda token: token * 0, lambda t, i: 0),
    Meaning("-x", lambda token: -token, lambda t, i: -t[i - 1]),
    Meaning("⊥ + x", lambda token: hw.previous(token) + token, lambda t, i: lift(lambda a, b: a + b, prev(t, i), tok(t, i))),
    Meaning("⊥ - 3", lambda token: hw.previous(token) - 3, lambda t, i: lift(lambda a: a - 3, prev(t, i))),
    Meaning("⊥ * -2", lambda token: hw.previous(token) * -2, lambda t, i: lift(lambda a: a * -2, prev(t, i))),
    Meaning("0 - ⊥", lambda token: 0 - hw.previous(token), lambda t, i: lift(lambda a: -a, prev(t, i))),
    # comparisons
    *[meaning for sign, f in COMPARISONS.items() for meaning in comparisons(sign, f)],
    Meaning("bool == bool", lambda token, position: (token == 0) == (position == 1), lambda t, i: (t[i - 1] == 0) == (i == 1)),
    Meaning("bool != True", lambda token: (token == 0) != True, lambda t, i: t[i - 1] != 0),  # noqa: E712
    # logic
    Meaning("a & b", lambda token, position: (token > 0) & (position > 2), lambda t, i: t[i - 1] > 0 and i > 2),
    Meaning("a | b", lambda token, position: (token > 1) | (position > 2), lambda t, i: t[i - 1] > 1 or i > 2),
    Meaning("~a", lambda token: ~(token == 1), lambda t, i: t[i - 1] != 1),
    Meaning("~⊥", lambda token: ~(hw.previous(token) == 1), lambda t, i: lift(lambda a: a != 1, prev(t, i))),
    Meaning("a & ⊥", lambda token: (token == 1) & (hw.previous(token) == 1), lambda t, i: lift(lambda a: a == 1 == t[i - 1], prev(t, i))),
    Meaning(
        "a | ⊥",
        lambda token: (token == 1) | (hw.previous(token) == 1),
        lambda t, i: lift(lambda a: a == 1 or t[i - 1] == 1, prev(t, i)),
    ),
    Meaning("a & True", lambda token: (token == 1) & True, lambda t, i: t[i - 1] == 1),
    Meaning("True | a", lambda token: True | (token == 1), lambda t, i: True),
    Meaning("a | False", lambda token: (token == 1) | False, lambda t, i: t[i - 1] == 1),
    Meaning("False & a", lambda token: False & (token == 1), lambda t, i: False),
    # min and max
    Meaning("min(x, y)", lambda token, position: hw.minimum(token, position), lambda t, i: min(t[i - 1], i)),
    Meaning("max(x, y)", lambda token, position: hw.maximum(token, position), lambda t, i: max(t[i - 1], i)),
    Meaning("min(x, 2)", lambda position: hw.minimum(position, 2), lambda t, i: min(i, 2)),
    Meaning("max(x, 2)", lambda position: hw.maximum(position, 2), lambda t, i: max(i, 2)),
    Meaning("min(x, -3)", lambda position: hw.minimum(position, -3), lambda t, i: -3),
    Meaning("min(x - 2, 2 - y)", lambda token: hw.minimum(token - 2, 1 - token), lambda t, i: min(t[i - 1] - 2, 1 - t[i - 1])),
    Meaning("max(x - 2, 2 - y)", lambda token: hw.maximum(token - 2, 1 - token), lambda t, i: max(t[i - 1] - 2, 1 - t[i - 1])),
    Meaning("min(x, ⊥)", lambda token: hw.minimum(token, hw.previous(token)), lambda t, i: lift(min, tok(t, i), prev(t, i))),
    Meaning("max(⊥, x)", lambda token: hw.maximum(hw.previous(token), token), lambda t, i: lift(max, tok(t, i), prev(t, i))),
    # where, or_else, exists
    Meaning("where", lambda token, position: hw.where(token == 0, position * 1, token), lambda t, i: t[i - 1] if t[i - 1] else i),
    Meaning("where, 1 or 2", lambda token: hw.where(token == 0, 1, 2), lambda t, i: 2 if t[i - 1] else 1),
    Meaning("where, x or 2", lambda token: hw.where(token == 0, 2, token), lambda t, i: t[i - 1] or 2),
    Meaning("where True", lambda token, position: hw.where(True, position, token + 1), lambda t, i: i),
    Meaning("where False", lambda token: hw.where(False, token, 2), lambda t, i: 2),
    Meaning("where True, 1", lambda token: hw.where(True, 1, 0) + token, lambda t, i: 1 + t[i - 1]),
    Meaning("a number", lambda token: 5, lambda t, i: 5),
    Meaning("a truth", lambda token: False, lambda t, i: False),
    Meaning("where, bools", lambda token: hw.where(token == 0, False, True), lambda t, i: t[i - 1] != 0),
    Meaning("where, x or ⊥", lambda token: hw.where(token > 0, token, None), lambda t, i: t[i - 1] or None),
    Meaning("where, ⊥ or x", lambda token: hw.where(token > 0, None, token), lambda t, i: None if t[i - 1] else 0),
    Meaning("where, ⊥ or ⊥", lambda token: hw.where(token > 0, None, None), lambda t, i: None),
    Meaning(
        "where, condition ⊥",
        lambda token: hw.where(hw.previous(token) == 0, 7, 8),
        lambda t, i: lift(lambda a: 8 if a else 7, prev(t, i)),
    ),
    Meaning(
        "where, ⊥ not chosen",
        lambda token, position: hw.where(position > 1, hw.previous(token), token),
        lambda t, i: prev(t, i) if i > 1 else t[0],
    ),
    Meaning("or_else 5", lambda token: hw.previous(token).or_else(5), lambda t, i: 5 if i == 1 else prev(t, i)),
    Meaning("or_else x", lambda token: hw.previous(token).or_else(token), lambda t, i: t[0] if i == 1 else prev(t, i)),
    Meaning("or_else of no ⊥", lambda token: token.or_else(1), lambda t, i: t[i - 1]),
    Meaning(
        "or_else ⊥", lambda token: hw.previous(token, 2).or_else(hw.previous(token)), lambda t, i: tok(t, i - 2) if i > 2 else prev(t, i)
    ),
    Meaning("or_else None", lambda token: hw.previous(token).or_else(None), lambda t, i: prev(t, i)),
    Meaning("exists", lambda token: hw.previous(token).exists, lambda t, i: i > 1),
    Meaning("exists always", lambda token: token.exists, lambda t, i: True),
    Meaning("exists never", lambda token: hw.where(token == 0, None, None).exists, lambda t, i: False),
    # tables
    Meaning("table x", lambda token: hw.table(lambda x: (x + 1) % V, token), lambda t, i: (t[i - 1] + 1) % V),
    Meaning("table of position", lambda position: hw.table(lambda i: i * i - 20, position), lambda t, i: i * i - 20),
    Meaning("table of bool", lambda token: hw.table(lambda b: 10 if b is True else 20, token == 0), lambda t, i: 20 if t[i - 1] else 10),
    Meaning("table to bool", lambda token: hw.table(lambda x: x % 2 == 1, token), lambda t, i: t[i - 1] % 2 == 1),
    Meaning("table to ⊥", lambda token: hw.table({0: 2, 2: 0}.get, token), lambda t, i: {0: 2, 2: 0}.get(t[i - 1])),
    Meaning("table all ⊥", lambda token: hw.table(lambda x: None, token), lambda t, i: None),
    Meaning("product", lambda token, position: hw.table(lambda x, i: x * i, token, position), lambda t, i: t[i - 1] * i),
    Meaning(
        "table of ⊥",
        lambda token: hw.table(lambda a, b: 3 * a + b, hw.previous(token), token),
        lambda t, i: lift(lambda a: 3 * a + t[i - 1], prev(t, i)),
    ),
    # reading other positions
    *[stepping(by, causal=True) for by in (0, 1, 2, 3, 4, 9)],
    *[stepping(by, causal=False) for by in (-9, -3, -2, -1, 0, 1, 2)],
    Meaning("at the token's own place", lambda token, position: token.at(position - token), lambda t, i: tok(t, i - t[i - 1])),
    Meaning("at, ahead", lambda token, position: token.at(position + token), lambda t, i: tok(t, i + t[i - 1]), causal=False),
    Meaning("at, ahead, causal", lambda token, position: token.at(position + token), lambda t, i: None if t[i - 1] else 0),
    Meaning("at a position at ⊥", lambda token, position: token.at(hw.previous(position)), lambda t, i: prev(t, i)),
    Meaning("position at", lambda position: position.at(position - 2), lambda t, i: i - 2 if i > 2 else None),
    Meaning("⊥ read from elsewhere", lambda token: hw.previous(hw.previous(token)), lambda t, i: tok(t, i - 2)),
    Meaning("bool at", lambda token: hw.previous(token == 1), lambda t, i: lift(lambda a: a == 1, prev(t, i))),
]


@pytest.mark.parametrize("meaning", MEANINGS, ids=lambda m: m.name)
def test_meaning(meaning: Meaning) -> None:
    agree(meaning)


Chooser = Callable[[list[int]], int | None]
PICKS: dict[str, Chooser] = {
    "latest": lambda found: found[-1] if found else None,
    "earliest": lambda found: found[0] if found else None,
    "unique": lambda found: found[0] if len(found) == 1 else None,
}
READS: dict[str, tuple[Callable[..., hw.Value], Callable[[Sequence[int], int | None], object]]] = {
    "position": (lambda hit, token: hit.position, lambda t, at: at),
    "found": (lambda hit, token: hit.found, lambda t, at: at is not None),
    "fetch": (lambda hit, token: hit.fetch(token), lambda t, at: None if at is None else t[at - 1]),
    "fetch ⊥": (lambda hit, token: hit.fetch(hw.previous(token)), lambda t, at: None if at is None else prev(t, at)),
    "default": (lambda hit, token: hit.fetch(token, default=1), lambda t, at: 1 if at is None else t[at - 1]),
}
SIDES: dict[str, tuple[Callable[..., tuple[object, object]], Callable[[Sequence[int], int], tuple[object, object]]]] = {
    "token = token": (lambda token: (token, token), lambda t, i: (tok(t, i), tok(t, i))),
    "token = previous": (lambda token: (token, hw.previous(token)), lambda t, i: (tok(t, i), prev(t, i))),
    "previous = token": (lambda token: (hw.previous(token), token), lambda t, i: (prev(t, i), tok(t, i))),
    "1 = token": (lambda token: (1, token), lambda t, i: (1, tok(t, i))),
    "token = 1": (lambda token: (token, 1), lambda t, i: (tok(t, i), 1)),
    "pairs": (
        lambda token: ((token, hw.previous(token)), (hw.previous(token), token)),
        lambda t, i: ((tok(t, i), prev(t, i)), (prev(t, i), tok(t, i))),
    ),
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("mask", ["causal", "before", "full", "full before"])
def test_match(mask: str, pick: str, side: str, read: str) -> None:
    def body(token: hw.Value) -> hw.Value:
        query, key = SIDES[side][0](token)
        return READS[read][0](getattr(hw.match(query, key, before="before" in mask), pick)(), token)

    def reference(t: Sequence[int], i: int) -> object:
        visible = range(1, i) if "before" in mask else range(1, i + 1) if mask == "causal" else range(1, len(t) + 1)
        parts = [x if isinstance(x, tuple) else (x,) for x in (SIDES[side][1](t, i)[0], *(SIDES[side][1](t, s)[1] for s in visible))]
        found = [s for s, key in zip(visible, parts[1:], strict=True) if None not in parts[0] and key == parts[0]]
        return READS[read][1](t, PICKS[pick](found))

    rows = [t for t in SHORT if len(t) < N or t[0] == 0]  # by symmetry of the other symbols nothing is lost but time
    agree(Meaning("match", body, reference, causal="full" not in mask), rows)


def test_words_and_tables_of_words() -> None:
    """The same on symbols: literals, defaults and tables speak the user's alphabet."""

    @hw.program(alphabet=WORDS)
    def p(token: hw.Value) -> hw.Value:
        after = hw.match("red", hw.previous(token)).latest().fetch(token, default="blue")
        return hw.where(token == "green", hw.table({"red": "green", "green": "red"}.get, after), after)

    def reference(t: Sequence[str]) -> list[str | None]:
        out: list[str | None] = []
        for i in range(len(t)):
            after = next((t[s] for s in range(i, 0, -1) if t[s - 1] == "red"), "blue")
            out.append({"red": "green", "green": "red"}.get(after) if t[i] == "green" else after)
        return out

    model = hw.compile(p, length=5)
    for row in itertools.product(WORDS, repeat=5):
        assert hw.interpret(p, row) == model.run(row) == reference(row)


def test_a_table_is_called_once_for_every_combination() -> None:
    calls: list[tuple[object, ...]] = []

    def f(*point: object) -> int:
        calls.append(point)
        return 1

    hw.program(lambda token, position: hw.table(f, token, token == "red", position)).build(2, WORDS)
    assert sorted(map(repr, calls)) == sorted(map(repr, itertools.product(WORDS, (False, True), (1, 2))))
    assert all(type(b) is bool and type(i) is int for _, b, i in calls)


def test_programs_carry_their_name_direction_and_alphabet() -> None:
    @hw.program(name="other", causal=False, alphabet=["a", "b"])
    def mine(token: hw.Value) -> hw.Value:
        return token

    bare = hw.program(lambda token: token)
    assert (mine.name, mine.causal, mine.alphabet, mine.inputs) == ("other", False, ("a", "b"), ("token",))
    assert (bare.causal, bare.alphabet) == (True, None)
    assert bare.bidirectional().causal is False and bare.causal is True
    assert len(mine.build(3).sizes.alphabet) == 2
    assert mine.build(3, alphabet=5).sizes.alphabet.symbols == (0, 1, 2, 3, 4)


def test_equal_operations_are_one_node_and_unused_ones_are_dropped() -> None:
    def body(token: hw.Value) -> hw.Value:
        token * 7  # not used
        return (token + 1) + (token + 1)

    graph = hw.program(body).build(3, 3)  # type: ignore[arg-type]
    assert [n.op.name for n in graph.nodes] == ["token", "affine", "affine"]


# --- mistakes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    """A one-line program that must not build; the error must hold every text of `says`, and `hint` in its hint."""

    name: str
    body: Body
    says: tuple[str, ...]
    hint: str
    error: type[hw.HeadworkError] = hw.DomainError
    alphabet: object = WORDS
    length: int = 4


TOKEN, POSITION = "a token (3 values)", "a position (1..4)"
NO_TRUTH = ("a value has no truth of its own",)
MISTAKES = [
    Mistake("match token, position", lambda token, position: hw.match(token, position).latest().found, (TOKEN, POSITION), "token.at("),
    Mistake("match position, token", lambda token, position: hw.match(position, token).latest().found, (TOKEN, POSITION), "no numbers"),
    Mistake(
        "match numeric token, position",
        lambda token, position: hw.match(token, position).latest().found,
        (TOKEN, POSITION),
        "match(token + 0, position)",
        alphabet=3,
    ),
    Mistake("match token, bool", lambda token: hw.match(token, token == "red").latest().found, (TOKEN, "a boolean"), "kind"),
    Mistake("match one with two", lambda token: hw.match(token, (token, token)).latest().found, ("1 query", "2 key"), "as many"),
    Mistake("match nothing", lambda token: hw.match((), ()).latest().found, ("match()",), "give"),
    Mistake("match two literals", lambda token: hw.match("red", "red").latest().found, ("match()", "no value"), "value"),
    Mistake("match position with a word", lambda position: hw.match("red", position).latest().found, (POSITION, "'red'"), "literal"),
    Mistake("at token", lambda token: token.at(token), ("at()", TOKEN, "not at a position"), "match("),
    Mistake("at a bool", lambda token: token.at(token == "red"), ("at()", "a boolean", "not at a position"), "match("),
    Mistake("at a number", lambda token: token.at(3), ("at()", "3"), ""),
    Mistake("at a Hit", lambda token: token.at(hw.match(token, token).latest()), ("at()", "Hit"), ""),
    Mistake("word + 1", lambda token: token + 1, ("+ needs a number", TOKEN), "hw.table"),
    Mistake("1 + word", lambda token: 1 + token, ("+ needs a number", TOKEN), "hw.table"),
    Mistake("position + word", lambda token, position: position + token, ("+ needs a number", TOKEN), "hw.table"),
    Mistake("word - word", lambda token: token - token, ("- needs a number", TOKEN), "hw.table"),
    Mistake("word * 2", lambda token: token * 2, ("* needs a number", TOKEN), "hw.table"),
    Mistake("-word", lambda token: -token, ("needs a number", TOKEN), "hw.table"),
    Mistake("bool + 1", lambda token: (token == "red") + 1, ("+ needs a number", "a boolean"), "& | ~"),
    Mistake("position + 1.5", lambda position: position + 1.5, (POSITION, "1.5"), "literal"),
    Mistake("position + True", lambda position: position + True, (POSITION, "True"), "literal"),
    Mistake("word < word", lambda token: token < hw.previous(token), ("< orders", TOKEN, "no order"), "hw.table"),
    Mistake("word <= word", lambda token: token <= hw.previous(token), ("<= orders", TOKEN, "no order"), "hw.table"),
    Mistake("word > word", lambda token: token > hw.previous(token), ("> orders", TOKEN, "no order"), "hw.table"),
    Mistake("word >= 'red'", lambda token: token >= "red", (">= orders", TOKEN, "no order"), "hw.table"),
    Mistake("bool < bool", lambda token: (token == "red") < (token == "blue"), ("< orders", "a boolean"), "== or !="),
    Mistake("min of words", lambda token: hw.minimum(token, token), ("minimum()", TOKEN), "hw.table"),
    Mistake("max of words", lambda token, position: hw.maximum(position, token), ("maximum()", TOKEN), "hw.table"),
    Mistake("word == position", lambda token, position: token == position, ("==", TOKEN, POSITION), "kind"),
    Mistake("numeric token == position", lambda token, position: token == position, (TOKEN, POSITION), "kind", alphabet=3),
    Mistake("bool == 1", lambda token: (token == "red") == 1, ("a boolean", "an integer (1..1)"), "kind"),
    Mistake("or_else of another kind", lambda token: token.or_else(token == "red"), ("or_else()", TOKEN, "a boolean"), "kind"),
    Mistake("where of two kinds", lambda token, position: hw.where(position > 1, token, position), (TOKEN, POSITION), "kind"),
    Mistake("if value", lambda token: token if token == "red" else hw.previous(token), NO_TRUTH, "hw.where", hw.ProgramError),
    Mistake("value and value", lambda token: (token == "red") and token, NO_TRUTH, "& | ~", hw.ProgramError),
    Mistake("value or value", lambda token: token or token, NO_TRUTH, "& | ~", hw.ProgramError),
    Mistake("not value", lambda token: not token, NO_TRUTH, "& | ~", hw.ProgramError),
    Mistake("1 < value < 3", lambda position: 1 < position < 3, NO_TRUTH, "& | ~", hw.ProgramError),
    Mistake("bool(value)", lambda token: bool(token), NO_TRUTH, "hw.where", hw.ProgramError),
    Mistake("where(word)", lambda token: hw.where(token, 1, 2), ("where() needs a boolean", TOKEN), "compare first"),
    Mistake("where(position)", lambda position: hw.where(position, 1, 2), ("where() needs a boolean", POSITION), "compare first"),
    Mistake("word & bool", lambda token: token & (token == "red"), ("& needs a boolean", TOKEN), "compare first"),
    Mistake("bool & position", lambda token, position: (token == "red") & position, ("& needs a boolean", POSITION), "compare first"),
    Mistake("bool | 1", lambda token: (token == "red") | 1, ("| needs a boolean", "an integer"), "compare first"),
    Mistake("~position", lambda position: ~position, ("~ needs a boolean", POSITION), "compare first"),
    Mistake("== unknown word", lambda token: token == "mauve", ("==", "'mauve'", "alphabet of 3"), "alphabet="),
    Mistake("unknown word ==", lambda token: "mauve" == token, ("==", "'mauve'", "alphabet of 3"), "alphabet="),  # noqa: SIM300
    Mistake("!= unknown word", lambda token: token != "mauve", ("'mauve'", "alphabet of 3"), "alphabet="),
    Mistake("match unknown word", lambda token: hw.match("mauve", token).latest().found, ("match()", "'mauve'"), "alphabet="),
    Mistake("or_else unknown word", lambda token: hw.previous(token).or_else("mauve"), ("or_else()", "'mauve'"), "alphabet="),
    Mistake("where unknown word", lambda token: hw.where(token == "red", token, "mauve"), ("where()", "'mauve'"), "alphabet="),
    Mistake("where unknown words", lambda token: hw.where(token == "red", "mauve", None), ("where()", "'mauve'"), "alphabet="),
    Mistake("default unknown word", lambda token: hw.match(token, token).latest().fetch(token, "mauve"), ("'mauve'",), "alphabet="),
    Mistake("token == [1]", lambda token: token == [1], ("[1]",), "alphabet="),
    Mistake("1.5 is no symbol of a numeric alphabet", lambda token: token == 1.5, ("1.5", "alphabet of 3"), "alphabet=", alphabet=3),
    Mistake("True is not 1", lambda token: token == True, ("the truth value True", "kinds differ"), "such as 1", alphabet=(1, 2, 3)),  # noqa: E712
    Mistake("table to a list", lambda token: hw.table(lambda x: [x], token), ("table(): the result was given ['red']",), "hashable"),
    Mistake("table raises", lambda token: hw.table(lambda x: {"red": 1}[x], token), ("('green')", "KeyError: 'green'"), "None for ⊥"),
    Mistake(
        "table too large", lambda token, position: hw.table(max, position, position), ("90,000", "300 x 300"), "arithmetic", length=300
    ),
    Mistake("table of nothing", lambda token: hw.table(max), ("table() was given no value",), "table(f"),
    Mistake("previous by 1.5", lambda token: hw.previous(token, by=1.5), ("previous()", "1.5", "integer"), "integer"),
    Mistake("previous by True", lambda token: hw.previous(token, by=True), ("previous()", "True", "integer"), "integer"),
    Mistake("previous by a value", lambda token, position: hw.previous(token, by=position), ("previous()", "integer"), ".at("),
    Mistake("value * 1.5", lambda position: position * 1.5, ("* scales by", "no integer"), "hw.table("),
    Mistake("1.5 * value", lambda position: 1.5 * position, ("* scales by", "no integer"), "hw.table("),
    Mistake("value * True", lambda position: position * True, ("* scales by", "no integer"), "hw.table("),
    Mistake("returns nothing", lambda token: None, ("returned None",), "return", hw.ProgramError),
    Mistake("returns no symbol", lambda token: "mauve", ("returned value", "'mauve'", "alphabet of 3"), "alphabet="),
    Mistake("returns a tuple with None", lambda token: (token, None), ("returned None in a tuple",), "value", hw.ProgramError),
    Mistake("returns a Hit", lambda token: hw.match(token, token).latest(), ("returned",), "hit.fetch(", hw.ProgramError),
    Mistake("returns a Match", lambda token: hw.match(token, token), ("returned",), "return", hw.ProgramError),
    # plain Python things where only a value will do
    Mistake("where(1)", lambda token: hw.where(1, token, token), ("where()", "1"), "value"),
    Mistake("where(True) of two kinds", lambda token: hw.where(True, token, token == "red"), ("where()", TOKEN, "a boolean"), "kind"),
    Mistake("previous of a word", lambda token: hw.previous("red"), ("'red'",), ""),
    Mistake("table of a word", lambda token: hw.table(str.upper, "red"), ("'red'",), ""),
    Mistake("minimum of a number first", lambda position: hw.minimum("2", position), ("'2'",), ""),
    Mistake("fetch of a word", lambda token: hw.match(token, token).latest().fetch("red"), ("'red'",), ""),
    Mistake("where(Hit)", lambda token: hw.where(hw.match(token, token).latest(), token, token), ("where()",), ""),
]


def build(mistake: Mistake) -> hw.HeadworkError:
    with pytest.raises(hw.HeadworkError) as caught:
        hw.program(name="p")(mistake.body).build(mistake.length, mistake.alphabet)  # type: ignore[arg-type]
    return caught.value


def placed(error: hw.HeadworkError, line: int) -> None:
    """The message starts with this file and that line, and quotes it."""
    top, source, *_ = str(error).splitlines()
    assert top.startswith(f"{HERE}:{line}: "), top
    assert source == "    " + linecache.getline(__file__, line).strip()
    assert len(source) > 10


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_mistake(mistake: Mistake) -> None:
    error = build(mistake)
    assert type(error) is mistake.error
    placed(error, mistake.body.__code__.co_firstlineno)  # type: ignore[attr-defined]
    first_line = str(error).splitlines()[0]
    for text in mistake.says:
        assert text in first_line, f"{text!r} not in {first_line!r}"
    assert error.hint and mistake.hint in error.hint
    assert str(error).splitlines()[-1].startswith("    hint: ")


def test_the_line_is_the_one_inside_a_longer_program() -> None:
    def body(token: hw.Value, position: hw.Value) -> hw.Value:
        before = hw.previous(token)
        far = before.at(position - 2)
        return far + before

    with pytest.raises(hw.DomainError) as caught:
        hw.program(body).build(4, WORDS)
    placed(caught.value, inspect.getsourcelines(body)[1] + 3)
    assert "return far + before" in str(caught.value)


def test_the_line_is_the_users_helper() -> None:
    """Where a helper function of the user makes the mistake, the helper's line is named."""

    def helper(x: hw.Value) -> hw.Value:
        return x * 2

    with pytest.raises(hw.DomainError) as caught:
        hw.program(lambda token: helper(token)).build(4, WORDS)
    placed(caught.value, inspect.getsourcelines(helper)[1] + 1)


@pytest.mark.parametrize("raised", [ZeroDivisionError("why"), KeyError("why"), RuntimeError("why"), RecursionError("why")], ids=repr)
def test_what_a_table_raises_is_chained(raised: Exception) -> None:
    def f(x: object) -> object:
        if x == "green":
            raise raised
        return 1

    error = build(Mistake("", lambda token: hw.table(f, token), (), ""))
    assert error.__cause__ is raised
    assert type(raised).__name__ in error.fact and "why" in error.fact and "'green'" in error.fact


def test_what_stops_python_is_not_swallowed_by_a_table() -> None:
    def f(x: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hw.program(lambda token: hw.table(f, token)).build(4, WORDS)


def test_a_table_too_large_is_refused_before_it_is_computed() -> None:
    def f(*point: object) -> int:
        raise AssertionError("called")

    assert "65,536" in str(build(Mistake("", lambda position: hw.table(f, position, position), (), "", length=257)))
    edge = hw.program(lambda position: hw.table(lambda i, j: i, position, position))
    assert edge.build(256, 1).nodes[-1].domain.hi == 256  # 65,536 entries are allowed


def test_an_unknown_input_is_named() -> None:
    def body(token: hw.Value, mask: hw.Value) -> hw.Value:
        return token

    with pytest.raises(hw.ProgramError, match="program body asks for an input 'mask'") as caught:
        hw.program(body)
    placed(caught.value, inspect.getsourcelines(body)[1])
    assert "token and position" in caught.value.hint


MIXES: dict[str, Callable[[hw.Value, hw.Value, hw.Value, hw.Value], object]] = {
    "+": lambda token, position, t, p: position + p,
    "==": lambda token, position, t, p: token == t,
    "<": lambda token, position, t, p: position < p,
    "&": lambda token, position, t, p: (position > 1) & (p > 1),
    "minimum": lambda token, position, t, p: hw.minimum(position, p),
    "or_else": lambda token, position, t, p: token.or_else(t),
    "where, branch": lambda token, position, t, p: hw.where(position > 1, token, t),
    "where, condition": lambda token, position, t, p: hw.where(p > 1, token, token),
    "match": lambda token, position, t, p: hw.match(token, t).latest().position,
    "match, pairs": lambda token, position, t, p: hw.match((token, t), (token, t)).latest().position,
    "at": lambda token, position, t, p: token.at(p),
    "at, value": lambda token, position, t, p: t.at(position),
    "fetch": lambda token, position, t, p: hw.match(token, token).latest().fetch(t),
    "table": lambda token, position, t, p: hw.table(lambda x, y: x, token, t),
    "returned": lambda token, position, t, p: t,
}


@pytest.mark.parametrize("far", [False, True], ids=["a node number both have", "a node number only one has"])
@pytest.mark.parametrize("name", MIXES)
def test_values_of_two_programs_do_not_mix(name: str, far: bool) -> None:
    kept: list[hw.Value] = []

    def other(token: hw.Value, position: hw.Value) -> hw.Value:
        kept.extend((token, position))
        kept.extend(token + k for k in range(9))  # so that node numbers of this program are not all numbers of the other
        kept.extend((token * 2, position + 1))
        return token

    hw.program(other).build(4, 3)
    foreign_token, foreign_position = kept[-2:] if far else kept[:2]
    with pytest.raises(hw.ProgramError) as caught:
        hw.program(lambda token, position: MIXES[name](token, position, foreign_token, foreign_position)).build(4, 3)
    assert "two programs" in caught.value.fact
    assert HERE in str(caught.value) and caught.value.hint


ALPHABETS: list[tuple[object, str]] = [
    ([], "is empty"),
    ("", "is empty"),
    (["a", "b", "a"], "'a' twice"),
    ([1, 2, 1], "1 twice"),
    (["a", None], "None"),
    (0, "size is 0"),
    (-2, "size is -2"),
    (True, "size is True"),
    (2.5, "2.5"),
    ([["a"], ["b"]], "['a']"),
]


@pytest.mark.parametrize(("alphabet", "says"), ALPHABETS, ids=repr)
def test_impossible_alphabets(alphabet: object, says: str) -> None:
    program = hw.program(lambda token: token)
    for use in (lambda: program.build(4, alphabet), lambda: hw.compile(program, length=4, alphabet=alphabet)):  # type: ignore[arg-type]
        with pytest.raises(hw.InputError) as caught:
            use()
        assert says in caught.value.fact and caught.value.hint


def test_no_alphabet_at_all() -> None:
    with pytest.raises(hw.InputError, match="program nameless was given no alphabet") as caught:
        hw.program(name="nameless")(lambda token: token).build(4)
    assert "alphabet=" in caught.value.hint


@pytest.mark.parametrize("length", [0, -3, True, 1.5, "4", None], ids=repr)
def test_impossible_lengths(length: object) -> None:
    with pytest.raises(hw.InputError) as caught:
        hw.program(lambda token: token).build(length, 3)  # type: ignore[arg-type]
    assert repr(length) in caught.value.fact and "at least 1" in caught.value.hint


def test_the_errors_are_one_family() -> None:
    assert issubclass(hw.DomainError, hw.ProgramError)
    for error in (hw.ProgramError, hw.ExactnessError, hw.InputError, hw.CheckpointError):
        assert issubclass(error, hw.HeadworkError)
