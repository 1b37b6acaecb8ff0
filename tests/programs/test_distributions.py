"""Counts as logits: the form of a logarithm, its certificate, and checkpoints that ordinary sampling draws from."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import headwork as hw
from headwork.compiler.domain import Domain
from headwork.compiler.pipeline import lower
from headwork.compiler.plan.heads import log_form
from headwork.export.check import check_stock, sequences
from headwork.export.files import TARGETS
from headwork.export.read import expected
from headwork.runtime.model import model_of
from headwork.runtime.stages import diagnose
from headwork.tests.runtime.checkpoints import seal
from headwork.tests.runtime.test_sample import following

LETTERS = "abc"
LENGTH = 24


def counting(n: int = 2, length: int = LENGTH, alphabet: Any = LETTERS) -> hw.Model:
    return hw.compile(hw.programs.get("ngram_counts", n=n), length=length, alphabet=alphabet)


def logarithms(model: hw.Model, bits: int) -> hw.Model:
    return model_of(lower(model.graph, model.dtype, logs=bits))


@pytest.mark.parametrize(("lo", "bits"), [(0, 10), (0, 24), (1, 13), (3, 16)])
def test_a_logarithm_is_rounded_to_its_bits(lo: int, bits: int) -> None:
    form = log_form(Domain("int", lo, 900), bits)
    values = np.arange(lo, 901)
    codes = form.encode(values - form.off)
    assert (codes[:, 1] == (values > 0)).all() and not form.encode(np.array([0, form.top + 1, -3])).any()
    with localcontext(prec=40):
        for value, (log, _) in zip(values.tolist(), codes.tolist(), strict=True):
            assert abs(Decimal(log) - Decimal(max(value, 1)).ln() * 2**bits) <= Decimal("0.5")


@pytest.mark.parametrize(("n", "bits"), [(1, 10), (2, 15), (3, 12)])
def test_logits_are_the_logarithms_of_plain_counts_and_certified(n: int, bits: int) -> None:
    model = logarithms(counting(n, 6), bits)
    assert model.module.shape.classes == (1, 1, 1)
    for k in range(1, 7):
        rows = [list(row) for row in itertools.product(LETTERS, repeat=k)]
        logits = model.module(torch.tensor([["abc".index(t) for t in row] for row in rows]))[:, -1]
        for row, found in zip(rows, logits.tolist(), strict=True):
            for count, logit in zip(following(row, n, LETTERS), found, strict=True):
                assert logit == (round(math.log(count) * 2**bits) + (256 << bits) if count else 0)
    assert model.run(list("abcab"))[-1] == tuple(following("abcab", n, LETTERS))
    assert hw.check(model, samples=8).ok and diagnose(model, list("abacab")).culprit is None
    certificate = hw.certify(model)
    assert certificate.logs and "each is the logarithm of its count" in str(certificate)


def test_a_saved_model_of_logarithms_loads_and_a_changed_description_does_not(tmp_path: Path) -> None:
    model = logarithms(counting(2, 8), 12)
    back = hw.load(model.save(tmp_path / "model"))
    assert back.output_forms == model.output_forms and hw.certify(back).logs
    program = tmp_path / "model" / "program.json"
    text = program.read_text()
    for bits, error, said in ((11, hw.Refused, "value total: it is not the code of the value"), (25, hw.CheckpointError, "parts")):
        found = json.loads(text)
        for form in (*found["output_forms"], *(probe["form"] for probe in found["probes"])):
            form["parts"] = bits if form["kind"] == "log" else form["parts"]
        program.write_text(json.dumps(found))
        seal(tmp_path / "model")
        with pytest.raises(error, match=said):
            hw.certify(hw.load(tmp_path / "model"))


@pytest.mark.slow
def test_a_changed_weight_is_refused_or_changes_nothing() -> None:
    """Every weight of the MLP of logarithms and of W_U that is not 0, moved by a grid step either way."""
    model = logarithms(counting(1, 5, "ab"), 10)
    rows = [torch.tensor(list(itertools.product(range(2), repeat=k))) for k in range(1, 6)]
    right = [model.module(row) for row in rows]
    last = max(i for i, block in enumerate(model.module.blocks) if hasattr(block, "W_out"))
    refused = 0
    for tensor in (model.module.W_U, model.module.blocks[last].W_in, model.module.blocks[last].W_out):
        assert isinstance(tensor, torch.nn.Parameter)
        for index, by in itertools.product(map(tuple, torch.nonzero(tensor).tolist()), (1, -1)):
            with torch.no_grad():
                tensor[index] += by
            try:
                hw.certify(model)
                assert all(torch.equal(model.module(row), was) for row, was in zip(rows, right, strict=True)), index
            except hw.Refused:
                refused += 1
            with torch.no_grad():
                tensor[index] -= by
    assert refused > 20 and hw.certify(model).logs


def test_logits_that_are_no_numbers_do_not_pass_the_check() -> None:
    """The only count that a text of one token can have is the greatest, and that is what NaN is read as."""
    model = logarithms(counting(1, 1, "a"), 10)
    assert hw.check(model, exhaustive=1, samples=0).ok
    with torch.no_grad():
        model.module.W_U[:] = math.nan
    assert model.run(["a"]) == [(1,)] and not hw.check(model, exhaustive=1, samples=0).ok


def test_counts_without_a_logarithm_are_refused_with_the_reason() -> None:
    @hw.program(alphabet="ab")
    def maybe(token: hw.Value) -> tuple[hw.Value, hw.Value]:
        count = hw.match(token, token, before=True).count()
        return hw.previous(count), count

    with pytest.raises(hw.ExactnessError, match=r"or none, which has no logarithm"):
        lower(maybe.build(8), logs=12)
    with pytest.raises(hw.ExactnessError, match="to 5 bits is the same for 37 and 38"):
        lower(counting(2, 64).graph, logs=5)
    with pytest.raises(hw.ExactnessError, match=r"2\^k·\(ln max \+ 256\) = .* > 16,777,216"):
        lower(counting(2, 64).graph, logs=16)
    assert model_of(lower(counting(2, 64).graph, "float64", logs=16)).output_forms[0].parts == 16


transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")


def share(text: list[str], n: int) -> list[Fraction]:
    """The probabilities of ⊥ and of each letter."""
    counts = following(text, n, LETTERS)
    return [Fraction(c, sum(counts)) for c in (0, *counts)] if any(counts) else [Fraction(1), *map(Fraction, counts)]


@pytest.mark.parametrize("target", ["gpt2", "llama", "onnx"])
def test_stock_classes_say_the_shares_of_plain_counts(target: str, tmp_path: Path) -> None:
    model = counting()
    report = model.export(tmp_path / "out", target, check=True)
    assert report.checked is not None and report.checked.ok and report.checked.deviation == 0
    bits = hw.read_export(tmp_path / "out").output_forms[0].parts
    assert f"within a relative 2^-{bits}" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8") and bits >= 15
    rng = random.Random(5)
    texts = [[rng.choice("aabc") for _ in range(LENGTH)] for _ in range(4)]
    if target == "onnx":
        from onnxruntime import InferenceSession

        session = InferenceSession(tmp_path / "out" / "model.onnx")
        ids = np.array([[4, *(1 + LETTERS.index(t) for t in text)] for text in texts])
        logits = torch.from_numpy(session.run(None, {"ids": ids})[0])
    else:
        stock = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
        logits = stock(**tokenizer([" ".join(text) for text in texts], return_tensors="pt")).logits
    found = logits.double().softmax(-1)[:, 1:]
    assert found.shape[-1] == 6 and float(found[..., 4:].max().detach()) < 1e-50
    for b, i in itertools.product(range(4), range(LENGTH)):
        for p, exact in zip(found[b, i].tolist(), share(texts[b][: i + 1], 2), strict=False):
            assert abs(p - exact) <= (Fraction(1001, 1000) * exact / 2**bits if exact else Fraction(1, 10**50))


def test_generating_draws_in_proportion_to_the_counts(tmp_path: Path) -> None:
    """By the file's own settings: every frequency within 5 standard deviations, and nothing that was not counted."""
    counting().export(tmp_path / "out", check=False)
    stock = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    text, draws = list("abacabacababa"), 4000
    torch.manual_seed(11)
    batch = tokenizer([" ".join(text)] * draws, return_tensors="pt")
    drawn = Counter(stock.generate(**batch, max_new_tokens=1)[:, -1].tolist())
    assert sum(drawn.values()) == draws
    for word, p in enumerate(share(text, 2)):
        assert abs(drawn[word] - draws * p) <= 5 * math.sqrt(draws * p * (1 - p)), word
    again = transformers.pipeline("text-generation", model=str(tmp_path / "out"))("a b a c a", max_new_tokens=8)[0]["generated_text"]
    said = again.split()
    assert said[:5] == list("abaca") and all(share(said[:i], 2)[1 + LETTERS.index(said[i])] for i in range(5, len(said)))


@pytest.mark.slow
def test_more_symbols_are_drawn_than_samplers_keep_by_default(tmp_path: Path) -> None:
    """Samplers keep the 50 likeliest words: here 52 are as likely."""
    words = [f"w{i}" for i in range(52)]
    counting(1, 52, words).export(tmp_path / "out", "llama", check=False)
    stock = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    torch.manual_seed(2)
    drawn = stock.generate(**tokenizer([" ".join(words)] * 300, return_tensors="pt"), max_new_tokens=1)[:, -1]
    assert 50 < len(set(drawn.tolist())) <= 52 and set(drawn.tolist()) <= set(range(1, 53))


@pytest.mark.parametrize("name", ["lm_head.weight", "transformer.h.1.mlp.c_proj.weight", "transformer.h.1.attn.c_proj.weight"])
def test_a_changed_weight_is_caught_by_both_checks(name: str, tmp_path: Path) -> None:
    model, out = counting(), tmp_path / "out"
    model.export(out, check=False)
    built = TARGETS["gpt2"].build(model, "auto", "auto")
    tensors = load_file(out / "model.safetensors")
    row, column = map(int, np.argwhere(tensors[name])[-1 if name == "lm_head.weight" else 0])
    tensors[name][row, column] *= 2.0 if "attn" in name else 1.001  # less than half a count would be rounded away
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    seen = check_stock(out, expected(model, built), sequences(model.graph, samples=6))
    assert not seen.ok and "the program says" in seen.first
    with pytest.raises(hw.CheckpointError, match="is not what the program's weights map to"):
        hw.read_export(out)


@pytest.mark.parametrize("target", ["gpt2", "llama", "onnx"])
def test_an_export_reads_back_as_a_model_of_counts(target: str, tmp_path: Path) -> None:
    counting().export(tmp_path / "out", target, check=False)
    back = hw.read_export(tmp_path / "out")
    text = list("abacabacab")
    assert back.run(text) == [tuple(following(text[:i], 2, LETTERS)) for i in range(1, 11)]
    assert hw.check(back, samples=8).ok and hw.certify(back).logs


def test_what_is_no_distribution_is_not_exported(tmp_path: Path) -> None:
    @hw.program(alphabet="abc")
    def two(token: hw.Value, position: hw.Value) -> tuple[hw.Value, hw.Value]:
        return token, position

    @hw.program(alphabet="ab")
    def maybe(token: hw.Value) -> tuple[hw.Value, hw.Value]:
        count = hw.match(token, token, before=True).count()
        return hw.previous(count), count

    for program, error, text in [
        (two, hw.InputError, "two gives 2 values, and a checkpoint has one vocabulary"),
        (maybe, hw.ExactnessError, "which has no logarithm"),
    ]:
        for target in ("gpt2", "llama", "onnx"):
            with pytest.raises(error, match=text):
                hw.compile(program, length=8).export(tmp_path / "out", target)
    long = counting(1, 8192, "ab")
    with pytest.raises(hw.ExactnessError, match="logarithm"):
        long.export(tmp_path / "out", "llama")
    assert list(tmp_path.iterdir()) == []
