"""Generation: programs that compute on their own text, against machines, automata and numbers in plain Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

import headwork as hw
from headwork import programs

# Busy beavers with their known steps and ones: two states (Rado 1962), three (Lin and Rado 1965), four (Brady 1983).
BEAVERS = {
    2: ("A0 1>B, A1 1<B, B0 1<A, B1 1>H", 6, 4),
    3: ("A0 1>B, A1 1>H, B0 0>C, B1 1>B, C0 1<C, C1 1<A", 14, 6),
    4: ("A0 1>B, A1 1<B, B0 1<A, B1 0<C, C0 1>H, C1 1<D, D0 1>D, D1 0>A", 107, 13),
}


def rules(text: str) -> list[list[str]]:
    """`A0 1>B` is: in state A reading 0, write 1, go right, be in state B."""
    return [[row[0], row[1], row[3], row[4], row[5]] for row in text.split(", ")]


def simulate(machine: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Steps and ones of a machine on a blank tape, with a dictionary for the tape."""
    table = {(state, read): (write, move, after) for state, read, write, move, after in machine}
    tape: dict[int, str] = {}
    state, head, steps = "A", 0, 0
    while state != "H":
        tape[head], move, state = table[state, tape.get(head, "0")]
        head += 1 if move == ">" else -1
        steps += 1
    return steps, sum(symbol == "1" for symbol in tape.values())


@pytest.mark.parametrize("states", BEAVERS)
def test_busy_beavers(states: int) -> None:
    """As many tokens as the machine has steps; the cells they wrote hold as many ones; the last state is H."""
    machine, steps, ones = rules(BEAVERS[states][0]), *BEAVERS[states][1:]
    assert simulate(machine) == (steps, ones)
    model = hw.compile(programs.get("turing", rules=machine, cells=24), length=steps + 5)
    assert model.cost.attention_layers == 1
    text = [str(word) for word in hw.generate(model, ["start"], steps + 4)]
    assert len(text) == steps and text[-1].startswith("H:")
    tape: dict[int, str] = {}
    for word in text:
        written, move = word.split(":")[1][0], word.split(":")[1][1]
        tape[int(word.split(move)[1]) + (1 if move == "<" else -1)] = written
    assert sum(symbol == "1" for symbol in tape.values()) == ones


@pytest.mark.parametrize("width", [1, 3, 6])
def test_the_counter_counts(width: int) -> None:
    """Numbers read off the generated text, lowest bit first, grow by one and wrap."""
    model = hw.compile(programs.get("counter", width=width), length=width * 12)
    start = 2**width - 3 if width > 1 else 1
    prompt = [str(start >> b & 1) for b in range(width)]
    bits = [*prompt, *(str(b) for b in hw.generate(model, prompt, width * 11))]
    numbers = [int("".join(bits[i : i + width])[::-1], 2) for i in range(0, len(bits), width)]
    assert numbers == [(start + n) % 2**width for n in range(12)]


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_hop_by_steps_says_what_khop_says(k: int) -> None:
    """k numbers and then khop's letter, in two layers; where khop has no letter, the text ends before it."""
    model = hw.compile(programs.get("hop_by_steps", k=k, places=30), length=30 + k + 1)
    assert model.cost.attention_layers == 2
    rng, found = random.Random(k), 0
    for _ in range(30):
        prompt = [rng.choice("abc") for _ in range(rng.randint(1, 30))]
        text = hw.generate(model, prompt, k + 1)
        letter = programs.entry("khop").reference(prompt, k)[-1]
        assert all(str(word).isdigit() for word in text[:k])
        assert (text[k] if len(text) > k else None) == letter
        found += letter is not None
    assert found > 5


def test_an_automaton_by_steps() -> None:
    """The remainders of a binary number modulo 5, digit by digit, are those of its leading parts."""
    modulo = [[f"r{r}", d, f"r{(2 * r + int(d)) % 5}"] for r in range(5) for d in "01"]
    model = hw.compile(programs.get("automaton_by_steps", rules=modulo), length=41)
    for number in (0, 1, 5, 77, 12_345, 1_000_000):
        digits = f"{number:b}"
        assert hw.generate(model, [*digits, ":"], 40) == [f"r{int(digits[:n], 2) % 5}" for n in range(1, len(digits) + 1)]


def test_generation_ends_at_none_at_the_length_and_at_the_steps() -> None:
    model = hw.compile(programs.get("induction"), length=8, alphabet="abc")
    assert hw.generate(model, "a b c a".split(), 3) == ["b", "c", "a"]
    assert hw.generate(model, "a b c a".split(), 30) == ["b", "c", "a", "b"]
    assert hw.generate(model, "a b c".split(), 30) == []
    assert hw.generate(model, ["a"], 0) == []


@pytest.mark.parametrize(
    ("model", "prompt", "steps", "text"),
    [
        ("place", ["a"], 1, "answers a position (1..4), which is no symbol to go on with\n    hint: use run()"),
        ("both", ["a"], 1, "is bidirectional: its earlier answers change as the text grows"),
        ("previous", [], 1, "cannot generate 1 steps from 0 tokens\n    hint: give at least one token"),
        ("previous", ["a"], -1, "cannot generate -1 steps from 1 tokens"),
        ("previous", ["z"], 1, "token 1 is 'z', which is not in the alphabet"),
        ("previous", ["a"] * 5, 1, "the sequence has 5 tokens, more than the length 4"),
    ],
)
def test_what_cannot_be_generated_is_refused(model: str, prompt: list[str], steps: int, text: str) -> None:
    made = {
        "place": hw.program(name="place", alphabet="ab")(lambda token, position: position),
        "both": programs.khop.make(1).bidirectional(),
        "previous": programs.get("previous"),
    }
    with pytest.raises(hw.InputError) as caught:
        hw.generate(hw.compile(made[model], length=4, alphabet="ab"), prompt, steps)
    assert text in str(caught.value)


def test_the_busy_beaver_runs_in_stock_gpt2(tmp_path: Path) -> None:
    """The same text from `generate` of transformers, with its cache, on the exported checkpoint."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    model = hw.compile(programs.get("turing"), length=20)
    model.export(tmp_path / "beaver", "gpt2", check=False)
    stock = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "beaver", dtype="auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "beaver")
    said = tokenizer.decode(stock.generate(**tokenizer("start", return_tensors="pt"), max_new_tokens=19)[0, 2:]).split()
    assert said == [*hw.generate(model, ["start"], 19), "⊥"]
    assert len(said) == 15
