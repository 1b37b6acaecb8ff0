"""Programs with several outputs, and guards: against plain Python on every short input, saved, certified, damaged, refused."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.compiler.domain import Alphabet, Sizes
from headwork.compiler.graph import Builder, Delivery, Graph, Guard
from headwork.compiler.ops import Position, Token
from headwork.compiler.pipeline import lower
from headwork.runtime.model import model_of
from headwork.tests import mutate

Result = tuple[object, ...]
LENGTH = 4


@hw.program(alphabet="abc")
def followed(token: hw.Value, position: hw.Value) -> tuple[hw.Value, ...]:
    """A token, a position and a number with negatives, ⊥ among them."""
    hit = hw.match(query=token, key=token, before=True).latest()
    return hit.fetch(token), hit.position, hit.position - position


def followed_reference(tokens: Sequence[str]) -> list[Result]:
    found: list[Result] = []
    for i, token in enumerate(tokens):
        t = next((t for t in range(i - 1, -1, -1) if tokens[t] == token), None)
        found.append((None, None, None) if t is None else (tokens[t], t + 1, t - i))
    return found


@hw.program(alphabet="ab", causal=False)
def counted(token: hw.Value, position: hw.Value) -> list[hw.Value]:
    """A boolean and a count: two heads' work, or one's."""
    same = hw.select(token, token, "==")
    return [same.count() > hw.select(token, token, "!=").count(), same.count() * -3 + 1]


def counted_reference(tokens: Sequence[str]) -> list[Result]:
    counts = [sum(t == token for t in tokens) for token in tokens]
    return [(2 * count > len(tokens), 1 - 3 * count) for count in counts]


@hw.program(alphabet="ab")
def alone(token: hw.Value) -> tuple[hw.Value]:
    """A tuple of one."""
    return (hw.previous(token),)


@hw.program(alphabet="ab")
def twice(token: hw.Value) -> tuple[hw.Value, ...]:
    """The same value twice, a constant, and what attention is not needed for."""
    return token, token, hw.table(lambda t: 7 if t == "a" else None, token)


PROGRAMS: dict[str, tuple[hw.Program, Callable[[Sequence[str]], list[Result]], str]] = {
    "followed": (followed, followed_reference, "abc"),
    "counted": (counted, counted_reference, "ab"),
    "alone": (alone, lambda tokens: [(t,) for t in [None, *tokens][: len(tokens)]], "ab"),
    "twice": (twice, lambda tokens: [(t, t, 7 if t == "a" else None) for t in tokens], "ab"),
}
each = pytest.mark.parametrize("name", PROGRAMS)


def model_named(name: str) -> hw.Model:
    return hw.compile(PROGRAMS[name][0], length=LENGTH)


@each
def test_results_are_tuples_of_what_plain_python_says(name: str, tmp_path: Path) -> None:
    program, reference, symbols = PROGRAMS[name]
    model = model_named(name)
    back = hw.load(model.save(tmp_path / "m"))
    assert (back.graph.outputs, back.graph.single, back.output_forms) == (model.graph.outputs, False, model.output_forms)
    rows = [list(row) for n in range(LENGTH + 1) for row in itertools.product(symbols, repeat=n)]
    wanted = [reference(row) for row in rows]
    assert model.run(rows) == back.run(rows) == wanted
    assert [hw.interpret(program, row, length=LENGTH) for row in rows] == wanted
    assert hw.check(model, exhaustive=LENGTH).ok and hw.check(back, exhaustive=LENGTH).ok
    assert hw.diagnose(model, rows[-1]).culprit is None
    count = len(wanted[-1][0])
    assert f"the {count} outputs of {name}" in str(hw.certify(back)) or count == 1
    ids = torch.tensor([[0, 1, 0]])
    blocks = model.module.split(model.module(ids))
    assert [block.shape for block in blocks] == [(1, 3, form.top + 1) for form in model.output_forms]


def test_the_printed_program_says_what_it_returns() -> None:
    assert "returns (%" in followed.build(4).__str__().splitlines()[0]
    assert alone.build(4).__str__().splitlines()[0].endswith(",)")
    assert "output 3 (" in hw.compile(followed, length=4).stage("plan")


@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_damaged_block_is_refused_and_found(block: int) -> None:
    """Two classes of one block swapped: the certificate names the output, the check finds it, the others are as they were."""
    model = model_named("followed")
    start = sum(model.module.shape.classes[:block])
    row = list("abac")
    before = model.run(row)
    with torch.no_grad():
        model.module.W_U[:, [start, start + 1]] = model.module.W_U[:, [start + 1, start]]
    after = model.run(row)
    assert [a[:block] + a[block + 1 :] for a in after] == [b[:block] + b[block + 1 :] for b in before]
    with pytest.raises(hw.Refused, match=rf"output {block + 1} \(.*\): its classes are not told apart by their codes"):
        hw.certify(model)
    report = hw.check(model, exhaustive=3)
    assert not report.ok and report.first is not None and report.first.value.startswith(f"output {block + 1} (")


def test_what_is_accepted_of_damaged_models_is_right() -> None:
    """Weights and claims changed at random: no model that is certified is wrong on any input."""
    model, rng = hw.compile(followed, length=3), random.Random(11)
    verdicts = Counter(mutate.verdict(model, damage(model, rng)) for damage in mutate.KINDS.values() for _ in range(12))
    assert not verdicts["wrong"] and verdicts["refused"] > 40, verdicts


def test_outputs_in_another_order_are_another_program() -> None:
    model = model_named("followed")
    graph = model.optimised
    for changed in (graph.outputs[::-1], graph.outputs[:2]):
        with pytest.raises(hw.Refused, match="not shown to mean"):
            hw.certify(replace(model, optimised=replace(graph, outputs=changed)))


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (lambda token: (), "program p returned no value"),
        (lambda token: [], "program p returned no value"),
        (lambda token: (token, 3.5j), "program p returned 3.5j in a tuple"),
        (lambda token: (token, (token,)), "in a tuple"),
        (lambda token: (token, hw.match(token, token).latest()), "a Hit is not a value: return hit.position"),
        (lambda token: [hw.match(token, token)], "a Selector is not a value: return .count()"),
        (lambda token: {"a": token}, "return a value, or a tuple of values"),
        (lambda token: (token, hw.compile(alone, length=1) and None), "returned None in a tuple"),
    ],
)
def test_what_is_no_value_is_refused(returned: Callable[[hw.Value], hw.Value], text: str) -> None:
    with pytest.raises(hw.ProgramError) as caught:
        hw.program(name="p")(returned).build(3, 2)
    assert text in str(caught.value)


def test_what_takes_one_value_refuses_several(tmp_path: Path) -> None:
    model = model_named("followed")
    with pytest.raises(hw.ProgramError, match="followed gives 3 values where one value is needed"):
        assert model.output_domain
    with pytest.raises(hw.InputError, match="followed gives 3 values, and one symbol is needed"):
        hw.generate(model, ["a"], 2)
    for target in ("gpt2", "llama", "onnx"):
        with pytest.raises(hw.InputError, match="followed gives 3 values, and a checkpoint has one vocabulary"):
            model.export(tmp_path / "x", target)
    assert not list(tmp_path.iterdir())


def test_statements_of_a_family_are_about_one_value() -> None:
    model = model_named("followed")
    assert hw.bounds(model).rows == ()
    with pytest.raises(hw.InputError, match="followed returns 3 values, and what is stated of the family 'khop' is about one"):
        hw.bounds(model, family="khop", k=1)


def test_on_the_command_line(tmp_path: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "import headwork as hw\n\n\n@hw.program(alphabet='ab')\ndef both(token, position):\n    return hw.previous(token), position\n"
    )
    done = CliRunner().invoke(app, ["run", f"{source}:both", "--input", "-"], input="a b b")
    assert done.stdout == "⊥,1 a,2 b,3\n", done.output
    done = CliRunner().invoke(app, ["run", f"{source}:both", "--input", "-"], input='["a", "b"]')
    assert json.loads(done.stdout) == [[None, 1], ["a", 2]]
    shown = CliRunner().invoke(app, ["show", f"{source}:both", "--length", "4"]).stdout
    assert shown.splitlines()[-1].startswith("unembedding output 1 (") and "output 2 (position): 5 classes" in shown


# --- guards ----------------------------------------------------------------------------------------------


def inboxes(capacities: Sequence[int] = (1, 2), n: int = 4) -> Graph:
    """Two rounds on n machines: token t is sent to machine t (0: not sent), then to the next one; inboxes hold so many."""
    builder = Builder("inboxes", Sizes(n, Alphabet.of([str(machine) for machine in range(n + 1)]), causal=False))
    token = hw.Value(builder, builder.add(Token(), (), "token"))
    guard: hw.Value | None = None
    deliveries: list[Delivery] = []
    for number, capacity in reversed(list(enumerate(capacities, 1))):
        to = hw.table(lambda t, by=number - 1: (int(t) + by) % (n + 1) or None, token)
        me = builder.add(Position(), (), "me")
        over = hw.select(hw.Value(builder, me), to, "==").count() > capacity
        guard = hw.where(over, number, guard)
        deliveries.append(Delivery(number, (to.index,), capacity, None))
    assert guard is not None
    return builder.finish(token.index, guard=Guard(guard.index, tuple(deliveries)))


def first_overflow(tokens: Sequence[str], capacities: Sequence[int], n: int) -> tuple[int, int, list[int], int] | None:
    """Round, machine, senders and capacity of the first inbox that overflows."""
    for number, capacity in enumerate(capacities, 1):
        for machine in range(1, len(tokens) + 1):
            senders = [t for t, token in enumerate(tokens, 1) if (int(token) + number - 1) % (n + 1) == machine]
            if len(senders) > capacity:
                return number, machine, senders, capacity
    return None


def test_a_guard_names_the_first_round_and_machine_everywhere(tmp_path: Path) -> None:
    graph = inboxes()
    model = model_of(lower(graph))
    back = hw.load(model.save(tmp_path / "m"))
    assert back.graph.guard == graph.guard and back.optimised.guard is not None and not back.optimised.guard.deliveries
    assert hw.check(back, exhaustive=4).ok
    assert "the output and the guard of inboxes" in hw.certify(back).statement
    refused = 0
    for row in [list(row) for n in range(1, 5) for row in itertools.product("01234", repeat=n)]:
        found = first_overflow(row, (1, 2), 4)
        assert model.run(row, strict=False) == row == hw.interpret(graph, row, strict=False)
        if found is None:
            assert model.run(row) == row == hw.interpret(graph, row)
            continue
        number, machine, senders, capacity = found
        refused += 1
        says = f"round {number}: machine {machine} was sent {len(senders)} messages, its inbox holds {capacity} "
        says += f"(from machines {', '.join(map(str, senders))})"
        for run in (model.run, lambda tokens: hw.interpret(graph, tokens), lambda tokens: model.run([["1"], tokens])):
            with pytest.raises(hw.CapacityError) as caught:
                run(row)
            assert caught.value.fact == says and "send over more rounds" in caught.value.hint
    assert refused > 100
    with pytest.raises(hw.CapacityError, match=r"round 1: machine 2 was sent 3 messages, its inbox holds 1 \(from machines 1, 2, 4\)"):
        back.run(list("2232"))


def test_a_guard_is_damaged_and_found() -> None:
    model = model_of(lower(inboxes()))
    start, one = model.module.shape.classes[0], next(p.dims[0] for p in model.probes if p.value == "one")
    with torch.no_grad():
        model.module.W_U[one, start] += 50
    with pytest.raises(hw.Refused, match="the guard: its classes are not told apart by their codes"):
        hw.certify(model)
    report = hw.check(model, exhaustive=3)
    assert not report.ok and report.first is not None and report.first.value == "the guard"
    with torch.no_grad():
        model.module.W_U[one, start] -= 50
        model.module.W_U[one, start + 1] += 50
    with pytest.raises(hw.InputError, match="the guard names round 1 and machine 1, whose inbox does not overflow there"):
        model.run(["0", "0"])


def test_what_takes_one_value_refuses_a_guard(tmp_path: Path) -> None:
    model = model_of(lower(inboxes()))
    with pytest.raises(hw.ProgramError, match="inboxes gives a value and a guard where one value is needed"):
        assert model.output_form
    with pytest.raises(hw.InputError, match="inboxes gives a value and a guard"):
        model.export(tmp_path / "x", "onnx")


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("node", 0, "guard.node' is not an integer value"),
        ("node", 99, "guard.node'"),
        ("extra", 1, "guard.extra' is not known"),
        ("deliveries", {}, "guard.deliveries' is not a list"),
        ("deliveries.0.number", 0, "guard.deliveries[0].number'"),
        ("deliveries.0.capacity", -1, "guard.deliveries[0].capacity'"),
        ("deliveries.0.to", [99], "guard.deliveries[0].to' names a node that is not in"),
        ("deliveries.0.to", [0], "guard.deliveries[0].to' names a value that is no position"),
        ("deliveries.0.line", 3, "guard.deliveries[0].line'"),
        ("deliveries.0.more", 3, "guard.deliveries[0].more' is not known"),
    ],
)
def test_a_guard_in_a_damaged_file(place: str, value: object, says: str, tmp_path: Path) -> None:
    path = model_of(lower(inboxes())).save(tmp_path / "m") / "program.json"
    whole = json.loads(path.read_text())
    inner = whole["graph"]["guard"]
    *parents, last = [int(p) if p.isdigit() else p for p in place.split(".")]
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(hw.CheckpointError) as caught:
        hw.load(path.parent)
    assert f"program.json: field 'graph.{says}" in str(caught.value)
