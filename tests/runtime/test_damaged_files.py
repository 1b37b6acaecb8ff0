"""Damaged checkpoints: each is refused by name."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import headwork as hw
from headwork.tests.runtime.checkpoints import (
    CONFIG,
    CONFIG_KEYS,
    DELETE,
    HUGE,
    PROGRAM,
    PROGRAM_KEYS,
    TENSORS,
    changed,
    model_of,
    put,
    read,
    refused,
    seal,
    write,
)


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_a_missing_file(name: str, checkpoint: Path) -> None:
    (checkpoint / name).unlink()
    refused(checkpoint, name, "is missing")


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_a_directory_in_place_of_a_file(name: str, checkpoint: Path) -> None:
    (checkpoint / name).unlink()
    (checkpoint / name).mkdir()
    refused(checkpoint, name)


def test_not_a_directory(checkpoint: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "is not a directory")
    refused(checkpoint / CONFIG, CONFIG, "is not a directory")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", CONFIG, "is missing")


BROKEN_JSON: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  \n",
    "garbage": bytes(range(256)),
    "utf-16": '{"format": "headwork"}'.encode("utf-16"),
    "half": b'{"format": "headwork", "version"',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "huge integer": b'{"format": "headwork", "version": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a number": b"1e400",
    "null": b"null",
}


@pytest.mark.parametrize("name", [CONFIG, PROGRAM])
@pytest.mark.parametrize("kind", BROKEN_JSON)
def test_a_json_file_that_is_none(kind: str, name: str, checkpoint: Path) -> None:
    (checkpoint / name).write_bytes(BROKEN_JSON[kind])
    refused(checkpoint, name)


@pytest.mark.parametrize("name", [CONFIG, PROGRAM])
def test_a_truncated_json_file(name: str, checkpoint: Path) -> None:
    data = (checkpoint / name).read_bytes().rstrip()
    for cut in random.Random(8).sample(range(len(data)), 40):
        (checkpoint / name).write_bytes(data[:cut])
        refused(checkpoint, name)


Edit = tuple[str, str, object, tuple[str, ...]]  # file, place, new value, what the error says
NUMBERS_WRONG = ("4", 4.0, 1.5, None, True, [], {}, float("inf"), float("nan"), -1, 2**70)
EDITS: list[Edit] = [
    *[(CONFIG, key, DELETE, (CONFIG, repr(key), "missing")) for key in CONFIG_KEYS],
    *[(PROGRAM, key, DELETE, (PROGRAM, repr(key), "missing")) for key in PROGRAM_KEYS],
    *[
        (CONFIG, key, value, (CONFIG, repr(key)))
        for key in ("version", "alphabet", "length", "d_model", "classes")
        for value in NUMBERS_WRONG
    ],
    *[(CONFIG, key, value, (CONFIG, repr(key))) for key in ("format", "name", "dtype") for value in (1, None, True, [], {})],
    *[(CONFIG, "causal", value, (CONFIG, "'causal'")) for value in (1, 0, None, "true")],
    (CONFIG, "extra", 1, (CONFIG, "'extra'", "not known")),
    (PROGRAM, "extra", 1, (PROGRAM, "'extra'", "not known")),
    (CONFIG, "format", "other", (CONFIG, "'format'", "headwork")),
    (CONFIG, "version", 4, (CONFIG, "'version'", "newer")),
    (CONFIG, "version", 1, (CONFIG, "'version'", "older")),
    (CONFIG, "version", 0, (CONFIG, "'version'")),
    (CONFIG, "dtype", "int8", (CONFIG, "'dtype'", "float32")),
    (CONFIG, "dtype", "float64", (TENSORS, "'W_E'", "float64")),
    # sizes that do not fit the tensors or the program
    (CONFIG, "length", 8, (TENSORS, "'W_pos'", "shape")),
    (CONFIG, "length", HUGE, (TENSORS, "'W_pos'", "shape")),
    (CONFIG, "d_model", 8, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "d_model", HUGE, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "alphabet", 5, (TENSORS, "'W_E'", "shape")),
    (CONFIG, "classes", [6], (TENSORS, "'W_U'", "shape")),
    (CONFIG, "classes", [5, 5], (TENSORS, "'W_U'", "shape")),
    (CONFIG, "classes", [2, 3], (PROGRAM, "'output_forms'", "1 entries", "2 outputs")),
    (CONFIG, "classes", [], (CONFIG, "'classes'")),
    (CONFIG, "classes", [0], (CONFIG, "'classes'")),
    (CONFIG, "classes", 5, (CONFIG, "'classes'")),
    (CONFIG, "blocks", [], (TENSORS, "blocks.0.W_", "not known")),
    (CONFIG, "blocks", {}, (CONFIG, "'blocks'")),
    (CONFIG, "blocks", [3], (CONFIG, "blocks[0]")),
    (CONFIG, "blocks.0", DELETE, (TENSORS, "blocks.")),
    (CONFIG, "blocks.0.kind", "conv", (CONFIG, "'blocks[0].kind'")),
    (CONFIG, "blocks.0.kind", "mlp", (CONFIG, "blocks[0]")),
    (CONFIG, "blocks.0.kind", DELETE, (CONFIG, "'blocks[0].kind'", "missing")),
    (CONFIG, "blocks.0.extra", 1, (CONFIG, "'blocks[0].extra'", "not known")),
    (CONFIG, "blocks.0.d_head", 0, (CONFIG, "'blocks[0].d_head'")),
    (CONFIG, "blocks.0.d_head", HUGE, (TENSORS, "blocks.0.W_Q", "shape")),
    (CONFIG, "blocks.0.masks", [], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", ["past"], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", [[]], (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", "causal", (CONFIG, "'blocks[0].masks'")),
    (CONFIG, "blocks.0.masks", ["causal", "causal"], (TENSORS, "blocks.0.W_Q", "shape")),
    (CONFIG, "blocks.1.d_mlp", -1, (CONFIG, "'blocks[1].d_mlp'")),
    (CONFIG, "blocks.1.d_mlp", 99, (TENSORS, "blocks.1.W_in", "shape")),
    # the alphabet
    (PROGRAM, "alphabet", [], (PROGRAM, "'alphabet'", "0 symbols")),
    (PROGRAM, "alphabet", list("abca"), (PROGRAM, "'alphabet'", "'a' twice")),
    (PROGRAM, "alphabet", list("abc"), (PROGRAM, "'alphabet'", "3 symbols")),
    (PROGRAM, "alphabet", ["a", "b", "c", None], (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", ["a", "b", "c", [["d"]]], (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", "abcd", (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", True, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", -4, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", HUGE, (PROGRAM, "'alphabet'")),
    (PROGRAM, "alphabet", 2**70, (PROGRAM, "'alphabet'")),
    # the graph: nodes are token, position, affine 1, clip 2, lookup 3 1, fetch 4 0, lookup 0 5, fetch 6 0
    *[
        (PROGRAM, f"{graph}.{place}", value, (PROGRAM, f"{graph}.", *says))
        for graph in ("graph", "optimised")
        for place, value, says in (
            ("nodes", [], ("output",)),
            ("outputs", [], ("outputs", "0 entries")),
            ("outputs", [7, 7], ("outputs", "2 entries where single is true")),
            ("outputs", 7, ("outputs",)),
            ("outputs", DELETE, ("outputs", "missing")),
            ("single", 1, ("single",)),
            ("single", DELETE, ("single", "missing")),
            ("guard", [], ("guard",)),
            ("guard", {"node": 7, "deliveries": []}, ("guard.node", "not an integer")),
            ("guard", {"node": 6, "deliveries": []}, ("guard.node", "not an integer")),
            ("guard", {"node": 8, "deliveries": []}, ("guard.node",)),
            ("guard", {"node": 7}, ("guard.node",)),
            ("nodes", {}, ("nodes",)),
            ("nodes", DELETE, ("nodes", "missing")),
            ("extra", 1, ("extra", "not known")),
            ("outputs", [8], ("output",)),
            ("outputs", [-1], ("output",)),
            ("outputs", ["7"], ("output",)),
            ("outputs", [True], ("output",)),
            ("outputs", [6], ("outputs", "lookup")),
            ("outputs", [1], ("output",)),
            ("nodes.2.args", [2], ("nodes[2].args",)),
            ("nodes.2.args", [5], ("nodes[2].args",)),
            ("nodes.2.args", [-1], ("nodes[2].args",)),
            ("nodes.2.args", [HUGE], ("nodes[2].args",)),
            ("nodes.2.args", ["1"], ("nodes[2].args",)),
            ("nodes.2.args", [True], ("nodes[2].args",)),
            ("nodes.2.args", None, ("nodes[2].args",)),
            ("nodes.2.args", [], ("nodes[2].args",)),
            ("nodes.2.args", [1, 1], ("nodes[2].args",)),
            ("nodes.1.args", [0], ("nodes[1].args",)),
            ("nodes.3.args", [1, 2], ("nodes[3].args",)),
            ("nodes.5.args", [4], ("nodes[5].args",)),
            ("nodes.5.args", [4, 0, 0], ("nodes[5].args",)),
            ("nodes.4.args", [3], ("nodes[4].",)),
            ("nodes.4.args", [3, 1, 1], ("nodes[4].",)),
            ("nodes.4.args", [], ("nodes[4].",)),
            ("nodes.7.args", [6, 4], ("nodes[7].args", "lookup")),
            ("nodes.7.args", [0, 0], ("nodes[7].args", "lookup")),
            ("nodes.6.args", [0, 4], ("nodes[6].args", "lookup")),
            ("nodes.2.op", "exec", ("nodes[2].op",)),
            ("nodes.2.op", 3, ("nodes[2].op",)),
            ("nodes.2.op", ["affine"], ("nodes[2].op",)),
            ("nodes.2.op", "clip", ("nodes[2].",)),
            ("nodes.2.extra", 3, ("nodes[2].extra", "not known")),
            ("nodes.2.name", None, ("nodes[2].name",)),
            ("nodes.2.line", 7, ("nodes[2].line",)),
            ("nodes.2.line", ["x", "y"], ("nodes[2].line",)),
            ("nodes.2.line", [None, 3], ("nodes[2].line",)),
            ("nodes.2.fields", [], ("nodes[2].fields",)),
            ("nodes.2.fields.extra", 1, ("nodes[2].fields.extra", "not known")),
            ("nodes.2.fields.constant", DELETE, ("nodes[2].fields.constant", "missing")),
            *[("nodes.2.fields.constant", bad, ("nodes[2].fields.constant",)) for bad in ("1", 1.5, None, True, [1], float("inf"))],
            ("nodes.2.fields.coefficients", [1, 2], ("nodes[2].",)),
            ("nodes.2.fields.coefficients", [1.5], ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.coefficients", [None], ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.coefficients", 1, ("nodes[2].fields.coefficients",)),
            ("nodes.2.fields.kind", "float", ("nodes[2].fields.kind",)),
            ("nodes.2.fields.kind", ["int"], ("nodes[2].fields.kind",)),
            ("nodes.2.fields.kind", {}, ("nodes[2].fields.kind",)),
            ("nodes.4.fields.mask", "past", ("nodes[4].fields.mask",)),
            ("nodes.4.fields.pick", "any", ("nodes[4].fields.pick",)),
            ("nodes.4.fields.parts", 2, ("nodes[4].",)),
            ("nodes.4.fields.parts", 0, ("nodes[4].",)),
            ("nodes.4.fields.parts", -1, ("nodes[4].",)),
        )
    ],
    # the output, the probes and the heads
    (PROGRAM, "output_forms.0.kind", "roman", (PROGRAM, "'output_forms[0].kind'")),
    (PROGRAM, "output_forms.0.off", 5, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.off", -3, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.off", "x", (PROGRAM, "'output_forms[0].off'")),
    (PROGRAM, "output_forms.0.top", 0, (PROGRAM, "'output_forms[0].top'")),
    (PROGRAM, "output_forms.0.top", HUGE, (PROGRAM, "output_forms[0]")),
    (PROGRAM, "output_forms.0.parts", 0, (PROGRAM, "'output_forms[0].parts'")),
    (PROGRAM, "output_forms.0.parts", HUGE, (PROGRAM, "'output_forms[0].parts'")),
    (PROGRAM, "probes", {}, (PROGRAM, "'probes'")),
    (PROGRAM, "probes.0", 1, (PROGRAM, "probes[0]")),
    (PROGRAM, "probes.1.dims", [7], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [HUGE], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [-1], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [1, 2], (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.dims", [1.0], (PROGRAM, "'probes[1].dims'")),
    *[(PROGRAM, "probes.1.value", bad, (PROGRAM, "'probes[1].value'")) for bad in (8, -1, "nothing", True, None, 0.0, [], {}, HUGE)],
    (PROGRAM, "probes.1.block", 4, (PROGRAM, "'probes[1].block'")),
    (PROGRAM, "probes.1.block", -1, (PROGRAM, "'probes[1].block'")),
    (PROGRAM, "probes.1.form.kind", "onehot", (PROGRAM, "'probes[1].dims'")),
    (PROGRAM, "probes.1.form", None, (PROGRAM, "probes[1].form")),
    (PROGRAM, "probes.1.name", 3, (PROGRAM, "'probes[1].name'")),
    (PROGRAM, "heads.0.block", 0, (PROGRAM, "'heads[0].block'")),
    (PROGRAM, "heads.0.block", 9, (PROGRAM, "'heads[0].block'")),
    (PROGRAM, "heads.0.steps", "many", (PROGRAM, "'heads[0].steps'")),
    (PROGRAM, "heads.0.does", DELETE, (PROGRAM, "'heads[0].does'", "missing")),
    (PROGRAM, "heads.0.does", "causal latest: token = token -> fetch", (PROGRAM, "'heads[0].does'", "is not what at does in the program")),
    (PROGRAM, "heads.0.name", "match", (PROGRAM, "'heads[0].does'", "is not what match does in the program")),
    (PROGRAM, "heads.0.extra", 1, (PROGRAM, "'heads[0].extra'", "not known")),
]


def edit_id(edit: Edit) -> str:
    return f"{edit[0].removesuffix('.json')}:{edit[1]}={'DELETE' if edit[2] is DELETE else str(edit[2])[:24]}"


@pytest.mark.parametrize("edit", EDITS, ids=edit_id)
def test_an_edited_file(edit: Edit, checkpoint: Path) -> None:
    name, place, value, says = edit
    document = read(checkpoint / name)
    put(document, place, value)
    write(checkpoint / name, document)
    refused(checkpoint, *says)


def test_the_edits_are_of_the_file_they_describe(checkpoint: Path) -> None:
    """Unedited, the same file loads, and its nodes stand where the edits take them to be."""
    assert hw.load(checkpoint).name == "induction"
    for graph in ("graph", "optimised"):
        nodes = read(checkpoint / PROGRAM)[graph]["nodes"]
        assert [n["op"] for n in nodes] == ["token", "position", "affine", "clip", "lookup", "fetch", "lookup", "fetch"]
        assert [n["args"] for n in nodes[2:]] == [[1], [2], [3, 1], [4, 0], [0, 5], [6, 0]]
    assert [b["kind"] for b in read(checkpoint / CONFIG)["blocks"]] == ["attention", "mlp", "attention"]


def test_a_number_beyond_floating_point(checkpoint: Path) -> None:
    text = (checkpoint / CONFIG).read_text().replace('"length": 9', '"length": 1e400')
    assert "1e400" in text
    (checkpoint / CONFIG).write_text(text)
    refused(checkpoint, CONFIG, "'length'")


TABLE_EDITS: list[tuple[str, object]] = [
    ("entries", []),
    ("entries", [0]),
    ("entries", [99] * 15),
    ("entries", [-1] * 15),
    ("entries", ["mind"] * 15),
    ("shape", []),
    ("shape", [14]),
    ("shape", [-1]),
    ("shape", [4, 4]),
    ("starts", []),
    ("starts", [0, 0]),
    ("title", 3),
    ("kind", "word"),
]


@pytest.mark.parametrize("graph", ["graph", "optimised"])
@pytest.mark.parametrize(("field", "value"), TABLE_EDITS, ids=lambda x: x if isinstance(x, str) else str(x)[:9])
def test_an_edited_table(field: str, value: object, graph: str, saved: Callable[[str], Path], tmp_path: Path) -> None:
    """A table's entries must fill its shape, and those of kind token must be tokens."""
    directory = Path(shutil.copytree(saved("skip_trigram"), tmp_path / "m"))
    document = read(directory / PROGRAM)
    nodes = document[graph]["nodes"]
    place = next(i for i, n in enumerate(nodes) if n["op"] == "table" and n["fields"]["kind"] == "token")
    if field == "entries" and isinstance(value, list) and len(value) == 16:
        value = value[:1] * len(nodes[place]["fields"]["entries"])
    nodes[place]["fields"][field] = value
    write(directory / PROGRAM, document)
    refused(directory, PROGRAM, f"{graph}.nodes[{place}].")


def test_files_of_two_checkpoints_do_not_mix(saved: Callable[[str], Path], tmp_path: Path) -> None:
    for name in (CONFIG, PROGRAM, TENSORS):
        directory = Path(shutil.copytree(saved("induction"), tmp_path / name))
        shutil.copy(saved("khop") / name, directory / name)
        refused(directory, TENSORS if name != PROGRAM else PROGRAM)


@pytest.mark.parametrize("name", [CONFIG, PROGRAM, TENSORS])
def test_files_of_two_checkpoints_of_one_shape_do_not_mix(name: str, tmp_path: Path) -> None:
    """All sizes agree, so only the digest tells."""
    for shift in (1, 2):
        made = hw.program(name=f"add{shift}", alphabet=8)(lambda token, s=shift: hw.table(lambda x: (x + s) % 8, token))
        hw.compile(made, length=3).save(tmp_path / str(shift))
    shutil.copy(tmp_path / "1" / name, tmp_path / "2" / name)
    refused(tmp_path / "2", "not the files that were saved together")


def test_any_changed_number_of_the_tensors_is_told(checkpoint: Path) -> None:
    changed(checkpoint, lambda t: t["W_U"].neg_())
    refused(checkpoint, TENSORS, "not the files that were saved together")
    seal(checkpoint)
    assert not hw.check(hw.load(checkpoint), samples=8).ok


def test_a_checkpoint_from_before_the_digest_is_loaded_with_a_warning(checkpoint: Path) -> None:
    config = read(checkpoint / CONFIG)
    del config["sha256"]
    write(checkpoint / CONFIG, {**config, "version": 2})
    with pytest.warns(UserWarning, match="before checkpoints had a digest"):
        assert hw.load(checkpoint).run(list("abab")) == model_of("induction").run(list("abab"))


# --- damaged tensors ------------------------------------------------------------------------------------------

TENSOR_NAMES = ("W_E", "W_pos", "W_U", "blocks.0.W_Q", "blocks.0.W_O", "blocks.1.W_in", "blocks.2.W_V")


@pytest.mark.parametrize("name", TENSOR_NAMES)
def test_a_wrong_tensor(name: str, checkpoint: Path, tmp_path: Path) -> None:
    good = load_file(checkpoint / TENSORS)[name]
    holed, infinite = good.clone(), good.clone()
    holed.view(-1)[-1], infinite.view(-1)[0] = torch.nan, -torch.inf
    cases: list[tuple[torch.Tensor | None, str]] = [
        (None, "is missing"),
        (torch.zeros(*good.shape, 1), "shape"),
        (torch.zeros(good.numel()), "shape"),
        (torch.zeros(()), "shape"),
        (torch.zeros(0), "shape"),
        (good[:-1].contiguous(), "shape"),
        (good.mT.contiguous(), "shape"),
        (good.double(), "float64"),
        (good.half(), "float16"),
        (good.long(), "int64"),
        (good > 0, "bool"),
        (holed, "not finite"),
        (infinite, "not finite"),
    ]
    for i, (tensor, says) in enumerate(cases):
        if tensor is not None and says == "shape" and tensor.shape == good.shape:
            continue  # a square matrix transposed
        directory = Path(shutil.copytree(checkpoint, tmp_path / f"case {i}"))
        changed(directory, lambda t, tensor=tensor: t.pop(name) if tensor is None else t.update({name: tensor}))
        refused(directory, TENSORS, repr(name), says)


def test_an_extra_tensor(checkpoint: Path) -> None:
    changed(checkpoint, lambda t: t.update({"b_Q": torch.zeros(3)}))
    refused(checkpoint, TENSORS, "'b_Q'", "not known")


def test_truncated_and_garbled_tensors(checkpoint: Path) -> None:
    data = (checkpoint / TENSORS).read_bytes()
    rng = random.Random(9)
    damaged = [data[:cut] for cut in (0, 1, 7, 8, 9, len(data) - 1, *rng.sample(range(len(data)), 20))]
    damaged += [b"\xff" * 8 + data[8:], b"\0" * len(data), rng.randbytes(len(data)), data + b"x", data[1:]]
    for bad in damaged:
        (checkpoint / TENSORS).write_bytes(bad)
        refused(checkpoint, TENSORS)
