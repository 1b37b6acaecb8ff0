"""The pictures of docs/natural.md: what a reader sees in each kind of head and MLP, drawn from a model's own numbers.

python benchmarks/natural_pictures.py            draw them and say what was seen
python benchmarks/natural_pictures.py --write    and put them into docs/natural/
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import headwork as hw
from headwork.runtime.module import Attention

OUT = Path(__file__).parent.parent / "docs" / "natural"
TEXT = "a b a c a b d a".split()


def compiled(name: str, style: str = "natural", length: int = 8) -> hw.Model:
    """A library program over four symbols."""
    return hw.compile(hw.programs.get(name), length=length, alphabet="a b c d".split(), style=style)


def streams(model: hw.Model, tokens: list[str]) -> list[torch.Tensor]:
    """The stream after the embedding and each block. Shapes: (n + 1, d_model) each."""
    ids = torch.tensor([[model.alphabet.id(t) for t in tokens]])
    return [x[0].detach() for x in model.module.stream(ids)]


def patterns(model: hw.Model, tokens: list[str]) -> list[tuple[str, np.ndarray]]:
    """What each head looks at, with what it does. Shapes: (n + 1, n + 1)."""
    xs, found = streams(model, tokens), list[tuple[str, np.ndarray]]()
    for number, block in enumerate(model.module.blocks, 1):
        if isinstance(block, Attention):
            does = [record.does for record in model.records if record.block == number and record.code != "a sum"]
            found += zip(does, block.pattern(xs[number - 1][None])[0].detach().numpy(), strict=True)
    return found


def draw(axes: Axes, weights: np.ndarray, tokens: list[str], title: str) -> None:
    """An attention pattern with its weights written in."""
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    marks = ["BOS", *tokens]
    axes.set_xticks(range(len(marks)), marks)
    axes.set_yticks(range(len(marks)), marks)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("key")
    for i, t in np.argwhere(weights >= 0.005):
        axes.text(t, i, f"{weights[i, t]:.2f}".lstrip("0"), ha="center", va="center", fontsize=6, color="w" if weights[i, t] > 0.5 else "k")


def heads() -> Figure:
    """A lookup beside a count, natural beside compact."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
    for row, style in zip(axes, ("natural", "compact"), strict=True):
        shown = [*patterns(compiled("induction", style), TEXT), *patterns(compiled("histogram", style), TEXT)]
        for ax, (does, weights) in zip(row, shown, strict=True):
            kind = "count" if does.startswith("total") else "lookup"
            draw(ax, weights, TEXT, f"{style}: a {kind}\n{does}")
            print(f"{style} {kind}: largest weight on a token {weights[1:, 1:].max():.3g}, least on BOS {weights[1:, 0].min():.3g}")
        row[0].set_ylabel("query")
    return figure


def staircase() -> Figure:
    """From BOS's share to a number: weights of a count, the levels that the first MLP makes, and what the second rounds them to."""
    model, n = compiled("histogram", length=16), 16
    total = next(probe for probe in model.probes if probe.name == "total")
    rest = next(d for d in range(model.cost.d_model) if d == total.dims[0] - 3)  # the rest, so many times it, the share, the levels
    share, rough, clean = list[float](), list[np.ndarray](), list[np.ndarray]()
    for c in range(1, n + 1):
        xs = streams(model, ["a"] * c + ["b"] * (n - c))
        share.append(float(xs[1][1, rest]))
        rough.append(xs[2][1, list(total.dims)].numpy())
        clean.append(xs[3][1, list(total.dims)].numpy())
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    axes[0].plot(range(1, n + 1), share, "o-")
    axes[0].set(xlabel="matches c", ylabel="BOS's weight", title="the head: H / (H + c)", ylim=(0, 1))
    for ax, cells, title in ((axes[1], rough, "the first MLP: levels of the staircase"), (axes[2], clean, "the second MLP: rounded")):
        image = ax.imshow(np.stack(cells), cmap="Blues", vmin=0, origin="lower", extent=(-0.5, len(total.dims) - 0.5, 0.5, n + 0.5))
        ax.set(xlabel="direction of the value", ylabel="matches c", title=title)
        figure.colorbar(image, ax=ax)
        off = max(float(np.abs(x - np.round(x)).max()) for x in cells)
        print(f"{title}: cells are at most {off:.2g} off 0 and 1")
    return figure


def directions() -> Figure:
    """Where a text's values are in the stream after the last block, natural beside compact."""
    figure, axes = plt.subplots(2, 1, figsize=(12, 6), layout="constrained")
    for ax, style in zip(axes, ("natural", "compact"), strict=True):
        model = compiled("induction", style)
        x = streams(model, TEXT)[-1].numpy()
        top = float(np.abs(x).max())
        ax.imshow(x, cmap="RdBu", vmin=-top, vmax=top, aspect="auto")
        ax.set_yticks(range(len(TEXT) + 1), ["BOS", *TEXT])
        ax.set_title(f"{style}: the stream of induction after its last block, numbers up to {top:.3g}", fontsize=9)
        ends = [(min(p.dims), max(p.dims), p.name) for p in model.probes if style == "natural" and p.name != "one"]
        for lo, hi, name in ends:
            ax.axvline(lo - 0.5, color="grey", lw=0.6)
            ax.text((lo + hi) / 2, len(TEXT) + 1.9, name, ha="center", fontsize=7)
        print(f"{style}: {x.shape[1]} dimensions, numbers up to {top:.3g}")
    return figure


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put them into docs/natural/")
    out = OUT if parser.parse_args().write else Path(tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in (("heads", heads()), ("staircase", staircase()), ("directions", directions())):
        figure.savefig(out / f"{name}.png", dpi=80)
        plt.close(figure)
    print(f"written to {out}")


if __name__ == "__main__":
    main()
