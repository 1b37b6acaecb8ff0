"""Odd inputs: what Python would answer by itself, NumPy's numbers, wrong things in every place, chains that are very long."""

from __future__ import annotations

import itertools
import linecache
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import headwork as hw
from headwork.compiler.ops import Table
from headwork.runtime.module import Attention

Body = Callable[..., object]


def hit(token: hw.Value) -> hw.Hit:
    return hw.match(token, token, before=True).latest()


# --- what Python would answer by itself ------------------------------------------------------------------

UNSAID: list[tuple[str, Body, str, str]] = [
    ("if hit", lambda token: token if hit(token) else token + 1, "a hit has no truth of its own", "hit.found"),
    ("not hit", lambda token: token if not hit(token) else token + 1, "a hit has no truth of its own", "hit.found"),
    ("hit == 3", lambda token: (token > 0) & (hit(token) == 3), "== is no operation on a hit", "hit.position"),
    ("hit == hit", lambda token: (token > 0) & (hit(token) == hit(token)), "== is no operation on a hit", "hit.position"),
    ("hit != value", lambda token: hit(token) != token, "!= is no operation on a hit", "hit.position"),
    ("hit + 1", lambda token: hit(token) + 1, "+ is no operation on a hit", "hit.position"),
    ("1 + hit", lambda token: 1 + hit(token), "+ is no operation on a hit", "hit.position"),
    ("-hit", lambda token: -hit(token), "unary - is no operation on a hit", "hit.position"),
    ("if mean", lambda token: token if hw.visible(token).mean(token) else token + 1, "a mean has no truth", ".numerator"),
    ("mean + 1", lambda token: hw.visible(token).mean(token) + 1, "+ is no operation on a mean", ".denominator"),
    ("selector == 3", lambda token: (token > 0) & (hw.match(token, token) == 3), "== is no operation on a selector", ".count()"),
    ("selector == selector", lambda token: hw.visible(token) == hw.match(token, token), "== is no operation on a selector", "& | ~"),
    ("if selector", lambda token: token if hw.visible(token) else token + 1, "a selector has no truth", ".any()"),
    ("selector < 3", lambda token: hw.visible(token) < 3, "< is no operation on a selector", ".count()"),
    ("1 in value", lambda token: 1 in token, "a value is no sequence", "hw.match()"),
    ("for x in value", lambda token: next(iter(token)), "a value is no sequence", "x.at(position)"),
    ("value[0]", lambda token: token[0], "a value is no sequence", "x.at(position)"),
    ("len(value)", lambda token: len(token), "a value is no sequence", "hw.previous(x)"),
    ("range(value)", lambda token: list(range(token)), "a value is no Python number", "hw.table"),
    ("list[value]", lambda token: [3, 1, 2][token], "a value is no Python number", "hw.table"),
    ("int(value)", lambda token: int(token), "a value is no Python number", "hw.table"),
    ("dict[value]", lambda token: {0: 1}[token], "a value is no key", "hw.table"),
    ("set of values", lambda token: {token}, "a value is no key", "hw.table"),
    ("value / 2", lambda token: token / 2, "/ is no operation on a value", "//"),
    ("2 // value", lambda token: 2 // token, "// is no operation on a value", "hw.table"),
    ("value ** 2", lambda token: token**2, "** is no operation on a value", "hw.table"),
    ("abs(value)", lambda token: abs(token), "abs() is no operation on a value", "hw.maximum"),
    ("bool ^ bool", lambda token: (token == 1) ^ (token == 2), "^ is no operation on a value", "!="),
    ("divmod", lambda token: divmod(token, 2)[0], "divmod() is no operation on a value", "x % k"),
    ("min(values)", lambda token: min(token, 2), "a value has no truth", "hw.minimum"),
    ("value == None", lambda token: token == None, "== compares with None, which is ⊥", ".exists"),  # noqa: E711
    ("value != None", lambda token: token != None, "compares with None, which is ⊥", ".exists"),  # noqa: E711
    (
        "token or_else True",
        lambda token: token.or_else(True),
        "or_else() combines a token (4 values) with the truth value True",
        "such as 0",
    ),
    ("before=2", lambda token: hw.match(token, token, 2).count(), "before=2 is neither True nor False", "within=w"),
    ("before='no'", lambda token: hw.visible(token, before="no").count(), "before='no' is neither", "within=w"),
    ("method not called", lambda token: hw.visible(token).count, "returned <bound method", "call it"),
    ("at a number that is a symbol", lambda token: token.at(token), "not at a position", "token + 0"),
    ("scan to a list", lambda token: hw.scan(lambda a, b: [a], token), "returned [0] for (0, 0)", "same domain"),
    ("beyond float64", lambda token: token == 10**30, "beyond 2^53", "smaller numbers"),
    ("beyond float64, *", lambda token: token * 10**16 > 3, "beyond 2^53", "smaller numbers"),
    ("too many classes", lambda token: token * 2**40 + hw.previous(token), "a class for each", "comparisons"),
]


@pytest.mark.parametrize(("body", "fact", "hint"), [row[1:] for row in UNSAID], ids=[row[0] for row in UNSAID])
def test_it_is_refused_with_the_line_and_the_fix(body: Body, fact: str, hint: str) -> None:
    with pytest.raises(hw.ProgramError) as caught:
        hw.program(name="p")(body).build(5, 4)
    assert fact in caught.value.fact
    assert hint in caught.value.hint
    assert str(caught.value).splitlines()[1].strip() == linecache.getline(__file__, body.__code__.co_firstlineno).strip()


def test_an_inbox_answers_nothing_by_itself() -> None:
    for body, fact in (
        (lambda me, x: x if hw.shuffle(me, x) else x + 1, "an inbox has no truth"),
        (lambda me, x: (x > 0) & (hw.shuffle(me, x) == 3), "== is no operation on an inbox"),
        (lambda me, x: next(iter(hw.shuffle(me, x))), "an inbox is no sequence"),
    ):
        with pytest.raises(hw.ProgramError, match=fact) as caught:
            hw.protocol(memory=2, words={"x": range(4)})(body).trace(4)
        assert ".messages" in caught.value.hint


def test_where_no_source_is_kept_no_empty_line_is_quoted() -> None:
    names: dict[str, object] = {"hw": hw}
    exec("@hw.program(alphabet=3)\ndef p(token):\n    return token.at(token)", names)
    with pytest.raises(hw.DomainError) as caught:
        names["p"].build(4)
    assert [line.strip()[:5] for line in str(caught.value).splitlines()] == ["<stri", "hint:"]


# --- meanings --------------------------------------------------------------------------------------------

ROWS = [[0], [3, 1, 0, 3], [1, 2, 3, 0, 1], [2, 2, 2]]
MEANINGS: list[tuple[str, Body, Callable[[list[int], int], object]]] = [
    ("mean == 1", lambda token: hw.visible(token).mean(token) == 1, lambda t, i: sum(t[:i]) == i),
    ("mean != 3/2", lambda token: hw.visible(token).mean(token) != Fraction(3, 2), lambda t, i: Fraction(sum(t[:i]), i) != Fraction(3, 2)),
    (
        "mean of nothing == 0",
        lambda token: hw.visible(token, before=True).mean(token) == 0,
        lambda t, i: None if i == 1 else sum(t[: i - 1]) == 0,
    ),
    ("NumPy's 1 + x", lambda token: np.int64(1) + token, lambda t, i: t[i - 1] + 1),
    ("x - NumPy's 1", lambda token: token - np.int8(1), lambda t, i: t[i - 1] - 1),
    ("NumPy's 3 * x", lambda token: np.int64(3) * token, lambda t, i: 3 * t[i - 1]),
    ("x // NumPy's 2", lambda token: token // np.int64(2) + token % np.uint8(2), lambda t, i: t[i - 1] // 2 + t[i - 1] % 2),
    ("NumPy's 2 == x", lambda token: np.int64(2) == token, lambda t, i: t[i - 1] == 2),
    ("x & NumPy's True", lambda token: (token == 1) & np.bool_(True), lambda t, i: t[i - 1] == 1),
    ("where of NumPy's", lambda token: hw.where(token == 1, np.int64(7), np.int64(-7)), lambda t, i: 7 if t[i - 1] == 1 else -7),
    ("table to NumPy's int", lambda position: hw.table(lambda p: np.int64(p) * 100, position), lambda t, i: 100 * i),
    ("table to NumPy's bool", lambda token: hw.table(lambda x: np.bool_(x > 1), token), lambda t, i: t[i - 1] > 1),
    (
        "relation to NumPy's bool",
        lambda token: hw.select(token, token, lambda q, k: np.less(q, k)).count(),
        lambda t, i: sum(t[i - 1] < k for k in t[:i]),
    ),
    ("scan to NumPy's int", lambda token: hw.scan(lambda a, b: np.maximum(a, b), token), lambda t, i: max(t[:i])),
    ("previous by NumPy's 2", lambda token: hw.previous(token, by=np.int64(2)), lambda t, i: t[i - 3] if i > 2 else None),
    ("previous by far", lambda token: hw.previous(token, by=10**30).or_else(5), lambda t, i: 5),
    ("within far", lambda token: hw.visible(token, within=10**30).sum(token), lambda t, i: sum(t[:i])),
    ("a pointer from numbers", lambda token, position: hw.match(2 * position - 3, position).latest().position, lambda t, i: _odd(i)),
]


def _odd(i: int) -> int | None:
    return 2 * i - 3 if 1 <= 2 * i - 3 <= i else None


@pytest.mark.parametrize(("body", "reference"), [row[1:] for row in MEANINGS], ids=[row[0] for row in MEANINGS])
def test_what_it_means(body: Body, reference: Callable[[list[int], int], object]) -> None:
    program = hw.program(name="p")(body)
    model = hw.compile(program, length=5, alphabet=4)
    wanted = [[reference(row, i) for i in range(1, len(row) + 1)] for row in ROWS]
    assert model.run(ROWS) == wanted == [hw.interpret(model, row) for row in ROWS]
    assert [[type(x) for x in row] for row in model.run(ROWS)] == [[type(x) for x in row] for row in wanted]


@pytest.mark.parametrize("steps", [30, 120], ids=["short", "long"])
def test_a_long_chain_of_operations_compiles(steps: int) -> None:
    """Collatz, cut at 40: seven operations a step, one behind the other."""

    @hw.program(alphabet=4)
    def collatz(token: hw.Value, position: hw.Value) -> hw.Value:
        x = token + position
        for _ in range(steps):
            x = hw.where(x % 2 == 0, x // 2, hw.minimum(3 * x + 1, 40))
        return x

    def reference(x: int) -> int:
        for _ in range(steps):
            x = min(3 * x + 1, 40) if x % 2 else x // 2
        return x

    model = hw.compile(collatz, length=6)
    for row in ([0, 1, 2, 3, 0, 1], [3, 3, 2]):
        assert model.run(row) == [reference(x + i) for i, x in enumerate(row, 1)]


def test_symbols_and_sizes_may_be_numpys() -> None:
    last = hw.program(lambda token: hw.previous(token) + 1)
    model = hw.compile(last, length=np.int64(4), alphabet=list(np.arange(3)))
    assert model.alphabet.symbols == (0, 1, 2) and model.alphabet.numeric
    assert hw.compile(hw.program(alphabet=np.int64(3))(last.function), length=4).run([2, 0]) == [None, 3]


# --- inputs ----------------------------------------------------------------------------------------------

BACK = hw.program(name="back")(lambda token: hw.previous(token))
MODEL = hw.compile(BACK, length=4, alphabet=4)


@pytest.mark.parametrize("array", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_arrays_are_sequences_and_batches(array: Callable[[object], object]) -> None:
    assert MODEL.run(array([2, 0, 1])) == [None, 2, 0]
    assert MODEL.run(array([[2, 0], [1, 3]])) == [[None, 2], [None, 1]]
    assert MODEL.run([array([2, 0]), [3]]) == [[None, 2], [None]]  # type: ignore[list-item]
    same = hw.program(lambda token: hw.match(token, token, before=True).latest().position)
    assert hw.interpret(same, array([3, 1, 3])) == [None, None, 1]


@pytest.mark.parametrize("odd", [{0, 1}, {0: 1}, None, 5, iter([0, 1]), torch.tensor(3)], ids=lambda odd: type(odd).__name__)
def test_what_is_no_sequence_is_refused(odd: object) -> None:
    for run in (MODEL.run, lambda x: hw.interpret(BACK, x), lambda x: hw.generate(MODEL, x, 1)):
        with pytest.raises(hw.InputError, match="no sequence of symbols") as caught:
            run(odd)
        assert "pass a list" in caught.value.hint


NO_PROGRAM = [hw.compile, hw.frontier, hw.bounds]


@pytest.mark.parametrize("take", NO_PROGRAM, ids=lambda take: take.__name__)
def test_what_is_no_program_is_refused(take: Callable[..., object]) -> None:
    for odd, hint in ((lambda token: token, "write @hw.program above"), ("khop", "@hw.program"), (None, "@hw.program")):
        with pytest.raises(hw.ProgramError, match="which is not a program") as caught:
            take(odd, length=4, alphabet=3)
        assert hint in caught.value.hint
    with pytest.raises(hw.ProgramError, match=r"interpret\(\) was given 'khop', which is not a program"):
        hw.interpret("khop", [1])


def test_what_is_no_model_is_refused() -> None:
    takes: list[Callable[[object], object]] = [
        hw.check,  # type: ignore[list-item]
        hw.log_counts,  # type: ignore[list-item]
        lambda odd: hw.generate(odd, [1], 1),
        lambda odd: hw.sample(odd, [1], 1),
        lambda odd: hw.diagnose(odd, [1]),
    ]
    for take in takes:
        for odd in (BACK, None, "khop"):
            with pytest.raises(hw.InputError, match="which is not a model") as caught:
                take(odd)
            assert "hw.compile()" in caught.value.hint


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hw.program(42), "a program is made of a function, not of 42"),
        (lambda: hw.program(causal="no")(lambda token: token), "causal='no' is neither True nor False"),
        (lambda: hw.program(alphabet={"a", "b"})(lambda token: token), "which has no order"),
        (lambda: hw.program(alphabet=3.5)(lambda token: token).build(4), "the alphabet is 3.5"),
        (lambda: hw.program(lambda *token: token), "has the parameter *token, not one to be given by name"),
        (lambda: hw.program(lambda token, /: token), "has the parameter token, not one to be given by name"),
        (lambda: hw.program(dict), "does not say what it takes"),
        (lambda: hw.protocol(memory=2)(lambda *x: x), "has the parameter *x"),
        (lambda: hw.compile(BACK, length=10**12, alphabet=3), "the length is 1000000000000"),
        (lambda: hw.compile(BACK, length=4, alphabet=10**12), "the alphabet size is 1,000,000,000,000"),
        (lambda: hw.compile(BACK, length=4, alphabet=(1 << 22) + 1), "the alphabet size is 4,194,305"),
        (lambda: hw.compile(BACK, length=4, alphabet=3, heads=1.5), "the head budget is 1.5"),
        (lambda: hw.compile(BACK, length=4, alphabet=3, code=None), "code None is not known"),
        (lambda: hw.check(MODEL, samples=1.5), "cannot check 1.5 samples"),
        (lambda: hw.check(MODEL, lengths=5), "of lengths 5"),
        (lambda: hw.check(MODEL, lengths=[2.0]), "of lengths [2.0]"),
        (lambda: hw.check(MODEL, exhaustive=2.5), "exhaustive length 2.5"),
        (lambda: hw.check(MODEL, samples=0, exhaustive=0), "there is nothing to check"),
        (lambda: hw.generate(MODEL, [1], 1.5), "cannot generate 1.5 steps"),
        (lambda: hw.run_protocol(BACK, [1]), "which is no protocol"),
        (lambda: hw.protocol(memory=2, words=[range(4)])(lambda x: x).trace(4), "has the words [range(0, 4)]"),
        (lambda: hw.protocol(memory=2, words={"x": 5})(lambda x: x).trace(4), "has the words {'x': 5}"),
        (
            lambda: hw.protocol(memory=2, words={"x": range(4)})(lambda x: hw.gather(lambda i: 1 // (i - 2), x)).trace(4),
            "called its pattern with 2 and it raised ZeroDivisionError",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_wrong_things_are_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(hw.HeadworkError) as caught:
        make()
    assert says in caught.value.fact and caught.value.hint


def test_words_of_a_protocol_may_be_numpys() -> None:
    add = hw.protocol(memory=2, words={"x": np.arange(4)})(lambda x: x + 1)  # type: ignore[dict-item]
    assert hw.compile(add, length=3).run([3, 0, 1]) == [4, 1, 2] == hw.run_protocol(add.trace(3), [3, 0, 1])


def test_a_link_to_a_checkpoint_stays_one(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "first run")
    (tmp_path / "latest").symlink_to("first run")
    hw.compile(BACK, length=7, alphabet=4).save(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert hw.load(tmp_path / "first run").length == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first run", "latest"]


def test_what_cannot_be_exact_is_lowered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forms of an output are tried one after another; a value that is refused in one is not computed again for the next."""
    tables: list[int] = []
    lower = Table.lower

    def counted(self: Table, *arguments: object) -> object:
        tables.append(len(self.entries))
        return lower(self, *arguments)

    monkeypatch.setattr(Table, "lower", counted)
    product = hw.program(lambda token, position: hw.table(lambda a, b: a * b << 13, token, position) + position)
    with pytest.raises(hw.ExactnessError, match=r"value product.* is not exact in float32"):
        hw.compile(product, length=256, alphabet=64)
    assert tables == [64 * 256]


# --- great numbers as outputs --------------------------------------------------------------------------------------


def running(numbers: list[int]) -> list[int]:
    return list(itertools.accumulate(numbers))


@pytest.mark.parametrize(("size", "length"), [(1200, 64), (560, 128), (100, 200)])
def test_long_sums_are_read_in_digits_of_a_greater_base(size: int, length: int, tmp_path: Path) -> None:
    """Even digits would need a staircase whose units add up beyond 2^24."""
    model = hw.compile(hw.program(name="total")(lambda token: hw.visible(token).sum(token)), length=length, alphabet=range(size))
    rng = random.Random(size)
    rows = [[rng.randrange(size) for _ in range(length)], [size - 1] * length]
    assert model.run(rows) == [running(row) for row in rows]
    assert hw.check(model, samples=4, exhaustive=1 if size < 200 else 0).ok and hw.certify(model)
    back = hw.load(model.save(tmp_path / "model"))
    assert back.output_form == model.output_form and back.run(rows[1]) == running(rows[1])
    assert (model.output_form.radix > 0) == (size * length > 65_000)


@pytest.mark.parametrize(("size", "length"), [(300, 30), (100, 257), (700, 8), (10, 257)])
def test_sums_of_several_cells_are_certified_in_any_digits(size: int, length: int) -> None:
    """Their cells are read for the digits and, at the same place, cleared: each reading is of one of them or of the sum."""
    of = hw.program(name="total")(lambda token: hw.visible(token).sum(token * 3 - 5))
    model = hw.compile(of, length=length, alphabet=range(size))
    row = [random.Random(size).randrange(size) for _ in range(length)]
    assert model.run(row) == running([3 * x - 5 for x in row]) and hw.certify(model)


def test_sums_that_no_staircase_holds_are_read_in_stages() -> None:
    model = hw.compile(hw.program(name="total")(lambda token: hw.visible(token).sum(token)), length=24, alphabet=range(4000))
    row = [random.Random(3).randrange(4000) for _ in range(24)]
    assert model.run(row) == running(row) and hw.certify(model) and sum(not isinstance(b, Attention) for b in model.module.blocks) > 2


def test_outputs_far_from_one_have_no_classes_below_them() -> None:
    far = hw.compile(hw.program(name="far")(lambda token: token + 1_000_000), length=4, alphabet=range(4))
    assert far.module.shape.classes == (5,) and far.run([3, 0]) == [1_000_003, 1_000_000] and hw.certify(far)
    farther = hw.compile(hw.program(name="farther")(lambda token: token + 2**40), length=4, alphabet=range(4))
    assert farther.module.shape.classes == (5,) and farther.run([3, 0]) == [2**40 + 3, 2**40] and hw.certify(farther)
    late = hw.compile(hw.program(name="late")(lambda token: hw.previous(token + 1000)), length=4, alphabet=range(4))
    assert late.module.shape.classes == (5,) and late.run([3, 0]) == [None, 1003] and hw.certify(late)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hw.certify(None), "certify() was given None, which is not a model"),
        (lambda: hw.precision(hit), "certify() was given <function hit"),
        (lambda: hw.programs.get(None), "there is no program None"),
        (lambda: hw.protocols.get(7), "there is no protocol 7"),
        (lambda: hw.programs.get("khop", k=10**20), "program khop was given k=100000000000000000000"),
        (lambda: hw.run_protocol(hw.protocols.get("sum").trace(4), [1, 2, 3, 4], engine="ray"), "the engine is 'ray', which runs nothing"),
    ],
)
def test_wrong_things_in_the_place_of_models_names_and_engines(call: Callable[[], object], text: str) -> None:
    with pytest.raises(hw.InputError) as refusal:
        call()
    assert text in str(refusal.value)


@pytest.mark.parametrize("far", [False, True])
def test_choices_nest_deeper_than_python(far: bool) -> None:
    @hw.program(alphabet="ab")
    def nested(token):
        y = hw.where(token == "a", 10**6 if far else 3, 0)
        for k in range(1100):
            y = hw.where(token == "a", y, k % 5)
        return y

    assert hw.interpret(nested, list("ab")) == [10**6 if far else 3, 4]
    assert nested.build(2).outputs  # what is returned is numbered without recursion


def test_a_selector_of_very_many_is_refused() -> None:
    @hw.program(alphabet="ab")
    def many(token):
        selector = hw.match(token, token)
        for _ in range(1200):
            selector = selector & hw.match(hw.previous(token), token)
        return selector.count()

    with pytest.raises(hw.DomainError, match=r"(?s)more than 200 selectors.*compute a value"):
        hw.interpret(many, list("ab"))


# --- options of another type ------------------------------------------------------------------------------

OPTIONS: dict[str, tuple[Callable[..., object], tuple[str, ...]]] = {
    "compile": (hw.compile, ("length", "dtype", "heads", "sharpness", "pad")),
    "interpret": (hw.interpret, ("length", "set")),
    "check": (hw.check, ("samples", "seed", "inputs", "lengths", "exhaustive")),
    "certify": (hw.certify, ("dtype",)),
    "robustness": (hw.robustness, ("samples", "seed")),
    "data": (hw.data, ("batch", "length", "seed")),
    "disguise": (hw.disguise, ("seed",)),
    "intervene": (hw.intervene, ("set",)),
}


FITTING: list[tuple[str, object]] = [("sharpness", 2.5), ("heads", 10**30), ("lengths", [1]), ("inputs", "x")]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_another_type_is_refused_by_name(name: str) -> None:
    function, options = OPTIONS[name]
    program = hw.programs.get("previous")
    model = hw.compile(program, length=4, alphabet="ab", style="natural")
    given = {"compile": (program,), "interpret": (program, ["a"]), "data": (program,), "intervene": (model, ["a"])}.get(name, (model,))
    needed = {"compile": {"length": 4, "alphabet": "ab", "style": "natural"}, "data": {"batch": 2}, "robustness": {"samples": 1}}
    for option in options:
        for wrong in (2.5, object(), 10**30, [1], "x"):
            if (option, wrong) in FITTING or (option == "seed" and wrong in (2.5, 10**30, "x")):
                continue
            with pytest.raises(hw.HeadworkError) as caught:
                function(*given, **{**needed.get(name, {}), option: wrong})
            assert str(caught.value)
