"""Stock checkpoints: what transformers computes from the files is what plain Python says, and no wrong file passes."""

from __future__ import annotations

import json
import logging
import math
import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

import headwork as hw
from headwork import programs
from headwork.cli.app import app
from headwork.export import gpt2, llama
from headwork.export.check import Checked, check_stock, compare, sequences
from headwork.export.expected import Expected
from headwork.export.files import CARD, TARGETS, write_files
from headwork.export.native import Frame
from headwork.export.read import expected as expected_of
from headwork.export.stock import STOCK
from headwork.export.target import HEAD
from headwork.export.words import Words
from headwork.tests import generate

transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")

PROGRAMS: dict[str, dict[str, object]] = {
    "previous": {},
    "induction": {},
    "khop": {"k": 3},
    "skip_trigram": {},
    "recall": {},
    "compose": {},
    "ioi": {},
    "majority": {},
    "prefix_sum": {},
    "dyck_k": {},
    "ngram": {},
    "associative_memory": {},
}
LENGTH = 20


@cache
def compiled(name: str, length: int = LENGTH) -> hw.Model:
    entry = programs.entry(name)
    return hw.compile(programs.get(name, **PROGRAMS[name]), length=length, alphabet=entry.alphabet)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Exports by program and target, each written once."""
    made: dict[tuple[str, str], Path] = {}

    def one(name: str, target: str = "gpt2") -> Path:
        if (name, target) not in made:
            directory = tmp_path_factory.mktemp("exports") / f"{name}-{target}"
            compiled(name).export(directory, target, check=False)
            made[name, target] = directory
        return made[name, target]

    return one


def stock(directory: Path) -> tuple[Any, Any]:
    """Model and tokenizer, loaded as the model card says."""
    scope: dict[str, Any] = {}
    card = (directory / "README.md").read_text(encoding="utf-8")
    exec(card.split("```python\n")[1].split("```")[0].replace(f'"{directory.name}"', repr(str(directory))), scope)
    return scope["model"], scope["tokenizer"]


def texts(name: str, seed: int, count: int = 3) -> list[list[str]]:
    """Random words and sequences the program has something to say about."""
    entry, rng = programs.entry(name), random.Random(seed)
    symbols = [str(s) for s in compiled(name).alphabet.symbols]
    drawn = [[rng.choice(symbols) for _ in range(rng.randint(1, LENGTH))] for _ in range(count)]
    return drawn + [[str(s) for s in entry.sample(rng, LENGTH, **PROGRAMS[name])] for _ in range(count)]


LLAMA = [(name, "llama") for name in ("previous", "induction", "khop", "recall", "compose", "dyck_k", "ngram")]


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "target"), [*((n, "gpt2") for n in PROGRAMS), *LLAMA, ("khop", "mistral"), ("khop", "qwen2")])
def test_words_in_words_out_as_the_reference_says(name: str, target: str, exported: Any) -> None:
    """From text through the tokenizer and the stock model to words, against the program in plain Python."""
    model, tokenizer = stock(exported(name, target))
    assert type(model).__name__ == TARGETS[target].loads
    entry, said = programs.entry(name), 0
    for text in texts(name, seed=1):
        with torch.no_grad():
            best = model(**tokenizer(" ".join(text), return_tensors="pt")).logits[0, 1:].argmax(-1)
        wanted = ["⊥" if v is None else str(v) for v in entry.reference(text, **PROGRAMS[name])]
        assert tokenizer.convert_ids_to_tokens(best.tolist()) == wanted, text
        said += sum(w != "⊥" for w in wanted)
    assert said >= 3


@pytest.mark.parametrize(("name", "target"), [("previous", "gpt2"), ("khop", "gpt2"), ("khop", "llama"), ("khop", "qwen2")])
def test_generation_follows_the_reference(name: str, target: str, exported: Any) -> None:
    """One word at a time, with the cache, without it, and in a batch padded on the left."""
    model, tokenizer = stock(exported(name, target))
    reference = programs.entry(name).reference

    def continued(words: list[str], steps: int) -> list[str]:
        out: list[str] = []
        while len(out) < steps and (not out or out[-1] != "⊥"):
            value = reference([*words, *out], **PROGRAMS[name])[-1]
            out.append("⊥" if value is None else str(value))
        return out

    prompts = [text[:n] for text, n in zip(texts(name, seed=2), (1, 4, 6, 9), strict=False)] + ["a b a b a b a b a".split()]
    wanted = [continued(prompt, 5) for prompt in prompts]
    assert max(map(len, wanted)) == 5
    for prompt, right in zip(prompts, wanted, strict=True):
        asked = tokenizer(" ".join(prompt), return_tensors="pt")
        for cached in (True, False):
            made = model.generate(**asked, max_new_tokens=5, use_cache=cached)[0, asked.input_ids.shape[1] :]
            assert tokenizer.decode(made).split() == right
    batch = tokenizer([" ".join(prompt) for prompt in prompts], padding=True, return_tensors="pt")
    assert batch.attention_mask.min() == 0
    for row, right in zip(model.generate(**batch, max_new_tokens=5)[:, batch.input_ids.shape[1] :], wanted, strict=True):
        assert tokenizer.decode(row, skip_special_tokens=True).split() == [word for word in right if word != "⊥"]


@pytest.mark.parametrize("target", ["gpt2", "llama"])
def test_the_pipeline_works_on_words(target: str, exported: Any) -> None:
    model, tokenizer = stock(exported("induction", target))
    pipe = transformers.pipeline("text-generation", model=model, tokenizer=tokenizer)
    assert pipe("a b c d a b", max_new_tokens=4)[0]["generated_text"] == "a b c d a b c d a b"


def test_the_check_after_writing_passes_and_says_what_it_saw(tmp_path: Path) -> None:
    report = compiled("induction").export(tmp_path / "out", check=True)
    assert report.checked is not None and report.checked.ok
    assert report.checked.positions > 1000 and report.checked.generations > 3
    assert f"transformers {transformers.__version__}" in str(report)
    assert (report.blocks, report.attention_layers) == (2, 2)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "fetch" in card and "Symbols (4): a b c d" in card and "For every sequence of 1..20 tokens" in card


def change(directory: Path, name: str, index: tuple[int, ...], by: float) -> None:
    tensors = load_file(directory / "model.safetensors")
    tensors[name] = tensors[name].copy()
    tensors[name][index] += by
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def expected(model: hw.Model) -> Expected:
    return Expected(model.graph, Words.of(model), model.output_forms, HEAD)


def checked(directory: Path, model: hw.Model) -> Checked:
    return check_stock(directory, expected(model), sequences(model.graph, samples=4))


def test_one_wrong_weight_is_caught_by_both_checks(tmp_path: Path) -> None:
    """A value weight of the last head: the stock model says wrong words, and the file no longer maps back."""
    directory = tmp_path / "out"
    compiled("induction").export(directory, check=False)
    assert checked(directory, compiled("induction")).ok
    weight = load_file(directory / "model.safetensors")["transformer.h.1.attn.c_proj.weight"]
    row, column = map(int, np.argwhere(weight)[0])
    change(directory, "transformer.h.1.attn.c_proj.weight", (row, column), 2.0)
    wrong = checked(directory, compiled("induction"))
    assert not wrong.ok and "the program says" in wrong.first
    with pytest.raises(hw.CheckpointError, match=r"transformer.h.1.attn.c_proj.weight' is not what the program's weights map to"):
        hw.read_export(directory)


def test_a_wrong_export_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the mapping: values and keys of every head exchanged."""

    def exchanged(model: hw.Model, words: Words, frame: Frame) -> dict[str, Any]:
        made = dict(right(model, words, frame))
        for name, tensor in made.items():
            if name.endswith("c_attn.weight"):
                q, k, v = np.split(tensor, 3, axis=1)
                made[name] = np.concatenate([q, v, k], axis=1)
        return made

    right = gpt2.tensors
    monkeypatch.setattr(gpt2, "tensors", exchanged)
    with pytest.raises(hw.CheckpointError, match="the export is wrong and was not kept; WRONG in transformers"):
        compiled("induction").export(tmp_path / "out", check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "target"), [("khop", "gpt2"), ("ioi", "gpt2"), ("dyck_k", "gpt2"), ("ngram", "llama"), ("recall", "qwen2")]
)
def test_an_export_reads_back_as_the_model_it_came_from(name: str, target: str, exported: Any) -> None:
    """Every tensor of the model comes back bit for bit, and the model that is read is checked and certified as such."""
    directory = exported(name, target)
    back, code = hw.read_export(directory), json.loads((directory / "headwork.json").read_text())["code"]
    again = TARGETS[target].build(compiled(name), code, back.dtype).model
    assert back.module.shape == again.module.shape
    for key, tensor in again.module.state_dict().items():
        assert torch.equal(tensor, back.module.state_dict()[key]), key
    assert hw.check(back, samples=8).ok
    assert hw.certify(back).values == len(back.probes)


@pytest.mark.parametrize(
    ("name", "index", "by", "text"),
    [
        ("transformer.wte.weight", (0, 0), 1.0, "is not what the program's weights map to"),
        ("transformer.h.0.ln_1.weight", (3,), 1e5, "is not what the program's weights map to"),
        ("transformer.h.1.mlp.c_fc.bias", (0,), 1e-3, "is not what the program's weights map to"),
        ("transformer.wpe.weight", (0, -1), 1e-6, "is not what the program's weights map to"),
    ],
)
def test_reading_back_sees_what_no_model_says(name: str, index: tuple[int, ...], by: float, text: str, tmp_path: Path) -> None:
    """The row of ⊥, a gain, a bias, BOS in the balance dimension: nothing of it is in the native model."""
    directory = tmp_path / "out"
    compiled("induction").export(directory, check=False)
    change(directory, name, index, by)
    with pytest.raises(hw.CheckpointError, match=text):
        hw.read_export(directory)


def test_reading_back_sees_the_configuration(tmp_path: Path) -> None:
    compiled("induction").export(tmp_path / "out", check=False)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    (tmp_path / "out" / "config.json").write_text(json.dumps({**config, "layer_norm_epsilon": 1e-5}))
    with pytest.raises(hw.CheckpointError, match="field 'layer_norm_epsilon' is not"):
        hw.read_export(tmp_path / "out")


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    spaces = hw.compile(programs.get("previous"), length=4, alphabet=["a", "b c"])
    twice = hw.compile(programs.get("previous"), length=4, alphabet=["1", 1])
    both_ways = hw.compile(programs.khop.make(1).bidirectional(), length=4, alphabet="ab")
    share = hw.program(name="share", alphabet=4)(lambda token, position: hw.match(token, token).count() * 1001 >= position * 999)
    wide = hw.compile(share, length=1000)
    heavy = hw.compile(programs.get("prefix_sum", bound=3), length=1062)
    out = tmp_path / "out"
    for model, options, error, text in [
        (spaces, {}, hw.InputError, "the symbol 'b c' cannot be a word"),
        (twice, {}, hw.InputError, "two symbols read '1'"),
        (both_ways, {}, hw.ExactnessError, "is bidirectional, and the target's attention is causal"),
        (compiled("recall", 1200), {"dtype": "float32", "code": "scalar"}, hw.ExactnessError, "LayerNorm's mean may be off by 0.000"),
        (wide, {"dtype": "float32"}, hw.ExactnessError, r"c_fc of block 2 reads sums of .* through LayerNorm's bias, more than 2\*\*24"),
        (heavy, {"dtype": "float32"}, hw.ExactnessError, r"may be off by 0.49\d, and by 0.\d+ as it is read, together 1/2 or more"),
        (compiled("previous"), {"target": "bert"}, hw.InputError, "there is no target 'bert'"),
        (compiled("previous"), {"code": "gray"}, hw.InputError, "code 'gray' is not known"),
        (
            compiled("previous"),
            {"dtype": "float16"},
            hw.InputError,
            "stored in float16 is written of a natural model, to .* this is compact",
        ),
        (compiled("previous"), {"target": "llama", "dtype": "float64"}, hw.InputError, "RMSNorm of this family computes in float32"),
        (compiled("previous"), {"target": "onnx", "code": "binary"}, hw.InputError, "onnx holds the compiled weights as they are"),
    ]:
        with pytest.raises(error, match=text):
            model.export(out, **options)  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(hw.InputError, match="exists and is not a headwork checkpoint"):
        compiled("previous").export(out, check=False)
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]


def test_llama_refuses_lengths_past_its_angles(tmp_path: Path) -> None:
    """Inequality (1) of llama.py is met at the greatest length and not one further."""
    assert llama.MAX_LENGTH * (math.pi * 2.0**-22 + 2.0**-21) <= 0.5 < (llama.MAX_LENGTH + 1) * (math.pi * 2.0**-22 + 2.0**-21)
    long = hw.compile(programs.get("previous"), length=llama.MAX_LENGTH + 1)
    with pytest.raises(hw.ExactnessError, match=r"N·\(π·2\*\*-22 \+ 2\*\*-21\) > 1/2 at length"):
        long.export(tmp_path / "out", "llama")


def test_an_unknown_word_is_refused_by_the_tokenizer(exported: Any) -> None:
    _, tokenizer = stock(exported("induction"))
    with pytest.raises(Exception, match="UNK"):
        tokenizer("a b z")


def spoken(directory: Path, **how: Any) -> torch.Tensor:
    """Logits of a text of symbols, the first position of which is <bos>."""
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, **how).eval()
    symbols = model.config.vocab_size - 3
    text = torch.tensor([[symbols + 1, *(1 + i % symbols for i in range(LENGTH))]])
    with torch.no_grad():
        return model(text).logits


@pytest.mark.parametrize("target", ["gpt2", "llama", "mistral", "qwen2"])
@pytest.mark.parametrize("name", ["induction", "majority"])
def test_too_few_bits_give_no_words_at_all(name: str, target: str, exported: Any) -> None:
    """Half precision, however a user comes by it, gives NaN and never a wrong word; more bits are as good."""
    directory = exported(name, target)
    right = spoken(directory, dtype="auto")
    assert right.dtype == torch.float32 and right.isfinite().all()
    for dtype in (torch.bfloat16, torch.float16):
        assert spoken(directory, dtype=dtype)[:, 1:].isnan().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert spoken(directory, dtype=torch.float32)[:, 1:].isnan().all()
    assert torch.equal(spoken(directory, dtype=torch.float64).argmax(-1), right.argmax(-1))


def test_a_checkpoint_in_float64_gives_no_words_in_float32(tmp_path: Path) -> None:
    compiled("induction").export(tmp_path / "out", dtype="float64", check=False)
    assert spoken(tmp_path / "out", dtype="auto").isfinite().all()
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert spoken(tmp_path / "out", dtype=dtype)[:, 1:].isnan().all()


@pytest.mark.parametrize("target", ["gpt2", "llama", "mistral", "qwen2"])
def test_the_trap_does_not_reach_gradients(target: str, exported: Any) -> None:
    """What a weight or a word contributes can be asked for: gradients are finite."""
    model = transformers.AutoModelForCausalLM.from_pretrained(exported("induction", target), dtype="auto")
    embedded = model.get_input_embeddings()(torch.tensor([[5, 1, 2, 3, 1, 2]])).detach().requires_grad_()
    model(inputs_embeds=embedded).logits[0, -1, 3].backward()
    assert embedded.grad is not None and embedded.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("name", "target"), [(n, t) for n in ("khop", "recall", "dyck_k") for t in ("gpt2", "llama")])
def test_logits_are_the_exact_integers(name: str, target: str, exported: Any) -> None:
    """Nothing that is read was rounded anywhere before: the deviation is 0, not small."""
    report = checked(exported(name, target), compiled(name))
    assert report.ok and report.deviation == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["parity", "prefix_sum", "shuffle_dyck"])
def test_totals_at_length_in_both_arithmetics(name: str, dtype: str, tmp_path: Path) -> None:
    """As long as nearly all errors that are allowed are used up: every position of long texts against plain Python."""
    entry, length = programs.entry(name), 1024 if dtype == "float32" else 200
    model = hw.compile(programs.get(name), length=length, alphabet=entry.alphabet)
    report = model.export(tmp_path / "out", "gpt2", dtype=dtype, check=False)
    assert report.dtype == dtype and any("totals are within" in note for note in report.notes)
    stock_model, tokenizer = stock(tmp_path / "out")
    rng = random.Random(5)
    alike = [entry.alphabet[-1]] * length  # the greatest total
    for text in (entry.sample(rng, length), alike):
        with torch.no_grad():
            best = stock_model(**tokenizer(" ".join(map(str, text)), return_tensors="pt")).logits[0, 1:].argmax(-1)
        wanted = ["⊥" if v is None else str(v) for v in entry.reference(text)]
        assert tokenizer.convert_ids_to_tokens(best.tolist()) == wanted


@pytest.mark.parametrize(
    ("tensor", "change"),
    [
        ("transformer.h.0.attn.c_proj.weight", lambda w: np.where(np.abs(w) > 1e9, w * 1.05, w)),
        ("transformer.h.0.ln_2.bias", lambda w: np.where(w == w.max(), w + 1, w)),
        ("transformer.h.0.attn.c_attn.weight", lambda w: w / 2),
    ],
    ids=["factor of the sum", "filling", "depth of a match"],
)
def test_a_wrong_total_is_not_kept(tensor: str, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum that is a twentieth too large, one that is one too large, matches that weigh too much: the files' own run shows it."""

    def corrupted(model: hw.Model, words: Words, frame: Frame) -> dict[str, Any]:
        made = right(model, words, frame)
        assert (change(made[tensor]) != made[tensor]).any()
        return {**made, tensor: change(made[tensor])}

    right = gpt2.tensors
    compiled("prefix_sum").export(tmp_path / "right", check=True)
    monkeypatch.setattr(gpt2, "tensors", corrupted)
    with pytest.raises((hw.CheckpointError, hw.ExactnessError), match="the export is wrong and was not kept; WRONG in transformers"):
        compiled("prefix_sum").export(tmp_path / "out", check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["right"]


@pytest.mark.parametrize("n", [1, 2, 3, 100, 1000, 1023])
def test_llama_reads_every_bit_of_a_position_off_its_angle(n: int) -> None:
    """The first block alone, at a length where the slowest pair turns least: position and its code at each place."""
    model = hw.compile(hw.program(name="where", alphabet=2)(lambda token, position: position), length=n)
    built = TARGETS["llama"].build(model, "auto", "auto")
    config = {k: v for k, v in built.config.items() if k not in ("architectures", "model_type")}
    with torch.device("meta"):
        stock_model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    stock_model = stock_model.to_empty(device="cpu").eval()
    stock_model.load_state_dict({name: torch.tensor(t, dtype=torch.float32) for name, t in built.tensors.items()})
    stock_model.model.rotary_emb = type(stock_model.model.rotary_emb)(stock_model.config)
    with torch.no_grad():
        logits = stock_model(torch.tensor([built.words.ids([i % 2 for i in range(n)])])).logits[0, 1:]
    said = [built.words.words[w] for w in logits.argmax(-1).tolist()]
    assert said == [str(i) for i in range(1, n + 1)]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 999), min_size=4, max_size=40), st.sampled_from(["gpt2", "llama"]))
def test_random_programs_in_stock_classes(numbers: list[int], target: str) -> None:
    """Programs over the whole language, without files: tensors into the stock class, every word against the interpreter."""
    model = hw.compile(generate.program(numbers, causal=True), length=7, alphabet=3)
    spec = TARGETS[target]
    built = spec.build(model, "auto", "auto")
    sizes = {k: v for k, v in built.config.items() if k not in ("architectures", "model_type")}
    loads = getattr(transformers, spec.loads)
    dtype = getattr(torch, built.model.dtype)
    made = loads(loads.config_class(**sizes, bos_token_id=None, eos_token_id=None)).to(dtype).eval()
    made.load_state_dict({name: torch.tensor(t, dtype=dtype) for name, t in built.tensors.items()})
    report, rng = Checked(target, HEAD), random.Random(4)
    rows = [[rng.randrange(3) for _ in range(rng.randint(1, 7))] for _ in range(30)]
    compare(lambda ids: made(ids).logits, expected_of(model, built), rows, report)
    assert report.ok, report
    back = spec.native(built.model, built.words, built.frame, built.tensors)
    for name, tensor in built.model.module.state_dict().items():
        assert np.array_equal(back[name], tensor.double().numpy()), name


def test_symbols_that_are_numbers_and_outputs_that_are_not_symbols(tmp_path: Path) -> None:
    """The distance to the latest equal token: numbers that are symbols too keep their word, others are added and end a text."""

    @hw.program(name="distance", alphabet=4)
    def distance(token: hw.Value, position: hw.Value) -> hw.Value:
        return position - hw.match(token, token, before=True).latest().position

    model = hw.compile(distance, length=9)
    model.export(tmp_path / "out", check=True)
    stock_model, tokenizer = stock(tmp_path / "out")
    row = [0, 1, 1, 2, 0, 0, 3, 2, 1]
    with torch.no_grad():
        best = stock_model(**tokenizer(" ".join(map(str, row)), return_tensors="pt")).logits[0, 1:].argmax(-1)
    last: dict[int, int] = {}
    wanted: list[str] = []
    for i, x in enumerate(row):
        wanted.append(str(i - last[x]) if x in last else "⊥")
        last[x] = i
    assert tokenizer.convert_ids_to_tokens(best.tolist()) == wanted


def test_the_command_exports_and_reports(tmp_path: Path) -> None:
    def command(*options: str) -> Any:
        return CliRunner().invoke(app, ["export", "khop", "--set", "k=3", "--length", "12", *options])

    transformers_says = BufferingHandler(1000)
    logging.getLogger("transformers").addHandler(transformers_says)
    try:
        done = command("--to", "gpt2", "-o", str(tmp_path / "out"), "--json")
    finally:
        logging.getLogger("transformers").removeHandler(transformers_says)
    assert done.exit_code == 0, done.output
    assert not transformers_says.buffer, transformers_says.format(transformers_says.buffer[0])
    report = json.loads(done.stdout)
    assert report["checked"]["ok"] and report["checked"]["wrong"] == 0
    assert any("4 attention layers where headwork's own model has 3" in note for note in report["notes"])
    assert {"headwork.json", CARD} | STOCK.files == {p.name for p in (tmp_path / "out").iterdir()}
    failed = command("-o", "/dev/null/x")
    assert failed.exit_code == 2 and "is not a directory" in failed.stderr


@pytest.mark.slow
def test_exporting_needs_no_transformers(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["transformers"] = None
import headwork as hw
from headwork import programs
report = hw.compile(programs.get("previous"), length=6).export({str(tmp_path / "out")!r}, check=False)
assert report.checked is None
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["gpt2", "llama", "onnx"])
def test_commands_read_an_export_as_a_checkpoint(target: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    compiled("induction").export(out, target, check=False)
    text = tmp_path / "text"
    text.write_text("a b c a b\n")
    for command in (["certify", out], ["check", out, "--samples", "4"], ["show", out], ["bounds", out], ["run", out, "--input", str(text)]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (command, done.output)
    assert done.output.split() == ["⊥", "⊥", "⊥", "b", "c"]
    refused = CliRunner().invoke(app, ["certify", out, "--length", "9"])
    assert refused.exit_code == 2 and "--length does not apply to the checkpoint" in refused.output
    with pytest.raises(hw.CheckpointError, match=r"was exported for other tools\n.*hw.read_export"):
        hw.load(out)


@pytest.mark.parametrize("target", ["gpt2", "llama", "onnx"])
@pytest.mark.parametrize("name", ["khop", "ngram"])
def test_an_export_is_proved_right_from_its_files(name: str, target: str, exported: Any, tmp_path: Path) -> None:
    """By the certificate alone: what was said when it was written, by the plan of the lowering, comes out again."""
    report = compiled(name).export(tmp_path / "out", target, check=False)
    proof = hw.certify_export(tmp_path / "out")
    assert proof.arithmetic in report.notes and proof.certificate.statement in report.notes
    done = CliRunner().invoke(app, ["certify", str(tmp_path / "out"), "--json"])
    assert json.loads(done.output)["arithmetic"] == proof.arithmetic and json.loads(done.output)["target"] == target


FRAMES: list[tuple[str, Any, str]] = [
    ("induction", lambda f: replace(f, bias=f.bias >> 9), "LayerNorm's mean may be off by"),
    ("bigram", lambda f: replace(f, bias=f.bias >> 9), "LayerNorm's mean may be off by"),
    ("bigram", lambda f: replace(f, bias=0), "LayerNorm's mean may be off by"),
    ("induction", lambda f: replace(f, bias=1 << f.bias.bit_length() - 1), "leave the binade of LayerNorm's bias"),
    ("bigram", lambda f: replace(f, bias=1 << f.bias.bit_length() - 1), "leave the binade of LayerNorm's bias"),
    ("induction", lambda f: replace(f, bias=f.bias << 20), "and the stream's step is"),
    ("induction", lambda f: replace(f, shift=tuple(s + 12 for s in f.shift)), "and the stream's step is"),
    ("induction", lambda f: replace(f, shift=tuple(s - 28 for s in f.shift), bias=f.bias << 28), "the stream's variance may reach"),
]


@pytest.mark.parametrize(("name", "change", "text"), FRAMES)
def test_a_consistent_export_in_a_frame_that_rounds_wrongly_is_refused(name: str, change: Any, text: str, tmp_path: Path) -> None:
    """The files say one model, bit for bit, and it has a certificate; what GPT-2's norms would do to it is not shown, or wrong."""
    built = gpt2.build(hw.compile(programs.get(name), length=LENGTH, alphabet=programs.entry(name).alphabet), "auto", "float32")
    frame = change(built.frame)
    config, tensors = gpt2.config(built.model, built.words, frame), gpt2.tensors(built.model, built.words, frame)
    write_files(tmp_path, TARGETS["gpt2"], replace(built, frame=frame, config=config, tensors=tensors))
    assert hw.certify(hw.read_export(tmp_path))
    with pytest.raises(hw.ExactnessError, match=text):
        hw.certify_export(tmp_path)
    done = CliRunner().invoke(app, ["certify", str(tmp_path)])
    assert done.exit_code == 1 and "not certified" in done.output


@pytest.mark.slow
def test_logits_in_float64_are_those_that_generate_compares_in_float32(tmp_path: Path) -> None:
    """The largest sum has a logit of 3·digit² with digits small enough: `generate` rounds logits to float32 first."""
    total = hw.program(name="total")(lambda token: hw.visible(token).sum(token * 1000 - 1500))
    report = hw.compile(total, length=24, alphabet=range(4)).export(tmp_path / "out", check=True)
    assert report.dtype == "float64" and report.checked is not None and report.checked.generations == 9
    weights = load_file(tmp_path / "out" / "model.safetensors")["lm_head.weight"]
    assert spoken(tmp_path / "out", dtype="auto").abs().max() < 2**24 * HEAD and weights.dtype == np.float64


@pytest.mark.parametrize("target", ["llama", "gpt2"])
def test_a_model_compiled_in_float64_is_lowered_to_what_the_target_has(target: str, tmp_path: Path) -> None:
    """Its own cells hold 2^52, those of the program lowered again 2^23."""
    model = hw.compile(programs.get("majority"), length=LENGTH, alphabet=programs.entry("majority").alphabet, dtype="float64")
    assert model.export(tmp_path / "out", target, check=True).dtype == "float32"
    assert hw.certify_export(tmp_path / "out").target == target
