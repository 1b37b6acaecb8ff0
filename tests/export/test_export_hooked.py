"""TransformerLens's files: what its arithmetic, written down here, makes of them is what plain Python says, or they are refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import headwork as hw
from headwork import programs
from headwork.export import hooked
from headwork.export.native import Frame
from headwork.export.words import Words

STRICT = ("khop", "skip_trigram")  # lowered again
SMALL = ("induction", "parity", "recall", "histogram", "reverse", *STRICT)


def lens(config: dict[str, object], w: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
    """HookedTransformer without a norm, by its documentation. Shapes: n ids -> (n, words)."""
    x = w["embed.W_E"][ids] + w["pos_embed.W_pos"][: len(ids)]
    seen = torch.ones(len(ids), len(ids), dtype=torch.bool)
    seen = seen.tril() if config["attention_dir"] == "causal" else seen
    for layer in range(int(str(config["n_layers"]))):
        a = {name: w[f"blocks.{layer}.attn.{name}"] for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O")}
        q, k, v = (torch.einsum("nd,hde->hne", x, a[f"W_{p}"]) + a[f"b_{p}"][:, None] for p in "QKV")
        scores = (q @ k.mT / float(str(config["attn_scale"]))).masked_fill(~seen, -torch.inf)
        x = x + torch.einsum("hne,hed->nd", scores.softmax(-1) @ v, a["W_O"]) + a["b_O"]
        if not config["attn_only"]:
            m = {name: w[f"blocks.{layer}.mlp.{name}"] for name in ("W_in", "b_in", "W_out", "b_out")}
            x = x + (x @ m["W_in"] + m["b_in"]).relu() @ m["W_out"] + m["b_out"]
    return x @ w["unembed.W_U"] + w["unembed.b_U"]


def answers(directory: Path, text: list[str]) -> list[str]:
    """Words for words, with nothing of headwork: the vocabulary is the tokenizer file's."""
    vocabulary: dict[str, int] = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    names = {i: word for word, i in vocabulary.items()}
    config, weights = json.loads((directory / "config.json").read_text(encoding="utf-8")), load_file(directory / "model.safetensors")
    logits = lens(config, weights, [vocabulary["<bos>"], *(vocabulary[word] for word in text)])
    return [names[i] for i in logits[1:].argmax(-1).tolist()]


@pytest.mark.parametrize("name", SMALL)
def test_words_in_words_out_as_the_reference_says(name: str, tmp_path: Path) -> None:
    entry, rng = programs.entry(name), random.Random(3)
    made = hw.compile(programs.get(name), length=12, alphabet=entry.alphabet).export(tmp_path / "out", "hooked", check=False)
    back = hw.read_export(tmp_path / "out")
    assert hw.certify(back) and hw.certify_export(tmp_path / "out").target == "hooked"
    assert ("lowered again" in str(made) or "previous keys" in str(made)) == (name in STRICT), str(made)
    said = 0
    for n in (1, 5, 12, 12):
        text = [str(s) for s in entry.sample(rng, n)]
        wanted = ["⊥" if v is None else str(v) for v in entry.reference(text)]
        assert answers(tmp_path / "out", text) == wanted, text
        said += sum(w != "⊥" for w in wanted)
    assert said >= 1


@pytest.mark.parametrize("name", ["induction", "khop", "reverse", "histogram"])
def test_a_natural_model_keeps_its_weights_and_its_style(name: str, tmp_path: Path) -> None:
    model = hw.compile(programs.get(name), length=10, alphabet=4, style="natural")
    model.export(tmp_path / "out", "hooked", check=False)
    back, rng = hw.read_export(tmp_path / "out"), random.Random(1)
    assert back.style == "natural" and hw.certify_export(tmp_path / "out").certificate.margin > 0.4
    if name != "khop":  # its heads are strict
        assert all((back.module.state_dict()[key] == tensor).all() for key, tensor in model.module.state_dict().items())
    for _ in range(4):
        text = [rng.randrange(4) for _ in range(10)]
        wanted = ["⊥" if v is None else str(v) for v in programs.entry(name).reference(text)]
        assert answers(tmp_path / "out", [str(t) for t in text]) == wanted


def test_a_model_without_mlps_has_none_and_one_without_a_mask_a_dimension_more(tmp_path: Path) -> None:
    one = hw.compile(programs.get("previous"), length=6, alphabet=2)
    one.export(tmp_path / "one", "hooked", check=False)
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert (config["attn_only"], config["d_model"], config["attention_dir"]) == (True, one.module.shape.d_model, "causal")
    both = hw.compile(programs.get("histogram"), length=6, alphabet=2)
    both.export(tmp_path / "both", "hooked", check=False)
    config = json.loads((tmp_path / "both" / "config.json").read_text())
    assert (config["attn_only"], config["d_model"], config["attention_dir"]) == (False, both.module.shape.d_model + 1, "bidirectional")


def test_without_its_own_dimension_bos_would_see_the_text() -> None:
    """What the dimension is for: where its key is zero, the answers are wrong."""
    model = hw.compile(programs.get("reverse"), length=6, alphabet=3)
    words, frame = Words.of(model), Frame((0,) * model.module.shape.d_model, model.module.shape.d_model + 1)
    config, made = hooked.config(model, words, frame), hooked.tensors(model, words, frame)
    whole = {name: torch.from_numpy(tensor) for name, tensor in made.items()}
    cut = {name: (t * 0 if name.endswith("W_Q") else t) for name, t in whole.items()}
    ids = words.ids([0, 1, 2, 2, 1])
    assert lens(dict(config), whole, ids)[1:].argmax(-1).tolist() == [2, 3, 3, 2, 1]
    assert not torch.equal(lens(dict(config), cut, ids)[0], lens(dict(config), whole, ids)[0])


def test_changed_weights_are_written_where_they_stay_and_refused_where_they_would_be_dropped(tmp_path: Path) -> None:
    model = hw.compile(programs.get("induction"), length=8, alphabet=3)
    with torch.no_grad():
        model.module.W_U[0, 0] += 0.25
    made = model.export(tmp_path / "out", "hooked", check=False)
    assert "as they are" in str(made)
    assert torch.equal(hw.read_export(tmp_path / "out").module.W_U, model.module.W_U)
    for style in ("compact", "natural"):
        strict = hw.compile(programs.get("khop"), length=8, alphabet=3, style=style)
        with torch.no_grad():
            strict.module.W_U[0, 0] += 0.25
        with pytest.raises(hw.InputError, match=r"lowered again|lowers the program again"):
            strict.export(tmp_path / "no", "hooked", check=False)


@pytest.mark.parametrize(
    ("name", "style", "options", "said"),
    [
        ("sort", "compact", {}, "one mask for the whole model"),
        ("induction", "compact", {"code": "binary"}, "was asked for code binary"),
        ("induction", "compact", {"dtype": "float64"}, "was asked for float64"),
    ],
)
def test_what_it_cannot_hold_is_refused_with_the_reason(name: str, style: str, options: dict[str, str], said: str, tmp_path: Path) -> None:
    model = hw.compile(programs.get(name), length=8, alphabet=programs.entry(name).alphabet, style=style)
    with pytest.raises(hw.HeadworkError, match=said):
        model.export(tmp_path / "out", "hooked", check=False, **options)
    assert not (tmp_path / "out").exists()


def test_a_bidirectional_head_that_asks_at_bos_is_refused(tmp_path: Path) -> None:
    model = hw.compile(programs.get("histogram"), length=6, alphabet=2, style="natural")
    with torch.no_grad():
        model.module.state_dict()["blocks.0.W_Q"][0, 1, 0] += 1  # dimension 1 is <bos>'s own
    with pytest.raises(hw.ExactnessError, match=r"head 0 of block 1 has a query at <bos>: without a mask it would not attend to itself"):
        model.export(tmp_path / "out", "hooked", check=False)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    hw.compile(programs.get("induction"), length=8, alphabet=3).export(tmp_path / "out", "hooked", check=False)
    file = tmp_path / "out" / "config.json"
    file.write_text(file.read_text().replace('"attention_dir": "causal"', '"attention_dir": "bidirectional"'))
    with pytest.raises(hw.CheckpointError, match="'attention_dir' is not"):
        hw.read_export(tmp_path / "out")


def test_a_model_in_float64_says_so_by_its_tensors(tmp_path: Path) -> None:
    hw.compile(programs.get("induction"), length=8, alphabet=3, dtype="float64").export(tmp_path / "out", "hooked", check=False)
    assert {t.dtype for t in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float64}
    assert hw.read_export(tmp_path / "out").dtype == "float64"
