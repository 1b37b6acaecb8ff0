"""The training kit: data against references and compiled models, fresh weights that can learn, comparisons with known answers."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import headwork as hw
from headwork.learning.patterns import alike, looked_at, matched, overlap, patterns_of
from headwork.runtime.module import Transformer

INDUCTION = hw.compile(hw.programs.induction(), length=12)


@pytest.mark.parametrize("name", hw.programs.names())
def test_targets_are_what_compiled_logits_say(name: str) -> None:
    """The library's references, in the classes of the compiled model, on texts of its own and on random ones."""
    model = hw.compile(hw.programs.get(name), length=16)
    outputs = len(model.graph.outputs)
    for uniform in (False, True):
        ids, classes = hw.data(model, 4, seed=3, none=0, uniform=uniform)
        said = model.classes(ids.tolist())
        assert torch.equal(said if outputs == 1 else said[..., :outputs], classes)
        masked = hw.data(model, 4, seed=3, uniform=uniform).classes
        assert torch.equal(masked, torch.where(classes == 0, -100, classes)) and ids.shape == classes.shape[:2]


def test_data_is_the_same_for_a_seed_and_for_each_way_to_name_a_program() -> None:
    entry = hw.programs.khop
    ids, classes = hw.data(entry, 3, length=10, seed=5)
    for same in (hw.data(entry(), 3, length=10, seed=5), hw.data(hw.compile(entry(), length=10), 3, seed=5)):
        assert torch.equal(ids, same.ids) and torch.equal(classes, same.classes)
    assert not torch.equal(ids, hw.data(entry, 3, length=10, seed=6).ids)
    assert hw.data(hw.compile(entry(), length=10), 3, length=4).ids.shape == (3, 4)


def test_data_of_a_program_of_ones_own_and_of_another_alphabet() -> None:
    @hw.program
    def two(token: hw.Value) -> tuple[hw.Value, hw.Value]:
        return hw.previous(token), token == hw.previous(token)

    ids, classes = hw.data(two, 5, length=6, alphabet=["x", "y"], seed=1)
    assert ids.shape == (5, 6) and classes.shape == (5, 6, 2)
    for row, targets in zip(ids.tolist(), classes.tolist(), strict=True):
        assert [t[0] for t in targets] == [-100, *(i + 1 for i in row[:-1])]
        assert [t[1] for t in targets] == [-100, *(1 + (a == b) for a, b in itertools.pairwise(row))]
    model = hw.compile(hw.programs.sort(), length=8, alphabet=[3, 1, 2])
    ids, classes = hw.data(model, 4, none=0)
    assert torch.equal(model.classes(ids.tolist()), classes) and int(ids.max()) <= 2


def test_data_that_cannot_be_had() -> None:
    for options, said in [
        ({"batch": 0}, "batch is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"length": 13}, "more than the 12"),
        ({"alphabet": 3}, "the model has its own"),
    ]:
        with pytest.raises(hw.InputError, match=said):
            hw.data(INDUCTION, **{"batch": 2, **options})  # type: ignore[arg-type]
    with pytest.raises(hw.InputError, match="no length is given"):
        hw.data(hw.programs.induction, 2)
    with pytest.raises(hw.ProgramError, match="not a program"):
        hw.data("induction", 2, length=4)  # type: ignore[arg-type]


def test_fresh_weights_are_of_one_architecture_and_scale() -> None:
    made = hw.fresh(INDUCTION, 1, d_model=64, d_head=32, d_mlp=48)
    shape, own = made.shape, INDUCTION.module.shape
    assert isinstance(made, Transformer)
    assert [type(b) for b in shape.blocks] == [type(b) for b in own.blocks] and (shape.classes, shape.length) == (own.classes, own.length)
    assert shape.d_model == 64 and made.W_E.shape == (5, 64)
    ids = hw.data(INDUCTION, 64, uniform=True).ids
    states = list(made.stream(ids))
    assert all(0.7 < float(x.detach().std()) < 1.6 for x in states)
    logits = made(ids)
    assert 0.7 < float(logits.detach().std()) < 1.6
    weights = patterns_of(made, ids)
    rows = np.concatenate([w[:, -1].ravel() for w in weights.values()])
    assert rows.max() < 0.95  # no head is decided before it has learned anything
    again, other = hw.fresh(INDUCTION, 1, d_model=64, d_head=32, d_mlp=48), hw.fresh(INDUCTION, 2, d_model=64, d_head=32, d_mlp=48)
    assert torch.equal(made.W_E, again.W_E) and not torch.equal(made.W_E, other.W_E)
    assert hw.fresh(INDUCTION).shape == own and hw.fresh(own).shape == own
    with pytest.raises(hw.InputError, match="d_head is 0"):
        hw.fresh(INDUCTION, d_head=0)
    with pytest.raises(hw.InputError, match="no model and no shape"):
        hw.fresh("induction")  # type: ignore[arg-type]


def test_fresh_weights_learn() -> None:
    """Every tensor has a gradient, and a few steps are better than none: of `previous`, which one head does."""
    model = hw.compile(hw.programs.previous(), length=8)
    learner = hw.fresh(model, 0, d_model=24, d_head=16)
    adam = torch.optim.Adam(learner.parameters(), lr=1e-2)
    losses: list[float] = []
    for step in range(150):
        ids, classes = hw.data(model, 32, seed=step, none=0, uniform=True)
        loss = cross_entropy(learner(ids).flatten(0, 1), classes.flatten())
        adam.zero_grad()
        loss.backward()
        if step == 0:
            assert all(p.grad is not None and bool(p.grad.any()) for p in learner.parameters())
        adam.step()
        losses.append(float(loss.detach()))
    assert losses[0] < 3 * math.log(len(model.alphabet) + 1) and losses[-1] < 0.1 * losses[0]
    found = hw.compare(learner, model, [model.decode(row) for row in hw.data(model, 60, seed=999, uniform=True).ids.tolist()])
    assert found.agreement > 0.97 and found.pairs[0].learned == (1, 0) and found.pairs[0].overlap > 0.8


def test_a_model_is_like_itself() -> None:
    model = hw.compile(hw.programs.khop(k=4), length=12)
    texts = [model.decode(row) for row in hw.data(model, 120, seed=1, uniform=True).ids.tolist()]
    found = hw.compare(model.module, model, texts)
    assert found.agreement == 1 and found.learned == found.compiled == model.run(texts[0])
    assert [p.learned for p in found.pairs] == [p.compiled for p in found.pairs] == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert all(p.overlap == 1 for p in found.pairs) and (np.diag(found.overlaps) == 1).all()
    assert "layer 4, head 0 (at.3" in str(found) and len(repr(found)) < 100
    # Each value is read where it is, and not before: position and token in the embedding, the rest after the block that writes it.
    assert {v.value: v.block for v in found.values} == {
        "token": 0,
        "position": 0,
        "jump.2": 1,
        "jump@at": 3,
        "jump@at@at": 5,
        "token@at": 7,
    }
    assert all(v.right == 1 > v.guess for v in found.values)
    one = hw.compare(model.module, model, texts[0])
    assert one.values == () and one.tokens == tuple(texts[0])


def test_heads_are_matched_whatever_their_order() -> None:
    """Heads of one layer in another order: each finds itself again."""
    model = hw.compile(hw.programs.sort_by(), length=8)
    module = hw.compile(hw.programs.sort_by(), length=8).module
    order = [2, 0, 1]
    first = module.blocks[0]
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        getattr(first, name).data = getattr(first, name).data[order]
    first.masks = tuple(first.masks[i] for i in order)
    texts = [model.decode(row) for row in hw.data(model, 8, seed=1).ids.tolist()]
    found = hw.compare(module, model, texts)
    assert found.agreement == 1
    assert {p.compiled: p.learned for p in found.pairs if p.overlap == 1 and p.compiled[0] == 1} == {
        (1, head): (1, order.index(head)) for head in range(3)
    }


def test_overlaps_by_hand() -> None:
    eye, even = np.eye(4)[None], np.full((1, 4, 4), 0.25)
    assert overlap(eye, eye) == 1 and overlap(even, eye) == pytest.approx(0.25)
    faint = np.zeros((1, 3, 3))
    faint[..., 0], faint[0, 2, 1:] = 1, 1e-14
    assert looked_at(faint)[0].tolist() == [[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5]]
    likeness = alike([even, eye], [eye])
    assert matched(likeness) == {0: 1} and matched(np.zeros((2, 2))) == {}


def test_what_cannot_be_compared() -> None:
    with pytest.raises(hw.InputError, match="differ in length"):
        hw.compare(INDUCTION.module, INDUCTION, [list("ab"), list("abc")])
    with pytest.raises(hw.InputError, match="logits have shape"):
        hw.compare(hw.compile(hw.programs.khop(), length=12, alphabet=7).module, INDUCTION, list("abc"))

    class Mute(torch.nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.zeros(*ids.shape, 5)

    with pytest.raises(hw.InputError, match="says nothing of its attention"):
        hw.compare(Mute(), INDUCTION, list("abc"))


def test_figures_are_files_of_their_kind(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    texts = ["a$b", "<x>", "c"]
    model = hw.compile(hw.programs.induction(), length=8, alphabet=texts)
    begin = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    for suffix, first in begin.items():
        for name, draw in {
            "attention": lambda path: model.plot_attention(texts, path),
            "circuit": lambda path: hw.circuit(model).plot(path),
            "both": lambda path: hw.compare(model.module, model, texts).plot(path),
        }.items():
            if name != "attention" and suffix != "pdf":
                continue
            path = tmp_path / f"{name}.{suffix}"
            draw(path)
            assert path.read_bytes().startswith(first)
            again = tmp_path / f"again.{suffix}"
            if suffix == "png":
                draw(again)
                assert again.read_bytes() == path.read_bytes()
    figure = model.plot_attention(texts)
    assert [axes.get_title() for axes in figure.axes] == ["block 1, head 0: at", "block 3, head 0: match"]
    image = np.asarray(figure.axes[0].images[0].get_array())
    assert image.shape == (4, 4, 3) and (image[2, 1] < 0.7).any() and (image[2, 2] == 1).all()  # position 2 reads position 1
    assert len(hw.compile(hw.programs.sort(), length=8).plot_attention(["the", "a"], columns=2).axes) == 4
    with pytest.raises(hw.InputError, match=r"is not \.pdf"):
        model.plot_attention(texts, tmp_path / "x.gif")
    with pytest.raises(hw.InputError, match="not a directory"):
        hw.circuit(model).plot(tmp_path / "no" / "x.pdf")
    with pytest.raises(hw.InputError, match="no tokens"):
        model.plot_attention([])
