"""Exports that say more, or something else, than the model they were made from: what `certify_export` must refuse, kind by kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import headwork as hw
from headwork import programs
from headwork.export.files import TARGETS, write_files
from headwork.export.target import Built

N = 12
STOCK = ("gpt2", "llama", "mistral", "qwen2")
SMOOTH = ("llama", "mistral", "qwen2", "gguf")


@cache
def model(name: str) -> hw.Model:
    return hw.compile(programs.get(name), length=N, alphabet=programs.entry(name).alphabet)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A right export, written once."""
    known: dict[tuple[str, str], Path] = {}

    def export(name: str, target: str) -> Path:
        if target == "gguf":
            pytest.importorskip("gguf", reason="gguf is not installed: pip install -e '.[gguf]'")
        if target == "onnx":
            pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
        if (name, target) not in known:
            known[name, target] = tmp_path_factory.mktemp("right") / f"{name}-{target}"
            model(name).export(known[name, target], target, check=False)
        return known[name, target]

    return export


@pytest.fixture
def copy(made: Callable[[str, str], Path], tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of a right export, to change."""

    def copied(name: str, target: str) -> Path:
        shutil.copytree(made(name, target), tmp_path / "out")
        return tmp_path / "out"

    return copied


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def rewritten(directory: Path, target: str, change: Callable[[hw.Model], object]) -> None:
    """The files that headwork writes for a changed model, in the frame of the one there."""
    from dataclasses import replace

    from headwork.export import read

    spec, built = read._read(directory)
    change(built.model)
    config, tensors = (make(built.model, built.words, built.frame) for make in (spec.config, spec.tensors))
    shutil.rmtree(directory)
    directory.mkdir()
    write_files(directory, spec, replace(built, config=config, tensors=tensors))


@pytest.mark.parametrize("target", SMOOTH)
def test_hidden_units_between_integers_are_refused_where_gelu_or_silu_stand_for_relu(target: str, copy: Any) -> None:
    """W_in·2^-7 and W_out·2^7: the same function of ReLU, certified as such, and another one of silu."""
    directory = copy("ioi", target)

    def softened(built: hw.Model) -> None:
        last = max(i for i, block in enumerate(built.module.blocks) if hasattr(block, "W_in"))
        built.module.blocks[last].W_in.data *= 2.0**-7
        built.module.blocks[last].W_out.data *= 2.0**7

    rewritten(directory, target, softened)
    assert hw.certify(hw.read_export(directory))
    with pytest.raises(hw.ExactnessError, match=r"hidden unit \d+ of block \d+ may be no integer"):
        hw.certify_export(directory)


def test_a_mask_that_the_target_does_not_have_is_refused(copy: Any) -> None:
    """The same tensors are said to be of a model whose head leaves out its own position: GPT-2 runs it all the same."""
    for target in ("gpt2", "llama"):
        directory = copy("induction", target)
        edit(directory / "headwork.json", lambda s: s["config"]["blocks"][0].update(masks=["strict"]))
        with pytest.raises(hw.CheckpointError, match="is strict, and the target's attention is causal"):
            hw.certify_export(directory)
        shutil.rmtree(directory)


@pytest.mark.parametrize("target", [*TARGETS])
def test_the_order_of_hints_does_not_matter(target: str, copy: Any) -> None:
    """The first place named `one` was taken for the constant 1, even the filling of a total."""
    name = "induction" if target == "gguf" else "majority"
    directory = copy(name, target)
    before = hw.certify_export(directory)
    edit(directory / "headwork.json", lambda s: s["program"]["probes"].reverse())
    assert hw.certify_export(directory).arithmetic == before.arithmetic


def test_places_named_one_that_are_none_are_refused(copy: Any) -> None:
    changes: dict[str, Callable[[list[Any]], object]] = {
        "none": lambda probes: [probe.update(value="token") for probe in probes if probe["value"] == "one"],
        "two": lambda probes: probes.append(next(p for p in probes if p["value"] == "one")),
        "a code of 2": lambda probes: [probe["form"].update(off=-1, top=2) for probe in probes if probe["value"] == "one"],
    }
    for change in changes.values():
        directory = copy("induction", "gpt2")
        edit(directory / "headwork.json", lambda s, change=change: change(s["program"]["probes"]))
        with pytest.raises((hw.CheckpointError, hw.Refused)):
            hw.certify_export(directory)
        shutil.rmtree(directory)


FILES: list[tuple[str, str, Callable[[dict[str, Any]], object]]] = [
    ("two ids exchanged", "tokenizer.json", lambda t: t["model"]["vocab"].update(a=2, b=1)),
    ("a normalizer", "tokenizer.json", lambda t: t.update(normalizer={"type": "Replace", "pattern": {"String": "a"}, "content": "b"})),
    ("no post-processor", "tokenizer.json", lambda t: t.update(post_processor=None)),
    ("another <bos>", "tokenizer_config.json", lambda t: t.update(bos_token="a")),
    ("a field of the tokenizer more", "tokenizer_config.json", lambda t: t.update(add_prefix_space=True)),
    ("words held back", "generation_config.json", lambda t: t.update(suppress_tokens=[1])),
    ("no word twice", "generation_config.json", lambda t: t.update(no_repeat_ngram_size=2)),
    ("another way to say that nothing is drawn", "generation_config.json", lambda t: t.update(do_sample=0)),
    ("not causal", "config.json", lambda t: t.update(is_causal=False)),
    ("read in float64", "config.json", lambda t: t.update(torch_dtype="float64")),
    ("read in float16", "config.json", lambda t: t.update(dtype="float16")),
    ("another <pad>", "config.json", lambda t: t.update(pad_token_id=1)),
]


@pytest.mark.parametrize("target", ["gpt2", "llama"])
@pytest.mark.parametrize(("name", "change"), [pytest.param(file, change, id=what) for what, file, change in FILES])
def test_every_field_of_every_file_is_what_headwork_writes(name: str, change: Any, target: str, copy: Any) -> None:
    directory = copy("induction", target)
    edit(directory / name, change)
    with pytest.raises(hw.CheckpointError, match=rf"{name} is not, byte for byte, what headwork writes for the model"):
        hw.certify_export(directory)


def test_a_field_that_stands_there_twice_is_refused(copy: Any) -> None:
    """Readers differ in which of two they take."""
    directory = copy("induction", "gpt2")
    text = (directory / "config.json").read_text(encoding="utf-8")
    (directory / "config.json").write_text(text.replace("{", '{"layer_norm_epsilon": 1e-05,', 1), encoding="utf-8")
    with pytest.raises(hw.CheckpointError, match=r"config.json is not, byte for byte"):
        hw.certify_export(directory)


@pytest.mark.parametrize("name", ["special_tokens_map.json", "adapter_config.json", "chat_template.jinja", "pytorch_model.bin"])
def test_a_file_more_is_refused_and_one_less(name: str, copy: Any) -> None:
    directory = copy("induction", "gpt2")
    (directory / ".gitattributes").write_text("* text")  # nobody reads it
    assert hw.certify_export(directory)
    (directory / name).write_text("{}")
    with pytest.raises(hw.CheckpointError, match=f"{name}' is no file of an export to gpt2"):
        hw.certify_export(directory)
    (directory / name).unlink()
    (directory / "generation_config.json").unlink()
    with pytest.raises(hw.CheckpointError, match=r"generation_config.json is missing"):
        hw.certify_export(directory)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_tensors_of_another_dtype_are_refused(kind: Any, copy: Any) -> None:
    directory = copy("induction", "gpt2")
    tensors = {
        name: tensor.astype(kind) if "wte" in name else tensor for name, tensor in load_file(directory / "model.safetensors").items()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(hw.CheckpointError, match=r"holds F16, not float32|is not, byte for byte"):
        hw.certify_export(directory)


def _renamed(onnx: Any, whole: Any, kind: str, body: list[Any]) -> None:
    """A function of one's own in the place of an operator."""
    opset = onnx.helper.make_opsetid("", 17)
    whole.functions.append(onnx.helper.make_function("own", kind, ["x"], ["y"], body, [opset]))
    whole.opset_import.append(onnx.helper.make_opsetid("own", 1))
    for node in whole.graph.node:
        if node.op_type == kind:
            node.domain = "own"


def _own_relu(onnx: Any, whole: Any) -> None:
    _renamed(onnx, whole, "Relu", [onnx.helper.make_node("Identity", ["x"], ["y"])])


def _twice(onnx: Any, whole: Any) -> None:
    first = whole.graph.initializer[0]
    more = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(first) * 2, first.name)
    whole.graph.initializer.insert(0, more)


def _as_input(onnx: Any, whole: Any) -> None:
    first = whole.graph.initializer[0]
    whole.graph.input.append(onnx.helper.make_tensor_value_info(first.name, first.data_type, list(first.dims)))


def _outside(onnx: Any, whole: Any) -> None:
    first = whole.graph.initializer[0]
    first.ClearField("raw_data")
    first.data_location = onnx.TensorProto.EXTERNAL
    first.external_data.add(key="location", value="weights.bin")


def _another_output(onnx: Any, whole: Any) -> None:
    whole.graph.output[0].name = next(n.output[0] for n in whole.graph.node if n.op_type == "MatMul")


def _metadata(onnx: Any, whole: Any) -> None:
    onnx.helper.set_model_props(whole, {"length": str(N), "words": "b a"})


def _a_word_for_an_attribute(onnx: Any, whole: Any) -> None:
    node = next(n for n in whole.graph.node if n.op_type == "Softmax")
    node.attribute[0].CopyFrom(onnx.helper.make_attribute("axis", 1.5))


@pytest.mark.parametrize("change", [_own_relu, _twice, _as_input, _outside, _another_output, _metadata, _a_word_for_an_attribute])
def test_an_onnx_graph_is_the_one_that_headwork_writes_but_for_its_weights(change: Any, copy: Any) -> None:
    directory = copy("ioi", "onnx")
    import onnx

    file = directory / "model.onnx"
    whole = onnx.load(file)
    change(onnx, whole)
    file.write_bytes(whole.SerializeToString())
    with pytest.raises(hw.CheckpointError):
        hw.certify_export(directory)


def _unread(directory: Path) -> hw.CheckpointError:
    with pytest.raises(hw.HeadworkError) as raised:
        hw.certify_export(directory)
    assert "\n" not in raised.value.fact
    assert isinstance(raised.value, hw.CheckpointError)
    return raised.value


@pytest.mark.parametrize("field", ["alphabet", "length", "d_model", "classes"])
def test_sizes_beyond_the_file_are_refused_before_anything_is_made_of_them(field: str, copy: Any) -> None:
    directory = copy("induction", "gpt2")
    size: object = [2**50] if field == "classes" else 2**50
    edit(directory / "headwork.json", lambda s: s["config"].update({field: size}))
    assert field in str(_unread(directory))


def test_blocks_beyond_the_file_are_refused_before_anything_is_made_of_them(copy: Any) -> None:
    """2^50 numbers would be allocated."""
    directory = copy("induction", "gpt2")
    edit(directory / "headwork.json", lambda s: s["config"]["blocks"][0].update(d_head=2**26))
    assert "has no place for" in str(_unread(directory))
    shutil.rmtree(directory)
    directory = copy("ioi", "llama")
    edit(directory / "headwork.json", lambda s: s["config"]["blocks"][-1].update(kind="mlp", d_mlp=5 * 10**7))
    assert "has shape" in str(_unread(directory))


def test_a_gguf_file_that_declares_too_much_is_refused(copy: Any) -> None:
    directory = copy("induction", "gguf")
    file = directory / "model.gguf"
    right = file.read_bytes()
    at = right.index(b"tokenizer.ggml.tokens") + len(b"tokenizer.ggml.tokens") + 8
    shape = right.index(b"token_embd.weight") + len(b"token_embd.weight") + 4
    for place in (8, 16, at, shape):
        file.write_bytes(right[:place] + (2**45).to_bytes(8, "little") + right[place + 8 :])
        assert "are said to follow byte" in str(_unread(directory)) or "has shape" in str(_unread(directory))


def test_check_runs_the_targets_own_implementation(copy: Any, made: Any) -> None:
    """The report is the implementation's, and a fault that the model read back does not have is found by it alone."""
    pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    import transformers

    report = hw.check_export(made("ioi", "llama"), samples=4)
    assert report.ok and report.generations and f"transformers {transformers.__version__}" in str(report)
    directory = copy("ioi", "llama")

    def softened(built: hw.Model) -> None:
        last = max(i for i, block in enumerate(built.module.blocks) if hasattr(block, "W_in"))
        built.module.blocks[last].W_in.data *= 2.0**-7
        built.module.blocks[last].W_out.data *= 2.0**7

    rewritten(directory, "llama", softened)
    assert hw.check(hw.read_export(directory), samples=4).ok
    wrong = hw.check_export(directory, samples=4)
    assert not wrong.ok and "the program says" in wrong.first


@pytest.mark.parametrize("target", [*TARGETS])
def test_the_shapes_that_a_target_states_are_those_it_writes(target: str) -> None:
    for name in ("induction", "ioi", "previous"):
        built: Built = TARGETS[target].build(model(name), "auto", "auto")
        stated = TARGETS[target].shapes(built.model, built.words, built.frame)
        assert stated == {key: tensor.shape for key, tensor in built.tensors.items()}


@pytest.mark.parametrize("target", [*TARGETS])
def test_damaged_files_are_refused_in_one_line(target: str, made: Any, copy: Any) -> None:
    """Bits, ends and values, in every file that is read; benchmarks/export_faults.py tries many more, and runs what is proved."""
    import random

    directory, rng = copy("induction", target), random.Random(3)
    for file in sorted(p.name for p in directory.iterdir() if p.name != "README.md"):
        right = (directory / file).read_bytes()
        for number in range(8):
            data = bytearray(right)
            at = rng.randrange(min(len(data), 400) if number % 2 else len(data))
            data[at] ^= 1 << rng.randrange(8)
            (directory / file).write_bytes(data[:at] if number == 7 else data)
            try:
                hw.certify_export(directory)
                assert file == "headwork.json"  # the names of values and heads are anything
            except hw.HeadworkError as refusal:
                assert "\n" not in refusal.fact or isinstance(refusal, hw.Refused)  # which shows an input that fails
        (directory / file).write_bytes(right)
    assert hw.certify_export(directory)


def test_a_name_in_an_onnx_file_that_is_no_text_is_refused(copy: Any) -> None:
    directory = copy("induction", "onnx")
    file = directory / "model.onnx"
    for name in (b"Softmax_", b"blocks.0.W_Q"):
        right = file.read_bytes()
        file.write_bytes(right.replace(name, b"\xff" + name[1:]))
        assert _unread(directory)
        file.write_bytes(right)
