"""GGUF: what llama.cpp computes from one file is what plain Python says, with its default float16 cache and without it."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import headwork as hw
from headwork import programs
from headwork.export import gguf as target, half
from headwork.export.check import sequences
from headwork.export.files import CARD
from headwork.export.llamacpp import FILE, PLAIN, RUNS, Run, check_file
from headwork.export.read import expected

gguf = pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[gguf]'")
xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[gguf]'")

PROGRAMS: dict[str, dict[str, object]] = {"previous": {}, "induction": {}, "khop": {"k": 3}, "recall": {}, "turing": {}}
LENGTH = 20


@cache
def compiled(name: str, length: int = LENGTH) -> hw.Model:
    return hw.compile(programs.get(name, **PROGRAMS[name]), length=length, alphabet=programs.entry(name).alphabet)


def checked(model: hw.Model, directory: Path, *runs: Run) -> Any:
    """A file run by llama.cpp in these ways."""
    built, file = target.build(model, "auto", "float32"), directory / FILE
    return check_file(file, target.read(file)["output.weight"], runs, expected(model, built), sequences(model.graph, samples=6))


@pytest.mark.parametrize("name", PROGRAMS)
def test_words_in_words_out_as_the_reference_says(name: str, tmp_path: Path) -> None:
    """As the card says, nothing else: the file's tokenizer, llama.cpp's defaults, the next word of a text."""
    compiled(name).export(tmp_path / "out", "gguf", check=False)
    scope: dict[str, Any] = {}
    code = (tmp_path / "out" / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = code.replace("out/model.gguf", str(tmp_path / "out" / FILE)).replace("Server(params)", "Server(quiet(params))")

    def quiet(params: Any) -> Any:
        params.verbosity, params.cpuparams.n_threads, params.n_parallel = 0, 1, 1
        return params

    exec(code, {"quiet": quiet}, scope)
    entry, rng, said = programs.entry(name), random.Random(6), 0
    for n in (1, 4, 9, LENGTH - 1, LENGTH - 1):
        text = [str(s) for s in entry.sample(rng, n, **PROGRAMS[name])]
        value = entry.reference(text, **PROGRAMS[name])[-1]
        asked = {"prompt": " ".join(text), "temperature": 0, "max_tokens": 1 if value is not None else 5}
        answer = scope["server"].handle_completions(asked)["choices"][0]["text"]
        assert answer == (" ⊥" if value is None else f" {value}"), text  # where it stops
        said += value is not None
    assert said >= 2


def test_the_check_after_writing_passes_and_says_what_it_saw(tmp_path: Path) -> None:
    report = compiled("induction").export(tmp_path / "out", "gguf")
    assert report.checked is not None and report.checked.ok and report.checked.deviation == 0
    assert report.checked.positions > 3000 and report.checked.generations == 9
    assert "cache float16; cache float16, no flash attention; cache float32, no flash attention" in str(report)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {FILE, "headwork.json", CARD}


def test_what_is_split_for_float16_is_wrong_there_unsplit(tmp_path: Path) -> None:
    """At length 256 a query takes 12 bits. Unsplit it needs what the card says: a float32 cache, and no flash attention."""
    model = compiled("induction", 256)
    model.export(tmp_path / "split", "gguf", check=False)
    model.export(tmp_path / "whole", "gguf", dtype="float32", check=False)
    assert "-ctk f32 -ctv f32 -fa off" in (tmp_path / "whole" / "README.md").read_text(encoding="utf-8")
    assert checked(model, tmp_path / "split", *RUNS["float16"]).ok
    assert checked(model, tmp_path / "whole", PLAIN).ok
    assert not checked(model, tmp_path / "whole", RUNS["float16"][0]).ok
    assert not checked(model, tmp_path / "whole", Run("float32", plainly=False)).ok


def test_gelu_is_relu_only_where_units_are_far_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, entry, rng = compiled("turing"), programs.entry("turing"), random.Random(8)
    tried = [[int(model.alphabet.id(s) or 0) for s in entry.sample(rng, LENGTH)] for _ in range(4)]
    for factor, right in ((1.0, False), (128.0, True)):
        monkeypatch.setattr(target, "SHARP", factor)
        built = target.build(model, "auto", "auto")
        target.write(tmp_path, built)
        unembedding = target.read(tmp_path / FILE)["output.weight"]
        seen = check_file(tmp_path / FILE, unembedding, RUNS["float16"][:1], expected(model, built), tried)
        assert seen.ok == right and (seen.deviation == 0) == right


@pytest.mark.parametrize(("name", "length"), [("induction", 1024), ("khop", 256), ("recall", 2048)])
def test_all_that_heads_read_is_float16(name: str, length: int) -> None:
    """Queries, keys and values on random texts, computed apart and rounded by numpy; and the scores are the unsplit model's."""
    built = target.build(compiled(name, length), "auto", "auto")
    model, root = built.model, (int(built.config["gpt2.embedding_length"]) / int(built.config["gpt2.attention.head_count"])) ** 0.5
    spread, rng = half.balanced(model, root), random.Random(7)
    text = [rng.choice(model.alphabet.symbols) for _ in range(length)]
    streams = [x.double().numpy() for x in _streams(spread.module, torch.tensor([[model.alphabet.id(s) for s in text]]))]
    heads = 0
    for i, block in enumerate(spread.module.blocks):
        if hasattr(block, "W_Q"):
            q, k, v = (streams[i] @ getattr(block, name).detach().double().numpy() for name in ("W_Q", "W_K", "W_V"))
            for made in (q * root, k, v):
                assert np.isfinite(made.astype(np.float16)).all() and (made.astype(np.float16) == made).all()
            assert np.abs(v).max() * (length + 1) <= 65504
            heads += len(q)
    assert heads >= 2
    assert model.run(text[:40]) == hw.interpret(programs.get(name, **PROGRAMS[name]), text[:40], alphabet=model.alphabet.symbols)


def _streams(module: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """The stream in front of every block, <bos> first."""
    seen: list[torch.Tensor] = []
    hooks = [block.register_forward_pre_hook(lambda _, given: seen.append(given[0][0].detach())) for block in module.blocks]
    with torch.no_grad():
        module(ids)
    for hook in hooks:
        hook.remove()
    return seen


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(-(2**20), 2**20), st.integers(0, 2048)), min_size=1, max_size=6), st.integers(-30, 10))
def test_split_columns_add_up_and_are_short(entries: list[tuple[int, int]], power: int) -> None:
    column, top = (np.array(side, float) for side in zip(*entries, strict=True))
    parts = half.split(column * 2.0**power, top)
    seen = top > 0
    assert (np.sum(parts, axis=0) == column * 2.0**power)[seen].all() if parts else not (column * top).any()
    for part in parts:
        whole = [int(x) for x in part / 2.0**power if x]
        unit = min(x & -x for x in whole)
        assert sum(abs(int(x)) * int(t) for x, t in zip(part / 2.0**power, top, strict=True)) <= 2048 * unit
        assert (np.abs(part) <= np.abs(column) * 2.0**power).all()


def test_an_export_reads_back_as_the_model_it_came_from(tmp_path: Path) -> None:
    for length, dtype in ((256, "auto"), (LENGTH, "float32")):
        compiled("khop", length).export(tmp_path / dtype, "gguf", dtype=dtype, check=False)
        back = hw.read_export(tmp_path / dtype)
        again = target.build(compiled("khop", length), "auto", dtype).model
        for key, tensor in again.module.state_dict().items():
            assert torch.equal(tensor, back.module.state_dict()[key]), key
        assert hw.check(back, samples=4, exhaustive=0).ok
        assert hw.certify(back).values == len(back.probes)


def test_one_wrong_weight_is_caught_by_both_checks(tmp_path: Path) -> None:
    """A value weight of the last head: llama.cpp says wrong words, and the file no longer maps back."""
    compiled("induction").export(tmp_path / "out", "gguf", check=False)
    reader = gguf.GGUFReader(tmp_path / "out" / FILE, "r+")
    weight = next(t for t in reader.tensors if t.name == "blk.1.attn_output.weight").data
    weight[tuple(np.argwhere(weight)[0])] += 2.0
    weight.flush()
    del reader, weight
    wrong = checked(compiled("induction"), tmp_path / "out", RUNS["float16"][0])
    assert not wrong.ok and "the program says" in wrong.first
    with pytest.raises(hw.CheckpointError, match=r"tensor 'blk.1.attn_output.weight' is not what the program's weights map to"):
        hw.read_export(tmp_path / "out")


def test_a_changed_or_damaged_file_does_not_read_back(tmp_path: Path) -> None:
    compiled("induction").export(tmp_path / "out", "gguf", check=False)
    file = tmp_path / "out" / FILE
    right = file.read_bytes()
    reader = gguf.GGUFReader(file, "r+")
    field = reader.get_field("gpt2.attention.layer_norm_epsilon")
    field.parts[field.data[0]][0] = 1e-5
    del reader, field
    with pytest.raises(hw.CheckpointError, match=r"field 'gpt2.attention.layer_norm_epsilon' is not"):
        hw.read_export(tmp_path / "out")
    for wrong in (b"GGUF", right[: len(right) // 2]):
        file.write_bytes(wrong)
        with pytest.raises(hw.CheckpointError, match=r"model.gguf cannot be read"):
            hw.read_export(tmp_path / "out")


def test_a_field_more_does_not_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head's width of its own would change what llama.cpp computes."""
    right = target.build(compiled("induction"), "auto", "auto")
    monkeypatch.setitem(right.config, "gpt2.attention.key_length", 8)
    compiled("induction").export(tmp_path / "out", "gguf", check=False)
    target.write(tmp_path / "out", right)
    with pytest.raises(hw.CheckpointError, match=r"field 'GGUF.kv_count' is not"):
        hw.read_export(tmp_path / "out")


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    spaced = hw.compile(programs.get("previous"), length=4, alphabet=["a", "\u2581b"])
    counts = hw.compile(programs.get("histogram"), length=8, alphabet="ab")
    for model, options, error, text in [
        (spaced, {}, hw.InputError, "a word holds '\u2581', which is a space to llama.cpp's tokenizer"),
        (counts, {}, hw.ExactnessError, "histogram adds up over positions, which takes weights that a float16 cache does not keep"),
        (compiled("induction"), {"dtype": "float64"}, hw.InputError, "llama.cpp computes in float32, and was asked for float64"),
        (compiled("induction", 2049), {}, hw.ExactnessError, "a number in the stream reaches 2,049, and float16 holds integers to 2,048"),
    ]:
        with pytest.raises(error, match=text):
            model.export(tmp_path / "out", "gguf", **options)  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []


def test_words_of_any_characters_are_read_whole(tmp_path: Path) -> None:
    """Words that begin with, end with or hold other words, digits, brackets, accents."""
    model = hw.compile(programs.get("previous"), length=12, alphabet=["1", "12", "2", "B:1>9", "<s>", "é", "aa", "a", "##a", "[UNK]"])
    report = model.export(tmp_path / "out", "gguf")
    assert report.checked is not None and report.checked.ok
