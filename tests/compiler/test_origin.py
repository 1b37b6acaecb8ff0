"""Programs pickle by name: a pool of processes takes them, and a pickle holds no code."""

from __future__ import annotations

import pickle
import pickletools
import random

import pytest

import headwork as hw


@hw.program
def before_last(token: hw.Value) -> hw.Value:
    return hw.previous(hw.previous(token))


@pytest.mark.parametrize("name", hw.programs.names())
def test_library_programs(name: str) -> None:
    entry = hw.programs.entry(name)
    again = pickle.loads(pickle.dumps(entry.program()))
    tokens = entry.sample(random.Random(0), 12)
    alphabet = None if again.names_symbols else entry.alphabet
    assert hw.interpret(again, tokens, alphabet=alphabet) == entry.reference(tokens)


@pytest.mark.parametrize("name", hw.protocols.names())
def test_library_protocols(name: str) -> None:
    entry = hw.protocols.entry(name)
    again = pickle.loads(pickle.dumps(entry.protocol()))
    machines = list(entry.cases(random.Random(0), 8)[0].machines)
    alphabet = None if again.names_symbols else sorted(set(machines))
    assert hw.run_protocol(again, machines, alphabet=alphabet) == entry.oracle(machines)


def test_parameters_and_the_other_direction_are_kept() -> None:
    text = "a b c a b".split()
    for program in (hw.programs.khop(k=1), hw.programs.khop(k=1).bidirectional(), hw.programs.histogram().bidirectional()):
        again = pickle.loads(pickle.dumps(program))
        assert (again.name, again.causal) == (program.name, program.causal)
        assert hw.interpret(again, text, alphabet="a b c".split()) == hw.interpret(program, text, alphabet="a b c".split())


def test_a_program_of_a_module_is_its_name() -> None:
    data = pickle.dumps(before_last)
    assert pickle.loads(data) is before_last
    words = [argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)]
    assert "before_last" in words and len(data) < 200


def test_a_program_without_a_name_of_its_own_is_refused() -> None:
    @hw.program
    def inner(token: hw.Value) -> hw.Value:
        return token

    with pytest.raises(hw.ProgramError, match=r"program inner is no variable of its module, and cannot be pickled\n.*save the model"):
        pickle.dumps(inner)
