"""Figures for papers: attention patterns and circuits, drawn with matplotlib as PDF, SVG or PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..runtime.model import Model, require_model
from ..runtime.module import Attention
from ..runtime.place import put
from ..runtime.tokens import encode, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .circuit import Circuit

SUFFIXES = (".pdf", ".svg", ".png")
NONE, SOME, ALL = "#ffffff", "#9fb4dd", "#283593"  # a weight of 0, a match that is added up, a weight of 1
HIDDEN = "#f0f0f2"
FAINT = 1e-6  # what is added up beside BOS weighs exp(-32) or less
LABELS = 64  # tokens up to which axes are labelled


@dataclass(frozen=True, slots=True)
class Panel:
    """One head's pattern under its title. Shape (n + 1, n + 1), BOS first; `visible` is the mask's, None where all is.

    `adds` says that the head adds up what it matches, at weights near 0 beside BOS: these are then shown.
    """

    title: str
    weights: npt.NDArray[np.floating]
    visible: npt.NDArray[np.bool_] | None = None
    adds: bool = False


def plot_attention(model: Model, tokens: Sequence[Symbol], path: str | Path | None = None, *, columns: int = 4) -> Figure:
    """Where every head of a model looks on a text: rows ask, columns are read, BOS first; dark is a weight of 1.

    The figure, also written to `path` as PDF, SVG or PNG if one is given. Raises InputError for unknown symbols, for a model without
    attention, without matplotlib, and for another suffix.
    """
    from .trace import traced

    require_model("plot_attention()", model)
    if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"columns is {columns!r}", hint="give an integer of at least 1")
    row = encode(model.graph.sizes, in_order(tokens))
    if not row:
        raise InputError("the text has no tokens", hint="give at least one")
    (trace,) = traced(model, [row])
    if not trace.heads:
        raise InputError(f"{model.name} has no attention", hint="it looks at no other position")
    panels: list[Panel] = []
    for head in trace.heads:
        block = model.module.blocks[head.block]
        assert isinstance(block, Attention)
        n = len(row) + 1
        visible = block.visible(model.module.W_E.new_zeros(1, n, 1))[head.head].cpu().numpy()
        panels.append(
            Panel(f"block {head.block + 1}, head {head.head}: {head.label.split(':')[0]}", head.pattern, visible, _adds(head.label))
        )
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    return attention_figure(rows, ["BOS", *(str(model.alphabet.symbols[i]) for i in row)], path)


def compiled_panel(title: str, label: str, weights: npt.NDArray[np.floating]) -> Panel:
    """A compiled head's pattern; its label says whether it adds up."""
    return Panel(title, weights, adds=_adds(label))


def _adds(label: str) -> bool:
    """Whether a head is that of a total: `count: total causal: …`."""
    return "total " in label


def attention_figure(rows: Sequence[Sequence[Panel | None]], words: Sequence[str], path: str | Path | None = None) -> Figure:
    """Patterns in rows of panels over the same words; a panel may be left out. Raises InputError as `plot_attention` does."""
    figure = blank(path)
    across = max(len(row) for row in rows)
    side = min(5.0, max(1.7, 0.2 * len(words) + 0.6))
    figure.set_size_inches(side * across, (side + 0.25) * len(rows))
    words_below = 0.1 + 0.09 * max(map(len, ("BOS", *words)))  # inches that the words under a panel take, and the title below them
    axes = figure.subplots(len(rows), across, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.22 + words_below / side})
    for r, row in enumerate(rows):
        for c in range(across):
            panel = row[c] if c < len(row) else None
            if panel is None:
                axes[r][c].set_axis_off()
            else:
                _draw(axes[r][c], panel, words, first=c == 0)
    written(figure, path)
    return figure


def _draw(axes: Axes, panel: Panel, words: Sequence[str], first: bool) -> None:
    from matplotlib.colors import to_rgb

    n = len(words)
    image = np.empty((n, n, 3))
    image[:] = to_rgb(NONE)
    if panel.visible is not None:
        image[~panel.visible] = to_rgb(HIDDEN)
    weights = np.clip(panel.weights, 0, 1)[..., None]
    mixed = to_rgb(NONE) + weights * (np.array(to_rgb(ALL)) - to_rgb(NONE))
    image = np.where(weights >= FAINT, mixed, np.where((weights > 0) & panel.adds, to_rgb(SOME), image))
    axes.imshow(image, interpolation="nearest")
    axes.set_title(plain(panel.title), fontsize=8)
    axes.tick_params(which="both", length=0)
    size = 7 if n <= 24 else 5
    places = range(n) if n <= LABELS else []
    axes.set_xticks(list(places), [plain(w) for w in words] if places else [], rotation=90, fontsize=size)
    axes.set_yticks(list(places), [plain(w) for w in words] if places and first else [""] * len(places), fontsize=size)
    if n <= LABELS:
        axes.set_xticks([x - 0.5 for x in range(1, n)], minor=True)
        axes.set_yticks([x - 0.5 for x in range(1, n)], minor=True)
        axes.grid(which="minor", color="#dddddd", linewidth=0.4)


def plot_circuit(circuit: Circuit, path: str | Path | None = None) -> Figure:
    """A circuit, blocks from the bottom up: who passes which value to whom, by the queries, keys and values of heads, and by MLPs.

    What only clears cells is left out. Raises InputError as `plot_attention` does.
    """
    figure = blank(path)
    kept = [n for n in circuit.nodes if n.kind != "clear"]
    levels = {block: level for level, block in enumerate(sorted({n.block for n in kept}))}
    names = {"token": "W_E", "position": "W_pos", "unembed": "W_U"}
    texts = {n.name: f"{names.get(n.kind) or n.label.split(':')[0] or n.name}\n{', '.join(n.values) if n.values else n.kind}" for n in kept}
    place: dict[str, tuple[float, float]] = {}
    width = 1.0
    for block, level in levels.items():
        row = [n.name for n in kept if n.block == block]
        sizes = [0.35 + 0.075 * max(map(len, texts[name].split("\n"))) for name in row]
        x = -sum(sizes) / 2 - 0.1 * (len(row) - 1)
        for name, size in zip(row, sizes, strict=True):
            place[name] = (x + size / 2, level * 0.9)
            x += size + 0.2
        width = max(width, sum(sizes) + 0.2 * len(row))
    figure.set_size_inches(width + 3.2, 0.9 * len(levels) + 0.4)
    axes = figure.subplots()
    axes.set(xlim=(-width / 2 - 1.6, width / 2 + 1.6), ylim=(-0.45, 0.9 * (len(levels) - 1) + 0.45))
    axes.set_axis_off()
    colours = {"q": "#283593", "k": "#b06a00", "v": "#1b7a43", "mlp": "#777777", "logits": "#777777"}
    edges = dict.fromkeys((e.source, e.target, e.path) for e in circuit.edges if e.source in place and e.target in place)
    shift = {"q": -0.12, "k": 0.0, "v": 0.12}
    for source, target, path_ in edges:
        (x0, y0), (x1, y1) = place[source], place[target]
        far = (y1 - y0) / 0.9 > 1.5
        bend = (0.25 if x0 >= 0 else -0.25) if far else 0.0
        style = {"arrowstyle": "-|>", "color": colours[path_], "lw": 0.9, "alpha": 0.8, "shrinkA": 12, "shrinkB": 12}
        d = shift.get(path_, 0.0)
        axes.annotate("", (x1 + d, y1), (x0 + d, y0), arrowprops={**style, "connectionstyle": f"arc3,rad={bend}"})
    for name, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#555555", "linewidth": 0.8}
        axes.text(x, y, plain(texts[name]), ha="center", va="center", fontsize=7.5, bbox=box, zorder=3)
    for i, (path_, colour) in enumerate({"query": "#283593", "key": "#b06a00", "value": "#1b7a43", "MLP, logits": "#777777"}.items()):
        axes.text(0.0, 1 - 0.22 / (0.9 * len(levels) + 0.4) * i, path_, transform=axes.transAxes, color=colour, fontsize=7.5, va="top")
    written(figure, path)
    return figure


def plain(text: str) -> str:
    """Text as it is: matplotlib reads what stands between dollar signs as mathematics. Characters that no font has are escapes."""
    shown = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    return shown.replace("$", r"\$")


def blank(path: str | Path | None) -> Figure:
    """An empty figure. Raises InputError without matplotlib, and where `path` cannot be written or says no form."""
    if path is not None:
        target = Path(path)
        if target.suffix not in SUFFIXES:
            raise InputError(f"{target} is not {', '.join(SUFFIXES)}", hint=f"for example {target.stem or 'picture'}.pdf")
        if not target.parent.is_dir():
            raise InputError(f"{target.parent} is not a directory", hint="make it first")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("plots need matplotlib", hint="pip install 'headwork[plot]'") from None
    return Figure(dpi=150)


def written(figure: Figure, path: str | Path | None) -> None:
    """Write a figure, whole or not at all; without dates, so that equal figures are equal files."""
    if path is None:
        return
    target, drawn = Path(path), io.BytesIO()
    nothing = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {"Software": None}}[target.suffix]
    figure.savefig(drawn, format=target.suffix[1:], metadata=nothing, bbox_inches="tight", pad_inches=0.08)
    put(target, drawn.getvalue())
