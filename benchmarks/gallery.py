"""The pictures of docs/gallery.md: where each head of some compiled programs looks, drawn from the model's own softmax.

python benchmarks/gallery.py            draw them and say what was seen
python benchmarks/gallery.py --write    and put them into docs/gallery/
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import headwork as hw
from headwork.runtime.module import Attention

OUT = Path(__file__).parent.parent / "docs" / "gallery"
NONE, SOME, ALL = "#ffffff", "#9fb4dd", "#283593"  # a weight of 0, a match that is added up, a weight of 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A model on an input."""

    name: str
    model: hw.Model
    tokens: Sequence[object]
    heads: int = 3  # so many heads of a layer are drawn at most
    labels: Sequence[str] = field(default_factory=tuple)

    @property
    def words(self) -> list[str]:
        """What stands at the axes, BOS first."""
        return ["BOS", *(self.labels or map(str, self.tokens))]


def pictures() -> list[Picture]:
    """All of them."""
    rose = "a rose is a rose is a rose".split()
    hops = list("abacbabcab")
    words = "dog cat ant cat bee".split()
    brackets = list("([])[()]")
    successors = [2, 3, 4, 5, 6, 7, 8, 0]
    get = hw.programs.get
    return [
        Picture("induction", hw.compile(get("induction"), length=16, alphabet=sorted(set(rose))), rose),
        Picture("khop", hw.compile(get("khop", k=4), length=16, alphabet="abc"), hops),
        Picture("histogram", hw.compile(get("histogram"), length=16, alphabet=sorted(set(words))), words),
        Picture("sort", hw.compile(get("sort"), length=8, alphabet=sorted(set(words))), words),
        Picture("dyck_k", hw.compile(get("dyck_k", kinds=["()", "[]"], give="partner"), length=16), brackets),
        Picture(
            "list_ranking",
            hw.compile(hw.protocols.get("list_ranking"), length=8),
            successors,
            labels=[f"{i}→{s}" if s else f"{i}" for i, s in enumerate(successors, 1)],
        ),
    ]


def patterns(picture: Picture) -> list[np.ndarray]:
    """The weights of each attention layer. Shapes (heads, n + 1, n + 1)."""
    model = picture.model
    ids = torch.tensor([[model.alphabet.id(token) for token in picture.tokens]])  # (1, n)
    states = list(model.module.stream(ids))
    blocks = zip(model.module.blocks, states, strict=False)
    return [block.pattern(state)[0].detach().numpy() for block, state in blocks if isinstance(block, Attention)]


def seen(weights: np.ndarray) -> np.ndarray:
    """What is drawn of each weight: 0 where it is 0, 2 where it is 1, and 1 between. Refuses a weight that is none of these."""
    small = weights[(weights > 0) & (weights < 1)]
    if small.size and small.max() > 1e-9:
        raise SystemExit(f"a weight of {small.max()} is neither 0 nor 1 nor that of a match that is added up")
    return np.where(weights == 1, 2, np.where(weights > 0, 1, 0))


def draw(picture: Picture) -> Figure:
    """A row of squares, one a head."""
    layers = [(number, head, w) for number, layer in enumerate(patterns(picture), 1) for head, w in enumerate(layer[: picture.heads])]
    side = 0.26 * len(picture.words) + 0.5
    figure, axes = plt.subplots(1, len(layers), figsize=(side * len(layers), side + 0.45), dpi=110, squeeze=False)
    for axis, (number, head, weights) in zip(axes[0], layers, strict=True):
        axis.imshow(seen(weights)[1:], cmap=ListedColormap([NONE, SOME, ALL]), vmin=0, vmax=2)
        places = range(len(picture.words))
        axis.set_xticks(places, picture.words, rotation=90, fontsize=8)
        axis.set_yticks(places[:-1], picture.words[1:] if axis is axes[0][0] else [""] * (len(picture.words) - 1), fontsize=8)
        axis.set_xticks([x - 0.5 for x in places][1:], minor=True)
        axis.set_yticks([y - 0.5 for y in places][1:-1], minor=True)
        axis.grid(which="minor", color="#dddddd", linewidth=0.6)
        axis.tick_params(which="both", length=0)
        axis.set_title(f"layer {number}" + (f", head {head}" if max(picture.model.cost.heads) > 1 else ""), fontsize=9)
    figure.tight_layout(pad=0.6)
    return figure


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put them into docs/gallery/")
    options = parser.parse_args()
    for picture in pictures():
        figure = draw(picture)
        if options.write:
            OUT.mkdir(exist_ok=True)
            figure.savefig(OUT / f"{picture.name}.png", metadata={"Software": None})
        plt.close(figure)
        counts = np.bincount(np.concatenate([seen(w).ravel() for w in patterns(picture)]), minlength=3)
        print(f"{picture.name}: {counts[2]} weights of 1, {counts[1]} added up, {counts[0]} of 0")


if __name__ == "__main__":
    main()
