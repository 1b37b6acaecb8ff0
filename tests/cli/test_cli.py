"""The command line: exit codes, output that a machine can read, the three forms of a program, and errors without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import headwork as hw
from headwork import programs
from headwork.cli.app import app

COMMANDS = ["list", "compile", "run", "generate", "check", "show", "bounds", "demo"]

OWN = """\
import headwork as hw

@hw.program
def second(token):
    return hw.previous(token, by=2)

@hw.program(alphabet=["x", "y"])
def first(token):
    return hw.previous(token)

def back(by=1):
    @hw.program(name=f"back-{by}")
    def shifted(token):
        return hw.previous(token, by=by)
    return shifted

def nothing():
    return 3

@hw.program
def typo(token):
    return tokn

@hw.program
def mixed(token, position):
    return hw.match(query=token, key=position).latest().position

number = 7
"""


def call(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)


def fine(*arguments: str | Path, stdin: str | None = None) -> str:
    done = call(*arguments, stdin=stdin)
    assert done.exit_code == 0, done.output + done.stderr + repr(done.exception)
    return done.stdout


def refused(*arguments: str | Path, stdin: str | None = None) -> str:
    """The message of a command that ends with the user's mistake: exit code 2, on standard error, without a traceback."""
    done = call(*arguments, stdin=stdin)
    assert done.exit_code == 2, (done.exit_code, done.output, done.exception)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    return done.stderr


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    out = tmp_path / "induction"
    fine("compile", "induction", "--length", "16", "--alphabet", "a,b,c", "--out", out)
    return out


# --- help and list -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert "Usage" in fine(command, "--help")
    assert command in fine("--help")


def test_list_names_every_program() -> None:
    out = fine("list")
    assert all(name in out for name in programs.names())
    assert max(map(len, out.splitlines())) <= 100


def test_list_json() -> None:
    listed = json.loads(fine("list", "--json"))
    assert [item["name"] for item in listed] == programs.names()
    khop = next(item for item in listed if item["name"] == "khop")
    assert khop["parameters"] == {"k": 2}
    assert khop["summary"] and khop["layers"]


# --- compile and run ---------------------------------------------------------------------------------------


def test_compile_prints_cost_and_saves(tmp_path: Path) -> None:
    out = tmp_path / "model"
    printed = fine("compile", "khop", "--set", "k=4", "--length", "32", "--alphabet", "4", "--out", out)
    assert "attention layers" in printed and str(out) in printed
    assert (out / "config.json").is_file() and (out / "model.safetensors").is_file()


def test_compile_json(tmp_path: Path) -> None:
    out = tmp_path / "model"
    printed = json.loads(fine("compile", "khop", "--set", "k=4", "--length", "32", "--alphabet", "4", "--out", out, "--json"))
    assert printed["cost"]["attention_layers"] == 4 and printed["cost"]["heads"] == [1, 1, 1, 1]
    assert (printed["length"], printed["alphabet"], printed["dtype"]) == (32, 4, "float32")
    assert Path(printed["saved"]) == out


def test_run_words_file_and_standard_input(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a b c a\n b", encoding="utf-8")
    assert fine("run", checkpoint, "--input", tmp_path / "words.txt") == "⊥ ⊥ ⊥ b c\n"
    assert fine("run", checkpoint, "--input", "-", stdin="a b c a b") == "⊥ ⊥ ⊥ b c\n"
    assert json.loads(fine("run", checkpoint, "--input", "-", "--json", stdin="a b c a b")) == [None, None, None, "b", "c"]


def test_run_json_list_and_batch(checkpoint: Path) -> None:
    assert json.loads(fine("run", checkpoint, "--input", "-", stdin='["a", "b", "a"]')) == [None, None, "b"]
    batch = json.loads(fine("run", checkpoint, "--input", "-", stdin='[["a", "b", "a"], ["c"], ["b", "b"]]'))
    assert batch == [[None, None, "b"], [None], [None, "b"]]


def test_run_takes_sizes_from_the_input() -> None:
    assert fine("run", "induction", "--input", "-", stdin="7 3 7 3") == "⊥ ⊥ 3 7\n"
    assert fine("run", "khop", "--set", "k=1", "--input", "-", stdin="the cat the") == "⊥ ⊥ cat\n"
    assert json.loads(fine("run", "induction", "--input", "-", stdin="[5, 6, 5]")) == [None, None, 6]


def test_words_are_read_as_the_alphabet_writes_them(tmp_path: Path) -> None:
    (tmp_path / "symbols.json").write_text('["01", "1"]', encoding="utf-8")
    fine("compile", "previous", "--length", "4", "--alphabet", f"@{tmp_path / 'symbols.json'}", "--out", tmp_path / "model")
    assert fine("run", tmp_path / "model", "--input", "-", stdin="01 1 1") == "⊥ 01 1\n"
    assert "token 1 is 2" in refused("run", tmp_path / "model", "--input", "-", stdin="2")
    assert fine("run", "previous", "--input", "-", stdin="9000000001 5 -3") == "⊥ 9000000001 5\n"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (b"\xef\xbb\xbf1 2 1", "⊥ 1 2"),  # a byte order mark is no part of the first word
        (b"01 1", "⊥ 01"),  # what is no integer as Python writes it is a word, and printed as it stands
        ("٣ 1".encode(), "⊥ ٣"),
        (b"9" * 5_000 + b" 1", "⊥ " + "9" * 5_000),
    ],
    ids=["byte order mark", "leading zero", "other digits", "long word"],
)
def test_odd_words(given: bytes, answer: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(given)
    assert fine("run", "previous", "--input", tmp_path / "tokens") == answer + "\n"


@pytest.mark.parametrize("option", ["--input", "--alphabet"])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"[" * 100_000, "is not JSON"),
        (b"[" + b"9" * 5_000 + b"]", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
    ids=["deep", "long number", "not UTF-8"],
)
def test_damaged_files_of_symbols(given: bytes, says: str, option: str, tmp_path: Path) -> None:
    (tmp_path / "symbols").write_bytes(given)
    rest = ("--input", tmp_path / "symbols") if option == "--input" else ("--alphabet", f"@{tmp_path / 'symbols'}", "--input", "-")
    assert says in refused("run", "previous", *rest, stdin="a")


def test_a_word_that_two_symbols_are_written_as(tmp_path: Path) -> None:
    (tmp_path / "symbols.json").write_text('[1, "1", "a"]', encoding="utf-8")
    fine("compile", "previous", "--length", "4", "--alphabet", f"@{tmp_path / 'symbols.json'}", "--out", tmp_path / "model")
    assert "the word 1 stands for 2 symbols, 1 and '1'" in refused("run", tmp_path / "model", "--input", "-", stdin="a 1")
    assert fine("run", tmp_path / "model", "--input", "-", stdin="a a") == "⊥ a\n"
    assert json.loads(fine("run", tmp_path / "model", "--input", "-", stdin='["1", 1]')) == [None, "1"]


def test_sizes_beyond_any_memory() -> None:
    assert "the length is 1000000000000" in refused("check", "previous", "--length", "1000000000000")
    assert "the alphabet size is 99,999,999,999" in refused("check", "previous", "--alphabet", "99999999999")


@pytest.mark.parametrize("spec", ["b,a", "@symbols.json"])
def test_alphabets_by_list_and_by_file(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("symbols.json").write_text('["b", "a"]', encoding="utf-8")
    fine("compile", "previous", "--length", "4", "--alphabet", spec, "--out", "model")
    assert fine("run", "model", "--input", "-", stdin="a b") == "⊥ a\n"
    assert json.loads(fine("compile", "previous", "--length", "4", "--alphabet", spec, "--out", "second", "--json"))["alphabet"] == 2


@pytest.mark.parametrize("spec", ["a b c", " a  b\tc ", "a, b, c"])
def test_symbols_may_stand_apart(spec: str, checkpoint: Path, tmp_path: Path) -> None:
    fine("compile", "induction", "--length", "16", "--alphabet", spec, "--out", tmp_path / "again")
    assert (tmp_path / "again" / "program.json").read_text() == (checkpoint / "program.json").read_text()
    assert "empty symbol" in refused("check", "induction", "--alphabet", " ")


def test_run_takes_tokens_as_they_stand(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("run", checkpoint, "--input", "a b c a b")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "⊥ ⊥ ⊥ b c\n", "")
    assert json.loads(fine("run", checkpoint, "--input", '["a", "b", "a"]')) == [None, None, "b"]
    assert json.loads(fine("run", checkpoint, "--input", '[["a", "a"], ["b"]]')) == [[None, "a"], [None]]
    assert fine("run", "previous", "--input", "x " * 3000).endswith(" x x\n")  # too long for a file's name


def test_one_token_or_a_file_of_that_name_is_said(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("run", checkpoint, "--input", "a")
    assert (done.stdout, done.stderr) == ("⊥\n", "note: 'a' is taken as one token, there is no file of that name\n")
    Path("a").write_text("a b a", encoding="utf-8")
    done = call("run", checkpoint, "--input", "a")
    assert (done.stdout, done.stderr) == ("⊥ ⊥ b\n", "note: 'a' is read as the file of that name\n")
    Path("a b a").write_text("b b", encoding="utf-8")
    assert fine("run", checkpoint, "--input", "a b a") == "⊥ b\n"
    for name in ("none.txt", "none.json", "nowhere/tokens", "./a.b"):
        assert "No such file" in refused("run", checkpoint, "--input", name)


def test_generate_says_what_follows(checkpoint: Path, tmp_path: Path) -> None:
    assert fine("generate", checkpoint, "--prompt", "a b c a b", "--steps", "4") == "c a b c\n"
    assert json.loads(fine("generate", checkpoint, "--prompt", '["a", "b", "a"]', "--steps", "2")) == ["b", "a"]
    assert fine("generate", "induction", "--prompt", "the cat saw the", "--steps", "3") == "cat saw the\n"
    assert fine("generate", "induction", "--prompt", "a b a", "--steps", "5", "--length", "4") == "b\n"  # up to N tokens
    assert fine("generate", "turing", "--prompt", "start", "--steps", "99").split()[-1] == "H:1>10"  # up to ⊥
    (tmp_path / "prompt.txt").write_text("a b a", encoding="utf-8")
    assert fine("generate", checkpoint, "--prompt", tmp_path / "prompt.txt", "--steps", "1") == "b\n"
    assert fine("generate", checkpoint, "--prompt", "-", "--steps", "1", stdin="a c a") == "c\n"


def test_generate_draws_where_a_program_counts() -> None:
    drawn = [fine("generate", "ngram_counts", "--prompt", "a b a c a b", "--steps", "6", "--seed", str(seed)) for seed in (0, 0, 1)]
    model = hw.compile(programs.get("ngram_counts"), length=12, alphabet="abc")
    assert drawn[0] == drawn[1] == " ".join(hw.sample(model, list("abacab"), 6, seed=0)) + "\n"  # type: ignore[arg-type]
    assert drawn[2] == " ".join(hw.sample(model, list("abacab"), 6, seed=1)) + "\n"  # type: ignore[arg-type]


def test_generate_refuses(checkpoint: Path) -> None:
    assert "which is no symbol to go on with" in refused("generate", "length", "--prompt", "a b", "--steps", "2")
    assert "several texts" in refused("generate", checkpoint, "--prompt", '[["a"], ["b"]]', "--steps", "2")
    assert "--length does not apply" in refused("generate", checkpoint, "--prompt", "a b", "--steps", "2", "--length", "9")


# --- check and show ----------------------------------------------------------------------------------------


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", programs.names())
def test_check_passes_on_every_program(name: str) -> None:
    report = json.loads(fine("check", name, "--length", "16", "--samples", "4", "--exhaustive", "1", "--json"))
    assert report["ok"] is True and report["mismatches"] == 0 and report["positions"] > 0


def test_check_of_a_checkpoint_and_its_text(checkpoint: Path) -> None:
    assert "exact" in fine("check", checkpoint, "--samples", "4", "--lengths", "1,8,16", "--seed", "3")


def test_check_in_another_alphabet() -> None:
    fine("check", "khop", "--set", "k=3", "--length", "16", "--alphabet", "8", "--samples", "4", "--dtype", "float64")


def test_a_damaged_weight_makes_check_fail(checkpoint: Path, tmp_path: Path) -> None:
    model = hw.load(checkpoint)
    model.module.W_U.data *= -1
    done = call("check", model.save(tmp_path / "damaged"), "--samples", "4", "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["ok"] is False


@pytest.mark.parametrize("stage", [None, "program", "graph", "optimised", "plan", "schedule", "layout", "weights"])
def test_show_prints_every_stage(stage: str | None) -> None:
    chosen = ["--stage", stage] if stage else []
    text = fine("show", "khop", "--set", "k=2", *chosen, "--length", "8", "--alphabet", "3")
    assert len(text.splitlines()) > 2
    assert json.loads(fine("show", "khop", *chosen, "--length", "8", "--json"))["text"]


def test_show_a_checkpoint(checkpoint: Path) -> None:
    assert "match" in fine("show", checkpoint)
    assert "fetch" in fine("show", checkpoint, "--stage", "optimised")
    assert "does not keep" in refused("show", checkpoint, "--stage", "program")
    assert "does not keep" in refused("show", checkpoint, "--stage", "weights")


def test_show_graph_is_the_graph() -> None:
    text = fine("show", "induction", "--stage", "graph", "--length", "8", "--alphabet", "3")
    assert text == f"{programs.get('induction').build(8, 3)}\n"


# --- your own programs -------------------------------------------------------------------------------------


def test_a_program_of_your_own(own: Path) -> None:
    assert fine("run", f"{own}:second", "--input", "-", stdin="p q r s") == "⊥ ⊥ p q\n"
    assert fine("run", f"{own}:first", "--input", "-", stdin="x y y") == "⊥ x y\n"
    assert fine("run", f"{own}:back", "--set", "by=3", "--input", "-", stdin="p q r s") == "⊥ ⊥ ⊥ p\n"
    fine("check", f"{own}:first", "--length", "8", "--samples", "4")
    fine("compile", f"{own}:second", "--length", "8", "--alphabet", "3", "--out", own.parent / "second")
    fine("check", own.parent / "second", "--samples", "4")


def test_a_program_may_import_the_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("STEP = 2\n", encoding="utf-8")
    text = "import headwork as hw\nfrom beside_it import STEP\n@hw.program\ndef p(token):\n    return hw.previous(token, by=STEP)\n"
    (tmp_path / "uses.py").write_text(text, encoding="utf-8")
    before = list(sys.path)
    assert fine("run", f"{tmp_path / 'uses.py'}:p", "--input", "-", stdin="a b c") == "⊥ ⊥ a\n"
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "settings", "parts"),
    [
        ("missing", [], ["has no 'missing'", "second", "back()"]),
        ("number", [], ["an int, not a program"]),
        ("hw", [], ["a module, not a program"]),
        ("nothing", [], ["returned an int, not a program"]),
        ("second", ["k=1"], ["takes no --set"]),
        ("back", ["steps=1"], ["cannot be called with these parameters", "it takes by"]),
        ("typo", [], ["mine.py:22", "NameError", "return tokn"]),
        ("mixed", [], ["mine.py:26", "compares a token", "hint"]),
    ],
)
def test_mistakes_in_your_own_file(own: Path, name: str, settings: Sequence[str], parts: Sequence[str]) -> None:
    options = [part for setting in settings for part in ("--set", setting)]
    message = refused("check", f"{own}:{name}", *options, "--alphabet", "3")
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("import headwork as hw\n\nx = 1 / 0\n", ["broken.py:3", "ZeroDivisionError", "x = 1 / 0"]),
        ("def p(:\n    pass\n", ["broken.py:1", "SyntaxError"]),
        ("import sys\nsys.exit(0)\n", ["broken.py:2", "SystemExit"]),
        ("import nowhere_to_be_found\n", ["broken.py:1", "ModuleNotFoundError"]),
        ("import headwork as hw\n@hw.program\ndef p(tokens):\n    return tokens\n", ["asks for an input 'tokens'"]),
    ],
)
def test_files_that_do_not_load(tmp_path: Path, text: str, parts: Sequence[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text, encoding="utf-8")
    message = refused("check", f"{path}:p")
    assert all(part in message for part in parts), message


# --- mistakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["check", "khopp"], ["there is no program 'khopp'", "khop", "induction"]),
        (["check", "khop", "--set", "j=1"], ["no parameter 'j'", "k=2"]),
        (["check", "khop", "--set", "k"], ["not name=value"]),
        (["check", "khop", "--set", "k=1", "--set", "k=2"], ["k twice"]),
        (["check", "khop", "--set", "k=many"], ["'many'", "an integer"]),
        (["check", "khop", "--lengths", "1,x"], ["not a list of lengths"]),
        (["check", "khop", "--length", "8", "--lengths", "9"], ["1..8"]),
        (["check", "khop", "--alphabet", "a,,b"], ["empty symbol"]),
        (["check", "khop", "--alphabet", "a,b,a"], ["'a' twice"]),
        (["check", "khop", "--alphabet", "0"], ["size is 0"]),
        (["check", "khop", "--alphabet", "@none.json"], ["none.json", "No such file"]),
        (["check", "khop", "--code", "morse"], ["morse"]),
        (["check", "no/such/checkpoint"], ["there is no checkpoint directory"]),
        (["check", "nofile.py:p"], ["there is no file nofile.py"]),
        (["run", "khop", "--input", "none.txt"], ["none.txt", "No such file"]),
        (
            ["compile", "khop", "--length", "8192", "--dtype", "float16", "--code", "scalar", "--out", "out"],
            ["khop.py:", "not exact in float16", "float64"],
        ),
    ],
)
def test_messages(arguments: Sequence[str], parts: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refused(*arguments)
    assert all(part in message for part in parts), message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('["a", "b"', ["is not JSON"]),
        ("[[[1]]]", ["does not hold a list of tokens"]),
        ('[["a"], "b"]', ["does not hold a list of tokens"]),
        ('{"a": 1}', ["does not hold a list of tokens"]),
        ("a b z", ["token 3 is 'z'", "not in the alphabet"]),
        ("a " * 17, ["17 tokens", "16"]),
    ],
)
def test_inputs_that_do_not_fit(checkpoint: Path, text: str, parts: Sequence[str]) -> None:
    message = refused("run", checkpoint, "--input", "-", stdin=text)
    assert all(part in message for part in parts), message


def test_checkpoints_settle_their_options(checkpoint: Path) -> None:
    assert "does not apply to the checkpoint" in refused("check", checkpoint, "--length", "8")
    assert "takes no --set" in refused("check", checkpoint, "--set", "k=1")
    assert "compiled already" in refused("compile", checkpoint, "--length", "8", "--out", checkpoint)


def test_a_file_without_a_name_says_what_it_has(own: Path) -> None:
    assert "second, first, typo, mixed, back(), nothing()" in refused("show", own)


def test_a_directory_that_is_no_checkpoint(tmp_path: Path) -> None:
    assert "without config.json" in refused("check", tmp_path)


def test_input_that_is_not_text(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00a")
    assert "is not UTF-8 text" in refused("run", checkpoint, "--input", tmp_path / "binary")


# --- as a process ------------------------------------------------------------------------------------------


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "headwork", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False, cwd=cwd, env=environment)


def test_the_process_returns_the_codes(tmp_path: Path) -> None:
    assert process("list", cwd=tmp_path).returncode == 0
    wrong = process("check", "khopp", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: ") and "Traceback" not in wrong.stderr
    assert process("check", "khop", "--length", "none", cwd=tmp_path).returncode == 2
    assert process("frobnicate", cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_the_demo(tmp_path: Path) -> None:
    done = process("demo", "--words", "300", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: every answer and every value inside is exact" in done.stdout
    assert done.stderr == ""  # no progress where there is no terminal
    assert max(map(len, done.stdout.splitlines())) <= 100, textwrap.shorten(done.stdout, 200)


def test_rounds_of_a_loop_are_chosen_by_an_option(tmp_path: Path) -> None:
    saved = tmp_path / "ranks"
    fine("compile", "list_ranking", "--length", "8", "--times", "1", "--out", saved)
    assert fine("run", saved, "--input", "2 3 4 0") == "2 2 1 0\n"
    assert fine("run", saved, "--input", "2 3 4 0", "--times", "2") == "3 2 1 0\n"
    assert fine("run", "list_ranking", "--input", "2 3 4 0") == "3 2 1 0\n"
    assert "0 wrong" in fine("check", saved, "--times", "3", "--samples", "2", "--exhaustive", "0")
    assert fine("certify", saved, "--times", "3") == fine("certify", saved, "--proof", saved / "proof.json")
    assert "verified: list_ranking" in fine("verify", saved)
    done = call("run", "khop", "--input", "a b", "--times", "2")
    assert done.exit_code == 2 and "which has no loop" in done.output + done.stderr
